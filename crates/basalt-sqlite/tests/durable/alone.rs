//! A request is alone in its failure: one guilty among twenty innocent ones in the same commit, and only the guilty fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use basalt_engine::{Answer, Engine, Limits, Run, RunError, transaction};
use basalt_faultfs::{Fault, FileKind};
use basalt_plan::ask::Ask;

use crate::database::{Database, PATIENCE, code, insert, request, update_all, wait};

/// Innocent requests, half of them before the guilty one.
const INNOCENT: usize = 20;
const GUILTY: usize = 10;

const TABLES: &str = "
    create table public.t (id int primary key, note text not null, unique (note));
    create table public.parents (id int primary key);
    create table public.children (id int primary key, parent int not null,
        constraint late foreign key (parent) references public.parents (id) deferrable initially deferred,
        constraint positive check (id > 0));
    create table public.strict (id int primary key, parent int not null references public.parents (id));
    create table public.heavy (id int primary key, filler text not null);
    insert into public.parents values (1);
    insert into public.t values (1000, 'taken');
    grant all on all tables in schema public to service_role;";

/// A row of `starts` brings more rows than any machine stores before a deadline.
const ENDLESS: &str = "
    create table public.starts (id int primary key);
    create table public.endless (id int);
    create function public.begin_it() returns trigger language plpgsql as $$
    begin
        insert into public.endless select b.n from generate_series(1, 100000) as a (n), generate_series(1, 100000) as b (n);
        return new;
    end $$;
    create trigger begin_it after insert on public.starts for each row execute function public.begin_it();
    grant all on public.starts, public.endless to service_role;";

/// Fills `heavy` with rows of 400 bytes, numbered from `first` to `last`.
fn fill(db: &Database, first: u32, last: u32) {
    let sql = format!("insert into public.heavy select n, repeat('x', 400) from generate_series({first}, {last}) as s (n);");
    db.engine.run_seed(&sql).expect("the rows are stored");
}

/// Holds the writer until told to go on, so that what is queued meanwhile is one batch.
struct Holder {
    go: Arc<(Mutex<bool>, Condvar)>,
}

impl Holder {
    fn new() -> Self {
        Self { go: Arc::default() }
    }

    fn hold(&self, db: &Database) {
        let (go, is_held) = (Arc::clone(&self.go), Arc::new((Mutex::new(false), Condvar::new())));
        let held = Arc::clone(&is_held);
        let engine = Arc::clone(&db.engine);
        thread::spawn(move || {
            let work = transaction(&*engine, move |_| {
                *held.0.lock().expect("no panic holds it") = true;
                held.1.notify_all();
                let free = go.0.lock().expect("no panic holds it");
                let _free = go.1.wait_while(free, |free| !*free).expect("no panic holds it");
                Ok(())
            });
            wait(work).expect("an empty transaction commits");
        });
        let held = is_held.0.lock().expect("no panic holds it");
        let (_held, timeout) = is_held.1.wait_timeout_while(held, PATIENCE, |held| !*held).expect("no panic holds it");
        assert!(!timeout.timed_out(), "the writer never came to the holder");
    }

    fn release(&self) {
        *self.go.0.lock().expect("no panic holds it") = true;
        self.go.1.notify_all();
    }
}

fn queued(db: &Database) -> usize {
    let gauges = db.engine.figures().gauges;
    let (_, length) = gauges.iter().find(|(name, _)| *name == "writer_queue_length").expect("a figure of this name");
    format!("{length}").parse().expect("a whole number")
}

/// Runs the innocent inserts with the guilty request in their middle, all queued before the first is begun. `arm` is called when they are.
fn among_innocents(
    db: &Database,
    guilty: &Ask,
    payload: &str,
    within: Duration,
    arm: impl FnOnce(),
) -> Vec<Result<Answer, RunError>> {
    let innocent = insert("t", &["id", "note"]);
    let make = |number: usize| match number {
        GUILTY => request(&db.engine, guilty, payload, within),
        _ => request(&db.engine, &innocent, &format!(r#"{{"id":{number},"note":"note {number}"}}"#), PATIENCE),
    };
    in_one_batch(db, &make, arm)
}

/// Runs what `make` makes, all queued before the first is begun.
fn in_one_batch(db: &Database, make: &(dyn Fn(usize) -> Run + Sync), arm: impl FnOnce()) -> Vec<Result<Answer, RunError>> {
    let holder = Holder::new();
    holder.hold(db);
    let answers = thread::scope(|scope| {
        let mut threads = Vec::new();
        for number in 0..=INNOCENT {
            threads.push(scope.spawn(move || wait(db.engine.run(make(number)))));
            let deadline = Instant::now() + PATIENCE;
            while queued(db) <= number {
                assert!(Instant::now() < deadline, "request {number} was not queued");
                thread::yield_now();
            }
        }
        arm();
        holder.release();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    db.fs.heal();
    answers
}

/// Every innocent request was answered well and is stored; the guilty one has its own error.
fn only_the_guilty(db: &Database, answers: &[Result<Answer, RunError>], expected: &str) {
    for (number, answer) in answers.iter().enumerate() {
        let should = if number == GUILTY { expected } else { "00000" };
        assert_eq!(code(answer), should, "request {number}: {answer:?}");
    }
    assert_eq!(db.number("select count(*) from public.t where id < 1000"), 20);
}

#[test]
fn an_error_of_one_request_is_not_its_neighbours() {
    let cases: [(&str, &[&str], &str, &str); 6] = [
        ("children", &["id", "parent"], r#"{"id":1,"parent":99}"#, "23503"),
        ("strict", &["id", "parent"], r#"{"id":1,"parent":99}"#, "23503"),
        ("children", &["id", "parent"], r#"{"id":-1,"parent":1}"#, "23514"),
        ("children", &["id"], r#"{"id":1}"#, "23502"),
        ("t", &["id", "note"], r#"{"id":77,"note":"taken"}"#, "23505"),
        ("t", &["id", "note"], r#"[{"id":50,"note":"first"},{"id":51,"note":"first"}]"#, "23505"),
    ];
    for (table, columns, payload, expected) in cases {
        let db = Database::new(TABLES);
        let commits = db.counter("commits");
        let answers = among_innocents(&db, &insert(table, columns), payload, PATIENCE, || {});
        only_the_guilty(&db, &answers, expected);
        assert_eq!(db.counter("commits") - commits, 2, "the holder's and one for all: they were in one batch");
        assert_eq!(db.number("select count(*) from public.children") + db.number("select count(*) from public.strict"), 0);
        db.close_and_check();
    }
}

#[test]
fn a_batch_runs_again_with_savepoints_when_a_tried_program_fails_after_writing() {
    let db = Database::new(TABLES);
    // One plan each, as clients that ask the same again, and each has succeeded before.
    let bad = request(&db.engine, &insert("strict", &["id", "parent"]), r#"{"id":1,"parent":1}"#, PATIENCE);
    let good = request(&db.engine, &insert("t", &["id", "note"]), r#"{"id":999,"note":"first"}"#, PATIENCE);
    assert_eq!(code(&wait(db.engine.run(bad.clone()))), "00000");
    assert_eq!(code(&wait(db.engine.run(good.clone()))), "00000");
    // 99 is no parent; the second time the program is known to fail so, and has its own savepoint from the beginning.
    for (turn, repeated) in [(0, GUILTY as u64 + 1), (1, 0)] {
        let (before, commits) = (db.counter("writes_repeated"), db.counter("commits"));
        let make = |number: usize| match number {
            GUILTY => Run { payload: Some(r#"{"id":2,"parent":99}"#.into()), ..bad.clone() },
            _ => Run { payload: Some(format!(r#"{{"id":{0},"note":"note {0}"}}"#, turn * 100 + number).into()), ..good.clone() },
        };
        let answers = in_one_batch(&db, &make, || {});
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(code(answer), if number == GUILTY { "23503" } else { "00000" }, "request {number}: {answer:?}");
        }
        assert_eq!(db.counter("writes_repeated") - before, repeated, "turn {turn}");
        assert_eq!(db.counter("commits") - commits, 2, "the holder's and one for all");
    }
    assert_eq!(db.number("select count(*) from public.t where id < 999"), 2 * INNOCENT as i64);
    assert_eq!(db.number("select count(*) from public.strict"), 1);
    db.close_and_check();
}

#[test]
fn a_failure_before_the_first_change_takes_nothing_back() {
    let db = Database::new(TABLES);
    let good = request(&db.engine, &insert("t", &["id", "note"]), r#"{"id":1999,"note":"first"}"#, PATIENCE);
    assert_eq!(code(&wait(db.engine.run(good.clone()))), "00000");
    let before = db.counter("writes_repeated");
    let make = |number: usize| {
        let note = if number == GUILTY { "taken".to_owned() } else { format!("note {number}") };
        Run { payload: Some(format!(r#"{{"id":{number},"note":"{note}"}}"#).into()), ..good.clone() }
    };
    let answers = in_one_batch(&db, &make, || {});
    only_the_guilty(&db, &answers[..], "23505");
    assert_eq!(db.counter("writes_repeated"), before);
    db.close_and_check();
}

#[test]
fn a_deferred_key_that_is_satisfied_in_the_end_is_no_error() {
    let db = Database::new(TABLES);
    let answers = among_innocents(&db, &insert("children", &["id", "parent"]), r#"{"id":1,"parent":1}"#, PATIENCE, || {});
    only_the_guilty(&db, &answers, "00000");
    db.close_and_check();
}

#[test]
fn a_deadline_in_the_middle_of_a_batch_ends_one_request() {
    let db = Database::new(&format!("{TABLES}{ENDLESS}"));
    let answers = among_innocents(&db, &insert("starts", &["id"]), r#"{"id":1}"#, Duration::from_millis(300), || {});
    only_the_guilty(&db, &answers, "57014");
    assert_eq!(db.number("select count(*) from public.starts"), 0);
    assert_eq!(db.number("select count(*) from public.endless"), 0);
    db.close_and_check();
}

#[test]
fn a_request_that_needs_more_room_than_there_is_fails_alone() {
    let db = Database::new(TABLES);
    fill(&db, 1, 5_000);
    let ask = update_all("heavy", &["filler"]);
    let payload = format!(r#"{{"filler":"{}"}}"#, "y".repeat(400));
    // Room for the innocent, not for two megabytes.
    let log = std::fs::metadata(db.path().with_extension("db-wal")).map_or(0, |m| m.len());
    let room = log + (600 << 10);
    let arm = || db.fs.inject(Fault::disk_full().only(FileKind::Wal).beyond(room));
    let answers = among_innocents(&db, &ask, &payload, PATIENCE, arm);
    only_the_guilty(&db, &answers, "53100");
    assert_eq!(db.number("select count(*) from public.heavy where filler like 'y%'"), 0);
    db.close_and_check();
}

#[test]
fn a_commit_that_fails_once_is_no_request_s_error() {
    let db = Database::new(TABLES);
    let arm = || db.fs.inject(Fault::failing_commit());
    let answers = among_innocents(&db, &insert("parents", &["id"]), r#"{"id":2}"#, PATIENCE, arm);
    only_the_guilty(&db, &answers, "00000");
    assert_eq!(db.counter("writes_repeated"), 21, "all ran again, one by one");
    db.close_and_check();
}

#[test]
fn a_commit_that_fails_for_one_request_fails_that_one() {
    let db = Database::new(TABLES);
    // The common commit fails, then the first request's own: that one is the guilty here.
    let arm = || db.fs.inject(Fault::failing_commit().times(2));
    let answers = among_innocents(&db, &insert("parents", &["id"]), r#"{"id":2}"#, PATIENCE, arm);
    let codes: Vec<&str> = answers.iter().map(code).collect();
    assert_eq!((codes[0], codes[1..].iter().all(|c| *c == "00000")), ("58030", true), "{codes:?}");
    assert_eq!(db.number("select count(*) from public.t where id < 1000"), 19);
    assert_eq!(db.number("select count(*) from public.t where id = 0"), 0, "what failed is not stored");
    db.close_and_check();
}

#[test]
fn short_writes_go_on_while_long_ones_queue() {
    const SHORT: u64 = 60;
    let db = Database::new(&format!("{TABLES}{ENDLESS}"));
    let is_over = AtomicBool::new(false);
    let before = db.counter("writes_long");
    // One plan each, as clients that ask the same again: what a plan took before is what counts.
    let long = request(&db.engine, &insert("starts", &["id"]), r#"{"id":1}"#, PATIENCE);
    let short = request(&db.engine, &insert("t", &["id", "note"]), "", PATIENCE);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let limits = Limits::within(Duration::from_millis(300), 1 << 20);
                    let run = Run { limits, ..long.clone() };
                    assert_eq!(code(&wait(db.engine.run(run))), "57014");
                }
            });
        }
        let deadline = Instant::now() + PATIENCE;
        while db.counter("writes_long") == before && Instant::now() < deadline {
            thread::yield_now();
        }
        for number in 0..SHORT {
            let payload = format!(r#"{{"id":{number},"note":"note {number}"}}"#);
            let run = Run { payload: Some(payload.into()), ..short.clone() };
            assert_eq!(code(&wait(db.engine.run(run))), "00000", "request {number}");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let long = db.counter("writes_long") - before;
    assert!(long > 0, "nothing was long");
    assert!(long < SHORT / 2, "{long} long writes went between {SHORT} short ones");
    db.close_and_check();
}
