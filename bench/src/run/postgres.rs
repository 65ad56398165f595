//! A private PostgreSQL that syncs, and the servers before it, each with a copy of the same database.

use super::basalt::Basalt;
use super::pgbouncer::PgBouncer;
use super::process::{Process, Server};
use super::{Options, start_constant, token};
use crate::Failure;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};
use tokio_postgres::NoTls;

/// How long the server may take to come up.
const START_LIMIT: Duration = Duration::from_secs(60);

/// As an operator would run it on a small machine: everything acknowledged is on disk.
const SETTINGS: [&str; 7] = [
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=256MB",
    "wal_level=replica",
    "max_wal_size=4GB",
    "autovacuum=on",
];

/// The running server.
pub struct Postgres {
    server: Running,
    filled: Basalt,
}

/// The process and its two empty databases.
pub struct Running {
    /// It ends when its standard input does.
    process: Child,
    /// The address of a superuser in the first database, which nobody uses.
    address: String,
    /// The same in the second.
    pub database: String,
}

impl Postgres {
    /// Starts it and lets Basalt fill a database over its API.
    pub fn start(options: &Options, fresh: &Path) -> Result<Self, Failure> {
        let basalt = options.basalt.as_ref().ok_or("PostgreSQL is filled by Basalt: --basalt is missing")?;
        let server = Running::start(options, fresh)?;
        let began = Instant::now();
        eprintln!("filling PostgreSQL over Basalt's API");
        let project = options.bench.join("project");
        let filled = Basalt::fill_database(basalt, &project, &fresh.join("postgres-project"), &server.database)?;
        eprintln!("filled in {:.1} s", began.elapsed().as_secs_f64());
        Ok(Self { server, filled })
    }

    /// PgBouncer before this server.
    pub fn pooler(&self, program: &Path, fresh: &Path) -> Result<PgBouncer, Failure> {
        PgBouncer::start(program, &self.server.address, &fresh.join("pgbouncer"))
    }

    /// A copy of the filled database; the address of a superuser in it.
    fn copy(&self, name: &str) -> Result<String, Failure> {
        let filled = self.server.address.replace("client_1", "client_2");
        batch(&filled, "VACUUM (ANALYZE)")?;
        batch(&self.server.address, &format!("CREATE DATABASE {name} TEMPLATE client_2"))?;
        Ok(self.server.address.replace("client_1", name))
    }

    /// All servers: answers without a database, the bare one with and without a transaction, Basalt, and Basalt through a pooler.
    pub fn servers(&self, fresh: &Path, pooler: Option<&PgBouncer>) -> Result<Vec<Server>, Failure> {
        let mut servers = vec![start_constant()?];
        for (name, flag) in [("bare", None), ("one statement", Some("--single"))] {
            let database = self.copy(&name.replace(' ', "_"))?;
            let mut arguments = vec!["bare-postgres", "--database", &database];
            arguments.extend(flag);
            let (process, address) = Process::listening(&env::current_exe()?, &arguments)?;
            let token = token::sign("bare", &address);
            servers.push(Server { name, process, address, apikey: token.clone(), token });
        }
        let database = self.copy("basalt")?;
        servers.push(self.filled.start("Basalt", &fresh.join("basalt-postgres"), Some(&database))?);
        if let Some(pooler) = pooler {
            let database = pooler.address(&self.copy("basalt_pooled")?)?;
            servers.push(self.filled.start("Basalt, PgBouncer", &fresh.join("basalt-pooled"), Some(&database))?);
        }
        Ok(servers)
    }
}

impl Running {
    /// Starts it with two empty databases.
    pub fn start(options: &Options, fresh: &Path) -> Result<Self, Failure> {
        let program = options.private_postgres.as_ref().ok_or("--private-postgres is missing")?;
        let folder = fresh.join("postgres");
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(program);
        command.arg(&folder).arg("2").args(SETTINGS).stdin(Stdio::piped());
        let process = command.spawn().map_err(|failure| format!("{}: {failure}", program.display()))?;
        let mut running = Self { process, address: String::new(), database: String::new() };
        let began = Instant::now();
        while !folder.join("ready").exists() {
            if !matches!(running.process.try_wait(), Ok(None)) || began.elapsed() > START_LIMIT {
                return Err("the private PostgreSQL did not come up".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        running.address = fs::read_to_string(folder.join("1"))?;
        running.database = fs::read_to_string(folder.join("2"))?;
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Runs statements without answers.
pub fn batch(address: &str, sql: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
        let driven = tokio::spawn(connection);
        client.batch_execute(sql).await?;
        drop(client);
        driven.await??;
        Ok(())
    })
}
