//! Settings of a real project, from every source, and what they do.

use basalt_testkit::Project;
use basalt_testkit::http::Request;
use basalt_testkit::process::{ServerOptions, TestServer};
use serde_json::{Value, json};

use crate::support::{anonymous, basalt, basalt_with, blog, expect, known_keys, refuses_to_serve, send, service};

const SECRET: &str = "canary of a signing secret, long enough";

/// A project with a value from each source.
fn many_sources() -> Project {
    Project::new()
        .config(
            "project_id = \"many\"\n[api]\nmax_rows = 7\nschemas = [\"env(FIRST_SCHEMA)\", \"graphql_public\"]\n\
             [auth]\nsite_url = \"env(MY_SITE)\"\njwt_secret = \"env(MY_SECRET)\"\nadditional_redirect_urls = [\"env(NOBODY_SETS_THIS)\"]\n\
             [auth.sessions]\ntimebox = \"24h\"\n[storage]\nenabled = true\n",
        )
        .basalt_config("[limits]\nanon_timeout_ms = 1234\n")
        .file("supabase/.env", format!("MY_SITE=https://app.example.com\nMY_SECRET='{SECRET}'\nJWT_EXPIRY=77\n"))
        .file(".env.local", "FIRST_SCHEMA=public\nJWT_EXPIRY=88\n")
        .migration("select 1;")
}

#[test]
fn doctor_shows_every_setting_and_where_it_came_from() {
    let project = many_sources();
    let arguments = ["doctor", "--config", "--listen", "127.0.0.1:7001", "-o", "json"];
    let environment = [("DISABLE_SIGNUP", "true"), ("ANON_KEY", "")];
    let ended = basalt_with(project.path(), &arguments, &environment).with(0);
    let found: Value = serde_json::from_str(&ended.out).expect("JSON");
    let row = |name: &str| {
        let rows = found["settings"].as_array().expect("a list");
        let row = rows.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("no {name} in {found}"));
        (row["value"].clone(), row["from"].as_str().expect("a text").to_owned())
    };
    for (name, value, from) in [
        ("server.listen", json!("127.0.0.1:7001"), "flag --listen"),
        ("server.external_url", json!("http://127.0.0.1:7001"), "default, from server.listen"),
        ("server.max_body_bytes", json!(10_485_760), "default"),
        ("server.welcome", Value::Null, "not set"),
        ("limits.anon_timeout_ms", json!(1234), "supabase/basalt.toml:2"),
        ("api.max_rows", json!(7), "supabase/config.toml:3"),
        ("api.schemas", json!(["public", "graphql_public"]), "supabase/config.toml:4 env(FIRST_SCHEMA) from .env.local"),
        ("auth.site_url", json!("https://app.example.com"), "supabase/config.toml:6 env(MY_SITE) from supabase/.env"),
        (
            "auth.additional_redirect_urls",
            json!(["env(NOBODY_SETS_THIS)"]),
            "supabase/config.toml:8 env(NOBODY_SETS_THIS), which is not set",
        ),
        ("auth.jwt_expiry", json!(77), "supabase/.env JWT_EXPIRY"),
        ("auth.enable_signup", json!(false), "environment DISABLE_SIGNUP"),
        ("auth.sessions.timebox", json!(86_400.0), "supabase/config.toml:10"),
        ("auth.jwt_secret", json!("(secret)"), "supabase/config.toml:7 env(MY_SECRET) from supabase/.env"),
        ("auth.anon_key", json!("(secret)"), "signed with auth.jwt_secret"),
        ("auth.secret_key", json!("(secret)"), "made at the first start"),
    ] {
        assert_eq!(row(name), (value, from.to_owned()), "{name}");
    }
    assert_eq!(found["no_effect"], json!(["[storage]"]));
    assert_eq!(found["unset_variables"], json!(["NOBODY_SETS_THIS"]));
    assert_eq!(found["needs_nothing"][0]["key"], "project_id");

    let text = basalt_with(project.path(), &["doctor", "--config"], &environment).with(0).out;
    for line in
        ["supabase/config.toml:3", "environment DISABLE_SIGNUP", "no effect      [storage]", "not set        NOBODY_SETS_THIS"]
    {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    for output in [&ended.out, &text] {
        assert!(!output.contains("canary") && !output.contains("signing secret"), "a secret is shown: {output}");
    }
    assert!(!project.path().join(".basalt").exists(), "nothing was touched");
    drop(TestServer::start(project.path()).unwrap_or_else(|e| panic!("{e}")));
    let text = basalt(project.path(), &["doctor", "--config"]).with(0).out;
    assert!(text.lines().any(|l| l.starts_with("auth.secret_key") && l.ends_with(".basalt/secrets")), "{text}");
    let stored = String::from_utf8(project.read(".basalt/secrets")).expect("text");
    for secret in stored.lines().filter_map(|line| line.split('"').nth(1)) {
        assert!(!text.contains(secret), "a secret is shown: {text}");
    }
}

#[test]
fn doctor_refuses_settings_that_the_server_would_refuse() {
    let project = many_sources();
    basalt(project.path(), &["doctor", "--listen", "127.0.0.1:1"]).with(2);
    basalt(project.path(), &["doctor", "--config", "-o", "xml"]).with(2);
    let short = basalt_with(project.path(), &["doctor", "--config"], &[("JWT_SECRET", "canary")]).with(1);
    assert!(short.err.contains("at least 32") && !short.err.contains("canary"), "{short:?}");
    let wrong = basalt_with(project.path(), &["doctor", "--config"], &[("JWT_EXPIRY", "never")]).with(1);
    assert!(wrong.err.contains("JWT_EXPIRY in the environment"), "{wrong:?}");
    project.write("supabase/basalt.toml", "[limits]\nanon_timeout = 5\n");
    let unknown = basalt(project.path(), &["doctor", "--config"]).with(1);
    assert!(unknown.err.contains("basalt.toml:2") && unknown.err.contains("anon_timeout_ms"), "{unknown:?}");
}

/// A table of ten rows that everybody may read.
fn ten_rows(config: &str) -> Project {
    Project::new().config(config).seed("insert into public.rows select generate_series(1, 10);").migration(
        "create table public.rows (id int primary key);\nalter table public.rows enable row level security;\n\
         create policy all_rows on public.rows for select to anon using (true);\ngrant select on public.rows to anon;",
    )
}

fn rows(server: &TestServer) -> usize {
    let text = expect(server, &anonymous("GET", "/rest/v1/rows?select=id"), 200).text();
    serde_json::from_str::<Vec<Value>>(&text).expect("rows").len()
}

#[test]
fn variables_reach_the_server() {
    let config = "[api]\nmax_rows = \"env(MANY)\"\n[auth]\nsite_url = \"env(NOBODY_SETS_THIS)\"\n[auth.rate_limit]\nsign_in_sign_ups = \"env(FEW)\"\n";
    let project = ten_rows(config).file("supabase/.env", "MANY=4\nFEW=9\n");
    {
        let server = TestServer::start_with(project.path(), &known_keys()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rows(&server), 4, "from .env");
        let log = server.logs();
        assert!(log.contains("environment variable is unset: NOBODY_SETS_THIS"), "{log}");
    }
    {
        let mut options = known_keys();
        options.environment.push(("MANY".to_owned(), "6".to_owned()));
        let server = TestServer::start_with(project.path(), &options).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rows(&server), 6, "the process's own variable wins");
    }
    project.write("supabase/.env", "FEW=9\n");
    let log = refuses_to_serve(&project, &known_keys());
    assert!(log.contains("config.toml:2") && log.contains("env(MANY)") && log.contains("a whole number"), "{log}");
}

#[test]
fn a_remote_is_in_force_when_its_project_is_named() {
    let config = "[api]\nmax_rows = 5\n[remotes.staging]\nproject_id = \"abcdefghijklmnopqrst\"\n[remotes.staging.api]\nmax_rows = 3\n\
                  [remotes.staging.db.seed]\nenabled = true\n[remotes.bare]\nproject_id = \"zzzzzzzzzzzzzzzzzzzz\"\n";
    let project = ten_rows(config);
    let flag = |id: &str| ServerOptions { arguments: vec!["--project-ref".to_owned(), id.to_owned()], ..known_keys() };
    {
        let options = flag("zzzzzzzzzzzzzzzzzzzz");
        let server = TestServer::start_with(project.path(), &options).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rows(&server), 0, "a remote seeds only when it says so");
        assert!(!server.logs().contains("of no effect"), "{}", server.logs());
    }
    basalt(project.path(), &["--project-ref", "abcdefghijklmnopqrst", "db", "reset"]).with(0);
    {
        let server = TestServer::start_with(project.path(), &flag("abcdefghijklmnopqrst")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rows(&server), 3);
        assert!(server.logs().contains("[remotes.staging]"), "{}", server.logs());
    }
    {
        let server = TestServer::start_with(project.path(), &known_keys()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(rows(&server), 5, "none without a project");
    }
    let shown =
        basalt_with(project.path(), &["doctor", "--config"], &[("SUPABASE_PROJECT_ID", "abcdefghijklmnopqrst")]).with(0).out;
    assert!(shown.contains("supabase/config.toml:6 [remotes.staging]"), "{shown}");
}

#[test]
fn keys_of_config_toml_are_the_project_s() {
    let project = Project::new()
        .config("[auth]\njwt_secret = \"env(MY_SECRET)\"\nsecret_key = \"sb_secret_of_this_config_toml_0001\"\n")
        .file("supabase/.env", format!("MY_SECRET={SECRET}\n"));
    let status: Value = serde_json::from_str(&basalt(project.path(), &["status", "-o", "json"]).with(0).out).expect("JSON");
    assert_eq!((&status["JWT_SECRET"], &status["SECRET_KEY"]), (&json!(SECRET), &json!("sb_secret_of_this_config_toml_0001")));
    let other = basalt_with(project.path(), &["status", "-o", "env"], &[("JWT_SECRET", "another secret, from the environment")]);
    assert!(other.with(0).out.contains("another secret, from the environment"));
}

#[test]
fn sessions_end_as_their_settings_say() {
    for setting in ["timebox", "inactivity_timeout"] {
        let project = blog();
        project.write("supabase/config.toml", format!("[auth]\nenable_signup = true\n[auth.sessions]\n{setting} = \"1ns\"\n"));
        let server = TestServer::start_with(project.path(), &known_keys()).unwrap_or_else(|e| panic!("{e}"));
        let body = json!({"email": "short@example.com", "password": "long enough", "data": {"username": "short"}}).to_string();
        let session: Value =
            serde_json::from_slice(&expect(&server, &anonymous("POST", "/auth/v1/signup").json(&body), 200).body).expect("JSON");
        let refresh = json!({"refresh_token": session["refresh_token"]}).to_string();
        let ended = send(&server, &anonymous("POST", "/auth/v1/token?grant_type=refresh_token").json(&refresh));
        assert_eq!(ended.status, 400, "{setting}: {}", ended.text());
        assert!(ended.text().contains("session_expired"), "{setting}: {}", ended.text());
    }
}

#[test]
fn what_is_switched_off_is_not_served() {
    let project = ten_rows("[api]\nenabled = false\n");
    let server = TestServer::start_with(project.path(), &known_keys()).unwrap_or_else(|e| panic!("{e}"));
    expect(&server, &service("GET", "/rest/v1/rows"), 404);
    expect(&server, &service("GET", "/auth/v1/settings"), 200);
    expect(&server, &Request::new("GET", "/health"), 200);
    drop(server);
    project.write("supabase/config.toml", "[auth]\nenabled = false\n");
    let server = TestServer::start_with(project.path(), &known_keys()).unwrap_or_else(|e| panic!("{e}"));
    expect(&server, &service("GET", "/rest/v1/rows"), 200);
    expect(&server, &service("GET", "/auth/v1/settings"), 404);
}
