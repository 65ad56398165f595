//! Grants and row policies, exactly as PostgreSQL applies them, put into the typed tree.
//!
//! Every table reference gets the policies of its table as a condition, wherever it stands: FROM, the nullable side of an outer join,
//! correlated embeds, filters, views, the policies' own subqueries, and the target of a write. Privileges on schemas, relations,
//! columns and functions are checked for everything the statement names.
//!
//! PostgreSQL enforces its own; this module is for engines that do not. What it deliberately does not know: SQL text, engines, claims
//! (they are parameters of the statement).
//!
//! - [`query`] guards a read in place; [`statement`] a write, whose target's conditions come back in [`WriteGuard`].
//! - `through.rs`: writes through views; `given.rs`: values that nobody may give.
//! - `rights.rs`: what a role may do (the catalog knows) and the errors; `policy.rs`: which policies apply; `needs.rs`: which columns a statement reads;
//!   `decorrelate.rs`: EXISTS to IN; `patterns.rs`: literals it reads.
//!
//! Source of the rules: PostgreSQL 17, `rowsecurity.c`, `rewriteHandler.c` (`fireRIRrules`), `execMain.c` (`ExecCheckPermissions`) and
//! the table in the documentation of CREATE POLICY.

mod decorrelate;
pub mod faults;
mod from;
mod given;
mod needs;
mod patterns;
mod policy;
mod rights;
mod through;
mod write;

use std::rc::Rc;

use basalt_catalog::{Catalog, PolicyCommand, Privileges, Relation, Rights};
use basalt_sql::typed::walk::VisitorMut;
use basalt_sql::typed::{Body, Expr, From, Query, RangeId, Select};
use basalt_types::{Oid, SqlError, SqlState};

use crate::expressions::ExprCache;
use crate::program::Touched;
use faults::Fault;
use needs::{Need, Uses};
use policy::{Side, any_of, applicable, both, condition, constant};
use rights::bypasses_policies;

pub use patterns::of_plan as patterns;
pub use through::Renaming;
pub use write::{RowCheck, WriteGuard, statement};

/// Whose grants and policies count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The role the statement runs as.
    pub role: &'a str,
}

/// Guards a query in place and says what it touches.
///
/// # Errors
/// 42501 for missing privileges, 42P17 for recursion among policies, and what the analysis of a policy reports.
pub fn query(query: &mut Query, catalog: &Catalog, caller: &Caller<'_>, cache: &ExprCache) -> Result<Touched, SqlError> {
    let next = needs::next_range_of_query(query);
    let mut guard = Guard::new(catalog, caller, cache, next);
    guard.uses.collect_query(query);
    let role = guard.caller.clone();
    guard.query(query, &role)?;
    guard.finish()
}

/// The state of guarding one statement.
struct Guard<'a> {
    catalog: &'a Catalog,
    cache: &'a ExprCache,
    caller: Rc<Rights>,
    /// The next free range number.
    next: u32,
    /// Columns read, per range, of the statement and of the policies' subqueries.
    uses: Uses,
    /// Privileges to check when all policies are in.
    needs: Vec<Need>,
    /// Functions called, each with the role that calls and whether the statement itself names it.
    calls: Vec<(Oid, Rc<Rights>, bool)>,
    /// Relations whose policies are being expanded.
    active: Vec<Oid>,
    /// How many views the current reference stands in.
    views: u32,
    /// How deep in subqueries: PostgreSQL checks outer levels first.
    depth: u32,
    touched: Touched,
}

impl<'a> Guard<'a> {
    fn new(catalog: &'a Catalog, caller: &Caller<'_>, cache: &'a ExprCache, next: u32) -> Self {
        Self {
            catalog,
            cache,
            caller: Rc::new(Rights::of(catalog, caller.role)),
            next,
            uses: Uses::default(),
            needs: Vec::new(),
            calls: Vec::new(),
            active: Vec::new(),
            views: 0,
            depth: 0,
            touched: Touched::default(),
        }
    }

    /// Checks all privileges collected and hands back what is touched.
    fn finish(mut self) -> Result<Touched, SqlError> {
        self.needs.sort_by_key(|need| need.depth);
        for need in &self.needs {
            need.check(self.catalog)?;
        }
        // Tables first: PostgreSQL looks at functions only where it makes ready to call them.
        for (function, role, is_named) in &self.calls {
            check_call(self.catalog, *function, role, *is_named)?;
        }
        for oid in &self.touched.read {
            self.populated(*oid)?;
        }
        self.touched.read.sort_unstable();
        self.touched.read.dedup();
        self.touched.written.dedup();
        self.touched.functions.sort_unstable();
        self.touched.functions.dedup();
        self.touched.uses_now = self.uses.now;
        Ok(self.touched)
    }

    /// 55000 for a materialized view that was never filled.
    fn populated(&self, oid: Oid) -> Result<(), SqlError> {
        let relation = self.relation(oid)?;
        if relation.view.as_ref().is_none_or(|view| !view.unpopulated) {
            return Ok(());
        }
        let text = format!("materialized view \"{}\" has not been populated", relation.name);
        Err(SqlError::new(SqlState::NOT_IN_PREREQUISITE_STATE, text).hint("Use the REFRESH MATERIALIZED VIEW command."))
    }

    fn relation(&self, oid: Oid) -> Result<&'a Relation, SqlError> {
        self.catalog
            .relation_by_oid(oid)
            .map(AsRef::as_ref)
            .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_TABLE, format!("could not open relation with OID {}", oid.0)))
    }

    /// Guards a query whose tables are read as `role`.
    fn query(&mut self, query: &mut Query, role: &Rc<Rights>) -> Result<(), SqlError> {
        for cte in &mut query.ctes {
            self.deeper(|g| g.query(&mut cte.query, role))?;
        }
        match &mut query.body {
            Body::Select(select) => self.select(select, role)?,
            Body::Values { rows } => {
                for expr in rows.iter_mut().flatten() {
                    self.expr(expr, role)?;
                }
            }
            Body::Set { left, right, .. } => {
                self.query(left, role)?;
                self.query(right, role)?;
            }
        }
        for key in &mut query.order_by {
            self.expr(&mut key.expr, role)?;
        }
        for expr in query.limit.iter_mut().chain(query.offset.iter_mut()) {
            self.expr(expr, role)?;
        }
        Ok(())
    }

    fn select(&mut self, select: &mut Select, role: &Rc<Rights>) -> Result<(), SqlError> {
        let patterns = patterns::of_select(select, self.catalog);
        let mut policy = None;
        for item in &mut select.from {
            policy = both(policy, self.from(item, role, false)?);
        }
        let Select { targets, filter, group_by, having, distinct, .. } = &mut *select;
        let exprs = targets.iter_mut().map(|t| &mut t.expr).chain(filter).chain(group_by).chain(having);
        for expr in exprs.chain(distinct.iter_mut().flatten()) {
            self.expr(expr, role)?;
        }
        select.policy = both(policy, select.policy.take());
        if !shows_nothing(select) {
            self.touched.patterns.extend(patterns);
        }
        Ok(())
    }

    /// Guards the subqueries of an expression and notes the functions it calls.
    fn expr(&mut self, expr: &mut Expr, role: &Rc<Rights>) -> Result<(), SqlError> {
        let mut subqueries = Subqueries { guard: self, role, result: Ok(()) };
        subqueries.expr(expr);
        subqueries.result
    }

    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }

    /// The condition under which `role` sees rows of `relation` for `command`. `None`: all rows.
    fn visible(
        &mut self,
        relation: &Relation,
        command: PolicyCommand,
        role: &Rc<Rights>,
        range: RangeId,
    ) -> Result<Option<Expr>, SqlError> {
        if bypasses_policies(role, relation) {
            return Ok(None);
        }
        let chosen = applicable(relation, command, role);
        let needed = self.needs.len();
        let mut permissive = Vec::new();
        for policy in &chosen.permissive {
            permissive.extend(self.condition(relation, policy, Side::Using, role, range)?);
        }
        if permissive.is_empty() && !faults::on(Fault::NoPolicyMeansAll) {
            // No row: restrictive policies are not even expanded, so they neither recurse nor take privileges.
            return Ok(Some(Expr::bool(false)));
        }
        let allowed = if permissive.is_empty() && faults::on(Fault::NoPolicyMeansAll) {
            None
        } else if faults::on(Fault::PermissiveAnded) && !permissive.is_empty() {
            permissive.into_iter().fold(None, |sum, e| both(sum, Some(e)))
        } else {
            any_of(permissive)
        };
        if allowed.is_none() {
            // A policy that is always true leaves the others unread, and what they read takes no privilege.
            self.needs.truncate(needed);
        }
        let mut restricted = None;
        for policy in &chosen.restrictive {
            let one = self.condition(relation, policy, Side::Using, role, range)?;
            restricted = both(restricted, one);
        }
        if faults::on(Fault::RestrictiveOred) && restricted.is_some() {
            return Ok(any_of(allowed.into_iter().chain(restricted).collect()));
        }
        // One that is always false does not: each of them is planned for itself.
        Ok(both(allowed, restricted))
    }

    /// One policy's condition, its subqueries guarded. `None`: it has no condition on this side.
    fn condition(
        &mut self,
        relation: &Relation,
        policy: &basalt_catalog::Policy,
        side: Side,
        role: &Rc<Rights>,
        range: RangeId,
    ) -> Result<Option<Expr>, SqlError> {
        let first = self.next;
        let Some((mut expr, has_subquery)) = condition(self.cache, self.catalog, relation, policy, side, range, &mut self.next)?
        else {
            return Ok(None);
        };
        self.uses.collect_policy(&expr, first);
        // A subquery on either side counts, also on the one that is not applied, and also one that reads nothing.
        if self.active.contains(&Oid(relation.oid)) && policy::has_subquery(self.cache, self.catalog, relation, policy)? {
            if faults::on(Fault::RecursionHides) {
                return Ok(Some(Expr::bool(false)));
            }
            return Err(SqlError::new(
                SqlState::INVALID_OBJECT_DEFINITION,
                format!("infinite recursion detected in policy for relation \"{}\"", relation.name),
            ));
        }
        if has_subquery {
            self.active.push(Oid(relation.oid));
            let done = if faults::on(Fault::PolicySubqueryUnguarded) { Ok(()) } else { self.expr(&mut expr, role) };
            self.active.pop();
            done?;
            decorrelate::decorrelate(&mut expr);
        } else {
            self.expr(&mut expr, role)?;
        }
        Ok(Some(expr))
    }
}

/// Whether no row can be visible, as PostgreSQL's planner sees it: then it looks at no pattern.
fn shows_nothing(select: &Select) -> bool {
    let is_never = |policy: &Option<Expr>| policy.as_ref().and_then(constant) == Some(false);
    let is_empty = |from: &From| match from {
        From::Query { query, .. } => matches!(&query.body, Body::Select(inner) if shows_nothing(inner)),
        _ => false,
    };
    is_never(&select.policy) || select.from.iter().any(is_empty)
}

/// Finds the subqueries of an expression and guards each.
struct Subqueries<'g, 'a> {
    guard: &'g mut Guard<'a>,
    role: &'g Rc<Rights>,
    result: Result<(), SqlError>,
}

impl VisitorMut for Subqueries<'_, '_> {
    fn query(&mut self, query: &mut Query) {
        if self.result.is_ok() {
            self.result = self.guard.deeper(|g| g.query(query, self.role));
        }
    }

    fn expr(&mut self, expr: &mut Expr) {
        use basalt_sql::typed::ExprKind;
        if self.result.is_err() {
            return;
        }
        match &mut expr.kind {
            ExprKind::UserFunc { function, .. } => {
                self.guard.function(*function, self.role);
            }
            ExprKind::JsonRows { .. } if faults::on(Fault::EmbedUnfiltered) => return,
            ExprKind::Exists(_) if faults::on(Fault::ExistsUnfiltered) => return,
            _ => {}
        }
        basalt_sql::typed::walk::walk_expr_mut(self, expr);
    }
}

impl Guard<'_> {
    /// Notes a call of a user's function; EXECUTE is checked with the other privileges. Wherever it stands, in a view or a policy too,
    /// it is the statement's role that calls.
    fn function(&mut self, oid: Oid, role: &Rc<Rights>) {
        self.touched.functions.push(oid);
        let is_named = self.is_users_own(role);
        self.calls.push((oid, self.caller.clone(), is_named));
    }
}

/// Checks EXECUTE of a function, and USAGE of its schema when the statement itself names it.
///
/// # Errors
/// 42501.
fn check_call(catalog: &Catalog, oid: Oid, role: &Rights, is_named: bool) -> Result<(), SqlError> {
    let function = catalog.function_by_oid(oid).ok_or_else(|| SqlError::internal("a function has gone"))?;
    if is_named
        && let Some(schema) = catalog.schema_by_oid(Oid(function.schema))
        && !role.on_schema(schema).contains(Privileges::USAGE)
    {
        return Err(rights::schema_denied(schema));
    }
    if role.on_function(function).contains(Privileges::EXECUTE) { Ok(()) } else { Err(rights::function_denied(function)) }
}

/// Whether a role may call a function.
///
/// # Errors
/// 42501 when it may not.
pub fn may_call(catalog: &Catalog, caller: &Caller<'_>, function: Oid) -> Result<(), SqlError> {
    check_call(catalog, function, &Rights::of(catalog, caller.role), false)
}

/// Why `nextval` of a sequence is refused to the caller, if it is.
pub(crate) fn sequence_denied(catalog: &Catalog, caller: &Caller<'_>, sequence: Oid) -> Option<SqlError> {
    let relation = catalog.relation_by_oid(sequence)?;
    (!Rights::of(catalog, caller.role).may_advance(relation)).then(|| rights::denied(relation))
}

/// What `Failing row contains (…)` may show the caller.
pub(crate) fn failing_row(catalog: &Catalog, caller: &Caller<'_>, relation: &Relation) -> crate::program::FailingRow {
    use crate::program::FailingRow;
    let rights = Rights::of(catalog, caller.role);
    let select = Privileges::SELECT;
    if !bypasses_policies(&rights, relation) {
        FailingRow::Hidden
    } else if rights.on_relation(relation).contains(select) {
        FailingRow::All
    } else {
        let shown = relation.columns.iter().map(|c| c.attnum).filter(|a| rights.on_column(relation, *a, select));
        FailingRow::Columns(shown.collect())
    }
}

/// Whether an error about a key must not show its values to the caller.
pub fn hides_values(catalog: &Catalog, caller: &Caller<'_>, relation: &Relation, columns: &[i16]) -> bool {
    let rights = Rights::of(catalog, caller.role);
    let select = Privileges::SELECT;
    !bypasses_policies(&rights, relation) || !columns.iter().all(|a| rights.on_column(relation, *a, select))
}
