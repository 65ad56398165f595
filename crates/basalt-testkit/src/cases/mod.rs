//! Case files: requests with whole expected answers, as text. The same file runs against any server and engine.
//!
//! ```text
//! # tests/cases/rest/filter/eq_text.case    fixture: films
//! # A text is compared as a whole.
//! GET /rest/v1/films?title=eq.Alien&select=id,title
//! Role: anon
//! --- 200
//! Content-Range: 0-0/*
//! [{"id":1,"title":"Alien"}]
//! ===
//! # Only some clients may write.
//! POST /rest/v1/films
//! Role: authenticated 00000000-0000-4000-8000-00000000000a
//! Content-Type: application/json
//!
//! {"title":"Aliens"}
//! --- 403
//! {"code":"42501","details":null,"hint":null,"message":"permission denied for table films"}
//! --- 401 on sqlite
//! reason: an example of an answer that differs by engine
//! {"code":"…"}
//! ```
//!
//! **Form.** Cases are separated by `===`. Lines starting with `#` before a request are comments: the first may name the
//! `fixture:`, the last one before a request names the case. Then the request line, headers, and after an empty line the body.
//! `Role: anon`, `Role: authenticated SUB` and `Role: service_role` are shorthand that the [`Answer`] turns into tokens; without
//! one, nothing is added. `--- STATUS` begins the expected answer: headers, then the body up to the next mark. An empty line may
//! stand between them and must when the body's first line looks like a header. Empty lines before a mark do not count; a body
//! that ends with a newline has `\n` (two characters) as its last line.
//!
//! **Comparison.** Status, body, each listed header, and the headers of [`Options::compared_headers`] listed or not. A header
//! that must be absent is listed with the value `(absent)`. Generated values are matched by `{{uuid}}`, `{{time}}` (RFC 3339 or
//! PostgreSQL's), `{{int}}`, `{{jwt}}`, `{{text}}` (no quote), `{{any}}` (up to the first place where the text after it stands), each optionally named: `{{uuid as user}}`. From then on, in the
//! same file, `{{user}}` is that value, in requests and in expectations.
//!
//! **Differences.** `--- STATUS on sqlite` or `on postgres` replaces the expectation on that engine and starts with a `reason:`
//! line. `known-wrong: reason` before a request says that the expected answer is what we give today and is wrong: it counts as
//! failing in every figure, without breaking the build, and breaks it when the answer changes. `pending on sqlite: reason` before
//! a request says that this engine cannot give the expected answer yet: the case runs there all the same, is counted apart, and
//! breaks the build when the answer is right, so that the mark goes. In the first comment it stands for the whole file, whose
//! fixture that engine may not even take; then single cases may pass, but not all.
//!
//! **Settings.** `settings: name=value name` in the first comment is what the answerer is set up with.
//!
//! **Rewriting.** With `UPDATE_CASES=1` expectations that do not hold are rewritten to what was answered, to be read by a person
//! as carefully as code; where `CI` is set this is refused. Where cases run on both engines, the oracle's answers are written, or
//! those of the engine that the variable names (`UPDATE_CASES=sqlite`). With `CASES=TEXT` only files run whose path contains it.

mod diff;
mod parse;
mod pattern;
mod run;

use std::path::PathBuf;

pub use crate::http::{Request, Response};
pub use parse::ParseError;
pub use run::{FileReport, Options, Report, run_folder, run_text};

/// Which engine answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The embedded file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Engine {
    /// The word in case files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// The shorthand of a `Role:` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The publishable key alone.
    Anon,
    /// A user's token.
    Authenticated {
        /// The `sub` claim.
        sub: String,
    },
    /// The secret key.
    ServiceRole,
}

/// Whoever answers the requests of case files: a server, or a surface called in process.
pub trait Answer {
    /// Begins a file: its fixture is asked for in a fresh state, with its settings.
    ///
    /// # Errors
    /// A reason that fails the whole file, e.g. an unknown fixture.
    fn begin(&mut self, file: &CaseFile) -> Result<(), String>;

    /// Answers one request. `Role` is already taken out of the headers.
    ///
    /// # Errors
    /// A reason that fails the case, e.g. no connection.
    fn answer(&mut self, request: &Request, role: Option<&Role>) -> Result<Response, String>;

    /// The engine that answers, for `on ENGINE` blocks.
    fn engine(&self) -> Engine;
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFile {
    /// Where it was read.
    pub path: PathBuf,
    /// From the first comment.
    pub fixture: Option<String>,
    /// Names and values the answerer is set up with, from the same comment.
    pub settings: Vec<(String, String)>,
    /// Which engine does not do the whole file yet.
    pub pending: Option<Pending>,
    /// In order.
    pub cases: Vec<Case>,
}

/// One request with what it must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The last comment before the request, or the request line.
    pub name: String,
    /// Line of the request, from 1.
    pub line: usize,
    /// Why the expected answer is wrong, if it is known to be.
    pub known_wrong: Option<String>,
    /// Which engine cannot do it yet.
    pub pending: Option<Pending>,
    /// What is sent; placeholders not yet filled in.
    pub request: Request,
    /// Who sends it.
    pub role: Option<Role>,
    /// What must come back.
    pub expected: Expected,
    /// What must come back on one engine instead.
    pub overrides: Vec<Override>,
    /// The text up to the first `---`, for rewriting.
    head: String,
}

/// What an engine does not do yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Which.
    pub engine: Engine,
    /// What is missing.
    pub reason: String,
}

/// An expected answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// 200, …
    pub status: u16,
    /// In the file's order; values may have placeholders.
    pub headers: Vec<(String, String)>,
    /// May have placeholders.
    pub body: String,
}

/// A difference between engines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Where it holds.
    pub engine: Engine,
    /// Why the engines differ.
    pub reason: String,
    /// The answer there.
    pub expected: Expected,
}

impl Case {
    /// What must come back on this engine.
    pub fn expected_on(&self, engine: Engine) -> &Expected {
        self.overrides.iter().find(|o| o.engine == engine).map_or(&self.expected, |o| &o.expected)
    }
}
