//! The text under construction.

use std::collections::HashMap;
use std::fmt::Write as _;

use basalt_catalog::{Catalog, Function, Relation};
use basalt_sql::typed::RangeId;
use basalt_types::pg;
use basalt_types::{Oid, SqlError, TypeRef, Value};

use super::{PgBind, PgStatement, Reading};
use crate::dialect::types;

/// How a query's columns are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// `c1`, `c2`, …: for references by position.
    Positions,
    /// The targets' names: keys of JSON.
    Output,
}

/// Where a range's columns come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    Table(Oid),
    Positions,
    /// `excluded`, whose columns are a table's.
    Excluded(Oid),
}

pub(super) struct Printer<'a> {
    pub catalog: &'a Catalog,
    pub sql: String,
    binds: Vec<PgBind>,
    /// The literals, in the order of their first use.
    pub readings: Vec<Reading>,
    ranges: HashMap<RangeId, Source>,
    fresh: u32,
}

impl<'a> Printer<'a> {
    pub fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            sql: String::with_capacity(512),
            binds: Vec::new(),
            readings: Vec::new(),
            ranges: HashMap::new(),
            fresh: 0,
        }
    }

    pub fn raw(&mut self, text: &str) -> &mut Self {
        self.sql.push_str(text);
        self
    }

    pub fn ident(&mut self, name: &str) -> &mut Self {
        let _ = write!(self.sql, "\"{}\"", name.replace('"', "\"\""));
        self
    }

    /// A quoted text literal.
    pub fn text(&mut self, text: &str) -> &mut Self {
        if text.contains('\\') {
            let _ = write!(self.sql, "E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
        } else {
            let _ = write!(self.sql, "'{}'", text.replace('\'', "''"));
        }
        self
    }

    pub fn alias(&mut self, range: RangeId) -> &mut Self {
        let _ = write!(self.sql, "r{}", range.0);
        self
    }

    /// A parameter, of type text or none; equal ones are shared.
    pub fn bind(&mut self, bind: PgBind) -> &mut Self {
        let at = match self.binds.iter().position(|b| *b == bind) {
            Some(at) => at,
            None => {
                self.binds.push(bind);
                self.binds.len() - 1
            }
        };
        let _ = write!(self.sql, "${}", at + 1);
        if self.binds.get(at).is_some_and(|bind| !bind.is_bare()) {
            self.raw("::text");
        }
        self
    }

    /// Notes a literal that is about to be bound.
    pub fn read(&mut self, literal: u32, ty: TypeRef) {
        if !self.readings.iter().any(|reading| reading.literal == literal) {
            self.readings.push(Reading { literal, ty: types::input(self.catalog, ty) });
        }
    }

    pub fn declare(&mut self, range: RangeId, source: Source) {
        self.ranges.insert(range, source);
    }

    /// An alias that no range has.
    pub fn fresh_alias(&mut self) -> String {
        self.fresh += 1;
        format!("q{}", self.fresh)
    }

    pub fn relation(&self, oid: Oid) -> Result<&'a Relation, SqlError> {
        self.catalog
            .relation_by_oid(oid)
            .map(AsRef::as_ref)
            .ok_or_else(|| SqlError::internal(format!("relation {} has gone", oid.0)))
    }

    /// `"schema"."table"`.
    pub fn table(&mut self, oid: Oid) -> Result<&mut Self, SqlError> {
        let relation = self.relation(oid)?;
        let schema = self.catalog.schema_by_oid(Oid(relation.schema)).map_or("public", |s| s.name.as_str());
        let name = &relation.name;
        Ok(self.ident(schema).raw(".").ident(name))
    }

    /// `"schema"."function"`.
    pub fn function(&mut self, function: &Function) -> &mut Self {
        let schema = self.catalog.schema_by_oid(Oid(function.schema)).map_or("public", |s| s.name.as_str());
        self.ident(schema).raw(".").ident(&function.name)
    }

    pub fn column(&mut self, range: RangeId, column: i16) -> Result<(), SqlError> {
        let source =
            self.ranges.get(&range).copied().ok_or_else(|| SqlError::internal(format!("range {} is not in scope", range.0)))?;
        match source {
            Source::Table(oid) | Source::Excluded(oid) => {
                let found = self.relation(oid)?.column_at(column).ok_or_else(|| SqlError::internal("a column has gone"))?;
                if matches!(source, Source::Excluded(_)) {
                    self.raw("excluded.").ident(&found.name);
                } else {
                    self.alias(range).raw(".").ident(&found.name);
                }
            }
            Source::Positions => {
                self.alias(range);
                let _ = write!(self.sql, ".c{column}");
            }
        }
        Ok(())
    }

    /// A type's name with its modifier.
    pub fn type_name(&mut self, ty: TypeRef) -> &mut Self {
        let name = self.shown_type(ty);
        self.raw(&name)
    }

    fn shown_type(&self, ty: TypeRef) -> String {
        if let Some(row) = pg::builtin(ty.oid) {
            if row.name == "citext" || row.name == "_citext" {
                return "citext".to_owned() + if row.elem == Oid(0) { "" } else { "[]" };
            }
            return with_modifier(row.sql_name, ty);
        }
        let Some(def) = self.catalog.type_by_oid(ty.oid) else { return "text".to_owned() };
        let own = if def.oid < pg::FIRST_USER_OID { "pg_catalog" } else { "public" };
        let schema = self.catalog.schema_by_oid(Oid(def.schema)).map_or(own, |s| s.name.as_str());
        let quote = |s: &str| format!("\"{}\"", s.replace('"', "\"\""));
        let array = if def.array_oid == ty.oid.0 && def.oid != ty.oid.0 { "[]" } else { "" };
        format!("{}.{}{array}", quote(schema), quote(&def.name))
    }

    /// A constant as PostgreSQL writes it, with its type.
    pub fn constant(&mut self, value: &Value, ty: TypeRef) {
        if value.is_null() {
            self.raw("NULL");
        } else {
            let mut text = String::new();
            pg::text(value.as_ref(), types::base(self.catalog, ty), &mut text);
            self.text(&text);
        }
        self.raw("::").type_name(TypeRef::of(ty.oid));
    }

    pub fn finish(self) -> PgStatement {
        PgStatement { sql: self.sql, binds: self.binds, explain: None }
    }
}

/// `varchar(20)`, `numeric(10,2)[]`.
fn with_modifier(name: &str, ty: TypeRef) -> String {
    use basalt_types::pg::oid;
    if ty.typmod < 0 {
        return name.to_owned();
    }
    let (stem, array) = name.strip_suffix("[]").map_or((name, ""), |stem| (stem, "[]"));
    match ty.oid {
        oid::VARCHAR | oid::BPCHAR | oid::VARCHAR_ARRAY | oid::BPCHAR_ARRAY => format!("{stem}({}){array}", ty.typmod - 4),
        oid::NUMERIC | oid::NUMERIC_ARRAY => {
            let n = ty.typmod - 4;
            // The scale has 11 bits, its highest the sign.
            let scale = ((n & 0x7ff) ^ 1024) - 1024;
            format!("{stem}({},{scale}){array}", (n >> 16) & 0xffff)
        }
        oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::TIME | oid::TIMETZ => match stem.split_once(' ') {
            Some((word, rest)) => format!("{word}({}) {rest}{array}", ty.typmod),
            None => format!("{stem}({}){array}", ty.typmod),
        },
        _ => name.to_owned(),
    }
}
