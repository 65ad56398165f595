//! Constraints that wait for the end of the transaction, and SET CONSTRAINTS.
//!
//! Kept are the values of a key that were in doubt when their row was stored; whether they still are is found out when the constraint
//! is checked. Foreign keys stand here for the order and the words of their errors alone, since SQLite counts their violations.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use basalt_catalog::{Catalog, Constraint, ConstraintKind, Deferral, Relation};
use basalt_types::{Oid, SqlError, Value};

use crate::connection::Connection;
use crate::keys;

/// Most foreign keys' values that are kept. Beyond, a search of the tables finds one that is violated.
const MOST: usize = 10_000;

/// What may be wrong with a key's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Two rows have them.
    Duplicate,
    /// Some are NULL and others not, against MATCH FULL.
    MixedNulls,
    /// No row is there that they refer to.
    Missing,
    /// Rows refer to them, and the row that had them is gone.
    Referenced,
}

/// A key's values that are to be looked at again.
#[derive(Debug, Clone)]
pub(crate) struct Owed {
    pub(crate) doubt: Doubt,
    /// The constraint's table: of a foreign key, the one that refers.
    pub(crate) relation: Oid,
    pub(crate) constraint: Oid,
    /// In the order of the constraint's columns.
    pub(crate) values: Vec<Value>,
    /// The error must not show the values.
    pub(crate) detail_hidden: bool,
}

/// A transaction's constraints that wait.
#[derive(Debug, Default)]
pub(crate) struct Late {
    /// SET CONSTRAINTS ALL: whether deferrable ones wait.
    all: Cell<Option<bool>>,
    /// What was said of single ones since.
    each: RefCell<HashMap<Oid, bool>>,
    owed: RefCell<Vec<Owed>>,
}

/// What waited at a time.
pub(crate) struct LateMark {
    all: Option<bool>,
    each: HashMap<Oid, bool>,
    owed: Vec<Owed>,
}

impl Late {
    /// What waits now, to come back to.
    pub(crate) fn mark(&self) -> LateMark {
        LateMark { all: self.all.get(), each: self.each.borrow().clone(), owed: self.owed.borrow().clone() }
    }

    /// What was done since is undone.
    pub(crate) fn back_to(&self, mark: LateMark) {
        self.all.set(mark.all);
        *self.each.borrow_mut() = mark.each;
        *self.owed.borrow_mut() = mark.owed;
    }

    /// Whether a constraint waits for the end of the transaction.
    pub(crate) fn waits(&self, constraint: Oid, deferral: Deferral) -> bool {
        let said = || self.each.borrow().get(&constraint).copied().or(self.all.get());
        deferral.deferrable && said().unwrap_or(deferral.initially_deferred)
    }

    /// SET CONSTRAINTS; none: ALL.
    pub(crate) fn set(&self, constraints: Option<&[Oid]>, deferred: bool) {
        let mut each = self.each.borrow_mut();
        match constraints {
            Some(constraints) => each.extend(constraints.iter().map(|oid| (*oid, deferred))),
            None => {
                each.clear();
                self.all.set(Some(deferred));
            }
        }
    }

    /// Keeps values for later.
    pub(crate) fn owe(&self, owed: Owed) {
        let mut all = self.owed.borrow_mut();
        if all.len() < MOST || matches!(owed.doubt, Doubt::Duplicate | Doubt::MixedNulls) {
            all.push(owed);
        }
    }

    /// Checks what waits no longer, in the order it came; at the end of the transaction nothing does.
    ///
    /// # Errors
    /// The first constraint that is violated.
    pub(crate) fn check(&self, connection: &Connection, catalog: &Catalog, at_end: bool) -> Result<(), SqlError> {
        let owed = std::mem::take(&mut *self.owed.borrow_mut());
        let mut still = Vec::new();
        for owed in owed {
            // A constraint that was dropped meanwhile holds no more.
            let Some((relation, constraint)) = found(catalog, &owed) else { continue };
            if !at_end && self.waits(owed.constraint, constraint.deferral) {
                still.push(owed);
            } else if let Some(error) = violation(connection, catalog, relation, constraint, &owed)? {
                return Err(error);
            }
        }
        *self.owed.borrow_mut() = still;
        Ok(())
    }
}

fn found<'c>(catalog: &'c Catalog, owed: &Owed) -> Option<(&'c Relation, &'c Constraint)> {
    let relation = catalog.relation_by_oid(owed.relation)?;
    Some((relation, relation.constraints.iter().find(|c| c.oid == owed.constraint.0)?))
}

fn violation(
    connection: &Connection,
    catalog: &Catalog,
    relation: &Relation,
    constraint: &Constraint,
    owed: &Owed,
) -> Result<Option<SqlError>, SqlError> {
    let stored = |relation, columns: &[i16], rows| keys::are_stored(connection, catalog, relation, columns, &owed.values, rows);
    let shown = (!owed.detail_hidden).then_some(owed.values.as_slice());
    match &constraint.kind {
        ConstraintKind::PrimaryKey { columns } | ConstraintKind::Unique { columns, .. } => {
            Ok(stored(relation, columns, 2)?.then(|| keys::duplicate(relation, constraint, columns, shown)))
        }
        ConstraintKind::ForeignKey { columns, target, target_columns, .. } => {
            let Some(parent) = catalog.relation_by_oid(Oid(*target)) else { return Ok(None) };
            if !stored(relation, columns, 1)? {
                return Ok(None);
            }
            if owed.doubt == Doubt::MixedNulls {
                return Ok(Some(keys::mixed_nulls(&relation.name, &constraint.name)));
            }
            if stored(parent, target_columns, 1)? {
                return Ok(None);
            }
            Ok(Some(if owed.doubt == Doubt::Referenced {
                keys::still_referenced(parent, target_columns, &constraint.name, &relation.name, shown)
            } else {
                keys::missing_parent(relation, columns, &constraint.name, &parent.name, shown)
            }))
        }
        ConstraintKind::Check { .. } => Ok(None),
    }
}
