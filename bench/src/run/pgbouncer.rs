//! PgBouncer between Basalt and the private PostgreSQL, in transaction mode.

use super::process::Process;
use crate::Failure;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// How long the pooler may take to come up.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Server connections for each login and database; Basalt's own default is of the same size.
const POOL: usize = 10;
/// The logins that the private server knows.
const LOGINS: [&str; 3] = ["supabase_admin", "postgres", "authenticator"];
/// Part of the socket's name only: nothing listens on TCP.
const PORT: u16 = 6432;

/// The running pooler.
pub struct PgBouncer {
    folder: PathBuf,
    _process: Process,
}

impl PgBouncer {
    /// Starts it in front of the server at `address` (`host=… port=…`), as the user who owns the server's folder, since it
    /// refuses to run as root.
    pub fn start(program: &Path, address: &str, folder: &Path) -> Result<Self, Failure> {
        let server = field(address, "host")?;
        let owner = fs::metadata(server)?;
        // The server's folder, so that its user may enter whatever stands above.
        let folder = PathBuf::from(server).join(folder.file_name().ok_or("a folder without a name")?);
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        let users: String = LOGINS.iter().map(|login| format!("\"{login}\" \"\"\n")).collect();
        let home = folder.display();
        let settings = format!(
            "[databases]\n* = host={server} port={}\n[pgbouncer]\nlisten_addr =\nlisten_port = {PORT}\nunix_socket_dir = {home}\n\
             auth_type = trust\nauth_file = {home}/users\npool_mode = transaction\ndefault_pool_size = {POOL}\n\
             max_client_conn = 500\nignore_startup_parameters = extra_float_digits\n",
            field(address, "port")?,
        );
        fs::write(folder.join("users"), users)?;
        fs::write(folder.join("pgbouncer.ini"), settings)?;
        for path in [folder.clone(), folder.join("users"), folder.join("pgbouncer.ini")] {
            chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        }
        let mut command = Command::new(program);
        command.arg(folder.join("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let mut process = Process::start(&mut command)?;
        let began = Instant::now();
        while UnixStream::connect(folder.join(format!(".s.PGSQL.{PORT}"))).is_err() {
            if process.has_ended() || began.elapsed() > START_LIMIT {
                return Err(format!("{} did not come up", program.display()).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { folder, _process: process })
    }

    /// The address through the pooler of the database at `direct`.
    pub fn address(&self, direct: &str) -> Result<String, Failure> {
        let (user, database) = (field(direct, "user")?, field(direct, "dbname")?);
        Ok(format!("host={} port={PORT} user={user} dbname={database}", self.folder.display()))
    }
}

/// The value of `name` in `host=… port=…`.
fn field<'a>(address: &'a str, name: &str) -> Result<&'a str, Failure> {
    let mut pairs = address.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value)).ok_or_else(|| format!("no {name} in {address}").into())
}
