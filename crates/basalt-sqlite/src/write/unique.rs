//! Unique keys: SQLite says that one collided; here is which, and with what.

use basalt_plan::program::{Conflict, UniqueKey};
use basalt_types::{SqlError, SqlState, Value, ValueRef};

use super::Work;
use crate::error::Failure;
use crate::keys::shown;

impl Work<'_> {
    /// The stored row that ON CONFLICT is about, if any.
    pub(super) fn conflicting(&self, conflict: &Conflict, new: &[Value]) -> Result<Option<i64>, SqlError> {
        for key in &self.program.unique_keys {
            if !conflict.arbiters.is_empty() && !conflict.arbiters.contains(&key.index) {
                continue;
            }
            if let Some(rowid) = self.holder(key, new)? {
                return Ok(Some(rowid));
            }
        }
        Ok(None)
    }

    /// The row that holds a key already.
    fn holder(&self, key: &UniqueKey, new: &[Value]) -> Result<Option<i64>, SqlError> {
        let row = self.row(new);
        Ok(match self.first(&key.probe, &row)?.as_deref() {
            Some([id, ..]) => match id.as_ref() {
                ValueRef::Int(id) => Some(id),
                _ => None,
            },
            _ => None,
        })
    }

    /// 23505 for a row that SQLite refused; `own` is the row's own number when it was there before.
    pub(super) fn collision(&self, new: &[Value], own: Option<i64>, failure: &Failure) -> Result<SqlError, SqlError> {
        for key in &self.program.unique_keys {
            match self.holder(key, new)? {
                Some(holder) if Some(holder) != own => return self.duplicate(key, new),
                _ => {}
            }
        }
        Ok(failure.to_sql())
    }

    fn duplicate(&self, key: &UniqueKey, new: &[Value]) -> Result<SqlError, SqlError> {
        let text = format!("duplicate key value violates unique constraint \"{}\"", key.name);
        let error = SqlError::new(SqlState::UNIQUE_VIOLATION, text).constraint(key.name.clone());
        if key.detail_hidden {
            return Ok(error);
        }
        let row = self.row(new);
        let values = self.first(&key.values, &row)?.unwrap_or_default();
        let values: Vec<String> = values.iter().zip(&key.types).map(|(v, ty)| shown(v, *ty)).collect();
        Ok(error.detail(format!("Key ({})=({}) already exists.", key.terms.join(", "), values.join(", "))))
    }
}
