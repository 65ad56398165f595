//! The services' transactions: values both ways, everything or nothing, and others in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use basalt_engine::{snapshot, transaction};
use basalt_types::Value;

use crate::support::Served;

const TABLES: &str = "create type public.mood as enum ('sad', 'ok');
    create table public.v (id uuid primary key, n int, b boolean, t timestamptz, j jsonb, m public.mood, a text[], i inet, s smallint, x float8);
    create table public.c (id int primary key, n int); insert into public.c values (1, 0);";

#[test]
fn values_go_there_and_back() {
    let served = Served::new(TABLES);
    let id = "0b0e7a3c-0000-4000-8000-000000000001";
    let row = vec![
        Value::from(id),
        Value::Int(7),
        Value::Int(1),
        Value::from("2024-01-02T03:04:05.678+00:00"),
        Value::from(r#"{"a": [1, null]}"#),
        Value::from("ok"),
        Value::from(r#"["x","y \"z\"",null]"#),
        Value::from("10.1.2.3"),
        Value::Int(-3),
        Value::Real(0.5),
    ];
    let sent = row.clone();
    let rows = served.runtime.block_on(transaction(&*served.engine, move |tx| {
        let insert = "INSERT INTO public.v VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        assert_eq!(tx.query(insert, &sent)?.affected, 1);
        tx.query("SELECT * FROM public.v WHERE id = $1", &sent[..1])
    }));
    assert_eq!(rows.expect("runs").rows, [row]);
    let nulls = served.runtime.block_on(snapshot(&*served.engine, |tx| tx.query("SELECT NULL::int, NULL::text[]", &[])));
    assert_eq!(nulls.expect("runs").rows, [[Value::Null, Value::Null]]);
}

#[test]
fn a_failure_takes_everything_back() {
    let served = Served::new(TABLES);
    let failed = served.runtime.block_on(transaction(&*served.engine, |tx| {
        tx.query("UPDATE public.c SET n = 5", &[])?;
        tx.query("INSERT INTO public.c VALUES (1, 1)", &[])
    }));
    let error = failed.expect_err("a duplicate");
    assert_eq!((error.state.as_str(), error.constraint.as_deref()), ("23505", Some("c_pkey")));
    let n = served.runtime.block_on(snapshot(&*served.engine, |tx| tx.query("SELECT n FROM public.c", &[])));
    assert_eq!(n.expect("runs").rows, [[Value::Int(0)]]);
    let refused = served.runtime.block_on(snapshot(&*served.engine, |tx| tx.query("UPDATE public.c SET n = 6", &[])));
    assert_eq!(refused.expect_err("a snapshot only reads").state.as_str(), "25006");
}

#[test]
fn transactions_that_meet_are_as_if_one_came_after_the_other() {
    let served = Served::new(TABLES);
    let runs = Arc::new(AtomicU32::new(0));
    let add = || {
        let runs = Arc::clone(&runs);
        transaction(&*served.engine, move |tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            let n = match tx.query("SELECT n FROM public.c WHERE id = 1", &[])?.rows.first().and_then(|row| row.first()) {
                Some(Value::Int(n)) => *n,
                other => panic!("{other:?}"),
            };
            tx.query("UPDATE public.c SET n = $1 WHERE id = 1", &[Value::Int(n + 1)])
        })
    };
    let done = served.runtime.block_on(async { tokio::join!(add(), add(), add(), add()) });
    assert!(done.0.is_ok() && done.1.is_ok() && done.2.is_ok() && done.3.is_ok(), "{done:?}");
    let n = served.runtime.block_on(snapshot(&*served.engine, |tx| tx.query("SELECT n FROM public.c", &[])));
    assert_eq!(n.expect("runs").rows, [[Value::Int(4)]]);
    assert_eq!(u64::from(runs.load(Ordering::Relaxed)) - 4, served.counter("transactions_repeated"));
}
