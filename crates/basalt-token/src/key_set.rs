//! Keys of whoever signs tokens: a shared secret, a JSON Web Key or a set of them (RFC 7517).

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

/// Shortest shared secret, bytes. Source: PostgREST, `jwt-secret`; RFC 7518, section 3.2.
const SHORTEST_SECRET_BYTES: usize = 32;

/// Keys that tokens are verified with.
#[derive(Clone)]
pub struct KeySet {
    pub(crate) keys: Vec<Key>,
    fingerprint: [u8; 32],
}

/// One key with the algorithms it may verify.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    pub(crate) decoding: DecodingKey,
    pub(crate) validation: Validation,
}

/// Why a text gives no keys. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// A secret that can be guessed.
    #[error("The JWT secret must be at least 32 characters long.")]
    Short,
    /// JSON that is no key, or none of a kind that can be verified with.
    #[error(
        "the JSON Web Keys have none that tokens can be verified with: RSA, P-256, P-384, Ed25519 and oct of at least 32 bytes"
    )]
    NoKey,
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl PartialEq for KeySet {
    /// Whether both were made from the same text.
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl KeySet {
    /// Reads a secret, a key or a set of keys. A text that is a JSON object is never taken for a secret: a public key would be one
    /// that anybody knows.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse(text: &[u8]) -> Result<Self, KeySetError> {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, text).as_ref());
        let keys = match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(object)) => {
                let each: Vec<Value> = match object.get("keys") {
                    Some(Value::Array(keys)) => keys.clone(),
                    Some(_) => Vec::new(),
                    None => vec![Value::Object(object)],
                };
                each.into_iter().filter_map(key_of).collect()
            }
            _ if text.len() < SHORTEST_SECRET_BYTES => return Err(KeySetError::Short),
            _ => vec![Key::new(None, DecodingKey::from_secret(text), vec![Algorithm::HS256])],
        };
        if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(Self { keys, fingerprint }) }
    }
}

impl Key {
    pub(crate) fn new(id: Option<String>, decoding: DecodingKey, algorithms: Vec<Algorithm>) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = algorithms;
        // Times and audience are checked by the verifier, with PostgREST's rules and at each use of a remembered token.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Self { id, decoding, validation }
    }
}

/// A key of a set, when it is of a kind that tokens can be verified with.
fn key_of(value: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
        return None;
    }
    let possible = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => {
            use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
            vec![RS256, RS384, RS512, PS256, PS384, PS512]
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
        AlgorithmParameters::OctetKey(_) => vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
        _ => return None,
    };
    let algorithms = match jwk.common.key_algorithm {
        None => possible,
        // A key says for which algorithm it is: it is good for no other.
        Some(named) => {
            let named: Algorithm = named.to_string().parse().ok()?;
            possible.into_iter().filter(|a| *a == named).collect()
        }
    };
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let is_short = matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_))
        && decoding.try_get_as_bytes().map_or(true, |bytes| bytes.len() < SHORTEST_SECRET_BYTES);
    if algorithms.is_empty() || is_short {
        return None;
    }
    Some(Key::new(jwk.common.key_id, decoding, algorithms))
}

#[cfg(test)]
mod tests;
