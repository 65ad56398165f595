//! Whether evaluating an expression on a row can raise an error.
//!
//! A user's condition that can must not see rows that policies hide: an error would tell that such a row exists.

use basalt_sql::typed::{Expr, ExprKind, facts};

/// Whether evaluation may raise. Says yes when in doubt; plain comparisons, patterns, logic and their arguments do not raise.
pub fn can_raise(expr: &Expr) -> bool {
    facts::any_outside_subqueries(expr, &mut |e| match &e.kind {
        ExprKind::Op { imp, .. } => !is_harmless(imp.0),
        ExprKind::QuantifiedArray { imp, .. } | ExprKind::QuantifiedQuery { imp, .. } => !is_harmless(imp.0),
        ExprKind::Func { .. } | ExprKind::UserFunc { .. } => true,
        ExprKind::Cast { expr: inner, .. } => !is_widening(inner, e),
        ExprKind::Subscript { .. }
        | ExprKind::Scalar(_)
        | ExprKind::Exists(_)
        | ExprKind::ArrayQuery(_)
        | ExprKind::JsonRows { .. } => !matches!(e.kind, ExprKind::Exists(_)),
        _ => false,
    })
}

/// Operators that answer for all values.
fn is_harmless(imp: &str) -> bool {
    matches!(
        imp,
        "eq" | "ne"
            | "lt"
            | "le"
            | "gt"
            | "ge"
            | "like"
            | "ilike"
            | "json_object_field"
            | "json_object_field_text"
            | "jsonb_object_field"
            | "jsonb_object_field_text"
            | "json_array_element"
            | "json_array_element_text"
            | "jsonb_array_element"
            | "jsonb_array_element_text"
            | "json_extract_path"
            | "json_extract_path_text"
            | "jsonb_extract_path"
            | "jsonb_extract_path_text"
            | "jsonb_contains"
            | "jsonb_contained"
            | "jsonb_exists"
            | "jsonb_exists_any"
            | "jsonb_exists_all"
            | "arraycontains"
            | "arraycontained"
            | "arrayoverlap"
            | "textcat"
    )
}

/// Casts that cannot fail: to text, between integers upwards, between date types that keep their value.
fn is_widening(inner: &Expr, outer: &Expr) -> bool {
    use basalt_types::pg::oid::{
        CITEXT, DATE, FLOAT4, FLOAT8, INT2, INT4, INT8, JSON, JSONB, NUMERIC, TEXT, TIMESTAMP, TIMESTAMPTZ, VARCHAR,
    };
    let (from, to) = (inner.ty.oid, outer.ty.oid);
    from == to && inner.ty.typmod == outer.ty.typmod
        || (matches!(to, TEXT | CITEXT) || to == VARCHAR && outer.ty.typmod < 0)
        || matches!(
            (from, to),
            (INT2, INT4 | INT8 | NUMERIC | FLOAT4 | FLOAT8)
                | (INT4, INT8 | NUMERIC | FLOAT4 | FLOAT8)
                | (INT8, NUMERIC | FLOAT8)
                | (FLOAT4, FLOAT8)
                | (DATE, TIMESTAMP | TIMESTAMPTZ)
                | (JSONB, JSON)
        )
}
