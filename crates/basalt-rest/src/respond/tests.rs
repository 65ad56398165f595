use basalt_types::SqlState;

use super::*;

fn said(status: Option<&str>, headers: Option<&str>) -> Said {
    Said { status: status.map(str::to_owned), headers: headers.map(str::to_owned) }
}

fn plain() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"[]"));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("2"));
    response
}

#[test]
fn the_transaction_decides() {
    let list = r#"[{"Content-Type": "text/x"}, {"Set-Cookie": "a=1"}, {"Set-Cookie": "b=2"}, {"Content-Length": "77"}]"#;
    let response = overridden(plain(), Some(&said(Some("418 teapot"), Some(list)))).expect("both can be read");
    assert_eq!(response.status().as_u16(), 418);
    assert_eq!(response.headers()["content-type"], "text/x");
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(response.headers()[CONTENT_LENGTH], "2", "the length is not the database's to say");
    let empty = overridden(plain(), Some(&said(Some("204"), None))).expect("a status");
    assert!(empty.body().is_empty() && !empty.headers().contains_key(CONTENT_LENGTH));
    assert_eq!(overridden(plain(), Some(&said(None, None))).expect("nothing is said").status(), StatusCode::OK);
}

#[test]
fn what_is_no_status_or_header_is_refused() {
    for status in ["", "x", "-200", "99", "100", "101", "1000", "99999999999999999999", "٢٠٠"] {
        assert!(matches!(overridden(plain(), Some(&said(Some(status), None))), Err(Error::ResponseStatus)), "{status}");
    }
    for headers in [
        "",
        "{}",
        "null",
        r#"{"A": "b"}"#,
        r#"[{"A": "b", "C": "d"}]"#,
        "[{}]",
        r#"[{"A": 1}]"#,
        r#"[{"A": null}]"#,
        r#"["A"]"#,
        r#"[{"A B": "c"}]"#,
        r#"[{"": "c"}]"#,
        r#"[{"A": "b\r\nSet-Cookie: c=d"}]"#,
        r#"[{"A\r\nB": "c"}]"#,
    ] {
        assert!(matches!(overridden(plain(), Some(&said(None, Some(headers)))), Err(Error::ResponseHeaders)), "{headers}");
    }
}

#[test]
fn raised_responses_are_read_or_told_to_be_unreadable() {
    let error = |message: &str, detail: Option<&str>| {
        let error = SqlError::new(SqlState::new(b"PGRST"), message);
        match detail {
            Some(detail) => error.detail(detail),
            None => error,
        }
    };
    let message = r#"{"code": "123", "message": "Payment", "details": "Quota", "hint": "Upgrade"}"#;
    let detail = r#"{"status": 402, "status_text": "You must pay", "headers": {"X-Powered-By": "Nerd Rage"}}"#;
    let raised = |message: &str, detail: Option<&str>| super::raised(&error(message, detail)).expect("it is one");
    let good = raised(message, Some(detail));
    assert_eq!((good.status.as_u16(), good.code.as_str()), (402, "123"));
    assert_eq!(good.headers["x-powered-by"], "Nerd Rage");
    assert_eq!(good.body["details"], "Quota");
    for (message, detail) in [
        ("no json", Some(detail)),
        (r#"{"message": "no code"}"#, Some(detail)),
        (r#"{"code": 1, "message": "x"}"#, Some(detail)),
        (message, None),
        (message, Some("{}")),
        (message, Some(r#"{"status": 402}"#)),
        (message, Some(r#"{"status": 99, "headers": {}}"#)),
        (message, Some(r#"{"status": "402", "headers": {}}"#)),
        (message, Some(r#"{"status": 402, "headers": {"A": "b\nc: d"}}"#)),
    ] {
        assert_eq!(raised(message, detail).code, "PGRST121", "{message} {detail:?}");
    }
    assert_eq!(super::raised(&SqlError::new(SqlState::INTERNAL, "x")), None);
}
