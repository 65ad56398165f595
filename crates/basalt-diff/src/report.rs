//! Prints a failing case as a fixture and a case file, ready to be kept among the golden cases.

use std::fmt::Write;

use crate::engines::Answer;
use crate::request::Request;
use crate::run::Failure;
use crate::shrink::{Case, answers, shrink};

/// Headers of an answer that case files write down.
const SHOWN: [&str; 6] = ["content-range", "location", "preference-applied", "proxy-status", "content-type", "www-authenticate"];

/// A small case's fixture and case file, and what was seen.
#[derive(Debug, Clone)]
pub struct Printed {
    /// `tests/fixtures/NAME.sql`.
    pub fixture: String,
    /// `tests/cases/rest/…/NAME.case`, with PostgreSQL's answer as the expectation.
    pub case: String,
    /// What differs, with SQLite's answer.
    pub seen: String,
}

/// Makes a failure small and prints it.
pub fn print(failure: &Failure, name: &str) -> Printed {
    let (case, again) = shrink(&failure.case, &failure.what);
    let mut seen = format!("{} (world {})\n", failure.what, failure.number);
    if !again {
        seen.push_str("it did not come again on fresh databases: the case is not made smaller\n");
    }
    let text = match answers(&case) {
        Ok(found) => {
            let _ = write!(seen, "SQLite answered {} {:?}\n{}\n", found.sqlite.status, found.sqlite.headers, found.sqlite.body);
            if let Some(difference) = &found.difference {
                let _ = writeln!(seen, "smallest: {difference}");
            }
            case_file(&case, name, &found.postgres)
        }
        Err(error) => error,
    };
    Printed { fixture: case.world.sql(), case: text, seen }
}

fn case_file(case: &Case, name: &str, expected: &Answer) -> String {
    let mut out = format!("# tests/cases/rest/diff/{name}.case    fixture: {name}\n");
    for request in &case.before {
        out.push_str("# A write before.\n");
        out.push_str(&request_text(request));
        out.push_str("--- \n===\n");
    }
    out.push_str(&request_text(&case.request));
    let _ = writeln!(out, "--- {}", expected.status);
    for name in SHOWN {
        if let Some(value) = expected.header(name) {
            let _ = writeln!(out, "{}: {value}", header_name(name));
        }
    }
    let _ = write!(out, "{}\n===\n", expected.body);
    out
}

fn header_name(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

fn request_text(request: &Request) -> String {
    let mut out = format!("{} /rest/v1{}\n", request.method, request.target());
    let sub = request.claims.as_ref().and_then(|c| c.get("sub")).and_then(serde_json::Value::as_str);
    let _ = match (request.role, sub) {
        ("authenticated", Some(sub)) => writeln!(out, "Role: authenticated {sub}"),
        (role, _) => writeln!(out, "Role: {role}"),
    };
    if let Some(claims) = request.claims.as_ref().filter(|c| c.keys().any(|k| k != "sub" && k != "role")) {
        out = format!("# claims: {}\n{out}", serde_json::Value::Object(claims.clone()));
    }
    for (name, value) in request.all_headers() {
        let _ = writeln!(out, "{name}: {value}");
    }
    if let Some(body) = &request.body {
        let _ = write!(out, "\n{}\n", body.text());
    }
    out
}
