//! One table that grows, and how long a read by its key takes at each size.
//!
//! A B-tree's depth grows with the logarithm of its rows, so the time of a read by key may grow no faster: the verdict compares the
//! last size with the first.

use super::basalt::{self, Basalt};
use super::client::Client;
use super::plot::{Curve, Point};
use super::{Engine, Options, Verdict, plot, postgres, wrk};
use crate::{Failure, data};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Where the picture goes, below the work folder.
const PICTURE: &str = "growth.svg";

/// Fills, times, prints the table, draws the picture.
pub fn run(options: &Options, wrk: &str, fresh: &Path) -> Result<Verdict, Failure> {
    if options.growth.windows(2).any(|pair| pair[0] >= pair[1]) || options.growth[0] < 2 {
        return Err("--growth: two rows at least, and each size larger than the one before".into());
    }
    let mut curves = Vec::new();
    for engine in &options.engines {
        curves.push(match engine {
            Engine::Sqlite => curve(options, "SQLite", fresh, None)?,
            Engine::Postgres => {
                let server = postgres::Running::start(options, fresh)?;
                curve(options, "PostgreSQL", fresh, Some(&server.database))?
            }
        });
    }
    let picture = options.work.join(PICTURE);
    fs::write(&picture, plot::svg(&curves))?;
    print!(
        "{}",
        plot::markdown(
            &curves,
            &[
                format!("wrk: {wrk}; one connection, random ids out of all, made up beforehand"),
                format!(
                    "medians over {} rounds of {} s at each size; the picture: {}",
                    options.rounds,
                    options.seconds,
                    picture.display()
                ),
            ]
        )
    );
    Ok(if curves.iter().all(Curve::is_logarithmic) { Verdict::Held } else { Verdict::BelowFloor })
}

fn curve(options: &Options, name: &'static str, fresh: &Path, database: Option<&str>) -> Result<Curve, Failure> {
    let program = options.basalt.as_ref().ok_or("what grows is filled by Basalt: --basalt is missing")?;
    let project = options.bench.join("project");
    let (mut server, key) = Basalt::start_empty(program, &project, &fresh.join(format!("growth-{name}")), database)?;
    let mut points = Vec::new();
    let (mut filled, mut seed) = (0, 0);
    for &rows in &options.growth {
        let began = Instant::now();
        basalt::fill_users(server.address, &key, filled + 1..=rows)?;
        filled = rows;
        if let Some(database) = database {
            // As autovacuum would some time later, but not while a size is being timed.
            postgres::batch(database, "VACUUM (ANALYZE) public.users")?;
        }
        eprintln!("{name}: {rows} rows after {:.1} s", began.elapsed().as_secs_f64());
        is_last(&server, rows)?;
        let mut rounds = Vec::new();
        for round in 0..=options.rounds {
            seed += 1;
            let load = wrk::Load {
                scripts: &options.bench.join("wrk"),
                script: "one_row",
                connections: 1,
                rows,
                duration: Duration::from_secs(options.seconds),
                seed,
            };
            let result = load.drive(&server)?;
            if result.failures > 0 || result.requests == 0 {
                return Err(format!("{name}, {rows} rows: {} of {} requests failed", result.failures, result.requests).into());
            }
            // The first one warms up.
            if round > 0 {
                rounds.push(result);
            }
        }
        points.push(Point { rows, p50: median(&rounds, |r| r.p50), p99: median(&rounds, |r| r.p99) });
    }
    server.process.stop();
    Ok(Curve { name, points })
}

/// Whether the table holds exactly the rows it should: the last id is shown, and the next is not.
fn is_last(server: &super::Server, rows: u64) -> Result<(), Failure> {
    let mut client = Client::connect(server.address)?;
    let bearer = format!("Bearer {}", server.token);
    let headers = [("apikey", server.apikey.as_str()), ("authorization", bearer.as_str())];
    let answer = client.send("GET", &format!("/rest/v1/users?id=gte.{rows}&select=id,email"), &headers, b"")?;
    let expected = format!(r#"[{{"id":{rows},"email":"{}"}}]"#, data::user(rows).email);
    if answer.status != 200 || answer.body != expected.as_bytes() {
        let found = String::from_utf8_lossy(&answer.body);
        return Err(format!("{} with {rows} rows: {} {found}", server.name, answer.status).into());
    }
    Ok(())
}

fn median(rounds: &[wrk::Result], figure: impl Fn(&wrk::Result) -> Duration) -> Duration {
    let mut figures: Vec<Duration> = rounds.iter().map(figure).collect();
    figures.sort();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
