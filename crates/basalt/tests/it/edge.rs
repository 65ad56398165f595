//! The edge under clients that are slow, silent or odd. Limits are small, and every wait is for something that must happen.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use basalt_testkit::Project;
use basalt_testkit::process::TestServer;

use crate::support::{PUBLISHABLE_KEY, SECRET_KEY, anonymous, blog, expect, serve, service};

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Everything until the server ends the connection, orderly or not.
fn until_end(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    let mut part = [0; 65536];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(n) => all.extend_from_slice(part.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => break,
            Err(e) => panic!("the connection was not ended: {e}"),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// One answer of a connection that stays open.
fn one_answer(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut byte = [0; 1];
    while !all.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        all.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&all).to_ascii_lowercase();
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    head + &String::from_utf8_lossy(&body)
}

#[test]
fn slow_heads_and_idle_connections_end() {
    let project = blog().basalt_config("[server]\nheader_timeout_ms = 200\n");
    let server = serve(&project);
    for begun in ["", "GET /rest/v1/po", "GET /rest/v1/posts HTTP/1.1\r\n", "GET /rest/v1/posts HTTP/1.1\r\nHost: x\r\nX-A: b"] {
        let mut stream = connect(&server);
        stream.write_all(begun.as_bytes()).expect("sends");
        assert_eq!(until_end(stream), "", "{begun:?}");
    }
    let mut kept = connect(&server);
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sends");
    let answer = until_end(kept);
    assert!(answer.starts_with("HTTP/1.1 200 "), "answered, then idle, then ended: {answer}");
}

#[test]
fn a_slow_body_is_408() {
    let project = blog().basalt_config("[server]\nbody_timeout_ms = 200\n");
    let server = serve(&project);
    let mut stream = connect(&server);
    let head = format!(
        "POST /rest/v1/items HTTP/1.1\r\nHost: x\r\napikey: {SECRET_KEY}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"id\":"
    );
    stream.write_all(head.as_bytes()).expect("sends");
    let answer = until_end(stream);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("sb-request-id: "), "{answer}");
    assert!(answer.ends_with(r#"{"message":"The body took too long"}"#), "{answer}");
    expect(&server, &service("GET", "/rest/v1/items?select=id"), 200);
}

/// Rows of 100 kilobytes that everybody may read.
fn large() -> Project {
    Project::new()
        .config("[api]\nmax_rows = 30000\n")
        .seed("insert into public.large select n, repeat('x', 100000) from generate_series(1, 200) n;")
        .migration(
            "create table public.large (id int primary key, t text);\nalter table public.large enable row level security;\n\
         create policy all_rows on public.large for select to anon using (true);\ngrant select on public.large to anon;",
        )
}

#[test]
fn a_client_that_never_reads_blocks_nobody_and_is_cut_off() {
    let project = large().basalt_config("[server]\nsend_timeout_ms = 300\n[limits]\nanon_timeout_ms = 60000\n");
    let server = serve(&project);
    let mut greedy = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&server);
        let ask = format!("GET /rest/v1/large?select=t HTTP/1.1\r\nHost: x\r\napikey: {PUBLISHABLE_KEY}\r\n\r\n");
        stream.write_all(ask.as_bytes()).expect("sends");
        greedy.push(stream);
    }
    expect(&server, &anonymous("GET", "/rest/v1/large?select=id&limit=1"), 200);
    // They have taken nothing and are given up: all of their places are free again.
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "their connections stay");
        let text = expect(&server, &service("GET", "/metrics"), 200).text();
        let count = text.lines().find_map(|l| l.strip_prefix("basalt_http_connections ")).and_then(|n| n.parse::<u64>().ok());
        if count == Some(1) {
            break;
        }
        std::thread::yield_now();
    }
    for stream in greedy {
        let answer = until_end(stream);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let length = head.to_ascii_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ").map(str::to_owned));
        let length: usize = length.and_then(|n| n.parse().ok()).expect("a length");
        assert!(length >= 20_000_000 && body.len() < length, "{} of {length} bytes", body.len());
    }
    let whole = expect(&server, &anonymous("GET", "/rest/v1/large?select=t"), 200);
    assert!(whole.body.len() >= 20_000_000, "who reads gets all");
}

#[test]
fn idle_connections_make_room() {
    let project = blog().basalt_config("[server]\nmax_connections = 8\nheader_timeout_ms = 300\n");
    let server = serve(&project);
    let silent: Vec<TcpStream> = (0..40).map(|_| connect(&server)).collect();
    // It waits in the kernel's queue behind all of them.
    expect(&server, &anonymous("GET", "/rest/v1/posts?select=id"), 200);
    for stream in silent {
        assert_eq!(until_end(stream), "");
    }
}

#[test]
fn odd_bytes_in_addresses_mean_what_they_say_on_every_request_of_a_connection() {
    let project = blog();
    let server = serve(&project);
    let mut stream = connect(&server);
    let key = format!("Host: x\r\napikey: {SECRET_KEY}\r\n");
    let escaped =
        one_answer_to(&mut stream, &format!("GET /rest/v1/posts?select=id,meta-%3Ea&order=id&limit=1 HTTP/1.1\r\n{key}\r\n"));
    assert!(escaped.starts_with("http/1.1 200 "), "{escaped}");
    let body = |answer: &str| answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    for _ in 0..3 {
        let raw =
            one_answer_to(&mut stream, &format!("GET /rest/v1/posts?select=id,meta->a&order=id&limit=1 HTTP/1.1\r\n{key}\r\n"));
        assert_eq!(body(&raw), body(&escaped));
        let row = r#"{"id":"odd","x":"GET /a>b\n"}"#;
        let wrong = one_answer_to(
            &mut stream,
            &format!(
                "POST /rest/v1/items?x=\"<> HTTP/1.1\r\n{key}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{row}",
                row.len()
            ),
        );
        assert!(wrong.starts_with("http/1.1 400 ") && wrong.contains("\"code\":\""), "{wrong}");
    }
    for line in ["GET /rest/v1/posts?a=\x01 HTTP/1.1", "GET / HTTP/2.0", "nonsense"] {
        let mut stream = connect(&server);
        stream.write_all(format!("{line}\r\n{key}\r\n").as_bytes()).expect("sends");
        let answer = until_end(stream);
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("sb-request-id: "), "{answer}");
        assert!(answer.ends_with(r#"{"message":"The request line is not valid"}"#), "{answer}");
    }
}

fn one_answer_to(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("sends");
    one_answer(stream)
}

#[test]
fn a_token_is_as_long_as_the_headers_allow() {
    let project = blog();
    let server = serve(&project);
    let token = |padding: usize| {
        crate::support::sign(&serde_json::json!({
            "sub": crate::support::ADA, "role": "authenticated", "exp": 4_000_000_000_i64, "padding": "x".repeat(padding)
        }))
    };
    let ask = |token: &str| anonymous("GET", "/rest/v1/notes?select=id").header("Authorization", &format!("Bearer {token}"));
    for padding in [100, 10_000, 40_000] {
        expect(&server, &ask(&token(padding)), 200);
    }
    // 64 KiB for all headers together.
    expect(&server, &ask(&token(60_000)), 431);
    expect(&server, &ask(&token(100_000)), 431);
}
