//! Foreign keys after the last row of a statement: SQLite counts violations, here is which key it was.

use basalt_plan::program::{ChildKey, ForeignKey};
use basalt_types::{Oid, SqlError, Value, ValueRef};

use super::row::Row;
use super::{Change, Work};
use crate::commit::{Doubt, Owed};
use crate::names::{columns, quoted};
use crate::{compile, keys, schema};

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
                return self.mixed_nulls(key, &values);
            }
            return Ok(());
        }
        if !self.desk.connection.has_foreign_key_violations() {
            return Ok(());
        }
        if self.desk.late.waits(key.constraint, key.deferral) {
            if self.first(&key.exists, &self.row(new))?.is_none() {
                let hidden = self.is_hidden(&key.columns, key.detail_hidden);
                self.owe(Doubt::Missing, self.program.table.relation, key.constraint, &values, hidden);
            }
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

    /// MATCH FULL: now, or at the end of the transaction if the row is still there then.
    fn mixed_nulls(&self, key: &ForeignKey, values: &[&Value]) -> Result<(), SqlError> {
        if !self.desk.late.waits(key.constraint, key.deferral) {
            return Err(keys::mixed_nulls(&self.program.table.name, &key.name));
        }
        self.owe(Doubt::MixedNulls, self.program.table.relation, key.constraint, values, false);
        Ok(())
    }

    /// A deferred key that refers to this table, for an old row: NO ACTION at the end of the transaction.
    pub(super) fn defer_reference(&self, key: &ChildKey, old: &[Value]) -> Result<(), SqlError> {
        if self.desk.connection.has_foreign_key_violations() && self.is_referenced(key, old)? {
            let hidden = self.is_hidden(&key.columns, key.detail_hidden);
            self.owe(Doubt::Referenced, key.child, key.constraint, &self.values(&key.columns, old)?, hidden);
        }
        Ok(())
    }

    /// Keeps a key's values for the end of the transaction.
    pub(super) fn owe(&self, doubt: Doubt, relation: Oid, constraint: Oid, values: &[&Value], detail_hidden: bool) {
        let values = values.iter().map(|value| (*value).clone()).collect();
        self.desk.late.owe(Owed { doubt, relation, constraint, values, detail_hidden });
    }

    fn missing_parent(&self, key: &ForeignKey, new: &[Value]) -> Result<SqlError, SqlError> {
        let values = self.shown_values(&key.columns, key.detail_hidden, new)?;
        let catalog = self.desk.catalog();
        let relation = schema::relation(&catalog, self.program.table.relation)?;
        Ok(keys::missing_parent(relation, &key.columns, &key.name, &key.target_name, values.as_deref()))
    }

    pub(super) fn still_referenced(&self, key: &ChildKey, old: &[Value]) -> Result<SqlError, SqlError> {
        let values = self.shown_values(&key.columns, key.detail_hidden, old)?;
        let catalog = self.desk.catalog();
        let relation = schema::relation(&catalog, self.program.table.relation)?;
        Ok(keys::still_referenced(relation, &key.columns, &key.name, &key.child_name, values.as_deref()))
    }

    /// A key's values, unless they are hidden.
    fn shown_values(&self, columns: &[i16], by_program: bool, row: &[Value]) -> Result<Option<Vec<Value>>, SqlError> {
        if self.is_hidden(columns, by_program) {
            return Ok(None);
        }
        Ok(Some(self.values(columns, row)?.into_iter().cloned().collect()))
    }

    /// Whether the key's values are hidden from whoever the statement runs for; an action's own program is compiled for the owner.
    pub(super) fn is_hidden(&self, columns: &[i16], by_program: bool) -> bool {
        let catalog = self.desk.catalog();
        by_program
            || catalog.relation_by_oid(self.program.table.relation).is_some_and(|relation| {
                compile::hides_values(&catalog, self.facts.session.current_user().as_str(), relation, columns)
            })
    }

    pub(super) fn values<'v>(&self, columns: &[i16], row: &'v [Value]) -> Result<Vec<&'v Value>, SqlError> {
        columns.iter().map(|attnum| Ok(&row[self.position(*attnum)?])).collect()
    }
}
