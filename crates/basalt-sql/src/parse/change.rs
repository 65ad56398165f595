//! INSERT, UPDATE, DELETE.

use super::cursor::{Parsed, Parser};
use crate::tree::{
    Assignment, ConflictTarget, ConflictUpdate, Delete, Expr, ExprKind, Insert, OnConflict, SelectItem, Update, With,
};

impl Parser<'_> {
    /// INSERT, whose WITH was read.
    pub(crate) fn insert(&mut self, with: Option<With>) -> Parsed<Insert> {
        let pos = self.pos();
        self.expect("insert into")?;
        let table = self.name()?;
        let alias = if self.eat("as") { Some(self.col_id()?) } else { None };
        let columns = if self.is_sym("(") && !self.is_query_paren() { self.parens(Self::target)? } else { Vec::new() };
        let overriding_system = if self.eat("overriding") {
            let system = self.eat("system");
            self.expect(if system { "value" } else { "user value" })?;
            Some(system)
        } else {
            None
        };
        let source = if columns.is_empty() && overriding_system.is_none() && self.eat("default values") {
            None
        } else {
            Some(self.query()?)
        };
        let on_conflict = if self.eat("on conflict") { Some(self.on_conflict()?) } else { None };
        let returning = self.returning()?;
        Ok(Insert { with, table, alias, columns, overriding_system, source, on_conflict, returning, pos })
    }

    /// A target column. Parts of columns have no place in the tree.
    fn target(&mut self) -> Parsed<String> {
        let name = self.col_id()?;
        if self.is_sym(".") || self.is_sym("[") {
            return self.other("assignment to a part of a column");
        }
        Ok(name)
    }

    fn on_conflict(&mut self) -> Parsed<OnConflict> {
        let target = if self.eat("on constraint") {
            ConflictTarget::Constraint(self.col_id()?)
        } else if self.is_sym("(") {
            let keys = self.parens(|p| {
                let column = p.index_column()?;
                if column.operator_class.is_some() {
                    return p.other("ON CONFLICT with an operator class");
                }
                let order = &column.item;
                if order.descending || order.nulls_first.is_some() {
                    return p.other("ON CONFLICT with an order");
                }
                let pos = order.expr.pos;
                Ok(match column.collation {
                    Some(name) => Expr { kind: ExprKind::Collate(Box::new(column.item.expr), name), pos },
                    None => column.item.expr,
                })
            })?;
            let filter = if self.eat("where") { Some(self.expr()?) } else { None };
            ConflictTarget::Index(keys, filter)
        } else {
            ConflictTarget::Any
        };
        self.expect("do")?;
        if self.eat("nothing") {
            return Ok(OnConflict { target, update: None });
        }
        self.expect("update set")?;
        let set = self.assignments()?;
        let filter = self.filter()?;
        Ok(OnConflict { target, update: Some(ConflictUpdate { set, filter }) })
    }

    fn assignments(&mut self) -> Parsed<Vec<Assignment>> {
        self.list(|p| {
            let row = p.is_sym("(");
            let columns = if row { p.parens(Self::target)? } else { vec![p.target()?] };
            p.expect_sym("=")?;
            let mut value = p.expr()?;
            if row && columns.len() == 1 {
                // One column in brackets takes a row of one value.
                match value.kind {
                    ExprKind::Row(mut items) if items.len() == 1 => value = items.remove(0),
                    ExprKind::Scalar(_) => {}
                    _ => return p.other("UPDATE of a column in brackets"),
                }
            }
            Ok(Assignment { columns, value })
        })
    }

    /// WHERE, also of a cursor.
    fn filter(&mut self) -> Parsed<Option<Expr>> {
        if !self.eat("where") {
            return Ok(None);
        }
        if self.are("current of") {
            return self.other("WHERE CURRENT OF");
        }
        Ok(Some(self.expr()?))
    }

    fn returning(&mut self) -> Parsed<Vec<SelectItem>> {
        if !self.eat("returning") {
            return Ok(Vec::new());
        }
        if self.is("with") {
            return self.other("RETURNING WITH");
        }
        self.select_items()
    }

    /// The alias of a changed table: SET is not one unless AS says so.
    fn target_alias(&mut self) -> Parsed<Option<String>> {
        if self.eat("as") || (self.is_col_id() && !self.is("set")) { Ok(Some(self.col_id()?)) } else { Ok(None) }
    }

    /// UPDATE, whose WITH was read.
    pub(crate) fn update(&mut self, with: Option<With>) -> Parsed<Update> {
        let pos = self.pos();
        self.expect("update")?;
        let (only, table) = self.changed_table()?;
        let alias = self.target_alias()?;
        self.expect("set")?;
        let set = self.assignments()?;
        let from = if self.eat("from") { self.table_items()? } else { Vec::new() };
        let filter = self.filter()?;
        let returning = self.returning()?;
        Ok(Update { with, table, only, alias, set, from, filter, returning, pos })
    }

    /// DELETE, whose WITH was read.
    pub(crate) fn delete(&mut self, with: Option<With>) -> Parsed<Delete> {
        let pos = self.pos();
        self.expect("delete from")?;
        let (only, table) = self.changed_table()?;
        let alias = self.target_alias()?;
        let using = if self.eat("using") { self.table_items()? } else { Vec::new() };
        let filter = self.filter()?;
        let returning = self.returning()?;
        Ok(Delete { with, table, only, alias, using, filter, returning, pos })
    }

    fn changed_table(&mut self) -> Parsed<(bool, crate::tree::Name)> {
        if self.eat("only") {
            let name = if self.is_sym("(") { self.paren(Self::name)? } else { self.name()? };
            return Ok((true, name));
        }
        let name = self.name()?;
        self.eat_sym("*");
        Ok((false, name))
    }
}
