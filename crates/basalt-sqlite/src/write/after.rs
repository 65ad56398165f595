//! What happens after a statement's last row: deferrable keys, foreign keys, referential actions and AFTER ROW triggers, row by row, in PostgreSQL's
//! order. Rows changed by referential actions queue up behind the statement's own.
//!
//! Source: PostgreSQL's `trigger.c`, where keys are triggers with names of their own, and triggers of a row fire by name.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use basalt_catalog::{Action, Constraint, ConstraintKind, Trigger, TriggerTiming};
use basalt_plan::program::{ChildKey, ForeignKey, UniqueKey, WriteProgram};
use basalt_types::{Oid, SqlError};

use super::trigger::{Changed, firing};
use super::{Change, Work};
use crate::bind::Facts;
use crate::commit::Desk;

/// How PostgreSQL's own triggers are called, up to their number: of deferrable primary keys, of foreign keys on the referenced and the
/// referring side, of deferrable unique keys.
const PRIMARY: &str = "PK_ConstraintTrigger";
const REFERENCED: &str = "RI_ConstraintTrigger_a";
const REFERRING: &str = "RI_ConstraintTrigger_c";
const UNIQUE: &str = "Unique_ConstraintTrigger";

/// Rows one statement changed.
pub(super) struct Batch<'p> {
    program: Whose<'p>,
    changes: Vec<Change>,
}

enum Whose<'p> {
    Statement(&'p WriteProgram),
    Action(Arc<WriteProgram>),
}

impl Deref for Whose<'_> {
    type Target = WriteProgram;

    fn deref(&self) -> &WriteProgram {
        match self {
            Self::Statement(program) => program,
            Self::Action(program) => program,
        }
    }
}

impl<'p> Batch<'p> {
    pub(super) fn of_statement(program: &'p WriteProgram, changes: Vec<Change>) -> Self {
        Self { program: Whose::Statement(program), changes }
    }

    pub(super) fn of_action(program: Arc<WriteProgram>, changes: Vec<Change>) -> Self {
        Self { program: Whose::Action(program), changes }
    }
}

/// Batches in the order they came.
pub(super) type Queue<'p> = VecDeque<Batch<'p>>;

/// One thing to do for a row.
enum Event<'a> {
    Trigger(&'a Trigger),
    Referenced(&'a ChildKey),
    Referring(&'a ForeignKey),
    Unique(&'a UniqueKey, &'a Constraint),
}

/// Works a queue off.
///
/// # Errors
/// Violated keys, what triggers report.
pub(super) fn run(desk: &Desk<'_>, facts: &Facts<'_>, depth: u32, first: Batch<'_>) -> Result<(), SqlError> {
    let mut queue = Queue::from([first]);
    // The statement's authorization does not bind what keys and triggers do.
    let context = desk.connection.context();
    let paused = context.pause_guard();
    let mut done = Ok(());
    while done.is_ok()
        && let Some(batch) = queue.pop_front()
    {
        let work = Work::new(desk, &batch.program, facts, depth);
        done = work.finish(&batch.changes, &mut queue);
    }
    context.resume_guard(paused);
    done
}

impl Work<'_> {
    fn finish(&self, changes: &[Change], queue: &mut Queue<'_>) -> Result<(), SqlError> {
        let program = self.program;
        let acts = |key: &ChildKey| key.on_delete != Action::NoAction || key.on_update != Action::NoAction;
        let has_keys = program.foreign_keys.iter().any(|key| key.match_full) || program.child_keys.iter().any(acts);
        let has_doubts = changes.iter().any(|change| !change.doubtful.is_empty());
        if !program.table.has_row_triggers && !has_keys && !has_doubts && !self.desk.connection.has_foreign_key_violations() {
            return self.fire_statement(TriggerTiming::After, changes);
        }
        let changed = Changed::new(changes);
        let catalog = self.desk.catalog();
        let Some(relation) = catalog.relation_by_oid(program.table.relation) else {
            return Err(SqlError::internal("the table written has gone"));
        };
        let assigned = self.assigned();
        for change in changes {
            let (new, old) = (change.new.as_deref(), change.old.as_deref());
            let triggers = if program.table.has_row_triggers {
                firing(relation, TriggerTiming::After, new.is_some(), old.is_some(), assigned.as_deref())
            } else {
                Vec::new()
            };
            let mut events: Vec<(&str, Event<'_>)> = triggers.iter().map(|t| (t.name.as_str(), Event::Trigger(t))).collect();
            for key in change.doubtful.iter().filter_map(|at| program.unique_keys.get(*at)) {
                let Some(constraint) = relation.constraints.iter().find(|c| Some(Oid(c.oid)) == key.constraint) else { continue };
                let is_primary = matches!(constraint.kind, ConstraintKind::PrimaryKey { .. });
                events.push((if is_primary { PRIMARY } else { UNIQUE }, Event::Unique(key, constraint)));
            }
            events.extend(program.child_keys.iter().map(|key| (REFERENCED, Event::Referenced(key))));
            events.extend(program.foreign_keys.iter().map(|key| (REFERRING, Event::Referring(key))));
            events.sort_by_key(|(name, _)| *name);
            for (_, event) in events {
                match event {
                    Event::Trigger(trigger) => self.fire(&catalog, relation, trigger, new, old, Some(&changed)).map(drop)?,
                    Event::Referenced(key) => self.refer(key, change, queue)?,
                    Event::Referring(key) => self.check_foreign_key(key, change)?,
                    Event::Unique(key, constraint) => {
                        if let Some(new) = new {
                            self.check_unique(key, constraint, new)?;
                        }
                    }
                }
            }
        }
        self.fire_statement(TriggerTiming::After, changes)
    }
}
