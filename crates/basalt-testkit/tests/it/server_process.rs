//! Starting, watching and ending a server process. The server is this test binary itself, acting as one.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use basalt_testkit::http::Request;
use basalt_testkit::process::{ServerOptions, StartError, TestServer};
use basalt_testkit::{FakeClock, Project};
use basalt_types::Clock;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A program taking the arguments of `basalt serve` that becomes [`acts_as_server`].
fn stand_in(project: &Project, behaviour: &str) -> Result<ServerOptions, Box<dyn std::error::Error>> {
    let script = format!(
        "#!/bin/sh\nTESTKIT_LISTEN=$5 TESTKIT_BEHAVIOUR={behaviour} TESTKIT_FOLDER=$3 exec '{}' --exact server_process::acts_as_server --nocapture\n",
        std::env::current_exe()?.display()
    );
    project.write("server", script);
    let program: PathBuf = project.path().join("server");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(ServerOptions { program: Some(program), ..ServerOptions::default() })
}

#[test]
fn acts_as_server() -> Outcome {
    let Ok(listen) = std::env::var("TESTKIT_LISTEN") else { return Ok(()) };
    let behaviour = std::env::var("TESTKIT_BEHAVIOUR")?;
    let marker = PathBuf::from(std::env::var("TESTKIT_FOLDER")?).join("tried");
    if behaviour == "fails" || (behaviour == "port_taken_once" && !marker.exists()) {
        std::fs::write(&marker, "")?;
        eprintln!("cannot start: {}", if behaviour == "fails" { "no reason".to_owned() } else { format!("{listen} is in use") });
        std::process::exit(1);
    }
    println!("listening on {listen}");
    for stream in TcpListener::bind(&listen)?.incoming() {
        let mut stream = stream?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let body = request.split(' ').nth(1).unwrap_or_default();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}

#[test]
fn it_starts_answers_and_ends() -> Outcome {
    let project = Project::new().migration("create table t (id int);");
    let mut server = TestServer::start_with(project.path(), &stand_in(&project, "works")?)?;
    assert_eq!(server.send(&Request::new("GET", "/hello"))?.text(), "/hello");
    assert!(server.logs().contains(&format!("listening on {}", server.address())), "{}", server.logs());
    let status = server.terminate()?;
    assert!(!status.success(), "ended by the signal");
    assert!(server.send(&Request::new("GET", "/")).is_err());
    let mut server = TestServer::start_with(project.path(), &stand_in(&project, "works")?)?;
    server.kill()?;
    assert!(server.send(&Request::new("GET", "/")).is_err());
    Ok(())
}

#[test]
fn a_taken_port_is_tried_again_and_a_failure_shows_the_log() -> Outcome {
    let project = Project::new();
    drop(TestServer::start_with(project.path(), &stand_in(&project, "port_taken_once")?)?);
    let error = TestServer::start_with(project.path(), &stand_in(&project, "fails")?).expect_err("it ends");
    assert!(matches!(&error, StartError::Ended { logs, .. } if logs.contains("no reason")), "{error}");
    let nowhere = ServerOptions { program: Some(project.path().join("nothing")), ..ServerOptions::default() };
    assert!(matches!(TestServer::start_with(project.path(), &nowhere), Err(StartError::Spawn { .. })));
    Ok(())
}

#[test]
fn projects_are_copied_without_their_state() {
    let original = Project::new().config("project_id = \"x\"").migration("select 1;").file(".basalt/data.db", "secret");
    let copy = Project::copy_of(original.path()).migration("select 2;");
    assert_eq!(copy.read("supabase/config.toml"), b"project_id = \"x\"");
    assert_eq!(copy.read("supabase/migrations/20260101000002_step_2.sql"), b"select 2;");
    assert!(!copy.path().join(".basalt").exists());
}

#[test]
fn the_clock_moves_only_when_told() {
    let clock = FakeClock::default();
    assert_eq!(clock.now().unix_s(), 1_767_225_600);
    clock.advance_s(90);
    clock.advance_us(-1);
    assert_eq!(clock.now().0, 1_767_225_690_000_000 - 1);
}
