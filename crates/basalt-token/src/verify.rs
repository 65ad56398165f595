//! Verification of bearer tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use basalt_types::{Claims, Secret, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, decode};
use parking_lot::RwLock;
use serde_json::{Map, Value};

use crate::key_set::{Key, KeySet};

/// Clock skew that is forgiven, seconds. Source: PostgREST, `allowedSkewSeconds`.
const ALLOWED_SKEW_S: i64 = 30;

/// How many verified tokens are remembered. A token beyond that costs one more HMAC.
const CACHE_ENTRIES: usize = 8192;

/// Longest token that is looked at, bytes. The gateway's limit on headers comes first; this is the most it can be set to.
const LONGEST_TOKEN_BYTES: usize = 1 << 20;

/// Longest token that is remembered, bytes: the cache is bounded by its entries, so none may be large.
const LONGEST_REMEMBERED_BYTES: usize = 16 * 1024;

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenError {
    /// `Authorization: Bearer` with nothing behind it.
    Empty,
    /// Not three parts.
    Parts(usize),
    /// No key, or not the right one, verifies it.
    Key,
    /// Of several keys none is for its algorithm and key id.
    NoKey,
    /// The algorithm `none`, where it is told apart from others that are not allowed.
    Unsigned,
    /// An algorithm that is not allowed, `none` included.
    Algorithm,
    /// Not decodable, or too long.
    Malformed,
    /// A header that is no JSON object, or names no algorithm that exists, where that is told apart.
    Header,
    /// The claims are not a JSON object.
    Claims,
    /// `exp`, `nbf` or `iat` is not a number: which.
    NotANumber(&'static str),
    /// `aud` is neither text nor a list of texts.
    AudienceType,
    /// Past `exp`.
    Expired,
    /// Before `nbf`.
    NotYetValid,
    /// `iat` in the future.
    IssuedAtFuture,
    /// Another audience.
    Audience,
}

impl TokenError {
    /// Whether the token itself is bad (as opposed to its claims).
    pub fn is_undecodable(self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::Parts(_)
                | Self::Key
                | Self::NoKey
                | Self::Unsigned
                | Self::Algorithm
                | Self::Malformed
                | Self::Header
        )
    }

    /// PostgREST's message.
    pub fn message(self) -> String {
        match self {
            Self::Empty => "Empty JWT is sent in Authorization header".into(),
            Self::Parts(n) => format!("Expected 3 parts in JWT; got {n}"),
            Self::Key | Self::NoKey => "No suitable key or wrong key type".into(),
            Self::Algorithm | Self::Unsigned => "Wrong or unsupported encoding algorithm".into(),
            Self::Malformed => "JWT cryptographic operation failed".into(),
            Self::Header => "JWT couldn't be decoded".into(),
            Self::Claims => "Parsing claims failed".into(),
            Self::NotANumber(claim) => format!("The JWT '{claim}' claim must be a number"),
            Self::AudienceType => "The JWT 'aud' claim must be a string or an array of strings".into(),
            Self::Expired => "JWT expired".into(),
            Self::NotYetValid => "JWT not yet valid".into(),
            Self::IssuedAtFuture => "JWT issued at future".into(),
            Self::Audience => "JWT not in audience".into(),
        }
    }

    /// PostgREST's details, where it has some.
    pub fn details(self) -> Option<&'static str> {
        match self {
            Self::Key => Some("None of the keys was able to decode the JWT"),
            Self::NoKey => Some("No suitable key was found to decode the JWT"),
            Self::Unsigned => Some("JWT is unsecured but expected 'alg' was not 'none'"),
            _ => None,
        }
    }
}

/// Verifies tokens, remembering the signatures it has checked. What expires is checked at each use.
pub struct Verifier {
    keys: Vec<Key>,
    /// Whether a token's key id and algorithm choose among the keys, and a token with a key id needs a key that has it.
    chooses: bool,
    audience: Option<String>,
    /// Tokens remembered; 0: none.
    most: usize,
    cache: RwLock<HashMap<[u8; 32], Arc<Claims>>>,
    figures: CacheFigures,
}

/// How the memory of tokens is used.
#[derive(Debug, Default)]
struct CacheFigures {
    requests: AtomicU64,
    hits: AtomicU64,
    evictions: AtomicU64,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl Verifier {
    /// Verifies HS256 tokens of this secret; with `audience`, tokens that name another one are refused.
    pub fn new(secret: &Secret, audience: Option<String>) -> Self {
        let key = Key::new(None, DecodingKey::from_secret(secret.reveal().as_bytes()), vec![Algorithm::HS256]);
        Self::with(vec![key], false, audience, CACHE_ENTRIES)
    }

    /// Verifies tokens of any of these keys, remembering so many.
    pub fn of_keys(keys: &KeySet, audience: Option<String>, remembered: usize) -> Self {
        Self::with(keys.keys.clone(), true, audience, remembered)
    }

    fn with(keys: Vec<Key>, chooses: bool, audience: Option<String>, most: usize) -> Self {
        Self { keys, chooses, audience, most, cache: RwLock::default(), figures: CacheFigures::default() }
    }

    /// Tokens looked for among the remembered, found there, and forgotten.
    pub fn cache_figures(&self) -> [u64; 3] {
        let figures = &self.figures;
        [&figures.requests, &figures.hits, &figures.evictions].map(|n| n.load(Ordering::Relaxed))
    }

    /// The claims of a valid token.
    ///
    /// # Errors
    /// The first reason for which it is not valid.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Claims>, TokenError> {
        let claims = self.verify_signature(token)?;
        self.check(&claims, now)?;
        Ok(claims)
    }

    /// The claims of a token whose signature is good, whatever its times: for signing out with an expired token.
    ///
    /// # Errors
    /// As for [`Verifier::verify`], less those about times and audience.
    pub fn verify_signature(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        if token.len() > LONGEST_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let mut id = [0u8; 32];
        id.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        self.figures.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(claims) = self.cache.read().get(&id) {
            self.figures.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Arc::clone(claims));
        }
        let parts = token.split('.').count();
        if parts != 3 {
            return Err(TokenError::Parts(parts));
        }
        let claims = Arc::new(Claims::new(self.decode(token)?));
        if token.len() > LONGEST_REMEMBERED_BYTES || self.most == 0 {
            return Ok(claims);
        }
        let mut cache = self.cache.write();
        if cache.len() >= self.most {
            self.figures.evictions.fetch_add(u64::try_from(cache.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
            // Forgetting all at once is rare and costs one HMAC a token; it keeps the hot path free of bookkeeping.
            cache.clear();
        }
        cache.insert(id, Arc::clone(&claims));
        Ok(claims)
    }

    fn decode(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        if !self.chooses {
            return self.keys.first().ok_or(TokenError::NoKey).and_then(|key| decode_with(key, token));
        }
        let header: Value =
            serde_json::from_slice(&header_bytes(token).ok_or(TokenError::Malformed)?).map_err(|_| TokenError::Header)?;
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(TokenError::Header)?;
        if algorithm == "none" {
            return Err(TokenError::Unsigned);
        }
        let algorithm: Algorithm = algorithm.parse().map_err(|_| TokenError::Header)?;
        let id = header.get("kid").and_then(Value::as_str);
        let mut result = Err(TokenError::NoKey);
        for key in &self.keys {
            if !key.validation.algorithms.contains(&algorithm) || id.is_some_and(|id| key.id.as_deref() != Some(id)) {
                continue;
            }
            result = decode_with(key, token);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
        // One after the other: a token that has expired is told so, whatever its other claims are.
        Times { exp: time(claims, "exp")?, ..Times::default() }.check(now)?;
        Times { nbf: time(claims, "nbf")?, ..Times::default() }.check(now)?;
        Times { iat: time(claims, "iat")?, ..Times::default() }.check(now)?;
        let audiences: Vec<&str> = match claims.get("aud") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().map(Value::as_str).collect::<Option<_>>().ok_or(TokenError::AudienceType)?,
            Some(_) => return Err(TokenError::AudienceType),
        };
        match &self.audience {
            Some(expected) if !audiences.is_empty() && !audiences.contains(&expected.as_str()) => Err(TokenError::Audience),
            _ => Ok(()),
        }
    }
}

/// A token's claims by one key.
fn decode_with(key: &Key, token: &str) -> Result<Map<String, Value>, TokenError> {
    match decode::<Value>(token, &key.decoding, &key.validation) {
        Ok(data) => match data.claims {
            Value::Object(map) => Ok(map),
            _ => Err(TokenError::Claims),
        },
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => TokenError::Key,
            ErrorKind::InvalidAlgorithm
            | ErrorKind::InvalidAlgorithmName
            | ErrorKind::UnsupportedAlgorithm
            | ErrorKind::MissingAlgorithm => TokenError::Algorithm,
            // An unknown algorithm name fails while the header is read as JSON.
            ErrorKind::Json(_) if !header_names_known_algorithm(token) => TokenError::Algorithm,
            // The header was read and the signature is good: the claims are no object.
            ErrorKind::Json(_) if jsonwebtoken::decode_header(token).is_ok() => TokenError::Claims,
            _ => TokenError::Malformed,
        }),
    }
}

/// When a token is good: its claims about time, read once so that they can be checked at each use. Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    exp: Option<i64>,
    nbf: Option<i64>,
    iat: Option<i64>,
}

impl Times {
    /// Those of a token's claims.
    ///
    /// # Errors
    /// When one is not a number.
    pub fn of(claims: &Claims) -> Result<Self, TokenError> {
        Ok(Self { exp: time(claims, "exp")?, nbf: time(claims, "nbf")?, iat: time(claims, "iat")? })
    }

    /// Whether a token with these is good now, some skew forgiven.
    ///
    /// # Errors
    /// [`TokenError::Expired`], [`TokenError::NotYetValid`], [`TokenError::IssuedAtFuture`].
    pub fn check(&self, now: Timestamp) -> Result<(), TokenError> {
        let now = now.unix_s();
        if self.exp.is_some_and(|exp| now - ALLOWED_SKEW_S > exp) {
            return Err(TokenError::Expired);
        }
        if self.nbf.is_some_and(|nbf| now + ALLOWED_SKEW_S < nbf) {
            return Err(TokenError::NotYetValid);
        }
        if self.iat.is_some_and(|iat| now + ALLOWED_SKEW_S < iat) {
            return Err(TokenError::IssuedAtFuture);
        }
        Ok(())
    }
}

/// A NumericDate claim in whole seconds.
fn time(claims: &Claims, name: &'static str) -> Result<Option<i64>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        // A float beyond the range saturates, which keeps "never" and "always" apart.
        Some(Value::Number(n)) => Ok(n.as_i64().or_else(|| n.as_f64().map(|x| x as i64))),
        Some(_) => Err(TokenError::NotANumber(name)),
    }
}

/// A token's header, when it is JSON.
fn header(token: &str) -> Option<Value> {
    serde_json::from_slice(&header_bytes(token)?).ok()
}

fn header_bytes(token: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap_or_default();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).ok()
}

fn header_names_known_algorithm(token: &str) -> bool {
    header(token).and_then(|value| value.get("alg").cloned()).is_none_or(|alg| serde_json::from_value::<Algorithm>(alg).is_ok())
}

#[cfg(test)]
mod tests;
