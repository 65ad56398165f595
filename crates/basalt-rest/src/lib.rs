//! `/rest/v1`: tables as resources, in PostgREST's dialect.
//!
//! One request: [`parse`] (text to what was asked) -> [`plans`] (asked to a plan, kept by shape) -> the engine -> an answer
//! ([`read`], [`write`]). Reads of a shape that was seen before go a shorter way: [`near`]. Refusals are in [`error`]; [`document`] describes the exposed schema.
//!
//! What it does not do: it verifies no token (the gateway does), makes no SQL, decides no privilege.
//!
//! To add a filter operator: its word in `parse/filter.rs`, its variant in `basalt_plan::ask::Operator`, its symbol in
//! `basalt_plan::resolve`. To add an error: its variant and row in `error.rs` and docs/wire/rest-errors.md.

mod batch;
mod config;
mod cursor;
mod document;
pub mod error;
mod etag;
mod exchange;
mod handlers;
mod near;
mod nested;
mod once;
pub mod parse;
mod plans;
mod read;
mod request;
mod respond;
mod rpc;
mod timing;
mod write;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use basalt_engine::{Answer, Engine, Explain, Limits, Run};
use basalt_plan::ask::Ask;
use basalt_plan::plan::{Action, Literal, Literals, Plan};
use basalt_types::pg::datetime::SessionZone;
use basalt_types::{Session, SqlState};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, IF_MATCH, VARY};
use http::{HeaderMap, Method, Request, Response, StatusCode};

pub use config::{OpenApiMode, ReceiptLimits, RestConfig, TxEnd};
pub use cursor::CursorKey;
pub use error::StatusText;
pub use error::{RestError, role_refused, secret_missing, shorten, token_refused, token_required};
pub use timing::TokenTime;

use error::RestError as Error;
use exchange::Exchange;
use parse::media::Media;
use parse::prefer::Preferences;
use parse::query::Params;
use plans::Plans;
use respond::Said;
use timing::{Stage, Timing};

const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The path of a batch. No table has a slash in its path, so none is in its way.
const BATCH: &str = "/-/batch";

/// How often a request is planned anew when the schema changes under it.
const STALE_TRIES: usize = 4;

/// The bound of a function that sets itself none.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 3600);

/// The REST surface over an engine.
#[derive(Clone)]
pub struct Rest {
    engine: Arc<dyn Engine>,
    config: Arc<RestConfig>,
    plans: Arc<Plans>,
    handlers: Arc<handlers::Kept>,
    /// Requests under way, of the roles that may have so many.
    running: Arc<[(String, usize, AtomicUsize)]>,
    /// Unlike any other surface's of this process.
    id: u64,
}

/// How a statement is run.
#[derive(Debug, Default)]
struct Terms {
    /// Take its effects back.
    rollback: bool,
    timezone: Option<Arc<str>>,
    explain: Option<Box<Explain>>,
}

/// What every handler needs of a request.
struct Asked<'r> {
    session: &'r Session,
    headers: &'r HeaderMap,
    method: &'r Method,
    query: &'r str,
    body: &'r Bytes,
    /// The exposed schema.
    schema: &'r str,
    /// Whether the answer names it: when it was asked for, or there are several.
    names_schema: bool,
    preferences: Preferences,
    /// Where it is told.
    timing: Option<&'r Timing>,
    /// Of a request that is part of a batch: where it leaves what it would run.
    exchange: Option<&'r Exchange>,
    /// What the database said of the response.
    said: OnceLock<Said>,
}

impl Asked<'_> {
    /// What PostgreSQL itself says of a plan (an unknown column, a missing operator) is told after what the surface refuses, and after
    /// a time zone that does not exist, which is set before. Anything else is told at once.
    fn planned<T>(&self, plan: Result<T, Error>) -> Result<Result<T, Error>, Error> {
        match plan {
            Err(Error::Sql(error)) => {
                let zone = self.preferences.timezone.as_deref().map(SessionZone::enter);
                Ok(Err(Error::Sql(zone.and_then(Result::err).unwrap_or(error))))
            }
            other => other.map(Ok),
        }
    }

    /// A stage has ended.
    fn ended(&self, stage: Stage) {
        if let Some(timing) = self.timing {
            timing.ended(stage);
        }
    }
}

impl Rest {
    /// A surface. Plans are made as they are asked for.
    pub fn new(engine: Arc<dyn Engine>, config: RestConfig) -> Self {
        let plans = Arc::new(Plans::new(config.max_plans));
        let running = config.max_concurrent.iter().map(|(role, most)| (role.clone(), *most, AtomicUsize::new(0))).collect();
        let handlers = Arc::new(handlers::Kept::new());
        Self { engine, config: Arc::new(config), plans, handlers, running, id: near::next_id() }
    }

    /// Whether answers say how long they took: whoever verified the token then adds [`TokenTime`].
    pub fn is_timed(&self) -> bool {
        self.config.server_timing
    }

    /// Answers one request, whose path is below `/rest/v1`: `/`, `/films`, `/rpc/name`.
    pub async fn handle(&self, session: &Session, request: Request<Bytes>) -> Response<Bytes> {
        self.handle_below(0, session, request).await
    }

    /// As [`Rest::handle`], of a request whose path has a prefix of so many bytes before what is ours.
    pub async fn handle_below(&self, prefix: usize, session: &Session, request: Request<Bytes>) -> Response<Bytes> {
        let timing = self.config.server_timing.then(Timing::begin);
        let answered = match self.enter(session) {
            Ok(_running) => {
                let mut answered = self.answer(prefix, session, &request, timing.as_ref()).await;
                // Nothing has run yet: what is unknown may have been made a moment ago.
                if matches!(&answered, Err(error) if error.names_the_unknown()) && self.engine.refresh().await {
                    answered = self.answer(prefix, session, &request, timing.as_ref()).await;
                }
                answered
            }
            Err(error) => Err(error),
        };
        match answered {
            Ok(mut response) => {
                if self.config.etag && request.method() == Method::GET {
                    response = etag::conditional(request.headers(), response);
                }
                if let Some(timing) = timing {
                    let token = request.extensions().get::<TokenTime>().copied();
                    put(response.headers_mut(), SERVER_TIMING, &timing.header(token));
                }
                response
            }
            Err(error) => self.refused(session, &request, &error),
        }
    }

    /// Counts a request among those of its role.
    fn enter(&self, session: &Session) -> Result<Option<Running<'_>>, Error> {
        let bound = self.running.iter().find(|(role, _, _)| role == session.role.as_str());
        let Some((_, most, count)) = bound else { return Ok(None) };
        let running = Running(count);
        if count.fetch_add(1, Ordering::Relaxed) >= *most { Err(Error::TooMany) } else { Ok(Some(running)) }
    }

    /// An error's answer with one more member that says where it arose.
    fn refused_with(
        &self,
        session: &Session,
        path: &str,
        error: &Error,
        (name, place): (&str, serde_json::Value),
    ) -> Response<Bytes> {
        let mut request = Request::new(Bytes::new());
        if let Ok(uri) = path.parse() {
            *request.uri_mut() = uri;
        }
        let mut response = self.refused(session, &request, error);
        if let Ok(serde_json::Value::Object(mut body)) = serde_json::from_slice(response.body()) {
            body.insert(name.to_owned(), place);
            *response.body_mut() = Bytes::from(serde_json::Value::Object(body).to_string());
            let length = response.body().len();
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }

    /// The answer of a request that was refused or failed.
    fn refused(&self, session: &Session, request: &Request<Bytes>, error: &Error) -> Response<Bytes> {
        let is_anon = session.role.as_str() == self.config.anon_role;
        if let Error::Sql(cause) = error
            && matches!(cause.state, SqlState::INTERNAL | SqlState::IO_ERROR)
        {
            tracing::error!(error = %cause, path = request.uri().path(), "a request failed inside");
        }
        let mut response = error.response(is_anon);
        if request.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        response
    }

    async fn answer(
        &self,
        prefix: usize,
        session: &Session,
        request: &Request<Bytes>,
        timing: Option<&Timing>,
    ) -> Result<Response<Bytes>, Error> {
        match *request.method() {
            Method::POST if request.headers().contains_key(once::IDEMPOTENCY_KEY) => self.once(prefix, session, request).await,
            Method::PATCH | Method::PUT | Method::DELETE if request.headers().contains_key(IF_MATCH) => {
                self.matched(prefix, session, request).await
            }
            _ => self.answer_plainly(prefix, session, request, timing).await,
        }
    }

    /// Answers a request whose headers ask for nothing around it.
    async fn answer_plainly(
        &self,
        prefix: usize,
        session: &Session,
        request: &Request<Bytes>,
        timing: Option<&Timing>,
    ) -> Result<Response<Bytes>, Error> {
        if request.uri().path().get(prefix..) == Some(BATCH) {
            return self.batch(session, request).await;
        }
        self.answer_one(prefix, session, request, (timing, None)).await
    }

    async fn answer_one(
        &self,
        prefix: usize,
        session: &Session,
        request: &Request<Bytes>,
        (timing, exchange): (Option<&Timing>, Option<&Exchange>),
    ) -> Result<Response<Bytes>, Error> {
        let path = request.uri().path().get(prefix..).unwrap_or_default();
        let resource = path.strip_prefix('/').unwrap_or(path);
        let method = request.method();
        let headers = request.headers();
        let (schema, names_schema) = self.schema(method, headers)?;
        let told;
        // Whoever runs it looks for names in the schema that is asked for.
        let is_other = self.config.schemas.first().is_some_and(|first| first != schema);
        let session = if self.config.tells_request || is_other || self.plans.read_request(&self.engine.catalog()) {
            told = Session { request: Some(Arc::new(request::facts(request, schema))), ..session.clone() };
            &told
        } else {
            session
        };
        let asked = Asked {
            session,
            headers,
            method,
            query: request.uri().query().unwrap_or_default(),
            body: request.body(),
            schema,
            names_schema,
            preferences: Preferences::of(headers),
            timing,
            exchange,
            said: OnceLock::new(),
        };
        if resource.is_empty() {
            return self.root(&asked);
        }
        let name = percent_encoding::percent_decode_str(resource).decode_utf8_lossy();
        if let Some(function) = name.strip_prefix("rpc/").filter(|_| !resource.contains("%2F")) {
            if function.is_empty() || function.contains('/') {
                return Err(Error::Path);
            }
            let response = self.rpc(&asked, function).await?;
            return respond::overridden(response, asked.said.get());
        }
        if resource.contains('/') {
            return Err(Error::Path);
        }
        if self.is_openapi(schema, &name) {
            return self.openapi(&asked);
        }
        let response = match *method {
            Method::GET | Method::HEAD => self.read(&asked, &name).await,
            Method::POST => self.insert(&asked, &name).await,
            Method::PATCH => self.update(&asked, &name).await,
            Method::PUT => self.put(&asked, &name).await,
            Method::DELETE => self.delete(&asked, &name).await,
            Method::OPTIONS => self.info(&asked, &name),
            _ => Err(Error::Method(method.to_string())),
        };
        respond::overridden(response?, asked.said.get())
    }

    /// The schema a request means, and whether it was negotiated.
    fn schema<'r>(&'r self, method: &Method, headers: &'r HeaderMap) -> Result<(&'r str, bool), Error> {
        let is_write = matches!(*method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
        let profile = headers.get(if is_write { "content-profile" } else { "accept-profile" });
        let exposed = &self.config.schemas;
        match profile {
            None => Ok((exposed.first().map_or("public", String::as_str), exposed.len() > 1)),
            Some(value) => {
                let asked = String::from_utf8_lossy(value.as_bytes());
                let known = exposed.iter().find(|s| **s == asked);
                let refused = || Error::Schema { asked: asked.clone().into_owned(), exposed: exposed.clone() };
                known.map(|s| (s.as_str(), true)).ok_or_else(refused)
            }
        }
    }

    /// Reads the query string within the limits.
    fn params(&self, asked: &Asked<'_>, literals: &mut Literals) -> Result<Params, Error> {
        let params = parse::query::params(asked.query, literals)?;
        self.within_limits(&params, literals)?;
        Ok(params)
    }

    /// Refuses what would cost too much.
    fn within_limits(&self, params: &Params, literals: &Literals) -> Result<(), Error> {
        if params.depth > self.config.max_embed_depth {
            return Err(Error::TooComplex("embedded resources are nested too deeply"));
        }
        if params.embeds > self.config.max_embeds {
            return Err(Error::TooComplex("there are too many embedded resources"));
        }
        if params.conditions > self.config.max_filters {
            return Err(Error::TooComplex("there are too many conditions"));
        }
        let is_long = |id: &u32| match literals.0.get(*id as usize) {
            Some(Literal::Text(text)) => text.len() > self.config.max_pattern_bytes,
            _ => false,
        };
        if params.patterns.iter().any(is_long) {
            return Err(Error::TooComplex("a pattern is too long"));
        }
        Ok(())
    }

    /// What is checked of preferences once the plan is known.
    fn check_preferences(preferences: &Preferences) -> Result<(), Error> {
        if preferences.is_strict() && !preferences.unknown.is_empty() {
            return Err(Error::Preferences(preferences.unknown.clone()));
        }
        Ok(())
    }

    /// How a request's statement is run, but for what its plan says.
    fn terms(&self, asked: &Asked<'_>, media: &Media) -> Terms {
        Terms {
            rollback: self.config.tx_end.rolls_back(asked.preferences.rollback),
            timezone: asked.preferences.timezone.as_deref().map(Arc::from),
            explain: media.explain.map(Box::new),
        }
    }

    /// Addressing an embed that was not selected is told after an unknown table.
    fn check_levels(&self, asked: &Asked<'_>, relation: &str, params: &Params) -> Result<(), Error> {
        let Some(name) = &params.unknown_level else { return Ok(()) };
        basalt_plan::resolve::table(&self.engine.catalog(), asked.schema, relation)?;
        Err(basalt_plan::resolve::ResolveError::NotEmbedded(name.clone()).into())
    }

    /// The bounds of a caller's statement, from now.
    fn limits(&self, session: &Session) -> Limits {
        let role = session.role.as_str();
        let limits = Limits::within(self.config.timeout_of(role), self.config.max_response_bytes);
        Limits { max_cost: self.config.max_cost_of(role), ..limits }
    }

    /// Runs an ask's plan; plans anew when the schema has changed in between.
    async fn run(
        &self,
        asked: &Asked<'_>,
        (ask, plan): (&Ask, Arc<Plan>),
        literals: Literals,
        payload: Option<Bytes>,
        Terms { rollback, timezone, explain }: Terms,
    ) -> Result<Answer, Error> {
        let session = asked.session;
        let timeout = match &plan.action {
            Action::Call { call, .. } => call.timeout.map(|own| if own.is_zero() { LONGEST_CALL } else { own }),
            Action::Read { .. } | Action::Write { .. } => None,
        };
        let timeout = timeout.unwrap_or_else(|| self.config.timeout_of(session.role.as_str()));
        let limits = Limits { deadline: Limits::within(timeout, 0).deadline, ..self.limits(session) };
        let is_near = matches!(ask, Ask::Read(_)) && explain.is_none();
        let mut run = Run { session: session.clone(), plan, literals, payload, limits, rollback, timezone, explain };
        if let Some(exchange) = asked.exchange {
            let answer = exchange.run(run).await?;
            if exchange.is_alone()
                && let Some(said) = Said::of(&answer)
            {
                let _ = asked.said.set(said);
            }
            return Ok(answer);
        }
        for _ in 0..STALE_TRIES {
            let near = if is_near { self.engine.run_now(&run) } else { None };
            let result = match near {
                Some(result) => result,
                None => self.engine.run(run.clone()).await,
            };
            match result {
                Ok(answer) => {
                    if let Some(said) = Said::of(&answer) {
                        let _ = asked.said.set(said);
                    }
                    return Ok(answer);
                }
                Err(basalt_engine::RunError::StalePlan) => run.plan = self.plan(session, ask)?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Stale)
    }

    fn plan(&self, session: &Session, ask: &Ask) -> Result<Arc<Plan>, Error> {
        let kept = self.kept(ask)?;
        match kept.open {
            Some(open) if self.is_refused_open(session) => Err(Error::Open(open)),
            _ => Ok(kept.plan),
        }
    }

    fn kept(&self, ask: &Ask) -> Result<plans::Kept, Error> {
        Ok(self.plans.of(ask, &self.engine, self.settings())?)
    }

    /// What of the settings changes plans.
    fn settings(&self) -> basalt_plan::resolve::Settings {
        basalt_plan::resolve::Settings { max_rows: self.config.max_rows, aggregates: self.config.aggregates }
    }

    /// Whether this caller may not read tables without row security.
    fn is_refused_open(&self, session: &Session) -> bool {
        self.config.require_rls && matches!(session.role.as_str(), "anon" | "authenticated")
    }

    /// `OPTIONS` of a table.
    fn info(&self, asked: &Asked<'_>, name: &str) -> Result<Response<Bytes>, Error> {
        let catalog = self.engine.catalog();
        let relation = basalt_plan::resolve::table(&catalog, asked.schema, name)?;
        let writes = basalt_plan::resolve::writes(&catalog, relation);
        let is_put = writes.insert && writes.update && !catalog.key_of(relation).is_empty();
        let mut allow = String::from("OPTIONS,GET,HEAD");
        for (may, method) in [(writes.insert, ",POST"), (is_put, ",PUT"), (writes.update, ",PATCH"), (writes.delete, ",DELETE")] {
            allow.push_str(if may { method } else { "" });
        }
        Ok(allowed(&allow))
    }
}

/// The plan of a statement, as an answer.
fn explained(asked: &Asked<'_>, media: &Media, plan: Bytes) -> Response<Bytes> {
    let mut response = answered(StatusCode::OK, if *asked.method == Method::HEAD { Bytes::new() } else { plan });
    let length = response.body().len();
    let headers = response.headers_mut();
    if *asked.method != Method::HEAD {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.insert(http::header::CONTENT_TYPE, media.content_type());
    if asked.names_schema {
        put(headers, CONTENT_PROFILE, asked.schema);
    }
    response
}

/// A request that counts as long as this is there.
struct Running<'r>(&'r AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An empty answer that names the methods of a resource.
fn allowed(methods: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(http::header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    put(headers, http::header::ALLOW, methods);
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    response
}

/// On what answers depend besides the address.
const VARIES: &str = "Accept, Prefer, Range";

/// Sets a header whose value is made of checked parts; one that is no header value is left out.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// A response with the headers all answers of tables have.
fn answered(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // Room for those that follow, the gateway's included, so that the map does not grow step by step.
    headers.reserve(12);
    headers.insert(VARY, HeaderValue::from_static(VARIES));
    response
}

/// Adds a text to the literals.
fn literal(literals: &mut Literals, text: String) -> u32 {
    let id = u32::try_from(literals.0.len()).unwrap_or(u32::MAX);
    literals.0.push(Literal::Text(text));
    id
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").field("config", &self.config).finish_non_exhaustive()
    }
}
