//! `--database`: the same folder on PostgreSQL; nothing is done unasked to a database that was not empty.

use basalt_testkit::Project;
use basalt_testkit::postgres::{Database, SUPERUSER};
use basalt_testkit::process::{ServerOptions, TestServer};

use crate::support::{basalt, blog, known_keys, refuses_to_serve, service};

fn options(database: &Database, more: &[&str]) -> ServerOptions {
    let address = database.connection_string(SUPERUSER);
    let arguments = ["--database", &address].into_iter().chain(more.iter().copied()).map(str::to_owned).collect();
    ServerOptions { arguments, ..known_keys() }
}

fn serve(project: &Project, database: &Database, more: &[&str]) -> TestServer {
    TestServer::start_with(project.path(), &options(database, more)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn an_empty_database_is_prepared_migrated_and_seeded() {
    let (database, project) = (Database::empty(), blog());
    let server = serve(&project, &database, &[]);
    let sent = server.send(&service("GET", "/rest/v1/profiles?select=username&order=username")).expect("answers");
    let first = sent.text();
    assert_eq!(sent.status, 200, "{first}");
    assert_ne!(first, "[]", "the seed has run");
    drop(server);
    // A second start finds all of it, with the login that the first one made.
    let server = serve(&project, &database, &[]);
    let again = server.send(&service("GET", "/rest/v1/profiles?select=username&order=username")).expect("answers");
    assert_eq!(again.text(), first);
    drop(server);
    let address = database.connection_string(SUPERUSER);
    let list = basalt(project.path(), &["migration", "list", "--database", &address]).with(0);
    assert!(list.out.contains("applied") && !list.out.contains(" new "), "{}", list.out);
    assert!(!project.path().join(".basalt/data.db").exists(), "no file beside it");
}

#[test]
fn what_has_tables_is_left_as_it_is_unless_asked() {
    let (database, project) = (Database::empty(), blog());
    let mut client = database.superuser().expect("connects");
    client.batch("create table public.theirs (id int primary key); insert into public.theirs values (1);").expect("runs");
    let refused = refuses_to_serve(&project, &options(&database, &[]));
    assert!(refused.contains("function auth.uid()") && refused.contains("--bootstrap on"), "{refused}");
    let schemas = client.query_text("select count(*)::text from pg_namespace where nspname = 'auth'", &[]).expect("reads");
    assert_eq!(schemas[0][0].as_deref(), Some("0"), "nothing was made");
    let server = serve(&project, &database, &["--bootstrap", "on"]);
    assert!(server.logs().contains("migrations of the folder are not applied"), "{}", server.logs());
    let theirs = server.send(&service("GET", "/rest/v1/theirs")).expect("answers");
    assert_eq!(theirs.status, 403, "privileges of what was there are its owner's to give");
    drop(server);
    let refused = refuses_to_serve(&project, &options(&database, &["--migrate"]));
    assert!(refused.contains("no history of migrations"), "{refused}");
}

#[test]
fn an_address_never_reaches_a_message() {
    let project = blog();
    for address in [
        "postgres://admin:hunter2secret@127.0.0.1:1/app",
        "postgres:/admin:hunter2secret@",
        "postgres://a:hunter2secret@db.example/app",
    ] {
        let ended = basalt(project.path(), &["serve", "--listen", "127.0.0.1:0", "--database", address]).with(1);
        assert!(!ended.err.contains("hunter2secret") && !ended.out.contains("hunter2secret"), "{}{}", ended.out, ended.err);
        assert!(!ended.err.is_empty());
    }
    let shown = basalt(project.path(), &["doctor", "--config", "--database", "postgres://a:hunter2secret@127.0.0.1/x"]).with(0);
    assert!(shown.out.contains("database.url") && !shown.out.contains("hunter2secret"), "{}", shown.out);
}
