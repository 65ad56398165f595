//! The bench: what the work costs at least (a bare server of ours), and what Basalt makes of it.
//!
//! `basalt-bench run` starts a server with a constant answer, a bare server over one SQLite file and Basalt over the project
//! in `bench/project`, drives them with wrk in alternating rounds and prints medians and ratios. The bare server shares no
//! crate of ours on purpose: it is the yardstick, not a part of the product.
//!
//! Where to start reading: `workload.rs` says what is asked, `data.rs` which rows there are, `bare.rs` is the bare server,
//! `run.rs` the measurement. To add a workload: a script in `bench/wrk`, an entry in `workload.rs`, a query in `bare/query.rs`.

mod bare;
mod bare_postgres;
mod constant;
mod data;
mod json;
mod run;
mod seed;
mod serve;
mod workload;

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// What can go wrong in a tool: the sentence is all that its user needs.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "Measures Basalt against a bare server that does the same database work")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the bench's file with nothing but hyper and SQLite.
    Bare {
        /// The file that `seed` made.
        #[arg(long)]
        db: PathBuf,
        /// Where to listen; port 0 takes a free one, which is printed.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Serve a PostgreSQL database with nothing but hyper and tokio-postgres.
    BarePostgres {
        /// Its address, as `postgres://` or `host=… dbname=…`.
        #[arg(long)]
        database: String,
        /// One statement a request, without transaction, role and claims.
        #[arg(long)]
        single: bool,
        /// Where to listen; port 0 takes a free one, which is printed.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Serve constant answers of the right size.
    Constant {
        /// Where to listen; port 0 takes a free one, which is printed.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Make the file for the bare server.
    Seed {
        /// The file; it must not exist.
        #[arg(long)]
        db: PathBuf,
    },
    /// Measure all servers in alternating rounds and print the tables.
    Run(run::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bare { db, listen } => bare::serve(&db, listen),
        Command::BarePostgres { database, single, listen } => bare_postgres::serve(&database, single, listen),
        Command::Constant { listen } => constant::serve(listen),
        Command::Seed { db } => seed::bare_file(&db),
        Command::Run(options) => match run::run(&options) {
            Ok(run::Verdict::Held) => Ok(()),
            Ok(run::Verdict::BelowFloor) => return ExitCode::FAILURE,
            Err(failure) => Err(failure),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("basalt-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
