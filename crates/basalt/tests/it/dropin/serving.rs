//! Listeners, reloads, CORS, settings of the database, and what the operator is told.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;

use super::*;
use crate::support::basalt_with;

#[test]
fn the_admin_listener_has_everything_else() {
    let theirs = Theirs::new();
    let served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_JWT_SECRET", SECRET),
        ("PGRST_APP_SETTINGS_CARD", "hunter2"),
    ]);
    assert_eq!(served.get("/todos").status, 200);
    for (path, status) in [
        ("/live", 200),
        ("/ready", 200),
        ("/health", 200),
        ("/health/live", 200),
        ("/todos", 404),
        ("/rest/v1/todos", 404),
        ("/", 404),
    ] {
        assert_eq!(served.admin(path).status, status, "{path}");
    }
    let metrics = served.admin("/metrics").text();
    for name in [
        "basalt_http_requests_total{surface=\"rest\",status=\"2xx\"} 1",
        "pgrst_schema_cache_loads_total{status=\"SUCCESS\"}",
        "pgrst_db_pool_max 10",
    ] {
        assert!(metrics.contains(name), "{name} in {metrics}");
    }
    let config = served.admin("/config").text();
    assert!(
        config.contains("db-schemas = \"api\"\n") && config.contains(&format!("db-anon-role = \"{}\"", theirs.anon)),
        "{config}"
    );
    assert!(!config.contains(SECRET) && !config.contains(&theirs.uri()) && !config.contains("hunter2"), "{config}");
    let cache: Value = serde_json::from_slice(&served.admin("/schema_cache").body).expect("JSON");
    assert!(cache["dbTables"].as_array().is_some_and(|tables| tables.iter().any(|t| t["tableName"] == "todos")), "{cache}");
    // A page elsewhere that has its name point here sees neither; a probe and a scraper know the listener by any name.
    let foreign =
        |path: &str| http::send(served.admin, &Request::new("GET", path).header("Host", "evil.example")).expect("answers").status;
    assert_eq!([foreign("/config"), foreign("/schema_cache"), foreign("/ready"), foreign("/metrics")], [421, 421, 200, 200]);
    let posted = http::send(served.admin, &Request::new("POST", "/config")).expect("answers");
    assert_eq!(posted.status, 405);
    assert!(!served.server.logs().contains(SECRET) && !served.server.logs().contains("hunter2"));
}

#[test]
fn cross_origin_rules() {
    let theirs = Theirs::new();
    let preflight = |origin: &str| {
        Request::new("OPTIONS", "/todos")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "Foo,Bar")
    };
    let served = theirs.serve();
    let answer = served.send(&preflight("http://example.com"));
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    for (name, value) in [
        ("access-control-allow-origin", Some("*")),
        ("access-control-allow-credentials", None),
        ("access-control-allow-methods", Some("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD")),
        ("access-control-allow-headers", Some("Authorization, Foo, Bar, Accept, Accept-Language, Content-Language")),
        ("access-control-max-age", Some("86400")),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let read = served.send(&Request::new("GET", "/todos").header("Origin", "http://example.com"));
    assert_eq!(read.header("access-control-allow-origin"), Some("*"));
    let exposed =
        "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit";
    assert_eq!(read.header("access-control-expose-headers"), Some(exposed));
    assert_eq!(served.get("/todos").header("access-control-allow-origin"), None);
    let options = served.send(&Request::new("OPTIONS", "/todos"));
    assert_eq!((options.status, options.header("allow")), (200, Some("OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE")));
    drop(served);

    let served = theirs.serve_with(&[
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_SERVER_CORS_ALLOWED_ORIGINS", "http://example.com, http://example2.com"),
    ]);
    let answer = served.send(&preflight("http://example2.com"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://example2.com"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    let other = served.send(&preflight("http://other.example"));
    assert_eq!(
        (other.status, other.header("access-control-allow-origin")),
        (200, Some("*")),
        "OPTIONS of the table, as PostgREST answers it"
    );
    let read = served.send(&Request::new("GET", "/todos").header("Origin", "http://other.example"));
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, None));
}

#[test]
fn the_database_has_a_say_and_notifies() {
    let theirs = Theirs::new();
    theirs.run(
        "create schema two; create table two.things (id int); insert into two.things values (7); \
         grant usage on schema two to $anon; grant select on two.things to $anon; \
         alter role $login set pgrst.db_schemas = 'nowhere'; \
         create schema conf; grant usage on schema conf to $login; \
         create function conf.pre() returns void language sql as \
         $$ select set_config('pgrst.db_anon_role', '$anon', true), set_config('pgrst.db_max_rows', '1', true), set_config('pgrst.server_port', '1', true) $$;",
    );
    theirs.run(&format!("alter role $login in database {} set pgrst.db_schemas = 'api'", theirs.database.name()));
    let served = theirs.serve_with(&[("PGRST_DB_PRE_CONFIG", "conf.pre"), ("PGRST_DB_SCHEMAS", "public")]);
    assert_eq!(
        served.get("/todos?select=id").text(),
        "[{\"id\":1}]",
        "schema of this database's setting, role and rows of the function's"
    );
    assert!(served.admin("/config").text().contains("server-port = 3000"), "what the database cannot set");

    theirs.run(&format!("alter role $login in database {} set pgrst.db_schemas = 'two'", theirs.database.name()));
    theirs.run("notify pgrst, 'nothing of interest'; notify pgrst, 'reload config'");
    served.until("the settings are read again", |s| s.get("/things").text() == "[{\"id\":7}]");
    theirs.run("alter table two.things add column more text; notify pgrst, 'reload schema'");
    served.until("the schema is read again", |s| s.get("/things").text() == "[{\"id\":7,\"more\":null}]");

    // Settings that cannot be used leave the old ones.
    theirs.run(&format!("alter role $login in database {} set pgrst.db_schemas = 'pg_catalog'", theirs.database.name()));
    theirs.run("notify pgrst");
    served.until("the refusal is logged", |s| s.server.logs().contains("does not allow schema"));
    assert_eq!(served.get("/things").status, 200);
    drop(served);

    let served = theirs.serve_with(&[
        ("PGRST_DB_CONFIG", "false"),
        ("PGRST_DB_ANON_ROLE", &theirs.anon),
        ("PGRST_DB_CHANNEL_ENABLED", "false"),
    ]);
    assert_eq!(served.get("/todos?select=id").text(), "[{\"id\":1}, \n {\"id\":2}]");
    assert!(!served.server.logs().contains("Listening for database notifications"));
}

#[test]
fn signals_reload() {
    let theirs = Theirs::new();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let write = |more: &str| {
        let text = format!("db-uri = \"{}\"\ndb-schemas = \"api\"\n{more}", theirs.uri());
        std::fs::write(file.path(), text).expect("a file");
    };
    write("");
    let path = file.path().display().to_string();
    let served = Served::start(&[], &["--postgrest-config", &path]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(served.get("/todos").status, 401);
    write(&format!("db-anon-role = \"{}\"\nserver-port = 1\n", theirs.anon));
    served.server.signal(Signal::USR2).expect("runs");
    served.until("the anonymous role is known", |s| s.get("/todos").status == 200);
    theirs.run("create view api.late as select 1 as n; grant select on api.late to $anon");
    served.server.signal(Signal::USR1).expect("runs");
    served.until("the view is known", |s| s.get("/late").status == 200);
    let token = theirs.token("$user");
    assert_eq!(served.send(&with_token("GET", "/todos", &token)).status, 500, "no secret yet");
    write(&format!("jwt-secret = \"{SECRET}\"\n"));
    served.server.signal(Signal::USR2).expect("runs");
    served.until("the secret is known", |s| s.send(&with_token("GET", "/todos", &token)).status == 200);
    assert_eq!(served.get("/todos").status, 401, "and the anonymous role is gone");
}

/// A process that does not outlive its test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn sockets_in_the_file_system() {
    let theirs = Theirs::new();
    let folder = tempfile::tempdir().expect("a folder");
    let (public, admin) = (folder.path().join("p.sock"), folder.path().join("a.sock"));
    let uri = theirs.uri();
    let child = std::process::Command::new(basalt_testkit::process::program().expect("the program is built"))
        .args(["serve", "--bootstrap", "off"])
        .envs([("PGRST_DB_URI", uri.as_str()), ("PGRST_DB_SCHEMAS", "api"), ("PGRST_DB_ANON_ROLE", &theirs.anon)])
        .envs([("PGRST_SERVER_UNIX_SOCKET", &public), ("PGRST_ADMIN_SERVER_UNIX_SOCKET", &admin)])
        .env("PGRST_SERVER_UNIX_SOCKET_MODE", "600")
        .current_dir(folder.path())
        .spawn()
        .expect("starts");
    let mut child = Ended(child);
    let ask = |path: &std::path::Path, target: &str| {
        let mut stream = UnixStream::connect(path).ok()?;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    };
    let began = std::time::Instant::now();
    while !ask(&admin, "/ready").is_some_and(|text| text.starts_with("HTTP/1.1 200")) {
        assert!(began.elapsed().as_secs() < 60 && child.0.try_wait().expect("runs").is_none(), "it serves");
        std::thread::yield_now();
    }
    let answer = ask(&public, "/todos?select=id").expect("answers");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("[{\"id\":1}, \n {\"id\":2}]"), "{answer}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode(&public), mode(&admin)), (0o600, 0o660));
}

#[test]
fn what_the_operator_is_told() {
    let theirs = Theirs::new();
    let folder = tempfile::tempdir().expect("a folder");
    let uri = "postgres://me:hunter2secret@127.0.0.1:1/x";
    let environment = [
        ("PGRST_DB_URI", uri),
        ("PGRST_JWT_SECRET", SECRET),
        ("PGRST_URL_USE_LEGACY_TARGET_NAMES", "false"),
        ("PGRST_NO_SUCH_THING", "1"),
        ("PGRST_APP_SETTINGS_CARD", "hunter2secret"),
    ];
    for form in [&["doctor", "--config", "--bootstrap", "off"][..], &["doctor", "--config", "--bootstrap", "off", "--json"]] {
        let shown = basalt_with(folder.path(), form, &environment).with(0).out;
        for expected in [
            "db-uri",
            "(secret)",
            "environment PGRST_DB_URI",
            "url-use-legacy-target-names (environment PGRST_URL_USE_LEGACY_TARGET_NAMES)",
            "PGRST_NO_SUCH_THING",
            "app.settings.CARD",
        ] {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
        assert!(!shown.contains("hunter2") && !shown.contains(SECRET), "{shown}");
    }
    let served = theirs.serve_with(&[("PGRST_URL_USE_LEGACY_TARGET_NAMES", "false"), ("PGRST_JWT_ROLE_CLAIM_KEY", ".role")]);
    let logs = served.server.logs();
    for expected in
        ["of no effect: url-use-legacy-target-names", "older notation", "every request is refused", "API server listening on"]
    {
        assert!(logs.contains(expected), "{expected} in {logs}");
    }
    assert!(!logs.contains(&theirs.uri()), "{logs}");
    for (arguments, expected) in [
        (&["--bootstrap", "off", "--migrate"][..], "makes nothing in the database"),
        (&["--bootstrap", "off", "--seed"], "makes nothing in the database"),
        (&["--bootstrap", "off", "--database", "x", "--admin-database", "y"], "over one login"),
        (&["--bootstrap", "off", "--database", "postgres://me:hunter2@127.0.0.1:x/y"], "address"),
    ] {
        let logs = theirs.refuses(&[("PGRST_DB_POOL_AUTOMATIC_RECOVERY", "false")], arguments);
        assert!(logs.contains(expected) && !logs.contains("hunter2"), "{expected} in {logs}");
    }
    let logs = theirs.refuses(
        &[("PGRST_DB_URI", "postgres://me:hunter2@127.0.0.1:1/y"), ("PGRST_DB_POOL_AUTOMATIC_RECOVERY", "false")],
        &["--bootstrap", "off"],
    );
    assert!(logs.contains("cannot be reached") && !logs.contains("hunter2"), "{logs}");
}

#[test]
fn a_request_is_logged_without_its_query() {
    let theirs = Theirs::new();
    let mut served = theirs.serve();
    assert_eq!(served.get("/todos?task=eq.a-private-word").status, 200);
    assert_eq!(served.get("/nothing").status, 404);
    // A line may come after its answer; when the server has ended, all have come.
    assert!(served.server.terminate().expect("it ends").success(), "{}", served.server.logs());
    let logs = served.server.logs();
    assert!(logs.contains("/todos") && logs.contains("/nothing") && logs.contains("404"), "{logs}");
    assert!(!logs.contains("a-private-word"), "{logs}");
}
