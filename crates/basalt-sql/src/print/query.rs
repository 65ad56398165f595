//! Queries and data changes.

use super::Out;
use crate::tree::{
    Alias, Assignment, ConflictTarget, CteBody, Delete, Expr, ExprKind, FromItem, Insert, JoinKind, JoinOn, Query, Select,
    SelectItem, SetExpr, SetOp, Update, With,
};

impl Out {
    pub(super) fn bracketed_query(&mut self, query: &Query) {
        self.put("(");
        self.query(query);
        self.put(")");
    }

    pub(super) fn query(&mut self, query: &Query) {
        self.with(query.with.as_ref());
        self.set_expr(&query.body, 0);
        self.order_by(&query.order_by);
        if query.with_ties {
            if let Some(offset) = &query.offset {
                self.put(" OFFSET ");
                self.expr(offset, 0);
            }
            if let Some(limit) = &query.limit {
                self.put(" FETCH FIRST (");
                self.expr(limit, 0);
                self.put(") ROWS WITH TIES");
            }
        } else {
            if let Some(limit) = &query.limit {
                self.put(" LIMIT ");
                self.expr(limit, 0);
            }
            if let Some(offset) = &query.offset {
                self.put(" OFFSET ");
                self.expr(offset, 0);
            }
        }
        for locking in &query.locking {
            self.put(" FOR ");
            self.put(&locking.strength.to_ascii_uppercase());
            if !locking.of.is_empty() {
                self.put(" OF ");
                self.list(&locking.of, |out, name| out.name(name));
            }
            if let Some(wait) = &locking.wait {
                self.put(" ");
                self.put(&wait.to_ascii_uppercase());
            }
        }
    }

    fn with(&mut self, with: Option<&With>) {
        let Some(with) = with else { return };
        self.put(if with.recursive { "WITH RECURSIVE " } else { "WITH " });
        self.list(&with.ctes, |out, cte| {
            out.ident(&cte.name);
            out.columns(&cte.columns);
            out.put(match cte.materialized {
                None => " AS (",
                Some(true) => " AS MATERIALIZED (",
                Some(false) => " AS NOT MATERIALIZED (",
            });
            match cte.body.as_ref() {
                CteBody::Query(query) => out.query(query),
                CteBody::Insert(insert) => out.insert(insert),
                CteBody::Update(update) => out.update(update),
                CteBody::Delete(delete) => out.delete(delete),
            }
            out.put(")");
        });
        self.put(" ");
    }

    /// A body, in brackets if its set operator binds less tightly than `min`.
    fn set_expr(&mut self, body: &SetExpr, min: u8) {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Values(rows) => {
                self.put("VALUES ");
                self.list(rows, |out, row| out.parens(row, |out, value| out.expr(value, 0)));
            }
            SetExpr::Query(query) => self.bracketed_query(query),
            SetExpr::Set { op, all, left, right } => {
                let (word, level) = match op {
                    SetOp::Union => (" UNION ", 0),
                    SetOp::Except => (" EXCEPT ", 0),
                    SetOp::Intersect => (" INTERSECT ", 1),
                };
                self.put_if(level < min, "(");
                self.set_expr(left, level);
                self.put(word);
                self.put_if(*all, "ALL ");
                self.set_expr(right, level + 1);
                self.put_if(level < min, ")");
            }
        }
    }

    fn select(&mut self, select: &Select) {
        self.put("SELECT");
        match &select.distinct {
            None => {}
            Some(on) if on.is_empty() => self.put(" DISTINCT"),
            Some(on) => {
                self.put(" DISTINCT ON (");
                self.exprs(on);
                self.put(")");
            }
        }
        self.put_if(!select.items.is_empty(), " ");
        self.select_items(&select.items);
        self.from(" FROM ", &select.from);
        self.filter(" WHERE ", select.filter.as_ref());
        if !select.group_by.is_empty() {
            self.put(" GROUP BY ");
            self.exprs(&select.group_by);
        }
        self.filter(" HAVING ", select.having.as_ref());
        if !select.windows.is_empty() {
            self.put(" WINDOW ");
            self.list(&select.windows, |out, (name, window)| {
                out.ident(name);
                out.put(" AS ");
                out.window(window);
            });
        }
    }

    fn filter(&mut self, word: &str, filter: Option<&Expr>) {
        if let Some(filter) = filter {
            self.put(word);
            self.expr(filter, 0);
        }
    }

    fn select_items(&mut self, items: &[SelectItem]) {
        self.list(items, |out, item| {
            out.expr(&item.expr, 0);
            if let Some(alias) = &item.alias {
                out.put(" AS ");
                out.ident(alias);
            }
        });
    }

    fn from(&mut self, word: &str, items: &[FromItem]) {
        if !items.is_empty() {
            self.put(word);
            self.list(items, Self::table_item);
        }
    }

    fn alias(&mut self, alias: Option<&Alias>) {
        if let Some(alias) = alias {
            self.put(" AS ");
            self.ident(&alias.name);
            if !alias.columns.is_empty() {
                self.parens(&alias.columns, |out, name| out.ident(name));
            }
        }
    }

    fn table_item(&mut self, item: &FromItem) {
        match item {
            FromItem::Table { name, only, alias, sample } => {
                self.lossy |= *sample;
                self.put_if(*only, "ONLY ");
                self.name(name);
                self.alias(alias.as_ref());
            }
            FromItem::Query { query, lateral, alias } => {
                self.put_if(*lateral, "LATERAL ");
                self.bracketed_query(query);
                self.alias(alias.as_ref());
            }
            FromItem::Function { calls, lateral, with_ordinality, alias, columns } => {
                self.put_if(*lateral, "LATERAL ");
                match calls.as_slice() {
                    // FROM takes a cast only as a function.
                    [Expr { kind: ExprKind::Cast(expr, ty), .. }] => {
                        self.put("CAST(");
                        self.expr(expr, 0);
                        self.put(" AS ");
                        self.type_name(ty);
                        self.put(")");
                    }
                    [call] => self.expr(call, 0),
                    calls => {
                        self.put("ROWS FROM (");
                        self.exprs(calls);
                        self.put(")");
                    }
                }
                self.put_if(*with_ordinality, " WITH ORDINALITY");
                self.alias(alias.as_ref());
                if !columns.is_empty() {
                    self.put(if alias.is_some() { " " } else { " AS " });
                    self.parens(columns, |out, (name, ty)| {
                        out.ident(name);
                        out.put(" ");
                        out.type_name(ty);
                    });
                }
            }
            FromItem::Join { kind, natural, left, right, on, alias } => {
                self.put_if(alias.is_some(), "(");
                self.table_item(left);
                self.put_if(*natural, " NATURAL");
                self.put(match kind {
                    JoinKind::Cross => " CROSS JOIN ",
                    JoinKind::Inner => " JOIN ",
                    JoinKind::Left => " LEFT JOIN ",
                    JoinKind::Right => " RIGHT JOIN ",
                    JoinKind::Full => " FULL JOIN ",
                });
                let nested = matches!(right.as_ref(), FromItem::Join { alias: None, .. });
                self.put_if(nested, "(");
                self.table_item(right);
                self.put_if(nested, ")");
                match on {
                    JoinOn::None => {}
                    JoinOn::On(condition) => {
                        self.put(" ON ");
                        self.expr(condition, 0);
                    }
                    JoinOn::Using(columns) => {
                        self.put(" USING");
                        self.columns(columns);
                    }
                }
                self.put_if(alias.is_some(), ")");
                self.alias(alias.as_ref());
            }
        }
    }

    pub(super) fn insert(&mut self, insert: &Insert) {
        self.with(insert.with.as_ref());
        self.put("INSERT INTO ");
        self.name(&insert.table);
        if let Some(alias) = &insert.alias {
            self.put(" AS ");
            self.ident(alias);
        }
        self.columns(&insert.columns);
        match insert.overriding_system {
            None => {}
            Some(true) => self.put(" OVERRIDING SYSTEM VALUE"),
            Some(false) => self.put(" OVERRIDING USER VALUE"),
        }
        self.put(" ");
        match &insert.source {
            None => self.put("DEFAULT VALUES"),
            Some(query) => self.query(query),
        }
        if let Some(conflict) = &insert.on_conflict {
            self.put(" ON CONFLICT");
            match &conflict.target {
                ConflictTarget::Any => {}
                ConflictTarget::Constraint(name) => {
                    self.put(" ON CONSTRAINT ");
                    self.ident(name);
                }
                ConflictTarget::Index(keys, filter) => {
                    self.put(" ");
                    self.parens(keys, |out, key| match &key.kind {
                        ExprKind::Collate(inner, name) => {
                            out.index_key(inner);
                            out.put(" COLLATE ");
                            out.name(name);
                        }
                        _ => out.index_key(key),
                    });
                    self.filter(" WHERE ", filter.as_ref());
                }
            }
            match &conflict.update {
                None => self.put(" DO NOTHING"),
                Some(update) => {
                    self.put(" DO UPDATE SET ");
                    self.assignments(&update.set);
                    self.filter(" WHERE ", update.filter.as_ref());
                }
            }
        }
        self.returning(&insert.returning);
    }

    fn returning(&mut self, items: &[SelectItem]) {
        if !items.is_empty() {
            self.put(" RETURNING ");
            self.select_items(items);
        }
    }

    fn assignments(&mut self, set: &[Assignment]) {
        self.list(set, |out, assignment| {
            match assignment.columns.as_slice() {
                [column] => out.ident(column),
                columns => out.parens(columns, |out, name| out.ident(name)),
            }
            out.put(" = ");
            out.expr(&assignment.value, 0);
        });
    }

    pub(super) fn update(&mut self, update: &Update) {
        self.with(update.with.as_ref());
        self.put("UPDATE ");
        self.put_if(update.only, "ONLY ");
        self.name(&update.table);
        if let Some(alias) = &update.alias {
            self.put(" AS ");
            self.ident(alias);
        }
        self.put(" SET ");
        self.assignments(&update.set);
        self.from(" FROM ", &update.from);
        self.filter(" WHERE ", update.filter.as_ref());
        self.returning(&update.returning);
    }

    pub(super) fn delete(&mut self, delete: &Delete) {
        self.with(delete.with.as_ref());
        self.put("DELETE FROM ");
        self.put_if(delete.only, "ONLY ");
        self.name(&delete.table);
        if let Some(alias) = &delete.alias {
            self.put(" AS ");
            self.ident(alias);
        }
        self.from(" USING ", &delete.using);
        self.filter(" WHERE ", delete.filter.as_ref());
        self.returning(&delete.returning);
    }
}
