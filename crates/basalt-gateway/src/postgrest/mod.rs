//! The edge of a database that is served as PostgREST serves it: REST at the root and below `/rest/v1`, no API key, tokens that
//! others sign. Everything else of ours is on a listener of its own ([`Admin`]).
//!
//! It is a type of its own, so that no setting of [`crate::Gateway`] can make that one as open as this one: whoever asks without a
//! token is the anonymous role here, when there is one.
//!
//! Source: PostgREST 16, references "Authentication", "CORS", "Admin server", "Configuration".

mod admin;
mod cors;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use basalt_engine::Engine;
use basalt_rest::{Rest, RestConfig};
use basalt_token::{Known, RolePath, Times, TokenError, Verifier};
use basalt_types::{Claims, Clock, RoleName, Session, Timestamp};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;

use crate::route::Route;
use crate::server::Handler;
use crate::service::{self, busy, oversized, panicked, unreadable};
use crate::{Figures, GatewayConfig, identity, near, reply};

pub use admin::Admin;

/// Below this path the API is as at the root.
const PREFIX: &str = "/rest/v1";

/// Names that PostgreSQL takes for "no other role": with one of them a request would run as the login itself.
const NO_ROLE: [&str; 2] = ["none", ""];

thread_local! {
    static KNOWN: RefCell<Known<Session>> = RefCell::default();
}

/// How tokens are verified.
#[derive(Debug)]
pub struct Tokens {
    /// Signature, times and audience.
    pub verifier: Verifier,
    /// Where the role stands.
    pub role: RolePath,
}

/// What can be changed while it runs.
#[derive(Debug)]
pub struct ApiSettings {
    /// The REST surface's.
    pub rest: RestConfig,
    /// `None`: no token is accepted.
    pub tokens: Option<Tokens>,
    /// The role of requests without one; `None`: they are refused.
    pub anon_role: Option<String>,
    /// Origins that may read answers; none: all may.
    pub origins: Vec<String>,
    /// A header that answers repeat.
    pub trace_header: Option<HeaderName>,
    /// A function that is called in place of the root: `name` or `schema.name`. It is looked for in the schema that is asked for.
    pub root_function: Option<String>,
    /// Whether errors have their code and message only.
    pub has_short_errors: bool,
}

/// What requests are answered with, until the settings change.
struct Live {
    rest: Rest,
    settings: ApiSettings,
    anonymous: Option<Session>,
    /// What threads remember of headers is remembered for these settings.
    number: u64,
}

/// The public side.
pub struct Api {
    config: GatewayConfig,
    engine: Arc<dyn Engine>,
    clock: Arc<dyn Clock>,
    figures: Figures,
    permits: Arc<tokio::sync::Semaphore>,
    live: ArcSwap<Live>,
}

impl Live {
    fn new(engine: &Arc<dyn Engine>, settings: ApiSettings) -> Self {
        let anonymous = settings.anon_role.as_deref().map(|role| session(role, &Claims::new(serde_json::Map::new())));
        let rest = Rest::new(Arc::clone(engine), settings.rest.clone());
        Self { rest, settings, anonymous, number: near::next_number() }
    }
}

/// A session whose claims name its role, whatever they were before.
fn session(role: &str, claims: &Claims) -> Session {
    Session { role: RoleName::new(role), claims: Some(Arc::new(claims.with("role", role))), request: None, acting: None }
}

impl Api {
    /// Puts the parts together.
    pub fn new(config: GatewayConfig, engine: Arc<dyn Engine>, clock: Arc<dyn Clock>, settings: ApiSettings) -> Self {
        let permits = Arc::new(tokio::sync::Semaphore::new(config.max_concurrent_requests));
        let live = ArcSwap::from_pointee(Live::new(&engine, settings));
        Self { config, engine, clock, figures: Figures::new(), permits, live }
    }

    /// Takes other settings: requests that come from now on are answered with them.
    pub fn change(&self, settings: ApiSettings) {
        self.live.store(Arc::new(Live::new(&self.engine, settings)));
    }

    /// Tokens looked for among the remembered, found there, and forgotten.
    pub(crate) fn token_figures(&self) -> [u64; 3] {
        self.live.load().settings.tokens.as_ref().map_or([0; 3], |tokens| tokens.verifier.cache_figures())
    }

    /// Answers one request from the socket's peer.
    pub async fn respond<B>(&self, peer: IpAddr, request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        #[allow(clippy::disallowed_methods)] // monotonic, for a duration
        let started = Instant::now();
        let live = self.live.load_full();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let allowed = cors::allowed(request.headers(), &live.settings.origins);
        let trace = live.settings.trace_header.as_ref();
        let traced = trace.map(|name| (name.clone(), request.headers().get(name).cloned()));
        let in_flight = self.figures.request();
        let mut response = match AssertUnwindSafe(self.admit(&live, allowed.as_ref(), request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => {
                self.figures.panicked();
                tracing::error!(%method, "a request panicked");
                panicked()
            }
        };
        drop(in_flight);
        if live.settings.has_short_errors {
            response = basalt_rest::shorten(response);
        }
        let headers = response.headers_mut();
        if let Some(allowed) = allowed {
            cors::open(headers, allowed);
        }
        if let Some((name, value)) = traced {
            headers.insert(name, value.unwrap_or(HeaderValue::from_static("")));
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let took = started.elapsed();
        self.figures.answered(Route::Rest, response.status(), took);
        let (status, bytes) = (response.status().as_u16(), response.body().len());
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // The query string may hold what functions are called with: it is not logged.
        match status {
            500.. => tracing::error!(%peer, %method, path, status, bytes, duration_us = us, "request"),
            400..=499 => tracing::warn!(%peer, %method, path, status, bytes, duration_us = us, "request"),
            _ => tracing::info!(%peer, %method, path, status, bytes, duration_us = us, "request"),
        }
        response
    }

    async fn admit<B>(&self, live: &Live, allowed: Option<&cors::Allowed>, request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Some(response) = unreadable(request.uri().path()) {
            return response;
        }
        if let Some((status, text)) = oversized(&self.config, &request) {
            return reply::message(status, text);
        }
        if let Some(allowed) = allowed.filter(|_| crate::cors::is_preflight(request.method(), request.headers())) {
            return cors::preflight(request.headers(), allowed.clone());
        }
        let Ok(_permit) = self.permits.try_acquire() else {
            self.figures.refused();
            return busy();
        };
        #[allow(clippy::disallowed_methods)] // monotonic time that passed
        let began = live.rest.is_timed().then(Instant::now);
        let session = match self.session(live, request.headers()) {
            Ok(session) => session,
            Err(response) => return *response,
        };
        let took = began.map(|began| began.elapsed());
        let prefix = prefix(request.uri().path());
        match service::collect(&self.config, request).await {
            Ok(mut request) => {
                if let Some(took) = took {
                    request.extensions_mut().insert(basalt_rest::TokenTime(took));
                }
                match &live.settings.root_function {
                    Some(function) if is_root(prefix, &request) => {
                        live.rest.handle(&session, instead_of_root(function, request)).await
                    }
                    _ => live.rest.handle_below(prefix, &session, request).await,
                }
            }
            Err(response) => response,
        }
    }

    /// Who asks, or why they are refused.
    fn session(&self, live: &Live, headers: &HeaderMap) -> Result<Session, Box<Response<Bytes>>> {
        let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        // Bytes that are no text make a token that nothing verifies; they do not make the header absent.
        let text = given.map(String::from_utf8_lossy);
        let Some(token) = text.as_deref().and_then(identity::bearer_token) else {
            return live.anonymous.clone().ok_or_else(|| Box::new(basalt_rest::token_required()));
        };
        let Some(tokens) = &live.settings.tokens else { return Err(Box::new(basalt_rest::secret_missing())) };
        let now = self.clock.now();
        if let Some(session) = KNOWN.with_borrow(|known| known.find(live.number, b"", given, now).cloned()) {
            return Ok(session);
        }
        let refused = |e: TokenError| Box::new(basalt_rest::token_refused(&e.message(), e.details(), e.is_undecodable()));
        let claims = tokens.verifier.verify(token, now).map_err(refused)?;
        let role = match tokens.role.role(&claims).or_else(|| live.settings.anon_role.clone()) {
            None => return Err(Box::new(basalt_rest::token_required())),
            Some(role) if NO_ROLE.contains(&role.to_ascii_lowercase().as_str()) || role.contains('\0') => {
                return Err(Box::new(basalt_rest::role_refused(&role)));
            }
            Some(role) => role,
        };
        let session = session(&role, &claims);
        self.remember(live, given, &claims, &session, now);
        Ok(session)
    }

    fn remember(&self, live: &Live, given: Option<&[u8]>, claims: &Claims, session: &Session, now: Timestamp) {
        let Ok(times) = Times::of(claims) else { return };
        if times.check(now).is_ok() {
            KNOWN.with_borrow_mut(|known| known.keep(live.number, b"", given, [times, Times::default()], session.clone()));
        }
    }
}

/// Whether the root is meant.
fn is_root<B>(prefix: usize, request: &Request<B>) -> bool {
    matches!(request.uri().path().get(prefix..).unwrap_or_default(), "" | "/")
}

/// The call of a function in place of the root.
fn instead_of_root(function: &str, mut request: Request<Bytes>) -> Request<Bytes> {
    let name = function.split_once('.').map_or(function, |(_, name)| name);
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    let query = request.uri().query().map(|q| format!("?{q}")).unwrap_or_default();
    if let Ok(uri) = format!("/rpc/{name}{query}").parse() {
        *request.uri_mut() = uri;
    }
    request
}

/// How much of a path stands before the API's own.
fn prefix(path: &str) -> usize {
    match path.strip_prefix(PREFIX) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => PREFIX.len(),
        _ => 0,
    }
}

impl Handler for Api {
    fn config(&self) -> &GatewayConfig {
        &self.config
    }

    fn figures(&self) -> &Figures {
        &self.figures
    }

    fn answer_now(&self, _: IpAddr, _: &Request<Incoming>) -> Option<Response<Bytes>> {
        // PostgreSQL answers nothing at once.
        None
    }

    async fn answer(self: Arc<Self>, peer: IpAddr, request: Request<Incoming>) -> Response<Bytes> {
        self.respond(peer, request).await
    }
}

/// An empty answer.
fn status(status: StatusCode) -> Response<Bytes> {
    reply::empty(status)
}
