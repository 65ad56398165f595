use http::header::{ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN, VARY};

use super::*;

#[test]
fn only_the_wire_apis_prefix_is_left_out() {
    for (path, expected) in [
        ("/rest/v1", 8),
        ("/rest/v1/", 8),
        ("/rest/v1/todos", 8),
        ("/rest/v1todos", 0),
        ("/rest/v2/todos", 0),
        ("/REST/v1/todos", 0),
        ("/rest%2fv1/todos", 0),
        ("//rest/v1/todos", 0),
        ("/todos", 0),
        ("/", 0),
        ("", 0),
    ] {
        assert_eq!(prefix(path), expected, "{path}");
    }
}

#[test]
fn origins_are_all_or_those_listed() {
    let asked = |origin: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers
    };
    let listed = ["http://a.example".to_owned()];
    assert_eq!(cors::allowed(&HeaderMap::new(), &[]), None);
    assert_eq!(cors::allowed(&asked("http://b.example"), &listed), None);
    assert_eq!(cors::allowed(&asked("http://a.example.evil"), &listed), None);
    let mut answered = HeaderMap::new();
    answered.insert(VARY, HeaderValue::from_static("Accept"));
    cors::open(&mut answered, cors::allowed(&asked("http://a.example"), &listed).expect("allowed"));
    assert_eq!(answered.get(ACCESS_CONTROL_ALLOW_ORIGIN), Some(&HeaderValue::from_static("http://a.example")));
    assert_eq!(answered.get_all(VARY).iter().count(), 2, "what the answer depended on before stays");
    let mut headers = asked("http://a.example");
    headers.insert("access-control-request-headers", HeaderValue::from_static("X-A, accept , authorization,,X-A"));
    let response = cors::preflight(&headers, cors::allowed(&headers, &[]).expect("allowed"));
    let names = response.headers().get(ACCESS_CONTROL_ALLOW_HEADERS).expect("names");
    assert_eq!(names, "Authorization, X-A, accept, Accept-Language, Content-Language");
}

#[test]
fn a_session_always_names_its_role() {
    let serde_json::Value::Object(claims) = serde_json::json!({"sub": "7", "role": "forged"}) else { panic!("an object") };
    let session = session("real", &Claims::new(claims));
    assert_eq!(session.role.as_str(), "real");
    assert_eq!(session.claims.and_then(|c| c.get("role").cloned()), Some("real".into()));
}
