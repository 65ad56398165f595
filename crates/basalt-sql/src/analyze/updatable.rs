//! Views that are written as their table is: what each column of such a view stands for, and why a view is not one of them.
//!
//! Source of the rules and texts: PostgreSQL 17, `rewriteHandler.c` (`view_query_is_auto_updatable`, `view_col_is_auto_updatable`).

use std::sync::Arc;

use basalt_catalog::{Catalog, Relation, RelationKind, TriggerTiming};
use basalt_types::{Oid, SqlError};

use super::Context;
use crate::tree;
use crate::typed::walk::{VisitorMut, walk_expr_mut};
use crate::typed::{Body, Expr, ExprKind, From, RangeId, facts};

/// Why a view, or a column of one, cannot be written: the DETAIL of PostgreSQL's error.
pub type Reason = &'static str;

/// The reason of a view none of whose columns can be written.
pub const NO_UPDATABLE_COLUMNS: Reason = "Views that have no updatable columns are not automatically updatable.";

const NOT_A_COLUMN: Reason = "View columns that are not columns of their base relation are not updatable.";
const NOT_ONE_TABLE: Reason = "Views that do not select from a single table or view are not automatically updatable.";

/// What is done to a view's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Change {
    Insert,
    Update,
    Delete,
}

/// A view over one table, or over one other view.
#[derive(Debug, Clone)]
pub struct Level {
    /// The view.
    pub view: Arc<Relation>,
    /// What it selects from; its row is range 0 of the expressions, whose further ranges count from 1.
    pub base: Oid,
    /// What its columns stand for, in their order.
    pub columns: Vec<Expr>,
    /// WHERE.
    pub filter: Option<Expr>,
}

impl Level {
    /// What a column of the view stands for.
    pub fn column(&self, attnum: i16) -> Option<&Expr> {
        let at = self.view.columns.iter().position(|c| c.attnum == attnum)?;
        self.columns.get(at)
    }

    /// The base's column behind a column of the view, or why there is none.
    ///
    /// # Errors
    /// The reason.
    pub fn source(&self, attnum: i16) -> Result<i16, Reason> {
        match self.column(attnum).map(|e| &e.kind) {
            Some(ExprKind::Column { range: RangeId(0), column }) => Ok(*column),
            Some(ExprKind::WholeRow { range: RangeId(0) }) => {
                Err("View columns that return whole-row references are not updatable.")
            }
            _ => Err(NOT_A_COLUMN),
        }
    }

    /// Whether some column is one of the base's.
    pub fn has_source(&self) -> bool {
        self.view.columns.iter().any(|c| self.source(c.attnum).is_ok())
    }
}

/// The views between a view and the table that holds its rows, outermost first.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The views that are looked through.
    pub levels: Vec<Level>,
    /// Where it ends: a table; a view that has a trigger for the change, or that cannot be looked through.
    pub end: Arc<Relation>,
    /// Why the view at its end cannot be looked through.
    pub refused: Option<Reason>,
}

impl Chain {
    /// The column at the end behind a column of the first view.
    pub fn source(&self, attnum: i16) -> Option<i16> {
        self.levels.iter().try_fold(attnum, |attnum, level| level.source(attnum).ok())
    }

    /// An expression over the first view's row, which is `range`, over the row at the end instead. Subqueries that columns stand for
    /// keep their range numbers: such an expression is for comparing only.
    pub fn behind(&self, expr: &Expr, range: RangeId) -> Expr {
        struct Replace<'l>(&'l Level, RangeId);
        impl VisitorMut for Replace<'_> {
            fn expr(&mut self, expr: &mut Expr) {
                match expr.kind {
                    ExprKind::Column { range, column } if range == self.1 => {
                        if let Some(meaning) = self.0.column(column) {
                            *expr = meaning.clone();
                            Rename(self.1).expr(expr);
                        }
                    }
                    _ => walk_expr_mut(self, expr),
                }
            }
        }
        struct Rename(RangeId);
        impl VisitorMut for Rename {
            fn expr(&mut self, expr: &mut Expr) {
                if let ExprKind::Column { range, .. } = &mut expr.kind
                    && *range == RangeId(0)
                {
                    *range = self.0;
                }
                walk_expr_mut(self, expr);
            }
        }
        let mut expr = expr.clone();
        for level in &self.levels {
            Replace(level, range).expr(&mut expr);
        }
        expr
    }
}

/// Whether triggers of a view stand in for a change of its rows.
pub fn has_trigger_instead(view: &Relation, change: Change) -> bool {
    view.triggers.iter().any(|t| {
        t.timing == TriggerTiming::InsteadOf
            && t.for_each_row
            && match change {
                Change::Insert => t.events.insert,
                Change::Update => t.events.update,
                Change::Delete => t.events.delete,
            }
    })
}

/// Looks through a view, and through the views it selects from, as a change of its rows does.
///
/// # Errors
/// What the analysis of a view's query reports.
pub fn chain(view: &Arc<Relation>, change: Change, catalog: &Catalog) -> Result<Chain, SqlError> {
    let mut levels: Vec<Level> = Vec::new();
    let mut end = Arc::clone(view);
    while end.kind == RelationKind::View && !has_trigger_instead(&end, change) {
        if levels.iter().any(|level| level.view.oid == end.oid) {
            return Err(SqlError::internal("a view selects from itself"));
        }
        match level(&end, catalog)? {
            Ok(level) => {
                let base = catalog.relation_by_oid(level.base).cloned();
                end = base.ok_or_else(|| SqlError::internal("what a view selects from has gone"))?;
                levels.push(level);
            }
            Err(reason) => return Ok(Chain { levels, end, refused: Some(reason) }),
        }
    }
    Ok(Chain { levels, end, refused: None })
}

/// Reads one view's query.
fn level(view: &Arc<Relation>, catalog: &Catalog) -> Result<Result<Level, Reason>, SqlError> {
    let Some(definition) = &view.view else { return Err(SqlError::internal("a view has no query")) };
    let tree = crate::parse::query(&definition.query).map_err(|e| SqlError::new(e.code, e.message))?;
    let query = super::query(&tree, catalog, &Context::default()).map_err(|e| e.error)?;
    Ok(meaning(view, &tree, query).and_then(|level| {
        let is_written = catalog.relation_by_oid(level.base).is_some_and(|b| b.kind != RelationKind::MaterializedView);
        if is_written { Ok(level) } else { Err(NOT_ONE_TABLE) }
    }))
}

/// The view that a query would make, if it may be looked through.
fn meaning(view: &Arc<Relation>, tree: &tree::Query, query: crate::typed::Query) -> Result<Level, Reason> {
    let Body::Select(select) = query.body else {
        return Err(match query.body {
            Body::Set { .. } => "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.",
            _ => NOT_ONE_TABLE,
        });
    };
    let tests: [(bool, Reason); 8] = [
        (select.distinct.is_some(), "Views containing DISTINCT are not automatically updatable."),
        (!select.group_by.is_empty(), "Views containing GROUP BY are not automatically updatable."),
        (select.having.is_some(), "Views containing HAVING are not automatically updatable."),
        (!query.ctes.is_empty(), "Views containing WITH are not automatically updatable."),
        (query.limit.is_some() || query.offset.is_some(), "Views containing LIMIT or OFFSET are not automatically updatable."),
        (
            select.targets.iter().any(|t| facts::contains_aggregate(&t.expr)),
            "Views that return aggregate functions are not automatically updatable.",
        ),
        (
            select.targets.iter().any(|t| facts::contains_window(&t.expr)),
            "Views that return window functions are not automatically updatable.",
        ),
        // A function of the select list became an item of FROM that nobody wrote.
        (
            matches!(&tree.body, tree::SetExpr::Select(written) if written.from.len() < select.from.len()),
            "Views that return set-returning functions are not automatically updatable.",
        ),
    ];
    if let Some((_, reason)) = tests.into_iter().find(|(holds, _)| *holds) {
        return Err(reason);
    }
    let base = match select.from.as_slice() {
        [From::Table { range: RangeId(0), relation, .. }] => *relation,
        [From::Query { range: RangeId(0), view: Some(view), .. }] => *view,
        _ => return Err(NOT_ONE_TABLE),
    };
    let columns = select.targets.into_iter().map(|t| t.expr).collect();
    Ok(Level { view: Arc::clone(view), base, columns, filter: select.filter })
}

/// What can be done to a relation's rows, by its kind, its query and its triggers. Privileges are another matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Writable {
    /// INSERT.
    pub insert: bool,
    /// UPDATE.
    pub update: bool,
    /// DELETE.
    pub delete: bool,
}

/// What can be done to a relation's rows, as PostgreSQL's `pg_relation_is_updatable` tells it, triggers that stand in for the change
/// included.
///
/// # Errors
/// What the analysis of a view's query reports.
pub fn writable(relation: &Arc<Relation>, catalog: &Catalog) -> Result<Writable, SqlError> {
    let can = |change: Change| -> Result<bool, SqlError> {
        let chain = chain(relation, change, catalog)?;
        let has_column = || relation.columns.iter().any(|c| chain.source(c.attnum).is_some());
        let ends_well = match chain.end.kind {
            RelationKind::Table => true,
            RelationKind::View => chain.refused.is_none(),
            RelationKind::MaterializedView | RelationKind::Sequence => false,
        };
        Ok(ends_well && (change == Change::Delete || has_column()))
    };
    Ok(Writable { insert: can(Change::Insert)?, update: can(Change::Update)?, delete: can(Change::Delete)? })
}

/// Why a query that is to be a view WITH CHECK OPTION may not be one. Triggers do not count here.
///
/// # Errors
/// What the analysis of a view's query reports.
pub fn unfit_for_check_option(view: &Arc<Relation>, catalog: &Catalog) -> Result<Option<Reason>, SqlError> {
    Ok(match level(view, catalog)? {
        Err(reason) => Some(reason),
        Ok(level) if !level.has_source() => Some(NO_UPDATABLE_COLUMNS),
        Ok(_) => None,
    })
}
