//! Expressions. Types are resolved, so every operand is printed with its casts and everything in parentheses.

use basalt_sql::typed::{Expr, ExprKind, JsonShape, Order, Param, SessionParam};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlError, TypeRef};

use super::PgBind;
use super::printer::{Names, Printer};
use crate::dialect::types;

impl Printer<'_> {
    pub(super) fn list(&mut self, args: &[Expr]) -> Result<(), SqlError> {
        for (i, arg) in args.iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " });
            self.expr(arg)?;
        }
        Ok(())
    }

    fn all(&mut self, args: &[Expr], by: &str, empty: &str) -> Result<(), SqlError> {
        if args.is_empty() {
            self.raw(empty);
            return Ok(());
        }
        self.raw("(");
        for (i, arg) in args.iter().enumerate() {
            self.raw(if i == 0 { "" } else { by });
            self.expr(arg)?;
        }
        self.raw(")");
        Ok(())
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Result<(), SqlError> {
        match &expr.kind {
            ExprKind::Const(value) => self.constant(value, expr.ty),
            ExprKind::Param(param) => self.param(param, expr.ty),
            ExprKind::Column { range, column } => self.column(*range, *column)?,
            ExprKind::WholeRow { range } => {
                self.alias(*range);
            }
            ExprKind::Op { symbol, args, .. } => match args.as_slice() {
                [a] => {
                    self.raw("(").raw(symbol).raw(" ");
                    self.expr(a)?;
                    self.raw(")");
                }
                [a, b] => {
                    self.raw("(");
                    self.expr(a)?;
                    self.raw(" ").raw(symbol).raw(" ");
                    self.expr(b)?;
                    self.raw(")");
                }
                _ => return Err(SqlError::internal("an operator of three operands")),
            },
            ExprKind::Func { schema, name, args, .. } => {
                if !schema.is_empty() {
                    self.ident(schema).raw(".");
                }
                self.ident(name).raw("(");
                self.list(args)?;
                self.raw(")");
            }
            ExprKind::UserFunc { function, args } => {
                self.function_name(*function)?.raw("(");
                self.list(args)?;
                self.raw(")");
            }
            ExprKind::Aggregate { name, args, star, distinct, order_by, filter, .. } => {
                self.raw(name).raw("(").raw(if *distinct { "DISTINCT " } else { "" });
                if *star {
                    self.raw("*");
                }
                self.list(args)?;
                self.order_by(order_by)?;
                self.raw(")");
                self.filter(filter.as_deref())?;
            }
            ExprKind::Window { name, args, star, filter, partition_by, order_by, frame, .. } => {
                self.raw(name).raw(if *star { "(*" } else { "(" });
                self.list(args)?;
                self.raw(")");
                self.filter(filter.as_deref())?;
                self.raw(" OVER (");
                if !partition_by.is_empty() {
                    self.raw("PARTITION BY ");
                    self.list(partition_by)?;
                }
                self.order_by(order_by)?;
                if let Some(frame) = frame {
                    self.raw(" ").raw(frame);
                }
                self.raw(")");
            }
            ExprKind::Cast { expr: inner, .. } => {
                self.raw("(");
                self.expr(inner)?;
                self.raw(")::").type_name(expr.ty);
            }
            ExprKind::And(args) => self.all(args, " AND ", "true")?,
            ExprKind::Or(args) => self.all(args, " OR ", "false")?,
            ExprKind::Not(inner) => {
                self.raw("(NOT ");
                self.expr(inner)?;
                self.raw(")");
            }
            ExprKind::IsNull { expr: inner, negated } => {
                self.raw("(");
                self.expr(inner)?;
                self.raw(if *negated { " IS NOT NULL)" } else { " IS NULL)" });
            }
            ExprKind::IsBool { expr: inner, value, negated } => {
                self.raw("(");
                self.expr(inner)?;
                self.raw(if *negated { " IS NOT " } else { " IS " }).raw(if *value { "TRUE)" } else { "FALSE)" });
            }
            ExprKind::Distinct { left, right, negated } => {
                self.raw("(");
                self.expr(left)?;
                self.raw(if *negated { " IS NOT DISTINCT FROM " } else { " IS DISTINCT FROM " });
                self.expr(right)?;
                self.raw(")");
            }
            ExprKind::Case { arms, otherwise } => {
                self.raw("(CASE");
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
                self.raw(" END)");
            }
            ExprKind::Coalesce(args) => {
                self.raw("COALESCE(");
                self.list(args)?;
                self.raw(")");
            }
            ExprKind::Extreme { greatest, args } => {
                self.raw(if *greatest { "GREATEST(" } else { "LEAST(" });
                self.list(args)?;
                self.raw(")");
            }
            ExprKind::NullIf { left, right, .. } => {
                self.raw("NULLIF(");
                self.expr(left)?;
                self.raw(", ");
                self.expr(right)?;
                self.raw(")");
            }
            ExprKind::Array(items) => {
                self.raw("ARRAY[");
                self.list(items)?;
                self.raw("]::").type_name(expr.ty);
            }
            ExprKind::Row(items) => {
                self.raw("ROW(");
                self.list(items)?;
                self.raw(")");
            }
            ExprKind::Subscript { array, index } => {
                self.raw("(");
                self.expr(array)?;
                self.raw(")[");
                self.expr(index)?;
                self.raw("]");
            }
            ExprKind::Field { .. } => return Err(SqlError::internal("a field of a composite value has no name here")),
            ExprKind::QuantifiedArray { symbol, all, left, array, .. } => {
                self.raw("(");
                self.expr(left)?;
                self.raw(" ").raw(symbol).raw(if *all { " ALL (" } else { " ANY (" });
                self.expr(array)?;
                self.raw("))");
            }
            ExprKind::InList { expr: inner, list, negated } => {
                self.raw("(");
                self.expr(inner)?;
                self.raw(if *negated { " NOT IN (" } else { " IN (" });
                self.list(list)?;
                self.raw("))");
            }
            ExprKind::QuantifiedQuery { symbol, all, left, query, .. } => {
                self.raw("(");
                if let [only] = left.as_slice() {
                    self.expr(only)?;
                } else {
                    self.raw("ROW(");
                    self.list(left)?;
                    self.raw(")");
                }
                self.raw(" ").raw(symbol).raw(if *all { " ALL (" } else { " ANY (" });
                self.query(query, Names::Positions)?;
                self.raw("))");
            }
            ExprKind::Exists(query) => {
                self.raw("EXISTS (");
                self.query(query, Names::Positions)?;
                self.raw(")");
            }
            ExprKind::Scalar(query) => {
                self.raw("(");
                self.query(query, Names::Positions)?;
                self.raw(")");
            }
            ExprKind::ArrayQuery(query) => {
                self.raw("ARRAY(");
                self.query(query, Names::Positions)?;
                self.raw(")");
            }
            ExprKind::JsonRows { query, shape } => {
                let alias = self.fresh_alias();
                let is_array = *shape == JsonShape::Array;
                self.raw(if is_array { "COALESCE((SELECT json_agg(" } else { "(SELECT row_to_json(" });
                self.raw(&alias).raw(")::jsonb FROM (");
                self.query(query, Names::Output)?;
                self.raw(") AS ").raw(&alias);
                self.raw(if is_array { "), '[]'::jsonb)" } else { " LIMIT 1)" });
            }
            ExprKind::Collate { expr: inner, collation } => {
                self.raw("(");
                self.expr(inner)?;
                self.raw(" COLLATE ").ident(collation).raw(")");
            }
        }
        Ok(())
    }

    /// `"schema"."function"`.
    pub(super) fn function_name(&mut self, function: Oid) -> Result<&mut Self, SqlError> {
        let catalog = self.catalog;
        let found = catalog.function_by_oid(function).ok_or_else(|| SqlError::internal("a function has gone"))?;
        let schema = catalog.schema_by_oid(Oid(found.schema)).map_or("public", |s| s.name.as_str());
        Ok(self.ident(schema).raw(".").ident(&found.name))
    }

    fn filter(&mut self, filter: Option<&Expr>) -> Result<(), SqlError> {
        if let Some(filter) = filter {
            self.raw(" FILTER (WHERE ");
            self.expr(filter)?;
            self.raw(")");
        }
        Ok(())
    }

    pub(super) fn order_by(&mut self, keys: &[Order]) -> Result<(), SqlError> {
        for (i, key) in keys.iter().enumerate() {
            self.raw(if i == 0 { " ORDER BY " } else { ", " });
            self.expr(&key.expr)?;
            self.raw(if key.descending { " DESC" } else { " ASC" });
            self.raw(if key.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        Ok(())
    }

    fn param(&mut self, param: &Param, ty: TypeRef) {
        match param {
            Param::Literal(n) => self.read(*n, ty),
            Param::LiteralList(n) => self.read(*n, types::element(self.catalog, ty).unwrap_or(ty)),
            Param::Numbered(_) | Param::Session(_) => {}
        }
        match param {
            Param::Numbered(n) => self.typed(PgBind::Numbered(*n), ty),
            Param::Literal(n) if ty.oid == oid::UNKNOWN => {
                self.bind(PgBind::Bare(*n));
            }
            Param::LiteralList(n) if ty.oid == oid::UNKNOWN => {
                self.bind(PgBind::BareList(*n));
            }
            Param::Literal(n) => self.typed(PgBind::Literal(*n), ty),
            Param::LiteralList(n) => self.typed(PgBind::LiteralList(*n), ty),
            Param::Session(fact) => match fact {
                SessionParam::Uid => {
                    self.raw("auth.uid()");
                }
                SessionParam::Role => {
                    self.raw("auth.role()");
                }
                SessionParam::Email => {
                    self.raw("auth.email()");
                }
                SessionParam::Jwt => {
                    self.raw("auth.jwt()");
                }
                SessionParam::CurrentUser => {
                    self.raw("current_user");
                }
                SessionParam::Now => {
                    self.raw("now()");
                }
                SessionParam::Setting { name, missing_ok } => {
                    self.raw("current_setting(").text(name).raw(if *missing_ok { ", true)" } else { ")" });
                }
            },
        }
    }

    /// A text parameter as a value of a type.
    fn typed(&mut self, bind: PgBind, ty: TypeRef) {
        self.raw("(").bind(bind).raw(")::").type_name(TypeRef::of(ty.oid));
    }
}
