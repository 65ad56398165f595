//! Nothing of one request reaches the next on the same connection, whatever the code it ran did.

use std::time::Duration;

use basalt_engine::{Engine, RunError};

use crate::support::Served;

pub const WHO: &str = "
    create view public.who with (security_invoker = true) as select current_user::text as who, session_user::text as login,
        nullif(current_setting('app.tenant', true), '') as tenant, current_setting('request.jwt.claims', true) as claims,
        current_setting('search_path') as path,
        (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
        (select count(*) from pg_class where relnamespace = pg_my_temp_schema()) as temporary,
        (select count(*) from pg_prepared_statements where from_sql) as prepared,
        (select count(*) from pg_cursors where name = 'kept') as cursors;
    create table public.secrets (id int primary key);
    insert into public.secrets values (1);
    alter table public.secrets enable row level security;
    grant all on public.who, public.secrets to anon, authenticated, service_role;";

/// A view whose rows come from a function that does this.
pub fn hostile(statements: &str) -> String {
    format!(
        "create function public.act() returns int language plpgsql as $$ begin {statements} return 1; end $$;
         create view public.hostile with (security_invoker = true) as select public.act() as done;
         grant all on public.hostile to anon, authenticated, service_role;"
    )
}

#[test]
fn what_a_request_leaves_is_gone_before_the_next() {
    let cases = [
        "perform set_config('role', 'service_role', false);",
        "perform set_config('app.tenant', 'theirs', false);",
        "perform set_config('request.jwt.claims', '{\"sub\":\"x\"}', false);",
        "perform set_config('search_path', 'auth', false);",
        "perform set_config('statement_timeout', '1', false);",
        "perform pg_advisory_lock(7);",
        "create temporary table secrets (id int); insert into secrets values (99);",
        "execute 'prepare mine as select 1';",
        "execute 'deallocate all';",
        "execute 'declare kept cursor with hold for select 1';",
        "execute 'listen something';",
        "begin execute 'set session authorization service_role'; exception when others then null; end;",
        "begin execute 'reset role'; exception when others then null; end;",
        "begin execute 'reset session authorization'; exception when others then null; end;",
        "raise exception 'enough';",
    ];
    for statements in cases {
        let served = Served::new(&format!("{WHO}{}", hostile(statements)));
        let before = served.body("authenticated", "who");
        assert!(before.contains(r#""who":"authenticated","login":"authenticator""#), "{before}");
        for role in ["service_role", "authenticated", "anon"] {
            let _ = served.body(role, "hostile");
            assert_eq!(served.body("authenticated", "who"), before, "{statements} as {role}");
            assert_eq!(served.body("anon", "secrets"), "[]", "{statements} as {role}");
            assert_eq!(served.body("service_role", "secrets"), r#"[{"id":1}]"#, "{statements} as {role}");
        }
    }
}

#[test]
fn code_that_leaves_nothing_is_known_and_code_that_may_is_cleaned_after() {
    let leaving = "create function public.leave() returns boolean language sql as
        $$ select set_config('app.tenant', 'theirs', false) is not null $$;
        create table public.marked (id int primary key);
        insert into public.marked values (1);
        alter table public.marked enable row level security;
        create policy p on public.marked using (public.leave());
        grant all on public.marked to anon, authenticated, service_role;";
    let harmless = leaving.replace("set_config('app.tenant', 'theirs', false)", "current_setting('request.jwt.claims', true)");
    for (code, is_reset) in [(leaving, true), (harmless.as_str(), false)] {
        let served = Served::new(&format!("{WHO}{code}"));
        for role in ["anon", "authenticated"] {
            let before = served.body("authenticated", "who");
            assert_eq!(served.body(role, "marked"), r#"[{"id":1}]"#);
            assert_eq!(served.body("authenticated", "who"), before, "{code}");
        }
        assert_eq!(served.counter("short_runs"), 6, "all went the short way");
        assert_eq!(served.counter("connections_discarded"), 1, "none of them was lost; the login was looked at over one");
        // Whether what an earlier request left is taken back shows in a setting that nobody set for the transaction.
        let setting = served.body("anon", "who");
        assert!(setting.contains(r#""tenant":null"#), "{is_reset}: {setting}");
    }
}

#[test]
fn a_connection_that_the_server_closed_is_replaced() {
    let served = Served::new(WHO);
    let before = served.body("anon", "who");
    let mut superuser = served.database.superuser().expect("a superuser");
    for _ in 0..3 {
        let closed = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator' and datname = current_database()";
        superuser.batch(closed).expect("terminated");
        // Until the server has let go of it.
        let gone = "do $$ begin while exists (select from pg_stat_activity where usename = 'authenticator' and datname = current_database())
            loop perform pg_sleep(0.001); perform pg_stat_clear_snapshot(); end loop; end $$";
        superuser.batch(gone).expect("gone");
        assert_eq!(served.body("anon", "who"), before);
    }
}

#[test]
fn a_statement_prepared_under_our_name_is_not_run() {
    // The driver numbers its statements; code that knows the numbers puts its own under one of them.
    let steal = "execute 'deallocate all'; for n in 0..40 loop
        execute format('prepare s%s as select ''[\"stolen\"]''::text, 1::bigint, null::bigint', n); end loop;";
    let served = Served::new(&format!("{WHO}{}", hostile(steal)));
    assert_eq!(served.body("anon", "secrets"), "[]");
    let before = served.body("anon", "who");
    let _ = served.body("anon", "hostile");
    assert_eq!(served.body("anon", "secrets"), "[]");
    assert_eq!(served.body("anon", "who"), before);
    assert!(served.counter("connections_discarded") >= 1);
}

#[test]
fn rights_are_those_of_the_role_that_asks() {
    let served = Served::new(
        "create schema app; create table app.inner (id int); insert into app.inner values (5);
         create table public.closed (id int); insert into public.closed values (1);
         grant usage on schema app to service_role; grant select on app.inner to service_role, anon;
         revoke all on public.closed from anon, authenticated;
         grant select on public.closed to service_role;
         create function public.hidden() returns int language sql as 'select 42';
         revoke execute on function public.hidden() from public, anon; grant execute on function public.hidden() to service_role;
         create view public.calls with (security_invoker = true) as select public.hidden() as n; grant select on public.calls to anon, service_role;",
    );
    // Warmed as the role that may; then tried as the one that may not.
    for (relation, allowed) in [("closed", r#"[{"id":1}]"#), ("app.inner", r#"[{"id":5}]"#), ("calls", r#"[{"n":42}]"#)] {
        for _ in 0..3 {
            assert_eq!(served.body("service_role", relation), allowed);
        }
        for _ in 0..3 {
            assert_eq!(served.body("anon", relation), "42501", "{relation}");
        }
        assert_eq!(served.body("service_role", relation), allowed);
    }
}

#[test]
fn rights_that_are_taken_away_are_gone_at_once() {
    let served =
        Served::new("create table public.t (id int); grant select on public.t to anon; insert into public.t values (1);");
    assert_eq!(served.body("anon", "t"), r#"[{"id":1}]"#);
    served.database.apply("revoke select on public.t from anon").expect("applies");
    assert_eq!(served.body("anon", "t"), "42501");
}

#[test]
fn a_request_that_is_given_up_is_cancelled_on_the_server() {
    let served = Served::new(&format!(
        "{WHO} create view public.slow as select pg_sleep(600)::text as x; grant select on public.slow to anon;"
    ));
    let running = "select count(*)::text from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' \
         and state = 'active' and pid <> pg_backend_pid() or query like '%\"slow\"%' and state = 'active' and pid <> pg_backend_pid()";
    let mut watcher = served.database.superuser().expect("connects");
    let mut count = || watcher.query_text(running, &[]).expect("reads")[0][0].clone().expect("a number");
    let request = served.request("anon", "slow", Duration::from_secs(500));
    let mut future = Box::pin(served.engine.run(request));
    while count() == "0" {
        // Polled for a moment, so that its messages go out.
        let _ = served.runtime.block_on(async { tokio::time::timeout(Duration::from_millis(5), &mut future).await });
    }
    drop(future);
    while count() != "0" {
        served.runtime.block_on(tokio::task::yield_now());
    }
    // The one connection comes back, and the next request gets it.
    assert_eq!(served.body("anon", "who"), served.body("anon", "who"));
}

#[test]
fn deadlines_and_full_pools_have_their_codes() {
    let sql = "create view public.slow as select pg_sleep(600)::text as x; create table public.t (id int); \
         grant select on public.slow, public.t to anon;";
    let served =
        Served::with(sql, |options| basalt_postgres::PostgresOptions { pool_timeout: Duration::from_millis(50), ..options });
    let slow = served.request("anon", "slow", Duration::from_millis(1500));
    let other = served.request("anon", "t", Duration::from_secs(20));
    let (slow, other) = served.runtime.block_on(async { tokio::join!(served.engine.run(slow), served.engine.run(other)) });
    let code = |result: Result<_, RunError>| match result {
        Err(RunError::Sql(error)) => error.state.as_str().to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!((code(slow), code(other)), ("57014".to_owned(), "08B03".to_owned()));
    assert_eq!(served.body("anon", "t"), "[]");
}
