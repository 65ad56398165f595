//! What a run reached, printed and enforced: a property that looks at too little proves nothing.

use std::collections::BTreeMap;

use basalt_plan::ask::{Ask, Resolution};

use crate::databases::Outcome;
use crate::model::{Command, ROLES, Schema};
use crate::predicate::Kind;
use crate::request::Request;

/// A request count from which the whole coverage is demanded.
const WHOLE_RUN: usize = 20_000;

/// Requests that each policy kind × command × role must have met in a whole run.
const PER_CELL: usize = 200;

#[derive(Debug, Default)]
pub struct Coverage {
    requests: usize,
    reads: usize,
    partial: usize,
    /// Reads of each role by what became of them.
    fates: BTreeMap<(&'static str, &'static str), usize>,
    writes: usize,
    refused: usize,
    policies: BTreeMap<(bool, Command, &'static str), usize>,
    kinds: BTreeMap<Kind, usize>,
    others: BTreeMap<&'static str, usize>,
    codes: BTreeMap<String, usize>,
}

impl Coverage {
    /// Notes a request, what PostgreSQL answered, and for reads what it would have unguarded. Says whether some rows but not all
    /// were shown.
    pub fn note(&mut self, schema: &Schema, request: &Request, outcome: &Outcome, unguarded: Option<&Outcome>) -> bool {
        self.requests += 1;
        let hides = unguarded.is_some_and(|all| all != outcome);
        let is_partial = outcome.rows() > 0 && hides;
        if request.is_read() {
            self.reads += 1;
            self.partial += usize::from(is_partial);
            let fate = match outcome {
                Outcome::Rows { rows: 0, .. } => "no rows",
                Outcome::Rows { .. } if hides => "some rows",
                Outcome::Rows { .. } => "all rows",
                Outcome::NotSingular(_) => "not one row",
                Outcome::Refused { .. } => "refused",
            };
            *self.fates.entry((fate, request.role)).or_default() += 1;
        } else {
            self.writes += 1;
            self.refused += usize::from(outcome.is_refused());
        }
        if let Outcome::Refused { code, .. } = outcome {
            *self.codes.entry(code.clone()).or_default() += 1;
        }
        self.note_policies(schema, request);
        self.note_others(schema, request, outcome);
        is_partial
    }

    fn note_policies(&mut self, schema: &Schema, request: &Request) {
        let table = &schema.tables[request.table];
        if !table.security {
            return;
        }
        let mut commands = vec![request.command(), Command::All];
        if matches!(&request.ask, Ask::Insert(i) if i.resolution == Some(Resolution::Merge)) {
            commands.push(Command::Update);
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

    fn note_others(&mut self, schema: &Schema, request: &Request, outcome: &Outcome) {
        let table = &schema.tables[request.table];
        let facts = request.facts;
        let refused = |code: &str| matches!(outcome, Outcome::Refused { code: c, .. } if c == code);
        let bulk = request.payload.as_ref().is_some_and(|p| p.len() > 1);
        let merge = matches!(&request.ask, Ask::Insert(i) if i.resolution == Some(Resolution::Merge));
        let counted = matches!(&request.ask, Ask::Read(r) if r.count != basalt_plan::plan::Count::None);
        let restricted = table.security && table.policies.iter().any(|p| p.restrictive);
        for (name, found) in [
            ("embeds", facts.embeds),
            ("filters in embeds", facts.filters_in_embeds),
            ("!inner", facts.inner),
            ("spreads", facts.spreads),
            ("embeds in the answers of writes", facts.embeds && !request.is_read()),
            ("headers only", matches!(&request.ask, Ask::Insert(i) if i.returning.location)),
            ("missing=default in updates", matches!(&request.ask, Ask::Update(u) if u.missing_default)),
            ("updates by several objects", bulk && request.command() == Command::Update),
            ("counts", counted),
            ("upserts that merge", merge),
            ("upserts that ignore", request.is_upsert() && !merge),
            ("bulk inserts", bulk && request.command() == Command::Insert),
            ("RETURNING without SELECT rights", facts.returning_without_select),
            ("missing grants", facts.missing_grant),
            ("recursive policies", refused("42P17")),
            ("restrictive policies", restricted),
            ("NULL claims", facts.null_claims),
            ("FORCE, by the owner", table.security && table.force && table.owner == request.role),
            ("owner without FORCE", table.security && !table.force && table.owner == request.role),
            ("row security without a policy", table.security && table.policies.is_empty()),
            ("permission denied", refused("42501")),
        ] {
            *self.others.entry(name).or_default() += usize::from(found);
        }
    }

    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.reads += other.reads;
        self.partial += other.partial;
        self.writes += other.writes;
        self.refused += other.refused;
        for (key, n) in other.fates {
            *self.fates.entry(key).or_default() += n;
        }
        for (key, n) in other.policies {
            *self.policies.entry(key).or_default() += n;
        }
        for (key, n) in other.kinds {
            *self.kinds.entry(key).or_default() += n;
        }
        for (key, n) in other.others {
            *self.others.entry(key).or_default() += n;
        }
        for (key, n) in other.codes {
            *self.codes.entry(key).or_default() += n;
        }
    }

    pub fn print(&self) {
        let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        println!("{} requests", self.requests);
        println!("  reads  {:6}, with some rows but not all: {:.1} %", self.reads, share(self.partial, self.reads));
        println!("  writes {:6}, refused:                    {:.1} %", self.writes, share(self.refused, self.writes));
        println!("  {:30} {:>8} {:>14} {:>13}", "policies met, reads answered", ROLES[0], ROLES[1], ROLES[2]);
        for fate in ["refused", "not one row", "no rows", "some rows", "all rows"] {
            let cell = |role| self.fates.get(&(fate, role)).copied().unwrap_or(0);
            println!("  {fate:30} {:8} {:14} {:13}", cell(ROLES[0]), cell(ROLES[1]), cell(ROLES[2]));
        }
        for restrictive in [false, true] {
            for command in Command::EACH {
                let name = format!("{} {}", if restrictive { "restrictive" } else { "permissive" }, command.word());
                let cell = |role| self.policies.get(&(restrictive, command, role)).copied().unwrap_or(0);
                println!("  {name:30} {:8} {:14} {:13}", cell(ROLES[0]), cell(ROLES[1]), cell(ROLES[2]));
            }
        }
        for (kind, n) in &self.kinds {
            println!("  {:30} {n:8}", format!("condition: {kind:?}"));
        }
        for (name, n) in &self.others {
            println!("  {name:30} {n:8}");
        }
        for (code, n) in &self.codes {
            println!("  {:30} {n:8}", format!("refused with {code}"));
        }
    }

    /// What the run should have reached and did not.
    pub fn lacks(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut least = |name: String, found: usize, wanted: usize| {
            if found < wanted {
                out.push(format!("{name}: {found}, at least {wanted} wanted"));
            }
        };
        let is_whole = self.requests >= WHOLE_RUN;
        if is_whole {
            for restrictive in [false, true] {
                for command in Command::EACH {
                    for role in ROLES {
                        let found = self.policies.get(&(restrictive, command, role)).copied().unwrap_or(0);
                        let kind = if restrictive { "restrictive" } else { "permissive" };
                        least(format!("{kind} policies for {} met by {role}", command.word()), found, PER_CELL);
                    }
                }
            }
            least("percent of reads with some rows but not all".to_owned(), self.partial * 100 / self.reads.max(1), 30);
            least("percent of writes refused".to_owned(), self.refused * 100 / self.writes.max(1), 20);
        }
        let wanted = if is_whole { PER_CELL } else { 1 };
        for (name, found) in &self.others {
            least((*name).to_owned(), *found, wanted);
        }
        out
    }
}
