//! One request: BEGIN, then role and claims, the statement and COMMIT, sent together and answered together.
//!
//! Nothing of a request stays on its connection. What it set was set for its transaction; what its code may have set for the session
//! (settings, another identity, advisory locks, temporary tables, listeners) is taken back before the next one begins. If a step
//! fails, PostgreSQL refuses the following ones (25P02), so a statement never runs under another request's role.

use std::time::{Duration, Instant};

use basalt_engine::{Answer, Explain, Run, RunError};
use basalt_plan::dialect::postgres::{PgBind, PgStatement, array_literal, total};
use basalt_plan::plan::{Action, CallResult, Isolation, Literal, Output};
use basalt_types::{SqlError, SqlState};
use bytes::{Bytes, BytesMut};
use futures_util::future::{join, join3};
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Row, Statement};

use crate::error;
use crate::pool::{Connection, Key, Lease};

macro_rules! reset_and {
    ($then:literal) => {
        concat!(
            "RESET SESSION AUTHORIZATION; RESET ALL; SELECT pg_catalog.pg_advisory_unlock_all(); UNLISTEN *; \
             CLOSE ALL; DISCARD TEMP; DISCARD SEQUENCES",
            $then
        )
    };
}

/// Takes back what an earlier request may have left.
pub(crate) const RESET: &str = reset_and!("");

/// Takes back what an earlier request may have left, and begins. One message, so that nothing can come between.
pub(crate) const BEGIN: &str = reset_and!("; BEGIN");

/// [`BEGIN`] with characteristics of the transaction: those that only read, then those that write. An isolation can only be chosen where
/// nothing has run, so what was taken back is committed first (after a BEGIN: a COMMIT alone would be warned of in the server's log).
const BEGINNINGS: [[&str; 3]; 2] = [
    [
        reset_and!("; BEGIN READ ONLY"),
        reset_and!("; BEGIN; COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        reset_and!("; BEGIN; COMMIT; BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"),
    ],
    [
        reset_and!("; BEGIN READ WRITE"),
        reset_and!("; BEGIN; COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"),
        reset_and!("; BEGIN; COMMIT; BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"),
    ],
];

/// How a request's transaction begins.
pub(crate) fn beginning(run: &Run) -> &'static str {
    let [reading, writing] = &BEGINNINGS;
    let [plain, repeatable, serializable] = if is_read_only(run) { reading } else { writing };
    match isolation(run) {
        Some(Isolation::RepeatableRead) => repeatable,
        Some(Isolation::Serializable) => serializable,
        None => plain,
    }
}

/// Whether a request's transaction can write nothing: what is asked for by a method that promises to change nothing.
pub(crate) fn is_read_only(run: &Run) -> bool {
    match &run.plan.action {
        Action::Read { .. } => true,
        Action::Write { .. } => false,
        Action::Call { call, .. } => call.is_read_only,
    }
}

/// The isolation that a function asks for.
pub(crate) fn isolation(run: &Run) -> Option<Isolation> {
    match &run.plan.action {
        Action::Call { call, .. } => call.isolation,
        Action::Read { .. } | Action::Write { .. } => None,
    }
}

/// How the transaction of a request begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening<'a> {
    /// Takes back what an earlier request may have left, and begins.
    pub(crate) begin: &'a str,
    /// Sets what the role sets, or behind a pooler what [`crate::pooler::NOTICE`] says, with the login's rights.
    pub(crate) settings: Option<&'a str>,
    /// Sets what the function that is called sets, after the role's.
    pub(crate) hoisted: Option<&'a str>,
    /// The role's own limit of time, in place of the request's.
    pub(crate) statement_timeout: Option<&'a str>,
    /// What runs as the role before the statement.
    pub(crate) before: Option<&'a str>,
}

impl Default for Opening<'_> {
    fn default() -> Self {
        Self { begin: BEGIN, settings: None, hoisted: None, statement_timeout: None, before: None }
    }
}

impl Opening<'static> {
    /// Of a request, where roles set nothing.
    pub(crate) fn of(run: &Run) -> Self {
        Self { begin: beginning(run), ..Self::default() }
    }
}

impl Opening<'_> {
    /// What the role sets, if anything.
    pub(crate) async fn settings(&self, client: &tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
        let (role, function) = join(optional(client, self.settings), optional(client, self.hoisted)).await;
        role.and(function)
    }

    /// What runs as the role, if anything.
    pub(crate) async fn before(&self, client: &tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
        optional(client, self.before).await
    }

    /// Begins. Nothing else may be on its way before this has succeeded: outside of a transaction every message stands for itself,
    /// without role and claims, so that what follows would run with the login's own rights.
    async fn begin(&self, client: &tokio_postgres::Client) -> Result<(), SqlError> {
        let Err(failed) = client.batch_execute(self.begin).await else { return Ok(()) };
        // It may have failed behind a first BEGIN of its own.
        client.batch_execute("ROLLBACK").await.map_err(|e| error::of(&e))?;
        Err(error::of(&failed))
    }

    /// What follows [`Self::begin`], in this order, sent together when first polled.
    async fn open(
        &self,
        client: &tokio_postgres::Client,
        set: impl Future<Output = Result<Vec<Row>, tokio_postgres::Error>>,
    ) -> Result<(), tokio_postgres::Error> {
        let (chosen, set, before) = join3(self.settings(client), set, self.before(client)).await;
        chosen.and(set).and(before)
    }
}

async fn optional(client: &tokio_postgres::Client, sql: Option<&str>) -> Result<(), tokio_postgres::Error> {
    match sql {
        Some(sql) => client.batch_execute(sql).await,
        None => Ok(()),
    }
}

/// What a request is, for the length of its transaction. The role comes last: no setting before it is read with its rights.
pub(crate) const SETUP: &str = "SELECT pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('search_path', $2, true), \
     pg_catalog.set_config('request.jwt.claims', $3, true), pg_catalog.set_config('request.method', $4, true), \
     pg_catalog.set_config('request.path', $5, true), pg_catalog.set_config('request.headers', $6, true), \
     pg_catalog.set_config('request.cookies', $7, true), pg_catalog.set_config('role', $8, true)";

/// How many parameters it has.
const SETUP_PARAMS: usize = 8;

/// As [`SETUP`], in a time zone. PostgreSQL itself refuses one that does not exist.
const SETUP_IN_ZONE: &str = "SELECT pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('search_path', $2, true), \
     pg_catalog.set_config('request.jwt.claims', $3, true), pg_catalog.set_config('request.method', $4, true), \
     pg_catalog.set_config('request.path', $5, true), pg_catalog.set_config('request.headers', $6, true), \
     pg_catalog.set_config('request.cookies', $7, true), pg_catalog.set_config('timezone', $9, true), \
     pg_catalog.set_config('role', $8, true)";

/// Ends a transaction that is not to stay. What waits for its end is checked first, so that the answer is that of a commit.
const UNDO: &str = "SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK";

/// How much later than the server's own the driver's deadline is.
pub(crate) const GRACE: Duration = Duration::from_millis(1500);

/// A write of so few bytes does not answer with too many.
const SMALL_PAYLOAD: usize = 64 << 10;

/// invalid_sql_statement_name: a statement that was prepared is gone.
pub(crate) const NO_SUCH_STATEMENT: SqlState = SqlState::new(b"26000");

/// What all requests share.
pub(crate) struct Shared<'a> {
    pub(crate) search_path: &'a str,
    pub(crate) catalog_version: u64,
    pub(crate) is_prepared: bool,
    /// Code of the database's users can build statements of its own: what it prepared is looked for after each request.
    pub(crate) is_code_dynamic: bool,
    pub(crate) opening: Opening<'a>,
    /// Code of the database's users may leave something on a connection.
    pub(crate) leaves_traces: bool,
    /// Code of the database's users may ask for the request's method, path, headers or cookies.
    pub(crate) reads_request: bool,
}

/// Runs a request to its end.
pub(crate) async fn run(lease: Lease, run: &Run, statement: &PgStatement, shared: &Shared<'_>) -> Result<Answer, RunError> {
    let limit = tokio::time::Instant::from_std(run.limits.deadline) + GRACE;
    match tokio::time::timeout_at(limit, within(lease, run, statement, shared)).await {
        Ok(answer) => answer,
        // The lease was dropped in the middle: its statement is being cancelled.
        Err(_) => Err(timeout().into()),
    }
}

pub(crate) fn timeout() -> SqlError {
    SqlError::new(SqlState::QUERY_CANCELED, "canceling statement due to statement timeout")
}

async fn within(mut lease: Lease, run: &Run, statement: &PgStatement, shared: &Shared<'_>) -> Result<Answer, RunError> {
    let connection = lease.begin()?;
    let result = transact(connection, run, statement, shared).await;
    let failed = match &result {
        Err(RunError::Sql(error)) => Some(error),
        _ => None,
    };
    settle(lease, failed, shared).await;
    result
}

/// Gives a connection back after its transaction, unless it cannot be used any more.
pub(crate) async fn settle(mut lease: Lease, failed: Option<&SqlError>, shared: &Shared<'_>) {
    match failed {
        Some(error) if error::is_lost(error) => lease.discard(),
        Some(error) if error.state == NO_SUCH_STATEMENT => lease.discard(),
        _ if shared.is_code_dynamic => {
            // A statement that code prepared might stand where one of ours is expected.
            let count = "SELECT 1 FROM pg_catalog.pg_prepared_statements WHERE from_sql LIMIT 1";
            let Ok(connection) = lease.begin() else { return };
            let left = connection.client.simple_query(count).await;
            let is_clean = left.is_ok_and(|all| !all.iter().any(|m| matches!(m, tokio_postgres::SimpleQueryMessage::Row(_))));
            lease.rest();
            if !is_clean {
                lease.discard();
            }
        }
        _ => lease.rest(),
    }
}

/// The parameters of [`SETUP`], and one more where the request has a time zone.
pub(crate) fn settings<'a>(run: &'a Run, left_ms: &'a str, claims: &'a str, shared: &Shared<'a>) -> Vec<&'a str> {
    let facts = run.session.request.as_deref();
    let fact = |get: fn(&basalt_types::RequestFacts) -> &String| facts.map_or("", |f| get(f).as_str());
    let mut all = vec![
        shared.opening.statement_timeout.unwrap_or(left_ms),
        shared.search_path,
        claims,
        fact(|f| &f.method),
        fact(|f| &f.path),
        fact(|f| &f.headers),
        fact(|f| &f.cookies),
        run.session.role.as_str(),
    ];
    all.extend(run.timezone.as_deref());
    all
}

/// The statement that takes so many of [`settings`].
pub(crate) fn setup_of(settings: usize) -> &'static str {
    if settings > SETUP_PARAMS { SETUP_IN_ZONE } else { SETUP }
}

/// The parameters' texts.
pub(crate) fn binds<'r>(run: &'r Run, statement: &PgStatement) -> Result<Vec<Option<std::borrow::Cow<'r, str>>>, SqlError> {
    use std::borrow::Cow;
    let missing = || SqlError::internal("a plan names a value that the request does not have");
    let bind = |bind: &PgBind| -> Result<Option<Cow<'r, str>>, SqlError> {
        Ok(match bind {
            PgBind::Literal(n) | PgBind::LiteralList(n) | PgBind::Bare(n) | PgBind::BareList(n) => {
                match run.literals.0.get(*n as usize).ok_or_else(missing)? {
                    Literal::Null => None,
                    Literal::Text(text) => Some(Cow::Borrowed(text.as_str())),
                    Literal::List(items) => Some(Cow::Owned(array_literal(items))),
                }
            }
            PgBind::Numbered(_) => return Err(missing()),
            PgBind::Payload => match &run.payload {
                None => None,
                Some(bytes) => Some(Cow::Borrowed(
                    std::str::from_utf8(bytes)
                        .map_err(|_| SqlError::new(SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\""))?,
                )),
            },
        })
    };
    let all = statement.binds.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
    if all.iter().flatten().any(|text| text.contains('\0')) {
        return Err(SqlError::new(SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(all)
}

/// A parameter in text form, which the server reads as whatever type it found the parameter to have.
#[derive(Debug)]
pub(crate) struct Sent<'t>(pub(crate) Option<&'t str>);

impl ToSql for Sent<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(text) = self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// The type a parameter is declared with.
pub(crate) fn declared(bind: &PgBind) -> Type {
    if bind.is_bare() { Type::UNKNOWN } else { Type::TEXT }
}

/// Parameters with the types they are declared with, for statements without a name.
pub(crate) fn typed<'p>(params: &[&'p (dyn ToSql + Sync)], binds: &[PgBind]) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    params.iter().zip(binds).map(|(param, bind)| (*param, declared(bind))).collect()
}

/// The same for [`settings`], which are texts.
pub(crate) fn typed_settings<'p>(setup: &[&'p (dyn ToSql + Sync)]) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    setup.iter().map(|setting| (*setting, Type::TEXT)).collect()
}

#[allow(clippy::disallowed_methods)] // monotonic time that is left
async fn transact(
    connection: &mut Connection,
    run: &Run,
    statement: &PgStatement,
    shared: &Shared<'_>,
) -> Result<Answer, RunError> {
    let texts = binds(run, statement)?;
    let texts: Vec<Sent<'_>> = texts.iter().map(|text| Sent(text.as_deref())).collect();
    let params: Vec<&(dyn ToSql + Sync)> = texts.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
    let left = run.limits.deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(timeout().into());
    }
    let left = left.as_millis().max(1).to_string();
    let claims = run.session.claims_text();
    let setup = settings(run, &left, &claims, shared);
    let setup: Vec<&(dyn ToSql + Sync)> = setup.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
    // A check after the statement may take everything back, so COMMIT cannot be on its way already.
    let is_checked = run.rollback || run.plan.max_affected.is_some() || is_checked_write(run) || statement.explain.is_some();
    if let Some(explain) = run.explain.as_deref() {
        let sql = format!("{} {}", explain_options(explain), statement.sql);
        let rows = unprepared(connection, (&sql, &statement.binds), shared, &setup, &params, run.rollback).await?;
        if run.rollback {
            undo(connection).await?;
        }
        return explanation(&rows).map_err(RunError::from);
    }
    let rows = if shared.is_prepared && run.timezone.is_none() {
        prepared(connection, run, statement, shared, &setup, &params, is_checked).await?
    } else {
        unprepared(connection, (&statement.sql, &statement.binds), shared, &setup, &params, is_checked).await?
    };
    let read = rows.first().map_or_else(|| Err(SqlError::internal("a statement answered no row")), |row| answer(row, run));
    if read.is_err() && is_checked {
        connection.client.batch_execute("ROLLBACK").await.map_err(|e| error::of(&e))?;
    }
    let mut answer = read?;
    let mut verdict = check(run, &answer);
    if let (Some(explain), Ok(())) = (&statement.explain, &verdict) {
        match planned(connection, run, explain).await {
            Ok(planned) => answer.total = total(&run.plan, answer.total, planned.as_deref()),
            Err(error) => verdict = Err(error.into()),
        }
    }
    if is_checked && run.rollback && verdict.is_ok() {
        undo(connection).await?;
    } else if is_checked {
        let end = if verdict.is_err() { "ROLLBACK" } else { "COMMIT" };
        connection.client.batch_execute(end).await.map_err(|e| error::of(&e))?;
    }
    verdict.map(|()| answer)
}

/// Takes a transaction back as if it had been committed.
pub(crate) async fn undo(connection: &Connection) -> Result<(), SqlError> {
    let undone = connection.client.batch_execute(UNDO).await;
    if undone.is_err() {
        connection.client.batch_execute("ROLLBACK").await.map_err(|e| error::of(&e))?;
    }
    undone.map_err(|e| error::of(&e))
}

/// `EXPLAIN` with its options, in the order of PostgREST's media type.
fn explain_options(explain: &Explain) -> String {
    let mut text = format!("EXPLAIN (FORMAT {}", if explain.json { "JSON" } else { "TEXT" });
    let options = [
        (explain.analyze, ", ANALYZE"),
        (explain.verbose, ", VERBOSE"),
        (explain.settings, ", SETTINGS"),
        (explain.buffers, ", BUFFERS"),
        (explain.wal, ", WAL"),
    ];
    text.extend(options.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, word)| word));
    text.push(')');
    text
}

/// The lines of an explanation.
pub(crate) fn explanation(rows: &[Row]) -> Result<Answer, SqlError> {
    let mut body = String::new();
    for row in rows {
        let Lines(line) = row.try_get(0).map_err(|e| error::of(&e))?;
        body.push_str(line);
        body.push('\n');
    }
    Ok(Answer { body: Bytes::from(body), ..Answer::default() })
}

/// EXPLAIN's answer: lines of text, or one of JSON.
struct Lines<'a>(&'a str);

impl<'a> FromSql<'a> for Lines<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TEXT | Type::JSON)
    }
}

/// A body: a text, or what a media type handler made, in whatever type, as the server sends it in binary form.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// What the planner says of a read: the first line of EXPLAIN.
pub(crate) async fn planned(connection: &Connection, run: &Run, explain: &PgStatement) -> Result<Option<String>, SqlError> {
    let texts = binds(run, explain)?;
    let texts: Vec<Sent<'_>> = texts.iter().map(|text| Sent(text.as_deref())).collect();
    let params: Vec<(&(dyn ToSql + Sync), Type)> =
        texts.iter().zip(&explain.binds).map(|(text, bind)| (text as &(dyn ToSql + Sync), declared(bind))).collect();
    let rows = connection.client.query_typed(&explain.sql, &params).await.map_err(|e| error::of(&e))?;
    rows.first().map(|row| row.try_get(0).map_err(|e| error::of(&e))).transpose()
}

/// Whether a write's answer can be refused after it is known: by its number of rows, or because it is too long to give.
pub(crate) fn is_checked_write(run: &Run) -> bool {
    match &run.plan.action {
        Action::Read { .. } => false,
        Action::Call { call, .. } => !call.is_read_only && call.result != CallResult::Void,
        Action::Write { is_put, representation, .. } => {
            let is_small = representation.is_none() && run.payload.as_ref().is_some_and(|p| p.len() < SMALL_PAYLOAD);
            *is_put || matches!(run.plan.output, Output::Object { .. }) || (run.plan.output != Output::None && !is_small)
        }
    }
}

pub(crate) fn check(run: &Run, answer: &Answer) -> Result<(), RunError> {
    if let Action::Write { is_put: true, .. } = run.plan.action
        && answer.rows != 1
    {
        return Err(RunError::PutNotSingle);
    }
    if matches!(run.plan.output, Output::Object { .. }) && answer.rows != 1 {
        return Err(RunError::NotSingular(answer.rows));
    }
    match run.plan.max_affected {
        Some(most) if answer.rows > most => return Err(RunError::TooManyAffected(answer.rows)),
        _ => {}
    }
    if answer.body.len() > run.limits.max_response_bytes {
        return Err(SqlError::new(SqlState::PROGRAM_LIMIT, "the response is too long").into());
    }
    Ok(())
}

pub(crate) fn answer(row: &Row, run: &Run) -> Result<Answer, SqlError> {
    let number = |at: usize| -> Result<Option<u64>, SqlError> {
        let n: Option<i64> = row.try_get(at).map_err(|e| error::of(&e))?;
        Ok(n.map(|n| u64::try_from(n).unwrap_or(0)))
    };
    let body: Option<Raw<'_>> = row.try_get(0).map_err(|e| error::of(&e))?;
    let rows = number(1)?.unwrap_or(0);
    let body = Bytes::copy_from_slice(body.map_or(&[], |Raw(bytes)| bytes));
    let mut answer = Answer { body, rows, total: number(2)?, ..Answer::default() };
    if matches!(run.plan.action, Action::Write { .. }) {
        answer.inserted = number(3)?.unwrap_or(0);
        let key: Option<Vec<Option<String>>> = row.try_get(4).map_err(|e| error::of(&e))?;
        answer.location = key.unwrap_or_default();
    }
    // Behind all others, where the statement has them.
    let said = if matches!(run.plan.action, Action::Write { .. }) { 5 } else { 3 };
    if row.len() > said {
        answer.response_status = row.try_get(said).map_err(|e| error::of(&e))?;
        answer.response_headers = row.try_get(said + 1).map_err(|e| error::of(&e))?;
    }
    Ok(answer)
}

/// [`SETUP`], prepared.
pub(crate) async fn setup_statement(connection: &mut Connection, shared: &Shared<'_>) -> Result<Statement, SqlError> {
    if let Some(known) = connection.prepared(&Key::Setup, shared.catalog_version) {
        return Ok(known);
    }
    let made = connection.client.prepare_typed(SETUP, &vec![Type::TEXT; 8]).await.map_err(|e| error::of(&e))?;
    connection.keep(Key::Setup, &made);
    Ok(made)
}

/// Behind BEGIN all in one go when the statement is known to the connection, else one more message for it to become known.
async fn prepared(
    connection: &mut Connection,
    run: &Run,
    statement: &PgStatement,
    shared: &Shared<'_>,
    setup: &[&(dyn ToSql + Sync)],
    params: &[&(dyn ToSql + Sync)],
    is_checked: bool,
) -> Result<Vec<Row>, SqlError> {
    let begin = setup_statement(connection, shared).await?;
    shared.opening.begin(&connection.client).await?;
    let key = Key::Plan(run.plan.id, run.session.role.clone());
    if let Some(known) = connection.prepared(&key, shared.catalog_version) {
        return together(connection, (&shared.opening, &begin), setup, &known, params, is_checked).await;
    }
    let client = &connection.client;
    // Prepared after the role is set: names in schemas that the role may not use must not be found.
    let types: Vec<Type> = statement.binds.iter().map(declared).collect();
    let (opened, made) =
        join(shared.opening.open(client, client.query(&begin, setup)), client.prepare_typed(&statement.sql, &types)).await;
    let made = opened.and(made);
    let (rows, made) = match made {
        Ok(made) => (client.query(&made, params).await, Some(made)),
        Err(error) => (Err(error), None),
    };
    let rows = finish(client, rows, is_checked).await?;
    if let Some(made) = made {
        connection.keep(key, &made);
    }
    Ok(rows)
}

/// Ends the transaction after its statement, unless the caller does.
async fn finish(
    client: &tokio_postgres::Client,
    rows: Result<Vec<Row>, tokio_postgres::Error>,
    is_checked: bool,
) -> Result<Vec<Row>, SqlError> {
    match rows {
        Ok(rows) if is_checked => Ok(rows),
        Ok(rows) => client.batch_execute("COMMIT").await.map(|()| rows).map_err(|e| error::of(&e)),
        Err(failed) => {
            client.batch_execute("ROLLBACK").await.map_err(|e| error::of(&e))?;
            Err(error::of(&failed))
        }
    }
}

async fn together(
    connection: &Connection,
    (opening, begin): (&Opening<'_>, &Statement),
    setup: &[&(dyn ToSql + Sync)],
    known: &Statement,
    params: &[&(dyn ToSql + Sync)],
    is_checked: bool,
) -> Result<Vec<Row>, SqlError> {
    let client = &connection.client;
    // Each is sent when first polled, in this order, before the first answer is awaited.
    if is_checked {
        let (opened, rows) = join(opening.open(client, client.query(begin, setup)), client.query(known, params)).await;
        return match opened.and(rows) {
            Ok(rows) => Ok(rows),
            Err(failed) => finish(client, Err(failed), true).await,
        };
    }
    let opened = opening.open(client, client.query(begin, setup));
    let (opened, rows, ended) = join3(opened, client.query(known, params), client.batch_execute("COMMIT")).await;
    // A COMMIT after a failure is a ROLLBACK, and succeeds.
    let rows = opened.and(rows);
    match (rows, ended) {
        (Ok(rows), Ok(())) => Ok(rows),
        (Err(failed), _) | (Ok(_), Err(failed)) => Err(error::of(&failed)),
    }
}

/// Without names on the server, for poolers that change connections between transactions.
async fn unprepared(
    connection: &Connection,
    (sql, binds): (&str, &[PgBind]),
    shared: &Shared<'_>,
    setup: &[&(dyn ToSql + Sync)],
    params: &[&(dyn ToSql + Sync)],
    is_checked: bool,
) -> Result<Vec<Row>, SqlError> {
    let client = &connection.client;
    shared.opening.begin(client).await?;
    let begin = setup_of(setup.len());
    let (setup, params) = (typed_settings(setup), typed(params, binds));
    let opened = shared.opening.open(client, client.query_typed(begin, &setup));
    let (opened, rows) = join(opened, client.query_typed(sql, &params)).await;
    finish(client, opened.and(rows), is_checked).await
}
