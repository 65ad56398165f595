//! The property: both engines answer alike, and hold the same rows after each write.

use std::collections::BTreeMap;

use crate::allowed::Scene;
use crate::caller::Luck;
use crate::compare::{Verdict, verdict};
use crate::coverage::Coverage;
use crate::engines::Pair;
use crate::maker::request;
use crate::model::{Rows, World};
use crate::random::Random;
use crate::request::Request;
use crate::schema::world;
use crate::shrink::Case;

/// Requests to one world.
pub const PER_WORLD: usize = 100;

/// What a run is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Where it begins: the same seed makes the same run.
    pub seed: u64,
    /// How many requests.
    pub requests: usize,
    /// How many threads share them.
    pub threads: usize,
    /// Failures of different kinds after which the run ends.
    pub most_failures: usize,
    /// One world of the run alone.
    pub only: Option<u64>,
    /// Told of each failure as it is found.
    pub heard: fn(&Failure),
}

/// A case in which the answers differed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// World and request.
    pub case: Case,
    /// What differs.
    pub what: String,
    /// Which world of the run.
    pub number: u64,
}

/// What a run found.
#[derive(Debug, Default)]
pub struct Found {
    /// What it reached.
    pub coverage: Coverage,
    /// By what differs; of each kind the first.
    pub failures: BTreeMap<String, (Failure, usize)>,
    /// Worlds that an engine refused: a mistake of the generator or of the engine.
    pub refused: Vec<String>,
}

impl Found {
    fn fail(&mut self, failure: Failure) {
        self.failures.entry(kind(&failure.what)).and_modify(|(_, n)| *n += 1).or_insert((failure, 1));
    }

    /// Takes in what another thread found.
    pub fn add(&mut self, other: Self) {
        self.coverage.add(other.coverage);
        self.refused.extend(other.refused);
        for (kind, (failure, n)) in other.failures {
            self.failures.entry(kind).and_modify(|(_, m)| *m += n).or_insert((failure, n));
        }
    }
}

/// What differs without names and values, so that one mistake is one kind.
pub fn kind(what: &str) -> String {
    let mut out = String::new();
    let mut is_quoted = false;
    for c in what.chars() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                out.push('"');
            }
            _ if is_quoted => {}
            c if c.is_ascii_digit() && out.ends_with('#') => {}
            c if c.is_ascii_digit() && !out.ends_with(|l: char| l.is_ascii_alphanumeric()) && out.len() > 25 => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

/// The world of a number in a run.
pub fn world_of(seed: u64, number: u64) -> (Random, World) {
    let mut random = Random::new(seed, number);
    let world = world(&mut random, number);
    (random, world)
}

/// Puts what the tables hold now into the world.
pub fn hold(world: &mut World, contents: &[Rows]) {
    let mut contents = contents.iter();
    for table in world.tables.iter_mut().filter(|t| t.view.is_none()) {
        if let Some(rows) = contents.next() {
            table.rows.clone_from(rows);
        }
    }
}

/// Runs the requests of one world. The generator is all there is to know.
fn one_world(seed: u64, number: u64, count: usize, heard: fn(&Failure), found: &mut Found) -> Result<(), String> {
    let (mut random, mut world) = world_of(seed, number);
    let mut first = world.clone();
    let mut pair = match Pair::new(&world) {
        Ok(pair) => pair,
        Err(what) => {
            found.refused.push(format!("seed {seed}, world {number}: {what}"));
            return Ok(());
        }
    };
    let mut luck = Luck::default();
    let mut before = pair.postgres.contents()?;
    let held = pair.sqlite.contents()?;
    if held != before {
        return Err(format!(
            "seed {seed}, world {number}: the rows differ before any request: {}\n{}",
            parted(&world, &held, &before),
            world.sql()
        ));
    }
    let mut history: Vec<Request> = Vec::new();
    found.coverage.world(&world);
    for _ in 0..count {
        hold(&mut world, &before);
        let request = request(&mut random, &world, &luck);
        let sqlite = pair.sqlite.ask(&request)?;
        let postgres = pair.postgres.ask(&request)?;
        let is_looked_at =
            request.method == "GET" && request.role != "service_role" && postgres.status < 300 && request.table.is_some();
        let hides = is_looked_at && pair.postgres.ask_unguarded(&request)?.body != postgres.body;
        found.coverage.note(&world, &request, &postgres, hides);
        if let (true, Some(table)) = (request.is_read(), request.table) {
            luck.note(table, request.role, hides && postgres.rows() > 0);
        }
        let after = if request.is_read() { None } else { Some(pair.contents()?) };
        let (changed_here, changed_there) =
            after.as_ref().map_or((false, false), |(here, there)| (*here != before, *there != before));
        let scene = Scene { world: &world, changed_here, changed_there };
        let verdict = verdict(&request, &sqlite, &postgres, scene);
        let is_allowed = matches!(verdict, Verdict::Allowed(_));
        let mut what = match verdict {
            Verdict::Different(what) => Some(what),
            Verdict::Allowed(row) => {
                found.coverage.allowed(row);
                None
            }
            Verdict::Same => None,
        };
        let mut is_parted = false;
        if let Some((here, there)) = after {
            is_parted = here != there;
            if is_parted && !is_allowed {
                let rows = parted(&world, &here, &there);
                what = Some(what.map_or_else(|| format!("the rows differ afterwards: {rows}"), |what| format!("{what}; {rows}")));
            }
            before = there;
        }
        if let Some(what) = what {
            let case = Case { world: world.clone(), first: first.clone(), before: history.clone(), request: request.clone() };
            let failure = Failure { case, what, number };
            heard(&failure);
            found.fail(failure);
        }
        if !request.is_read() {
            history.push(request);
        }
        if is_parted && !is_allowed {
            return Ok(());
        }
        if is_parted {
            // On from PostgreSQL's rows.
            hold(&mut world, &before);
            drop(pair);
            pair = Pair::new(&world).map_err(|what| format!("seed {seed}, world {number}, anew: {what}"))?;
            before = pair.postgres.contents()?;
            first = world.clone();
            history.clear();
        }
    }
    Ok(())
}

/// Where two contents differ first.
pub fn parted(world: &World, here: &[Rows], there: &[Rows]) -> String {
    for ((_, table), (one, other)) in world.stored().zip(here.iter().zip(there)) {
        if one.len() != other.len() {
            return format!("{} has {} rows instead of {}", table.name, one.len(), other.len());
        }
        for (a, b) in one.iter().zip(other) {
            for ((a, b), column) in a.iter().zip(b).zip(&table.columns) {
                if a != b {
                    return format!("a {} is {a:?} instead of {b:?}", column.ty.word());
                }
            }
        }
    }
    "the rows differ".to_owned()
}

/// Runs the worlds of some settings on threads; what all found.
///
/// # Errors
/// A world that an engine refuses, or that cannot be read: a mistake of the generator or of the engine.
pub fn run(settings: Settings) -> Result<Found, String> {
    let Settings { seed, requests, threads, most_failures, only, heard } = settings;
    let worlds = requests.div_ceil(PER_WORLD);
    let work = |thread: usize| {
        let mut found = Found::default();
        for number in (thread..worlds).step_by(threads.max(1)) {
            if only.is_some_and(|only| only != number as u64) {
                continue;
            }
            let count = PER_WORLD.min(requests - number * PER_WORLD);
            one_world(seed, number as u64, count, heard, &mut found)?;
            if found.failures.len() >= most_failures {
                break;
            }
        }
        Ok::<_, String>(found)
    };
    let parts: Vec<Result<Found, String>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.max(1)).map(|thread| scope.spawn(move || work(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    });
    let mut all = Found::default();
    for part in parts {
        all.add(part?);
    }
    Ok(all)
}
