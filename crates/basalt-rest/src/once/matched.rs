//! `If-Match` of PATCH, PUT and DELETE: the write runs if the GET of its address would answer what the client has seen. Both run in one
//! transaction of one snapshot, so what is written is what was compared.

use std::sync::Arc;

use basalt_engine::batch::Verify;
use basalt_engine::{Answer, Batch, BatchError, RunError};
use basalt_types::Session;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH, RANGE};
use http::{Method, Request, Response};

use super::around::{self, Around};
use crate::error::RestError as Error;
use crate::{Rest, STALE_TRIES, etag};

/// Headers of the write that the GET does not have.
static OF_THE_WRITE: [HeaderName; 7] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HeaderName::from_static("accept-profile"),
    IF_MATCH,
    IF_NONE_MATCH,
    RANGE,
    HeaderName::from_static("prefer"),
];

impl Rest {
    /// Answers a write with a condition.
    pub(crate) async fn matched(
        &self,
        prefix: usize,
        session: &Session,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Error> {
        for _ in 0..STALE_TRIES {
            match self.matched_once(prefix, session, request).await {
                Err(Error::Stale) => {}
                other => return other,
            }
        }
        Err(Error::Stale)
    }

    async fn matched_once(&self, prefix: usize, session: &Session, request: &Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let still = self.still();
        let writing = Around::new(still.clone(), prefix, session, request)?;
        let reading = Arc::new(Around::new(still, prefix, session, &read_of(request))?);
        let mut write = writing.begin().map_err(|failed| failed.error)?;
        let mut steps = reading.begin().map_err(|failed| failed.error)?.steps();
        let [read] = steps.as_mut_slice() else { return Err(Error::PreconditionFailed) };
        let asked = request.headers().clone();
        let seen = Arc::clone(&reading);
        let verify: Verify = Arc::new(move |answer: &Answer| {
            // What cannot be read is not what was seen.
            let response = seen.render(std::slice::from_ref(answer));
            let is_matched = response.is_ok_and(|response| etag::is_matched(&asked, &response, answer.rows));
            if is_matched { Ok(()) } else { Err(RunError::PreconditionFailed) }
        });
        read.verify = Some(verify);
        let limits = self.limits(session);
        steps.extend(write.steps());
        let batch = Batch {
            deadline: around::deadline(&steps).unwrap_or(limits.deadline),
            max_response_bytes: limits.max_response_bytes,
            rollback: writing.is_taken_back(),
            steps,
        };
        match self.engine.run_batch(batch).await {
            Ok(mut answers) => {
                if !answers.is_empty() {
                    answers.remove(0);
                }
                write.end(Ok(answers))
            }
            Err(BatchError { error: RunError::StalePlan, .. }) => Err(Error::Stale),
            // One object was seen, and there is none any more, or more than one.
            Err(BatchError { at: Some(0), error: RunError::NotSingular(_) }) => Err(Error::PreconditionFailed),
            Err(BatchError { at: Some(0), error }) => Err(error.into()),
            Err(BatchError { at, error }) => write.end(Err(BatchError { at: at.and_then(|at| at.checked_sub(1)), error })),
        }
    }
}

/// The GET of a write's address.
fn read_of(request: &Request<Bytes>) -> Request<Bytes> {
    let mut read = Request::new(Bytes::new());
    *read.method_mut() = Method::GET;
    *read.uri_mut() = request.uri().clone();
    let headers = read.headers_mut();
    headers.clone_from(request.headers());
    for name in &OF_THE_WRITE {
        headers.remove(name);
    }
    if let Some(profile) = headers.remove("content-profile") {
        headers.insert("accept-profile", profile);
    }
    read
}
