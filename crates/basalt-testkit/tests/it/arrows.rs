//! Crates depend downwards only. The table below is the architecture; a dependency it does not name fails here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Our crates and which of ours each may use in product code, from the bottom up.
const ARROWS: &[(&str, &[&str])] = &[
    ("basalt-types", &[]),
    ("basalt-catalog", &["basalt-types"]),
    ("basalt-sql", &["basalt-types", "basalt-catalog"]),
    ("basalt-plan", &["basalt-types", "basalt-catalog", "basalt-sql"]),
    ("basalt-token", &["basalt-types"]),
    ("basalt-engine", &["basalt-types", "basalt-catalog", "basalt-sql", "basalt-plan"]),
    ("basalt-sqlite", &["basalt-types", "basalt-catalog", "basalt-sql", "basalt-plan", "basalt-engine"]),
    ("basalt-postgres", &["basalt-types", "basalt-catalog", "basalt-sql", "basalt-plan", "basalt-engine"]),
    ("basalt-rest", &["basalt-types", "basalt-catalog", "basalt-sql", "basalt-plan", "basalt-engine"]),
    ("basalt-auth", &["basalt-types", "basalt-catalog", "basalt-sql", "basalt-plan", "basalt-engine", "basalt-token"]),
    ("basalt-gateway", &["basalt-types", "basalt-catalog", "basalt-engine", "basalt-token", "basalt-rest", "basalt-auth"]),
    (
        "basalt",
        &[
            "basalt-types",
            "basalt-catalog",
            "basalt-sql",
            "basalt-plan",
            "basalt-token",
            "basalt-engine",
            "basalt-sqlite",
            "basalt-postgres",
            "basalt-rest",
            "basalt-auth",
            "basalt-gateway",
        ],
    ),
    ("basalt-testkit", &["basalt-types"]),
    ("basalt-diff", &["basalt-types", "basalt-engine", "basalt-postgres", "basalt-rest", "basalt-sqlite", "basalt-testkit"]),
    ("basalt-faultfs", &[]),
    ("basalt-bench", &[]),
];

/// Crates that do no I/O: a test of them needs no database and no runtime.
const PURE: &[&str] = &["basalt-types", "basalt-catalog", "basalt-sql", "basalt-plan"];

/// What brings I/O, a runtime or a wire with it.
const IO: &[&str] =
    &["tokio", "rusqlite", "libsqlite3-sys", "tokio-postgres", "hyper", "hyper-util", "http", "reqwest", "tracing-subscriber"];

/// Database drivers, and who may use them.
const DRIVERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["basalt-sqlite", "basalt-faultfs", "basalt-bench"]),
    ("libsqlite3-sys", &["basalt-sqlite", "basalt-faultfs"]),
    ("tokio-postgres", &["basalt-postgres", "basalt-testkit", "basalt-bench"]),
];

struct Dependency {
    name: String,
    is_for_tests: bool,
}

fn metadata() -> BTreeMap<String, Vec<Dependency>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata.get("packages").and_then(Value::as_array).expect("packages");
    packages.iter().map(|package| (text(package, "name"), dependencies(package))).collect()
}

fn dependencies(package: &Value) -> Vec<Dependency> {
    let all = package.get("dependencies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter()
        .map(|d| Dependency { name: text(d, "name"), is_for_tests: d.get("kind").and_then(Value::as_str) == Some("dev") })
        .collect()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn crates_depend_downwards_only() {
    let crates = metadata();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut problems = Vec::new();
    for (name, dependencies) in &crates {
        let Some(allowed) = allowed.get(name.as_str()) else {
            problems.push(format!(
                "{name} is not in the table of this test: say what it may depend on, and why it exists, in ARCHITECTURE.md"
            ));
            continue;
        };
        // Tests may use any crate; product code only what the table says, so neither of the test tools.
        for dependency in dependencies.iter().filter(|d| !d.is_for_tests && crates.contains_key(&d.name)) {
            if !allowed.contains(&dependency.name.as_str()) {
                problems.push(format!("{name} must not depend on {}", dependency.name));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_table_itself_points_downwards() {
    let mut below = BTreeSet::new();
    for (name, allowed) in ARROWS {
        let upwards: Vec<_> = allowed.iter().filter(|dependency| !below.contains(*dependency)).collect();
        assert!(upwards.is_empty(), "{name} may use {upwards:?}, which stand above it");
        below.insert(name);
    }
}

#[test]
fn pure_crates_do_no_io_even_through_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for name in PURE {
        let output = Command::new(&cargo)
            .args(["tree", "--offline", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}"])
            .current_dir(&root)
            .output()
            .expect("cargo tree runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let listing = String::from_utf8_lossy(&output.stdout);
        let found: Vec<&str> =
            listing.lines().filter_map(|line| line.split(' ').next()).filter(|used| IO.contains(used)).collect();
        assert!(found.is_empty(), "{name} does no I/O, but depends on {found:?}");
    }
}

#[test]
fn drivers_stay_in_their_crates() {
    for (name, dependencies) in metadata() {
        for (driver, users) in DRIVERS {
            let uses = dependencies.iter().any(|d| d.name == *driver && !d.is_for_tests);
            assert!(!uses || users.contains(&name.as_str()), "{name} must not depend on the driver {driver}; only {users:?} may");
        }
    }
}
