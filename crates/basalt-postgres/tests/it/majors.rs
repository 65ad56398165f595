//! What the server's major does not have is refused by name; what it has is applied.

use basalt_engine::migrate::{MigrationFile, Migrations as _};

use crate::support::Served;

/// A statement, what it needs, and the major that has it first.
const ROWS: &[(&str, &str, u32)] = &[
    ("create table public.a (x int unique nulls not distinct)", "UNIQUE NULLS NOT DISTINCT", 15),
    ("create view public.b with (security_invoker = true) as select 1 as x", "views with security_invoker", 15),
    ("merge into public.t using public.t as s on t.id = s.id when matched then do nothing", "MERGE", 15),
    ("create table public.c (x int references public.t on delete set null (x))", "ON DELETE SET NULL of some columns", 15),
    ("create view public.d as select any_value(id) as x from public.t", "the function any_value", 16),
    ("create view public.e as select '1' is json as x", "IS JSON", 16),
    ("create view public.f as select x from json_table('[1]', '$[*]' columns (x int path '$')) as j", "JSON_TABLE", 17),
    ("create table public.g (id uuid default uuidv7())", "the function uuidv7", 18),
    ("create table public.h (x int, y int generated always as (x + 1) virtual)", "virtual generated columns", 18),
];

#[test]
fn what_a_major_lacks_is_refused_by_name() {
    let served = Served::new("create table public.t (id int primary key)");
    let version = "select (current_setting('server_version_num')::int / 10000)::text";
    let rows = served.database.superuser().and_then(|mut c| c.query_text(version, &[])).expect("reads");
    let major: u32 = rows[0][0].as_deref().and_then(|text| text.parse().ok()).expect("a number");
    for (at, (sql, name, since)) in ROWS.iter().enumerate() {
        let text = format!("select 1;\n{sql};");
        let file = MigrationFile { version: format!("2026010100000{at}"), name: "later".to_owned(), text };
        let applied = served.engine.apply_migration(&file);
        match applied {
            Ok(_) => assert!(major >= *since, "{sql} on {major}"),
            Err(error) => {
                assert!(major < *since, "{sql} on {major}: {error}");
                let said = error.to_string();
                assert!(said.contains(&format!("PostgreSQL {major} has no {name}, which came with {since}: ")), "{said}");
            }
        }
    }
    let history = served.engine.applied_migrations().expect("reads");
    assert_eq!(history.len(), ROWS.iter().filter(|(_, _, since)| *since <= major).count(), "nothing of the others is kept");
}
