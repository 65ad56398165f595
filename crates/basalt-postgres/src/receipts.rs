//! Receipts of requests with a key: looked up before a request takes its role, written after it gave it back, in its transaction.
//!
//! The login of requests reaches them through functions that know one receipt at a time. A lock that lasts as long as the transaction
//! says whether a request with the same key is under way, on whichever server; it goes through poolers of transactions.

use basalt_engine::RunError;
use basalt_engine::receipt::{Claim, Reply};
use basalt_types::SqlError;
use futures_util::future::{join, join3};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use crate::error;

const LOCK: &str = "SELECT pg_catalog.pg_try_advisory_xact_lock($1)";

const FIND: &str = "SELECT f.request, f.status, f.headers, f.body, n.n \
     FROM (SELECT basalt.count_receipts($2, $3) AS n) AS n LEFT JOIN basalt.find_receipt($1) AS f ON true";

const KEEP: &str = "SELECT basalt.keep_receipt($1, $2, $3, $4, $5, $6, $7)";

/// What waits for the transaction's end runs now, as the caller; what follows is the login's own.
const TAKE_ROLE_BACK: &str = "SET LOCAL ROLE NONE";

/// Undefined schema, function, table; or no right to use them.
const NO_PLACE: &[&str] = &["3F000", "42883", "42P01", "42501"];

fn plain(error: tokio_postgres::Error) -> RunError {
    RunError::Sql(error::of(&error))
}

/// The receipt of a request that ran before, in a transaction that has begun. Without one the caller may still have room for it, and
/// nobody else runs a request with its key.
///
/// # Errors
/// [`RunError::KeyInUse`], [`RunError::KeyOfAnother`], [`RunError::TooManyReceipts`], [`RunError::NoReceipts`]; what the connection reports.
pub(crate) async fn find(client: &Client, claim: &Claim) -> Result<Option<Reply>, RunError> {
    let (lock, most) = (claim.lock(), claim.most.map_or(0, |most| i64::try_from(most).unwrap_or(i64::MAX)));
    let (id, subject) = (claim.id.as_slice(), claim.subject.as_slice());
    // Two statements: where each sees what was committed before it, the second sees what the lock waited for.
    let (locked, found) = join(
        client.query_typed(LOCK, &[(&lock, Type::INT8)]),
        client.query_typed(FIND, &[(&id, Type::BYTEA), (&subject, Type::BYTEA), (&most, Type::INT8)]),
    )
    .await;
    let locked = locked.map_err(plain)?;
    let found = found.map_err(no_place)?;
    let row = found.first().ok_or_else(|| SqlError::internal("receipts answered no row"))?;
    let get = |at| row.try_get::<_, Option<Vec<u8>>>(at).map_err(plain);
    if let Some(request) = get(0)? {
        let status: i32 = row.try_get(1).map_err(plain)?;
        let headers: String = row.try_get(2).map_err(plain)?;
        return claim.found(&request, Reply::of(i64::from(status), &headers, get(3)?)).map(Some);
    }
    if !is_true(&locked) {
        return Err(RunError::KeyInUse);
    }
    let count: i64 = row.try_get(4).map_err(plain)?;
    match claim.most {
        Some(most) if u64::try_from(count).unwrap_or(0) >= most => Err(RunError::TooManyReceipts(most)),
        _ => Ok(None),
    }
}

/// Writes the receipt and commits. Deferred constraints and triggers of the request run before, as its role.
///
/// # Errors
/// What they report; 40001 where another transaction wrote a receipt of that name.
pub(crate) async fn keep(client: &Client, claim: &Claim, reply: &Reply) -> Result<(), SqlError> {
    let status = i32::from(reply.status);
    let (headers, body) = (reply.headers_text(), claim.kept_body(reply));
    let seconds = i64::try_from(claim.lifetime.as_secs()).unwrap_or(i64::MAX);
    let (id, subject, request) = (claim.id.as_slice(), claim.subject.as_slice(), claim.request.as_slice());
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 7] = [
        (&id, Type::BYTEA),
        (&subject, Type::BYTEA),
        (&request, Type::BYTEA),
        (&status, Type::INT4),
        (&headers, Type::TEXT),
        (&body, Type::BYTEA),
        (&seconds, Type::INT8),
    ];
    let sql = |e: tokio_postgres::Error| error::of(&e);
    let (checked, taken, kept) = join3(
        client.batch_execute("SET CONSTRAINTS ALL IMMEDIATE"),
        client.batch_execute(TAKE_ROLE_BACK),
        client.query_typed(KEEP, &params),
    )
    .await;
    let kept = checked.and(taken).and(kept).map_err(sql)?;
    if !is_true(&kept) {
        return Err(SqlError::new(error::SERIALIZATION_FAILURE, "another request with the same key was kept meanwhile"));
    }
    client.batch_execute("COMMIT").await.map_err(sql)
}

fn is_true(rows: &[Row]) -> bool {
    rows.first().is_some_and(|row| matches!(row.try_get::<_, Option<bool>>(0), Ok(Some(true))))
}

/// A database that has no place for receipts says so by not knowing a name.
fn no_place(error: tokio_postgres::Error) -> RunError {
    let error = error::of(&error);
    if !NO_PLACE.contains(&error.state.as_str()) {
        return RunError::Sql(error);
    }
    RunError::NoReceipts(
        "This database has no place for receipts: whoever runs the server starts it once with --bootstrap on, as the owner"
            .to_owned(),
    )
}
