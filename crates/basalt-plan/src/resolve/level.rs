//! One level of an ask over one row source: columns, JSON paths, conditions.

use std::cell::RefCell;

use basalt_catalog::{Column, Relation};
use basalt_sql::analyze::{self, CastContext};
use basalt_sql::typed::{Expr, ExprKind, Param, RangeId};
use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use super::error::ResolveError;
use super::{Resolver, native};
use crate::ask::{Field, IsValue, JsonKey, LiteralId, Operand, Operator};

/// A row source and the relation whose columns it has.
#[derive(Debug)]
pub(super) struct Level<'c> {
    pub relation: &'c Relation,
    pub range: RangeId,
    /// As PostgreSQL's messages name it.
    pub alias: String,
    pub rows: Rows,
    /// 0 for the root.
    pub depth: usize,
}

/// How a source numbers its columns.
#[derive(Debug)]
pub(super) enum Rows {
    /// By attnum.
    Table,
    /// By position: a view's query.
    View,
    /// By position in a write's RETURNING, which grows with the columns asked for.
    Written(RefCell<Vec<i16>>),
}

impl Level<'_> {
    /// A column of the source.
    pub fn expr(&self, column: &Column) -> Expr {
        let number = match &self.rows {
            Rows::Table => column.attnum,
            Rows::View => {
                let at = self.relation.columns.iter().position(|c| c.attnum == column.attnum).unwrap_or(0);
                i16::try_from(at + 1).unwrap_or(i16::MAX)
            }
            Rows::Written(returned) => {
                let mut returned = returned.borrow_mut();
                let at = returned.iter().position(|a| *a == column.attnum).unwrap_or_else(|| {
                    returned.push(column.attnum);
                    returned.len() - 1
                });
                i16::try_from(at + 1).unwrap_or(i16::MAX)
            }
        };
        Expr::column(self.range, number, column.type_ref())
    }

    /// A column by number; it exists, since constraints name it.
    pub fn at(&self, attnum: i16) -> Result<Expr, ResolveError> {
        let column = self.relation.column_at(attnum).ok_or_else(|| SqlError::internal("a key's column has gone"))?;
        Ok(self.expr(column))
    }

    /// A column by name, or PostgreSQL's 42703.
    pub fn column(&self, name: &str) -> Result<Expr, ResolveError> {
        if let Some(column) = self.relation.column(name) {
            return Ok(self.expr(column));
        }
        let names = self.relation.columns.iter().map(|c| c.name.as_str());
        let error = SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column {}.{name} does not exist", self.alias));
        let hint = analyze::similar_columns(std::iter::once((self.alias.as_str(), names)), Some(&self.alias), name);
        Err(ResolveError::Sql(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }))
    }
}

/// A value of the request, whose type the place decides.
pub(super) fn literal(id: LiteralId) -> Expr {
    Expr::new(ExprKind::Param(Param::Literal(id)), TypeRef::of(oid::UNKNOWN))
}

/// A value of the request as a number of rows.
pub(super) fn row_count(id: LiteralId) -> Expr {
    Expr::new(ExprKind::Param(Param::Literal(id)), TypeRef::of(oid::INT8))
}

pub(super) fn bool_expr(kind: ExprKind) -> Expr {
    Expr::new(kind, TypeRef::of(oid::BOOL))
}

impl<'c> Resolver<'c> {
    /// A column with its JSON path.
    pub(super) fn field(&self, level: &Level<'c>, field: &Field) -> Result<Expr, ResolveError> {
        let mut expr = match level.relation.column(&field.name) {
            Some(column) => level.expr(column),
            None => self.computed(level, &field.name).map_or_else(|| level.column(&field.name), Ok)?,
        };
        if field.path.is_empty() {
            return Ok(expr);
        }
        let base = self.catalog.base_type(expr.ty).oid;
        if base != oid::JSON && base != oid::JSONB {
            expr = if self.catalog.is_native() {
                self.native_json(expr)
            } else {
                analyze::function("to_jsonb", vec![expr], self.catalog)?
            };
        }
        for step in &field.path {
            let key = match &step.key {
                JsonKey::Key(key) => Expr::new(ExprKind::Const(Value::Text(key.clone())), TypeRef::of(oid::TEXT)),
                JsonKey::Index(at) => Expr::new(ExprKind::Const(Value::Int(i64::from(*at))), TypeRef::of(oid::INT4)),
            };
            let arrow = if step.as_text { "->>" } else { "->" };
            expr = if self.catalog.is_native() {
                native::json_step(arrow, expr, key)
            } else {
                // A key is a literal to PostgreSQL's messages.
                analyze::operator(arrow, Some(expr), key, self.catalog).map_err(|mut failed| {
                    if let (JsonKey::Key(_), Some(stem)) = (&step.key, failed.error.message.strip_suffix(" text")) {
                        failed.error.message = format!("{stem} unknown");
                    }
                    failed
                })?
            };
        }
        Ok(expr)
    }

    /// `::type`, as written in a select list.
    pub(super) fn cast(&self, expr: Expr, name: &str) -> Result<Expr, ResolveError> {
        if self.catalog.is_native() {
            return self.native_cast(expr, name);
        }
        let parsed = basalt_sql::parse::type_name(name).map_err(|e| SqlError::new(e.code, e.message))?;
        let path = ["public".to_owned(), "extensions".to_owned()];
        let target = analyze::types::resolve(self.catalog, &path, &parsed)?;
        let source = expr.ty;
        analyze::coerce(expr, target, CastContext::Explicit, self.catalog)?.ok_or_else(|| {
            let (from, to) = (self.catalog.format_type(source), self.catalog.format_type(target));
            ResolveError::Sql(SqlError::new(SqlState::CANNOT_COERCE, format!("cannot cast type {from} to {to}")))
        })
    }

    /// One condition on a column.
    pub(super) fn test(&self, level: &Level<'c>, field: &Field, op: &Operator, value: &Operand) -> Result<Expr, ResolveError> {
        if self.catalog.is_native() {
            return self.native_test(level, field, op, value);
        }
        let left = self.field(level, field)?;
        match value {
            Operand::Is(value) => self.is(left, *value),
            _ => Ok(self.operation(left, op, value).unwrap_or_else(|error| self.refuse_later(error))),
        }
    }

    /// Notes what a PostgreSQL server would refuse: it sees a statement only after all names have been found. The expression stands in
    /// for the refused one until then; no plan is made of it.
    pub(super) fn refuse_later(&self, error: ResolveError) -> Expr {
        let _ = self.refused.set(error);
        bool_expr(ExprKind::Const(Value::Int(1)))
    }

    fn operation(&self, left: Expr, op: &Operator, value: &Operand) -> Result<Expr, ResolveError> {
        match (op, value) {
            (_, Operand::Is(value)) => self.is(left, *value),
            (Operator::IsDistinct, Operand::Value(id)) => {
                let (_, _, left, right) = self.compared("=", left, literal(*id))?;
                Ok(bool_expr(ExprKind::Distinct { left: Box::new(left), right: Box::new(right), negated: false }))
            }
            (Operator::FullText { .. }, _) => Err(SqlError::unsupported("full-text search").into()),
            (Operator::In, Operand::List(id)) => self.quantified("=", left, Param::LiteralList(*id), false),
            (op, Operand::Any(id)) => self.quantified(symbol(op), left, Param::Literal(*id), false),
            (op, Operand::All(id)) => self.quantified(symbol(op), left, Param::Literal(*id), true),
            (op, Operand::Value(id) | Operand::List(id)) => {
                // Some symbols compute, as `<<` of integers: `condition` sees to what they stand in.
                Ok(analyze::operator(symbol(op), Some(left), literal(*id), self.catalog)?)
            }
        }
    }

    pub(super) fn is(&self, left: Expr, value: IsValue) -> Result<Expr, ResolveError> {
        let null = |expr, negated| bool_expr(ExprKind::IsNull { expr: Box::new(expr), negated });
        let word = match value {
            IsValue::Null => return Ok(null(left, false)),
            IsValue::NotNull => return Ok(null(left, true)),
            IsValue::True => "TRUE",
            IsValue::False => "FALSE",
            IsValue::Unknown => "UNKNOWN",
        };
        if self.catalog.base_type(left.ty).oid != oid::BOOL {
            let message = format!("argument of IS {word} must be type boolean, not type {}", self.catalog.format_type(left.ty));
            return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, message).into());
        }
        Ok(match value {
            IsValue::Unknown => null(left, false),
            _ => bool_expr(ExprKind::IsBool { expr: Box::new(left), value: value == IsValue::True, negated: false }),
        })
    }

    /// The operator PostgreSQL chooses, and both sides converted for it.
    fn compared(
        &self,
        symbol: &str,
        left: Expr,
        right: Expr,
    ) -> Result<(&'static str, basalt_sql::typed::Imp, Expr, Expr), ResolveError> {
        let ty = left.ty;
        let chosen = analyze::operator(symbol, Some(left), right, self.catalog)?;
        if let ExprKind::Op { symbol, imp, args } = chosen.kind
            && let Ok([left, right]) = <[Expr; 2]>::try_from(args)
        {
            return Ok((symbol, imp, left, right));
        }
        Err(SqlError::unsupported(format!("comparing lists of type {}", self.catalog.format_type(ty))).into())
    }

    fn quantified(&self, symbol: &str, left: Expr, values: Param, all: bool) -> Result<Expr, ResolveError> {
        let element = Expr::new(ExprKind::Param(Param::Literal(0)), TypeRef::of(oid::UNKNOWN));
        let (symbol, imp, left, right) = self.compared(symbol, left, element)?;
        let array = analyze::types::array_of(self.catalog, right.ty.oid).ok_or_else(|| {
            let message = format!("could not find array type for data type {}", self.catalog.format_type(right.ty));
            SqlError::new(SqlState::UNDEFINED_OBJECT, message)
        })?;
        let array = Expr::new(ExprKind::Param(values), TypeRef::of(array));
        Ok(bool_expr(ExprKind::QuantifiedArray { symbol, imp, all, left: Box::new(left), array: Box::new(array) }))
    }
}

/// PostgreSQL's symbol of an operator.
pub(super) fn symbol(op: &Operator) -> &'static str {
    match op {
        Operator::Eq | Operator::In | Operator::Is | Operator::IsDistinct => "=",
        Operator::Neq => "<>",
        Operator::Gt => ">",
        Operator::Gte => ">=",
        Operator::Lt => "<",
        Operator::Lte => "<=",
        Operator::Like => "~~",
        Operator::ILike => "~~*",
        Operator::Match => "~",
        Operator::IMatch => "~*",
        Operator::Contains => "@>",
        Operator::ContainedIn => "<@",
        Operator::Overlaps => "&&",
        Operator::StrictlyLeft => "<<",
        Operator::StrictlyRight => ">>",
        Operator::NotExtendsRight => "&<",
        Operator::NotExtendsLeft => "&>",
        Operator::Adjacent => "-|-",
        Operator::FullText { .. } => "@@",
    }
}
