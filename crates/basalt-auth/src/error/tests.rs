use super::*;

#[test]
fn the_format_follows_the_version_asked_for() {
    for (header, expected) in [
        (None, ApiVersion::Initial),
        (Some("2024-01-01"), ApiVersion::V20240101),
        (Some("2025-06-30"), ApiVersion::V20240101),
        (Some("2023-12-31"), ApiVersion::Initial),
        (Some("nonsense"), ApiVersion::Initial),
        (Some("9"), ApiVersion::Initial),
    ] {
        assert_eq!(ApiVersion::of(header), expected, "{header:?}");
    }
    let body = |error: &AuthError, version| String::from_utf8(error.respond(version).into_body().to_vec()).expect("UTF-8");
    assert_eq!(body(&AuthError::NotAdmin, ApiVersion::V20240101), r#"{"code":"not_admin","message":"User not allowed"}"#);
    assert_eq!(
        body(&AuthError::NotAdmin, ApiVersion::Initial),
        r#"{"code":403,"error_code":"not_admin","msg":"User not allowed"}"#
    );
    let weak = AuthError::WeakPassword { message: "Short.".into(), reasons: vec!["length"] };
    assert_eq!(
        body(&weak, ApiVersion::V20240101),
        r#"{"code":"weak_password","message":"Short.","weak_password":{"reasons":["length"]}}"#
    );
    assert_eq!(
        body(&AuthError::OAuth("id_token required"), ApiVersion::Initial),
        r#"{"error":"invalid_request","error_description":"id_token required"}"#
    );
}

/// One of each, in the order of the enum.
fn samples() -> Vec<AuthError> {
    use AuthError as E;
    vec![
        E::NoAuthorization,
        E::BadJwt("token is malformed"),
        E::MissingSub,
        E::SubNotUuid,
        E::SessionIdNotUuid,
        E::UserOfTokenNotFound,
        E::SessionNotFound,
        E::SessionNoLongerValid,
        E::UserBanned,
        E::NotAdmin,
        E::AppMetadataNeedsAdmin,
        E::BadJson("unexpected end of JSON input".into()),
        E::Validation("Signup requires a valid password".into()),
        E::UserIdNotUuid,
        E::UserNotFound,
        E::FactorNotFound,
        E::SignupDisabled,
        E::AnonymousDisabled,
        E::EmailSignupsDisabled,
        E::EmailLoginsDisabled,
        E::EmailActionsDisabled,
        E::MagicLinkDisabled,
        E::PhoneSignupsDisabled,
        E::PhoneLoginsDisabled,
        E::PhoneUnsupported,
        E::UserAlreadyExists,
        E::EmailExists,
        E::PhoneExists,
        E::WeakPassword { message: "Password should be at least 6 characters.".into(), reasons: vec!["length"] },
        E::InvalidCredentials,
        E::SignInBanned,
        E::EmailNotConfirmed,
        E::UnsupportedGrantType,
        E::FlowStateNotFound,
        E::Web3Disabled,
        E::OAuth("id_token required"),
        E::RefreshTokenNotFound,
        E::RefreshTokenAlreadyUsed,
        E::RefreshTokenFromFuture,
        E::SessionExpired,
        E::SessionInactive,
        E::RefreshBanned,
        E::SamePassword,
        E::ReauthenticationNeeded,
        E::ReauthenticationNotValid,
        E::CurrentPasswordRequired,
        E::CurrentPasswordMismatch,
        E::OtpExpired,
        E::MailNotSent("email change"),
        E::ManualLinkingDisabled,
        E::MfaEnrollDisabled(MfaKind::Totp),
        E::PasskeysDisabled,
        E::SamlDisabled,
        E::FeatureDisabled("OAuth server is disabled"),
        E::BadOAuthState("missing"),
        E::RateLimited,
        E::Overloaded,
        E::TooLarge(1 << 20),
        E::Database("Database error finding user"),
    ]
}

fn name(error: &AuthError) -> String {
    format!("{error:?}").chars().take_while(|c| c.is_ascii_alphanumeric()).collect()
}

#[test]
fn every_variant_has_its_row_in_the_documented_table() {
    let source = include_str!("../error.rs");
    let body = source.split_once("pub enum AuthError {").and_then(|(_, rest)| rest.split_once("\n}")).expect("the enum").0;
    let variants: Vec<String> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.chars().take_while(|c| c.is_ascii_alphanumeric()).collect())
        .collect();
    assert_eq!(samples().iter().map(name).collect::<Vec<_>>(), variants, "one sample a variant");
    let expected: String = samples()
        .iter()
        .map(|error| {
            let (status, code) = error.wire();
            format!("| {} | {} | `{code}` | {error} |\n", name(error), status.as_u16())
        })
        .collect();
    let documented = include_str!("../../../../docs/wire/auth.md");
    let rows =
        documented.split_once("<!-- errors -->\n").and_then(|(_, rest)| rest.split_once("<!-- end -->")).expect("the table").0;
    let rows = rows.split_once("|---|---|---|---|\n").expect("a header").1;
    assert!(rows == expected, "docs/wire/auth.md should have:\n{expected}");
}
