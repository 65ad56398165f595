//! The token of the user who asks: HS256, as the project's secret signs it.

use crate::data;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// How long a token is good for, in seconds; longer than any run.
const LIFETIME_S: u64 = 6 * 3600;

/// A token of [`data::READER`] with the claims that a sign-in gives.
#[expect(clippy::disallowed_methods, reason = "a tool that shares no crate of ours, so no clock of ours either")]
pub fn sign(secret: &str, address: &SocketAddr) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = serde_json::json!({
        "iss": format!("http://{address}/auth/v1"),
        "sub": data::READER,
        "aud": "authenticated",
        "role": "authenticated",
        "exp": now + LIFETIME_S,
        "iat": now,
        "email": "reader@example.com",
        "phone": "",
        "app_metadata": { "provider": "email", "providers": ["email"] },
        "user_metadata": {},
        "aal": "aal1",
        "amr": [{ "method": "password", "timestamp": now }],
        "session_id": "5b0f7a3e-3c0b-4a51-9d6e-0c8f5c1d2e3f",
        "is_anonymous": false,
    });
    let head = BASE64.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let text = format!("{head}.{}", BASE64.encode(claims.to_string()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes());
    format!("{text}.{}", BASE64.encode(signature))
}
