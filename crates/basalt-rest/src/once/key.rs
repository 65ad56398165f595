//! What a request with a key is known by: who asks, the key, and what is asked.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use basalt_types::Session;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Request};

use super::IDEMPOTENCY_KEY;
use crate::error::RestError as Error;

/// Longest key, characters.
const LONGEST: usize = 255;

/// Headers that say what a request means, besides its address and body.
static MEANT: [HeaderName; 6] = [
    ACCEPT,
    CONTENT_TYPE,
    HeaderName::from_static("accept-profile"),
    HeaderName::from_static("content-profile"),
    HeaderName::from_static("prefer"),
    HeaderName::from_static("basalt-nested"),
];

/// Claims that another token of the same caller has otherwise.
const OF_THE_TOKEN: [&str; 5] = ["exp", "iat", "jti", "nbf", "role"];

/// Reads the header: a string of structured fields (RFC 8941, 3.3.3), whose parameters mean nothing, or the key as it is.
///
/// # Errors
/// BSLT016.
pub(super) fn read(headers: &HeaderMap) -> Result<String, Error> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Error::Key("There is more than one Idempotency-Key"));
    };
    let invalid = || Error::Key("An Idempotency-Key is 1 to 255 ASCII characters without spaces, or a string in quotation marks");
    let text = value.to_str().map_err(|_| invalid())?.trim();
    let key = match text.strip_prefix('"') {
        Some(quoted) => string(quoted).ok_or_else(invalid)?,
        None if text.bytes().all(|b| b.is_ascii_graphic() && b != b'"') => text.to_owned(),
        None => return Err(invalid()),
    };
    if (1..=LONGEST).contains(&key.len()) { Ok(key) } else { Err(invalid()) }
}

/// What stands between quotation marks, the first of which is gone.
fn string(quoted: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => out.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c @ ' '..='~' => out.push(c),
            _ => return None,
        }
    }
    let rest = chars.as_str().trim_start();
    (rest.is_empty() || rest.starts_with(';')).then_some(out)
}

/// Parts, each with its length, so that none runs into the next.
fn hashed<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    let digest = context.finish();
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}

/// The caller: the role and whom the token names. One that names nobody is known by all that it says.
pub(super) fn subject(session: &Session) -> [u8; 32] {
    let role = session.role.as_str().as_bytes();
    let Some(claims) = session.claims.as_deref() else { return hashed([role]) };
    if let Some(sub) = claims.sub() {
        let issuer = claims.get("iss").and_then(serde_json::Value::as_str).unwrap_or_default();
        return hashed([role, issuer.as_bytes(), sub.as_bytes()]);
    }
    let said: BTreeMap<&String, String> = claims
        .object()
        .iter()
        .filter(|(name, _)| !OF_THE_TOKEN.contains(&name.as_str()))
        .map(|(name, value)| (name, value.to_string()))
        .collect();
    let parts = said.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    hashed([role].into_iter().chain(parts))
}

/// The receipt's name: a key of one caller says nothing to another.
pub(super) fn id(subject: &[u8; 32], key: &str) -> [u8; 32] {
    hashed([subject.as_slice(), key.as_bytes()])
}

/// What is asked: method, address below the surface, what the headers say of it, body.
pub(super) fn digest(request: &Request<Bytes>, prefix: usize) -> [u8; 32] {
    let path = request.uri().path().get(prefix..).unwrap_or_default();
    let query = request.uri().query().unwrap_or_default();
    let mut parts = vec![request.method().as_str().as_bytes(), path.as_bytes(), query.as_bytes()];
    for name in &MEANT {
        parts.push(name.as_str().as_bytes());
        parts.extend(request.headers().get_all(name).iter().map(http::HeaderValue::as_bytes));
    }
    parts.push(b"");
    parts.push(request.body());
    hashed(parts)
}
