//! What is not copied, and that refusing changes nothing.

use basalt_testkit::Project;
use basalt_testkit::postgres::Database;

use super::{address, copied, copy, file_of, path_of, rich, serve_on, twin};
use crate::support::{blog, serve};

#[test]
fn a_target_with_rows_is_refused_and_left_alone() {
    let (project, database) = (blog(), Database::empty());
    drop(serve(&project));
    let mut client = database.superuser().expect("connects");
    client.batch("create table public.theirs (id int primary key); insert into public.theirs values (1)").expect("runs");
    let refused = copy(&project, &["--to", &address(&database)]).with(1);
    assert!(
        refused.err.contains("rows already, in public.theirs") && refused.err.contains("Nothing was changed"),
        "{}",
        refused.err
    );
    let made = client.query_text("select count(*)::text from pg_namespace where nspname in ('auth', 'basalt_copy')", &[]);
    assert_eq!(made.expect("reads")[0][0].as_deref(), Some("0"));
    client.batch("delete from public.theirs").expect("runs");
    let refused = copy(&project, &["--to", &address(&database)]).with(1);
    assert!(refused.err.contains("no history of migrations"), "{}", refused.err);

    // A file: another project's with rows, and one that is not Basalt's.
    let other = blog();
    drop(serve(&other));
    let refused = copy(&project, &["--to", &file_of(&other)]).with(1);
    assert!(refused.err.contains("rows already, in auth.users"), "{}", refused.err);
    let strange = path_of(&project, "strange.db");
    rusqlite::Connection::open(&strange).and_then(|db| db.execute_batch("create table t (a)")).expect("writes");
    let before = std::fs::read(&strange).expect("reads");
    let refused = copy(&project, &["--to", &format!("sqlite:{}", strange.display())]).with(1);
    assert!(refused.err.contains("not made by Basalt"), "{}", refused.err);
    assert_eq!(std::fs::read(&strange).expect("reads"), before);
}

#[test]
fn a_running_server_keeps_its_file() {
    let (project, database) = (blog(), Database::empty());
    let server = serve(&project);
    // Reading is allowed while it serves.
    copied(&project, &["--to", &address(&database)]);
    let refused = copy(&project, &["--from", &address(&database), "--to", "sqlite"]).with(1);
    assert!(refused.err.contains("is using this project"), "{}", refused.err);
    drop(server);
}

#[test]
fn a_history_that_is_not_the_folders_is_refused() {
    let (project, database) = (blog(), Database::empty());
    drop(serve(&project));
    let project = project.file("supabase/migrations/20990101000000_later.sql", "create table public.later (id int primary key);");
    let refused = copy(&project, &["--to", &address(&database)]).with(1);
    assert!(refused.err.contains("lacks migrations of the folder (20990101000000)"), "{}", refused.err);
    std::fs::remove_file(path_of(&project, "supabase/migrations/20990101000000_later.sql")).expect("removes");
    project.write("supabase/migrations/20260102000000_policies.sql", "select 1;");
    let refused = copy(&project, &["--to", &address(&database)]).with(1);
    assert!(refused.err.contains("was edited after it was applied"), "{}", refused.err);
    let mut client = database.superuser().expect("connects");
    let made = client.query_text("select count(*)::text from pg_namespace where nspname in ('auth', 'basalt_copy')", &[]);
    assert_eq!(made.expect("reads")[0][0].as_deref(), Some("0"), "nothing was made");
}

#[test]
fn places_that_are_none_are_wrong() {
    let project = blog();
    for (arguments, words) in [
        (&["--to", "nowhere:hunter2"][..], "a place is sqlite"),
        (&["--to", "sqlite"], "the same place"),
        (&["--to", "sqlite:other.db"], "there is no database to copy"),
        (&["--from", "postgres://u:hunter2@127.0.0.1:1/x", "--to", "sqlite"], "cannot be reached"),
    ] {
        let refused = copy(&project, arguments).with(1);
        assert!(refused.err.contains(words), "{arguments:?}: {}", refused.err);
        assert!(!refused.err.contains("hunter2"), "{}", refused.err);
    }
    copy(&project, &[]).with(2);
}

#[test]
fn a_value_without_a_place_is_named_and_nothing_of_its_table_is_kept() {
    let (project, database) = (rich(), Database::empty());
    drop(serve(&project));
    copied(&project, &["--to", &address(&database)]);
    let mut client = database.superuser().expect("connects");
    client.batch("update public.every_type set a_moment = '20000-01-01' where id = 4").expect("runs");
    let back = twin(&project);
    let refused = copy(&project, &["--from", &address(&database), "--to", &file_of(&back)]).with(1);
    assert!(refused.err.contains("table public.every_type, row (id)=(4), column a_moment"), "{}", refused.err);
    let rows = |table: &str| -> i64 {
        let db = rusqlite::Connection::open(path_of(&back, ".basalt/data.db")).expect("opens");
        db.query_row(&format!("select count(*) from \"{table}\""), [], |row| row.get(0)).expect("reads")
    };
    assert_eq!((rows("public.every_type"), rows("auth.users")), (0, 1), "what came before stays");
    // Repaired at the source, the same command goes on.
    client.batch("update public.every_type set a_moment = null where id = 4").expect("runs");
    let ended = copied(&project, &["--from", &address(&database), "--to", &file_of(&back)]);
    assert!(ended.err.contains("going on with it"), "{}", ended.err);
    assert_eq!(rows("public.every_type"), 6);
}

#[test]
fn what_the_target_has_no_place_for_is_named_unless_left_out() {
    let (project, database) = (blog(), Database::empty());
    drop(serve_on(&project, &database));
    let mut client = database.superuser().expect("connects");
    client
        .batch(
            "create table public.aside (id int primary key); insert into public.aside values (1); \
             alter table public.items add column extra text; update public.items set extra = 'x' where id = 1; \
             alter table public.tags add column unused text; create table public.nothing (id int);",
        )
        .expect("runs");
    let arguments = ["--from", &address(&database), "--to", "sqlite"].map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let refused = copy(&project, &arguments).with(1);
    let named = ["table public.aside", "column public.items.extra", "--leave-out"];
    assert!(named.iter().all(|name| refused.err.contains(name)), "{}", refused.err);
    assert!(!refused.err.contains("unused") && !refused.err.contains("public.nothing"), "{}", refused.err);
    let left = ["--leave-out", "public.aside", "--leave-out", "public.items.extra"];
    let ended = copied(&project, &[arguments.as_slice(), left.as_slice()].concat());
    assert!(ended.out.contains("not copied: public.aside, public.items.extra"), "{}", ended.out);
}

#[test]
fn migrations_that_do_not_run_on_sqlite_are_told_first() {
    let database = Database::empty();
    let project = Project::new()
        .config("project_id = \"native\"")
        .migration("create table public.t (id int primary key, during tstzrange);");
    drop(serve_on(&project, &database));
    let refused = copy(&project, &["--from", &address(&database), "--to", "sqlite"]).with(1);
    assert!(refused.err.contains("do not run on SQLite"), "{}", refused.err);
    assert!(!path_of(&project, ".basalt/data.db").exists(), "no file was made");
}
