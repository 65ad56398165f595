//! The short way of most reads: whose headers were verified before on this core, and whose answer needs no waiting.
//!
//! It answers what [`Gateway::answer`] answers or nothing: then that goes the long way. A request here ends before the next one of
//! its core begins, so it takes no place among the running ones.

use std::cell::RefCell;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use basalt_token::{Known, Times, keys};
use basalt_types::{Session, Timestamp};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};

use crate::identity::Identity;
use crate::route::{self, Route};
use crate::service::{self, REQUEST_ID};
use crate::{Gateway, identity};

/// The header of API keys.
pub(crate) const APIKEY: HeaderName = HeaderName::from_static("apikey");

thread_local! {
    static KNOWN: RefCell<Known<Session>> = RefCell::default();
}

/// A number for each gateway.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Gateway {
    /// Answers a request right here, when nothing has to be waited for. `None`: [`Gateway::answer`] does.
    pub fn answer_now<B>(&self, peer: IpAddr, request: &Request<B>) -> Option<Response<Bytes>> {
        if request.method() != Method::GET || !self.config.serves_rest {
            return None;
        }
        let uri = request.uri();
        let (route @ Route::Rest, prefix) = route::of(uri.path()) else { return None };
        let path = uri.path().get(prefix..)?;
        #[allow(clippy::disallowed_methods)] // monotonic, for a duration
        let started = Instant::now();
        if self.oversized(request).is_some() {
            return None;
        }
        let headers = request.headers();
        let session = self.known_session(headers, self.clock.now())?;
        let query = uri.query().unwrap_or_default();
        let rest = &self.surfaces.rest;
        // A panic is told by the long way, which meets it again and counts it.
        let answered = std::panic::catch_unwind(AssertUnwindSafe(|| {
            rest.answer_now(&session, (path, query), headers, started, &|head| {
                service::dress(route, head);
                head.insert(REQUEST_ID, HeaderValue::from_static(""));
            })
        }));
        let mut response = answered.ok()??;
        let id = service::request_id(headers, peer, &self.config.trusted_proxies);
        self.figures.answered(route, response.status(), started.elapsed());
        tracing::debug!(request.id = %id.to_str().unwrap_or_default(), surface = route.label(), method = "GET", status = response.status().as_u16(), "request");
        response.headers_mut().insert(REQUEST_ID, id);
        Some(response)
    }

    /// The session that these headers were found to stand for, when the tokens in them are still good.
    pub(crate) fn known_session(&self, headers: &HeaderMap, now: Timestamp) -> Option<Session> {
        let key = headers.get(APIKEY)?.as_bytes();
        let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        KNOWN.with_borrow(|known| known.find(self.number, key, authorization, now).cloned())
    }

    /// Remembers the session of headers that have just been verified, when it depends on nothing else.
    pub(crate) fn remember(&self, headers: &HeaderMap, identity: &Identity, session: &Session, now: Timestamp) {
        // Without a key in its header, one in the address counts.
        let Some(key) = identity::text(headers, APIKEY.as_str()) else { return };
        let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let bearer = authorization.map(String::from_utf8_lossy);
        let bearer = bearer.as_deref().and_then(identity::bearer_token);
        // A secret key is refused to browsers, which other headers tell.
        if keys::is_opaque_secret(key) || bearer.is_some_and(keys::is_opaque_secret) {
            return;
        }
        let of_key = if keys::is_opaque(key) {
            Ok(Times::default())
        } else {
            self.verifier.verify(key, now).and_then(|claims| Times::of(&claims))
        };
        let of_bearer = match &identity.bearer {
            None => Ok(Times::default()),
            Some((_, Ok(claims))) => Times::of(claims),
            Some((_, Err(error))) => Err(*error),
        };
        let (Ok(of_key), Ok(of_bearer)) = (of_key, of_bearer) else { return };
        // A copy of its own, so that counting its holders touches no memory of other cores.
        let claims = session.claims.as_ref().map(|claims| Arc::new(claims.as_ref().clone()));
        let session = Session { claims, ..session.clone() };
        KNOWN.with_borrow_mut(|known| {
            known.keep(self.number, key.as_bytes(), authorization, [of_key, of_bearer], session);
        });
    }
}
