//! When two answers are the same: status, headers and body bytes; rows as a multiset where no order decides them.

use serde_json::Value;

use crate::allowed::{Allowed, Scene, allowed};
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
pub fn verdict(request: &Request, sqlite: &Answer, postgres: &Answer, scene: Scene<'_>) -> Verdict {
    let Some(what) = difference(request, sqlite, postgres) else { return Verdict::Same };
    allowed(request, sqlite, postgres, scene).map_or(Verdict::Different(what), Verdict::Allowed)
}

fn difference(request: &Request, sqlite: &Answer, postgres: &Answer) -> Option<String> {
    let told = |answer: &Answer| match answer.error() {
        Some((code, message)) => format!("{} {code} {message}", answer.status),
        None => answer.status.to_string(),
    };
    if sqlite.status != postgres.status || sqlite.error() != postgres.error() {
        return Some(format!("{} instead of {}", told(sqlite), told(postgres)));
    }
    let canonical = |answer: &Answer| canonical(&answer.body, !request.is_ordered, request.is_loose);
    let is_same_body =
        sqlite.body == postgres.body || (!request.is_ordered || request.is_loose) && canonical(sqlite) == canonical(postgres);
    let lengths = is_same_body && sqlite.body.len() != postgres.body.len();
    for name in crate::engines::HEADERS {
        let (one, other) = (sqlite.header(name), postgres.header(name));
        if one != other && !(name == "content-length" && (lengths || !is_same_body)) {
            return Some(format!("{name}: {} instead of {}", one.unwrap_or("none"), other.unwrap_or("none")));
        }
    }
    (!is_same_body).then(|| format!("the bodies of {} differ", sqlite.status))
}

/// A body in a form that is the same for bodies that mean the same. `sorted`: the order of its rows does not count; `loose`: nor which of
/// equal values stands for them.
fn canonical(body: &str, sorted: bool, loose: bool) -> String {
    fn change(value: &mut Value, sorted: bool, loose: bool) {
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(|item| change(item, sorted, loose));
                if sorted {
                    items.sort_by_cached_key(Value::to_string);
                }
            }
            Value::Object(map) => map.values_mut().for_each(|value| change(value, sorted, loose)),
            Value::Number(number) if loose => *value = one_of_equals(&number.to_string()).into(),
            Value::String(text) if loose => *value = one_of_equals(text).into(),
            _ => {}
        }
    }
    if let Ok(mut value) = serde_json::from_str::<Value>(body) {
        change(&mut value, sorted, loose);
        return value.to_string();
    }
    // CSV: lines.
    let line = |line: &str| match loose {
        true => line.split(',').map(one_of_equals).collect::<Vec<_>>().join(","),
        false => line.to_owned(),
    };
    let mut lines: Vec<String> = body.lines().map(line).collect();
    if sorted {
        lines.sort_unstable();
    }
    lines.join("\n")
}

/// The same text for values that PostgreSQL takes for equal, and shows one of: zeros of either sign, trailing zeros, a day and its hours.
fn one_of_equals(text: &str) -> String {
    match text {
        "24:00:00" => "1 day".to_owned(),
        "30 days" => "1 mon".to_owned(),
        _ => match text.parse::<f64>() {
            Ok(0.0) => "0".to_owned(),
            Ok(_) if text.contains('.') && !text.contains('e') => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            _ => text.to_owned(),
        },
    }
}
