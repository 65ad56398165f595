//! `private-postgres FOLDER COUNT [SETTING=VALUE…]`: a private PostgreSQL with so many empty databases, for tests that are not written in Rust.
//!
//! Each database's address stands in a file of FOLDER, `1`, `2`, …; who wants one takes its file away. `ready` is made last. The
//! server ends when standard input does.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use basalt_testkit::postgres::{PrivatePostgres, SUPERUSER, Setup};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count, settings @ ..] = arguments.as_slice() else {
        eprintln!("private-postgres FOLDER COUNT [SETTING=VALUE…]");
        return ExitCode::from(2);
    };
    match serve(Path::new(folder), count.parse().unwrap_or(1), &settings.join("\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("private-postgres: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(folder: &Path, count: u32, settings: &str) -> Result<(), Box<dyn std::error::Error>> {
    let server = PrivatePostgres::start_with(&Setup { settings: settings.to_owned(), ..Setup::default() })?;
    let mut client = server.connect("postgres", SUPERUSER)?;
    for number in 1..=count {
        client.batch(&format!("create database client_{number}"))?;
        let address = server.connection_string(&format!("client_{number}"), SUPERUSER);
        std::fs::write(folder.join(number.to_string()), address)?;
    }
    std::fs::write(folder.join("ready"), "")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
