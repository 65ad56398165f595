use std::sync::Arc;

use basalt_types::{Claims, Session};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use serde_json::json;

use super::key::{digest, id, read, subject};

#[test]
fn keys_are_strings_or_as_they_are() {
    let long = "x".repeat(255);
    for (header, key) in [
        ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", Some("8e03978e-40d5-43dd-bc93-6894a57f9324")),
        ("\"a b\"", Some("a b")),
        (r#""a\"b\\c""#, Some(r#"a"b\c"#)),
        ("\"a\"; q=1", Some("a")),
        ("order:7/a,b", Some("order:7/a,b")),
        (long.as_str(), Some(long.as_str())),
        ("", None),
        ("\"\"", None),
        ("a b", None),
        ("\"a", None),
        ("\"a\"b", None),
        (r#""a\b""#, None),
        ("a\"b", None),
        ("\"a\tb\"", None),
    ] {
        let headers = HeaderMap::from_iter([(super::IDEMPOTENCY_KEY, HeaderValue::from_str(header).expect("a value"))]);
        assert_eq!(read(&headers).ok().as_deref(), key, "{header}");
    }
    let over = HeaderMap::from_iter([(super::IDEMPOTENCY_KEY, HeaderValue::from_str(&"x".repeat(256)).expect("a value"))]);
    assert!(read(&over).is_err());
    let mut two = HeaderMap::new();
    two.append(super::IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
    two.append(super::IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
    assert!(read(&two).is_err());
    let bytes = HeaderMap::from_iter([(super::IDEMPOTENCY_KEY, HeaderValue::from_bytes(b"caf\xc3\xa9").expect("a value"))]);
    assert!(read(&bytes).is_err());
}

fn session(role: &str, claims: Option<serde_json::Value>) -> Session {
    let claims = claims.map(|claims| Arc::new(Claims::new(claims.as_object().cloned().unwrap_or_default())));
    Session { claims, ..Session::of_role(role) }
}

#[test]
fn a_caller_is_a_role_and_whom_the_token_names() {
    let of = |role: &str, claims| subject(&session(role, claims));
    let a = of("authenticated", Some(json!({"sub": "a", "exp": 1, "session_id": "x"})));
    // A refreshed token is the same caller's.
    assert_eq!(a, of("authenticated", Some(json!({"exp": 2, "iat": 1, "sub": "a", "session_id": "y"}))));
    for (role, claims) in [
        ("authenticated", Some(json!({"sub": "b"}))),
        ("authenticated", Some(json!({"sub": "a", "iss": "another"}))),
        ("service_role", Some(json!({"sub": "a"}))),
        ("authenticated", None),
        ("anon", None),
        // Without a name, all that is said counts.
        ("authenticated", Some(json!({"tenant": 1}))),
        ("authenticated", Some(json!({"tenant": 2}))),
        ("authenticated", Some(json!({"tena": "nt1"}))),
    ] {
        assert_ne!(a, of(role, claims.clone()), "{role} {claims:?}");
    }
    assert_ne!(of("t", Some(json!({"tenant": 1}))), of("t", Some(json!({"tenant": 2}))));
    assert_eq!(of("t", Some(json!({"tenant": 1, "exp": 5}))), of("t", Some(json!({"exp": 6, "tenant": 1}))));
    assert_ne!(id(&a, "k"), id(&of("anon", None), "k"));
    assert_ne!(id(&a, "k"), id(&a, "l"));
}

#[test]
fn a_request_is_its_address_its_meaning_and_its_body() {
    let of = |method: &str, uri: &str, headers: &[(&str, &str)], body: &'static str, prefix: usize| {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        digest(&request.body(Bytes::from_static(body.as_bytes())).expect("a request"), prefix)
    };
    let plain = of("POST", "/films?select=id", &[], "{}", 0);
    assert_eq!(
        plain,
        of("POST", "/rest/v1/films?select=id", &[("x-client-info", "other")], "{}", 8),
        "as the gateway hands it on"
    );
    for other in [
        of("POST", "/films?select=title", &[], "{}", 0),
        of("POST", "/film?sselect=id", &[], "{}", 0),
        of("POST", "/films?select=id", &[("Prefer", "return=representation")], "{}", 0),
        of("POST", "/films?select=id", &[("Content-Profile", "private")], "{}", 0),
        of("POST", "/films?select=id", &[("Content-Type", "text/csv")], "{}", 0),
        of("POST", "/films?select=id", &[], "{ }", 0),
        of("POST", "/films?select=id", &[], "", 0),
    ] {
        assert_ne!(plain, other);
    }
}
