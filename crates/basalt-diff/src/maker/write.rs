//! Writes: bodies, conflicts, targets.

use crate::maker::Maker;
use crate::model::{Cell, Command, Purpose, Source};
use crate::request::{Body, Condition, Param, Request, name, quoted};
use crate::schema::{key, value};

impl Maker<'_> {
    /// A value to write.
    fn written(&mut self, table: usize, column: usize, id: i64) -> Cell {
        let about = self.table(table);
        let what = &about.columns[column];
        if let Some((link, at)) = about.links.iter().find_map(|l| l.columns.iter().position(|c| *c == column).map(|at| (l, at))) {
            let target = self.table(link.target);
            return match self.random.below(20) {
                0 => key(what.ty, 999),
                1 | 2 if what.purpose == Purpose::Parent => None,
                _ if target.rows.is_empty() => key(what.ty, 1),
                _ => self.random.one(&target.rows)[target.key[at]].clone(),
            };
        }
        match what.purpose {
            Purpose::Key => key(what.ty, id),
            Purpose::Code => match self.random.below(10) {
                0 => Some(self.known(table, what)),
                1 => None,
                _ => Some((id * 10).to_string()),
            },
            Purpose::Owner => match (self.caller.sub, self.random.below(10)) {
                (Some(sub), 0..=5) => Some(sub.to_owned()),
                _ => value(self.random, what),
            },
            _ => value(self.random, what),
        }
    }

    fn json(&mut self, table: usize, column: usize, cell: &Cell) -> (String, String) {
        let what = &self.table(table).columns[column];
        self.feature(format!("write {}", what.ty.word()));
        if self.random.percent(1) {
            self.feature("wrong value in a body");
            let wrong = self.random.pick(what.ty.wrongs());
            return (what.name.clone(), what.ty.json(wrong));
        }
        (what.name.clone(), cell.as_ref().map_or_else(|| "null".to_owned(), |text| what.ty.json(text)))
    }

    /// Inserts and upserts.
    pub fn insert(&mut self, table: usize, upsert: bool) -> Request {
        let mut request = self.blank("POST", table);
        let about = self.table(table);
        let granted = about.granted(self.caller.role, Command::Insert);
        let numbered = |c: usize| matches!(about.columns[c].source, Source::Identity { .. } | Source::Sequence);
        let generated = |c: usize| matches!(about.columns[c].source, Source::Generated(_) | Source::Identity { always: true });
        let mut columns: Vec<usize> = about.key.clone();
        if !upsert && about.key.iter().any(|k| numbered(*k)) && self.random.percent(70) {
            columns.clear();
            self.feature("key from a sequence");
        }
        let code = about.column(Purpose::Code).filter(|_| upsert && self.random.percent(30));
        for column in 0..about.columns.len() {
            let is_allowed = granted.contains(&column) || self.random.percent(10);
            let is_left = generated(column) && self.random.percent(96);
            if !columns.contains(&column) && !is_left && (code == Some(column) || is_allowed && self.random.percent(75)) {
                columns.push(column);
            }
        }
        if columns.iter().any(|c| generated(*c)) {
            self.feature("write to a generated column");
        }
        let count = if self.random.percent(25) { 2 + self.random.below(2) } else { 1 };
        let rows = self.rows_for(table, &columns, count, if upsert { 65 } else { 7 }, code);
        if count > 1 {
            self.feature("bulk insert");
        }
        self.shape(table, &mut request, rows);
        if upsert {
            let merge = self.random.percent(68);
            let word = if merge { "resolution=merge-duplicates" } else { "resolution=ignore-duplicates" };
            request.prefer.push(word.to_owned());
            self.feature(word);
            if let Some(code) = code {
                request.params.push(Param::Other("on_conflict".to_owned(), about.columns[code].name.clone()));
                self.feature("on_conflict");
            } else if self.random.percent(3) {
                let column = self.random.below(about.columns.len());
                request.params.push(Param::Other("on_conflict".to_owned(), name(&about.columns[column].name)));
                self.feature("on_conflict of any column");
            }
        }
        self.returning(table, &mut request);
        request
    }

    fn rows_for(
        &mut self,
        table: usize,
        columns: &[usize],
        count: usize,
        hits: usize,
        code: Option<usize>,
    ) -> Vec<Vec<(String, String)>> {
        let about = self.table(table);
        let holder = about.view.as_ref().map_or(about, |view| self.table(view.base));
        let numbers = holder.rows.iter().filter_map(|r| r[holder.key[0]].as_ref()?.parse::<i64>().ok());
        let free = 1 + numbers.max().unwrap_or(40).clamp(0, 1_000_000);
        let mut rows = Vec::new();
        for n in 0..count {
            let id = free + i64::try_from(n).unwrap_or(0);
            let mut row: Vec<Cell> = columns.iter().map(|c| self.written(table, *c, id)).collect();
            if !about.rows.is_empty() && self.random.percent(hits) {
                let mut old = self.random.one(&about.rows);
                for _ in 0..3 {
                    // One's own row passes the policies on the old row more often, so that those on the new one are reached.
                    if !self.is_own(about, old) {
                        old = self.random.one(&about.rows);
                    }
                }
                for (cell, column) in row.iter_mut().zip(columns) {
                    if code.map_or_else(|| about.key.contains(column), |code| code == *column) {
                        *cell = old[*column].clone();
                    }
                }
            }
            rows.push(columns.iter().zip(row).map(|(c, cell)| self.json(table, *c, &cell)).collect());
        }
        rows
    }

    /// The body's form: JSON mostly, with `columns=` and missing fields now and then, CSV, a form.
    fn shape(&mut self, table: usize, request: &mut Request, mut rows: Vec<Vec<(String, String)>>) {
        let about = self.table(table);
        let is_single = rows.len() == 1 && self.random.percent(80);
        let names: Vec<String> = rows.first().iter().flat_map(|r| r.iter().map(|(name, _)| name.clone())).collect();
        let kind = match self.random.below(40) {
            0 if !names.is_empty() => "text/csv",
            1 if !names.is_empty() && rows.len() == 1 => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        request.headers.push(("Content-Type".to_owned(), kind.to_owned()));
        self.feature(format!("body {kind}"));
        let plain = |json: &str| match serde_json::from_str::<serde_json::Value>(json) {
            Ok(serde_json::Value::String(text)) => text,
            _ => json.to_owned(),
        };
        match kind {
            "text/csv" => {
                let cell = |json: &str| {
                    if json == "null" { "NULL".to_owned() } else { format!("\"{}\"", plain(json).replace('"', "\"\"")) }
                };
                let line = |row: &Vec<(String, String)>| row.iter().map(|(_, json)| cell(json)).collect::<Vec<_>>().join(",");
                let lines: Vec<String> = std::iter::once(names.join(",")).chain(rows.iter().map(line)).collect();
                request.body = Some(Body::Raw(lines.join("\n")));
                return;
            }
            "application/x-www-form-urlencoded" => {
                let escaped =
                    |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
                let pairs: Vec<String> =
                    rows[0].iter().map(|(name, json)| format!("{}={}", escaped(name), escaped(&plain(json)))).collect();
                request.body = Some(Body::Raw(pairs.join("&")));
                return;
            }
            _ => {}
        }
        if self.random.percent(14) && !names.is_empty() {
            // Values left out, but not the key's.
            self.feature("columns=");
            for row in &mut rows {
                row.retain(|(name, _)| about.key.iter().any(|k| about.columns[*k].name == *name) || self.random.percent(65));
            }
            let list: Vec<String> = names.iter().map(|n| name(n)).collect();
            request.params.push(Param::Other("columns".to_owned(), list.join(",")));
            if self.random.percent(60) {
                request.prefer.push("missing=default".to_owned());
                self.feature("missing=default");
            }
        } else if self.random.percent(6) && rows.len() > 1 {
            rows[1].pop();
            self.feature("objects with different keys");
        }
        request.body = Some(Body::Objects(rows, is_single));
    }

    /// One row by its key, all columns given.
    pub fn put(&mut self, table: usize) -> Request {
        let mut request = self.blank("PUT", table);
        let about = self.table(table);
        let columns: Vec<usize> =
            (0..about.columns.len()).filter(|c| !matches!(about.columns[*c].source, Source::Generated(_))).collect();
        let rows = self.rows_for(table, &columns, 1, 60, None);
        for k in &about.key {
            let found = rows[0].iter().find(|(name, _)| *name == about.columns[*k].name);
            let json = found.map(|(_, json)| json.clone()).unwrap_or_default();
            let value = match serde_json::from_str(&json) {
                Ok(serde_json::Value::String(text)) => text,
                _ => json,
            };
            let value = if self.random.percent(4) { "7".to_owned() } else { value };
            let field = name(&about.columns[*k].name);
            request
                .params
                .push(Param::Condition(String::new(), Condition::Test { field, negated: false, op: "eq".to_owned(), value }));
        }
        request.headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        request.body = Some(Body::Objects(rows, true));
        self.returning(table, &mut request);
        request
    }

    /// Which rows a write is about: few.
    fn target(&mut self, table: usize, request: &mut Request) {
        let about = self.table(table);
        let mut add = |field: String, op: &str, value: String| {
            let test = Condition::Test { field, negated: false, op: op.to_owned(), value };
            request.params.push(Param::Condition(String::new(), test));
        };
        let first = &about.columns[about.key[0]];
        match self.random.below(10) {
            0..=5 => {
                for k in &about.key {
                    let column = &about.columns[*k];
                    add(name(&column.name), "eq", self.known(table, column));
                }
            }
            6 => {
                let list: Vec<String> = (0..3).map(|_| quoted(&self.known(table, first))).collect();
                add(name(&first.name), "in", format!("({})", list.join(",")));
            }
            7 | 8 => {
                let value = self.known(table, first);
                add(name(&first.name), if self.random.percent(50) { "lte" } else { "gt" }, value);
                let condition = self.condition(table, 1);
                request.params.push(Param::Condition(String::new(), condition));
            }
            _ if self.random.percent(25) => self.feature("a whole table written"),
            _ => {
                let condition = self.condition(table, 2);
                request.params.push(Param::Condition(String::new(), condition));
            }
        }
        if self.random.percent(5) {
            let most = self.random.between(0, 2);
            request.prefer.push("handling=strict".to_owned());
            request.prefer.push(format!("max-affected={most}"));
            self.feature("max-affected");
        }
        if self.random.percent(8) {
            request.prefer.push("count=exact".to_owned());
            self.feature("count of a write");
        }
    }

    /// PATCH.
    pub fn update(&mut self, table: usize) -> Request {
        let mut request = self.blank("PATCH", table);
        let about = self.table(table);
        let granted = about.granted(self.caller.role, Command::Update);
        let usable: Vec<usize> = (0..about.columns.len())
            .filter(|c| {
                let may_be_code = about.columns[*c].purpose != Purpose::Code || self.random.percent(20);
                let (may_change_key, may_lack_grant) = (self.random.percent(6), self.random.percent(12));
                let is_generated = matches!(about.columns[*c].source, Source::Generated(_)) && self.random.percent(96);
                may_be_code
                    && !is_generated
                    && (!about.key.contains(c) || may_change_key)
                    && (granted.contains(c) || may_lack_grant)
            })
            .collect();
        let mut columns = self.random.some(&usable, 40);
        if columns.is_empty() {
            columns.push(usable.first().copied().unwrap_or(about.columns.len() - 1));
        }
        let mut rows = Vec::new();
        for _ in 0..if self.random.percent(5) { 2 } else { 1 } {
            let id = self.random.between(1, 30);
            let cells: Vec<Cell> = columns.iter().map(|c| self.written(table, *c, id)).collect();
            rows.push(columns.iter().zip(cells).map(|(c, cell)| self.json(table, *c, &cell)).collect::<Vec<_>>());
        }
        if rows.len() > 1 {
            self.feature("update by several objects");
        }
        self.shape(table, &mut request, rows);
        self.target(table, &mut request);
        self.returning(table, &mut request);
        request
    }

    /// DELETE.
    pub fn delete(&mut self, table: usize) -> Request {
        let mut request = self.blank("DELETE", table);
        self.target(table, &mut request);
        self.returning(table, &mut request);
        request
    }
}
