//! Behind PgBouncer: what is true of requests on a server of one's own is true there.

use std::sync::Arc;

use basalt_engine::{Engine, snapshot, transaction};
use basalt_postgres::{PostgresEngine, PostgresOptions};
use basalt_testkit::postgres::{AUTHENTICATOR, Database, OWNER, PoolMode, PrivateBouncer, SUPERUSER};
use basalt_types::Value;

use crate::isolation::{WHO, hostile};
use crate::support::{Served, for_major, options, runtime};

/// An engine behind a pooler. The admin login goes through it, too, unless it is to be told of changes.
pub fn behind(mode: PoolMode, sql: &str, change: impl FnOnce(PostgresOptions) -> PostgresOptions) -> (Served, PrivateBouncer) {
    let database = Database::fresh();
    let grant = format!("grant create on database {} to {OWNER}", database.name());
    database.superuser().and_then(|mut c| c.batch(&grant)).expect("grants");
    database.apply(&for_major(sql)).expect("the schema applies");
    let bouncer = PrivateBouncer::start(database.server(), mode);
    let address = |user| bouncer.connection_string(database.name(), user);
    let options = PostgresOptions { requests: address(AUTHENTICATOR), admin: address(SUPERUSER), ..options(&database) };
    let engine = PostgresEngine::open(change(options)).expect("the engine opens");
    (Served { engine, runtime: runtime(), database }, bouncer)
}

/// What a client of the same pooler sees of its connection: nothing of anybody's request.
pub fn stranger(bouncer: &PrivateBouncer, database: &Database) -> String {
    let address = bouncer.connection_string(database.name(), AUTHENTICATOR);
    let asked = "select current_user::text || ' ' || coalesce(nullif(current_setting('request.jwt.claims', true), ''), '-') \
         || ' ' || coalesce(nullif(current_setting('app.tenant', true), ''), '-') || ' ' \
         || (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) || ' ' \
         || (select count(*) from pg_prepared_statements) || ' ' || current_setting('statement_timeout')";
    let rows = basalt_testkit::postgres::Client::connect(&address).and_then(|mut c| c.query_text(asked, &[])).expect("answers");
    rows[0][0].clone().unwrap_or_default()
}

const HOSTILE: &str = "perform set_config('app.tenant', 'theirs', false); perform set_config('statement_timeout', '60001', false);
     perform set_config('role', 'service_role', false); perform pg_advisory_lock(7); perform set_config('search_path', 'auth', false);";

#[test]
fn a_pooler_of_transactions_is_recognised_and_hands_nothing_on() {
    let schema = format!("{WHO}{}", hostile(HOSTILE));
    for is_said in [false, true] {
        let (served, bouncer) =
            behind(PoolMode::Transaction, &schema, |options| PostgresOptions { is_prepared: !is_said, ..options });
        let before = served.body("authenticated", "who");
        assert!(before.contains(r#""who":"authenticated","login":"authenticator""#), "{before}");
        let clean = stranger(&bouncer, &served.database);
        assert!(clean.starts_with("authenticator - - 0 0 "), "{clean}");
        for role in ["service_role", "authenticated", "anon"] {
            for _ in 0..4 {
                let _ = served.body(role, "hostile");
                assert_eq!(served.body("authenticated", "who"), before, "as {role}");
                assert_eq!(served.body("anon", "secrets"), "[]", "as {role}");
                assert_eq!(served.body("service_role", "secrets"), r#"[{"id":1}]"#, "as {role}");
                assert_eq!(stranger(&bouncer, &served.database), clean, "as {role}");
            }
        }
    }
}

#[test]
fn a_pooler_of_sessions_is_as_no_pooler() {
    let schema = format!("{WHO}{}", hostile(HOSTILE));
    let (served, _bouncer) = behind(PoolMode::Session, &schema, |options| options);
    let before = served.body("authenticated", "who");
    for role in ["service_role", "authenticated", "anon"] {
        let _ = served.body(role, "hostile");
        assert_eq!(served.body("authenticated", "who"), before, "as {role}");
        assert_eq!(served.body("anon", "secrets"), "[]", "as {role}");
        assert_eq!(served.body("service_role", "secrets"), r#"[{"id":1}]"#, "as {role}");
    }
}

/// Two engines share the pooler's connections, as two nodes do: neither meets what the other left, under whatever name.
#[test]
fn services_and_nodes_share_a_pooler() {
    let tables = "create type public.mood as enum ('sad', 'ok'); create type public.size as enum ('s', 'l');
        create table public.v (id int primary key, m public.mood, z public.size, tags text[]);
        create table public.c (id int primary key, n int); insert into public.c values (1, 0);
        grant all on public.v, public.c to anon, service_role;";
    let (served, bouncer) =
        behind(PoolMode::Transaction, tables, |options| PostgresOptions { pool_size: 8, admin_pool_size: 4, ..options });
    let address = |user| bouncer.connection_string(served.database.name(), user);
    let second = PostgresOptions { requests: address(AUTHENTICATOR), admin: address(SUPERUSER), ..options(&served.database) };
    let other = PostgresEngine::open(second).expect("opens");
    let work = |engine: &Arc<PostgresEngine>, n: i64| {
        let engine = Arc::clone(engine);
        async move {
            transaction(&*engine, move |tx| {
                let row = [Value::Int(n), Value::from("ok"), Value::from("l"), Value::from(r#"["a","b"]"#)];
                tx.query("INSERT INTO public.v VALUES ($1, $2, $3, $4)", &row)?;
                tx.query("SELECT m, z, tags FROM public.v WHERE id = $1", &row[..1])
            })
            .await
        }
    };
    for n in 0..20 {
        let (one, two) = served.runtime.block_on(async { tokio::join!(work(&served.engine, 2 * n), work(&other, 2 * n + 1)) });
        for rows in [one, two] {
            assert_eq!(rows.expect("runs").rows, [["ok".into(), "l".into(), r#"["a","b"]"#.into()]]);
        }
        assert_eq!(served.body("anon", "c"), r#"[{"id":1,"n":0}]"#);
    }
    let count = served.runtime.block_on(snapshot(&*other, |tx| tx.query("SELECT count(*) FROM public.v", &[])));
    assert_eq!(count.expect("runs").rows, [[Value::Int(40)]]);
    served.database.apply("create table public.later (id int); grant select on public.later to anon;").expect("applies");
    while served.engine.catalog().relation("public", "later").is_none() {
        let _ = served.engine.reload();
    }
    assert_eq!(served.body("anon", "later"), "[]");
    other.close();
}
