//! The property: both databases answer alike.

use std::time::Instant;

use crate::compare::difference;
use crate::coverage::Coverage;
use crate::databases::{Effects, Pair};
use crate::model::Rows;
use crate::random::Random;
use crate::request::{Luck, Request, request};
use crate::schema::schema;
use crate::shrink::{Case, answers, shrink};
use crate::{alone, setting};

/// Requests to one schema.
const PER_SCHEMA: usize = 100;

/// Requests of an ordinary test run.
const SHORT: usize = 600;

/// Failures after which a run ends.
const ENOUGH: usize = 6;

/// Of them, those made small: that takes half a minute each.
const SHOWN: usize = 3;

/// A case in which the answers differed.
struct Failure {
    case: Case,
    what: String,
}

/// Runs the requests of one schema. The generator is all there is to know: the same seed and number make the same run.
fn one_schema(seed: u64, number: u64, count: usize, coverage: &mut Coverage, failures: &mut Vec<Failure>) {
    let mut random = Random::new(seed, number);
    let mut schema = schema(&mut random, number);
    let mut pair = match Pair::new(&schema) {
        Ok(pair) => pair,
        Err(what) => panic!("seed {seed}, schema {number}: {what}"),
    };
    let mut luck = Luck::default();
    let mut before: Vec<Rows> = pair.postgres.contents(&schema);
    for _ in 0..count {
        for (table, rows) in schema.tables.iter_mut().zip(&before) {
            table.rows.clone_from(rows);
        }
        let request = request(&mut random, &schema, &luck);
        let case = || Case { schema: schema.clone(), request: request.clone() };
        let plan = match pair.plan(&request) {
            Ok(plan) => plan,
            Err(what) => panic!("seed {seed}, schema {number}: no plan: {what}\n{}", schema.sql()),
        };
        let effects = if random.percent(15) { Effects::Undone } else { Effects::Kept };
        let unguarded = request.is_read().then(|| pair.postgres.run_unguarded(&pair.sqlite, &plan, &request));
        let sqlite = pair.sqlite.run(&plan, &request, effects);
        let postgres = pair.postgres.run(&pair.sqlite, &plan, &request, effects);
        let is_partial = coverage.note(&schema, &request, &postgres, unguarded.as_ref());
        if request.is_read() {
            luck.note(&request, is_partial);
        }
        let mut found = difference(&request, &sqlite, &postgres);
        if !request.is_read() {
            let (here, there) = (pair.sqlite.contents(&schema), pair.postgres.contents(&schema));
            if found.is_none() && here != there {
                found = Some("the rows differ afterwards".to_owned());
            }
            if here != there {
                failures.push(Failure { case: case(), what: found.unwrap_or_default() });
                return; // the databases have parted
            }
            before = there;
        }
        if let Some(what) = found {
            failures.push(Failure { case: case(), what });
        }
        if failures.len() >= ENOUGH {
            return;
        }
    }
}

fn show(failure: Failure) -> String {
    let Failure { case, what } = failure;
    let small = shrink(case);
    let Case { schema, request } = &small;
    let both = match answers(&small) {
        Ok(both) => {
            format!("SQLite:     {:?}\nPostgreSQL: {:?}\nstatement on PostgreSQL: {}", both.sqlite, both.postgres, both.sql)
        }
        Err(error) => error,
    };
    let Request { role, ask, literals, .. } = request;
    format!(
        "---- {what}\n{}\n-- as {role} with claims {:?}\n{ask:?}\nliterals {literals:?}\npayload {:?}\n{both}\n",
        schema.sql(),
        request.claims_text(),
        request.payload_text()
    )
}

#[test]
fn guard_property() {
    let _turn = alone();
    let requests: usize = setting("BASALT_PROPERTY_REQUESTS").unwrap_or(SHORT);
    let seed: u64 = setting("BASALT_PROPERTY_SEED").unwrap_or(1);
    let threads: usize = setting("BASALT_PROPERTY_THREADS").unwrap_or(2).max(1);
    println!("seed {seed}, {requests} requests");
    let begun = begin();
    let schemas = requests.div_ceil(PER_SCHEMA);
    let parts: Vec<(Coverage, Vec<Failure>)> = std::thread::scope(|scope| {
        let spawn = |thread: usize| {
            scope.spawn(move || {
                let (mut coverage, mut failures) = (Coverage::default(), Vec::new());
                for number in (thread..schemas).step_by(threads) {
                    let count = PER_SCHEMA.min(requests - number * PER_SCHEMA);
                    one_schema(seed, number as u64, count, &mut coverage, &mut failures);
                    if failures.len() >= ENOUGH {
                        break;
                    }
                }
                (coverage, failures)
            })
        };
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    });
    let (mut coverage, mut failures) = (Coverage::default(), Vec::new());
    for (part, failed) in parts {
        coverage.add(part);
        failures.extend(failed);
    }
    coverage.print();
    let elapsed = begun.elapsed();
    println!("  {:.1} s, {:.0} requests/s", elapsed.as_secs_f64(), requests as f64 / elapsed.as_secs_f64());
    if !failures.is_empty() {
        // One of each sort is enough to read.
        failures.sort_by(|a, b| a.what.cmp(&b.what));
        failures.dedup_by(|a, b| a.what == b.what);
        let all: Vec<String> = failures.into_iter().take(SHOWN).map(show).collect();
        panic!("the answers differ (seed {seed}):\n{}", all.join("\n"));
    }
    let lacks = coverage.lacks();
    assert!(lacks.is_empty(), "the run reached too little (seed {seed}):\n{}", lacks.join("\n"));
}

#[allow(clippy::disallowed_methods)] // monotonic time for a figure
fn begin() -> Instant {
    Instant::now()
}
