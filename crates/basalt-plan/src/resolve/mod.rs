//! What was asked, against the catalog: a [`Plan`], or why there is none.
//!
//! - `native.rs`: what a PostgreSQL server is left to find out itself.
//! - `relationship.rs`: foreign keys as relationships, and which one an embed names.
//! - `distinct.rs`: equal rows left out.
//! - `level.rs`: columns, JSON paths and conditions of one level; `node.rs`: a level as a query, embeds included.
//! - `nested.rs`: relationships as inserts of several tables follow them.
//! - `computed.rs`: functions over rows, as columns and as relationships, and representations of domains.
//! - `write.rs`: inserts, updates, deletes; `call.rs`: which function is meant, and its call.
//!
//! It decides no privilege and no policy; the guard does, on the plan.

mod call;
mod computed;
mod distinct;
mod error;
mod level;
mod native;
mod near;
mod nested;
mod node;
mod relationship;
mod write;

use std::cell::OnceCell;

use basalt_catalog::{Catalog, Relation, RelationKind, Writes};
use basalt_sql::analyze;
use basalt_sql::typed::walk::{Visitor, walk_from, walk_query};
use basalt_sql::typed::{Body, Expr, From, Query, Ranges, Select, Target};
use basalt_types::{Oid, SqlError};

use crate::ask::{Ask, Item, Node, ReadAsk};
use crate::plan::{Action, Count, Output, Plan};
use level::{Level, Rows};

pub use call::{CallBody, Wanted, function, result};
pub use error::{Candidate, ResolveError};
pub use nested::{Nested, Way, nested};
pub use relationship::{Reference, references};

/// Settings that change what an ask means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Most rows of a read, at each level.
    pub max_rows: Option<u64>,
    /// Whether `sum()` and friends may be used.
    pub aggregates: bool,
}

/// Resolves an ask.
///
/// # Errors
/// Unknown and ambiguous names, and what PostgreSQL would say of types.
pub fn resolve(ask: &Ask, catalog: &Catalog, settings: Settings) -> Result<Plan, ResolveError> {
    let schema = match ask {
        Ask::Read(ask) => &ask.schema,
        Ask::Insert(ask) => &ask.schema,
        Ask::Update(ask) => &ask.schema,
        Ask::Delete(ask) => &ask.schema,
        Ask::Call(ask) => &ask.schema,
    };
    // What a function returns may be like no table: then its columns are described here.
    let returned = match ask {
        Ask::Call(ask) => Some(call::returned(ask, catalog)?),
        _ => None,
    };
    let is_write = !matches!(ask, Ask::Read(_) | Ask::Call(_));
    let run = |as_analysed| {
        let (ranges, refused) = (Ranges::default(), OnceCell::new());
        let mut resolver = Resolver { catalog, settings, schema, ranges, is_write, as_analysed, refused };
        let plan = match ask {
            Ask::Read(ask) => resolver.read(ask),
            Ask::Insert(ask) => resolver.insert(ask),
            Ask::Update(ask) => resolver.update(ask),
            Ask::Delete(ask) => resolver.delete(ask),
            Ask::Call(ask) => match &returned {
                Some(returned) => resolver.call(ask, returned),
                None => Err(SqlError::internal("a call without its function").into()),
            },
        };
        (plan, resolver.refused.into_inner())
    };
    match run(false) {
        (plan, None) => plan,
        (Err(error), Some(_)) => Err(error),
        // Of several refusals, the one that a server's analysis comes to first.
        (Ok(_), Some(refused)) => Err(run(true).1.unwrap_or(refused)),
    }
}

/// The tables and views of an exposed schema, for documents about it.
pub fn exposed<'c>(catalog: &'c Catalog, schema: &str) -> impl Iterator<Item = &'c Relation> {
    relationship::exposed(catalog, schema)
}

/// Whether a select list could be shown: its embeds exist and its aggregates may be used. For writes that show nothing, which are
/// refused all the same when what they would show does not exist.
///
/// # Errors
/// Unknown tables, unknown and ambiguous relationships, aggregates that are off.
pub fn check_shown(catalog: &Catalog, schema: &str, relation: &str, node: &Node, settings: Settings) -> Result<(), ResolveError> {
    fn level(catalog: &Catalog, schema: &str, relation: &Relation, node: &Node, settings: Settings) -> Result<(), ResolveError> {
        for item in &node.select {
            match item {
                Item::Field { aggregate: Some(_), .. } if !settings.aggregates => return Err(ResolveError::AggregatesOff),
                Item::Embed(embed) => {
                    let found = relationship::find(catalog, schema, relation, &embed.relation, embed.hint.as_deref())?;
                    level(catalog, schema, found.foreign, &embed.node, settings)?;
                }
                Item::Star | Item::Field { .. } => {}
            }
        }
        Ok(())
    }
    level(catalog, schema, table(catalog, schema, relation)?, node, settings)
}

/// A table or view of an exposed schema.
///
/// # Errors
/// [`ResolveError::UnknownTable`], with the nearest name.
pub fn table<'c>(catalog: &'c Catalog, schema: &str, name: &str) -> Result<&'c Relation, ResolveError> {
    match catalog.relation(schema, name) {
        Some(found) if relationship::is_resource(found) => Ok(found),
        _ => Err(ResolveError::UnknownTable {
            schema: schema.to_owned(),
            name: name.to_owned(),
            near: near::nearest(name, exposed(catalog, schema).map(|r| r.name.as_str()), 0.75).map(str::to_owned),
        }),
    }
}

/// What can be written through a relation, whoever asks: as the server says, else as its query and triggers have it.
pub fn writes(catalog: &Catalog, relation: &Relation) -> Writes {
    let view = catalog.relation_by_oid(Oid(relation.oid)).filter(|_| relation.kind == RelationKind::View);
    match (relation.writes, view) {
        (None, Some(view)) if !catalog.is_native() => {
            let found = analyze::updatable::writable(view, catalog).unwrap_or_default();
            Writes { insert: found.insert, update: found.update, delete: found.delete }
        }
        _ => relation.writes(),
    }
}

/// The state of resolving one ask.
struct Resolver<'c> {
    catalog: &'c Catalog,
    settings: Settings,
    schema: &'c str,
    ranges: Ranges,
    is_write: bool,
    /// Conditions come after the select list that they stand behind, as a server analyses them.
    as_analysed: bool,
    /// What a server would refuse once all names are found: the first of it. See [`Resolver::refuse_later`].
    refused: OnceCell<ResolveError>,
}

impl<'c> Resolver<'c> {
    fn read(&mut self, ask: &ReadAsk) -> Result<Plan, ResolveError> {
        let relation = table(self.catalog, self.schema, &ask.relation)?;
        let (level, from) = self.source(relation, relation.name.clone(), 0)?;
        let mut conditions = if self.as_analysed { None } else { self.root_conditions(&level, &ask.node)? };
        let for_count = match ask.count {
            Count::None => None,
            _ if ask.node.distinct.is_some() => {
                let (level, from) = self.source(relation, relation.name.clone(), 0)?;
                Some(Box::new(self.counting_distinct(&level, &ask.node, from)?))
            }
            _ => Some(Box::new(self.counting(from.clone(), conditions.clone())?)),
        };
        let mut query = self.query(&level, &ask.node, vec![from], conditions.take())?;
        if self.as_analysed {
            self.root_conditions(&level, &ask.node)?;
        }
        if let Some(on) = &ask.node.distinct {
            self.distinct(&level, on, &mut query)?;
        }
        let names = names(&query);
        Ok(Plan {
            id: Plan::fresh_id(),
            catalog_version: self.catalog.version(),
            action: Action::Read { query: Box::new(query), for_count },
            output: ask.output,
            names,
            count: ask.count,
            max_rows: self.settings.max_rows,
            max_affected: None,
        })
    }

    /// A relation as a row source.
    fn source(&mut self, relation: &'c Relation, alias: String, depth: usize) -> Result<(Level<'c>, From), ResolveError> {
        let oid = Oid(relation.oid);
        let is_expanded = relation.kind == RelationKind::View && !self.catalog.is_native();
        let Some(view) = relation.view.as_ref().filter(|_| is_expanded) else {
            let range = self.ranges.next();
            let from = From::Table { range, relation: oid, alias: alias.clone() };
            return Ok((Level { relation, range, alias, rows: Rows::Table, depth }, from));
        };
        let range = self.ranges.next();
        let context = analyze::Context { first_range: self.ranges.peek(), ..analyze::Context::default() };
        let query = analyze::query_text(&view.query, self.catalog, &context)?;
        let mut highest = Highest(self.ranges.peek());
        highest.query(&query);
        self.ranges = Ranges::starting_at(highest.0 + 1);
        let from = From::Query { range, query: Box::new(query), lateral: false, alias: alias.clone(), view: Some(oid) };
        Ok((Level { relation, range, alias, rows: Rows::View, depth }, from))
    }

    /// `SELECT count(*)` of rows.
    fn counting(&self, from: From, filter: Option<Expr>) -> Result<Query, ResolveError> {
        let count = analyze::function("count", Vec::new(), self.catalog)?;
        Ok(plain_query(vec![Target { expr: count, name: "count".to_owned() }], vec![from], filter))
    }
}

/// SELECT … FROM … WHERE.
fn plain_query(targets: Vec<Target>, from: Vec<From>, filter: Option<Expr>) -> Query {
    let select = Select { distinct: None, targets, from, filter, policy: None, group_by: Vec::new(), having: None };
    Query { ctes: Vec::new(), body: Body::Select(Box::new(select)), order_by: Vec::new(), limit: None, offset: None }
}

/// The output names of a query.
fn names(query: &Query) -> Vec<String> {
    match &query.body {
        Body::Select(select) => select.targets.iter().map(|t| t.name.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Whether rows are shown at all.
fn is_shown(output: Output) -> bool {
    output != Output::None
}

/// Finds the highest range number of a view's query.
struct Highest(u32);

impl Visitor for Highest {
    fn query(&mut self, query: &Query) {
        if let Body::Set { range, .. } = &query.body {
            self.0 = self.0.max(range.0);
        }
        walk_query(self, query);
    }

    fn from(&mut self, from: &From) {
        self.0 = self.0.max(from.range().map_or(0, |r| r.0));
        walk_from(self, from);
    }
}
