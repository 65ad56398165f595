//! SELECT: its list, conditions, grouping, ordering.

use basalt_types::pg::oid;
use basalt_types::{Oid, SqlState, TypeRef};

use super::error::{Result, error, unsupported};
use super::scope::{Clause, Scope};
use super::{Analyzer, names, types};
use crate::tree;
use crate::typed::{Expr, ExprKind, Order, Select, Target, contains_aggregate};

/// A position in a select list, 0-based.
pub(super) fn position(text: &str, count: usize, clause: &str) -> Result<usize> {
    let Ok(n) = text.parse::<usize>() else {
        return Err(error(SqlState::SYNTAX_ERROR, format!("non-integer constant in {clause}")));
    };
    if n == 0 || n > count {
        return Err(error(SqlState::INVALID_COLUMN_REFERENCE, format!("{clause} position {n} is not in select list")));
    }
    Ok(n - 1)
}

impl Analyzer<'_> {
    /// A SELECT with the ORDER BY that belongs to it.
    pub(super) fn select(
        &mut self,
        select: &tree::Select,
        order_by: &[tree::OrderItem],
        settle: bool,
    ) -> Result<(Select, Vec<Order>)> {
        if select.grouping_sets {
            return Err(unsupported("grouping by GROUPING SETS, CUBE or ROLLUP").at(select.pos));
        }
        self.scopes.push(Scope { expanded: Some(Vec::new()), windows: select.windows.clone(), ..Scope::default() });
        let outer = std::mem::replace(&mut self.clause, Clause::Other);
        let result = self.select_parts(select, order_by, settle);
        self.clause = outer;
        self.scopes.pop();
        result
    }

    fn select_parts(
        &mut self,
        select: &tree::Select,
        order_by: &[tree::OrderItem],
        settle: bool,
    ) -> Result<(Select, Vec<Order>)> {
        let mut from = self.items_of_from(&select.from)?;
        let mut targets = self.targets(&select.items, Clause::Select)?;
        let filter = match &select.filter {
            Some(filter) => Some(self.within(Clause::Where, |a| a.condition(filter, "WHERE"))?),
            None => None,
        };
        let having = match &select.having {
            Some(having) => Some(self.within(Clause::Having, |a| a.condition(having, "HAVING"))?),
            None => None,
        };
        let mut keys = Vec::with_capacity(order_by.len());
        for item in order_by {
            let expr = self.sort_expr(&item.expr, &mut targets, Clause::OrderBy)?;
            keys.push(self.order(expr, item).map_err(|e| e.at(item.expr.pos))?);
        }
        let mut group_by = Vec::with_capacity(select.group_by.len());
        for expr in &select.group_by {
            let items = match &expr.kind {
                tree::ExprKind::Row(items) => items.as_slice(),
                _ => std::slice::from_ref(expr),
            };
            for item in items {
                let key = self.sort_expr(item, &mut targets, Clause::GroupBy)?;
                self.choose_operator("=", Some(key.ty.oid), key.ty.oid).map_err(|_| self.no_equality(key.ty.oid).at(item.pos))?;
                group_by.push(key);
            }
        }
        let distinct = match &select.distinct {
            None => None,
            Some(on) => Some(self.distinct_on(on, &mut targets, &keys)?),
        };
        if settle {
            for target in &mut targets {
                target.expr = self.settle(target.expr.clone())?;
                // What a statement shows of a type is its name.
                if let Some(name) = self.type_as_text(&target.expr) {
                    target.expr = name;
                }
            }
        }
        if distinct.as_ref().is_some_and(Vec::is_empty) {
            for target in targets.iter().filter(|t| t.expr.ty.oid != oid::UNKNOWN) {
                let ty = target.expr.ty.oid;
                self.choose_operator("=", Some(ty), ty).map_err(|_| self.no_equality(ty))?;
            }
        }
        let expanded = self.scopes.last_mut().and_then(|s| s.expanded.take()).unwrap_or_default();
        let aggregates =
            targets.iter().map(|t| &t.expr).chain(keys.iter().map(|k| &k.expr)).chain(&having).any(contains_aggregate);
        if aggregates || having.is_some() || !group_by.is_empty() {
            if !expanded.is_empty() {
                return Err(unsupported("a set-returning function in the select list of a grouped query"));
            }
            self.check_grouping(&targets, having.as_ref(), &keys, &group_by)?;
        }
        from.extend(expanded);
        Ok((Select { distinct, targets, from, filter, policy: None, group_by, having }, keys))
    }

    /// A select list or RETURNING.
    pub(super) fn targets(&mut self, items: &[tree::SelectItem], clause: Clause) -> Result<Vec<Target>> {
        let mut targets = Vec::with_capacity(items.len());
        for item in items {
            match &item.expr.kind {
                tree::ExprKind::Star(parts) => targets.extend(self.star(parts).map_err(|e| e.at(item.expr.pos))?),
                tree::ExprKind::Field(inner, field) if field == "*" => {
                    let row = self.within(clause, |a| a.settled(inner))?;
                    targets.extend(self.fields(row).map_err(|e| e.at(item.expr.pos))?);
                }
                _ => {
                    let expr = self.within(clause, |a| a.expr(&item.expr))?;
                    let name = item.alias.clone().unwrap_or_else(|| names::output_name(&item.expr));
                    targets.push(Target { expr, name });
                }
            }
        }
        Ok(targets)
    }

    pub(super) fn star(&self, parts: &[String]) -> Result<Vec<Target>> {
        let columns = match parts {
            [] => {
                let scope = self.scopes.last().filter(|s| !s.tables.is_empty());
                match scope {
                    Some(scope) => &scope.columns,
                    None => return Err(error(SqlState::SYNTAX_ERROR, "SELECT * with no tables specified is not valid")),
                }
            }
            [table] => match self.find_table(None, table)? {
                Some(found) => &found.columns,
                None => return self.row_star(table).ok_or_else(|| self.missing_table(table, table)),
            },
            [schema, table] => match self.find_table(Some(schema), table)? {
                Some(found) => &found.columns,
                None => return Err(self.missing_table(table, &parts.join("."))),
            },
            _ => return Err(self.missing_table("", &parts.join("."))),
        };
        Ok(columns.iter().map(|c| Target { expr: c.expr.clone(), name: c.name.clone() }).collect())
    }

    /// `new.*`.
    fn row_star(&self, name: &str) -> Option<Vec<Target>> {
        let row = self.ctx.rows.iter().rev().find(|r| r.name == name)?;
        let target = |(name, number, ty): &(String, i16, TypeRef)| Target {
            expr: Expr::column(row.range, *number, *ty),
            name: name.clone(),
        };
        Some(row.columns.iter().map(target).collect())
    }

    /// `(row).*`.
    fn fields(&self, row: Expr) -> Result<Vec<Target>> {
        if let ExprKind::WholeRow { range } = row.kind {
            let named = || self.ctx.rows.iter().find(|row| row.range == range).map(|row| row.columns.as_slice());
            let columns = self.info.get(&range).map(|i| i.columns.as_slice()).or_else(named).unwrap_or_default();
            let target = |(name, number, ty): &(String, i16, TypeRef)| Target {
                expr: Expr::column(range, *number, *ty),
                name: name.clone(),
            };
            return Ok(columns.iter().map(target).collect());
        }
        let def = self.catalog.type_by_oid(types::base_type(self.catalog, row.ty).oid);
        match def.map(|d| &d.kind) {
            Some(basalt_catalog::TypeKind::Composite { fields }) => Ok(fields
                .iter()
                .zip(0u16..)
                .map(|((name, ty, typmod), index)| Target {
                    expr: Expr::new(
                        ExprKind::Field { expr: Box::new(row.clone()), index },
                        TypeRef { oid: Oid(*ty), typmod: *typmod },
                    ),
                    name: name.clone(),
                })
                .collect()),
            _ => Err(error(SqlState::WRONG_OBJECT_TYPE, format!("type {} is not composite", self.shown(row.ty.oid)))),
        }
    }

    /// An expression of ORDER BY, GROUP BY or DISTINCT ON: a position, an output name, or an expression.
    fn sort_expr(&mut self, expr: &tree::Expr, targets: &mut [Target], clause: Clause) -> Result<Expr> {
        let what = match clause {
            Clause::GroupBy => "GROUP BY",
            Clause::DistinctOn => "DISTINCT ON",
            _ => "ORDER BY",
        };
        let at = match &expr.kind {
            tree::ExprKind::Number(text) => Some(position(text, targets.len(), what).map_err(|e| e.at(expr.pos))?),
            tree::ExprKind::String(_) | tree::ExprKind::Null | tree::ExprKind::Bool(_) => {
                return Err(error(SqlState::SYNTAX_ERROR, format!("non-integer constant in {what}")).at(expr.pos));
            }
            tree::ExprKind::Column(parts) => match parts.as_slice() {
                [name] => {
                    let is_input = || self.scopes.last().is_some_and(|s| s.columns.iter().any(|c| c.name == *name));
                    if clause == Clause::GroupBy && is_input() {
                        None
                    } else {
                        output_named(targets, name, what).map_err(|e| e.at(expr.pos))?
                    }
                }
                _ => None,
            },
            _ => None,
        };
        if let Some(at) = at
            && let Some(target) = targets.get_mut(at)
        {
            target.expr = self.settle(target.expr.clone())?;
            if clause == Clause::GroupBy && contains_aggregate(&target.expr) {
                return Err(error(SqlState::GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY").at(expr.pos));
            }
            return Ok(target.expr.clone());
        }
        self.within(clause, |a| a.settled(expr))
    }

    /// One key of an aggregate's or window's ORDER BY: no positions, no output names.
    pub(super) fn order_key(&mut self, item: &tree::OrderItem) -> Result<Order> {
        let expr = self.settled(&item.expr)?;
        self.order(expr, item)
    }

    /// A key with its direction.
    pub(super) fn order(&self, expr: Expr, item: &tree::OrderItem) -> Result<Order> {
        let descending = match item.using.as_ref().map(|op| op.symbol.as_str()) {
            None => item.descending,
            Some("<") => false,
            Some(">") => true,
            Some(symbol) => return Err(unsupported(format_args!("ORDER BY … USING {symbol}"))),
        };
        let ty = expr.ty.oid;
        self.choose_operator("<", Some(ty), ty).map_err(|_| {
            error(SqlState::UNDEFINED_FUNCTION, format!("could not identify an ordering operator for type {}", self.shown(ty)))
                .hint("Use an explicit ordering operator or modify the query.")
        })?;
        Ok(Order { expr, descending, nulls_first: item.nulls_first.unwrap_or(descending) })
    }

    fn distinct_on(&mut self, on: &[tree::Expr], targets: &mut [Target], keys: &[Order]) -> Result<Vec<Expr>> {
        if on.is_empty() {
            if keys.iter().any(|key| !targets.iter().any(|t| t.expr == key.expr)) {
                let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                return Err(error(SqlState::INVALID_COLUMN_REFERENCE, message));
            }
            return Ok(Vec::new());
        }
        let mut list = Vec::with_capacity(on.len());
        for expr in on {
            let key = self.sort_expr(expr, targets, Clause::DistinctOn)?;
            if !list.contains(&key) {
                list.push(key);
            }
        }
        // The leading ORDER BY keys must be these expressions, in any order.
        if keys.iter().take(list.len()).any(|key| !list.contains(&key.expr)) {
            let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
            return Err(error(SqlState::INVALID_COLUMN_REFERENCE, message));
        }
        Ok(list)
    }
}

/// The output column of that name, when there is one.
fn output_named(targets: &[Target], name: &str, what: &str) -> Result<Option<usize>> {
    let mut found = targets.iter().enumerate().filter(|(_, t)| t.name == name);
    let Some((at, first)) = found.next() else { return Ok(None) };
    if found.any(|(_, other)| other.expr != first.expr) {
        return Err(error(SqlState::AMBIGUOUS_COLUMN, format!("{what} \"{name}\" is ambiguous")));
    }
    Ok(Some(at))
}
