//! Referential actions that SQLite must not do by itself: on tables with triggers, whose rows go through the pipeline, and SET DEFAULT,
//! since defaults are the catalog's.
//!
//! An action on DELETE runs before the referenced row goes, so that SQLite finds nothing left to do: the children's triggers still see
//! it. An action on UPDATE of a key is SQLite's, without triggers; so is a table's action on itself.

use std::sync::Arc;

use basalt_catalog::{Action, Catalog, Relation};
use basalt_plan::program::{ChildKey, Program, WriteProgram};
use basalt_types::{Oid, SqlError, Value};

use super::{Work, run_at};
use crate::bind::Facts;
use crate::compile;
use crate::names::{columns, quoted};

/// What happens to the rows that refer to a changed row.
pub(super) struct Referential {
    /// The referenced columns, whose old values are the program's parameters.
    columns: Vec<i16>,
    program: Arc<WriteProgram>,
}

impl Work<'_> {
    /// The actions that this statement's rows need, compiled.
    pub(super) fn referential_actions(&self, is_delete: bool) -> Result<Vec<Referential>, SqlError> {
        let catalog = self.desk.catalog();
        let mut actions = Vec::new();
        for key in &self.program.child_keys {
            let action = if is_delete { key.on_delete } else { key.on_update };
            let Some(child) = catalog.relation_by_oid(key.child) else { continue };
            let is_ours = match action {
                Action::SetDefault => true,
                Action::Cascade | Action::SetNull => {
                    is_delete && !child.triggers.is_empty() && child.oid != self.program.table.relation.0
                }
                Action::NoAction | Action::Restrict => false,
            };
            if !is_ours {
                continue;
            }
            let sql = statement(&catalog, child, key, action);
            let Program::Write(program) = compile::text(&sql, &catalog, self.desk.expressions())? else {
                return Err(SqlError::internal("a referential action became a read"));
            };
            actions.push(Referential { columns: key.columns.clone(), program });
        }
        Ok(actions)
    }

    /// Runs the actions for one row: before a deleted one goes, after an updated one was stored.
    pub(super) fn refer(&self, actions: &[Referential], old: &[Value], new: Option<&[Value]>) -> Result<(), SqlError> {
        for action in actions {
            let mut params = Vec::with_capacity(action.columns.len());
            let mut is_changed = new.is_none();
            for attnum in &action.columns {
                let at = self.position(*attnum)?;
                is_changed |= new.is_some_and(|new| new[at] != old[at]);
                params.push(old[at].clone());
            }
            if !is_changed || params.iter().any(Value::is_null) {
                continue;
            }
            let facts = Facts { params: &params, ..*self.facts };
            // As with triggers, the statement's authorization does not bind what the owner's keys do.
            let context = self.desk.connection.context();
            let paused = context.pause_guard();
            let done = run_at(self.desk, &action.program, &facts, None, self.depth + 1);
            context.resume_guard(paused);
            done?;
        }
        Ok(())
    }
}

/// The action as a statement on the referring table, the referenced row's old key in `$1`, `$2`, …
fn statement(catalog: &Catalog, child: &Relation, key: &ChildKey, action: Action) -> String {
    let schema = catalog.schema_by_oid(Oid(child.schema)).map_or("", |s| s.name.as_str());
    let table = format!("{}.{}", quoted(schema), quoted(&child.name));
    let own = columns(child, &key.child_columns);
    let condition =
        own.iter().enumerate().map(|(i, name)| format!("{} = ${}", quoted(name), i + 1)).collect::<Vec<_>>().join(" AND ");
    if action == Action::Cascade {
        return format!("DELETE FROM {table} WHERE {condition}");
    }
    let value = if action == Action::SetDefault { "DEFAULT" } else { "NULL" };
    let set = if key.set_columns.is_empty() { own } else { columns(child, &key.set_columns) };
    let set = set.iter().map(|name| format!("{} = {value}", quoted(name))).collect::<Vec<_>>().join(", ");
    format!("UPDATE {table} SET {set} WHERE {condition}")
}
