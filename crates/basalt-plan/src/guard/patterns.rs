//! Regular expressions among a request's literals: PostgreSQL's planner reads them to guess how many rows match, so that a broken one is
//! refused whether there are rows or not.

use basalt_sql::typed::walk::{Visitor, walk_expr, walk_from};
use basalt_sql::typed::{Expr, ExprKind, From, Param, Query, Select};

/// Of a select's own conditions, not of its subqueries.
pub(super) fn of_select(select: &Select) -> Vec<(u32, bool)> {
    let mut found = Patterns::default();
    for from in &select.from {
        found.from(from);
    }
    select.filter.iter().for_each(|filter| found.expr(filter));
    found.0
}

/// Of a write's condition.
pub(super) fn of_condition(filter: Option<&Expr>) -> Vec<(u32, bool)> {
    let mut found = Patterns::default();
    filter.iter().for_each(|filter| found.expr(filter));
    found.0
}

/// Literals with whether they are arrays.
#[derive(Default)]
struct Patterns(Vec<(u32, bool)>);

impl Visitor for Patterns {
    fn query(&mut self, _: &Query) {}

    fn from(&mut self, from: &From) {
        if let From::Join { .. } = from {
            walk_from(self, from);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        let (imp, right, is_array) = match &expr.kind {
            ExprKind::Op { imp, args, .. } => (imp.0, args.get(1), false),
            ExprKind::QuantifiedArray { imp, array, .. } => (imp.0, Some(&**array), true),
            _ => ("", None, false),
        };
        if matches!(imp, "regex_match" | "regex_imatch" | "regex_not_match" | "regex_not_imatch")
            && let Some(ExprKind::Param(Param::Literal(literal))) = right.map(|r| &r.kind)
        {
            self.0.push((*literal, is_array));
        }
        walk_expr(self, expr);
    }
}
