//! Who a request's headers speak for: API key and bearer token.
//!
//! The rule is the original gateway's (wire-notes, section 0): an Authorization header that is not an opaque key is the user's token
//! and stays; otherwise the API key decides, an opaque one by itself, any other as a token.

use std::sync::{Arc, LazyLock};

use basalt_token::{ApiKeyRole, Keys, TokenError, Verifier, keys};
use basalt_types::{Claims, RoleName, Session, Timestamp};
use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN, USER_AGENT};

/// What the headers say.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The role of the API key, when there is a valid one.
    pub api_role: Option<ApiKeyRole>,
    /// The bearer token as sent, when it is no API key, with the outcome of its verification.
    pub bearer: Option<(String, Result<Arc<Claims>, TokenError>)>,
}

/// Why a request does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Neither key nor token.
    NoKey,
    /// An `apikey` that is none of ours.
    BadKey,
    /// A secret key from a browser, where every visitor could read it.
    SecretInBrowser,
}

/// Reads the headers.
///
/// # Errors
/// When no surface should see the request.
pub fn identify(
    headers: &HeaderMap,
    query_key: Option<&str>,
    keys: &Keys,
    verifier: &Verifier,
    now: Timestamp,
) -> Result<Identity, Refused> {
    let api_key = text(headers, "apikey").or(query_key);
    // Bytes that are no text make a token that nothing verifies; they do not make the header absent.
    let authorization = headers.get(AUTHORIZATION).map(|v| String::from_utf8_lossy(v.as_bytes()));
    let bearer = authorization.as_deref().and_then(bearer_token);
    let opaque = |key: Option<&str>| key.is_some_and(keys::is_opaque_secret);
    if (opaque(api_key) || opaque(bearer)) && is_browser(headers) {
        return Err(Refused::SecretInBrowser);
    }
    let api_role = match api_key {
        None => None,
        Some(key) if keys::is_opaque(key) => Some(keys.opaque_role(key).ok_or(Refused::BadKey)?),
        Some(key) => Some(role_of_key(key, verifier, now).ok_or(Refused::BadKey)?),
    };
    match bearer {
        Some(token) if keys::is_opaque(token) => {
            // An opaque key in Authorization stands for itself; with an API key beside it, the API key decides.
            let own = keys.opaque_role(token).ok_or(Refused::BadKey)?;
            Ok(Identity { api_role: Some(api_role.unwrap_or(own)), bearer: None })
        }
        Some(token) => Ok(Identity { api_role, bearer: Some((token.to_owned(), verifier.verify(token, now))) }),
        None if api_role.is_some() => Ok(Identity { api_role, bearer: None }),
        None => Err(Refused::NoKey),
    }
}

impl Identity {
    /// The session REST runs under.
    ///
    /// # Errors
    /// Why the token is not accepted.
    pub fn session(&self) -> Result<Session, TokenError> {
        match &self.bearer {
            None => Ok(self.api_role.unwrap_or(ApiKeyRole::Anon).into_session()),
            Some((_, Ok(claims))) => {
                let role = claims.get("role").map(|r| r.as_str().map_or_else(|| r.to_string(), str::to_owned));
                // SQL always finds a role among the claims (PostgREST puts it there), the anonymous one when the token names none.
                let (role, claims) = match role {
                    Some(role) => (role, Arc::clone(claims)),
                    None => ("anon".to_owned(), Arc::new(claims.with("role", "anon"))),
                };
                Ok(Session { role: RoleName::new(role), claims: Some(claims), request: None, acting: None })
            }
            Some((_, Err(error))) => Err(*error),
        }
    }
}

/// The session of an API key alone.
trait IntoSession {
    fn into_session(self) -> Session;
}

impl IntoSession for ApiKeyRole {
    fn into_session(self) -> Session {
        static SESSIONS: LazyLock<[Session; 2]> = LazyLock::new(|| {
            [ApiKeyRole::Anon, ApiKeyRole::Service].map(|key| {
                let claims = Claims::new(serde_json::Map::new()).with("role", key.role());
                Session { role: RoleName::new(key.role()), claims: Some(Arc::new(claims)), request: None, acting: None }
            })
        });
        let [anon, service] = &*SESSIONS;
        match self {
            Self::Anon => anon.clone(),
            Self::Service => service.clone(),
        }
    }
}

/// A legacy key is a token that names anon or service_role. Any other valid token may stand in `apikey` too: it then has no key's
/// role, and the same token is expected in Authorization.
fn role_of_key(key: &str, verifier: &Verifier, now: Timestamp) -> Option<ApiKeyRole> {
    match verifier.verify(key, now).ok()?.get("role")?.as_str()? {
        "service_role" => Some(ApiKeyRole::Service),
        _ => Some(ApiKeyRole::Anon),
    }
}

/// A header's text, when it has some.
pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|v| v.to_str().ok()).filter(|v| !v.is_empty())
}

/// The token of `Bearer …`, the scheme in any case (RFC 9110, section 11.1).
pub(crate) fn bearer_token(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Browsers say so themselves: a page cannot take these headers away. Servers that fetch may send `Sec-Fetch-Mode`, so it does not count.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = text(headers, USER_AGENT.as_str()).unwrap_or_default();
    agent.starts_with("Mozilla/") || headers.contains_key(ORIGIN) && headers.contains_key("sec-fetch-site")
}
