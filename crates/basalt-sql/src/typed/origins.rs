//! Which columns of a query are columns of tables.

use basalt_types::Oid;

use super::{Body, ExprKind, From, Query, RangeId, Select};

/// For each column of a query, the table's column that it shows unchanged: through subqueries and views, not through unions,
/// expressions and common table expressions.
pub fn origins(query: &Query) -> Vec<Option<(Oid, i16)>> {
    let Body::Select(select) = &query.body else { return Vec::new() };
    let origin = |target: &super::Target| match target.expr.kind {
        ExprKind::Column { range, column } => origin(select, range, column),
        _ => None,
    };
    select.targets.iter().map(origin).collect()
}

fn origin(select: &Select, range: RangeId, column: i16) -> Option<(Oid, i16)> {
    let mut found = None;
    for item in &select.from {
        item.each_leaf(&mut |leaf| match leaf {
            From::Table { range: own, relation, .. } if *own == range => found = Some((*relation, column)),
            From::Query { range: own, query, .. } if *own == range => {
                let at = usize::try_from(column).ok().and_then(|n| n.checked_sub(1));
                found = at.and_then(|at| origins(query).get(at).copied().flatten());
            }
            _ => {}
        });
    }
    found
}
