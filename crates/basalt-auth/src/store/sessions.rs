//! `auth.sessions`. Refresh tokens have no rows of their own: a session's counter is all that is stored of them.

use basalt_engine::Transaction;
use basalt_types::{SqlError, Timestamp};
use uuid::Uuid;

use super::{Columns, time, time_without_zone, uuid};

const BY_ID: &str = "SELECT id, user_id, created_at, aal, not_after, refreshed_at, refresh_token_counter \
     FROM auth.sessions WHERE id = $1";
const INSERT: &str = "INSERT INTO auth.sessions \
     (id, user_id, created_at, updated_at, aal, user_agent, ip, refresh_token_counter) \
     VALUES ($1, $2, $3, $3, 'aal1', $4, $5, 0)";
/// The condition on the counter makes one of several concurrent refreshes the one that rotates.
const ROTATE: &str = "UPDATE auth.sessions SET refresh_token_counter = $3, refreshed_at = $4, updated_at = $5, user_agent = $6, ip = $7 \
     WHERE id = $1 AND refresh_token_counter = $2";
const DELETE: &str = "DELETE FROM auth.sessions WHERE id = $1";
const DELETE_ALL: &str = "DELETE FROM auth.sessions WHERE user_id = $1";
const DELETE_OTHERS: &str = "DELETE FROM auth.sessions WHERE user_id = $1 AND id <> $2";
const METHODS: &str =
    "SELECT authentication_method, updated_at FROM auth.mfa_amr_claims WHERE session_id = $1 ORDER BY updated_at DESC";
const INSERT_METHOD: &str = "INSERT INTO auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method) \
     VALUES ($1, $2, $3, $3, $4)";
const ADDRESSES: &str = "SELECT ip FROM auth.sessions WHERE user_id = $1 AND ip IS NOT NULL ORDER BY created_at DESC LIMIT 100";

/// A row of `auth.sessions`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the columns' names are the documentation
pub(crate) struct Session {
    pub id: Uuid,
    pub user_id: Uuid,
    pub created_at: Timestamp,
    pub aal: String,
    pub not_after: Option<Timestamp>,
    pub refreshed_at: Option<Timestamp>,
    /// Counter of the active refresh token; `None`: made by the original with tokens of its own.
    pub refresh_token_counter: Option<i64>,
    /// How and when the user proved who they are, the latest first: the `amr` claim.
    pub methods: Vec<(String, Timestamp)>,
}

impl Session {
    /// When it was last known to be in use.
    pub(crate) fn last_refreshed_at(&self) -> Timestamp {
        self.refreshed_at.unwrap_or(self.created_at)
    }
}

/// What [`Sessions::insert`] stores.
#[derive(Debug, Clone)]
pub(crate) struct NewSession {
    pub id: Uuid,
    /// Of the row that tells how it began.
    pub method_id: Uuid,
    /// `password`, …
    pub method: &'static str,
    pub client: Client,
}

/// Who uses a session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Client {
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

/// Statements on sessions, inside a transaction.
pub(crate) struct Sessions<'t>(pub &'t mut dyn Transaction);

impl Sessions<'_> {
    pub(crate) fn by_id(&mut self, id: Uuid) -> Result<Option<Session>, SqlError> {
        let Some(row) = self.0.query(BY_ID, &[uuid(id)])?.rows.into_iter().next() else { return Ok(None) };
        let methods = self.0.query(METHODS, &[uuid(id)])?.rows.into_iter().map(|row| {
            let mut c = Columns::of(row);
            (c.text(), c.time().unwrap_or(Timestamp(0)))
        });
        let mut c = Columns::of(row);
        Ok(Some(Session {
            id: c.uuid()?,
            user_id: c.uuid()?,
            created_at: c.time().unwrap_or(Timestamp(0)),
            aal: c.optional_text().unwrap_or_else(|| "aal1".to_owned()),
            not_after: c.time(),
            refreshed_at: c.time(),
            refresh_token_counter: c.integer(),
            methods: methods.collect(),
        }))
    }

    /// A new session, whose first refresh token has counter 0.
    pub(crate) fn insert(&mut self, user_id: Uuid, new: &NewSession) -> Result<Session, SqlError> {
        let now = self.0.now();
        let (agent, ip) = (new.client.user_agent.clone(), new.client.ip.clone());
        self.0.query(INSERT, &[uuid(new.id), uuid(user_id), time(Some(now)), agent.into(), ip.into()])?;
        self.0.query(INSERT_METHOD, &[uuid(new.method_id), uuid(new.id), time(Some(now)), new.method.into()])?;
        Ok(Session {
            id: new.id,
            user_id,
            created_at: now,
            aal: "aal1".to_owned(),
            not_after: None,
            refreshed_at: None,
            refresh_token_counter: Some(0),
            methods: vec![(new.method.to_owned(), now)],
        })
    }

    /// Makes the next token the active one, if `counter` still is. Says whether it did.
    pub(crate) fn rotate(&mut self, id: Uuid, counter: i64, now: Timestamp, client: &Client) -> Result<bool, SqlError> {
        let params = [
            uuid(id),
            counter.into(),
            counter.saturating_add(1).into(),
            time_without_zone(now),
            time(Some(now)),
            client.user_agent.clone().into(),
            client.ip.clone().into(),
        ];
        Ok(self.0.query(ROTATE, &params)?.affected == 1)
    }

    pub(crate) fn delete(&mut self, id: Uuid) -> Result<(), SqlError> {
        self.0.query(DELETE, &[uuid(id)]).map(drop)
    }

    pub(crate) fn delete_all(&mut self, user: Uuid) -> Result<(), SqlError> {
        self.0.query(DELETE_ALL, &[uuid(user)]).map(drop)
    }

    pub(crate) fn delete_others(&mut self, user: Uuid, kept: Uuid) -> Result<(), SqlError> {
        self.0.query(DELETE_OTHERS, &[uuid(user), uuid(kept)]).map(drop)
    }

    /// Addresses the user's latest sessions were used from.
    pub(crate) fn addresses(&mut self, user: Uuid) -> Result<Vec<String>, SqlError> {
        let rows = self.0.query(ADDRESSES, &[uuid(user)])?.rows;
        Ok(rows.into_iter().filter_map(|row| Columns::of(row).optional_text()).collect())
    }
}
