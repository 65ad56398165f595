//! Statements of our own tables: what goes in comes out, with PostgreSQL's errors.

use basalt_types::Value;

use crate::support::db;

#[test]
fn a_new_file_has_auths_tables() {
    let db = db();
    assert_eq!(db.value("select count(*) from auth.users"), Value::Int(0));
    assert_eq!(db.value("select 1 + 1"), Value::Int(2));
}

#[test]
fn rows_come_back_in_storage_form() {
    let db = db();
    db.must("create table t (id bigint generated always as identity primary key, n numeric(10,2), at timestamptz default now(), tags text[], ok bool, j jsonb)");
    let rows = db
        .query(
            "insert into public.t (n, tags, ok, j) values ($1, $2, true, $3) returning id, n, tags, ok, j",
            &["10.5".into(), r#"["a","b c"]"#.into(), r#"{"a": 1}"#.into()],
        )
        .unwrap();
    assert_eq!(rows.rows, vec![vec![Value::Int(1), "10.5".into(), r#"["a","b c"]"#.into(), Value::Int(1), r#"{"a": 1}"#.into()]]);
    assert_eq!(db.value("select tags[2] from t"), "b c".into());
    assert_eq!(db.value("select j->>'a' from t"), "1".into());
    assert_eq!(db.value("select sum(n) from t"), "10.5".into());
}

#[test]
fn constraints_speak_as_postgresql_does() {
    let db = db();
    db.must(
        "create table users (id int primary key, name text not null unique, age int check (age >= 0));
         create table posts (id int primary key, author_id int references users on delete cascade, title text)",
    );
    db.query("insert into users values (1, 'a', 3)", &[]).unwrap();
    db.query("insert into posts values (1, 1, 'x')", &[]).unwrap();
    let error = db.query("insert into users values (1, 'b', 3)", &[]).unwrap_err();
    assert_eq!(error.message, "duplicate key value violates unique constraint \"users_pkey\"");
    assert_eq!(error.detail.as_deref(), Some("Key (id)=(1) already exists."));
    let error = db.query("insert into users values (2, null, 3)", &[]).unwrap_err();
    assert_eq!(error.message, "null value in column \"name\" of relation \"users\" violates not-null constraint");
    assert_eq!(error.detail.as_deref(), Some("Failing row contains (2, null, 3)."));
    let error = db.query("insert into users values (2, 'b', -1)", &[]).unwrap_err();
    assert_eq!(error.message, "new row for relation \"users\" violates check constraint \"users_age_check\"");
    let error = db.query("insert into posts values (2, 5, 'x')", &[]).unwrap_err();
    assert_eq!(error.message, "insert or update on table \"posts\" violates foreign key constraint \"posts_author_id_fkey\"");
    assert_eq!(error.detail.as_deref(), Some("Key (author_id)=(5) is not present in table \"users\"."));
    db.query("delete from users where id = 1", &[]).unwrap();
    assert_eq!(db.value("select count(*) from posts"), Value::Int(0));
}

#[test]
fn functions_answer_as_postgresql_does() {
    let db = db();
    for (sql, expected) in [
        ("select 7 / 2", Value::Int(3)),
        ("select (0.1 + 0.2)::text", "0.3".into()),
        ("select round(2.345, 2)::text", "2.35".into()),
        ("select sqrt(2::numeric)::text", "1.414213562373095".into()),
        ("select (2::numeric ^ 10)::text", "1024.0000000000000".into()),
        ("select lower('ÄB') || upper('ß')", "äbß".into()),
        ("select 'abc' like 'a%'", Value::Int(1)),
        ("select 'ÄBC' ilike 'äb_'", Value::Int(1)),
        ("select 'foobar' ~ '^foo.*r$'", Value::Int(1)),
        ("select 'x@y.de' ~* '^[A-Z0-9._%-]+@[A-Z0-9.-]+[.][A-Z]+$'", Value::Int(1)),
        ("select regexp_replace('a1b22', '\\d+', '<\\&>', 'g')", "a<1>b<22>".into()),
        ("select split_part('a,b,c', ',', -1)", "c".into()),
        ("select format('%s %I %L', 'a', 'b c', 'd''e')", "a \"b c\" 'd''e'".into()),
        ("select md5('abc')", "900150983cd24fb0d6963f7d28e17f72".into()),
        ("select encode(sha256('abc'), 'hex')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into()),
        ("select encode(digest('abc', 'sha1'), 'base64')", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=".into()),
        ("select date_trunc('month', timestamptz '2024-02-29 12:34:56+00')", "2024-02-01T00:00:00+00:00".into()),
        ("select timestamp '2024-01-31' + interval '1 month'", "2024-02-29T00:00:00".into()),
        ("select extract(epoch from timestamptz '1970-01-02 00:00:00+00')::int", Value::Int(86400)),
        (
            "select to_char(timestamp '2024-03-05 07:08:09', 'YYYY-MM-DD HH24:MI:SS Mon FMMonth FMDDth')",
            "2024-03-05 07:08:09 Mar March 5th".into(),
        ),
        ("select to_char(1234567.891, 'FM9,999,999.00')", "1,234,567.89".into()),
        ("select to_char(-3.1, '990.99')", "  -3.10".into()),
        ("select to_date('05.03.2024', 'DD.MM.YYYY')", "2024-03-05".into()),
        ("select jsonb_set('{\"a\": [1,2]}', '{a,0}', '9')::text", "{\"a\": [9, 2]}".into()),
        ("select '{\"a\": 1, \"b\": [1,2]}'::jsonb @> '{\"b\": [2]}'", Value::Int(1)),
        ("select ('{\"a\": {\"b\": null}}'::jsonb #>> '{a,b}') is null", Value::Int(1)),
        ("select jsonb_build_object('k', 1, 'l', array[true, false])::text", "{\"k\": 1, \"l\": [true, false]}".into()),
        ("select array_to_string(array[1, null, 3], ',', '*')", "1,*,3".into()),
        ("select array[1,2] @> array[2]", Value::Int(1)),
        ("select 3 = any(array[1,2,3])", Value::Int(1)),
        ("select cardinality(array_append(array['a'], 'b'))", Value::Int(2)),
        ("select count(*) from generate_series(1, 10, 3)", Value::Int(4)),
        ("select string_agg(x::text, '-') from generate_series(1, 3) as x", "1-2-3".into()),
        ("select avg(x)::text from generate_series(1, 2) as x", "1.5000000000000000".into()),
        ("select stddev_samp(x)::text from generate_series(1, 4) as x", "1.2909944487358056".into()),
        ("select greatest(null, 1, 3)", Value::Int(3)),
        ("select storage.filename('a/b/c.png') || storage.extension('a/b/c.png')", "c.pngpng".into()),
        ("select inet '10.0.0.1' << inet '10.0.0.0/8'", Value::Int(1)),
        ("select length(crypt('secret', gen_salt('bf', 4)))", Value::Int(60)),
        (
            "select crypt('secret', '$2a$04$abcdefghijklmnopqrstuu') = crypt('secret', crypt('secret', '$2a$04$abcdefghijklmnopqrstuu'))",
            Value::Int(1),
        ),
    ] {
        assert_eq!(db.value(sql), expected, "{sql}");
    }
    for (sql, state, message) in [
        ("select 1 / 0", "22012", "division by zero"),
        ("select 2147483647 + 1", "22003", "integer out of range"),
        ("select 9223372036854775807 + 1::bigint", "22003", "bigint out of range"),
        ("select 'a' ~ '('", "2201B", "invalid regular expression: parentheses () not balanced"),
        ("select split_part('a', ',', 0)", "22023", "field position must not be zero"),
    ] {
        let error = db.read(sql).expect_err(sql);
        assert_eq!((error.state.as_str(), error.message.as_str()), (state, message), "{sql}");
    }
}
