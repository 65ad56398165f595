//! Makes a failing case smaller: policies, rows, filters and embeds go as long as the answers still differ.

use basalt_plan::ask::{Ask, Item, Node};
use basalt_plan::plan::Count;

use crate::compare::difference;
use crate::databases::{Effects, Outcome, Pair};
use crate::model::{Command, Grant, Schema};
use crate::request::Request;

/// Most attempts; each makes two databases.
const ATTEMPTS: usize = 160;

/// A schema with its rows, and a request to it.
#[derive(Debug, Clone)]
pub struct Case {
    pub schema: Schema,
    pub request: Request,
}

/// Both answers, and what differs.
#[derive(Debug, Clone)]
pub struct Answers {
    pub sqlite: Outcome,
    pub postgres: Outcome,
    pub difference: Option<String>,
    pub sql: String,
}

/// Runs a case on fresh databases. Rows after a write count as part of the answer.
pub fn answers(case: &Case) -> Result<Answers, String> {
    let mut pair = Pair::new(&case.schema)?;
    let plan = pair.plan(&case.request)?;
    let sqlite = pair.sqlite.run(&plan, &case.request, Effects::Kept);
    let postgres = pair.postgres.run(&pair.sqlite, &plan, &case.request, Effects::Kept);
    let mut found = difference(&case.request, &sqlite, &postgres);
    if found.is_none() && !case.request.is_read() && pair.sqlite.contents(&case.schema) != pair.postgres.contents(&case.schema) {
        found = Some("the rows differ afterwards".to_owned());
    }
    let sql = crate::databases::statement(&pair.sqlite, &plan, &case.request)
        .map_or_else(|e| e, |(sql, binds)| format!("{sql}\n{binds:?}"));
    Ok(Answers { sqlite, postgres, difference: found, sql })
}

/// The smallest case found that still differs.
pub fn shrink(case: Case) -> Case {
    let mut best = case;
    let mut left = ATTEMPTS;
    loop {
        let mut improved = false;
        for candidate in candidates(&best) {
            if left == 0 {
                return best;
            }
            left -= 1;
            if answers(&candidate).is_ok_and(|a| a.difference.is_some()) {
                best = candidate;
                improved = true;
                break;
            }
        }
        if !improved {
            return best;
        }
    }
}

/// Smaller cases, the boldest first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut out = Vec::new();
    let mut schema = |change: &dyn Fn(&mut Schema)| {
        let mut smaller = case.clone();
        change(&mut smaller.schema);
        out.push(smaller);
    };
    if let Some(last) = case.schema.tables.last()
        && case.schema.tables.len() > 1
        && !is_named(case, &last.name)
    {
        schema(&|s| drop(s.tables.pop()));
    }
    for (t, table) in case.schema.tables.iter().enumerate() {
        if table.rows.len() > 3 {
            schema(&|s| s.tables[t].rows.truncate(table.rows.len() / 2));
            schema(&|s| drop(s.tables[t].rows.drain(..table.rows.len() / 2)));
        }
        if table.policies.len() > 1 && t != case.request.table {
            schema(&|s| s.tables[t].policies.clear());
        }
        if table.security && t != case.request.table {
            schema(&|s| s.tables[t].security = false);
        }
    }
    for (t, table) in case.schema.tables.iter().enumerate() {
        for p in 0..table.policies.len() {
            schema(&|s| drop(s.tables[t].policies.remove(p)));
        }
        if table.grants.iter().any(|g| g.columns.is_some() || g.command != Command::All) {
            schema(&|s| {
                let table = &mut s.tables[t];
                let roles = crate::model::ROLES.into_iter().filter(|r| *r != table.owner);
                table.grants = roles.map(|role| Grant { role, command: Command::All, columns: None }).collect();
            });
        }
        for (p, policy) in table.policies.iter().enumerate() {
            for simpler in policy.using.iter().flat_map(crate::predicate::Predicate::simpler) {
                schema(&|s| s.tables[t].policies[p].using = Some(simpler.clone()));
            }
            for simpler in policy.check.iter().flat_map(crate::predicate::Predicate::simpler) {
                schema(&|s| s.tables[t].policies[p].check = Some(simpler.clone()));
            }
        }
        if table.rows.len() <= 3 {
            for r in 0..table.rows.len() {
                schema(&|s| drop(s.tables[t].rows.remove(r)));
            }
        }
    }
    let mut requests = Vec::new();
    smaller_requests(&case.request, &mut requests);
    // A smaller request helps most and costs least: first.
    let requests = requests.into_iter().map(|request| Case { schema: case.schema.clone(), request });
    requests.chain(out).collect()
}

/// Whether anything needs a table.
fn is_named(case: &Case, name: &str) -> bool {
    let last = case.schema.tables.len() - 1;
    let asks = format!("{:?}", case.request.ask).contains(&format!("\"{name}\""));
    let others = &case.schema.tables[..last];
    asks || others.iter().any(|table| {
        let in_policies = table.policies.iter().any(|p| {
            let texts = p.using.iter().chain(&p.check);
            texts.into_iter().any(|e| e.sql(&case.schema.tables, &table.name, 0).contains(name))
        });
        in_policies || table.links.iter().any(|l| l.target == last)
    })
}

fn smaller_requests(request: &Request, out: &mut Vec<Request>) {
    let mut with = |ask: Ask| out.push(Request { ask, ..request.clone() });
    match &request.ask {
        Ask::Call(_) => {}
        Ask::Read(read) => {
            if read.count != Count::None {
                let mut smaller = read.clone();
                smaller.count = Count::None;
                with(Ask::Read(smaller));
            }
            for node in smaller_nodes(&read.node, true) {
                let mut smaller = read.clone();
                smaller.node = node;
                with(Ask::Read(smaller));
            }
        }
        Ask::Insert(insert) => {
            for node in insert.returning.representation.iter().flat_map(|n| smaller_nodes(n, true)) {
                let mut smaller = insert.clone();
                smaller.returning.representation = Some(node);
                with(Ask::Insert(smaller));
            }
        }
        Ask::Update(update) => {
            for node in smaller_nodes(&update.target, false) {
                let mut smaller = update.clone();
                smaller.target = node;
                with(Ask::Update(smaller));
            }
            for node in update.returning.representation.iter().flat_map(|n| smaller_nodes(n, true)) {
                let mut smaller = update.clone();
                smaller.returning.representation = Some(node);
                with(Ask::Update(smaller));
            }
        }
        Ask::Delete(delete) => {
            for node in smaller_nodes(&delete.target, false) {
                let mut smaller = delete.clone();
                smaller.target = node;
                with(Ask::Delete(smaller));
            }
            for node in delete.returning.representation.iter().flat_map(|n| smaller_nodes(n, true)) {
                let mut smaller = delete.clone();
                smaller.returning.representation = Some(node);
                with(Ask::Delete(smaller));
            }
        }
    }
    if let Some(payload) = request.payload.as_ref().filter(|p| p.len() > 1) {
        for n in 0..payload.len() {
            let mut smaller = request.clone();
            if let Some(objects) = &mut smaller.payload {
                objects.remove(n);
            }
            out.push(smaller);
        }
    }
    if request.claims.is_some() {
        for name in request.claims.iter().flatten().map(|(name, _)| name.clone()) {
            let mut smaller = request.clone();
            if let Some(claims) = &mut smaller.claims {
                claims.remove(&name);
            }
            out.push(smaller);
        }
    }
}

fn smaller_nodes(node: &Node, may_select: bool) -> Vec<Node> {
    let mut out = Vec::new();
    let mut with = |change: &dyn Fn(&mut Node)| {
        let mut smaller = node.clone();
        change(&mut smaller);
        out.push(smaller);
    };
    if may_select && node.select.len() > 1 {
        for n in 0..node.select.len() {
            with(&|node| drop(node.select.remove(n)));
        }
    }
    for n in 0..node.filters.len() {
        with(&|node| drop(node.filters.remove(n)));
    }
    if node.limit.is_some() {
        with(&|node| node.limit = None);
    }
    if node.offset.is_some() {
        with(&|node| node.offset = None);
    }
    if node.order.len() > 1 {
        with(&|node| drop(node.order.remove(0)));
    }
    for (n, item) in node.select.iter().enumerate() {
        if let Item::Embed(embed) = item {
            for inner in smaller_nodes(&embed.node, true) {
                with(&|node| {
                    if let Item::Embed(embed) = &mut node.select[n] {
                        embed.node = inner.clone();
                    }
                });
            }
        }
    }
    out
}
