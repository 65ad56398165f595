//! Compiled programs: a plan and a role become SQL once, through guard and dialect, and are kept until the catalog changes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use basalt_catalog::{Catalog, ConstraintKind};
use basalt_plan::expressions::ExprCache;
use basalt_plan::plan::Plan;
use basalt_plan::program::{Program, ReadProgram, Representation, Shape, Touched, WriteProgram};
use basalt_types::{Oid, RoleName, SqlError};
use parking_lot::RwLock;

use crate::commit::Habit;
use crate::connection::context::Tables;
use crate::encode::Encoder;
use crate::names::storage_name;

/// Encoders of a program's shapes: 0 is the root, the others belong to JSON aggregates inside the statement.
pub(crate) struct Shapes(pub(crate) Vec<Encoder>);

impl Shapes {
    pub(crate) fn new(shapes: &[Shape]) -> Arc<Self> {
        Arc::new(Self(shapes.iter().map(Encoder::new).collect()))
    }
}

/// A read, ready to run.
pub(crate) struct ReadyRead {
    pub(crate) program: Arc<ReadProgram>,
    pub(crate) shapes: Arc<Shapes>,
    pub(crate) tables: Tables,
}

/// A write, ready to run.
pub(crate) struct ReadyWrite {
    pub(crate) program: Arc<WriteProgram>,
    /// Of what it shows: its own rows, or a query over them.
    pub(crate) shapes: Arc<Shapes>,
    pub(crate) tables: Tables,
    /// How long it takes.
    pub(crate) habit: Arc<Habit>,
}

/// Either.
#[derive(Clone)]
pub(crate) enum Ready {
    /// A read.
    Read(Arc<ReadyRead>),
    /// A write.
    Write(Arc<ReadyWrite>),
}

impl ReadyRead {
    pub(crate) fn new(program: Arc<ReadProgram>, catalog: &Catalog) -> Self {
        Self { shapes: Shapes::new(&program.shapes), tables: read_tables(catalog, &program.touched), program }
    }

    /// Whether it calls a function that may write: it runs on the writer.
    pub(crate) fn may_write(&self) -> bool {
        self.program.call.as_ref().is_some_and(|call| !call.is_read_only)
    }

    /// The same, for one connection: counting who holds it touches no memory of other cores.
    pub(crate) fn own(&self) -> Self {
        Self { program: Arc::clone(&self.program), shapes: Arc::clone(&self.shapes), tables: Arc::clone(&self.tables) }
    }
}

impl Ready {
    pub(crate) fn new(program: Program, catalog: &Catalog) -> Self {
        match program {
            Program::Read(program) => Self::Read(Arc::new(ReadyRead::new(program, catalog))),
            Program::Write(program) => {
                let tables = written_tables(catalog, &program.touched);
                let shapes = Shapes::new(match &program.representation {
                    Representation::None => &[],
                    Representation::Rows(shapes) => shapes,
                    Representation::Query { read, .. } => &read.shapes,
                });
                Self::Write(Arc::new(ReadyWrite { program, shapes, tables, habit: Arc::default() }))
            }
        }
    }
}

/// SQLite's names of what a read touches.
fn read_tables(catalog: &Catalog, touched: &Touched) -> Tables {
    let named = touched.read.iter().chain(&touched.written).filter_map(|oid| catalog.relation_by_oid(*oid));
    Arc::new(named.map(|relation| storage_name(catalog, relation)).collect())
}

/// As [`read_tables`], with the tables that foreign keys lead to from the written ones: SQLite's own checks and actions name them.
fn written_tables(catalog: &Catalog, touched: &Touched) -> Tables {
    let mut reached: HashSet<Oid> = touched.written.iter().copied().collect();
    let mut open: Vec<Oid> = touched.written.clone();
    while let Some(oid) = open.pop() {
        for relation in catalog.relations() {
            for constraint in &relation.constraints {
                let ConstraintKind::ForeignKey { target, .. } = constraint.kind else { continue };
                let (child, parent) = (Oid(relation.oid), Oid(target));
                for next in [(child == oid).then_some(parent), (parent == oid).then_some(child)].into_iter().flatten() {
                    // Parents of children are only looked up, but the set stays small enough not to tell them apart.
                    if reached.insert(next) {
                        open.push(next);
                    }
                }
            }
        }
    }
    let all = touched.read.iter().chain(&reached).filter_map(|oid| catalog.relation_by_oid(*oid));
    Arc::new(all.map(|relation| storage_name(catalog, relation)).collect())
}

/// The cache. Entries of older catalogs are never asked for again, because plans carry their catalog's version.
pub(crate) struct Programs {
    /// Analysed expressions of the committed catalog.
    pub(crate) expressions: ExprCache,
    ready: RwLock<HashMap<(u64, RoleName), Ready>>,
    /// Our own texts by address and length, with the catalog's version.
    own: RwLock<HashMap<(usize, usize), (u64, Ready)>>,
}

impl Default for Programs {
    fn default() -> Self {
        Self { expressions: crate::compile::expressions(), ready: RwLock::default(), own: RwLock::default() }
    }
}

impl Programs {
    /// Most programs kept. Beyond it all go: shapes come from a bounded set of requests, so this is rare.
    const MOST: usize = 4096;

    /// The program of a plan under a role.
    ///
    /// # Errors
    /// What guard and dialect refuse: privileges, recursion among policies, constructs without a counterpart.
    pub(crate) fn of(&self, plan: &Plan, role: &RoleName, catalog: &Catalog) -> Result<Ready, SqlError> {
        let key = (plan.id, role.clone());
        if let Some(ready) = self.ready.read().get(&key) {
            return Ok(ready.clone());
        }
        let ready = Ready::new(crate::compile::plan(plan, catalog, role, &self.expressions)?, catalog);
        let mut all = self.ready.write();
        if all.len() >= Self::MOST {
            all.clear();
        }
        all.insert(key, ready.clone());
        Ok(ready)
    }

    /// The program of a constant text of our own, run as the owner.
    ///
    /// # Errors
    /// What parsing, analysis and dialect refuse.
    pub(crate) fn of_text(&self, sql: &'static str, catalog: &Catalog) -> Result<Ready, SqlError> {
        let key = (sql.as_ptr() as usize, sql.len());
        if let Some((version, ready)) = self.own.read().get(&key)
            && *version == catalog.version()
        {
            return Ok(ready.clone());
        }
        let ready = Ready::new(crate::compile::text(sql, catalog, &self.expressions)?, catalog);
        self.own.write().insert(key, (catalog.version(), ready.clone()));
        Ok(ready)
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.ready.write().clear();
        self.own.write().clear();
    }
}
