//! Triggers: which fire, in which order, with whose rights, and what they see of the statement's rows.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::{Catalog, Relation, Trigger, TriggerTiming};
use basalt_plan::program::Command;
use basalt_types::{Oid, RoleName, SqlError, Value};

use super::{Change, Work};
use crate::plpgsql::{self, Fired, Firing};
use crate::routine;

impl Work<'_> {
    /// BEFORE ROW triggers in name order: the row to go on with, or `None` when one says that nothing happens to it. For a delete
    /// the answer's content is without meaning.
    pub(super) fn fire_before(&self, new: Option<Vec<Value>>, old: Option<&[Value]>) -> Result<Option<Vec<Value>>, SqlError> {
        if !self.program.table.has_row_triggers {
            return Ok(Some(new.unwrap_or_default()));
        }
        let catalog = self.desk.catalog();
        let Some(relation) = catalog.relation_by_oid(self.program.table.relation) else {
            return Err(SqlError::internal("the table written has gone"));
        };
        let mut new = new;
        for trigger in firing(relation, TriggerTiming::Before, new.is_some(), old.is_some(), self.assigned().as_deref()) {
            match self.fire(&catalog, relation, trigger, new.as_deref(), old, None)? {
                Fired::Not => {}
                Fired::Null => return Ok(None),
                Fired::Row(row) => {
                    if new.is_some() {
                        new = Some(row);
                    }
                }
            }
        }
        if let Some(row) = &new {
            for (value, column) in row.iter().zip(&self.program.table.columns) {
                self.check_domains(value, &column.input)?;
            }
        }
        Ok(Some(new.unwrap_or_default()))
    }

    /// INSTEAD OF triggers in name order: the row as they leave it, or `None` when one says that nothing happened. For a delete the
    /// answer's content is without meaning.
    pub(super) fn fire_instead(&self, new: Option<Vec<Value>>, old: Option<&[Value]>) -> Result<Option<Vec<Value>>, SqlError> {
        let catalog = self.desk.catalog();
        let Some(relation) = catalog.relation_by_oid(self.program.table.relation) else {
            return Err(SqlError::internal("the view written has gone"));
        };
        let mut new = new;
        for trigger in firing(relation, TriggerTiming::InsteadOf, new.is_some(), old.is_some(), None) {
            match self.fire(&catalog, relation, trigger, new.as_deref(), old, None)? {
                Fired::Null => return Ok(None),
                Fired::Row(row) if new.is_some() => new = Some(row),
                Fired::Row(_) | Fired::Not => {}
            }
        }
        Ok(Some(new.unwrap_or_default()))
    }

    /// Runs one trigger for one row.
    pub(super) fn fire(
        &self,
        catalog: &Arc<Catalog>,
        relation: &Relation,
        trigger: &Trigger,
        new: Option<&[Value]>,
        old: Option<&[Value]>,
        changed: Option<&Changed<'_>>,
    ) -> Result<Fired, SqlError> {
        let event = match (new, old) {
            (Some(_), None) => "INSERT",
            (Some(_), Some(_)) => "UPDATE",
            (None, _) => "DELETE",
        };
        let tables = changed.map_or_else(Vec::new, |changed| changed.tables(catalog, relation, trigger, event));
        self.run_trigger(catalog, &Firing { relation, trigger, event, new, old, tables })
    }

    /// Triggers FOR EACH STATEMENT, in name order; those of DO UPDATE stand between INSERT's and the rows.
    pub(super) fn fire_statement(&self, timing: TriggerTiming, changes: &[Change]) -> Result<(), SqlError> {
        if !self.program.table.has_statement_triggers {
            return Ok(());
        }
        let catalog = self.desk.catalog();
        let Some(relation) = catalog.relation_by_oid(self.program.table.relation) else {
            return Err(SqlError::internal("the table written has gone"));
        };
        let assigned = self.assigned();
        let is_upsert = matches!(&self.program.command, Command::Insert { on_conflict: Some(c), .. } if c.update.is_some());
        let events: &[&'static str] = match (&self.program.command, timing) {
            (Command::Insert { .. }, TriggerTiming::Before) if is_upsert => &["INSERT", "UPDATE"],
            (Command::Insert { .. }, _) if is_upsert => &["UPDATE", "INSERT"],
            (Command::Insert { .. }, _) => &["INSERT"],
            (Command::Update(_), _) => &["UPDATE"],
            (Command::Delete, _) => &["DELETE"],
        };
        let changed = Changed::new(changes);
        for event in events {
            for trigger in relation.triggers.iter().filter(|t| t.enabled && !t.for_each_row && t.timing == timing) {
                let assigns = || {
                    trigger.update_of.is_empty()
                        || assigned.as_ref().is_none_or(|columns| trigger.update_of.iter().any(|n| columns.contains(n)))
                };
                let fires = match *event {
                    "INSERT" => trigger.events.insert,
                    "DELETE" => trigger.events.delete,
                    _ => trigger.events.update && assigns(),
                };
                if fires {
                    let tables = changed.tables(&catalog, relation, trigger, event);
                    self.run_trigger(&catalog, &Firing { relation, trigger, event, new: None, old: None, tables })?;
                }
            }
        }
        Ok(())
    }

    /// Runs a trigger's function with the rights and search path it has.
    fn run_trigger(&self, catalog: &Arc<Catalog>, firing: &Firing<'_>) -> Result<Fired, SqlError> {
        let function = catalog
            .function_by_oid(Oid(firing.trigger.function))
            .ok_or_else(|| SqlError::internal("a trigger's function has gone"))?;
        let caller = self.facts.session.current_user().as_str();
        let role = if function.security_definer { function.owner.as_str() } else { caller };
        let mut session = self.facts.session.clone();
        session.acting = Some(RoleName::new(role));
        // The statement's authorization does not bind a trigger's own statements: they are guarded for its role.
        let context = self.desk.connection.context();
        let paused = context.pause_guard();
        let path = function.search_path(role);
        let fired = routine::current(context, |scene| {
            let scene = scene.inside(&session, path.as_deref().unwrap_or(scene.search_path()))?;
            scene.enter(|| plpgsql::fire(&scene, function, firing))
        });
        context.resume_guard(paused);
        fired.unwrap_or_else(|| Err(SqlError::internal("a trigger fired outside of a request")))
    }
}

/// The rows a statement changed, as transition tables show them: made when a trigger names one.
pub(super) struct Changed<'c> {
    changes: &'c [Change],
    /// By event, and whether they are the new rows.
    made: RefCell<HashMap<(&'static str, bool), Rc<str>>>,
}

impl<'c> Changed<'c> {
    pub(super) fn new(changes: &'c [Change]) -> Self {
        Self { changes, made: RefCell::default() }
    }

    /// The tables that a trigger names, with their rows.
    fn tables(&self, catalog: &Catalog, relation: &Relation, trigger: &Trigger, event: &'static str) -> Vec<(String, Rc<str>)> {
        let named = [(&trigger.old_table, false), (&trigger.new_table, true)];
        let named = named.into_iter().filter_map(|(name, is_new)| Some((name.as_ref()?, is_new)));
        named.map(|(name, is_new)| (name.clone(), self.rows(catalog, relation, event, is_new))).collect()
    }

    fn rows(&self, catalog: &Catalog, relation: &Relation, event: &'static str, is_new: bool) -> Rc<str> {
        if let Some(rows) = self.made.borrow().get(&(event, is_new)) {
            return Rc::clone(rows);
        }
        let of_event = self.changes.iter().filter(|change| match event {
            "INSERT" => change.old.is_none(),
            "UPDATE" => change.old.is_some() && change.new.is_some(),
            _ => change.new.is_none(),
        });
        let rows = of_event.filter_map(|change| if is_new { change.new.as_deref() } else { change.old.as_deref() });
        let rows: Rc<str> = plpgsql::rows_text(catalog, relation, rows).into();
        self.made.borrow_mut().insert((event, is_new), Rc::clone(&rows));
        rows
    }
}

/// The triggers a change fires, in name order. `assigned`: the columns an update assigns.
pub(super) fn firing<'r>(
    relation: &'r Relation,
    timing: TriggerTiming,
    has_new: bool,
    has_old: bool,
    assigned: Option<&[i16]>,
) -> Vec<&'r Trigger> {
    let assigns = |t: &Trigger| {
        t.update_of.is_empty() || assigned.is_none_or(|columns| t.update_of.iter().any(|attnum| columns.contains(attnum)))
    };
    let mut found: Vec<&Trigger> = relation
        .triggers
        .iter()
        .filter(|t| t.enabled && t.for_each_row && t.timing == timing)
        .filter(|t| match (has_new, has_old) {
            (true, false) => t.events.insert,
            (false, _) => t.events.delete,
            (true, true) => t.events.update && assigns(t),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}
