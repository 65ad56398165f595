//! Makes up what requests ask for: select lists, filters, embeds, payloads.

use basalt_plan::ask::{
    Ask, DeleteAsk, Embed, EmbedJoin, Field, Filter, InsertAsk, IsValue, Item, Node, Operand, Operator, OrderTerm, ReadAsk,
    Resolution, Returning, UpdateAsk,
};
use basalt_plan::plan::{Count, Literal, Output};
use serde_json::{Map, Value};

use crate::model::{Cell, Command, Purpose, Schema, Table, Type};
use crate::random::Random;
use crate::request::Facts;
use crate::schema::value;

/// Builds one request.
pub struct Maker<'a> {
    pub random: &'a mut Random,
    pub schema: &'a Schema,
    pub role: &'static str,
    pub sub: Option<&'static str>,
    pub literals: Vec<Literal>,
    pub facts: Facts,
    pub embeds: usize,
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
            self.page(&mut node);
        }
        node
    }

    /// A limit and an offset, now and then an odd one. Those that are no bigint or negative never reach a plan.
    fn page(&mut self, node: &mut Node) {
        if self.random.percent(18) {
            let limit = match self.random.below(20) {
                0 => "0".to_owned(),
                1 => i64::MAX.to_string(),
                _ => self.random.between(1, 5).to_string(),
            };
            node.limit = Some(self.literal(Literal::Text(limit)));
        }
        if self.random.percent(9) {
            let offset = match self.random.below(12) {
                0 => i64::MAX.to_string(),
                _ => self.random.between(0, 3).to_string(),
            };
            node.offset = Some(self.literal(Literal::Text(offset)));
        }
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
        let spread = self.random.percent(if way.is_to_one { 18 } else { 8 });
        let join = if self.random.percent(22) { EmbedJoin::Inner } else { EmbedJoin::Left };
        self.facts.inner |= join == EmbedJoin::Inner;
        self.facts.spreads |= spread;
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

    pub fn read(&mut self, table: usize) -> ReadAsk {
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
        let representation = self.random.percent(62).then(|| {
            let mut node = Node { select: self.select(table), ..Node::default() };
            if self.random.percent(30) {
                let depth = 1 + self.random.below(2);
                if let Some(embed) = self.embed(table, depth) {
                    node.select.push(Item::Embed(Box::new(embed)));
                }
            }
            if self.random.percent(10) {
                node.order = self.order(table);
            }
            node
        });
        // Headers only: the columns are returned, not shown.
        let is_shown = representation.is_some() && self.random.percent(88);
        let output = match self.random.below(12) {
            _ if !is_shown => Output::None,
            0 => Output::Object { strip_nulls: false },
            1 => Output::Array { strip_nulls: true },
            _ => Output::Array { strip_nulls: false },
        };
        let location = representation.is_some() && !is_shown && command == Command::Insert;
        Returning { representation, location, output, count: Count::None, max_affected: None }
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

    pub fn insert(&mut self, table: usize, resolution: Option<Resolution>) -> (Ask, Option<Vec<Map<String, Value>>>) {
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
        let mut payload: Vec<Map<String, Value>> = Vec::new();
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
        let columns_given = self.random.percent(12);
        if columns_given {
            self.thin(table, &mut payload);
        }
        let on_conflict = match about.column(Purpose::Code) {
            Some(code) if by_code => Some(vec![about.columns[code].name.clone()]),
            _ => None,
        };
        let ask = InsertAsk {
            schema: "public".to_owned(),
            relation: about.name.clone(),
            columns: columns.iter().map(|c| about.columns[*c].name.clone()).collect(),
            columns_given,
            missing_default: columns_given && self.random.percent(60),
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

    pub fn update(&mut self, table: usize) -> (Ask, Option<Vec<Map<String, Value>>>) {
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
        let mut payload: Vec<Map<String, Value>> = Vec::new();
        for _ in 0..if self.random.percent(10) { 2 } else { 1 } {
            let id = self.random.between(1, 30);
            let row = columns.iter().map(|c| (about.columns[*c].name.clone(), self.written(table, *c, id).json()));
            payload.push(row.collect());
        }
        let columns_given = self.random.percent(15);
        if columns_given {
            self.thin(table, &mut payload);
        }
        let ask = UpdateAsk {
            schema: "public".to_owned(),
            relation: about.name.clone(),
            columns: columns.iter().map(|c| about.columns[*c].name.clone()).collect(),
            columns_given,
            missing_default: columns_given && self.random.percent(70),
            target: self.target(table),
            returning: self.returning(table, Command::Update),
        };
        (Ask::Update(ask), Some(payload))
    }

    /// Leaves values out of a payload whose columns the request names: not the key's.
    fn thin(&mut self, table: usize, payload: &mut [Map<String, Value>]) {
        let about = self.table(table);
        for row in payload {
            row.retain(|name, _| about.key.iter().any(|k| about.columns[*k].name == *name) || self.random.percent(65));
        }
    }

    pub fn delete(&mut self, table: usize) -> DeleteAsk {
        DeleteAsk {
            schema: "public".to_owned(),
            relation: self.table(table).name.clone(),
            target: self.target(table),
            returning: self.returning(table, Command::Delete),
        }
    }
}
