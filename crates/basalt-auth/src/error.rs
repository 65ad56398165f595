//! Everything this surface can answer instead of a result, and how it is written.

use basalt_types::{SqlError, SqlState};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value, json};

use crate::json;

/// An error of the auth API. Statuses, codes and texts are the protocol's.
///
/// The same rows stand in `docs/wire/auth.md`, which a test compares.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AuthError {
    /// No bearer token where one is needed.
    #[error("This endpoint requires a valid Bearer token")]
    NoAuthorization,
    /// The bearer token is not accepted: why, in the original's words.
    #[error("invalid JWT: unable to parse or verify signature, {0}")]
    BadJwt(&'static str),
    /// An API key where a user's token is needed.
    #[error("invalid claim: missing sub claim")]
    MissingSub,
    /// `sub` is something else than a user's id.
    #[error("invalid claim: sub claim must be a UUID")]
    SubNotUuid,
    /// `session_id` is something else than an id.
    #[error("invalid claim: session_id claim must be a UUID")]
    SessionIdNotUuid,
    /// The token's user was deleted.
    #[error("User from sub claim in JWT does not exist")]
    UserOfTokenNotFound,
    /// The token's session ended.
    #[error("Session from session_id claim in JWT does not exist")]
    SessionNotFound,
    /// The token's session is past its limits.
    #[error("Session is no longer valid")]
    SessionNoLongerValid,
    /// The token's user is banned.
    #[error("User is banned")]
    UserBanned,
    /// An admin endpoint without an admin's token.
    #[error("User not allowed")]
    NotAdmin,
    /// `app_metadata` from a user.
    #[error("Updating app_metadata requires admin privileges")]
    AppMetadataNeedsAdmin,
    /// The body is no JSON of the right form.
    #[error("Could not parse request body as JSON: {0}")]
    BadJson(String),
    /// A value is not acceptable: the whole text.
    #[error("{0}")]
    Validation(String),
    /// The id in the path is none.
    #[error("user_id must be an UUID")]
    UserIdNotUuid,
    /// No such user.
    #[error("User not found")]
    UserNotFound,
    /// No such factor.
    #[error("Factor not found")]
    FactorNotFound,
    /// `[auth] enable_signup = false`.
    #[error("Signups not allowed for this instance")]
    SignupDisabled,
    /// Sign-up without e-mail and phone.
    #[error("Anonymous sign-ins are disabled")]
    AnonymousDisabled,
    /// `[auth.email] enable_signup = false`, at sign-up.
    #[error("Email signups are disabled")]
    EmailSignupsDisabled,
    /// `[auth.email] enable_signup = false`, at sign-in.
    #[error("Email logins are disabled")]
    EmailLoginsDisabled,
    /// What would send a mail.
    #[error("Email logins are disabled")]
    EmailActionsDisabled,
    /// Sign-in by a link in a mail.
    #[error("Login with magic link is disabled")]
    MagicLinkDisabled,
    /// Sign-up by phone.
    #[error("Phone signups are disabled")]
    PhoneSignupsDisabled,
    /// Sign-in by phone.
    #[error("Phone logins are disabled")]
    PhoneLoginsDisabled,
    /// What would send a text message.
    #[error("Unsupported phone provider")]
    PhoneUnsupported,
    /// The address is taken, at sign-up.
    #[error("User already registered")]
    UserAlreadyExists,
    /// The address is taken, elsewhere.
    #[error("A user with this email address has already been registered")]
    EmailExists,
    /// The number is taken.
    #[error("A user with this phone number has already been registered")]
    PhoneExists,
    /// The password does not keep the rules.
    #[error("{message}")]
    WeakPassword {
        /// One sentence a reason.
        message: String,
        /// `length`, `characters`.
        reasons: Vec<&'static str>,
    },
    /// Unknown user or wrong password: nobody learns which.
    #[error("Invalid login credentials")]
    InvalidCredentials,
    /// The password is right, the user is banned.
    #[error("User is banned")]
    SignInBanned,
    /// The password is right, the address is not confirmed.
    #[error("Email not confirmed")]
    EmailNotConfirmed,
    /// An unknown `grant_type`.
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    /// `grant_type=pkce`: no flow has that code.
    #[error("invalid flow state, no valid flow state found")]
    FlowStateNotFound,
    /// `grant_type=web3`.
    #[error("Web3 provider is disabled")]
    Web3Disabled,
    /// `grant_type=id_token`, in OAuth's form.
    #[error("{0}")]
    OAuth(&'static str),
    /// No session has that refresh token.
    #[error("Invalid Refresh Token: Refresh Token Not Found")]
    RefreshTokenNotFound,
    /// An old refresh token, too late.
    #[error("Invalid Refresh Token: Already Used")]
    RefreshTokenAlreadyUsed,
    /// A refresh token with our signature from the session's future, as after a restored backup.
    #[error("Invalid Refresh Token: Not Issued By This Server")]
    RefreshTokenFromFuture,
    /// The session is past its timebox.
    #[error("Invalid Refresh Token: Session Expired")]
    SessionExpired,
    /// The session rested too long.
    #[error("Invalid Refresh Token: Session Expired (Inactivity)")]
    SessionInactive,
    /// The refresh token's user is banned.
    #[error("Invalid Refresh Token: User Banned")]
    RefreshBanned,
    /// The new password is the old one.
    #[error("New password should be different from the old password.")]
    SamePassword,
    /// `secure_password_change`, and the last sign-in is long ago.
    #[error("Password update requires reauthentication")]
    ReauthenticationNeeded,
    /// A nonce that was never given out.
    #[error("Nonce has expired or is invalid")]
    ReauthenticationNotValid,
    /// The current password is needed and was not given.
    #[error("Current password required when setting new password.")]
    CurrentPasswordRequired,
    /// The current password is another one.
    #[error("Current password required when setting new password.")]
    CurrentPasswordMismatch,
    /// A token from a mail that was never sent.
    #[error("Token has expired or is invalid")]
    OtpExpired,
    /// A mail would have to be sent: which.
    #[error("Error sending {0} email")]
    MailNotSent(&'static str),
    /// `[auth] enable_manual_linking = false`.
    #[error("Manual linking is disabled")]
    ManualLinkingDisabled,
    /// MFA: which kind.
    #[error("MFA enroll is disabled for {0}")]
    MfaEnrollDisabled(MfaKind),
    /// Passkeys.
    #[error("Passkeys are disabled")]
    PasskeysDisabled,
    /// SAML.
    #[error("SAML 2.0 is disabled")]
    SamlDisabled,
    /// Another feature of the original that is off: the whole text.
    #[error("{0}")]
    FeatureDisabled(&'static str),
    /// `/callback` without a flow that was begun here.
    #[error("OAuth state parameter is invalid: {0}")]
    BadOAuthState(&'static str),
    /// A budget is used up.
    #[error("Request rate limit reached")]
    RateLimited,
    /// Too many passwords wait to be hashed.
    #[error("Too many sign-ins are being processed, please try again in a moment")]
    Overloaded,
    /// The body is too long.
    #[error("Request body too large (max {0} bytes)")]
    TooLarge(usize),
    /// The database failed: what was being done; the cause is logged, not shown.
    #[error("{0}")]
    Database(&'static str),
}

/// Second factors by their names in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MfaKind {
    /// `totp`
    Totp,
    /// `phone`
    Phone,
    /// `webauthn`
    WebAuthn,
}

impl std::fmt::Display for MfaKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Totp => "TOTP",
            Self::Phone => "Phone",
            Self::WebAuthn => "WebAuthn",
        })
    }
}

impl AuthError {
    /// A validation error with this text.
    pub(crate) fn validation(text: impl Into<String>) -> Self {
        Self::Validation(text.into())
    }

    /// Status and code.
    /// Source: supabase/auth `internal/api/apierrors/errorcode.go` and the handlers, August 2026.
    pub fn wire(&self) -> (StatusCode, &'static str) {
        const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
        match self {
            Self::NoAuthorization => (StatusCode::UNAUTHORIZED, "no_authorization"),
            Self::BadJwt(_) | Self::MissingSub | Self::SessionIdNotUuid => (StatusCode::FORBIDDEN, "bad_jwt"),
            Self::SubNotUuid => (StatusCode::BAD_REQUEST, "bad_jwt"),
            Self::UserOfTokenNotFound => (StatusCode::FORBIDDEN, "user_not_found"),
            Self::SessionNotFound => (StatusCode::FORBIDDEN, "session_not_found"),
            Self::SessionNoLongerValid => (StatusCode::FORBIDDEN, "session_expired"),
            Self::UserBanned => (StatusCode::FORBIDDEN, "user_banned"),
            Self::NotAdmin | Self::AppMetadataNeedsAdmin => (StatusCode::FORBIDDEN, "not_admin"),
            Self::BadJson(_) => (StatusCode::BAD_REQUEST, "bad_json"),
            Self::Validation(_) | Self::RefreshTokenFromFuture => (StatusCode::BAD_REQUEST, "validation_failed"),
            Self::UserIdNotUuid => (StatusCode::NOT_FOUND, "validation_failed"),
            Self::UserNotFound => (StatusCode::NOT_FOUND, "user_not_found"),
            Self::FactorNotFound => (StatusCode::NOT_FOUND, "mfa_factor_not_found"),
            Self::SignupDisabled => (UNPROCESSABLE, "signup_disabled"),
            Self::AnonymousDisabled => (UNPROCESSABLE, "anonymous_provider_disabled"),
            Self::EmailSignupsDisabled | Self::EmailActionsDisabled => (StatusCode::BAD_REQUEST, "email_provider_disabled"),
            Self::EmailLoginsDisabled | Self::MagicLinkDisabled => (UNPROCESSABLE, "email_provider_disabled"),
            Self::PhoneSignupsDisabled | Self::PhoneUnsupported => (StatusCode::BAD_REQUEST, "phone_provider_disabled"),
            Self::PhoneLoginsDisabled => (UNPROCESSABLE, "phone_provider_disabled"),
            Self::UserAlreadyExists => (UNPROCESSABLE, "user_already_exists"),
            Self::EmailExists => (UNPROCESSABLE, "email_exists"),
            Self::PhoneExists => (UNPROCESSABLE, "phone_exists"),
            Self::WeakPassword { .. } => (UNPROCESSABLE, "weak_password"),
            Self::InvalidCredentials | Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "invalid_credentials"),
            Self::SignInBanned | Self::RefreshBanned => (StatusCode::BAD_REQUEST, "user_banned"),
            Self::EmailNotConfirmed => (StatusCode::BAD_REQUEST, "email_not_confirmed"),
            Self::FlowStateNotFound => (StatusCode::NOT_FOUND, "flow_state_not_found"),
            Self::Web3Disabled => (UNPROCESSABLE, "web3_provider_disabled"),
            Self::OAuth(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::RefreshTokenNotFound => (StatusCode::BAD_REQUEST, "refresh_token_not_found"),
            Self::RefreshTokenAlreadyUsed => (StatusCode::BAD_REQUEST, "refresh_token_already_used"),
            Self::SessionExpired | Self::SessionInactive => (StatusCode::BAD_REQUEST, "session_expired"),
            Self::SamePassword => (UNPROCESSABLE, "same_password"),
            Self::ReauthenticationNeeded => (StatusCode::BAD_REQUEST, "reauthentication_needed"),
            Self::ReauthenticationNotValid => (UNPROCESSABLE, "reauthentication_not_valid"),
            Self::CurrentPasswordRequired => (StatusCode::BAD_REQUEST, "current_password_required"),
            Self::CurrentPasswordMismatch => (StatusCode::BAD_REQUEST, "current_password_mismatch"),
            Self::OtpExpired => (StatusCode::FORBIDDEN, "otp_expired"),
            Self::MailNotSent(_) | Self::Database(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure"),
            Self::ManualLinkingDisabled => (StatusCode::NOT_FOUND, "manual_linking_disabled"),
            Self::MfaEnrollDisabled(MfaKind::Totp) => (UNPROCESSABLE, "mfa_totp_enroll_not_enabled"),
            Self::MfaEnrollDisabled(MfaKind::Phone) => (UNPROCESSABLE, "mfa_phone_enroll_not_enabled"),
            Self::MfaEnrollDisabled(MfaKind::WebAuthn) => (UNPROCESSABLE, "mfa_webauthn_enroll_not_enabled"),
            Self::PasskeysDisabled => (StatusCode::NOT_FOUND, "passkey_disabled"),
            Self::SamlDisabled => (StatusCode::NOT_FOUND, "saml_provider_disabled"),
            Self::FeatureDisabled(_) => (StatusCode::NOT_FOUND, "feature_disabled"),
            Self::BadOAuthState(_) => (StatusCode::BAD_REQUEST, "bad_oauth_state"),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "over_request_rate_limit"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "over_request_rate_limit"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "request_entity_too_large"),
        }
    }

    /// The answer, in the form of the API version that was asked for.
    pub(crate) fn respond(&self, version: ApiVersion) -> Response<Bytes> {
        let (status, code) = self.wire();
        if let Self::OAuth(description) = self {
            return json::respond(status, &json!({"error": code, "error_description": description}));
        }
        let mut body = Map::new();
        match version {
            ApiVersion::V20240101 => {
                body.insert("code".to_owned(), code.into());
                body.insert("message".to_owned(), self.to_string().into());
            }
            ApiVersion::Initial => {
                body.insert("code".to_owned(), status.as_u16().into());
                body.insert("error_code".to_owned(), code.into());
                body.insert("msg".to_owned(), self.to_string().into());
            }
        }
        if let Self::WeakPassword { reasons, .. } = self {
            body.insert("weak_password".to_owned(), json!({ "reasons": reasons }));
        }
        let mut response = json::respond(status, &Value::Object(body));
        let headers = response.headers_mut();
        headers.insert("x-sb-error-code", HeaderValue::from_static(code));
        if version == ApiVersion::V20240101 {
            headers.insert("x-supabase-api-version", HeaderValue::from_static("2024-01-01"));
        }
        if matches!(self, Self::Overloaded) {
            headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// A database error where nothing is known of its meaning; the cause goes to the log.
pub(crate) fn database(doing: &'static str) -> impl Fn(SqlError) -> AuthError {
    move |cause| {
        tracing::error!(sqlstate = cause.state.as_str(), cause = %cause, "{doing}");
        AuthError::Database(doing)
    }
}

/// As [`database`], where an address may be taken by a write at the same time. A unique key of the project's own tables, broken by one
/// of its triggers, is no such thing.
pub(crate) fn taken_or(email_taken: AuthError, doing: &'static str) -> impl Fn(SqlError) -> AuthError {
    move |cause| match cause.constraint.as_deref() {
        Some("users_email_partial_key") if cause.state == SqlState::UNIQUE_VIOLATION => email_taken.clone(),
        Some("users_phone_key") if cause.state == SqlState::UNIQUE_VIOLATION => AuthError::PhoneExists,
        _ => database(doing)(cause),
    }
}

/// Versions of the error format, from the header `X-Supabase-Api-Version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiVersion {
    /// Without the header, or with one that is no date.
    Initial,
    /// From 2024-01-01 on.
    V20240101,
}

impl ApiVersion {
    /// The closest version not after the date asked for.
    pub(crate) fn of(header: Option<&str>) -> Self {
        let is_date = |text: &str| {
            let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
            shape == "9999-99-99"
        };
        match header {
            Some(date) if is_date(date) && date >= "2024-01-01" => Self::V20240101,
            _ => Self::Initial,
        }
    }
}

#[cfg(test)]
mod tests;
