//! Which columns a statement reads and writes, and the check of the privileges that takes.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use basalt_catalog::{Catalog, Privileges, Relation, Rights};
use basalt_sql::typed::walk::{Visitor, walk_expr, walk_from, walk_query, walk_statement};
use basalt_sql::typed::{Body, Expr, ExprKind, From, Param, Query, RangeId, SessionParam, Statement};
use basalt_types::{Oid, SqlError};

use super::faults::{self, Fault};
use super::rights::{denied, schema_denied};

/// Columns read, per range.
#[derive(Debug, Default)]
pub(super) struct Uses {
    by_range: HashMap<RangeId, Read>,
    /// The statement's time is used.
    pub now: bool,
}

/// What is read of one range.
#[derive(Debug, Default, Clone)]
pub(super) struct Read {
    /// Attnums or positions.
    pub columns: BTreeSet<i16>,
    /// All columns.
    pub whole_row: bool,
}

impl Read {
    /// Nothing is read.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty() && !self.whole_row
    }
}

impl Uses {
    /// Notes the uses of a user's query.
    pub fn collect_query(&mut self, query: &Query) {
        Collect { uses: self, from: 0 }.query(query);
    }

    /// Notes the uses of a user's statement.
    pub fn collect_statement(&mut self, statement: &Statement) {
        walk_statement(&mut Collect { uses: self, from: 0 }, statement);
    }

    /// Notes what a policy's subqueries read of their own tables; its reading of the guarded row takes no privilege.
    pub fn collect_policy(&mut self, expr: &Expr, first: u32) {
        Collect { uses: self, from: first }.expr(expr);
    }

    /// What is read of a range.
    pub fn of(&self, range: RangeId) -> Read {
        self.by_range.get(&range).cloned().unwrap_or_default()
    }
}

struct Collect<'u> {
    uses: &'u mut Uses,
    /// Ranges below this number do not count.
    from: u32,
}

impl Visitor for Collect<'_> {
    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Column { range, column } if range.0 >= self.from => {
                self.uses.by_range.entry(*range).or_default().columns.insert(*column);
            }
            ExprKind::WholeRow { range } if range.0 >= self.from => {
                self.uses.by_range.entry(*range).or_default().whole_row = true
            }
            ExprKind::Param(Param::Session(SessionParam::Now)) => self.uses.now = true,
            _ => {}
        }
        walk_expr(self, expr);
    }
}

/// What expressions read of one range.
pub(super) fn read_of<'e>(exprs: impl Iterator<Item = &'e Expr>, range: RangeId) -> Read {
    let mut uses = Uses::default();
    for expr in exprs {
        Collect { uses: &mut uses, from: 0 }.expr(expr);
    }
    uses.of(range)
}

/// The first number that no range of the query has.
pub(super) fn next_range_of_query(query: &Query) -> u32 {
    struct Highest(u32);
    impl Visitor for Highest {
        fn query(&mut self, query: &Query) {
            if let Body::Set { range, .. } = &query.body {
                self.0 = self.0.max(range.0 + 1);
            }
            walk_query(self, query);
        }
        fn from(&mut self, from: &From) {
            self.0 = self.0.max(from.range().map_or(0, |r| r.0 + 1));
            walk_from(self, from);
        }
        fn expr(&mut self, expr: &Expr) {
            if let ExprKind::Column { range, .. } | ExprKind::WholeRow { range } = &expr.kind {
                self.0 = self.0.max(range.0 + 1);
            }
            walk_expr(self, expr);
        }
    }
    let mut highest = Highest(0);
    highest.query(query);
    highest.0
}

/// Privileges that one relation reference takes.
#[derive(Debug)]
pub(super) struct Need {
    pub depth: u32,
    pub relation: Oid,
    pub role: Rc<Rights>,
    /// `None`: rows are not read (writes without RETURNING or WHERE).
    pub select: Option<Read>,
    /// Columns given to INSERT.
    pub insert: Option<BTreeSet<i16>>,
    /// Columns set by UPDATE.
    pub update: Option<BTreeSet<i16>>,
    pub delete: bool,
    /// The statement names it (views and policies do not): USAGE of its schema is needed.
    pub named: bool,
}

impl Need {
    /// # Errors
    /// 42501, with PostgreSQL's text.
    pub fn check(&self, catalog: &Catalog) -> Result<(), SqlError> {
        let Some(relation) = catalog.relation_by_oid(self.relation) else { return Ok(()) };
        if self.named
            && let Some(schema) = catalog.schema_by_oid(Oid(relation.schema))
            && !self.role.on_schema(schema).contains(Privileges::USAGE)
        {
            return Err(schema_denied(schema));
        }
        if self.role.is_superuser() || faults::on(Fault::TableGrantsIgnored) {
            return Ok(());
        }
        let given = self.role.on_relation(relation);
        let holds = self.select.as_ref().is_none_or(|read| self.may_read(relation, read))
            && self.insert.as_ref().is_none_or(|columns| self.may_write(relation, columns, Privileges::INSERT))
            && self.update.as_ref().is_none_or(|columns| self.may_write(relation, columns, Privileges::UPDATE))
            && (!self.delete || given.contains(Privileges::DELETE));
        if holds { Ok(()) } else { Err(denied(relation)) }
    }

    fn any_column(&self, relation: &Relation, privilege: Privileges) -> bool {
        relation.columns.iter().any(|c| self.role.on_column(relation, c.attnum, privilege))
    }

    /// Without a column of its own a reading needs the privilege on some column; a whole row needs all.
    fn may_read(&self, relation: &Relation, read: &Read) -> bool {
        if self.role.on_relation(relation).contains(Privileges::SELECT) {
            return true;
        }
        if read.is_empty() || faults::on(Fault::ColumnGrantsIgnored) {
            return self.any_column(relation, Privileges::SELECT);
        }
        let on = |attnum| self.role.on_column(relation, attnum, Privileges::SELECT);
        (!read.whole_row || relation.columns.iter().all(|c| on(c.attnum))) && read.columns.iter().all(|c| on(*c))
    }

    fn may_write(&self, relation: &Relation, columns: &BTreeSet<i16>, privilege: Privileges) -> bool {
        if self.role.on_relation(relation).contains(privilege) {
            return true;
        }
        if columns.is_empty() || faults::on(Fault::ColumnGrantsIgnored) {
            return self.any_column(relation, privilege);
        }
        columns.iter().all(|c| self.role.on_column(relation, *c, privilege))
    }
}
