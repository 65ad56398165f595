//! Full and failing disks: nothing is acknowledged that is not stored, reads go on, and all is well again without a restart.

use basalt_engine::{Engine, RunError};
use basalt_faultfs::{Fault, FaultFs, FileKind, Operations};
use basalt_sqlite::{MigrationFile, SqliteEngine, SqliteOptions};

use crate::agreement;
use crate::database::{Database, code, folder, insert, options, run};

const TABLES: &str = "create table public.t (id int primary key, filler text not null);
    create index t_filler on public.t (filler);
    grant all on public.t to service_role;";

fn put(db: &Database, id: u32, length: usize) -> Result<(), RunError> {
    let payload = format!(r#"{{"id":{id},"filler":"{}"}}"#, "x".repeat(length));
    run(&db.engine, &insert("t", &["id", "filler"]), &payload).map(drop)
}

fn stored(db: &Database) -> i64 {
    db.number("select count(*) from public.t")
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let db = Database::new(TABLES);
    put(&db, 1, 100).expect("there is room");
    db.fs.inject(Fault::disk_full());
    for id in 2..10 {
        let refused = put(&db, id, 100);
        assert_eq!(code(&refused), "53100", "{refused:?}");
        assert_eq!(stored(&db), 1, "reads go on");
    }
    db.fs.heal();
    put(&db, 20, 100).expect("there is room again, and nothing was started anew");
    assert!(db.engine.is_ready());
    assert_eq!((stored(&db), db.number("select max(id) from public.t")), (2, 20));
    db.close_and_check();
}

#[test]
fn writers_at_once_on_a_full_disk_all_hear_of_it() {
    let db = Database::new(TABLES);
    db.fs.inject(Fault::disk_full());
    std::thread::scope(|scope| {
        let put = |id| put(&db, id, 2000);
        let writers: Vec<_> = (0..20).map(|id| scope.spawn(move || put(id))).collect();
        for writer in writers {
            assert_eq!(code(&writer.join().expect("no panic")), "53100");
        }
    });
    db.fs.heal();
    assert_eq!(stored(&db), 0);
    std::thread::scope(|scope| {
        let put = |id| put(&db, id, 2000);
        let writers: Vec<_> = (0..20).map(|id| scope.spawn(move || put(id))).collect();
        for writer in writers {
            writer.join().expect("no panic").expect("there is room again");
        }
    });
    assert_eq!(stored(&db), 20);
    db.close_and_check();
}

/// Whatever operation fails, a request's answer and the file agree, at once and after the engine was opened again.
/// The fault strikes after 0 to `span` - 1 operations of its kind.
fn answers_are_true(fault: Fault, expected: &str, length: usize, span: u64) {
    let db = Database::with(TABLES, |options| SqliteOptions { checkpoint_pages: 20, wal_limit_pages: 60, ..options });
    let (mut promised, mut failures) = (Vec::new(), 0);
    for id in 0..60 {
        db.fs.inject(fault.after(u64::from(id) % span));
        match put(&db, id, length) {
            Ok(()) => promised.push(id),
            refused => {
                assert_eq!(code(&refused), expected, "{refused:?}");
                failures += 1;
            }
        }
        db.fs.heal();
        assert_eq!(stored(&db), i64::try_from(promised.len()).expect("few"), "after number {id}");
    }
    // A lone commit that fails is an error, one of a batch is tried again; either way the fault was there.
    let met = db.fs.counts().failed;
    assert!(met > 3, "the fault was met {met} times only, with {failures} errors");
    put(&db, 100, 10).expect("the disk is well again");
    let sum = promised.iter().map(|id| i64::from(*id)).sum::<i64>() + 100;
    let path = db.path();
    let folder = db.close_and_check();
    let engine = SqliteEngine::open(options(&path)).expect("it opens again");
    assert_eq!(crate::database::number(&engine, "select sum(id) from public.t").expect("reads"), sum);
    drop(folder);
}

#[test]
fn a_disk_that_fills_in_the_middle_of_a_write_stores_what_it_acknowledged() {
    answers_are_true(Fault::disk_full(), "53100", 30_000, 15);
    answers_are_true(Fault::disk_full().times(1), "53100", 30_000, 15);
}

#[test]
fn a_device_that_fails_stores_what_it_acknowledged() {
    answers_are_true(Fault::io_error().times(1), "58030", 30_000, 15);
    answers_are_true(Fault { on: Operations::SYNCS, ..Fault::io_error() }.only(FileKind::Wal).times(1), "58030", 100, 2);
}

#[test]
fn a_checkpoint_that_finds_no_room_disturbs_nobody() {
    let db = Database::with(TABLES, |options| SqliteOptions { checkpoint_pages: 20, wal_limit_pages: 40, ..options });
    db.fs.inject(Fault::disk_full().only(FileKind::Database));
    for id in 0..40 {
        put(&db, id, 20_000).expect("the log has room");
    }
    assert!(db.fs.counts().failed > 0, "no checkpoint was tried");
    db.fs.heal();
    for id in 40..80 {
        put(&db, id, 20_000).expect("the log has room");
    }
    assert_eq!(stored(&db), 80);
    db.close_and_check();
}

#[test]
fn a_migration_without_room_leaves_nothing_behind() {
    let db = Database::new(TABLES);
    let file = MigrationFile {
        version: "20260101000000".to_owned(),
        name: "more".to_owned(),
        text: "create table public.more (id bigint generated always as identity primary key, note text);
               create index more_note on public.more (note);
               insert into public.more (note) select repeat('x', 2000) from generate_series(1, 200);"
            .to_owned(),
    };
    for after in [0, 1, 3, 8, 20] {
        db.fs.inject(Fault::disk_full().after(after));
        let refused = db.engine.apply_migration(&file).expect_err("no room");
        assert_eq!(refused.error.state.as_str(), "53100", "{refused}");
        db.fs.heal();
        assert_eq!(db.engine.applied_migrations().expect("reads"), []);
        assert!(db.engine.catalog().relation("public", "more").is_none());
        put(&db, u32::try_from(after).expect("small"), 10).expect("others go on");
    }
    db.engine.apply_migration(&file).expect("there is room now");
    assert_eq!(db.number("select max(id) from public.more"), 200, "numbers of what was undone are given out again");
    db.close_and_check();
}

#[test]
fn a_new_file_without_room_is_made_once_there_is_some() {
    let place = folder();
    let path = place.path().join("data.db");
    let fs = FaultFs::register().expect("the faulty disk registers");
    let own = || SqliteOptions { vfs: Some(fs.vfs_name().to_owned()), ..options(&path) };
    for after in [0, 1, 2, 5, 20, 60] {
        fs.inject(Fault::disk_full().after(after));
        if let Err(error) = SqliteEngine::open(own()) {
            assert!(["53100", "58030"].contains(&error.state.as_str()), "{error}");
        }
        fs.heal();
    }
    let engine = SqliteEngine::open(own()).expect("there is room now");
    agreement::close_and_check(&engine, &path).unwrap_or_else(|complaint| panic!("{complaint}"));
}
