//! Receipts of requests with a key: looked up and written inside the job that runs the request.

use std::collections::HashSet;

use basalt_engine::receipt::{Claim, Reply};
use basalt_engine::{RunError, Transaction};
use basalt_types::pg::datetime::now_text;
use basalt_types::{SqlError, Value};
use parking_lot::Mutex;

use crate::commit::Desk;
use crate::own::Own;

const FIND: &str = "SELECT request, status, headers, body FROM basalt.receipts WHERE id = $1 AND expires_at > $2";

/// No further than it matters.
const COUNT: &str =
    "SELECT count(*) FROM (SELECT 1 AS one FROM basalt.receipts WHERE subject = $1 AND expires_at > $2 LIMIT $3) AS few";

/// One that counts no more makes room.
const KEEP: &str = "INSERT INTO basalt.receipts (id, subject, request, status, headers, body, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, request = excluded.request, \
     status = excluded.status, headers = excluded.headers, body = excluded.body, expires_at = excluded.expires_at";

/// Keys whose requests are under way.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<HashSet<[u8; 32]>>);

/// A key that is in use as long as this is there.
#[derive(Debug)]
pub(crate) struct KeyInUse<'k>(&'k Keys, [u8; 32]);

impl Keys {
    /// Takes a key, unless it is in use.
    pub(crate) fn take(&self, id: [u8; 32]) -> Option<KeyInUse<'_>> {
        let is_free = self.0.lock().insert(id);
        // Made only where it was free: it gives the key back when it is dropped.
        is_free.then(|| KeyInUse(self, id))
    }
}

impl Drop for KeyInUse<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}

fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec())
}

/// The receipt of a request that ran before. Without one the caller may still have room for it.
///
/// # Errors
/// [`RunError::KeyOfAnother`]; [`RunError::TooManyReceipts`]; what reading reports.
pub(crate) fn find(desk: &Desk<'_>, claim: &Claim) -> Result<Option<Reply>, RunError> {
    let mut own = Own::writing(desk);
    let now = Value::Text(now_text(desk.now));
    if let Some(row) = own.query(FIND, &[blob(&claim.id), now.clone()])?.rows.pop() {
        let mut row = row.into_iter();
        let (request, status, headers, body) = (row.next(), row.next(), row.next(), row.next());
        let (Some(Value::Blob(request)), Some(Value::Int(status)), Some(Value::Text(headers))) = (request, status, headers)
        else {
            return Err(SqlError::internal("a receipt cannot be read").into());
        };
        let body = body.and_then(|body| if let Value::Blob(body) = body { Some(body) } else { None });
        return claim.found(&request, Reply::of(status, &headers, body)).map(Some);
    }
    if let Some(most) = claim.most {
        let bound = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = own.query(COUNT, &[blob(&claim.subject), now, Value::Int(bound)])?.rows;
        if matches!(rows.first().and_then(|row| row.first()), Some(Value::Int(n)) if *n >= bound) {
            return Err(RunError::TooManyReceipts(most));
        }
    }
    Ok(None)
}

/// Writes the receipt.
///
/// # Errors
/// What writing reports.
pub(crate) fn keep(desk: &Desk<'_>, claim: &Claim, reply: &Reply) -> Result<(), RunError> {
    let seconds = i64::try_from(claim.lifetime.as_secs()).unwrap_or(i64::MAX);
    let params = [
        blob(&claim.id),
        blob(&claim.subject),
        blob(&claim.request),
        Value::Int(i64::from(reply.status)),
        Value::Text(reply.headers_text()),
        claim.kept_body(reply).map_or(Value::Null, blob),
        Value::Text(now_text(desk.now.plus_s(seconds))),
    ];
    Own::writing(desk).query(KEEP, &params)?;
    desk.note_write();
    Ok(())
}
