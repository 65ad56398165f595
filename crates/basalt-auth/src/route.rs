//! The list of endpoints.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;

use crate::endpoint::{admin, info, logout, off, signup, token, user};
use crate::error::{ApiVersion, AuthError};
use crate::{Auth, RequestFacts};

/// What an endpoint answers.
pub(crate) type Reply = Result<Response<Bytes>, AuthError>;

/// One request as endpoints see it.
pub(crate) struct Ask<'a> {
    pub facts: &'a RequestFacts<'a>,
    pub request: &'a Request<Bytes>,
}

impl Ask<'_> {
    /// The body.
    pub(crate) fn body(&self) -> &[u8] {
        self.request.body()
    }

    /// The first value of a query parameter, decoded; empty when absent.
    pub(crate) fn query(&self, name: &str) -> String {
        let query = self.request.uri().query().unwrap_or_default();
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| decode(key) == name)
            .map(|(_, value)| decode(value))
            .unwrap_or_default()
    }
}

/// Answers a request.
pub(crate) async fn answer(auth: &Auth, facts: &RequestFacts<'_>, request: &Request<Bytes>) -> Response<Bytes> {
    let version = ApiVersion::of(request.headers().get("x-supabase-api-version").and_then(|v| v.to_str().ok()));
    match dispatch(auth, &Ask { facts, request }).await {
        Ok(response) => response,
        Err(error) => error.respond(version),
    }
}

async fn dispatch(auth: &Auth, ask: &Ask<'_>) -> Reply {
    let path = ask.request.uri().path().trim_matches('/');
    let segments: Vec<&str> = path.split('/').collect();
    let method = ask.request.method();
    // HEAD is not answered by the original; the gateway turns none into GET either.
    match (method.as_str(), segments.as_slice()) {
        ("GET", ["health"]) => Ok(info::health(auth)),
        ("GET", ["settings"]) => Ok(info::settings(auth)),
        ("GET", [".well-known", "jwks.json"]) => Ok(info::jwks()),
        ("GET", [".well-known", "openid-configuration"]) => Ok(info::openid_configuration(auth)),

        ("POST", ["signup"]) => signup::answer(auth, ask).await,
        ("POST", ["token"]) => token::answer(auth, ask).await,
        ("POST", ["logout"]) => logout::answer(auth, ask).await,
        ("GET", ["user"]) => user::get(auth, ask).await,
        ("PUT", ["user"]) => user::put(auth, ask).await,

        (_, ["admin", ..]) => {
            if !admin::knows(method, &segments) {
                return Ok(unknown(&segments));
            }
            auth.require_admin(ask.facts).await?;
            match (method.as_str(), segments.as_slice()) {
                ("GET", ["admin", "users"]) => admin::list::answer(auth, ask).await,
                ("POST", ["admin", "users"]) => admin::create::answer(auth, ask).await,
                ("GET", ["admin", "users", id]) => admin::get(auth, id).await,
                ("PUT", ["admin", "users", id]) => admin::update::answer(auth, ask, id).await,
                ("DELETE", ["admin", "users", id]) => admin::delete::answer(auth, ask, id).await,
                (_, ["admin", "users", id, rest @ ..]) => admin::parts_of_user(auth, method, id, rest).await,
                _ => off::admin(&segments),
            }
        }
        (_, _) if off::knows(method, &segments) => off::answer(auth, ask, &segments).await,
        _ => Ok(unknown(&segments)),
    }
}

/// Paths and their methods, for telling an unknown path from a wrong method.
const METHODS: [(&[&str], &str); 9] = [
    (&["health"], "GET"),
    (&["settings"], "GET"),
    (&[".well-known", "jwks.json"], "GET"),
    (&["signup"], "POST"),
    (&["token"], "POST"),
    (&["logout"], "POST"),
    (&["user"], "GET, PUT"),
    (&["admin", "users"], "GET, POST"),
    (&["verify"], "GET, POST"),
];

/// An unknown path: plain text, as the original's router answers. A known path with another method: 405 without a body.
fn unknown(segments: &[&str]) -> Response<Bytes> {
    if let Some((_, methods)) = METHODS.iter().find(|(path, _)| *path == segments) {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        return response;
    }
    let mut response = Response::new(Bytes::from_static(b"404 page not found\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Whether a method is one of these.
pub(crate) fn is_one_of(method: &Method, allowed: &[Method]) -> bool {
    allowed.contains(method)
}
