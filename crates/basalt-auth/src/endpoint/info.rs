//! What anybody may know: `/health`, `/settings`, `/.well-known/…`.

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::{Auth, json};

/// `GET /health`.
pub(crate) fn health(auth: &Auth) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Health<'a> {
        version: &'a str,
        name: &'static str,
        description: &'static str,
    }
    let health = Health {
        version: &auth.config.version,
        name: "GoTrue",
        description: "GoTrue is a user registration and authentication API",
    };
    json::respond(StatusCode::OK, &health)
}

/// The providers that `/settings` names, all off in this version but e-mail. Source: supabase/auth `settings.go`.
pub(crate) const PROVIDERS: [&str; 22] = [
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "snapchat",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "keycloak",
    "kakao",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "spotify",
    "slack",
    "slack_oidc",
    "workos",
    "twitch",
    "twitter",
];

fn in_order<S: Serializer>(pairs: &[(&'static str, bool)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

/// `GET /settings`.
pub(crate) fn settings(auth: &Auth) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Settings {
        #[serde(serialize_with = "in_order")]
        external: Vec<(&'static str, bool)>,
        disable_signup: bool,
        mailer_autoconfirm: bool,
        phone_autoconfirm: bool,
        sms_provider: &'static str,
        saml_enabled: bool,
        saml_private_key_next_configured: bool,
        passkeys_enabled: bool,
    }
    let mut external = vec![("anonymous_users", false)];
    external.extend(PROVIDERS.map(|name| (name, false)));
    external.extend([("email", auth.config.is_email_enabled), ("phone", false), ("zoom", false)]);
    let settings = Settings {
        external,
        disable_signup: !auth.config.is_signup_enabled,
        mailer_autoconfirm: auth.config.is_autoconfirm,
        phone_autoconfirm: false,
        sms_provider: "",
        saml_enabled: false,
        saml_private_key_next_configured: false,
        passkeys_enabled: false,
    };
    json::respond(StatusCode::OK, &settings)
}

/// `GET /.well-known/jwks.json`: HS256 has no public key.
pub(crate) fn jwks() -> Response<Bytes> {
    let mut response = json::respond(StatusCode::OK, &json!({"keys": []}));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
    response
}

/// `GET /.well-known/openid-configuration`.
pub(crate) fn openid_configuration(auth: &Auth) -> Response<Bytes> {
    let issuer = auth.config.issuer();
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "userinfo_endpoint": format!("{issuer}/oauth/userinfo"),
        "scopes_supported": ["openid", "profile", "email", "phone", "offline_access"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256", "plain"],
    });
    let mut response = json::respond(StatusCode::OK, &document);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
    response
}
