//! Makes up requests against a schema, as a surface would have read them.

use std::collections::BTreeMap;

use basalt_plan::ask::{
    Ask, DeleteAsk, Embed, EmbedJoin, Field, Filter, InsertAsk, IsValue, Item, Node, Operand, Operator, OrderTerm, ReadAsk,
    Resolution, Returning, UpdateAsk,
};
use basalt_plan::plan::{Count, Literal, Literals, Output};
use serde_json::{Map, Value, json};

use crate::model::{Cell, Command, Purpose, ROLES, Schema, Table, Type};
use crate::predicate::Predicate;
use crate::random::Random;
use crate::schema::{USERS, value};

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
            Ask::Read(_) => Command::Select,
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
            Ask::Read(_) | Ask::Insert(_) => false,
            Ask::Update(_) | Ask::Delete(_) => true,
        }
    }

    /// Whether the rows of the body come in a decided order: writes answer in whatever order they wrote.
    pub fn is_ordered(&self) -> bool {
        self.is_read()
    }
}

/// Builds one request.
struct Maker<'a> {
    random: &'a mut Random,
    schema: &'a Schema,
    role: &'static str,
    sub: Option<&'static str>,
    literals: Vec<Literal>,
    facts: Facts,
    embeds: usize,
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
        Ask::Read(_) => Command::Select,
        Ask::Insert(_) => Command::Insert,
        Ask::Update(_) => Command::Update,
        Ask::Delete(_) => Command::Delete,
    };
    let about = &schema.tables[table];
    let all = about.columns.len();
    facts.missing_grant = about.granted(role, command).len() < all;
    let returns = match &ask {
        Ask::Read(_) => false,
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

/// A way from one table to another, as an embed names it.
struct Way {
    relation: String,
    hint: Option<String>,
    table: usize,
    is_to_one: bool,
}

fn field(name: &str) -> Field {
    Field { name: name.to_owned(), path: Vec::new() }
}

fn plain(name: &str) -> Item {
    Item::Field { field: field(name), alias: None, cast: None, aggregate: None, aggregate_cast: None }
}

impl<'a> Maker<'a> {
    fn table(&self, table: usize) -> &'a Table {
        &self.schema.tables[table]
    }

    fn literal(&mut self, literal: Literal) -> u32 {
        self.literals.push(literal);
        u32::try_from(self.literals.len() - 1).unwrap_or(u32::MAX)
    }

    fn text(&mut self, cell: &Cell) -> Operand {
        let text = cell.text();
        Operand::Value(self.literal(Literal::Text(text)))
    }

    /// The columns to name: all, some, or those the role may read.
    fn select(&mut self, table: usize) -> Vec<Item> {
        let about = self.table(table);
        let granted = about.granted(self.role, Command::Select);
        let all: Vec<usize> = (0..about.columns.len()).collect();
        if granted.len() == all.len() && self.random.percent(55) || self.random.percent(12) {
            return vec![Item::Star];
        }
        let from = if granted.is_empty() || self.random.percent(15) { all } else { granted };
        let mut chosen = self.random.some(&from, 60);
        if chosen.is_empty() {
            chosen.push(self.random.pick(&from));
        }
        chosen.into_iter().map(|c| plain(&about.columns[c].name)).collect()
    }

    /// By the whole key: a decided order.
    fn order(&mut self, table: usize) -> Vec<OrderTerm> {
        let about = self.table(table);
        let mut columns: Vec<usize> = Vec::new();
        if self.random.percent(30) {
            columns.push(self.random.below(about.columns.len()));
        }
        columns.extend(about.key.iter().copied());
        columns
            .into_iter()
            .map(|c| OrderTerm {
                relation: None,
                field: field(&about.columns[c].name),
                descending: self.random.percent(35),
                nulls_first: match self.random.below(6) {
                    0 => Some(true),
                    1 => Some(false),
                    _ => None,
                },
            })
            .collect()
    }

    fn node(&mut self, table: usize, depth: usize, is_to_one: bool) -> Node {
        let mut node = Node { select: self.select(table), ..Node::default() };
        let chance = if depth == 0 { 48 } else { 25 };
        if depth < 3 && self.random.percent(chance) {
            let count = 1 + usize::from(self.random.percent(25));
            for _ in 0..count {
                if let Some(embed) = self.embed(table, depth) {
                    node.select.push(Item::Embed(Box::new(embed)));
                }
            }
        }
        if depth == 0 || self.random.percent(40) {
            let count = match self.random.below(20) {
                0..=11 => 0,
                12..=17 => 1,
                _ => 2 - depth.min(1),
            };
            for _ in 0..count {
                let filter = self.filter(table, 2);
                node.filters.push(filter);
                self.facts.filters_in_embeds |= depth > 0;
            }
        }
        if depth == 0 {
            // A filter that asks whether an embed is there.
            let name = node.select.iter().find_map(|item| match item {
                Item::Embed(embed) if !embed.spread => embed.alias.clone(),
                _ => None,
            });
            if let Some(name) = name.filter(|_| self.random.percent(12)) {
                let test = Filter::Test { field: field(&name), op: Operator::Is, value: Operand::Is(IsValue::Null) };
                let filter = if self.random.percent(60) { Filter::Not(Box::new(test)) } else { test };
                node.filters.push(filter);
                self.facts.filters_in_embeds = true;
            }
        }
        if !is_to_one {
            node.order = self.order(table);
            if self.random.percent(18) {
                let limit = self.random.between(1, 5).to_string();
                node.limit = Some(self.literal(Literal::Text(limit)));
            }
            if self.random.percent(5) {
                let offset = self.random.between(0, 3).to_string();
                node.offset = Some(self.literal(Literal::Text(offset)));
            }
        }
        node
    }

    fn ways(&self, table: usize) -> Vec<Way> {
        let about = self.table(table);
        let mut out = Vec::new();
        let named = |relation: &str, hint: Option<&str>, table: usize, is_to_one: bool| Way {
            relation: relation.to_owned(),
            hint: hint.map(str::to_owned),
            table,
            is_to_one,
        };
        for link in &about.links {
            let column = about.columns[link.column].name.as_str();
            out.push(if link.target == table {
                named(column, None, table, true)
            } else {
                named(&self.table(link.target).name, Some(&link.name), link.target, true)
            });
        }
        for (number, other) in self.schema.tables.iter().enumerate() {
            for link in other.links.iter().filter(|l| l.target == table) {
                let hint = if number == table { &other.columns[link.column].name } else { &link.name };
                out.push(named(&other.name, Some(hint), number, false));
            }
            if other.is_junction() && other.links.iter().any(|l| l.target == table) {
                for far in other.links.iter().filter(|l| l.target != table) {
                    out.push(named(&self.table(far.target).name, Some(&other.name), far.target, false));
                }
            }
        }
        out
    }

    fn embed(&mut self, table: usize, depth: usize) -> Option<Embed> {
        let ways = self.ways(table);
        self.embed_by(&ways, depth)
    }

    fn embed_by(&mut self, ways: &[Way], depth: usize) -> Option<Embed> {
        if ways.is_empty() {
            return None;
        }
        let way = self.random.one(ways);
        self.facts.embeds = true;
        self.embeds += 1;
        let alias = format!("e{}", self.embeds);
        let spread = way.is_to_one && self.random.percent(8);
        let join = if self.random.percent(22) { EmbedJoin::Inner } else { EmbedJoin::Left };
        self.facts.inner |= join == EmbedJoin::Inner;
        let mut node = self.node(way.table, depth + 1, way.is_to_one);
        if spread {
            // Names must not meet those of the parent.
            let prefix = alias.clone();
            let about = self.table(way.table);
            let columns = about.granted(self.role, Command::Select);
            let column = columns.first().copied().unwrap_or(0);
            node.select.retain(|item| matches!(item, Item::Embed(_)));
            node.select.push(Item::Field {
                field: field(&about.columns[column].name),
                alias: Some(format!("{prefix}_{}", about.columns[column].name)),
                cast: None,
                aggregate: None,
                aggregate_cast: None,
            });
        }
        let alias = (!spread).then_some(alias);
        Some(Embed { relation: way.relation.clone(), alias, hint: way.hint.clone(), join, spread, node })
    }

    fn filter(&mut self, table: usize, depth: usize) -> Filter {
        if depth > 0 {
            match self.random.below(100) {
                0..=9 => return Filter::Or(vec![self.filter(table, depth - 1), self.filter(table, depth - 1)]),
                10..=15 => return Filter::And(vec![self.filter(table, depth - 1), self.filter(table, depth - 1)]),
                16..=24 => return Filter::Not(Box::new(self.filter(table, depth - 1))),
                _ => {}
            }
        }
        let about = self.table(table);
        let granted = about.granted(self.role, Command::Select);
        let at = if granted.is_empty() || self.random.percent(7) {
            self.random.below(about.columns.len())
        } else {
            self.random.pick(&granted)
        };
        let column = &about.columns[at];
        let field = field(&column.name);
        let cell = self.known(about, at);
        let test = |op, value| Filter::Test { field, op, value };
        if self.random.percent(12) {
            return test(Operator::Is, Operand::Is(if self.random.percent(25) { IsValue::Null } else { IsValue::NotNull }));
        }
        if column.ty == Type::Bool {
            let words = [IsValue::True, IsValue::False, IsValue::Unknown];
            return match self.random.below(3) {
                0 => test(Operator::Eq, self.text(&cell)),
                _ => test(Operator::Is, Operand::Is(self.random.pick(&words))),
            };
        }
        if self.random.percent(20) {
            let list = (0..1 + self.random.below(3)).map(|_| self.known(about, at).text()).collect();
            return test(Operator::In, Operand::List(self.literal(Literal::List(list))));
        }
        if column.ty == Type::Text && self.random.percent(40) {
            let pattern = self.random.pick(&["%e%", "r%", "%", "_e%"]).to_owned();
            let op = if self.random.percent(50) { Operator::Like } else { Operator::ILike };
            return test(op, Operand::Value(self.literal(Literal::Text(pattern))));
        }
        // Mostly conditions that many rows meet, so that policies have something to hide.
        let ops = [Operator::Neq, Operator::Gt, Operator::Gte, Operator::Lt, Operator::Lte, Operator::IsDistinct, Operator::Eq];
        let op = match column.purpose {
            Purpose::Owner if self.random.percent(50) => Operator::Eq,
            _ => self.random.one(&ops).clone(),
        };
        test(op, self.text(&cell))
    }

    /// A value that the column has in some row, or could have; never null.
    fn known(&mut self, table: &Table, column: usize) -> Cell {
        if !table.rows.is_empty() && self.random.percent(75) {
            let row = self.random.one(&table.rows);
            if row[column] != Cell::Null {
                return row[column].clone();
            }
        }
        for _ in 0..8 {
            let cell = value(self.random, table.columns[column].purpose);
            if cell != Cell::Null {
                return cell;
            }
        }
        Cell::Int(1)
    }

    fn read(&mut self, table: usize) -> ReadAsk {
        let node = self.node(table, 0, false);
        let count = if self.random.percent(22) { Count::Exact } else { Count::None };
        let output = match self.random.below(40) {
            0 => Output::Object { strip_nulls: false },
            1 | 3 => Output::Array { strip_nulls: true },
            2 => Output::Csv,
            _ => Output::Array { strip_nulls: false },
        };
        // CSV prints rows without embeds; a body of one needs one.
        let has_embeds = node.select.iter().any(|i| matches!(i, Item::Embed(_)));
        let output = if has_embeds && output == Output::Csv { Output::Array { strip_nulls: false } } else { output };
        ReadAsk { schema: "public".to_owned(), relation: self.table(table).name.clone(), node, count, output }
    }

    fn returning(&mut self, table: usize, command: Command) -> Returning {
        let representation = self.random.percent(55).then(|| {
            let mut node = Node { select: self.select(table), ..Node::default() };
            if self.random.percent(25) {
                // PostgreSQL's embeds see the tables as they were before the write, SQLite's as they are after it: so only those
                // that the write does not change, nor what their policies read. One level says enough.
                let mut ways = self.ways(table);
                ways.retain(|way| {
                    let is_changed = way.table == table || !way.is_to_one && command == Command::Delete;
                    let policies = &self.table(way.table).policies;
                    !is_changed && !policies.iter().flat_map(|p| p.using.iter().chain(&p.check)).any(Predicate::has_subquery)
                });
                if let Some(embed) = self.embed_by(&ways, 2) {
                    node.select.push(Item::Embed(Box::new(embed)));
                }
            }
            node
        });
        let output = if representation.is_some() { Output::Array { strip_nulls: false } } else { Output::None };
        Returning { representation, location: false, output, count: Count::None, max_affected: None }
    }

    /// A value to write.
    fn written(&mut self, table: usize, column: usize, id: i64) -> Cell {
        let about = self.table(table);
        let purpose = about.columns[column].purpose;
        if let Some(link) = about.links.iter().find(|l| l.column == column) {
            let rows = &self.table(link.target).rows;
            return match self.random.below(20) {
                0 => Cell::Int(999),
                1 | 2 if purpose == Purpose::Parent => Cell::Null,
                _ if rows.is_empty() => Cell::Int(1),
                _ => self.random.one(rows)[0].clone(),
            };
        }
        match purpose {
            Purpose::Key => Cell::Int(id),
            Purpose::Code => match self.random.below(10) {
                0 => self.known(about, column),
                1 => Cell::Null,
                _ => Cell::Int(id * 10),
            },
            Purpose::Owner => match (self.sub, self.random.below(10)) {
                (Some(sub), 0..=5) => Cell::Text(sub.to_owned()),
                _ => value(self.random, purpose),
            },
            _ => value(self.random, purpose),
        }
    }

    fn insert(&mut self, table: usize, resolution: Option<Resolution>) -> (Ask, Option<Vec<Map<String, Value>>>) {
        let about = self.table(table);
        let granted = about.granted(self.role, Command::Insert);
        let mut columns: Vec<usize> = about.key.clone();
        let by_code = resolution.is_some() && self.random.percent(30);
        for column in 0..about.columns.len() {
            let is_needed = by_code && about.columns[column].purpose == Purpose::Code;
            let is_allowed = granted.contains(&column) || self.random.percent(10);
            if !columns.contains(&column) && (is_needed || is_allowed && self.random.percent(80)) {
                columns.push(column);
            }
        }
        let count = if self.random.percent(25) { 2 + self.random.below(2) } else { 1 };
        let free = 1 + about.rows.iter().filter_map(|r| if let Cell::Int(n) = r[0] { Some(n) } else { None }).max().unwrap_or(0);
        let mut payload = Vec::new();
        for n in 0..count {
            let id = free + i64::try_from(n).unwrap_or(0);
            let mut row: Vec<Cell> = columns.iter().map(|c| self.written(table, *c, id)).collect();
            let hits = if resolution.is_some() { 65 } else { 7 };
            if !about.rows.is_empty() && self.random.percent(hits) {
                let mut old = self.random.one(&about.rows);
                for _ in 0..3 {
                    // One's own row passes the policies on the old row more often, so that those on the new one are reached.
                    let is_own =
                        |row: &[Cell]| about.column(Purpose::Owner).is_none_or(|c| Some(row[c].text().as_str()) == self.sub);
                    if !is_own(old) {
                        old = self.random.one(&about.rows);
                    }
                }
                for (cell, column) in row.iter_mut().zip(&columns) {
                    let is_key = about.key.contains(column);
                    let is_code = about.columns[*column].purpose == Purpose::Code;
                    if if by_code { is_code } else { is_key } {
                        *cell = old[*column].clone();
                    }
                }
            }
            payload.push(columns.iter().zip(row).map(|(c, cell)| (about.columns[*c].name.clone(), cell.json())).collect());
        }
        let on_conflict = match about.column(Purpose::Code) {
            Some(code) if by_code => Some(vec![about.columns[code].name.clone()]),
            _ => None,
        };
        let ask = InsertAsk {
            schema: "public".to_owned(),
            relation: about.name.clone(),
            columns: columns.iter().map(|c| about.columns[*c].name.clone()).collect(),
            columns_given: false,
            missing_default: false,
            resolution,
            on_conflict,
            put: None,
            returning: self.returning(table, Command::Insert),
        };
        (Ask::Insert(ask), Some(payload))
    }

    /// Which rows a write is about: few.
    fn target(&mut self, table: usize) -> Node {
        let about = self.table(table);
        let mut filters = Vec::new();
        match self.random.below(10) {
            0..=5 => {
                for key in &about.key {
                    let cell = self.known(about, *key);
                    let value = self.text(&cell);
                    filters.push(Filter::Test { field: field(&about.columns[*key].name), op: Operator::Eq, value });
                }
            }
            6 => {
                let key = about.key[0];
                let list = (0..3).map(|_| self.known(about, key).text()).collect();
                let value = Operand::List(self.literal(Literal::List(list)));
                filters.push(Filter::Test { field: field(&about.columns[key].name), op: Operator::In, value });
            }
            7 | 8 => {
                let key = about.key[0];
                let cell = Cell::Int(self.random.between(1, 4));
                let value = self.text(&cell);
                let op = if self.random.percent(50) { Operator::Lte } else { Operator::Gt };
                filters.push(Filter::Test { field: field(&about.columns[key].name), op, value });
                filters.push(self.filter(table, 1));
            }
            _ if self.random.percent(25) => {} // the whole table
            _ => filters.push(self.filter(table, 2)),
        }
        Node { filters, ..Node::default() }
    }

    fn update(&mut self, table: usize) -> (Ask, Option<Vec<Map<String, Value>>>) {
        let about = self.table(table);
        let granted = about.granted(self.role, Command::Update);
        let usable: Vec<usize> = (0..about.columns.len())
            .filter(|c| about.columns[*c].purpose != Purpose::Code)
            .filter(|c| {
                let (may_change_key, may_lack_grant) = (self.random.percent(6), self.random.percent(12));
                (!about.key.contains(c) || may_change_key) && (granted.contains(c) || may_lack_grant)
            })
            .collect();
        let mut columns = self.random.some(&usable, 40);
        if columns.is_empty() {
            columns.push(usable.first().copied().unwrap_or(about.columns.len() - 1));
        }
        let id = self.random.between(1, 30);
        let row: Map<String, Value> =
            columns.iter().map(|c| (about.columns[*c].name.clone(), self.written(table, *c, id).json())).collect();
        let ask = UpdateAsk {
            schema: "public".to_owned(),
            relation: about.name.clone(),
            columns: columns.iter().map(|c| about.columns[*c].name.clone()).collect(),
            columns_given: false,
            missing_default: false,
            target: self.target(table),
            returning: self.returning(table, Command::Update),
        };
        (Ask::Update(ask), Some(vec![row]))
    }

    fn delete(&mut self, table: usize) -> DeleteAsk {
        DeleteAsk {
            schema: "public".to_owned(),
            relation: self.table(table).name.clone(),
            target: self.target(table),
            returning: self.returning(table, Command::Delete),
        }
    }
}
