//! Queries: SELECT, VALUES, set operations, FROM.

use basalt_sql::analyze::builtins::{self, Kind};
use basalt_sql::tree::{JoinKind, SetOp};
use basalt_sql::typed::{Body, Cte, Expr, ExprKind, From, Order, Param, Query, RangeId, Select, Target, facts};
use basalt_types::pg::oid;
use basalt_types::{SqlError, TypeRef, Value};

use super::compare::is_number;
use super::printer::{Printer, Source};
use crate::plan::WRITTEN;
use crate::raising::can_raise;

impl Printer<'_> {
    /// A query whose columns need no names.
    pub(super) fn query(&mut self, query: &Query) -> Result<(), SqlError> {
        self.query_with(query, false)
    }

    /// A query whose columns are named `c1`, `c2`, ….
    pub(super) fn query_as(&mut self, query: &Query) -> Result<(), SqlError> {
        self.query_with(query, true)
    }

    fn query_with(&mut self, query: &Query, named: bool) -> Result<(), SqlError> {
        self.ctes(&query.ctes)?;
        match &query.body {
            Body::Select(select) if select.distinct.as_ref().is_some_and(|on| !on.is_empty()) => {
                return self.distinct_on(query, select);
            }
            Body::Select(select) => {
                self.declare_all(&select.from);
                self.raw("SELECT ");
                self.raw(if select.distinct.is_some() { "DISTINCT " } else { "" });
                self.targets(&select.targets, named, select.distinct.is_some(), gathers_silently(select, query))?;
                self.print_from(&select.from)?;
                self.select_rest(select)?;
            }
            Body::Values { rows } => {
                let width = rows.first().map_or(0, Vec::len);
                // VALUES takes no LIMIT of its own.
                let named = named || query.limit.is_some() || query.offset.is_some();
                // A list of VALUES sees no rows of outer queries where SELECT does.
                if named && !facts::free_ranges_of_query(query).is_empty() {
                    for (i, row) in rows.iter().enumerate() {
                        self.raw(if i == 0 { "SELECT " } else { " UNION ALL SELECT " });
                        for (at, value) in row.iter().enumerate() {
                            self.raw(if at == 0 { "" } else { ", " });
                            self.expr(value)?;
                            self.raw(&format!(" AS c{}", at + 1));
                        }
                    }
                    return self.limits(query.limit.as_ref(), query.offset.as_ref());
                }
                if named {
                    self.raw("SELECT ");
                    for i in 1..=width {
                        self.raw(if i == 1 { "" } else { ", " }).raw(&format!("column{i} AS c{i}"));
                    }
                    self.raw(" FROM (");
                }
                for (i, row) in rows.iter().enumerate() {
                    self.raw(if i == 0 { "VALUES (" } else { ", (" });
                    self.list(row)?;
                    self.raw(")");
                }
                if named {
                    self.raw(")");
                }
            }
            Body::Set { op, all: true, left, right, range } if *op != SetOp::Union => {
                self.declare(*range, Source::Positions);
                self.numbered_set(*op, left, right, *range)?;
            }
            Body::Set { op, all, left, right, range } => {
                self.declare(*range, Source::Positions);
                self.raw("SELECT * FROM (SELECT ");
                // Rows are compared by the collations of the left side's columns.
                if let Body::Select(select) = &left.body
                    && !all
                    && select.targets.iter().any(|target| self.collation(target.expr.ty).is_some())
                {
                    for (i, target) in select.targets.iter().enumerate() {
                        self.raw(if i == 0 { "" } else { ", " }).raw(&format!("c{}", i + 1));
                        if let Some(collation) = self.collation(target.expr.ty) {
                            self.raw(" COLLATE ").raw(collation).raw(&format!(" AS c{}", i + 1));
                        }
                    }
                } else {
                    self.raw("*");
                }
                self.raw(" FROM (");
                self.query_as(left)?;
                self.raw(match (op, all) {
                    (SetOp::Union, true) => ") UNION ALL SELECT * FROM (",
                    (SetOp::Union, false) => ") UNION SELECT * FROM (",
                    (SetOp::Intersect, _) => ") INTERSECT SELECT * FROM (",
                    (SetOp::Except, _) => ") EXCEPT SELECT * FROM (",
                });
                self.query_as(right)?;
                self.raw(")) AS ").alias(*range);
            }
        }
        self.tail(query)
    }

    /// INTERSECT ALL and EXCEPT ALL: equal rows are told apart by their number among equals.
    fn numbered_set(&mut self, op: SetOp, left: &Query, right: &Query, range: RangeId) -> Result<(), SqlError> {
        let types: Vec<TypeRef> = left.columns().into_iter().map(|(_, ty)| ty).collect();
        let mut plain = String::new();
        let mut compared = String::new();
        for (i, ty) in types.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            let collation = self.collation(*ty).map(|c| format!(" COLLATE {c}")).unwrap_or_default();
            plain.push_str(&format!("{comma}c{}", i + 1));
            compared.push_str(&format!("{comma}c{}{collation} AS c{0}", i + 1));
        }
        self.raw("SELECT ").raw(&plain).raw(" FROM (");
        for (i, side) in [left, right].into_iter().enumerate() {
            if i == 1 {
                self.raw(if op == SetOp::Intersect { " INTERSECT " } else { " EXCEPT " });
            }
            self.raw("SELECT ").raw(&compared).raw(", row_number() OVER (");
            for (i, ty) in types.iter().enumerate() {
                self.raw(if i == 0 { "PARTITION BY " } else { ", " }).raw(&format!("c{}", i + 1));
                if let Some(collation) = self.collation(*ty) {
                    self.raw(" COLLATE ").raw(collation);
                }
            }
            self.raw(") FROM (");
            self.query_as(side)?;
            self.raw(")");
        }
        self.raw(") AS ").alias(range);
        Ok(())
    }

    /// SELECT DISTINCT ON: the first row of each group in the order asked for.
    fn distinct_on(&mut self, query: &Query, select: &Select) -> Result<(), SqlError> {
        let on = select.distinct.as_deref().unwrap_or_default();
        if on.iter().chain(query.order_by.iter().map(|key| &key.expr)).any(facts::contains_window) {
            return Err(SqlError::unsupported("DISTINCT ON a window function"));
        }
        self.declare_all(&select.from);
        let width = select.targets.len();
        let outer = self.fresh_range();
        self.raw("SELECT ");
        for i in 1..=width {
            self.raw(if i == 1 { "" } else { ", " }).raw(&format!("c{i}"));
        }
        self.raw(if width == 0 { "1 FROM (SELECT " } else { " FROM (SELECT " });
        for (i, target) in select.targets.iter().enumerate() {
            self.expr(&target.expr)?;
            self.raw(&format!(" AS c{}, ", i + 1));
        }
        let mut keys = Vec::with_capacity(query.order_by.len());
        for (i, key) in query.order_by.iter().enumerate() {
            let at = width + i + 1;
            self.expr(&key.expr)?;
            self.raw(&format!(" AS c{at}, "));
            let column = Expr::column(outer, i16::try_from(at).unwrap_or(i16::MAX), key.expr.ty);
            keys.push(Order { expr: column, ..key.clone() });
        }
        self.raw("row_number() OVER (");
        for (i, key) in on.iter().enumerate() {
            self.raw(if i == 0 { "PARTITION BY " } else { ", " });
            self.collated(key)?;
        }
        self.order_by(&query.order_by)?;
        self.raw(") AS n");
        self.print_from(&select.from)?;
        self.select_rest(select)?;
        self.raw(") AS ").alias(outer).raw(" WHERE n = 1");
        self.declare(outer, Source::Positions);
        self.order_by(&keys)?;
        self.limits(query.limit.as_ref(), query.offset.as_ref())
    }

    /// ORDER BY, LIMIT, OFFSET.
    pub(super) fn tail(&mut self, query: &Query) -> Result<(), SqlError> {
        self.order_by(&query.order_by)?;
        self.limits(query.limit.as_ref(), query.offset.as_ref())
    }

    pub(super) fn limits(&mut self, limit: Option<&Expr>, offset: Option<&Expr>) -> Result<(), SqlError> {
        if limit.is_none() && offset.is_none() {
            return Ok(());
        }
        self.raw(" LIMIT ");
        match limit {
            None => {
                self.raw("-1");
            }
            Some(limit) => self.row_count(limit, "-1")?,
        }
        if let Some(offset) = offset {
            self.raw(" OFFSET ");
            self.row_count(offset, "0")?;
        }
        Ok(())
    }

    /// A number of rows; NULL means `absent`.
    fn row_count(&mut self, count: &Expr, absent: &str) -> Result<(), SqlError> {
        match &count.kind {
            ExprKind::Const(Value::Int(_)) | ExprKind::Param(Param::Literal(_)) => self.expr(count),
            ExprKind::Const(Value::Null) => {
                self.raw(absent);
                Ok(())
            }
            _ => {
                self.raw("coalesce(");
                self.expr(count)?;
                self.raw(", ").raw(absent).raw(")");
                Ok(())
            }
        }
    }

    pub(super) fn ctes(&mut self, ctes: &[Cte]) -> Result<(), SqlError> {
        for (i, cte) in ctes.iter().enumerate() {
            self.raw(match (i, ctes.iter().any(|c| c.recursive)) {
                (0, true) => "WITH RECURSIVE ",
                (0, false) => "WITH ",
                _ => ", ",
            });
            self.raw(&format!("cte{}(", cte.id));
            for at in 1..=cte.columns.len() {
                self.raw(if at == 1 { "" } else { ", " }).raw(&format!("c{at}"));
            }
            self.raw(") AS ");
            self.raw(match cte.materialized {
                Some(true) => "MATERIALIZED (",
                Some(false) => "NOT MATERIALIZED (",
                None => "(",
            });
            match &cte.query.body {
                // SQLite wants the recursive reference at the top of a compound, not inside `SELECT * FROM (…)`.
                Body::Set { op: SetOp::Union, all, left, right, .. } if cte.recursive => {
                    self.query_as(left)?;
                    self.raw(if *all { " UNION ALL " } else { " UNION " });
                    self.query_as(right)?;
                }
                _ => self.query_as(&cte.query)?,
            }
            self.raw(")");
        }
        if !ctes.is_empty() {
            self.raw(" ");
        }
        Ok(())
    }

    pub(super) fn distinct_word(&mut self, select: &Select) -> Result<(), SqlError> {
        match &select.distinct {
            None => {}
            Some(on) if on.is_empty() => {
                self.raw("DISTINCT ");
            }
            Some(_) => return Err(SqlError::unsupported("DISTINCT ON here")),
        }
        Ok(())
    }

    /// The select list. `gathers`: an aggregate must stand in it, since SQLite gathers rows into one for no other reason.
    fn targets(&mut self, targets: &[Target], named: bool, distinct: bool, gathers: bool) -> Result<(), SqlError> {
        if targets.is_empty() {
            self.raw(if gathers { "count(*)" } else { "1" });
        }
        for (i, target) in targets.iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " });
            if gathers && i == 0 {
                self.raw("iif(count(*) < 0, NULL, ");
                self.expr(&target.expr)?;
                self.raw(if named { ") AS c1" } else { ")" });
                continue;
            }
            // DISTINCT compares as the type does, wherever the column comes from.
            if distinct {
                self.collated(&target.expr)?;
            } else {
                self.expr(&target.expr)?;
            }
            if named {
                self.raw(&format!(" AS c{}", i + 1));
            }
        }
        Ok(())
    }

    /// WHERE, GROUP BY, HAVING.
    pub(super) fn select_rest(&mut self, select: &Select) -> Result<(), SqlError> {
        self.where_clause(select.policy.as_ref(), select.filter.as_ref())?;
        for (i, key) in select.group_by.iter().enumerate() {
            self.raw(if i == 0 { " GROUP BY " } else { ", " });
            let text = self.aside(|p| p.collated(key))?;
            // A bare number would be a column's position; by a constant all rows are one group.
            self.raw(if is_number(&text) { "NULL" } else { &text });
        }
        if let Some(having) = &select.having {
            self.raw(" HAVING ");
            self.expr(having)?;
        }
        Ok(())
    }

    /// WHERE: the policy, then the user's conditions; those that may raise only where the policy holds.
    pub(super) fn where_clause(&mut self, policy: Option<&Expr>, filter: Option<&Expr>) -> Result<(), SqlError> {
        let mut word = " WHERE ";
        if let Some(policy) = policy {
            self.raw(word);
            self.expr(policy)?;
            word = " AND ";
        }
        let terms = match filter {
            None => &[],
            Some(Expr { kind: ExprKind::And(terms), .. }) => terms.as_slice(),
            Some(one) => std::slice::from_ref(one),
        };
        for term in terms {
            self.raw(word);
            word = " AND ";
            match policy {
                Some(policy) if can_raise(term) => {
                    self.raw("CASE WHEN ");
                    self.expr(policy)?;
                    self.raw(" THEN ");
                    self.expr(term)?;
                    self.raw(" END");
                }
                _ => self.expr(term)?,
            }
        }
        Ok(())
    }

    /// Declares the ranges of FROM, so that any part of the SELECT may name them.
    pub(super) fn declare_all(&mut self, items: &[From]) {
        for item in items {
            item.each_leaf(&mut |leaf| {
                let (range, source) = match leaf {
                    From::Table { range, relation, .. } => (*range, Source::Table(*relation)),
                    From::Query { range, .. } | From::Cte { range, .. } => (*range, Source::Positions),
                    From::Function { range, call, columns, .. } => {
                        let source = if matches!(call.kind, ExprKind::UserFunc { .. }) {
                            self.element_source(columns.iter().map(|(_, ty)| *ty), true)
                        } else if is_set_function(call) {
                            self.element_source(columns.iter().map(|(_, ty)| *ty), false)
                        } else {
                            Source::Positions
                        };
                        (*range, source)
                    }
                    From::Join { .. } => return,
                };
                self.declare(range, source);
            });
        }
        // Only now are the rows beside a lateral subquery known.
        for item in items {
            item.each_leaf(&mut |leaf| {
                if let From::Query { range, query, lateral: true, .. } = leaf
                    && self.depends_on_siblings(query)
                {
                    let source = self.element_source(query.columns().into_iter().map(|(_, ty)| ty), true);
                    self.declare(*range, source);
                }
            });
        }
    }

    /// The source that elements of a JSON array are, by the types of their columns.
    fn element_source(&self, types: impl Iterator<Item = TypeRef>, is_rows: bool) -> Source {
        let (mut columns, mut bytes) = (0u16, 0u64);
        for ty in types {
            if self.base(ty).oid == oid::BYTEA && columns < 64 {
                bytes |= 1 << columns;
            }
            columns = columns.saturating_add(1);
        }
        Source::Each { columns, bytes, is_rows }
    }

    /// FROM with its keyword, when there are items.
    pub(super) fn print_from(&mut self, items: &[From]) -> Result<(), SqlError> {
        let is_list = items.len() > 1;
        for (i, item) in items.iter().enumerate() {
            self.raw(if i == 0 { " FROM " } else { ", " });
            if is_list && matches!(item, From::Join { .. }) {
                self.raw("(");
                self.print_from_item(item)?;
                self.raw(")");
            } else {
                self.print_from_item(item)?;
            }
        }
        Ok(())
    }

    pub(super) fn print_from_item(&mut self, item: &From) -> Result<(), SqlError> {
        match item {
            From::Table { range, relation, .. } => {
                self.table(*relation)?.raw(" AS ").alias(*range);
            }
            From::Query { range, query, lateral, .. } => {
                if *lateral && matches!(self.source(*range), Some(Source::Each { .. })) {
                    return self.lateral_rows(query, *range);
                }
                self.raw("(");
                self.query_as(query)?;
                self.raw(") AS ").alias(*range);
            }
            From::Cte { range, cte, .. } if *cte == WRITTEN => self.written_rows(*range),
            From::Cte { range, cte, .. } => {
                self.raw(&format!("cte{cte} AS ")).alias(*range);
            }
            From::Function { range, call, .. } => self.function_rows(call, *range)?,
            From::Join { kind, left, right, on } => {
                self.print_from_item(left)?;
                self.raw(match kind {
                    JoinKind::Cross | JoinKind::Inner => " JOIN ",
                    JoinKind::Left => " LEFT JOIN ",
                    JoinKind::Right => " RIGHT JOIN ",
                    JoinKind::Full => " FULL JOIN ",
                });
                if matches!(**right, From::Join { .. }) {
                    self.raw("(");
                    self.print_from_item(right)?;
                    self.raw(")");
                } else {
                    self.print_from_item(right)?;
                }
                if let Some(on) = on {
                    self.raw(" ON ");
                    self.expr(on)?;
                }
            }
        }
        Ok(())
    }

    /// A subquery that reads rows beside it: SQLite takes such only as a table function's argument, so its rows come as a JSON array.
    fn lateral_rows(&mut self, query: &Query, range: RangeId) -> Result<(), SqlError> {
        let inner = self.fresh_range();
        self.declare(inner, Source::Positions);
        self.raw("json_each((SELECT json_group_array(json_array(");
        for (i, (_, ty)) in query.columns().into_iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " });
            self.element(&Expr::column(inner, i16::try_from(i + 1).unwrap_or(i16::MAX), ty))?;
        }
        self.raw(")) FROM (");
        self.query_as(query)?;
        self.raw(") AS ").alias(inner).raw(")) AS ").alias(range);
        Ok(())
    }

    /// Whether a lateral subquery really reads rows beside it. Rows of outer queries are fine: SQLite correlates those.
    fn depends_on_siblings(&self, query: &Query) -> bool {
        facts::free_ranges_of_query(query).iter().any(|r| matches!(self.source(*r), Some(s) if !is_written_row(s)))
    }

    /// Rows that a write returned.
    fn written_rows(&mut self, range: basalt_sql::typed::RangeId) {
        let types = self.written.clone();
        self.raw("(SELECT ");
        for (i, ty) in types.iter().enumerate() {
            let value = format!("json_extract(value, '$[{i}]')");
            self.raw(if i == 0 { "" } else { ", " });
            if self.base(*ty).oid == oid::BYTEA {
                self.raw(&format!("unhex({value}) AS c{}", i + 1));
            } else {
                self.raw(&format!("{value} AS c{}", i + 1));
            }
        }
        if types.is_empty() {
            self.raw("1");
        }
        self.raw(" FROM json_each(");
        self.bind(crate::program::Bind::Written);
        self.raw(")) AS ").alias(range);
    }

    /// A function in FROM.
    fn function_rows(&mut self, call: &Expr, range: basalt_sql::typed::RangeId) -> Result<(), SqlError> {
        if matches!(call.kind, ExprKind::UserFunc { .. }) {
            return self.user_rows(call, range);
        }
        if !is_set_function(call) {
            self.raw("(SELECT ");
            self.expr(call)?;
            self.raw(" AS c1, 1 AS c2) AS ").alias(range);
            return Ok(());
        }
        self.raw("json_each(");
        match &call.kind {
            ExprKind::Func { imp, args, .. } if imp.0 == "unnest" => self.list(args)?,
            _ => self.expr(call)?,
        }
        self.raw(") AS ").alias(range);
        Ok(())
    }
}

/// Whether a SELECT gathers its rows into one, and nothing in its list says so.
pub(super) fn gathers_silently(select: &Select, query: &Query) -> bool {
    select.group_by.is_empty()
        && (select.having.is_some() || query.order_by.iter().any(|key| facts::contains_aggregate(&key.expr)))
        && !select.targets.iter().any(|target| facts::contains_aggregate(&target.expr))
}

/// A row that comes as parameters.
fn is_written_row(source: Source) -> bool {
    matches!(source, Source::New | Source::Old | Source::Excluded | Source::Value)
}

/// Whether a call returns rows; the host gives them as a JSON array.
fn is_set_function(call: &Expr) -> bool {
    match &call.kind {
        ExprKind::Func { name, imp, .. } => builtins::functions(name).any(|f| f.imp == *imp && f.kind == Kind::Set),
        _ => false,
    }
}
