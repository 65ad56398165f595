//! Whom requests come from, and which policies they aim at.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::{Command, ROLES, World};
use crate::random::Random;
use crate::schema::USERS;

/// A role with its token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// One of [`ROLES`].
    pub role: &'static str,
    /// The token's claims; none: no token.
    pub claims: Option<Map<String, Value>>,
    /// Whose token it is.
    pub sub: Option<&'static str>,
    /// Whether claims that policies ask for are missing or null.
    pub null_claims: bool,
}

/// A policy that a request shall meet.
#[derive(Debug, Clone, Copy)]
pub struct Aim {
    /// Where.
    pub table: usize,
    /// Who.
    pub role: &'static str,
    /// ALL: anything.
    pub command: Command,
}

/// How often reads of a table as a role gave some rows but not all: requests go more often where policies show some and hide others.
#[derive(Debug, Default)]
pub struct Luck(BTreeMap<(usize, &'static str), (f64, f64)>);

impl Luck {
    /// Notes what became of a read.
    pub fn note(&mut self, table: usize, role: &'static str, is_partial: bool) {
        let (tries, hits) = self.0.entry((table, role)).or_default();
        *tries += 1.0;
        *hits += f64::from(u8::from(is_partial));
    }

    /// Untried counts as a little lucky.
    fn of(&self, table: usize, role: &'static str) -> f64 {
        let (tries, hits) = self.0.get(&(table, role)).copied().unwrap_or_default();
        (hits + 1.0) / (tries + 2.0)
    }
}

/// The luckiest of some tables.
pub fn guarded(random: &mut Random, world: &World, role: &'static str, luck: &Luck) -> usize {
    let mut best = random.below(world.tables.len());
    for _ in 0..3 {
        let other = random.below(world.tables.len());
        if luck.of(other, role) > luck.of(best, role) {
            best = other;
        }
    }
    best
}

/// Aims at one of the schema's policies, more often at the rarer kinds.
pub fn aim(random: &mut Random, world: &World) -> Option<Aim> {
    let mut aims = Vec::new();
    for (table, about) in world.tables.iter().enumerate().filter(|(_, t)| t.security) {
        if about.policies.is_empty() {
            aims.extend(ROLES.map(|role| (table, role, Command::All)));
        }
        for policy in &about.policies {
            for role in ROLES.into_iter().filter(|r| policy.roles.is_empty() || policy.roles.contains(r)) {
                let is_service = role == "service_role";
                let times = match (policy.restrictive, policy.command) {
                    (false, Command::Select) if role != "authenticated" && random.percent(75) => 0,
                    (true, Command::All) => {
                        if is_service {
                            4
                        } else {
                            1
                        }
                    }
                    (true, Command::Select) if is_service => 10,
                    (true, Command::Select) => 4,
                    (true, _) if is_service => 9,
                    (true, _) => 4,
                    (false, Command::Delete | Command::Update) => 2,
                    (false, _) => 1,
                };
                aims.extend(std::iter::repeat_n((table, role, policy.command), times));
            }
        }
    }
    if aims.is_empty() {
        return None;
    }
    let (table, role, mut command) = random.pick(&aims);
    if role == "service_role" && command == Command::All {
        // It reads everything: its writes say more.
        command = random.pick(&[Command::Insert, Command::Update, Command::Delete]);
    }
    Some(Aim { table, role, command })
}

/// Makes up a token for a role.
pub fn caller(random: &mut Random, role: &'static str) -> Caller {
    let (claims, sub, null_claims) = claims(random, role);
    Caller { role, claims, sub, null_claims }
}

fn claims(random: &mut Random, role: &str) -> (Option<Map<String, Value>>, Option<&'static str>, bool) {
    let mut map = Map::new();
    match role {
        "anon" if random.percent(60) => return (None, None, true),
        "anon" => {
            map.insert("role".into(), role.into());
            return (Some(map), None, true);
        }
        "service_role" if random.percent(40) => return (None, None, true),
        _ => {}
    }
    let mut is_missing = false;
    let mut sub = None;
    let user = random.below(USERS.len());
    match random.below(100) {
        0..=92 => {
            sub = Some(USERS[user]);
            map.insert("sub".into(), USERS[user].into());
        }
        93..=96 => {
            map.insert("sub".into(), Value::Null);
            is_missing = true;
        }
        _ => is_missing = true,
    }
    if random.percent(90) {
        map.insert("role".into(), role.into());
    }
    let tenant = user + 1;
    match random.below(100) {
        0..=77 => {
            map.insert("tenant".into(), tenant.into());
        }
        78..=89 => {
            map.insert("tenant".into(), Value::Null);
            is_missing = true;
        }
        _ => is_missing = true,
    }
    if random.percent(70) {
        map.insert("app_metadata".into(), json!({ "tenant": tenant, "admin": random.percent(40) }));
    } else {
        is_missing = true;
    }
    if random.percent(60) {
        let domain = if user == 0 { "org" } else { "com" };
        map.insert("email".into(), format!("user{user}@example.{domain}").into());
    }
    (Some(map), sub, is_missing)
}
