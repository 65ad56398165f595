//! A private PgBouncer in front of a private server.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::server::{as_user, private_file, unprivileged};
use super::{Client, PrivatePostgres, SUPERUSER};

/// Longest wait for the pooler to take connections.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ends the pooler when standard input ends, as the server's own does.
const SUPERVISOR: &str = r#"
"$1" "$2/pgbouncer.ini" >"$2/bouncer.log" 2>&1 </dev/null &
bouncer=$!
cat >/dev/null
kill -TERM "$bouncer" 2>/dev/null
wait "$bouncer"
cd / && rm -rf "$2"
"#;

/// How PgBouncer gives connections to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// One for each client, as long as it stays.
    Session,
    /// Another for each transaction.
    Transaction,
}

/// A running PgBouncer of two server connections for each login. Ends with its handle, or with the process.
#[derive(Debug)]
pub struct PrivateBouncer {
    home: PathBuf,
    supervisor: Child,
    lifeline: Option<ChildStdin>,
}

impl PrivateBouncer {
    /// Starts it in front of a server, on a Unix socket.
    ///
    /// # Panics
    /// When PgBouncer is not installed (`tools/prepare.sh pgbouncer` installs it as root on Debian and its kin) or does not start:
    /// tests that need it have then failed.
    pub fn start(server: &PrivatePostgres, mode: PoolMode) -> Self {
        Self::begin(server, mode).unwrap_or_else(|e| panic!("PgBouncer cannot be started: {e}"))
    }

    fn begin(server: &PrivatePostgres, mode: PoolMode) -> io::Result<Self> {
        let program = locate()?;
        let folder = tempfile::Builder::new().prefix("basalt-pb-").tempdir_in("/tmp")?;
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))?;
        }
        let home = folder.path().to_owned();
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        // Two connections for each login and database, so that clients meet each other's and get different ones.
        let settings = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {home}\n\
             auth_type = trust\nauth_file = {home}/users\npool_mode = {mode}\ndefault_pool_size = 2\nmax_client_conn = 500\n\
             server_round_robin = 1\nignore_startup_parameters = extra_float_digits\nserver_lifetime = 3600\n",
            server.socket_folder().display(),
            server.port(),
            home = home.display(),
        );
        private_file(&home.join("pgbouncer.ini"), &settings)?;
        let users = [SUPERUSER, super::OWNER, super::AUTHENTICATOR].map(|user| format!("\"{user}\" \"\"\n")).concat();
        private_file(&home.join("users"), &users)?;
        let mut supervisor = as_user(Command::new("/bin/sh"), user, &home)
            .args([OsString::from("-c"), SUPERVISOR.into(), "basalt-private-bouncer".into(), program.into(), home.clone().into()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let lifeline = supervisor.stdin.take();
        let bouncer = Self { home: folder.keep(), supervisor, lifeline };
        let started = Instant::now();
        while let Err(error) = Client::connect(&bouncer.connection_string("postgres", SUPERUSER)) {
            if started.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("{error}\n{}", bouncer.log())));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(bouncer)
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.join("bouncer.log")).unwrap_or_default()
    }

    /// `host=… port=… user=… dbname=…`.
    pub fn connection_string(&self, database: &str, user: &str) -> String {
        format!("host={} port=6432 user={user} dbname={database}", self.home.display())
    }
}

impl Drop for PrivateBouncer {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.supervisor.wait();
    }
}

/// `$BASALT_PGBOUNCER`, or the installed one.
fn locate() -> io::Result<PathBuf> {
    let given = std::env::var_os("BASALT_PGBOUNCER").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let searched = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    let found =
        given.into_iter().chain(searched.map(|folder| folder.join("pgbouncer"))).find(|file: &PathBuf| Path::is_file(file));
    found.ok_or_else(|| io::Error::other("it is not installed: tools/prepare.sh pgbouncer, or set BASALT_PGBOUNCER"))
}
