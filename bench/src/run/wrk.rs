//! wrk: the load generator.

use super::process::Server;
use crate::Failure;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// One call of wrk.
pub struct Load<'a> {
    /// The folder of the scripts.
    pub scripts: &'a Path,
    /// The script's name without its ending.
    pub script: &'a str,
    pub connections: usize,
    /// Ids that are asked for are at most this.
    pub rows: u64,
    pub duration: Duration,
    /// Decides which requests are made up.
    pub seed: u64,
}

/// What it counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Result {
    pub requests: u64,
    /// Answers with 4xx or 5xx, and broken connections.
    pub failures: u64,
    pub duration: Duration,
    pub p50: Duration,
    pub p99: Duration,
}

/// The installed version.
pub fn find() -> std::result::Result<String, Failure> {
    let output =
        Command::new("wrk").arg("-v").output().map_err(|_| "wrk is missing: apt-get install wrk (or see tools/bench.sh)")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().nth(1).unwrap_or("unknown version").to_owned())
}

impl Load<'_> {
    /// Drives one server.
    pub fn drive(&self, server: &Server) -> std::result::Result<Result, Failure> {
        let output = Command::new("wrk")
            .arg(format!("-t{}", self.connections.min(2)))
            .arg(format!("-c{}", self.connections))
            .arg(format!("-d{}s", self.duration.as_secs()))
            .arg("-s")
            .arg(self.scripts.join(format!("{}.lua", self.script)))
            .arg(format!("http://{}", server.address))
            .env("BENCH_WRK", self.scripts)
            .env("BENCH_APIKEY", &server.apikey)
            .env("BENCH_TOKEN", &server.token)
            .env("BENCH_SEED", self.seed.to_string())
            .env("BENCH_ROWS", self.rows.to_string())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        parse(&text).ok_or_else(|| format!("wrk said: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// Reads the line that `common.lua` prints at the end.
fn parse(text: &str) -> Option<Result> {
    let line = text.lines().find_map(|line| line.strip_prefix("BENCH "))?;
    let field = |name: &str| -> Option<u64> {
        line.split(' ').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))?.1.parse().ok()
    };
    Some(Result {
        requests: field("requests")?,
        failures: field("non_2xx")? + field("socket_errors")?,
        duration: Duration::from_micros(field("duration_us")?),
        p50: Duration::from_micros(field("p50_us")?),
        p99: Duration::from_micros(field("p99_us")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_is_read() {
        let text = "Running\nBENCH requests=10 duration_us=2000000 non_2xx=1 socket_errors=2 bytes=5 p50_us=300 p99_us=900\n";
        let expected = Result {
            requests: 10,
            failures: 3,
            duration: Duration::from_secs(2),
            p50: Duration::from_micros(300),
            p99: Duration::from_micros(900),
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("nothing"), None);
    }
}
