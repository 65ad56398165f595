//! Expressions that PostgreSQL's grammar knows by keyword: CASE, COALESCE, EXTRACT, CURRENT_DATE, typed constants.

use super::cursor::{Parsed, Parser};
use super::expr::call;
use super::lexer::Kind;
use super::{keywords, types};
use crate::tree::{Expr, ExprKind, Pos};

/// Words that may begin a type of PostgreSQL's grammar in front of a constant.
const TYPE_WORDS: [&str; 21] = [
    "bigint",
    "bit",
    "boolean",
    "char",
    "character",
    "dec",
    "decimal",
    "double",
    "float",
    "int",
    "integer",
    "interval",
    "json",
    "national",
    "nchar",
    "numeric",
    "real",
    "smallint",
    "time",
    "timestamp",
    "varchar",
];

/// Functions with grammar of their own that the tree does not have.
const UNKNOWN_FORMS: [&str; 18] = [
    "treat",
    "grouping",
    "merge_action",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "json_object",
    "json_array",
    "json_objectagg",
    "json_arrayagg",
    "json_query",
    "json_value",
    "json_exists",
];

fn string(text: &str, pos: Pos) -> Expr {
    Expr { kind: ExprKind::String(text.to_owned()), pos }
}

impl Parser<'_> {
    /// The special form the next word begins, if it does.
    pub(crate) fn special(&mut self) -> Parsed<Option<Expr>> {
        let pos = self.pos();
        let Kind::Word(word) = self.peek() else { return Ok(None) };
        let word = word.clone();
        let bracket = self.is_sym_at(1, "(");
        let kind = match word.as_str() {
            "null" => self.constant(ExprKind::Null),
            "true" => self.constant(ExprKind::Bool(true)),
            "false" => self.constant(ExprKind::Bool(false)),
            "default" => self.constant(ExprKind::Special(word)),
            "case" => self.case()?,
            "array" => {
                self.advance();
                if self.is_sym("[") { self.array()? } else { ExprKind::ArrayQuery(Box::new(self.query_in_parens()?)) }
            }
            "row" if bracket => {
                self.advance();
                self.advance();
                let items = if self.is_sym(")") { Vec::new() } else { self.exprs()? };
                self.expect_sym(")")?;
                return self.overlaps(Expr { kind: ExprKind::Row(items), pos }).map(Some);
            }
            "exists" if bracket => {
                self.advance();
                ExprKind::Exists(Box::new(self.query_in_parens()?))
            }
            "cast" if bracket => {
                self.advance();
                self.paren(|p| {
                    let expr = p.expr()?;
                    p.expect("as")?;
                    let ty = p.type_name()?;
                    if p.is("format") {
                        return p.other("CAST … FORMAT");
                    }
                    Ok(ExprKind::Cast(Box::new(expr), ty))
                })?
            }
            "coalesce" if bracket => {
                self.advance();
                ExprKind::Coalesce(self.parens(Self::expr)?)
            }
            "greatest" | "least" if bracket => {
                self.advance();
                ExprKind::Extreme { greatest: word == "greatest", args: self.parens(Self::expr)? }
            }
            "nullif" if bracket => {
                self.advance();
                self.paren(|p| {
                    let left = Box::new(p.expr()?);
                    p.expect_sym(",")?;
                    Ok(ExprKind::NullIf(left, Box::new(p.expr()?)))
                })?
            }
            "current_date" | "current_role" | "current_user" | "session_user" | "system_user" | "user" | "current_catalog" => {
                self.constant(ExprKind::Keyword(word, None))
            }
            "current_schema" if !bracket => self.constant(ExprKind::Keyword(word, None)),
            "current_time" | "current_timestamp" | "localtime" | "localtimestamp" => {
                self.advance();
                let precision = if self.is_sym("(") { Some(self.paren(Self::integer)?) } else { None };
                ExprKind::Keyword(word, precision)
            }
            "collation" if self.is_at(1, "for") => {
                self.advance();
                self.advance();
                let arg = self.paren(Self::expr)?;
                return Ok(Some(call("pg_collation_for", vec![arg], pos)));
            }
            "extract" | "position" | "substring" | "trim" | "overlay" | "normalize" if bracket => {
                return self.rewritten(&word).map(Some);
            }
            _ if bracket && UNKNOWN_FORMS.contains(&word.as_str()) => {
                let from = self.at;
                self.advance();
                self.skip_group()?;
                ExprKind::Special(self.written(from).to_owned())
            }
            _ if TYPE_WORDS.contains(&word.as_str()) => return self.typed_constant(),
            _ => return Ok(None),
        };
        Ok(Some(Expr { kind, pos }))
    }

    fn constant(&mut self, kind: ExprKind) -> ExprKind {
        self.advance();
        kind
    }

    fn case(&mut self) -> Parsed<ExprKind> {
        self.deeper(|p| {
            p.expect("case")?;
            let operand = if p.is("when") { None } else { Some(Box::new(p.expr()?)) };
            let mut arms = Vec::new();
            while p.eat("when") {
                let when = p.expr()?;
                p.expect("then")?;
                arms.push((when, p.expr()?));
            }
            if arms.is_empty() {
                return p.unexpected();
            }
            let otherwise = if p.eat("else") { Some(Box::new(p.expr()?)) } else { None };
            p.expect("end")?;
            Ok(ExprKind::Case { operand, arms, otherwise })
        })
    }

    /// `[a, b]` or `[[a], [b]]` behind ARRAY.
    fn array(&mut self) -> Parsed<ExprKind> {
        self.expect_sym("[")?;
        let items = if self.is_sym("]") {
            Vec::new()
        } else if self.is_sym("[") {
            self.list(|p| {
                let pos = p.pos();
                let kind = p.deeper(Self::array)?;
                Ok(Expr { kind, pos })
            })?
        } else {
            self.exprs()?
        };
        self.expect_sym("]")?;
        Ok(ExprKind::Array(items))
    }

    /// Functions with words between their arguments, as the plain calls PostgreSQL makes of them.
    fn rewritten(&mut self, word: &str) -> Parsed<Expr> {
        let pos = self.pos();
        self.advance();
        self.expect_sym("(")?;
        let (name, args) = match word {
            "extract" => {
                let field_pos = self.pos();
                let field = match self.peek().clone() {
                    Kind::Quoted(text) | Kind::Str(text) => text,
                    Kind::Word(text) if !keywords::is_keyword(&text) || types::INTERVAL_FIELDS.contains(&text.as_str()) => text,
                    _ => return self.unexpected(),
                };
                self.advance();
                self.expect("from")?;
                ("extract", vec![string(&field, field_pos), self.expr()?])
            }
            "position" => {
                let part = self.narrow_expr()?;
                self.expect("in")?;
                ("position", vec![self.narrow_expr()?, part])
            }
            "normalize" => {
                let mut args = vec![self.expr()?];
                if self.eat_sym(",") {
                    let form_pos = self.pos();
                    let Some(form) = self.eat_any(&["nfc", "nfd", "nfkc", "nfkd"]) else { return self.unexpected() };
                    args.push(string(&form.to_ascii_uppercase(), form_pos));
                }
                ("normalize", args)
            }
            "trim" => {
                let name = match self.eat_any(&["both", "leading", "trailing"]) {
                    Some("leading") => "ltrim",
                    Some("trailing") => "rtrim",
                    _ => "btrim",
                };
                let mut args = Vec::new();
                if self.eat("from") {
                    args = self.exprs()?;
                } else {
                    let first = self.expr()?;
                    if self.eat("from") {
                        args = self.exprs()?;
                        args.push(first);
                    } else {
                        args.push(first);
                        while self.eat_sym(",") {
                            args.push(self.expr()?);
                        }
                    }
                }
                (name, args)
            }
            "overlay" => {
                let mut args = vec![self.expr()?];
                if self.eat("placing") {
                    args.push(self.expr()?);
                    self.expect("from")?;
                    args.push(self.expr()?);
                    if self.eat("for") {
                        args.push(self.expr()?);
                    }
                } else {
                    while self.eat_sym(",") {
                        args.push(self.expr()?);
                    }
                }
                ("overlay", args)
            }
            _ => ("substring", self.substring()?),
        };
        self.expect_sym(")")?;
        Ok(call(name, args, pos))
    }

    fn substring(&mut self) -> Parsed<Vec<Expr>> {
        let mut args = vec![self.expr()?];
        if self.eat("from") {
            args.push(self.expr()?);
            if self.eat("for") {
                args.push(self.expr()?);
            }
        } else if self.eat("for") {
            let length = self.expr()?;
            if self.eat("from") {
                args.push(self.expr()?);
                args.push(length);
            } else {
                // PostgreSQL's grammar counts from 1 and casts the length, so that a text is no pattern.
                let pos = length.pos;
                args.push(Expr { kind: ExprKind::Number("1".to_owned()), pos });
                args.push(Expr { kind: ExprKind::Cast(Box::new(length), types::plain("int4", pos)), pos });
            }
        } else if self.eat("similar") {
            args.push(self.expr()?);
            self.expect("escape")?;
            args.push(self.expr()?);
        } else {
            while self.eat_sym(",") {
                args.push(self.expr()?);
            }
        }
        Ok(args)
    }

    /// `timestamp with time zone '…'`, `interval '1' day`; nothing when the word is a column's name.
    fn typed_constant(&mut self) -> Parsed<Option<Expr>> {
        let pos = self.pos();
        let from = self.at;
        if let Ok(mut ty) = self.simple_type(true)
            && let Kind::Str(text) = self.peek()
        {
            let literal = string(&text.clone(), self.pos());
            self.advance();
            if ty.name == "interval" && ty.modifiers.is_empty() {
                self.interval_fields(&mut ty)?;
            }
            return Ok(Some(Expr { kind: ExprKind::Cast(Box::new(literal), ty), pos }));
        }
        self.at = from;
        Ok(None)
    }
}
