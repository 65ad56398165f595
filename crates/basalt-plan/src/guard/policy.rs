//! Row policies: which apply to a role and command, and their conditions as typed expressions.

use basalt_catalog::{ApplicablePolicies, Catalog, Policy, PolicyCommand, Relation, Rights};
use basalt_sql::typed::{Expr, ExprKind, RangeId};
use basalt_types::{SqlError, Value};

use super::faults::{self, Fault};
use crate::expressions::{ExprCache, ExprUse};

/// The policies of a table that apply to a role and command, in the order PostgreSQL checks them.
pub(super) fn applicable<'a>(relation: &'a Relation, command: PolicyCommand, rights: &Rights) -> ApplicablePolicies<'a> {
    let mut found = if faults::on(Fault::RolesIgnored) {
        Rights::unlimited().policies_for(relation, command)
    } else {
        rights.policies_for(relation, command)
    };
    if faults::on(Fault::AllCommandIgnored) {
        found.permissive.retain(|p| p.command == command);
        found.restrictive.retain(|p| p.command == command);
    }
    if faults::on(Fault::RestrictiveDropped) {
        found.restrictive.clear();
    }
    found
}

/// Which of a policy's two conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// USING.
    Using,
    /// WITH CHECK, or USING without one.
    Check,
}

/// A policy's condition over `range`; new ranges are taken from `next`. `None`: the policy has no condition for this side.
/// The flag says whether it has subqueries, which then still have to be guarded.
pub(super) fn condition(
    cache: &ExprCache,
    catalog: &Catalog,
    relation: &Relation,
    policy: &Policy,
    side: Side,
    range: RangeId,
    next: &mut u32,
) -> Result<Option<(Expr, bool)>, SqlError> {
    let (using, check) = (policy.using.as_deref(), policy.check.as_deref());
    let text = match side {
        Side::Using => using,
        Side::Check if faults::on(Fault::UsingForCheck) => using.or(check),
        Side::Check if faults::on(Fault::CheckDoesNotFallBack) => check,
        Side::Check => check.or(using),
    };
    let Some(text) = text else { return Ok(None) };
    let analysed = cache.get(text, ExprUse::Policy, Some(relation), catalog)?;
    Ok(Some((analysed.over(range, next), analysed.has_subquery)))
}

/// Whether a policy is written with a subquery in USING or WITH CHECK: PostgreSQL's rewriter looks at them as they are written.
pub(super) fn has_subquery(cache: &ExprCache, catalog: &Catalog, relation: &Relation, policy: &Policy) -> Result<bool, SqlError> {
    for text in policy.using.iter().chain(&policy.check) {
        if cache.get(text, ExprUse::Policy, Some(relation), catalog)?.is_written_with_subquery {
            return Ok(true);
        }
    }
    Ok(false)
}

/// OR over permissive conditions; constants are folded. `None`: always true.
pub(super) fn any_of(conditions: Vec<Expr>) -> Option<Expr> {
    let mut left = Vec::with_capacity(conditions.len());
    for condition in conditions {
        match constant(&condition) {
            Some(true) => return None,
            Some(false) => {}
            None => left.push(condition),
        }
    }
    let ty = Expr::bool(true).ty;
    match (left.pop(), left.is_empty()) {
        (None, _) => Some(Expr::bool(false)),
        (Some(only), true) => Some(only),
        (Some(last), false) => {
            left.push(last);
            Some(Expr::new(ExprKind::Or(left), ty))
        }
    }
}

/// AND of two conditions; constants are folded. `None`: always true.
pub(super) fn both(a: Option<Expr>, b: Option<Expr>) -> Option<Expr> {
    match (a.filter(|e| constant(e) != Some(true)), b.filter(|e| constant(e) != Some(true))) {
        (Some(x), _) if constant(&x) == Some(false) => Some(x),
        (_, Some(x)) if constant(&x) == Some(false) => Some(x),
        (Some(a), Some(b)) if implies(&a, &b) => Some(a),
        (a, b) => Expr::and(a, b),
    }
}

/// Whether `b` is `a` or one of its terms.
fn implies(a: &Expr, b: &Expr) -> bool {
    a == b || matches!(&a.kind, ExprKind::And(terms) if terms.contains(b))
}

/// A boolean constant's value; NULL counts as false, since a condition that is not true hides the row.
pub(super) fn constant(expr: &Expr) -> Option<bool> {
    match &expr.kind {
        ExprKind::Const(Value::Int(n)) => Some(*n != 0),
        ExprKind::Const(Value::Null) => Some(false),
        _ => None,
    }
}
