//! The journey of one request, top to bottom.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use basalt_token::ApiKeyRole;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};

use crate::identity::{Identity, Refused, identify};
use crate::route::{self, Health, Route};
use crate::{Gateway, GatewayConfig, browse, cors, hosts, reply, wire};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("sb-request-id");

/// Where a page finds the URL and the publishable key.
const DISCOVERY: &str = "/.well-known/basalt.json";

/// Longest request id taken over from a client or proxy.
const LONGEST_REQUEST_ID: usize = 128;

impl Gateway {
    /// Answers one request from the socket's peer.
    pub async fn answer<B>(self: &Arc<Self>, peer: IpAddr, request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        #[allow(clippy::disallowed_methods)] // monotonic, for a duration
        let started = Instant::now();
        let (route, prefix) = route::of(request.uri().path());
        let id = request_id(request.headers(), peer, &self.config.trusted_proxies);
        let method = request.method().clone();
        let in_flight = self.figures.request();
        let mut response = match AssertUnwindSafe(self.admit(peer, route, prefix, request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => {
                self.figures.panicked();
                tracing::error!(request.id = %id.to_str().unwrap_or_default(), surface = route.label(), "a request panicked");
                panicked()
            }
        };
        drop(in_flight);
        dress(route, response.headers_mut());
        response.headers_mut().insert(REQUEST_ID, id.clone());
        let took = started.elapsed();
        self.figures.answered(route, response.status(), took);
        let status = response.status().as_u16();
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if status >= 500 {
            tracing::warn!(request.id = %id.to_str().unwrap_or_default(), surface = route.label(), %method, status, duration_us = us, "request failed");
        } else {
            tracing::debug!(request.id = %id.to_str().unwrap_or_default(), surface = route.label(), %method, status, duration_us = us, "request");
        }
        response
    }

    /// What is true for every route: size of the address, preflights, a free place.
    async fn admit<B>(self: &Arc<Self>, peer: IpAddr, route: Route, prefix: usize, request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if route == Route::Site
            && let Some(response) = unreadable(request.uri().path())
        {
            return response;
        }
        if let Some((status, text)) = self.oversized(&request) {
            return reply::message(status, text);
        }
        if route.is_wire() && cors::is_preflight(request.method(), request.headers()) {
            return cors::preflight(request.headers());
        }
        if let Route::Health(health) = route {
            return self.health(health);
        }
        let Ok(_permit) = self.permits.try_acquire() else {
            self.figures.refused();
            return busy();
        };
        match route {
            Route::Rest if !self.config.serves_rest => reply::message(StatusCode::NOT_FOUND, "This API is switched off"),
            Route::Auth if !self.config.serves_auth => reply::message(StatusCode::NOT_FOUND, "This API is switched off"),
            Route::Rest | Route::Auth => self.wire(peer, route, prefix, request).await,
            Route::NotServed => reply::message(StatusCode::NOT_FOUND, "This API is not served by this version"),
            Route::Metrics | Route::Site | Route::Health(_) => self.page(peer, route, &request).await,
        }
    }

    /// What is too large about a request's head.
    pub(crate) fn oversized<B>(&self, request: &Request<B>) -> Option<(StatusCode, &'static str)> {
        oversized(&self.config, request)
    }

    fn health(&self, health: Health) -> Response<Bytes> {
        reply::health(health == Health::Live || self.surfaces.engine.is_ready())
    }

    /// Our own pages: the site and the figures.
    async fn page<B>(&self, peer: IpAddr, route: Route, request: &Request<B>) -> Response<Bytes> {
        let host =
            forwarded(self, peer, request.headers(), "x-forwarded-host").or_else(|| header(request.headers(), HOST.as_str()));
        let host = host.or_else(|| request.uri().host());
        if !hosts::is_ours(host, &self.config.external_url, &self.config.allowed_hosts) {
            return reply::message(
                StatusCode::MISDIRECTED_REQUEST,
                "This host name is not served here; see [server] allowed_hosts",
            );
        }
        if route == Route::Metrics {
            return self.metrics(request);
        }
        if request.uri().path() == DISCOVERY && request.method() == Method::GET {
            return self.discovery(peer, request.headers());
        }
        if let Some(response) = browse::answer(request.method(), request.uri().path()) {
            return response;
        }
        match &self.site {
            Some(site) => site.answer(request.method(), request.uri().path(), request.headers()).await,
            None => reply::message(StatusCode::NOT_FOUND, "no Route matched with those values"),
        }
    }

    /// What an app of this site needs to begin: the URL and the key that is meant for browsers.
    fn discovery(&self, peer: IpAddr, headers: &HeaderMap) -> Response<Bytes> {
        let body = serde_json::json!({"url": self.base_url(peer, headers), "key": self.keys.publishable.reveal()});
        let mut response = reply::json(StatusCode::OK, &body);
        response.headers_mut().insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    fn metrics<B>(&self, request: &Request<B>) -> Response<Bytes> {
        let identity = identify(request.headers(), None, &self.keys, &self.verifier, self.clock.now());
        let is_service = identity.is_ok_and(|i| match i.bearer {
            Some((_, claims)) => claims.is_ok_and(|c| c.get("role").and_then(|r| r.as_str()) == Some("service_role")),
            None => i.api_role == Some(ApiKeyRole::Service),
        });
        if !is_service {
            let mut response = reply::message(StatusCode::UNAUTHORIZED, "The service key is needed");
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        let text = self.figures.render(&self.surfaces.engine.figures(), &self.surfaces.auth.figures());
        reply::with_type(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Bytes::from(text))
    }

    /// The wire API: who is asking, the body, the surface.
    async fn wire<B>(self: &Arc<Self>, peer: IpAddr, route: Route, prefix: usize, request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if route == Route::Rest {
            return self.rest(prefix, request).await;
        }
        let identity = match self.identity(&request) {
            Ok(identity) => identity,
            Err(Refused::NoKey) if route == Route::Auth && is_open(&request.uri().path()[prefix..]) => {
                Identity { api_role: None, bearer: None }
            }
            Err(refused) => return refusal(refused),
        };
        let request = match collect(&self.config, request).await.and_then(|request| without_prefix(prefix, request)) {
            Ok(request) => request,
            Err(response) => return response,
        };
        let base_url = self.base_url(peer, request.headers());
        let facts = basalt_auth::RequestFacts {
            client_ip: self.client_address(peer, request.headers()),
            base_url: &base_url,
            bearer: identity.bearer.as_ref().map(|(token, _)| token.as_str()),
            api_role: identity.api_role,
            user_agent: header(request.headers(), USER_AGENT.as_str()).map(str::to_owned),
        };
        self.surfaces.auth.handle(&facts, request).await
    }

    /// REST: the session is often known by its headers.
    async fn rest<B>(&self, prefix: usize, request: Request<B>) -> Response<Bytes>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let now = self.clock.now();
        #[allow(clippy::disallowed_methods)] // monotonic time that passed
        let began = self.surfaces.rest.is_timed().then(Instant::now);
        let session = match self.known_session(request.headers(), now) {
            Some(session) => Ok(session),
            None => match self.identity(&request) {
                Ok(identity) => {
                    self.rest_session(&identity).inspect(|session| self.remember(request.headers(), &identity, session, now))
                }
                Err(refused) => return refusal(refused),
            },
        };
        let took = began.map(|began| began.elapsed());
        let mut request = match collect(&self.config, request).await {
            Ok(request) => request,
            Err(response) => return response,
        };
        if let Some(took) = took {
            request.extensions_mut().insert(basalt_rest::TokenTime(took));
        }
        match session {
            Ok(session) => self.surfaces.rest.handle_below(prefix, &session, request).await,
            Err(response) => *response,
        }
    }

    fn identity<B>(&self, request: &Request<B>) -> Result<Identity, Refused> {
        let query_key = query_value(request.uri().query(), "apikey");
        identify(request.headers(), query_key, &self.keys, &self.verifier, self.clock.now())
    }

    /// The session for REST, or REST's own refusal.
    fn rest_session(&self, identity: &Identity) -> Result<basalt_types::Session, Box<Response<Bytes>>> {
        let session = identity
            .session()
            .map_err(|e| Box::new(basalt_rest::token_refused(&e.message(), e.details(), e.is_undecodable())))?;
        if self.config.allowed_roles.iter().any(|r| r == session.role.as_str()) {
            Ok(session)
        } else {
            Err(Box::new(basalt_rest::role_refused(session.role.as_str())))
        }
    }

    /// The client's address: the socket's peer, or what a trusted proxy says it is.
    pub(crate) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |ip: IpAddr| self.config.trusted_proxies.iter().any(|n| n.contains(ip));
        if !trusted(peer) {
            return peer.to_canonical();
        }
        // From the right: each trusted proxy vouches for the address it wrote; the first that is not a proxy is the client.
        let mut client = peer;
        let all = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).collect::<Vec<_>>().join(",");
        for part in all.rsplit(',') {
            let Ok(ip) = part.trim().parse::<IpAddr>() else { break };
            client = ip;
            if !trusted(ip) {
                break;
            }
        }
        client.to_canonical()
    }

    /// The URL clients reach us at: the configured one, or what a trusted proxy says.
    fn base_url(&self, peer: IpAddr, headers: &HeaderMap) -> String {
        match (forwarded(self, peer, headers, "x-forwarded-host"), forwarded(self, peer, headers, "x-forwarded-proto")) {
            (Some(host), Some(scheme @ ("http" | "https")))
                if hosts::is_ours(Some(host), &self.config.external_url, &self.config.allowed_hosts) =>
            {
                format!("{scheme}://{host}")
            }
            _ => self.config.external_url.clone(),
        }
    }
}

/// What is too large about a request's head.
pub(crate) fn oversized<B>(config: &GatewayConfig, request: &Request<B>) -> Option<(StatusCode, &'static str)> {
    if request.uri().path_and_query().map_or(0, |p| p.as_str().len()) > config.max_uri_bytes {
        return Some((StatusCode::URI_TOO_LONG, "The address is too long"));
    }
    // The connection's buffer bounds them too, but only roughly: it may read one piece beyond its size.
    let headers: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let too_large = (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large");
    (headers > config.max_header_bytes).then_some(too_large)
}

/// The request with its whole body.
pub(crate) async fn collect<B>(config: &GatewayConfig, request: Request<B>) -> Result<Request<Bytes>, Response<Bytes>>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    if body.is_end_stream() || parts.method == Method::GET || parts.method == Method::HEAD {
        return Ok(Request::from_parts(parts, Bytes::new()));
    }
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if announced.is_some_and(|n| n > config.max_body_bytes) {
        return Err(reply::message(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"));
    }
    let limited = Limited::new(body, config.max_body_bytes);
    match tokio::time::timeout(config.body_timeout, limited.collect()).await {
        Ok(Ok(collected)) => Ok(Request::from_parts(parts, collected.to_bytes())),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(reply::message(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"))
        }
        Ok(Err(_)) => Err(reply::message(StatusCode::BAD_REQUEST, "The body could not be read")),
        Err(_) => Err(reply::message(StatusCode::REQUEST_TIMEOUT, "The body took too long")),
    }
}

/// The answer to a request that panicked. The panic hook has logged where; the caller learns only that it was our fault.
pub(crate) fn panicked() -> Response<Bytes> {
    reply::json(
        StatusCode::INTERNAL_SERVER_ERROR,
        &serde_json::json!({"code": "XX000", "message": "Internal error", "details": null, "hint": null}),
    )
}

/// The answer to a request for which there is no place.
pub(crate) fn busy() -> Response<Bytes> {
    let mut response = reply::message(StatusCode::SERVICE_UNAVAILABLE, "Too many requests are running");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The answer to a request whose line the connection replaced.
pub(crate) fn unreadable(path: &str) -> Option<Response<Bytes>> {
    match path {
        wire::MALFORMED => Some(reply::message(StatusCode::BAD_REQUEST, "The request line is not valid")),
        wire::TOO_LONG => Some(reply::message(StatusCode::URI_TOO_LONG, "The address is too long")),
        _ => None,
    }
}

fn forwarded<'h>(gateway: &Gateway, peer: IpAddr, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    gateway.config.trusted_proxies.iter().any(|n| n.contains(peer)).then(|| header(headers, name)).flatten()
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

fn query_value<'q>(query: Option<&'q str>, name: &str) -> Option<&'q str> {
    query?.split('&').find_map(|pair| pair.split_once('=').filter(|(n, _)| *n == name)).map(|(_, v)| v).filter(|v| !v.is_empty())
}

/// Paths of auth that are opened from mails and by other servers, without a key.
fn is_open(path: &str) -> bool {
    matches!(
        path,
        "/verify" | "/callback" | "/authorize" | "/.well-known/jwks.json" | "/.well-known/openid-configuration" | "/health"
    )
}

/// A request whose path begins behind a prefix.
fn without_prefix(prefix: usize, mut request: Request<Bytes>) -> Result<Request<Bytes>, Response<Bytes>> {
    let path_and_query = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let rest = path_and_query.get(prefix..).unwrap_or_default();
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    *request.uri_mut() = rest.parse().map_err(|_| reply::message(StatusCode::BAD_REQUEST, "The address is not valid"))?;
    Ok(request)
}

/// The headers every answer of a route carries, less the request's id.
pub(crate) fn dress(route: Route, headers: &mut HeaderMap) {
    if route.is_wire() {
        cors::open(headers);
    }
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn refusal(refused: Refused) -> Response<Bytes> {
    match refused {
        Refused::NoKey => reply::json(
            StatusCode::UNAUTHORIZED,
            &serde_json::json!({"message": "No API key found in request", "hint": "No `apikey` request header or url param was found."}),
        ),
        Refused::BadKey => reply::message(StatusCode::UNAUTHORIZED, "Invalid authentication credentials"),
        Refused::SecretInBrowser => reply::json(
            StatusCode::UNAUTHORIZED,
            &serde_json::json!({
                "message": "Forbidden use of secret API key in browser",
                "hint": "A secret key gives full access to the database: use it on servers only, and replace this one, since visitors could read it.",
            }),
        ),
    }
}

/// The request's id: a proxy's, when it is one we trust, else a new one.
pub(crate) fn request_id(headers: &HeaderMap, peer: IpAddr, proxies: &[crate::Network]) -> HeaderValue {
    if proxies.iter().any(|n| n.contains(peer))
        && let Some(given) = headers.get("x-request-id").or_else(|| headers.get(REQUEST_ID))
        && !given.is_empty()
        && given.len() <= LONGEST_REQUEST_ID
        && given.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    {
        return given.clone();
    }
    fresh_id()
}

/// Unique in this process and, by its random start, unlikely to repeat elsewhere; no secret depends on it. Each thread has a start of
/// its own and counts by itself.
fn fresh_id() -> HeaderValue {
    use std::cell::Cell;
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    thread_local! {
        static START: u64 = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0u8);
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    let digit = |n: u64, at: u32| DIGITS[usize::try_from(n >> (4 * at) & 15).unwrap_or(0)];
    let (start, n) = (START.with(|start| *start), NEXT.replace(NEXT.get() + 1));
    let mut text = Vec::with_capacity(33);
    text.extend((0..16).rev().map(|at| digit(start, at)));
    text.push(b'-');
    let length = (u64::BITS - n.leading_zeros()).div_ceil(4).max(1);
    text.extend((0..length).rev().map(|at| digit(n, at)));
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static("0"))
}
