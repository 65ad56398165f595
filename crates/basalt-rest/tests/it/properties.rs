//! No query string, header or body makes the parsers panic.

use basalt_plan::plan::Literals;
use basalt_rest::parse::{body, media, prefer, query, range};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

/// Texts made of the grammar's own pieces, besides arbitrary ones.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "select=",
        "order=",
        "and=",
        "or=",
        "not.",
        "a",
        "b",
        ".",
        ",",
        "(",
        ")",
        "*",
        "->",
        "->>",
        "::",
        ":",
        "!inner",
        "...",
        "eq.",
        "in.",
        "is.null",
        "{",
        "}",
        "\"",
        "\\",
        "%22",
        "%",
        "+",
        "&",
        "=",
        "limit=",
        "offset=",
        "-1",
        "99999999999999999999",
        "like(any).",
        "fts(english).",
        "count()",
        ".sum()",
        "columns=",
        "on_conflict=",
        "é",
        " ",
        "\u{0}",
    ]);
    prop_oneof![prop::collection::vec(pieces, 0..40).prop_map(|p| p.concat()), any::<String>()]
}

proptest! {
    #[test]
    fn query_strings_never_panic(text in texts()) {
        let _ = query::params(&text, &mut Literals::default());
    }

    #[test]
    fn headers_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            for name in ["accept", "prefer", "range", "content-type"] {
                headers.insert(name, value.clone());
            }
        }
        let _ = media::negotiate(&headers, media::Offer::of_plans(true));
        let _ = media::body_type(&headers);
        let _ = prefer::Preferences::of(&headers);
        let _ = range::page(Some(Some(5)), Some(Some(3)), Some(&headers));
    }

    #[test]
    fn bodies_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,60}") {
        for body in [Bytes::from(bytes), Bytes::from(text)] {
            for kind in [media::BodyType::Json, media::BodyType::Csv, media::BodyType::Form] {
                let _ = body::payload(&body, kind, true);
            }
            for row in body::rows_of(&body) {
                let _ = body::value_of(row.get(), "a");
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("select={}{}", "a(".repeat(20_000), ")".repeat(20_000));
    assert!(query::params(&deep, &mut Literals::default()).is_err());
    let deep = format!("and={}a.eq.1{}", "(and".repeat(20_000), ")".repeat(20_000));
    assert!(query::params(&deep, &mut Literals::default()).is_err());
}
