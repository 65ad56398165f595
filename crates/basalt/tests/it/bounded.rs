//! Fifty strangers send the worst requests we know; another user's keyed read and small write still complete. The slowdown is printed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use basalt_testkit::Project;
use basalt_testkit::http::Request;
use basalt_testkit::process::TestServer;

use crate::support::{ADA, anonymous, expect, serve, setting, user_token};

const STRANGERS: u64 = 50;

/// How long the strangers are at it before the user begins, in requests answered.
const WARM: u64 = 50;

const READS: u64 = 100;
const WRITES: u64 = 20;

/// Rows of one statement: a series has its limit.
const AT_ONCE: u64 = 500_000;

fn project(rows: u64) -> Project {
    let fill: String = (0..rows.div_ceil(AT_ONCE))
        .map(|part| {
            let (first, last) = (part * AT_ONCE + 1, ((part + 1) * AT_ONCE).min(rows));
            format!(
                "insert into public.big (id, parent_id, body)
                 select n, nullif(n / 2, 0), repeat('abcdefghij', 8) || n from generate_series({first}, {last}) as s (n);"
            )
        })
        .collect();
    Project::new().config("project_id = \"bounded\"").migration(&format!(
        "create table public.big (id bigint primary key, parent_id bigint references public.big (id), body text not null, note text);
         create table public.mine (id bigint primary key, owner uuid not null default auth.uid(), body text not null);
         {fill}
         insert into public.mine values (1, '{ADA}', 'first');
         alter table public.big enable row level security;
         alter table public.mine enable row level security;
         create policy open on public.big for all using (true) with check (true);
         create policy own on public.mine for all to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
         grant select, update on public.big to anon;
         grant select, insert on public.mine to authenticated;"
    ))
}

/// The worst we know.
fn attack(n: u64) -> Request {
    let embeds = (1..=8).fold(String::from("id"), |inner, level| format!("id,e{level}:parent_id({inner})"));
    let wide = (1..=8).map(|n| format!("e{n}:big!parent_id(id)")).collect::<Vec<_>>().join(",");
    match n % 10 {
        0 => anonymous("GET", "/rest/v1/big?select=id&limit=1").header("Prefer", "count=exact"),
        1 => anonymous("GET", "/rest/v1/big?select=id&body=like.*a*b*c*d*e*f*g*h*i*j*a*b*c*d*e*z*&limit=1"),
        2 => anonymous("GET", "/rest/v1/big?select=id&body=ilike.*J*A*J*A*J*A*J*A*J*A*J*A*z&limit=1"),
        3 => anonymous("GET", "/rest/v1/big?select=id&body=match.%28a%7Cb%7Cab%29%2A%28.%2A%29%2A%28.%2A%29%2Az%24&limit=1"),
        4 => anonymous("GET", "/rest/v1/big?select=id&body=imatch.%28%28%5Ba-z%5D%2B%29%2B%29%2Bz%24&limit=1"),
        5 => anonymous("GET", &format!("/rest/v1/big?select={embeds}&order=body.desc")),
        6 => anonymous("GET", &format!("/rest/v1/big?select=id,{wide}&order=note,body")),
        7 => anonymous("PATCH", "/rest/v1/big").json(r#"{"note":"x"}"#),
        8 => anonymous("PATCH", "/rest/v1/big?id=gt.0").json(&format!(r#"{{"note":"{}"}}"#, "y".repeat(500))),
        _ => anonymous("GET", "/rest/v1/big?select=*&order=body.desc,note.asc&offset=100000"),
    }
}

#[derive(Debug)]
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    fn at(&self, hundredth: usize) -> Duration {
        self.0[(self.0.len() - 1) * hundredth / 100]
    }

    fn text(&self) -> String {
        format!("median {:.1?}, 95 of 100 within {:.1?}, longest {:.1?}", self.at(50), self.at(95), self.at(100))
    }
}

/// The user's keyed reads and small writes, each of which must succeed.
fn user(server: &TestServer, first_id: u64) -> (Times, Times) {
    let token = format!("Bearer {}", user_token(ADA));
    let timed = |request: Request, status: u16| {
        let begun = Instant::now();
        expect(server, &request.header("Authorization", &token), status);
        begun.elapsed()
    };
    let mut reads = Vec::new();
    let mut writes = Vec::new();
    for n in 0..READS {
        reads.push(timed(anonymous("GET", "/rest/v1/mine?id=eq.1&select=body"), 200));
        if n % (READS / WRITES) == 0 {
            let body = format!(r#"{{"id":{},"body":"small"}}"#, first_id + n);
            writes.push(timed(anonymous("POST", "/rest/v1/mine").json(&body), 201));
        }
    }
    (Times::of(reads), Times::of(writes))
}

#[test]
fn bounded_damage_by_fifty_strangers() {
    let rows = setting("BASALT_BOUNDED_ROWS", 200_000);
    let project = project(rows);
    let server = serve(&project);
    let (quiet_reads, quiet_writes) = user(&server, 1_000);
    let (is_over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let statuses: Mutex<BTreeMap<(u64, u16), u64>> = Mutex::default();
    let (reads, writes) = thread::scope(|scope| {
        for stranger in 0..STRANGERS {
            let (server, is_over, answered, statuses) = (&server, &is_over, &answered, &statuses);
            scope.spawn(move || {
                let mut n = stranger;
                while !is_over.load(Ordering::Relaxed) {
                    let status = server.send(&attack(n)).map_or(0, |answer| answer.status);
                    *statuses.lock().expect("no panic holds it").entry((n % 10, status)).or_default() += 1;
                    answered.fetch_add(1, Ordering::Relaxed);
                    n += 1;
                }
            });
        }
        let stop = Stop(&is_over);
        let deadline = Instant::now() + Duration::from_secs(120);
        while answered.load(Ordering::Relaxed) < WARM {
            assert!(Instant::now() < deadline, "the strangers get no answers:\n{}", server.logs());
            thread::yield_now();
        }
        let times = user(&server, 100_000);
        drop(stop);
        times
    });
    let ratio = |loud: &Times, quiet: &Times| loud.at(50).as_secs_f64() / quiet.at(50).as_secs_f64();
    println!("bounded: {rows} rows, {STRANGERS} strangers, {} of their requests answered", answered.load(Ordering::Relaxed));
    println!(
        "  keyed read   alone {}; among strangers {}: {:.1} times slower",
        quiet_reads.text(),
        reads.text(),
        ratio(&reads, &quiet_reads)
    );
    println!(
        "  small write  alone {}; among strangers {}: {:.1} times slower",
        quiet_writes.text(),
        writes.text(),
        ratio(&writes, &quiet_writes)
    );
    let statuses = statuses.into_inner().expect("no panic held it");
    println!("  answers to strangers (request, status): {statuses:?}");
    assert!(statuses.keys().all(|(_, status)| *status != 0), "a request was not answered at all: {statuses:?}");
    let (reads_after, _) = user(&server, 200_000);
    println!("  keyed read   afterwards {}", reads_after.text());
}

/// Ends the strangers however the test ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
