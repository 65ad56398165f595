//! What a run reached, printed and enforced: a comparison that looks at too little proves nothing.

use std::collections::BTreeMap;

use crate::allowed::Allowed;
use crate::engines::Answer;
use crate::maker::COMPARE;
use crate::model::{Command, ROLES, World};
use crate::predicate::Kind;
use crate::request::Request;
use crate::types::Type;

/// Requests of a whole run: its coverage is demanded of runs of at least a fifth of it, in proportion.
const WHOLE_RUN: usize = 100_000;

/// Requests that each policy kind × command × role must have met, and each feature must have had, in a whole run.
const PER_CELL: usize = 100;

/// Successful answers that each operator on each type must have had in a whole run.
const PER_OPERATOR: usize = 5;

/// Times that each code of a refusal must have come in a whole run.
const PER_CODE: usize = 5;

/// Of a hundred reads, those that must have shown some rows and hidden others.
const PARTIAL_PERCENT: usize = 10;

/// Of a hundred writes, those that must have been refused.
const REFUSED_PERCENT: usize = 15;

/// What only a long run is sure to ask for.
const SELDOM: [&str; 1] = ["unknown schema"];

/// What each run of some size must have asked for; the rest of the list is made in [`wanted`].
const FEATURES: [&str; 69] = [
    "GET",
    "HEAD",
    "POST",
    "PATCH",
    "PUT",
    "DELETE",
    "and",
    "or",
    "not",
    "operator of another type",
    "alias",
    "select by path",
    "filters in embeds",
    "limit in embeds",
    "order by a related column",
    "limit",
    "offset",
    "Range",
    "count=exact",
    "count of a write",
    "embed at depth 1",
    "embed at depth 2",
    "embed at depth 3",
    "embed to one",
    "embed to many",
    "spread to one",
    "spread to many",
    "!inner",
    "filter by presence",
    "aggregate over all",
    "aggregate by groups",
    "return=representation",
    "return=headers-only",
    "return=minimal",
    "embeds in the answers of writes",
    "Accept application/vnd.pgrst.object+json",
    "Accept application/vnd.pgrst.object+json;nulls=stripped",
    "Accept application/vnd.pgrst.array+json;nulls=stripped",
    "Accept text/csv",
    "body application/json",
    "body text/csv",
    "body application/x-www-form-urlencoded",
    "bulk insert",
    "columns=",
    "missing=default",
    "on_conflict",
    "resolution=merge-duplicates",
    "resolution=ignore-duplicates",
    "key from a sequence",
    "write to a generated column",
    "wrong value in a body",
    "objects with different keys",
    "max-affected",
    "update by several objects",
    "a whole table written",
    "missing grants",
    "RETURNING without SELECT rights",
    "NULL claims",
    "view with security_invoker",
    "view of the owner",
    "another schema",
    "unknown table",
    "unknown column in a filter",
    "odd select",
    "odd parameter",
    "odd body",
    "odd preference",
    "unknown schema",
    "embed of a guess",
];

/// Codes of refusals that each whole run must have met.
const CODES: [&str; 32] = [
    "21000", "22001", "22003", "22007", "22008", "2201B", "22023", "22P02", "23502", "23503", "23505", "23514", "42501", "42703",
    "42704", "42804", "42883", "428C9", "42P10", "42P17", "PGRST100", "PGRST102", "PGRST103", "PGRST106", "PGRST107", "PGRST108",
    "PGRST115", "PGRST116", "PGRST118", "PGRST122", "PGRST124", "PGRST200",
];

/// Statuses that each whole run must have met.
const STATUSES: [u16; 14] = [200, 201, 204, 206, 300, 400, 401, 403, 404, 405, 406, 409, 416, 500];

/// What policies, tables and answers a run has met, counted.
#[derive(Debug, Default)]
pub struct Coverage {
    requests: usize,
    worlds: usize,
    reads: usize,
    partial: usize,
    writes: usize,
    refused: usize,
    /// How often asked for, and how often answered with success.
    features: BTreeMap<String, (usize, usize)>,
    policies: BTreeMap<(bool, Command, &'static str), usize>,
    kinds: BTreeMap<Kind, usize>,
    codes: BTreeMap<String, usize>,
    statuses: BTreeMap<u16, usize>,
    allowed: BTreeMap<&'static str, usize>,
}

impl Coverage {
    /// Notes a world.
    pub fn world(&mut self, world: &World) {
        self.worlds += 1;
        for table in &world.tables {
            for column in &table.columns {
                self.feature(format!("column {}", column.ty.word()), true);
            }
            if table.links.iter().any(|l| l.columns.len() > 1) {
                self.feature("composite foreign key".to_owned(), true);
            }
            if let Some(trigger) = table.trigger {
                self.feature(format!("trigger {trigger:?}"), true);
            }
        }
    }

    fn feature(&mut self, name: String, is_answered: bool) {
        let (asked, answered) = self.features.entry(name).or_default();
        *asked += 1;
        *answered += usize::from(is_answered);
    }

    /// Notes a request and what PostgreSQL answered; `hides`: policies hid rows from it.
    pub fn note(&mut self, world: &World, request: &Request, answer: &Answer, hides: bool) {
        self.requests += 1;
        *self.statuses.entry(answer.status).or_default() += 1;
        if request.is_read() {
            self.reads += 1;
            self.partial += usize::from(hides && answer.rows() > 0);
        } else {
            self.writes += 1;
            self.refused += usize::from(answer.status >= 400);
        }
        for feature in &request.features {
            self.feature(feature.clone(), answer.status < 300);
        }
        if let Some((code, _)) = answer.error() {
            *self.codes.entry(code).or_default() += 1;
        }
        if let Some(table) = request.table {
            self.policies(world, request, table);
        }
    }

    fn policies(&mut self, world: &World, request: &Request, table: usize) {
        let Some(table) = world.tables.get(table).filter(|t| t.security) else { return };
        let mut commands = vec![request.command(), Command::All];
        if request.is_merge() {
            commands.push(Command::Update);
        }
        let is_owner = table.owner == request.role;
        for (name, found) in [
            ("FORCE, by the owner", table.force && is_owner),
            ("owner without FORCE", !table.force && is_owner),
            ("row security without a policy", table.policies.is_empty()),
            ("restrictive policies", table.policies.iter().any(|p| p.restrictive)),
        ] {
            if found {
                self.feature(name.to_owned(), true);
            }
        }
        for policy in &table.policies {
            let is_for_role = policy.roles.is_empty() || policy.roles.contains(&request.role);
            if is_for_role && commands.contains(&policy.command) {
                *self.policies.entry((policy.restrictive, policy.command, request.role)).or_default() += 1;
                let mut kinds = Vec::new();
                policy.using.iter().chain(&policy.check).for_each(|p| p.kinds(&mut kinds));
                kinds.sort_unstable();
                kinds.dedup();
                kinds.into_iter().for_each(|k| *self.kinds.entry(k).or_default() += 1);
            }
        }
    }

    /// Notes a difference that a row of the table allows.
    pub fn allowed(&mut self, row: &'static Allowed) {
        *self.allowed.entry(&row.name).or_default() += 1;
    }

    /// Takes in what another thread reached.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.worlds += other.worlds;
        self.reads += other.reads;
        self.partial += other.partial;
        self.writes += other.writes;
        self.refused += other.refused;
        for (key, (asked, answered)) in other.features {
            let entry = self.features.entry(key).or_default();
            entry.0 += asked;
            entry.1 += answered;
        }
        let add = |(n, m): (&mut usize, usize)| *n += m;
        other.policies.into_iter().for_each(|(k, n)| add((self.policies.entry(k).or_default(), n)));
        other.kinds.into_iter().for_each(|(k, n)| add((self.kinds.entry(k).or_default(), n)));
        other.codes.into_iter().for_each(|(k, n)| add((self.codes.entry(k).or_default(), n)));
        other.statuses.into_iter().for_each(|(k, n)| add((self.statuses.entry(k).or_default(), n)));
        other.allowed.into_iter().for_each(|(k, n)| add((self.allowed.entry(k).or_default(), n)));
    }

    /// How many requests were compared.
    pub fn requests(&self) -> usize {
        self.requests
    }

    /// The figures as text; `whole`: with each operator on each type.
    pub fn text(&self, whole: bool) -> String {
        let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        let mut lines = vec![
            format!("{} requests to {} worlds", self.requests, self.worlds),
            format!("  reads  {:6}, with some rows but not all: {:.1} %", self.reads, share(self.partial, self.reads)),
            format!("  writes {:6}, refused:                    {:.1} %", self.writes, share(self.refused, self.writes)),
            format!("  {:34} {:>8} {:>14} {:>13}", "policies met", ROLES[0], ROLES[1], ROLES[2]),
        ];
        for restrictive in [false, true] {
            for command in Command::EACH {
                let name = format!("{} {}", if restrictive { "restrictive" } else { "permissive" }, command.word());
                let cell = |role| self.policies.get(&(restrictive, command, role)).copied().unwrap_or(0);
                lines.push(format!("  {name:34} {:8} {:14} {:13}", cell(ROLES[0]), cell(ROLES[1]), cell(ROLES[2])));
            }
        }
        lines.extend(self.kinds.iter().map(|(kind, n)| format!("  {:34} {n:8}", format!("condition: {kind:?}"))));
        lines.push(format!("  {:34} {:>8} {:>14}", "features", "asked", "answered 2xx"));
        let is_cell = |name: &str| {
            ["filter ", "write ", "cast ", "aggregate ", "order ", "select ", "column ", "wrong value "]
                .iter()
                .any(|p| name.starts_with(p))
        };
        for (name, (asked, answered)) in self.features.iter().filter(|(name, _)| whole || !is_cell(name)) {
            lines.push(format!("  {name:34} {asked:8} {answered:14}"));
        }
        lines.extend(self.statuses.iter().map(|(status, n)| format!("  {:34} {n:8}", format!("status {status}"))));
        lines.extend(self.codes.iter().map(|(code, n)| format!("  {:34} {n:8}", format!("refused with {code}"))));
        lines.extend(self.allowed.iter().map(|(name, n)| format!("  {:34} {n:8}", format!("allowed: {name}"))));
        lines.join("\n")
    }

    /// What the run should have reached and did not.
    pub fn lacks(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut least = |name: &str, found: usize, wanted: usize| {
            if found < wanted {
                out.push(format!("{name}: {found}, at least {wanted} wanted"));
            }
        };
        let is_whole = self.requests >= WHOLE_RUN / 5;
        let share = |wanted: usize| (wanted * self.requests.min(WHOLE_RUN) / WHOLE_RUN).max(1);
        let asked = |name: &str| self.features.get(name).map_or(0, |(asked, _)| *asked);
        for name in FEATURES {
            // A short run of some thousand requests may miss what is asked for once in a thousand.
            let is_due = is_whole || !SELDOM.contains(&name);
            least(name, asked(name), if is_whole { share(PER_CELL) } else { usize::from(is_due) });
        }
        if !is_whole {
            return out;
        }
        for restrictive in [false, true] {
            for command in Command::EACH {
                for role in ROLES {
                    let found = self.policies.get(&(restrictive, command, role)).copied().unwrap_or(0);
                    let kind = if restrictive { "restrictive" } else { "permissive" };
                    least(&format!("{kind} policies for {} met by {role}", command.word()), found, share(PER_CELL));
                }
            }
        }
        let percent = |part: usize, whole: usize| part * 100 / whole.max(1);
        least("percent of reads with some rows but not all", percent(self.partial, self.reads), PARTIAL_PERCENT);
        least("percent of writes refused", percent(self.refused, self.writes), REFUSED_PERCENT);
        let answered = |name: &str| self.features.get(name).map_or(0, |(_, answered)| *answered);
        for name in cells() {
            least(&name, answered(&name), share(PER_OPERATOR));
        }
        for code in CODES {
            least(code, self.codes.get(code).copied().unwrap_or(0), share(PER_CODE));
        }
        for status in STATUSES {
            least(&format!("status {status}"), self.statuses.get(&status).copied().unwrap_or(0), share(PER_CODE));
        }
        out
    }
}

/// Operators, orders, casts and writes by type: each must have been answered with success.
fn cells() -> Vec<String> {
    let mut out = Vec::new();
    for ty in Type::EACH {
        let word = ty.word();
        out.extend(["select", "write", "column"].map(|what| format!("{what} {word}")));
        out.push(format!("filter is {word}"));
        if ty.is_ordered() {
            out.extend(COMPARE.iter().chain(&["in"]).map(|op| format!("filter {op} {word}")));
            out.push(format!("order {word}"));
        }
        if ty.is_text() {
            out.extend(["like", "ilike", "match", "imatch"].map(|op| format!("filter {op} {word}")));
        }
        if ty.is_array() {
            out.extend(["cs", "cd", "ov"].map(|op| format!("filter {op} {word}")));
        }
    }
    out
}
