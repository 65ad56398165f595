//! Comparisons beyond a plain operator: rows, IN, BETWEEN, ANY and ALL, IS DISTINCT FROM, IS NULL.

use basalt_types::pg::oid;
use basalt_types::{Oid, SqlState, TypeRef};

use super::error::{Result, error, unsupported};
use super::expr::{negated_symbol, not};
use super::{Analyzer, resolve, types};
use crate::tree;
use crate::typed::{Expr, ExprKind, Imp, Query};

const BOOL: TypeRef = TypeRef::of(oid::BOOL);

fn all_of(mut parts: Vec<Expr>) -> Expr {
    match (parts.len(), parts.pop()) {
        (1, Some(one)) => one,
        (_, Some(last)) => {
            parts.push(last);
            Expr::new(ExprKind::And(parts), BOOL)
        }
        (_, None) => Expr::bool(true),
    }
}

fn any_of(mut parts: Vec<Expr>) -> Expr {
    match (parts.len(), parts.pop()) {
        (1, Some(one)) => one,
        (_, Some(last)) => {
            parts.push(last);
            Expr::new(ExprKind::Or(parts), BOOL)
        }
        (_, None) => Expr::bool(false),
    }
}

impl Analyzer<'_> {
    /// `(a, b) op (c, d)`, as comparisons of the columns.
    pub(super) fn compare_rows(&mut self, symbol: &str, left: &[tree::Expr], right: &[tree::Expr]) -> Result<Expr> {
        if left.len() != right.len() {
            return Err(error(SqlState::SYNTAX_ERROR, "unequal number of entries in row expressions"));
        }
        if left.is_empty() {
            return Err(error(SqlState::FEATURE_NOT_SUPPORTED, "cannot compare rows of zero length"));
        }
        let mut pairs = Vec::with_capacity(left.len());
        for (l, r) in left.iter().zip(right) {
            pairs.push((self.expr(l)?, self.expr(r)?));
        }
        self.compare_pairs(symbol, &pairs)
    }

    fn compare_pairs(&self, symbol: &str, pairs: &[(Expr, Expr)]) -> Result<Expr> {
        let apply = |symbol: &str, (l, r): &(Expr, Expr)| self.operator(symbol, Some(l.clone()), r.clone());
        match symbol {
            "=" => Ok(all_of(pairs.iter().map(|pair| apply("=", pair)).collect::<Result<_>>()?)),
            "<>" => Ok(any_of(pairs.iter().map(|pair| apply("<>", pair)).collect::<Result<_>>()?)),
            "<" | "<=" | ">" | ">=" => {
                let strict = &symbol[..1];
                let mut arms = Vec::with_capacity(pairs.len());
                for (at, pair) in pairs.iter().enumerate() {
                    let last = at + 1 == pairs.len();
                    let mut parts: Vec<Expr> = pairs.iter().take(at).map(|p| apply("=", p)).collect::<Result<_>>()?;
                    parts.push(apply(if last { symbol } else { strict }, pair)?);
                    arms.push(all_of(parts));
                }
                Ok(any_of(arms))
            }
            _ => Err(error(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("could not determine interpretation of row comparison operator {symbol}"),
            )),
        }
    }

    pub(super) fn distinct(&mut self, left: &tree::Expr, right: &tree::Expr, negated: bool) -> Result<Expr> {
        if let (tree::ExprKind::Row(ls), tree::ExprKind::Row(rs)) = (&left.kind, &right.kind) {
            if ls.len() != rs.len() {
                return Err(error(SqlState::SYNTAX_ERROR, "unequal number of entries in row expressions"));
            }
            let parts = ls.iter().zip(rs).map(|(l, r)| self.distinct(l, r, negated)).collect::<Result<Vec<_>>>()?;
            return Ok(if negated { all_of(parts) } else { any_of(parts) });
        }
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        if let (ExprKind::WholeRow { range: l }, ExprKind::WholeRow { range: r }) = (&left.kind, &right.kind) {
            return self.distinct_rows(&self.row_columns(*l), &self.row_columns(*r), negated);
        }
        let is_null = |e: &Expr| matches!(e.kind, ExprKind::Const(basalt_types::Value::Null));
        if is_null(&right) {
            let left = self.settle(left)?;
            return Ok(self.is_null(left, !negated));
        }
        if is_null(&left) {
            return Ok(self.is_null(right, !negated));
        }
        let (left, right, _) = self.operands("=", left, right)?;
        Ok(Expr::new(ExprKind::Distinct { left: Box::new(left), right: Box::new(right), negated }, BOOL))
    }

    /// `OLD IS DISTINCT FROM NEW`.
    fn distinct_rows(&self, left: &[Expr], right: &[Expr], negated: bool) -> Result<Expr> {
        if left.len() != right.len() || left.is_empty() {
            return Err(error(SqlState::DATATYPE_MISMATCH, "cannot compare record types with different numbers of columns"));
        }
        let mut parts = Vec::with_capacity(left.len());
        for (l, r) in left.iter().zip(right) {
            let (left, right, _) = if l.ty.oid == oid::JSON {
                // json has no equality; whole rows compare its text.
                let text = TypeRef::of(oid::TEXT);
                self.operands("=", self.cast(l.clone(), text)?, self.cast(r.clone(), text)?)?
            } else {
                self.operands("=", l.clone(), r.clone())?
            };
            parts.push(Expr::new(ExprKind::Distinct { left: Box::new(left), right: Box::new(right), negated }, BOOL));
        }
        Ok(if negated { all_of(parts) } else { any_of(parts) })
    }

    /// The columns of a range as expressions.
    pub(super) fn row_columns(&self, range: crate::typed::RangeId) -> Vec<Expr> {
        let columns = self.info.get(&range).map(|i| &i.columns);
        let columns = columns.or_else(|| self.ctx.rows.iter().find(|r| r.range == range).map(|r| &r.columns));
        columns.into_iter().flatten().map(|(_, number, ty)| Expr::column(range, *number, *ty)).collect()
    }

    /// IS [NOT] NULL; of a row: all columns are.
    pub(super) fn is_null(&self, expr: Expr, negated: bool) -> Expr {
        let test = |expr: Expr| Expr::new(ExprKind::IsNull { expr: Box::new(expr), negated }, BOOL);
        match expr.kind {
            ExprKind::Row(items) => all_of(items.into_iter().map(test).collect()),
            // A record variable may be unset: that is the engine's to know.
            ExprKind::WholeRow { range } if self.info.contains_key(&range) => {
                all_of(self.row_columns(range).into_iter().map(test).collect())
            }
            kind => test(Expr::new(kind, expr.ty)),
        }
    }

    pub(super) fn between(
        &mut self,
        expr: &tree::Expr,
        low: &tree::Expr,
        high: &tree::Expr,
        symmetric: bool,
        negated: bool,
    ) -> Result<Expr> {
        let (expr, low, high) = (self.expr(expr)?, self.expr(low)?, self.expr(high)?);
        let inside = |low: &Expr, high: &Expr| -> Result<Expr> {
            let above = self.operator(if negated { "<" } else { ">=" }, Some(expr.clone()), low.clone())?;
            let below = self.operator(if negated { ">" } else { "<=" }, Some(expr.clone()), high.clone())?;
            Ok(if negated { any_of(vec![above, below]) } else { all_of(vec![above, below]) })
        };
        if !symmetric {
            return inside(&low, &high);
        }
        let both = vec![inside(&low, &high)?, inside(&high, &low)?];
        Ok(if negated { all_of(both) } else { any_of(both) })
    }

    pub(super) fn in_list(&mut self, expr: &tree::Expr, list: &[tree::Expr], negated: bool) -> Result<Expr> {
        let symbol = if negated { "<>" } else { "=" };
        if let tree::ExprKind::Row(left) = &expr.kind {
            let mut parts = Vec::with_capacity(list.len());
            for item in list {
                let tree::ExprKind::Row(right) = &item.kind else {
                    return Err(unsupported("IN with a row and a value that is not a row"));
                };
                parts.push(self.compare_rows(symbol, left, right)?);
            }
            return Ok(if negated { all_of(parts) } else { any_of(parts) });
        }
        let left = self.expr(expr)?;
        let items = list.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?;
        if let [_] = items.as_slice() {
            let mut items = items;
            let Some(only) = items.pop() else { return Err(error(SqlState::INTERNAL, "IN list")) };
            return self.operator(symbol, Some(left), only);
        }
        let oids: Vec<Oid> = std::iter::once(&left).chain(&items).map(|e| e.ty.oid).collect();
        if let Ok(common) = resolve::common_type(self.catalog, &oids)
            && types::array_of(self.catalog, common).is_some()
        {
            let chosen = self.choose_operator(symbol, Some(left.ty.oid), common)?;
            let left = self.implicit(left, TypeRef::of(chosen.left.unwrap_or(chosen.right)))?;
            let list = items
                .into_iter()
                .map(|item| {
                    let item = self.to_common(item, TypeRef::of(common), "IN")?;
                    self.implicit(item, TypeRef::of(chosen.right))
                })
                .collect::<Result<_>>()?;
            return Ok(Expr::new(ExprKind::InList { expr: Box::new(left), list, negated }, BOOL));
        }
        let parts = items.into_iter().map(|item| self.operator(symbol, Some(left.clone()), item)).collect::<Result<Vec<_>>>()?;
        Ok(if negated { all_of(parts) } else { any_of(parts) })
    }

    pub(super) fn quantified_array(&mut self, symbol: &str, all: bool, left: &tree::Expr, array: &tree::Expr) -> Result<Expr> {
        if let Some(positive) = negated_symbol(symbol) {
            return self.quantified_array(positive, !all, left, array).map(not);
        }
        let (left, array) = (self.expr(left)?, self.expr(array)?);
        self.quantify(symbol, all, left, array)
    }

    /// `left op ANY|ALL (array)` of analysed operands.
    pub(super) fn quantify(&self, symbol: &str, all: bool, left: Expr, array: Expr) -> Result<Expr> {
        let element = match array.ty.oid {
            oid::UNKNOWN => oid::UNKNOWN,
            ty => types::element(self.catalog, ty)
                .ok_or_else(|| error(SqlState::WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires array on right side"))?,
        };
        let chosen = self.choose_operator(symbol, Some(left.ty.oid), element)?;
        if chosen.result != oid::BOOL {
            return Err(error(SqlState::WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires operator to yield boolean"));
        }
        let left = self.implicit(left, TypeRef::of(chosen.left.unwrap_or(chosen.right)))?;
        let wanted = types::array_of(self.catalog, chosen.right).ok_or_else(|| self.no_array(chosen.right))?;
        let array = self.implicit(array, TypeRef::of(wanted))?;
        let kind = ExprKind::QuantifiedArray {
            symbol: chosen.symbol,
            imp: chosen.imp,
            all,
            left: Box::new(left),
            array: Box::new(array),
        };
        Ok(Expr::new(kind, BOOL))
    }

    pub(super) fn quantified_query(&mut self, symbol: &str, all: bool, left: &tree::Expr, query: &tree::Query) -> Result<Expr> {
        self.clause.check_subquery()?;
        if let Some(positive) = negated_symbol(symbol) {
            return self.quantified_query(positive, !all, left, query).map(not);
        }
        let lefts = match &left.kind {
            tree::ExprKind::Row(items) => items.iter().map(|item| self.expr(item)).collect::<Result<Vec<_>>>()?,
            _ => vec![self.expr(left)?],
        };
        let mut query = self.subquery(query)?;
        let columns = query.columns();
        if columns.len() != lefts.len() {
            let many = if columns.len() > lefts.len() { "many" } else { "few" };
            return Err(error(SqlState::SYNTAX_ERROR, format!("subquery has too {many} columns")));
        }
        if lefts.len() > 1 && !matches!(symbol, "=" | "<>") {
            return Err(unsupported(format_args!("operator {symbol} of a row and a subquery")));
        }
        let mut chosen_imp: Option<(&'static str, Imp)> = None;
        let mut left = Vec::with_capacity(lefts.len());
        for (at, (item, (_, ty))) in lefts.into_iter().zip(&columns).enumerate() {
            let chosen = self.choose_operator(symbol, Some(item.ty.oid), ty.oid)?;
            if chosen.result != oid::BOOL {
                return Err(error(SqlState::DATATYPE_MISMATCH, "row comparison operator must yield type boolean"));
            }
            left.push(self.implicit(item, TypeRef::of(chosen.left.unwrap_or(chosen.right)))?);
            if ty.oid != chosen.right {
                query = self.coerce_query_column(query, at, TypeRef::of(chosen.right), super::CastContext::Implicit)?;
            }
            chosen_imp = Some((chosen.symbol, chosen.imp));
        }
        let (symbol, imp) = chosen_imp.ok_or_else(|| error(SqlState::SYNTAX_ERROR, "subquery has too many columns"))?;
        Ok(Expr::new(ExprKind::QuantifiedQuery { symbol, imp, all, left, query: Box::new(query) }, BOOL))
    }

    /// `(SELECT …)` as a value; without FROM and of one row it is simply that row's value.
    pub(super) fn scalar(&mut self, query: &tree::Query) -> Result<Expr> {
        self.clause.check_subquery()?;
        let query = self.subquery(query)?;
        let ty = only_column(&query)?;
        match self.as_plain_value(query) {
            Ok(value) => Ok(value),
            Err(query) => Ok(Expr::new(ExprKind::Scalar(query), ty)),
        }
    }

    fn as_plain_value(&self, query: Query) -> std::result::Result<Expr, Box<Query>> {
        use crate::typed::{Body, contains_aggregate, facts, volatility};
        let plain = query.ctes.is_empty() && query.limit.is_none() && query.offset.is_none();
        let simple = match &query.body {
            Body::Select(s)
                if plain && s.from.is_empty() && s.filter.is_none() && s.group_by.is_empty() && s.having.is_none() =>
            {
                match s.targets.as_slice() {
                    [target] => {
                        let e = &target.expr;
                        let stable = volatility(e, self.catalog) != basalt_catalog::Volatility::Volatile;
                        !contains_aggregate(e) && !facts::contains_window(e) && stable
                    }
                    _ => false,
                }
            }
            _ => false,
        };
        if !simple {
            return Err(Box::new(query));
        }
        match query.body {
            Body::Select(mut select) => match select.targets.pop() {
                Some(target) => Ok(target.expr),
                None => Ok(Expr::null(TypeRef::of(oid::TEXT))),
            },
            body => Err(Box::new(Query { body, ..query })),
        }
    }
}

use super::expr::only_column;
