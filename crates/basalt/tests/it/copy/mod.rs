//! `basalt copy`: projects moved between the engines by the real program, and what users notice of it: nothing.

mod interrupted;
mod large;
mod recorded;
mod refused;

use std::path::PathBuf;

use basalt_testkit::Project;
use basalt_testkit::http::Response;
use basalt_testkit::postgres::{Database, OWNER, SUPERUSER};
use basalt_testkit::process::{ServerOptions, TestServer};
use serde_json::{Value, json};

use crate::support::{Ended, PUBLISHABLE_KEY, anonymous, basalt, blog, expect, known_keys, repository, send, serve, service};

/// Every type, circles, triggers, sequences, odd names, hidden rows.
fn rich() -> Project {
    Project::copy_of(&repository().join("tests/projects/rich"))
}

/// `basalt copy` in a project's folder.
fn copy(project: &Project, arguments: &[&str]) -> Ended {
    basalt(project.path(), &[&["copy"], arguments].concat())
}

/// A copy that must end in equality.
#[track_caller]
fn copied(project: &Project, arguments: &[&str]) -> Ended {
    let ended = copy(project, arguments).with(0);
    assert!(ended.out.contains("Everything is equal."), "{}", ended.out);
    ended
}

fn address(database: &Database) -> String {
    database.connection_string(SUPERUSER)
}

/// `--to` or `--from` of a project's embedded file.
fn file_of(project: &Project) -> String {
    format!("sqlite:{}", project.path().join(".basalt/data.db").display())
}

/// The same folder with the same secrets and no database yet.
fn twin(project: &Project) -> Project {
    let twin = Project::copy_of(project.path());
    twin.write(".basalt/secrets", project.read(".basalt/secrets"));
    twin
}

fn serve_on(project: &Project, database: &Database) -> TestServer {
    let arguments = vec!["--database".to_owned(), address(database)];
    TestServer::start_with(project.path(), &ServerOptions { arguments, ..known_keys() }).unwrap_or_else(|e| panic!("{e}"))
}

fn path_of(project: &Project, name: &str) -> PathBuf {
    project.path().join(name)
}

fn body(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
}

/// Signs somebody in; the session's tokens.
#[track_caller]
fn sign_in(server: &TestServer, email: &str, password: &str) -> Value {
    let credentials = json!({"email": email, "password": password}).to_string();
    body(&expect(server, &anonymous("POST", "/auth/v1/token?grant_type=password").json(&credentials), 200))
}

/// Exchanges a session's refresh token; the session's new tokens.
#[track_caller]
fn refresh(server: &TestServer, session: &Value) -> Value {
    let token = json!({"refresh_token": session["refresh_token"]}).to_string();
    body(&expect(server, &anonymous("POST", "/auth/v1/token?grant_type=refresh_token").json(&token), 200))
}

/// The subject that the auth service sees behind a session.
#[track_caller]
fn who(server: &TestServer, session: &Value) -> Value {
    let token = session["access_token"].as_str().expect("a token");
    let request = anonymous("GET", "/auth/v1/user").header("Authorization", &format!("Bearer {token}"));
    body(&expect(server, &request, 200))["email"].clone()
}

#[test]
fn a_rich_project_there_and_back_is_equal() {
    let (project, database) = (rich(), Database::empty());
    drop(serve(&project));
    let there = copied(&project, &["--to", &address(&database), "--json"][..2]);
    for part in [" equal\nmigrations: 1 equal", " hold\n", "users: 1"] {
        assert!(there.out.contains(part), "{part}: {}", there.out);
    }
    let mut client = database.superuser().expect("connects");
    let mut ask = |sql: &str| client.query_text(sql, &[]).expect("reads")[0][0].clone().unwrap_or_default();
    // Triggers rested, and are awake; the copy's own schema is gone; rows of the migration are the source's.
    assert_eq!(ask("select count(*)::text from public.journal"), "3");
    assert_eq!(ask("select string_agg(label, ' ' order by id) from shop.orders"), "apples! pears! Élan!");
    assert_eq!(ask("select count(*)::text from pg_namespace where nspname = 'basalt_copy'"), "0");
    assert_eq!(ask("select string_agg(note, ', ' order by note) from public.pairs"), "changed since, second, third");
    // What comes next comes after what was copied.
    assert_eq!(ask("insert into public.players (team, name) values (1, 'next') returning id::text"), "130");
    assert_eq!(ask("delete from public.players where id = 130 returning 'gone'"), "gone");
    assert_eq!(ask("select setval('public.players_id_seq', 120)::text"), "120");

    let back = twin(&project);
    copied(&project, &["--from", &address(&database), "--to", &file_of(&back)]);
    let compared = copied(&project, &["--to", &file_of(&back), "--verify-only", "--json"][..3]);
    assert!(compared.out.contains("public.Odd \"Table\""), "{}", compared.out);
    // The copied file is a project's like any other.
    let server = serve(&back);
    let made = service("POST", "/rest/v1/orders?select=id,label,gross")
        .header("Content-Profile", "shop")
        .header("Prefer", "return=representation")
        .json(r#"{"owner":"00000000-0000-4000-8000-00000000000a","label":"plums","net":2}"#);
    assert_eq!(expect(&server, &made, 201).text(), r#"[{"id":4,"label":"plums!","gross":2.4000}]"#);
    let journal = body(&expect(&server, &service("GET", "/rest/v1/journal?select=id&order=id"), 200));
    assert_eq!(journal, json!([{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]), "a trigger fired once");
}

#[test]
fn engines_of_one_kind_are_copied_too() {
    let (project, one, two) = (rich(), Database::empty(), Database::empty());
    drop(serve_on(&project, &one));
    copied(&project, &["--from", &address(&one), "--to", &address(&two)]);
    copied(&project, &["--from", &address(&two), "--to", "sqlite"]);
    let other = twin(&project);
    copied(&project, &["--to", &file_of(&other)]);
    copied(&project, &["--from", &address(&one), "--to", &file_of(&other), "--verify-only"]);
}

#[test]
fn the_report_is_json_when_asked_and_names_what_differs() {
    let (project, database) = (blog(), Database::empty());
    drop(serve(&project));
    let ended = copy(&project, &["--to", &address(&database), "--json"]).with(0);
    let report: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!((&report["equal"], &report["users"]), (&json!(true), &json!(2)), "{report}");
    assert!(ended.err.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", ended.err);
    assert!(ended.err.contains(r#""rows_per_second""#), "{}", ended.err);

    let mut client = database.superuser().expect("connects");
    client
        .batch(
            "update public.posts set views = 11 where id = 1; delete from public.items where id = 2; \
             insert into public.tags values (9, 'extra'); select setval('public.posts_id_seq', 77); \
             set session_replication_role = replica; delete from public.tags where id = 1;",
        )
        .expect("runs");
    let differs = copy(&project, &["--to", &address(&database), "--verify-only"]).with(1);
    for part in [
        "(id)=(1) differs in views",
        "(id)=(2) is missing in the target",
        "(id)=(9) is in the target alone",
        "public.posts_id_seq stands at 5, in the target at 77",
        "violates foreign key constraint \"post_tags_tag_id_fkey\"",
        "The target is NOT equal",
    ] {
        assert!(differs.out.contains(part), "{part}: {}", differs.out);
    }
    assert!(!differs.out.contains("Hello, world"), "rows are named by their keys alone");
}

#[test]
fn an_owner_who_is_no_superuser_may_be_the_target() {
    let (project, database) = (rich(), Database::fresh());
    drop(serve(&project));
    let owns = format!("alter database {} owner to {OWNER}", database.name());
    database.superuser().and_then(|mut c| c.batch(&owns)).expect("runs");
    let owner = database.connection_string(OWNER);
    let ended = copied(&project, &["--to", &owner]);
    assert!(ended.out.contains(" hold\n") && !ended.out.contains("foreign keys: 0 "), "{}", ended.out);
    let mut client = database.superuser().expect("connects");
    let mut ask = |sql: &str| client.query_text(sql, &[]).expect("reads")[0][0].clone().unwrap_or_default();
    assert_eq!(
        ask(
            "select count(*)::text from pg_trigger where not tgisinternal and tgenabled = 'O' and tgrelid = 'shop.orders'::regclass"
        ),
        "2"
    );
    assert_eq!(
        ask(
            "select count(*)::text from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace and convalidated"
        ),
        "4"
    );
    assert_eq!(ask("select count(*)::text from public.journal"), "3", "no trigger fired");
}

#[test]
fn who_was_signed_in_stays_signed_in() {
    let (project, database) = (blog(), Database::empty());
    let mut server = serve(&project);
    let new = json!({"email": "cy@example.com", "password": "correct battery", "data": {"username": "cyrus"}}).to_string();
    let cy = body(&expect(&server, &anonymous("POST", "/auth/v1/signup").json(&new), 200));
    let ada = sign_in(&server, "ada@example.com", "correct horse");
    assert!(server.terminate().expect("it ends").success());

    copied(&project, &["--to", &address(&database)]);
    let mut server = serve_on(&project, &database);
    assert_eq!(who(&server, &ada), "ada@example.com");
    assert_eq!(who(&server, &cy), "cy@example.com");
    let (ada, cy) = (refresh(&server, &ada), refresh(&server, &cy));
    sign_in(&server, "cy@example.com", "correct battery");
    sign_in(&server, "bob@example.com", "battery staple");
    assert!(server.terminate().expect("it ends").success());

    let back = twin(&project);
    copied(&project, &["--from", &address(&database), "--to", &file_of(&back)]);
    let server = serve(&back);
    assert_eq!(who(&server, &ada), "ada@example.com");
    refresh(&server, &ada);
    refresh(&server, &cy);
    sign_in(&server, "cy@example.com", "correct battery");
    let refused = json!({"email": "cy@example.com", "password": "correct horse"}).to_string();
    let wrong = send(&server, &anonymous("POST", "/auth/v1/token?grant_type=password").json(&refused));
    assert_eq!(wrong.status, 400, "{PUBLISHABLE_KEY}: {}", wrong.text());
}
