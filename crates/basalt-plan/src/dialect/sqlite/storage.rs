//! How tables of the catalog are stored on SQLite: names, declared types, collations.
//!
//! Tables are STRICT. The declared collation is the one every comparison of the type names explicitly, so that indexes and unique
//! keys serve it.

use std::sync::Arc;

use basalt_catalog::{Catalog, Relation};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, TypeRef};

use crate::dialect::types;
use crate::program::InputType;

/// A relation's table name in the file, unquoted: `schema.name`.
pub fn table_name(catalog: &Catalog, relation: &Relation) -> String {
    let schema = catalog.schema_by_oid(Oid(relation.schema)).map_or("public", |s| s.name.as_str());
    format!("{schema}.{}", relation.name)
}

/// A name in double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How texts become stored values of a column's type.
pub fn input_type(catalog: &Catalog, ty: TypeRef) -> Arc<InputType> {
    types::input(catalog, ty)
}

/// The declared type of a column in a STRICT table. Floats are ANY, since NaN and -0 are kept as text.
pub fn declared_type(catalog: &Catalog, ty: TypeRef) -> &'static str {
    match types::base(catalog, ty).oid {
        oid::BOOL
        | oid::INT2
        | oid::INT4
        | oid::INT8
        | oid::OID
        | oid::REGCLASS
        | oid::REGTYPE
        | oid::REGROLE
        | oid::REGNAMESPACE
        | oid::REGPROC => "INTEGER",
        oid::FLOAT4 | oid::FLOAT8 => "ANY",
        oid::BYTEA => "BLOB",
        _ => "TEXT",
    }
}

/// The collation that orders a type's stored form as PostgreSQL orders its values; `None` is SQLite's own order (BINARY).
///
/// The engine registers those that begin with PG; RTRIM is SQLite's. Enums have none: their order is printed as CASE.
///
/// | collation | compares |
/// |---|---|
/// | PGNUM | numeric texts by value, NaN highest |
/// | PGINTERVAL | intervals by length (30-day months, 24-hour days) |
/// | PGCITEXT | texts by their lower-case form |
/// | PGJSONB | jsonb texts in btree order of jsonb |
/// | PGINET | addresses by family, bits, mask |
/// | PGTIMETZ | times by instant, then zone |
/// | PGARRAY | JSON arrays element by element: numbers by value, strings by bytes, false before true, null last, shorter first |
pub fn collation(catalog: &Catalog, ty: TypeRef) -> Option<&'static str> {
    let base = types::base(catalog, ty).oid;
    Some(match base {
        oid::NUMERIC => "PGNUM",
        oid::INTERVAL => "PGINTERVAL",
        oid::CITEXT => "PGCITEXT",
        oid::JSONB => "PGJSONB",
        oid::INET | oid::CIDR => "PGINET",
        oid::TIMETZ => "PGTIMETZ",
        oid::BPCHAR => "RTRIM",
        _ if pg::builtin(base).is_some_and(|b| b.elem != Oid(0)) => "PGARRAY",
        _ => return None,
    })
}

/// All collations the engine registers.
pub const COLLATIONS: [&str; 7] = ["PGNUM", "PGINTERVAL", "PGCITEXT", "PGJSONB", "PGINET", "PGTIMETZ", "PGARRAY"];
