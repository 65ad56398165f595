//! Text to cases, and back.

use std::fmt::Write as _;
use std::path::Path;

use super::{Case, CaseFile, Engine, Expected, Override, Pending, Request, Role};

/// Value of a listed header that must not be there.
pub(super) const ABSENT: &str = "(absent)";

/// A case file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {problem}")]
pub struct ParseError {
    /// The file.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

type Problem = (usize, String);

pub(super) fn parse(path: &Path, text: &str) -> Result<CaseFile, ParseError> {
    read(path, text).map_err(|(line, problem)| ParseError { path: path.display().to_string(), line, problem })
}

fn read(path: &Path, text: &str) -> Result<CaseFile, Problem> {
    let lines: Vec<&str> = text.lines().map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let mut file = CaseFile { path: path.to_owned(), fixture: None, settings: Vec::new(), pending: None, cases: Vec::new() };
    let mut start = 0;
    for end in (0..=lines.len()).filter(|&n| lines.get(n).is_none_or(|line| *line == "===")) {
        let part = lines.get(start..end).unwrap_or_default();
        if file.fixture.is_none()
            && let Some(line) = part.iter().take_while(|line| is_comment(line)).find(|line| fixture(line).is_some())
        {
            file.fixture = fixture(line);
            file.settings = settings(line);
            let mark = line.find("pending on ").and_then(|at| line.get(at..));
            file.pending = mark.map(|mark| pending(mark).ok_or_else(|| (start + 1, PENDING.to_owned()))).transpose()?;
        }
        if part.iter().any(|line| !is_comment(line)) {
            file.cases.push(case(part, start + 1)?);
        }
        start = end + 1;
    }
    if file.cases.is_empty() { Err((1, "no case in this file".to_owned())) } else { Ok(file) }
}

fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with('#')
}

fn fixture(comment: &str) -> Option<String> {
    let (_, rest) = comment.split_once("fixture:")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// `settings: name=value name`, up to a word that is another mark.
fn settings(comment: &str) -> Vec<(String, String)> {
    let Some((_, rest)) = comment.split_once("settings:") else { return Vec::new() };
    let words = rest.split("pending on ").next().unwrap_or_default().split_whitespace();
    words.map(|word| word.split_once('=').unwrap_or((word, ""))).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

const PENDING: &str = "expected `pending on ENGINE: reason`";

fn pending(line: &str) -> Option<Pending> {
    let (engine, reason) = line.strip_prefix("pending on ")?.split_once(':')?;
    let engine = [Engine::Sqlite, Engine::Postgres].into_iter().find(|e| e.name() == engine)?;
    Some(reason.trim()).filter(|reason| !reason.is_empty()).map(|reason| Pending { engine, reason: reason.to_owned() })
}

/// `first` is the number of the part's first line.
fn case(part: &[&str], first: usize) -> Result<Case, Problem> {
    let mut name = None;
    let mut known_wrong = None;
    let mut is_pending = None;
    let mut at = 0;
    while let Some(line) = part.get(at) {
        if let Some(reason) = line.strip_prefix("known-wrong:") {
            known_wrong = Some(reason.trim().to_owned()).filter(|r| !r.is_empty());
            if known_wrong.is_none() {
                return Err((first + at, "known-wrong: needs a reason".to_owned()));
            }
        } else if line.starts_with("pending on ") {
            is_pending = Some(pending(line).ok_or_else(|| (first + at, PENDING.to_owned()))?);
        } else if let Some(comment) = line.strip_prefix('#') {
            if fixture(comment).is_none() {
                name = Some(comment.trim().to_owned()).filter(|c| !c.is_empty());
            }
        } else if !line.is_empty() {
            break;
        }
        at += 1;
    }
    let request_line = part.get(at).copied().unwrap_or_default();
    let line = first + at;
    let (method, target) = request_line
        .split_once(' ')
        .filter(|(m, t)| is_method(m) && !t.is_empty())
        .ok_or_else(|| (line, format!("expected a request line such as `GET /rest/v1/films`, found `{request_line}`")))?;
    let mut request = Request::new(method, target);
    let mut role = None;
    at += 1;
    while let Some(text) = part.get(at).filter(|text| !text.is_empty() && !is_mark(text)) {
        let (header, value) = as_header(text).ok_or_else(|| (first + at, format!("expected `Name: value`, found `{text}`")))?;
        if header.eq_ignore_ascii_case("role") {
            role = Some(
                parse_role(value)
                    .ok_or_else(|| (first + at, format!("unknown role `{value}`: anon, authenticated SUB or service_role")))?,
            );
        } else {
            request.headers.push((header.to_owned(), value.to_owned()));
        }
        at += 1;
    }
    if part.get(at).is_some_and(|text| text.is_empty()) {
        let end = (at..part.len()).find(|&n| part.get(n).is_some_and(|text| is_mark(text))).unwrap_or(part.len());
        request.body = body(part.get(at + 1..end).unwrap_or_default()).into_bytes();
        at = end;
    }
    let head: String = part.get(..at).unwrap_or_default().iter().flat_map(|text| [*text, "\n"]).collect();
    let mut expected = None;
    let mut overrides = Vec::new();
    while let Some(mark) = part.get(at) {
        let mark_line = first + at;
        let end = (at + 1..part.len()).find(|&n| part.get(n).is_some_and(|text| is_mark(text))).unwrap_or(part.len());
        let block = part.get(at + 1..end).unwrap_or_default();
        let (status, engine) =
            parse_mark(mark).ok_or_else(|| (mark_line, format!("expected `--- STATUS [on ENGINE]`, found `{mark}`")))?;
        match engine {
            None if expected.is_some() => return Err((mark_line, "a second answer without `on ENGINE`".to_owned())),
            None => expected = Some(answer(status, block)),
            Some(engine) => {
                let reason = block.first().and_then(|text| text.strip_prefix("reason:")).map(str::trim).filter(|r| !r.is_empty());
                let reason =
                    reason.ok_or_else(|| (mark_line + 1, "an answer of one engine starts with `reason: …`".to_owned()))?;
                if overrides.iter().any(|o: &Override| o.engine == engine) {
                    return Err((mark_line, format!("a second answer on {}", engine.name())));
                }
                let expected = answer(status, block.get(1..).unwrap_or_default());
                overrides.push(Override { engine, reason: reason.to_owned(), expected });
            }
        }
        at = end;
    }
    let expected = expected.ok_or((line, "no `--- STATUS` without `on ENGINE`".to_owned()))?;
    let name = name.unwrap_or_else(|| request_line.to_owned());
    Ok(Case { name, line, known_wrong, pending: is_pending, request, role, expected, overrides, head })
}

fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_mark(line: &str) -> bool {
    line.starts_with("--- ")
}

fn parse_mark(line: &str) -> Option<(u16, Option<Engine>)> {
    let mut words = line.strip_prefix("--- ")?.split_whitespace();
    let status = words.next()?.parse().ok().filter(|status| (100..600).contains(status))?;
    let engine = match words.next() {
        None => None,
        Some("on") => Some([Engine::Sqlite, Engine::Postgres].into_iter().find(|e| Some(e.name()) == words.clone().next())?),
        Some(_) => return None,
    };
    (words.count() == usize::from(engine.is_some())).then_some((status, engine))
}

fn parse_role(text: &str) -> Option<Role> {
    let mut words = text.split_whitespace();
    let role = match (words.next()?, words.next()) {
        ("anon", None) => Role::Anon,
        ("service_role", None) => Role::ServiceRole,
        ("authenticated", Some(sub)) => Role::Authenticated { sub: sub.to_owned() },
        _ => return None,
    };
    words.next().is_none().then_some(role)
}

fn as_header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (is_name && (value.is_empty() || value.starts_with(' '))).then(|| (name, value.trim()))
}

fn answer(status: u16, block: &[&str]) -> Expected {
    let headers: Vec<(String, String)> =
        block.iter().map_while(|line| as_header(line)).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let rest = block.get(headers.len()..).unwrap_or_default();
    let rest = rest.strip_prefix(&[""]).unwrap_or(rest);
    Expected { status, headers, body: body(rest) }
}

fn body(lines: &[&str]) -> String {
    let kept = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |n| n + 1);
    let text = lines.get(..kept).unwrap_or_default().join("\n");
    match text.strip_suffix("\\n") {
        Some(rest) if rest.is_empty() || rest.ends_with('\n') => rest.to_owned(),
        _ => text,
    }
}

/// The file's text; `cases` are the file's own, with other expectations perhaps.
pub(super) fn write(file: &CaseFile) -> String {
    let mut out = String::new();
    for (n, case) in file.cases.iter().enumerate() {
        if n > 0 {
            out.push_str("===\n");
        }
        out.push_str(&case.head);
        let _ = writeln!(out, "--- {}", case.expected.status);
        write_answer(&mut out, &case.expected);
        for other in &case.overrides {
            let _ = writeln!(out, "--- {} on {}\nreason: {}", other.expected.status, other.engine.name(), other.reason);
            write_answer(&mut out, &other.expected);
        }
    }
    out
}

fn write_answer(out: &mut String, expected: &Expected) {
    for (name, value) in &expected.headers {
        let _ = writeln!(out, "{name}: {value}");
    }
    let body = &expected.body;
    if body.is_empty() {
        return;
    }
    if body.starts_with('\n') || body.lines().next().is_some_and(|line| as_header(line).is_some()) {
        out.push('\n');
    }
    out.push_str(body);
    out.push_str(if body.ends_with('\n') { "\\n\n" } else { "\n" });
}

#[cfg(test)]
mod tests;
