//! The near way: reads of a shape that was read before, answered without parsing, planning or waiting.
//!
//! A shape is a request less the values of its comparisons, its limit and its offset. The first request of a shape takes the ordinary
//! way through parser and planner, twice: as it is, and with markers for its values. Where the markers come out says where later
//! values go, so that nothing here knows what the parser does with them. What is kept holds no caller: session and values are set for
//! each request. Whatever is not the plain case answers `None`, and the ordinary way decides, errors included.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use basalt_engine::{Limits, Run};
use basalt_plan::plan::{Literal, Literals};
use basalt_types::Session;
use bytes::Bytes;
use foldhash::fast::RandomState;
use http::header::{ACCEPT, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, RANGE, VARY};
use http::{HeaderMap, Method, Response};

use crate::parse::media;
use crate::parse::prefer::Preferences;
use crate::parse::query::{self, UNRESERVED};
use crate::parse::range;
use crate::{Asked, CONTENT_PROFILE, Rest, VARIES, etag, read};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const ACCEPT_PROFILE: HeaderName = HeaderName::from_static("accept-profile");

/// Most shapes a thread keeps; beyond it, it starts anew.
const MOST_SHAPES: usize = 256;

/// Longest shape that is kept, bytes.
const LONGEST_SHAPE: usize = 2048;

/// Most values in a request of a kept shape.
const MOST_VALUES: usize = 8;

/// How many requests of a shape take the ordinary way after the engine did not answer one of them in place.
const PAUSE: u32 = 256;

/// What stands for values: in a shape's key, and around a marker's number. No address holds them.
const TEXT: u8 = 1;
const NUMBER: u8 = 2;
const ZERO: u8 = 3;

thread_local! {
    static SHAPES: RefCell<Shapes> = RefCell::default();
}

/// What a thread knows. Each has its own, so that cores share nothing.
#[derive(Default)]
struct Shapes {
    kept: HashMap<Box<[u8]>, Shape, RandomState>,
    key: Vec<u8>,
}

/// A shape, ready for the next values.
struct Shape {
    /// Session, limits and values are those of the last request until the next one sets its own.
    run: Run,
    /// Which literal is which value.
    literals: Vec<(usize, Source)>,
    /// Whether a table in it has no row security.
    is_open: bool,
    /// The answer's headers, `Content-Range` and `Content-Location` first and empty.
    head: HeaderMap,
    /// `Content-Location`: texts, each with the value that follows it.
    location: Vec<(String, Option<usize>)>,
    /// Requests that do not try.
    pause: u32,
}

#[derive(Clone, Copy)]
enum Source {
    Value(usize),
    Limit,
    Offset,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Text,
    Limit,
    Offset,
}

/// A value in a query string.
#[derive(Clone, Copy, Default)]
struct Value<'q> {
    kind: Kind,
    /// Encoded, as it was sent.
    text: &'q str,
}

impl Value<'_> {
    /// The byte that stands for it.
    fn mark(self) -> u8 {
        match self.kind {
            Kind::Text => TEXT,
            _ if self.number() == 0 => ZERO,
            _ => NUMBER,
        }
    }

    fn number(self) -> u64 {
        self.text.parse().unwrap_or(0)
    }
}

/// Splits a parameter into what belongs to the shape and its value, when it has one. `None`: not for this way.
fn split(pair: &str) -> Option<(&str, Option<Value<'_>>)> {
    let Some((key, value)) = pair.split_once('=') else { return Some((pair, None)) };
    let is_plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    if key.starts_with(':') || key.starts_with("%3") {
        // A cursor: its token is another one each time.
        return None;
    }
    if !is_plain {
        return Some((pair, None));
    }
    match key.rsplit('.').next().unwrap_or_default() {
        "apikey" => return None,
        "select" | "columns" | "on_conflict" | "order" | "and" | "or" => return Some((pair, None)),
        word @ ("limit" | "offset") => {
            if key.len() != word.len() {
                return Some((pair, None));
            }
            let is_number = (1..=18).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
            let kind = if word == "limit" { Kind::Limit } else { Kind::Offset };
            return is_number.then_some((&pair[..=key.len()], Some(Value { kind, text: value })));
        }
        _ => {}
    }
    let operator = value.find('.').filter(|at| matches!(&value[..*at], "eq" | "neq" | "gt" | "gte" | "lt" | "lte"));
    let Some(at) = operator else { return Some((pair, None)) };
    let cut = key.len() + 1 + at + 1;
    Some((&pair[..cut], Some(Value { kind: Kind::Text, text: &pair[cut..] })))
}

/// The values of a query string, in order.
#[derive(Default)]
struct Values<'q> {
    all: [Value<'q>; MOST_VALUES],
    count: usize,
    limit: Option<i128>,
    offset: Option<i128>,
}

impl<'q> Values<'q> {
    fn get(&self) -> &[Value<'q>] {
        self.all.get(..self.count).unwrap_or_default()
    }

    fn push(&mut self, value: Value<'q>) -> Option<()> {
        let of_kind = match value.kind {
            Kind::Text => None,
            Kind::Limit => Some(&mut self.limit),
            Kind::Offset => Some(&mut self.offset),
        };
        // Of two limits the last counts; that is for the ordinary way.
        if let Some(slot) = of_kind
            && slot.replace(value.number().into()).is_some()
        {
            return None;
        }
        *self.all.get_mut(self.count)? = value;
        self.count += 1;
        Some(())
    }

    /// Reads a query string, appending its shape to a key.
    fn read(query: &'q str, key: &mut Vec<u8>) -> Option<Self> {
        if query.contains(';') {
            // It separates parameters too, which this way does not know.
            return None;
        }
        let mut values = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (fixed, value) = split(pair)?;
            key.extend_from_slice(fixed.as_bytes());
            if let Some(value) = value {
                key.push(value.mark());
                values.push(value)?;
            }
            key.push(b'&');
        }
        Some(values)
    }
}

/// A number for each surface, so that threads keep the shapes of several apart.
pub fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Rest {
    /// Answers a read right here, when that is possible without waiting: a GET of a table whose shape is known or becomes so, whose
    /// plan the engine runs in place, and that does not fail. `None`: [`Rest::handle`] answers it.
    ///
    /// `path` is below `/rest/v1`; the statement's time counts from `started`. `fixed` puts headers that whoever serves adds to every
    /// answer, under names that are not ours; their values are kept with the shape. `Content-Length` is left to the connection.
    pub fn answer_now(
        &self,
        session: &Session,
        (path, query): (&str, &str),
        headers: &HeaderMap,
        started: Instant,
        fixed: &dyn Fn(&mut HeaderMap),
    ) -> Option<Response<Bytes>> {
        // Facts of the request are gathered on the ordinary way, for the few schemas whose SQL reads them.
        if headers.contains_key(RANGE)
            || headers.contains_key(PREFER)
            || headers.contains_key(read::DISTINCT)
            || self.plans.read_request_last()
            || self.config.server_timing
        {
            return None;
        }
        SHAPES.with_borrow_mut(|shapes| {
            let Shapes { kept, key } = shapes;
            key.clear();
            key.extend_from_slice(&self.id.to_le_bytes());
            for part in [path.as_bytes(), text(headers, &ACCEPT), text(headers, &ACCEPT_PROFILE)] {
                key.extend_from_slice(part);
                key.push(0);
            }
            let values = Values::read(query, key)?;
            if key.len() > LONGEST_SHAPE {
                return None;
            }
            if !kept.contains_key(key.as_slice()) {
                let shape = self.shape(session, path, query, headers, &values, fixed)?;
                if kept.len() >= MOST_SHAPES {
                    kept.clear();
                }
                kept.insert(key.as_slice().into(), shape);
            }
            let shape = kept.get_mut(key.as_slice())?;
            if shape.pause > 0 {
                shape.pause -= 1;
                return None;
            }
            if shape.is_open && self.is_refused_open(session) {
                return None;
            }
            match self.run_near(shape, session, &values, started) {
                Near::Answered(response) if self.config.etag => Some(etag::conditional(headers, response)),
                Near::Answered(response) => Some(response),
                Near::Failed => None,
                Near::Stale => {
                    kept.remove(key.as_slice());
                    None
                }
                Near::Elsewhere => {
                    shape.pause = PAUSE;
                    None
                }
            }
        })
    }

    fn run_near(&self, shape: &mut Shape, session: &Session, values: &Values<'_>, started: Instant) -> Near {
        let Ok(page) = range::page(values.limit.map(Some), values.offset.map(Some), None) else { return Near::Failed };
        let run = &mut shape.run;
        for (at, source) in &shape.literals {
            let Some(Literal::Text(text)) = run.literals.0.get_mut(*at) else { return Near::Failed };
            text.clear();
            match *source {
                Source::Value(n) => text.push_str(&decoded(values, n)),
                Source::Limit => text.push_str(itoa::Buffer::new().format(self.most(page.limit.unwrap_or(0)))),
                Source::Offset => text.push_str(itoa::Buffer::new().format(page.offset)),
            }
        }
        run.session = session.clone();
        let timeout = self.config.timeout_of(session.role.as_str());
        let max_cost = self.config.max_cost_of(session.role.as_str());
        run.limits = Limits { deadline: started + timeout, max_response_bytes: self.config.max_response_bytes, max_cost };
        let answer = match self.engine.run_now(run) {
            Some(Ok(answer)) => answer,
            Some(Err(basalt_engine::RunError::StalePlan)) => return Near::Stale,
            Some(Err(_)) => return Near::Failed,
            None => return Near::Elsewhere,
        };
        let first = u64::try_from(page.offset).unwrap_or(u64::MAX);
        let last = first.saturating_add(answer.rows).checked_sub(1).filter(|_| answer.rows > 0);
        let range = match (first, last) {
            (0, Some(0)) => HeaderValue::from_static("0-0/*"),
            (_, None) => HeaderValue::from_static("*/*"),
            (first, last) => match HeaderValue::try_from(range::content_range(first, last, None)) {
                Ok(value) => value,
                Err(_) => return Near::Failed,
            },
        };
        let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(located(&shape.location, values))) else {
            return Near::Failed;
        };
        let mut response = Response::new(answer.body);
        let mut head = shape.head.clone();
        for (slot, value) in head.values_mut().zip([range, location]) {
            *slot = value;
        }
        *response.headers_mut() = head;
        Near::Answered(response)
    }

    /// Makes a shape ready, from its first request.
    fn shape(
        &self,
        session: &Session,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        values: &Values<'_>,
        fixed: &dyn Fn(&mut HeaderMap),
    ) -> Option<Shape> {
        let catalog = self.engine.catalog();
        if self.plans.read_request(&catalog) || self.handlers.of(&catalog, &self.config.schemas).is_some() {
            return None;
        }
        let resource = path.strip_prefix('/').unwrap_or(path);
        let name = percent_encoding::percent_decode_str(resource).decode_utf8().ok()?;
        if name.is_empty() || name.contains('/') {
            return None;
        }
        let (schema, names_schema) = self.schema(&Method::GET, headers).ok()?;
        let media = media::negotiate(headers, media::Offer::of_plans(self.config.plan_enabled))
            .ok()
            .filter(|media| media.explain.is_none())?;
        let body = Bytes::new();
        let read = |query: &str| {
            let preferences = Preferences::default();
            let method = &Method::GET;
            let asked = Asked {
                session,
                headers,
                method,
                query,
                body: &body,
                schema,
                names_schema,
                preferences,
                timing: None,
                exchange: None,
                said: std::sync::OnceLock::new(),
            };
            self.read_ask(&asked, &name, media.output()).ok()
        };
        let (as_it_is, marked) = (read(query)?, read(&marked(query)?)?);
        if as_it_is.ask != marked.ask || as_it_is.literals.0.len() != marked.literals.0.len() {
            return None;
        }
        if !as_it_is.params.legacy.is_empty() || as_it_is.params.negative.is_some() {
            return None;
        }
        let (limit, offset) = (marked.limit, marked.offset);
        let mut literals = Vec::new();
        for (at, (own, marked)) in as_it_is.literals.0.iter().zip(&marked.literals.0).enumerate() {
            let id = u32::try_from(at).ok()?;
            if limit == Some(id) {
                literals.push((at, Source::Limit));
            } else if offset == Some(id) {
                literals.push((at, Source::Offset));
            } else if let Some(value) = value_of(marked) {
                literals.push((at, Source::Value(value)));
            } else if own != marked {
                return None;
            }
        }
        let mut location = location(query, resource_location(&name));
        // What follows of it is the same for all, so look once that it says what the ordinary way says.
        let is_same = located(&location, values) == read::location(&name, &as_it_is.params).into_bytes();
        let texts = literals.iter().filter(|(_, source)| matches!(source, Source::Value(_))).count();
        if !is_same || texts != values.get().iter().filter(|value| value.kind == Kind::Text).count() {
            return None;
        }
        location.shrink_to_fit();
        let kept = self.kept(&as_it_is.ask).ok()?;
        let mut head = HeaderMap::with_capacity(12);
        head.insert(CONTENT_RANGE, HeaderValue::from_static(""));
        head.insert(CONTENT_LOCATION, HeaderValue::from_static(""));
        head.insert(VARY, HeaderValue::from_static(VARIES));
        head.insert(CONTENT_TYPE, media.content_type());
        if names_schema {
            head.insert(CONTENT_PROFILE, HeaderValue::from_str(schema).ok()?);
        }
        fixed(&mut head);
        let limits = Limits::within(self.config.default_timeout, self.config.max_response_bytes);
        let run = Run {
            session: session.clone(),
            plan: kept.plan,
            literals: Literals(as_it_is.literals.0),
            payload: None,
            limits,
            rollback: false,
            timezone: None,
            explain: None,
        };
        Some(Shape { run, literals, is_open: kept.open.is_some(), head, location, pause: 0 })
    }
}

/// How the near way ended.
enum Near {
    Answered(Response<Bytes>),
    /// The ordinary way says why.
    Failed,
    /// The schema has changed.
    Stale,
    /// The engine runs it elsewhere.
    Elsewhere,
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> &'h [u8] {
    headers.get(name).map_or(&[], HeaderValue::as_bytes)
}

fn decoded<'v>(values: &Values<'v>, n: usize) -> Cow<'v, str> {
    query::decode(values.get().get(n).map_or("", |value| value.text))
}

/// The query string with markers for its values: a number between two bytes that no address holds, `1` or `0` for a number.
fn marked(query: &str) -> Option<String> {
    if query.bytes().any(|b| b <= ZERO) {
        return None;
    }
    let mut out = String::with_capacity(query.len() + 16);
    let mut number = 0;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (fixed, value) = split(pair)?;
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(fixed);
        if let Some(value) = value {
            match value.mark() {
                TEXT => out.push_str(&format!("\u{1}{number}\u{1}")),
                NUMBER => out.push('1'),
                _ => out.push('0'),
            }
            number += 1;
        }
    }
    Some(out)
}

/// Which value a marker stands for.
fn value_of(literal: &Literal) -> Option<usize> {
    let Literal::Text(text) = literal else { return None };
    text.strip_prefix('\u{1}')?.strip_suffix('\u{1}')?.parse().ok()
}

fn resource_location(name: &str) -> String {
    format!("/{name}")
}

/// `Content-Location` in pieces: parameters sorted by name, values left out.
fn location(query: &str, start: String) -> Vec<(String, Option<usize>)> {
    let mut pairs = Vec::new();
    let mut number = 0;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (fixed, value) = split(pair).unwrap_or((pair, None));
        let (key, rest) = query::pair(fixed);
        let text = percent_encoding::utf8_percent_encode(&rest, UNRESERVED).to_string();
        pairs.push((key, text, value.map(|_| number)));
        number += usize::from(value.is_some());
    }
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let mut pieces = Vec::new();
    let mut open = start;
    let mut last = None;
    for (key, text, value) in &pairs {
        // As `canonical` of the far way: a parameter that comes again adds to the values of the first.
        if last == Some(key) {
            open.push(',');
        } else {
            open.push(if last.is_none() { '?' } else { '&' });
            open.extend(percent_encoding::utf8_percent_encode(key, UNRESERVED));
            open.push('=');
        }
        last = Some(key);
        open.push_str(text);
        if value.is_some() {
            pieces.push((std::mem::take(&mut open), *value));
        }
    }
    if !open.is_empty() {
        pieces.push((open, None));
    }
    pieces
}

fn located(pieces: &[(String, Option<usize>)], values: &Values<'_>) -> Vec<u8> {
    let room = pieces.iter().map(|(text, _)| text.len() + 24).sum();
    let mut out = Vec::with_capacity(room);
    for (text, value) in pieces {
        out.extend_from_slice(text.as_bytes());
        if let Some(n) = value {
            for part in percent_encoding::utf8_percent_encode(&decoded(values, *n), UNRESERVED) {
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    out
}
