//! Comparisons, membership, sort keys: everything that depends on how a type's values are ordered.

use basalt_catalog::{IndexTerm, TypeKind};
use basalt_sql::typed::{Expr, ExprKind, Order, Param, Query};
use basalt_types::pg::oid;
use basalt_types::{SqlError, TypeRef};

use super::printer::{Printer, Source};
use crate::dialect::types;

/// SQLite's operator for a comparison implementation.
pub(super) fn symbol(imp: &str) -> Option<&'static str> {
    Some(match imp {
        "eq" => "=",
        "ne" => "<>",
        "lt" => "<",
        "le" => "<=",
        "gt" => ">",
        "ge" => ">=",
        _ => return None,
    })
}

/// Whether SQLite would take a key of ORDER BY or GROUP BY for a column's position.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.trim_matches(|c: char| matches!(c, '(' | ')' | '+' | '-' | ' '));
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

impl Printer<'_> {
    /// `a op b` for a comparison of operands of one type.
    pub(super) fn comparison(&mut self, imp: &str, a: &Expr, b: &Expr) -> Result<(), SqlError> {
        let op = symbol(imp).ok_or_else(|| SqlError::internal(format!("{imp} is no comparison")))?;
        let is_order = !matches!(imp, "eq" | "ne");
        self.raw("(");
        if is_order && (types::enum_of(self.catalog, a.ty).is_some() || types::enum_of(self.catalog, b.ty).is_some()) {
            let ty = if types::enum_of(self.catalog, a.ty).is_some() { a.ty } else { b.ty };
            self.enum_rank(a, ty)?;
            self.raw(" ").raw(op).raw(" ");
            self.enum_rank(b, ty)?;
        } else {
            self.collated(a)?;
            self.raw(" ").raw(op).raw(" ");
            self.expr(b)?;
        }
        self.raw(")");
        Ok(())
    }

    /// An expression with its type's collation, for the left side of a comparison, a sort key, GROUP BY.
    pub(super) fn collated(&mut self, expr: &Expr) -> Result<(), SqlError> {
        self.expr(expr)?;
        if let Some(collation) = self.collation(expr.ty)
            && !matches!(expr.kind, ExprKind::Collate { .. })
        {
            self.raw(" COLLATE ").raw(collation);
        }
        Ok(())
    }

    /// An enum value's place in its type's order.
    fn enum_rank(&mut self, expr: &Expr, ty: TypeRef) -> Result<(), SqlError> {
        let Some(def) = types::enum_of(self.catalog, ty).cloned() else { return self.expr(expr) };
        let TypeKind::Enum { labels } = &def.kind else { return self.expr(expr) };
        self.raw("CASE ");
        self.expr(expr)?;
        for (i, label) in labels.iter().enumerate() {
            self.raw(" WHEN ").text(label).raw(" THEN ").number(i64::try_from(i).unwrap_or(i64::MAX));
        }
        self.raw(" END");
        Ok(())
    }

    /// ORDER BY, with its keyword, when there are keys.
    pub(super) fn order_by(&mut self, keys: &[Order]) -> Result<(), SqlError> {
        let mut word = " ORDER BY ";
        for key in keys {
            let text = self.aside(|p| match types::enum_of(p.catalog, key.expr.ty).is_some() {
                true => p.enum_rank(&key.expr, key.expr.ty),
                false => p.collated(&key.expr),
            })?;
            // A bare number would be a column's position; a constant orders nothing.
            if is_number(&text) {
                continue;
            }
            self.raw(word).raw(&text);
            word = ", ";
            self.raw(if key.descending { " DESC" } else { " ASC" });
            // NOT NULL columns keep their index either way; SQLite serves explicit null order from an index too.
            self.raw(if key.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        Ok(())
    }

    /// IS [NOT] DISTINCT FROM. `negated`: IS NOT DISTINCT FROM.
    pub(super) fn distinct(&mut self, left: &Expr, right: &Expr, negated: bool) -> Result<(), SqlError> {
        self.raw("(");
        self.collated(left)?;
        self.raw(if negated { " IS " } else { " IS NOT " });
        self.expr(right)?;
        self.raw(")");
        Ok(())
    }

    /// `x IN (a, b)`.
    pub(super) fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<(), SqlError> {
        self.raw("(");
        self.collated(expr)?;
        self.raw(if negated { " NOT IN (" } else { " IN (" });
        self.list(list)?;
        self.raw("))");
        Ok(())
    }

    /// `x op ANY|ALL (array)`.
    pub(super) fn quantified_array(&mut self, imp: &str, all: bool, left: &Expr, array: &Expr) -> Result<(), SqlError> {
        let element = types::element(self.catalog, array.ty).unwrap_or(left.ty);
        let never_null = matches!(array.kind, ExprKind::Param(Param::LiteralList(_)) | ExprKind::Array(_));
        if !never_null {
            self.raw("CASE WHEN ");
            self.expr(array)?;
            self.raw(" IS NOT NULL THEN ");
        }
        match (imp, all) {
            ("eq", false) | ("ne", true) => {
                self.raw("(");
                self.collated(left)?;
                self.raw(if all { " NOT IN (" } else { " IN (" });
                self.elements(array, element)?;
                self.raw("))");
            }
            _ => {
                // Three-valued: true wins for ANY, false for ALL, then NULL.
                let range = self.fresh_range();
                self.declare(range, Source::Positions);
                let item = Expr::column(range, 1, element);
                let test = self.aside(|p| p.operator(imp, &[left.clone(), item]))?;
                let (win, other) = if all { ("NOT min(t)", "0") } else { ("max(t)", "1") };
                let lose = if all { "1" } else { "0" };
                self.raw("(SELECT CASE WHEN ").raw(win).raw(" THEN ").raw(other);
                self.raw(" WHEN count(t) = count(*) THEN ").raw(lose).raw(" END FROM (SELECT ").raw(&test).raw(" AS t FROM (");
                self.elements_as(array, element, "c1")?;
                self.raw(") AS ").alias(range).raw("))");
            }
        }
        if !never_null {
            self.raw(" END");
        }
        Ok(())
    }

    /// `SELECT value FROM json_each(array)`.
    fn elements(&mut self, array: &Expr, element: TypeRef) -> Result<(), SqlError> {
        self.elements_as(array, element, "value")
    }

    /// An array's elements in storage form as a column of that name.
    pub(super) fn elements_as(&mut self, array: &Expr, element: TypeRef, name: &str) -> Result<(), SqlError> {
        self.raw("SELECT ");
        let base = self.base(element);
        match base.oid {
            oid::BYTEA => self.raw("pg_array_item(17, json_quote(value))"),
            // The array has the shortest text of a real, which read as a double is another number.
            oid::FLOAT4 => self.raw("pg_array_item(700, json_quote(value))"),
            oid::FLOAT8 => self.raw(
                "CASE WHEN typeof(value) = 'integer' THEN CAST(value AS REAL) WHEN value = 'Infinity' THEN 9e999 \
                 WHEN value = '-Infinity' THEN -9e999 WHEN value = '-0' THEN -0.0 ELSE value END",
            ),
            _ => self.raw("value"),
        };
        if name != "value" {
            self.raw(" AS ").raw(name);
        }
        self.raw(" FROM json_each(");
        self.expr(array)?;
        self.raw(")");
        Ok(())
    }

    /// `(a, b) op ANY|ALL (query)`.
    pub(super) fn quantified_query(&mut self, imp: &str, all: bool, left: &[Expr], query: &Query) -> Result<(), SqlError> {
        match (imp, all) {
            ("eq", false) | ("ne", true) => {
                self.raw("(");
                if let [only] = left {
                    self.collated(only)?;
                } else {
                    self.raw("(");
                    for (i, item) in left.iter().enumerate() {
                        if i > 0 {
                            self.raw(", ");
                        }
                        self.collated(item)?;
                    }
                    self.raw(")");
                }
                self.raw(if all { " NOT IN (" } else { " IN (" });
                self.query(query)?;
                self.raw("))");
                Ok(())
            }
            _ => {
                let [left] = left else { return Err(SqlError::unsupported("a row comparison with ANY or ALL of a query")) };
                let range = self.fresh_range();
                self.declare(range, Source::Positions);
                let column = query.columns().first().map_or(left.ty, |(_, ty)| *ty);
                let item = Expr::column(range, 1, column);
                let test = self.aside(|p| p.operator(imp, &[left.clone(), item]))?;
                let (win, other) = if all { ("NOT min(t)", "0") } else { ("max(t)", "1") };
                let lose = if all { "1" } else { "0" };
                self.raw("(SELECT CASE WHEN ").raw(win).raw(" THEN ").raw(other);
                self.raw(" WHEN count(t) = count(*) THEN ").raw(lose).raw(" END FROM (SELECT ").raw(&test).raw(" AS t FROM (");
                self.query_as(query)?;
                self.raw(") AS ").alias(range).raw("))");
                Ok(())
            }
        }
    }

    /// LIKE. A pattern's fixed beginning becomes a range, so that an index on the column serves it.
    pub(super) fn like(&mut self, text: &Expr, pattern: &Expr) -> Result<(), SqlError> {
        let by_index = self.is_indexed_text(text) && matches!(pattern.kind, ExprKind::Const(_) | ExprKind::Param(_));
        self.raw("(");
        if by_index {
            self.expr(text)?;
            self.raw(" >= pg_like_from(");
            self.expr(pattern)?;
            self.raw(") AND ");
            self.expr(text)?;
            self.raw(" < pg_like_to(");
            self.expr(pattern)?;
            self.raw(") AND ");
        }
        self.raw("pg_like(");
        self.expr(text)?;
        self.raw(", ");
        self.expr(pattern)?;
        self.raw("))");
        Ok(())
    }

    /// A plain text column that leads an index.
    fn is_indexed_text(&self, expr: &Expr) -> bool {
        let ExprKind::Column { range, column } = expr.kind else { return false };
        let Some(Source::Table(oid)) = self.source(range) else { return false };
        matches!(self.base(expr.ty).oid, oid::TEXT | oid::VARCHAR)
            && self.relation(oid).is_ok_and(|r| {
                r.indexes.iter().any(|i| {
                    i.method == "btree"
                        && i.filter.is_none()
                        && i.keys.first().is_some_and(|k| k.term == IndexTerm::Column(column))
                })
            })
    }
}
