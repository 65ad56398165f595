//! Queries.

use basalt_sql::tree::{JoinKind, SetOp};
use basalt_sql::typed::{Body, ExprKind, From, Query, Select};
use basalt_types::SqlError;

use super::printer::{Names, Printer, Source};
use crate::plan::WRITTEN;

impl Printer<'_> {
    pub(super) fn query(&mut self, query: &Query, names: Names) -> Result<(), SqlError> {
        for (i, cte) in query.ctes.iter().enumerate() {
            self.raw(match (i, query.ctes.iter().any(|c| c.recursive)) {
                (0, true) => "WITH RECURSIVE ",
                (0, false) => "WITH ",
                _ => ", ",
            });
            let columns: Vec<String> = (1..=cte.columns.len()).map(|n| format!("c{n}")).collect();
            self.raw(&format!("cte{}({}) AS ", cte.id, columns.join(", ")));
            self.raw(match cte.materialized {
                Some(true) => "MATERIALIZED (",
                Some(false) => "NOT MATERIALIZED (",
                None => "(",
            });
            self.query(&cte.query, Names::Positions)?;
            self.raw(")");
        }
        if !query.ctes.is_empty() {
            self.raw(" ");
        }
        match &query.body {
            Body::Select(select) => self.select(select, names)?,
            Body::Values { rows } => {
                let width = rows.first().map_or(0, Vec::len);
                let columns: Vec<String> = (1..=width).map(|n| format!("c{n}")).collect();
                let alias = self.fresh_alias();
                self.raw("SELECT * FROM (VALUES ");
                for (i, row) in rows.iter().enumerate() {
                    self.raw(if i == 0 { "(" } else { ", (" });
                    self.list(row)?;
                    self.raw(")");
                }
                self.raw(") AS ").raw(&alias).raw("(").raw(&columns.join(", ")).raw(")");
            }
            Body::Set { op, all, left, right, range } => {
                self.declare(*range, Source::Positions);
                self.raw("SELECT ");
                for (i, (name, _)) in query.columns().iter().enumerate() {
                    self.raw(if i == 0 { "" } else { ", " }).alias(*range).raw(&format!(".c{}", i + 1));
                    if names == Names::Output {
                        self.raw(" AS ").ident(name);
                    }
                }
                self.raw(" FROM ((");
                self.query(left, Names::Positions)?;
                self.raw(match op {
                    SetOp::Union => ") UNION ",
                    SetOp::Intersect => ") INTERSECT ",
                    SetOp::Except => ") EXCEPT ",
                });
                self.raw(if *all { "ALL (" } else { "(" });
                self.query(right, Names::Positions)?;
                self.raw(")) AS ").alias(*range);
            }
        }
        self.order_by(&query.order_by)?;
        if let Some(limit) = &query.limit {
            self.raw(" LIMIT ");
            self.expr(limit)?;
        }
        if let Some(offset) = &query.offset {
            self.raw(" OFFSET ");
            self.expr(offset)?;
        }
        Ok(())
    }

    fn select(&mut self, select: &Select, names: Names) -> Result<(), SqlError> {
        self.declare_all(&select.from);
        self.raw("SELECT ");
        match &select.distinct {
            None => {}
            Some(on) if on.is_empty() => {
                self.raw("DISTINCT ");
            }
            Some(on) => {
                self.raw("DISTINCT ON (");
                self.list(on)?;
                self.raw(") ");
            }
        }
        for (i, target) in select.targets.iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " });
            self.expr(&target.expr)?;
            match names {
                Names::Output => self.raw(" AS ").ident(&target.name),
                Names::Positions => self.raw(&format!(" AS c{}", i + 1)),
            };
        }
        for (i, item) in select.from.iter().enumerate() {
            self.raw(if i == 0 { " FROM " } else { ", " });
            self.from(item)?;
        }
        if let Some(filter) = &select.filter {
            self.raw(" WHERE ");
            self.expr(filter)?;
        }
        if !select.group_by.is_empty() {
            self.raw(" GROUP BY ");
            for (i, key) in select.group_by.iter().enumerate() {
                self.raw(if i == 0 { "" } else { ", " });
                // What is printed twice may have other names or parameters and be two expressions: it is grouped by its place.
                let place = select.targets.iter().position(|target| target.expr == *key);
                match (&key.kind, place) {
                    (ExprKind::Column { .. }, _) | (_, None) => self.expr(key)?,
                    (_, Some(at)) => {
                        self.raw(&(at + 1).to_string());
                    }
                }
            }
        }
        if let Some(having) = &select.having {
            self.raw(" HAVING ");
            self.expr(having)?;
        }
        Ok(())
    }

    pub(super) fn declare_all(&mut self, items: &[From]) {
        for item in items {
            item.each_leaf(&mut |leaf| match leaf {
                From::Table { range, relation, .. } => self.declare(*range, Source::Table(*relation)),
                other => {
                    if let Some(range) = other.range() {
                        self.declare(range, Source::Positions);
                    }
                }
            });
        }
    }

    pub(super) fn from(&mut self, from: &From) -> Result<(), SqlError> {
        match from {
            From::Table { range, relation, .. } => {
                self.table(*relation)?.raw(" AS ").alias(*range);
            }
            From::Query { range, query, lateral, view, .. } => {
                // A view is named, not expanded: PostgreSQL checks it with its own rights.
                if let Some(view) = view {
                    let width = self.relation(*view)?.columns.len();
                    let columns: Vec<String> = (1..=width).map(|n| format!("c{n}")).collect();
                    self.table(*view)?.raw(" AS ").alias(*range).raw("(").raw(&columns.join(", ")).raw(")");
                    return Ok(());
                }
                self.raw(if *lateral { "LATERAL (" } else { "(" });
                self.query(query, Names::Positions)?;
                self.raw(") AS ").alias(*range);
            }
            From::Cte { range, cte, .. } if *cte == WRITTEN => {
                self.raw("pgrst_source AS ").alias(*range);
            }
            From::Cte { range, cte, .. } => {
                self.raw(&format!("cte{cte} AS ")).alias(*range);
            }
            From::Function { range, call, columns, with_ordinality, .. } => {
                self.raw("LATERAL ");
                self.expr(call)?;
                self.raw(if *with_ordinality { " WITH ORDINALITY AS " } else { " AS " });
                let names: Vec<String> = (1..=columns.len()).map(|n| format!("c{n}")).collect();
                self.alias(*range).raw("(").raw(&names.join(", ")).raw(")");
            }
            From::Join { kind, left, right, on } => {
                self.raw("(");
                self.from(left)?;
                self.raw(match kind {
                    JoinKind::Cross => " CROSS JOIN ",
                    JoinKind::Inner => " JOIN ",
                    JoinKind::Left => " LEFT JOIN ",
                    JoinKind::Right => " RIGHT JOIN ",
                    JoinKind::Full => " FULL JOIN ",
                });
                self.from(right)?;
                match on {
                    Some(on) => {
                        self.raw(" ON ");
                        self.expr(on)?;
                    }
                    None if *kind != JoinKind::Cross => {
                        self.raw(" ON true");
                    }
                    None => {}
                }
                self.raw(")");
            }
        }
        Ok(())
    }
}
