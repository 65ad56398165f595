//! Operators, functions and aggregates: native where SQLite means the same, the host's `pg_…` otherwise, else refused by name.

use basalt_sql::typed::{Expr, ExprKind, Order};
use basalt_types::pg::{self, oid};
use basalt_types::{SqlError, TypeRef};

use super::compare::symbol;
use super::host;
use super::printer::Printer;

/// Implementations that SQLite has under its own name with the same meaning on storage forms.
const NATIVE: &[(&str, &str)] = &[
    ("length", "length"),
    ("octet_length", "octet_length"),
    ("btrim", "trim"),
    ("ltrim", "ltrim"),
    ("rtrim", "rtrim"),
    ("replace", "replace"),
    ("strpos", "instr"),
];

/// Whether an operator's or function's implementation can be printed for SQLite.
pub fn supported(imp: &str) -> bool {
    symbol(imp).is_some()
        || host::is_hosted(imp)
        || NATIVE.iter().any(|(name, _)| *name == imp)
        || WINDOWS.contains(&imp)
        || matches!(
            imp,
            "textcat"
                | "int2up"
                | "int4up"
                | "int8up"
                | "float4up"
                | "float8up"
                | "numeric_uplus"
                | "int2and"
                | "int4and"
                | "int8and"
                | "int2or"
                | "int4or"
                | "int8or"
                | "int2not"
                | "int4not"
                | "int8not"
                | "bpcharlen"
                | "to_json"
                | "to_jsonb"
                | "unnest"
                | "count"
                | "count_star"
                | "bool_and"
                | "bool_or"
                | "any_value"
                | "array_agg"
                | "quote_literal_any"
                | "quote_nullable_any"
                | "num_nulls"
                | "num_nonnulls"
                | "pg_notify"
                | "pg_advisory_lock"
                | "pg_advisory_xact_lock"
                | "pg_try_advisory_lock"
                | "pg_try_advisory_xact_lock"
                | "pg_advisory_unlock"
        )
}

/// Window functions that SQLite has.
const WINDOWS: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

/// The argument types as a host function's signature.
fn signature(printer: &Printer<'_>, args: &[Expr]) -> String {
    let name = |e: &Expr| pg::builtin(printer.base(e.ty).oid).map_or("text", |b| b.name);
    args.iter().map(name).collect::<Vec<_>>().join(",")
}

impl Printer<'_> {
    /// An operator.
    pub(super) fn operator(&mut self, imp: &str, args: &[Expr]) -> Result<(), SqlError> {
        match (imp, args) {
            (_, [a, b]) if symbol(imp).is_some() => self.comparison(imp, a, b),
            ("textcat", [a, b]) => self.infix("||", a, b),
            ("int2and" | "int4and" | "int8and", [a, b]) => self.infix("&", a, b),
            ("int2or" | "int4or" | "int8or", [a, b]) => self.infix("|", a, b),
            ("int2not" | "int4not" | "int8not", [a]) => {
                self.raw("(~");
                self.expr(a)?;
                self.raw(")");
                Ok(())
            }
            ("int2up" | "int4up" | "int8up" | "float4up" | "float8up" | "numeric_uplus", [a]) => self.expr(a),
            ("like", [text, pattern]) => self.like(text, pattern),
            ("textanycat", [a, b]) => {
                self.raw("(");
                self.expr(a)?;
                self.raw(" || ");
                self.plain_text(b)?;
                self.raw(")");
                Ok(())
            }
            ("anytextcat", [a, b]) => {
                self.raw("(");
                self.plain_text(a)?;
                self.raw(" || ");
                self.expr(b)?;
                self.raw(")");
                Ok(())
            }
            _ => self.hosted(imp, imp, args),
        }
    }

    fn infix(&mut self, op: &str, a: &Expr, b: &Expr) -> Result<(), SqlError> {
        self.raw("(");
        self.expr(a)?;
        self.raw(" ").raw(op).raw(" ");
        self.expr(b)?;
        self.raw(")");
        Ok(())
    }

    /// A call of the host's function; `shown` names it in a refusal.
    fn hosted(&mut self, imp: &str, shown: &str, args: &[Expr]) -> Result<(), SqlError> {
        if !host::is_hosted(imp) {
            return Err(SqlError::unsupported(format!("the function {shown}")));
        }
        self.raw("pg_").raw(imp).raw("(");
        if host::takes_signature(imp) {
            let text = signature(self, args);
            self.text(&text);
            if !args.is_empty() {
                self.raw(", ");
            }
        }
        self.list(args)?;
        self.raw(")");
        Ok(())
    }

    /// A built-in function.
    pub(super) fn function(&mut self, schema: &str, name: &str, imp: &str, args: &[Expr], ty: TypeRef) -> Result<(), SqlError> {
        if let Some((_, native)) = NATIVE.iter().find(|(n, _)| *n == imp) {
            return self.call(native, args);
        }
        match (imp, args) {
            ("bpcharlen", [a]) => {
                self.raw("length(rtrim(");
                self.expr(a)?;
                self.raw("))");
                Ok(())
            }
            ("to_json", [a]) => self.json_of(a),
            ("to_jsonb", [a]) if matches!(a.kind, ExprKind::WholeRow { .. } | ExprKind::Row(_)) => {
                self.raw("pg_cast(");
                self.json_text(a)?;
                self.raw(", 114, -1, 3802, -1, 1)");
                Ok(())
            }
            ("to_jsonb", [a]) => {
                let base = self.base(a.ty);
                self.raw("pg_to_jsonb(").number(i64::from(base.oid.0)).raw(", ");
                self.expr(a)?;
                self.raw(")");
                Ok(())
            }
            ("concat" | "concat_ws" | "format", args) => {
                self.raw("pg_").raw(imp).raw("(");
                self.each(args, |p, _, arg| p.plain_text(arg))
            }
            ("json_build_array" | "jsonb_build_array", args) => {
                self.raw("pg_").raw(imp).raw("(");
                self.each(args, |p, _, arg| p.json_text(arg))
            }
            ("json_build_object" | "jsonb_build_object", args) => {
                self.raw("pg_").raw(imp).raw("(");
                self.each(args, |p, i, arg| if i % 2 == 0 { p.plain_text(arg) } else { p.json_text(arg) })
            }
            ("quote_literal_any", [a]) => {
                self.raw("pg_quote_literal(");
                self.each(std::slice::from_ref(a), |p, _, arg| p.plain_text(arg))
            }
            ("quote_nullable_any", [a]) => {
                self.raw("pg_quote_nullable(");
                self.each(std::slice::from_ref(a), |p, _, arg| p.plain_text(arg))
            }
            ("num_nulls" | "num_nonnulls", args) => {
                self.raw("(0");
                for arg in args {
                    self.raw(" + (");
                    self.expr(arg)?;
                    self.raw(if imp == "num_nulls" { " IS NULL)" } else { " IS NOT NULL)" });
                }
                self.raw(")");
                Ok(())
            }
            // One writer at a time: advisory locks are always free.
            ("pg_advisory_lock" | "pg_advisory_xact_lock" | "pg_notify", _) => {
                self.raw("NULL");
                Ok(())
            }
            ("pg_try_advisory_lock" | "pg_try_advisory_xact_lock" | "pg_advisory_unlock", _) => {
                self.raw("1");
                Ok(())
            }
            _ => {
                let _ = ty;
                let shown = if schema == "pg_catalog" { name.to_owned() } else { format!("{schema}.{name}") };
                self.hosted(imp, &shown, args)
            }
        }
    }

    fn each(
        &mut self,
        args: &[Expr],
        mut print: impl FnMut(&mut Self, usize, &Expr) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.raw(", ");
            }
            print(self, i, arg)?;
        }
        self.raw(")");
        Ok(())
    }

    /// `to_json(x)`: NULL stays NULL.
    fn json_of(&mut self, a: &Expr) -> Result<(), SqlError> {
        if matches!(a.kind, ExprKind::WholeRow { .. } | ExprKind::Row(_)) {
            return self.json_text(a);
        }
        self.raw("CASE WHEN ");
        self.expr(a)?;
        self.raw(" IS NOT NULL THEN ");
        self.json_text(a)?;
        self.raw(" END");
        Ok(())
    }

    /// FILTER (WHERE …).
    pub(super) fn aggregate_filter(&mut self, filter: Option<&Expr>) -> Result<(), SqlError> {
        if let Some(filter) = filter {
            self.raw(" FILTER (WHERE ");
            self.expr(filter)?;
            self.raw(")");
        }
        Ok(())
    }

    /// An aggregate, up to its FILTER; returns what must follow it.
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        imp: &str,
        args: &[Expr],
        star: bool,
        distinct: bool,
        order_by: &[Order],
    ) -> Result<&'static str, SqlError> {
        if star || imp == "count_star" {
            self.raw("count(*)");
            return Ok("");
        }
        let Some(first) = args.first() else { return Err(SqlError::unsupported(format!("the aggregate {name}"))) };
        let base = self.base(first.ty);
        let type_name = pg::builtin(base.oid).map_or("text", |b| b.name);
        let mark = if distinct { "DISTINCT " } else { "" };
        // PostgreSQL finds equal values by sorting them, so they come sorted.
        let sorted = [Order { expr: first.clone(), descending: false, nulls_first: false }];
        let order_by = match imp {
            "array_agg" | "json_agg" | "jsonb_agg" if distinct && order_by.is_empty() => &sorted[..],
            _ => order_by,
        };
        match imp {
            "count" => {
                self.raw("count(").raw(mark);
                match &first.kind {
                    ExprKind::Row(items) => self.counted_row(items, distinct)?,
                    _ => self.collated(first)?,
                }
            }
            "bool_and" => {
                self.raw("min(").raw(mark);
                self.expr(first)?;
            }
            "bool_or" => {
                self.raw("max(").raw(mark);
                self.expr(first)?;
            }
            "min" | "max" | "any_value" => {
                if crate::dialect::types::enum_of(self.catalog, first.ty).is_some() && imp != "any_value" {
                    return self.enum_extreme(imp, first);
                }
                self.raw(if imp == "max" { "max(" } else { "min(" }).raw(mark);
                self.collated(first)?;
            }
            "sum" if matches!(base.oid, oid::INT2 | oid::INT4) => {
                self.raw("sum(").raw(mark);
                self.expr(first)?;
            }
            "string_agg" => {
                // SQLite's DISTINCT takes one argument, so the host's aggregate leaves equal pairs out itself. As in PostgreSQL they
                // come sorted, by the keys of ORDER BY first.
                self.raw(if distinct { "pg_string_agg_distinct(" } else { "string_agg(" });
                self.list(args)?;
                if distinct {
                    let sorted = |arg: &Expr| Order { expr: arg.clone(), descending: false, nulls_first: false };
                    let rest = args.iter().filter(|arg| !order_by.iter().any(|key| key.expr == **arg)).map(sorted);
                    let keys: Vec<Order> = order_by.iter().cloned().chain(rest).collect();
                    self.order_by(&keys)?;
                    self.raw(")");
                    return Ok("");
                }
            }
            "array_agg" => {
                // NULL, not an empty array, without rows.
                self.raw("nullif(json_group_array(").raw(mark);
                self.element(first)?;
                if let Some(collation) = self.collation(first.ty).filter(|_| distinct) {
                    self.raw(" COLLATE ").raw(collation);
                }
                self.order_by(order_by)?;
                self.raw(")");
                return Ok(", '[]')");
            }
            "json_agg" | "jsonb_agg" => {
                // PostgreSQL puts each array on a line of its own.
                let is_array = crate::dialect::types::element(self.catalog, first.ty).is_some();
                let name = if imp == "json_agg" && is_array { "json_agg_lines" } else { imp };
                self.raw("pg_").raw(name).raw("(").raw(mark);
                self.json_text(first)?;
                // Their JSON compares as they do.
                if let Some(collation) = self.collation(first.ty)
                    && distinct
                    && matches!(base.oid, oid::NUMERIC | oid::JSONB | oid::CITEXT)
                {
                    self.raw(" COLLATE ").raw(collation);
                }
            }
            "json_object_agg" | "jsonb_object_agg" if distinct => {
                return Err(SqlError::unsupported(format!("{name}(DISTINCT …)")));
            }
            "json_object_agg" | "jsonb_object_agg" => {
                let Some(value) = args.get(1) else { return Err(SqlError::internal("an object aggregate without values")) };
                self.raw("pg_").raw(imp).raw("(");
                self.plain_text(first)?;
                self.raw(", ");
                self.json_text(value)?;
            }
            _ => {
                let Some(function) = host::aggregate_name(imp, type_name) else {
                    return Err(SqlError::unsupported(format!("the aggregate {name}")));
                };
                self.raw(&function).raw("(").raw(mark);
                match args {
                    [only] if distinct => self.collated(only)?,
                    args => self.list(args)?,
                }
            }
        }
        self.order_by(order_by)?;
        self.raw(")");
        Ok("")
    }

    /// A row as an argument of count: never NULL itself; distinct rows differ in the text of an array.
    fn counted_row(&mut self, items: &[Expr], distinct: bool) -> Result<(), SqlError> {
        if distinct && items.iter().any(|item| self.collation(item.ty).is_some()) {
            return Err(SqlError::unsupported("count(DISTINCT …) of rows with columns of these types"));
        }
        self.raw("json_array(");
        for (i, item) in items.iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " });
            self.element(item)?;
        }
        self.raw(")");
        Ok(())
    }

    /// The least or greatest enum value: the label at the extreme rank.
    fn enum_extreme(&mut self, imp: &str, value: &Expr) -> Result<&'static str, SqlError> {
        let order = [Order { expr: value.clone(), descending: imp == "max", nulls_first: false }];
        self.raw("json_extract(json_group_array(");
        self.expr(value)?;
        self.order_by(&order)?;
        self.raw(")");
        Ok(", '$[0]')")
    }

    /// The call of a window function or of an aggregate over a window, up to FILTER and OVER.
    pub(super) fn window_call(&mut self, name: &str, imp: &str, args: &[Expr], star: bool) -> Result<(), SqlError> {
        if WINDOWS.contains(&imp) {
            return self.call(imp, args);
        }
        if star || matches!(imp, "count" | "count_star" | "bool_and" | "bool_or" | "string_agg") {
            return self.aggregate(name, imp, args, star, false, &[]).map(|_| ());
        }
        let native = args.first().is_some_and(|a| matches!(self.base(a.ty).oid, oid::INT2 | oid::INT4) && imp == "sum");
        if native || matches!(imp, "min" | "max") {
            return self.aggregate(name, imp, args, star, false, &[]).map(|_| ());
        }
        Err(SqlError::unsupported(format!("the aggregate {name} over a window")))
    }
}
