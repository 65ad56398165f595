//! Medians, ratios and tables, as Markdown for docs/measurements.md.

use super::{Engine, Verdict, wrk};
use crate::workload::{Bounds, Workload};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// One server, one workload, one round.
#[derive(Clone, Copy)]
pub struct Measured {
    pub result: wrk::Result,
    /// The server's CPU time meanwhile.
    pub cpu: Duration,
}

impl Measured {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.result.requests as f64 / self.result.duration.as_secs_f64()
    }

    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.result.requests as f64
    }
}

/// All rounds of one server with one workload.
struct Line {
    workload: &'static str,
    title: &'static str,
    bounds: Option<Bounds>,
    server: &'static str,
    rounds: Vec<Measured>,
}

/// Everything measured, with what is to be known about it.
pub struct Table {
    engine: Engine,
    facts: Vec<String>,
    lines: Vec<Line>,
}

impl Table {
    /// An empty table under these facts and those of the machine.
    pub fn new(engine: Engine, facts: Vec<String>) -> Self {
        let mut all = machine();
        all.extend(facts);
        Self { engine, facts: all, lines: Vec::new() }
    }

    /// Adds a round.
    pub fn add(&mut self, workload: &Workload, server: &'static str, measured: Measured) {
        match self.lines.iter_mut().find(|line| line.workload == workload.name && line.server == server) {
            Some(line) => line.rounds.push(measured),
            None => self.lines.push(Line {
                workload: workload.name,
                title: workload.title,
                bounds: match self.engine {
                    Engine::Sqlite => workload.sqlite,
                    Engine::Postgres => workload.postgres,
                },
                server,
                rounds: vec![measured],
            }),
        }
    }

    /// The tables as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!("\n{}\n\n", self.engine.title());
        for fact in &self.facts {
            let _ = writeln!(out, "- {fact}");
        }
        out.push_str("\n| Request | Server | requests/s | p50 ms | p99 ms | server CPU us/request | of bare |\n");
        out.push_str("|---|---|---:|---:|---:|---:|---:|\n");
        for line in &self.lines {
            let of_bare = self.bare(line).map_or(f64::NAN, |bare| line.median(Measured::rate) / bare.median(Measured::rate));
            let _ = writeln!(
                out,
                "| {} | {} | {:.0} | {:.2} | {:.2} | {:.1} | {of_bare:.2} |",
                line.title,
                line.server,
                line.median(Measured::rate),
                line.median(|m| m.result.p50.as_secs_f64() * 1e3),
                line.median(|m| m.result.p99.as_secs_f64() * 1e3),
                line.median(Measured::cpu_us),
            );
        }
        if self.lines.iter().any(|line| line.server == "Basalt") {
            out.push_str("\n| Request | Basalt / bare | range over rounds | CPU bare / Basalt | floor | aim | |\n");
            out.push_str("|---|---:|---|---:|---:|---:|---|\n");
        }
        for (line, ratio) in self.ratios() {
            let Some(bare) = self.bare(line) else { continue };
            let mut each: Vec<f64> = line.rounds.iter().zip(&bare.rounds).map(|(one, other)| one.rate() / other.rate()).collect();
            each.sort_by(f64::total_cmp);
            let _ = write!(
                out,
                "| {}{} | {ratio:.2} | {:.2} to {:.2} | {:.2} |",
                line.title,
                if line.server == "Basalt" { String::new() } else { format!(" ({})", line.server) },
                each.first().unwrap_or(&f64::NAN),
                each.last().unwrap_or(&f64::NAN),
                bare.median(Measured::cpu_us) / line.median(Measured::cpu_us),
            );
            let _ = match line.bounds {
                None => writeln!(out, " | | |"),
                Some(Bounds { floor, aim }) => {
                    let verdict = if ratio >= aim {
                        "aim reached"
                    } else if ratio >= floor {
                        "floor held"
                    } else {
                        "**below the floor**"
                    };
                    writeln!(out, " {floor:.2} | {aim:.2} | {verdict} |")
                }
            };
        }
        out
    }

    /// Whether all floors hold.
    pub fn verdict(&self) -> Verdict {
        let is_below = self.ratios().any(|(line, ratio)| {
            line.bounds.is_some_and(|bounds| line.server == "Basalt" && (ratio.is_nan() || ratio < bounds.floor))
        });
        if is_below { Verdict::BelowFloor } else { Verdict::Held }
    }

    fn ratios(&self) -> impl Iterator<Item = (&Line, f64)> {
        let basalt = self.lines.iter().filter(|line| line.server.starts_with("Basalt"));
        basalt.map(|line| {
            let bare = self.bare(line).map_or(f64::NAN, |bare| bare.median(Measured::rate));
            (line, line.median(Measured::rate) / bare)
        })
    }

    fn bare(&self, of: &Line) -> Option<&Line> {
        self.lines.iter().find(|line| line.server == "bare" && line.workload == of.workload)
    }
}

impl Line {
    fn median(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let half = figures.len() / 2;
        match (figures.get(half.wrapping_sub(1)), figures.get(half)) {
            (Some(low), Some(high)) if figures.len().is_multiple_of(2) => (low + high) / 2.0,
            (_, Some(middle)) => *middle,
            _ => f64::NAN,
        }
    }
}

/// What the figures were measured on.
pub fn machine() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name").map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned()))
        .unwrap_or_else(|| "unknown processor".to_owned());
    let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    vec![
        format!("date: {date}"),
        format!("machine: {cores} cores ({model}), Linux {}; load before: {load}", read("/proc/sys/kernel/osrelease")),
        format!("the servers and wrk share these {cores} cores; only one server works at a time"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::WORKLOADS;

    fn measured(requests: u64) -> Measured {
        let time = Duration::from_millis(1);
        let result = wrk::Result { requests, failures: 0, duration: Duration::from_secs(1), p50: time, p99: time };
        Measured { result, cpu: Duration::from_secs(1) }
    }

    #[test]
    fn ratios_are_those_of_the_medians() {
        let mut table = Table::new(Engine::Sqlite, Vec::new());
        for (bare, basalt) in [(100, 70), (1000, 10), (200, 140)] {
            table.add(&WORKLOADS[0], "bare", measured(bare));
            table.add(&WORKLOADS[0], "Basalt", measured(basalt));
        }
        let (_, ratio) = table.ratios().next().expect("one line");
        assert!((ratio - 0.35).abs() < 1e-9, "{ratio}");
        assert_eq!(table.verdict(), Verdict::BelowFloor);
        assert!(table.markdown().contains("| one row by id | 0.35 | 0.01 to 0.70 | 0.35 | 0.75 | 0.90 | **below the floor** |"));
    }
}
