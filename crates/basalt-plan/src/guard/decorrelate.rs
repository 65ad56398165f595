//! `EXISTS (SELECT … FROM m WHERE m.x = t.x AND …)` becomes `t.x IN (SELECT m.x FROM m WHERE …)`, which SQLite answers with an index
//! on `t.x` where the first form scans.
//!
//! Done only where NULL and false mean the same (under AND and OR from the condition's root, never under NOT), for plain subqueries,
//! and only for types whose equality is that of their stored form.

use std::collections::BTreeSet;

use basalt_sql::tree::JoinKind;
use basalt_sql::typed::{Body, Expr, ExprKind, From, Imp, Query, RangeId, Target, facts};
use basalt_types::TypeRef;
use basalt_types::pg::oid;

/// Rewrites every eligible EXISTS in a condition.
pub(super) fn decorrelate(condition: &mut Expr) {
    match &mut condition.kind {
        ExprKind::And(args) | ExprKind::Or(args) => args.iter_mut().for_each(decorrelate),
        ExprKind::Exists(query) => {
            if let Some(kind) = to_in(query) {
                condition.kind = kind;
            }
        }
        _ => {}
    }
}

/// The IN form of an EXISTS, when it has one.
fn to_in(query: &Query) -> Option<ExprKind> {
    let outer = facts::free_ranges_of_query(query);
    if outer.is_empty() || !query.ctes.is_empty() || query.limit.is_some() || query.offset.is_some() {
        return None;
    }
    let Body::Select(select) = &query.body else { return None };
    if !select.group_by.is_empty()
        || select.having.is_some()
        || select.targets.iter().any(|t| facts::contains_aggregate(&t.expr) || facts::contains_window(&t.expr))
        || select.from.iter().any(|f| is_unfit(f, &outer))
    {
        return None;
    }
    let conditions = match select.filter.clone()? {
        Expr { kind: ExprKind::And(args), .. } => args,
        other => vec![other],
    };
    let is_outer = |e: &Expr| facts::free_ranges(e).iter().any(|r| outer.contains(r));
    let is_inner_only = |e: &Expr| !is_outer(e);
    let (mut left, mut targets, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for condition in conditions {
        let pair = match &condition.kind {
            ExprKind::Op { symbol: "=", args, .. } => match args.as_slice() {
                [a, b] if plain_equality(a.ty) && plain_equality(b.ty) => {
                    if is_inner_only(a) && reads_only(b, &outer) {
                        Some((b.clone(), a.clone()))
                    } else if is_inner_only(b) && reads_only(a, &outer) {
                        Some((a.clone(), b.clone()))
                    } else {
                        None
                    }
                }
                _ => None,
            },
            _ => None,
        };
        match pair {
            Some((outside, inside)) => {
                left.push(outside);
                targets.push(Target { expr: inside, name: format!("c{}", targets.len() + 1) });
            }
            None => rest.push(condition),
        }
    }
    if left.is_empty() || rest.iter().any(is_outer) || select.policy.as_ref().is_some_and(is_outer) {
        return None;
    }
    let mut inner = (**select).clone();
    inner.distinct = None;
    inner.targets = targets;
    inner.filter = rest.into_iter().fold(None, |sum, next| Expr::and(sum, Some(next)));
    let query = Query { ctes: Vec::new(), body: Body::Select(Box::new(inner)), order_by: Vec::new(), limit: None, offset: None };
    Some(ExprKind::QuantifiedQuery { symbol: "=", imp: Imp("eq"), all: false, left, query: Box::new(query) })
}

/// The expression reads rows, all of them from outside, and needs no subquery to do so.
fn reads_only(expr: &Expr, outer: &BTreeSet<RangeId>) -> bool {
    let free = facts::free_ranges(expr);
    !free.is_empty() && free.is_subset(outer) && !facts::contains_subquery(expr)
}

/// FROM items that may depend on the outer row, and joins other than inner ones.
fn is_unfit(from: &From, outer: &BTreeSet<RangeId>) -> bool {
    match from {
        From::Table { .. } | From::Cte { .. } => false,
        From::Query { query, .. } => !facts::free_ranges_of_query(query).is_disjoint(outer),
        From::Function { .. } => true,
        From::Join { kind, left, right, on } => {
            !matches!(kind, JoinKind::Inner | JoinKind::Cross)
                || on.as_ref().is_some_and(|e| !facts::free_ranges(e).is_disjoint(outer))
                || is_unfit(left, outer)
                || is_unfit(right, outer)
        }
    }
}

/// Types whose values are equal exactly when their stored forms are.
fn plain_equality(ty: TypeRef) -> bool {
    matches!(
        ty.oid,
        oid::UUID
            | oid::INT2
            | oid::INT4
            | oid::INT8
            | oid::TEXT
            | oid::VARCHAR
            | oid::BOOL
            | oid::DATE
            | oid::TIMESTAMP
            | oid::TIMESTAMPTZ
    )
}
