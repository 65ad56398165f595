//! Failing disks: the guilty statement fails, nothing is half done, and all goes on after healing.

use basalt_faultfs::{Fault, FaultFs, FileKind, Operations};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tempfile::TempDir;

fn database(fs: &FaultFs) -> (TempDir, Connection) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let connection = fs.open(&directory.path().join("data.db")).expect("opens");
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (n INT, filler BLOB)")
        .expect("schema");
    (directory, connection)
}

fn insert(connection: &Connection, n: u32) -> rusqlite::Result<usize> {
    connection.execute("INSERT INTO t VALUES (?1, zeroblob(3000))", [n])
}

fn count(connection: &Connection) -> u32 {
    connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counts")
}

fn extended_code(result: rusqlite::Result<usize>) -> i32 {
    match result {
        Err(rusqlite::Error::SqliteFailure(error, _)) => error.extended_code,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn assert_sound(connection: &Connection) {
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(verdict, "ok");
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let fs = FaultFs::register().expect("registers");
    let (_directory, connection) = database(&fs);
    insert(&connection, 1).expect("inserts");
    fs.inject(Fault::disk_full());
    for n in 2..5 {
        let error = insert(&connection, n).expect_err("full");
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
        assert_eq!(count(&connection), 1, "reads go on");
    }
    assert_eq!(fs.counts().failed, 3);
    fs.heal();
    insert(&connection, 5).expect("recovers without reopening");
    assert_eq!(count(&connection), 2);
    assert_sound(&connection);
}

#[test]
fn a_disk_may_fill_in_the_middle_of_a_transaction() {
    let fs = FaultFs::register().expect("registers");
    let (directory, connection) = database(&fs);
    for after in 0..12 {
        fs.inject(Fault::disk_full().after(after).times(1));
        let stored = connection.execute("INSERT INTO t VALUES (?1, zeroblob(20000))", [i64::try_from(after).expect("small")]);
        fs.heal();
        assert!(stored.is_err() || after > 4, "the transaction takes more than {after} writes");
    }
    let before = count(&connection);
    insert(&connection, 99).expect("recovers");
    assert_sound(&connection);
    drop(connection);
    let again = fs.open(&directory.path().join("data.db")).expect("reopens");
    assert_eq!(count(&again), before + 1);
    assert_sound(&again);
}

#[test]
fn one_commit_fails_and_the_next_succeeds() {
    let fs = FaultFs::register().expect("registers");
    let (_directory, connection) = database(&fs);
    insert(&connection, 1).expect("inserts");
    fs.inject(Fault::failing_commit());
    connection.execute_batch("BEGIN IMMEDIATE").expect("begins");
    insert(&connection, 2).expect("writes into the cache");
    assert_eq!(extended_code(connection.execute("COMMIT", [])), ffi::SQLITE_IOERR_FSYNC);
    assert!(connection.is_autocommit(), "SQLite has rolled the transaction back");
    insert(&connection, 3).expect("the fault has ended by itself");
    assert_eq!(count(&connection), 2);
    assert_sound(&connection);
}

#[test]
fn io_errors_bear_the_operation_s_code() {
    let fs = FaultFs::register().expect("registers");
    let (_directory, connection) = database(&fs);
    fs.inject(Fault::io_error());
    assert_eq!(extended_code(insert(&connection, 1)), ffi::SQLITE_IOERR_WRITE);
    fs.inject(Fault { on: Operations::SYNCS, ..Fault::io_error() }.only(FileKind::Database));
    insert(&connection, 2).expect("the log is not concerned");
    let checkpoint = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(0));
    assert_eq!(extended_code(checkpoint), ffi::SQLITE_IOERR_FSYNC);
    fs.heal();
    assert_eq!(count(&connection), 1);
    assert_sound(&connection);
}

#[test]
fn a_uri_names_the_vfs() {
    let fs = FaultFs::register().expect("registers");
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("with space & sign.db");
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(fs.open_uri(&path), flags).expect("opens");
    connection.execute_batch("CREATE TABLE t (n)").expect("writes");
    assert!(path.exists());
    let counts = fs.counts();
    assert!(
        counts.creates >= 2 && counts.writes > 0 && counts.syncs > 0 && counts.deletes > 0,
        "database and journal: {counts:?}"
    );
}

#[test]
fn two_recorders_do_not_meet() {
    let (one, other) = (FaultFs::register().expect("registers"), FaultFs::register().expect("registers"));
    assert_ne!(one.vfs_name(), other.vfs_name());
    let (_directory, connection) = database(&one);
    assert_eq!(other.counts(), basalt_faultfs::Counts::default());
    other.inject(Fault::disk_full());
    insert(&connection, 1).expect("the other's fault does not concern us");
}

#[test]
fn a_server_s_settings_work() {
    let fs = FaultFs::register().expect("registers");
    let (directory, writer) = database(&fs);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags_and_vfs(directory.path().join("data.db"), flags, fs.vfs_name()).expect("opens");
    reader.execute_batch("PRAGMA mmap_size = 268435456; PRAGMA cache_size = -1000").expect("settings, mapping without effect");
    reader.execute_batch("BEGIN").expect("begins");
    assert_eq!(count(&reader), 0);
    insert(&writer, 1).expect("inserts");
    assert_eq!(count(&reader), 0, "the snapshot stays");
    reader.execute_batch("COMMIT").expect("ends");
    assert_eq!(count(&reader), 1, "both share one index of the log");
}
