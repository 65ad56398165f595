//! A running server: start and stop, secrets, logs, health, figures, static files.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::thread;
use std::time::{Duration, Instant};

use basalt_testkit::Project;
use basalt_testkit::http::Request;
use basalt_testkit::process::{ServerOptions, TestServer};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    ADA, JWT_SECRET, PUBLISHABLE_KEY, SECRET_KEY, anonymous, basalt, blog, expect, known_keys, refuses_to_serve, send, serve,
    service, sign, user_token,
};

fn with(options: ServerOptions, name: &str, value: &str) -> ServerOptions {
    let mut options = options;
    options.environment.push((name.to_owned(), value.to_owned()));
    options
}

#[test]
fn a_second_server_on_the_project_is_refused() {
    let project = blog();
    let server = serve(&project);
    let log = refuses_to_serve(&project, &known_keys());
    assert!(log.contains("another basalt process") && log.contains(&format!("pid {}", server.pid())), "{log}");
    expect(&server, &anonymous("GET", "/rest/v1/posts?select=id"), 200);
}

#[test]
fn a_taken_port_is_named_with_the_flag_that_changes_it() {
    let project = blog();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let ended = basalt(project.path(), &["serve", "--listen", &address.to_string()]).with(1);
    assert!(ended.err.contains(&format!("port {}", address.port())) && ended.err.contains("--listen"), "{ended:?}");
    basalt(project.path(), &["serve", "--listen", "nonsense"]).with(1);
}

/// Begins a request that is under way until its body is completed.
fn half_sent(server: &TestServer, body: &str) -> (TcpStream, usize) {
    let mut stream = TcpStream::connect(server.address()).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    let head = format!(
        "POST /rest/v1/items HTTP/1.1\r\nHost: {}\r\napikey: {SECRET_KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.address(),
        body.len()
    );
    let half = body.len() / 2;
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body.as_bytes()[..half])).expect("sends");
    (stream, half)
}

/// Waits until the figures show so many requests under way besides the one that asks.
fn until_in_flight(server: &TestServer, others: u32) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = expect(server, &service("GET", "/metrics"), 200).text();
        let line = text.lines().find(|l| !l.starts_with('#') && l.contains("in_flight")).unwrap_or_default().to_owned();
        if line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok()).is_some_and(|n| n >= f64::from(others + 1)) {
            return;
        }
        assert!(Instant::now() < deadline, "the request never arrived: {text}");
        thread::yield_now();
    }
}

#[test]
fn a_stop_lets_running_requests_end_and_empties_the_log() {
    let project = blog();
    let mut server = serve(&project);
    let body = r#"{"id":70,"name":"sent while stopping"}"#;
    let (mut stream, sent) = half_sent(&server, body);
    until_in_flight(&server, 1);
    server.signal(Signal::TERM).expect("it runs");
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(server.address()).is_ok() {
        assert!(Instant::now() < deadline, "it still takes connections");
        thread::yield_now();
    }
    stream.write_all(&body.as_bytes()[sent..]).expect("the running request is still read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is answered, then the connection ends");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(server.terminate().expect("it ends").success(), "{}", server.logs());
    let log = project.path().join(".basalt/data.db-wal");
    assert!(std::fs::metadata(&log).map_or(0, |m| m.len()) == 0, "the write-ahead log was emptied into the database");
    assert!(!project.path().join(".basalt/url").exists());
    let server = serve(&project);
    assert_eq!(
        expect(&server, &service("GET", "/rest/v1/items?id=eq.70&select=name"), 200).text(),
        r#"[{"name":"sent while stopping"}]"#
    );
}

#[test]
fn a_stop_does_not_wait_for_ever() {
    let project = blog().basalt_config("[server]\ndrain_timeout_s = 1\n");
    let mut server = serve(&project);
    let (_stream, _) = half_sent(&server, r#"{"id":71,"name":"never completed"}"#);
    until_in_flight(&server, 1);
    let begun = Instant::now();
    assert!(server.terminate().expect("it ends").success(), "{}", server.logs());
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn publicly_known_secrets_are_refused_unless_asked_for_on_loopback() {
    const KNOWN: &str = "super-secret-jwt-token-with-at-least-32-characters-long";
    let options = || with(ServerOptions::default(), "JWT_SECRET", KNOWN);
    let insecure = |o: ServerOptions| ServerOptions { arguments: vec!["--insecure-dev-keys".to_owned()], ..o };
    let project = blog();
    let log = refuses_to_serve(&project, &options());
    assert!(log.contains("publicly known") && log.contains("--insecure-dev-keys") && !log.contains(KNOWN), "{log}");
    let log = refuses_to_serve(&project, &insecure(with(options(), "SITE_URL", "https://app.example.com")));
    assert!(log.contains("publicly known") && log.contains("gen keys"), "{log}");
    let server = TestServer::start_with(project.path(), &insecure(options())).expect("on loopback, when asked for");
    assert!(server.logs().contains("publicly known"), "it says so: {}", server.logs());
}

#[test]
fn both_kinds_of_keys_work_and_a_secret_one_not_from_a_browser() {
    let project = blog();
    let server = serve(&project);
    let status: Value = serde_json::from_str(
        &crate::support::basalt_with(project.path(), &["status", "-o", "json"], &[("JWT_SECRET", JWT_SECRET)]).with(0).out,
    )
    .expect("JSON");
    let key = |name: &str| status[name].as_str().expect("a key").to_owned();
    let vault = "/rest/v1/vault?select=secret";
    for (key, status) in
        [(PUBLISHABLE_KEY.to_owned(), 401), (key("ANON_KEY"), 401), (SECRET_KEY.to_owned(), 200), (key("SERVICE_ROLE_KEY"), 200)]
    {
        for request in [
            Request::new("GET", vault).header("apikey", &key),
            Request::new("GET", vault).header("Authorization", &format!("Bearer {key}")),
            Request::new("GET", vault).header("apikey", &key).header("Authorization", &format!("Bearer {key}")),
        ] {
            expect(&server, &request, status);
        }
    }
    let browser = |key: &str| {
        Request::new("GET", vault)
            .header("apikey", key)
            .header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    };
    let refused = expect(&server, &browser(SECRET_KEY), 401);
    assert!(refused.text().contains("Forbidden use of secret API key in browser"), "{}", refused.text());
    let user = anonymous("GET", "/rest/v1/notes?select=id").header("Authorization", &format!("Bearer {}", user_token(ADA)));
    expect(&server, &user, 200);
    let secret_and_user = service("GET", "/rest/v1/vault").header("Authorization", &format!("Bearer {}", user_token(ADA)));
    expect(&server, &secret_and_user, 403);
}

#[test]
fn health_says_up_and_no_more() {
    let project = blog();
    let server = serve(&project);
    for path in ["/health", "/health/live", "/health/ready"] {
        let answer = expect(&server, &Request::new("GET", path), 200);
        assert_eq!((answer.text().as_str(), answer.header("cache-control")), (r#"{"status":"up"}"#, Some("no-store")));
    }
}

#[test]
fn figures_need_the_service_key_and_bear_routes_only() {
    let project = blog();
    let server = serve(&project);
    for request in
        [Request::new("GET", "/metrics"), anonymous("GET", "/metrics"), Request::new("GET", "/metrics").header("apikey", "x")]
    {
        expect(&server, &request, 401);
    }
    let user = anonymous("GET", "/metrics").header("Authorization", &format!("Bearer {}", user_token(ADA)));
    expect(&server, &user, 401);
    expect(&server, &anonymous("GET", "/rest/v1/posts?select=id&title=eq.canary-in-a-label"), 200);
    expect(&server, &Request::new("GET", "/canary-in-a-label"), 404);
    let token = sign(&json!({"role": "service_role", "exp": 4_000_000_000_i64}));
    for request in
        [service("GET", "/metrics"), Request::new("GET", "/metrics").header("Authorization", &format!("Bearer {token}"))]
    {
        let text = expect(&server, &request, 200).text();
        assert!(text.contains("rest") && text.contains("# TYPE") && !text.contains("canary"), "{text}");
        for line in text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
            let value = line.rsplit(' ').next().unwrap_or_default();
            assert!(value.parse::<f64>().is_ok(), "no sample: {line}");
        }
    }
}

#[test]
fn logs_carry_no_secrets() {
    let project = blog();
    let mut options = with(known_keys(), "BASALT_LOG", "trace");
    options = with(options, "BASALT_LOG_FORMAT", "json");
    let mut server = TestServer::start_with(project.path(), &options).unwrap_or_else(|e| panic!("{e}"));
    let password = "canary password of a person";
    let body = json!({"email": "canary-mail@example.com", "password": password, "data": {"username": "canary"}}).to_string();
    let session: Value =
        serde_json::from_slice(&expect(&server, &anonymous("POST", "/auth/v1/signup").json(&body), 200).body).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (access, refresh) = (text(&session["access_token"]), text(&session["refresh_token"]));
    expect(&server, &anonymous("POST", "/auth/v1/token?grant_type=password").json(&body), 200);
    let wrong = json!({"email": "canary-mail@example.com", "password": "another canary password"}).to_string();
    expect(&server, &anonymous("POST", "/auth/v1/token?grant_type=password").json(&wrong), 400);
    let broken = r#"{"email": "canary-mail@example.com", "password": "a third canary password", "#;
    expect(&server, &anonymous("POST", "/auth/v1/signup").json(broken), 400);
    let refreshed = json!({"refresh_token": refresh}).to_string();
    let session: Value = serde_json::from_slice(
        &expect(&server, &anonymous("POST", "/auth/v1/token?grant_type=refresh_token").json(&refreshed), 200).body,
    )
    .expect("JSON");
    let (second_access, second_refresh) = (text(&session["access_token"]), text(&session["refresh_token"]));
    let with_token = |token: &str, request: Request| request.header("Authorization", &format!("Bearer {token}"));
    expect(&server, &with_token(&access, anonymous("GET", "/rest/v1/notes?select=id")), 200);
    expect(&server, &with_token("canary.token.forged", anonymous("GET", "/rest/v1/notes?select=id")), 401);
    expect(&server, &service("GET", "/auth/v1/admin/users"), 200);
    expect(&server, &Request::new("GET", &format!("/rest/v1/vault?select=id&apikey={SECRET_KEY}")), 200);
    send(&server, &Request::new("GET", "/rest/v1/vault?apikey=sb_secret_canary_wrong"));
    let failing = service("POST", "/rest/v1/items").json(r#"{"id":1,"name":"canary value of a row"}"#);
    expect(&server, &failing, 409);
    server.terminate().expect("it ends");
    let log = server.logs();
    assert!(log.contains("\"level\":"), "it did log: {log}");
    let secrets = String::from_utf8(project.read(".basalt/secrets")).expect("text");
    let stored: Vec<&str> = secrets.lines().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(stored.len(), 6);
    let canaries = [
        password,
        "another canary password",
        "a third canary password",
        "canary-mail",
        &access,
        &refresh,
        &second_access,
        &second_refresh,
        "canary.token.forged",
        SECRET_KEY,
        JWT_SECRET,
        "sb_secret_canary_wrong",
        "canary value of a row",
    ];
    for canary in canaries.into_iter().chain(stored) {
        assert!(!log.contains(canary), "{canary} is in the log:\n{log}");
    }
    for token in [&access, &second_access] {
        let signature = token.rsplit('.').next().unwrap_or_default();
        assert!(!log.contains(signature), "a signature is in the log");
    }
}

#[test]
fn only_a_trusted_proxy_may_name_the_client() {
    let config =
        "project_id = \"limits\"\n[auth]\nsite_url = \"http://127.0.0.1:3000\"\n[auth.rate_limit]\nsign_in_sign_ups = 3\n";
    let sign_up = |n: u32, address: &str| {
        let body = json!({"email": format!("somebody{n}@example.com"), "password": "long enough"}).to_string();
        anonymous("POST", "/auth/v1/signup").json(&body).header("X-Forwarded-For", address).header("Forwarded", "for=203.0.113.7")
    };
    let trusting =
        Project::new().config(config).basalt_config("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n").migration("select 1;");
    let server = serve(&trusting);
    let statuses: Vec<u16> = (1..=6).map(|n| send(&server, &sign_up(n, "203.0.113.1")).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429], "one client's budget");
    expect(&server, &sign_up(7, "203.0.113.2"), 200);
    // What the client wrote itself stands left of what the proxy added.
    expect(&server, &sign_up(8, "203.0.113.99, 203.0.113.1"), 429);
    drop(server);

    let strict = Project::new().config(config).migration("select 1;");
    let server = serve(&strict);
    let statuses: Vec<u16> = (1..=6).map(|n| send(&server, &sign_up(n, "203.0.113.1")).status).collect();
    assert_eq!(statuses, [200; 6], "loopback, whatever the header says, and loopback has no budget");
}

fn site() -> Project {
    blog()
        .file("public/index.html", "<!doctype html><title>Home</title>")
        .file("public/app.js", "export const one = 1;")
        .file("public/sub/page.html", "<!doctype html><title>Page</title>")
        .file("public/.env", "SECRET=canary")
        .file("outside.txt", "canary")
}

#[test]
fn static_files_have_tags_and_safe_headers() {
    let project = site();
    let server = serve(&project);
    let page = expect(&server, &Request::new("GET", "/"), 200);
    assert_eq!(page.text(), "<!doctype html><title>Home</title>");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "SAMEORIGIN")] {
        assert_eq!(page.header(name), Some(value));
    }
    assert_eq!(page.header("access-control-allow-origin"), None, "pages are not open to other origins");
    let script = expect(&server, &Request::new("GET", "/app.js"), 200);
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    let tag = script.header("etag").expect("a tag").to_owned();
    for tags in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let unchanged = expect(&server, &Request::new("GET", "/app.js").header("If-None-Match", &tags), 304);
        assert_eq!((unchanged.body.len(), unchanged.header("etag")), (0, Some(tag.as_str())));
    }
    expect(&server, &Request::new("GET", "/app.js").header("If-None-Match", "\"other\""), 200);
    project.write("public/app.js", "export const two = 22;");
    let changed = expect(&server, &Request::new("GET", "/app.js").header("If-None-Match", &tag), 200);
    assert_eq!(changed.text(), "export const two = 22;");
    let head = expect(&server, &Request::new("HEAD", "/app.js"), 200);
    assert_eq!((head.header("content-length"), head.body.len()), (Some("22"), 0));
    assert_eq!(expect(&server, &Request::new("GET", "/sub/page"), 200).text(), "<!doctype html><title>Page</title>");
    expect(&server, &Request::new("GET", "/nothing.js"), 404);
    expect(&server, &Request::new("GET", "/some/route"), 404);
    let app_route = Request::new("GET", "/some/route").header("Accept", "text/html,application/xhtml+xml");
    assert_eq!(expect(&server, &app_route, 200).text(), page.text(), "routes of the app show its first page");
    let post = expect(&server, &Request::new("POST", "/app.js").body("x"), 405);
    assert_eq!(post.header("allow"), Some("GET, HEAD"));
}

#[test]
fn nothing_outside_the_site_is_served() {
    let project = site();
    symlink("../outside.txt", project.path().join("public/link.txt")).expect("a link");
    symlink("..", project.path().join("public/up")).expect("a link");
    let server = serve(&project);
    for path in [
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/%2e%2e%2foutside.txt",
        "/sub/../../outside.txt",
        "/..%5coutside.txt",
        "/%252e%252e/outside.txt",
        "//../outside.txt",
        "/./../outside.txt",
        "/.env",
        "/%2eenv",
        "/sub/../.env",
        "/link.txt",
        "/up/outside.txt",
        "/up/.basalt/secrets",
        "/.basalt/secrets",
        "/../.basalt/secrets",
        "/app.js%00.html",
        "/C:/outside.txt",
        "/etc/passwd",
        "//etc/passwd",
        "/file:///etc/passwd",
        "/%c0%ae%c0%ae/outside.txt",
        "/%ff",
    ] {
        let answer = send(&server, &Request::new("GET", path));
        assert!([400, 404].contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("canary") && !answer.text().contains("root:"), "{path}: {}", answer.text());
    }
}

#[test]
fn our_pages_answer_under_our_names_only() {
    let project = site().basalt_config("[server]\nallowed_hosts = [\"app.example.com\"]\n");
    let server = serve(&project);
    let port = server.address().port();
    let of = |host: &str| Request::new("GET", "/").header("Host", host);
    for host in ["localhost", "127.0.0.1", "[::1]", "app.example.com", "APP.example.com:8080", &format!("localhost:{port}")] {
        expect(&server, &of(host), 200);
    }
    for host in
        ["evil.example.com", "localhost.evil.example.com", "app.example.com.evil.example.com", "127.0.0.1.evil.example.com", ""]
    {
        expect(&server, &of(host), 421);
    }
    let pretended = of("evil.example.com").header("X-Forwarded-Host", "localhost");
    expect(&server, &pretended, 421);
    let wire = anonymous("GET", "/rest/v1/posts?select=id").header("Host", "evil.example.com");
    expect(&server, &wire, 200);
}

#[test]
fn a_panic_or_a_bad_neighbour_on_a_connection_ends_no_other() {
    let project = blog();
    let server = serve(&project);
    let mut idle: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(server.address()).expect("connects")).collect();
    for stream in &mut idle {
        stream.write_all(b"GET /rest/v1/posts HTTP/1.1\r\nHost: x\r\n").expect("sends");
    }
    for _ in 0..20 {
        let mut stream = TcpStream::connect(server.address()).expect("connects");
        stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").expect("sends");
    }
    expect(&server, &anonymous("GET", "/rest/v1/posts?select=id"), 200);
}
