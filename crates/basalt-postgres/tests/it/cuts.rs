//! A proxy between engine and server that cuts the connection after every possible number of bytes, in either direction, and one that
//! hands on single bytes: an answer is right or an error of a lost connection, a write that was acknowledged is there, and the next
//! request finds a connection. Every seventh number by default, all with `BASALT_EVERY_BYTE=1`.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use basalt_engine::{Answer, Engine, Limits, Run, RunError};
use basalt_plan::ask::{Ask, InsertAsk, Item, Node, Returning};
use basalt_plan::plan::{Count, Literals, Output};
use basalt_plan::resolve::{Settings, resolve};
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Database};
use basalt_types::Session;
use bytes::Bytes;
use tempfile::TempDir;

use crate::support::{Served, options, runtime};

/// Bytes that are let through in one direction before the connection is cut; none is cut while it is negative.
#[derive(Debug, Default)]
struct Budget(AtomicI64);

impl Budget {
    /// How many of `n` bytes may pass, and whether that was the last.
    fn take(&self, n: usize) -> (usize, bool) {
        let n = i64::try_from(n).expect("a buffer's length");
        let left = self.0.load(Ordering::SeqCst);
        if left < 0 {
            return (usize::try_from(n).expect("as it was"), false);
        }
        let pass = left.min(n);
        let rest = left - pass;
        // Once used up, later connections are whole.
        self.0.store(if rest == 0 { -1 } else { rest }, Ordering::SeqCst);
        (usize::try_from(pass).expect("not negative"), rest == 0)
    }
}

#[derive(Debug)]
struct Shared {
    server: PathBuf,
    to_server: Budget,
    to_engine: Budget,
    /// Bytes handed on at a time.
    piece: AtomicUsize,
    /// Bytes that came from the server and from the engine.
    seen: [AtomicUsize; 2],
}

/// A socket before the server's own.
struct Proxy {
    folder: TempDir,
    shared: Arc<Shared>,
}

impl Proxy {
    fn new(server: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let whole = || Budget(AtomicI64::new(-1));
        let shared = Arc::new(Shared {
            server: server.to_owned(),
            to_server: whole(),
            to_engine: whole(),
            piece: AtomicUsize::new(8192),
            seen: Default::default(),
        });
        let accepting = Arc::clone(&shared);
        // Ends with the process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, UnixStream::connect(&accepting.server)) else { break };
                for is_answer in [false, true] {
                    let (from, to) = if is_answer { (&server, &client) } else { (&client, &server) };
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    let shared = Arc::clone(&accepting);
                    thread::spawn(move || pump(from, to, is_answer, &shared));
                }
            }
        });
        Self { folder, shared }
    }

    fn cut_after(&self, bytes: usize, is_answer: bool) {
        let budget = if is_answer { &self.shared.to_engine } else { &self.shared.to_server };
        budget.0.store(i64::try_from(bytes).expect("few"), Ordering::SeqCst);
    }

    fn is_cut(&self, is_answer: bool) -> bool {
        let budget = if is_answer { &self.shared.to_engine } else { &self.shared.to_server };
        budget.0.swap(-1, Ordering::SeqCst) < 0
    }

    fn seen(&self) -> [usize; 2] {
        [0, 1].map(|n| self.shared.seen[n].swap(0, Ordering::SeqCst))
    }
}

fn pump(mut from: UnixStream, mut to: UnixStream, is_answer: bool, shared: &Shared) {
    let mut buffer = [0; 8192];
    let budget = if is_answer { &shared.to_engine } else { &shared.to_server };
    'all: while let Ok(n @ 1..) = from.read(&mut buffer) {
        shared.seen[usize::from(!is_answer)].fetch_add(n, Ordering::SeqCst);
        let (pass, is_last) = budget.take(n);
        for piece in buffer[..pass].chunks(shared.piece.load(Ordering::SeqCst)) {
            if to.write_all(piece).is_err() {
                break 'all;
            }
        }
        if is_last {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// An engine behind a proxy, with one connection for requests.
fn behind(sql: &str) -> (Served, Proxy) {
    let database = Database::fresh();
    database.apply(sql).expect("the schema applies");
    let own = database.connection_string(AUTHENTICATOR);
    let host = own.split_whitespace().find_map(|word| word.strip_prefix("host=")).expect("a host").to_owned();
    let port = own.split_whitespace().find_map(|word| word.strip_prefix("port=")).expect("a port").to_owned();
    let proxy = Proxy::new(&Path::new(&host).join(format!(".s.PGSQL.{port}")));
    let through = own.replace(&host, &proxy.folder.path().display().to_string()).replace(&format!("port={port}"), "port=5432");
    let options = PostgresOptions { requests: through, ..options(&database) };
    let engine = PostgresEngine::open(options).expect("the engine opens");
    (Served { engine, runtime: runtime(), database }, proxy)
}

fn insert(served: &Served, id: usize) -> Result<Answer, RunError> {
    let returning = Returning {
        representation: Some(Node { select: vec![Item::Star], ..Node::default() }),
        location: false,
        output: Output::Array { strip_nulls: false },
        count: Count::None,
        max_affected: None,
    };
    let ask = Ask::Insert(InsertAsk {
        schema: "public".into(),
        relation: "things".into(),
        columns: vec!["id".into(), "note".into()],
        columns_given: false,
        missing_default: false,
        resolution: None,
        on_conflict: None,
        put: None,
        returning,
    });
    let plan = resolve(&ask, &served.engine.catalog(), Settings::default()).expect("the request fits the table");
    let run = Run {
        session: Session::of_role("service_role"),
        plan: Arc::new(plan),
        literals: Literals::default(),
        payload: Some(Bytes::from(format!(r#"{{"id":{id},"note":"new"}}"#))),
        limits: Limits::within(Duration::from_secs(20), 1 << 20),
        rollback: false,
        timezone: None,
        explain: None,
    };
    served.runtime.block_on(served.engine.run(run))
}

/// From one number of bytes to the next.
fn step() -> usize {
    if std::env::var_os("BASALT_EVERY_BYTE").is_some() { 1 } else { 7 }
}

fn is_lost(error: &RunError) -> bool {
    matches!(error, RunError::Sql(error) if error.state.as_str().starts_with("08"))
}

const SCHEMA: &str = "create table public.fixed (id int primary key, note text);
    insert into public.fixed select n, repeat('word ', 20) || n from generate_series(1, 5) as s (n);
    create table public.things (id int primary key, note text);
    grant select on public.fixed to service_role, anon; grant all on public.things to service_role;";

#[test]
fn a_cut_at_any_byte_is_an_error_or_nothing() {
    let (served, proxy) = behind(SCHEMA);
    let expected = served.read("anon", "fixed").expect("reads").body;
    let (mut tried, mut refused) = (0, 0);
    for is_answer in [true, false] {
        let mut bytes = 1;
        loop {
            proxy.cut_after(bytes, is_answer);
            match served.read("anon", "fixed") {
                Ok(answer) => assert_eq!(answer.body, expected, "cut after {bytes}"),
                Err(error) => {
                    assert!(is_lost(&error), "cut after {bytes}: {error:?}");
                    refused += 1;
                }
            }
            let was_cut = proxy.is_cut(is_answer);
            assert_eq!(served.read("anon", "fixed").expect("the next one").body, expected, "after a cut after {bytes}");
            if !was_cut {
                break;
            }
            (tried, bytes) = (tried + 1, bytes + step());
        }
    }
    println!("{tried} cuts of a read: {refused} errors of a lost connection, all other answers right");
    assert!(tried * step() > 500, "{tried}");
    assert_eq!(refused, 0, "reads are asked again on another connection");
}

#[test]
fn a_write_that_was_acknowledged_is_there_wherever_the_connection_is_cut() {
    let (served, proxy) = behind(SCHEMA);
    insert(&served, 0).expect("inserts");
    let (mut id, mut acknowledged, mut refused, mut there_all_the_same) = (1, 0, 0, 0);
    for is_answer in [true, false] {
        let mut bytes = 1;
        loop {
            proxy.cut_after(bytes, is_answer);
            let result = insert(&served, id);
            let was_cut = proxy.is_cut(is_answer);
            let mut superuser = served.database.superuser().expect("connects");
            // The server ends what lost its client by itself; until then its row may still come.
            let idle = "do $$ begin while exists (select from pg_stat_activity where usename = 'authenticator'
                and datname = current_database() and state <> 'idle') loop perform pg_sleep(0.001); perform pg_stat_clear_snapshot();
                end loop; end $$";
            superuser.batch(idle).expect("at rest");
            let rows = superuser.query_text(&format!("select note from public.things where id = {id}"), &[]).expect("reads");
            match &result {
                Ok(answer) => {
                    assert_eq!(answer.body, format!(r#"[{{"id":{id},"note":"new"}}]"#), "cut after {bytes}");
                    assert_eq!(rows.len(), 1, "acknowledged and not there, cut after {bytes}");
                    acknowledged += 1;
                }
                Err(error) => {
                    assert!(is_lost(error), "cut after {bytes}: {error:?}");
                    there_all_the_same += rows.len();
                    refused += 1;
                }
            }
            id += 1;
            insert(&served, id).unwrap_or_else(|error| panic!("after a cut after {bytes}: {error:?}"));
            id += 1;
            if !was_cut {
                break;
            }
            bytes += step();
        }
    }
    println!(
        "{} cuts of an insert: {acknowledged} acknowledged and there, {refused} errors ({there_all_the_same} there)",
        refused + acknowledged
    );
    assert!(refused * step() > 500, "{refused}");
}

#[test]
fn answers_in_single_bytes_are_answers() {
    let (served, proxy) = behind(SCHEMA);
    let expected = served.read("anon", "fixed").expect("reads").body;
    assert!(proxy.seen().iter().all(|n| *n > 100), "the proxy is in between");
    proxy.shared.piece.store(1, Ordering::SeqCst);
    assert_eq!(served.read("anon", "fixed").expect("reads").body, expected);
    insert(&served, 1).expect("inserts");
}
