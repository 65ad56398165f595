//! Cuts under concurrent writers.

use basalt_faultfs::{Cut, FaultFs};
use rusqlite::Connection;
use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How a database is kept while it is cut.
#[derive(Clone, Copy)]
struct Setup {
    journal_mode: &'static str,
    synchronous: &'static str,
    writers: usize,
}

/// What the cuts of one run showed.
#[derive(Debug, Default)]
struct Findings {
    cuts: usize,
    /// Acknowledged rows that were missing afterwards.
    lost: i64,
    /// Databases that could not be read, or whose integrity check complained.
    broken: usize,
    /// Rows found though not yet acknowledged: allowed, and a sign that cuts fall in the middle of things.
    early: i64,
}

fn open(fs: &FaultFs, path: &Path, setup: Setup) -> Connection {
    let connection = fs.open(path).expect("opens");
    connection.busy_timeout(Duration::from_secs(20)).expect("busy timeout");
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode={}; PRAGMA synchronous={}; PRAGMA wal_autocheckpoint=40;",
            setup.journal_mode, setup.synchronous
        ))
        .expect("settings");
    connection
}

/// Writers insert numbered rows until told to stop; each notes a number once its commit has returned.
fn run(setup: Setup, rounds: u64, cuts_per_round: u64) -> Findings {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("data.db");
    let fs = FaultFs::register().expect("registers");
    {
        let connection = open(&fs, &path, setup);
        connection
            .execute_batch(
                "CREATE TABLE log (writer INT, n INT, filler BLOB, PRIMARY KEY (writer, n)); CREATE INDEX log_n ON log (n);",
            )
            .expect("schema");
    }
    // The schema is synced in every mode, so that only rows can be missing.
    open(&fs, &path, setup).query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(())).expect("checkpoints");
    let acknowledged: Vec<AtomicI64> = (0..setup.writers).map(|_| AtomicI64::new(0)).collect();
    let mut findings = Findings::default();
    for round in 0..rounds {
        // Every connection is closed between rounds, so that the log is deleted and made anew.
        let is_over = AtomicBool::new(false);
        // Held for reading during each commit; the inspector holds it for writing, so that the file does not grow meanwhile.
        let gate = RwLock::new(());
        thread::scope(|scope| {
            let workers: Vec<_> = acknowledged
                .iter()
                .zip(0_i64..)
                .map(|(done, writer)| {
                    let (fs, path, is_over, gate) = (&fs, &path, &is_over, &gate);
                    scope.spawn(move || {
                        let connection = open(fs, path, setup);
                        while !is_over.load(Ordering::Relaxed) {
                            let _open = gate.read().expect("no panic holds the gate");
                            let n = done.load(Ordering::Relaxed) + 1;
                            let filler = vec![b'x'; (n as usize * 97) % 400];
                            connection.execute("INSERT INTO log VALUES (?1, ?2, ?3)", (writer, n, filler)).expect("inserts");
                            done.store(n, Ordering::Release);
                        }
                    })
                })
                .collect();
            for number in 0..cuts_per_round {
                let seed = round * 1000 + number;
                let target = fs.counts().writes + 1 + seed * 31 % 40;
                let deadline = Instant::now() + Duration::from_secs(30);
                while fs.counts().writes < target
                    && Instant::now() < deadline
                    && !workers.iter().any(thread::ScopedJoinHandle::is_finished)
                {
                    thread::yield_now();
                }
                let promised: Vec<i64> = acknowledged.iter().map(|done| done.load(Ordering::Acquire)).collect();
                let cut = fs.cut(seed);
                let _closed = gate.write().expect("no panic holds the gate");
                inspect(&cut, directory.path(), &promised, &mut findings);
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
    findings
}

/// Rebuilds elsewhere and looks with a plain SQLite.
fn inspect(cut: &Cut, root: &Path, promised: &[i64], findings: &mut Findings) {
    let place = tempfile::tempdir().expect("temporary directory");
    cut.rebuild(root, place.path()).expect("rebuilds");
    findings.cuts += 1;
    let looked = (|| -> rusqlite::Result<(String, Vec<(i64, i64)>)> {
        let connection = Connection::open(place.path().join("data.db"))?;
        let verdict = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        let mut statement = connection.prepare("SELECT count(*), coalesce(max(n), 0) FROM log WHERE writer = ?1")?;
        let found =
            (0_i64..).zip(promised).map(|(writer, _)| statement.query_row([writer], |row| Ok((row.get(0)?, row.get(1)?))));
        Ok((verdict, found.collect::<rusqlite::Result<_>>()?))
    })();
    match looked {
        Ok((verdict, found)) if verdict == "ok" => {
            for ((count, last), promise) in found.into_iter().zip(promised) {
                findings.lost += (promise - count.min(last)).max(0) + (last - count.min(last));
                findings.early += (last - promise).max(0);
            }
        }
        other => {
            eprintln!("seed {}: {other:?}", cut.seed());
            findings.broken += 1;
        }
    }
}

#[test]
fn wal_with_full_sync_loses_nothing_acknowledged() {
    let findings = run(Setup { journal_mode: "WAL", synchronous: "FULL", writers: 4 }, 10, 20);
    assert_eq!(findings.cuts, 200);
    assert_eq!((findings.lost, findings.broken), (0, 0), "{findings:?}");
}

#[test]
fn wal_without_sync_is_caught() {
    let findings = run(Setup { journal_mode: "WAL", synchronous: "OFF", writers: 4 }, 2, 20);
    assert!(findings.lost > 0, "{findings:?}");
    assert!(findings.broken > 0, "a checkpoint without syncs tears the database: {findings:?}");
}

#[test]
fn wal_with_normal_sync_is_sound_but_loses() {
    let findings = run(Setup { journal_mode: "WAL", synchronous: "NORMAL", writers: 2 }, 2, 20);
    assert!(findings.lost > 0, "{findings:?}");
    assert_eq!(findings.broken, 0, "{findings:?}");
}

#[test]
fn a_rollback_journal_with_extra_sync_loses_nothing() {
    let findings = run(Setup { journal_mode: "DELETE", synchronous: "EXTRA", writers: 2 }, 2, 25);
    assert_eq!((findings.lost, findings.broken), (0, 0), "{findings:?}");
}

#[test]
fn a_rollback_journal_whose_deletion_is_not_synced_may_come_back() {
    let findings = run(Setup { journal_mode: "DELETE", synchronous: "FULL", writers: 1 }, 2, 40);
    assert!(findings.lost > 0, "the directory entry of the journal is not durable: {findings:?}");
    assert_eq!(findings.broken, 0, "{findings:?}");
}
