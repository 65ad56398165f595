//! An empty server becomes a project's database; what exists is left alone; migrations and their history.

use basalt_engine::Engine;
use basalt_engine::migrate::{MigrationFile, Migrations, RepairStatus};
use basalt_postgres::{Found, Lacks, PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, PrivatePostgres, SUPERUSER};

use crate::support::{Served, options};

fn file(version: &str, text: &str) -> MigrationFile {
    MigrationFile { version: version.to_owned(), name: "a_name".to_owned(), text: text.to_owned() }
}

#[test]
fn an_empty_server_becomes_a_project() {
    let server = PrivatePostgres::start().expect("PostgreSQL starts");
    server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch("create database app")).expect("creates");
    let address = |user| server.connection_string("app", user);
    let options = PostgresOptions::new(address(AUTHENTICATOR), address(SUPERUSER));
    assert_eq!(PostgresEngine::examine(&options), Ok(Found::Empty));
    PostgresEngine::bootstrap(&options, false).expect("makes it");
    assert_eq!(PostgresEngine::examine(&options), Ok(Found::Complete));
    PostgresEngine::set_authenticator_password(&options, "0123abcd").expect("sets it");
    assert!(PostgresEngine::set_authenticator_password(&options, "x'; drop table y").is_err());
    let engine = PostgresEngine::open(options.clone()).expect("opens");
    assert!(!engine.has_user_tables());
    engine
        .apply_migration(&file("1", "create table public.t (id int primary key); create table public.u (id int);"))
        .expect("applies");
    assert!(engine.has_user_tables());
    let catalog = engine.catalog();
    let table = catalog.relation("public", "t").expect("the catalog has it");
    assert_eq!(table.primary_key(), Some(&[1_i16][..]));
    engine.close();
    // A second database of the same server finds the roles there.
    server.connect("postgres", SUPERUSER).and_then(|mut c| c.batch("create database second")).expect("creates");
    let second =
        PostgresOptions::new(server.connection_string("second", AUTHENTICATOR), server.connection_string("second", SUPERUSER));
    assert_eq!(PostgresEngine::examine(&second), Ok(Found::Empty));
    PostgresEngine::bootstrap(&second, true).expect("makes it");
    assert_eq!(PostgresEngine::examine(&second), Ok(Found::Complete));
    // Requests never run as a login that policies do not bind.
    let privileged = PostgresOptions { requests: options.admin.clone(), ..options };
    assert_eq!(PostgresEngine::open(privileged).err().map(|e| e.state.as_str().to_owned()).as_deref(), Some("42501"));
}

#[test]
fn what_is_there_is_told_and_left() {
    let complete = Database::fresh();
    assert_eq!(PostgresEngine::examine(&options(&complete)), Ok(Found::Complete));
    complete.superuser().and_then(|mut c| c.batch("drop table auth.mfa_amr_claims; drop function auth.jwt()")).expect("drops");
    let lacks = Lacks(vec!["table auth.mfa_amr_claims".to_owned(), "function auth.jwt()".to_owned()]);
    assert_eq!(PostgresEngine::examine(&options(&complete)), Ok(Found::Lacking(lacks)));
}

#[test]
fn a_file_applies_whole_or_not_at_all() {
    let served = Served::new("");
    let engine = &served.engine;
    assert_eq!(engine.applied_migrations(), Ok(Vec::new()));
    engine.apply_migration(&file("20240101000000", "create table public.a (id int);\nset role anon;")).expect("applies");
    let text = "create table public.b (id int);\ninsert into public.b values (1);\nselect * from nowhere;";
    let failed = engine.apply_migration(&file("20240102000000", text)).expect_err("an unknown table");
    assert_eq!((failed.error.state.as_str(), failed.line, failed.column), ("42P01", 3, 15));
    assert!(engine.catalog().relation("public", "b").is_none() && engine.catalog().relation("public", "a").is_some());
    let history = engine.applied_migrations().expect("reads");
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].version.as_str(), history[0].name.as_deref()), ("20240101000000", Some("a_name")));
    assert_eq!(history[0].sha256.as_deref(), Some(&*engine.checksum("create table public.a (id int);\nset role anon;")));
    engine.repair("20240102000000", "other", None, RepairStatus::Applied).expect("repairs");
    engine.repair("20240101000000", "", None, RepairStatus::Reverted).expect("repairs");
    let history = engine.applied_migrations().expect("reads");
    assert_eq!(history.iter().map(|m| (m.version.as_str(), m.sha256.is_some())).collect::<Vec<_>>(), [("20240102000000", false)]);
    engine.run_seed("insert into public.a values (1), (2);").expect("seeds");
    assert_eq!(served.body("service_role", "a"), "[{\"id\":1}, \n {\"id\":2}]");
}

#[test]
fn the_catalog_follows_the_database() {
    let served = Served::with("create table public.a (id int);", |options| PostgresOptions {
        watch_interval: std::time::Duration::from_millis(5),
        ..options
    });
    let before = served.engine.catalog().version();
    served.engine.reload().expect("reads");
    assert_eq!(served.engine.catalog().version(), before, "the same schema is the same catalog");
    served.database.apply("create table public.b (id int); create policy p on public.a using (true);").expect("applies");
    while served.engine.catalog().relation("public", "b").is_none() {
        std::thread::yield_now();
    }
    assert_eq!(served.engine.catalog().relation("public", "a").map(|r| r.policies.len()), Some(1));
}
