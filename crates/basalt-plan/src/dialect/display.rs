//! Keys of indexes as PostgreSQL shows them in DETAIL: as few parentheses as it prints, conversions written out.
//!
//! Source: PostgreSQL's `ruleutils.c`, `pg_get_indexdef_columns` with pretty parentheses.

use std::fmt::Write;

use basalt_catalog::{Catalog, IndexTerm, Relation, quote_name};
use basalt_sql::typed::{Expr, ExprKind};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, TypeRef, Value};

/// What an expression stands in.
#[derive(Clone, Copy, PartialEq)]
enum Within<'a> {
    /// Brackets of its own are there already: a call's arguments, AND, CASE.
    Closed,
    /// An operand of this operator, on its right side or not.
    Operator(&'a str, bool),
    /// A conversion, a test, a subscript.
    Postfix,
}

/// A key of an index: a column's name, a call as it is, any other expression in parentheses. `expr` is the analysed expression.
pub(crate) fn index_key(term: &IndexTerm, expr: &Expr, relation: &Relation, catalog: &Catalog) -> String {
    match term {
        IndexTerm::Column(attnum) => relation.column_at(*attnum).map_or(String::new(), |c| quote_name(&c.name)),
        IndexTerm::Expr(text) => {
            let mut out = String::new();
            if (Shown { relation, catalog }).expr(expr, Within::Closed, &mut out).is_none() {
                out.clone_from(text);
            }
            let is_call = matches!(
                expr.kind,
                ExprKind::Func { .. }
                    | ExprKind::UserFunc { .. }
                    | ExprKind::Coalesce(_)
                    | ExprKind::Extreme { .. }
                    | ExprKind::NullIf { .. }
            );
            if is_call { out } else { format!("({out})") }
        }
    }
}

struct Shown<'a> {
    relation: &'a Relation,
    catalog: &'a Catalog,
}

impl Shown<'_> {
    /// Appends an expression; `None` for what indexes do not have.
    fn expr(&self, expr: &Expr, within: Within<'_>, out: &mut String) -> Option<()> {
        let brackets = self.needs_brackets(expr, within);
        if brackets {
            out.push('(');
        }
        self.bare(expr, out)?;
        if brackets {
            out.push(')');
        }
        Some(())
    }

    fn needs_brackets(&self, expr: &Expr, within: Within<'_>) -> bool {
        match (&expr.kind, within) {
            (_, Within::Closed) => false,
            (ExprKind::Op { symbol, args, .. }, Within::Operator(outer, is_right)) => {
                // Only of these PostgreSQL knows which binds closer.
                let level = |symbol: &str| match symbol {
                    "+" | "-" => 1,
                    "*" | "/" | "%" => 2,
                    _ => 0,
                };
                let (inner, outer) = (level(symbol), level(outer));
                args.len() != 2 || inner == 0 || outer == 0 || inner < outer || (inner == outer && is_right)
            }
            (ExprKind::Cast { expr: inner, .. }, within) => {
                // A conversion stands by itself; one that is not written is what is under it.
                self.is_unwritten(inner, expr.ty) && self.needs_brackets(inner, within)
            }
            (
                ExprKind::Op { .. }
                | ExprKind::And(_)
                | ExprKind::Or(_)
                | ExprKind::Not(_)
                | ExprKind::IsNull { .. }
                | ExprKind::IsBool { .. }
                | ExprKind::Distinct { .. }
                | ExprKind::InList { .. }
                | ExprKind::QuantifiedArray { .. }
                | ExprKind::Collate { .. },
                _,
            ) => true,
            _ => false,
        }
    }

    /// A conversion that changes nothing PostgreSQL would show.
    fn is_unwritten(&self, inner: &Expr, to: TypeRef) -> bool {
        inner.ty == to
    }

    fn all(&self, list: &[Expr], by: &str, out: &mut String) -> Option<()> {
        for (i, expr) in list.iter().enumerate() {
            out.push_str(if i > 0 { by } else { "" });
            self.expr(expr, Within::Closed, out)?;
        }
        Some(())
    }

    fn bare(&self, expr: &Expr, out: &mut String) -> Option<()> {
        match &expr.kind {
            ExprKind::Const(value) => self.constant(value, expr.ty, out),
            ExprKind::Column { column, .. } => out.push_str(&quote_name(&self.relation.column_at(*column)?.name)),
            ExprKind::Op { symbol, args, .. } => match args.as_slice() {
                [a] => {
                    let _ = write!(out, "{symbol} ");
                    self.expr(a, Within::Operator(symbol, true), out)?;
                }
                [a, b] => {
                    self.expr(a, Within::Operator(symbol, false), out)?;
                    let _ = write!(out, " {symbol} ");
                    self.expr(b, Within::Operator(symbol, true), out)?;
                }
                _ => return None,
            },
            ExprKind::Func { schema, name, args, .. } => {
                if *schema != "pg_catalog" && *schema != "extensions" {
                    let _ = write!(out, "{}.", quote_name(schema));
                }
                // Words of the grammar that also name functions.
                let name = if matches!(*name, "left" | "right") { format!("\"{name}\"") } else { quote_name(name) };
                self.call(&name, args, out)?;
            }
            ExprKind::UserFunc { function, args } => {
                let function = self.catalog.function_by_oid(*function)?;
                let schema = self.catalog.schema_name(function.schema);
                if !matches!(schema, "public" | "extensions") {
                    let _ = write!(out, "{}.", quote_name(schema));
                }
                self.call(&quote_name(&function.name), args, out)?;
            }
            ExprKind::Cast { expr: inner, .. } => {
                if self.is_unwritten(inner, expr.ty) {
                    return self.bare(inner, out);
                }
                if let ExprKind::Const(value) = &inner.kind
                    && !value.is_null()
                    && (inner.ty.oid == oid::TEXT || inner.ty.oid == oid::UNKNOWN)
                    && !matches!(expr.ty.oid, oid::VARCHAR | oid::BPCHAR)
                {
                    self.quoted(value, inner.ty, expr.ty, out);
                    return Some(());
                }
                self.expr(inner, Within::Postfix, out)?;
                let _ = write!(out, "::{}", self.catalog.format_type(expr.ty));
            }
            ExprKind::And(list) => self.joined(list, " AND ", out)?,
            ExprKind::Or(list) => self.joined(list, " OR ", out)?,
            ExprKind::Not(inner) => {
                out.push_str("NOT ");
                let is_bool = matches!(inner.kind, ExprKind::And(_) | ExprKind::Or(_));
                self.expr(inner, if is_bool { Within::Postfix } else { Within::Closed }, out)?;
            }
            ExprKind::IsNull { expr: inner, negated } => {
                self.expr(inner, Within::Postfix, out)?;
                out.push_str(if *negated { " IS NOT NULL" } else { " IS NULL" });
            }
            ExprKind::IsBool { expr: inner, value, negated } => {
                self.expr(inner, Within::Postfix, out)?;
                let _ = write!(out, " IS {}{}", if *negated { "NOT " } else { "" }, if *value { "TRUE" } else { "FALSE" });
            }
            ExprKind::Distinct { left, right, negated } => {
                self.expr(left, Within::Postfix, out)?;
                out.push_str(if *negated { " IS NOT DISTINCT FROM " } else { " IS DISTINCT FROM " });
                self.expr(right, Within::Postfix, out)?;
            }
            ExprKind::Case { arms, otherwise } => {
                out.push_str("\nCASE");
                for (condition, value) in arms {
                    out.push_str("\n    WHEN ");
                    self.expr(condition, Within::Closed, out)?;
                    out.push_str(" THEN ");
                    self.expr(value, Within::Closed, out)?;
                }
                out.push_str("\n    ELSE ");
                match otherwise {
                    Some(otherwise) => self.expr(otherwise, Within::Closed, out)?,
                    None => self.constant(&Value::Null, expr.ty, out),
                }
                out.push_str("\nEND");
            }
            ExprKind::Coalesce(args) => self.call("COALESCE", args, out)?,
            ExprKind::Extreme { greatest, args } => self.call(if *greatest { "GREATEST" } else { "LEAST" }, args, out)?,
            ExprKind::NullIf { left, right, .. } => {
                out.push_str("NULLIF(");
                self.expr(left, Within::Closed, out)?;
                out.push_str(", ");
                self.expr(right, Within::Closed, out)?;
                out.push(')');
            }
            ExprKind::Subscript { array, index } => {
                self.expr(array, Within::Postfix, out)?;
                out.push('[');
                self.expr(index, Within::Closed, out)?;
                out.push(']');
            }
            ExprKind::Array(items) => {
                out.push_str("ARRAY[");
                self.all(items, ", ", out)?;
                out.push(']');
            }
            ExprKind::Collate { expr: inner, collation } => {
                self.expr(inner, Within::Postfix, out)?;
                let _ = write!(out, " COLLATE {}", quote_name(collation));
            }
            _ => return None,
        }
        Some(())
    }

    /// Operands of AND and OR: another AND, OR or NOT among them has brackets.
    fn joined(&self, list: &[Expr], by: &str, out: &mut String) -> Option<()> {
        for (i, expr) in list.iter().enumerate() {
            out.push_str(if i > 0 { by } else { "" });
            let is_bool = matches!(expr.kind, ExprKind::And(_) | ExprKind::Or(_));
            self.expr(expr, if is_bool { Within::Postfix } else { Within::Closed }, out)?;
        }
        Some(())
    }

    fn call(&self, name: &str, args: &[Expr], out: &mut String) -> Option<()> {
        let _ = write!(out, "{name}(");
        self.all(args, ", ", out)?;
        out.push(')');
        Some(())
    }

    /// A constant as PostgreSQL shows it: numbers and booleans bare, the rest quoted with its type.
    fn constant(&self, value: &Value, ty: TypeRef, out: &mut String) {
        let mut text = String::new();
        pg::text(value.as_ref(), ty, &mut text);
        match (value, ty.oid) {
            (Value::Null, _) => {
                let _ = write!(out, "NULL::{}", self.catalog.format_type(ty));
            }
            (Value::Int(n), oid::BOOL) => out.push_str(if *n != 0 { "true" } else { "false" }),
            (_, oid::INT4) if !text.starts_with('-') => out.push_str(&text),
            (_, oid::NUMERIC) if ty.typmod < 0 && text.starts_with(|c: char| c.is_ascii_digit()) => {
                // One without a point was written as an integer.
                out.push_str(&text);
                out.push_str(if text.contains('.') { "" } else { "::numeric" });
            }
            _ => self.quoted(value, ty, ty, out),
        }
    }

    fn quoted(&self, value: &Value, from: TypeRef, to: TypeRef, out: &mut String) {
        let mut text = String::new();
        let base = super::types::base(self.catalog, from);
        pg::text(value.as_ref(), TypeRef { oid: if base.oid == Oid(0) { oid::TEXT } else { base.oid }, ..base }, &mut text);
        let text = text.replace('\'', "''");
        let _ = match text.contains('\\') {
            true => write!(out, "E'{}'::{}", text.replace('\\', "\\\\"), self.catalog.format_type(to)),
            false => write!(out, "'{text}'::{}", self.catalog.format_type(to)),
        };
    }
}
