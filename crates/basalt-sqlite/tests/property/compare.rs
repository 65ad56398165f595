//! When two answers are the same.

use serde_json::Value;

use crate::databases::Outcome;
use crate::request::Request;

/// What differs, in a few words; none when the answers agree.
pub fn difference(request: &Request, sqlite: &Outcome, postgres: &Outcome) -> Option<String> {
    match (sqlite, postgres) {
        (Outcome::Rows { body: a, rows: n, total: t, told: k }, Outcome::Rows { body: b, rows: m, total: u, told: l }) => {
            if n != m {
                Some(format!("SQLite has {n} rows, PostgreSQL {m}"))
            } else if t != u {
                Some(format!("SQLite counts {t:?}, PostgreSQL {u:?}"))
            } else if k != l {
                Some(format!("SQLite tells {k:?}, PostgreSQL {l:?}"))
            } else if a == b || !request.is_ordered() && canonical(a) == canonical(b) {
                None
            } else {
                Some("the bodies differ".to_owned())
            }
        }
        (Outcome::NotSingular(n), Outcome::NotSingular(m)) => {
            (n != m).then(|| format!("SQLite finds {n} rows instead of one, PostgreSQL {m}"))
        }
        (Outcome::Refused { code: a, message: m, detail: d }, Outcome::Refused { code: b, message: n, detail: e }) => {
            // Of several rows that are wrong in different ways, the one found first is named: order decides, not the guard.
            let is_about_a_row = |code: &str, message: &str| code.starts_with("23") || message.starts_with("new row violates");
            let several = request.may_write_several();
            // The same refusal, naming another of several objects: of tables the role may not use, PostgreSQL names the one its
            // planner came to first; of policies that recurse, the first by its own order; of foreign keys, by their triggers'.
            let is_same_kind =
                a == b && (a == "42P17" || a == "23503" || [m, n].iter().all(|t| t.starts_with("permission denied for table ")));
            if is_same_kind {
                return None;
            }
            if several && is_about_a_row(a, m) && is_about_a_row(b, n) {
                None
            } else if a != b {
                Some(format!("SQLite says {a}, PostgreSQL {b}"))
            } else if m != n {
                Some(format!("{a} with another message"))
            } else if d != e && !several {
                Some(format!("{a} with another detail"))
            } else {
                None
            }
        }
        (Outcome::Refused { code, .. }, _) => Some(format!("SQLite refuses with {code}, PostgreSQL answers")),
        (_, Outcome::Refused { code, .. }) => Some(format!("SQLite answers, PostgreSQL refuses with {code}")),
        _ => Some("one is about the number of rows".to_owned()),
    }
}

/// A JSON body with its arrays sorted: the same for the same multiset of rows.
fn canonical(body: &str) -> Option<String> {
    fn sort(value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(sort);
                items.sort_by_cached_key(Value::to_string);
            }
            Value::Object(map) => map.values_mut().for_each(sort),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(body).ok()?;
    sort(&mut value);
    Some(value.to_string())
}
