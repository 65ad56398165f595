//! Unique keys: SQLite says that one collided; here is which, and with what.

use basalt_catalog::{Constraint, ConstraintKind};
use basalt_plan::program::{Conflict, UniqueKey};
use basalt_types::{Oid, SqlError, SqlState, Value, ValueRef};

use super::Work;
use crate::bind;
use crate::commit::Doubt;
use crate::error::Failure;
use crate::keys::shown;

impl Work<'_> {
    /// The stored row that ON CONFLICT is about, if any.
    pub(super) fn conflicting(&self, conflict: &Conflict, new: &[Value]) -> Result<Option<i64>, SqlError> {
        for key in &self.program.unique_keys {
            if !conflict.arbiters.is_empty() && !conflict.arbiters.contains(&key.index) {
                continue;
            }
            if key.deferral.deferrable {
                let text = "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters";
                return Err(SqlError::new(SqlState::NOT_IN_PREREQUISITE_STATE, text));
            }
            if let Some(rowid) = self.holder(key, new)? {
                return Ok(Some(rowid));
            }
        }
        Ok(None)
    }

    /// The deferrable keys that another row holds too, now that this row is stored: to be looked at again after the last row.
    pub(super) fn doubtful(&self, new: &[Value], old: Option<&[Value]>) -> Result<Vec<usize>, SqlError> {
        let mut doubtful = Vec::new();
        for (at, key) in self.program.unique_keys.iter().enumerate().filter(|(_, key)| key.deferral.deferrable) {
            let is_same = match old {
                Some(old) => self.values(&key.columns, new)? == self.values(&key.columns, old)?,
                None => false,
            };
            if !is_same && self.is_held_twice(key, new)? {
                doubtful.push(at);
            }
        }
        Ok(doubtful)
    }

    fn is_held_twice(&self, key: &UniqueKey, new: &[Value]) -> Result<bool, SqlError> {
        let row = self.row(new);
        let mut statement = bind::prepare(self.desk.connection, &key.probe, self.facts, &row)?;
        Ok(statement.step()? && statement.step()?)
    }

    /// Checks a deferrable key of a stored row, or keeps it for the end of the transaction.
    pub(super) fn check_unique(&self, key: &UniqueKey, constraint: &Constraint, new: &[Value]) -> Result<(), SqlError> {
        let oid = Oid(constraint.oid);
        if self.desk.late.waits(oid, constraint.deferral)
            && let ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns, .. } = &constraint.kind
        {
            let hidden = self.is_hidden(columns, key.detail_hidden);
            self.owe(Doubt::Duplicate, self.program.table.relation, oid, &self.values(columns, new)?, hidden);
            return Ok(());
        }
        if self.is_held_twice(key, new)? { Err(self.duplicate(key, new)?) } else { Ok(()) }
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
        for key in self.program.unique_keys.iter().filter(|key| !key.deferral.deferrable) {
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
        if self.is_hidden(&key.columns, key.detail_hidden) {
            return Ok(error);
        }
        let row = self.row(new);
        let values = self.first(&key.values, &row)?.unwrap_or_default();
        let values: Vec<String> = values.iter().zip(&key.types).map(|(v, ty)| shown(v, *ty)).collect();
        Ok(error.detail(format!("Key ({})=({}) already exists.", key.terms.join(", "), values.join(", "))))
    }
}
