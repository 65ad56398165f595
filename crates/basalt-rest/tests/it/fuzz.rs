//! Whatever the query string says, it is read soon and without a panic, and the surface answers without an internal error.

use std::path::Path;

use basalt_plan::plan::Literals;
use basalt_rest::parse::query;
use basalt_testkit::cases::{Answer, Request, Role};
use basalt_testkit::fuzz::{Fuzz, seen};

use crate::cases::{InProcess, http_request, root, session};

const NESTING: &[(&str, &str)] = &[
    ("a(", ")"),
    ("and(", ")"),
    ("or(", ")"),
    ("not.", ""),
    ("not.and(", ",a.eq.1)"),
    ("a->", ""),
    ("a.", ""),
    ("...a(", ")"),
    ("in.(", ")"),
    ("a:", ""),
    ("%2528", "%2529"),
    ("", "::int"),
    ("select=", "&"),
    ("a,", ""),
    ("id=eq.1&", ""),
];

/// The targets of the case files, from the path on.
fn targets() -> Vec<String> {
    fn walk(folder: &Path, targets: &mut Vec<String>) {
        let mut entries: Vec<_> =
            std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, targets);
            } else {
                let text = std::fs::read_to_string(&path).expect("a case file is readable");
                let lines = text.lines().filter_map(|line| line.split_once(" /rest/v1/").map(|(_, rest)| rest));
                targets.extend(lines.map(str::to_owned));
            }
        }
    }
    let mut targets = Vec::new();
    walk(&root().join("tests/cases/rest"), &mut targets);
    walk(&root().join("tests/cases/hostile"), &mut targets);
    targets
}

#[test]
fn fuzz_query_string() {
    let queries = targets().into_iter().filter_map(|target| target.split_once('?').map(|(_, query)| query.to_owned()));
    Fuzz::new("query string").inputs(queries).nests(NESTING).run(5_000, |text| {
        let mut literals = Literals::default();
        match query::params(text, &mut literals) {
            Ok(params) => seen((
                params.embeds.min(3),
                params.depth.min(3),
                params.conditions.min(3),
                literals.0.len().min(3),
                params.unknown_level.is_some(),
            )),
            Err(error) => {
                let message = format!("{error:?}");
                seen(message.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 2).take(12).collect::<Vec<_>>())
            }
        }
    });
}

/// The whole way: query string, plan, guard, SQL, and the answer over a file with few rows.
#[test]
fn fuzz_requests() {
    let target = std::sync::Mutex::new({
        let mut surface = InProcess::new();
        surface.start(Some("films"), basalt_rest::RestConfig::default()).expect("the fixture applies");
        surface
    });
    Fuzz::new("requests").inputs(targets()).nests(NESTING).run(300, |text| {
        let mut surface = target.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let methods = ["GET", "GET", "GET", "DELETE", "PATCH", "HEAD", "POST"];
        let method = methods[text.len() % methods.len()];
        let request = Request {
            method: method.to_owned(),
            target: format!("/rest/v1/{text}"),
            headers: vec![("Prefer".to_owned(), "tx=rollback, return=representation, count=exact".to_owned())],
            body: if matches!(method, "PATCH" | "POST") { b"{\"id\":1}".to_vec() } else { Vec::new() },
        };
        let role = Role::Authenticated { sub: "00000000-0000-0000-0000-000000000001".to_owned() };
        // What is no URI never comes this far.
        if http_request(&request).is_err() {
            return 0;
        }
        let _ = session(Some(&role));
        let answer = surface.answer(&request, Some(&role)).expect("the surface answers");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status < 500 || body.contains("57014"), "{} {body}", answer.status);
        let words: Vec<&str> = body.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 2).take(8).collect();
        if answer.status < 400 { seen((answer.status, method, body.len().min(40))) } else { seen((answer.status, method, words)) }
    });
}
