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
