//! FROM: tables, sub-queries, functions, joins.

use super::cursor::{Parsed, Parser};
use super::lexer::Kind;
use crate::tree::{Alias, Expr, ExprKind, FromItem, JoinKind, JoinOn, TypeName};

type FunctionAlias = (Option<Alias>, Vec<(String, TypeName)>);

impl Parser<'_> {
    pub(crate) fn table_items(&mut self) -> Parsed<Vec<FromItem>> {
        self.list(Self::table_item)
    }

    /// A table or a chain of joins.
    pub(crate) fn table_item(&mut self) -> Parsed<FromItem> {
        self.deeper(|p| {
            let mut left = p.table_operand()?;
            let mut links = 0;
            while p.is_join() {
                p.link(&mut links)?;
                left = p.join(left)?;
            }
            Ok(left)
        })
    }

    fn is_join(&self) -> bool {
        match self.peek() {
            Kind::Word(word) => match word.as_str() {
                "join" | "natural" => true,
                "cross" | "inner" => self.is_at(1, "join"),
                "left" | "right" | "full" => self.is_at(1, "join") || (self.is_at(1, "outer") && self.is_at(2, "join")),
                _ => false,
            },
            _ => false,
        }
    }

    fn join(&mut self, left: FromItem) -> Parsed<FromItem> {
        let natural = self.eat("natural");
        let kind = match self.eat_any(&["cross", "inner", "left", "right", "full"]) {
            Some("cross") if !natural => JoinKind::Cross,
            Some("left") => JoinKind::Left,
            Some("right") => JoinKind::Right,
            Some("full") => JoinKind::Full,
            None | Some("inner") => JoinKind::Inner,
            Some(_) => return self.unexpected(),
        };
        if matches!(kind, JoinKind::Left | JoinKind::Right | JoinKind::Full) {
            self.eat("outer");
        }
        self.expect("join")?;
        let left = Box::new(left);
        let mut right = self.table_operand()?;
        if natural || kind == JoinKind::Cross {
            return Ok(FromItem::Join { kind, natural, left, right: Box::new(right), on: JoinOn::None, alias: None });
        }
        // `a JOIN b JOIN c ON … ON …`: the inner join comes first.
        if self.is_join() {
            right = self.deeper(|p| {
                let mut inner = right;
                let mut links = 0;
                while p.is_join() {
                    p.link(&mut links)?;
                    inner = p.join(inner)?;
                }
                Ok(inner)
            })?;
        }
        let on = if self.eat("on") {
            JoinOn::On(self.expr()?)
        } else {
            self.expect("using")?;
            let columns = self.parens(Self::col_id)?;
            if self.is("as") {
                return self.other("JOIN … USING … AS");
            }
            JoinOn::Using(columns)
        };
        Ok(FromItem::Join { kind, natural, left, right: Box::new(right), on, alias: None })
    }

    fn table_operand(&mut self) -> Parsed<FromItem> {
        let lateral = self.eat("lateral");
        if self.is_sym("(") {
            if self.is_query_paren() {
                let query = Box::new(self.query_in_parens()?);
                return Ok(FromItem::Query { query, lateral, alias: self.alias()? });
            }
            if lateral {
                return self.unexpected();
            }
            let inner = self.paren(Self::table_item)?;
            let FromItem::Join { kind, natural, left, right, on, alias: None } = inner else { return self.unexpected() };
            let alias = self.alias()?;
            return Ok(FromItem::Join { kind, natural, left, right, on, alias });
        }
        if self.is_any(&["xmltable", "json_table"]) && self.is_sym_at(1, "(") {
            return self.other(if self.is("xmltable") { "XMLTABLE" } else { "JSON_TABLE" });
        }
        if self.are("rows from") && self.is_sym_at(2, "(") {
            self.advance();
            self.advance();
            let calls = self.parens(|p| {
                if !p.is_call() || p.is_sym("(") {
                    return p.unexpected();
                }
                let call = p.function_expr()?;
                if p.is("as") { p.other("ROWS FROM with column definitions") } else { Ok(call) }
            })?;
            return self.function(calls, lateral);
        }
        let only = self.is("only");
        if !only && self.is_call() {
            let call = self.function_expr()?;
            return self.function(vec![call], lateral);
        }
        if lateral {
            return self.unexpected();
        }
        let name = if only {
            self.advance();
            if self.is_sym("(") { self.paren(Self::name)? } else { self.name()? }
        } else {
            let name = self.name()?;
            self.eat_sym("*");
            name
        };
        let alias = self.alias()?;
        let sample = self.eat("tablesample");
        if sample {
            self.function_name()?;
            self.skip_group()?;
            if self.eat("repeatable") {
                self.skip_group()?;
            }
        }
        Ok(FromItem::Table { name, only, alias, sample })
    }

    /// A function's call in any of its spellings, and nothing else.
    pub(crate) fn function_expr(&mut self) -> Parsed<Expr> {
        let here = self.at;
        let cast = self.is("cast");
        let expr = self.primary()?;
        match expr.kind {
            ExprKind::Call(_)
            | ExprKind::Coalesce(_)
            | ExprKind::NullIf(..)
            | ExprKind::Extreme { .. }
            | ExprKind::Keyword(..)
            | ExprKind::Special(_) => Ok(expr),
            ExprKind::Cast(..) if cast => Ok(expr),
            _ => {
                self.at = here;
                self.unexpected()
            }
        }
    }

    /// Whether a function is next: a dotted name before a bracket, or a word that is one by itself.
    fn is_call(&self) -> bool {
        if let Kind::Word(word) = self.peek()
            && matches!(
                word.as_str(),
                "current_date"
                    | "current_time"
                    | "current_timestamp"
                    | "localtime"
                    | "localtimestamp"
                    | "current_user"
                    | "session_user"
                    | "user"
                    | "current_role"
                    | "current_catalog"
                    | "current_schema"
            )
        {
            return true;
        }
        let mut ahead = 1;
        while self.is_sym_at(ahead, ".") && matches!(self.token(ahead + 1), Kind::Word(_) | Kind::Quoted(_)) {
            ahead += 2;
        }
        self.is_sym_at(ahead, "(")
    }

    fn function(&mut self, calls: Vec<Expr>, lateral: bool) -> Parsed<FromItem> {
        let with_ordinality = self.eat("with ordinality");
        let (alias, columns) = self.function_alias()?;
        Ok(FromItem::Function { calls, lateral, with_ordinality, alias, columns })
    }

    fn function_alias(&mut self) -> Parsed<FunctionAlias> {
        let explicit = self.eat("as");
        if explicit && self.is_sym("(") {
            return Ok((None, self.column_types()?));
        }
        if !explicit && !self.is_col_id() {
            return Ok((None, Vec::new()));
        }
        let name = self.col_id()?;
        if !self.is_sym("(") {
            return Ok((Some(Alias { name, columns: Vec::new() }), Vec::new()));
        }
        if self.is_sym_at(2, ",") || self.is_sym_at(2, ")") {
            let columns = self.parens(Self::col_id)?;
            return Ok((Some(Alias { name, columns }), Vec::new()));
        }
        Ok((Some(Alias { name, columns: Vec::new() }), self.column_types()?))
    }

    /// `(a int, b text)`.
    pub(crate) fn column_types(&mut self) -> Parsed<Vec<(String, TypeName)>> {
        self.parens(|p| {
            let name = p.col_id()?;
            let ty = p.type_name()?;
            if p.is("collate") {
                return p.other("column definition with COLLATE");
            }
            Ok((name, ty))
        })
    }

    /// `[AS] name [(columns)]`, if it follows.
    fn alias(&mut self) -> Parsed<Option<Alias>> {
        if !self.eat("as") && !self.is_col_id() {
            return Ok(None);
        }
        let name = self.col_id()?;
        let columns = if self.is_sym("(") { self.parens(Self::col_id)? } else { Vec::new() };
        Ok(Some(Alias { name, columns }))
    }
}
