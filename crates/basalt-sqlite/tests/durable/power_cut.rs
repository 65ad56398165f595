//! The power is cut at random moments while writers and migrations are at work; what is left is opened as if nothing had happened.
//!
//! Every acknowledged row must be there, every migration wholly there or not at all, and the file as its catalog says. The same with
//! syncs turned off must be found out, which shows that the cuts cut.

use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use basalt_engine::{Engine, RunError, transaction};
use basalt_faultfs::{Cut, Fault, FaultFs};
use basalt_sqlite::{MigrationFile, SqliteEngine, SqliteOptions, Synchronous};
use basalt_types::{SqlError, Value};

use crate::agreement;
use crate::database::{folder, insert, options, run, wait};

const WRITERS: usize = 4;

/// Cuts in one life of the engine; then it is closed and opened again.
const CUTS_PER_LIFE: usize = 10;

/// Lives of one file; then a new one is made.
const LIVES: usize = 3;

const TABLES: &str = "
    create table public.log (writer int not null, n int not null, filler text not null, primary key (writer, n));
    create index log_n on public.log (n);
    create table public.pairs (id int not null, half text not null, primary key (id, half));
    grant all on public.log, public.pairs to service_role;";

/// What the cuts of one run showed.
#[derive(Debug, Default)]
struct Findings {
    cuts: usize,
    /// Cuts while a new file was being made.
    at_birth: usize,
    /// Acknowledged rows, pairs and migrations that were missing afterwards.
    lost: i64,
    /// Files that could not be opened, were not sound or not as their catalog says, and halves of transactions.
    broken: usize,
    /// Rows found though not yet acknowledged: allowed, and a sign that cuts fall in the middle of things.
    early: i64,
    /// Commits that a failing sync undid; their writers tried again.
    failed_commits: usize,
}

/// What had been acknowledged.
#[derive(Debug, Default)]
struct Done {
    rows: [AtomicI64; WRITERS],
    pairs: AtomicI64,
    migrations: AtomicI64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Promise {
    rows: [i64; WRITERS],
    pairs: i64,
    migrations: i64,
}

impl Done {
    fn promise(&self) -> Promise {
        Promise {
            rows: std::array::from_fn(|writer| self.rows[writer].load(Ordering::Acquire)),
            pairs: self.pairs.load(Ordering::Acquire),
            migrations: self.migrations.load(Ordering::Acquire),
        }
    }
}

/// A number that looks random and follows from its seed.
fn scramble(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The migration after `done` others: makes a table, changes it, renames it and drops an older one, in turns.
fn migration(done: i64) -> MigrationFile {
    let table = done / 3;
    let text = match done % 3 {
        0 => format!(
            "create table public.step_{table} (id bigint generated always as identity primary key, note text unique, at timestamptz default now());
             create index step_{table}_at on public.step_{table} (at desc) where note is not null;
             alter table public.step_{table} enable row level security;
             create policy p on public.step_{table} for select using (note <> 'secret');
             insert into public.step_{table} (note) values ('first'), ('second');"
        ),
        1 => format!(
            "alter table public.step_{table} add column extra int default 7, alter column note set not null;
             create unique index step_{table}_extra on public.step_{table} (extra, id);
             alter table public.step_{table} alter column extra type text;
             update public.step_{table} set extra = 'x' where note = 'second';"
        ),
        _ => format!(
            "alter table public.step_{table} rename to done_{table};
             {}
             create table public.child_{table} (id int primary key, step bigint references public.done_{table} (id));
             insert into public.child_{table} values (1, 1);
             drop table public.child_{table};",
            if table < 2 { String::new() } else { format!("drop table public.done_{};", table - 2) }
        ),
    };
    MigrationFile { version: format!("{:014}", done + 1), name: "step".to_owned(), text }
}

/// Runs until this many cuts were looked at.
fn cut_often(synchronous: Synchronous, cuts: usize, seed: u64) -> Findings {
    let mut findings = Findings::default();
    let mut seed = scramble(seed);
    while findings.cuts < cuts {
        let place = folder();
        let path = place.path().join("data.db");
        let fs = FaultFs::register().expect("the faulty disk registers");
        let own = |synchronous| SqliteOptions {
            vfs: Some(fs.vfs_name().to_owned()),
            synchronous,
            checkpoint_pages: 40,
            wal_limit_pages: 120,
            ..options(&path)
        };
        birth(&fs, place.path(), own(Synchronous::Full), &mut findings, seed);
        let done = Done::default();
        for life in 0..LIVES {
            if findings.cuts >= cuts {
                break;
            }
            seed = scramble(seed);
            let engine = SqliteEngine::open(own(synchronous)).unwrap_or_else(|e| panic!("life {life} cannot begin: {e}"));
            let until = cuts.min(findings.cuts + CUTS_PER_LIFE);
            live(&fs, place.path(), &engine, &done, &mut findings, (seed, until));
            engine.close();
        }
    }
    findings
}

/// Makes a new file, with two cuts meanwhile: what is left opens, as a new file or as one that was.
fn birth(fs: &FaultFs, root: &Path, options: SqliteOptions, findings: &mut Findings, seed: u64) {
    let is_open = AtomicBool::new(false);
    thread::scope(|scope| {
        let cutter = scope.spawn(|| {
            let mut cuts = Vec::new();
            for number in 0..2 {
                let target = 1 + scramble(seed ^ number) % 150;
                while fs.counts().writes < target && !is_open.load(Ordering::Acquire) {
                    thread::yield_now();
                }
                cuts.push(fs.cut(seed ^ number));
            }
            cuts
        });
        let engine = SqliteEngine::open(options).expect("a new file opens");
        engine.run_seed(TABLES).expect("the schema applies");
        is_open.store(true, Ordering::Release);
        for cut in cutter.join().expect("the cutter does not panic") {
            findings.at_birth += 1;
            look(&cut, root, Promise::default(), false, findings);
        }
        engine.close();
    });
    fs.forget();
}

/// One life of the engine under load, up to a number of cuts.
fn live(fs: &FaultFs, root: &Path, engine: &SqliteEngine, done: &Done, findings: &mut Findings, (seed, until): (u64, usize)) {
    let is_over = AtomicBool::new(false);
    let failed = AtomicUsize::new(0);
    // Held for reading during each request; the inspector holds it for writing, so that the file does not grow meanwhile.
    let gate = RwLock::new(());
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for writer in 0..WRITERS {
            let (is_over, gate, failed) = (&is_over, &gate, &failed);
            workers.push(scope.spawn(move || {
                let ask = insert("log", &["writer", "n", "filler"]);
                repeat(is_over, gate, failed, &done.rows[writer], |n| {
                    let filler = "x".repeat(usize::try_from(n * 97 % 700).unwrap_or(0));
                    run(engine, &ask, &format!(r#"{{"writer":{writer},"n":{n},"filler":"{filler}"}}"#)).map(drop)
                });
            }));
        }
        workers.push(scope.spawn(|| {
            repeat(&is_over, &gate, &failed, &done.pairs, |n| {
                let work = transaction(engine, move |tx| {
                    tx.query("insert into public.pairs (id, half) values ($1, 'left')", &[Value::Int(n)])?;
                    tx.query("insert into public.pairs (id, half) values ($1, 'right')", &[Value::Int(n)]).map(drop)
                });
                wait(work).map_err(RunError::Sql)
            });
        }));
        workers.push(scope.spawn(|| {
            repeat(&is_over, &gate, &failed, &done.migrations, |n| {
                engine.apply_migration(&migration(n - 1)).map(drop).map_err(|e| RunError::Sql(e.error))
            });
        }));

        for number in findings.cuts..until {
            let seed = scramble(seed ^ number as u64);
            if seed.is_multiple_of(4) {
                fs.inject(Fault::failing_commit().after(seed / 4 % 5));
            }
            let target = fs.counts().writes + 1 + seed / 64 % 60;
            let deadline = Instant::now() + Duration::from_secs(60);
            while fs.counts().writes < target && !workers.iter().any(thread::ScopedJoinHandle::is_finished) {
                assert!(Instant::now() < deadline, "no writer gets on");
                thread::yield_now();
            }
            let promise = done.promise();
            let cut = fs.cut(seed);
            let _closed = gate.write().expect("no panic holds the gate");
            fs.heal();
            look(&cut, root, promise, true, findings);
            findings.cuts += 1;
        }
        is_over.store(true, Ordering::Relaxed);
    });
    findings.failed_commits += failed.into_inner();
}

/// Does numbered work until told to stop, and notes each number once it is acknowledged. What the disk refuses is tried again.
fn repeat(
    is_over: &AtomicBool,
    gate: &RwLock<()>,
    failed: &AtomicUsize,
    done: &AtomicI64,
    work: impl Fn(i64) -> Result<(), RunError>,
) {
    while !is_over.load(Ordering::Relaxed) {
        let _open = gate.read().expect("no panic holds the gate");
        let n = done.load(Ordering::Relaxed) + 1;
        match work(n) {
            Ok(()) => done.store(n, Ordering::Release),
            Err(RunError::Sql(error)) if error.state.as_str() == "58030" => {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(other) => panic!("number {n} is refused: {other:?}"),
        }
    }
}

/// Rebuilds elsewhere, opens with a fresh engine and counts what is missing.
fn look(cut: &Cut, root: &Path, promise: Promise, has_tables: bool, findings: &mut Findings) {
    let place = folder();
    cut.rebuild(root, place.path()).expect("the files can be rebuilt");
    let path = place.path().join("data.db");
    let complaint = match SqliteEngine::open(options(&path)) {
        Ok(engine) => {
            let seen = has_tables.then(|| seen(&engine)).transpose();
            match (seen, agreement::close_and_check(&engine, &path)) {
                (Ok(seen), Ok(())) => seen.and_then(|seen| compare(promise, &seen, findings)),
                (Err(error), _) => Some(error.to_string()),
                (_, Err(complaint)) => Some(complaint),
            }
        }
        Err(error) => Some(error.to_string()),
    };
    if let Some(complaint) = complaint {
        println!("cut with seed {}: {complaint}", cut.seed());
        findings.broken += 1;
    }
}

/// What a rebuilt file holds: per writer how many rows and the highest number, then pairs, then migrations.
struct Seen {
    rows: [(i64, i64); WRITERS],
    /// Rows, and numbers among them.
    pairs: (i64, i64),
    migrations: Vec<i64>,
    steps: i64,
}

fn seen(engine: &SqliteEngine) -> Result<Seen, SqlError> {
    let rows = |sql| wait(basalt_engine::snapshot(engine, move |tx| tx.query(sql, &[])));
    let int = |row: &[Value], n: usize| if let Some(Value::Int(n)) = row.get(n) { *n } else { 0 };
    let mut seen = Seen { rows: [(0, 0); WRITERS], pairs: (0, 0), migrations: Vec::new(), steps: 0 };
    for row in rows("select writer, count(*), max(n) from public.log group by writer")?.rows {
        if let Some(place) = usize::try_from(int(&row, 0)).ok().and_then(|writer| seen.rows.get_mut(writer)) {
            *place = (int(&row, 1), int(&row, 2));
        }
    }
    if let Some(row) = rows("select count(*), count(distinct id) from public.pairs")?.rows.first() {
        seen.pairs = (int(row, 0), int(row, 1));
    }
    seen.migrations = engine.applied_migrations()?.iter().map(|m| m.version.parse().unwrap_or(0)).collect();
    seen.steps = i64::try_from(engine.catalog().relations().filter(|r| is_step(&r.name)).count()).unwrap_or(0);
    Ok(seen)
}

fn is_step(name: &str) -> bool {
    ["step_", "done_", "child_"].iter().any(|p| name.strip_prefix(p).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
}

/// Adds to the findings; answers what is half done.
fn compare(promise: Promise, seen: &Seen, findings: &mut Findings) -> Option<String> {
    let mut missing = |promised: i64, count: i64, last: i64| {
        findings.lost += (promised - count.min(last)).max(0) + (last - count.min(last));
        findings.early += (last - promised).max(0);
    };
    for (promised, (count, last)) in promise.rows.iter().zip(&seen.rows) {
        missing(*promised, *count, *last);
    }
    missing(promise.pairs, seen.pairs.1, seen.pairs.1);
    let migrations = i64::try_from(seen.migrations.len()).unwrap_or(0);
    missing(promise.migrations, migrations, seen.migrations.last().copied().unwrap_or(0));
    // Each third migration makes a table; from the third table on, the one that renames also drops an old one.
    let (made, renamed) = ((migrations + 2) / 3, migrations / 3);
    let expected = made - (renamed - 2).max(0);
    if seen.pairs.0 != 2 * seen.pairs.1 {
        return Some(format!("{} halves of {} pairs", seen.pairs.0, seen.pairs.1));
    }
    (seen.steps != expected).then(|| format!("{} tables after {migrations} migrations, not {expected}", seen.steps))
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn power_cut_loses_nothing_acknowledged() {
    let cuts = usize::try_from(setting("BASALT_CUTS", 20)).expect("a number of cuts");
    let findings = cut_often(Synchronous::Full, cuts, setting("BASALT_SEED", 1));
    println!("power cuts: {findings:?}");
    assert_eq!((findings.cuts, findings.lost, findings.broken), (cuts, 0, 0), "{findings:?}");
}

#[test]
fn power_cut_without_syncs_is_found_out() {
    let findings = cut_often(Synchronous::Off, 20, setting("BASALT_SEED", 1));
    println!("power cuts without syncs: {findings:?}");
    assert!(findings.lost > 0 && findings.broken > 0, "{findings:?}");
}
