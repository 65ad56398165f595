//! The database restarts, is killed, stops answering, has no connection or no space left while requests go on: every answer is right or
//! a clear error, what was acknowledged is there, nothing is half there, and everything works again by itself.
//!
//! `BASALT_FAULT_ROUNDS` times each.

mod load;

use std::collections::BTreeMap;
use std::io;

use basalt_testkit::Project;
use basalt_testkit::disk::SmallDisk;
use basalt_testkit::postgres::{Client, Ending, OWNER, PrivatePostgres, SUPERUSER, Setup};
use basalt_testkit::process::{ServerOptions, TestServer};
use rustix::process::Signal;

use crate::support::{expect, known_keys, send, serve, service, setting};
use load::{Load, until};

/// Commits are durable as in production, but for the loss of power.
const SETTINGS: &str = "synchronous_commit = on\nfull_page_writes = on\nmax_connections = 40\n";

fn rounds() -> u64 {
    setting("BASALT_FAULT_ROUNDS", 1)
}

/// Of a disk that only what is written in one round fills by half, MiB.
fn space() -> u32 {
    u32::try_from(64 + 16 * rounds()).expect("few rounds")
}

fn project(is_postgres: bool, table_space: &str) -> Project {
    let mut sql = format!(
        "create table public.fixed (id int primary key, note text);
         insert into public.fixed select n, repeat('word ', 20) || n from generate_series(1, 20) as s (n);
         create table public.log (writer int, n int, part int, filler text, primary key (writer, n, part)){table_space};
         grant select on public.fixed to anon, service_role; grant all on public.log to service_role;"
    );
    if is_postgres {
        sql.push_str(
            "create function public.note(writer int, n int, filler text) returns int language plpgsql as $$ begin
                 for part in 1..3 loop insert into public.log values (note.writer, note.n, part, note.filler); end loop;
                 return note.n; end $$;",
        );
    }
    Project::new()
        .config("project_id = \"faults\"")
        .basalt_config(
            "[database]\npool_size = 8\npool_timeout_ms = 3000\n[limits]\nanon_timeout_ms = 3000\nother_timeout_ms = 3000\n",
        )
        .migration(&sql)
}

/// A server of one test, and the program on it.
struct Served {
    server: TestServer,
    postgres: PrivatePostgres,
    _project: Project,
}

impl Served {
    fn new(setup: &Setup, before: &[&str], table_space: &str) -> Self {
        let setup = Setup { settings: format!("{SETTINGS}{}", setup.settings), ..setup.clone() };
        let postgres = PrivatePostgres::start_with(&setup).unwrap_or_else(|e| panic!("{e}"));
        let project = project(true, table_space);
        let mut client = postgres.connect("postgres", SUPERUSER).expect("connects");
        client.batch("create database app").expect("a database");
        before.iter().for_each(|sql| client.batch(sql).expect("what comes before"));
        let arguments = vec!["--database".to_owned(), postgres.connection_string("app", SUPERUSER)];
        let options = ServerOptions { arguments, ..known_keys() };
        let server = TestServer::start_with(project.path(), &options).unwrap_or_else(|e| panic!("{e}"));
        Self { server, postgres, _project: project }
    }

    fn superuser(&self) -> Client {
        self.postgres.connect("app", SUPERUSER).expect("connects")
    }

    /// What is stored once nothing is under way any more, and that no connection is left in the middle of something.
    fn stored(&self) -> BTreeMap<(usize, u64), usize> {
        let mut client = self.superuser();
        let busy = "select count(*)::text from pg_stat_activity
             where datname = 'app' and pid <> pg_backend_pid() and backend_type = 'client backend' and state is distinct from 'idle'";
        until("the server comes to rest", &self.server, || {
            client.query_text(busy, &[]).expect("reads")[0][0].as_deref() == Some("0")
        });
        until("the pool comes to rest", &self.server, || {
            let figures = expect(&self.server, &service("GET", "/metrics"), 200).text();
            ["pool_busy_connections", "admin_pool_busy_connections", "pool_waiting_requests"]
                .iter()
                .all(|name| figures.lines().any(|line| line == format!("basalt_engine_{name} 0")))
        });
        let rows = client.query_text("select writer::text, n::text, count(*)::text from public.log group by 1, 2", &[]);
        let number = |column: &Option<String>| column.as_deref().and_then(|text| text.parse::<u64>().ok()).expect("a number");
        let size = |n: u64| usize::try_from(n).expect("small");
        rows.expect("reads").iter().map(|row| ((size(number(&row[0])), number(&row[1])), size(number(&row[2])))).collect()
    }

    fn under_load(&self, what: &str, meanwhile: impl FnMut(&Load<'_>)) {
        self.superuser().batch("truncate public.log").expect("empties");
        let mut meanwhile = meanwhile;
        let told = Load::during(&self.server, true, |load| (0..rounds()).for_each(|_| meanwhile(load)), || self.stored());
        println!("{what}, {} times: {told}", rounds());
        assert!(!self.server.logs().contains("panicked"), "{}", self.server.logs());
    }
}

#[test]
fn postgres_is_started_again_and_killed() {
    let served = Served::new(&Setup::default(), &[], "");
    for (what, how) in [("ended fast", Ending::Fast), ("ended at once", Ending::Immediate), ("killed", Ending::Killed)] {
        served.under_load(&format!("PostgreSQL {what}"), |load| {
            served.postgres.end(how).expect("it ran");
            load.fails_with(&["PGRST000"], 5);
            load.fails_everywhere();
            served.postgres.start_again().unwrap_or_else(|e| panic!("{e}"));
            load.goes_on();
        });
    }
    let ends = "select count(pg_terminate_backend(pid))::text from pg_stat_activity
        where datname = 'app' and pid <> pg_backend_pid() and backend_type = 'client backend'";
    served.under_load("all connections ended 10", |load| {
        let mut client = served.superuser();
        for _ in 0..10 {
            client.query_text(ends, &[]).expect("ends them");
            load.reads_go_on();
        }
    });
}

#[test]
fn postgres_stops_answering() {
    let served = Served::new(&Setup::default(), &[], "");
    served.under_load("PostgreSQL stopped", |load| {
        served.postgres.signal_all(Signal::STOP).expect("it ran");
        load.fails_everywhere();
        served.postgres.signal_all(Signal::CONT).expect("it is there");
        load.goes_on();
    });
}

#[test]
fn postgres_has_no_connection_left() {
    let served = Served::new(&Setup::default(), &[], "");
    let ours = "select count(pg_terminate_backend(pid))::text from pg_stat_activity where usename = 'authenticator'";
    served.under_load("PostgreSQL full of others", |load| {
        let mut others = Vec::new();
        let mut client = served.superuser();
        loop {
            match served.postgres.connect("postgres", OWNER) {
                Ok(other) => others.push(other),
                Err(refused) => {
                    let refused = refused.to_string();
                    assert!(refused.contains("too many clients") || refused.contains("remaining connection slots"), "{refused}");
                    // Who comes first has the places that this makes.
                    if client.query_text(ours, &[]).expect("ends them")[0][0].as_deref() == Some("0") {
                        break;
                    }
                }
            }
        }
        load.fails_with(&["PGRST000"], 20);
        drop(others);
        load.goes_on();
    });
}

/// A small disk, unless who runs this may not mount one.
fn small_disk(made: io::Result<SmallDisk>) -> Option<SmallDisk> {
    match made {
        Ok(disk) => Some(disk),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            println!("not run: only root can mount a small disk");
            None
        }
        Err(error) => panic!("no small disk: {error}"),
    }
}

#[test]
fn postgres_has_no_space_for_a_table() {
    let Some(disk) = small_disk(SmallDisk::new(space())) else { return };
    let folder = disk.path().join("space");
    std::fs::create_dir(&folder).expect("a folder");
    std::os::unix::fs::chown(&folder, Some(65_534), Some(65_534)).expect("nobody's");
    let space = format!("create tablespace small location '{}'", folder.display());
    let before = [space.as_str(), "grant create on tablespace small to public"];
    let served = Served::new(&Setup::default(), &before, " tablespace small");
    served.under_load("no space for a table", |load| {
        disk.fill().expect("fills");
        load.fails_with(&["53100"], 10);
        load.reads_go_on();
        disk.free().expect("is free again");
        load.goes_on();
    });
}

#[test]
fn postgres_has_no_space_for_its_log() {
    let Some(disk) = small_disk(SmallDisk::new(400)) else { return };
    let setup = Setup {
        within: Some(disk.path().to_owned()),
        // So that the log needs new files all the time.
        settings: "max_wal_size = 64MB\nmin_wal_size = 32MB\nwal_recycle = off\ncheckpoint_timeout = 30s\n".to_owned(),
        ..Setup::default()
    };
    let served = Served::new(&setup, &[], "");
    served.under_load("no space at all", |load| {
        disk.fill().expect("fills");
        load.fails_with(&["53100"], 10);
        // A log that cannot be written ends the server: it panics, and cannot recover before there is space.
        let away = ["PGRST000", "PGRST001"];
        let before = load.errors(&away);
        until("the log's next file", &served.server, || {
            let _ = served.postgres.connect("app", SUPERUSER).and_then(|mut c| c.query_text("select pg_switch_wal()::text", &[]));
            load.errors(&away) > before + 10
        });
        load.fails_everywhere();
        disk.free().expect("is free again");
        // A server that cannot even recover ends itself.
        if served.postgres.connect("app", SUPERUSER).is_err() {
            let _ = served.postgres.end(Ending::Immediate);
            served.postgres.start_again().unwrap_or_else(|e| panic!("{e}"));
        }
        load.goes_on();
    });
}

#[test]
fn sqlite_has_no_space() {
    let project = project(false, "");
    std::fs::create_dir(project.path().join(".basalt")).expect("a folder");
    let Some(disk) = small_disk(SmallDisk::at(&project.path().join(".basalt"), space())) else { return };
    let server = serve(&project);
    let file = project.path().join(".basalt/data.db");
    let stored = || {
        let file = rusqlite::Connection::open(&file).expect("opens");
        let mut rows = file.prepare("SELECT writer, n, count(*) FROM \"public.log\" GROUP BY 1, 2").expect("a statement");
        let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<((usize, u64), usize)> {
            let (writer, n, count): (u32, u32, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(((writer as usize, n.into()), count as usize))
        };
        rows.query_map([], row).and_then(Iterator::collect).expect("reads")
    };
    let told = Load::during(
        &server,
        false,
        |load| {
            for _ in 0..rounds() {
                disk.fill().expect("fills");
                load.fails_with(&["53100"], 10);
                load.reads_go_on();
                disk.free().expect("is free again");
                load.goes_on();
                expect(&server, &service("DELETE", "/rest/v1/log?writer=eq.-1"), 204);
            }
        },
        stored,
    );
    println!("SQLite without space, {} times: {told}", rounds());
    assert_eq!(send(&server, &service("GET", "/health/ready")).status, 200);
    drop(server);
    let file = rusqlite::Connection::open(&file).expect("opens");
    let verdict: String = file.query_row(r#"PRAGMA integrity_check("public.log")"#, [], |row| row.get(0)).expect("checks");
    assert_eq!(verdict, "ok");
}
