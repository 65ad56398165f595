//! Makes a failing case smaller: requests before it, policies, rows, columns, filters and embeds go as long as the answers differ.

use crate::allowed::Scene;
use crate::compare::{Verdict, verdict};
use crate::engines::{Answer, Contents, Pair};
use crate::model::{Command, Grant, Purpose, Rows, Source, World};
use crate::predicate::Predicate;
use crate::request::{Body, Condition, Item, Param, Request};
use crate::run::parted;

/// Most attempts; each makes two databases, unless only a read changes.
const ATTEMPTS: usize = 200;

/// A world and a request to it.
#[derive(Debug, Clone)]
pub struct Case {
    /// With the rows that the tables hold.
    pub world: World,
    /// With the rows it began with.
    pub first: World,
    /// The writes since then.
    pub before: Vec<Request>,
    /// The request whose answers differ.
    pub request: Request,
}

/// Both answers, and what differs.
#[derive(Debug, Clone)]
pub struct Answers {
    /// SQLite's.
    pub sqlite: Answer,
    /// PostgreSQL's.
    pub postgres: Answer,
    /// None: nothing does.
    pub difference: Option<String>,
}

/// Runs a case on fresh databases. Rows after a write count as part of the answer.
///
/// # Errors
/// An engine refuses the world.
pub fn answers(case: &Case) -> Result<Answers, String> {
    let mut pair = Pair::new(&case.world)?;
    for request in &case.before {
        pair.sqlite.ask(request)?;
        pair.postgres.ask(request)?;
    }
    answers_on(&mut pair, case)
}

fn answers_on(pair: &mut Pair, case: &Case) -> Result<Answers, String> {
    let is_read = case.request.is_read();
    let contents = |pair: &mut Pair| if is_read { Ok(None) } else { pair.contents().map(Some) };
    let before = contents(pair)?;
    let sqlite = pair.sqlite.ask(&case.request)?;
    let postgres = pair.postgres.ask(&case.request)?;
    let after = contents(pair)?;
    let changed = |side: fn(&Contents) -> &Vec<Rows>| before.as_ref().map(side) != after.as_ref().map(side);
    let scene = Scene { world: &case.world, changed_here: changed(|c| &c.0), changed_there: changed(|c| &c.1) };
    let difference = match (verdict(&case.request, &sqlite, &postgres, scene), &after) {
        (Verdict::Different(what), _) => Some(what),
        (Verdict::Same, Some((here, there))) if here != there => {
            Some(format!("the rows differ afterwards: {}", parted(&case.world, here, there)))
        }
        _ => None,
    };
    Ok(Answers { sqlite, postgres, difference })
}

/// The smallest case found that still differs; whether it differed again at all.
pub fn shrink(case: &Case, what: &str) -> (Case, bool) {
    let wanted = sort(what);
    let differs = |case: &Case| is_still(&wanted, answers(case));
    let alone = Case { before: Vec::new(), ..case.clone() };
    let mut best = if differs(&alone) {
        alone
    } else {
        let whole = Case { world: case.first.clone(), ..case.clone() };
        if !differs(&whole) {
            return (whole, false);
        }
        whole
    };
    let mut left = ATTEMPTS;
    halve_before(&mut best, &mut left, &wanted);
    loop {
        let improved = smaller_request(&mut best, &mut left, &wanted) | smaller_world(&mut best, &mut left, &wanted);
        if !improved || left == 0 {
            return (best, true);
        }
    }
}

/// What a difference is about, so that making a case smaller does not find another: the codes and statuses at both ends.
fn sort(what: &str) -> String {
    let what = what.split("; ").next().unwrap_or(what);
    let ends = |text: &str| text.split(' ').take(2).collect::<Vec<_>>().join(" ");
    what.split(" instead of ").map(ends).collect::<Vec<_>>().join(" / ")
}

fn is_still(wanted: &str, found: Result<Answers, String>) -> bool {
    found.is_ok_and(|a| a.difference.is_some_and(|what| sort(&what) == wanted))
}

/// Leaves out earlier requests, halves first.
fn halve_before(best: &mut Case, left: &mut usize, wanted: &str) {
    let mut size = best.before.len().div_ceil(2);
    while size > 0 && !best.before.is_empty() {
        let mut at = 0;
        while at < best.before.len() && *left > 0 {
            *left -= 1;
            let mut smaller = best.clone();
            smaller.before.drain(at..(at + size).min(best.before.len()));
            if is_still(wanted, answers(&smaller)) {
                *best = smaller;
            } else {
                at += size;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
}

fn smaller_request(best: &mut Case, left: &mut usize, wanted: &str) -> bool {
    let mut improved = false;
    // A read changes nothing: one pair of databases is enough for all attempts.
    let mut kept = None;
    'again: loop {
        for request in requests(&best.request) {
            if *left == 0 {
                return improved;
            }
            let smaller = Case { request, ..best.clone() };
            let found = if best.request.is_read() && smaller.request.is_read() && best.before.is_empty() {
                if kept.is_none() {
                    kept = Pair::new(&best.world).ok();
                }
                match &mut kept {
                    Some(pair) => answers_on(pair, &smaller),
                    None => return improved,
                }
            } else {
                *left -= 1;
                answers(&smaller)
            };
            if is_still(wanted, found) {
                *best = smaller;
                improved = true;
                continue 'again;
            }
        }
        return improved;
    }
}

fn smaller_world(best: &mut Case, left: &mut usize, wanted: &str) -> bool {
    let mut improved = false;
    'again: loop {
        for world in worlds(&best.world, best) {
            if *left == 0 {
                return improved;
            }
            *left -= 1;
            let smaller = Case { world, ..best.clone() };
            if is_still(wanted, answers(&smaller)) {
                *best = smaller;
                improved = true;
                continue 'again;
            }
        }
        return improved;
    }
}

/// Smaller worlds, the boldest first. Tables keep their numbers: only the last may go.
fn worlds(world: &World, case: &Case) -> Vec<World> {
    let mut out = Vec::new();
    let mut with = |change: &dyn Fn(&mut World)| {
        let mut smaller = world.clone();
        change(&mut smaller);
        out.push(smaller);
    };
    let last = world.tables.len() - 1;
    if last > 0 && case.request.table != Some(last) {
        with(&|w| drop(w.tables.pop()));
    }
    let about = case.request.table;
    let base = about.and_then(|t| world.tables.get(t)?.view.as_ref()).map(|v| v.base);
    for (t, table) in world.tables.iter().enumerate() {
        let is_about = about == Some(t) || base == Some(t);
        if !table.rows.is_empty() && !is_about {
            with(&|w| w.tables[t].rows.clear());
        }
        if table.rows.len() > 3 {
            with(&|w| w.tables[t].rows.truncate(table.rows.len() / 2));
            with(&|w| drop(w.tables[t].rows.drain(..table.rows.len() / 2)));
        }
        if !table.policies.is_empty() {
            with(&|w| {
                w.tables[t].policies.clear();
                w.tables[t].security = false;
            });
        }
        if table.security && !is_about {
            with(&|w| w.tables[t].security = false);
        }
        if table.trigger.is_some() {
            with(&|w| w.tables[t].trigger = None);
        }
        if !table.links.is_empty() {
            with(&|w| w.tables[t].links.clear());
        }
    }
    for (t, table) in world.tables.iter().enumerate() {
        for p in 0..table.policies.len() {
            with(&|w| drop(w.tables[t].policies.remove(p)));
        }
        if table.grants.iter().any(|g| g.columns.is_some() || g.command != Command::All) || table.grants.len() < 3 {
            with(&|w| {
                let table = &mut w.tables[t];
                let roles = crate::model::ROLES.into_iter().filter(|r| *r != table.owner);
                table.grants = roles.map(|role| Grant { role, command: Command::All, columns: None }).collect();
            });
        }
        if table.owner != crate::model::OWNER {
            with(&|w| w.tables[t].owner = crate::model::OWNER);
        }
        for (p, policy) in table.policies.iter().enumerate() {
            for simpler in policy.using.iter().flat_map(Predicate::simpler) {
                with(&|w| w.tables[t].policies[p].using = Some(simpler.clone()));
            }
            for simpler in policy.check.iter().flat_map(Predicate::simpler) {
                with(&|w| w.tables[t].policies[p].check = Some(simpler.clone()));
            }
        }
        for l in 0..table.links.len() {
            with(&|w| drop(w.tables[t].links.remove(l)));
        }
        for u in 0..table.uniques.len() {
            with(&|w| drop(w.tables[t].uniques.remove(u)));
        }
        if table.rows.len() <= 3 {
            for r in 0..table.rows.len() {
                with(&|w| drop(w.tables[t].rows.remove(r)));
            }
        }
        let has_last = !table.key.contains(&(table.columns.len() - 1));
        let is_last_used = table.links.iter().any(|l| l.columns.contains(&(table.columns.len() - 1)));
        let is_in_policies = table.columns.last().is_some_and(|c| c.purpose != Purpose::Extra)
            && world.tables.iter().any(|t| !t.policies.is_empty());
        if has_last && !is_last_used && !is_in_policies && table.grants.iter().all(|g| g.columns.is_none()) {
            with(&|w| drop_last(&mut w.tables[t]));
        }
        for (c, column) in table.columns.iter().enumerate() {
            if column.default.is_some() || !column.constraint.is_empty() && !table.key.contains(&c) {
                with(&|w| {
                    w.tables[t].columns[c].default = None;
                    w.tables[t].columns[c].constraint = "";
                });
            }
            if column.source != Source::Plain {
                with(&|w| w.tables[t].columns[c].source = Source::Plain);
            }
        }
    }
    out
}

fn drop_last(table: &mut crate::model::Table) {
    table.columns.pop();
    for row in &mut table.rows {
        row.truncate(table.columns.len());
    }
    table.uniques.retain(|u| u.iter().all(|c| *c < table.columns.len()));
}

/// Smaller requests.
fn requests(request: &Request) -> Vec<Request> {
    let mut out = Vec::new();
    let mut with = |change: &dyn Fn(&mut Request)| {
        let mut smaller = request.clone();
        change(&mut smaller);
        out.push(smaller);
    };
    for n in 0..request.params.len() {
        with(&|r| drop(r.params.remove(n)));
    }
    for n in 0..request.prefer.len() {
        with(&|r| drop(r.prefer.remove(n)));
    }
    for n in 0..request.headers.len() {
        with(&|r| drop(r.headers.remove(n)));
    }
    if request.claims.is_some() {
        with(&|r| r.claims = None);
        for key in request.claims.iter().flat_map(|c| c.keys()) {
            with(&|r| {
                if let Some(claims) = &mut r.claims {
                    claims.remove(key);
                }
            });
        }
    }
    if request.role != "service_role" {
        with(&|r| r.role = "service_role");
    }
    if let Some(items) = &request.select {
        with(&|r| r.select = None);
        for smaller in smaller_items(items) {
            with(&|r| r.select = Some(smaller.clone()));
        }
    }
    for (n, param) in request.params.iter().enumerate() {
        match param {
            Param::Condition(level, condition) => {
                for smaller in smaller_conditions(condition) {
                    with(&|r| r.params[n] = Param::Condition(level.clone(), smaller.clone()));
                }
            }
            Param::Order(level, terms) if terms.len() > 1 => {
                for t in 0..terms.len() {
                    let mut fewer = terms.clone();
                    fewer.remove(t);
                    with(&|r| r.params[n] = Param::Order(level.clone(), fewer.clone()));
                }
            }
            Param::Order(..) | Param::Other(..) => {}
        }
    }
    if let Some(Body::Objects(rows, single)) = &request.body {
        for n in 0..rows.len() {
            if rows.len() > 1 {
                let mut fewer = rows.clone();
                fewer.remove(n);
                with(&|r| r.body = Some(Body::Objects(fewer.clone(), *single)));
            }
        }
        let names: Vec<&String> = rows.iter().flatten().map(|(name, _)| name).collect();
        for name in names {
            let mut fewer = rows.clone();
            fewer.iter_mut().for_each(|row| row.retain(|(n, _)| n != name));
            with(&|r| r.body = Some(Body::Objects(fewer.clone(), *single)));
        }
    }
    // Without its order a read is compared as a multiset.
    for smaller in &mut out {
        let is_ordered = |r: &Request| r.params.iter().filter(|p| matches!(p, Param::Order(..))).cloned().collect::<Vec<_>>();
        if is_ordered(smaller) != is_ordered(request) {
            smaller.is_ordered = false;
            let pages = |p: &Param| matches!(p, Param::Other(key, _) if key.ends_with("limit") || key.ends_with("offset"));
            let is_paged = smaller.params.iter().any(pages) || smaller.headers.iter().any(|(name, _)| name == "Range");
            if is_paged {
                smaller.clone_from(request);
            }
        }
    }
    out.retain(|smaller| {
        smaller.target() != request.target()
            || smaller.body != request.body
            || smaller.all_headers() != request.all_headers()
            || smaller.role != request.role
            || smaller.claims != request.claims
    });
    out
}

fn smaller_items(items: &[Item]) -> Vec<Vec<Item>> {
    let mut out = Vec::new();
    if items.len() > 1 {
        for n in 0..items.len() {
            let mut fewer = items.to_vec();
            fewer.remove(n);
            out.push(fewer);
        }
    }
    for (n, item) in items.iter().enumerate() {
        if let Item::Embed { head, items: inner } = item {
            for smaller in smaller_items(inner) {
                let mut changed = items.to_vec();
                changed[n] = Item::Embed { head: head.clone(), items: smaller };
                out.push(changed);
            }
        }
    }
    out
}

fn smaller_conditions(condition: &Condition) -> Vec<Condition> {
    let mut out = Vec::new();
    match condition {
        Condition::Test { negated: true, field, op, value } => {
            out.push(Condition::Test { field: field.clone(), negated: false, op: op.clone(), value: value.clone() });
        }
        Condition::Test { .. } => {}
        Condition::Tree { negated, is_or, items } => {
            out.extend(items.iter().cloned());
            for n in 0..items.len() {
                if items.len() > 1 {
                    let mut fewer = items.clone();
                    fewer.remove(n);
                    out.push(Condition::Tree { negated: *negated, is_or: *is_or, items: fewer });
                }
                for smaller in smaller_conditions(&items[n]) {
                    let mut changed = items.clone();
                    changed[n] = smaller;
                    out.push(Condition::Tree { negated: *negated, is_or: *is_or, items: changed });
                }
            }
        }
    }
    out
}
