//! Queries: SELECT, VALUES, set operations, FROM.

use basalt_sql::analyze::builtins::{self, Kind};
use basalt_sql::tree::{JoinKind, SetOp};
use basalt_sql::typed::{Body, Cte, Expr, ExprKind, From, Param, Query, Select, Target, facts};
use basalt_types::pg::oid;
use basalt_types::{SqlError, Value};

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
            Body::Select(select) => {
                self.declare_all(&select.from);
                self.raw("SELECT ");
                self.distinct_word(select)?;
                self.targets(&select.targets, named, select.distinct.is_some())?;
                self.print_from(&select.from)?;
                self.select_rest(select)?;
            }
            Body::Values { rows } => {
                let width = rows.first().map_or(0, Vec::len);
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
                    (SetOp::Intersect, false) => ") INTERSECT SELECT * FROM (",
                    (SetOp::Except, false) => ") EXCEPT SELECT * FROM (",
                    (SetOp::Intersect, true) => return Err(SqlError::unsupported("INTERSECT ALL")),
                    (SetOp::Except, true) => return Err(SqlError::unsupported("EXCEPT ALL")),
                });
                self.query_as(right)?;
                self.raw(")) AS ").alias(*range);
            }
        }
        self.tail(query)
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
            Some(_) => return Err(SqlError::unsupported("DISTINCT ON")),
        }
        Ok(())
    }

    fn targets(&mut self, targets: &[Target], named: bool, distinct: bool) -> Result<(), SqlError> {
        if targets.is_empty() {
            self.raw("1");
        }
        for (i, target) in targets.iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " });
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
            if matches!(key.kind, ExprKind::Const(_)) {
                self.raw("+");
            }
            self.collated(key)?;
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
                    From::Function { range, call, columns, with_ordinality, .. } => {
                        let source = if is_set_function(call) {
                            Source::Each { columns: u16::try_from(columns.len() - usize::from(*with_ordinality)).unwrap_or(1) }
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
                if *lateral && self.depends_on_siblings(query) {
                    return Err(SqlError::unsupported("LATERAL"));
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
