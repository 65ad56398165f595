//! Copies that are killed in the middle, and go on where they were.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use basalt_testkit::postgres::{Client, Database};
use basalt_testkit::process::ServerOptions;
use basalt_testkit::{Project, process};

use super::{address, copied, file_of, path_of, serve_on, twin};
use crate::support::{basalt, expect, known_keys, refuses_to_serve, serve, service};

/// Rows of the large table: several batches.
const ROWS: i64 = 35_000;

/// A project with a large table, and one behind it.
fn large() -> Project {
    Project::new()
        .config("project_id = \"large\"\n[api]\nmax_rows = 100000\n")
        .migration(
            "create table public.large (id integer primary key, filler text not null);
             create table public.late (id integer primary key, large integer references public.large (id));
             grant all on public.large, public.late to service_role;",
        )
        .seed(&format!(
            "insert into public.large select n, 'filler ' || n from generate_series(1, {ROWS}) as n;
             insert into public.late select n, n from generate_series(1, 5) as n;"
        ))
}

/// Begins a copy that something will stop.
fn begin(project: &Project, arguments: &[&str]) -> Child {
    let mut command = Command::new(process::program().expect("the program is built"));
    command.current_dir(project.path()).arg("copy").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts")
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::yield_now();
    }
}

fn first(client: &mut Client, sql: &str) -> Option<String> {
    client.query_text(sql, &[]).ok().and_then(|rows| rows.first().and_then(|row| row[0].clone()))
}

#[test]
fn killed_in_a_table_it_goes_on_there() {
    let (project, database) = (large(), Database::empty());
    let server = serve(&project);
    // The target's tables are there and empty; a row that somebody is about to write stops the copy at the third batch.
    let unseeded = twin(&project).config("project_id = \"large\"\n[db.seed]\nenabled = false\n");
    basalt(unseeded.path(), &["migration", "up", "--database", &address(&database)]).with(0);
    let mut blocker = database.superuser().expect("connects");
    blocker.batch("begin; insert into public.large values (25000, 'in the way')").expect("runs");
    let mut child = begin(&project, &["--to", &address(&database)]);
    let mut watcher = database.superuser().expect("connects");
    let note = "select (value::json ->> 'rows') from basalt_copy.notes where name = 'table:public.large'";
    until("the second batch", || first(&mut watcher, note).as_deref() == Some("20000"));
    child.kill().expect("it runs");
    child.wait().expect("it is gone");
    blocker.batch("rollback").expect("runs");
    let arguments = vec!["--database".to_owned(), address(&database)];
    let refused = refuses_to_serve(&unseeded, &ServerOptions { arguments, ..known_keys() });
    assert!(refused.contains("has begun and not ended"), "{refused}");

    let ended = copied(&project, &["--to", &address(&database)]);
    assert!(ended.err.contains("going on with it") && !ended.err.contains("copied anew"), "{}", ended.err);
    assert_eq!(first(&mut watcher, "select count(*)::text from public.large").as_deref(), Some("35000"));

    // The same once more, and a row that was copied already changes meanwhile.
    let database = Database::empty();
    basalt(unseeded.path(), &["migration", "up", "--database", &address(&database)]).with(0);
    let mut blocker = database.superuser().expect("connects");
    blocker.batch("begin; insert into public.large values (25000, 'in the way')").expect("runs");
    let mut child = begin(&project, &["--to", &address(&database)]);
    let mut watcher = database.superuser().expect("connects");
    until("the second batch", || first(&mut watcher, note).as_deref() == Some("20000"));
    child.kill().expect("it runs");
    child.wait().expect("it is gone");
    blocker.batch("rollback").expect("runs");
    expect(&server, &service("PATCH", "/rest/v1/large?id=eq.7").json(r#"{"filler":"changed"}"#), 204);
    let ended = copied(&project, &["--to", &address(&database)]);
    assert!(ended.err.contains("public.large changed since the copy was interrupted"), "{}", ended.err);
    assert_eq!(first(&mut watcher, "select filler from public.large where id = 7").as_deref(), Some("changed"));
    assert_eq!(first(&mut watcher, "select count(*)::text from public.large").as_deref(), Some("35000"));
}

#[test]
fn killed_between_tables_on_the_way_to_a_file_it_goes_on() {
    let (project, database) = (large(), Database::empty());
    drop(serve_on(&project, &database));
    let back = twin(&project);
    let mut blocker = database.superuser().expect("connects");
    // Whoever counts the rows of the last table waits.
    blocker.batch("begin; lock table public.late in access exclusive mode").expect("runs");
    let mut child = begin(&project, &["--from", &address(&database), "--to", &file_of(&back)]);
    let stored = || {
        let file = path_of(&back, ".basalt/data.db");
        let db = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        db.query_row("select count(*) from \"public.large\"", [], |row| row.get::<_, i64>(0)).ok()
    };
    until("the large table", || stored() == Some(ROWS));
    child.kill().expect("it runs");
    child.wait().expect("it is gone");
    blocker.batch("rollback").expect("runs");
    let refused = refuses_to_serve(&back, &known_keys());
    assert!(refused.contains("has begun and not ended"), "{refused}");
    let ended = copied(&project, &["--from", &address(&database), "--to", &file_of(&back)]);
    assert!(ended.err.contains("going on with it") && !ended.err.contains("copied anew"), "{}", ended.err);
    let server = serve(&back);
    assert_eq!(
        expect(&server, &service("GET", "/rest/v1/late?select=id,large(filler)&id=eq.5"), 200).text(),
        r#"[{"id":5,"large":{"filler": "filler 5"}}]"#
    );
}
