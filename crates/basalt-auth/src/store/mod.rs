//! The repository of auth's own tables. All SQL of this crate is here, in PostgreSQL's words, for every engine.

mod originals;
mod sessions;
mod users;

use basalt_engine::{Engine, Transaction, snapshot, transaction};
use basalt_types::pg::datetime::{now_text, timestamp_from_stored, write_timestamp};
use basalt_types::pg::jsonb_normalise;
use basalt_types::{SqlError, Timestamp, Value};
use serde_json::Map;
use std::sync::Arc;
use uuid::Uuid;

pub(crate) use originals::{NEWEST_COUNTER, OriginalTokens};
pub(crate) use sessions::{Client, NewSession, Session, Sessions};
pub(crate) use users::{Identity, Page, User, Users};

/// A JSON object.
pub(crate) type Object = Map<String, serde_json::Value>;

/// The door to the database.
pub(crate) struct Store {
    engine: Arc<dyn Engine>,
}

impl Store {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine }
    }

    /// Reads from a snapshot.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, SqlError>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Transaction) -> Result<T, SqlError> + Send + Sync + 'static,
    {
        snapshot(self.engine.as_ref(), work).await
    }

    /// Runs one durable transaction. The work may run more than once. An `Err` rolls back; a value commits, also one that says no.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, SqlError>
    where
        T: Send + 'static,
        F: Fn(&mut dyn Transaction) -> Result<T, SqlError> + Send + Sync + 'static,
    {
        transaction(self.engine.as_ref(), work).await
    }
}

/// The values of a row, taken one after the other in the order of the statement's columns.
pub(super) struct Columns(std::vec::IntoIter<Value>);

impl Columns {
    pub(super) fn of(row: Vec<Value>) -> Self {
        Self(row.into_iter())
    }

    fn next(&mut self) -> Value {
        self.0.next().unwrap_or_default()
    }

    pub(super) fn optional_text(&mut self) -> Option<String> {
        match self.next() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> String {
        self.optional_text().unwrap_or_default()
    }

    pub(super) fn integer(&mut self) -> Option<i64> {
        match self.next() {
            Value::Int(n) => Some(n),
            _ => None,
        }
    }

    pub(super) fn flag(&mut self) -> bool {
        self.integer() == Some(1)
    }

    pub(super) fn time(&mut self) -> Option<Timestamp> {
        timestamp_from_stored(&self.optional_text()?)
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, SqlError> {
        Uuid::parse_str(&self.text()).map_err(|_| SqlError::internal("a row of auth has no valid id"))
    }

    pub(super) fn object(&mut self) -> Object {
        self.optional_text().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }
}

pub(super) fn time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| Value::Text(now_text(at)))
}

/// `sessions.refreshed_at` has no time zone; the original writes UTC.
pub(super) fn time_without_zone(at: Timestamp) -> Value {
    let mut text = String::new();
    write_timestamp(at, &mut text);
    Value::Text(text)
}

pub(super) fn uuid(id: Uuid) -> Value {
    Value::Text(id.to_string())
}

/// A row that was there a statement ago, and is not: a trigger of the project deleted it.
pub(crate) fn vanished() -> SqlError {
    SqlError::internal("a row of auth was removed by a trigger while it was being written")
}

/// Keeps a user's identity of a kind (`email`, `phone`) in step with the address, making it where there is none.
pub(crate) fn set_identity_address(
    tx: &mut dyn Transaction,
    user: &User,
    new_id: Uuid,
    kind: &'static str,
    address: &str,
    is_verified: bool,
) -> Result<(), SqlError> {
    let existing = Users(tx).identities(user.id)?.into_iter().find(|identity| identity.provider == kind);
    match existing {
        None => {
            let now = tx.now();
            let identity = Identity::new(new_id, user.id, kind, (kind, address), is_verified, &Object::new(), now);
            Users(tx).insert_identity(&identity)
        }
        Some(mut identity) => {
            identity.identity_data.insert(kind.to_owned(), address.into());
            identity.identity_data.insert(format!("{kind}_verified"), is_verified.into());
            Users(tx).update_identity(&mut identity)
        }
    }
}

/// jsonb in its stored form.
pub(super) fn jsonb(object: &Object) -> Result<Value, SqlError> {
    let text = serde_json::to_string(object).map_err(|_| SqlError::internal("JSON that cannot be written"))?;
    Ok(Value::Text(jsonb_normalise(&text)?))
}
