//! Expressions, by precedence climbing over PostgreSQL's own table (`src/backend/parser/gram.y`, the `%left` and `%nonassoc` lines).

use super::cursor::{Parsed, Parser};
use super::lexer::Kind;
use crate::tree::{Arg, Call, Expr, ExprKind, IsTest, LikeKind, Name, Operator, Pos, Quantified};

/// How tightly each group of operators binds; greater binds tighter.
pub(crate) mod level {
    pub(crate) const OR: u8 = 10;
    pub(crate) const AND: u8 = 20;
    pub(crate) const NOT: u8 = 30;
    pub(crate) const IS: u8 = 40;
    pub(crate) const COMPARISON: u8 = 50;
    /// BETWEEN, IN, LIKE, ILIKE, SIMILAR.
    pub(crate) const LIKE: u8 = 60;
    /// Operators with no entry of their own, as `||` and `->`.
    pub(crate) const OTHER: u8 = 80;
    pub(crate) const ADD: u8 = 90;
    pub(crate) const MULTIPLY: u8 = 100;
    pub(crate) const POWER: u8 = 110;
    pub(crate) const AT: u8 = 120;
    pub(crate) const COLLATE: u8 = 130;
    pub(crate) const SIGN: u8 = 140;
    pub(crate) const CAST: u8 = 170;
    /// What needs no brackets anywhere.
    pub(crate) const PRIMARY: u8 = 200;
}

/// How tightly an infix operator of this symbol binds.
pub(crate) fn symbol_level(symbol: &str) -> u8 {
    match symbol {
        "<" | ">" | "=" | "<=" | ">=" | "<>" => level::COMPARISON,
        "+" | "-" => level::ADD,
        "*" | "/" | "%" => level::MULTIPLY,
        "^" => level::POWER,
        _ => level::OTHER,
    }
}

pub(crate) fn call(name: &str, args: Vec<Expr>, pos: Pos) -> Expr {
    let name = Name { schema: None, name: name.to_owned(), pos };
    Expr { kind: ExprKind::Call(Box::new(plain_call(name, args))), pos }
}

fn plain_call(name: Name, args: Vec<Expr>) -> Call {
    let args = args.into_iter().map(|value| Arg { name: None, value }).collect();
    Call {
        name,
        args,
        star: false,
        distinct: false,
        variadic: false,
        order_by: Vec::new(),
        within_group: Vec::new(),
        filter: None,
        over: None,
    }
}

impl Parser<'_> {
    /// Any expression (`a_expr`).
    pub(crate) fn expr(&mut self) -> Parsed<Expr> {
        self.expr_from(0, false)
    }

    /// An expression without AND, OR, NOT, IS NULL, IN, LIKE, BETWEEN, COLLATE and AT TIME ZONE at its top (`b_expr`).
    pub(crate) fn narrow_expr(&mut self) -> Parsed<Expr> {
        self.expr_from(0, true)
    }

    pub(crate) fn exprs(&mut self) -> Parsed<Vec<Expr>> {
        self.list(Self::expr)
    }

    /// An expression of operators that bind at least as tightly as `min`.
    fn expr_from(&mut self, min: u8, narrow: bool) -> Parsed<Expr> {
        self.deeper(|p| p.climb(min, narrow))
    }

    fn climb(&mut self, min: u8, narrow: bool) -> Parsed<Expr> {
        let mut left = self.prefix(narrow)?;
        let mut blocked = None;
        let mut links = 0;
        while let Some(level) = self.infix_level(narrow) {
            if level < min {
                break;
            }
            // `a < b < c`: operators that do not associate.
            if blocked == Some(level) {
                return self.unexpected();
            }
            // AND and OR are lists in the tree, however long.
            if level > level::AND {
                self.link(&mut links)?;
            }
            blocked = None;
            left = self.infix(left, level, narrow, &mut blocked)?;
        }
        Ok(left)
    }

    fn infix_level(&self, narrow: bool) -> Option<u8> {
        let level = match self.peek() {
            Kind::Sym("::") => return Some(level::CAST),
            Kind::Sym("," | "(" | ")" | "[" | "]" | "." | ";" | ":" | ".." | ":=" | "=>") => return None,
            Kind::Sym(symbol) => return Some(symbol_level(symbol)),
            Kind::Word(word) => match word.as_str() {
                "operator" if self.is_sym_at(1, "(") => return Some(level::OTHER),
                "is" if narrow => {
                    let negated = usize::from(self.is_at(1, "not"));
                    return (self.is_at(1 + negated, "distinct") || self.is_at(1 + negated, "document")).then_some(level::IS);
                }
                "is" | "isnull" | "notnull" => level::IS,
                "or" => level::OR,
                "and" => level::AND,
                "between" | "in" | "like" | "ilike" => level::LIKE,
                "similar" if self.is_at(1, "to") => level::LIKE,
                "not" => match self.token(1) {
                    Kind::Word(w) if matches!(w.as_str(), "between" | "in" | "like" | "ilike" | "similar") => level::LIKE,
                    _ => return None,
                },
                "at" if self.are("at time zone") || self.are("at local") => level::AT,
                "collate" => level::COLLATE,
                _ => return None,
            },
            _ => return None,
        };
        (!narrow).then_some(level)
    }

    fn prefix(&mut self, narrow: bool) -> Parsed<Expr> {
        let pos = self.pos();
        let operator = match self.peek() {
            Kind::Word(word) if word == "not" && !narrow => {
                self.advance();
                let operand = self.expr_from(level::NOT, false)?;
                return Ok(Expr { kind: ExprKind::Not(Box::new(operand)), pos });
            }
            Kind::Word(word) if word == "operator" && self.is_sym_at(1, "(") => self.operator()?,
            Kind::Sym("+" | "-") => {
                let operator = self.operator()?;
                let operand = self.expr_from(level::SIGN, narrow)?;
                return Ok(Expr { kind: ExprKind::Unary(operator, Box::new(operand)), pos });
            }
            Kind::Sym(symbol) if is_plain_operator(symbol) => self.operator()?,
            _ => return self.primary(),
        };
        let operand = self.expr_from(level::OTHER + 1, narrow)?;
        Ok(Expr { kind: ExprKind::Unary(operator, Box::new(operand)), pos })
    }

    /// An operator by its symbol or as `OPERATOR(schema.symbol)`.
    pub(crate) fn operator(&mut self) -> Parsed<Operator> {
        if self.eat("operator") {
            self.expect_sym("(")?;
            let mut schema = None;
            if !matches!(self.peek(), Kind::Sym(_)) {
                schema = Some(self.col_id()?);
                self.expect_sym(".")?;
            }
            let symbol = self.symbol()?;
            self.expect_sym(")")?;
            return Ok(Operator { schema, symbol });
        }
        Ok(Operator { schema: None, symbol: self.symbol()? })
    }

    fn symbol(&mut self) -> Parsed<String> {
        match self.peek() {
            Kind::Sym("," | "(" | ")" | "[" | "]" | "." | ";" | ":" | "::" | ".." | ":=" | "=>") => self.unexpected(),
            Kind::Sym(symbol) => {
                let symbol = (*symbol).to_owned();
                self.advance();
                Ok(symbol)
            }
            _ => self.unexpected(),
        }
    }

    /// What follows a left operand, whose operator is the next token and binds at `level`.
    fn infix(&mut self, left: Expr, level: u8, narrow: bool, blocked: &mut Option<u8>) -> Parsed<Expr> {
        let pos = left.pos;
        let kind = match level {
            level::CAST => {
                self.advance();
                let ty = self.type_name()?;
                if ty.setof || ty.percent_type {
                    self.at -= 1;
                    return self.unexpected();
                }
                ExprKind::Cast(Box::new(left), ty)
            }
            level::OR => {
                self.advance();
                let right = self.expr_from(level + 1, narrow)?;
                ExprKind::Or(flat(left, right, |kind| match kind {
                    ExprKind::Or(items) => Ok(items),
                    other => Err(other),
                }))
            }
            level::AND => {
                self.advance();
                let right = self.expr_from(level + 1, narrow)?;
                ExprKind::And(flat(left, right, |kind| match kind {
                    ExprKind::And(items) => Ok(items),
                    other => Err(other),
                }))
            }
            level::IS => self.is_test(left, narrow, blocked)?,
            level::LIKE => self.like(left, blocked)?,
            level::AT => {
                self.advance();
                if self.eat("local") {
                    return Ok(call("timezone", vec![left], pos));
                }
                self.expect("time zone")?;
                let zone = self.expr_from(level + 1, narrow)?;
                return Ok(call("timezone", vec![zone, left], pos));
            }
            level::COLLATE => {
                self.advance();
                ExprKind::Collate(Box::new(left), self.name()?)
            }
            _ => {
                let op = self.operator()?;
                if self.is_any(&["any", "some", "all"]) && self.is_sym_at(1, "(") && !narrow {
                    self.quantified(left, op)?
                } else {
                    let right = self.expr_from(level + 1, narrow)?;
                    if level == level::COMPARISON {
                        *blocked = Some(level);
                    }
                    ExprKind::Binary(op, Box::new(left), Box::new(right))
                }
            }
        };
        Ok(Expr { kind, pos })
    }

    fn quantified(&mut self, left: Expr, op: Operator) -> Parsed<ExprKind> {
        let all = self.is("all");
        self.advance();
        let right = if self.is_query_paren() {
            Quantified::Query(Box::new(self.query_in_parens()?))
        } else {
            Quantified::Array(Box::new(self.paren(Self::expr)?))
        };
        Ok(ExprKind::Quantified { op, all, expr: Box::new(left), right })
    }

    fn is_test(&mut self, left: Expr, narrow: bool, blocked: &mut Option<u8>) -> Parsed<ExprKind> {
        let expr = Box::new(left);
        if self.eat("isnull") {
            return Ok(ExprKind::Is { expr, test: IsTest::Null, negated: false });
        }
        if self.eat("notnull") {
            return Ok(ExprKind::Is { expr, test: IsTest::Null, negated: true });
        }
        self.advance();
        let negated = self.eat("not");
        if self.eat("distinct from") {
            let right = Box::new(self.expr_from(level::IS + 1, narrow)?);
            *blocked = Some(level::IS);
            return Ok(ExprKind::Distinct { left: expr, right, negated });
        }
        let tests = [("null", IsTest::Null), ("true", IsTest::True), ("false", IsTest::False), ("unknown", IsTest::Unknown)];
        for (word, test) in tests {
            if self.eat(word) {
                return Ok(ExprKind::Is { expr, test, negated });
            }
        }
        if self.is_any(&["json", "document"]) {
            return self.other(if self.is("json") { "IS JSON" } else { "IS DOCUMENT" });
        }
        let pos = expr.pos;
        let form = self.eat_any(&["nfc", "nfd", "nfkc", "nfkd"]);
        if self.eat("normalized") {
            let mut args = vec![*expr];
            if let Some(form) = form {
                args.push(Expr { kind: ExprKind::String(form.to_ascii_uppercase()), pos });
            }
            let test = call("is_normalized", args, pos);
            return Ok(if negated { ExprKind::Not(Box::new(test)) } else { test.kind });
        }
        self.unexpected()
    }

    fn like(&mut self, left: Expr, blocked: &mut Option<u8>) -> Parsed<ExprKind> {
        let expr = Box::new(left);
        let negated = self.eat("not");
        if self.eat("between") {
            let symmetric = self.eat("symmetric") || {
                self.eat("asymmetric");
                false
            };
            let low = Box::new(self.narrow_expr()?);
            self.expect("and")?;
            let high = Box::new(self.expr_from(level::LIKE + 1, false)?);
            *blocked = Some(level::LIKE);
            return Ok(ExprKind::Between { expr, low, high, symmetric, negated });
        }
        if self.eat("in") {
            if self.is_query_paren() {
                let query = Box::new(self.query_in_parens()?);
                return Ok(ExprKind::InQuery { expr, query, negated });
            }
            let list = self.parens(Self::expr)?;
            return Ok(ExprKind::InList { expr, list, negated });
        }
        let kind = if self.eat("like") {
            LikeKind::Like
        } else if self.eat("ilike") {
            LikeKind::ILike
        } else {
            self.expect("similar to")?;
            LikeKind::Similar
        };
        if kind != LikeKind::Similar && self.is_any(&["any", "some", "all"]) && self.is_sym_at(1, "(") {
            let symbol = match (kind, negated) {
                (LikeKind::Like, false) => "~~",
                (LikeKind::Like, true) => "!~~",
                (_, false) => "~~*",
                (_, true) => "!~~*",
            };
            return self.quantified(*expr, Operator { schema: None, symbol: symbol.to_owned() });
        }
        let pattern = Box::new(self.expr_from(level::LIKE + 1, false)?);
        let escape = if self.eat("escape") { Some(Box::new(self.expr_from(level::LIKE + 1, false)?)) } else { None };
        *blocked = Some(level::LIKE);
        Ok(ExprKind::Like { kind, expr, pattern, escape, negated })
    }

    /// An operand (`c_expr`).
    pub(crate) fn primary(&mut self) -> Parsed<Expr> {
        let pos = self.pos();
        let kind = match self.peek() {
            Kind::Num(text) => ExprKind::Number(text.clone()),
            Kind::Str(text) => ExprKind::String(text.clone()),
            Kind::Bits(kind, digits) => ExprKind::BitString(*kind, digits.clone()),
            Kind::Param(number) => {
                let kind = ExprKind::Param(*number);
                self.advance();
                return self.indirection(Expr { kind, pos });
            }
            Kind::Sym("(") => return self.bracketed(),
            Kind::Quoted(_) => return self.named(),
            Kind::Word(_) => {
                if let Some(expr) = self.special()? {
                    return Ok(expr);
                }
                return self.named();
            }
            _ => return self.unexpected(),
        };
        self.advance();
        Ok(Expr { kind, pos })
    }

    /// `(query)`, `(expression)` or `(a, b)`.
    fn bracketed(&mut self) -> Parsed<Expr> {
        let pos = self.pos();
        if self.is_query_paren() {
            let query = self.query_in_parens()?;
            return self.indirection(Expr { kind: ExprKind::Scalar(Box::new(query)), pos });
        }
        let mut items = self.parens(Self::expr)?;
        if items.len() > 1 {
            return self.overlaps(Expr { kind: ExprKind::Row(items), pos });
        }
        match items.pop() {
            Some(item) => self.indirection(item),
            None => self.unexpected(),
        }
    }

    /// `row OVERLAPS row`, or the row itself.
    pub(crate) fn overlaps(&mut self, row: Expr) -> Parsed<Expr> {
        if !self.is("overlaps") {
            return Ok(row);
        }
        self.advance();
        let here = self.at;
        let pos = row.pos;
        match (row.kind, self.primary()?.kind) {
            (ExprKind::Row(mut args), ExprKind::Row(others)) if args.len() == 2 && others.len() == 2 => {
                args.extend(others);
                Ok(call("overlaps", args, pos))
            }
            _ => {
                self.at = here;
                self.unexpected()
            }
        }
    }

    /// `.field`, `.*`, `[i]`, `[i:j]` behind an operand.
    pub(crate) fn indirection(&mut self, mut expr: Expr) -> Parsed<Expr> {
        let pos = expr.pos;
        let mut links = 0;
        loop {
            if self.is_sym(".") {
                self.advance();
                let field = if self.eat_sym("*") { "*".to_owned() } else { self.label()? };
                expr = Expr { kind: ExprKind::Field(Box::new(expr), field), pos };
            } else if self.is_sym("[") {
                expr = Expr { kind: self.subscript(expr)?, pos };
            } else {
                return Ok(expr);
            }
            self.link(&mut links)?;
        }
    }

    fn subscript(&mut self, array: Expr) -> Parsed<ExprKind> {
        self.expect_sym("[")?;
        let low = if self.is_sym(":") { None } else { Some(Box::new(self.expr()?)) };
        if self.eat_sym(":") {
            let high = if self.is_sym("]") { None } else { Some(Box::new(self.expr()?)) };
            self.expect_sym("]")?;
            return Ok(ExprKind::Slice(Box::new(array), low, high));
        }
        self.expect_sym("]")?;
        match low {
            Some(index) => Ok(ExprKind::Subscript(Box::new(array), index)),
            None => self.unexpected(),
        }
    }

    /// A column, a function call, or `type 'text'`.
    fn named(&mut self) -> Parsed<Expr> {
        let pos = self.pos();
        let from = self.at;
        // How far the dotted name goes.
        let mut ahead = 1;
        while self.is_sym_at(ahead, ".") && matches!(self.token(ahead + 1), Kind::Word(_) | Kind::Quoted(_)) {
            ahead += 2;
        }
        if self.is_sym_at(ahead, "(") {
            let name = self.function_name()?;
            return self.call(name, from);
        }
        if matches!(self.token(ahead), Kind::Str(_)) && !self.is_col_only() {
            let ty = self.simple_type(true)?;
            let literal_pos = self.pos();
            let literal = Expr { kind: ExprKind::String(self.string()?), pos: literal_pos };
            return Ok(Expr { kind: ExprKind::Cast(Box::new(literal), ty), pos });
        }
        let mut parts = vec![self.col_id()?];
        while self.is_sym(".") {
            self.advance();
            if self.eat_sym("*") {
                return Ok(Expr { kind: ExprKind::Star(parts), pos });
            }
            parts.push(self.label()?);
        }
        self.indirection(Expr { kind: ExprKind::Column(parts), pos })
    }

    /// Whether the next word may name a column but no type.
    fn is_col_only(&self) -> bool {
        matches!(self.peek(), Kind::Word(w) if super::keywords::class(w) == super::keywords::Class::ColName && !self.is_sym_at(1, "."))
    }

    /// The argument list and everything behind it; the name began at the token `from`.
    fn call(&mut self, name: Name, from: usize) -> Parsed<Expr> {
        let pos = self.pos_at(from);
        let mut call = plain_call(name, Vec::new());
        self.expect_sym("(")?;
        if self.is_sym("*") && self.is_sym_at(1, ")") {
            self.advance();
            call.star = true;
        } else if !self.is_sym(")") {
            if self.eat("distinct") {
                call.distinct = true;
            } else {
                self.eat("all");
            }
            call.args = self.list(|p| {
                if p.is("variadic") {
                    if call.variadic {
                        return p.unexpected();
                    }
                    call.variadic = true;
                    p.advance();
                } else if call.variadic {
                    return p.unexpected();
                }
                p.arg()
            })?;
            if self.eat("order by") {
                call.order_by = self.order_items()?;
            }
        }
        self.expect_sym(")")?;
        if let Kind::Str(text) = self.peek()
            && !call.star
        {
            // `numeric(4,1) '1.5'` in its general form: what looked like a call was a type.
            let literal = ExprKind::String(text.clone());
            let literal_pos = self.pos();
            self.at = from;
            let ty = self.simple_type(true)?;
            self.string()?;
            return Ok(Expr { kind: ExprKind::Cast(Box::new(Expr { kind: literal, pos: literal_pos }), ty), pos });
        }
        if self.eat("within group") {
            call.within_group = self.paren(|p| {
                p.expect("order by")?;
                p.order_items()
            })?;
        }
        if self.is("filter") && self.is_sym_at(1, "(") {
            self.advance();
            call.filter = Some(self.paren(|p| {
                p.expect("where")?;
                p.expr()
            })?);
        }
        if self.is_any(&["ignore", "respect"]) && self.is_at(1, "nulls") {
            return self.other("IGNORE NULLS");
        }
        if self.eat("over") {
            call.over = Some(self.window()?);
        }
        Ok(Expr { kind: ExprKind::Call(Box::new(call)), pos })
    }

    fn arg(&mut self) -> Parsed<Arg> {
        let named = self.is_sym_at(1, "=>") || self.is_sym_at(1, ":=");
        if named && matches!(self.peek(), Kind::Word(_) | Kind::Quoted(_)) {
            let name = self.label()?;
            self.advance();
            return Ok(Arg { name: Some(name), value: self.expr()? });
        }
        Ok(Arg { name: None, value: self.expr()? })
    }
}

/// Joins two operands of AND or OR, of which either may be such a list itself.
fn flat(left: Expr, right: Expr, open: fn(ExprKind) -> Result<Vec<Expr>, ExprKind>) -> Vec<Expr> {
    let parts = |expr: Expr| match open(expr.kind) {
        Ok(items) => items,
        Err(kind) => vec![Expr { kind, pos: expr.pos }],
    };
    let mut items = parts(left);
    items.extend(parts(right));
    items
}

/// Whether a symbol may stand in front of an operand as an operator without an entry of its own.
fn is_plain_operator(symbol: &str) -> bool {
    !matches!(symbol, "," | "(" | ")" | "[" | "]" | "." | ";" | ":" | "::" | ".." | ":=" | "=>")
        && symbol_level(symbol) == level::OTHER
}
