//! The program itself, as users run it.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::http::{self, Request, Response};
use crate::port;

/// Longest wait for a server to become ready, and to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at a server that starts or ends.
const GLANCE: Duration = Duration::from_millis(5);

/// How often another port is tried when somebody else took the one we found.
const PORT_ATTEMPTS: u32 = 5;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The program is not where it is expected.
    #[error("no program at {}: build it (`cargo build -p basalt`) or set BASALT_BIN", .0.display())]
    NoProgram(PathBuf),
    /// The system refused to start it.
    #[error("cannot start {}: {cause}", program.display())]
    Spawn {
        /// What was started.
        program: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// It ended before it was ready.
    #[error("the server ended before it was ready ({status}):\n{logs}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Everything it printed.
        logs: String,
    },
    /// It was not ready within a minute.
    #[error("the server was not ready after {PATIENCE:?}:\n{logs}")]
    NotReady {
        /// Everything it printed.
        logs: String,
    },
}

/// How to start a server; [`TestServer::start`] is the short form.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// The program; found by [`program`] when `None`.
    pub program: Option<PathBuf>,
    /// Further arguments after `serve --project … --listen …`.
    pub arguments: Vec<String>,
    /// Environment on top of the test's own, from which `BASALT_*`, `GOTRUE_*`, `PGRST_*` and key variables are removed.
    pub environment: Vec<(String, String)>,
    /// Where `/health/ready` is asked when it is not where the server listens.
    pub ready: Option<SocketAddr>,
}

/// A running `basalt serve`, killed when dropped.
#[derive(Debug)]
pub struct TestServer {
    child: Child,
    address: SocketAddr,
    logs: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

/// Where the program under test is: `$BASALT_BIN`, else `basalt` in the target folder this test was built in.
///
/// # Errors
/// [`StartError::NoProgram`].
pub fn program() -> Result<PathBuf, StartError> {
    let path = match std::env::var_os("BASALT_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let test = std::env::current_exe().unwrap_or_default();
            // target/debug/deps/it-0123 → target/debug/basalt
            test.parent().and_then(Path::parent).unwrap_or(Path::new("target/debug")).join("basalt")
        }
    };
    if path.is_file() { Ok(path) } else { Err(StartError::NoProgram(path)) }
}

impl TestServer {
    /// Serves a project folder on a free loopback port and waits until `/health/ready` answers 200.
    ///
    /// # Errors
    /// See [`StartError`]; the message carries the server's log.
    pub fn start(project: &Path) -> Result<Self, StartError> {
        Self::start_with(project, &ServerOptions::default())
    }

    /// As [`Self::start`], with options.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start_with(project: &Path, options: &ServerOptions) -> Result<Self, StartError> {
        let program = options.program.clone().map_or_else(program, Ok)?;
        let mut attempt = 1;
        loop {
            let mut server = Self::spawn(&program, project, options)?;
            match server.wait_until_ready(options.ready) {
                Err(StartError::Ended { logs, .. })
                    if attempt < PORT_ATTEMPTS
                        && logs.contains(&server.address.port().to_string())
                        && logs.contains("in use") =>
                {
                    attempt += 1;
                }
                Err(e) => return Err(e),
                Ok(()) => return Ok(server),
            }
        }
    }

    fn spawn(program: &Path, project: &Path, options: &ServerOptions) -> Result<Self, StartError> {
        let address = port::free();
        let mut command = Command::new(program);
        command.arg("serve").arg("--project").arg(project).arg("--listen").arg(address.to_string()).args(&options.arguments);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let is_setting = ["BASALT_", "GOTRUE_", "PGRST_", "SMTP_", "SUPABASE_"].iter().any(|prefix| text.starts_with(prefix))
                || ["JWT_SECRET", "ANON_KEY", "SERVICE_ROLE_KEY", "SITE_URL"].contains(&text.as_ref());
            if is_setting {
                command.env_remove(&name);
            }
        }
        command.envs(options.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|cause| StartError::Spawn { program: program.to_owned(), cause })?;
        let logs = Arc::new(Mutex::new(Vec::new()));
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(collect(pipe, Arc::clone(&logs)));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(collect(pipe, Arc::clone(&logs)));
        }
        Ok(Self { child, address, logs, readers })
    }

    fn wait_until_ready(&mut self, ready: Option<SocketAddr>) -> Result<(), StartError> {
        let started = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                self.join_readers();
                return Err(StartError::Ended { status, logs: self.logs() });
            }
            let asked = http::send(ready.unwrap_or(self.address), &Request::new("GET", "/health/ready"));
            if asked.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                return Err(StartError::NotReady { logs: self.logs() });
            }
            thread::sleep(GLANCE);
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The process, e.g. for reading `/proc`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything printed so far, on both streams.
    pub fn logs(&self) -> String {
        String::from_utf8_lossy(&self.logs.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// One request, one answer.
    ///
    /// # Errors
    /// No connection, or no HTTP answer.
    pub fn send(&self, request: &Request) -> io::Result<Response> {
        http::send(self.address, request)
    }

    /// Ends it as a power cut of the process does (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    /// The system's, when it cannot be waited for.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        let status = self.child.wait()?;
        self.join_readers();
        Ok(status)
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// `TimedOut` when it has not ended after a minute; it is then killed when dropped.
    pub fn terminate(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.join_readers();
                return Ok(status);
            }
            if started.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("still running after SIGTERM:\n{}", self.logs())));
            }
            thread::sleep(GLANCE);
        }
    }

    /// Sends any signal, e.g. `STOP` and `CONT`.
    ///
    /// # Errors
    /// The system's, e.g. when it has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or(io::ErrorKind::NotFound)?, signal).map_err(io::Error::from)
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
    }
}

fn collect(mut pipe: impl Read + Send + 'static, logs: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut part) {
            logs.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(part.get(..n).unwrap_or_default());
        }
    })
}
