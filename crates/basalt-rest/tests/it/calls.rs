//! Calls of functions with bodies too large or too deep for a case file, on PostgreSQL.

use std::sync::Arc;

use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_rest::{Rest, RestConfig};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, SUPERUSER};
use basalt_types::Session;
use bytes::Bytes;
use http::Request;

const FUNCTIONS: &str = "
    create function public.size(t text) returns int language sql immutable as 'select length(t)';
    create function public.bytes(bytea) returns int language sql immutable as 'select length($1)';
    create function public.whole(json) returns text language sql immutable as 'select json_typeof($1)';
    create function public.deep(j jsonb) returns text language sql immutable as 'select jsonb_typeof(j)';
    create function public.named(a int) returns int language sql immutable as 'select a';";

/// The status and body of a POST as anon.
fn post(rest: &Rest, runtime: &tokio::runtime::Runtime, name: &str, kind: &str, body: String) -> (u16, String) {
    let request = Request::post(format!("/rpc/{name}")).header("content-type", kind).body(Bytes::from(body)).expect("a request");
    let response = runtime.block_on(rest.handle(&Session::of_role("anon"), request));
    (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
}

#[test]
fn large_and_deep_arguments_are_taken_or_refused_and_nothing_breaks() {
    let database = Database::fresh();
    database.apply(FUNCTIONS).expect("the functions apply");
    let options = PostgresOptions::new(database.connection_string(AUTHENTICATOR), database.connection_string(SUPERUSER));
    let engine = PostgresEngine::open(options).expect("the engine opens");
    // No time is measured here: a loaded machine may take what it needs.
    let config = RestConfig { timeouts: Vec::new(), ..RestConfig::default() };
    let rest = Rest::new(engine as Arc<_>, config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let post = |name: &str, kind: &str, body: String| post(&rest, &runtime, name, kind, body);
    let json = "application/json";
    const LONG: usize = 1 << 20;
    let long = "x".repeat(LONG);
    assert_eq!(post("size", json, format!("{{\"t\":\"{long}\"}}")), (200, LONG.to_string()));
    assert_eq!(post("size", "application/x-www-form-urlencoded", format!("t={long}")), (200, LONG.to_string()));
    assert_eq!(post("bytes", "application/octet-stream", long.clone()), (200, LONG.to_string()));
    // As deep as PostgreSQL's own stack allows or not at all, but never a failure of ours.
    for depth in [10, 100, 5_000, 500_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let (status, body) = post("deep", json, format!("{{\"j\":{nested}}}"));
        assert!(status == 200 || (400..=500).contains(&status) && body.contains("\"code\""), "{depth}: {status} {body}");
        let objects = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let (status, body) = post("whole", json, objects);
        assert!(status == 200 || (400..=500).contains(&status) && body.contains("\"code\""), "{depth}: {status} {body}");
    }
    // Many names: each is looked for, none reaches the statement.
    let many: Vec<String> = (0..3000).map(|n| format!("\"k{n}\":1")).collect();
    let (status, body) = post("named", json, format!("{{{}}}", many.join(",")));
    assert!(status == 404 && body.contains("PGRST202"), "{status} {}", &body[..200.min(body.len())]);
    let (status, body) = post("named", json, format!("{{\"{long}\":1}}"));
    assert!(status == 404 && body.contains("PGRST202"), "{status}");
    assert_eq!(post("named", json, "{\"a\": 7}".to_owned()), (200, "7".to_owned()));
}
