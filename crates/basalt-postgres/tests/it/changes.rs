//! The schema changes under a running engine: it is told, it looks, and it bounds how often.

use std::time::Duration;

use basalt_engine::Engine;
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, PrivatePostgres, SUPERUSER};

use crate::support::Served;

/// An engine that looks by itself only after the test has ended.
fn told() -> Served {
    Served::with("create table public.a (id int);", |options| PostgresOptions {
        watch_interval: Duration::from_secs(3600),
        ..options
    })
}

#[test]
fn a_word_on_the_channel_is_enough() {
    let served = told();
    served.database.apply("create table public.b (id int); grant select on public.b to anon;").expect("applies");
    // The listener may still be on its way: what it missed it looks for when it arrives, so one of these is heard.
    while served.engine.catalog().relation("public", "b").is_none() {
        served.database.apply("notify pgrst, 'reload schema'").expect("says it");
    }
    assert_eq!(served.body("anon", "b"), "[]");
    served.database.apply("notify pgrst, 'something else'").expect("says it");
}

#[test]
fn a_prepared_database_tells_by_itself() {
    let server = PrivatePostgres::start().expect("PostgreSQL starts");
    server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch("create database app")).expect("creates");
    let address = |user| server.connection_string("app", user);
    let options = PostgresOptions::new(address(AUTHENTICATOR), address(SUPERUSER));
    PostgresEngine::bootstrap(&options, false).expect("makes it");
    let engine = PostgresEngine::open(PostgresOptions { watch_interval: Duration::from_secs(3600), ..options }).expect("opens");
    let mut client = server.connect("app", SUPERUSER).expect("connects");
    for n in 0.. {
        // The first may come before anybody listens.
        client.batch(&format!("create table public.t{n} (id int)")).expect("creates");
        if engine.catalog().relation("public", "t0").is_some() {
            break;
        }
    }
    client.batch("drop table public.t0").expect("drops");
    while engine.catalog().relation("public", "t0").is_some() {
        std::thread::yield_now();
    }
    engine.close();
}

#[test]
fn what_is_unknown_is_looked_for_once_for_all_and_not_too_often() {
    let served = told();
    let look = || served.runtime.block_on(served.engine.refresh());
    assert!(served.runtime.block_on(async {
        // The catalog was read a moment ago: trying again is free.
        served.engine.refresh().await
    }));
    served.database.apply("create table public.b (id int);").expect("applies");
    // Within a second of the last change or look nothing is asked of the database, however many ask.
    let before = served.counter("catalog_looks_for_requests");
    served.runtime.block_on(async {
        let many = (0..500).map(|_| served.engine.refresh());
        futures_util::future::join_all(many).await;
    });
    assert!(served.counter("catalog_looks_for_requests") - before <= 1);
    // Then somebody's look finds it.
    while served.engine.catalog().relation("public", "b").is_none() {
        look();
    }
}
