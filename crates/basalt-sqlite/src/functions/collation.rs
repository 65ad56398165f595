//! Collations: the order of logical types over their stored texts. Total orders, whatever the texts; never a panic.

use std::cmp::Ordering;

use basalt_types::pg::{self, oid};
use basalt_types::{Oid, TypeRef, ValueRef};

fn typed(a: &str, b: &str, ty: Oid) -> Ordering {
    pg::compare(ValueRef::Text(a), ValueRef::Text(b), TypeRef::of(ty))
}

/// The order of two stored arrays: elements by their JSON form, NULL last, then the shorter.
fn arrays(a: &str, b: &str) -> Ordering {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    match (read(a), read(b)) {
        (Ok(a), Ok(b)) => elements(&a, &b),
        _ => a.cmp(b),
    }
}

fn elements(a: &serde_json::Value, b: &serde_json::Value) -> Ordering {
    use serde_json::Value as J;
    let rank = |v: &J| match v {
        J::Bool(_) => 0,
        J::Number(_) => 1,
        J::String(_) => 2,
        J::Array(_) => 3,
        J::Object(_) => 4,
        J::Null => 5,
    };
    match (a, b) {
        (J::Bool(x), J::Bool(y)) => x.cmp(y),
        (J::Number(x), J::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.as_f64().unwrap_or(0.0).total_cmp(&y.as_f64().unwrap_or(0.0)),
        },
        (J::String(x), J::String(y)) => x.cmp(y),
        (J::Array(x), J::Array(y)) => {
            let found = x.iter().zip(y).map(|(x, y)| elements(x, y)).find(|o| *o != Ordering::Equal);
            found.unwrap_or_else(|| x.len().cmp(&y.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Registers all of them.
pub(super) fn register(db: &rusqlite::Connection) -> rusqlite::Result<()> {
    db.create_collation("PGNUM", |a, b| typed(a, b, oid::NUMERIC))?;
    db.create_collation("PGINTERVAL", |a, b| typed(a, b, oid::INTERVAL))?;
    db.create_collation("PGCITEXT", |a, b| typed(a, b, oid::CITEXT))?;
    db.create_collation("PGJSONB", |a, b| typed(a, b, oid::JSONB))?;
    db.create_collation("PGINET", |a, b| typed(a, b, oid::INET))?;
    db.create_collation("PGTIMETZ", |a, b| typed(a, b, oid::TIMETZ))?;
    db.create_collation("PGARRAY", arrays)
}
