//! Referential actions: what happens to the rows that refer to a changed or deleted row.
//!
//! SQLite knows all keys as NO ACTION, so that nothing happens behind the pipeline: rows that go or change by an action are statements on
//! the referring table, with its triggers, checks and generated columns. They run as PostgreSQL's do: after the statement's last row,
//! in the order of the constraints' making, as the referring table's owner; what they change queues up behind.

use std::sync::Arc;

use basalt_catalog::{Action, Catalog, Relation};
use basalt_plan::program::{ChildKey, Program, WriteProgram};
use basalt_types::{Oid, RoleName, SqlError, Value};

use super::after::{Batch, Queue};
use super::{Change, Work, kept, run_statement};
use crate::bind::Facts;
use crate::compile;
use crate::names::{columns, quoted};

impl Work<'_> {
    /// Runs or checks a key that refers to this table, for one changed row.
    pub(super) fn refer(&self, key: &ChildKey, change: &Change, queue: &mut Queue<'_>) -> Result<(), SqlError> {
        let Some(old) = change.old.as_deref() else { return Ok(()) };
        let new = change.new.as_deref();
        let gone = self.values(&key.columns, old)?;
        if gone.iter().any(|value| value.is_null()) {
            return Ok(());
        }
        let mut params: Vec<Value> = gone.iter().map(|value| (*value).clone()).collect();
        if let Some(new) = new {
            let now = self.values(&key.columns, new)?;
            if now == gone {
                return Ok(());
            }
            params.extend(now.into_iter().cloned());
        }
        let action = if new.is_none() { key.on_delete } else { key.on_update };
        match action {
            Action::NoAction if self.desk.late.waits(key.constraint, key.deferral) => self.defer_reference(key, old),
            Action::NoAction => self.no_action(key, old),
            Action::Restrict => {
                if self.is_referenced(key, old)? {
                    return Err(self.still_referenced(key, old)?);
                }
                Ok(())
            }
            Action::Cascade | Action::SetNull | Action::SetDefault => {
                self.act(key, action, new.is_none(), &params, queue)?;
                // A row whose default is the key that goes was changed to what it was.
                if action == Action::SetDefault { self.no_action(key, old) } else { Ok(()) }
            }
        }
    }

    /// NO ACTION: an error as long as rows refer to a key that no row has any more.
    fn no_action(&self, key: &ChildKey, old: &[Value]) -> Result<(), SqlError> {
        if !self.desk.connection.has_foreign_key_violations()
            || !self.is_referenced(key, old)?
            || self.is_stored(&key.columns, old)?
        {
            return Ok(());
        }
        Err(self.still_referenced(key, old)?)
    }

    fn act(
        &self,
        key: &ChildKey,
        action: Action,
        is_delete: bool,
        params: &[Value],
        queue: &mut Queue<'_>,
    ) -> Result<(), SqlError> {
        let catalog = self.desk.catalog();
        let Some(child) = catalog.relation_by_oid(key.child) else { return Ok(()) };
        let program = kept::of(
            &catalog,
            |kept| &mut kept.actions,
            (key.constraint.0, is_delete),
            || {
                let sql = statement(&catalog, child, key, action, is_delete);
                match compile::text(&sql, &catalog, self.desk.expressions())? {
                    Program::Write(program) => Ok(program),
                    Program::Read(_) => Err(SqlError::internal("a referential action became a read")),
                }
            },
        )?;
        let mut session = self.facts.session.clone();
        session.acting = Some(RoleName::new(child.owner.as_str()));
        let facts = Facts { params, session: &session, ..*self.facts };
        let changes = self.act_out(&program, &facts)?;
        if !changes.is_empty() {
            queue.push_back(Batch::of_action(program, changes));
        }
        Ok(())
    }

    fn act_out(&self, program: &Arc<WriteProgram>, facts: &Facts<'_>) -> Result<Vec<Change>, SqlError> {
        if program.table.has_statement_triggers {
            // PostgreSQL fires them once for all rows of the action, between the rows' own.
            return Err(SqlError::unsupported("a foreign key's action on a table with triggers FOR EACH STATEMENT"));
        }
        Ok(run_statement(self.desk, program, facts, None, self.depth + 1)?.changes)
    }
}

/// The action as a statement on the referring table: the old key in `$1`, `$2`, …, behind it the new one.
fn statement(catalog: &Catalog, child: &Relation, key: &ChildKey, action: Action, is_delete: bool) -> String {
    let schema = catalog.schema_by_oid(Oid(child.schema)).map_or("", |s| s.name.as_str());
    let table = format!("{}.{}", quoted(schema), quoted(&child.name));
    let own = columns(child, &key.child_columns);
    let condition =
        own.iter().enumerate().map(|(i, name)| format!("{} = ${}", quoted(name), i + 1)).collect::<Vec<_>>().join(" AND ");
    if action == Action::Cascade && is_delete {
        return format!("DELETE FROM {table} WHERE {condition}");
    }
    let width = own.len();
    let set = if is_delete && !key.set_columns.is_empty() { columns(child, &key.set_columns) } else { own };
    let set = set.iter().enumerate().map(|(i, name)| match action {
        Action::Cascade => format!("{} = ${}", quoted(name), width + i + 1),
        Action::SetDefault => format!("{} = DEFAULT", quoted(name)),
        _ => format!("{} = NULL", quoted(name)),
    });
    format!("UPDATE {table} SET {} WHERE {condition}", set.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests;
