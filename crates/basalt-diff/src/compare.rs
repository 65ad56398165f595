//! When two answers are the same: status, headers and body bytes; rows as a multiset where no order decides them.

use serde_json::Value;

use crate::allowed::{Allowed, allowed};
use crate::engines::Answer;
use crate::request::Request;

/// How two answers stand to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same.
    Same,
    /// Different as a row of the documented table says.
    Allowed(&'static Allowed),
    /// Different; in a few words.
    Different(String),
}

/// Compares the answers to a request.
pub fn verdict(request: &Request, sqlite: &Answer, postgres: &Answer) -> Verdict {
    let Some(what) = difference(request, sqlite, postgres) else { return Verdict::Same };
    allowed(request, sqlite, postgres).map_or(Verdict::Different(what), Verdict::Allowed)
}

fn difference(request: &Request, sqlite: &Answer, postgres: &Answer) -> Option<String> {
    let told = |answer: &Answer| match answer.error() {
        Some((code, message)) => format!("{} {code} {message}", answer.status),
        None => answer.status.to_string(),
    };
    if sqlite.status != postgres.status || sqlite.error() != postgres.error() {
        return Some(format!("{} instead of {}", told(sqlite), told(postgres)));
    }
    let is_same_body = sqlite.body == postgres.body
        || !request.is_ordered && canonical(&sqlite.body).is_some_and(|b| Some(b) == canonical(&postgres.body));
    let lengths = is_same_body && sqlite.body.len() != postgres.body.len();
    for name in crate::engines::HEADERS {
        let (one, other) = (sqlite.header(name), postgres.header(name));
        if one != other && !(name == "content-length" && (lengths || !is_same_body)) {
            return Some(format!("{name}: {} instead of {}", one.unwrap_or("none"), other.unwrap_or("none")));
        }
    }
    (!is_same_body).then(|| format!("the bodies of {} differ", sqlite.status))
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
    match serde_json::from_str::<Value>(body) {
        Ok(mut value) => {
            sort(&mut value);
            Some(value.to_string())
        }
        Err(_) => {
            // CSV: lines.
            let mut lines: Vec<&str> = body.lines().collect();
            lines.sort_unstable();
            Some(lines.join("\n"))
        }
    }
}
