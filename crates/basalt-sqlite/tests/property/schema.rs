//! Makes up schemas: tables, references, policies, grants and rows.

use crate::model::{Cell, Column, Command, Grant, Link, OWNER, Policy, Purpose, ROLES, Rows, Schema, Table, Type};
use crate::predicate::{Place, Predicate};
use crate::random::Random;

/// The users that rows belong to and tokens speak of.
pub const USERS: [&str; 3] =
    ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"];

const TITLES: [&str; 6] = ["red", "green", "blue", "Grey", "", "it's"];

/// What a schema is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Anything, mostly sensible.
    Usual,
    /// Policies may read any table, their own too: 42P17.
    Recursive,
    /// Privileges are missing here and there.
    Stingy,
    /// Tables belong to `authenticated`, some with FORCE.
    Owned,
}

impl Flavour {
    /// By the schema's number in the run, so that short runs meet all.
    fn of(number: u64) -> Self {
        match number % 16 {
            1 | 5 | 8 | 12 => Self::Stingy,
            2 | 10 => Self::Owned,
            3 => Self::Recursive,
            _ => Self::Usual,
        }
    }
}

/// Makes the schema of this number up.
pub fn schema(random: &mut Random, schema: u64) -> Schema {
    let flavour = Flavour::of(schema);
    let count = 2 + random.below(4);
    let mut tables: Vec<Table> = Vec::new();
    for number in 0..count {
        let is_junction = number >= 2
            && random.percent(if number == 2 { 60 } else { 30 })
            && tables.iter().filter(|t| !t.is_junction()).count() >= 2;
        let table =
            if is_junction { junction(random, &tables, number) } else { table(random, &tables, number, on_delete(schema)) };
        tables.push(table);
    }
    for number in 0..tables.len() {
        let rows = rows(random, &tables, number);
        tables[number].rows = rows;
    }
    // Subqueries of policies read tables of lower rank only, so that nothing recurses unless it shall.
    let mut rank: Vec<usize> = (0..tables.len()).collect();
    random.shuffle(&mut rank);
    for number in 0..tables.len() {
        protect(random, &mut tables, number, &rank, flavour);
    }
    Schema { tables }
}

fn column(name: &str, ty: Type, purpose: Purpose) -> Column {
    Column { name: name.to_owned(), ty, purpose, default: None, constraint: "" }
}

fn blank(number: usize, columns: Vec<Column>, key: Vec<usize>, links: Vec<Link>) -> Table {
    Table {
        name: format!("t{number}"),
        columns,
        key,
        links,
        security: true,
        force: false,
        owner: OWNER,
        policies: Vec::new(),
        grants: Vec::new(),
        rows: Rows::new(),
    }
}

/// What all references of a schema do when their row goes. Mixed, PostgreSQL's answer hangs on the order in which its triggers came to
/// be: a row that one reference holds and another removes.
fn on_delete(number: u64) -> &'static str {
    ["", " on delete cascade", " on delete set null"][usize::try_from(number % 3).unwrap_or(0)]
}

fn table(random: &mut Random, tables: &[Table], number: usize, on_delete: &'static str) -> Table {
    let mut columns = vec![Column { constraint: " not null", ..column("id", Type::Int, Purpose::Key) }];
    let mut links = Vec::new();
    if random.percent(85) {
        let default = random.percent(60).then_some("auth.uid()");
        columns.push(Column { default, ..column("owner", Type::Uuid, Purpose::Owner) });
    }
    if random.percent(60) {
        columns.push(column("tenant", Type::Int, Purpose::Tenant));
    }
    let targets: Vec<usize> = tables.iter().enumerate().filter(|(_, t)| !t.is_junction()).map(|(n, _)| n).collect();
    let mut link = |columns: &mut Vec<Column>, name: &str, target: usize| {
        links.push(Link { name: format!("fk_t{number}_{name}"), column: columns.len(), target, on_delete });
        columns.push(column(name, Type::Int, Purpose::Parent));
    };
    if !targets.is_empty() && random.percent(85) {
        let target = random.pick(&targets);
        link(&mut columns, "parent", target);
        if random.percent(25) {
            let target = random.pick(&targets);
            link(&mut columns, "second", target);
        }
    }
    if random.percent(22) {
        link(&mut columns, "self", number);
    }
    if random.percent(70) {
        columns.push(Column { default: random.percent(40).then_some("'red'"), ..column("title", Type::Text, Purpose::Title) });
    }
    if random.percent(55) {
        columns.push(column("flag", Type::Bool, Purpose::Flag));
    }
    if random.percent(55) {
        let constraint = if random.percent(30) { " check (amount < 1000)" } else { "" };
        columns.push(Column { constraint, ..column("amount", Type::Int, Purpose::Amount) });
    }
    if random.percent(40) {
        columns.push(Column { constraint: " unique", ..column("code", Type::Int, Purpose::Code) });
    }
    blank(number, columns, vec![0], links)
}

fn junction(random: &mut Random, tables: &[Table], number: usize) -> Table {
    let mut targets: Vec<usize> = tables.iter().enumerate().filter(|(_, t)| !t.is_junction()).map(|(n, _)| n).collect();
    random.shuffle(&mut targets);
    let mut columns = Vec::new();
    let mut links = Vec::new();
    for (name, target) in ["a", "b"].into_iter().zip(targets) {
        links.push(Link { name: format!("fk_t{number}_{name}"), column: columns.len(), target, on_delete: " on delete cascade" });
        columns.push(Column { constraint: " not null", ..column(name, Type::Int, Purpose::Key) });
    }
    if random.percent(60) {
        columns.push(column("owner", Type::Uuid, Purpose::Owner));
    }
    if random.percent(40) {
        columns.push(column("tenant", Type::Int, Purpose::Tenant));
    }
    blank(number, columns, vec![0, 1], links)
}

/// A value for a column, as rows and payloads have it. Keys and references are the caller's.
pub fn value(random: &mut Random, purpose: Purpose) -> Cell {
    match purpose {
        Purpose::Owner if random.percent(15) => Cell::Null,
        Purpose::Owner => Cell::Text(random.pick(&USERS).to_owned()),
        Purpose::Tenant if random.percent(12) => Cell::Null,
        Purpose::Tenant => Cell::Int(random.between(1, 3)),
        Purpose::Title if random.percent(12) => Cell::Null,
        Purpose::Title => Cell::Text(random.pick(&TITLES).to_owned()),
        Purpose::Flag if random.percent(15) => Cell::Null,
        Purpose::Flag => Cell::Bool(random.percent(55)),
        Purpose::Amount if random.percent(12) => Cell::Null,
        Purpose::Amount => Cell::Int(random.between(0, 9)),
        Purpose::Key | Purpose::Code | Purpose::Parent => Cell::Int(random.between(1, 12)),
    }
}

fn rows(random: &mut Random, tables: &[Table], number: usize) -> Rows {
    let table = &tables[number];
    let reference = |random: &mut Random, target: usize, before: &Rows| {
        let rows = if target == number { before } else { &tables[target].rows };
        if rows.is_empty() { Cell::Null } else { random.one(rows)[0].clone() }
    };
    let count = if random.percent(4) { 0 } else { 6 + random.below(9) };
    let mut rows = Rows::new();
    for n in 0..count {
        let id = i64::try_from(n).unwrap_or(0) + 1;
        let mut row = Vec::new();
        for (at, column) in table.columns.iter().enumerate() {
            let link = table.links.iter().find(|l| l.column == at);
            row.push(match (column.purpose, link) {
                (Purpose::Key, Some(link)) => reference(random, link.target, &rows),
                (Purpose::Key, None) => Cell::Int(id),
                (Purpose::Parent, _) if random.percent(15) => Cell::Null,
                (Purpose::Parent, Some(link)) => reference(random, link.target, &rows),
                (Purpose::Code, _) if random.percent(20) => Cell::Null,
                (Purpose::Code, _) => Cell::Int(id * 10),
                (purpose, _) => value(random, purpose),
            });
        }
        let key: Vec<&Cell> = table.key.iter().map(|k| &row[*k]).collect();
        let is_new = rows.iter().all(|old: &Vec<Cell>| table.key.iter().map(|k| &old[*k]).ne(key.iter().copied()));
        if is_new && key.iter().all(|c| **c != Cell::Null) {
            rows.push(row);
        }
    }
    rows
}

fn protect(random: &mut Random, tables: &mut [Table], number: usize, rank: &[usize], flavour: Flavour) {
    let mine = rank.iter().position(|n| *n == number).unwrap_or(0);
    let others: Vec<usize> = match flavour {
        Flavour::Recursive if random.percent(60) => (0..tables.len()).collect(),
        _ => rank[..mine].to_vec(),
    };
    let mut policies = policies(random, Place { tables, table: number, others: &others });
    if flavour == Flavour::Recursive && number == 0 {
        let key = tables[number].key[0];
        let using = Predicate::In { column: key, is_negated: false, table: number, inner: key, filter: None };
        let command = random.pick(&[Command::Select, Command::All]);
        let name = "p_itself".to_owned();
        policies.push(Policy { name, restrictive: false, command, roles: Vec::new(), using: Some(using), check: None });
    }
    let table = &mut tables[number];
    table.policies = policies;
    table.security = random.percent(95);
    if flavour == Flavour::Owned && random.percent(70) {
        table.owner = "authenticated";
        table.force = random.percent(50);
    } else {
        table.force = random.percent(8);
    }
    table.grants = grants(random, table, flavour);
}

fn policies(random: &mut Random, place: Place<'_>) -> Vec<Policy> {
    let mut out = Vec::new();
    let add = |random: &mut Random, out: &mut Vec<Policy>, restrictive: bool, command: Command| {
        // Generous, restrictive ones above all, which are AND-ed: else nobody sees anything.
        let generosity = if restrictive { 75 } else { 40 };
        let mut condition = || match Predicate::make(random, place, 2) {
            _ if random.percent(if restrictive { 4 } else { 8 }) => Predicate::constant(random),
            strict if random.percent(generosity) => {
                Predicate::Or(vec![strict, Predicate::plain(random, &place.tables[place.table])])
            }
            condition => condition,
        };
        let (using, check) = match command {
            Command::Insert => (None, Some(condition())),
            Command::Select | Command::Delete => (Some(condition()), None),
            Command::Update | Command::All => (Some(condition()), Some(condition())),
        };
        let check = check.filter(|_| command == Command::Insert || random.percent(60));
        let roles = match random.below(10) {
            0..=5 => Vec::new(),
            6 => vec!["authenticated"],
            7 => vec!["anon", "authenticated"],
            8 => vec!["anon"],
            _ => random.some(&ROLES, 60),
        };
        let word = if restrictive { "r" } else { "p" };
        let name = format!("{word}{}_{}", out.len(), command.word());
        out.push(Policy { name, restrictive, command, roles, using, check });
    };
    if random.percent(11) {
        return out; // row security without a policy
    }
    for command in [Command::Select, Command::Insert, Command::Update, Command::Delete] {
        if random.percent(if command == Command::Select { 85 } else { 58 }) {
            add(random, &mut out, false, command);
        }
    }
    while random.percent(55) && out.len() < 8 {
        add(random, &mut out, false, Command::All);
    }
    while random.percent(50) && out.len() < 9 {
        add(random, &mut out, false, Command::Select);
    }
    while random.percent(54) && out.len() < 10 {
        let command = random.pick(&Command::EACH);
        add(random, &mut out, true, command);
    }
    out
}

fn grants(random: &mut Random, table: &Table, flavour: Flavour) -> Vec<Grant> {
    let mut out = Vec::new();
    for role in ROLES.into_iter().filter(|r| *r != table.owner) {
        if flavour != Flavour::Stingy || random.percent(45) {
            out.push(Grant { role, command: Command::All, columns: None });
            continue;
        }
        for command in [Command::Select, Command::Insert, Command::Update, Command::Delete] {
            let columns = match random.below(10) {
                0..=5 => None,
                6 | 7 if command != Command::Delete => {
                    let all: Vec<usize> = (0..table.columns.len()).collect();
                    let mut some = random.some(&all, 70);
                    if some.is_empty() || (command == Command::Select && random.percent(80)) {
                        some.retain(|c| !table.key.contains(c));
                        some.extend(table.key.iter().copied());
                    }
                    Some(some)
                }
                6 | 7 => None,
                _ => continue,
            };
            out.push(Grant { role, command, columns });
        }
    }
    out
}
