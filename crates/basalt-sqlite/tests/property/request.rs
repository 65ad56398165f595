//! Makes up requests against a schema, as a surface would have read them: whom they come from and what they are about. What they ask for
//! is `maker.rs`'s.

use std::collections::BTreeMap;

use basalt_plan::ask::{Ask, Resolution};
use basalt_plan::plan::Literals;
use serde_json::{Map, Value, json};

use crate::maker::Maker;
use crate::model::{Command, ROLES, Schema};
use crate::random::Random;
use crate::schema::USERS;

#[derive(Debug, Clone)]
pub struct Request {
    pub role: &'static str,
    /// The token's claims; none: no token.
    pub claims: Option<Map<String, Value>>,
    pub ask: Ask,
    pub literals: Literals,
    /// The body of a write: objects.
    pub payload: Option<Vec<Map<String, Value>>>,
    /// The table it is about.
    pub table: usize,
    pub facts: Facts,
}

/// What the coverage counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    pub embeds: bool,
    pub inner: bool,
    pub spreads: bool,
    pub filters_in_embeds: bool,
    pub null_claims: bool,
    pub returning_without_select: bool,
    pub missing_grant: bool,
}

impl Request {
    pub fn payload_text(&self) -> Option<String> {
        let objects: Vec<Value> = self.payload.as_ref()?.iter().cloned().map(Value::Object).collect();
        Some(if let [only] = objects.as_slice() { only.to_string() } else { Value::Array(objects).to_string() })
    }

    /// The claims as PostgREST sets them: with the role, with a token and without.
    pub fn claims_text(&self) -> String {
        let mut claims = self.claims.clone().unwrap_or_default();
        claims.insert("role".to_owned(), self.role.into());
        Value::Object(claims).to_string()
    }

    pub fn command(&self) -> Command {
        match &self.ask {
            Ask::Read(_) | Ask::Call(_) => Command::Select,
            Ask::Insert(_) => Command::Insert,
            Ask::Update(_) => Command::Update,
            Ask::Delete(_) => Command::Delete,
        }
    }

    pub fn is_read(&self) -> bool {
        matches!(self.ask, Ask::Read(_))
    }

    pub fn is_upsert(&self) -> bool {
        matches!(&self.ask, Ask::Insert(i) if i.resolution.is_some())
    }

    /// Whether more rows than one may be written, so that it is the order of the rows that decides which failure is named.
    pub fn may_write_several(&self) -> bool {
        match &self.ask {
            Ask::Read(_) | Ask::Insert(_) | Ask::Call(_) => false,
            Ask::Update(_) | Ask::Delete(_) => true,
        }
    }

    /// Whether the rows of the body come in a decided order: writes answer in whatever order they wrote.
    pub fn is_ordered(&self) -> bool {
        self.is_read()
    }
}

/// Makes a request up. The schema's rows are the tables' contents now.
pub fn request(random: &mut Random, schema: &Schema, luck: &Luck) -> Request {
    let aimed = if random.percent(34) { aim(random, schema) } else { None };
    let Aim { table, role, command } = aimed.unwrap_or_else(|| {
        let role = match random.below(100) {
            0..=15 => "anon",
            16..=97 => "authenticated",
            _ => "service_role",
        };
        Aim { table: guarded(random, schema, role, luck), role, command: Command::All }
    });
    let (claims, sub, null_claims) = claims(random, role);
    let facts = Facts { null_claims, ..Facts::default() };
    let mut maker = Maker { random, schema, role, sub, literals: Vec::new(), facts, embeds: 0 };
    // Parts of a hundred: reads, inserts, upserts, updates, deletes.
    let part = match command {
        Command::Select => 0,
        Command::Insert => 52 + maker.random.below(24),
        Command::Update => 64 + maker.random.below(20),
        Command::Delete => 99,
        Command::All => maker.random.below(100),
    };
    let (ask, payload) = match part {
        0..=51 => (Ask::Read(maker.read(table)), None),
        52..=63 => maker.insert(table, None),
        64..=75 => {
            let resolution = if maker.random.percent(68) { Resolution::Merge } else { Resolution::Ignore };
            maker.insert(table, Some(resolution))
        }
        76..=88 => maker.update(table),
        _ => (Ask::Delete(maker.delete(table)), None),
    };
    let Maker { literals, mut facts, .. } = maker;
    let command = match &ask {
        Ask::Read(_) | Ask::Call(_) => Command::Select,
        Ask::Insert(_) => Command::Insert,
        Ask::Update(_) => Command::Update,
        Ask::Delete(_) => Command::Delete,
    };
    let about = &schema.tables[table];
    let all = about.columns.len();
    facts.missing_grant = about.granted(role, command).len() < all;
    let returns = match &ask {
        Ask::Read(_) | Ask::Call(_) => false,
        Ask::Insert(i) => i.returning.representation.is_some(),
        Ask::Update(u) => u.returning.representation.is_some(),
        Ask::Delete(d) => d.returning.representation.is_some(),
    };
    facts.returning_without_select = returns && about.granted(role, Command::Select).len() < all;
    Request { role, claims, ask, literals: Literals(literals), payload, table, facts }
}

/// A policy that a request shall meet.
struct Aim {
    table: usize,
    role: &'static str,
    /// ALL: anything.
    command: Command,
}

/// How often reads of a table as a role gave some rows but not all: requests go more often where policies show some and hide others.
#[derive(Debug, Default)]
pub struct Luck(BTreeMap<(usize, &'static str), (f64, f64)>);

impl Luck {
    pub fn note(&mut self, request: &Request, is_partial: bool) {
        let (tries, hits) = self.0.entry((request.table, request.role)).or_default();
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
fn guarded(random: &mut Random, schema: &Schema, role: &'static str, luck: &Luck) -> usize {
    let mut best = random.below(schema.tables.len());
    for _ in 0..3 {
        let other = random.below(schema.tables.len());
        if luck.of(other, role) > luck.of(best, role) {
            best = other;
        }
    }
    best
}

/// Aims at one of the schema's policies, more often at the rarer kinds.
fn aim(random: &mut Random, schema: &Schema) -> Option<Aim> {
    let mut aims = Vec::new();
    for (table, about) in schema.tables.iter().enumerate().filter(|(_, t)| t.security) {
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

/// Claims of a token, whose they are, and whether some that policies ask for are missing or null.
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
