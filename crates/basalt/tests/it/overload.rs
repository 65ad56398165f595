//! Far more is asked than can be done: what is not done is refused with 503 and Retry-After, memory stays bounded, and afterwards all
//! is as before. A client that goes away takes its statement with it.
//!
//! `BASALT_LOAD_CONNECTIONS` keep-alive connections ask at once, `BASALT_LOAD_WAVES` times.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use basalt_testkit::Project;
use basalt_testkit::postgres::{Database, SUPERUSER};
use basalt_testkit::process::{ServerOptions, TestServer};

use crate::support::{SECRET_KEY, expect, known_keys, serve, service, setting};

/// Threads of the test; each has its share of the connections.
const THREADS: u64 = 8;

/// What the server may use at most, KiB. Every connection has buffers of some KiB, and answers of 100 KiB are on their way.
const MOST_KIB: u64 = 512 << 10;

const LIST: &str = "/rest/v1/things?select=*&order=note,id&limit=1000";

fn project() -> Project {
    Project::new().config("project_id = \"overload\"").migration(
        "create table public.things (id bigint primary key, note text not null);
         insert into public.things select n, 'note ' || n || repeat('x', 60) from generate_series(1, 1000) as s (n);
         create table public.slow (id int primary key);
         alter table public.slow enable row level security;
         grant select on public.things, public.slow to service_role, anon;",
    )
}

fn raise_limit_of_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit of open files is raised");
}

/// Highest resident memory of a process so far, KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line of this name");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn open(server: &TestServer) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(server.address()).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout");
    BufReader::new(stream)
}

fn ask(connection: &mut BufReader<TcpStream>, target: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\napikey: {SECRET_KEY}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).expect("sends");
}

/// Status, whether there is a Retry-After, and the body.
fn answer(connection: &mut BufReader<TcpStream>) -> (u16, bool, Vec<u8>) {
    let (mut status, mut length, mut has_retry) = (0, 0, false);
    loop {
        let mut line = String::new();
        assert!(connection.read_line(&mut line).expect("an answer") > 0, "the connection was closed");
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest.get(..3).and_then(|code| code.parse().ok()).expect("a status");
        } else if let Some(rest) = line.strip_prefix("content-length:") {
            length = rest.trim().parse().expect("a length");
        } else if line.starts_with("retry-after:") {
            has_retry = true;
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).expect("a body");
    (status, has_retry, body)
}

/// All connections ask at once, wave after wave. How many were answered and how many refused.
fn flood(server: &TestServer, connections: u64, waves: u64, expected: &[u8]) -> (u64, u64) {
    let share = connections.div_ceil(THREADS);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(move || {
                    let (mut answered, mut refused) = (0, 0);
                    let mut mine: Vec<_> = (0..share).map(|_| open(server)).collect();
                    for _ in 0..waves {
                        mine.iter_mut().for_each(|connection| ask(connection, LIST));
                        for connection in &mut mine {
                            match answer(connection) {
                                (200, _, body) => {
                                    assert!(body == expected, "an answer is not the whole one");
                                    answered += 1;
                                }
                                (503, true, _) => refused += 1,
                                (status, has_retry, body) => {
                                    panic!("{status} (Retry-After: {has_retry}): {}", String::from_utf8_lossy(&body))
                                }
                            }
                        }
                    }
                    (answered, refused)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("a thread ends")).fold((0, 0), |(a, r), (b, s)| (a + b, r + s))
    })
}

fn overload(engine: &str, server: &TestServer) {
    raise_limit_of_files();
    let (connections, waves) = (setting("BASALT_LOAD_CONNECTIONS", 240), setting("BASALT_LOAD_WAVES", 3));
    let expected = expect(server, &service("GET", LIST), 200).body;
    let begun = Instant::now();
    let (answered, refused) = flood(server, connections, waves, &expected);
    let took = begun.elapsed();
    let begun = Instant::now();
    assert!(expect(server, &service("GET", LIST), 200).body == expected, "as before");
    let recovered = begun.elapsed();
    let peak = peak_kib(server.pid());
    println!(
        "overload on {engine}: {connections} connections, {waves} waves in {took:.1?}: {answered} answered, {refused} refused with 503 \
         and Retry-After, nothing else; the next answer after {recovered:.1?}; at most {peak} KiB"
    );
    assert!(answered >= connections, "only {answered} were answered");
    assert!(peak <= MOST_KIB, "{peak} KiB");
}

#[test]
fn overload_on_sqlite() {
    overload("SQLite", &serve(&project()));
}

fn on_postgres(database: &Database, project: &Project) -> TestServer {
    let arguments = vec!["--database".to_owned(), database.connection_string(SUPERUSER)];
    let options = ServerOptions { arguments, ..known_keys() };
    TestServer::start_with(project.path(), &options).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn overload_on_postgres() {
    let (database, project) = (Database::empty(), project());
    overload("PostgreSQL", &on_postgres(&database, &project));
}

#[test]
fn a_client_that_goes_away_cancels_its_query() {
    let (database, project) = (Database::empty(), project());
    let server = on_postgres(&database, &project);
    let mut superuser = database.superuser().expect("a superuser");
    superuser
        .batch(
            "insert into public.slow select generate_series(1, 1000);
             create policy slow on public.slow to anon using (pg_sleep(60) is not null)",
        )
        .expect("a slow policy");
    let running = "select count(*)::text from pg_stat_activity
        where datname = current_database() and usename = 'authenticator' and state = 'active' and wait_event = 'PgSleep'";
    let mut is_running = || {
        let rows = superuser.query_text(running, &[]).expect("reads");
        rows.first().and_then(|row| row.first()).and_then(Clone::clone).as_deref() != Some("0")
    };
    let mut connection = open(&server);
    let request = "GET /rest/v1/slow HTTP/1.1\r\nHost: localhost\r\napikey: sb_publishable_of_the_program_tests_0001\r\n\r\n";
    connection.get_mut().write_all(request.as_bytes()).expect("sends");
    while !is_running() {
        thread::yield_now();
    }
    drop(connection);
    // Without cancelling, the statement's own limit of three seconds would end it, and be counted otherwise.
    while is_running() {
        thread::yield_now();
    }
    let figures = expect(&server, &service("GET", "/metrics"), 200).text();
    let cancelled = figures.lines().find_map(|line| line.strip_prefix("basalt_engine_statements_cancelled_total "));
    assert_eq!(cancelled, Some("1"), "{figures}");
}
