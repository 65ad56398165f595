//! Tree to canonical PostgreSQL text: few brackets, names quoted where they must be, casts as `x::t`. What is printed parses to the same tree.

mod expr;
mod query;
mod statement;
mod table;

use crate::parse::keywords::{self, Class};
use crate::tree::{Expr, Name, Query, Statement, TypeName};

/// A statement without semicolon.
///
/// None where the tree does not hold all of it: [`Statement::Other`], EXCLUDE constraints, partitions, elements of CREATE SCHEMA, TABLESAMPLE.
pub fn statement(statement: &Statement) -> Option<String> {
    let mut out = Out::default();
    out.statement(statement);
    (!out.lossy).then_some(out.text)
}

/// An expression.
pub fn expr(expr: &Expr) -> String {
    operand(expr, 0)
}

/// An expression as an operand of an operator that binds at `level`.
pub(crate) fn operand(expr: &Expr, level: u8) -> String {
    let mut out = Out::default();
    out.expr(expr, level);
    out.text
}

/// A query.
pub fn query(query: &Query) -> String {
    let mut out = Out::default();
    out.query(query);
    out.text
}

/// A type in PostgreSQL's spelling: `integer`, `character varying(10)`, `my_enum[]`.
pub fn type_name(ty: &TypeName) -> String {
    let mut out = Out::default();
    out.type_name(ty);
    out.text
}

/// A name, quoted if it has to be.
pub fn identifier(name: &str) -> String {
    let mut out = Out::default();
    out.ident(name);
    out.text
}

/// A string constant.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Unreserved words that mean something where a name may stand too.
const AMBIGUOUS: [&str; 15] = [
    "atomic",
    "cube",
    "cycle",
    "double",
    "exclude",
    "groups",
    "nulls",
    "operator",
    "partition",
    "range",
    "rollup",
    "rows",
    "search",
    "set",
    "sets",
];

/// Whether the name is read back the same without quotes.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !AMBIGUOUS.contains(&name)
}

/// The text so far.
#[derive(Default)]
pub(super) struct Out {
    text: String,
    /// Something was met that the tree does not hold in full.
    lossy: bool,
}

impl Out {
    fn put(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Puts the text when the condition holds.
    fn put_if(&mut self, condition: bool, text: &str) {
        if condition {
            self.put(text);
        }
    }

    fn ident(&mut self, name: &str) {
        if is_plain(name) && keywords::class(name) == Class::Free {
            self.put(name);
        } else {
            self.quoted(name);
        }
    }

    fn quoted(&mut self, name: &str) {
        self.put("\"");
        self.put(&name.replace('"', "\"\""));
        self.put("\"");
    }

    fn string(&mut self, text: &str) {
        self.put(&literal(text));
    }

    fn name(&mut self, name: &Name) {
        if let Some(schema) = &name.schema {
            self.ident(schema);
            self.put(".");
        }
        self.ident(&name.name);
    }

    /// A role: CURRENT_USER and friends are words.
    fn role(&mut self, role: &str) {
        match role {
            "current_user" | "session_user" | "current_role" => self.put(role),
            _ => self.ident(role),
        }
    }

    /// `item, item, …`.
    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        for (index, value) in items.iter().enumerate() {
            self.put_if(index > 0, ", ");
            item(self, value);
        }
    }

    /// `(item, …)`.
    fn parens<T>(&mut self, items: &[T], item: impl FnMut(&mut Self, &T)) {
        self.put("(");
        self.list(items, item);
        self.put(")");
    }

    fn idents(&mut self, names: &[String]) {
        self.list(names, |out, name| out.ident(name));
    }

    /// ` (name, …)`, or nothing for no names.
    fn columns(&mut self, names: &[String]) {
        if !names.is_empty() {
            self.put(" ");
            self.parens(names, |out, name| out.ident(name));
        }
    }

    fn type_name(&mut self, ty: &TypeName) {
        self.put_if(ty.setof, "SETOF ");
        if ty.percent_type {
            for part in ty.schema.iter().flat_map(|s| s.split('.')) {
                self.ident(part);
                self.put(".");
            }
            self.ident(&ty.name);
            self.put("%TYPE");
            return;
        }
        let modifiers = |out: &mut Self| {
            if !ty.modifiers.is_empty() {
                out.parens(&ty.modifiers, |out, n| out.put(&n.to_string()));
            }
        };
        let builtin = match (ty.schema.as_deref(), ty.name.as_str()) {
            (Some(_), _) => None,
            (None, "int4") => Some("integer"),
            (None, "int2") => Some("smallint"),
            (None, "int8") => Some("bigint"),
            (None, "float4") => Some("real"),
            (None, "float8") => Some("double precision"),
            (None, "bool") => Some("boolean"),
            (None, "varchar") => Some("character varying"),
            (None, "bpchar") if !ty.modifiers.is_empty() => Some("character"),
            (None, "varbit") => Some("bit varying"),
            (None, "serial4") => Some("serial"),
            (None, "serial8") => Some("bigserial"),
            (None, "serial2") => Some("smallserial"),
            (None, "bit") if !ty.modifiers.is_empty() => Some("bit"),
            (None, name @ ("numeric" | "json" | "interval" | "timetz" | "timestamptz" | "time" | "timestamp")) => Some(name),
            _ => None,
        };
        match builtin {
            Some(name @ ("timetz" | "timestamptz")) => {
                self.put(name.trim_end_matches("tz"));
                modifiers(self);
                self.put(" with time zone");
            }
            Some(name @ ("time" | "timestamp")) => {
                self.put(name);
                modifiers(self);
                self.put(" without time zone");
            }
            Some("interval") => {
                self.put("interval");
                if let Some(fields) = &ty.interval_fields {
                    self.put(" ");
                    self.put(fields);
                }
                modifiers(self);
            }
            Some(name) => {
                self.put(name);
                modifiers(self);
            }
            None => {
                if let Some(schema) = &ty.schema {
                    self.ident(schema);
                    self.put(".");
                }
                // Keywords that name types only are types here.
                if is_plain(&ty.name) && keywords::class(&ty.name) == Class::TypeFunc && ty.schema.is_none() {
                    self.put(&ty.name);
                } else {
                    self.ident(&ty.name);
                }
                modifiers(self);
            }
        }
        for _ in 0..ty.dimensions {
            self.put("[]");
        }
    }
}
