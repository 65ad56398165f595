//! `POST /-/batch`: several requests in one transaction. Ours; described in docs/wire/rest-beyond.md.
//!
//! A path with a slash is never a table, so this one is in no table's way. Each operation is a request like any other: its handler
//! parses and plans it and leaves what it would run in its [`Exchange`]; all of that runs in one transaction of the engine; then the
//! handlers render their answers. References to earlier answers are filled in between, as values: [`reference`].

mod body;
pub(crate) mod reference;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use basalt_engine::batch::{Fill, Verify};
use basalt_engine::{Batch, BatchError, Run, RunError, Step};
use basalt_plan::plan::Literal;
use basalt_types::{Session, SqlError};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, HeaderValue, VARY};
use http::{Method, Request, Response, StatusCode};
use serde_json::json;

use crate::error::RestError as Error;
use crate::exchange::{Exchange, Wanted};
use crate::parse::prefer::Preferences;
use crate::parse::range;
use crate::{PREFERENCE_APPLIED, Rest, STALE_TRIES, VARIES, put};
use body::Operation;
use reference::{Results, Template, list, scalar};

/// Longest text that a reference may put into a filter, bytes: about what an address could have held.
const LONGEST_FILTER: usize = 8 << 10;

type Answering<'r> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Error>> + Send + 'r>>;

/// An operation under way.
struct Begun<'r> {
    exchange: Arc<Exchange>,
    answering: Answering<'r>,
    /// It ended without running anything.
    done: Option<Response<Bytes>>,
}

/// Why a batch was not kept, and which of its operations is to blame.
struct Failed {
    at: Option<usize>,
    error: Error,
}

impl Rest {
    /// Answers `POST /-/batch`.
    pub(crate) async fn batch(&self, session: &Session, request: &Request<Bytes>) -> Result<Response<Bytes>, Error> {
        if *request.method() != Method::POST {
            return Err(Error::Method(request.method().to_string()));
        }
        let operations = body::read(request, &self.config)?;
        let preferences = Preferences::of(request.headers());
        let rollback = self.config.tx_end.rolls_back(preferences.rollback);
        for _ in 0..STALE_TRIES {
            match self.run_operations(session, request, &operations, rollback).await {
                Ok(responses) => {
                    let mut response = listed(&operations, &responses);
                    if self.config.tx_end.may_override() && preferences.rollback.is_some() {
                        put(response.headers_mut(), PREFERENCE_APPLIED, if rollback { "tx=rollback" } else { "tx=commit" });
                    }
                    return Ok(response);
                }
                Err(Failed { error: Error::Stale, .. }) => {}
                Err(Failed { at, error }) => return Ok(self.blamed(session, request, &operations, at, &error)),
            }
        }
        Err(Error::Stale)
    }

    async fn run_operations(
        &self,
        session: &Session,
        request: &Request<Bytes>,
        operations: &[Operation],
        rollback: bool,
    ) -> Result<Vec<Response<Bytes>>, Failed> {
        let mut begun = Vec::with_capacity(operations.len());
        let mut wanted = Vec::with_capacity(operations.len());
        for (at, operation) in operations.iter().enumerate() {
            let failed = |error| Failed { at: Some(at), error };
            let asked = operation.request(request);
            let exchange = Arc::new(Exchange::default());
            let place = Arc::clone(&exchange);
            let mut answering: Answering<'_> =
                Box::pin(async move { self.answer_one(0, session, &asked, (None, Some(&place))).await });
            let done = polled(&mut answering).transpose().map_err(failed)?;
            let run = exchange.take();
            if done.is_none() && run.is_none() {
                return Err(failed(Error::Sql(SqlError::internal("a request of a batch waits for something else"))));
            }
            wanted.push(run);
            begun.push(Begun { exchange, answering, done });
        }
        let mut count = 0;
        let places: Arc<[Option<usize>]> = wanted
            .iter()
            .map(|wanted| {
                let place = count;
                count += usize::from(wanted.is_some());
                wanted.as_ref().map(|_| place)
            })
            .collect();
        let limits = self.limits(session);
        let mut steps = Vec::with_capacity(count);
        for (at, (wanted, operation)) in wanted.into_iter().zip(operations).enumerate() {
            let Some(wanted) = wanted else { continue };
            steps.push(self.step(wanted, operation, &places).map_err(|error| Failed { at: Some(at), error })?);
        }
        let batch = Batch { steps, deadline: limits.deadline, max_response_bytes: limits.max_response_bytes, rollback };
        let answers = self.engine.run_batch(batch).await.map_err(|BatchError { at, error }| Failed {
            // From the step to its operation; what failed in the end is nobody's.
            at: at.and_then(|step| places.iter().position(|place| *place == Some(step))),
            error: error.into(),
        })?;
        for (begun, answer) in begun.iter().filter(|begun| begun.done.is_none()).zip(answers) {
            begun.exchange.answer(answer);
        }
        begun.into_iter().enumerate().map(|(at, begun)| begun.end().map_err(|error| Failed { at: Some(at), error })).collect()
    }

    /// What the engine is to do for an operation.
    fn step(&self, wanted: Wanted, operation: &Operation, places: &Arc<[Option<usize>]>) -> Result<Step, Error> {
        let Wanted { run, page } = wanted;
        // What is to be taken back although it went well is refused by its number of rows: no operation may ask for more.
        let taken_back: Option<Verify> = (run.rollback && !self.config.tx_end.rolls_back(None))
            .then(|| -> Verify { Arc::new(|answer| Err(RunError::TooManyAffected(answer.rows))) });
        let verify: Option<Verify> = page.map(|page| -> Verify {
            Arc::new(move |answer| match range::status(page, answer.rows, answer.total) {
                StatusCode::RANGE_NOT_SATISFIABLE => {
                    Err(RunError::OutOfRange { offset: page.offset, total: answer.total.unwrap_or(0) })
                }
                _ => Ok(()),
            })
        });
        let verify = verify.or(taken_back);
        let mut fills: Vec<(usize, String, Template)> = Vec::new();
        for (name, template) in &operation.values {
            let is_it = |literal: &Literal| match literal {
                Literal::Text(text) => text == name,
                Literal::List(items) => items.contains(name),
                Literal::Null => false,
            };
            let before = fills.len();
            let uses = run.literals.0.iter().enumerate().filter(|(_, literal)| is_it(literal));
            fills.extend(uses.map(|(at, _)| (at, name.clone(), template.clone())));
            if fills.len() == before {
                return Err(Error::Batch(format!("\"{name}\" is the whole value of no filter")));
            }
        }
        let payload = operation.body.clone().filter(|body| !matches!(body, Template::Text(_)));
        if fills.is_empty() && payload.is_none() {
            return Ok(Step { run, fill: None, verify });
        }
        let (places, most) = (Arc::clone(places), self.config.max_batch_bytes);
        let fill: Fill = Arc::new(move |answers, run: &mut Run| {
            let mut results = Results::new(answers, &places);
            for (at, name, template) in &fills {
                let mut text = String::new();
                template.write(&mut results, LONGEST_FILTER, &mut text)?;
                match run.literals.0.get_mut(*at) {
                    Some(Literal::Text(value)) => *value = scalar(&text)?,
                    Some(Literal::List(items)) => {
                        let kept = std::mem::take(items);
                        for item in kept {
                            if item == *name { items.extend(list(&text)?) } else { items.push(item) }
                        }
                    }
                    _ => {}
                }
            }
            if let Some(payload) = &payload {
                let mut text = String::new();
                payload.write(&mut results, most, &mut text)?;
                run.payload = Some(Bytes::from(text));
            }
            Ok(())
        });
        Ok(Step { run, fill: Some(fill), verify })
    }

    /// The answer of a batch of which nothing was kept: the error as that of a request alone, with the operation's name.
    fn blamed(
        &self,
        session: &Session,
        request: &Request<Bytes>,
        operations: &[Operation],
        at: Option<usize>,
        error: &Error,
    ) -> Response<Bytes> {
        let operation = at.and_then(|at| Some((at, operations.get(at)?)));
        let place = operation.map(|(at, operation)| match &operation.id {
            Some(id) => json!({"index": at, "id": id}),
            None => json!({"index": at}),
        });
        self.refused_with(session, request.uri().path(), error, ("operation", place.unwrap_or_default()))
    }
}

impl Begun<'_> {
    /// The response, once the answer is there.
    fn end(mut self) -> Result<Response<Bytes>, Error> {
        if let Some(done) = self.done {
            return Ok(done);
        }
        polled(&mut self.answering)
            .unwrap_or_else(|| Err(Error::Sql(SqlError::internal("a request of a batch waits for something else"))))
    }
}

/// Lets a request go on as far as it comes.
fn polled(answering: &mut Answering<'_>) -> Option<Result<Response<Bytes>, Error>> {
    match answering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

/// The answer of a batch that was kept.
fn listed(operations: &[Operation], responses: &[Response<Bytes>]) -> Response<Bytes> {
    let mut out = String::with_capacity(64 + responses.iter().map(|r| r.body().len() + 256).sum::<usize>());
    out.push_str("{\"results\":[");
    for (at, (operation, response)) in operations.iter().zip(responses).enumerate() {
        out.push_str(if at > 0 { ",\n " } else { "" });
        let mut headers = serde_json::Map::new();
        let shown = response.headers().iter().filter(|(name, _)| ![VARY, CONTENT_LENGTH, CONTENT_LOCATION].contains(*name));
        for (name, value) in shown {
            headers.insert(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into());
        }
        if let Some(id) = &operation.id {
            out.push_str(&format!("{{\"id\":{},", serde_json::Value::from(id.as_str())));
        } else {
            out.push('{');
        }
        out.push_str(&format!("\"status\":{},\"headers\":", response.status().as_u16()));
        out.push_str(&serde_json::Value::Object(headers).to_string());
        out.push_str(",\"body\":");
        let text = String::from_utf8_lossy(response.body());
        let says_json = response.headers().get(CONTENT_TYPE).is_some_and(|ty| ty.to_str().is_ok_and(|ty| ty.contains("json")));
        // Code of the database may call anything JSON.
        let is_json = says_json && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        match (text.is_empty(), is_json) {
            (true, _) => out.push_str("null"),
            (false, true) => out.push_str(&text),
            (false, false) => out.push_str(&serde_json::Value::from(text.as_ref()).to_string()),
        }
        out.push('}');
    }
    out.push_str("]}");
    let mut response = Response::new(Bytes::from(out));
    let length = response.body().len();
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}
