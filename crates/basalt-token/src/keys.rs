//! A project's keys.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use basalt_types::{Rng, Secret, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};

/// Which role an API key stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiKeyRole {
    /// `anon`: the publishable key and the legacy anon key.
    Anon,
    /// `service_role`: the secret key and the legacy service key.
    Service,
}

impl ApiKeyRole {
    /// The database role.
    pub fn role(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::Service => "service_role",
        }
    }
}

/// A project's secrets. Made once per project, kept outside the database.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs and verifies HS256 tokens; at least 32 bytes.
    pub jwt_secret: Secret,
    /// `sb_publishable_…`.
    pub publishable: Secret,
    /// `sb_secret_…`.
    pub secret: Secret,
    /// Legacy key: a JWT with role anon.
    pub anon: Secret,
    /// Legacy key: a JWT with role service_role.
    pub service_role: Secret,
}

/// Secrets that anybody can look up: the CLI's and the self-hosted example's.
pub const PUBLIC_JWT_SECRETS: [&str; 2] =
    ["super-secret-jwt-token-with-at-least-32-characters-long", "your-super-secret-jwt-token-with-at-least-32-characters-long"];

/// Ten years, the validity of legacy keys, in seconds.
const LEGACY_KEY_VALIDITY_S: i64 = 10 * 365 * 24 * 3600;

impl Keys {
    /// Random keys for a new project.
    pub fn generate(rng: &dyn Rng, now: Timestamp) -> Self {
        let jwt_secret = Secret::new(random_text(rng, 40));
        Self {
            publishable: Secret::new(format!("sb_publishable_{}", random_text(rng, 24))),
            secret: Secret::new(format!("sb_secret_{}", random_text(rng, 32))),
            anon: legacy_key(&jwt_secret, ApiKeyRole::Anon, now),
            service_role: legacy_key(&jwt_secret, ApiKeyRole::Service, now),
            jwt_secret,
        }
    }

    /// The role of an opaque key, compared in constant time.
    pub fn opaque_role(&self, key: &str) -> Option<ApiKeyRole> {
        let same = |secret: &Secret| {
            !secret.reveal().is_empty() && verify_slices_are_equal(secret.reveal().as_bytes(), key.as_bytes()).is_ok()
        };
        match (same(&self.publishable), same(&self.secret)) {
            (_, true) => Some(ApiKeyRole::Service),
            (true, _) => Some(ApiKeyRole::Anon),
            _ => None,
        }
    }

    /// Whether the signing secret is one that anybody can look up.
    pub fn is_publicly_known(&self) -> bool {
        PUBLIC_JWT_SECRETS.contains(&self.jwt_secret.reveal())
    }
}

/// Whether a text has the form of an opaque key.
pub fn is_opaque(key: &str) -> bool {
    key.starts_with("sb_publishable_") || key.starts_with("sb_secret_")
}

/// Whether a text has the form of an opaque secret key, which no browser may send.
pub fn is_opaque_secret(key: &str) -> bool {
    key.starts_with("sb_secret_")
}

/// A legacy API key: an HS256 token with a role and a long life.
pub fn legacy_key(secret: &Secret, role: ApiKeyRole, now: Timestamp) -> Secret {
    let claims = json!({"iss": "supabase", "ref": "basalt", "role": role.role(), "iat": now.unix_s(), "exp": now.unix_s() + LEGACY_KEY_VALIDITY_S});
    Secret::new(sign_hs256(&claims, secret))
}

/// Signs claims with HS256.
pub fn sign_hs256(claims: &Value, secret: &Secret) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.reveal().as_bytes()))
        .expect("HMAC signs any JSON with any key")
}

/// Signs a claims object with HS256.
pub fn sign_claims(claims: Map<String, Value>, secret: &Secret) -> String {
    sign_hs256(&Value::Object(claims), secret)
}

/// A secret that follows from another one and a purpose: HMAC-SHA256 (RFC 2104) of the purpose, as lower-case hex.
pub fn derive(key: &Secret, purpose: &str) -> String {
    use std::fmt::Write as _;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.reveal().as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, purpose.as_bytes());
    tag.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// URL-safe text of so many random bytes.
pub fn random_text(rng: &dyn Rng, bytes: usize) -> String {
    let mut buffer = vec![0u8; bytes];
    rng.fill(&mut buffer);
    URL_SAFE_NO_PAD.encode(buffer)
}
