//! What settings change: aggregates, row security demanded, rows bounded.

use std::sync::Arc;

use basalt_rest::{Rest, RestConfig};
use basalt_sqlite::{MigrationFile, SqliteEngine, SqliteOptions};
use basalt_types::Session;
use bytes::Bytes;

use crate::cases::fixture_text;

/// Asks films with some settings; the status and the body.
fn ask(config: RestConfig, role: &str, target: &str) -> (u16, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = SqliteOptions::new(folder.path().join("data.db"));
    options.auto_expose_new_tables = true;
    let engine = SqliteEngine::open(options).expect("an engine");
    let text = fixture_text("films").expect("the fixture");
    let file = MigrationFile { version: "20240101000000".into(), name: "films".into(), text };
    engine.apply_migration(&file).expect("the fixture applies");
    let engine: Arc<dyn basalt_engine::Engine> = engine;
    let rest = Rest::new(engine, config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let request = http::Request::builder().uri(target).body(Bytes::new()).expect("a request");
    let response = runtime.block_on(rest.handle(&Session::of_role(role), request));
    (response.status().as_u16(), String::from_utf8_lossy(response.body()).into_owned())
}

#[test]
fn aggregates_group_by_the_other_fields() {
    let config = || RestConfig { aggregates: true, ..RestConfig::default() };
    let (status, body) =
        ask(config(), "anon", "/films?select=director_id,count(),year.max()&director_id=not.is.null&order=director_id");
    assert_eq!(
        (status, body.as_str()),
        (200, "[{\"director_id\":1,\"count\":2,\"max\":1982}, \n {\"director_id\":2,\"count\":2,\"max\":1985}]")
    );
    let (_, body) = ask(config(), "anon", "/films?select=n:count(),rating.avg()::text");
    assert_eq!(body, r#"[{"n":5,"avg":"8.0250000000000000"}]"#);
    let (status, body) = ask(config(), "anon", "/directors?select=id,...films(year.max())");
    assert_eq!(status, 400);
    assert!(body.contains("PGRST127"), "{body}");
}

#[test]
fn row_security_can_be_demanded() {
    let config = || RestConfig { require_rls: true, ..RestConfig::default() };
    let (status, body) = ask(config(), "anon", "/films");
    assert_eq!(status, 403);
    assert!(body.contains("BSLT001") && body.contains("ENABLE ROW LEVEL SECURITY"), "{body}");
    assert_eq!(ask(config(), "anon", "/notes"), (200, "[]".to_owned()));
    assert_eq!(ask(config(), "service_role", "/addresses?select=id&order=id&limit=1").0, 200);
}

#[test]
fn no_level_gives_more_than_the_most() {
    let config = || RestConfig { max_rows: Some(2), ..RestConfig::default() };
    assert_eq!(ask(config(), "anon", "/films?select=id&order=id").1, "[{\"id\":1}, \n {\"id\":2}]");
    assert_eq!(ask(config(), "anon", "/films?select=id&order=id&limit=4").1, "[{\"id\":1}, \n {\"id\":2}]");
    let (_, body) = ask(
        RestConfig { max_rows: Some(1), ..RestConfig::default() },
        "anon",
        "/directors?select=id,films(id)&films.order=id&films.limit=5",
    );
    assert_eq!(body, "[{\"id\":1,\"films\":[{\"id\": 1}]}]");
}

#[test]
fn requests_are_bounded() {
    let config = RestConfig { max_pattern_bytes: 4, ..RestConfig::default() };
    assert!(ask(config, "anon", "/films?title=like.abcdef").1.contains("BSLT002"));
    let config = RestConfig { max_filters: 1, ..RestConfig::default() };
    assert!(ask(config, "anon", "/films?id=eq.1&year=eq.2").1.contains("BSLT002"));
    let config = RestConfig { max_embeds: 1, ..RestConfig::default() };
    assert!(ask(config, "anon", "/films?select=directors(id),specs(minutes)").1.contains("BSLT002"));
    let config = RestConfig { max_response_bytes: 10, ..RestConfig::default() };
    assert_eq!(ask(config, "anon", "/films").0, 413);
}

#[test]
fn the_document_is_for_the_service_role() {
    let (status, body) = ask(RestConfig::default(), "service_role", "/");
    assert_eq!(status, 200);
    let document: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(document["swagger"], "2.0");
    let director = &document["definitions"]["films"]["properties"]["director_id"];
    assert_eq!(director["description"], "Note:\nThis is a Foreign Key to `directors.id`.<fk table='directors' column='id'/>");
    assert_eq!(director["type"], "integer");
    let (status, body) = ask(RestConfig::default(), "authenticated", "/");
    assert_eq!(status, 403);
    assert!(body.contains("Access to schema is forbidden"));
}
