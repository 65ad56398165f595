//! The runs.

use std::path::PathBuf;
use std::time::Instant;

use basalt_diff::faults::hunt;
use basalt_diff::report::print;
use basalt_diff::run::{Failure, Found, Settings, run};
use basalt_plan::guard::faults::{self, COUNT, Fault};

use crate::{alone, setting};

/// Requests of an ordinary test run.
const SHORT: usize = 1_500;

/// Kinds of failures that are made small and printed: that takes up to a minute each.
const SHOWN: usize = 4;

#[test]
fn diff_property() {
    let _turn = alone();
    let requests: usize = setting("BASALT_DIFF_REQUESTS").unwrap_or(SHORT);
    let seed: u64 = setting("BASALT_DIFF_SEED").unwrap_or(1);
    let threads: usize = setting("BASALT_DIFF_THREADS").unwrap_or(2);
    let most_failures: usize = setting("BASALT_DIFF_FAILURES").unwrap_or(SHOWN);
    println!("seed {seed}, {requests} requests");
    let begun = begin();
    let only = setting("BASALT_DIFF_WORLD");
    let heard = |failure: &Failure| println!("    {}", line(failure));
    let found = run(Settings { seed, requests, threads, most_failures, only, heard }).unwrap_or_else(|what| panic!("{what}"));
    let elapsed = begun.elapsed();
    println!("{}", found.coverage.text(setting::<usize>("BASALT_DIFF_REQUESTS").is_some()));
    println!("  {:.1} s, {:.0} requests/s", elapsed.as_secs_f64(), found.coverage.requests() as f64 / elapsed.as_secs_f64());
    if !found.refused.is_empty() || !found.failures.is_empty() {
        let shown = show(&found);
        panic!("the engines differ (seed {seed}): {} kinds\n{shown}", found.failures.len());
    }
    if only.is_some() {
        return;
    }
    assert_eq!(found.coverage.requests(), requests, "requests compared");
    let lacks = found.coverage.lacks();
    assert!(lacks.is_empty(), "the run reached too little (seed {seed}):\n{}", lacks.join("\n"));
}

/// What differs, with the request.
fn line(failure: &Failure) -> String {
    let request = &failure.case.request;
    format!(
        "{} (world {})\n        {} {} as {} {:?} {}",
        failure.what,
        failure.number,
        request.method,
        request.target(),
        request.role,
        request.all_headers(),
        request.body.as_ref().map(|b| b.text()).unwrap_or_default()
    )
}

/// All kinds of failures in a line each, then the first ones made small.
fn show(found: &Found) -> String {
    let shown: usize = setting("BASALT_DIFF_SHOWN").unwrap_or(SHOWN);
    let mut out: Vec<String> = found.refused.iter().take(shown.max(2)).cloned().collect();
    out.push(format!("{} worlds refused", found.refused.len()));
    for (failure, n) in found.failures.values() {
        out.push(format!("{n:5} × {}", line(failure)));
    }
    let folder = std::env::var("BASALT_DIFF_OUT").ok().map(PathBuf::from);
    let only = std::env::var("BASALT_DIFF_ONLY").unwrap_or_default();
    let chosen = found.failures.values().filter(|(failure, _)| failure.what.contains(&only)).take(shown);
    for (number, (failure, _)) in chosen.enumerate() {
        let name = format!("diff_{}", number + 1);
        let printed = print(failure, &name);
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).expect("the folder of failing cases can be made");
            std::fs::write(folder.join(format!("{name}.sql")), &printed.fixture).expect("the fixture can be written");
            std::fs::write(folder.join(format!("{name}.case")), &printed.case).expect("the case can be written");
        }
        out.push(format!("---- {name}: {}\n{}\n{}", printed.seen, printed.fixture, printed.case));
    }
    out.join("\n")
}

#[allow(clippy::disallowed_methods)] // monotonic time for a figure
fn begin() -> Instant {
    Instant::now()
}

/// Requests within which each fault must be found.
const MOST: usize = 6_000;

/// Requests of an ordinary test run, and the faults that it must find among them.
const SHORT_HUNT: usize = 500;
const SHORT_FAULTS: [Fault; 10] = [
    Fault::RestrictiveDropped,
    Fault::PermissiveAnded,
    Fault::EmbedUnfiltered,
    Fault::CountUnfiltered,
    Fault::InsertCheckSkipped,
    Fault::UpdateUsingSkipped,
    Fault::DeleteUsingSkipped,
    Fault::RolesIgnored,
    Fault::TableGrantsIgnored,
    Fault::PolicySubqueryUnguarded,
];

/// Takes the fault out again, however the test ends.
struct Healthy;

impl Drop for Healthy {
    fn drop(&mut self) {
        faults::set(None);
    }
}

#[test]
fn diff_faults() {
    let _turn = alone();
    let _healthy = Healthy;
    let is_long = setting::<usize>("BASALT_DIFF_REQUESTS").is_some();
    let seed: u64 = setting("BASALT_DIFF_SEED").unwrap_or(1);
    let faults: Vec<u8> = if is_long { (1..=COUNT).collect() } else { SHORT_FAULTS.map(|f| f as u8).to_vec() };
    let set = |fault: Option<u8>| faults::set_number(fault.unwrap_or(0));
    let hunt = hunt(seed, &faults, if is_long { MOST } else { SHORT_HUNT }, &set).unwrap_or_else(|what| panic!("{what}"));
    println!("fault  requests  noticed by (seed {seed})");
    for (fault, requests, what) in &hunt.found {
        println!("{fault:5} {requests:9}  {what}");
    }
    println!("{} of {} faults found", hunt.found.len(), faults.len());
    assert!(hunt.left.is_empty(), "faults that {} requests did not find (seed {seed}): {:?}", hunt.asked, hunt.left);
}
