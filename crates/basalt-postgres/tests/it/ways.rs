//! Isolation on each way that a request can go (one message and one Sync; BEGIN to COMMIT with and without prepared statements), direct
//! and through PgBouncer: whatever came before, and however it ended, the next request on the connection finds nothing of it.

use std::sync::Arc;
use std::time::Duration;

use basalt_engine::{Engine, Run, RunError};
use basalt_postgres::PostgresOptions;
use basalt_testkit::postgres::PoolMode;

use crate::isolation::{WHO, hostile};
use crate::poolers::{behind, stranger};
use crate::support::{Served, for_major};

/// Which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Short,
    /// A transaction of several messages, with prepared statements where there are any.
    Long,
    /// The same, without.
    Unprepared,
}

const WAYS: [Way; 3] = [Way::Short, Way::Long, Way::Unprepared];

/// What code may do to its connection. None of it has a word of dynamic code, which would send every request the long way.
const ACTS: &[&str] = &[
    "perform set_config('role', 'service_role', false);",
    "perform set_config('app.tenant', 'theirs', false); perform set_config('request.jwt.claims', '{\"sub\":\"x\"}', false);",
    "perform set_config('search_path', 'auth', false); perform set_config('statement_timeout', '60001', false);",
    "perform set_config('default_transaction_read_only', 'on', false); perform set_config('row_security', 'off', false);",
    "perform pg_advisory_lock(7); perform pg_advisory_lock_shared(8, 9);",
    "create temporary table secrets (id int); insert into secrets values (99);",
    "begin reset role; exception when others then null; end;",
    "begin set session authorization service_role; exception when others then null; end;",
    "begin reset session authorization; set role service_role; exception when others then null; end;",
    "begin set local role service_role; exception when others then null; end; listen something;",
];

/// How the request with the act ends.
const ENDS: [&str; 2] = ["", "raise exception 'enough';"];

fn request(served: &Served, role: &str, relation: &str, way: Way) -> Run {
    let run = served.request(role, relation, Duration::from_secs(20));
    match way {
        Way::Short => run,
        Way::Long => {
            let mut plan = (*run.plan).clone();
            plan.max_affected = Some(1_000);
            Run { plan: Arc::new(plan), ..run }
        }
        Way::Unprepared => Run { timezone: Some("UTC".into()), ..run },
    }
}

/// The body, or the SQLSTATE.
fn body(served: &Served, role: &str, relation: &str, way: Way) -> String {
    match served.runtime.block_on(served.engine.run(request(served, role, relation, way))) {
        Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
        Err(RunError::Sql(error)) => error.state.as_str().to_owned(),
        Err(other) => format!("{other:?}"),
    }
}

/// Begins a request, and goes away while its code sleeps after its act.
fn go_away(served: &Served, role: &str, way: Way) {
    let mut watcher = served.database.superuser().expect("connects");
    let mut is_asleep = || {
        let asleep = "select count(*)::text from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
        watcher.query_text(asleep, &[]).expect("reads")[0][0].as_deref() != Some("0")
    };
    let mut future = Box::pin(served.engine.run(request(served, role, "slowly", way)));
    while !is_asleep() {
        // Polled for a moment, so that its messages go out.
        let ended = served.runtime.block_on(async { tokio::time::timeout(Duration::from_millis(5), &mut future).await });
        if ended.is_ok() {
            // Refused before it slept: nothing is made in a transaction that reads.
            return;
        }
    }
    drop(future);
    while is_asleep() {
        served.runtime.block_on(tokio::task::yield_now());
    }
}

/// A view whose rows do this and then take their time.
fn slowly(statements: &str) -> String {
    hostile(&format!("{statements} perform pg_sleep(600);"))
        .replace("public.act", "public.act_slowly")
        .replace("public.hostile", "public.slowly")
}

fn nothing_is_left(served: &Served, way: Way, what: &str, other: impl Fn() -> String) {
    let before = body(served, "authenticated", "who", way);
    assert!(before.contains(r#""who":"authenticated","login":"authenticator""#), "{before}");
    let elsewhere = other();
    for role in ["service_role", "authenticated", "anon"] {
        let _ = body(served, role, "hostile", way);
        assert_eq!(body(served, "authenticated", "who", way), before, "{what} as {role}, {way:?}");
        assert_eq!(body(served, "anon", "secrets", way), "[]", "{what} as {role}, {way:?}");
        assert_eq!(body(served, "service_role", "secrets", way), r#"[{"id":1}]"#, "{what} as {role}, {way:?}");
        assert_eq!(other(), elsewhere, "{what} as {role}, {way:?}");
    }
    go_away(served, "service_role", way);
    assert_eq!(body(served, "authenticated", "who", way), before, "{what}, cancelled, {way:?}");
    assert_eq!(body(served, "anon", "secrets", way), "[]", "{what}, cancelled, {way:?}");
    assert_eq!(other(), elsewhere, "{what}, cancelled, {way:?}");
}

#[test]
fn nothing_is_left_whichever_way() {
    for act in ACTS {
        for end in ENDS {
            let served = Served::new(&format!("{WHO}{}{}", hostile(&format!("{act} {end}")), slowly(act)));
            for way in WAYS {
                let before = served.counter("short_runs");
                nothing_is_left(&served, way, &format!("{act} {end}"), String::new);
                assert_eq!(served.counter("short_runs") > before, way == Way::Short, "{act}: the way asked for");
            }
        }
    }
}

#[test]
fn nothing_is_left_whichever_way_behind_a_pooler() {
    for act in ACTS {
        for end in ENDS {
            let schema = format!("{WHO}{}{}", hostile(&format!("{act} {end}")), slowly(act));
            let (served, bouncer) = behind(PoolMode::Transaction, &schema, |options| options);
            for way in [Way::Long, Way::Unprepared] {
                nothing_is_left(&served, way, &format!("{act} {end}"), || stranger(&bouncer, &served.database));
            }
        }
    }
}

/// Every kind of right that one role has and the other has not; for the role that may, what it reads.
const RIGHTS: &str = "create schema app; create table app.inner (id int); insert into app.inner values (5);
    grant usage on schema app to service_role; grant select on app.inner to service_role, anon;
    create table public.closed (id int); insert into public.closed values (1);
    revoke all on public.closed from anon, authenticated; grant select on public.closed to service_role;
    create table public.partly (id int, hidden text); insert into public.partly values (1, 'h');
    revoke all on public.partly from anon; grant select (id) on public.partly to anon; grant select on public.partly to service_role;
    create function public.secret() returns int language sql as 'select 42';
    revoke execute on function public.secret() from public, anon; grant execute on function public.secret() to service_role;
    create view public.calls with (security_invoker = true) as select public.secret() as n; grant select on public.calls to anon, service_role;
    create table public.own (id int); insert into public.own values (1); alter table public.own enable row level security;
    grant select on public.own to anon, service_role;";

fn rights_are_looked_up(served: &Served, ways: &[Way]) {
    let all = [
        ("closed", r#"[{"id":1}]"#, "42501"),
        ("app.inner", r#"[{"id":5}]"#, "42501"),
        ("partly", r#"[{"id":1,"hidden":"h"}]"#, "42501"),
        ("calls", r#"[{"n":42}]"#, "42501"),
        ("own", r#"[{"id":1}]"#, "[]"),
    ];
    for (relation, allowed, refused) in all {
        for way in ways {
            // Warmed as the role that may; then tried as the one that may not.
            for _ in 0..3 {
                assert_eq!(body(served, "service_role", relation, *way), allowed, "{relation}, {way:?}");
            }
            for _ in 0..3 {
                assert_eq!(body(served, "anon", relation, *way), refused, "{relation}, {way:?}");
            }
            assert_eq!(body(served, "service_role", relation, *way), allowed, "{relation}, {way:?}");
        }
    }
}

#[test]
fn rights_are_those_of_the_role_whichever_way() {
    // Without views that have the rights of who asks there is no relation that calls as its reader.
    if for_major(RIGHTS) != RIGHTS {
        return;
    }
    rights_are_looked_up(&Served::new(RIGHTS), &WAYS);
    let with_dynamic_code = format!(
        "{RIGHTS} create function public.d() returns int language plpgsql as $$ begin execute 'select 1'; return 1; end $$;"
    );
    rights_are_looked_up(&Served::new(&with_dynamic_code), &WAYS);
    let unprepared = |options| PostgresOptions { is_prepared: false, ..options };
    rights_are_looked_up(&Served::with(RIGHTS, unprepared), &WAYS);
    let (served, _bouncer) = behind(PoolMode::Transaction, RIGHTS, |options| options);
    rights_are_looked_up(&served, &WAYS);
    let (served, _bouncer) = behind(PoolMode::Session, RIGHTS, |options| options);
    rights_are_looked_up(&served, &WAYS);
}

#[test]
fn nothing_runs_with_the_login_s_rights_when_a_transaction_does_not_begin() {
    let sql = "create table public.marks (id int);
        create function public.mark() returns int language plpgsql as
            $$ begin if current_user = session_user then insert into public.marks values (1); end if; return 1; end $$;
        create view public.acts with (security_invoker = true) as select public.mark() as done;
        grant select on public.acts to anon, authenticator;
        grant all on public.marks to authenticator;";
    for way in [Way::Long, Way::Unprepared] {
        let served = Served::new(sql);
        let run = request(&served, "anon", "acts", way);
        let ask = || match served.runtime.block_on(served.engine.run(run.clone())) {
            Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
            Err(RunError::Sql(error)) => error.state.as_str().to_owned(),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(ask(), r#"[{"done":1}]"#, "{way:?}: the statement is known from now on");
        let mut superuser = served.database.superuser().expect("connects");
        // What is taken back before BEGIN, in the same message, fails with this.
        superuser.batch("revoke execute on function pg_catalog.pg_advisory_unlock_all() from public").expect("revokes");
        assert_eq!(ask(), "42501", "{way:?}");
        let marks = superuser.query_text("select count(*)::text from public.marks", &[]).expect("reads");
        assert_eq!(marks[0][0].as_deref(), Some("0"), "{way:?}");
        superuser.batch("grant execute on function pg_catalog.pg_advisory_unlock_all() to public").expect("grants");
        assert_eq!(ask(), r#"[{"done":1}]"#, "{way:?}: the next is served again");
    }
}
