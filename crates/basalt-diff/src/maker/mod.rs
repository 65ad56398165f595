//! Makes requests up: what they are about here, filters in `filter.rs`, select lists and pages in `read.rs`, bodies in `write.rs`, what
//! is wrong on purpose in `odd.rs`.

mod filter;

mod odd;
mod read;
mod write;

use std::collections::BTreeSet;

pub use filter::COMPARE;

use crate::caller::{Aim, Caller, Luck, aim, caller, guarded};
use crate::model::{Cell, Column, Command, Purpose, Table, World};
use crate::random::Random;
use crate::request::Request;
use crate::schema::value;

/// Builds one request.
struct Maker<'a> {
    random: &'a mut Random,
    world: &'a World,
    caller: Caller,
    features: BTreeSet<String>,
    embeds: usize,
}

/// Makes a request up. The world's rows are the tables' contents now.
pub fn request(random: &mut Random, world: &World, luck: &Luck) -> Request {
    let aimed = if random.percent(34) { aim(random, world) } else { None };
    let Aim { table, role, command } = aimed.unwrap_or_else(|| {
        let role = match random.below(100) {
            0..=15 => "anon",
            16..=93 => "authenticated",
            _ => "service_role",
        };
        Aim { table: guarded(random, world, role, luck), role, command: Command::All }
    });
    let caller = caller(random, role);
    let mut maker = Maker { random, world, caller, features: BTreeSet::new(), embeds: 0 };
    // Parts of a hundred: reads, inserts, upserts, updates, PUT, deletes.
    let part = match command {
        Command::Select => 0,
        Command::Insert => 52 + maker.random.below(24),
        Command::Update => 64 + maker.random.below(20),
        Command::Delete => 99,
        Command::All => maker.random.below(100),
    };
    // Writes to views are refused on SQLite: few are enough.
    let table = match &maker.table(table).view {
        Some(view) if part >= 52 && maker.random.percent(95) => view.base,
        _ => table,
    };
    let mut request = match part {
        0..=51 => maker.read(table),
        52..=63 => maker.insert(table, false),
        64..=75 => maker.insert(table, true),
        76..=87 => maker.update(table),
        88..=90 => maker.put(table),
        _ => maker.delete(table),
    };
    if maker.random.percent(5) {
        maker.spoil(&mut request);
    }
    let about = maker.table(table);
    let all = about.columns.len();
    if about.granted(role, request.command()).len() < all {
        maker.feature("missing grants");
    }
    let returns = !request.is_read() && request.prefer.iter().any(|p| p == "return=representation");
    if returns && about.granted(role, Command::Select).len() < all {
        maker.feature("RETURNING without SELECT rights");
    }
    if maker.caller.null_claims {
        maker.feature("NULL claims");
    }
    if let Some(view) = &about.view {
        maker.feature(if view.invoker { "view with security_invoker" } else { "view of the owner" });
    }
    if about.schema != "public" {
        maker.feature("another schema");
    }
    request.features.append(&mut maker.features);
    request
}

impl<'a> Maker<'a> {
    fn table(&self, table: usize) -> &'a Table {
        &self.world.tables[table]
    }

    fn feature(&mut self, name: impl Into<String>) {
        self.features.insert(name.into());
    }

    /// A request to a table, nothing said yet.
    fn blank(&mut self, method: &'static str, table: usize) -> Request {
        let about = self.table(table);
        let mut headers = Vec::new();
        if about.schema != "public" {
            let name = if matches!(method, "GET" | "HEAD") { "Accept-Profile" } else { "Content-Profile" };
            headers.push((name.to_owned(), about.schema.to_owned()));
        }
        self.feature(method);
        Request {
            role: self.caller.role,
            claims: self.caller.claims.clone(),
            method,
            relation: about.name.clone(),
            select: None,
            params: Vec::new(),
            prefer: Vec::new(),
            headers,
            body: None,
            table: Some(table),
            is_ordered: false,
            is_loose: false,
            features: BTreeSet::new(),
        }
    }

    /// A column that the role may read, mostly; sometimes any.
    fn readable(&mut self, table: usize, slip: usize) -> &'a Column {
        let about = self.table(table);
        let granted = about.granted(self.caller.role, Command::Select);
        let at = if granted.is_empty() || self.random.percent(slip) {
            self.random.below(about.columns.len())
        } else {
            self.random.pick(&granted)
        };
        &about.columns[at]
    }

    /// A value that the column has in some row, or could have; never null.
    fn known(&mut self, table: usize, column: &Column) -> String {
        let about = self.table(table);
        let rows = about.view.as_ref().map_or(&about.rows, |view| &self.world.tables[view.base].rows);
        let holder = about.view.as_ref().map_or(about, |view| &self.world.tables[view.base]);
        let at = holder.columns.iter().position(|c| c.name == column.name);
        if let Some(at) = at
            && !rows.is_empty()
            && self.random.percent(70)
            && let Some(text) = self.random.one(rows).get(at).cloned().flatten()
        {
            return text;
        }
        for _ in 0..8 {
            if let Some(text) = value(self.random, column) {
                return text;
            }
        }
        "1".to_owned()
    }

    /// Whose a row is.
    fn is_own(&self, table: &Table, row: &[Cell]) -> bool {
        table.column(Purpose::Owner).is_none_or(|c| row.get(c).is_some_and(|cell| cell.as_deref() == self.caller.sub))
    }
}
