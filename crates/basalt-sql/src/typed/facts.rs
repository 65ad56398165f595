//! Questions about typed expressions: which ranges they read, whether they are constant within a statement, how volatile they are.

use std::collections::BTreeSet;

use basalt_catalog::{Catalog, Volatility};

use super::walk::{Visitor, walk_expr, walk_from, walk_query};
use super::{Body, Cte, Expr, ExprKind, From, Query, RangeId, Statement};
use basalt_types::TypeRef;

/// Collects ranges: those read by columns and whole rows, and those that FROM items introduce.
#[derive(Default)]
struct Used {
    read: BTreeSet<RangeId>,
    made: BTreeSet<RangeId>,
}

impl Visitor for Used {
    fn query(&mut self, query: &Query) {
        if let Body::Set { range, .. } = &query.body {
            self.made.insert(*range);
        }
        walk_query(self, query);
    }

    fn from(&mut self, from: &From) {
        if let Some(range) = from.range() {
            self.made.insert(range);
        }
        walk_from(self, from);
    }

    fn expr(&mut self, expr: &Expr) {
        if let ExprKind::Column { range, .. } | ExprKind::WholeRow { range } = &expr.kind {
            self.read.insert(*range);
        }
        walk_expr(self, expr);
    }
}

/// Ranges whose rows the expression reads and that its own subqueries do not introduce.
pub fn free_ranges(expr: &Expr) -> BTreeSet<RangeId> {
    let mut used = Used::default();
    used.expr(expr);
    &used.read - &used.made
}

/// Ranges a query reads from outside: empty for an uncorrelated one.
pub fn free_ranges_of_query(query: &Query) -> BTreeSet<RangeId> {
    let mut used = Used::default();
    used.query(query);
    &used.read - &used.made
}

/// Whether the expression reads a column or the row of this range, in subqueries too.
pub fn uses_range(expr: &Expr, range: RangeId) -> bool {
    free_ranges(expr).contains(&range)
}

/// Whether the value does not depend on any row: no column, no aggregate, no subquery.
///
/// It may still differ from call to call: see [`volatility`].
pub fn is_row_independent(expr: &Expr) -> bool {
    struct Search(bool);
    impl Visitor for Search {
        fn query(&mut self, _: &Query) {
            self.0 = true;
        }
        fn expr(&mut self, expr: &Expr) {
            match &expr.kind {
                ExprKind::Column { .. } | ExprKind::WholeRow { .. } | ExprKind::Aggregate { .. } | ExprKind::Window { .. } => {
                    self.0 = true
                }
                _ => walk_expr(self, expr),
            }
        }
    }
    let mut search = Search(false);
    search.expr(expr);
    !search.0
}

/// Whether an aggregate stands in the expression outside its subqueries.
pub fn contains_aggregate(expr: &Expr) -> bool {
    any_outside_subqueries(expr, &mut |e| matches!(e.kind, ExprKind::Aggregate { .. }))
}

/// Whether a window function stands in the expression outside its subqueries.
pub fn contains_window(expr: &Expr) -> bool {
    any_outside_subqueries(expr, &mut |e| matches!(e.kind, ExprKind::Window { .. }))
}

/// Whether the expression has a subquery anywhere.
pub fn contains_subquery(expr: &Expr) -> bool {
    struct Search(bool);
    impl Visitor for Search {
        fn query(&mut self, _: &Query) {
            self.0 = true;
        }
    }
    let mut search = Search(false);
    search.expr(expr);
    search.0
}

/// Whether a node of the expression, not of its subqueries, satisfies `test`.
pub fn any_outside_subqueries(expr: &Expr, test: &mut dyn FnMut(&Expr) -> bool) -> bool {
    struct Search<'a>(bool, &'a mut dyn FnMut(&Expr) -> bool);
    impl Visitor for Search<'_> {
        fn query(&mut self, _: &Query) {}
        fn expr(&mut self, expr: &Expr) {
            if self.0 || (self.1)(expr) {
                self.0 = true;
            } else {
                walk_expr(self, expr);
            }
        }
    }
    let mut search = Search(false, test);
    search.expr(expr);
    search.0
}

/// How volatile the expression is: the most volatile of all it calls, subqueries included. Session facts are stable.
pub fn volatility(expr: &Expr, catalog: &Catalog) -> Volatility {
    struct Most<'a>(Volatility, &'a Catalog);
    impl Most<'_> {
        fn raise(&mut self, to: Volatility) {
            if rank(to) > rank(self.0) {
                self.0 = to;
            }
        }
    }
    impl Visitor for Most<'_> {
        fn query(&mut self, query: &Query) {
            self.raise(Volatility::Stable);
            walk_query(self, query);
        }
        fn expr(&mut self, expr: &Expr) {
            match &expr.kind {
                ExprKind::Param(super::Param::Session(_)) => self.raise(Volatility::Stable),
                ExprKind::Func { imp, args, .. } => {
                    self.raise(crate::analyze::builtins::volatility_for(*imp, args.iter().map(|arg| arg.ty.oid)));
                }
                ExprKind::Op { imp, .. } => self.raise(crate::analyze::builtins::volatility(*imp)),
                ExprKind::UserFunc { function, .. } => {
                    self.raise(self.1.function_by_oid(*function).map_or(Volatility::Volatile, |f| f.volatility));
                }
                _ => {}
            }
            walk_expr(self, expr);
        }
    }
    let mut most = Most(Volatility::Immutable, catalog);
    most.expr(expr);
    most.0
}

fn rank(v: Volatility) -> u8 {
    match v {
        Volatility::Immutable => 0,
        Volatility::Stable => 1,
        Volatility::Volatile => 2,
    }
}

/// The highest range number a statement uses, plus one: where further numbers may start.
pub fn next_range(statement: &Statement) -> u32 {
    let mut used = Used::default();
    super::walk::walk_statement(&mut used, statement);
    let own = match statement {
        Statement::Query(_) => None,
        Statement::Insert(i) => {
            let excluded = i.on_conflict.as_ref().and_then(|c| c.update.as_ref()).map(|u| u.excluded);
            Some(i.range).max(excluded)
        }
        Statement::Update(u) => Some(u.range),
        Statement::Delete(d) => Some(d.range),
    };
    used.read.iter().chain(&used.made).copied().chain(own).map(|r| r.0 + 1).max().unwrap_or(0)
}

impl From {
    /// The range this item introduces; joins introduce none of their own.
    pub fn range(&self) -> Option<RangeId> {
        match self {
            Self::Table { range, .. } | Self::Query { range, .. } | Self::Cte { range, .. } | Self::Function { range, .. } => {
                Some(*range)
            }
            Self::Join { .. } => None,
        }
    }

    /// The name it goes by; empty for joins.
    pub fn alias(&self) -> &str {
        match self {
            Self::Table { alias, .. } | Self::Query { alias, .. } | Self::Cte { alias, .. } | Self::Function { alias, .. } => {
                alias
            }
            Self::Join { .. } => "",
        }
    }

    /// Calls `f` with each item that is not a join, left to right.
    pub fn each_leaf<'a>(&'a self, f: &mut dyn FnMut(&'a From)) {
        match self {
            Self::Join { left, right, .. } => {
                left.each_leaf(f);
                right.each_leaf(f);
            }
            leaf => f(leaf),
        }
    }
}

impl Query {
    /// Names and types of the output columns.
    pub fn columns(&self) -> Vec<(String, TypeRef)> {
        match &self.body {
            Body::Select(select) => select.targets.iter().map(|t| (t.name.clone(), t.expr.ty)).collect(),
            Body::Values { rows } => rows
                .first()
                .map(|row| row.iter().enumerate().map(|(i, e)| (format!("column{}", i + 1), e.ty)).collect())
                .unwrap_or_default(),
            Body::Set { left, .. } => left.columns(),
        }
    }
}

impl Cte {
    /// Name and type of a column by 1-based position.
    pub fn column(&self, position: i16) -> Option<&(String, TypeRef)> {
        self.columns.get(usize::try_from(position).ok()?.checked_sub(1)?)
    }
}
