//! Plans through the engine's door: guarded, bounded, in every output form.

use std::sync::Arc;
use std::time::Duration;

use basalt_engine::{Answer, Engine, Limits, Run, RunError};
use basalt_plan::plan::{Action, Count, Literal, Literals, Output, Plan};
use basalt_sql::analyze;
use basalt_types::{Claims, RoleName, Session};

use crate::support::{Db, db};

const ARRAY: Output = Output::Array { strip_nulls: false };

fn plan(db: &Db, sql: &str, output: Output) -> Arc<Plan> {
    let catalog = db.engine.catalog();
    let query = analyze::query_text(sql, &catalog, &analyze::Context::default()).unwrap_or_else(|e| panic!("{e:?}: {sql}"));
    Arc::new(Plan {
        id: Plan::fresh_id(),
        catalog_version: catalog.version(),
        names: query.columns().into_iter().map(|(name, _)| name).collect(),
        action: Action::Read { query: Box::new(query), for_count: None },
        output,
        count: Count::None,
        max_rows: None,
        max_affected: None,
    })
}

fn user(id: &str) -> Session {
    let claims = serde_json::json!({ "sub": id, "role": "authenticated" });
    let serde_json::Value::Object(claims) = claims else { unreachable!() };
    Session { role: RoleName::new("authenticated"), claims: Some(Arc::new(Claims::new(claims))), request: None, acting: None }
}

fn run(plan: &Arc<Plan>, session: Session) -> Run {
    Run {
        session,
        plan: Arc::clone(plan),
        literals: Literals(vec![Literal::Null]),
        payload: None,
        limits: Limits::within(Duration::from_secs(5), 1 << 20),
        rollback: false,
        timezone: None,
        explain: None,
    }
}

fn answer(db: &Db, run: Run) -> Result<Answer, RunError> {
    db.runtime().block_on(db.engine.run(run))
}

fn body(answer: Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

const ALICE: &str = "11111111-1111-1111-1111-111111111111";

fn todos() -> Db {
    let db = db();
    db.must(
        "create table todos (id int primary key, owner uuid default auth.uid(), title text, n numeric);
         alter table todos enable row level security;
         create policy own on todos using (owner = auth.uid());
         insert into todos values (1, '11111111-1111-1111-1111-111111111111', 'a, \"b\"', 1.50), (2, gen_random_uuid(), 'hidden', null),
           (3, '11111111-1111-1111-1111-111111111111', null, 'NaN')",
    );
    db
}

#[test]
fn rows_of_others_stay_hidden() {
    let db = todos();
    let plan = plan(&db, "select id, title, n from todos order by id", ARRAY);
    let seen = body(answer(&db, run(&plan, user(ALICE))).unwrap());
    assert_eq!(seen, "[{\"id\":1,\"title\":\"a, \\\"b\\\"\",\"n\":1.50}, \n {\"id\":3,\"title\":null,\"n\":\"NaN\"}]");
    assert_eq!(body(answer(&db, run(&plan, Session::of_role("anon"))).unwrap()), "[]");
    assert_eq!(answer(&db, run(&plan, Session::of_role("service_role"))).unwrap().rows, 3);
}

#[test]
fn every_output_form() {
    let db = todos();
    let sql = "select id, title from todos order by id";
    let csv = plan(&db, sql, Output::Csv);
    assert_eq!(body(answer(&db, run(&csv, user(ALICE))).unwrap()), "id,title\n1,\"a, \"\"b\"\"\"\n3,");
    let stripped = plan(&db, sql, Output::Array { strip_nulls: true });
    assert_eq!(body(answer(&db, run(&stripped, user(ALICE))).unwrap()), r#"[{"id":1,"title":"a, \"b\""},{"id":3}]"#);
    let object = plan(&db, sql, Output::Object { strip_nulls: false });
    assert_eq!(answer(&db, run(&object, user(ALICE))), Err(RunError::NotSingular(2)));
    let one = plan(&db, "select id from todos where id = 3", Output::Object { strip_nulls: false });
    assert_eq!(body(answer(&db, run(&one, user(ALICE))).unwrap()), r#"{"id":3}"#);
}

#[test]
fn a_plan_of_an_older_catalog_is_stale() {
    let db = todos();
    let plan = plan(&db, "select id from todos", ARRAY);
    assert!(answer(&db, run(&plan, user(ALICE))).is_ok());
    db.must("alter table todos add column extra int");
    assert_eq!(answer(&db, run(&plan, user(ALICE))), Err(RunError::StalePlan));
}

#[test]
fn a_read_by_key_runs_in_place() {
    let db = todos();
    let plan = plan(&db, "select id, title from todos where id = 1", ARRAY);
    let near = db.engine.run_now(&run(&plan, user(ALICE))).expect("a keyed read is short").unwrap();
    assert_eq!(body(near), r#"[{"id":1,"title":"a, \"b\""}]"#);
}

#[test]
fn a_read_ends_at_its_deadline_and_its_length() {
    let db = todos();
    db.must("create table many (id int primary key, v text); insert into many select x, repeat('x', 100) from generate_series(1, 20000) as x");
    let slow = plan(&db, "select count(*) from many a, many b, many c where a.v || b.v <> c.v", ARRAY);
    let mut request = run(&slow, Session::of_role("service_role"));
    request.limits = Limits::within(Duration::from_millis(50), 1 << 20);
    let Err(RunError::Sql(error)) = answer(&db, request) else { panic!("it was not stopped") };
    assert_eq!((error.state.as_str(), error.message.as_str()), ("57014", "canceling statement due to statement timeout"));
    let long = plan(&db, "select v from many", ARRAY);
    let Err(RunError::Sql(error)) = answer(&db, run(&long, Session::of_role("service_role"))) else {
        panic!("it was not stopped")
    };
    assert_eq!(error.state.as_str(), "54000");
    // The connection is none the worse for it.
    assert!(answer(&db, run(&plan(&db, "select id from todos", ARRAY), user(ALICE))).is_ok());
}
