//! How a case is written.
//!
//! ```text
//! === the sum of two integers does not become a float
//! apply
//! create table t (a int);
//! ----
//! ok
//!
//! query
//! select 2147483647 + 1
//! ----
//! ERROR 22003: integer out of range
//! ```
//!
//! A case begins with `===` and has databases of its own. `apply` runs a script as one migration or seed would; `query` runs one
//! statement. Below `----` stands the answer of both engines: `ok`; a line a row with ` | ` between columns, `\N` for NULL and
//! `(empty)` for an empty text; `(no rows)`; `affected: 2`; or an error with its DETAIL and HINT. An answer ends with an empty line.
//!
//! `UPDATE_CASES=1` writes what the engines answer; the difference is then read by a person.
//!
//! Where SQLite answers otherwise, a second answer follows below `---- on sqlite: REASON`. `---- known-wrong on sqlite: REASON` is for
//! an answer that is to be corrected: such a case counts as failing in every figure.

use std::fmt::Write;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A script.
    Apply,
    /// One statement.
    Query,
}

/// An answer of SQLite that differs from PostgreSQL's.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Meant to be corrected.
    pub is_wrong: bool,
    /// Why.
    pub reason: String,
    /// The answer.
    pub answer: String,
}

/// One step with its answers.
#[derive(Debug, Clone)]
pub struct Step {
    pub verb: Verb,
    pub sql: String,
    /// PostgreSQL's answer, and SQLite's when there is no difference.
    pub answer: String,
    pub on_sqlite: Option<Difference>,
}

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// Lines before the first step, for people.
    pub note: String,
    pub steps: Vec<Step>,
}

/// A file: text before the first case, and the cases.
#[derive(Debug, Clone)]
pub struct File {
    pub head: String,
    pub cases: Vec<Case>,
}

/// Reads a file; a malformed one is a failed test.
pub fn parse(name: &str, text: &str) -> File {
    let mut file = File { head: String::new(), cases: Vec::new() };
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("=== ") {
            file.cases.push(Case { name: title.to_owned(), note: String::new(), steps: Vec::new() });
            continue;
        }
        let Some(case) = file.cases.last_mut() else {
            let _ = writeln!(file.head, "{line}");
            continue;
        };
        let verb = match line {
            "apply" => Verb::Apply,
            "query" => Verb::Query,
            "" => continue,
            _ if case.steps.is_empty() => {
                let _ = writeln!(case.note, "{line}");
                continue;
            }
            other => panic!("{name}, case {}: {other:?} is neither apply nor query", case.name),
        };
        let mut sql = String::new();
        for line in lines.by_ref().take_while(|line| *line != "----") {
            let _ = writeln!(sql, "{line}");
        }
        let mut step = Step { verb, sql: sql.trim_end().to_owned(), answer: String::new(), on_sqlite: None };
        while let Some(line) = lines.next_if(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("---- ") {
                let (is_wrong, reason) = match (rest.strip_prefix("on sqlite: "), rest.strip_prefix("known-wrong on sqlite: ")) {
                    (Some(reason), _) => (false, reason),
                    (_, Some(reason)) => (true, reason),
                    _ => panic!("{name}, case {}: {line:?}", case.name),
                };
                step.on_sqlite = Some(Difference { is_wrong, reason: reason.to_owned(), answer: String::new() });
                continue;
            }
            let answer = step.on_sqlite.as_mut().map_or(&mut step.answer, |d| &mut d.answer);
            if !answer.is_empty() {
                answer.push('\n');
            }
            answer.push_str(line);
        }
        case.steps.push(step);
    }
    file
}

/// Writes a file as [`parse`] reads it.
pub fn print(file: &File) -> String {
    let mut out = file.head.clone();
    for case in &file.cases {
        let _ = writeln!(out, "=== {}", case.name);
        out.push_str(&case.note);
        for step in &case.steps {
            let verb = if step.verb == Verb::Apply { "apply" } else { "query" };
            let _ = write!(out, "{verb}\n{}\n----\n{}\n", step.sql, step.answer);
            if let Some(difference) = &step.on_sqlite {
                let kind = if difference.is_wrong { "known-wrong on sqlite" } else { "on sqlite" };
                let _ = write!(out, "---- {kind}: {}\n{}\n", difference.reason, difference.answer);
            }
            out.push('\n');
        }
    }
    out
}
