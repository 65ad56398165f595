//! Expressions.

use basalt_catalog::TypeKind;
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlState, TypeRef, Value};

use super::error::{Result, error, unsupported};
use super::resolve::{self, Choice};
use super::{Analyzer, builtins, types};
use crate::tree::{self, IsTest, LikeKind};
use crate::typed::{Expr, ExprKind, Imp, Param};

const BOOL: TypeRef = TypeRef::of(oid::BOOL);
const TEXT: TypeRef = TypeRef::of(oid::TEXT);

/// An operator chosen for operands: what to coerce them to and what it gives.
pub(super) struct ChosenOperator {
    pub symbol: &'static str,
    pub imp: Imp,
    pub left: Option<Oid>,
    pub right: Oid,
    pub result: Oid,
}

impl Analyzer<'_> {
    /// Analyses an expression; untyped literals stay untyped until someone gives them a type.
    pub(super) fn expr(&mut self, e: &tree::Expr) -> Result<Expr> {
        self.deeper(|a| a.expr_kind(e)).map_err(|error| error.at(e.pos))
    }

    /// Analyses an expression whose type matters no further.
    pub(super) fn settled(&mut self, e: &tree::Expr) -> Result<Expr> {
        let expr = self.expr(e)?;
        self.settle(expr).map_err(|error| error.at(e.pos))
    }

    /// Analyses a condition.
    pub(super) fn condition(&mut self, e: &tree::Expr, what: &str) -> Result<Expr> {
        let expr = self.expr(e)?;
        self.boolean(expr, what).map_err(|error| error.at(e.pos))
    }

    fn expr_kind(&mut self, e: &tree::Expr) -> Result<Expr> {
        use tree::ExprKind as T;
        match &e.kind {
            T::Null | T::Bool(_) | T::Number(_) | T::String(_) => constant(&e.kind),
            T::Param(n) => self.param(*n),
            T::Column(parts) => self.column(parts),
            T::Cast(inner, ty) => self.cast_expr(inner, ty),
            T::Field(inner, field) => self.field(inner, field),
            T::Subscript(array, index) => self.subscript(array, index),
            T::Slice(array, low, high) => self.slice(array, low.as_deref(), high.as_deref()),
            T::Unary(op, operand) => self.unary(op, operand),
            T::Binary(op, left, right) => self.binary(op, left, right),
            T::And(parts) => self.conditions(parts, "AND", ExprKind::And),
            T::Or(parts) => self.conditions(parts, "OR", ExprKind::Or),
            T::Not(inner) => self.condition(inner, "NOT").map(not),
            T::Is { expr, test, negated } => self.is(expr, *test, *negated),
            T::Distinct { left, right, negated } => self.distinct(left, right, *negated),
            T::Like { kind, expr, pattern, escape, negated } => self.like(*kind, expr, pattern, escape.as_deref(), *negated),
            T::Between { expr, low, high, symmetric, negated } => self.between(expr, low, high, *symmetric, *negated),
            T::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            T::InQuery { expr, query, negated: false } => self.quantified_query("=", false, expr, query),
            T::InQuery { expr, query, negated: true } => self.quantified_query("<>", true, expr, query),
            T::Quantified { op, all, expr, right } => self.quantified(op, *all, expr, right),
            T::Exists(query) => self.exists(query),
            T::Scalar(query) => self.scalar(query),
            T::ArrayQuery(query) => self.array_query(query),
            T::Array(items) => self.array(items, None),
            T::Row(items) => self.row(items),
            T::Case { operand, arms, otherwise } => self.case(operand.as_deref(), arms, otherwise.as_deref()),
            T::Coalesce(args) => self.alike(args, "COALESCE", ExprKind::Coalesce),
            T::Extreme { greatest: true, args } => {
                self.alike(args, "GREATEST", |args| ExprKind::Extreme { greatest: true, args })
            }
            T::Extreme { greatest: false, args } => self.alike(args, "LEAST", |args| ExprKind::Extreme { greatest: false, args }),
            T::NullIf(left, right) => self.null_if(left, right),
            T::Call(call) => self.call(call),
            T::Keyword(word, precision) => self.keyword(word, *precision),
            T::Collate(inner, name) => self.collate(inner, name),
            T::Star(parts) if !parts.is_empty() => self.row_of(parts),
            T::BitString(..) | T::Star(_) | T::Special(_) => Err(misplaced(&e.kind)),
        }
    }

    fn conditions(&mut self, parts: &[tree::Expr], what: &str, make: fn(Vec<Expr>) -> ExprKind) -> Result<Expr> {
        let parts = parts.iter().map(|part| self.condition(part, what)).collect::<Result<_>>()?;
        Ok(Expr::new(make(parts), BOOL))
    }

    fn alike(&mut self, args: &[tree::Expr], what: &str, make: fn(Vec<Expr>) -> ExprKind) -> Result<Expr> {
        let args = args.iter().map(|arg| self.expr(arg)).collect::<Result<_>>()?;
        let (args, ty) = self.unify(args, what)?;
        Ok(Expr::new(make(args), ty))
    }

    fn quantified(&mut self, op: &tree::Operator, all: bool, left: &tree::Expr, right: &tree::Quantified) -> Result<Expr> {
        check_schema(op)?;
        match right {
            tree::Quantified::Array(array) => self.quantified_array(&op.symbol, all, left, array),
            tree::Quantified::Query(query) => self.quantified_query(&op.symbol, all, left, query),
        }
    }

    fn exists(&mut self, query: &tree::Query) -> Result<Expr> {
        self.clause.check_subquery()?;
        Ok(Expr::new(ExprKind::Exists(Box::new(self.subquery(query)?)), BOOL))
    }

    fn array_query(&mut self, query: &tree::Query) -> Result<Expr> {
        self.clause.check_subquery()?;
        let query = self.subquery(query)?;
        let ty = only_column(&query)?;
        let array = types::array_of(self.catalog, ty.oid).or_else(|| types::element(self.catalog, ty.oid).map(|_| ty.oid));
        let array = array.ok_or_else(|| self.no_array(ty.oid))?;
        Ok(Expr::new(ExprKind::ArrayQuery(Box::new(query)), TypeRef::of(array)))
    }

    fn row(&mut self, items: &[tree::Expr]) -> Result<Expr> {
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            match &item.kind {
                tree::ExprKind::Star(table) => parts.extend(self.star(table)?.into_iter().map(|t| t.expr)),
                _ => parts.push(self.settled(item)?),
            }
        }
        Ok(Expr::new(ExprKind::Row(parts), TypeRef::of(oid::RECORD)))
    }

    fn null_if(&mut self, left: &tree::Expr, right: &tree::Expr) -> Result<Expr> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let (left, right, eq) = self.operands("=", left, right)?;
        let ty = left.ty;
        Ok(Expr::new(ExprKind::NullIf { left: Box::new(left), right: Box::new(right), eq: eq.imp }, ty))
    }

    fn collate(&mut self, inner: &tree::Expr, name: &tree::Name) -> Result<Expr> {
        let inner = self.settled(inner)?;
        if types::category(self.catalog, inner.ty.oid) != 'S' {
            let message = format!("collations are not supported by type {}", self.shown(inner.ty.oid));
            return Err(error(SqlState::DATATYPE_MISMATCH, message));
        }
        let ty = inner.ty;
        Ok(Expr::new(ExprKind::Collate { expr: Box::new(inner), collation: name.name.clone() }, ty))
    }

    pub(super) fn no_array(&self, ty: Oid) -> super::AnalyzeError {
        error(SqlState::UNDEFINED_OBJECT, format!("could not find array type for data type {}", self.shown(ty)))
    }

    fn param(&mut self, n: u32) -> Result<Expr> {
        // A parameter that is a row.
        if let Some(row) = self.ctx.rows.iter().find(|row| row.name.strip_prefix('$').is_some_and(|name| name == n.to_string())) {
            let ty = usize::try_from(n).ok().and_then(|n| self.ctx.params.get(n.checked_sub(1)?)).copied();
            return Ok(Expr::new(ExprKind::WholeRow { range: row.range }, ty.unwrap_or(TypeRef::of(oid::RECORD))));
        }
        let declared = n.checked_sub(1).and_then(|at| usize::try_from(at).ok()).and_then(|at| self.ctx.params.get(at));
        let ty = match declared {
            Some(ty) => *ty,
            None if self.ctx.infer_params && n > 0 => self.params.borrow().get(&n).copied().unwrap_or(TypeRef::of(oid::UNKNOWN)),
            None => return Err(error(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${n}"))),
        };
        Ok(Expr::new(ExprKind::Param(Param::Numbered(n)), ty))
    }

    fn cast_expr(&mut self, inner: &tree::Expr, ty: &tree::TypeName) -> Result<Expr> {
        let target = types::resolve(self.catalog, &self.ctx.search_path, ty)?;
        let base = types::base_type(self.catalog, target);
        if let tree::ExprKind::Array(items) = &inner.kind
            && types::element(self.catalog, base.oid).is_some()
        {
            let array = self.array(items, Some(base))?;
            return self.cast(array, target);
        }
        let inner = self.expr(inner)?;
        self.cast(inner, target)
    }

    /// ARRAY[…]; `target` is the array type it is cast to.
    fn array(&mut self, items: &[tree::Expr], target: Option<TypeRef>) -> Result<Expr> {
        let mut parts = Vec::with_capacity(items.len());
        let mut nested = false;
        for item in items {
            parts.push(match &item.kind {
                tree::ExprKind::Array(inner) => {
                    nested = true;
                    self.deeper(|a| a.array(inner, target))?
                }
                _ => self.expr(item)?,
            });
        }
        if let Some(target) = target {
            let element = types::element(self.catalog, target.oid).unwrap_or(oid::TEXT);
            let element = if nested { target } else { TypeRef { oid: element, typmod: target.typmod } };
            let parts = parts.into_iter().map(|part| self.cast(part, element)).collect::<Result<_>>()?;
            return Ok(Expr::new(ExprKind::Array(parts), target));
        }
        if parts.is_empty() {
            return Err(error(SqlState::INDETERMINATE_DATATYPE, "cannot determine type of empty array")
                .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
        }
        let (parts, ty) = self.unify(parts, "ARRAY")?;
        // Arrays of arrays have the inner array's type.
        let array = match types::element(self.catalog, ty.oid) {
            Some(_) => ty.oid,
            None => types::array_of(self.catalog, ty.oid).ok_or_else(|| self.no_array(ty.oid))?,
        };
        Ok(Expr::new(ExprKind::Array(parts), TypeRef { oid: array, typmod: ty.typmod }))
    }

    fn subscript(&mut self, array: &tree::Expr, index: &tree::Expr) -> Result<Expr> {
        if matches!(array.kind, tree::ExprKind::Subscript(..)) {
            let inner = self.expr(array)?;
            if inner.ty.oid != oid::JSONB {
                return Err(unsupported("a subscript of several dimensions"));
            }
        }
        let array = self.settled(array)?;
        let index = self.expr(index)?;
        if array.ty.oid == oid::JSONB {
            return self.operator("->", Some(array), index);
        }
        let Some(element) = types::element(self.catalog, array.ty.oid) else {
            let shown = self.shown(array.ty.oid);
            let message = format!("cannot subscript type {shown} because it does not support subscripting");
            return Err(error(SqlState::DATATYPE_MISMATCH, message));
        };
        let index = self.index(index)?;
        let ty = TypeRef { oid: element, typmod: array.ty.typmod };
        Ok(Expr::new(ExprKind::Subscript { array: Box::new(array), index: Box::new(index) }, ty))
    }

    fn index(&mut self, index: Expr) -> Result<Expr> {
        self.try_coerce(index, TypeRef::of(oid::INT4), super::CastContext::Assignment)?
            .ok_or_else(|| error(SqlState::DATATYPE_MISMATCH, "array subscript must have type integer"))
    }

    fn slice(&mut self, array: &tree::Expr, low: Option<&tree::Expr>, high: Option<&tree::Expr>) -> Result<Expr> {
        let array = self.settled(array)?;
        if types::element(self.catalog, array.ty.oid).is_none() {
            let message = format!("cannot subscript type {} because it does not support slices", self.shown(array.ty.oid));
            return Err(error(SqlState::DATATYPE_MISMATCH, message));
        }
        let ty = array.ty;
        let mut args = vec![array];
        for bound in [low, high] {
            args.push(match bound {
                Some(bound) => {
                    let bound = self.expr(bound)?;
                    self.index(bound)?
                }
                None => Expr::null(TypeRef::of(oid::INT4)),
            });
        }
        Ok(Expr::new(ExprKind::Func { schema: "pg_catalog", name: "array_slice", imp: Imp("array_slice"), args }, ty))
    }

    fn field(&mut self, inner: &tree::Expr, field: &str) -> Result<Expr> {
        let inner = self.settled(inner)?;
        if let ExprKind::WholeRow { range } = inner.kind {
            let columns = self.info.get(&range).map(|i| i.columns.clone());
            let columns = columns.or_else(|| self.ctx.rows.iter().find(|r| r.range == range).map(|r| r.columns.clone()));
            let found = columns.iter().flatten().find(|(name, ..)| name == field);
            return found.map(|(_, number, ty)| Expr::column(range, *number, *ty)).ok_or_else(|| match self.info.get(&range) {
                Some(info) => error(SqlState::UNDEFINED_COLUMN, format!("column {}.{field} does not exist", info.alias)),
                None => error(SqlState::UNDEFINED_COLUMN, format!("column \"{field}\" not found in data type record")),
            });
        }
        let def = self.catalog.type_by_oid(types::base_type(self.catalog, inner.ty).oid);
        let Some(TypeKind::Composite { fields }) = def.map(|d| &d.kind) else {
            let shown = self.shown(inner.ty.oid);
            let message = match inner.ty.oid {
                oid::RECORD => format!("could not identify column \"{field}\" in record data type"),
                _ => format!("column notation .{field} applied to type {shown}, which is not a composite type"),
            };
            return Err(error(
                if inner.ty.oid == oid::RECORD { SqlState::UNDEFINED_COLUMN } else { SqlState::WRONG_OBJECT_TYPE },
                message,
            ));
        };
        let found = fields.iter().enumerate().find(|(_, (name, ..))| name == field);
        let Some((at, (_, ty, typmod))) = found else {
            let message = format!("column \"{field}\" not found in data type {}", self.shown(inner.ty.oid));
            return Err(error(SqlState::UNDEFINED_COLUMN, message));
        };
        let ty = TypeRef { oid: Oid(*ty), typmod: *typmod };
        Ok(Expr::new(ExprKind::Field { expr: Box::new(inner), index: u16::try_from(at).unwrap_or(u16::MAX) }, ty))
    }

    fn unary(&mut self, op: &tree::Operator, operand: &tree::Expr) -> Result<Expr> {
        check_schema(op)?;
        // PostgreSQL's grammar folds a minus into the literal, another minus too, before the number has a type.
        if op.symbol == "-"
            && let Some(text) = signed_literal(operand, 0)
        {
            return number(&text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned));
        }
        let operand = self.expr(operand)?;
        self.operator(&op.symbol, None, operand)
    }

    fn binary(&mut self, op: &tree::Operator, left: &tree::Expr, right: &tree::Expr) -> Result<Expr> {
        check_schema(op)?;
        if let (tree::ExprKind::Row(left), tree::ExprKind::Row(right)) = (&left.kind, &right.kind) {
            return self.compare_rows(&op.symbol, left, right);
        }
        // PostgreSQL reads `x = NULL` literally; so do we.
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        self.operator(&op.symbol, Some(left), right)
    }

    /// Applies an operator to analysed operands.
    pub(super) fn operator(&self, symbol: &str, left: Option<Expr>, right: Expr) -> Result<Expr> {
        if let Some(positive) = negated_symbol(symbol) {
            return self.operator(positive, left, right).map(not);
        }
        let chosen = self.choose_operator(symbol, left.as_ref().map(|l| l.ty.oid), right.ty.oid)?;
        let mut args = Vec::with_capacity(2);
        if let (Some(left), Some(ty)) = (left, chosen.left) {
            args.push(self.implicit(left, TypeRef::of(ty))?);
        }
        args.push(self.implicit(right, TypeRef::of(chosen.right))?);
        Ok(Expr::new(ExprKind::Op { symbol: chosen.symbol, imp: chosen.imp, args }, TypeRef::of(chosen.result)))
    }

    /// Chooses the operator and coerces both operands.
    pub(super) fn operands(&self, symbol: &str, left: Expr, right: Expr) -> Result<(Expr, Expr, ChosenOperator)> {
        let chosen = self.choose_operator(symbol, Some(left.ty.oid), right.ty.oid)?;
        let left = self.implicit(left, TypeRef::of(chosen.left.unwrap_or(chosen.right)))?;
        let right = self.implicit(right, TypeRef::of(chosen.right))?;
        Ok((left, right, chosen))
    }

    /// PostgreSQL's operator resolution; types in the result are concrete.
    pub(super) fn choose_operator(&self, symbol: &str, left: Option<Oid>, right: Oid) -> Result<ChosenOperator> {
        let rows: Vec<&'static builtins::Operator> =
            builtins::operators(symbol).filter(|o| o.left.is_some() == left.is_some()).collect();
        let actual: Vec<Oid> = left.into_iter().chain([right]).collect();
        let declared: Vec<Vec<Oid>> = rows.iter().map(|o| o.left.into_iter().chain([o.right]).collect()).collect();
        let exact = |types: &[Oid]| declared.iter().position(|args| args == types);
        // An untyped operand is first taken to be of the other's type.
        let assumed = match actual.as_slice() {
            [oid::UNKNOWN, known] | [known, oid::UNKNOWN] if *known != oid::UNKNOWN => {
                let base = types::base_type(self.catalog, TypeRef::of(*known)).oid;
                exact(&[*known, *known]).or_else(|| exact(&[base, base]))
            }
            _ => None,
        };
        let choice = match assumed {
            Some(at) => Choice::One(at),
            None => resolve::choose(self.catalog, &actual, &declared),
        };
        let Choice::One(at) = choice else { return Err(self.no_operator(symbol, left, right, choice, rows.is_empty())) };
        let (Some(row), Some(args)) = (rows.get(at), declared.get(at)) else {
            return Err(error(SqlState::INTERNAL, "operator table"));
        };
        let (args, result) = resolve::concrete(self.catalog, &actual, args, row.result)
            .ok_or_else(|| self.no_operator(symbol, left, right, Choice::None, false))?;
        if args.contains(&oid::UNKNOWN) {
            return Err(error(
                SqlState::DATATYPE_MISMATCH,
                "could not determine polymorphic type because input has type unknown",
            ));
        }
        let right = args.last().copied().unwrap_or(row.right);
        let left = left.and(args.first().copied());
        Ok(ChosenOperator { symbol: row.symbol, imp: row.imp, left, right, result })
    }

    fn no_operator(
        &self,
        symbol: &str,
        left: Option<Oid>,
        right: Oid,
        choice: Choice,
        unknown_symbol: bool,
    ) -> super::AnalyzeError {
        let shown = match left {
            Some(left) => format!("{} {symbol} {}", self.shown(left), self.shown(right)),
            None => format!("{symbol} {}", self.shown(right)),
        };
        // PostgreSQL has `<@` from any element to its range and to its multirange: an untyped right side may be either.
        let is_of_ranges = symbol == "<@" && right == oid::UNKNOWN && left.is_some();
        if choice == Choice::Ambiguous || is_of_ranges {
            return error(SqlState::AMBIGUOUS_FUNCTION, format!("operator is not unique: {shown}"))
                .hint("Could not choose a best candidate operator. You might need to add explicit type casts.");
        }
        let only_postgres =
            |ty: Oid| matches!(types::category(self.catalog, ty), 'R') || matches!(ty, oid::TSVECTOR | oid::TSQUERY);
        // Only of ranges and shapes, none of which a column here can be.
        let is_nowhere = matches!(symbol, "&<" | "&>" | "-|-");
        if (unknown_symbol && !is_nowhere && builtins::is_known_elsewhere(symbol))
            || only_postgres(right)
            || left.is_some_and(only_postgres)
        {
            return super::error::unsupported(format_args!("operator {shown}"));
        }
        error(SqlState::UNDEFINED_FUNCTION, format!("operator does not exist: {shown}")).hint(match left {
            Some(_) => "No operator matches the given name and argument types. You might need to add explicit type casts.",
            None => "No operator matches the given name and argument type. You might need to add an explicit type cast.",
        })
    }

    fn is(&mut self, expr: &tree::Expr, test: IsTest, negated: bool) -> Result<Expr> {
        let what = match test {
            IsTest::Null => {
                let expr = self.settled(expr)?;
                return Ok(self.is_null(expr, negated));
            }
            IsTest::True => {
                if negated {
                    "IS NOT TRUE"
                } else {
                    "IS TRUE"
                }
            }
            IsTest::False => {
                if negated {
                    "IS NOT FALSE"
                } else {
                    "IS FALSE"
                }
            }
            IsTest::Unknown => {
                if negated {
                    "IS NOT UNKNOWN"
                } else {
                    "IS UNKNOWN"
                }
            }
        };
        let expr = Box::new(self.condition(expr, what)?);
        Ok(match test {
            IsTest::Null | IsTest::Unknown => Expr::new(ExprKind::IsNull { expr, negated }, BOOL),
            IsTest::True | IsTest::False => Expr::new(ExprKind::IsBool { expr, value: test == IsTest::True, negated }, BOOL),
        })
    }

    fn like(
        &mut self,
        kind: LikeKind,
        expr: &tree::Expr,
        pattern: &tree::Expr,
        escape: Option<&tree::Expr>,
        negated: bool,
    ) -> Result<Expr> {
        let expr = self.expr(expr)?;
        let mut pattern = self.expr(pattern)?;
        let escape = escape.map(|e| self.expr(e)).transpose()?;
        let symbol = match kind {
            LikeKind::Like => "~~",
            LikeKind::ILike => "~~*",
            LikeKind::Similar => "~",
        };
        let name = match kind {
            LikeKind::Similar => "similar_to_escape",
            _ => "like_escape",
        };
        if kind == LikeKind::Similar || escape.is_some() {
            let args = std::iter::once(pattern).chain(escape);
            let args = args.map(|arg| self.implicit(arg, TEXT)).collect::<Result<_>>()?;
            pattern = Expr::new(ExprKind::Func { schema: "pg_catalog", name, imp: Imp(name), args }, TEXT);
        }
        let result = self.operator(symbol, Some(expr), pattern)?;
        Ok(if negated { not(result) } else { result })
    }

    fn case(
        &mut self,
        operand: Option<&tree::Expr>,
        arms: &[(tree::Expr, tree::Expr)],
        otherwise: Option<&tree::Expr>,
    ) -> Result<Expr> {
        let operand = operand.map(|o| self.settled(o)).transpose()?;
        let mut tests = Vec::with_capacity(arms.len());
        let mut values = Vec::with_capacity(arms.len() + 1);
        // ELSE comes first when the common type is chosen.
        let otherwise = match otherwise {
            Some(otherwise) => self.expr(otherwise)?,
            None => Expr::null(TypeRef::of(oid::UNKNOWN)),
        };
        values.push(otherwise);
        for (when, then) in arms {
            tests.push(match &operand {
                Some(operand) => {
                    let value = self.expr(when)?;
                    let test = self.operator("=", Some(operand.clone()), value).map_err(|e| e.at(when.pos))?;
                    self.boolean(test, "CASE/WHEN")?
                }
                None => self.condition(when, "CASE/WHEN")?,
            });
            values.push(self.expr(then)?);
        }
        let (values, ty) = self.unify(values, "CASE")?;
        let mut values = values.into_iter();
        let otherwise = values.next().filter(|e| !matches!(e.kind, ExprKind::Const(Value::Null))).map(Box::new);
        let arms = tests.into_iter().zip(values).collect();
        Ok(Expr::new(ExprKind::Case { arms, otherwise }, ty))
    }
}

fn constant(kind: &tree::ExprKind) -> Result<Expr> {
    let unknown = TypeRef::of(oid::UNKNOWN);
    match kind {
        tree::ExprKind::Bool(value) => Ok(Expr::bool(*value)),
        tree::ExprKind::Number(text) => number(text),
        tree::ExprKind::String(text) => Ok(Expr::new(ExprKind::Const(Value::Text(text.clone())), unknown)),
        _ => Ok(Expr::null(unknown)),
    }
}

/// What may not stand where an expression does.
fn misplaced(kind: &tree::ExprKind) -> super::AnalyzeError {
    match kind {
        tree::ExprKind::Star(_) => error(SqlState::SYNTAX_ERROR, "row expansion via \"*\" is not supported here"),
        tree::ExprKind::Special(word) if word == "default" => {
            error(SqlState::SYNTAX_ERROR, "DEFAULT is not allowed in this context")
        }
        tree::ExprKind::Special(text) => unsupported(text.split('(').next().unwrap_or("this expression").trim()),
        _ => unsupported("a bit string constant"),
    }
}

/// The type of a query's only column.
pub(super) fn only_column(query: &crate::typed::Query) -> Result<TypeRef> {
    match query.columns().as_slice() {
        [(_, ty)] => Ok(*ty),
        _ => Err(error(SqlState::SYNTAX_ERROR, "subquery must return only one column")),
    }
}

/// NOT, without piling up.
pub(super) fn not(expr: Expr) -> Expr {
    match expr.kind {
        ExprKind::IsNull { expr, negated } => Expr::new(ExprKind::IsNull { expr, negated: !negated }, BOOL),
        ExprKind::Distinct { left, right, negated } => Expr::new(ExprKind::Distinct { left, right, negated: !negated }, BOOL),
        ExprKind::InList { expr, list, negated } => Expr::new(ExprKind::InList { expr, list, negated: !negated }, BOOL),
        kind => Expr::new(ExprKind::Not(Box::new(Expr::new(kind, expr.ty))), BOOL),
    }
}

/// `!~~` and friends by the operator they negate.
pub(super) fn negated_symbol(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        "!~~" => "~~",
        "!~~*" => "~~*",
        "!~" => "~",
        "!~*" => "~*",
        _ => return None,
    })
}

/// `OPERATOR(schema.op)` is understood for `pg_catalog` and the extensions' schema.
fn check_schema(op: &tree::Operator) -> Result<()> {
    match op.schema.as_deref() {
        None | Some("pg_catalog" | "extensions" | "public") => Ok(()),
        Some(schema) => Err(unsupported(format_args!("operator {schema}.{}", op.symbol))),
    }
}

/// A number with the minus signs before it.
fn signed_literal(e: &tree::Expr, depth: u8) -> Option<String> {
    match &e.kind {
        tree::ExprKind::Number(text) => Some(text.clone()),
        tree::ExprKind::Unary(op, operand) if op.symbol == "-" && op.schema.is_none() && depth < 32 => {
            let text = signed_literal(operand, depth + 1)?;
            Some(text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned))
        }
        _ => None,
    }
}

/// A numeric literal: int4, int8 or numeric by its size and form.
fn number(text: &str) -> Result<Expr> {
    let digits = text.replace('_', "");
    let (sign, plain) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let lower = plain.to_ascii_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| lower.strip_prefix(prefix).map(|rest| (rest.to_owned(), radix)));
    let parsed = match &radix {
        Some((rest, radix)) => i64::from_str_radix(&format!("{sign}{rest}"), *radix).ok(),
        None => format!("{sign}{plain}").parse::<i64>().ok(),
    };
    if let Some(n) = parsed {
        let ty = if i32::try_from(n).is_ok() { oid::INT4 } else { oid::INT8 };
        return Ok(Expr::new(ExprKind::Const(Value::Int(n)), TypeRef::of(ty)));
    }
    if radix.is_some() {
        return Err(unsupported("a non-decimal integer beyond bigint"));
    }
    let ty = TypeRef::of(oid::NUMERIC);
    Ok(Expr::new(ExprKind::Const(pg::input(&digits, ty)?), ty))
}
