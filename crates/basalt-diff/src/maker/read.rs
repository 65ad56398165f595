//! Reads: select lists with embeds, orders, pages, counts, formats.

use crate::maker::Maker;
use crate::maker::filter::PATHS;
use crate::model::{Column, Command, Table};
use crate::request::{Condition, Item, Param, Request, name};
use crate::types::Type;

/// A way from one table to another, as an embed names it.
struct Way {
    relation: String,
    hint: Option<String>,
    table: usize,
    is_to_one: bool,
}

/// A level's select list, what addresses it and its embeds, and the names of its to-one embeds with their tables.
#[derive(Default)]
struct Level {
    items: Vec<Item>,
    params: Vec<Param>,
    to_one: Vec<(String, usize)>,
    embeds: Vec<String>,
    /// Relations already embedded: a spread is addressed by its relation's name, which must mean it alone.
    relations: Vec<String>,
    has_spread: bool,
}

impl Maker<'_> {
    /// A read of a table.
    pub fn read(&mut self, table: usize) -> Request {
        let method = if self.random.percent(8) { "HEAD" } else { "GET" };
        let mut request = self.blank(method, table);
        request.is_ordered = true;
        if self.world.aggregates && self.random.percent(9) {
            self.aggregate(table, &mut request);
        } else {
            let mut level = self.level(table, "", 0);
            for _ in 0..[0, 0, 0, 0, 1, 1, 2, 3][self.random.below(8)] {
                let condition = self.condition(table, 2);
                level.params.push(Param::Condition(String::new(), condition));
            }
            self.presence(&mut level);
            let order = self.order(table, &level.to_one);
            level.params.push(Param::Order(String::new(), order));
            if level.items.len() > 1 || level.items != [Item::Plain("*".to_owned())] || self.random.percent(50) {
                request.select = Some(level.items);
            }
            request.params = level.params;
        }
        self.page(&mut request);
        if self.random.percent(20) {
            request.prefer.push("count=exact".to_owned());
            self.feature("count=exact");
        }
        self.accept(&mut request);
        request
    }

    /// Columns, paths, casts and embeds of one level.
    fn level(&mut self, table: usize, path: &str, depth: usize) -> Level {
        let mut level = Level { items: self.columns(table), ..Level::default() };
        let chance = if depth == 0 { 42 } else { 25 };
        if depth < 3 && self.random.percent(chance) {
            for _ in 0..1 + usize::from(self.random.percent(25)) {
                self.embed(table, path, depth, &mut level);
            }
        }
        level
    }

    /// The columns to name: all, some, or those the role may read.
    fn columns(&mut self, table: usize) -> Vec<Item> {
        let about = self.table(table);
        let granted = about.granted(self.caller.role, Command::Select);
        let all: Vec<usize> = (0..about.columns.len()).collect();
        if granted.len() == all.len() && self.random.percent(45) || self.random.percent(10) {
            return vec![Item::Plain("*".to_owned())];
        }
        let from = if granted.is_empty() || self.random.percent(12) { all } else { granted };
        let mut chosen = self.random.some(&from, 50);
        if chosen.is_empty() {
            chosen.push(self.random.pick(&from));
        }
        self.random.shuffle(&mut chosen);
        chosen.into_iter().map(|c| Item::Plain(self.column(&about.columns[c]))).collect()
    }

    /// A column with an alias, path or cast now and then.
    fn column(&mut self, column: &Column) -> String {
        self.feature(format!("select {}", column.ty.word()));
        let mut text = name(&column.name);
        let mut is_changed = false;
        if column.ty.is_json() && self.random.percent(50) {
            text.push_str(self.random.pick(&PATHS));
            self.feature("select by path");
            is_changed = true;
        } else if self.random.percent(18) {
            let target = self.random.pick(casts(column.ty));
            self.feature(format!("cast {} to {target}", column.ty.word()));
            text.push_str("::");
            text.push_str(target);
        }
        if self.random.percent(12) || is_changed && self.random.percent(70) {
            self.embeds += 1;
            self.feature("alias");
            text = format!("n{}:{text}", self.embeds);
        }
        text
    }

    /// By the whole key in the end: a decided order.
    fn order(&mut self, table: usize, to_one: &[(String, usize)]) -> Vec<String> {
        let about = self.table(table);
        let mut terms: Vec<String> = Vec::new();
        if !to_one.is_empty() && self.random.percent(25) {
            let (alias, other) = self.random.one(to_one).clone();
            let column = self.readable(other, 5);
            self.feature("order by a related column");
            terms.push(format!("{alias}({})", name(&column.name)));
        }
        if self.random.percent(30) {
            let column = self.readable(table, 5);
            if column.ty.is_ordered() || self.random.percent(5) {
                self.feature(format!("order {}", column.ty.word()));
                let path = if column.ty.is_json() && self.random.percent(50) { self.random.pick(&PATHS) } else { "" };
                terms.push(format!("{}{path}", name(&column.name)));
            }
        }
        terms.extend(about.key.iter().map(|k| name(&about.columns[*k].name)));
        for term in &mut terms {
            term.push_str(self.random.pick(&[
                "",
                "",
                ".asc",
                ".desc",
                ".desc",
                ".nullsfirst",
                ".desc.nullslast",
                ".asc.nullslast",
            ]));
        }
        terms
    }

    /// Limits and offsets as parameters or as a range, now and then odd ones.
    fn page(&mut self, request: &mut Request) {
        if self.random.percent(18) {
            let limit = match self.random.below(20) {
                0 => "0".to_owned(),
                1 => i64::MAX.to_string(),
                _ => self.random.between(1, 5).to_string(),
            };
            request.params.push(Param::Other("limit".to_owned(), limit));
            self.feature("limit");
        }
        if self.random.percent(9) {
            let offset = match self.random.below(12) {
                0 => i64::MAX.to_string(),
                _ => self.random.between(0, 3).to_string(),
            };
            request.params.push(Param::Other("offset".to_owned(), offset));
            self.feature("offset");
        }
        if self.random.percent(6) {
            let range = self.random.pick(&["0-2", "1-", "2-4", "0-0", "5-3", "100-", "x"]);
            request.headers.push(("Range".to_owned(), range.to_owned()));
            self.feature("Range");
        }
    }

    fn accept(&mut self, request: &mut Request) {
        let has_embeds = request.select.iter().flatten().any(|i| matches!(i, Item::Embed { .. }));
        let kind = match self.random.below(30) {
            0 | 1 => "application/vnd.pgrst.object+json",
            2 => "application/vnd.pgrst.object+json;nulls=stripped",
            3 | 4 => "application/vnd.pgrst.array+json;nulls=stripped",
            5 | 6 if !has_embeds => "text/csv",
            7 => "application/json",
            8 if self.random.percent(20) => "application/xml",
            _ => return,
        };
        self.feature(format!("Accept {kind}"));
        request.headers.push(("Accept".to_owned(), kind.to_owned()));
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
        let first = |of: &Table, link: &crate::model::Link| of.columns[link.columns[0]].name.clone();
        for link in &about.links {
            out.push(if link.target == table {
                named(&first(about, link), None, table, true)
            } else {
                named(&self.table(link.target).name, Some(&link.name), link.target, true)
            });
        }
        for (number, other) in self.world.tables.iter().enumerate() {
            for link in other.links.iter().filter(|l| l.target == table) {
                let column = first(other, link);
                let hint = if number == table { &column } else { &link.name };
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

    /// An order by a related column of which there are many: PGRST118.
    pub fn order_by_many(&mut self, request: &mut Request) {
        let Some(way) = request.table.and_then(|table| self.ways(table).into_iter().find(|way| !way.is_to_one)) else { return };
        let hint = way.hint.map(|hint| format!("!{hint}")).unwrap_or_default();
        let embed = Item::Embed { head: format!("e0:{}{hint}", way.relation), items: vec![Item::Plain("*".into())] };
        let key = self.table(way.table).key[0];
        request.select = Some(vec![Item::Plain("*".into()), embed]);
        request.params.retain(|param| !matches!(param, Param::Order(level, _) if level.is_empty()));
        request.params.push(Param::Order(String::new(), vec![format!("e0({})", name(&self.table(way.table).columns[key].name))]));
        self.feature("order by many related rows");
    }

    fn embed(&mut self, table: usize, path: &str, depth: usize, level: &mut Level) {
        let ways = self.ways(table);
        if ways.is_empty() {
            return;
        }
        let way = self.random.one(&ways);
        let is_again = level.relations.contains(&way.relation);
        if is_again && level.has_spread {
            return;
        }
        self.embeds += 1;
        let alias = format!("e{}", self.embeds);
        let spread = self.random.percent(if way.is_to_one { 18 } else { 8 }) && !is_again;
        level.has_spread |= spread;
        level.relations.push(way.relation.clone());
        let inner = self.random.percent(22);
        // Hints now and then left out: without them several ways are ambiguous.
        let hint = way.hint.as_ref().filter(|_| self.random.percent(90));
        let mut head = if spread { format!("...{}", way.relation) } else { format!("{alias}:{}", way.relation) };
        for part in hint.map(String::as_str).into_iter().chain(inner.then_some("inner")) {
            head.push('!');
            head.push_str(part);
        }
        self.feature(format!("embed at depth {}", depth + 1));
        self.feature(match (spread, way.is_to_one) {
            (true, true) => "spread to one",
            (true, false) => "spread to many",
            (false, true) => "embed to one",
            (false, false) => "embed to many",
        });
        if inner {
            self.feature("!inner");
        }
        let within = format!("{path}{}.", if spread { &way.relation } else { &alias });
        let mut below = self.level(way.table, &within, depth + 1);
        if spread {
            // Names must not meet those of the parent.
            below.items.retain(|item| matches!(item, Item::Embed { .. }));
            let column = self.readable(way.table, 5);
            below.items.push(Item::Plain(format!("{alias}_s:{}", name(&column.name))));
        }
        if !spread && self.random.percent(40) {
            let condition = self.condition(way.table, 1);
            below.params.push(Param::Condition(within.clone(), condition));
            self.feature("filters in embeds");
        }
        if !way.is_to_one {
            let order = self.order(way.table, &below.to_one);
            below.params.push(Param::Order(within.clone(), order));
            if self.random.percent(15) {
                let limit = self.random.between(0, 3).to_string();
                below.params.push(Param::Other(format!("{within}limit"), limit));
                self.feature("limit in embeds");
            }
        }
        if way.is_to_one && !spread {
            level.to_one.push((alias.clone(), way.table));
        }
        if !spread {
            level.embeds.push(alias);
        }
        level.items.push(Item::Embed { head, items: below.items });
        level.params.append(&mut below.params);
    }

    /// A filter that asks whether an embed is there.
    fn presence(&mut self, level: &mut Level) {
        if level.embeds.is_empty() || !self.random.percent(12) {
            return;
        }
        let field = self.random.one(&level.embeds).clone();
        let negated = self.random.percent(60);
        let test = Condition::Test { field, negated, op: "is".to_owned(), value: "null".to_owned() };
        level.params.push(Param::Condition(String::new(), test));
        self.feature("filter by presence");
    }

    /// Aggregates, by groups or over all.
    fn aggregate(&mut self, table: usize, request: &mut Request) {
        let about = self.table(table);
        let mut items = Vec::new();
        let mut order = Vec::new();
        for _ in 0..self.random.below(3) {
            let column = self.readable(table, 3);
            if column.ty.is_ordered() && !order.contains(&name(&column.name)) {
                items.push(Item::Plain(name(&column.name)));
                order.push(name(&column.name));
                request.is_loose |= column.ty.has_equals();
            }
        }
        for _ in 0..1 + self.random.below(2) {
            self.embeds += 1;
            let alias = format!("a{}", self.embeds);
            let column = self.random.one(&about.columns);
            let function = match column.ty {
                ty if ty.is_exact_number() => self.random.pick(&["sum", "avg", "min", "max", "count"]),
                Type::Numeric
                | Type::Float4
                | Type::Float8
                | Type::Text
                | Type::Date
                | Type::Timestamp
                | Type::Timestamptz
                | Type::Time
                | Type::Interval => self.random.pick(&["min", "max", "count"]),
                _ => "count",
            };
            request.is_loose |= column.ty.has_equals();
            self.feature(format!("aggregate {function} {}", column.ty.word()));
            items.push(Item::Plain(match self.random.below(4) {
                0 => format!("{alias}:count()"),
                _ => format!("{alias}:{}.{function}()", name(&column.name)),
            }));
        }
        self.feature(if order.is_empty() { "aggregate over all" } else { "aggregate by groups" });
        request.select = Some(items);
        if self.random.percent(40) {
            let condition = self.condition(table, 1);
            request.params.push(Param::Condition(String::new(), condition));
        }
        if !order.is_empty() {
            request.params.push(Param::Order(String::new(), order));
        }
    }

    /// What a write answers: rows with embeds, their number, or nothing.
    pub fn returning(&mut self, table: usize, request: &mut Request) {
        let prefer = match self.random.below(100) {
            0..=57 => "return=representation",
            58..=67 => "return=headers-only",
            68..=77 => "return=minimal",
            _ => return,
        };
        request.prefer.push(prefer.to_owned());
        self.feature(prefer);
        if prefer != "return=representation" || self.random.percent(40) {
            return;
        }
        let mut level = Level { items: self.columns(table), ..Level::default() };
        if self.random.percent(30) {
            let depth = 1 + self.random.below(2);
            self.embed(table, "", depth, &mut level);
            self.feature("embeds in the answers of writes");
        }
        request.select = Some(level.items);
        request.params.append(&mut level.params);
        if self.random.percent(15) {
            self.accept(request);
        }
    }
}

/// What a type may be cast to without an error that hangs on the order of the rows.
fn casts(ty: Type) -> &'static [&'static str] {
    match ty {
        Type::Int2 | Type::Int4 => &["text", "float8", "numeric", "bigint"],
        Type::Positive => &["text", "numeric"],
        Type::Int8 => &["text", "numeric"],
        Type::Bool => &["text", "int"],
        Type::Date => &["text", "timestamp", "timestamptz"],
        Type::Timestamp => &["text", "date", "time"],
        Type::Timestamptz => &["text", "date"],
        Type::Json => &["text", "jsonb"],
        Type::Jsonb => &["text", "json"],
        Type::Ints => &["text", "text[]"],
        Type::Numeric | Type::Scaled => &["text", "float8"],
        _ => &["text"],
    }
}
