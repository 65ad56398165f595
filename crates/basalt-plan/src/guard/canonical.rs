//! What PostgreSQL's planner leaves out of a condition before it plans the subqueries in it: `(a AND b) OR b` is `b`, so what `a` reads
//! takes no privilege. Source: `find_duplicate_ors` of `prepqual.c`.

use basalt_sql::typed::{Expr, ExprKind, facts};

/// The condition without what is absorbed in it, at any depth outside subqueries; `None`: nothing is.
pub(super) fn shorter(expr: &Expr) -> Option<Expr> {
    match &expr.kind {
        ExprKind::And(terms) => rebuilt(terms).map(|terms| Expr::new(ExprKind::And(terms), expr.ty)),
        ExprKind::Or(terms) => {
            let fewer = rebuilt(terms);
            absorbing(fewer.as_deref().unwrap_or(terms)).or_else(|| fewer.map(|terms| Expr::new(ExprKind::Or(terms), expr.ty)))
        }
        ExprKind::Not(inner) => shorter(inner).map(|inner| Expr::new(ExprKind::Not(Box::new(inner)), expr.ty)),
        _ => None,
    }
}

fn rebuilt(terms: &[Expr]) -> Option<Vec<Expr>> {
    let shorter: Vec<Option<Expr>> = terms.iter().map(shorter).collect();
    shorter
        .iter()
        .any(Option::is_some)
        .then(|| shorter.into_iter().zip(terms).map(|(new, old)| new.unwrap_or_else(|| old.clone())).collect())
}

/// Of alternatives, the one whose terms all the others have too: alone it decides. It has no subquery.
pub(super) fn absorbing(alternatives: &[Expr]) -> Option<Expr> {
    let mut flat = Vec::new();
    alternatives.iter().for_each(|alternative| flatten(alternative, false, &mut flat));
    if flat.len() < 2 {
        return None;
    }
    let terms = |alternative| {
        let mut terms = Vec::new();
        flatten(alternative, true, &mut terms);
        terms
    };
    let all: Vec<Vec<&Expr>> = flat.iter().map(|alternative| terms(alternative)).collect();
    let shortest = all.iter().min_by_key(|terms| terms.len())?;
    let is_in_all = |term: &&Expr| all.iter().all(|terms| terms.contains(term));
    if shortest.iter().any(|term| facts::contains_subquery(term)) || !shortest.iter().all(is_in_all) {
        return None;
    }
    shortest.iter().fold(None, |sum, term| Expr::and(sum, Some((*term).clone())))
}

/// The terms of nested ANDs, or of nested ORs.
fn flatten<'e>(expr: &'e Expr, and: bool, out: &mut Vec<&'e Expr>) {
    match &expr.kind {
        ExprKind::And(terms) if and => terms.iter().for_each(|term| flatten(term, and, out)),
        ExprKind::Or(terms) if !and => terms.iter().for_each(|term| flatten(term, and, out)),
        _ => out.push(expr),
    }
}
