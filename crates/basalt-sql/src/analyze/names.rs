//! The names that output columns get when none is written.

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
        ExprKind::Bool(_) => weak("bool"),
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
