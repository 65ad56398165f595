//! What happens after a statement's last row: foreign keys, referential actions and AFTER ROW triggers, row by row, in PostgreSQL's
//! order. Rows changed by referential actions queue up behind the statement's own.
//!
//! Source: PostgreSQL's `trigger.c`, where keys are triggers whose names begin with `RI_`, and triggers of a row fire by name.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use basalt_catalog::{Action, Trigger, TriggerTiming};
use basalt_plan::program::{ChildKey, ForeignKey, WriteProgram};
use basalt_types::SqlError;

use super::trigger::firing;
use super::{Change, Work};
use crate::bind::Facts;
use crate::commit::Desk;

/// Names of triggers before this one come before the keys.
const KEYS: &str = "RI_";

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
        if !program.table.has_row_triggers && !has_keys && !self.desk.connection.has_foreign_key_violations() {
            return Ok(());
        }
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
            let split = triggers.partition_point(|trigger| trigger.name.as_str() < KEYS);
            let (before, behind) = triggers.split_at(split);
            let events = (before.iter().map(|trigger| Event::Trigger(trigger)))
                .chain(program.child_keys.iter().map(Event::Referenced))
                .chain(program.foreign_keys.iter().map(Event::Referring))
                .chain(behind.iter().map(|trigger| Event::Trigger(trigger)));
            for event in events {
                match event {
                    Event::Trigger(trigger) => self.fire(&catalog, relation, trigger, new, old).map(drop)?,
                    Event::Referenced(key) => self.refer(key, change, queue)?,
                    Event::Referring(key) => self.check_foreign_key(key, change)?,
                }
            }
        }
        Ok(())
    }
}
