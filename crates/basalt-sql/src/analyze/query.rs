//! Queries: WITH, set operations, VALUES, ORDER BY and LIMIT of a whole query.

use std::borrow::Cow;

use basalt_types::pg::oid;
use basalt_types::{SqlState, TypeRef, Value};

use super::coerce::is_unknown;
use super::error::{Result, error, unsupported};
use super::from::CteEntry;
use super::scope::{Clause, Scope};
use super::{Analyzer, CastContext, QUERY_LEVELS, resolve};
use crate::tree::{self, SetExpr, SetOp};
use crate::typed::{Body, Cte, Expr, ExprKind, Order, Query};

impl Analyzer<'_> {
    /// A query inside an expression or FROM.
    pub(super) fn subquery(&mut self, query: &tree::Query) -> Result<Query> {
        self.query(query, true)
    }

    /// A query. `settle`: untyped literals of the select list become text; otherwise the caller gives them types.
    pub(super) fn query(&mut self, query: &tree::Query, settle: bool) -> Result<Query> {
        let known_ctes = self.ctes.len();
        let result = self.deeper_by(QUERY_LEVELS, |a| a.within(Clause::Other, |a| a.query_parts(query, settle)));
        self.ctes.truncate(known_ctes);
        result.map_err(|e| e.at(query.pos))
    }

    fn query_parts(&mut self, query: &tree::Query, settle: bool) -> Result<Query> {
        if query.with_ties {
            return Err(unsupported("FETCH FIRST … WITH TIES"));
        }
        let ctes = match &query.with {
            Some(with) => self.with(with)?,
            None => Vec::new(),
        };
        let has_tail = !query.order_by.is_empty() || query.limit.is_some() || query.offset.is_some();
        let (body, order_by) = match &query.body {
            SetExpr::Query(inner) if !has_tail && query.with.is_none() => return self.query(inner, settle),
            SetExpr::Query(inner) => {
                let wrapped = wrap(inner);
                let (select, order_by) = self.select(&wrapped, &query.order_by, settle)?;
                (Body::Select(Box::new(select)), order_by)
            }
            SetExpr::Select(select) => {
                let (select, order_by) = self.select(select, &query.order_by, settle)?;
                (Body::Select(Box::new(select)), order_by)
            }
            SetExpr::Values(rows) => {
                if query.order_by.is_empty() {
                    (Body::Values { rows: self.values(rows, settle)? }, Vec::new())
                } else {
                    let bare = tree::Query {
                        with: None,
                        body: SetExpr::Values(rows.clone()),
                        order_by: Vec::new(),
                        limit: None,
                        offset: None,
                        ..query.clone()
                    };
                    let (select, order_by) = self.select(&wrap(&bare), &query.order_by, settle)?;
                    (Body::Select(Box::new(select)), order_by)
                }
            }
            SetExpr::Set { op, all, left, right } => {
                let (left, right) = (self.set_operand(left)?, self.set_operand(right)?);
                let body = self.set_operation(*op, *all, left, right)?;
                let order_by = self.set_order(&body, &query.order_by)?;
                (body, order_by)
            }
        };
        check_locking(&query.locking, &body)?;
        let limit = self.row_count(query.limit.as_ref(), Clause::Limit, "LIMIT")?;
        let offset = self.row_count(query.offset.as_ref(), Clause::Offset, "OFFSET")?;
        Ok(Query { ctes, body, order_by, limit, offset })
    }

    /// The list of common table expressions; they stay visible until the caller forgets them.
    pub(super) fn with(&mut self, with: &tree::With) -> Result<Vec<Cte>> {
        let mut ctes = Vec::with_capacity(with.ctes.len());
        for (at, cte) in with.ctes.iter().enumerate() {
            if with.ctes.iter().take(at).any(|other| other.name == cte.name) {
                let message = format!("WITH query name \"{}\" specified more than once", cte.name);
                return Err(error(SqlState::DUPLICATE_ALIAS, message));
            }
            let tree::CteBody::Query(query) = &*cte.body else {
                return Err(unsupported("INSERT, UPDATE or DELETE in WITH"));
            };
            let id = self.next_cte;
            self.next_cte += 1;
            let (typed, recursive) = match &query.body {
                SetExpr::Set { op: SetOp::Union, all, left, right } if with.recursive && mentions(right, &cte.name) => {
                    (self.recursive_cte(cte, query, id, *all, left, right)?, true)
                }
                _ => (self.subquery(query)?, false),
            };
            let columns = cte_columns(cte, &typed)?;
            self.ctes.push(CteEntry { name: cte.name.clone(), id, columns: columns.clone() });
            ctes.push(Cte { id, name: cte.name.clone(), recursive, materialized: cte.materialized, columns, query: typed });
        }
        Ok(ctes)
    }

    fn recursive_cte(
        &mut self,
        cte: &tree::Cte,
        query: &tree::Query,
        id: u32,
        all: bool,
        left: &SetExpr,
        right: &SetExpr,
    ) -> Result<Query> {
        let not_yet =
            |what: &str| Err(error(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} in a recursive query is not implemented")));
        if query.with.is_some() {
            return Err(unsupported("WITH inside a recursive query"));
        }
        if !query.order_by.is_empty() {
            return not_yet("ORDER BY");
        }
        if query.offset.is_some() {
            return not_yet("OFFSET");
        }
        if query.limit.is_some() {
            return not_yet("LIMIT");
        }
        let mut left = self.set_operand(left)?;
        for at in 0..left.columns().len() {
            if left.columns().get(at).is_some_and(|(_, ty)| ty.oid == oid::UNKNOWN) {
                left = self.coerce_query_column(left, at, TypeRef::of(oid::TEXT), CastContext::Implicit)?;
            }
        }
        let columns = cte_columns(cte, &left)?;
        self.ctes.push(CteEntry { name: cte.name.clone(), id, columns: columns.clone() });
        let right = self.set_operand(right);
        self.ctes.pop();
        let right = right?;
        for (at, ((_, l), (_, r))) in columns.iter().zip(right.columns()).enumerate() {
            let common = resolve::common_type(self.catalog, &[l.oid, r.oid]).unwrap_or(l.oid);
            if common != l.oid {
                let message = format!(
                    "recursive query \"{}\" column {} has type {} in non-recursive term but type {} overall",
                    cte.name,
                    at + 1,
                    self.shown(l.oid),
                    self.shown(common)
                );
                return Err(error(SqlState::DATATYPE_MISMATCH, message)
                    .hint("Cast the output of the non-recursive term to the correct type."));
            }
        }
        let body = self.set_operation(SetOp::Union, all, left, right)?;
        Ok(Query { ctes: Vec::new(), body, order_by: Vec::new(), limit: None, offset: None })
    }

    fn set_operand(&mut self, operand: &SetExpr) -> Result<Query> {
        let plain = |body| Query { ctes: Vec::new(), body, order_by: Vec::new(), limit: None, offset: None };
        match operand {
            SetExpr::Select(select) => {
                let (select, _) = self.deeper(|a| a.select(select, &[], false))?;
                Ok(plain(Body::Select(Box::new(select))))
            }
            SetExpr::Values(rows) => Ok(plain(Body::Values { rows: self.values(rows, false)? })),
            SetExpr::Query(query) => self.query(query, false),
            SetExpr::Set { op, all, left, right } => self.deeper_by(QUERY_LEVELS / 2, |a| {
                let (left, right) = (a.set_operand(left)?, a.set_operand(right)?);
                Ok(plain(a.set_operation(*op, *all, left, right)?))
            }),
        }
    }

    fn set_operation(&mut self, op: SetOp, all: bool, mut left: Query, mut right: Query) -> Result<Body> {
        let what = match op {
            SetOp::Union => "UNION",
            SetOp::Intersect => "INTERSECT",
            SetOp::Except => "EXCEPT",
        };
        let (ls, rs) = (left.columns(), right.columns());
        if ls.len() != rs.len() {
            return Err(error(SqlState::SYNTAX_ERROR, format!("each {what} query must have the same number of columns")));
        }
        for (at, ((_, l), (_, r))) in ls.iter().zip(&rs).enumerate() {
            let common = resolve::common_type(self.catalog, &[l.oid, r.oid]).map_err(|(a, b)| {
                let message = format!("{what} types {} and {} cannot be matched", self.shown(a), self.shown(b));
                error(SqlState::DATATYPE_MISMATCH, message)
            })?;
            let typmod = if l.typmod == r.typmod && l.oid == r.oid { l.typmod } else { -1 };
            let common = TypeRef { oid: common, typmod };
            left = self.coerce_query_column(left, at, common, CastContext::Implicit)?;
            right = self.coerce_query_column(right, at, common, CastContext::Implicit)?;
            if !all {
                self.choose_operator("=", Some(common.oid), common.oid).map_err(|_| self.no_equality(common.oid))?;
            }
        }
        let range = self.ranges.next();
        self.scope_table(what.to_ascii_lowercase(), None, range, super::call::numbered(&left.columns()), None);
        Ok(Body::Set { op, all, left: Box::new(left), right: Box::new(right), range })
    }

    /// ORDER BY of a set operation: output names and positions only.
    fn set_order(&mut self, body: &Body, items: &[tree::OrderItem]) -> Result<Vec<Order>> {
        let Body::Set { left, range, .. } = body else { return Ok(Vec::new()) };
        let columns = left.columns();
        let mut keys = Vec::with_capacity(items.len());
        for item in items {
            let position = match &item.expr.kind {
                tree::ExprKind::Number(text) => super::select::position(text, columns.len(), "ORDER BY")?,
                tree::ExprKind::Column(parts) => match parts.as_slice() {
                    [name] => match columns.iter().position(|(n, _)| n == name) {
                        Some(at) => at,
                        None => {
                            let message = format!("column \"{name}\" does not exist");
                            return Err(error(SqlState::UNDEFINED_COLUMN, message).at(item.expr.pos));
                        }
                    },
                    _ => return Err(invalid_set_order().at(item.expr.pos)),
                },
                _ => return Err(invalid_set_order().at(item.expr.pos)),
            };
            let Some((_, ty)) = columns.get(position) else { continue };
            let number = i16::try_from(position + 1).unwrap_or(i16::MAX);
            keys.push(self.order(Expr::column(*range, number, *ty), item)?);
        }
        Ok(keys)
    }

    /// A row of VALUES with the fields of a variable in the place of `record.*`.
    pub(super) fn without_stars<'e>(&self, row: &'e [tree::Expr]) -> Cow<'e, [tree::Expr]> {
        let fields = |expr: &tree::Expr| match &expr.kind {
            tree::ExprKind::Star(parts) => match parts.as_slice() {
                [name] => self.ctx.rows.iter().rev().find(|known| known.name == *name),
                _ => None,
            },
            _ => None,
        };
        if row.iter().all(|expr| fields(expr).is_none()) {
            return Cow::Borrowed(row);
        }
        let mut all = Vec::with_capacity(row.len());
        for expr in row {
            match fields(expr) {
                None => all.push(expr.clone()),
                Some(record) => all.extend(record.columns.iter().map(|(column, ..)| tree::Expr {
                    kind: tree::ExprKind::Column(vec![record.name.clone(), column.clone()]),
                    pos: expr.pos,
                })),
            }
        }
        Cow::Owned(all)
    }

    /// VALUES lists, each column of one type.
    pub(super) fn values(&mut self, rows: &[Vec<tree::Expr>], settle: bool) -> Result<Vec<Vec<Expr>>> {
        let rows: Vec<_> = rows.iter().map(|row| self.without_stars(row)).collect();
        let width = rows.first().map_or(0, |row| row.len());
        let mut typed: Vec<Vec<Expr>> = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.len() != width {
                return Err(error(SqlState::SYNTAX_ERROR, "VALUES lists must all be the same length"));
            }
            typed.push(self.within(Clause::Values, |a| row.iter().map(|e| a.expr(e)).collect())?);
        }
        for at in 0..width {
            let column: Vec<Expr> = typed.iter().filter_map(|row| row.get(at).cloned()).collect();
            if !settle && column.iter().all(is_unknown) {
                continue;
            }
            let (column, _) = self.unify(column, "VALUES")?;
            for (row, value) in typed.iter_mut().zip(column) {
                if let Some(slot) = row.get_mut(at) {
                    *slot = value;
                }
            }
        }
        Ok(typed)
    }

    /// LIMIT or OFFSET.
    pub(super) fn row_count(&mut self, count: Option<&tree::Expr>, clause: Clause, what: &str) -> Result<Option<Expr>> {
        let Some(count) = count else { return Ok(None) };
        // Columns of outer queries would be allowed, but none of this one.
        self.scopes.push(Scope::default());
        let typed = self.within(clause, |a| a.expr(count));
        self.scopes.pop();
        let typed = typed?;
        let source = typed.ty.oid;
        let typed = self.try_coerce(typed, TypeRef::of(oid::INT8), CastContext::Assignment)?.ok_or_else(|| {
            error(SqlState::DATATYPE_MISMATCH, format!("argument of {what} must be type bigint, not type {}", self.shown(source)))
        })?;
        if let ExprKind::Const(Value::Int(n)) = &typed.kind
            && *n < 0
        {
            let state = if clause == Clause::Limit { b"2201W" } else { b"2201X" };
            return Err(error(SqlState::new(state), format!("{what} must not be negative")).at(count.pos));
        }
        Ok(Some(typed))
    }

    /// Converts one output column of a query.
    pub(super) fn coerce_query_column(&self, mut query: Query, at: usize, ty: TypeRef, context: CastContext) -> Result<Query> {
        query.body = match query.body {
            Body::Select(mut select) => {
                if let Some(target) = select.targets.get_mut(at) {
                    target.expr = self.to_column_type(target.expr.clone(), ty, context)?;
                }
                Body::Select(select)
            }
            Body::Values { mut rows } => {
                for row in &mut rows {
                    if let Some(value) = row.get_mut(at) {
                        *value = self.to_column_type(value.clone(), ty, context)?;
                    }
                }
                Body::Values { rows }
            }
            Body::Set { op, all, left, right, range } => Body::Set {
                op,
                all,
                left: Box::new(self.coerce_query_column(*left, at, ty, context)?),
                right: Box::new(self.coerce_query_column(*right, at, ty, context)?),
                range,
            },
        };
        Ok(query)
    }

    fn to_column_type(&self, expr: Expr, ty: TypeRef, context: CastContext) -> Result<Expr> {
        let source = expr.ty.oid;
        self.try_coerce(expr, ty, context)?.ok_or_else(|| {
            error(SqlState::CANNOT_COERCE, format!("cannot cast type {} to {}", self.shown(source), self.shown(ty.oid)))
        })
    }
}

/// FOR UPDATE and friends: nothing to do with one writer, but PostgreSQL's refusals stay.
fn check_locking(locking: &[tree::Locking], body: &Body) -> Result<()> {
    let Some(lock) = locking.first() else { return Ok(()) };
    let strength = lock.strength.to_ascii_uppercase();
    let refused = |what: &str| Err(error(SqlState::FEATURE_NOT_SUPPORTED, format!("FOR {strength} is not allowed with {what}")));
    let select = match body {
        Body::Select(select) => select,
        Body::Values { .. } => return refused("VALUES"),
        Body::Set { .. } => return refused("UNION/INTERSECT/EXCEPT"),
    };
    let any = |test: fn(&Expr) -> bool| select.targets.iter().any(|t| test(&t.expr));
    if select.distinct.is_some() {
        return refused("DISTINCT clause");
    }
    if !select.group_by.is_empty() {
        return refused("GROUP BY clause");
    }
    if select.having.is_some() {
        return refused("HAVING clause");
    }
    if any(crate::typed::contains_aggregate) {
        return refused("aggregate functions");
    }
    if any(crate::typed::facts::contains_window) {
        return refused("window functions");
    }
    let mut names = Vec::new();
    for item in &select.from {
        item.each_leaf(&mut |leaf| names.push(leaf.alias()));
    }
    match locking.iter().flat_map(|l| &l.of).find(|name| !names.contains(&name.name.as_str())) {
        Some(name) => {
            let message = format!("relation \"{}\" in FOR {strength} clause not found in FROM clause", name.name);
            Err(error(SqlState::UNDEFINED_TABLE, message).at(name.pos))
        }
        None => Ok(()),
    }
}

fn invalid_set_order() -> super::AnalyzeError {
    error(SqlState::FEATURE_NOT_SUPPORTED, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
        .detail("Only result column names can be used, not expressions or functions.")
        .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
}

/// `SELECT * FROM (inner)`.
fn wrap(inner: &tree::Query) -> tree::Select {
    let star = tree::Expr { kind: tree::ExprKind::Star(Vec::new()), pos: inner.pos };
    let alias = tree::Alias { name: "unnamed_subquery".to_owned(), columns: Vec::new() };
    tree::Select {
        distinct: None,
        items: vec![tree::SelectItem { expr: star, alias: None }],
        from: vec![tree::FromItem::Query { query: Box::new(inner.clone()), lateral: false, alias: Some(alias) }],
        filter: None,
        group_by: Vec::new(),
        grouping_sets: false,
        having: None,
        windows: Vec::new(),
        pos: inner.pos,
    }
}

/// Output columns of a CTE under the names given to it.
fn cte_columns(cte: &tree::Cte, query: &Query) -> Result<Vec<(String, TypeRef)>> {
    let mut columns = query.columns();
    if cte.columns.len() > columns.len() {
        let message = format!(
            "WITH query \"{}\" has {} columns available but {} columns specified",
            cte.name,
            columns.len(),
            cte.columns.len()
        );
        return Err(error(SqlState::INVALID_COLUMN_REFERENCE, message));
    }
    for ((name, _), given) in columns.iter_mut().zip(&cte.columns) {
        name.clone_from(given);
    }
    Ok(columns)
}

/// Whether FROM of a query term names the CTE, at any depth of FROM, WHERE or subqueries in FROM.
fn mentions(term: &SetExpr, name: &str) -> bool {
    match term {
        SetExpr::Select(select) => select.from.iter().any(|item| item_mentions(item, name)),
        SetExpr::Values(_) => false,
        SetExpr::Query(query) => mentions(&query.body, name),
        SetExpr::Set { left, right, .. } => mentions(left, name) || mentions(right, name),
    }
}

fn item_mentions(item: &tree::FromItem, name: &str) -> bool {
    match item {
        tree::FromItem::Table { name: table, .. } => table.schema.is_none() && table.name == name,
        tree::FromItem::Query { query, .. } => mentions(&query.body, name),
        tree::FromItem::Function { .. } => false,
        tree::FromItem::Join { left, right, .. } => item_mentions(left, name) || item_mentions(right, name),
    }
}
