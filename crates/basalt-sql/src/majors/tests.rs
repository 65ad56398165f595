use super::lacking;

#[test]
fn what_came_later_is_known_by_name() {
    let cases = [
        ("create table t (a int unique nulls not distinct)", "UNIQUE NULLS NOT DISTINCT", 15),
        ("Merge Into t USING u ON true WHEN MATCHED THEN DELETE", "MERGE", 15),
        ("create view v with (security_invoker = true) as select 1", "views with security_invoker", 15),
        ("create or replace view v with (security_barrier, security_invoker) as select 1", "views with security_invoker", 15),
        ("alter view v set (security_invoker = on)", "views with security_invoker", 15),
        ("create table t (a int, foreign key (a) references u on delete set null (a))", "ON DELETE SET NULL of some columns", 15),
        ("select any_value(a) from t", "the function any_value", 16),
        ("select '1' is json", "IS JSON", 16),
        ("select * from json_table('[]', '$[*]' columns (a int path '$'))", "JSON_TABLE", 17),
        ("create table t (id uuid default uuidv7())", "the function uuidv7", 18),
        ("create table t (a int, b int generated always as (a + 1) virtual)", "virtual generated columns", 18),
        ("create function f() returns int language sql as $$ select any_value(1); $$", "the function any_value", 16),
        ("do $$ begin merge into t using u on true when matched then do nothing; end $$", "MERGE", 15),
    ];
    for (sql, name, since) in cases {
        let found = lacking(&format!("select 1; {sql}; select 2"), since - 1).map(|lack| (lack.name, lack.since));
        assert_eq!(found, Some((name, since)), "{sql}");
        assert_eq!(lacking(sql, since), None, "{sql}");
    }
}

#[test]
fn words_elsewhere_are_no_features() {
    for sql in [
        "create table merge (nulls int, virtual text); insert into merge values (1, 'merge into nulls not distinct')",
        "select a is distinct from b from t -- nulls not distinct",
        "comment on table t is 'uuidv7()'",
        "select \"any_value\" from t",
        "create view v as select security_invoker from t",
        "create table t (a int references u on delete set null, b int)",
        "",
        "select '",
    ] {
        assert_eq!(lacking(sql, 14), None, "{sql}");
    }
}
