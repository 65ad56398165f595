//! Running files and reporting.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::pattern::{Captured, fill, matches};
use super::{Answer, Case, Engine, Expected, Pending, Request, Response, Role, diff, parse};

/// How files are run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Headers that are compared even where a case does not list them: then they must be absent.
    pub compared_headers: Vec<String>,
    /// Whether expectations that do not hold are rewritten; from `UPDATE_CASES` by default.
    pub is_update: bool,
    /// Of so many files one is run: for a short form of a long run.
    pub every: usize,
    /// Fixtures whose files are left out: what the server under test lacks is needed there.
    pub left_out: Vec<String>,
}

impl Default for Options {
    /// # Panics
    /// When `UPDATE_CASES` is set where `CI` is: expectations are changed by people.
    fn default() -> Self {
        let is_set =
            |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0" && value != "false");
        let is_update = is_set("UPDATE_CASES");
        assert!(
            !(is_update && is_set("CI")),
            "UPDATE_CASES is refused where CI is set: rewrite the cases by hand, read the diff, commit"
        );
        let compared = ["Content-Range", "Preference-Applied", "Location", "WWW-Authenticate", "Proxy-Status", "Warning"];
        Self { compared_headers: compared.map(str::to_owned).to_vec(), is_update, every: 1, left_out: Vec::new() }
    }
}

impl Options {
    /// As by default, but only one engine's answers are written: the oracle's, or those of the engine that `UPDATE_CASES` names.
    ///
    /// # Panics
    /// As [`Options::default`].
    pub fn on(engine: Engine, oracle: Engine) -> Self {
        let writer = match std::env::var("UPDATE_CASES").as_deref() {
            Ok("sqlite") => Engine::Sqlite,
            Ok("postgres") => Engine::Postgres,
            _ => oracle,
        };
        let options = Self::default();
        Self { is_update: options.is_update && engine == writer, ..options }
    }
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// The file.
    pub path: PathBuf,
    /// Cases that gave what was expected and is right.
    pub passed: usize,
    /// Cases that did not give what was expected.
    pub failed: usize,
    /// Cases that gave the wrong answer known; failing in every figure.
    pub known_wrong: usize,
    /// Cases the engine cannot do yet, as their files say.
    pub pending: usize,
    /// Cases rewritten.
    pub updated: usize,
    /// One text a failed case, with its diff.
    pub failures: Vec<String>,
}

/// What became of all files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order they ran.
    pub files: Vec<FileReport>,
}

impl Report {
    /// Sum over the files: passed, failed, known-wrong, updated.
    pub fn totals(&self) -> (usize, usize, usize, usize) {
        self.files
            .iter()
            .fold((0, 0, 0, 0), |(p, f, k, u), file| (p + file.passed, f + file.failed, k + file.known_wrong, u + file.updated))
    }

    /// Cases that an engine cannot do yet.
    pub fn pending(&self) -> usize {
        self.files.iter().map(|file| file.pending).sum()
    }

    /// One line a file, then the diffs, then the sum. Known-wrong cases count as failing.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for file in &self.files {
            let _ = write!(out, "{}: {} passed, {} failed", file.path.display(), file.passed, file.failed + file.known_wrong);
            if file.known_wrong > 0 {
                let _ = write!(out, " ({} known-wrong)", file.known_wrong);
            }
            if file.pending > 0 {
                let _ = write!(out, ", {} pending", file.pending);
            }
            if file.updated > 0 {
                let _ = write!(out, ", {} rewritten", file.updated);
            }
            out.push('\n');
        }
        for failure in self.files.iter().flat_map(|file| &file.failures) {
            out.push('\n');
            out.push_str(failure);
        }
        let (passed, failed, known_wrong, _) = self.totals();
        let _ = writeln!(out, "\n{passed} passed, {} failed ({known_wrong} of them known-wrong)", failed + known_wrong);
        if self.pending() > 0 {
            let _ = writeln!(out, "{} pending", self.pending());
        }
        out
    }

    /// Ends a test: prints the report, adds a line `NAME PASSED FAILED KNOWN_WRONG PENDING` to the file that `BASALT_CASE_REPORT` names,
    /// from which `make test` prints the figures, and fails when a case did.
    ///
    /// # Panics
    /// When any case failed, other than as known.
    pub fn finish(&self, name: &str) {
        let (passed, failed, known_wrong, _) = self.totals();
        if let Some(path) = std::env::var_os("BASALT_CASE_REPORT") {
            let line = format!("{name} {passed} {failed} {known_wrong} {}\n", self.pending());
            let written =
                fs::OpenOptions::new().create(true).append(true).open(&path).and_then(|mut f| f.write_all(line.as_bytes()));
            written.unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
        }
        println!("{}", self.to_text());
        assert!(failed == 0, "{failed} of {} cases of {name} failed, see above", passed + failed + known_wrong);
    }
}

/// Runs every `.case` file below a folder, in the order of their paths.
///
/// # Panics
/// When the folder has none, or a file cannot be read or is malformed: a test that runs nothing must not pass.
pub fn run_folder(folder: &Path, answer: &mut dyn Answer, options: &Options) -> Report {
    let mut paths = Vec::new();
    collect(folder, &mut paths).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    paths.sort();
    // `CASES=filter/` while working on them: only files whose path contains that.
    if let Some(part) = std::env::var("CASES").ok().filter(|_| std::env::var_os("CI").is_none()) {
        paths.retain(|path| path.to_string_lossy().contains(&part));
    } else {
        paths = paths.into_iter().step_by(options.every.max(1)).collect();
    }
    assert!(!paths.is_empty(), "no .case file below {}", folder.display());
    let mut report = Report::default();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let parsed = parse::parse(&path, &text).unwrap_or_else(|e| panic!("{e}"));
        if parsed.fixture.is_some_and(|fixture| options.left_out.contains(&fixture)) {
            continue;
        }
        let (file, rewritten) = run_text(&path, &text, answer, options).unwrap_or_else(|e| panic!("{e}"));
        if let Some(rewritten) = rewritten {
            fs::write(&path, rewritten).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
        report.files.push(file);
    }
    report
}

/// Runs one file given as text. The second part is its new text when it is to be rewritten.
///
/// # Errors
/// A malformed file.
pub fn run_text(
    path: &Path,
    text: &str,
    answer: &mut dyn Answer,
    options: &Options,
) -> Result<(FileReport, Option<String>), parse::ParseError> {
    let mut file = parse::parse(path, text)?;
    let mut report =
        FileReport { path: path.to_owned(), passed: 0, failed: 0, known_wrong: 0, pending: 0, updated: 0, failures: Vec::new() };
    let engine = answer.engine();
    let is_pending = |mark: &Option<Pending>| mark.as_ref().is_some_and(|p| p.engine == engine);
    let whole = is_pending(&file.pending);
    if let Err(reason) = answer.begin(&file) {
        if whole {
            report.pending = file.cases.len();
            return Ok((report, None));
        }
        report.failed = file.cases.len();
        report.failures.push(format!("{}: {reason}\n", path.display()));
        return Ok((report, None));
    }
    let mut captured = Captured::new();
    for case in &mut file.cases {
        if whole || is_pending(&case.pending) {
            run_pending(path, case, whole, answer, options, &mut captured, &mut report);
        } else {
            run_case(path, case, answer, options, &mut captured, &mut report);
        }
    }
    if whole && report.pending == 0 {
        report.failed += 1;
        report.failures.push(format!("{}: every case passes on {}: {REMOVE}", path.display(), engine.name()));
    }
    let rewritten = (report.updated > 0).then(|| parse::write(&file));
    Ok((report, rewritten))
}

fn run_case(
    path: &Path,
    case: &mut Case,
    answer: &mut dyn Answer,
    options: &Options,
    captured: &mut Captured,
    report: &mut FileReport,
) {
    let request = filled(&case.request, captured);
    let role = case.role.clone().map(|role| match role {
        Role::Authenticated { sub } => Role::Authenticated { sub: fill(&sub, captured) },
        other => other,
    });
    let place = format!("{}:{}: {}", path.display(), case.line, case.name);
    let actual = match answer.answer(&request, role.as_ref()) {
        Ok(actual) => actual,
        Err(reason) => {
            report.failed += 1;
            report.failures.push(format!("{place}\n    no answer: {reason}\n"));
            return;
        }
    };
    let engine = answer.engine();
    let expected = case.expected_on(engine);
    match compare(expected, &actual, &options.compared_headers, captured) {
        Ok(()) if case.known_wrong.is_some() => report.known_wrong += 1,
        Ok(()) => report.passed += 1,
        Err(_) if options.is_update => {
            let now = as_expected(expected, &actual, &options.compared_headers, captured);
            match case.overrides.iter_mut().find(|o| o.engine == engine) {
                Some(other) => other.expected = now,
                None => case.expected = now,
            }
            report.updated += 1;
            report.passed += usize::from(case.known_wrong.is_none());
            report.known_wrong += usize::from(case.known_wrong.is_some());
        }
        Err(difference) => {
            report.failed += 1;
            let known = case.known_wrong.as_ref().map_or_else(String::new, |reason| {
                format!("    this answer was known to be wrong ({reason}) and has changed: if it is right now, remove the line\n")
            });
            report.failures.push(format!("{place} (on {})\n{known}{difference}", engine.name()));
        }
    }
}

const REMOVE: &str = "it is not pending any more, remove the mark\n";

/// A case that the engine cannot do yet: in a file that it cannot do as a whole, single ones may be right all the same.
fn run_pending(
    path: &Path,
    case: &mut Case,
    whole: bool,
    answer: &mut dyn Answer,
    options: &Options,
    captured: &mut Captured,
    report: &mut FileReport,
) {
    let mut apart =
        FileReport { passed: 0, failed: 0, known_wrong: 0, pending: 0, updated: 0, failures: Vec::new(), ..report.clone() };
    run_case(path, case, answer, &Options { is_update: false, ..options.clone() }, captured, &mut apart);
    match (apart.passed > 0, whole) {
        (true, true) => report.passed += 1,
        (true, false) => {
            report.failed += 1;
            report.failures.push(format!("{}:{}: {}: {REMOVE}", path.display(), case.line, case.name));
        }
        (false, _) => report.pending += 1,
    }
}

fn filled(request: &Request, captured: &Captured) -> Request {
    let body = match std::str::from_utf8(&request.body) {
        Ok(text) => fill(text, captured).into_bytes(),
        Err(_) => request.body.clone(),
    };
    Request {
        method: request.method.clone(),
        target: fill(&request.target, captured),
        headers: request.headers.iter().map(|(name, value)| (name.clone(), fill(value, captured))).collect(),
        body,
    }
}

/// What is compared of an answer, as lines: status, headers, body.
fn compare(expected: &Expected, actual: &Response, compared: &[String], captured: &mut Captured) -> Result<(), String> {
    let now = visible(expected, actual, compared);
    let mut found = captured.clone();
    let headers_match = now.headers.len() == expected.headers.len()
        && now.headers.iter().zip(&expected.headers).all(|((_, is), (_, should))| matches(should, is, &mut found));
    if now.status == expected.status && headers_match && matches(&expected.body, &now.body, &mut found) {
        *captured = found;
        return Ok(());
    }
    Err(diff::diff(&as_text(expected, captured), &as_text(&now, captured)))
}

/// The parts of an answer that count: listed headers in the listed order, then compared ones that are there.
fn visible(expected: &Expected, actual: &Response, compared: &[String]) -> Expected {
    let is_listed = |name: &str| expected.headers.iter().any(|(listed, _)| listed.eq_ignore_ascii_case(name));
    let mut headers: Vec<(String, String)> = expected
        .headers
        .iter()
        .map(|(name, _)| (name.clone(), actual.header(name).unwrap_or(parse::ABSENT).to_owned()))
        .collect();
    for name in compared.iter().filter(|name| !is_listed(name)) {
        if let Some(value) = actual.header(name) {
            headers.push((name.clone(), value.to_owned()));
        }
    }
    Expected { status: actual.status, headers, body: actual.text() }
}

/// The answer as a new expectation. Parts that matched keep their placeholders.
fn as_expected(expected: &Expected, actual: &Response, compared: &[String], captured: &mut Captured) -> Expected {
    let mut now = visible(expected, actual, compared);
    for (value, (_, should)) in now.headers.iter_mut().map(|(_, value)| value).zip(&expected.headers) {
        if matches(should, value, captured) {
            value.clone_from(should);
        }
    }
    if matches(&expected.body, &now.body, captured) {
        now.body.clone_from(&expected.body);
    }
    now.headers.retain(|(name, value)| value != parse::ABSENT || expected.headers.iter().any(|(n, v)| n == name && v == value));
    now
}

fn as_text(expected: &Expected, captured: &Captured) -> String {
    let mut out = format!("{}\n", expected.status);
    for (name, value) in &expected.headers {
        let _ = writeln!(out, "{name}: {}", fill(value, captured));
    }
    out.push_str(&fill(&expected.body, captured));
    out
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "case") {
            paths.push(path);
        }
    }
    Ok(())
}
