//! The common request's way: role and claims, the statement, one Sync. See [`crate::wire`].
//!
//! It is for what needs no second thought before its commit: reads, and writes whose answer cannot be refused afterwards. The rest
//! goes over `request`, with the same results. Connections of this way run no function that a caller chose, and nothing of a request
//! stays on them where the database's own code leaves nothing ([`crate::traces`]); where it may, that is taken back first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use basalt_engine::{Answer, Run, RunError};
use basalt_plan::dialect::postgres::PgStatement;
use basalt_plan::plan::{Action, Output};
use basalt_types::pg::{self, oid};
use basalt_types::{RoleName, SqlError, TypeRef, Value};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::error;
use crate::pool::Pool;
use crate::request::{self, Shared};
use crate::wire::{Fields, Wire};

/// What a request is, as far as code that asks for nothing else can see; answers a small number instead of all that was set. The
/// role comes last: no setting before it is read with its rights.
const BRIEF: &str = "SELECT pg_catalog.num_nulls(pg_catalog.set_config('statement_timeout', $1, true), \
     pg_catalog.set_config('search_path', $2, true), pg_catalog.set_config('request.jwt.claims', $3, true), \
     pg_catalog.set_config('transaction_read_only', $5, true), pg_catalog.set_config('role', $4, true))";

/// The same with the request's method, path, headers and cookies.
const WHOLE: &str = "SELECT pg_catalog.num_nulls(pg_catalog.set_config('statement_timeout', $1, true), \
     pg_catalog.set_config('search_path', $2, true), pg_catalog.set_config('request.jwt.claims', $3, true), \
     pg_catalog.set_config('request.method', $4, true), pg_catalog.set_config('request.path', $5, true), \
     pg_catalog.set_config('request.headers', $6, true), pg_catalog.set_config('request.cookies', $7, true), \
     pg_catalog.set_config('transaction_read_only', $9, true), pg_catalog.set_config('role', $8, true))";

/// Statements kept on one connection.
const MOST_STATEMENTS: usize = 500;

/// The longest a connection is given to come to rest after its request was given up.
const REST_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a request can go this way.
pub(crate) fn fits(run: &Run, statement: &PgStatement, shared: &Shared<'_>) -> bool {
    // Whatever a request may ask for besides has to be thought of here.
    let Run { session: _, plan, literals: _, payload: _, limits: _, rollback, timezone, explain } = run;
    matches!(plan.action, Action::Read { .. } | Action::Write { .. })
        && !rollback
        && timezone.is_none()
        && explain.is_none()
        && !shared.is_code_dynamic
        && plan.max_affected.is_none()
        && statement.explain.is_none()
        // A handler's value may be bytes, which are written otherwise as text.
        && !matches!(plan.output, Output::Custom(_))
        && !request::is_checked_write(run)
}

/// A connection with what was prepared on it.
pub(crate) struct Kept {
    pub(crate) wire: Wire,
    statements: HashMap<(u64, RoleName), Box<str>>,
    /// The catalog they were prepared for.
    catalog_version: u64,
    /// Numbers the statements.
    next: u64,
    /// Which of [`BRIEF`] and [`WHOLE`] are prepared.
    has_setup: [bool; 2],
    /// When it was made, and when it was last given back.
    pub(crate) opened: Instant,
    pub(crate) rested: Instant,
    /// What was sent to be prepared, in order; it is noted when the answer has come.
    parsing: Vec<Parsing>,
}

enum Parsing {
    Unnamed,
    Setup(bool),
    Plan((u64, RoleName), Box<str>),
}

impl Kept {
    #[allow(clippy::disallowed_methods)] // monotonic time of rest
    pub(crate) fn new(wire: Wire) -> Self {
        let now = Instant::now();
        Self {
            wire,
            opened: now,
            rested: now,
            statements: HashMap::new(),
            catalog_version: 0,
            next: 0,
            has_setup: [false; 2],
            parsing: Vec::new(),
        }
    }

    /// Notes what was prepared; PostgreSQL stops at the first failure.
    fn note_parsed(&mut self) {
        let parsed = self.wire.take_parsed();
        for (at, made) in self.parsing.drain(..).enumerate() {
            match made {
                _ if at >= parsed => {}
                Parsing::Unnamed => {}
                Parsing::Setup(is_whole) => self.has_setup[usize::from(is_whole)] = true,
                Parsing::Plan(key, name) => drop(self.statements.insert(key, name)),
            }
        }
    }

    fn forget(&mut self) {
        for (_, name) in self.statements.drain() {
            self.wire.close(&name);
        }
    }
}

/// Such a connection in use. It goes back by itself, as [`crate::pool::Lease`] does.
pub(crate) struct Loan {
    pool: Arc<Pool>,
    lane: usize,
    permit: Option<OwnedSemaphorePermit>,
    kept: Option<Kept>,
    runtime: Handle,
}

impl Loan {
    pub(crate) fn new(pool: &Arc<Pool>, lane: usize, permit: OwnedSemaphorePermit, kept: Kept) -> Self {
        Self { pool: Arc::clone(pool), lane, permit: Some(permit), kept: Some(kept), runtime: Handle::current() }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Some(mut kept) = self.kept.take() else { return };
        if !kept.wire.is_busy() {
            self.pool.put_back_kept(self.lane, kept);
            return;
        }
        let (pool, lane, permit) = (Arc::clone(&self.pool), self.lane, self.permit.take());
        pool.count_cancelled();
        self.runtime.spawn(async move {
            // What was sent is one transaction: with its answer, whichever, it is over.
            let to_rest = async {
                pool.target().cancel_wire(kept.wire.key()).await;
                let _ = kept.wire.finish(usize::MAX).await;
            };
            let _ = tokio::time::timeout(REST_TIMEOUT, to_rest).await;
            if kept.wire.is_busy() {
                pool.count_discarded();
            } else {
                kept.note_parsed();
                pool.put_back_kept(lane, kept);
            }
            drop(permit);
        });
    }
}

/// Runs a request to its end.
pub(crate) async fn run(pool: &Arc<Pool>, run: &Run, statement: &PgStatement, shared: &Shared<'_>) -> Result<Answer, RunError> {
    let limit = tokio::time::Instant::from_std(run.limits.deadline) + request::GRACE;
    let mut loan = pool.lend().await.map_err(error::refused)?;
    let kept = loan.kept.as_mut().ok_or_else(|| SqlError::internal("a connection was used after it was given back"))?;
    let result = tokio::time::timeout_at(limit, transact(kept, run, statement, shared)).await;
    result.unwrap_or_else(|_| Err(request::timeout().into()))
}

#[allow(clippy::disallowed_methods)] // monotonic time that is left
async fn transact(kept: &mut Kept, run: &Run, statement: &PgStatement, shared: &Shared<'_>) -> Result<Answer, RunError> {
    let texts = request::binds(run, statement)?;
    let left = run.limits.deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(request::timeout().into());
    }
    let left = left.as_millis().max(1).to_string();
    if shared.leaves_traces {
        // A transaction of its own: the request's begins when this one has succeeded.
        kept.wire.simple(request::RESET);
        kept.wire.finish(usize::MAX).await?;
    }
    if kept.catalog_version != shared.catalog_version || kept.statements.len() >= MOST_STATEMENTS {
        kept.forget();
        kept.catalog_version = shared.catalog_version;
    }
    let is_whole = shared.reads_request;
    let claims = run.session.claims_text();
    let settings = request::settings(run, &left, &claims, shared);
    let (sql, mut settings) = match settings.as_slice() {
        [timeout, path, claims, .., role] if !is_whole => (BRIEF, vec![*timeout, *path, *claims, *role]),
        _ => (WHOLE, settings),
    };
    settings.push(if request::is_read_only(run) { "on" } else { "off" });
    let wire = &mut kept.wire;
    let texts_only = |count: usize| (0..count).map(|_| oid::TEXT.0);
    let setup = match (shared.is_prepared, is_whole) {
        (false, _) => "",
        (true, false) => "brief",
        (true, true) => "whole",
    };
    if !shared.is_prepared || !kept.has_setup[usize::from(is_whole)] {
        wire.parse(setup, sql, texts_only(settings.len()));
        kept.parsing.push(if shared.is_prepared { Parsing::Setup(is_whole) } else { Parsing::Unnamed });
    }
    wire.execute(setup, settings.iter().map(|text| Some(*text)));
    let key = (run.plan.id, run.session.role.clone());
    let types = statement.binds.iter().map(|bind| if bind.is_bare() { oid::UNKNOWN.0 } else { oid::TEXT.0 });
    let values = texts.iter().map(Option::as_deref);
    // Prepared after the role is set: names in schemas that the role may not use must not be found.
    match kept.statements.get(&key) {
        Some(name) => wire.execute(name, values),
        None if shared.is_prepared => {
            kept.next += 1;
            let name = format!("s{}", kept.next).into_boxed_str();
            wire.parse(&name, &statement.sql, types);
            wire.execute(&name, values);
            kept.parsing.push(Parsing::Plan(key, name));
        }
        None => {
            wire.parse("", &statement.sql, types);
            wire.execute("", values);
            kept.parsing.push(Parsing::Unnamed);
        }
    }
    wire.sync();
    let result = wire.finish(run.limits.max_response_bytes).await;
    kept.note_parsed();
    let row = result?.ok_or_else(|| SqlError::internal("a statement answered no row"))?;
    let answer = answer(row, run)?;
    request::check(run, &answer)?;
    Ok(answer)
}

/// The columns that `basalt_plan`'s statements answer with.
fn answer(row: Bytes, run: &Run) -> Result<Answer, SqlError> {
    let mut columns = Fields::of(row);
    let mut next = || columns.next().ok_or_else(|| SqlError::internal("a statement answered too few columns"));
    let number = |column: Option<Bytes>| -> Option<u64> { std::str::from_utf8(&column?).ok()?.parse().ok() };
    let body = next()?.unwrap_or_default();
    let rows = number(next()?).unwrap_or(0);
    let mut answer = Answer { body, rows, total: number(next()?), ..Answer::default() };
    if matches!(run.plan.action, Action::Write { .. }) {
        answer.inserted = number(next()?).unwrap_or(0);
        if let Some(key) = next()? {
            let stored = pg::input(&String::from_utf8_lossy(&key), TypeRef::of(oid::TEXT_ARRAY))?;
            let values = match stored {
                Value::Text(stored) => pg::array_values(&stored, oid::TEXT)?,
                _ => Vec::new(),
            };
            let text = |value| match value {
                Value::Text(text) => Some(text),
                _ => None,
            };
            answer.location = values.into_iter().map(text).collect();
        }
    }
    // Where the statement has them.
    if let Some(status) = columns.next() {
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        answer.response_status = status.map(text);
        answer.response_headers = columns.next().flatten().map(text);
    }
    Ok(answer)
}
