//! Commands: exit codes, what they print, what they leave behind.

use std::os::unix::fs::PermissionsExt;

use basalt_testkit::Project;
use basalt_testkit::http::Request;

use crate::support::{basalt, basalt_with, blog, expect, serve, service};

#[test]
fn wrong_usage_ends_with_two_and_help_with_zero() {
    let project = Project::new();
    let here = project.path();
    for arguments in
        [&[][..], &["frobnicate"], &["serve", "--nope"], &["status", "-o", "xml"], &["migration"], &["migration", "new"]]
    {
        basalt(here, arguments).with(2);
    }
    for arguments in [&["--help"][..], &["--version"], &["serve", "--help"]] {
        let ended = basalt(here, arguments).with(0);
        assert!(!ended.out.is_empty() && ended.err.is_empty(), "{ended:?}");
    }
}

#[test]
fn without_a_project_commands_say_how_to_make_one() {
    let project = Project::new();
    for arguments in [&["serve"][..], &["status"], &["doctor"], &["migration", "list"], &["migration", "up"], &["db", "reset"]] {
        let ended = basalt(project.path(), arguments).with(1);
        assert!(ended.err.contains("basalt init"), "{ended:?}");
        assert!(!project.path().join(".basalt").exists(), "{arguments:?} leaves nothing behind");
    }
}

#[test]
fn init_makes_a_project_once() {
    let project = Project::new();
    basalt(project.path(), &["init"]).with(0);
    for file in ["config.toml", "basalt.toml", "seed.sql"] {
        assert!(project.path().join("supabase").join(file).is_file(), "{file}");
    }
    let own = String::from_utf8(project.read("supabase/basalt.toml")).expect("text");
    assert!(own.contains("require_rls = true"), "closed by default");
    let before = project.read("supabase/config.toml");
    let again = basalt(project.path(), &["init"]).with(1);
    assert!(again.err.contains("already has a project"), "{again:?}");
    assert_eq!(project.read("supabase/config.toml"), before);
    basalt(project.path(), &["doctor"]).with(0);
    let server = serve(&project);
    expect(&server, &Request::new("GET", "/health"), 200);
}

#[test]
fn init_takes_a_folder() {
    let project = Project::new();
    basalt(project.path(), &["init", "my app"]).with(0);
    assert!(project.path().join("my app/supabase/config.toml").is_file());
    basalt(project.path(), &["--project", "my app", "doctor"]).with(0);
}

#[test]
fn status_prints_the_same_keys_in_each_form() {
    let project = blog();
    let env = basalt(project.path(), &["status", "-o", "env"]).with(0).out;
    let json = basalt(project.path(), &["status", "-o", "json"]).with(0).out;
    let pretty = basalt(project.path(), &["status"]).with(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let names = ["API_URL", "ANON_KEY", "SERVICE_ROLE_KEY", "JWT_SECRET", "PUBLISHABLE_KEY", "SECRET_KEY"];
    assert_eq!(json.as_object().expect("an object").len(), names.len());
    for name in names {
        let value = json[name].as_str().expect("a text");
        assert!(env.lines().any(|line| line == format!("{name}=\"{value}\"")), "{name} in {env}");
        assert!(pretty.contains(value), "{name} in {pretty}");
    }
    assert_eq!(json["API_URL"], "http://127.0.0.1:54321");
    assert!(json["PUBLISHABLE_KEY"].as_str().is_some_and(|k| k.starts_with("sb_publishable_")));
    assert!(json["SECRET_KEY"].as_str().is_some_and(|k| k.starts_with("sb_secret_")));
    assert_eq!(basalt(project.path(), &["status", "-o", "env"]).with(0).out, env, "secrets are made once");

    let state = project.path().join(".basalt");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("secrets")), 0o600);
    assert_eq!(project.read(".basalt/.gitignore"), b"*\n");

    let other = blog();
    let theirs = basalt(other.path(), &["status", "-o", "env"]).with(0).out;
    for line in env.lines().filter(|line| !line.starts_with("API_URL")) {
        assert!(!theirs.contains(line), "two projects share {line}");
    }
}

#[test]
fn status_knows_where_the_server_listens() {
    let project = blog();
    let server = serve(&project);
    let env = basalt(project.path(), &["status", "-o", "env"]).with(0).out;
    assert!(env.contains(&format!("API_URL=\"{}\"", server.url())), "{env}");
}

#[test]
fn gen_keys_makes_keys_that_fit_each_other() {
    let project = blog();
    let first = basalt(project.path(), &["gen", "keys"]).with(0).out;
    assert_ne!(first, basalt(project.path(), &["gen", "keys"]).with(0).out);
    assert!(!project.path().join(".basalt").exists(), "nothing is stored");
    let pairs: Vec<(&str, &str)> = first.lines().filter_map(|line| line.split_once('=')).collect();
    let names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["JWT_SECRET", "ANON_KEY", "SERVICE_ROLE_KEY", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY"]);
    let status = basalt_with(project.path(), &["status", "-o", "json"], &pairs).with(0).out;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    for ((_, value), shown) in pairs.iter().zip(["JWT_SECRET", "ANON_KEY", "SERVICE_ROLE_KEY", "PUBLISHABLE_KEY", "SECRET_KEY"]) {
        assert_eq!(status[shown], *value);
    }
    let crossed = [pairs[0], ("ANON_KEY", pairs[2].1)];
    let refused = basalt_with(project.path(), &["status"], &crossed).with(1);
    assert!(refused.err.contains("ANON_KEY") && !refused.err.contains(pairs[2].1), "named, not shown: {refused:?}");
    let short = basalt_with(project.path(), &["status"], &[("JWT_SECRET", "short")]).with(1);
    assert!(short.err.contains("at least 32"), "{short:?}");
}

#[test]
fn migrations_are_made_applied_and_listed() {
    let project = Project::new();
    basalt(project.path(), &["init"]).with(0);
    let path = basalt(project.path(), &["migration", "new", "Create notes!"]).with(0).out;
    let name = path.trim().rsplit('/').next().unwrap_or_default().to_owned();
    assert!(
        name.len() > 15 && name.as_bytes()[..14].iter().all(u8::is_ascii_digit) && name.ends_with("_create_notes_.sql"),
        "{name}"
    );
    basalt(project.path(), &["migration", "new", "!!!"]).with(1);
    std::fs::write(path.trim(), "create table public.notes (id int primary key);").expect("writes");

    let list = basalt(project.path(), &["migration", "list"]).with(0).out;
    assert!(list.lines().any(|l| l.starts_with(&name[..14]) && l.contains("new") && l.contains("create_notes_")), "{list}");
    let up = basalt(project.path(), &["migration", "up"]).with(0).out;
    assert!(up.contains(&name[..14]), "{up}");
    assert!(basalt(project.path(), &["migration", "up"]).with(0).out.contains("No new migrations"));
    let list = basalt(project.path(), &["migration", "list"]).with(0).out;
    assert!(list.lines().any(|l| l.starts_with(&name[..14]) && l.contains("applied")), "{list}");
}

#[test]
fn a_running_server_applies_new_migrations_when_asked() {
    let project = blog();
    let server = serve(&project);
    expect(&server, &service("GET", "/rest/v1/later"), 404);
    project.write(
        "supabase/migrations/20270101000000_later.sql",
        "create table public.later (id int primary key); grant select on public.later to service_role;",
    );
    let up = basalt(project.path(), &["migration", "up"]).with(0).out;
    assert!(up.contains("20270101000000"), "{up}");
    assert_eq!(expect(&server, &service("GET", "/rest/v1/later"), 200).text(), "[]");
    let list = basalt(project.path(), &["migration", "list"]).with(0).out;
    assert_eq!(list.matches("applied").count(), 3, "{list}");

    project.write("supabase/migrations/20270102000000_bad.sql", "create table public.later (id int);");
    let refused = basalt(project.path(), &["migration", "up"]).with(1);
    assert!(refused.err.contains("20270102000000_bad.sql") && refused.err.contains("already exists"), "{refused:?}");
    expect(&server, &service("GET", "/rest/v1/later"), 200);
}

#[test]
fn an_edited_or_missing_migration_is_an_error_that_says_how_to_repair() {
    let project = Project::new()
        .config("project_id = \"x\"")
        .migration("create table public.one (id int primary key);")
        .migration("create table public.two (id int primary key);");
    let (one, two) = ("20260101000001", "20260101000002");
    let path = |version: &str, n: u32| format!("supabase/migrations/{version}_step_{n}.sql");
    basalt(project.path(), &["migration", "up"]).with(0);

    project.write(&path(one, 1), "create table public.one (id bigint primary key);");
    let edited = basalt(project.path(), &["migration", "up"]).with(1);
    assert!(
        edited.err.contains("was edited") && edited.err.contains(&format!("migration repair {one} --status applied")),
        "{edited:?}"
    );
    basalt(project.path(), &["migration", "repair", one, "--status", "applied"]).with(0);
    basalt(project.path(), &["migration", "up"]).with(0);

    std::fs::remove_file(project.path().join(path(two, 2))).expect("removes");
    let missing = basalt(project.path(), &["migration", "up"]).with(1);
    assert!(
        missing.err.contains("file is missing") && missing.err.contains(&format!("migration repair {two} --status reverted")),
        "{missing:?}"
    );
    let log = crate::support::refuses_to_serve(&project, &crate::support::known_keys());
    assert!(log.contains("file is missing"), "{log}");
    let list = basalt(project.path(), &["migration", "list"]).with(0).out;
    assert!(list.lines().any(|l| l.starts_with(two) && l.contains("missing")), "{list}");
    basalt(project.path(), &["migration", "repair", two, "--status", "reverted"]).with(0);
    drop(serve(&project));

    let unknown = basalt(project.path(), &["migration", "repair", "20300101000000", "--status", "applied"]).with(1);
    assert!(unknown.err.contains("20300101000000"), "{unknown:?}");
    basalt(project.path(), &["migration", "repair", one]).with(2);
}

#[test]
fn a_migration_that_fails_is_named_with_its_line_and_leaves_nothing() {
    let project = Project::new()
        .config("project_id = \"x\"")
        .migration("create table public.kept (id int primary key);")
        .migration("create table public.lost (id int primary key);\ninsert into public.lost values (1), (1);");
    let failed = basalt(project.path(), &["migration", "up"]).with(1);
    assert!(failed.err.contains("20260101000002_step_2.sql:2:1") && failed.err.contains("lost_pkey"), "{failed:?}");
    let list = basalt(project.path(), &["migration", "list"]).with(0).out;
    assert_eq!((list.matches("applied").count(), list.matches("new").count()), (1, 1), "the one before stays: {list}");
    project.write("supabase/migrations/20260101000002_step_2.sql", "create table public.lost (id int primary key);");
    basalt(project.path(), &["migration", "up"]).with(0);
}

#[test]
fn db_reset_begins_anew_and_not_under_a_server() {
    let project = blog();
    {
        let server = serve(&project);
        let row = r#"{"id":9,"name":"spring"}"#;
        expect(&server, &service("POST", "/rest/v1/items").json(row), 201);
        let refused = basalt(project.path(), &["db", "reset"]).with(1);
        assert!(refused.err.contains("stop it first"), "{refused:?}");
        assert!(expect(&server, &service("GET", "/rest/v1/items?select=id"), 200).text().contains('9'));
    }
    basalt(project.path(), &["db", "reset"]).with(0);
    let server = serve(&project);
    let items = expect(&server, &service("GET", "/rest/v1/items?select=id&order=id"), 200).text();
    assert!(items.contains('3') && !items.contains('9'), "the seed's rows alone: {items}");
}

#[test]
fn db_reset_keeps_the_old_database_when_the_new_one_would_not_come_to_be() {
    let project = blog();
    basalt(project.path(), &["migration", "up"]).with(0);
    let before = project.read(".basalt/data.db");
    project.write("supabase/migrations/20270101000000_bad.sql", "create table public.t (id int) partition by range (id);");
    basalt(project.path(), &["db", "reset"]).with(1);
    assert_eq!(project.read(".basalt/data.db"), before);
}

#[test]
fn doctor_reports_all_that_does_not_run_and_touches_nothing() {
    let project = blog();
    let fine = basalt(project.path(), &["doctor"]).with(0).out;
    assert!(fine.contains("100 %"), "{fine}");
    project.write(
        "supabase/migrations/20270101000000_bad.sql",
        "create table public.fine (id int);\ncreate table public.parts (id int) partition by range (id);\n",
    );
    project.write("supabase/migrations/20270102000000_bad.sql", "\n\ncreate extension postgis;\n");
    let report = basalt(project.path(), &["doctor"]).with(1).out;
    assert!(report.contains("20270101000000_bad.sql:2") && report.contains("20270102000000_bad.sql:3"), "{report}");
    let json = basalt(project.path(), &["doctor", "--json"]).with(1).out;
    serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
    assert!(!project.path().join(".basalt").exists(), "nothing was touched");
    let refused = basalt(project.path(), &["migration", "up"]).with(1);
    assert!(refused.err.contains("nothing was applied"), "{refused:?}");
    let list = basalt(project.path(), &["migration", "list"]).with(0).out;
    assert!(!list.contains("applied"), "not even the good ones: {list}");
}

#[test]
fn an_unknown_setting_is_an_error_with_the_nearest_known_one() {
    let project = blog().basalt_config("[server]\nmax_body_byte = 5\n");
    for arguments in [&["doctor"][..], &["serve"], &["status"]] {
        let refused = basalt(project.path(), arguments).with(1);
        assert!(refused.err.contains("max_body_byte") && refused.err.contains("max_body_bytes"), "{refused:?}");
    }
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let project = blog();
    std::fs::create_dir_all(project.path().join(".basalt")).expect("a folder");
    let path = project.path().join(".basalt/data.db");
    let foreign = rusqlite::Connection::open(&path).expect("opens");
    foreign.execute_batch("create table theirs (id integer primary key); insert into theirs values (1);").expect("writes");
    drop(foreign);
    let before = std::fs::read(&path).expect("reads");
    let refused = basalt(project.path(), &["migration", "up"]).with(1);
    assert!(refused.err.contains("not made by Basalt"), "{refused:?}");
    assert_eq!(
        rusqlite::Connection::open(&path).and_then(|c| c.query_row("select count(*) from theirs", [], |r| r.get(0))),
        Ok(1)
    );
    assert_eq!(before.len(), std::fs::read(&path).expect("reads").len());
}
