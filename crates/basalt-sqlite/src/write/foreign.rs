//! Foreign keys after the last row of a statement: SQLite counts violations, here is which key it was.

use basalt_plan::program::{ChildKey, ForeignKey};
use basalt_types::{SqlError, SqlState, Value, ValueRef};

use super::row::Row;
use super::{Change, Work};
use crate::compile;
use crate::keys::shown;
use crate::names::{columns, quoted};

impl Work<'_> {
    /// A key of this table, for one new row. Initially deferred ones may wait for the end of the transaction.
    pub(super) fn check_foreign_key(&self, key: &ForeignKey, change: &Change) -> Result<(), SqlError> {
        let Some(new) = change.new.as_deref() else { return Ok(()) };
        let values = self.values(&key.columns, new)?;
        if let Some(old) = change.old.as_deref()
            && values == self.values(&key.columns, old)?
        {
            return Ok(());
        }
        let nulls = values.iter().filter(|v| v.is_null()).count();
        if nulls > 0 {
            if key.match_full && nulls < values.len() {
                return Err(self.refused(key).detail("MATCH FULL does not allow mixing of null and nonnull key values."));
            }
            return Ok(());
        }
        if key.deferral.initially_deferred || !self.desk.connection.has_foreign_key_violations() {
            return Ok(());
        }
        // A trigger may have changed the row or taken it away.
        if self.first(&key.exists, &self.row(new))?.is_some() || !self.is_stored(&key.columns, new)? {
            return Ok(());
        }
        Err(self.missing_parent(key, new)?)
    }

    /// Whether some row of this table has these values now.
    pub(super) fn is_stored(&self, attnums: &[i16], row: &[Value]) -> Result<bool, SqlError> {
        let catalog = self.desk.catalog();
        let table = &self.program.table;
        let Some(relation) = catalog.relation_by_oid(table.relation) else { return Ok(false) };
        let names = columns(relation, attnums);
        let condition =
            names.iter().enumerate().map(|(i, name)| format!("{} = ?{}", quoted(name), i + 1)).collect::<Vec<_>>().join(" AND ");
        let sql = format!("SELECT 1 FROM {} WHERE {condition} LIMIT 1", quoted(&table.storage_name));
        let values = self.values(attnums, row)?;
        let params: Vec<ValueRef<'_>> = values.iter().map(|value| value.as_ref()).collect();
        Ok(!self.desk.connection.query_once(&sql, &params)?.is_empty())
    }

    /// Whether rows refer to an old row's key.
    pub(super) fn is_referenced(&self, key: &ChildKey, old: &[Value]) -> Result<bool, SqlError> {
        if self.values(&key.columns, old)?.iter().any(|v| v.is_null()) {
            return Ok(false);
        }
        let mut row = Row::none(&self.program.table);
        row.old = Some(old);
        Ok(self.first(&key.rows, &row)?.is_some())
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
        if self.is_hidden(&key.columns, key.detail_hidden) {
            return Ok(error.detail(format!("Key is not present in table \"{}\".", key.target_name)));
        }
        let shown = self.shown_key(&key.columns, new)?;
        Ok(error.detail(format!("Key {shown} is not present in table \"{}\".", key.target_name)))
    }

    pub(super) fn still_referenced(&self, key: &ChildKey, old: &[Value]) -> Result<SqlError, SqlError> {
        let error = SqlError::new(
            SqlState::FOREIGN_KEY_VIOLATION,
            format!(
                "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                self.program.table.name, key.name, key.child_name
            ),
        )
        .constraint(key.name.clone());
        if self.is_hidden(&key.columns, key.detail_hidden) {
            return Ok(error.detail(format!("Key is still referenced from table \"{}\".", key.child_name)));
        }
        let shown = self.shown_key(&key.columns, old)?;
        Ok(error.detail(format!("Key {shown} is still referenced from table \"{}\".", key.child_name)))
    }

    /// Whether the key's values are hidden from whoever the statement runs for; an action's own program is compiled for the owner.
    fn is_hidden(&self, columns: &[i16], by_program: bool) -> bool {
        let catalog = self.desk.catalog();
        by_program
            || catalog
                .relation_by_oid(self.program.table.relation)
                .is_some_and(|relation| compile::hides_values(&catalog, self.facts.session.role.as_str(), relation, columns))
    }

    pub(super) fn values<'v>(&self, columns: &[i16], row: &'v [Value]) -> Result<Vec<&'v Value>, SqlError> {
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
