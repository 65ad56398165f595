//! Foreign keys after the last row of a statement: SQLite counts violations, here is which key it was.

use basalt_catalog::Action;
use basalt_plan::program::{ChildKey, ForeignKey};
use basalt_types::{SqlError, SqlState, Value};

use super::Work;
use super::row::Row;
use crate::error::Failure;
use crate::keys::{self, shown};

impl Work<'_> {
    /// Keys that the statement violates. Initially deferred ones may wait for the end of the transaction.
    pub(super) fn check_foreign_keys(&self) -> Result<(), SqlError> {
        let program = self.program;
        for key in program.foreign_keys.iter().filter(|key| key.match_full) {
            for new in self.changes.iter().filter_map(|c| c.new.as_deref()) {
                self.check_full(key, new)?;
            }
        }
        if !self.desk.connection.has_foreign_key_violations() {
            return Ok(());
        }
        for key in program.foreign_keys.iter().filter(|key| !key.deferral.initially_deferred) {
            for new in self.changes.iter().filter_map(|c| c.new.as_deref()) {
                if self.is_orphan(key, new)? {
                    return Err(self.missing_parent(key, new)?);
                }
            }
        }
        for key in program.child_keys.iter().filter(|key| !key.deferral.initially_deferred) {
            for old in self.changes.iter().filter_map(|c| c.old.as_deref()) {
                if self.is_referenced(key, old)? && !self.is_still_there(key, old)? {
                    return Err(self.still_referenced(key, old)?);
                }
            }
        }
        // What is left was done by referential actions, in tables that the statement does not name.
        if program.child_keys.is_empty() {
            return Ok(());
        }
        keys::find_immediate_violation(self.desk.connection, &self.desk.catalog(), keys::Side::Referenced).map_or(Ok(()), Err)
    }

    /// MATCH FULL: all columns or none.
    fn check_full(&self, key: &ForeignKey, new: &[Value]) -> Result<(), SqlError> {
        let values = self.values(&key.columns, new)?;
        let nulls = values.iter().filter(|v| v.is_null()).count();
        if nulls == 0 || nulls == values.len() {
            return Ok(());
        }
        Err(self.refused(key).detail("MATCH FULL does not allow mixing of null and nonnull key values."))
    }

    fn is_orphan(&self, key: &ForeignKey, new: &[Value]) -> Result<bool, SqlError> {
        if self.values(&key.columns, new)?.iter().any(|v| v.is_null()) {
            return Ok(false);
        }
        Ok(self.first(&key.exists, &self.row(new))?.is_none())
    }

    fn is_referenced(&self, key: &ChildKey, old: &[Value]) -> Result<bool, SqlError> {
        if self.values(&key.columns, old)?.iter().any(|v| v.is_null()) {
            return Ok(false);
        }
        let mut row = Row::none(&self.program.table);
        row.old = Some(old);
        Ok(self.first(&key.rows, &row)?.is_some())
    }

    /// An update may have kept the key, or another row of the statement may have taken it.
    fn is_still_there(&self, key: &ChildKey, old: &[Value]) -> Result<bool, SqlError> {
        let gone = self.values(&key.columns, old)?;
        for new in self.changes.iter().filter_map(|c| c.new.as_deref()) {
            if self.values(&key.columns, new)? == gone {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// 23503 after SQLite refused to change a row at once: ON DELETE or ON UPDATE RESTRICT.
    pub(super) fn restricted(&self, old: &[Value], failure: &Failure) -> Result<SqlError, SqlError> {
        let restricts = |key: &&ChildKey| key.on_delete == Action::Restrict || key.on_update == Action::Restrict;
        for key in self.program.child_keys.iter().filter(restricts).chain(&self.program.child_keys) {
            if self.is_referenced(key, old)? {
                return self.still_referenced(key, old);
            }
        }
        Ok(failure.to_sql())
    }

    fn refused(&self, key: &ForeignKey) -> SqlError {
        SqlError::new(
            SqlState::FOREIGN_KEY_VIOLATION,
            format!("insert or update on table \"{}\" violates foreign key constraint \"{}\"", self.program.table.name, key.name),
        )
        .constraint(key.name.clone())
    }

    fn missing_parent(&self, key: &ForeignKey, new: &[Value]) -> Result<SqlError, SqlError> {
        let error = self.refused(key);
        if key.detail_hidden {
            return Ok(error.detail(format!("Key is not present in table \"{}\".", key.target_name)));
        }
        let shown = self.shown_key(&key.columns, new)?;
        Ok(error.detail(format!("Key {shown} is not present in table \"{}\".", key.target_name)))
    }

    fn still_referenced(&self, key: &ChildKey, old: &[Value]) -> Result<SqlError, SqlError> {
        let error = SqlError::new(
            SqlState::FOREIGN_KEY_VIOLATION,
            format!(
                "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                self.program.table.name, key.name, key.child_name
            ),
        )
        .constraint(key.name.clone());
        if key.detail_hidden {
            return Ok(error.detail(format!("Key is still referenced from table \"{}\".", key.child_name)));
        }
        let shown = self.shown_key(&key.columns, old)?;
        Ok(error.detail(format!("Key {shown} is still referenced from table \"{}\".", key.child_name)))
    }

    fn values<'v>(&self, columns: &[i16], row: &'v [Value]) -> Result<Vec<&'v Value>, SqlError> {
        columns.iter().map(|attnum| Ok(&row[self.position(*attnum)?])).collect()
    }

    /// `(a, b)=(1, x)`.
    fn shown_key(&self, columns: &[i16], row: &[Value]) -> Result<String, SqlError> {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for attnum in columns {
            let at = self.position(*attnum)?;
            let column = &self.program.table.columns[at];
            names.push(column.name.as_str());
            values.push(shown(&row[at], column.input.base));
        }
        Ok(format!("({})=({})", names.join(", "), values.join(", ")))
    }
}
