//! A database that Supabase made, with its users, policies and buckets, is served as it is.

use basalt_testkit::Project;
use basalt_testkit::http::Request;
use basalt_testkit::postgres::{Database, SUPERUSER};
use basalt_testkit::process::{ServerOptions, TestServer};
use serde_json::Value;

use crate::support::{PUBLISHABLE_KEY, known_keys, refuses_to_serve};

/// Everything a schema is made of, as one text: tables, columns, functions, policies, triggers, privileges, roles.
const SCHEMA: &str = "select md5(string_agg(x, '/' order by x)) from (
    select c.oid::text || c.relname || c.relrowsecurity::text || coalesce(c.relacl::text, '') as x from pg_class as c where c.relkind <> 't'
    union all select attrelid::text || attname || atttypid::text from pg_attribute where attrelid >= 16384
    union all select oid::text || proname || prosrc || coalesce(proacl::text, '') from pg_proc where oid >= 16384
    union all select oid::text || polname || coalesce(polqual::text, '') from pg_policy
    union all select oid::text || tgname from pg_trigger union all select oid::text || evtname from pg_event_trigger
    union all select oid::text || nspname || coalesce(nspacl::text, '') from pg_namespace where nspname !~ '^pg_'
    union all select oid::text || pubname from pg_publication union all select oid::text || extname from pg_extension
    union all select roleid::text || '+' || member::text from pg_auth_members where member::regrole::text in ('authenticator', 'postgres', 'anon')
    union all select setdatabase::text || setconfig::text from pg_db_role_setting
        where setdatabase = (select oid from pg_database where datname = current_database())) as all_of_it";

fn options(database: &Database, more: &[&str]) -> ServerOptions {
    let requests = database.connection_string("authenticator");
    let admin = database.connection_string(SUPERUSER);
    let given = ["--database", &requests, "--admin-database", &admin].into_iter().chain(more.iter().copied());
    ServerOptions { arguments: given.map(str::to_owned).collect(), ..known_keys() }
}

fn ask(server: &TestServer, method: &str, target: &str, token: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = Request::new(method, target).header("apikey", PUBLISHABLE_KEY);
    if let Some(token) = token {
        request = request.header("Authorization", &format!("Bearer {token}"));
    }
    if !body.is_empty() {
        request = request.json(body);
    }
    let answer = server.send(&request).expect("answers");
    (answer.status, serde_json::from_str(&answer.text()).unwrap_or(Value::Null))
}

fn sign_in(server: &TestServer, email: &str, password: &str) -> (u16, Value) {
    let body = serde_json::json!({"email": email, "password": password}).to_string();
    ask(server, "POST", "/auth/v1/token?grant_type=password", None, &body)
}

#[test]
fn a_database_of_supabase_is_served_as_it_is() {
    let (database, project) = (Database::empty(), Project::new().config(""));
    let mut client = database.superuser().expect("connects");
    client.batch(include_str!("data/taken_over.sql")).expect("the fixture applies");
    let mut one = |sql: &str| client.query_text(sql, &[]).expect("reads")[0][0].clone().unwrap_or_default();
    let schema = one(SCHEMA);

    let server = TestServer::start_with(project.path(), &options(&database, &[])).unwrap_or_else(|e| panic!("{e}"));
    let logs = server.logs();
    assert!(logs.contains("Supabase's own database is served as it is"), "{logs}");
    for told in ["users:2", "tables:2", "policies:4", "buckets:2"] {
        assert!(logs.replace('"', "").contains(told), "{told}: {logs}");
    }

    // Who is signed in there stays signed in here.
    let (status, kept) =
        ask(&server, "POST", "/auth/v1/token?grant_type=refresh_token", None, r#"{"refresh_token":"signedin0000"}"#);
    assert_eq!((status, &kept["user"]["email"]), (200, &Value::from("grace@example.com")), "{kept}");
    assert_eq!(one("select string_agg(revoked::text, ' ') from auth.refresh_tokens"), "true");

    // Who signed up there signs in here, with the same password and nothing else.
    let (status, session) = sign_in(&server, "grace@example.com", "correct horse");
    assert_eq!((status, &session["user"]["id"]), (200, &Value::from("11111111-1111-4111-8111-111111111111")), "{session}");
    assert_eq!(sign_in(&server, "grace@example.com", "battery staple").0, 400);
    let grace = session["access_token"].as_str().expect("a token").to_owned();
    let refreshed = serde_json::json!({"refresh_token": session["refresh_token"]}).to_string();
    assert_eq!(ask(&server, "POST", "/auth/v1/token?grant_type=refresh_token", None, &refreshed).0, 200);

    // The policies that are there decide.
    let bodies = |answer: &Value| answer.as_array().map(|rows| rows.iter().map(|row| row["body"].clone()).collect::<Vec<_>>());
    let notes = "/rest/v1/notes?select=body&order=id";
    assert_eq!(
        bodies(&ask(&server, "GET", notes, Some(&grace), "").1),
        Some(vec!["a secret of grace".into(), "for everybody".into()])
    );
    assert_eq!(bodies(&ask(&server, "GET", notes, None, "").1), Some(vec!["for everybody".into()]));
    assert_eq!(ask(&server, "POST", "/rest/v1/notes", Some(&grace), r#"{"body":"written here"}"#).0, 201);
    let theirs = r#"{"body":"forged","owner":"22222222-2222-4222-8222-222222222222"}"#;
    assert_eq!(ask(&server, "POST", "/rest/v1/notes", Some(&grace), theirs).0, 403);
    let embedded = ask(&server, "GET", "/rest/v1/notes?select=body,profiles(handle)&is_public=is.true", None, "");
    assert_eq!(embedded.1[0]["profiles"]["handle"], Value::from("grace"));

    // A new user meets the project's trigger.
    let body = r#"{"email":"ada@example.com","password":"analytical engine","data":{"handle":"ada"}}"#;
    let (status, answer) = ask(&server, "POST", "/auth/v1/signup", None, body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(one("select count(*)::text from public.profiles where handle = 'ada'"), "1");

    drop(server);
    assert_eq!(one(SCHEMA), schema, "nothing of the schema was changed");
    assert_eq!(one("select count(*)::text from supabase_migrations.schema_migrations"), "1");
}

#[test]
fn a_login_that_cannot_reach_the_users_is_told_how_to() {
    let (database, project) = (Database::empty(), Project::new().config(""));
    let mut client = database.superuser().expect("connects");
    client.batch(include_str!("data/taken_over.sql")).expect("the fixture applies");
    let role = format!("poor_{}", database.name());
    client.batch(&format!("create role {role} login")).expect("creates");
    let requests = database.connection_string("authenticator");
    let admin = database.connection_string(&role);
    let arguments = ["--database", &requests, "--admin-database", &admin].map(str::to_owned).to_vec();
    let options = ServerOptions { arguments, ..known_keys() };
    let refused = refuses_to_serve(&project, &options);
    assert!(refused.contains(&format!("GRANT supabase_auth_admin TO {role};")), "{refused}");
    let statements = refused.lines().filter_map(|line| line.split_once(";    --")).map(|(statement, _)| statement.trim());
    statements.for_each(|statement| client.batch(statement).expect("runs as it is"));
    drop(TestServer::start_with(project.path(), &options).unwrap_or_else(|e| panic!("{e}")));
}
