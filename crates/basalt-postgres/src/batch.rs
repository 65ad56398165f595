//! Several plans in one transaction: BEGIN, then for each step role and claims anew and its statement, then COMMIT.
//!
//! The snapshot is that of the first statement (REPEATABLE READ), so that all steps see one state and what they wrote themselves. A
//! batch that met another transaction is repeated.

use std::sync::atomic::Ordering;
use std::time::Instant;

use basalt_engine::{Answer, Batch, BatchError, Claim, Claimed, Reply, Run, RunError};
use basalt_plan::dialect::postgres::{PgStatement, total};
use basalt_types::SqlError;
use futures_util::future::{join3, join4};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::engine::{MOST_ATTEMPTS, PostgresEngine};
use crate::pool::{Connection, Key, Lease};
use crate::request::{self, Sent, Shared, declared};
use crate::{cost, error, receipts};

/// One state for all steps. The transaction that [`request::BEGIN`] opened has a snapshot already, from taking back what was left.
const ONE_SNAPSHOT: &str = "COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ";

/// What the statement before may have left for the next one to count in.
const FORGET: &str = "SET LOCAL basalt.conflicts TO ''";

/// How a batch went well.
enum Done {
    /// All of it ran.
    Ran(Vec<Answer>),
    /// It ran, and this was kept of it.
    Kept(Reply),
    /// It had run before.
    Known(Reply),
}

impl PostgresEngine {
    pub(crate) async fn batch(&self, batch: Batch) -> Result<Vec<Answer>, BatchError> {
        match self.run_steps(batch, None).await? {
            Done::Ran(answers) => Ok(answers),
            Done::Kept(_) | Done::Known(_) => Err(BatchError::of_all(SqlError::internal("a batch without a key was kept"))),
        }
    }

    /// Runs a batch once for its key.
    pub(crate) async fn claimed(&self, batch: Batch, claim: Claim) -> Result<Claimed, BatchError> {
        match self.run_steps(Batch { rollback: false, ..batch }, Some(&claim)).await? {
            Done::Kept(reply) => Ok(Claimed::Ran(reply)),
            Done::Known(reply) => Ok(Claimed::Known(reply)),
            Done::Ran(_) => Err(BatchError::of_all(SqlError::internal("a batch with a key was not kept"))),
        }
    }

    async fn run_steps(&self, batch: Batch, claim: Option<&Claim>) -> Result<Done, BatchError> {
        let shared = &*self.shared;
        let catalog = shared.catalog.load_full();
        let mut statements = Vec::with_capacity(batch.steps.len());
        for (at, step) in batch.steps.iter().enumerate() {
            if step.run.plan.catalog_version != catalog.version() {
                return Err(BatchError::at(at, RunError::StalePlan));
            }
            statements.push(shared.statement(&step.run, &catalog).map_err(|error| BatchError::at(at, error))?);
        }
        shared.runs.fetch_add(batch.steps.len() as u64, Ordering::Relaxed);
        let is_code_dynamic = shared.is_code_dynamic.load(Ordering::Relaxed);
        let openings = shared.openings.load_full();
        let (opening, search_path) = match (&openings, batch.steps.first()) {
            (Some(openings), Some(step)) => openings.of(&step.run, false, shared.search_path(&step.run)),
            (None, Some(step)) => {
                // A request alone begins as it would without a key.
                let is_alone = claim.is_some() && batch.steps.len() == 1;
                let begin = if is_alone { request::beginning(&step.run) } else { request::BEGIN };
                (request::Opening { begin, settings: shared.notice, ..Default::default() }, shared.search_path(&step.run))
            }
            (_, None) if claim.is_none() => return Ok(Done::Ran(Vec::new())),
            // Only the receipt is looked for.
            (_, None) => (request::Opening::default(), ""),
        };
        let facts = Shared {
            search_path,
            opening,
            catalog_version: catalog.version(),
            // Code of one step could prepare something under a name that another step expects to be ours.
            is_prepared: shared.is_prepared && !is_code_dynamic,
            is_code_dynamic,
            // Its own way takes everything back each time.
            leaves_traces: true,
            reads_request: true,
        };
        let limit = tokio::time::Instant::from_std(batch.deadline) + request::GRACE;
        let mut attempt = 1;
        loop {
            let lease = shared.requests.lease().await.map_err(|e| BatchError::of_all(error::refused(e)))?;
            let result = tokio::time::timeout_at(limit, within(lease, &batch, claim, &statements, &facts)).await;
            // When it took too long, the lease was dropped in the middle: its statement is being cancelled.
            let result = result.unwrap_or_else(|_| Err(BatchError::of_all(request::timeout())));
            match result {
                // Its snapshot may be older than the receipt of the same request, whose rows it then met.
                Err(BatchError { error: RunError::Sql(error), .. })
                    if attempt == 1 && claim.is_some() && batch.steps.len() > 1 && error.state.as_str().starts_with("23") =>
                {
                    attempt += 1;
                }
                Err(BatchError { error: RunError::Sql(error), .. })
                    if attempt < MOST_ATTEMPTS
                        && (error::is_worth_repeating(&error) || error.state == request::NO_SUCH_STATEMENT) =>
                {
                    attempt += 1;
                    shared.repeated.fetch_add(1, Ordering::Relaxed);
                }
                other => return other,
            }
        }
    }
}

async fn within(
    mut lease: Lease,
    batch: &Batch,
    claim: Option<&Claim>,
    statements: &[std::sync::Arc<PgStatement>],
    shared: &Shared<'_>,
) -> Result<Done, BatchError> {
    let connection = lease.begin().map_err(BatchError::of_all)?;
    let result = transact(connection, batch, claim, statements, shared).await;
    let failed = match &result {
        Err(BatchError { error: RunError::Sql(error), .. }) => Some(error),
        _ => None,
    };
    request::settle(lease, failed, shared).await;
    result
}

async fn transact(
    connection: &mut Connection,
    batch: &Batch,
    claim: Option<&Claim>,
    statements: &[std::sync::Arc<PgStatement>],
    shared: &Shared<'_>,
) -> Result<Done, BatchError> {
    let sql = |e: tokio_postgres::Error| BatchError::of_all(error::of(&e));
    let client = &connection.client;
    let snapshot = async {
        // One statement has one state anyway, and is not to fail for another transaction where it would not without a key.
        if claim.is_some() && batch.steps.len() <= 1 { Ok(()) } else { client.batch_execute(ONE_SNAPSHOT).await }
    };
    let found = async {
        match claim {
            Some(claim) => receipts::find(client, claim).await,
            None => Ok(None),
        }
    };
    let (begun, set, chosen, found) =
        join4(client.batch_execute(shared.opening.begin), snapshot, shared.opening.settings(client), found).await;
    let set = set.and(chosen);
    let mut answers = Vec::with_capacity(batch.steps.len());
    let mut result = begun.and(set).map_err(sql);
    match (&result, found) {
        (Ok(()), Ok(None)) | (Err(_), _) => {}
        (Ok(()), Ok(Some(reply))) => {
            client.batch_execute("ROLLBACK").await.map_err(sql)?;
            return Ok(Done::Known(reply));
        }
        (Ok(()), Err(error)) => result = Err(BatchError::of_all(error)),
    }
    for (at, (step, statement)) in batch.steps.iter().zip(statements).enumerate() {
        if result.is_err() {
            break;
        }
        let one = async {
            let run = step.filled(&answers)?;
            let answer = one(connection, &run, statement, batch.deadline, shared).await?;
            step.check(&answer)?;
            Ok::<Answer, RunError>(answer)
        };
        match one.await {
            Ok(answer) => {
                answers.push(answer);
                result = batch.check_length(&answers).map_err(|error| BatchError::at(at, error));
            }
            Err(error) => result = Err(BatchError::at(at, error)),
        }
    }
    let client = &connection.client;
    if let (Ok(()), Some(claim)) = (&result, claim) {
        let kept = match (claim.render)(&answers) {
            Ok(reply) => receipts::keep(client, claim, &reply).await.map(|()| Done::Kept(reply)).map_err(RunError::Sql),
            Err(error) => Err(error),
        };
        match kept {
            Ok(done) => return Ok(done),
            Err(error) => result = Err(BatchError::at(batch.steps.len(), error)),
        }
    }
    match result {
        Ok(()) if !batch.rollback => {
            // What waited for the end (deferred constraints) fails here, and the transaction is over then.
            let ended = client.batch_execute("COMMIT").await;
            ended.map(|()| Done::Ran(answers)).map_err(|e| BatchError::at(batch.steps.len(), error::of(&e)))
        }
        Ok(()) => {
            let undone = request::undo(connection).await;
            undone.map(|()| Done::Ran(answers)).map_err(|error| BatchError::at(batch.steps.len(), error))
        }
        other => {
            client.batch_execute("ROLLBACK").await.map_err(sql)?;
            other.map(|()| Done::Ran(answers))
        }
    }
}

/// One step: who and what for, and the statement, sent together.
#[allow(clippy::disallowed_methods)] // monotonic time that is left
async fn one(
    connection: &mut Connection,
    run: &Run,
    statement: &PgStatement,
    deadline: Instant,
    shared: &Shared<'_>,
) -> Result<Answer, RunError> {
    let texts = request::binds(run, statement)?;
    let texts: Vec<Sent<'_>> = texts.iter().map(|text| Sent(text.as_deref())).collect();
    let params: Vec<&(dyn ToSql + Sync)> = texts.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(request::timeout().into());
    }
    let left = left.as_millis().max(1).to_string();
    let claims = run.session.claims_text();
    let setup = request::settings(run, &left, &claims, shared);
    let setup: Vec<&(dyn ToSql + Sync)> = setup.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
    if let Some(most) = run.limits.max_cost {
        let sql = format!("EXPLAIN (FORMAT JSON) {}", statement.sql);
        let client = &connection.client;
        let (setup, params) = (request::typed_settings(&setup), request::typed(&params, &statement.binds));
        let (set, before, rows) = join3(
            client.query_typed(request::setup_of(setup.len()), &setup),
            shared.opening.before(client),
            client.query_typed(&sql, &params),
        )
        .await;
        let rows = set.and(before).and(rows).map_err(|e| error::of(&e))?;
        let explained = request::explanation(&rows)?;
        let cost = cost::total_cost(&String::from_utf8_lossy(&explained.body)).unwrap_or_default();
        cost::verdict(cost, most)?;
    }
    let rows = if shared.is_prepared && run.timezone.is_none() {
        prepared(connection, run, statement, shared, &setup, &params).await?
    } else {
        let client = &connection.client;
        let (setup, params) = (request::typed_settings(&setup), request::typed(&params, &statement.binds));
        let (forgot, set, before, rows) = join4(
            client.batch_execute(FORGET),
            client.query_typed(request::setup_of(setup.len()), &setup),
            shared.opening.before(client),
            client.query_typed(&statement.sql, &params),
        )
        .await;
        forgot.and(set).and(before).and(rows).map_err(|e| error::of(&e))?
    };
    let row = rows.first().ok_or_else(|| SqlError::internal("a statement answered no row"))?;
    let mut answer = request::answer(row, run)?;
    request::check(run, &answer)?;
    if let Some(explain) = &statement.explain {
        let planned = request::planned(connection, run, explain).await?;
        answer.total = total(&run.plan, answer.total, planned.as_deref());
    }
    Ok(answer)
}

async fn prepared(
    connection: &mut Connection,
    run: &Run,
    statement: &PgStatement,
    shared: &Shared<'_>,
    setup: &[&(dyn ToSql + Sync)],
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, SqlError> {
    let sql = |e: tokio_postgres::Error| error::of(&e);
    let begin = request::setup_statement(connection, shared).await?;
    let key = Key::Plan(run.plan.id, run.session.role.clone());
    let known = connection.prepared(&key, shared.catalog_version);
    let client = &connection.client;
    if let Some(known) = known {
        let (forgot, set, before, rows) = join4(
            client.batch_execute(FORGET),
            client.query(&begin, setup),
            shared.opening.before(client),
            client.query(&known, params),
        )
        .await;
        return forgot.and(set).and(before).and(rows).map_err(sql);
    }
    // Prepared after the role is set: names in schemas that the role may not use must not be found.
    let types: Vec<Type> = statement.binds.iter().map(declared).collect();
    let (forgot, set, before, made) = join4(
        client.batch_execute(FORGET),
        client.query(&begin, setup),
        shared.opening.before(client),
        client.prepare_typed(&statement.sql, &types),
    )
    .await;
    let made = forgot.and(set).and(before).and(made).map_err(sql)?;
    let rows = client.query(&made, params).await.map_err(sql)?;
    connection.keep(key, &made);
    Ok(rows)
}
