//! Migrations: whole or not at all, with history, and rows that survive every change of their table.

use basalt_sqlite::{MigrationFile, RepairStatus, SqliteEngine, SqliteOptions};
use basalt_types::Value;

use crate::support::db;

#[test]
fn a_file_applies_whole_or_not_at_all() {
    let db = db();
    let error =
        db.apply("create table a (id int primary key);\ninsert into a values (1);\n  insert into a values (1);").unwrap_err();
    assert_eq!((error.line, error.column), (3, 3));
    assert_eq!(error.error.state.as_str(), "23505");
    assert!(db.engine.applied_migrations().unwrap().is_empty());
    db.must("create table a (id int primary key); insert into a values (1)");
    assert_eq!(db.value("select count(*) from a"), Value::Int(1));
}

#[test]
fn the_history_is_kept_and_repaired() {
    let db = db();
    let file = MigrationFile { version: "20240101000000".into(), name: "init".into(), text: "create table a (id int); ".into() };
    db.engine.apply_migration(&file).unwrap();
    let applied = db.engine.applied_migrations().unwrap();
    assert_eq!(applied[0].version, "20240101000000");
    assert_eq!(applied[0].sha256.as_deref(), Some(SqliteEngine::checksum(&file.text).as_str()));
    db.engine.repair("20240102000000", "later", None, RepairStatus::Applied).unwrap();
    db.engine.repair("20240101000000", "init", None, RepairStatus::Reverted).unwrap();
    let applied = db.engine.applied_migrations().unwrap();
    assert_eq!(applied.iter().map(|m| m.version.as_str()).collect::<Vec<_>>(), ["20240102000000"]);
    assert!(db.engine.has_user_tables());
}

#[test]
fn the_catalog_and_rows_are_there_after_a_new_start() {
    let db = db();
    db.must("create table a (id serial primary key, e text); insert into a (e) values ('x'), ('y')");
    let version = basalt_engine::Engine::catalog(&*db.engine).version();
    let path = db.folder.path().join("data.db");
    db.engine.close();
    let again = SqliteEngine::open(SqliteOptions::new(&path)).unwrap();
    assert_eq!(basalt_engine::Engine::catalog(&*again).version(), version);
    again.run_seed("insert into a (e) values ('z')").unwrap();
    assert_eq!(again.applied_migrations().unwrap().len(), 1);
    let sum = "create table found as_is (n int)";
    assert!(again.run_seed(sum).is_err());
    again.run_seed("insert into a (id, e) values (3, 'taken')").unwrap_err();
    again.close();
}

#[test]
fn tables_change_under_their_rows() {
    let db = db();
    db.must(
        "create table p (id int primary key, name text);
         create table c (id int primary key, p_id int references p on delete cascade, v text default 'd');
         insert into p values (1, '10'), (2, '20'); insert into c values (1, 1), (2, 2);",
    );
    // A type change, on the parent of a cascade: no child may be lost.
    db.must("alter table p alter column name type int using name::int");
    assert_eq!(db.value("select sum(name) from p"), Value::Int(30));
    assert_eq!(db.value("select count(*) from c"), Value::Int(2));
    // The key itself changes its type: the parent is made anew.
    db.must("alter table c drop constraint c_p_id_fkey; alter table p alter column id type text; alter table c alter column p_id type text;
             alter table c add constraint c_p_id_fkey foreign key (p_id) references p on delete cascade");
    assert_eq!(db.value("select id from p order by id limit 1"), "1".into());
    let error = db.query("insert into c values (3, '9')", &[]).unwrap_err();
    assert_eq!(error.message, "insert or update on table \"c\" violates foreign key constraint \"c_p_id_fkey\"");
    db.query("delete from p where id = '1'", &[]).unwrap();
    assert_eq!(db.value("select count(*) from c"), Value::Int(1));
    // Columns come and go.
    db.must("alter table p add column k uuid not null default gen_random_uuid(); alter table p add column n int generated always as (name * 2) stored");
    assert_eq!(db.value("select n from p"), Value::Int(40));
    db.must("alter table p rename column name to title; alter table p rename to q; alter table q drop column k");
    assert_eq!(db.value("select title from q"), Value::Int(20));
    db.must("create unique index q_title on q (title) where title > 0; create index q_low on q (lower(id))");
    db.must("create schema other; alter table q set schema other");
    assert_eq!(db.value("select count(*) from other.q"), Value::Int(1));
}

#[test]
fn the_sign_up_trigger_of_the_quickstarts_runs() {
    let db = db();
    db.must(
        "create table profiles (id uuid primary key references auth.users on delete cascade, name text, updated_at timestamptz);
         create function handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
         begin
           insert into public.profiles (id, name) values (new.id, new.raw_user_meta_data ->> 'name');
           return new;
         end; $$;
         create trigger on_auth_user_created after insert on auth.users for each row execute procedure public.handle_new_user();
         create function touch() returns trigger language plpgsql as $$ begin new.updated_at = now(); return new; end $$;
         create trigger touch before update on profiles for each row execute function touch();",
    );
    db.query(
        "insert into auth.users (id, email, raw_user_meta_data) values ('11111111-1111-1111-1111-111111111111', 'a@b.c', '{\"name\": \"A\"}')",
        &[],
    )
    .unwrap();
    assert_eq!(db.value("select name from profiles"), "A".into());
    db.query("update profiles set name = 'B'", &[]).unwrap();
    assert_eq!(db.value("select updated_at is not null from profiles"), Value::Int(1));
    // As in PostgreSQL, a body's tables are looked for when it runs; what does not run here at all is refused at once.
    db.must(
        "create function later() returns trigger language plpgsql as $$ begin insert into public.nowhere values (1); return new; end $$;
         create trigger later after update on profiles for each row execute function later();",
    );
    let error = db.query("update profiles set name = 'C'", &[]).unwrap_err();
    assert_eq!(error.message, "relation \"public.nowhere\" does not exist");
    let error = db.fails(
        "create function bad() returns trigger language plpgsql as $$ begin perform 1 from profiles tablesample system (10); return new; end $$;",
    );
    assert_eq!(error.state.as_str(), "0A000");
}

#[test]
fn existing_rows_are_checked() {
    let db = db();
    db.must("create table t (a int, b text); insert into t values (1, 'x'), (1, null)");
    let error = db.fails("alter table t alter column b set not null");
    assert_eq!((error.state.as_str(), error.message.as_str()), ("23502", "column \"b\" of relation \"t\" contains null values"));
    let error = db.fails("alter table t add constraint c check (a > 1)");
    assert_eq!(
        (error.state.as_str(), error.message.as_str()),
        ("23514", "check constraint \"c\" of relation \"t\" is violated by some row")
    );
    let error = db.fails("alter table t add constraint u unique (a)");
    assert_eq!((error.state.as_str(), error.message.as_str()), ("23505", "could not create unique index \"u\""));
    assert_eq!(error.detail.as_deref(), Some("Key (a)=(1) is duplicated."));
    let error = db.fails("create table r (id int primary key); alter table t add foreign key (a) references r");
    assert_eq!(error.state.as_str(), "23503");
    let error = db.fails("alter table t add primary key (a)");
    assert_eq!(error.state.as_str(), "23505");
    db.must("update t set a = 2, b = 'y' where b is null; alter table t add primary key (a); alter table t alter column b set not null");
    db.must("alter table t drop constraint t_pkey; insert into t values (2, 'z')");
    assert_eq!(db.value("select count(*) from t"), Value::Int(3));
}

#[test]
fn sequences_go_on_after_failures() {
    let db = db();
    db.must("create table s (id serial primary key, u int unique); insert into s (u) values (1)");
    assert!(db.query("insert into s (u) values (1)", &[]).is_err());
    let rows = db.query("insert into s (u) values (2) returning id", &[]).unwrap();
    assert_eq!(rows.rows, vec![vec![Value::Int(3)]]);
    db.must("alter sequence s_id_seq restart with 50");
    assert_eq!(db.query("insert into s (u) values (3) returning id", &[]).unwrap().rows, vec![vec![Value::Int(50)]]);
    db.must("truncate s restart identity");
    assert_eq!(db.query("insert into s (u) values (3) returning id", &[]).unwrap().rows, vec![vec![Value::Int(1)]]);
}
