//! Batches, snapshots, failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use basalt_engine::Engine;
use basalt_sqlite::{SqliteEngine, SqliteOptions};
use basalt_types::Value;

use crate::support::{Db, db, db_with};

#[test]
fn a_read_after_an_acknowledged_write_sees_it() {
    let db = db();
    db.must("create table n (id int primary key)");
    for i in 0..200 {
        db.query("insert into n values ($1)", &[Value::Int(i)]).unwrap();
        assert_eq!(db.value("select count(*) from n"), Value::Int(i + 1));
    }
}

#[test]
fn writers_share_commits_and_fail_alone() {
    let db = Arc::new(db());
    db.must("create table n (id int primary key, v int check (v < 100))");
    let (good, bad) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    thread::scope(|scope| {
        for t in 0..8i64 {
            let (db, good, bad) = (&db, &good, &bad);
            scope.spawn(move || {
                for i in 0..50i64 {
                    // Every fifth fails its check, every seventh meets a key that is there.
                    let id = if i % 7 == 6 { t * 1000 } else { t * 1000 + i };
                    let v = if i % 5 == 4 { 100 } else { 1 };
                    match db.query("insert into n values ($1, $2)", &[Value::Int(id), Value::Int(v)]) {
                        Ok(_) => good.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert!(matches!(error.state.as_str(), "23505" | "23514"), "{error}");
                            bad.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            });
        }
    });
    assert_eq!(good.load(Ordering::Relaxed) + bad.load(Ordering::Relaxed), 400);
    assert_eq!(db.value("select count(*) from n"), Value::Int(i64::from(good.load(Ordering::Relaxed))));
}

#[test]
fn a_panic_is_one_requests_failure() {
    let db = db();
    db.must("create table n (id int primary key)");
    let error = db.transaction(|tx| -> Result<(), _> {
        tx.query("insert into n values (1)", &[])?;
        panic!("a bug");
    });
    assert_eq!(error.unwrap_err().state.as_str(), "XX000");
    db.query("insert into n values (1)", &[]).unwrap();
    assert_eq!(db.value("select count(*) from n"), Value::Int(1));
}

#[test]
fn the_log_stays_bounded_while_readers_keep_snapshots() {
    let db = db_with(|options| {
        options.checkpoint_pages = 50;
        options.wal_limit_pages = 200;
    });
    db.must("create table n (id int primary key, v text)");
    let long = "x".repeat(4000);
    for i in 0..600 {
        db.query("insert into n values ($1, $2)", &[Value::Int(i), long.as_str().into()]).unwrap();
        if i % 10 == 0 {
            let _ = db.value("select max(id) from n");
        }
    }
    let pages = db.engine.figures().gauges.iter().find(|(name, _)| *name == "wal_pages").map_or(f64::MAX, |(_, n)| *n);
    assert!(pages < 1000.0, "{pages} pages in the log");
}

#[test]
fn a_write_on_a_snapshot_is_refused() {
    let db = db();
    db.must("create table n (id int primary key)");
    assert_eq!(db.read("insert into n values (1)").unwrap_err().state.as_str(), "25006");
}

#[test]
fn a_long_write_leaves_its_batch_and_still_succeeds() {
    let db = Arc::new(db());
    db.must("create table n (id int primary key); create table sums (n bigint)");
    db.must("insert into n select x from generate_series(1, 1000) as x");
    thread::scope(|scope| {
        let heavy = &db;
        scope.spawn(move || {
            // Far more than a batch allows one job.
            heavy.query("insert into sums select count(*) from n a, n b where a.id + b.id > 5", &[]).unwrap();
        });
        for t in 0..8i64 {
            let db = &db;
            scope.spawn(move || {
                for i in 0..20 {
                    db.query("insert into n values ($1)", &[Value::Int(10_000 + t * 100 + i)]).unwrap();
                }
            });
        }
    });
    assert_eq!(db.value("select count(*) from n"), Value::Int(1160));
    assert_eq!(db.value("select count(*) from sums"), Value::Int(1));
}

#[test]
fn tables_changed_by_another_program_stop_writes_with_advice() {
    let db = db();
    db.must("create table n (id int primary key)");
    let path = db.folder.path().join("data.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE stranger (x)").unwrap();
    let error = db.query("insert into n values (1)", &[]).unwrap_err();
    assert_eq!((error.state.as_str(), error.message.as_str()), ("55000", "the database file was changed by another program"));
    assert!(!db.engine.is_ready());
    db.engine.close();
    let Err(error) = SqliteEngine::open(SqliteOptions::new(&path)) else { panic!("it opened") };
    assert_eq!(error.message, "the tables of the database file were changed by another program");
    drop(other);
}

#[test]
fn another_databases_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let Err(error) = SqliteEngine::open(SqliteOptions::new(&path)) else { panic!("it opened") };
    assert_eq!(error.message, "the database file was not made by Basalt");
}

/// Until format 1 SQLite deleted referring rows by itself, without their triggers.
#[test]
fn a_file_of_format_1_is_brought_to_ours() {
    let db = db();
    db.must(
        "create table p (id int primary key); create table c (id int primary key, p_id int references p on delete cascade);
         create table gone (id int);
         create function f() returns trigger language plpgsql as $$ begin insert into gone values (old.id); return old; end $$;
         create trigger x after delete on c for each row execute function f();
         insert into p values (1); insert into c values (1, 1)",
    );
    let Db { engine, folder, .. } = db;
    engine.close();
    drop(engine);
    let path = folder.path().join("data.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'ON DELETE NO ACTION', 'ON DELETE CASCADE') WHERE name = 'public.c';
         PRAGMA writable_schema = RESET;
         UPDATE basalt_meta SET value = 1 WHERE key = 'format';",
    )
    .unwrap();
    drop(file);
    let engine = SqliteEngine::open(SqliteOptions::new(&path)).unwrap();
    engine.run_seed("delete from p").unwrap();
    engine.close();
    drop(engine);
    let file = rusqlite::Connection::open(&path).unwrap();
    let one = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((one("SELECT count(*) FROM \"public.gone\""), one("SELECT count(*) FROM \"public.c\"")), (1, 0));
    assert_eq!(one("SELECT value FROM basalt_meta WHERE key = 'format'"), 2);
}

#[test]
fn a_file_of_an_older_bootstrap_gets_the_rest() {
    let db = db();
    db.must(
        "drop table auth.mfa_challenges, auth.mfa_factors, auth.one_time_tokens, auth.saml_relay_states, auth.flow_state,
            auth.sso_domains, auth.saml_providers, auth.sso_providers, auth.instances, auth.schema_migrations, realtime.messages, basalt.receipts;
         drop type auth.factor_type; drop type auth.factor_status; drop type auth.code_challenge_method; drop type auth.one_time_token_type;
         alter table storage.objects drop column path_tokens;
         insert into storage.buckets (id, name) values ('b', 'b'); insert into storage.objects (bucket_id, name) values ('b', 'x/y/z.png')",
    );
    let Db { engine, folder, .. } = db;
    engine.close();
    drop(engine);
    let path = folder.path().join("data.db");
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch("UPDATE basalt_meta SET value = 3 WHERE key = 'bootstrap_version'").unwrap();
    drop(file);
    let engine = SqliteEngine::open(SqliteOptions::new(&path)).unwrap();
    engine
        .run_seed(
            "insert into auth.users (id) values ('00000000-0000-0000-0000-00000000000a');
             insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
                 select gen_random_uuid(), id, 'totp', 'verified', now(), now() from auth.users;
             create policy p on realtime.messages for select to authenticated using (extension = 'broadcast');",
        )
        .unwrap();
    engine.close();
    drop(engine);
    let file = rusqlite::Connection::open(&path).unwrap();
    let parts: String = file.query_row("SELECT path_tokens FROM \"storage.objects\"", [], |row| row.get(0)).unwrap();
    assert_eq!(parts, r#"["x","y","z.png"]"#);
    let version: i64 =
        file.query_row("SELECT value FROM basalt_meta WHERE key = 'bootstrap_version'", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 6);
}

#[test]
fn a_panic_ends_its_own_request_only() {
    let db = db_with(|options| options.readers = 2);
    db.must("create table n (id int primary key)");
    let panics = || db.engine.figures().counters.iter().find(|(name, _)| *name == "panics").map(|(_, n)| *n);
    for i in 0..5 {
        let error = db
            .transaction::<()>(move |tx| {
                tx.query("insert into n values (99)", &[])?;
                panic!("on purpose");
            })
            .expect_err("it panicked");
        assert_eq!(error.state.as_str(), "XX000", "{error}");
        // More panics than there are readers.
        let error = db
            .runtime()
            .block_on(basalt_engine::snapshot::<(), _>(&*db.engine as &dyn Engine, |_| panic!("on purpose")))
            .expect_err("it panicked");
        assert_eq!(error.state.as_str(), "XX000", "{error}");
        db.query("insert into n values ($1)", &[Value::Int(i)]).unwrap();
        assert_eq!(db.value("select count(*) from n"), Value::Int(i + 1), "nothing of the panicked one is there");
    }
    assert_eq!(panics(), Some(10));
}
