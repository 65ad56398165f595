use std::collections::BTreeMap;

use super::*;
use basalt_plan::resolve::Candidate;
use basalt_types::SqlState;

/// One of each variant.
fn all() -> Vec<RestError> {
    let text = || "x".to_owned();
    let candidate = Candidate { cardinality: "many-to-one", embedding: text(), relationship: text(), choice: text() };
    vec![
        RestError::Query(ParseError { message: text(), details: text() }),
        RestError::Body(text()),
        RestError::Range("x"),
        RestError::PutFilters,
        RestError::PutLimit,
        RestError::PutPayload,
        RestError::Schema { asked: text(), exposed: vec![text()] },
        RestError::MediaType(text()),
        RestError::NotSingular(2),
        RestError::Method(text()),
        RestError::Preferences(vec![text()]),
        RestError::MaxAffected(2),
        RestError::Path,
        RestError::Root,
        RestError::CallMethod(text()),
        RestError::MaxAffectedCall,
        RestError::ResponseHeaders,
        RestError::ResponseStatus,
        RestError::Resolve(ResolveError::UnknownFunction {
            schema: text(),
            name: text(),
            arguments: Vec::new(),
            body: CallBody::Json,
            near: None,
        }),
        RestError::Resolve(ResolveError::AmbiguousFunction(vec![text()])),
        RestError::NoDocument,
        RestError::Open(text()),
        RestError::TooComplex("x"),
        RestError::Token { message: text(), details: None, undecodable: true },
        RestError::Token { message: text(), details: None, undecodable: false },
        RestError::Role(text()),
        RestError::Nested(text()),
        RestError::Cursor(text()),
        RestError::TooCostly { most: 1, cost: Some(2) },
        RestError::TooMany,
        RestError::Key("x"),
        RestError::NoReceipts(text()),
        RestError::KeyInUse,
        RestError::KeyOfAnother,
        RestError::TooManyReceipts(1),
        RestError::PreconditionFailed,
        RestError::Batch(text()),
        RestError::Reference(text()),
        RestError::OutOfRange { offset: 9, total: 2 },
        RestError::NoSecret,
        RestError::TokenRequired,
        RestError::Stale,
        RestError::Resolve(ResolveError::UnknownTable { schema: text(), name: text(), near: None }),
        RestError::Resolve(ResolveError::UnknownColumn { table: text(), column: text() }),
        RestError::Resolve(ResolveError::NoRelationship {
            origin: text(),
            target: text(),
            hint: None,
            schema: text(),
            near: None,
        }),
        RestError::Resolve(ResolveError::AmbiguousRelationship { origin: text(), target: text(), candidates: vec![candidate] }),
        RestError::Resolve(ResolveError::NotEmbedded(text())),
        RestError::Resolve(ResolveError::RelatedOrderNotToOne { origin: text(), target: text() }),
        RestError::Resolve(ResolveError::AggregatesOff),
        RestError::Resolve(ResolveError::NotImplemented("x")),
    ]
}

/// The rows `| code | status | …` of the documented table.
fn documented() -> BTreeMap<String, u16> {
    include_str!("../../../../docs/wire/rest-errors.md")
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let (code, status) = (cells.next()?, cells.next()?);
            Some((code.trim_matches('`').to_owned(), status.parse().ok()?))
        })
        .collect()
}

#[test]
fn every_error_has_its_row() {
    let table = documented();
    for error in all() {
        let (status, code) = error.wire(true);
        assert_eq!(table.get(&code), Some(&status.as_u16()), "{code} of {error:?}");
    }
}

#[test]
fn sqlstates_have_their_status() {
    let table = documented();
    for (state, anon, signed_in) in [
        (*b"23505", 409, 409),
        (*b"23503", 409, 409),
        (*b"23502", 400, 400),
        (*b"23514", 400, 400),
        (*b"22P02", 400, 400),
        (*b"25006", 405, 405),
        (*b"28000", 403, 403),
        (*b"42501", 401, 403),
        (*b"42883", 404, 404),
        (*b"42P01", 404, 404),
        (*b"42P17", 500, 500),
        (*b"42703", 400, 400),
        (*b"53400", 500, 500),
        (*b"53300", 503, 503),
        (*b"54000", 413, 413),
        (*b"54001", 500, 500),
        (*b"57014", 500, 500),
        (*b"57P01", 503, 503),
        (*b"08006", 503, 503),
        (*b"08B06", 503, 503),
        (*b"08B03", 503, 503),
        (*b"P0001", 400, 400),
        (*b"P0002", 500, 500),
        (*b"PT402", 402, 402),
        (*b"XX000", 500, 500),
        (*b"0A000", 400, 400),
    ] {
        let error = SqlError::new(SqlState::new(&state), "x");
        assert_eq!(sql_status(&error, true).as_u16(), anon, "{state:?}");
        assert_eq!(sql_status(&error, false).as_u16(), signed_in, "{state:?}");
    }
    assert_eq!(table.get("42501"), Some(&401));
}

#[test]
fn a_database_that_is_away_has_postgrests_codes() {
    for (state, code) in [(*b"08B01", "PGRST000"), (*b"08B06", "PGRST001"), (*b"08B03", "PGRST003")] {
        let error = RestError::Sql(SqlError::new(SqlState::new(&state), "why").hint("what the operator does"));
        let answer = error.response(true);
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &HeaderValue::from_static("1")));
        let body: serde_json::Value = serde_json::from_slice(answer.body()).expect("a body is JSON");
        assert_eq!((body["code"].as_str(), body["details"].as_str(), body["hint"].is_null()), (Some(code), Some("why"), true));
        assert_eq!(documented().get(code), Some(&503));
    }
}

#[test]
fn bodies_have_four_keys() {
    for error in all() {
        let body: serde_json::Value = serde_json::from_slice(&error.body(true)).expect("a body is JSON");
        let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
        match error {
            RestError::Root => assert_eq!(keys, ["hint", "message"]),
            _ => assert_eq!(keys, ["code", "details", "hint", "message"]),
        }
    }
}

#[test]
fn refused_tokens_say_so_in_a_header() {
    let response = token_refused("JWT expired", None, false);
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer error=\"invalid_token\", error_description=\"JWT expired\"");
    assert_eq!(response.body(), r#"{"code":"PGRST303","details":null,"hint":null,"message":"JWT expired"}"#);
    let response = token_refused("Expected 3 parts in JWT; got 1", None, true);
    assert_eq!(response.headers()["proxy-status"], "PostgREST; error=PGRST301");
    let response = role_refused("root");
    assert_eq!(response.status(), 401);
    assert_eq!(response.body(), r#"{"code":"22023","details":null,"hint":null,"message":"role \"root\" does not exist"}"#);
}

#[test]
fn internal_errors_are_bare() {
    let error = RestError::Sql(SqlError::internal("a secret of ours"));
    assert!(!String::from_utf8_lossy(&error.body(true)).contains("secret"));
}
