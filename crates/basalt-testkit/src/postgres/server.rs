//! The server process.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::SUPERUSER;
use super::client::{Client, PgError};

/// Longest wait for initdb's server to take connections.
const PATIENCE: Duration = Duration::from_secs(60);

/// Part of the socket's name. A TCP port is opened only where a test asks for one.
const SOCKET_NUMBER: u16 = 5432;

/// Makes the cluster unless there is one, starts the server, again for each line that comes, and ends it when standard input does:
/// whoever holds the pipe need not live to clean up.
const SUPERVISOR: &str = r#"
bin=$1 home=$2 superuser=$3 settings=$4
if [ -d "$home/data" ] || "$bin/initdb" --username "$superuser" --auth trust --encoding UTF8 --locale C --no-sync --no-instructions \
    --pgdata "$home/data" >"$home/log" 2>&1 </dev/null; then ready=1; else ready=; fi
begin() {
  echo "a server begins" >>"$home/log"
  "$bin/postgres" -D "$home/data" -k "$home" >>"$home/log" 2>&1 </dev/null &
  server=$!
}
if [ -n "$ready" ] && printf '%s' "$settings" >"$home/data/postgresql.auto.conf"
then
  begin
else
  echo "initdb has failed" >>"$home/log" &
  server=$!
fi
while read -r again; do
  wait "$server"
  begin
done
# A server that has only just been started still ignores the first of the two, as background jobs of a shell do.
kill -QUIT "$server" 2>/dev/null
kill -TERM "$server" 2>/dev/null
wait "$server"
cd / && rm -rf "$home"
"#;

/// What the supervisor writes to the log before each start.
const BEGINS: &str = "a server begins\n";

/// Nothing here must survive a power cut, and no other program connects.
const SETTINGS: &str = "
listen_addresses = ''
port = 5432
max_connections = 200
shared_buffers = 32MB
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = logical
max_wal_senders = 4
max_replication_slots = 4
autovacuum = off
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'ISO, MDY'
intervalstyle = 'postgres'
bytea_output = 'hex'
extra_float_digits = 1
lc_messages = 'C'
default_text_search_config = 'pg_catalog.english'
";

/// Why the private server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Neither installed, nor in the cache, nor fetchable; the text is `tools/fetch-postgres.sh`'s.
    #[error("no PostgreSQL for this test: {0}")]
    NotFound(String),
    /// The temporary folder, or starting a program, failed.
    #[error("PostgreSQL cannot be started: {what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        cause: io::Error,
    },
    /// `initdb` failed, the server ended, or took no connection within a minute.
    #[error("the private PostgreSQL did not come up: {cause}\n{log}")]
    NotReady {
        /// The last attempt to connect.
        cause: String,
        /// The server's log.
        log: String,
    },
}

/// How a server differs from the usual one. In texts `{home}` is its folder.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// More lines of its configuration; they win over the usual ones.
    pub settings: String,
    /// Files of its folder, which only the server may read: name and content.
    pub files: Vec<(&'static str, String)>,
    /// Whether a port of 127.0.0.1 is opened beside the socket.
    pub tcp: bool,
    /// The folder in which its own is made, which others may enter; the system's for temporary files when `None`.
    pub within: Option<PathBuf>,
}

/// How a server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its connections are ended, all is written: SIGINT.
    Fast,
    /// At once; the next start recovers: SIGQUIT.
    Immediate,
    /// Its first process is killed, and its others notice: SIGKILL.
    Killed,
}

impl Setup {
    fn text(&self, text: &str, home: &Path) -> String {
        text.replace("{home}", &home.display().to_string())
    }

    fn all_settings(&self, home: &Path, number: u16) -> String {
        let port = if self.tcp { format!("listen_addresses = '127.0.0.1'\nport = {number}\n") } else { String::new() };
        format!("{SETTINGS}{port}{}\n", self.text(&self.settings, home))
    }
}

/// A running server in a temporary folder. Ends with its last handle, or with the process.
#[derive(Debug)]
pub struct PrivatePostgres {
    home: PathBuf,
    supervisor: Child,
    /// Names the socket, and is the TCP port where there is one.
    number: u16,
    /// Closing it ends the server.
    lifeline: Option<ChildStdin>,
}

impl PrivatePostgres {
    /// Finds or fetches PostgreSQL (17, or what `BASALT_TEST_POSTGRES` names), makes an empty cluster and starts it: trust
    /// authentication on a Unix socket only, UTC, C locale, UTF-8. Takes about two seconds; tests want [`super::shared`].
    ///
    /// As root everything runs as `nobody`, since PostgreSQL refuses root.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(&Setup::default())
    }

    /// As [`Self::start`], with other settings.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_with(setup: &Setup) -> Result<Self, StartError> {
        let mut attempts = 5;
        loop {
            attempts -= 1;
            match Self::begin(setup, |_| Ok(())) {
                // Another process took the port meanwhile.
                Err(StartError::NotReady { log, .. }) if attempts > 0 && log.contains("Address already in use") => {}
                other => return other,
            }
        }
    }

    /// The number in its socket's name; the TCP port, for a server that has one.
    pub fn port(&self) -> u16 {
        self.number
    }

    /// Starts a standby that streams from this server: a copy of its data taken while it runs.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_standby(&self) -> Result<Self, StartError> {
        let system = |what| move |cause| StartError::System { what, cause };
        let sql = |e: PgError| StartError::NotReady { cause: e.to_string(), log: self.log() };
        let settings = format!(
            "primary_conninfo = 'host={} port={} user={SUPERUSER}'\nhot_standby = on\n",
            self.home.display(),
            self.number
        );
        let setup = Setup { settings, ..Setup::default() };
        // Before PostgreSQL 15 the two functions had other names.
        let mut client = self.connect("postgres", SUPERUSER).map_err(sql)?;
        let is_old = client.query_text("select current_setting('server_version_num')::int < 150000", &[]).map_err(sql)?;
        let is_old = is_old.first().and_then(|row| row.first()) == Some(&Some("t".to_owned()));
        let (start, stop) = if is_old {
            ("select pg_start_backup('standby', true, false)", "select labelfile from pg_stop_backup(false, false)")
        } else {
            ("select pg_backup_start('standby', true)", "select labelfile from pg_backup_stop(false)")
        };
        client.query_text(start, &[]).map_err(sql)?;
        Self::begin(&setup, |home| {
            let copied = as_user(Command::new("cp"), unprivileged(), home)
                .arg("-Rp")
                .arg(self.home.join("data"))
                .arg(home.join("data"))
                .status()
                .map_err(system("copying the cluster"))?;
            // Files that went away while they were copied are in the log that the standby replays, so cp may have complained.
            if copied.code() != Some(0) && copied.code() != Some(1) {
                return Err(system("copying the cluster")(io::Error::other(copied.to_string())));
            }
            let label = client.query_text(stop, &[]).map_err(sql)?;
            let label = label.into_iter().flatten().flatten().next().unwrap_or_default();
            let data = home.join("data");
            let _ = fs::remove_file(data.join("postmaster.pid"));
            private_file(&data.join("backup_label"), &label).map_err(system("writing the backup's label"))?;
            private_file(&data.join("standby.signal"), "").map_err(system("making a standby"))
        })
    }

    fn begin(setup: &Setup, prepare: impl FnOnce(&Path) -> Result<(), StartError>) -> Result<Self, StartError> {
        let bin = locate()?;
        let number = if setup.tcp { crate::port::free().port() } else { SOCKET_NUMBER };
        let system = |what| move |cause| StartError::System { what, cause };
        // Short, because a socket's path may have about 100 bytes at most.
        let folder = tempfile::Builder::new()
            .prefix("basalt-pg-")
            .tempdir_in(setup.within.clone().unwrap_or_else(temporary))
            .map_err(system("temporary folder"))?;
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(folder.path(), Some(uid), Some(gid)).map_err(system("giving the temporary folder to nobody"))?;
        }
        let home = folder.path().to_owned();
        for (name, content) in &setup.files {
            private_file(&home.join(name), &setup.text(content, &home)).map_err(system("writing a file of the server"))?;
        }
        prepare(&home)?;
        // A group of its own: an interrupt at the terminal ends the test, then, through the pipe, the server.
        let mut supervisor = as_user(Command::new("/bin/sh"), user, &home)
            .args(["-c", SUPERVISOR, "basalt-private-postgres"])
            .arg(&bin)
            .arg(&home)
            .args([SUPERUSER, &setup.all_settings(&home, number)])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(system("starting its supervisor"))?;
        let lifeline = supervisor.stdin.take();
        let server = Self { home: folder.keep(), supervisor, number, lifeline };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> Result<(), StartError> {
        let started = Instant::now();
        loop {
            match self.connect("postgres", SUPERUSER) {
                Ok(_) => return Ok(()),
                Err(e) if started.elapsed() > PATIENCE || self.has_failed() => {
                    return Err(StartError::NotReady { cause: e.to_string(), log: self.log() });
                }
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    fn has_failed(&self) -> bool {
        let log = self.log();
        let log = log.rsplit(BEGINS).next().unwrap_or_default();
        ["initdb has failed", "database system is shut down", "FATAL:  could not", "FATAL:  pre-existing", "FATAL:  lock file"]
            .iter()
            .any(|sign| log.contains(sign))
    }

    /// The folder of the socket; what libpq takes as `host`.
    pub fn socket_folder(&self) -> &Path {
        &self.home
    }

    /// `host=… port=… user=… dbname=…`, for clients other than ours.
    pub fn connection_string(&self, database: &str, user: &str) -> String {
        format!("host={} port={} user={user} dbname={database}", self.home.display(), self.number)
    }

    /// Opens a connection; any password is right.
    ///
    /// # Errors
    /// Unknown database or role, or no more connections (200).
    pub fn connect(&self, database: &str, user: &str) -> Result<Client, PgError> {
        Client::connect(&self.connection_string(database, user))
    }

    /// Ends the server, which can be started again. Does not wait until it has ended.
    ///
    /// # Errors
    /// It does not run.
    pub fn end(&self, how: Ending) -> io::Result<()> {
        let signal = match how {
            Ending::Fast => Signal::INT,
            Ending::Immediate => Signal::QUIT,
            Ending::Killed => Signal::KILL,
        };
        kill_process(self.postmaster()?, signal).map_err(io::Error::from)
    }

    /// Starts an ended server again, and waits until it takes connections.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_again(&self) -> Result<(), StartError> {
        let started = Instant::now();
        loop {
            let before = self.log().matches(BEGINS).count();
            let told =
                self.lifeline.as_ref().ok_or(io::ErrorKind::BrokenPipe.into()).and_then(|mut pipe| pipe.write_all(b"again\n"));
            told.map_err(|cause| StartError::System { what: "telling the supervisor", cause })?;
            while self.log().matches(BEGINS).count() == before && started.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(1));
            }
            match self.wait_until_ready() {
                // What a killed one left needs a moment to notice.
                Err(StartError::NotReady { .. }) if started.elapsed() < PATIENCE => {}
                other => return other,
            }
        }
    }

    /// Sends a signal to all of its processes, the first one first.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal_all(&self, signal: Signal) -> io::Result<()> {
        let postmaster = self.postmaster()?;
        kill_process(postmaster, signal)?;
        let own = postmaster.as_raw_nonzero().get().to_string();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else { continue };
            // `PID (NAME) STATE PARENT …`; those that have ended meanwhile are no matter.
            let stat = fs::read_to_string(Path::new("/proc").join(&name).join("stat")).unwrap_or_default();
            if stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)) == Some(&own) {
                let _ = kill_process(pid, signal);
            }
        }
        Ok(())
    }

    fn postmaster(&self) -> io::Result<Pid> {
        let text = fs::read_to_string(self.home.join("data/postmaster.pid"))?;
        let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
        pid.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What the server logged so far.
    pub fn log(&self) -> String {
        fs::read(self.home.join("log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.supervisor.wait();
    }
}

/// Asks `tools/fetch-postgres.sh`, which costs milliseconds when there is nothing to fetch.
fn locate() -> Result<PathBuf, StartError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tools/fetch-postgres.sh");
    let not_found = |e: io::Error| StartError::NotFound(format!("{}: {e}", script.display()));
    let mut child =
        Command::new(&script).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(not_found)?;
    let (mut out, mut problem) = (String::new(), String::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_string(&mut out).map_err(not_found)?;
    }
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_string(&mut problem).map_err(not_found)?;
    }
    if child.wait().map_err(not_found)?.success() {
        Ok(PathBuf::from(out.trim_end()))
    } else {
        Err(StartError::NotFound(problem.trim_end().to_owned()))
    }
}

/// A file that only the server's user may read.
pub(super) fn private_file(path: &Path, content: &str) -> io::Result<()> {
    fs::write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    match unprivileged() {
        Some((uid, gid)) => chown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

/// The system's temporary folder, unless its name would make the socket's path too long (macOS).
fn temporary() -> PathBuf {
    let usual = std::env::temp_dir();
    if usual.as_os_str().len() > 60 { PathBuf::from("/tmp") } else { usual }
}

/// User and group of `nobody` when we are root, else nothing: we are unprivileged already.
pub(super) fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some("nobody")).then_some(())?;
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Some(ids.unwrap_or((65_534, 65_534)))
}

/// The same command for that user, in a folder it may enter, with nothing of root's surroundings.
pub(super) fn as_user(mut command: Command, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    command.env_clear().env("PATH", path).env("HOME", folder).env("LC_ALL", "C").env("TZ", "UTC").current_dir(folder);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
