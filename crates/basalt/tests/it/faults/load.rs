//! Requests that go on while something happens to the database, and what they must never be told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use basalt_testkit::http::{Request, Response};
use basalt_testkit::process::TestServer;
use parking_lot::Mutex;
use serde_json::Value;

use crate::support::{PUBLISHABLE_KEY, expect, service};

/// What is waited for comes within this time, or the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rows of one write: they are all there, or none of them is.
pub const PARTS: usize = 3;

const WRITERS: usize = 3;

const FIXED: &str = "/rest/v1/fixed?select=*&order=id";

/// Codes of errors that say nothing of the request, and of statements that were ended. PostgREST's for a database that is away, a connection
/// that was lost, and a pool without one; PostgreSQL's for a statement that took too long, a server that goes away, a full disk.
const CLEAR: [&str; 9] = ["PGRST000", "PGRST001", "PGRST003", "57014", "57P01", "57P02", "57P03", "53100", "unexpected_failure"];

/// What a writer was told of its writes, by their number.
#[derive(Debug, Default)]
struct Written {
    acknowledged: Vec<u64>,
    /// Failed: they may be there all the same, where the answer was lost.
    failed: Vec<u64>,
}

/// Requests of every kind, one after the other on each thread, until it is dropped.
pub struct Load<'s> {
    pub server: &'s TestServer,
    /// Whether functions can be called.
    has_functions: bool,
    written: [Mutex<Written>; WRITERS],
    /// Answers of the readers.
    reads: [AtomicU64; 3],
    /// Failures of each writer, and of each reader.
    failures: [AtomicU64; WRITERS + 3],
    /// Errors by their code.
    errors: Mutex<BTreeMap<String, u64>>,
    is_over: AtomicBool,
    fixed: Vec<u8>,
}

/// Ends the load with any of its threads, and however the test goes on.
struct End<'l>(&'l AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for something.
#[track_caller]
pub fn until(what: &str, server: &TestServer, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}\n{}", last(&server.logs()));
        thread::sleep(Duration::from_millis(2));
    }
}

fn last(logs: &str) -> &str {
    let from = logs.len().saturating_sub(6000);
    logs.get(from..).unwrap_or(logs)
}

impl<'s> Load<'s> {
    /// Keeps the server busy, first undisturbed, while `meanwhile` runs, and until everything works again. What writers were told is then compared with what
    /// `stored` has: how many rows there are of each writer's numbers.
    pub fn during(
        server: &'s TestServer,
        has_functions: bool,
        meanwhile: impl FnOnce(&Load<'_>),
        stored: impl FnOnce() -> BTreeMap<(usize, u64), usize>,
    ) -> String {
        let load = Load {
            server,
            has_functions,
            written: Default::default(),
            reads: Default::default(),
            failures: Default::default(),
            errors: Mutex::default(),
            is_over: AtomicBool::new(false),
            fixed: expect(server, &service("GET", FIXED), 200).body,
        };
        thread::scope(|scope| {
            let _end = End(&load.is_over);
            for writer in 0..WRITERS {
                let load = &load;
                scope.spawn(move || load.write(writer));
            }
            for reader in 0..load.reads.len() {
                let load = &load;
                scope.spawn(move || load.read(reader));
            }
            load.goes_on();
            meanwhile(&load);
            load.goes_on();
        });
        load.check(&stored())
    }

    /// Waits until every thread has had good answers from now on.
    #[track_caller]
    pub fn goes_on(&self) {
        self.writes_go_on();
        self.reads_go_on();
    }

    #[track_caller]
    fn writes_go_on(&self) {
        let acknowledged = || self.written.each_ref().map(|w| w.lock().acknowledged.len());
        let before = acknowledged();
        until("writes go on", self.server, || {
            self.is_over() || acknowledged().iter().zip(&before).all(|(now, then)| *now > then + 2)
        });
    }

    /// The same for those that read.
    #[track_caller]
    pub fn reads_go_on(&self) {
        let reads = || self.reads.each_ref().map(|n| n.load(Ordering::Relaxed));
        let before = reads();
        until("reads go on", self.server, || self.is_over() || reads().iter().zip(&before).all(|(now, then)| *now > then + 2));
    }

    /// How many errors there were with one of these codes.
    pub fn errors(&self, codes: &[&str]) -> u64 {
        let errors = self.errors.lock();
        codes.iter().filter_map(|code| errors.get(*code)).sum()
    }

    /// Waits for more errors of these codes.
    #[track_caller]
    pub fn fails_with(&self, codes: &[&str], times: u64) {
        let before = self.errors(codes);
        until("errors", self.server, || self.is_over() || self.errors(codes) >= before + times);
    }

    /// Waits until every thread was told so: none is left without an answer.
    #[track_caller]
    pub fn fails_everywhere(&self) {
        let failures = || self.failures.each_ref().map(|n| n.load(Ordering::Relaxed));
        let before = failures();
        until("errors for all", self.server, || self.is_over() || failures().iter().zip(&before).all(|(now, then)| now > then));
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// A request that is answered as it should be (`Some`), or with a clear error.
    fn ask(&self, request: &Request, status: u16) -> Option<Response> {
        let answer = self.server.send(request).unwrap_or_else(|e| panic!("{} {}: {e}", request.method, request.target));
        let good = answer.status == status;
        if !good {
            let text = answer.text();
            assert!((500..600).contains(&answer.status), "{} {}: {} {text}", request.method, request.target, answer.status);
            let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("an error without JSON: {text}"));
            let code = ["error_code", "code"].iter().find_map(|name| body[name].as_str()).unwrap_or_default();
            assert!(CLEAR.contains(&code), "{} {}: {} {text}", request.method, request.target, answer.status);
            assert!(!text.contains("basalt-pg-") && !text.contains("/tmp"), "it names a file: {text}");
            assert!(answer.status != 503 || answer.header("retry-after").is_some(), "503 without Retry-After: {text}");
            *self.errors.lock().entry(code.to_owned()).or_default() += 1;
        }
        good.then_some(answer)
    }

    fn write(&self, writer: usize) {
        let _end = End(&self.is_over);
        let filler = "x".repeat(500);
        for n in 1.. {
            if self.is_over() {
                return;
            }
            let is_call = self.has_functions && writer == 0;
            let acknowledged = if is_call {
                let body = format!(r#"{{"writer":{writer},"n":{n},"filler":"{filler}"}}"#);
                self.ask(&service("POST", "/rest/v1/rpc/note").json(&body), 200)
            } else {
                let row = |part| format!(r#"{{"writer":{writer},"n":{n},"part":{part},"filler":"{filler}"}}"#);
                let rows: Vec<String> = (1..=PARTS).map(row).collect();
                self.ask(&service("POST", "/rest/v1/log").json(&format!("[{}]", rows.join(","))), 201)
            };
            let mut written = self.written[writer].lock();
            if acknowledged.is_some() {
                written.acknowledged.push(n)
            } else {
                written.failed.push(n)
            }
            self.failures[writer].fetch_add(u64::from(acknowledged.is_none()), Ordering::Relaxed);
        }
    }

    fn read(&self, reader: usize) {
        let _end = End(&self.is_over);
        while !self.is_over() {
            let is_good = match reader {
                0 => {
                    let request = Request::new("GET", FIXED).header("apikey", PUBLISHABLE_KEY);
                    self.ask(&request, 200)
                        .inspect(|answer| assert!(answer.body == self.fixed, "another answer: {}", answer.text()))
                        .is_some()
                }
                // What was acknowledged is there.
                1 => self.written.iter().enumerate().all(|(writer, written)| {
                    let Some(n) = written.lock().acknowledged.last().copied() else { return false };
                    let target = format!("/rest/v1/log?select=part&writer=eq.{writer}&n=eq.{n}&order=part");
                    let answer = self.ask(&service("GET", &target), 200);
                    let rows = |answer: &Response| answer.text().matches("part").count();
                    answer.inspect(|a| assert_eq!(rows(a), PARTS, "{target}: {}", a.text())).is_some()
                }),
                // Another service, over connections of its own.
                _ => self.ask(&service("GET", "/auth/v1/admin/users?per_page=1"), 200).is_some(),
            };
            self.reads[reader].fetch_add(u64::from(is_good), Ordering::Relaxed);
            self.failures[WRITERS + reader].fetch_add(u64::from(!is_good), Ordering::Relaxed);
        }
    }

    fn check(&self, stored: &BTreeMap<(usize, u64), usize>) -> String {
        let (mut acknowledged, mut failed, mut there_all_the_same) = (0, 0, 0);
        let mut known = 0;
        for (writer, written) in self.written.iter().enumerate() {
            let written = written.lock();
            for n in &written.acknowledged {
                assert_eq!(stored.get(&(writer, *n)), Some(&PARTS), "writer {writer} was told that {n} is stored");
            }
            for n in &written.failed {
                let count = stored.get(&(writer, *n)).copied().unwrap_or(0);
                assert!(count == 0 || count == PARTS, "writer {writer}: {count} rows of {n}");
                there_all_the_same += usize::from(count > 0);
            }
            acknowledged += written.acknowledged.len();
            failed += written.failed.len();
        }
        known += acknowledged + there_all_the_same;
        assert_eq!(stored.len(), known, "rows that nobody wrote");
        let reads: u64 = self.reads.iter().map(|n| n.load(Ordering::Relaxed)).sum();
        format!(
            "{acknowledged} writes acknowledged and there, {failed} failed ({there_all_the_same} there, whole), {reads} reads; errors {:?}",
            self.errors.lock()
        )
    }
}
