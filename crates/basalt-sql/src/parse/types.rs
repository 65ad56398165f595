//! Type names, with PostgreSQL's internal names for the spellings of its grammar.

use super::cursor::{Parsed, Parser};
use super::keywords::{self, Class};
use super::lexer::Kind;
use crate::tree::{Pos, TypeName};

/// Fields of an interval, from coarse to fine.
pub(crate) const INTERVAL_FIELDS: [&str; 6] = ["year", "month", "day", "hour", "minute", "second"];

/// A plain type of this name.
pub(crate) fn plain(name: &str, pos: Pos) -> TypeName {
    TypeName {
        schema: None,
        name: name.to_owned(),
        modifiers: Vec::new(),
        dimensions: 0,
        setof: false,
        percent_type: false,
        interval_fields: None,
        pos,
    }
}

impl Parser<'_> {
    /// A type with SETOF, %TYPE and array bounds.
    pub(crate) fn type_name(&mut self) -> Parsed<TypeName> {
        let pos = self.pos();
        let setof = self.eat("setof");
        let mut ty = self.simple_type(false)?;
        ty.pos = pos;
        ty.setof = setof;
        if self.eat("array") {
            ty.dimensions = 1;
            if self.eat_sym("[") {
                self.integer()?;
                self.expect_sym("]")?;
            }
        }
        while !ty.percent_type && self.is_sym("[") && (self.is_sym_at(1, "]") || self.is_sym_at(2, "]")) {
            self.advance();
            if !self.is_sym("]") {
                self.integer()?;
            }
            self.expect_sym("]")?;
            ty.dimensions = ty.dimensions.saturating_add(1);
        }
        Ok(ty)
    }

    /// Modifiers `(10, 2)`, when they follow.
    fn modifiers(&mut self) -> Parsed<Vec<i64>> {
        if !self.is_sym("(") {
            return Ok(Vec::new());
        }
        self.advance();
        let modifiers = self.list(|p| {
            let number = matches!(p.peek(), Kind::Num(_)) || (p.is_sym("-") && matches!(p.token(1), Kind::Num(_)));
            if number { p.integer() } else { p.other("type modifier") }
        })?;
        self.expect_sym(")")?;
        Ok(modifiers)
    }

    /// A type without SETOF and array bounds. In a `constant`, as in `interval '1 day'`, `char` has no length of its own.
    pub(crate) fn simple_type(&mut self, constant: bool) -> Parsed<TypeName> {
        let pos = self.pos();
        let Kind::Word(word) = self.peek().clone() else { return self.generic_type() };
        if self.is_sym_at(1, ".") {
            return self.generic_type();
        }
        let mut ty = plain(&word, pos);
        match word.as_str() {
            "int" | "integer" => ty.name = "int4".into(),
            "smallint" => ty.name = "int2".into(),
            "bigint" => ty.name = "int8".into(),
            "real" => ty.name = "float4".into(),
            "boolean" => ty.name = "bool".into(),
            "json" => {}
            "float" => {
                self.advance();
                ty.name = match self.modifiers()?.as_slice() {
                    [] => "float8".into(),
                    [n] if (1..=24).contains(n) => "float4".into(),
                    [n] if (25..=53).contains(n) => "float8".into(),
                    _ => return self.unexpected(),
                };
                return Ok(ty);
            }
            "double" => {
                self.advance();
                self.expect("precision")?;
                ty.name = "float8".into();
                return Ok(ty);
            }
            "decimal" | "dec" | "numeric" => {
                self.advance();
                ty.name = "numeric".into();
                ty.modifiers = self.modifiers()?;
                return Ok(ty);
            }
            "bit" => {
                self.advance();
                let varying = self.eat("varying");
                ty.name = if varying { "varbit".into() } else { "bit".into() };
                ty.modifiers = self.modifiers()?;
                if !varying && !constant && ty.modifiers.is_empty() {
                    ty.modifiers.push(1);
                }
                return Ok(ty);
            }
            "character" | "char" | "nchar" | "varchar" | "national" => {
                self.advance();
                if word == "national" && self.eat_any(&["character", "char"]).is_none() {
                    return self.unexpected();
                }
                let varying = word == "varchar" || self.eat("varying");
                ty.name = if varying { "varchar".into() } else { "bpchar".into() };
                ty.modifiers = self.modifiers()?;
                if !varying && !constant && ty.modifiers.is_empty() {
                    ty.modifiers.push(1);
                }
                return Ok(ty);
            }
            "time" | "timestamp" => {
                self.advance();
                ty.modifiers = self.modifiers()?;
                if self.eat("with time zone") {
                    ty.name.push_str("tz");
                } else {
                    self.eat("without time zone");
                }
                return Ok(ty);
            }
            "interval" => {
                self.advance();
                if self.is_sym("(") {
                    ty.modifiers = self.modifiers()?;
                } else if !constant {
                    self.interval_fields(&mut ty)?;
                }
                return Ok(ty);
            }
            _ => return self.generic_type(),
        }
        self.advance();
        Ok(ty)
    }

    /// `day to second(3)` behind INTERVAL or its constant.
    pub(crate) fn interval_fields(&mut self, ty: &mut TypeName) -> Parsed<()> {
        let Some(from) = self.eat_any(&INTERVAL_FIELDS) else { return Ok(()) };
        let mut fields = from.to_owned();
        let mut last = from;
        if self.is("to") {
            let rank = |field: &str| INTERVAL_FIELDS.iter().position(|f| *f == field);
            self.advance();
            let Some(to) = self.eat_any(&INTERVAL_FIELDS) else { return self.unexpected() };
            // Years combine with months, days and below with one another.
            let fits = rank(from) < rank(to) && (from == "year") == (to == "month") && from != "month";
            if !fits {
                self.at -= 1;
                return self.unexpected();
            }
            fields = format!("{from} to {to}");
            last = to;
        }
        if last == "second" {
            ty.modifiers = self.modifiers()?;
        }
        ty.interval_fields = Some(fields);
        Ok(())
    }

    /// A type known by its name only.
    fn generic_type(&mut self) -> Parsed<TypeName> {
        let pos = self.pos();
        let first = match self.peek() {
            Kind::Quoted(name) => name.clone(),
            Kind::Word(word) if matches!(keywords::class(word), Class::Free | Class::TypeFunc) => word.clone(),
            _ => return self.unexpected(),
        };
        self.advance();
        let mut parts = vec![first];
        while self.is_sym(".") {
            self.advance();
            parts.push(self.label()?);
        }
        let mut ty = plain("", pos);
        if self.is_sym("%") && self.is_at(1, "type") && (parts.len() > 1 || self.plpgsql) {
            self.advance();
            self.advance();
            ty.percent_type = true;
            ty.name = parts.pop().unwrap_or_default();
            ty.schema = if parts.is_empty() { None } else { Some(parts.join(".")) };
            return Ok(ty);
        }
        ty.name = parts.pop().unwrap_or_default();
        ty.schema = parts.pop();
        if !parts.is_empty() {
            return self.other("type name with a database");
        }
        ty.modifiers = self.modifiers()?;
        Ok(ty)
    }
}
