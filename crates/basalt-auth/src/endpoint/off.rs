//! Endpoints of the original that this version does not have: they answer as the original does when their feature is off.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Method, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::Auth;
use crate::email::EmailAddress;
use crate::endpoint::info::PROVIDERS;
use crate::endpoint::phone;
use crate::error::{AuthError, MfaKind};
use crate::json::{self, Params};
use crate::route::{Ask, Reply, is_one_of};

/// Whether a path is one of them.
pub(crate) fn knows(method: &Method, segments: &[&str]) -> bool {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const DELETE: Method = Method::DELETE;
    match segments {
        ["otp" | "magiclink" | "recover" | "resend" | "invite" | "sso" | "factors"] => *method == POST,
        ["verify" | "callback"] => is_one_of(method, &[GET, POST]),
        ["authorize" | "reauthenticate" | "passkeys"] => *method == GET,
        ["user", "identities", "authorize"] => *method == GET,
        ["user", "identities", _] => *method == DELETE,
        ["user", "oauth", "grants"] => is_one_of(method, &[GET, DELETE]),
        ["factors", _] => *method == DELETE,
        ["factors", _, "verify" | "challenge"] | ["passkeys", "registration" | "authentication", "options" | "verify"] => {
            *method == POST
        }
        ["passkeys", _] => is_one_of(method, &[Method::PATCH, DELETE]),
        ["sso", "saml", "metadata"] | ["oauth", "authorize" | "userinfo"] | ["oauth", "authorizations", _] => *method == GET,
        ["sso", "saml", "acs"] | ["oauth", "token"] | ["oauth", "clients", "register"] => *method == POST,
        ["oauth", "authorizations", _, "consent"] => *method == POST,
        [".well-known", "oauth-authorization-server"] => *method == GET,
        ["scim", ..] => true,
        _ => false,
    }
}

/// Answers them.
pub(crate) async fn answer(auth: &Auth, ask: &Ask<'_>, segments: &[&str]) -> Reply {
    match segments {
        ["otp"] => otp(ask),
        ["magiclink"] => {
            email_of(ask, "MagicLinkParams")?;
            Err(AuthError::MagicLinkDisabled)
        }
        ["recover"] => {
            email_of(ask, "RecoverParams")?;
            Err(AuthError::EmailActionsDisabled)
        }
        ["resend"] => resend(ask),
        ["verify"] if *ask.request.method() == Method::POST => verify_post(ask),
        ["verify"] => verify_get(auth, ask),
        ["authorize"] => authorize(ask),
        ["callback"] => {
            let why = if ask.query("state").is_empty() { "missing" } else { "no flow was begun here" };
            Err(AuthError::BadOAuthState(why))
        }
        ["invite"] => {
            auth.require_admin(ask.facts).await?;
            email_of(ask, "InviteParams")?;
            Err(AuthError::MailNotSent("invite"))
        }
        ["reauthenticate"] => {
            auth.caller(ask.facts).await?;
            Err(AuthError::MailNotSent("reauthentication"))
        }
        ["user", "identities", ..] => {
            auth.caller(ask.facts).await?;
            Err(AuthError::ManualLinkingDisabled)
        }
        ["user", "oauth", ..] => {
            auth.caller(ask.facts).await?;
            Err(AuthError::FeatureDisabled("OAuth server is disabled"))
        }
        ["factors"] => {
            auth.caller(ask.facts).await?;
            enroll(ask)
        }
        ["factors", ..] => {
            auth.caller(ask.facts).await?;
            Err(AuthError::FactorNotFound)
        }
        ["passkeys", ..] => Err(AuthError::PasskeysDisabled),
        ["sso", ..] => Err(AuthError::SamlDisabled),
        ["scim", ..] => Err(AuthError::FeatureDisabled("SCIM server is disabled")),
        _ => Err(AuthError::FeatureDisabled("OAuth server is disabled")),
    }
}

/// What is under `/admin` besides users.
pub(crate) fn admin(segments: &[&str]) -> Reply {
    match segments.get(1..).unwrap_or_default() {
        ["audit"] => Ok(json::respond(StatusCode::OK, &json!([]))),
        ["sso", ..] => Err(AuthError::SamlDisabled),
        ["custom-providers", ..] => Err(AuthError::FeatureDisabled("Custom OAuth providers are disabled")),
        ["generate_link"] => Err(AuthError::FeatureDisabled("Links in mails are not part of this version")),
        _ => Err(AuthError::FeatureDisabled("OAuth server is disabled")),
    }
}

fn email_of(ask: &Ask<'_>, name: &'static str) -> Result<(), AuthError> {
    let params = Params::parse(ask.body(), name)?;
    let email = params.text("email")?;
    if email.is_empty() && name == "RecoverParams" {
        return Err(AuthError::validation("Password recovery requires an email"));
    }
    EmailAddress::parse(email).map(drop)
}

fn otp(ask: &Ask<'_>) -> Reply {
    let params = Params::parse(ask.body(), "OtpParams")?;
    match (params.text("email")?, params.text("phone")?) {
        ("", "") => Err(AuthError::validation("One of email or phone must be set")),
        ("", _) => Err(AuthError::PhoneUnsupported),
        (email, "") => {
            EmailAddress::parse(email)?;
            Err(AuthError::MagicLinkDisabled)
        }
        _ => Err(AuthError::validation("Only an email address or phone number should be provided")),
    }
}

fn resend(ask: &Ask<'_>) -> Reply {
    let params = Params::parse(ask.body(), "ResendConfirmationParams")?;
    let (kind, email, number) = (params.text("type")?, params.text("email")?, params.text("phone")?);
    match kind {
        "signup" if email.is_empty() => return Err(AuthError::validation("Type provided requires an email address")),
        "sms" if number.is_empty() => return Err(AuthError::validation("Type provided requires a phone number")),
        "signup" | "email_change" | "sms" | "phone_change" => {}
        _ => return Err(AuthError::validation("Missing one of these types: signup, email_change, sms, phone_change")),
    }
    match (email, number) {
        ("", "") => Err(AuthError::validation("Missing one of these: email, phone")),
        ("", _) => Err(AuthError::PhoneUnsupported),
        (_, "") => Err(AuthError::EmailActionsDisabled),
        _ => Err(AuthError::validation("Only an email address or phone number should be provided.")),
    }
}

/// No token was ever sent, so none is valid.
fn verify_post(ask: &Ask<'_>) -> Reply {
    let params = Params::parse(ask.body(), "VerifyParams")?;
    let (kind, token, token_hash) = (params.text("type")?, params.text("token")?, params.text("token_hash")?);
    let (email, number) = (params.text("email")?, params.text("phone")?);
    if kind.is_empty() {
        return Err(AuthError::validation("Verify requires a verification type"));
    }
    if token.is_empty() == token_hash.is_empty() {
        return Err(AuthError::validation("Verify requires either a token or a token hash"));
    }
    if !(token_hash.is_empty() || email.is_empty() && number.is_empty()) {
        return Err(AuthError::validation("Only the token_hash and type should be provided"));
    }
    if !token.is_empty() {
        match (email, number) {
            ("", "") => return Err(AuthError::validation("Only an email address or phone number should be provided on verify")),
            ("", number) => drop(phone(number)?),
            (email, _) => drop(EmailAddress::parse(email)?),
        }
    }
    Err(AuthError::OtpExpired)
}

fn verify_get(auth: &Auth, ask: &Ask<'_>) -> Reply {
    if ask.query("type").is_empty() {
        return Err(AuthError::validation("Verify requires a verification type"));
    }
    if ask.query("token").is_empty() {
        return Err(AuthError::validation("Verify requires a token or a token hash"));
    }
    const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    let text = utf8_percent_encode("Email link is invalid or has expired", &KEPT).to_string().replace("%20", "+");
    // Always the project's own site: a link that is not valid says nothing about where to go either.
    let target = format!("{}#error=access_denied&error_code=otp_expired&error_description={text}&sb=", auth.config.site_url);
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(LOCATION, target);
    }
    Ok(response)
}

fn authorize(ask: &Ask<'_>) -> Reply {
    let provider = ask.query("provider").to_lowercase();
    let is_known = PROVIDERS.contains(&provider.as_str()) || provider == "zoom";
    Err(AuthError::validation(if is_known {
        "Unsupported provider: provider is not enabled".to_owned()
    } else {
        format!("Unsupported provider: Provider {provider} could not be found")
    }))
}

fn enroll(ask: &Ask<'_>) -> Reply {
    match Params::parse(ask.body(), "EnrollFactorParams")?.text("factor_type")? {
        "totp" => Err(AuthError::MfaEnrollDisabled(MfaKind::Totp)),
        "phone" => Err(AuthError::MfaEnrollDisabled(MfaKind::Phone)),
        "webauthn" => Err(AuthError::MfaEnrollDisabled(MfaKind::WebAuthn)),
        _ => Err(AuthError::validation("factor_type needs to be totp, phone, or webauthn")),
    }
}
