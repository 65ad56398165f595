//! The catalog in the file: `basalt_*` tables, one row an object with its JSON body, written in the transaction of the change itself.
//!
//! `basalt_meta` holds the format, the catalog's version and next OID, SQLite's schema version as our last change left it, and the
//! version of the functions that indexes depend on.

use std::collections::HashMap;
use std::sync::Arc;

use basalt_catalog::{Catalog, DefaultAcl, RelationKind};
use basalt_types::{Oid, SqlError, SqlState, Value, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::connection::Connection;
use crate::error::Failure;
use crate::sequences::Sequences;

/// The file's format. A file with a higher number was written by a later Basalt. Until 1, SQLite did referential actions by itself.
const FORMAT: i64 = 2;

/// Grows when a host function that stored indexes may use answers differently: the indexes are made anew then.
const FUNCTIONS: i64 = 1;

const SCHEMA: &[&str] = &[
    "CREATE TABLE basalt_meta (key TEXT NOT NULL PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID",
    "CREATE TABLE basalt_schemas (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
    "CREATE TABLE basalt_types (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
    "CREATE TABLE basalt_relations (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
    "CREATE TABLE basalt_functions (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT",
    "CREATE TABLE basalt_roles (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE basalt_publications (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE basalt_extensions (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE basalt_sequences (id INTEGER PRIMARY KEY, last_value INTEGER NOT NULL, is_called INTEGER NOT NULL) STRICT",
    "CREATE TABLE basalt_migration_checksums (version TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL) STRICT, WITHOUT ROWID",
];

/// Stores a sequence: OID, last value, whether it was given out.
pub(crate) const STORE_SEQUENCE: &str = "INSERT INTO basalt_sequences (id, last_value, is_called) VALUES (?1, ?2, ?3) \
     ON CONFLICT (id) DO UPDATE SET last_value = excluded.last_value, is_called = excluded.is_called";

/// The catalog's version in the snapshot of whoever asks.
pub(crate) const CATALOG_VERSION: &str = "SELECT value FROM basalt_meta WHERE key = 'catalog_version'";

const PUT_META: &str =
    "INSERT INTO basalt_meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const GET_META: &str = "SELECT value FROM basalt_meta WHERE key = ?1";

fn meta(connection: &Connection, key: &str) -> Result<Option<Value>, Failure> {
    Ok(connection.query(GET_META, &[ValueRef::Text(key)])?.pop().and_then(|mut row| row.pop()))
}

/// One number of the file's own; 0 when it is not there.
pub(crate) fn meta_int(connection: &Connection, key: &str) -> Result<i64, Failure> {
    Ok(match meta(connection, key)? {
        Some(Value::Int(n)) => n,
        _ => 0,
    })
}

/// Writes one setting of the file.
pub(crate) fn put_meta(connection: &Connection, key: &str, value: ValueRef<'_>) -> Result<(), Failure> {
    connection.query(PUT_META, &[ValueRef::Text(key), value]).map(drop)
}

/// The remarks of an unfinished copy into this file: names and texts.
pub(crate) fn copy_notes(connection: &Connection) -> Result<Vec<(String, String)>, Failure> {
    let rows = connection.query("SELECT key, value FROM basalt_meta WHERE key GLOB 'copy:*'", &[])?;
    let note = |row: Vec<Value>| match row.as_slice() {
        [Value::Text(key), Value::Text(value)] => Some((key.strip_prefix("copy:")?.to_owned(), value.clone())),
        _ => None,
    };
    Ok(rows.into_iter().filter_map(note).collect())
}

/// Forgets one remark, or all.
pub(crate) fn forget_copy_notes(connection: &Connection, name: Option<&str>) -> Result<(), Failure> {
    match name {
        Some(name) => {
            connection.query("DELETE FROM basalt_meta WHERE key = 'copy:' || ?1", &[ValueRef::Text(name)])?;
        }
        None => connection.execute("DELETE FROM basalt_meta WHERE key GLOB 'copy:*'")?,
    }
    Ok(())
}

/// What a file is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing yet.
    Empty,
    /// A database of ours.
    Ours,
}

/// Looks at a file without changing it.
///
/// # Errors
/// 55000 with advice when it is not ours, from a later version, or its tables were changed by somebody else.
pub(crate) fn examine(connection: &Connection) -> Result<Found, SqlError> {
    let tables = connection.integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table'")?;
    if tables == 0 {
        return Ok(Found::Empty);
    }
    let state = SqlState::NOT_IN_PREREQUISITE_STATE;
    if connection.integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'basalt_meta'")? == 0 {
        return Err(
            SqlError::new(state, "the database file was not made by Basalt").hint("Give another file, or move this one away.")
        );
    }
    let format = meta_int(connection, "format")?;
    if format > FORMAT {
        return Err(SqlError::new(state, format!("the database file has format {format}; this program knows {FORMAT}"))
            .hint("Run the version of Basalt that wrote it, or a later one."));
    }
    let (stored, found) = (meta_int(connection, "schema_version")?, connection.integer("PRAGMA schema_version")?);
    if stored != found {
        return Err(SqlError::new(state, "the tables of the database file were changed by another program")
            .detail(format!("The schema's version is {found}; Basalt left it at {stored}."))
            .hint("Undo the change or restore a backup. Change tables through migrations only."));
    }
    Ok(Found::Ours)
}

/// Makes the tables in an empty file. Inside a transaction.
pub(crate) fn create(connection: &Connection) -> Result<(), Failure> {
    for sql in SCHEMA {
        connection.query_once(sql, &[])?;
    }
    put_meta(connection, "format", ValueRef::Int(FORMAT))?;
    put_meta(connection, "functions_version", ValueRef::Int(FUNCTIONS))
}

/// Whether a file is of an earlier format.
pub(crate) fn needs_upgrade(connection: &Connection) -> Result<bool, Failure> {
    Ok(meta_int(connection, "format")? < FORMAT)
}

/// Brings a file to this format. Inside a transaction.
pub(crate) fn upgrade(connection: &Connection) -> Result<(), SqlError> {
    crate::schema::table::take_actions_out(connection)?;
    let version = connection.integer("PRAGMA schema_version")?;
    put_meta(connection, "schema_version", ValueRef::Int(version))?;
    Ok(put_meta(connection, "format", ValueRef::Int(FORMAT))?)
}

/// Whether indexes over host functions must be made anew: they were written by another version of the functions.
pub(crate) fn needs_reindex(connection: &Connection) -> Result<bool, Failure> {
    Ok(meta_int(connection, "functions_version")? != FUNCTIONS)
}

/// Makes all indexes anew. Inside a transaction.
pub(crate) fn reindex(connection: &Connection) -> Result<(), Failure> {
    connection.query_once("REINDEX", &[])?;
    put_meta(connection, "functions_version", ValueRef::Int(FUNCTIONS))
}

fn bodies<T: DeserializeOwned>(connection: &Connection, sql: &'static str) -> Result<Vec<T>, SqlError> {
    let mut all = Vec::new();
    for row in connection.query(sql, &[])? {
        let Some(Value::Text(body)) = row.first() else { continue };
        all.push(serde_json::from_str(body).map_err(|e| {
            tracing::error!(error = %e, "a stored object cannot be read");
            SqlError::new(SqlState::new(b"XX001"), "the stored catalog cannot be read").hint("Restore a backup.")
        })?);
    }
    Ok(all)
}

/// Reads the catalog and the sequences.
///
/// # Errors
/// XX001 when a body cannot be read.
pub(crate) fn load(connection: &Connection, sequences: &Sequences) -> Result<Catalog, SqlError> {
    let mut catalog = Catalog::new();
    for schema in bodies(connection, "SELECT body FROM basalt_schemas ORDER BY id")? {
        catalog.put_schema(schema);
    }
    for def in bodies(connection, "SELECT body FROM basalt_types ORDER BY id")? {
        catalog.put_type(def);
    }
    for relation in bodies(connection, "SELECT body FROM basalt_relations ORDER BY id")? {
        catalog.put_relation(relation);
    }
    for function in bodies(connection, "SELECT body FROM basalt_functions ORDER BY id")? {
        catalog.put_function(function);
    }
    for role in bodies(connection, "SELECT body FROM basalt_roles")? {
        catalog.put_role(role);
    }
    for publication in bodies(connection, "SELECT body FROM basalt_publications")? {
        catalog.put_publication(publication);
    }
    for extension in bodies(connection, "SELECT body FROM basalt_extensions")? {
        catalog.put_extension(extension);
    }
    if let Some(Value::Text(text)) = meta(connection, "default_acls")? {
        let acls: Vec<DefaultAcl> = serde_json::from_str(&text)
            .map_err(|_| SqlError::new(SqlState::new(b"XX001"), "the stored catalog cannot be read"))?;
        catalog.set_default_acls(acls);
    }
    catalog.set_next_oid(u32::try_from(meta_int(connection, "next_oid")?).unwrap_or(u32::MAX));
    catalog.set_version(u64::try_from(meta_int(connection, "catalog_version")?).unwrap_or(0));

    for row in connection.query("SELECT id, last_value, is_called FROM basalt_sequences", &[])? {
        let [Value::Int(id), Value::Int(last), Value::Int(is_called)] = row.as_slice() else { continue };
        let oid = Oid(u32::try_from(*id).unwrap_or(0));
        if let Some(relation) = catalog.relation_by_oid(oid)
            && let Some(settings) = &relation.sequence
        {
            sequences.restore(oid, &relation.name, settings, *last, *is_called != 0);
        }
    }
    for relation in catalog.relations().filter(|r| r.kind == RelationKind::Sequence) {
        if let Some(settings) = &relation.sequence
            && !sequences.contains(Oid(relation.oid))
        {
            sequences.create(Oid(relation.oid), &relation.name, settings);
        }
    }
    Ok(catalog)
}

enum Id<'a> {
    Number(u32),
    Name(&'a str),
}

impl Id<'_> {
    fn value(&self) -> ValueRef<'_> {
        match self {
            Self::Number(n) => ValueRef::Int(i64::from(*n)),
            Self::Name(name) => ValueRef::Text(name),
        }
    }
}

/// Writes the rows in which two generations of a kind differ.
fn sync<'a, K, T>(
    connection: &Connection,
    (put, delete): (&'static str, &'static str),
    old: impl Iterator<Item = &'a Arc<T>>,
    new: impl Iterator<Item = &'a Arc<T>>,
    key: impl Fn(&'a T) -> (K, Id<'a>),
) -> Result<(), SqlError>
where
    K: std::hash::Hash + Eq,
    T: Serialize + 'a,
{
    let mut gone: HashMap<K, (&'a Arc<T>, Id<'a>)> = old
        .map(|object| {
            let (k, id) = key(object);
            (k, (object, id))
        })
        .collect();
    for object in new {
        let (k, id) = key(object);
        if gone.remove(&k).is_some_and(|(before, _)| Arc::ptr_eq(before, object)) {
            continue;
        }
        let body = serde_json::to_string(&**object).map_err(|_| SqlError::internal("a catalog object has no stored form"))?;
        connection.query(put, &[id.value(), ValueRef::Text(&body)])?;
    }
    for (_, id) in gone.values() {
        connection.query(delete, &[id.value()])?;
    }
    Ok(())
}

macro_rules! texts {
    ($table:literal) => {
        (
            concat!("INSERT INTO ", $table, " (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body"),
            concat!("DELETE FROM ", $table, " WHERE id = ?1"),
        )
    };
}

/// Writes what changed between two catalogs, with the new version. Inside the transaction of the change, after its last DDL.
///
/// # Errors
/// What SQLite reports.
pub(crate) fn save(connection: &Connection, old: &Catalog, new: &Catalog) -> Result<(), SqlError> {
    sync(connection, texts!("basalt_schemas"), old.schemas(), new.schemas(), |s| (s.oid, Id::Number(s.oid)))?;
    sync(connection, texts!("basalt_types"), old.types(), new.types(), |t| (t.oid, Id::Number(t.oid)))?;
    sync(connection, texts!("basalt_relations"), old.relations(), new.relations(), |r| (r.oid, Id::Number(r.oid)))?;
    sync(connection, texts!("basalt_functions"), old.functions(), new.functions(), |f| (f.oid, Id::Number(f.oid)))?;
    sync(connection, texts!("basalt_roles"), old.roles(), new.roles(), |r| (r.name.clone(), Id::Name(&r.name)))?;
    sync(connection, texts!("basalt_publications"), old.publications(), new.publications(), |p| {
        (p.name.clone(), Id::Name(&p.name))
    })?;
    sync(connection, texts!("basalt_extensions"), old.extensions(), new.extensions(), |e| (e.name.clone(), Id::Name(&e.name)))?;
    if old.default_acls() != new.default_acls() || old.version() == 0 {
        let text = serde_json::to_string(new.default_acls())
            .map_err(|_| SqlError::internal("default privileges have no stored form"))?;
        put_meta(connection, "default_acls", ValueRef::Text(&text))?;
    }
    for relation in old.relations().filter(|r| r.kind == RelationKind::Sequence && new.relation_by_oid(Oid(r.oid)).is_none()) {
        connection.query("DELETE FROM basalt_sequences WHERE id = ?1", &[ValueRef::Int(i64::from(relation.oid))])?;
    }
    put_meta(connection, "next_oid", ValueRef::Int(i64::from(new.peek_oid())))?;
    put_meta(connection, "catalog_version", ValueRef::Int(i64::try_from(new.version()).unwrap_or(i64::MAX)))?;
    let schema_version = connection.integer("PRAGMA schema_version")?;
    put_meta(connection, "schema_version", ValueRef::Int(schema_version))?;
    Ok(())
}
