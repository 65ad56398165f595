//! SELECT, VALUES, WITH, set operations and what stands behind them.

use super::cursor::{Parsed, Parser, Stop};
use super::lexer::Kind;
use super::{ParseError, expr::level};
use crate::print;
use crate::tree::{
    Cte, CteBody, Expr, ExprKind, FromItem, Locking, OrderItem, Pos, Query, Select, SelectItem, SetExpr, SetOp, Window, With,
};

/// Reserved words that may follow an empty select list.
const AFTER_ITEMS: [&str; 15] = [
    "from",
    "into",
    "where",
    "group",
    "having",
    "window",
    "union",
    "intersect",
    "except",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "with",
];

impl Parser<'_> {
    /// `( query )`, in any number of brackets.
    pub(crate) fn query_in_parens(&mut self) -> Parsed<Query> {
        self.deeper(|p| p.paren(Self::query))
    }

    /// A whole query.
    pub(crate) fn query(&mut self) -> Parsed<Query> {
        let with = self.with()?;
        self.query_after_with(with)
    }

    /// A query whose WITH was read.
    pub(crate) fn query_after_with(&mut self, with: Option<With>) -> Parsed<Query> {
        let pos = self.pos();
        let body = self.set_expr(0)?;
        self.query_tail(with, body, pos)
    }

    /// A query without its SELECT, as PL/pgSQL has it behind PERFORM and in expressions.
    pub(crate) fn headless_query(&mut self) -> Parsed<Query> {
        let pos = self.pos();
        let mut select = empty_select(pos);
        self.select(&mut select)?;
        let body = self.set_operations(SetExpr::Select(Box::new(select)), 0)?;
        self.query_tail(None, body, pos)
    }

    fn query_tail(&mut self, with: Option<With>, body: SetExpr, pos: Pos) -> Parsed<Query> {
        let mut query =
            Query { with, body, order_by: Vec::new(), limit: None, with_ties: false, offset: None, locking: Vec::new(), pos };
        let tail = self.at;
        if self.eat("order by") {
            query.order_by = self.order_items()?;
        }
        let mut limited = false;
        loop {
            if !limited && self.is_any(&["limit", "fetch", "offset"]) {
                limited = true;
                self.limit_clauses(&mut query)?;
            } else if self.is("for") && !(self.are("for each") || self.are("for all")) {
                self.advance();
                if self.eat("read only") {
                    continue;
                }
                query.locking.push(self.locking()?);
            } else {
                break;
            }
        }
        if query.with_ties && query.order_by.is_empty() {
            let message = "WITH TIES cannot be specified without ORDER BY clause".to_owned();
            return Err(Stop::Error(ParseError::syntax(message, self.pos_at(tail))));
        }
        // What stands behind brackets belongs to the query in them, as in PostgreSQL.
        match query.body {
            SetExpr::Query(mut inner) => {
                let clash = [
                    ("ORDER BY", !inner.order_by.is_empty() && !query.order_by.is_empty()),
                    ("OFFSET", inner.offset.is_some() && query.offset.is_some()),
                    ("LIMIT", inner.limit.is_some() && query.limit.is_some()),
                    ("WITH", inner.with.is_some() && query.with.is_some()),
                ];
                if let Some((clause, _)) = clash.iter().find(|(_, both)| *both) {
                    let message = format!("multiple {clause} clauses not allowed");
                    return Err(Stop::Error(ParseError::syntax(message, self.pos_at(tail))));
                }
                inner.with = query.with.or(inner.with);
                if inner.order_by.is_empty() {
                    inner.order_by = query.order_by;
                }
                inner.limit = inner.limit.or(query.limit);
                inner.with_ties |= query.with_ties;
                inner.offset = inner.offset.or(query.offset);
                inner.locking.extend(query.locking);
                inner.pos = pos;
                Ok(*inner)
            }
            body => Ok(Query { body, ..query }),
        }
    }

    fn limit_clauses(&mut self, query: &mut Query) -> Parsed<()> {
        let (mut limit, mut offset) = (false, false);
        loop {
            if !limit && self.eat("limit") {
                limit = true;
                if !self.eat("all") {
                    query.limit = Some(self.expr()?);
                    if query.limit.as_ref().is_some_and(|l| l.kind == ExprKind::Null) {
                        query.limit = None;
                    }
                }
                if self.is_sym(",") {
                    let message = "LIMIT #,# syntax is not supported".to_owned();
                    return Err(Stop::Error(ParseError::syntax(message, self.pos())));
                }
            } else if !limit && self.eat("fetch") {
                limit = true;
                if self.eat_any(&["first", "next"]).is_none() {
                    return self.unexpected();
                }
                let pos = self.pos();
                query.limit = Some(if self.is_any(&["row", "rows"]) {
                    Expr { kind: ExprKind::Number("1".to_owned()), pos }
                } else if self.is_sym("-") || self.is_sym("+") {
                    let op = self.operator()?;
                    Expr { kind: ExprKind::Unary(op, Box::new(self.primary()?)), pos }
                } else {
                    self.primary()?
                });
                if self.eat_any(&["row", "rows"]).is_none() {
                    return self.unexpected();
                }
                if self.eat("with ties") {
                    query.with_ties = true;
                } else {
                    self.expect("only")?;
                }
            } else if !offset && self.eat("offset") {
                offset = true;
                query.offset = Some(self.expr()?);
                self.eat_any(&["row", "rows"]);
            } else {
                return Ok(());
            }
        }
    }

    fn locking(&mut self) -> Parsed<Locking> {
        let strength = ["update", "no key update", "share", "key share"].into_iter().find(|s| self.are(s));
        let Some(strength) = strength else { return self.unexpected() };
        self.expect(strength)?;
        let of = if self.eat("of") { self.list(Self::name)? } else { Vec::new() };
        let wait = if self.eat("nowait") {
            Some("nowait".to_owned())
        } else {
            self.eat("skip locked").then(|| "skip locked".to_owned())
        };
        Ok(Locking { strength: strength.to_owned(), of, wait })
    }

    /// WITH, if it is next.
    pub(crate) fn with(&mut self) -> Parsed<Option<With>> {
        if !self.eat("with") {
            return Ok(None);
        }
        let recursive = self.eat("recursive");
        let ctes = self.list(|p| p.deeper(Self::cte))?;
        Ok(Some(With { recursive, ctes }))
    }

    fn cte(&mut self) -> Parsed<Cte> {
        let name = self.col_id()?;
        let columns = if self.is_sym("(") { self.parens(Self::col_id)? } else { Vec::new() };
        self.expect("as")?;
        let materialized = if self.eat("materialized") { Some(true) } else { self.eat("not materialized").then_some(false) };
        let body = self.paren(|p| {
            let with = p.with()?;
            Ok(match p.peek() {
                Kind::Word(word) if word == "insert" => CteBody::Insert(p.insert(with)?),
                Kind::Word(word) if word == "update" => CteBody::Update(p.update(with)?),
                Kind::Word(word) if word == "delete" => CteBody::Delete(p.delete(with)?),
                Kind::Word(word) if word == "merge" => return p.other("MERGE in WITH"),
                _ => CteBody::Query(p.query_after_with(with)?),
            })
        })?;
        if self.are("search depth first") || self.are("search breadth first") || self.is("cycle") {
            return self.other(if self.is("cycle") { "WITH … CYCLE" } else { "WITH … SEARCH" });
        }
        Ok(Cte { name, columns, materialized, body: Box::new(body) })
    }

    /// Queries joined by UNION, EXCEPT (0) and INTERSECT (1).
    fn set_expr(&mut self, min: u8) -> Parsed<SetExpr> {
        let left = self.set_operand()?;
        self.set_operations(left, min)
    }

    fn set_operations(&mut self, mut left: SetExpr, min: u8) -> Parsed<SetExpr> {
        let mut links = 0;
        loop {
            let (op, level) = match self.peek() {
                Kind::Word(word) if word == "union" => (SetOp::Union, 0),
                Kind::Word(word) if word == "except" => (SetOp::Except, 0),
                Kind::Word(word) if word == "intersect" => (SetOp::Intersect, 1),
                _ => return Ok(left),
            };
            if level < min {
                return Ok(left);
            }
            self.advance();
            self.link(&mut links)?;
            let all = self.eat("all") || {
                self.eat("distinct");
                false
            };
            let right = self.set_expr(level + 1)?;
            left = SetExpr::Set { op, all, left: Box::new(bare(left)), right: Box::new(bare(right)) };
        }
    }

    fn set_operand(&mut self) -> Parsed<SetExpr> {
        let pos = self.pos();
        if self.is_sym("(") {
            return Ok(SetExpr::Query(Box::new(self.query_in_parens()?)));
        }
        if self.eat("values") {
            return Ok(SetExpr::Values(self.list(|p| p.parens(Self::expr))?));
        }
        let mut select = empty_select(pos);
        if self.eat("table") {
            let only = self.eat("only");
            let name = self.name()?;
            self.eat_sym("*");
            select.items.push(SelectItem { expr: Expr { kind: ExprKind::Star(Vec::new()), pos }, alias: None });
            select.from.push(FromItem::Table { name, only, alias: None, sample: false });
            return Ok(SetExpr::Select(Box::new(select)));
        }
        self.expect("select")?;
        self.select(&mut select)?;
        Ok(SetExpr::Select(Box::new(select)))
    }

    fn select(&mut self, select: &mut Select) -> Parsed<()> {
        if self.eat("distinct") {
            select.distinct = Some(if self.eat("on") { self.parens(Self::expr)? } else { Vec::new() });
            select.items = self.select_items()?;
        } else {
            self.eat("all");
        }
        if select.distinct.is_none() && !(self.at_end() || self.is_sym(")") || self.is_sym(";") || self.is_any(&AFTER_ITEMS)) {
            select.items = self.select_items()?;
        }
        if self.is("into") {
            return self.other("SELECT INTO");
        }
        if self.eat("from") {
            select.from = self.table_items()?;
        }
        if self.eat("where") {
            select.filter = Some(self.expr()?);
        }
        if self.eat("group by") {
            if self.eat("distinct") {
                return self.other("GROUP BY DISTINCT");
            }
            self.eat("all");
            select.group_by = self.list(|p| {
                let pos = p.pos();
                let from = p.at;
                let word = p.is_any(&["rollup", "cube"]) && p.is_sym_at(1, "(");
                let empty = p.is_sym("(") && p.is_sym_at(1, ")");
                let sets = p.are("grouping sets");
                if !(word || empty || sets) {
                    return p.expr();
                }
                select.grouping_sets = true;
                if sets {
                    p.advance();
                }
                if !empty {
                    p.advance();
                }
                p.skip_group()?;
                Ok(Expr { kind: ExprKind::Special(p.written(from).to_owned()), pos })
            })?;
        }
        if self.eat("having") {
            select.having = Some(self.expr()?);
        }
        if self.eat("window") {
            select.windows = self.list(|p| {
                let name = p.col_id()?;
                p.expect("as")?;
                Ok((name, p.window_definition()?))
            })?;
        }
        Ok(())
    }

    /// A select list or what RETURNING gives.
    pub(crate) fn select_items(&mut self) -> Parsed<Vec<SelectItem>> {
        self.list(|p| {
            let pos = p.pos();
            if p.eat_sym("*") {
                return Ok(SelectItem { expr: Expr { kind: ExprKind::Star(Vec::new()), pos }, alias: None });
            }
            let expr = p.expr()?;
            let alias = if p.eat("as") { Some(p.label()?) } else { p.bare_label() };
            Ok(SelectItem { expr, alias })
        })
    }

    pub(crate) fn order_items(&mut self) -> Parsed<Vec<OrderItem>> {
        self.list(|p| {
            let expr = p.expr()?;
            p.order_item(expr)
        })
    }

    /// ASC, DESC, USING, NULLS FIRST behind a key.
    pub(crate) fn order_item(&mut self, expr: Expr) -> Parsed<OrderItem> {
        let mut item = OrderItem { expr, descending: false, nulls_first: None, using: None };
        if self.eat("using") {
            item.using = Some(self.operator()?);
        } else if self.eat("desc") {
            item.descending = true;
        } else {
            self.eat("asc");
        }
        if self.eat("nulls first") {
            item.nulls_first = Some(true);
        } else if self.eat("nulls last") {
            item.nulls_first = Some(false);
        }
        Ok(item)
    }

    /// What follows OVER.
    pub(crate) fn window(&mut self) -> Parsed<Window> {
        if self.is_sym("(") {
            return self.window_definition();
        }
        Ok(Window { base: Some(self.col_id()?), partition_by: Vec::new(), order_by: Vec::new(), frame: None })
    }

    fn window_definition(&mut self) -> Parsed<Window> {
        self.paren(|p| {
            let mut window = Window { base: None, partition_by: Vec::new(), order_by: Vec::new(), frame: None };
            if p.is_col_id() && !p.is_any(&["partition", "range", "rows", "groups"]) {
                window.base = Some(p.col_id()?);
            }
            if p.eat("partition by") {
                window.partition_by = p.exprs()?;
            }
            if p.eat("order by") {
                window.order_by = p.order_items()?;
            }
            if let Some(unit) = p.eat_any(&["range", "rows", "groups"]) {
                window.frame = Some(p.frame(unit)?);
            }
            Ok(window)
        })
    }

    fn frame(&mut self, unit: &str) -> Parsed<String> {
        let mut frame = unit.to_ascii_uppercase();
        if self.eat("between") {
            let here = self.pos();
            let low = self.frame_bound()?;
            self.expect("and")?;
            let high = self.frame_bound()?;
            check_frame(&low, &high, here)?;
            frame.push_str(&format!(" BETWEEN {low} AND {high}"));
        } else {
            let here = self.pos();
            let low = self.frame_bound()?;
            check_frame(&low, "CURRENT ROW", here)?;
            frame.push(' ');
            frame.push_str(&low);
        }
        if self.eat("exclude") {
            let what = ["current row", "group", "ties", "no others"].into_iter().find(|w| self.are(w));
            let Some(what) = what else { return self.unexpected() };
            self.expect(what)?;
            frame.push_str(&format!(" EXCLUDE {}", what.to_ascii_uppercase()));
        }
        Ok(frame)
    }

    fn frame_bound(&mut self) -> Parsed<String> {
        if self.eat("current row") {
            return Ok("CURRENT ROW".to_owned());
        }
        let amount = if self.is("unbounded") && (self.is_at(1, "preceding") || self.is_at(1, "following")) {
            self.advance();
            "UNBOUNDED".to_owned()
        } else {
            print::operand(&self.expr()?, level::OR)
        };
        match self.eat_any(&["preceding", "following"]) {
            Some(side) => Ok(format!("{amount} {}", side.to_ascii_uppercase())),
            None => self.unexpected(),
        }
    }
}

/// Refuses frames that end before they begin, in PostgreSQL's words.
fn check_frame(low: &str, high: &str, pos: Pos) -> Parsed<()> {
    let message = match (low, high) {
        ("UNBOUNDED FOLLOWING", _) => "frame start cannot be UNBOUNDED FOLLOWING",
        (_, "UNBOUNDED PRECEDING") => "frame end cannot be UNBOUNDED PRECEDING",
        ("CURRENT ROW", high) if high.ends_with(" PRECEDING") => "frame starting from current row cannot have preceding rows",
        (low, "CURRENT ROW") if low.ends_with(" FOLLOWING") => "frame starting from following row cannot end with current row",
        (low, high) if low.ends_with(" FOLLOWING") && high.ends_with(" PRECEDING") => {
            "frame starting from following row cannot have preceding rows"
        }
        _ => return Ok(()),
    };
    let code = basalt_types::SqlState::new(b"42P20");
    Err(Stop::Error(ParseError { message: message.to_owned(), pos, code }))
}

fn empty_select(pos: Pos) -> Select {
    Select {
        distinct: None,
        items: Vec::new(),
        from: Vec::new(),
        filter: None,
        group_by: Vec::new(),
        grouping_sets: false,
        having: None,
        windows: Vec::new(),
        pos,
    }
}

/// Takes off brackets that hold nothing but a body.
fn bare(operand: SetExpr) -> SetExpr {
    match operand {
        SetExpr::Query(query)
            if query.with.is_none()
                && query.order_by.is_empty()
                && query.limit.is_none()
                && query.offset.is_none()
                && query.locking.is_empty() =>
        {
            query.body
        }
        other => other,
    }
}
