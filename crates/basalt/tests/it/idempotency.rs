//! `Idempotency-Key` over the wire: the process is killed while keyed requests run, and what was sent is sent again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use basalt_testkit::Project;
use basalt_testkit::http::Request;
use basalt_testkit::process::TestServer;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{anonymous, expect, scramble, serve, service, setting};

const WRITERS: usize = 4;

const MIGRATION: &str = "create table public.orders (id bigint generated always as identity primary key, item text not null);
     alter table public.orders enable row level security;
     create policy all_may on public.orders to anon using (true) with check (true);
     grant all on public.orders to anon, service_role;";

fn order(key: &str) -> Request {
    service("POST", "/rest/v1/orders?select=id,item")
        .header("Prefer", "return=representation")
        .header("Idempotency-Key", key)
        .json(&format!(r#"{{"item":"{key}"}}"#))
}

fn items(server: &TestServer) -> BTreeMap<String, usize> {
    let text = expect(server, &service("GET", "/rest/v1/orders?select=item"), 200).text();
    let rows: Vec<Value> = serde_json::from_str(&text).expect("rows");
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row["item"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts
}

/// One writer: sends orders until the server is gone. Keys, and what was answered.
fn write(server: &TestServer, kill: u64, writer: usize, done: &AtomicUsize) -> Vec<(String, Option<String>)> {
    let mut sent = Vec::new();
    loop {
        let key = format!("{kill}-{writer}-{}", sent.len());
        let Ok(answer) = server.send(&order(&key)) else {
            sent.push((key, None));
            return sent;
        };
        assert_eq!(answer.status, 201, "{}", answer.text());
        sent.push((key, Some(answer.text())));
        done.fetch_add(1, Ordering::Release);
    }
}

#[test]
fn a_kill_leaves_no_write_without_its_receipt() {
    let kills = setting("BASALT_KILLS", 4);
    let project = Project::new().config("project_id = \"once\"").migration(MIGRATION);
    let mut sent: Vec<String> = Vec::new();
    let mut answered: BTreeMap<String, String> = BTreeMap::new();
    for kill in 0..kills {
        let mut server = serve(&project);
        let target = 20 + usize::try_from(scramble(kill) % 40).unwrap_or(0);
        let done = AtomicUsize::new(0);
        let all = thread::scope(|scope| {
            let (server, done) = (&server, &done);
            let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(server, kill, writer, done))).collect();
            while done.load(Ordering::Acquire) < target {
                assert!(!writers.iter().all(thread::ScopedJoinHandle::is_finished), "nobody writes:\n{}", server.logs());
                thread::yield_now();
            }
            // While requests are under way.
            server.signal(Signal::KILL).expect("it runs");
            writers.into_iter().flat_map(|writer| writer.join().expect("it ends")).collect::<Vec<_>>()
        });
        for (key, answer) in all {
            if let Some(answer) = answer {
                answered.insert(key.clone(), answer);
            }
            sent.push(key);
        }
        server.kill().expect("it is gone");
    }
    let server = serve(&project);
    for key in &sent {
        let answer = expect(&server, &order(key), 201);
        if let Some(first) = answered.get(key) {
            assert_eq!(&answer.text(), first, "{key}");
            assert_eq!(answer.header("idempotency-replayed"), Some("true"), "{key}");
        }
    }
    let counts = items(&server);
    assert_eq!(counts.len(), sent.len());
    assert!(counts.values().all(|n| *n == 1), "{counts:?}");
}

#[test]
fn browsers_may_send_keys_and_read_what_came_of_them() {
    let project = Project::new().config("project_id = \"cors\"").migration(MIGRATION);
    let server = serve(&project);
    let asked = anonymous("POST", "/rest/v1/orders").header("Origin", "https://app.example").header("Idempotency-Key", "k");
    let answer = expect(&server, &asked.json(r#"{"item":"a"}"#), 201);
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
    assert!(exposed.contains("idempotency-replayed") && exposed.contains("idempotency-body"), "{exposed}");
    // The key of the publishable key's callers is not that of the secret one's.
    let again = service("POST", "/rest/v1/orders").header("Idempotency-Key", "k").json(r#"{"item":"a"}"#);
    assert_eq!(expect(&server, &again, 201).header("idempotency-replayed"), None);
    assert_eq!(items(&server).get("a"), Some(&2));
}

#[test]
fn settings_say_what_is_kept_and_what_roles_may() {
    let project = Project::new().config("project_id = \"off\"").migration(MIGRATION).basalt_config(
        "[api]\nidempotency_lifetime_s = 0\nplan_enabled = true\nserver_timing = true\naggregates = true\nopenapi_roles = [\"*\"]\n\
         tx_end = \"commit-allow-override\"\n[limits.max_cost]\nservice_role = 1\n[limits.concurrent]\nanon = 500\n",
    );
    let server = serve(&project);
    let refused = expect(&server, &order("k"), 400).text();
    assert!(refused.contains("BSLT016"), "{refused}");
    let plan = anonymous("GET", "/rest/v1/orders").header("Accept", "application/vnd.pgrst.plan");
    let plan = expect(&server, &plan, 200);
    assert!(plan.header("server-timing").is_some_and(|timing| timing.contains("transaction")));
    assert_eq!(expect(&server, &anonymous("GET", "/rest/v1/orders?select=count()"), 200).text(), "[{\"count\":0}]");
    expect(&server, &anonymous("GET", "/rest/v1/"), 200);
    let back = anonymous("POST", "/rest/v1/orders").header("Prefer", "tx=rollback").json(r#"{"item":"a"}"#);
    assert_eq!(expect(&server, &back, 201).header("preference-applied"), Some("tx=rollback"));
    // A role that has no setting of its own.
    let rows = format!("[{}]", vec![r#"{"item":"x"}"#; 2000].join(","));
    let costly = expect(&server, &service("POST", "/rest/v1/orders").json(&rows), 400).text();
    assert!(costly.contains("BSLT014"), "{costly}");
    expect(&server, &anonymous("POST", "/rest/v1/orders").json(&rows), 201);
}
