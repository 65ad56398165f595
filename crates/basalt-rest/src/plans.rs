//! Plans, kept by what was asked. All roles share them; rights are the guard's, which compiles per role.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use basalt_catalog::{Catalog, RelationKind};
use basalt_engine::Engine;
use basalt_plan::ask::Ask;
use basalt_plan::plan::{Action, Plan};
use basalt_plan::resolve::{ResolveError, Settings, resolve};
use basalt_sql::typed::walk::{Visitor, walk_from};
use basalt_sql::typed::{From, Statement};
use basalt_types::Oid;

/// A plan, and the first table it touches that has no row security.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The plan.
    pub plan: Arc<Plan>,
    /// `schema.table`.
    pub open: Option<String>,
}

/// A bounded map from asks to plans of one catalog version.
#[derive(Debug)]
pub struct Plans {
    most: usize,
    kept: RwLock<Entries>,
    /// The last catalog's version, twice, and one more when SQL there may read facts of the request.
    request: AtomicU64,
}

#[derive(Debug, Default)]
struct Entries {
    version: u64,
    by_ask: HashMap<Ask, Kept>,
}

impl Plans {
    /// Keeps at most so many; then it starts anew.
    pub fn new(most: usize) -> Self {
        Self { most, kept: RwLock::default(), request: AtomicU64::new(u64::MAX) }
    }

    /// Whether SQL of this catalog may read facts of the request; found out once a version.
    pub fn read_request(&self, catalog: &Catalog) -> bool {
        let known = self.request.load(Ordering::Relaxed);
        if known >> 1 == catalog.version() {
            return known & 1 == 1;
        }
        let is_read = crate::request::is_read(catalog);
        self.request.store((catalog.version() << 1) | u64::from(is_read), Ordering::Relaxed);
        is_read
    }

    /// What [`Plans::read_request`] found last; true before it was ever asked.
    pub fn read_request_last(&self) -> bool {
        self.request.load(Ordering::Relaxed) & 1 == 1
    }

    /// The plan of an ask against the engine's current catalog.
    ///
    /// # Errors
    /// As [`resolve`]; errors are not kept.
    pub fn of(&self, ask: &Ask, engine: &Arc<dyn Engine>, settings: Settings) -> Result<Kept, ResolveError> {
        let catalog = engine.catalog();
        if let Ok(entries) = self.kept.read()
            && entries.version == catalog.version()
            && let Some(found) = entries.by_ask.get(ask)
        {
            return Ok(found.clone());
        }
        let plan = resolve(ask, &catalog, settings)?;
        let kept = Kept { open: open(&plan, &catalog), plan: Arc::new(plan) };
        if let Ok(mut entries) = self.kept.write() {
            if entries.version != catalog.version() || entries.by_ask.len() >= self.most {
                entries.by_ask.clear();
                entries.version = catalog.version();
            }
            entries.by_ask.insert(ask.clone(), kept.clone());
        }
        Ok(kept)
    }
}

/// The first relation of a plan that row policies do not protect.
fn open(plan: &Plan, catalog: &Catalog) -> Option<String> {
    let mut search = Open { catalog, found: None };
    match &plan.action {
        Action::Read { query, .. } | Action::Call { query, .. } => search.query(query),
        Action::Write { statement, representation, .. } => {
            search.relation(match &**statement {
                Statement::Insert(insert) => insert.relation,
                Statement::Update(update) => update.relation,
                Statement::Delete(delete) => delete.relation,
                Statement::Query(_) => return None,
            });
            if let Some(query) = representation {
                search.query(query);
            }
        }
    }
    search.found
}

struct Open<'c> {
    catalog: &'c Catalog,
    found: Option<String>,
}

impl Open<'_> {
    fn relation(&mut self, oid: Oid) {
        let Some(relation) = self.catalog.relation_by_oid(oid) else { return };
        let is_protected = match relation.kind {
            RelationKind::Table => relation.row_security,
            RelationKind::View => relation.view.as_ref().is_some_and(|v| v.security_invoker),
            RelationKind::MaterializedView | RelationKind::Sequence => false,
        };
        if !is_protected && self.found.is_none() {
            self.found = Some(self.catalog.qualified_name(relation));
        }
    }
}

impl Visitor for Open<'_> {
    fn from(&mut self, from: &From) {
        match from {
            From::Table { relation, .. } => self.relation(*relation),
            From::Query { view: Some(view), .. } => self.relation(*view),
            _ => {}
        }
        walk_from(self, from);
    }
}
