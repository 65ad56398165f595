//! Requests that others get in the way of, connections that go, and replicas that come and go.

use std::sync::Arc;
use std::time::Duration;

use basalt_engine::{Engine, Run, RunError};
use basalt_plan::ask::{Ask, DeleteAsk, Node, Returning};
use basalt_plan::plan::{Count, Output};
use basalt_plan::resolve::{Settings, resolve};
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, PrivatePostgres, SUPERUSER};

use crate::support::{Served, for_major, runtime};

/// Deletes all rows of a table; the body, or the SQLSTATE.
fn delete(served: &Served, relation: &str) -> String {
    let ask = Ask::Delete(DeleteAsk {
        schema: "public".to_owned(),
        relation: relation.to_owned(),
        target: Node::default(),
        returning: Returning {
            representation: None,
            location: false,
            output: Output::None,
            count: Count::None,
            max_affected: None,
        },
    });
    let plan = resolve(&ask, &served.engine.catalog(), Settings::default()).expect("the request fits the table");
    let run = Run { plan: Arc::new(plan), ..served.request("service_role", relation, Duration::from_secs(20)) };
    match served.runtime.block_on(served.engine.run(run)) {
        Ok(answer) => format!("{} rows", answer.rows),
        Err(RunError::Sql(error)) => error.state.as_str().to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn a_request_that_met_another_is_run_again() {
    // Each trigger fails as often as its sequence says, then lets the statement go: what was done before was undone.
    let meet = |name: &str, state: &str, tries: u32| {
        format!(
            "create sequence public.{name}_tries; create table public.{name} (id int); insert into public.{name} values (1), (2);
             create function public.{name}_meets() returns trigger language plpgsql as $$ begin
                 if nextval('public.{name}_tries') < {tries} then raise exception 'in the way' using errcode = '{state}'; end if;
                 return old; end $$;
             create trigger meets before delete on public.{name} for each statement execute function public.{name}_meets();"
        )
    };
    let schema =
        [meet("serial", "40001", 3), meet("dead", "40P01", 3), meet("always", "40P01", 1_000), meet("other", "23514", 3)];
    let served = Served::new(&schema.concat());
    assert_eq!(delete(&served, "serial"), "2 rows");
    assert_eq!(delete(&served, "dead"), "2 rows");
    assert_eq!(served.counter("transactions_repeated"), 4);
    // Not for ever, and not what would fail again.
    assert_eq!(delete(&served, "always"), "40P01");
    assert_eq!(delete(&served, "other"), "23514");
    let tries = "select (select last_value from public.always_tries)::text, (select last_value from public.other_tries)::text";
    let tries = served.database.superuser().and_then(|mut c| c.query_text(tries, &[])).expect("reads");
    assert_eq!(tries, [[Some("5".to_owned()), Some("1".to_owned())]]);
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
         grant all on public.t, public.place to anon, service_role;";
    primary.connect("app", SUPERUSER).and_then(|mut c| c.batch(&for_major(schema))).expect("applies");
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
    // A table that it does not have yet: the primary answers meanwhile.
    standby.connect("postgres", SUPERUSER).and_then(|mut c| c.batch("select pg_wal_replay_pause()")).expect("pauses");
    let later = "create table public.later (id int); grant select on public.later to anon;";
    primary.connect("app", SUPERUSER).and_then(|mut c| c.batch(later)).expect("applies");
    served.engine.reload().expect("reads");
    let before = served.counter("replica_fallbacks");
    assert_eq!(served.body("anon", "later"), "[]");
    assert_eq!(served.counter("replica_fallbacks"), before + 1);
    // What writes goes to the primary.
    assert_eq!(delete(&served, "t"), "1 rows");
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
    assert!(matches!(other, Err(RunError::Sql(error)) if error.state == basalt_types::SqlState::POOL_TIMEOUT));
}
