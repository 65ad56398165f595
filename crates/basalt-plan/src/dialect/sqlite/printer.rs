//! The text under construction: SQL, parameters, row sources, JSON shapes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use basalt_catalog::{Catalog, Relation};
use basalt_sql::typed::{Expr, Param, RangeId, SessionParam};
use basalt_types::{Oid, SqlError, TypeRef, Value};

use super::storage;
use crate::dialect::types;
use crate::expressions::ExprCache;
use crate::guard::faults::{self, Fault};
use crate::program::{Bind, Compiled, Shape};

/// Where a range's columns come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A table: columns by name under the alias `rN`.
    Table(Oid),
    /// Anything whose columns are named `c1`, `c2`, … under the alias `rN`.
    Positions,
    /// Elements of a JSON array (`json_each` under the alias `rN`): one column (`value`), or so many inside each element; one more
    /// is the ordinality. `bytes` has a bit for each column of type bytea; `is_rows`: a single column is inside its element too.
    Each { columns: u16, bytes: u64, is_rows: bool },
    /// The row being written.
    New,
    /// The stored row.
    Old,
    /// The proposed row of ON CONFLICT.
    Excluded,
    /// A domain's VALUE.
    Value,
    /// Columns of the table being defined, without alias (indexes).
    Bare(Oid),
}

/// Texts longer than this become parameters instead of literals of the SQL text.
const MAX_INLINE_TEXT: usize = 200;

/// Builds one statement.
pub(super) struct Printer<'a> {
    pub catalog: &'a Catalog,
    pub cache: &'a ExprCache,
    pub sql: String,
    binds: Vec<Bind>,
    ranges: HashMap<RangeId, Source>,
    /// Shapes of JSON functions; a read puts its root's at 0.
    pub shapes: Vec<Shape>,
    /// Types of the columns of [`crate::plan::WRITTEN`].
    pub written: Vec<TypeRef>,
    /// The next free range number, for sources that printing itself makes.
    pub next_range: u32,
    /// No parameters may occur (indexes).
    pub is_schema_text: bool,
}

impl<'a> Printer<'a> {
    pub fn new(catalog: &'a Catalog, cache: &'a ExprCache) -> Self {
        Self {
            catalog,
            cache,
            sql: String::with_capacity(256),
            binds: Vec::new(),
            ranges: HashMap::new(),
            shapes: Vec::new(),
            written: Vec::new(),
            next_range: 1 << 20,
            is_schema_text: false,
        }
    }

    /// Text of ours.
    pub fn raw(&mut self, text: &str) -> &mut Self {
        self.sql.push_str(text);
        self
    }

    /// A name in quotes.
    pub fn ident(&mut self, name: &str) -> &mut Self {
        self.sql.push_str(&storage::quoted(name));
        self
    }

    /// A number.
    pub fn number(&mut self, n: i64) -> &mut Self {
        let _ = write!(self.sql, "{n}");
        self
    }

    /// A text literal of the catalog's (type names, labels): quoted.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.sql.push('\'');
        self.sql.push_str(&text.replace('\'', "''"));
        self.sql.push('\'');
        self
    }

    /// The alias of a range.
    pub fn alias(&mut self, range: RangeId) -> &mut Self {
        let _ = write!(self.sql, "r{}", range.0);
        self
    }

    /// A parameter; equal ones are shared.
    pub fn bind(&mut self, bind: Bind) -> &mut Self {
        let at = match self.binds.iter().position(|b| *b == bind) {
            Some(at) => at,
            None => {
                self.binds.push(bind);
                self.binds.len() - 1
            }
        };
        let _ = write!(self.sql, "?{}", at + 1);
        self
    }

    /// Declares a range.
    pub fn declare(&mut self, range: RangeId, source: Source) {
        self.ranges.insert(range, source);
    }

    /// What a range is.
    pub fn source(&self, range: RangeId) -> Option<Source> {
        self.ranges.get(&range).copied()
    }

    /// A range number that no statement has.
    pub fn fresh_range(&mut self) -> RangeId {
        let range = RangeId(self.next_range);
        self.next_range += 1;
        range
    }

    pub fn relation(&self, oid: Oid) -> Result<&'a Relation, SqlError> {
        self.catalog
            .relation_by_oid(oid)
            .map(AsRef::as_ref)
            .ok_or_else(|| SqlError::internal(format!("relation {} has gone", oid.0)))
    }

    /// A relation's table name.
    pub fn table(&mut self, oid: Oid) -> Result<&mut Self, SqlError> {
        let name = storage::table_name(self.catalog, self.relation(oid)?);
        Ok(self.ident(&name))
    }

    /// The built-in type behind a type.
    pub fn base(&self, ty: TypeRef) -> TypeRef {
        types::base(self.catalog, ty)
    }

    /// The collation that comparisons of a type name.
    pub fn collation(&self, ty: TypeRef) -> Option<&'static str> {
        storage::collation(self.catalog, ty)
    }

    /// A column of a range.
    pub fn column(&mut self, range: RangeId, column: i16) -> Result<(), SqlError> {
        let source = self.source(range).ok_or_else(|| SqlError::internal(format!("range {} is not in scope", range.0)))?;
        match source {
            Source::Table(oid) | Source::Bare(oid) => {
                let name = match self.relation(oid)?.column_at(column) {
                    Some(found) => found.name.clone(),
                    None => return Err(SqlError::internal(format!("column {column} has gone"))),
                };
                if matches!(source, Source::Table(_)) {
                    self.alias(range).raw(".");
                }
                self.ident(&name);
            }
            Source::Positions => {
                self.alias(range);
                let _ = write!(self.sql, ".c{column}");
            }
            Source::Each { columns, bytes, is_rows } => {
                let column = u16::try_from(column).unwrap_or(0);
                // Bytes stand in arrays as PostgreSQL's hexadecimal text.
                let is_bytes = column <= columns && column > 0 && column <= 64 && bytes & (1 << (column - 1)) != 0;
                self.raw(if is_bytes { "unhex(substr(" } else { "" });
                match (columns, column) {
                    (1, 1) if !is_rows => self.alias(range).raw(".value"),
                    (n, at) if at <= n => {
                        self.raw("json_extract(").alias(range);
                        self.raw(&format!(".value, '$[{}]')", at.saturating_sub(1)))
                    }
                    _ => self.raw("(").alias(range).raw(".key + 1)"),
                };
                self.raw(if is_bytes { ", 3))" } else { "" });
            }
            Source::New => {
                self.bind(Bind::New(column));
            }
            Source::Old => {
                self.bind(Bind::Old(column));
            }
            Source::Excluded => {
                self.bind(Bind::Excluded(column));
            }
            Source::Value => {
                self.bind(Bind::Value);
            }
        }
        Ok(())
    }

    /// A parameter of the statement.
    pub fn param(&mut self, param: &Param, ty: TypeRef) -> Result<(), SqlError> {
        if self.is_schema_text {
            return Err(SqlError::unsupported("a parameter in an index"));
        }
        match param {
            Param::Numbered(number) => {
                let ty = self.base(ty);
                self.bind(Bind::Numbered { number: *number, ty });
            }
            Param::Literal(index) => {
                let ty = types::input(self.catalog, ty);
                self.bind(Bind::Literal { index: *index, ty });
            }
            Param::LiteralList(index) => {
                let element = types::element(self.catalog, ty).unwrap_or(ty);
                let element = types::input(self.catalog, element);
                self.bind(Bind::LiteralList { index: *index, element });
            }
            Param::Session(fact) => self.session(fact),
        }
        Ok(())
    }

    /// A fact of the session.
    fn session(&mut self, fact: &SessionParam) {
        if faults::on(Fault::NullClaimIsEmpty) && !matches!(fact, SessionParam::Now) {
            self.raw("coalesce(");
            self.bind(Bind::Session(fact.clone()));
            self.raw(", '')");
        } else {
            self.bind(Bind::Session(fact.clone()));
        }
    }

    /// A constant. Those that fit stand in the text, so that partial indexes are recognised; they come from the catalog or the
    /// planner, never from a request.
    pub fn constant(&mut self, value: &Value) -> Result<(), SqlError> {
        match value {
            Value::Null => {
                self.raw("NULL");
            }
            Value::Int(n) => {
                self.number(*n);
            }
            Value::Text(text) if (self.is_schema_text || text.len() <= MAX_INLINE_TEXT) && !text.contains('\0') => {
                self.text(text);
            }
            Value::Real(x) if x.is_finite() => {
                let _ = write!(self.sql, "{x:?}");
            }
            // Beyond a double's range a literal is an infinity.
            Value::Real(x) if x.is_infinite() => {
                self.raw(if *x < 0.0 { "(-9e999)" } else { "9e999" });
            }
            _ if self.is_schema_text => return Err(SqlError::unsupported("this constant in an index")),
            other => {
                self.bind(Bind::Const(other.clone()));
            }
        }
        Ok(())
    }

    /// Arguments with commas.
    pub fn list(&mut self, args: &[Expr]) -> Result<(), SqlError> {
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.raw(", ");
            }
            self.expr(arg)?;
        }
        Ok(())
    }

    /// Text printed by `work`, without adding it to the statement.
    pub fn aside(&mut self, work: impl FnOnce(&mut Self) -> Result<(), SqlError>) -> Result<String, SqlError> {
        let outer = std::mem::take(&mut self.sql);
        let done = work(self);
        let text = std::mem::replace(&mut self.sql, outer);
        done.map(|()| text)
    }

    /// The statement; shapes are taken separately.
    pub fn finish(&mut self) -> Compiled {
        Compiled { sql: Arc::from(std::mem::take(&mut self.sql)), binds: std::mem::take(&mut self.binds).into() }
    }
}
