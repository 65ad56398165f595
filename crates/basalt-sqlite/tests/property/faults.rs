//! Deliberate mistakes in the guard, one by one: requests like those of the property must find each.
//!
//! PostgreSQL answers each request once; SQLite once with the guard as it is, and once with each fault that is not found yet. Writes
//! are undone on both, so that all see the same rows.

use basalt_plan::guard::faults::{self, COUNT, Fault};
use basalt_plan::plan::Plan;

use crate::compare::difference;
use crate::databases::{Effects, Pair};
use crate::random::Random;
use crate::request::{Luck, request};
use crate::schema::schema;
use crate::{alone, setting};

/// Requests within which each fault must be found.
const MOST: usize = 3_000;

/// Requests of an ordinary test run, and the faults that it must find among them.
const SHORT: usize = 500;
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

/// Requests to one schema: fewer than the property's, since new schemas find more than new requests.
const PER_SCHEMA: usize = 50;

/// Takes the fault out again, however the test ends.
struct Healthy;

impl Drop for Healthy {
    fn drop(&mut self) {
        faults::set(None);
    }
}

#[test]
fn guard_faults() {
    let _turn = alone();
    let _healthy = Healthy;
    let is_long = setting::<usize>("BASALT_PROPERTY_REQUESTS").is_some();
    let most = if is_long { MOST } else { SHORT };
    let seed: u64 = setting("BASALT_PROPERTY_SEED").unwrap_or(1);
    let mut left: Vec<u8> = if is_long { (1..=COUNT).collect() } else { SHORT_FAULTS.map(|f| f as u8).to_vec() };
    let mut found: Vec<(u8, usize, String)> = Vec::new();
    let mut asked = 0;
    for number in 0.. {
        if left.is_empty() || asked >= most {
            break;
        }
        let mut random = Random::new(seed.wrapping_add(0xFA17), number);
        let schema = schema(&mut random, number);
        let mut pair = Pair::new(&schema).unwrap_or_else(|what| panic!("seed {seed}, schema {number}: {what}"));
        for _ in 0..PER_SCHEMA {
            asked += 1;
            let request = request(&mut random, &schema, &Luck::default());
            let plan = pair.plan(&request).unwrap_or_else(|what| panic!("seed {seed}, schema {number}: no plan: {what}"));
            let expected = pair.postgres.run(&pair.sqlite, &plan, &request, Effects::Undone);
            let healthy = pair.sqlite.run(&plan, &request, Effects::Undone);
            if difference(&request, &healthy, &expected).is_some() {
                continue; // the property's business
            }
            left.retain(|fault| {
                faults::set_number(*fault);
                // A plan of its own, so that no program compiled without the fault is taken.
                let plan = Plan { id: Plan::fresh_id(), ..plan.clone() };
                let answer = pair.sqlite.run(&plan, &request, Effects::Undone);
                faults::set(None);
                let difference = difference(&request, &answer, &expected);
                let is_found = difference.is_some();
                found.extend(difference.map(|what| (*fault, asked, what)));
                !is_found
            });
        }
    }
    found.sort();
    println!("fault  requests  noticed by (seed {seed})");
    for (fault, requests, what) in &found {
        println!("{fault:5} {requests:9}  {what}");
    }
    assert!(left.is_empty(), "faults that {asked} requests did not find (seed {seed}): {left:?}");
}
