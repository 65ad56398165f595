//! The catalog's expression texts (policies, checks, defaults, …) as typed expressions: analysed once per catalog version,
//! instantiated per use by renumbering ranges.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use basalt_catalog::{Catalog, Relation};
use basalt_sql::typed::walk::{
    Visitor, VisitorMut, walk_expr, walk_expr_mut, walk_from, walk_from_mut, walk_query, walk_query_mut,
};
use basalt_sql::typed::{Body, Expr, ExprKind, From, Param, Query, RangeId, facts};
use basalt_types::{Oid, SqlError, TypeRef};

/// What an expression is for: it decides which names it may use and the type it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExprUse {
    /// USING and WITH CHECK: boolean over the row.
    Policy,
    /// CHECK of a table: boolean over the row.
    Check,
    /// DEFAULT of the column with this attnum: its type, no columns.
    Default(i16),
    /// GENERATED ALWAYS AS of the column with this attnum: its type, over the row.
    Generated(i16),
    /// A key of an index: over the row.
    IndexKey,
    /// An index's predicate: boolean over the row.
    IndexFilter,
    /// CHECK of the domain with this OID: boolean over VALUE, which is column 1 of range 0.
    Domain(u32),
}

/// Turns canonical text into an expression over the relation, whose row is range 0; further ranges are numbered from 1.
///
/// A domain's check has no relation.
pub type Analyse = fn(&str, ExprUse, Option<&Relation>, &Catalog) -> Result<Expr, SqlError>;

/// Analysed expressions of one database, emptied whenever the catalog's version changes. Shared by threads.
pub struct ExprCache {
    analyse: Analyse,
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    version: u64,
    by_key: HashMap<Key, Arc<Analysed>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    relation: Oid,
    purpose: ExprUse,
    text: String,
}

/// An expression over range 0.
#[derive(Debug)]
pub struct Analysed {
    expr: Expr,
    /// It contains a subquery.
    pub has_subquery: bool,
    /// A policy: it is written with a subquery, also one that the analysis replaced by its value, such as `(select auth.uid())`.
    pub is_written_with_subquery: bool,
    /// How many range numbers it uses besides 0.
    ranges: u32,
}

impl std::fmt::Debug for ExprCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExprCache").finish_non_exhaustive()
    }
}

impl ExprCache {
    /// An empty cache over an analysis.
    pub fn new(analyse: Analyse) -> Self {
        Self { analyse, entries: RwLock::default() }
    }

    /// The expression of a text of the catalog.
    ///
    /// # Errors
    /// What the analysis reports; a text that was accepted by a migration fails only when something it needs has gone.
    pub fn get(
        &self,
        text: &str,
        purpose: ExprUse,
        relation: Option<&Relation>,
        catalog: &Catalog,
    ) -> Result<Arc<Analysed>, SqlError> {
        let key = Key { relation: Oid(relation.map_or(0, |r| r.oid)), purpose, text: text.to_owned() };
        if let Ok(entries) = self.entries.read()
            && entries.version == catalog.version()
            && let Some(found) = entries.by_key.get(&key)
        {
            return Ok(found.clone());
        }
        let expr = (self.analyse)(text, purpose, relation, catalog)?;
        let mut analysed = Analysed::new(expr);
        if purpose == ExprUse::Policy {
            let written = basalt_sql::parse::expr(text).is_ok_and(|e| basalt_sql::ddl::contains_subquery(&e, catalog));
            analysed.is_written_with_subquery |= written;
        }
        let analysed = Arc::new(analysed);
        if let Ok(mut entries) = self.entries.write() {
            if entries.version != catalog.version() {
                entries.by_key.clear();
                entries.version = catalog.version();
            }
            entries.by_key.insert(key, analysed.clone());
        }
        Ok(analysed)
    }
}

impl Analysed {
    /// An expression over range 0, its further ranges numbered from 1.
    pub fn new(expr: Expr) -> Self {
        let has_subquery = facts::contains_subquery(&expr);
        Self { has_subquery, is_written_with_subquery: has_subquery, ranges: highest_range(&expr), expr }
    }

    /// The expression over `range` instead of 0; its own ranges are renumbered from `next`, which moves on.
    pub fn over(&self, range: RangeId, next: &mut u32) -> Expr {
        let mut expr = self.expr.clone();
        Renumber { target: range, base: *next }.expr(&mut expr);
        *next += self.ranges;
        expr
    }
}

/// Maps range 0 to the target and range n to `base + n - 1`.
struct Renumber {
    target: RangeId,
    base: u32,
}

impl Renumber {
    fn map(&self, range: &mut RangeId) {
        *range = if range.0 == 0 { self.target } else { RangeId(self.base + range.0 - 1) };
    }
}

impl VisitorMut for Renumber {
    fn query(&mut self, query: &mut Query) {
        if let Body::Set { range, .. } = &mut query.body {
            self.map(range);
        }
        walk_query_mut(self, query);
    }

    fn from(&mut self, from: &mut From) {
        if let From::Table { range, .. } | From::Query { range, .. } | From::Cte { range, .. } | From::Function { range, .. } =
            from
        {
            self.map(range);
        }
        walk_from_mut(self, from);
    }

    fn expr(&mut self, expr: &mut Expr) {
        if let ExprKind::Column { range, .. } | ExprKind::WholeRow { range } = &mut expr.kind {
            self.map(range);
        }
        walk_expr_mut(self, expr);
    }
}

/// The highest range number in an expression.
fn highest_range(expr: &Expr) -> u32 {
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
        fn expr(&mut self, expr: &Expr) {
            if let ExprKind::Column { range, .. } | ExprKind::WholeRow { range } = &expr.kind {
                self.0 = self.0.max(range.0);
            }
            walk_expr(self, expr);
        }
    }
    let mut highest = Highest(0);
    highest.expr(expr);
    highest.0
}

impl Default for ExprCache {
    fn default() -> Self {
        Self::new(analyse)
    }
}

/// The analysis of `basalt_sql`.
fn analyse(text: &str, purpose: ExprUse, relation: Option<&Relation>, catalog: &Catalog) -> Result<Expr, SqlError> {
    use basalt_sql::analyze::{self, ExprUse as Use};
    let Some(relation) = relation else { return domain_check(text, purpose, catalog) };
    let column = |attnum: i16| {
        let found = relation.column_at(attnum).map(basalt_catalog::Column::type_ref);
        found.ok_or_else(|| SqlError::internal("an expression's column has gone"))
    };
    let kind = match purpose {
        ExprUse::Policy => Use::Policy,
        ExprUse::Check => Use::Check,
        ExprUse::Default(attnum) => Use::Default(column(attnum)?),
        ExprUse::Generated(attnum) => Use::Generated(column(attnum)?),
        ExprUse::IndexKey => Use::Index,
        ExprUse::IndexFilter => Use::IndexPredicate,
        ExprUse::Domain(_) => return domain_check(text, purpose, catalog),
    };
    let context = analyze::Context::default();
    analyze::expr_text_on_relation(text, relation, RangeId(0), catalog, &context, kind).map_err(|e| e.error)
}

/// The parameter number that stands for VALUE while a domain's check is analysed.
const VALUE: u32 = u32::MAX;

/// A domain's check, VALUE being column 1 of range 0.
fn domain_check(text: &str, purpose: ExprUse, catalog: &Catalog) -> Result<Expr, SqlError> {
    use basalt_sql::analyze::{self, Variable};
    let base = match purpose {
        ExprUse::Domain(domain) => catalog.type_by_oid(Oid(domain)).and_then(|def| match &def.kind {
            basalt_catalog::TypeKind::Domain { base, typmod, .. } => Some(TypeRef { oid: Oid(*base), typmod: *typmod }),
            _ => None,
        }),
        _ => None,
    };
    let ty = base.ok_or_else(|| SqlError::internal("an expression without its table or domain"))?;
    let value = Variable { name: "value".to_owned(), qualifier: None, ty, param: Param::Numbered(VALUE) };
    let context = analyze::Context { first_range: 1, variables: vec![value], ..analyze::Context::default() };
    let mut expr = analyze::row_expr_text(text, catalog, &context, None).map_err(|e| e.error)?;
    ValueColumn.expr(&mut expr);
    Ok(expr)
}

/// Replaces the parameter that stands for VALUE.
struct ValueColumn;

impl VisitorMut for ValueColumn {
    fn expr(&mut self, expr: &mut Expr) {
        if matches!(expr.kind, ExprKind::Param(Param::Numbered(VALUE))) {
            expr.kind = ExprKind::Column { range: RangeId(0), column: 1 };
        }
        walk_expr_mut(self, expr);
    }
}
