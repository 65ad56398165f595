//! Functions in PL/pgSQL that would take everything: time, steps, depth and memory have bounds, and the engine goes on afterwards.

use std::sync::Arc;
use std::time::Duration;

use basalt_engine::{Engine, Limits, Run, RunError};
use basalt_plan::plan::{Action, Count, Literals, Output, Plan};
use basalt_sql::analyze;
use basalt_types::{RoleName, Session, SqlError, Value};

use crate::support::{Db, db_with};

/// A table whose trigger runs a body, and a database where values of functions may take a megabyte.
fn with_trigger(declarations: &str, body: &str) -> Db {
    let db = db_with(|options| options.max_routine_bytes = 1 << 20);
    db.must("create table t (a int, b text); grant all on t to authenticated");
    db.must(&format!(
        "create function f() returns trigger language plpgsql as $f$ declare {declarations} begin {body} return new; end $f$;
         create trigger x before insert on t for each row execute function f();"
    ));
    db
}

/// Inserts a row as a user, within bounds of time and cost.
fn insert(db: &Db, timeout: Duration, max_cost: Option<u64>) -> Result<(), RunError> {
    let catalog = db.engine.catalog();
    let context = analyze::Context::default();
    let statement = analyze::statement_text("insert into t values (1, 'x')", &catalog, &context).unwrap();
    let plan = Plan {
        id: Plan::fresh_id(),
        catalog_version: catalog.version(),
        names: Vec::new(),
        action: Action::Write { statement: Box::new(statement), representation: None, location: Vec::new(), is_put: false },
        output: Output::None,
        count: Count::None,
        max_rows: None,
        max_affected: None,
    };
    let run = Run {
        session: Session { role: RoleName::new("authenticated"), ..Session::of_role("authenticated") },
        plan: Arc::new(plan),
        literals: Literals::default(),
        payload: None,
        limits: Limits { max_cost, ..Limits::within(timeout, 1 << 20) },
        rollback: false,
        timezone: None,
        explain: None,
    };
    db.runtime().block_on(db.engine.run(run)).map(drop)
}

fn error(db: &Db) -> SqlError {
    match insert(db, Duration::from_secs(60), None) {
        Err(RunError::Sql(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The engine still writes.
fn still_works(db: &Db) {
    db.must("alter table t disable trigger x; insert into t values (7, 'after')");
    assert_eq!(db.value("select count(*) from t"), Value::Int(1));
}

#[test]
fn an_endless_loop_ends_with_its_time() {
    for body in [
        "loop null; end loop;",
        "loop perform 1; end loop;",
        "while true loop begin perform 1 / 0; exception when others then null; end; end loop;",
    ] {
        let db = with_trigger("", body);
        let Err(RunError::Sql(error)) = insert(&db, Duration::from_millis(200), None) else { panic!("{body}") };
        assert_eq!(error.state.as_str(), "57014", "{body}");
        still_works(&db);
    }
}

#[test]
fn a_loop_costs() {
    let db = with_trigger("n int := 0;", "loop n := n + 1; end loop;");
    assert!(matches!(insert(&db, Duration::from_secs(60), Some(50)), Err(RunError::TooCostly { .. })));
    still_works(&db);
}

#[test]
fn no_handler_keeps_a_cancelled_query() {
    let db =
        with_trigger("", "loop begin loop null; end loop; exception when others or query_canceled then null; end; end loop;");
    let Err(RunError::Sql(error)) = insert(&db, Duration::from_millis(200), None) else { panic!("it went on") };
    assert_eq!(error.state.as_str(), "57014");
    still_works(&db);
}

#[test]
fn a_trigger_that_fires_itself_has_a_depth() {
    let db = with_trigger("", "insert into t values (new.a + 1, 'deeper');");
    let error = error(&db);
    assert_eq!((error.state.as_str(), error.message.as_str()), ("54001", "stack depth limit exceeded"));
    still_works(&db);
}

#[test]
fn doubling_ends_at_the_bound_of_memory() {
    for (declarations, body) in [
        ("s text := 'x';", "loop s := s || s; end loop;"),
        ("s text := 'x';", "for i in 1..40 loop s := concat(s, s); end loop;"),
        ("a int[] := '{1}';", "loop a := a || a; end loop;"),
        ("a text[] := '{x}';", "for i in 1..100 loop a[i * 20000] := repeat('y', 100); end loop;"),
        ("r record;", "for r in select repeat('x', 1000) as v from generate_series(1, 100000) loop null; end loop;"),
        ("s text;", "select string_agg(repeat('x', 1000), '') into s from generate_series(1, 10000);"),
    ] {
        let db = with_trigger(declarations, body);
        let error = error(&db);
        assert!(matches!(error.state.as_str(), "53200" | "54000"), "{body}: {error:?}");
        still_works(&db);
    }
}

#[test]
fn what_a_block_held_is_given_back() {
    let db = with_trigger(
        "s text := ''; n int := 0;",
        "for i in 1..20 loop begin s := repeat('x', 600000); raise exception 'x'; exception when others then s := ''; n := n + 1; end; end loop; \
         new.a := n;",
    );
    insert(&db, Duration::from_secs(60), None).unwrap();
    insert(&db, Duration::from_secs(60), None).unwrap();
    assert_eq!(db.value("select sum(a) from t"), Value::Int(40));
}

#[test]
fn nested_text_is_no_deeper_than_the_parser_allows() {
    let deep = format!("execute 'select {}1{}';", "(".repeat(100_000), ")".repeat(100_000));
    let db = with_trigger("", &deep);
    assert_eq!(error(&db).state.as_str(), "54001");
    let db = with_trigger("s text := '1';", "for i in 1..3000 loop s := '(' || s || ')'; end loop; execute 'select ' || s;");
    assert_eq!(error(&db).state.as_str(), "54001");
}

#[test]
fn rows_written_by_a_failing_trigger_are_not_there() {
    let db = with_trigger(
        "",
        "insert into public.other values (1); begin insert into public.other values (2); raise exception 'x'; exception when others then null; end; raise exception 'y';",
    );
    db.must("create table other (a int); grant all on other to authenticated");
    assert_eq!(error(&db).message, "y");
    assert_eq!(db.value("select count(*) from other"), Value::Int(0));
}

#[test]
fn notices_reach_who_runs_the_migration() {
    let db = db_with(|_| {});
    let notices = db.apply("do $$ begin raise notice 'one %', 1; raise debug 'no'; raise warning 'two'; end $$").unwrap();
    assert!(notices.iter().any(|n| n.contains("one 1")) && notices.iter().any(|n| n.contains("two")), "{notices:?}");
    assert!(!notices.iter().any(|n| n.contains("no")));
}

#[test]
fn a_function_of_a_request_changes_no_table() {
    let db = with_trigger("", "execute 'create table made (a int)';");
    let error = error(&db);
    assert_eq!(
        (error.state.as_str(), error.message.as_str()),
        ("0A000", "CREATE TABLE in a function of a trigger or a request is not supported on SQLite")
    );
    still_works(&db);
}
