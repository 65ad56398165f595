//! Names: of output columns when none is written, and of columns that were perhaps meant.

use basalt_catalog::edit_distance;

use crate::tree::{Expr, ExprKind};

/// PostgreSQL's choice: the last part of a column or function name, a type's name for a cast of something nameless, or `?column?`.
pub(super) fn output_name(expr: &Expr) -> String {
    figure(expr).0.unwrap_or_else(|| "?column?".to_owned())
}

/// The name, and whether it is one that a cast around it leaves alone.
fn figure(expr: &Expr) -> (Option<String>, bool) {
    let strong = |name: &str| (Some(name.to_owned()), true);
    let weak = |name: &str| (Some(name.to_owned()), false);
    match &expr.kind {
        ExprKind::Column(parts) => (parts.last().cloned(), true),
        ExprKind::Field(_, field) if field != "*" => strong(field),
        ExprKind::Subscript(inner, _) | ExprKind::Slice(inner, ..) | ExprKind::Collate(inner, _) => figure(inner),
        ExprKind::Call(call) => strong(&call.name.name),
        ExprKind::NullIf(..) => strong("nullif"),
        ExprKind::Cast(inner, ty) => match figure(inner) {
            (Some(name), true) => (Some(name), true),
            _ => weak(&ty.name),
        },
        ExprKind::Case { otherwise, .. } => match otherwise.as_deref().map(figure) {
            Some((Some(name), true)) => (Some(name), true),
            _ => weak("case"),
        },
        ExprKind::Array(_) | ExprKind::ArrayQuery(_) => strong("array"),
        ExprKind::Row(_) => strong("row"),
        ExprKind::Coalesce(_) => strong("coalesce"),
        ExprKind::Extreme { greatest: true, .. } => strong("greatest"),
        ExprKind::Extreme { greatest: false, .. } => strong("least"),
        ExprKind::Keyword(word, _) => strong(word),
        ExprKind::Exists(_) => strong("exists"),
        ExprKind::Scalar(query) => match &query.body {
            crate::tree::SetExpr::Select(select) => match select.items.first() {
                Some(item) => match &item.alias {
                    Some(alias) => strong(alias),
                    None => figure(&item.expr),
                },
                None => (None, false),
            },
            _ => (None, false),
        },
        _ => (None, false),
    }
}

/// PostgreSQL's HINT for a column that does not exist: the one or two columns whose names are nearest, when they are near enough.
///
/// `tables`: alias and column names of each row source in sight; `table`: the qualifier that was written.
/// Source: the rules of PostgreSQL's `parse_relation.c` (at most three edits, at most half of the written name; none when three or
/// more are equally near).
pub fn similar_columns<'a, C: Iterator<Item = &'a str>>(
    tables: impl Iterator<Item = (&'a str, C)>,
    table: Option<&str>,
    name: &str,
) -> Option<String> {
    let mut best = 4;
    let mut first: Option<(&str, &str)> = None;
    let mut second: Option<(&str, &str)> = None;
    for (alias, columns) in tables {
        let penalty = table.map_or(0, |table| edit_distance(table, alias));
        if penalty > best {
            continue;
        }
        for column in columns {
            let distance = edit_distance(column, name);
            if distance > name.len() / 2 {
                continue;
            }
            let distance = distance + penalty;
            if distance < best {
                best = distance;
                first = Some((alias, column));
                second = None;
            } else if distance == best {
                match (first, second) {
                    (Some(_), Some(_)) => (first, second) = (None, None),
                    (Some(_), None) => second = Some((alias, column)),
                    (None, _) => {}
                }
            }
        }
    }
    let (table, column) = first?;
    Some(match second {
        None => format!("Perhaps you meant to reference the column \"{table}.{column}\"."),
        Some((t, c)) => format!("Perhaps you meant to reference the column \"{table}.{column}\" or the column \"{t}.{c}\"."),
    })
}
