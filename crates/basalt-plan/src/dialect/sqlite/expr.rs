//! Expressions.

use basalt_sql::typed::{Body, Expr, ExprKind, From, JsonShape, Query, facts};
use basalt_types::pg::oid;
use basalt_types::{SqlError, Value};

use super::printer::{Printer, Source};
use super::query::gathers_silently;

impl Printer<'_> {
    /// An expression; the text is complete in itself (no operator of the surroundings can bind into it).
    pub(super) fn expr(&mut self, expr: &Expr) -> Result<(), SqlError> {
        match &expr.kind {
            ExprKind::Const(value) => self.constant(value),
            ExprKind::Param(param) => self.param(param, expr.ty),
            ExprKind::Column { range, column } => self.column(*range, *column),
            ExprKind::WholeRow { range } => self.whole_row(*range),
            ExprKind::Op { imp, args, .. } => self.operator(imp.0, args),
            ExprKind::Func { schema, name, imp, args } => self.function(schema, name, imp.0, args, expr.ty),
            ExprKind::UserFunc { function, args } => self.user_function(*function, args),
            ExprKind::Aggregate { name, imp, args, star, distinct, order_by, filter } => {
                let close = self.aggregate(name, imp.0, args, *star, *distinct, order_by)?;
                self.aggregate_filter(filter.as_deref())?;
                self.raw(close);
                Ok(())
            }
            ExprKind::Window { name, imp, args, star, filter, partition_by, order_by, frame } => {
                self.window_call(name, imp.0, args, *star)?;
                self.aggregate_filter(filter.as_deref())?;
                self.raw(" OVER (");
                for (i, key) in partition_by.iter().enumerate() {
                    self.raw(if i == 0 { "PARTITION BY " } else { ", " });
                    self.collated(key)?;
                }
                self.order_by(order_by)?;
                if let Some(frame) = frame {
                    self.raw(" ").raw(frame);
                }
                self.raw(")");
                Ok(())
            }
            ExprKind::Cast { expr: inner, explicit } => self.cast(inner, expr.ty, *explicit),
            ExprKind::And(args) => self.joined(args, " AND ", "1"),
            ExprKind::Or(args) => self.joined(args, " OR ", "0"),
            ExprKind::Not(inner) => {
                self.raw("(NOT ");
                self.expr(inner)?;
                self.raw(")");
                Ok(())
            }
            ExprKind::IsNull { expr: inner, negated } => self.is_null(inner, *negated),
            ExprKind::IsBool { expr: inner, value, negated } => {
                self.raw("(");
                self.expr(inner)?;
                self.raw(if *negated { " IS NOT " } else { " IS " }).raw(if *value { "1)" } else { "0)" });
                Ok(())
            }
            ExprKind::Distinct { left, right, negated } => self.distinct(left, right, *negated),
            ExprKind::Case { arms, otherwise } => {
                self.raw("CASE");
                for (when, then) in arms {
                    self.raw(" WHEN ");
                    self.expr(when)?;
                    self.raw(" THEN ");
                    self.expr(then)?;
                }
                if let Some(otherwise) = otherwise {
                    self.raw(" ELSE ");
                    self.expr(otherwise)?;
                }
                self.raw(" END");
                Ok(())
            }
            ExprKind::Coalesce(args) => match args.as_slice() {
                [] => {
                    self.raw("NULL");
                    Ok(())
                }
                [only] => self.expr(only),
                many => self.call("coalesce", many),
            },
            ExprKind::Extreme { greatest, args } => self.extreme(*greatest, args),
            ExprKind::NullIf { left, right, .. } => {
                self.raw("CASE WHEN ");
                self.comparison("eq", left, right)?;
                self.raw(" THEN NULL ELSE ");
                self.expr(left)?;
                self.raw(" END");
                Ok(())
            }
            ExprKind::Array(items) => {
                self.raw("json_array(");
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.raw(", ");
                    }
                    self.element(item)?;
                }
                self.raw(")");
                Ok(())
            }
            ExprKind::Row(items) => {
                self.raw("(");
                self.list(items)?;
                self.raw(")");
                Ok(())
            }
            ExprKind::Subscript { array, index } => self.call("pg_subscript", &[(**array).clone(), (**index).clone()]),
            ExprKind::Field { .. } => Err(SqlError::unsupported("a field of a composite value")),
            ExprKind::QuantifiedArray { imp, all, left, array, .. } => self.quantified_array(imp.0, *all, left, array),
            ExprKind::InList { expr: inner, list, negated } => self.in_list(inner, list, *negated),
            ExprKind::QuantifiedQuery { imp, all, left, query, .. } => self.quantified_query(imp.0, *all, left, query),
            ExprKind::Exists(query) => {
                self.raw("EXISTS (");
                self.query(query)?;
                self.raw(")");
                Ok(())
            }
            ExprKind::Scalar(query) => self.scalar(query),
            ExprKind::ArrayQuery(query) => {
                let range = self.fresh_range();
                self.declare(range, Source::Positions);
                let item = query.columns().first().map(|(_, ty)| Expr::column(range, 1, *ty));
                let Some(item) = item else { return Err(SqlError::internal("an array of a query without columns")) };
                self.raw("(SELECT json_group_array(");
                self.element(&item)?;
                self.raw(") FROM (");
                self.query_as(query)?;
                self.raw(") AS ").alias(range).raw(")");
                Ok(())
            }
            ExprKind::JsonRows { query, shape } => self.json_rows(query, *shape == JsonShape::Array),
            ExprKind::Collate { expr: inner, collation } => self.collate(inner, collation),
        }
    }

    /// A subquery for its only value; several rows are 21000, where SQLite itself takes the first.
    fn scalar(&mut self, query: &Query) -> Result<(), SqlError> {
        if self.has_one_row(query) {
            self.raw("(");
            self.query(query)?;
            self.raw(")");
            return Ok(());
        }
        let range = self.fresh_range();
        self.raw("(SELECT CASE WHEN count(*) > 1 THEN basalt_raise('21000', ");
        self.text("more than one row returned by a subquery used as an expression");
        self.raw(") ELSE max(").alias(range).raw(".c1) END FROM (");
        self.query_as(query)?;
        self.raw(") AS ").alias(range).raw(")");
        Ok(())
    }

    /// Whether a query cannot give two rows.
    fn has_one_row(&self, query: &Query) -> bool {
        if matches!(&query.limit, Some(Expr { kind: ExprKind::Const(Value::Int(n)), .. }) if *n <= 1) {
            return true;
        }
        let Body::Select(select) = &query.body else { return false };
        if select.group_by.is_empty()
            && (gathers_silently(select, query) || select.targets.iter().any(|t| facts::contains_aggregate(&t.expr)))
        {
            return true;
        }
        match select.from.as_slice() {
            [] => true,
            [From::Table { range, relation, .. }] => {
                select.filter.as_ref().is_some_and(|f| self.unique_columns_given(*range, *relation, f).is_some())
            }
            _ => false,
        }
    }

    fn joined(&mut self, args: &[Expr], by: &str, empty: &str) -> Result<(), SqlError> {
        if args.is_empty() {
            self.raw(empty);
            return Ok(());
        }
        self.raw("(");
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.raw(by);
            }
            self.expr(arg)?;
        }
        self.raw(")");
        Ok(())
    }

    /// `name(args)`.
    pub(super) fn call(&mut self, name: &str, args: &[Expr]) -> Result<(), SqlError> {
        self.raw(name).raw("(");
        self.list(args)?;
        self.raw(")");
        Ok(())
    }

    fn is_null(&mut self, inner: &Expr, negated: bool) -> Result<(), SqlError> {
        match &inner.kind {
            // A row is NULL when all its fields are, NOT NULL when none is.
            ExprKind::Row(items) => {
                let each: Vec<Expr> = items
                    .iter()
                    .map(|item| Expr::new(ExprKind::IsNull { expr: Box::new(item.clone()), negated }, Expr::bool(true).ty))
                    .collect();
                self.joined(&each, " AND ", "1")
            }
            ExprKind::WholeRow { range } => match self.source(*range) {
                Some(Source::Table(oid)) => {
                    let columns: Vec<_> = self.relation(oid)?.columns.iter().map(|c| (c.attnum, c.type_ref())).collect();
                    let each: Vec<Expr> = columns
                        .into_iter()
                        .map(|(attnum, ty)| {
                            let column = Box::new(Expr::column(*range, attnum, ty));
                            Expr::new(ExprKind::IsNull { expr: column, negated }, Expr::bool(true).ty)
                        })
                        .collect();
                    self.joined(&each, " AND ", "1")
                }
                _ => Err(SqlError::unsupported("IS NULL of this row")),
            },
            _ => {
                self.raw("(");
                self.expr(inner)?;
                self.raw(if negated { " IS NOT NULL)" } else { " IS NULL)" });
                Ok(())
            }
        }
    }

    /// GREATEST and LEAST ignore NULLs: an aggregate over the arguments does too.
    fn extreme(&mut self, greatest: bool, args: &[Expr]) -> Result<(), SqlError> {
        let Some(first) = args.first() else { return Err(SqlError::internal("GREATEST without arguments")) };
        if self.is_schema_text {
            return self.extreme_in_schema(greatest, args, first);
        }
        let range = self.fresh_range();
        self.raw("(SELECT ").alias(range).raw(".c1 FROM (");
        for (i, arg) in args.iter().enumerate() {
            self.raw(if i == 0 { "SELECT " } else { " UNION ALL SELECT " });
            self.expr(arg)?;
            if i == 0 {
                self.raw(" AS c1");
            }
        }
        self.raw(") AS ").alias(range).raw(" WHERE ").alias(range).raw(".c1 IS NOT NULL");
        self.declare(range, Source::Positions);
        let key = basalt_sql::typed::Order { expr: Expr::column(range, 1, first.ty), descending: greatest, nulls_first: false };
        self.order_by(&[key])?;
        self.raw(" LIMIT 1)");
        Ok(())
    }

    /// The same without a query, which an index cannot have. The text grows threefold with each argument.
    fn extreme_in_schema(&mut self, greatest: bool, args: &[Expr], first: &Expr) -> Result<(), SqlError> {
        let (a, b) = match args {
            [only] => return self.expr(only),
            [a, b] => (a.clone(), b),
            [a, b, c] => (Expr::new(ExprKind::Extreme { greatest, args: vec![a.clone(), b.clone()] }, first.ty), c),
            _ => return Err(SqlError::unsupported("GREATEST or LEAST of more than three values in an index")),
        };
        self.raw("CASE WHEN ").expr(&a)?;
        self.raw(" IS NULL THEN ").expr(b)?;
        self.raw(" WHEN ").expr(b)?;
        self.raw(" IS NULL OR ");
        self.comparison(if greatest { "ge" } else { "le" }, &a, b)?;
        self.raw(" THEN ").expr(&a)?;
        self.raw(" ELSE ").expr(b)?;
        self.raw(" END");
        Ok(())
    }

    /// A value as an element for `json_array` or `json_group_array`, which then hold storage forms.
    pub(super) fn element(&mut self, expr: &Expr) -> Result<(), SqlError> {
        let base = self.base(expr.ty);
        let is_plain = !matches!(base.oid, oid::BOOL | oid::FLOAT4 | oid::FLOAT8 | oid::BYTEA)
            && basalt_types::pg::builtin(base.oid).is_none_or(|b| b.elem == basalt_types::Oid(0))
            && !matches!(expr.kind, ExprKind::JsonRows { .. } | ExprKind::Array(_));
        if is_plain && !matches!(base.oid, oid::JSON | oid::JSONB) {
            return self.expr(expr);
        }
        if is_plain {
            // JSON texts are strings inside arrays; the concatenation drops SQLite's mark of JSON.
            self.raw("(");
            self.expr(expr)?;
            self.raw(" || '')");
            return Ok(());
        }
        self.raw("json(basalt_element(").number(i64::from(base.oid.0)).raw(", ");
        self.expr(expr)?;
        self.raw("))");
        Ok(())
    }

    /// A whole row as JSON, the only use a row value has here.
    fn whole_row(&mut self, range: basalt_sql::typed::RangeId) -> Result<(), SqlError> {
        let (Some(Source::Table(oid)) | Some(Source::Bare(oid))) = self.source(range) else {
            return Err(SqlError::unsupported("a whole row of a subquery"));
        };
        let columns: Vec<_> = self.relation(oid)?.columns.iter().map(|c| (c.attnum, c.name.clone(), c.type_ref())).collect();
        self.raw("pg_record_json(");
        for (i, (attnum, name, ty)) in columns.into_iter().enumerate() {
            if i > 0 {
                self.raw(", ");
            }
            self.text(&name).raw(", ");
            self.json_text(&Expr::column(range, attnum, ty))?;
        }
        self.raw(")");
        Ok(())
    }

    /// A value's JSON text; `null` for NULL.
    pub(super) fn json_text(&mut self, expr: &Expr) -> Result<(), SqlError> {
        if matches!(expr.kind, ExprKind::WholeRow { .. }) {
            return self.expr(expr);
        }
        // A row without names: its fields are f1, f2, ….
        if let ExprKind::Row(items) = &expr.kind {
            self.raw("pg_record_json(");
            for (i, item) in items.iter().enumerate() {
                self.raw(if i == 0 { "" } else { ", " }).text(&format!("f{}", i + 1)).raw(", ");
                self.json_text(item)?;
            }
            self.raw(")");
            return Ok(());
        }
        let base = self.base(expr.ty);
        self.raw("pg_to_json(").number(i64::from(base.oid.0)).raw(", ");
        self.expr(expr)?;
        self.raw(")");
        Ok(())
    }

    /// A value's text output.
    pub(super) fn plain_text(&mut self, expr: &Expr) -> Result<(), SqlError> {
        let base = self.base(expr.ty);
        if matches!(base.oid, oid::TEXT | oid::VARCHAR | oid::UUID | oid::DATE)
            || matches!(expr.kind, ExprKind::Const(Value::Null))
        {
            return self.expr(expr);
        }
        self.raw("pg_text(").number(i64::from(base.oid.0)).raw(", ");
        self.expr(expr)?;
        self.raw(")");
        Ok(())
    }
}
