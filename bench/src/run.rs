//! The measurement: servers side by side, rounds in turn, medians at the end.

mod basalt;
mod client;
mod growth;
mod pgbouncer;
mod plot;
mod postgres;
mod process;
mod report;
mod sample;
mod token;
mod wrk;

use crate::workload::{WORKLOADS, Workload};
use crate::{Failure, seed};
use basalt::Basalt;
use clap::{Args, ValueEnum};
use process::{Process, Server};
use report::{Measured, Table};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

/// How to measure.
#[derive(Args)]
pub struct Options {
    /// The Basalt program; without it only the constant and the bare server are measured.
    #[arg(long)]
    basalt: Option<PathBuf>,
    /// The folder of the bench itself: its project and wrk's scripts.
    #[arg(long, default_value = "bench")]
    bench: PathBuf,
    /// Where files are kept: the filled ones for the next run, and those that this run changes.
    #[arg(long, default_value = "target/bench")]
    work: PathBuf,
    /// How often each server is measured with each workload.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long one round lasts, in seconds.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How many connections wrk holds open.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Only these workloads, by name, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Which engines.
    #[arg(long, value_delimiter = ',', default_values_t = [Engine::Sqlite])]
    engines: Vec<Engine>,
    /// The program that runs a private PostgreSQL, `private-postgres` of basalt-testkit.
    #[arg(long, required_if_eq("engines", "postgres"))]
    private_postgres: Option<PathBuf>,
    /// PgBouncer's program: with it Basalt is measured through it too.
    #[arg(long)]
    pgbouncer: Option<PathBuf>,
    /// Row counts, ascending: a keyed read is timed at each while one table grows, and the plot is drawn. Nothing else is measured.
    #[arg(long, value_delimiter = ',', conflicts_with = "only")]
    growth: Vec<u64>,
    /// Report a ratio below its floor without failing.
    #[arg(long)]
    no_floors: bool,
}

/// Where the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A server on the same machine, by its Unix socket.
    Postgres,
}

impl Engine {
    fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "### SQLite",
            Self::Postgres => "### PostgreSQL",
        }
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// How the ratios compare with their floors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All hold (or nothing was to be compared).
    Held,
    /// At least one does not.
    BelowFloor,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<Verdict, Failure> {
    let chosen: Vec<&Workload> =
        WORKLOADS.iter().filter(|w| options.only.is_empty() || options.only.iter().any(|name| name == w.name)).collect();
    if let Some(unknown) = options.only.iter().find(|name| WORKLOADS.iter().all(|w| w.name != name.as_str())) {
        let known: Vec<&str> = WORKLOADS.iter().map(|w| w.name).collect();
        return Err(format!("no workload {unknown}; there are {}", known.join(", ")).into());
    }
    let wrk = wrk::find()?;
    fs::create_dir_all(&options.work)?;
    let fresh = options.work.join("run");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;

    if !options.growth.is_empty() {
        let verdict = growth::run(options, &wrk, &fresh)?;
        fs::remove_dir_all(&fresh)?;
        return Ok(if options.no_floors { Verdict::Held } else { verdict });
    }
    let mut all = Verdict::Held;
    for engine in &options.engines {
        let verdict = match engine {
            Engine::Sqlite => {
                let mut servers = vec![start_constant()?, start_bare(options, &fresh)?];
                if let Some(program) = &options.basalt {
                    let basalt = Basalt::prepare(program, &options.bench.join("project"), &options.work)?;
                    servers.push(basalt.start("Basalt", &fresh.join("basalt"), None)?);
                }
                measure_all(options, *engine, &wrk, &chosen, servers)?
            }
            Engine::Postgres => {
                let postgres = postgres::Postgres::start(options, &fresh)?;
                let pgbouncer = options.pgbouncer.as_deref().map(|program| postgres.pooler(program, &fresh)).transpose()?;
                let servers = postgres.servers(&fresh, pgbouncer.as_ref())?;
                let verdict = measure_all(options, *engine, &wrk, &chosen, servers)?;
                drop((pgbouncer, postgres));
                verdict
            }
        };
        if verdict == Verdict::BelowFloor {
            all = verdict;
        }
    }
    fs::remove_dir_all(&fresh)?;
    Ok(if options.no_floors { Verdict::Held } else { all })
}

/// All workloads on the servers of one engine, and what came out, printed.
fn measure_all(
    options: &Options,
    engine: Engine,
    wrk: &str,
    chosen: &[&Workload],
    mut servers: Vec<Server>,
) -> Result<Verdict, Failure> {
    let mut facts = vec![
        format!("wrk: {wrk}; 2 threads, {} connections, requests made up beforehand", options.connections),
        format!("rounds: {} of {} s for each server and workload, in turn; medians", options.rounds, options.seconds),
    ];
    let bare = servers.iter().find(|server| server.name == "bare").ok_or("no bare server")?;
    for basalt in servers.iter().filter(|server| server.name.starts_with("Basalt")) {
        let compared = sample::agree(bare, basalt, chosen)?;
        let name = basalt.name;
        facts.push(format!("{compared} answers of the bare server and {name} compared: equal; anon got no row from {name}"));
    }
    let mut table = Table::new(engine, facts);
    for workload in chosen {
        measure(options, workload, &servers, &mut table)?;
    }
    print!("{}", table.markdown());
    for server in &mut servers {
        server.process.stop();
    }
    Ok(table.verdict())
}

fn start_constant() -> Result<Server, Failure> {
    let (process, address) = Process::listening(&env::current_exe()?, &["constant"])?;
    Ok(Server { name: "constant", process, address, apikey: "none".to_owned(), token: "none".to_owned() })
}

/// Starts the bare server on a copy of its file, so that every run begins with the same rows.
fn start_bare(options: &Options, fresh: &std::path::Path) -> Result<Server, Failure> {
    let filled = options.work.join("bare.db");
    if !filled.exists() {
        eprintln!("making {}", filled.display());
        let part = options.work.join("bare.db.part");
        if part.exists() {
            fs::remove_file(&part)?;
        }
        seed::bare_file(&part)?;
        fs::rename(&part, &filled)?;
    }
    let copy = fresh.join("bare.db");
    fs::copy(&filled, &copy)?;
    let path = copy.to_str().ok_or("the work folder's name is not UTF-8")?;
    let (process, address) = Process::listening(&env::current_exe()?, &["bare", "--db", path])?;
    // The same headers as Basalt gets, so that both parse as much; the bare server does not look at them.
    let token = token::sign("bare", &address);
    Ok(Server { name: "bare", process, address, apikey: token.clone(), token })
}

/// One workload on all servers: a warm-up each, then rounds that begin with another server each time.
fn measure(options: &Options, workload: &Workload, servers: &[Server], table: &mut Table) -> Result<(), Failure> {
    let mut seed = 1;
    let mut once = |server: &Server, seconds: u64| -> Result<Measured, Failure> {
        seed += 1;
        let before = server.process.cpu()?;
        let load = wrk::Load {
            scripts: &options.bench.join("wrk"),
            script: workload.name,
            connections: options.connections,
            rows: crate::data::USERS,
            duration: Duration::from_secs(seconds),
            seed,
        };
        let result = load.drive(server)?;
        let cpu = server.process.cpu()?.saturating_sub(before);
        if result.failures > 0 || result.requests == 0 {
            let (name, workload) = (server.name, workload.name);
            return Err(format!("{name}, {workload}: {} of {} requests failed", result.failures, result.requests).into());
        }
        Ok(Measured { result, cpu })
    };
    for server in servers {
        once(server, 1)?;
    }
    for round in 0..options.rounds {
        for turn in 0..servers.len() {
            let server = &servers[(turn + round) % servers.len()];
            let measured = once(server, options.seconds)?;
            eprintln!("{:<12} {:<9} round {}: {:>8.0} requests/s", workload.name, server.name, round + 1, measured.rate());
            table.add(workload, server.name, measured);
        }
    }
    if workload.is_writing {
        for server in servers.iter().filter(|server| server.name != "constant") {
            sample::is_sound(server)?;
        }
    }
    Ok(())
}
