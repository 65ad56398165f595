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
use basalt_engine::{Answer, Batch, BatchError, Run, RunError, Step};
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
use crate::parse::range::Page;
use crate::{PREFERENCE_APPLIED, Rest, STALE_TRIES, VARIES, put};
pub(crate) use body::Operation;
use reference::{Results, Template, list, scalar};

/// Longest text that a reference may put into a filter, bytes: about what an address could have held.
const LONGEST_FILTER: usize = 8 << 10;

pub(crate) type Answering<'r> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Error>> + Send + 'r>>;

/// A request under way.
pub(crate) struct Begun<'r> {
    exchange: Arc<Exchange>,
    answering: Answering<'r>,
    /// It ended without running anything.
    done: Option<Response<Bytes>>,
}

/// Why a batch was not kept, and which of its operations is to blame.
pub(crate) struct Failed {
    pub(crate) at: Option<usize>,
    pub(crate) error: Error,
}

/// Operations under way, and what they want run.
pub(crate) struct Operations<'r> {
    begun: Vec<Begun<'r>>,
    pub(crate) steps: Vec<Step>,
    /// Which step is an operation's; an operation that runs nothing has none.
    places: Arc<[Option<usize>]>,
}

impl Rest {
    /// Answers `POST /-/batch`.
    pub(crate) async fn batch(&self, session: &Session, request: &Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let operations = self.operations(request)?;
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

    /// Reads a batch's operations.
    pub(crate) fn operations(&self, request: &Request<Bytes>) -> Result<Vec<Operation>, Error> {
        if *request.method() != Method::POST {
            return Err(Error::Method(request.method().to_string()));
        }
        body::read(request, &self.config)
    }

    async fn run_operations(
        &self,
        session: &Session,
        request: &Request<Bytes>,
        operations: &[Operation],
        rollback: bool,
    ) -> Result<Vec<Response<Bytes>>, Failed> {
        let mut under_way = self.begin_operations(session, request, operations)?;
        let limits = self.limits(session);
        let steps = std::mem::take(&mut under_way.steps);
        let batch = Batch { steps, deadline: limits.deadline, max_response_bytes: limits.max_response_bytes, rollback };
        match self.engine.run_batch(batch).await {
            Ok(answers) => under_way.end(answers),
            Err(failed) => Err(under_way.failed(failed)),
        }
    }

    /// Lets the operations go on up to where they would run something.
    pub(crate) fn begin_operations<'r>(
        &'r self,
        session: &'r Session,
        request: &Request<Bytes>,
        operations: &[Operation],
    ) -> Result<Operations<'r>, Failed> {
        let mut begun = Vec::with_capacity(operations.len());
        let mut wanted = Vec::with_capacity(operations.len());
        for (at, operation) in operations.iter().enumerate() {
            let failed = |error| Failed { at: Some(at), error };
            let asked = operation.request(request);
            let exchange = Arc::new(Exchange::default());
            let place = Arc::clone(&exchange);
            let answering: Answering<'_> =
                Box::pin(async move { self.answer_one(0, session, &asked, (None, Some(&place))).await });
            let (one, run) = Begun::begin(exchange, answering).map_err(failed)?;
            wanted.push(run);
            begun.push(one);
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
        let mut steps = Vec::with_capacity(count);
        for (at, (wanted, operation)) in wanted.into_iter().zip(operations).enumerate() {
            let Some(wanted) = wanted else { continue };
            steps.push(self.step(wanted, operation, &places).map_err(|error| Failed { at: Some(at), error })?);
        }
        Ok(Operations { begun, steps, places })
    }

    /// What the engine is to do for an operation.
    fn step(&self, wanted: Wanted, operation: &Operation, places: &Arc<[Option<usize>]>) -> Result<Step, Error> {
        let Wanted { mut steps, page } = wanted;
        let (Some(Step { run, .. }), true) = (steps.pop(), steps.is_empty()) else {
            return Err(Error::Sql(SqlError::internal("an operation runs one statement")));
        };
        let verify = verify(&run, page, self.config.tx_end.rolls_back(None));
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
    pub(crate) fn blamed(
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

/// What a request's own answer must be like. `is_taken_back`: the whole transaction is, so that its statement's bound is not why.
pub(crate) fn verify(run: &Run, page: Option<Page>, is_taken_back: bool) -> Option<Verify> {
    // What is to be taken back although it went well is refused by its number of rows.
    let refused = (run.rollback && !is_taken_back)
        .then(|| -> Verify { Arc::new(|answer: &Answer| Err(RunError::TooManyAffected(answer.rows))) });
    let in_range = page.map(|page| -> Verify {
        Arc::new(move |answer: &Answer| match range::status(page, answer.rows, answer.total) {
            StatusCode::RANGE_NOT_SATISFIABLE => {
                Err(RunError::OutOfRange { offset: page.offset, total: answer.total.unwrap_or(0) })
            }
            _ => Ok(()),
        })
    });
    in_range.or(refused)
}

impl Operations<'_> {
    /// The responses, once all has run.
    pub(crate) fn end(self, answers: Vec<Answer>) -> Result<Vec<Response<Bytes>>, Failed> {
        for (begun, answer) in self.begun.iter().filter(|begun| begun.done.is_none()).zip(answers) {
            begun.exchange.answer(Ok(vec![answer]));
        }
        let begun = self.begun.into_iter().enumerate();
        begun.map(|(at, begun)| begun.end().map_err(|error| Failed { at: Some(at), error })).collect()
    }

    /// Which operation is to blame.
    pub(crate) fn failed(&self, BatchError { at, error }: BatchError) -> Failed {
        // From the step to its operation; what failed in the end is nobody's.
        let at = at.and_then(|step| self.places.iter().position(|place| *place == Some(step)));
        Failed { at, error: error.into() }
    }
}

impl<'r> Begun<'r> {
    /// Lets a request go on up to where it would run something, and says what.
    pub(crate) fn begin(exchange: Arc<Exchange>, mut answering: Answering<'r>) -> Result<(Self, Option<Wanted>), Error> {
        let done = polled(&mut answering).transpose()?;
        let wanted = exchange.take();
        if done.is_none() && wanted.is_none() {
            return Err(Error::Sql(SqlError::internal("a request of a batch waits for something else")));
        }
        Ok((Self { exchange, answering, done }, wanted))
    }

    /// Gives it its answers, or what it failed with.
    pub(crate) fn answer(&self, answers: Result<Vec<Answer>, BatchError>) {
        self.exchange.answer(answers);
    }

    /// The response, once the answer is there.
    pub(crate) fn end(mut self) -> Result<Response<Bytes>, Error> {
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
pub(crate) fn listed(operations: &[Operation], responses: &[Response<Bytes>]) -> Response<Bytes> {
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
