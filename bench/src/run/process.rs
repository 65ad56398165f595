//! The servers' processes: started, watched, ended.

use crate::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running server and how to talk to it.
pub struct Server {
    /// What the tables call it.
    pub name: &'static str,
    pub process: Process,
    pub address: SocketAddr,
    /// The key that every request carries.
    pub apikey: String,
    /// The token of the user who asks.
    pub token: String,
}

/// A child process that does not outlive us.
pub struct Process(Child);

impl Process {
    /// Starts a program whose output is dropped.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        Ok(Self(
            command.stdin(Stdio::null()).spawn().map_err(|failure| format!("{}: {failure}", command.get_program().display()))?,
        ))
    }

    /// Starts one of our own servers and waits for its `listening on ADDRESS`.
    pub fn listening(program: &Path, arguments: &[&str]) -> Result<(Self, SocketAddr), Failure> {
        let mut process = Self::start(Command::new(program).args(arguments).stdout(Stdio::piped()))?;
        let output = process.0.stdout.take().ok_or("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").ok_or_else(|| format!("unexpected first line: {line}"))?;
        Ok((process, address.parse()?))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// The CPU time that it and its threads have used so far, user and system.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The name in parentheses may hold spaces; after it, utime and stime are the 12th and 13th fields.
        let (_, rest) = text.rsplit_once(')').ok_or("unexpected /proc/PID/stat")?;
        let mut fields = rest.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok()).ok_or("unexpected /proc/PID/stat");
        let total = ticks()? + ticks()?;
        Ok(Duration::from_millis(total * 1000 / rustix::param::clock_ticks_per_second()))
    }

    /// The memory that it holds, in bytes (VmRSS).
    pub fn resident_bytes(&self) -> Result<u64, Failure> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/PID/status")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    /// Asks it to end, as an operator would, and waits.
    pub fn stop(&mut self) {
        if !self.has_ended()
            && let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw)
            && kill_process(pid, Signal::TERM).is_ok()
        {
            let _ = self.0.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
