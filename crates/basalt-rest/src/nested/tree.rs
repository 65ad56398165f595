//! Rows with related rows in them, as rows of single tables: which table each belongs to, which comes first, and which of its columns
//! another one's generated key fills.

use std::collections::{BTreeSet, HashMap};

use basalt_catalog::{Catalog, Relation};
use basalt_plan::resolve::{ResolveError, Way, nested};
use serde_json::value::RawValue;

use crate::batch::reference::members;
use crate::error::RestError as Error;

/// How much may be nested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) levels: usize,
}

/// A value that an inserted row answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) level: usize,
    pub(super) row: usize,
    pub(super) column: String,
}

/// One row to insert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Columns with JSON texts.
    pub(super) values: Vec<(String, String)>,
    /// Columns that other rows fill.
    pub(super) from: Vec<(String, Source)>,
}

/// The rows of one table that stand at one place of the body: one INSERT.
#[derive(Debug)]
pub(super) struct Level<'c> {
    pub(super) relation: &'c Relation,
    /// Where they stand: `/films/roles`; of the body itself `/`.
    pub(super) path: String,
    pub(super) rows: Vec<Row>,
    depth: usize,
    before: Vec<usize>,
    after: Vec<usize>,
}

/// All levels; the first is the body's own.
pub(super) struct Tree<'c> {
    catalog: &'c Catalog,
    schema: &'c str,
    bounds: Bounds,
    pub(super) levels: Vec<Level<'c>>,
    /// `columns=`: other keys of the body's own rows do not count.
    only: Option<&'c [String]>,
    /// By the level they are in and their key there; with a table between them, that one's level, too.
    known: HashMap<(usize, String), (usize, Option<usize>)>,
    count: usize,
}

impl<'c> Tree<'c> {
    /// Reads a body: an object or an array of objects.
    ///
    /// # Errors
    /// A key that is neither a column nor a relationship, a value that is no row, or too much of it.
    pub(super) fn read(
        (catalog, schema): (&'c Catalog, &'c str),
        relation: &'c Relation,
        (body, only): (&str, Option<&'c [String]>),
        bounds: Bounds,
    ) -> Result<Self, Error> {
        let mut tree = Self { catalog, schema, bounds, levels: Vec::new(), only, known: HashMap::new(), count: 0 };
        tree.level(relation, "/".to_owned(), 0)?;
        for object in objects(body)? {
            tree.add(0, object)?;
        }
        Ok(tree)
    }

    fn level(&mut self, relation: &'c Relation, path: String, depth: usize) -> Result<usize, Error> {
        if depth > self.bounds.depth {
            return Err(Error::TooComplex("related rows are nested too deeply"));
        }
        if self.levels.len() >= self.bounds.levels {
            return Err(Error::TooComplex("there are too many related tables"));
        }
        self.levels.push(Level { relation, path, rows: Vec::new(), depth, before: Vec::new(), after: Vec::new() });
        Ok(self.levels.len() - 1)
    }

    fn push(&mut self, level: usize, row: Row) -> Result<usize, Error> {
        self.count += 1;
        if self.count > self.bounds.rows {
            return Err(Error::TooComplex("there are too many rows"));
        }
        let rows = &mut self.levels[level].rows;
        rows.push(row);
        Ok(rows.len() - 1)
    }

    /// Adds an object to a level, and what is in it to others. Answers its row's place.
    fn add(&mut self, level: usize, object: &str) -> Result<usize, Error> {
        let members = members(object).map_err(|_| not_rows("An object"))?;
        let place = self.push(level, Row::default())?;
        for (key, value) in members {
            if level == 0 && self.only.is_some_and(|only| !only.contains(&key)) {
                continue;
            }
            let relation = self.levels[level].relation;
            if relation.column(&key).is_some() {
                let values = &mut self.levels[level].rows[place].values;
                values.retain(|(name, _)| *name != key);
                values.push((key, value.get().to_owned()));
            } else {
                self.related((level, place), &key, value.get())?;
            }
        }
        Ok(place)
    }

    /// Adds what stands under a relationship's name.
    fn related(&mut self, (level, place): (usize, usize), key: &str, value: &str) -> Result<(), Error> {
        let Level { relation, ref path, depth, .. } = self.levels[level];
        let (name, hint) = key.split_once('!').map_or((key, None), |(name, hint)| (name, Some(hint)));
        let found = nested(self.catalog, self.schema, relation, name, hint).map_err(|error| match error {
            ResolveError::NoRelationship { .. } => {
                ResolveError::UnknownColumn { table: relation.name.clone(), column: key.to_owned() }
            }
            other => other,
        })?;
        let path = format!("{}/{key}", path.trim_end_matches('/'));
        if value == "null" {
            return Ok(());
        }
        let is_object = value.starts_with('{');
        if is_object != found.is_to_one {
            return Err(not_rows(&format!("\"{path}\" is {}: its value", if found.is_to_one { "one row" } else { "rows" })));
        }
        let objects = objects(value)?;
        let (child, between) = match self.known.get(&(level, key.to_owned())) {
            Some(known) => *known,
            None => {
                let child = self.level(found.foreign, path.clone(), depth + 1)?;
                let between = match &found.way {
                    Way::Through { table, .. } => Some(self.level(table, path.clone(), depth + 1)?),
                    _ => None,
                };
                match &found.way {
                    Way::Before(_) => self.levels[level].before.push(child),
                    Way::After(_) | Way::Through { .. } => {
                        self.levels[level].after.extend([Some(child), between].into_iter().flatten())
                    }
                }
                self.known.insert((level, key.to_owned()), (child, between));
                (child, between)
            }
        };
        for object in objects {
            let there = self.add(child, object)?;
            match &found.way {
                Way::Before(pairs) => self.fill((level, place), pairs.iter().map(|(here, far)| (here, (child, there, far))))?,
                Way::After(pairs) => self.fill((child, there), pairs.iter().map(|(here, far)| (far, (level, place, here))))?,
                Way::Through { near, far, .. } => {
                    let between = between.unwrap_or(child);
                    let row = self.push(between, Row::default())?;
                    let near = near.iter().map(|(here, column)| (column, (level, place, here)));
                    let far = far.iter().map(|(column, far)| (column, (child, there, far)));
                    self.fill((between, row), near.chain(far))?;
                }
            }
        }
        Ok(())
    }

    /// Says which rows fill a row's columns.
    fn fill<'s>(
        &mut self,
        (level, row): (usize, usize),
        columns: impl Iterator<Item = (&'s String, (usize, usize, &'s String))>,
    ) -> Result<(), Error> {
        let Level { relation, rows, .. } = &mut self.levels[level];
        for (column, (from, place, source)) in columns {
            let row = &mut rows[row];
            if row.from.iter().any(|(known, _)| known == column) {
                return Err(Error::Nested(format!("Two related rows give the column \"{column}\" of \"{}\"", relation.name)));
            }
            row.from.push((column.clone(), Source { level: from, row: place, column: source.clone() }));
        }
        Ok(())
    }

    /// The levels in an order in which every row's sources come first.
    ///
    /// # Errors
    /// A column that is both given and filled.
    pub(super) fn order(&self) -> Result<Vec<usize>, Error> {
        for level in &self.levels {
            for row in &level.rows {
                if let Some((name, _)) = row.values.iter().find(|(name, _)| row.from.iter().any(|(column, _)| column == name)) {
                    let table = &level.relation.name;
                    return Err(Error::Nested(format!("The column \"{name}\" of \"{table}\" is given by a related row")));
                }
            }
        }
        let mut order = Vec::with_capacity(self.levels.len());
        self.emit(0, &mut order);
        Ok(order)
    }

    fn emit(&self, level: usize, order: &mut Vec<usize>) {
        let Some(Level { before, after, .. }) = self.levels.get(level) else { return };
        before.iter().for_each(|child| self.emit(*child, order));
        order.push(level);
        after.iter().for_each(|child| self.emit(*child, order));
    }

    /// The columns of a level that are written, in order of name.
    pub(super) fn columns(&self, level: usize) -> Vec<String> {
        let rows = self.levels.get(level).map(|level| level.rows.as_slice()).unwrap_or_default();
        let given = rows.iter().flat_map(|row| row.values.iter().map(|(name, _)| name));
        let filled = rows.iter().flat_map(|row| row.from.iter().map(|(name, _)| name));
        given.chain(filled).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The columns of a level that other rows are filled from.
    pub(super) fn sources(&self, level: usize) -> BTreeSet<String> {
        let all = self.levels.iter().flat_map(|level| &level.rows).flat_map(|row| &row.from);
        all.filter(|(_, source)| source.level == level).map(|(_, source)| source.column.clone()).collect()
    }
}

fn not_rows(what: &str) -> Error {
    Error::Nested(format!("{what} must be an object, or an array of them where there are several"))
}

/// The texts of an object, or of an array's objects.
fn objects(json: &str) -> Result<Vec<&str>, Error> {
    let json = json.trim();
    if json.starts_with('{') {
        return Ok(vec![json]);
    }
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| not_rows("A body"))?;
    let objects: Vec<&str> = items.iter().map(|item| item.get()).collect();
    if objects.iter().any(|object| !object.starts_with('{')) {
        return Err(not_rows("A row"));
    }
    Ok(objects)
}
