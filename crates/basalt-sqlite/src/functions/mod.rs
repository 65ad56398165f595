//! The functions and collations that generated SQL calls: what [`basalt_plan::dialect::sqlite::host`] lists, registered on every
//! connection.
//!
//! One file a family, each with a `TABLE` of implementation names. A function takes a [`Call`] and answers a value in storage form or an
//! error with its SQLSTATE, which reaches the caller unharmed (see [`crate::error`]). Strictness is handled here, once: a strict function
//! never sees NULL. To add one: its row in the host list, then its line in the family's table.
//!
//! All are innocuous, so that indexes may use them under `trusted_schema=OFF`; the deterministic ones are marked so.

mod aggregate;
mod arithmetic;
mod array;
mod collation;
mod datetime;
mod format;
mod general;
mod hash;
mod json;
mod math;
mod pattern;
mod regex;
mod routine;
mod text;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use basalt_plan::dialect::sqlite::host;
use basalt_types::pg::{self, oid};
use basalt_types::{Clock, Oid, Rng, SqlError, SqlState, Timestamp, Value, ValueRef};
use rusqlite::functions::{Context, FunctionFlags};

use crate::connection::RunContext;
use crate::error;
use crate::sequences::Sequences;

pub(crate) use hash::{hex, sha256};
pub(crate) use pattern::check_pattern;

/// What functions need besides their arguments.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sequences: Arc<Sequences>,
}

/// One call: arguments, and what the statement and the engine lend.
pub(super) struct Call<'a> {
    context: &'a Context<'a>,
    /// 1 when the first argument is the signature.
    skip: usize,
    pub(super) run: &'a RunContext,
    pub(super) services: &'a Services,
}

/// What a function does.
pub(super) type Function = fn(&Call<'_>) -> Result<Value, SqlError>;

/// A row of a family's table: the implementation's name, and what it does.
pub(super) type Row = (&'static str, Function);

fn from_sqlite(value: rusqlite::types::ValueRef<'_>) -> ValueRef<'_> {
    use rusqlite::types::ValueRef as V;
    match value {
        V::Null => ValueRef::Null,
        V::Integer(n) => ValueRef::Int(n),
        V::Real(x) => ValueRef::Real(x),
        V::Text(bytes) => std::str::from_utf8(bytes).map_or(ValueRef::Blob(bytes), ValueRef::Text),
        V::Blob(bytes) => ValueRef::Blob(bytes),
    }
}

fn to_sqlite(value: Value) -> rusqlite::types::Value {
    use rusqlite::types::Value as V;
    match value {
        Value::Null => V::Null,
        Value::Int(n) => V::Integer(n),
        Value::Real(x) => V::Real(x),
        Value::Text(text) => V::Text(text),
        Value::Blob(bytes) => V::Blob(bytes),
    }
}

impl<'a> Call<'a> {
    /// How many arguments, without the signature.
    pub(super) fn len(&self) -> usize {
        self.context.len().saturating_sub(self.skip)
    }

    /// An argument; NULL when it was not given.
    pub(super) fn arg(&self, at: usize) -> ValueRef<'_> {
        if at < self.len() { from_sqlite(self.context.get_raw(at + self.skip)) } else { ValueRef::Null }
    }

    /// A text argument; empty when it is something else, which generated SQL never passes.
    pub(super) fn text(&self, at: usize) -> &str {
        match self.arg(at) {
            ValueRef::Text(text) => text,
            _ => "",
        }
    }

    /// An integer argument.
    pub(super) fn int(&self, at: usize) -> i64 {
        match self.arg(at) {
            ValueRef::Int(n) => n,
            _ => 0,
        }
    }

    /// A float argument, in any of its storage forms.
    pub(super) fn real(&self, at: usize) -> f64 {
        #[allow(clippy::cast_precision_loss)] // as PostgreSQL's cast
        match self.arg(at) {
            ValueRef::Int(n) => n as f64,
            value => pg::read_float(value).unwrap_or(0.0),
        }
    }

    /// A bytea argument.
    pub(super) fn bytes(&self, at: usize) -> &[u8] {
        match self.arg(at) {
            ValueRef::Blob(bytes) => bytes,
            ValueRef::Text(text) => text.as_bytes(),
            _ => &[],
        }
    }

    /// The type an argument was declared with, from the signature.
    pub(super) fn ty(&self, at: usize) -> Oid {
        if self.skip == 0 {
            return oid::TEXT;
        }
        let signature = match from_sqlite(self.context.get_raw(0)) {
            ValueRef::Text(text) => text,
            _ => "",
        };
        signature.split(',').nth(at).map_or(oid::TEXT, |name| match name.strip_prefix('_') {
            Some(element) => pg::builtin_by_name(element).map_or(oid::TEXT_ARRAY, |b| b.array),
            None => pg::builtin_by_name(name).map_or(oid::TEXT, |b| b.oid),
        })
    }

    /// The element type of an array argument.
    pub(super) fn element(&self, at: usize) -> Oid {
        pg::element(self.ty(at)).unwrap_or(oid::TEXT)
    }

    /// The statement's `now()`.
    pub(super) fn now(&self) -> Timestamp {
        self.run.now()
    }
}

/// Puts something into every family's error the same way.
pub(super) fn refuse<T>(state: SqlState, message: impl Into<String>) -> Result<T, SqlError> {
    Err(SqlError::new(state, message))
}

/// A boolean's storage form.
pub(super) fn boolean(value: bool) -> Value {
    Value::Int(i64::from(value))
}

static IMPLEMENTATIONS: LazyLock<HashMap<&'static str, Function>> = LazyLock::new(|| {
    let families: [&[Row]; 11] = [
        arithmetic::TABLE,
        math::TABLE,
        text::TABLE,
        pattern::TABLE,
        hash::TABLE,
        datetime::TABLE,
        format::TABLE,
        json::TABLE,
        array::TABLE,
        general::TABLE,
        routine::TABLE,
    ];
    families.into_iter().flatten().copied().collect()
});

static OURS: LazyLock<std::collections::HashSet<String>> =
    LazyLock::new(|| host::functions().into_iter().map(|f| f.name).collect());

/// Whether a function is one of ours, for the authorizer.
pub(crate) fn is_ours(name: &str) -> bool {
    OURS.contains(name)
}

/// What does the work of a listed function: by its whole name, or by the implementation's.
fn implementation(row: &host::HostFunction) -> Option<Function> {
    let by_imp = row.name.strip_prefix("pg_").and_then(|imp| IMPLEMENTATIONS.get(imp));
    by_imp.or_else(|| IMPLEMENTATIONS.get(row.name.as_str())).copied()
}

/// Listed functions without an implementation: calling one is 0A000.
#[cfg(test)]
pub(crate) fn missing() -> Vec<String> {
    host::functions().into_iter().filter(|f| !f.aggregate && implementation(f).is_none()).map(|f| f.name).collect()
}

/// Registers functions, aggregates and collations on a connection.
///
/// # Errors
/// What SQLite reports.
pub(crate) fn register(db: &rusqlite::Connection, run: &Arc<RunContext>, services: &Services) -> rusqlite::Result<()> {
    static LIST: LazyLock<Vec<(host::HostFunction, Option<Function>)>> =
        LazyLock::new(|| host::functions().into_iter().map(|f| (implementation(&f), f)).map(|(i, f)| (f, i)).collect());
    for (row, function) in LIST.iter().filter(|(row, _)| !row.aggregate) {
        let mut flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        if row.deterministic {
            flags |= FunctionFlags::SQLITE_DETERMINISTIC;
        }
        let args = if row.max_args == Some(row.min_args) { i32::from(row.min_args) } else { -1 };
        let (run, services) = (Arc::clone(run), services.clone());
        let (skip, strict, function) = (usize::from(row.signature), row.strict, *function);
        let name = row.meaning;
        db.create_scalar_function(row.name.as_str(), args, flags, move |context| {
            let Some(function) = function else {
                return Err(error::host(&SqlError::unsupported(format!("the function {name}"))));
            };
            let call = Call { context, skip, run: &run, services: &services };
            if strict && (0..call.len()).any(|at| call.arg(at) == ValueRef::Null) {
                return Ok(rusqlite::types::Value::Null);
            }
            function(&call).map(to_sqlite).map_err(|e| error::host(&e))
        })?;
    }
    aggregate::register(db, run)?;
    collation::register(db)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_listed_function_is_there_or_known_to_be_missing() {
        // hashtext: a hash nobody may rely on. lastval: sessions are not told apart on the writer. basalt_json_object stands with the
        // aggregates, whose shapes it shares.
        assert_eq!(super::missing(), ["basalt_json_object", "pg_hashtext", "pg_lastval"]);
    }
}
