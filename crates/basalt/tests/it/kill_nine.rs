//! The process is killed under load, again and again: what was acknowledged is there, and the next start is not hindered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use basalt_testkit::Project;
use basalt_testkit::process::TestServer;
use rustix::process::Signal;

use crate::support::{expect, scramble, serve, service, setting};

const WRITERS: usize = 4;

/// One writer: inserts numbered rows until the server is gone; notes each number once it is acknowledged.
fn write(server: &TestServer, writer: usize, done: &AtomicU64) {
    loop {
        let n = done.load(Ordering::Relaxed) + 1;
        let body = format!(r#"{{"writer":{writer},"n":{n},"filler":"{}"}}"#, "x".repeat(usize::try_from(n % 500).unwrap_or(0)));
        let Ok(answer) = server.send(&service("POST", "/rest/v1/log").json(&body)) else { return };
        match answer.status {
            201 => {}
            // Stored by a commit whose answer was lost with the process.
            409 if answer.text().contains("log_pkey") => {}
            other => panic!("{other}: {}", answer.text()),
        }
        done.store(n, Ordering::Release);
    }
}

/// The rows of a writer and the highest number among them.
fn stored(server: &TestServer, writer: usize) -> (u64, u64) {
    let target = format!("/rest/v1/log?select=n&writer=eq.{writer}&order=n.desc&limit=1");
    let request = service("GET", &target).header("Prefer", "count=exact");
    let answer = server.send(&request).expect("it answers");
    assert!([200, 206].contains(&answer.status), "{}", answer.text());
    let total = answer.header("content-range").and_then(|r| r.split_once('/')).and_then(|(_, n)| n.parse().ok());
    let rows: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    (total.expect("a total"), rows[0]["n"].as_u64().unwrap_or(0))
}

#[test]
fn kill_nine_loses_nothing_acknowledged() {
    let kills = setting("BASALT_KILLS", 5);
    let project = Project::new().config("project_id = \"kills\"").migration(
        "create table public.log (id bigint generated always as identity unique, writer int, n int, filler text,
             constraint log_pkey primary key (writer, n));
         grant all on public.log to service_role;",
    );
    let done: [AtomicU64; WRITERS] = std::array::from_fn(|_| AtomicU64::new(0));
    let check = |server: &TestServer| {
        for (writer, done) in done.iter().enumerate() {
            let (count, last) = stored(server, writer);
            assert_eq!(count, last, "writer {writer} has holes");
            let promised = done.load(Ordering::Acquire);
            assert!(count >= promised, "writer {writer}: {promised} acknowledged, {count} stored");
        }
    };
    let total = || done.iter().map(|d| d.load(Ordering::Acquire)).sum::<u64>();
    for kill in 0..kills {
        let mut server = serve(&project);
        check(&server);
        let target = total() + 5 + scramble(kill) % 100;
        thread::scope(|scope| {
            let server = &server;
            for (writer, done) in done.iter().enumerate() {
                scope.spawn(move || write(server, writer, done));
            }
            let deadline = Instant::now() + Duration::from_secs(60);
            while total() < target {
                assert!(Instant::now() < deadline, "no writer gets on:\n{}", server.logs());
                thread::yield_now();
            }
            server.signal(Signal::KILL).expect("it runs");
        });
        server.kill().expect("it is gone");
    }
    let mut server = serve(&project);
    check(&server);
    println!("kills: {kills}, rows acknowledged: {}", total());
    expect(&server, &service("GET", "/health/ready"), 200);
    assert!(server.terminate().expect("it ends").success());
    let file = rusqlite::Connection::open(project.path().join(".basalt/data.db")).expect("opens");
    let verdict: String = file.query_row(r#"PRAGMA integrity_check("public.log")"#, [], |row| row.get(0)).expect("checks");
    assert_eq!(verdict, "ok");
}
