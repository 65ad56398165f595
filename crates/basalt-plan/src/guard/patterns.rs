//! Regular expressions among a request's literals: PostgreSQL's planner reads them to guess how many rows match, so that a broken one is
//! refused whether there are rows or not.

use basalt_catalog::Catalog;
use basalt_sql::typed::walk::{Visitor, walk_expr, walk_from, walk_select};
use basalt_sql::typed::{Expr, ExprKind, From, Param, Query, RangeId, Select, Statement};
use basalt_types::Oid;

use crate::plan::{Action, Plan};

/// Of a select's own conditions, not of its subqueries.
pub(super) fn of_select(select: &Select, catalog: &Catalog) -> Vec<(u32, bool)> {
    let mut tables = Vec::new();
    select.from.iter().for_each(|from| from.each_leaf(&mut |leaf| tables.extend(table(leaf))));
    let mut found = of_condition(select.filter.as_ref(), &tables, catalog);
    select.from.iter().for_each(|from| found.from(from));
    found.all()
}

/// Of the condition of a write to a table.
pub(super) fn of_write(filter: Option<&Expr>, target: (RangeId, Oid), catalog: &Catalog) -> Vec<(u32, bool)> {
    of_condition(filter, &[target], catalog).all()
}

/// Of a whole statement, subqueries included.
pub fn of_plan(plan: &Plan, catalog: &Catalog) -> Vec<(u32, bool)> {
    let mut all = Whole { catalog, found: Vec::new() };
    match &plan.action {
        Action::Read { query, .. } => all.query(query),
        Action::Write { statement, representation, .. } => {
            match &**statement {
                Statement::Update(u) => all.found.extend(of_write(u.filter.as_ref(), (u.range, u.relation), catalog)),
                Statement::Delete(d) => all.found.extend(of_write(d.filter.as_ref(), (d.range, d.relation), catalog)),
                Statement::Insert(_) | Statement::Query(_) => {}
            }
            representation.iter().for_each(|query| all.query(query));
        }
        Action::Call { query, .. } => all.query(query),
    }
    all.found
}

struct Whole<'c> {
    catalog: &'c Catalog,
    found: Vec<(u32, bool)>,
}

impl Visitor for Whole<'_> {
    fn select(&mut self, select: &Select) {
        self.found.extend(of_select(select, self.catalog));
        walk_select(self, select);
    }
}

fn table(from: &From) -> Option<(RangeId, Oid)> {
    match from {
        From::Table { range, relation, .. } => Some((*range, *relation)),
        _ => None,
    }
}

fn of_condition(filter: Option<&Expr>, tables: &[(RangeId, Oid)], catalog: &Catalog) -> Patterns {
    let mut found = Patterns { is_never: filter.is_some_and(|filter| is_never(filter, tables, catalog)), ..Patterns::default() };
    filter.iter().for_each(|filter| found.expr(filter));
    found
}

/// Whether a condition asks a column for null that has none: the planner then knows that there is no row.
fn is_never(filter: &Expr, tables: &[(RangeId, Oid)], catalog: &Catalog) -> bool {
    match &filter.kind {
        ExprKind::And(terms) => terms.iter().any(|term| is_never(term, tables, catalog)),
        ExprKind::IsNull { expr, negated: false } => {
            let ExprKind::Column { range, column } = expr.kind else { return false };
            let relation = tables.iter().find(|(r, _)| *r == range).and_then(|(_, oid)| catalog.relation_by_oid(*oid));
            relation.and_then(|relation| relation.column_at(column)).is_some_and(|column| column.not_null)
        }
        _ => false,
    }
}

/// Literals with whether they are arrays.
#[derive(Default)]
struct Patterns {
    found: Vec<(u32, bool)>,
    /// They are not read.
    is_never: bool,
}

impl Patterns {
    fn all(self) -> Vec<(u32, bool)> {
        if self.is_never { Vec::new() } else { self.found }
    }
}

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
        if matches!(imp, "regex_match" | "regex_imatch")
            && let Some(ExprKind::Param(Param::Literal(literal))) = right.map(|r| &r.kind)
        {
            self.found.push((*literal, is_array));
        }
        walk_expr(self, expr);
    }
}
