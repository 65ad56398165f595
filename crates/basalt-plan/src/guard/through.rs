//! Writes through views: the statement on a view becomes one on the table behind it.
//!
//! [`Through::of`] finds the views between the statement and its table and refuses what PostgreSQL's rewriter refuses; it asks for no
//! privilege. The guard then notes what each view and the table take, as whom, and puts the columns' meanings into the statement:
//! the subqueries among them are guarded as the view's, not as the statement's.
//!
//! Source: PostgreSQL 17, `rewriteHandler.c` (`rewriteTargetView`).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::{Catalog, Relation, RelationKind, Rights};
use basalt_sql::analyze;
use basalt_sql::analyze::updatable::{self, Change, Level, NO_UPDATABLE_COLUMNS, Reason};
use basalt_sql::typed::walk::{VisitorMut, walk_expr_mut};
use basalt_sql::typed::{Expr, ExprKind, From, RangeId, Statement, UpdateSet};
use basalt_types::{Oid, SqlError, SqlState};

use super::Guard;
use super::needs::{Need, Read, next_range_of_query, read_of};
use super::policy::both;
use super::write::RowCheck;
use crate::expressions::{Analysed, ExprCache, ExprUse};

/// What a statement on a view is about.
#[derive(Debug)]
pub(super) struct Through {
    change: Change,
    /// The views, outermost first.
    levels: Vec<Step>,
    /// The table, or the view whose triggers stand in for the change.
    pub end: Arc<Relation>,
}

/// One view.
#[derive(Debug)]
struct Step {
    level: Level,
    columns: Vec<Analysed>,
    filter: Option<Analysed>,
    /// What it reads of its base.
    read: Read,
}

/// How a write through a view differs from one of its table. Column numbers are the table's.
#[derive(Debug, Clone, Default)]
pub struct Renaming {
    /// The view's columns (their numbers) that are columns of the table.
    pub columns: Vec<(i16, i16)>,
    /// Columns that a payload gives, with the keys they have there.
    pub keys: Vec<(i16, String)>,
    /// Columns whose default is that of a view's column: the view and its column.
    pub defaults: Vec<(i16, Oid, i16)>,
    /// Columns whose key may be missing in a payload that asks for defaults; others are NULL then.
    pub defaulted: Vec<i16>,
}

fn change(statement: &Statement) -> Option<(Change, Oid)> {
    Some(match statement {
        Statement::Insert(insert) => (Change::Insert, insert.relation),
        Statement::Update(update) => (Change::Update, update.relation),
        Statement::Delete(delete) => (Change::Delete, delete.relation),
        Statement::Query(_) => return None,
    })
}

/// The columns a statement assigns, list by list: none may have a column twice.
fn assigned(statement: &Statement) -> Vec<BTreeSet<i16>> {
    match statement {
        Statement::Insert(insert) => {
            let conflict = insert.on_conflict.as_ref().and_then(|c| c.update.as_ref());
            let set = conflict.map(|update| update.set.iter().map(|(attnum, _)| *attnum).collect());
            std::iter::once(insert.columns.iter().copied().collect()).chain(set).collect()
        }
        Statement::Update(update) => vec![set_columns(&update.set).into_iter().collect()],
        Statement::Delete(_) | Statement::Query(_) => Vec::new(),
    }
}

/// The columns of SET, in its order.
pub(super) fn set_columns(set: &UpdateSet) -> Vec<i16> {
    match set {
        UpdateSet::Exprs(set) => set.iter().map(|(attnum, _)| *attnum).collect(),
        UpdateSet::Payload { columns, .. } => columns.clone(),
    }
}

impl Through {
    /// The way from a statement on a view to its table. `None`: it is not on a view.
    ///
    /// # Errors
    /// 55000 for a view that PostgreSQL does not write through, 0A000 for a column of one.
    pub fn of(statement: &Statement, catalog: &Catalog) -> Result<Option<Self>, SqlError> {
        let Some((change, oid)) = change(statement) else { return Ok(None) };
        let Some(view) = catalog.relation_by_oid(oid).filter(|r| r.kind == RelationKind::View) else { return Ok(None) };
        let chain = updatable::chain(view, change, catalog)?;
        let mut assigned = assigned(statement);
        let mut levels = Vec::with_capacity(chain.levels.len());
        for level in chain.levels {
            if let (Change::Insert, Some(given)) = (change, assigned.first_mut()) {
                given.extend(level.view.columns.iter().filter(|c| c.default.is_some()).map(|c| c.attnum));
            }
            assigned = sources(&level, change, &assigned, catalog)?;
            levels.push(Step::new(level));
        }
        if let Some(reason) = chain.refused {
            return Err(not_updatable(&chain.end, change, reason));
        }
        Ok(Some(Self { change, levels, end: chain.end }))
    }

    /// Whether triggers of a view stand in for the change.
    pub fn is_instead(&self) -> bool {
        self.end.kind == RelationKind::View
    }

    /// The table's column behind one of the view's.
    pub fn source(&self, attnum: i16) -> Option<i16> {
        self.levels.iter().try_fold(attnum, |attnum, step| step.level.source(attnum).ok())
    }

    fn sources(&self, columns: &[i16]) -> Result<Vec<i16>, SqlError> {
        columns.iter().map(|c| self.source(*c).ok_or_else(no_source)).collect()
    }

    /// What the write differs in.
    fn renaming(&self, statement: &Statement) -> Result<Renaming, SqlError> {
        let Some(view) = self.levels.first().map(|step| &step.level.view) else { return Ok(Renaming::default()) };
        let columns = view.columns.iter().filter_map(|c| Some((c.attnum, self.source(c.attnum)?))).collect();
        let mut out = Renaming { columns, ..Renaming::default() };
        let given = match statement {
            Statement::Insert(insert) => insert.columns.clone(),
            Statement::Update(update) => set_columns(&update.set),
            Statement::Delete(_) | Statement::Query(_) => Vec::new(),
        };
        for attnum in &given {
            let column = view.column_at(*attnum).ok_or_else(no_source)?;
            let source = self.source(*attnum).ok_or_else(no_source)?;
            out.keys.push((source, column.name.clone()));
            if column.default.is_some() {
                out.defaulted.push(source);
            }
        }
        for (depth, step) in self.levels.iter().enumerate() {
            for column in step.level.view.columns.iter().filter(|c| c.default.is_some()) {
                let mut below = self.levels.iter().skip(depth);
                let source = below.try_fold(column.attnum, |at, step| step.level.source(at).ok());
                // The outermost view decides.
                if let Some(source) = source.filter(|s| !out.defaults.iter().any(|(known, ..)| known == s)) {
                    out.defaults.push((source, Oid(step.level.view.oid), column.attnum));
                }
            }
        }
        Ok(out)
    }
}

impl Step {
    fn new(level: Level) -> Self {
        let read = read_of(level.columns.iter().chain(&level.filter), RangeId(0));
        let columns = level.columns.iter().cloned().map(Analysed::new).collect();
        let filter = level.filter.clone().map(Analysed::new);
        Self { level, columns, filter, read }
    }

    /// What a column stands for.
    fn column(&self, attnum: i16) -> Option<&Analysed> {
        let at = self.level.view.columns.iter().position(|c| c.attnum == attnum)?;
        self.columns.get(at)
    }
}

fn no_source() -> SqlError {
    SqlError::internal("a view's column has no column behind it")
}

/// The base's columns behind those assigned.
fn sources(level: &Level, change: Change, assigned: &[BTreeSet<i16>], catalog: &Catalog) -> Result<Vec<BTreeSet<i16>>, SqlError> {
    if change != Change::Delete && !level.has_source() {
        return Err(not_updatable(&level.view, change, NO_UPDATABLE_COLUMNS));
    }
    for column in level.view.columns.iter().filter(|c| assigned.iter().any(|list| list.contains(&c.attnum))) {
        if let Err(reason) = level.source(column.attnum) {
            let verb = if change == Change::Insert { "insert into" } else { "update" };
            let text = format!("cannot {verb} column \"{}\" of view \"{}\"", column.name, level.view.name);
            return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text).detail(reason));
        }
    }
    let mut lists = Vec::with_capacity(assigned.len());
    for list in assigned {
        let mut found = BTreeSet::new();
        for source in list.iter().filter_map(|attnum| level.source(*attnum).ok()) {
            if !found.insert(source) {
                // Two columns of the view are one of the base.
                let base = catalog.relation_by_oid(level.base);
                let name = base.and_then(|b| b.column_at(source)).map_or("", |c| c.name.as_str());
                let text = format!("multiple assignments to same column \"{name}\"");
                return Err(SqlError::new(SqlState::SYNTAX_ERROR, text));
            }
        }
        lists.push(found);
    }
    Ok(lists)
}

/// 55000 of a view that is not written through.
fn not_updatable(view: &Relation, change: Change, reason: Reason) -> SqlError {
    let (verb, doing, event) = match change {
        Change::Insert => ("insert into", "inserting into", "INSERT"),
        Change::Update => ("update", "updating", "UPDATE"),
        Change::Delete => ("delete from", "deleting from", "DELETE"),
    };
    SqlError::new(SqlState::NOT_IN_PREREQUISITE_STATE, format!("cannot {verb} view \"{}\"", view.name)).detail(reason).hint(
        format!(
            "To enable {doing} the view, provide an INSTEAD OF {event} trigger or an unconditional ON {event} DO INSTEAD rule."
        ),
    )
}

/// Where a write ends, and as whom it is done there.
pub(super) struct Target<'a> {
    pub relation: &'a Relation,
    pub role: Rc<Rights>,
    /// What the views ask of the rows that are reached.
    pub filter: Option<Expr>,
}

/// What a statement does to its target's columns, by the target's numbers.
#[derive(Clone)]
pub(super) struct Takes {
    pub reads: bool,
    pub insert: Option<BTreeSet<i16>>,
    pub update: Option<BTreeSet<i16>>,
    pub delete: bool,
}

impl<'a> Guard<'a> {
    /// Notes what the views and the table behind them take, and what the views ask of rows.
    pub(super) fn go_through(
        &mut self,
        through: &Through,
        takes: Takes,
        range: RangeId,
        checks: &mut Vec<RowCheck>,
    ) -> Result<Target<'a>, SqlError> {
        let mut takes = takes;
        let mut filter = None;
        let mut role = self.caller.clone();
        let mut cascaded = false;
        for (depth, step) in through.levels.iter().enumerate() {
            let view = self.relation(Oid(step.level.view.oid))?;
            role = self.role_within(view);
            let definition = view.view.as_ref();
            let option = definition.and_then(|v| v.check_option.as_deref());
            cascaded |= option == Some("cascaded");
            if let Some(condition) = &step.filter {
                let condition = self.view_expr(through, depth, condition, range)?;
                if through.change != Change::Delete && (cascaded || option.is_some()) {
                    let text = format!("new row violates check option for view \"{}\"", view.name);
                    let error = SqlError::new(SqlState::CHECK_OPTION_VIOLATION, text);
                    // Inner views come first.
                    checks.insert(0, RowCheck { condition: condition.clone(), error });
                }
                if through.change != Change::Insert {
                    filter = both(Some(condition), filter);
                }
            }
            let behind = |columns: &BTreeSet<i16>| -> BTreeSet<i16> {
                columns.iter().filter_map(|c| step.level.source(*c).ok()).collect()
            };
            takes = Takes { insert: takes.insert.as_ref().map(behind), update: takes.update.as_ref().map(behind), ..takes };
            self.needs.push(Need {
                depth: self.depth,
                relation: step.level.base,
                role: role.clone(),
                select: takes.reads.then(|| step.read.clone()),
                insert: takes.insert.clone(),
                update: takes.update.clone(),
                delete: takes.delete,
                named: false,
            });
        }
        let end = Oid(through.end.oid);
        if !through.is_instead() {
            self.touched.written.push(end);
            if takes.reads || takes.update.is_some() || takes.delete {
                self.touched.read.push(end);
            }
        }
        Ok(Target { relation: self.relation(end)?, role, filter })
    }

    /// The rows of the view whose triggers stand in for the change, under the statement's range.
    pub(super) fn rows_instead(&mut self, through: &Through, range: RangeId) -> Result<Option<From>, SqlError> {
        if !through.is_instead() || through.change == Change::Insert {
            return Ok(None);
        }
        let view = self.relation(Oid(through.end.oid))?;
        let text = view.view.as_ref().map(|v| v.query.as_str()).ok_or_else(|| SqlError::internal("a view has no query"))?;
        let context = analyze::Context { first_range: self.next, ..analyze::Context::default() };
        let mut query = analyze::query_text(text, self.catalog, &context).map_err(|e| e.error)?;
        self.next = self.next.max(next_range_of_query(&query));
        self.uses.collect_query(&query);
        let role = self.role_within(view);
        self.views += 1;
        let done = self.deeper(|g| g.query(&mut query, &role));
        self.views -= 1;
        done?;
        let alias = view.name.clone();
        Ok(Some(From::Query { range, query: Box::new(query), lateral: false, alias, view: Some(Oid(view.oid)) }))
    }

    /// As whom a view's query is run.
    pub(super) fn role_within(&self, view: &Relation) -> Rc<Rights> {
        let invoker = view.view.as_ref().is_some_and(|v| v.security_invoker);
        if invoker { self.caller.clone() } else { Rc::new(Rights::of(self.catalog, &view.owner)) }
    }

    /// An expression of the view at a depth, over the row of the table, which is `range`.
    fn view_expr(&mut self, through: &Through, depth: usize, expr: &Analysed, range: RangeId) -> Result<Expr, SqlError> {
        let Some(step) = through.levels.get(depth) else { return Err(no_source()) };
        let role = self.role_within(self.relation(Oid(step.level.view.oid))?);
        let is_last = depth + 1 == through.levels.len();
        let over = if is_last { range } else { RangeId(self.next) };
        if !is_last {
            self.next += 1;
        }
        let first = self.next;
        let mut expr = expr.over(over, &mut self.next);
        self.uses.collect_policy(&expr, first);
        self.views += 1;
        let done = self.expr(&mut expr, &role);
        self.views -= 1;
        done?;
        if !is_last {
            self.replace(through, depth + 1, &mut expr, over, range)?;
        }
        Ok(expr)
    }

    /// Puts the meaning of the columns of a view into an expression that has been guarded. `from`: the view's row; `to`: the table's.
    fn replace(&mut self, through: &Through, depth: usize, expr: &mut Expr, from: RangeId, to: RangeId) -> Result<(), SqlError> {
        let mut replace = Replace { guard: self, through, depth, from, to, result: Ok(()) };
        replace.expr(expr);
        replace.result
    }

    /// Turns the parts of a guarded statement on a view into those of one on its table.
    pub(super) fn rewrite(
        &mut self,
        through: &Through,
        statement: &mut Statement,
        renaming: &mut Option<Renaming>,
    ) -> Result<(), SqlError> {
        if through.levels.is_empty() {
            // The view's own triggers do it: its columns are what they are.
            return Ok(());
        }
        *renaming = Some(through.renaming(statement)?);
        let end = Oid(through.end.oid);
        match statement {
            Statement::Insert(insert) => {
                insert.relation = end;
                insert.columns = through.sources(&insert.columns)?;
                let range = insert.range;
                for target in &mut insert.returning {
                    self.replace(through, 0, &mut target.expr, range, range)?;
                }
                if let Some(update) = insert.on_conflict.as_mut().and_then(|c| c.update.as_mut()) {
                    let excluded = update.excluded;
                    self.default_set(through, &mut update.set)?;
                    for expr in update.set.iter_mut().filter_map(|(_, e)| e.as_mut()).chain(&mut update.filter) {
                        self.replace(through, 0, expr, range, range)?;
                        self.replace(through, 0, expr, excluded, excluded)?;
                    }
                }
            }
            Statement::Update(update) => {
                update.relation = end;
                let range = update.range;
                match &mut update.set {
                    UpdateSet::Payload { columns, .. } => *columns = through.sources(columns)?,
                    UpdateSet::Exprs(set) => {
                        self.default_set(through, set)?;
                        for expr in set.iter_mut().filter_map(|(_, e)| e.as_mut()) {
                            self.replace(through, 0, expr, range, range)?;
                        }
                    }
                }
                let tail = update.order_by.iter_mut().map(|o| &mut o.expr);
                let returning = update.returning.iter_mut().map(|t| &mut t.expr);
                for expr in tail.chain(returning).chain(&mut update.filter) {
                    self.replace(through, 0, expr, range, range)?;
                }
            }
            Statement::Delete(delete) => {
                delete.relation = end;
                let range = delete.range;
                let tail = delete.order_by.iter_mut().map(|o| &mut o.expr);
                let returning = delete.returning.iter_mut().map(|t| &mut t.expr);
                for expr in tail.chain(returning).chain(&mut delete.filter) {
                    self.replace(through, 0, expr, range, range)?;
                }
            }
            Statement::Query(_) => {}
        }
        Ok(())
    }

    /// SET of a view's columns: DEFAULT is the view's own, else NULL.
    fn default_set(&mut self, through: &Through, set: &mut [(i16, Option<Expr>)]) -> Result<(), SqlError> {
        let Some(step) = through.levels.first() else { return Ok(()) };
        let view = &step.level.view;
        for (attnum, value) in set {
            if value.is_none() {
                let column = view.column_at(*attnum).ok_or_else(no_source)?;
                *value = Some(match &column.default {
                    None => Expr::null(column.type_ref()),
                    Some(text) => default_of(self.cache, self.catalog, view, *attnum, text, &mut self.next)?,
                });
            }
            *attnum = through.source(*attnum).ok_or_else(no_source)?;
        }
        Ok(())
    }
}

/// The default of a view's column.
fn default_of(
    cache: &ExprCache,
    catalog: &Catalog,
    view: &Relation,
    attnum: i16,
    text: &str,
    next: &mut u32,
) -> Result<Expr, SqlError> {
    let range = RangeId(*next);
    *next += 1;
    Ok(cache.get(text, ExprUse::Default(attnum), Some(view), catalog)?.over(range, next))
}

/// Replaces the columns of a view's row.
struct Replace<'s, 'g, 'a> {
    guard: &'g mut Guard<'a>,
    through: &'s Through,
    /// Whose row it is.
    depth: usize,
    from: RangeId,
    to: RangeId,
    result: Result<(), SqlError>,
}

impl VisitorMut for Replace<'_, '_, '_> {
    fn expr(&mut self, expr: &mut Expr) {
        if self.result.is_err() {
            return;
        }
        match expr.kind {
            ExprKind::Column { range, column } if range == self.from => {
                let step = self.through.levels.get(self.depth);
                let Some(meaning) = step.and_then(|step| step.column(column)) else {
                    self.result = Err(no_source());
                    return;
                };
                match self.guard.view_expr(self.through, self.depth, meaning, self.to) {
                    Ok(meaning) => *expr = meaning,
                    Err(error) => self.result = Err(error),
                }
            }
            ExprKind::WholeRow { range } if range == self.from => {
                self.result = Err(SqlError::unsupported("a whole row of a view that is written"));
            }
            _ => walk_expr_mut(self, expr),
        }
    }
}
