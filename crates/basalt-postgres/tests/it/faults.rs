//! Requests that others get in the way of, connections that go, and replicas that come and go.

use std::time::Duration;

use basalt_engine::Engine;
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, PrivatePostgres, SUPERUSER};

use crate::support::{Served, runtime};

#[test]
fn a_request_that_met_another_is_run_again() {
    // Each function fails as often as the sequence says, then succeeds: what it wrote before was undone.
    let meet = |name: &str, state: &str| {
        format!(
            "create sequence public.{name}_tries; grant all on sequence public.{name}_tries to anon;
             create function public.{name}() returns bigint language plpgsql as $$ declare n bigint := nextval('public.{name}_tries'); begin
                 if n < 3 then raise exception 'in the way' using errcode = '{state}'; end if; return n; end $$;
             create view public.{name}_view as select public.{name}() as tries; grant select on public.{name}_view to anon;"
        )
    };
    let served = Served::new(&[meet("serial", "40001"), meet("dead", "40P01")].concat());
    assert_eq!(served.body("anon", "serial_view"), r#"[{"tries":3}]"#);
    assert_eq!(served.body("anon", "dead_view"), r#"[{"tries":3}]"#);
    assert_eq!(served.counter("transactions_repeated"), 4);
    // Not for ever.
    served
        .database
        .apply(
            "create or replace function public.dead() returns bigint language plpgsql as $$ begin
        perform nextval('public.dead_tries'); raise exception 'always' using errcode = '40P01'; end $$;",
        )
        .expect("applies");
    assert_eq!(served.body("anon", "dead_view"), "40P01");
    let mut client = served.database.superuser().expect("connects");
    assert_eq!(
        client.query_text("select last_value::text from public.dead_tries", &[]).expect("reads")[0][0].as_deref(),
        Some("8")
    );
}

#[test]
fn reads_survive_the_loss_of_resting_connections() {
    let served =
        Served::new("create table public.t (id int); insert into public.t values (1); grant select on public.t to anon;");
    assert_eq!(served.body("anon", "t"), r#"[{"id":1}]"#);
    let kill = "select pg_terminate_backend(pid)::text from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    for _ in 0..5 {
        served.database.superuser().and_then(|mut c| c.query_text(kill, &[])).expect("ends them");
        assert_eq!(served.body("anon", "t"), r#"[{"id":1}]"#);
    }
}

#[test]
fn connections_are_not_kept_for_ever() {
    let served = Served::with("create table public.t (id int); grant select on public.t to anon;", |options| PostgresOptions {
        max_life: Some(Duration::ZERO),
        ..options
    });
    for n in 1..4 {
        assert_eq!(served.body("anon", "t"), "[]");
        assert!(served.counter("connections_opened") > n, "each has its own");
    }
}

#[test]
fn a_standby_takes_reads_and_nothing_else() {
    let primary = PrivatePostgres::start().expect("PostgreSQL starts");
    primary.connect("postgres", SUPERUSER).and_then(|mut c| c.batch("create database app")).expect("creates");
    let address = |server: &PrivatePostgres, user: &str| server.connection_string("app", user);
    let options = PostgresOptions {
        pool_size: 1,
        lanes: 1,
        ..PostgresOptions::new(address(&primary, AUTHENTICATOR), address(&primary, SUPERUSER))
    };
    PostgresEngine::bootstrap(&options, true).expect("makes it");
    let schema = "create table public.t (id int primary key); insert into public.t values (1); alter table public.t enable row level security;
         create policy p on public.t for select to anon using (id < 10);
         create view public.place with (security_invoker = true) as select pg_is_in_recovery() as standby;
         create function public.write() returns int language sql volatile as 'insert into public.t values (99) returning id';
         create view public.writes with (security_invoker = true) as select public.write() as id;
         grant all on public.t, public.place, public.writes to anon, service_role;";
    primary.connect("app", SUPERUSER).and_then(|mut c| c.batch(schema)).expect("applies");
    let standby = primary.start_standby().expect("a standby starts");
    let replicas = vec![address(&standby, AUTHENTICATOR)];
    let engine = PostgresEngine::open(PostgresOptions { replicas, ..options.clone() }).expect("opens");
    let served = Served { engine, runtime: runtime(), database: Database::fresh() };
    while served.body("anon", "place") != r#"[{"standby":true}]"# {
        // It replays what came after its copy was taken.
        std::thread::yield_now();
    }
    assert!(served.counter("replica_reads") >= 1);
    assert_eq!(served.body("anon", "t"), r#"[{"id":1}]"#, "with its policies");
    // A read that writes after all: the primary runs it.
    let before = served.counter("replica_fallbacks");
    assert_eq!(served.body("service_role", "writes"), r#"[{"id":99}]"#);
    assert_eq!(served.counter("replica_fallbacks"), before + 1);
    // The standby goes away: every request is answered, by the primary.
    drop(standby);
    for _ in 0..5 {
        assert_eq!(served.body("anon", "place"), r#"[{"standby":false}]"#);
    }
    // Another login than that of requests would be another set of rights.
    let replicas = vec![address(&primary, SUPERUSER)];
    let refused = PostgresEngine::open(PostgresOptions { replicas, ..options }).err().map(|e| e.message);
    assert_eq!(refused.as_deref(), Some("a replica's address has another login than that of requests"));
}

#[test]
fn a_full_pool_is_told_as_such() {
    let served = Served::with(
        "create view public.slow as select pg_sleep(600)::text as x; grant select on public.slow to anon;",
        |options| PostgresOptions { pool_timeout: Duration::from_millis(20), ..options },
    );
    let [slow, other] = [Duration::from_millis(1500), Duration::from_secs(20)].map(|limit| served.request("anon", "slow", limit));
    let (_, other) = served.runtime.block_on(async { tokio::join!(served.engine.run(slow), served.engine.run(other)) });
    assert!(matches!(other, Err(basalt_engine::RunError::Sql(error)) if error.state == basalt_types::SqlState::POOL_TIMEOUT));
}
