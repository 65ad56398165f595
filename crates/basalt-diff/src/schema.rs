//! Makes up worlds: tables, references, policies, grants, rows, views, triggers.

use crate::model::{
    Cell, Column, Command, Grant, Link, OWNER, Policy, Purpose, ROLES, Rows, Source, Table, Trigger, View, World,
};
use crate::predicate::{Place, Predicate};
use crate::random::Random;
use crate::types::Type;

/// The users that rows belong to and tokens speak of.
pub const USERS: [&str; 3] =
    ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"];

const TITLES: [&str; 6] = ["red", "green", "blue", "Grey", "", "it's"];

/// Names of columns that have to be quoted in SQL and escaped in addresses.
const ODD_NAMES: [&str; 5] = ["Odd Name", "select", "na\u{ef}ve", "a-b", "Upper"];

/// What a world is made for.
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
    /// Everything is granted to everybody and no row is hidden: types, operators and constraints are what it is about.
    Open,
}

impl Flavour {
    /// By the world's number in the run, so that short runs meet all.
    fn of(number: u64) -> Self {
        match number % 16 {
            1 | 8 | 12 => Self::Stingy,
            2 | 10 => Self::Owned,
            3 => Self::Recursive,
            0 | 5 | 6 | 9 | 14 => Self::Open,
            _ => Self::Usual,
        }
    }
}

/// Makes the world of this number up.
pub fn world(random: &mut Random, number: u64) -> World {
    let flavour = Flavour::of(number);
    let count = 2 + random.below(4);
    let mut tables: Vec<Table> = Vec::new();
    let has_journal = random.percent(25);
    if has_journal {
        tables.push(journal());
    }
    for at in tables.len()..tables.len() + count {
        let entities = tables.iter().filter(|t| is_entity(t)).count();
        let is_junction = entities >= 2 && random.percent(if entities == 2 { 55 } else { 30 });
        let table = if is_junction { junction(random, &tables, at) } else { table(random, &tables, at, on_delete(number)) };
        tables.push(table);
    }
    for at in 0..tables.len() {
        let rows = rows(random, &tables, at);
        tables[at].rows = rows;
    }
    // Subqueries of policies read tables of lower rank only, so that nothing recurses unless it shall.
    let mut rank: Vec<usize> = (0..tables.len()).collect();
    random.shuffle(&mut rank);
    for at in 0..tables.len() {
        protect(random, &mut tables, at, &rank, flavour);
    }
    triggers(random, &mut tables, has_journal);
    for at in 0..random.below(3) {
        let view = view(random, &tables, at, flavour);
        tables.push(view);
    }
    World { tables, aggregates: random.percent(60) }
}

/// Whether others may refer to it.
fn is_entity(table: &Table) -> bool {
    !table.is_junction() && table.name != "journal"
}

fn column(name: &str, ty: Type, purpose: Purpose) -> Column {
    Column { name: name.to_owned(), ty, purpose, default: None, constraint: "", source: Source::Plain }
}

fn blank(name: String, columns: Vec<Column>, key: Vec<usize>, links: Vec<Link>) -> Table {
    Table {
        schema: "public",
        name,
        columns,
        key,
        links,
        uniques: Vec::new(),
        security: true,
        force: false,
        owner: OWNER,
        policies: Vec::new(),
        grants: Vec::new(),
        trigger: None,
        view: None,
        rows: Rows::new(),
    }
}

/// What all references of a world do when their row goes. Mixed, PostgreSQL's answer hangs on the order in which its triggers came to
/// be: a row that one reference holds and another removes.
fn on_delete(number: u64) -> &'static str {
    ["", " on delete cascade", " on delete set null"][usize::try_from(number % 3).unwrap_or(0)]
}

/// What AFTER triggers write into.
fn journal() -> Table {
    let id = Column { source: Source::Identity { always: true }, ..column("id", Type::Int4, Purpose::Key) };
    let columns = vec![id, column("title", Type::Text, Purpose::Title), column("what", Type::Text, Purpose::Extra)];
    blank("journal".to_owned(), columns, vec![0], Vec::new())
}

fn table(random: &mut Random, tables: &[Table], number: usize, on_delete: &'static str) -> Table {
    let ty = random.pick(&[Type::Int4, Type::Int4, Type::Int4, Type::Int4, Type::Int8, Type::Uuid, Type::Text]);
    let source = match random.below(10) {
        0..=2 if ty == Type::Int4 || ty == Type::Int8 => Source::Identity { always: false },
        3 if ty == Type::Int4 => Source::Identity { always: true },
        4 if ty == Type::Int4 => Source::Sequence,
        _ => Source::Plain,
    };
    let constraint = if source == Source::Plain { " not null" } else { "" };
    let mut columns = vec![Column { constraint, source, ..column("id", ty, Purpose::Key) }];
    let mut links = Vec::new();
    if random.percent(85) {
        let default = random.percent(60).then(|| "auth.uid()".to_owned());
        columns.push(Column { default, ..column("owner", Type::Uuid, Purpose::Owner) });
    }
    if random.percent(60) {
        columns.push(column("tenant", Type::Int4, Purpose::Tenant));
    }
    let targets: Vec<usize> = tables.iter().enumerate().filter(|(_, t)| is_entity(t)).map(|(n, _)| n).collect();
    let mut link = |columns: &mut Vec<Column>, name: &str, target: usize, ty: Type| {
        links.push(Link { name: format!("fk_t{number}_{name}"), columns: vec![columns.len()], target, on_delete });
        columns.push(column(name, ty, Purpose::Parent));
    };
    if !targets.is_empty() && random.percent(85) {
        let target = random.pick(&targets);
        link(&mut columns, "parent", target, tables[target].columns[0].ty);
        if random.percent(25) {
            let target = random.pick(&targets);
            link(&mut columns, "second", target, tables[target].columns[0].ty);
        }
    }
    if random.percent(22) {
        link(&mut columns, "self", number, ty);
    }
    let junction = tables.iter().position(Table::is_junction);
    if let Some(target) = junction.filter(|_| random.percent(40)) {
        let at = columns.len();
        links.push(Link { name: format!("fk_t{number}_pair"), columns: vec![at, at + 1], target, on_delete });
        for (name, key) in ["pair_a", "pair_b"].into_iter().zip(&tables[target].key) {
            columns.push(column(name, tables[target].columns[*key].ty, Purpose::Parent));
        }
    }
    usual_columns(random, &mut columns);
    extra_columns(random, &mut columns);
    let mut table = blank(format!("t{number}"), columns, vec![0], links);
    if let (Some(tenant), Some(title)) = (table.column(Purpose::Tenant), table.column(Purpose::Amount))
        && random.percent(20)
    {
        table.uniques.push(vec![tenant, title]);
    }
    if random.percent(20) && table.links.is_empty() {
        table.schema = "shop";
    }
    table
}

fn usual_columns(random: &mut Random, columns: &mut Vec<Column>) {
    if random.percent(70) {
        let default = random.percent(40).then(|| "'red'".to_owned());
        let constraint = if random.percent(20) { " check (char_length(title) < 12)" } else { "" };
        columns.push(Column { default, constraint, ..column("title", Type::Text, Purpose::Title) });
        if random.percent(15) {
            columns.push(Column { source: Source::Generated("lower(title)"), ..column("low", Type::Text, Purpose::Extra) });
        }
    }
    if random.percent(55) {
        columns.push(column("flag", Type::Bool, Purpose::Flag));
    }
    if random.percent(55) {
        let constraint = if random.percent(30) { " check (amount < 1000)" } else { "" };
        columns.push(Column { constraint, ..column("amount", Type::Int4, Purpose::Amount) });
        if random.percent(25) {
            columns.push(Column { source: Source::Generated("amount * 2"), ..column("twice", Type::Int4, Purpose::Extra) });
        }
    }
    if random.percent(40) {
        columns.push(Column { constraint: " unique", ..column("code", Type::Int4, Purpose::Code) });
    }
}

/// Columns of any type, some with odd names.
fn extra_columns(random: &mut Random, columns: &mut Vec<Column>) {
    for number in 0..1 + random.below(5) {
        let ty = random.pick(&Type::EACH);
        let name = match random.below(12) {
            0 => random.pick(&ODD_NAMES).to_owned(),
            _ => format!("x{number}_{}", ty.word()),
        };
        if columns.iter().any(|c| c.name == name) {
            continue;
        }
        let default = random.percent(25).then(|| format!("'{}'", random.pick(ty.samples()).replace('\'', "''")));
        let constraint = if default.is_some() && random.percent(40) { " not null" } else { "" };
        columns.push(Column { default, constraint, ..column(&name, ty, Purpose::Extra) });
    }
}

fn junction(random: &mut Random, tables: &[Table], number: usize) -> Table {
    let mut targets: Vec<usize> =
        tables.iter().enumerate().filter(|(_, t)| is_entity(t) && t.schema == "public").map(|(n, _)| n).collect();
    random.shuffle(&mut targets);
    let mut columns = Vec::new();
    let mut links = Vec::new();
    for (name, target) in ["a", "b"].into_iter().zip(targets.iter().chain(targets.first()).copied()) {
        links.push(Link {
            name: format!("fk_t{number}_{name}"),
            columns: vec![columns.len()],
            target,
            on_delete: " on delete cascade",
        });
        columns.push(Column { constraint: " not null", ..column(name, tables[target].columns[0].ty, Purpose::Key) });
    }
    if columns.len() < 2 {
        return table(random, tables, number, "");
    }
    if random.percent(60) {
        columns.push(column("owner", Type::Uuid, Purpose::Owner));
    }
    if random.percent(40) {
        columns.push(column("tenant", Type::Int4, Purpose::Tenant));
    }
    if random.percent(40) {
        extra_columns(random, &mut columns);
    }
    blank(format!("t{number}"), columns, vec![0, 1], links)
}

fn triggers(random: &mut Random, tables: &mut [Table], has_journal: bool) {
    for table in tables.iter_mut().filter(|t| t.name != "journal") {
        let mut kinds = Vec::new();
        if table.column(Purpose::Title).is_some() && !table.columns.iter().any(|c| c.constraint.contains("char_length")) {
            kinds.push(Trigger::Upper);
        }
        if table.column(Purpose::Amount).is_some() {
            kinds.push(Trigger::Bump);
        }
        if has_journal {
            kinds.push(Trigger::Journal);
        }
        if !kinds.is_empty() && random.percent(22) {
            table.trigger = Some(random.pick(&kinds));
        }
    }
}

fn view(random: &mut Random, tables: &[Table], number: usize, flavour: Flavour) -> Table {
    let bases: Vec<usize> = (0..tables.len()).filter(|t| tables[*t].view.is_none()).collect();
    let base = random.pick(&bases);
    let from = &tables[base];
    let mut columns: Vec<Column> = from.key.iter().map(|k| from.columns[*k].clone()).collect();
    let key = (0..columns.len()).collect();
    columns.extend(
        from.columns.iter().enumerate().filter(|(n, _)| !from.key.contains(n) && random.percent(75)).map(|(_, c)| c.clone()),
    );
    let amount = columns.iter().any(|c| c.purpose == Purpose::Amount);
    let condition = (amount && random.percent(40)).then(|| "amount is null or amount > 2".to_owned());
    let mut table = blank(format!("v{number}"), columns, key, Vec::new());
    table.security = false;
    table.view = Some(View { base, invoker: random.percent(50), condition });
    table.grants = grants(random, &table, flavour);
    table
}

/// A key of a type.
pub fn key(ty: Type, number: i64) -> Cell {
    Some(match ty {
        Type::Uuid => format!("00000000-0000-4000-9000-{number:012}"),
        Type::Text => match number {
            2 => "k,2".to_owned(),
            3 => "k (3)".to_owned(),
            4 => "\u{e9}4".to_owned(),
            _ => format!("k{number}"),
        },
        _ => number.to_string(),
    })
}

/// A value for a column, as rows and payloads have it. Keys and references are the caller's.
pub fn value(random: &mut Random, column: &Column) -> Cell {
    let nothing = match column.purpose {
        Purpose::Owner | Purpose::Flag => 15,
        Purpose::Extra if column.constraint.contains("not null") => 0,
        _ => 12,
    };
    if random.percent(nothing) {
        return None;
    }
    Some(match column.purpose {
        Purpose::Owner => random.pick(&USERS).to_owned(),
        Purpose::Tenant => random.between(1, 3).to_string(),
        Purpose::Title => random.pick(&TITLES).to_owned(),
        Purpose::Flag => random.percent(55).to_string(),
        Purpose::Amount => random.between(0, 9).to_string(),
        Purpose::Key | Purpose::Code | Purpose::Parent => return key(column.ty, random.between(1, 12)),
        Purpose::Extra => random.pick(column.ty.samples()).to_owned(),
    })
}

fn rows(random: &mut Random, tables: &[Table], number: usize) -> Rows {
    let table = &tables[number];
    let count = if random.percent(4) { 0 } else { 6 + random.below(9) };
    let mut rows = Rows::new();
    let mut pairs: Vec<(Cell, Cell)> = Vec::new();
    for n in 0..count {
        let id = i64::try_from(n).unwrap_or(0) + 1;
        let mut row: Vec<Cell> = Vec::new();
        for column in &table.columns {
            row.push(match column.purpose {
                Purpose::Key => key(column.ty, id),
                Purpose::Parent => None,
                Purpose::Code if random.percent(20) => None,
                Purpose::Code => Some((id * 10).to_string()),
                _ => value(random, column),
            });
        }
        for link in &table.links {
            let others = if link.target == number { &rows } else { &tables[link.target].rows };
            let is_key = table.key.contains(&link.columns[0]);
            if others.is_empty() || (!is_key && random.percent(15)) {
                if is_key {
                    row[link.columns[0]] = None;
                }
                continue;
            }
            let other = random.one(others).clone();
            for (column, key) in link.columns.iter().zip(&tables[link.target].key) {
                row[*column] = other[*key].clone();
            }
        }
        let key: Vec<&Cell> = table.key.iter().map(|k| &row[*k]).collect();
        let is_new = rows.iter().all(|old: &Vec<Cell>| table.key.iter().map(|k| &old[*k]).ne(key.iter().copied()));
        if !is_new || key.iter().any(|c| c.is_none()) {
            continue;
        }
        if let Some(unique) = table.uniques.first() {
            let pair = (row[unique[0]].clone(), row[unique[1]].clone());
            if pairs.contains(&pair) {
                continue;
            }
            pairs.push(pair);
        }
        rows.push(row);
    }
    rows
}

fn protect(random: &mut Random, tables: &mut [Table], number: usize, rank: &[usize], flavour: Flavour) {
    let mine = rank.iter().position(|n| *n == number).unwrap_or(0);
    let others: Vec<usize> = match flavour {
        Flavour::Recursive if random.percent(60) => (0..tables.len()).collect(),
        _ => rank[..mine].to_vec(),
    };
    let mut policies = if flavour == Flavour::Open && random.percent(70) {
        Vec::new()
    } else {
        policies(random, Place { tables, table: number, others: &others })
    };
    if flavour == Flavour::Recursive && number == 0 {
        let key = tables[number].key[0];
        let using = Predicate::In { column: key, is_negated: false, table: number, inner: key, filter: None };
        let command = random.pick(&[Command::Select, Command::All]);
        let name = "p_itself".to_owned();
        policies.push(Policy { name, restrictive: false, command, roles: Vec::new(), using: Some(using), check: None });
    }
    let table = &mut tables[number];
    table.policies = policies;
    table.security = !(flavour == Flavour::Open && table.policies.is_empty()) && random.percent(95);
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
