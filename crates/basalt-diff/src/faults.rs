//! Deliberate mistakes in the guard, one by one: requests like those of the property must find each.
//!
//! PostgreSQL answers each request once; SQLite without a fault and with each fault that is not found yet, on a copy of the world's file.

use crate::allowed::Scene;
use crate::caller::Luck;
use crate::compare::{Verdict, verdict};
use crate::engines::{Pair, Sqlite};
use crate::maker::request;
use crate::run::{hold, world_of};

/// Requests to one world: fewer than the property's, since new worlds find more than new requests.
const PER_WORLD: usize = 50;

/// What a hunt found.
#[derive(Debug, Default)]
pub struct Hunt {
    /// The fault, after how many requests, and by what.
    pub found: Vec<(u8, usize, String)>,
    /// Those not found.
    pub left: Vec<u8>,
    /// Requests asked.
    pub asked: usize,
}

/// Hunts faults with at most so many requests. `set` puts a fault into the guard or takes it out.
///
/// # Errors
/// A world that an engine refuses.
pub fn hunt(seed: u64, faults: &[u8], most: usize, set: &dyn Fn(Option<u8>)) -> Result<Hunt, String> {
    let mut hunt = Hunt { left: faults.to_vec(), ..Hunt::default() };
    for number in 0.. {
        if hunt.left.is_empty() || hunt.asked >= most {
            break;
        }
        let (mut random, mut world) = world_of(seed.wrapping_add(0xFA17), number);
        let mut pair = Pair::new(&world)?;
        let file = Sqlite::new(&world, &world.sql())?.into_bytes()?;
        let mut ill = Vec::new();
        for fault in &hunt.left {
            ill.push((*fault, Sqlite::of_file(&world, &file)?));
        }
        let mut before = pair.postgres.contents()?;
        for _ in 0..PER_WORLD {
            hunt.asked += 1;
            hold(&mut world, &before);
            let request = request(&mut random, &world, &Luck::default());
            let expected = pair.postgres.ask(&request)?;
            let healthy = pair.sqlite.ask(&request)?;
            // Rows are compared below, whatever the answers.
            let scene = Scene { world: &world, changed_here: false, changed_there: false };
            let is_same = matches!(verdict(&request, &healthy, &expected, scene), Verdict::Same);
            let asked = hunt.asked;
            let mut still = Vec::new();
            for (fault, sqlite) in ill {
                set(Some(fault));
                let answer = sqlite.ask(&request);
                set(None);
                match verdict(&request, &answer?, &expected, scene) {
                    Verdict::Different(what) if is_same => hunt.found.push((fault, asked, what)),
                    _ => still.push((fault, sqlite)),
                }
            }
            ill = still;
            if !request.is_read() {
                before = pair.postgres.contents()?;
                if pair.sqlite.contents()? != before {
                    break; // the property's business
                }
                // A fault that let rows be written is found by the rows.
                let mut still = Vec::new();
                for (fault, sqlite) in ill {
                    if sqlite.contents()? == before {
                        still.push((fault, sqlite));
                    } else {
                        hunt.found.push((fault, asked, "the rows differ afterwards".to_owned()));
                    }
                }
                ill = still;
            }
            hunt.left.retain(|fault| ill.iter().any(|(f, _)| f == fault));
        }
    }
    hunt.found.sort();
    Ok(hunt)
}
