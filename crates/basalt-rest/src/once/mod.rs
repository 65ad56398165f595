//! `Idempotency-Key`: a POST that is repeated runs once. Ours, after draft-ietf-httpapi-idempotency-key-header-07; described in
//! docs/wire/rest-beyond.md.
//!
//! The request is polled up to where it would run something, as a part of a batch is. The engine runs that in one transaction with a
//! receipt, which holds the answer; so the answer is rendered inside the transaction, from the same request once more: [`around`].
//! Whoever repeats the request gets the receipt's answer.

mod around;
mod key;
mod matched;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use basalt_engine::receipt::Render;
use basalt_engine::{Answer, Batch, BatchError, Claim, Claimed, Reply, RunError};
use basalt_types::{Session, SqlError};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};

use crate::config::ReceiptLimits;
use crate::error::RestError as Error;
use crate::parse::prefer::Preferences;
use crate::{Rest, STALE_TRIES, put};
use around::Around;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer is a receipt's.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Says that the answer's body was too long to be kept.
const BODY: HeaderName = HeaderName::from_static("idempotency-body");

/// Receipts that are swept in one transaction.
const SWEPT_AT_ONCE: u64 = 500;

const SWEEP: &str = "DELETE FROM basalt.receipts WHERE id IN \
     (SELECT id FROM basalt.receipts WHERE expires_at <= now() ORDER BY expires_at LIMIT 500)";

impl Rest {
    /// Answers a POST with a key.
    pub(crate) async fn once(
        &self,
        prefix: usize,
        session: &Session,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        let key = key::read(request.headers())?;
        let Some(limits) = self.config.receipts else {
            return Err(Error::NoReceipts("This server keeps no receipts: leave the Idempotency-Key out".to_owned()));
        };
        let is_taken_back = self.config.tx_end.rolls_back(Preferences::of(request.headers()).rollback);
        // What leaves nothing behind may be repeated.
        if is_taken_back || is_explained(request) {
            return self.answer_plainly(prefix, session, request, None).await;
        }
        for _ in 0..STALE_TRIES {
            let around = Arc::new(Around::new(self.still(), prefix, session, request)?);
            match self.once_around(&around, &key, limits).await {
                Err(Error::Stale) => {}
                other => return other,
            }
        }
        Err(Error::Stale)
    }

    async fn once_around(&self, around: &Arc<Around>, key: &str, limits: ReceiptLimits) -> Result<Response<Bytes>, Error> {
        let mut under_way = match around.begin() {
            Ok(under_way) => under_way,
            // It may have run when the schema was another.
            Err(failed) => match self.known(around, key, limits).await {
                Some(reply) => return Ok(response(reply, true)),
                None => return around.failed(failed),
            },
        };
        let steps = under_way.steps();
        if !steps.iter().any(|step| around::writes(&step.run)) {
            return self.answer_plainly(around.prefix, &around.session, &around.request, None).await;
        }
        // What the surface itself refuses while rendering; engines know their own errors alone.
        let refused: Arc<Mutex<Option<Error>>> = Arc::default();
        let render: Render = {
            let (around, refused) = (Arc::clone(around), Arc::clone(&refused));
            Arc::new(move |answers: &[Answer]| match around.render(answers) {
                Ok(response) => Ok(reply(&response)),
                Err(Error::Stale) => Err(RunError::StalePlan),
                Err(error) => {
                    *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    Err(SqlError::internal("the answer cannot be made").into())
                }
            })
        };
        let batch = Batch {
            deadline: around::deadline(&steps).unwrap_or(self.limits(&around.session).deadline),
            max_response_bytes: self.config.max_response_bytes,
            rollback: false,
            steps,
        };
        let failed = match self.engine.run_claimed(batch, self.claim(around, key, limits, render)).await {
            Ok(Claimed::Ran(reply)) => return Ok(response(reply, false)),
            Ok(Claimed::Known(reply)) => return Ok(response(reply, true)),
            Err(failed) => failed,
        };
        if let Some(error) = refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        match failed.error {
            RunError::StalePlan => Err(Error::Stale),
            error @ (RunError::KeyInUse | RunError::KeyOfAnother | RunError::TooManyReceipts(_) | RunError::NoReceipts(_)) => {
                Err(error.into())
            }
            error => under_way.end(Err(BatchError { at: failed.at, error })),
        }
    }

    /// The receipt of a request that cannot be run any more, if there is one.
    async fn known(&self, around: &Around, key: &str, limits: ReceiptLimits) -> Option<Reply> {
        let bounds = self.limits(&around.session);
        let batch = Batch {
            steps: Vec::new(),
            deadline: bounds.deadline,
            max_response_bytes: bounds.max_response_bytes,
            rollback: false,
        };
        let render: Render = Arc::new(|_: &[Answer]| Err(RunError::StalePlan));
        match self.engine.run_claimed(batch, self.claim(around, key, limits, render)).await {
            Ok(Claimed::Known(reply)) => Some(reply),
            _ => None,
        }
    }

    fn claim(&self, around: &Around, key: &str, limits: ReceiptLimits, render: Render) -> Claim {
        let subject = key::subject(&around.session);
        // Who is bound by no policy could write rows as well.
        let is_free = self.engine.catalog().role(around.session.role.as_str()).is_some_and(|role| role.bypass_rls);
        Claim {
            id: key::id(&subject, key),
            subject,
            request: key::digest(&around.request, around.prefix),
            lifetime: limits.lifetime,
            max_body_bytes: limits.max_body_bytes,
            most: limits.most.filter(|_| !is_free),
            render,
        }
    }

    /// How often [`Self::sweep`] is worth its while.
    pub const SWEEP_EVERY: Duration = Duration::from_secs(600);

    /// Forgets receipts that have expired. Says how many.
    ///
    /// # Errors
    /// What the database reports; that there are no receipts is no error.
    pub async fn sweep(&self) -> Result<u64, SqlError> {
        let mut swept = 0;
        if self.config.receipts.is_none() || self.engine.catalog().relation("basalt", "receipts").is_none() {
            return Ok(swept);
        }
        loop {
            let one = basalt_engine::transaction(&*self.engine, |tx| Ok(tx.query(SWEEP, &[])?.affected)).await?;
            swept += one;
            if one < SWEPT_AT_ONCE {
                return Ok(swept);
            }
        }
    }
}

/// Whether the statement's plan is asked for.
fn is_explained(request: &Request<Bytes>) -> bool {
    let accepted = request.headers().get_all(ACCEPT).iter();
    accepted.filter_map(|value| value.to_str().ok()).any(|value| value.contains("vnd.pgrst.plan"))
}

fn reply(response: &Response<Bytes>) -> Reply {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: Some(response.body().clone()),
    }
}

fn response(reply: Reply, is_replayed: bool) -> Response<Bytes> {
    let is_whole = reply.body.is_some();
    let mut response = Response::new(reply.body.unwrap_or_default());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            headers.append(name, value);
        }
    }
    if !is_whole {
        headers.remove(CONTENT_TYPE);
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        put(headers, BODY, "omitted");
    }
    if is_replayed {
        put(headers, REPLAYED, "true");
    }
    response
}

#[cfg(test)]
mod tests;
