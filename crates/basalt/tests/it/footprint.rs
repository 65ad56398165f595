//! Time from start to ready and memory at rest of an existing project. Printed always; the limits hold for optimised builds, since
//! others are several times slower and larger.

use std::time::{Duration, Instant};

use basalt_testkit::http::Request;
use basalt_testkit::process::TestServer;

use crate::support::{blog, expect, known_keys, serve};

/// Resident memory of a process, KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of this name");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn footprint_of_an_existing_project() {
    let project = blog();
    drop(serve(&project));
    let mut starts: Vec<Duration> = Vec::new();
    let mut resident = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        let mut server = TestServer::start_with(project.path(), &known_keys()).expect("it starts");
        starts.push(begun.elapsed());
        expect(&server, &Request::new("GET", "/health"), 200);
        resident = resident_kib(server.pid());
        server.terminate().expect("it ends");
    }
    starts.sort();
    let size = std::fs::metadata(basalt_testkit::process::program().expect("built")).expect("there").len();
    println!(
        "footprint: ready after {:?} (median of 5, looked at every 5 ms), {resident} KiB resident, program of {} KiB",
        starts[2],
        size >> 10
    );
    if !cfg!(debug_assertions) {
        assert!(starts[0] <= Duration::from_millis(55), "{starts:?}");
        assert!(resident <= 30 * 1024, "{resident} KiB");
    }
}
