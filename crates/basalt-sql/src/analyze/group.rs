//! The rule of grouped queries: outside aggregates, only grouped expressions and what they determine.

use std::collections::BTreeSet;

use basalt_types::{Oid, SqlState};

use super::Analyzer;
use super::error::{AnalyzeError, Result, error};
use crate::typed::walk::{Visitor, walk_expr};
use crate::typed::{Expr, ExprKind, Order, RangeId, Target};

struct Check<'a, 'b> {
    analyzer: &'a Analyzer<'b>,
    grouped: &'a [Expr],
    /// Ranges of this query level.
    own: BTreeSet<RangeId>,
    /// Ranges whose primary key is grouped.
    determined: BTreeSet<RangeId>,
    in_subquery: bool,
    failed: Option<AnalyzeError>,
}

impl Visitor for Check<'_, '_> {
    fn query(&mut self, query: &crate::typed::Query) {
        let outer = std::mem::replace(&mut self.in_subquery, true);
        crate::typed::walk::walk_query(self, query);
        self.in_subquery = outer;
    }

    fn expr(&mut self, expr: &Expr) {
        if self.failed.is_some() || self.grouped.contains(expr) {
            return;
        }
        match &expr.kind {
            ExprKind::Aggregate { .. } if !self.in_subquery => {}
            ExprKind::Column { range, column } if self.own.contains(range) && !self.determined.contains(range) => {
                let info = self.analyzer.info.get(range);
                let alias = info.map_or("?", |i| i.alias.as_str());
                let name = info.and_then(|i| i.columns.iter().find(|(_, n, _)| n == column)).map_or("?", |(n, ..)| n.as_str());
                self.failed = Some(if self.in_subquery {
                    error(SqlState::GROUPING_ERROR, format!("subquery uses ungrouped column \"{alias}.{name}\" from outer query"))
                } else {
                    let message = format!(
                        "column \"{alias}.{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
                    );
                    error(SqlState::GROUPING_ERROR, message)
                });
            }
            ExprKind::WholeRow { range } if self.own.contains(range) && !self.determined.contains(range) => {
                let alias = self.analyzer.info.get(range).map_or("?", |i| i.alias.as_str());
                let message =
                    format!("column \"{alias}.*\" must appear in the GROUP BY clause or be used in an aggregate function");
                self.failed = Some(error(SqlState::GROUPING_ERROR, message));
            }
            _ => walk_expr(self, expr),
        }
    }
}

impl Analyzer<'_> {
    pub(super) fn check_grouping(
        &self,
        targets: &[Target],
        having: Option<&Expr>,
        order_by: &[Order],
        group_by: &[Expr],
    ) -> Result<()> {
        let own: BTreeSet<RangeId> =
            self.scopes.last().map(|s| s.tables.iter().filter_map(|t| t.range).collect()).unwrap_or_default();
        let determined = own.iter().copied().filter(|range| self.key_is_grouped(*range, group_by)).collect();
        let mut check = Check { analyzer: self, grouped: group_by, own, determined, in_subquery: false, failed: None };
        for expr in targets.iter().map(|t| &t.expr).chain(having).chain(order_by.iter().map(|o| &o.expr)) {
            check.expr(expr);
        }
        check.failed.map_or(Ok(()), Err)
    }

    fn key_is_grouped(&self, range: RangeId, group_by: &[Expr]) -> bool {
        let relation = self.info.get(&range).and_then(|i| i.relation).and_then(|oid: Oid| self.catalog.relation_by_oid(oid));
        let Some(key) = relation.and_then(|r| r.immediate_primary_key()) else { return false };
        !key.is_empty()
            && key.iter().all(|attnum| {
                group_by
                    .iter()
                    .any(|e| matches!(e.kind, ExprKind::Column { range: r, column } if r == range && column == *attnum))
            })
    }
}
