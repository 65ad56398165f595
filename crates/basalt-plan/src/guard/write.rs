//! Writes: privileges, USING for target rows, and the checks on new rows in PostgreSQL's order.

use std::collections::BTreeSet;
use std::rc::Rc;

use basalt_catalog::{Catalog, IndexTerm, PolicyCommand, Relation, Rights};
use basalt_sql::typed::{
    Cte, Delete, Expr, From, Insert, InsertSource, Order, RangeId, Statement, Target, Update, UpdateSet, facts,
};
use basalt_types::{Oid, SqlError, SqlState};

use super::faults::{self, Fault};
use super::needs::{Need, Read};
use super::policy::{Side, any_of, applicable, both, constant};
use super::rights::bypasses_policies;
use super::through::{Renaming, Takes, Target as End, Through, set_columns};
use super::{Caller, Guard, given};
use crate::expressions::ExprCache;
use crate::program::Touched;

/// What row policies demand of a write. Expressions are over the statement's own ranges.
#[derive(Debug, Clone, Default)]
pub struct WriteGuard {
    /// What is read and written.
    pub touched: Touched,
    /// UPDATE, DELETE: target rows (and rows of FROM or USING) must satisfy it; it runs before the user's filter.
    pub using: Option<Expr>,
    /// INSERT: over the statement's range, the proposed row. In the order they are checked.
    pub insert_checks: Vec<RowCheck>,
    /// ON CONFLICT DO UPDATE: over the statement's range, the existing row.
    pub conflict_checks: Vec<RowCheck>,
    /// UPDATE and DO UPDATE: over the statement's range, the row that results.
    pub update_checks: Vec<RowCheck>,
    /// WITH CHECK OPTION of the views the write goes through: over the statement's range, the row that was stored.
    pub view_checks: Vec<RowCheck>,
    /// What is called otherwise than the table calls it, when the write goes through a view.
    pub renaming: Option<Renaming>,
    /// Triggers of a view stand in for the change.
    pub is_instead: bool,
    /// Then, for UPDATE and DELETE: the view's rows, under the statement's range.
    pub rows_instead: Option<From>,
}

/// A condition that must be true of a row (NULL is not), else the error.
#[derive(Debug, Clone)]
pub struct RowCheck {
    /// The condition.
    pub condition: Expr,
    /// What failing it means.
    pub error: SqlError,
}

/// Guards a write in place (its subqueries) and says what its target demands. A write on a view becomes one on the table behind it. A
/// plain query is guarded too.
///
/// # Errors
/// As [`super::query`]; before these, what cannot be written by anybody: 55000, 0A000, 428C9.
pub fn statement(
    statement: &mut Statement,
    catalog: &Catalog,
    caller: &Caller<'_>,
    cache: &ExprCache,
) -> Result<WriteGuard, SqlError> {
    let through = Through::of(statement, catalog)?;
    given::check(statement, through.as_ref(), catalog)?;
    let mut guard = Guard::new(catalog, caller, cache, facts::next_range(statement));
    guard.uses.collect_statement(statement);
    let role = guard.caller.clone();
    let mut out = WriteGuard::default();
    let through = through.as_ref();
    match statement {
        Statement::Query(query) => guard.query(query, &role)?,
        Statement::Insert(insert) => guard.insert(insert, &role, through, &mut out)?,
        Statement::Update(update) => guard.update(update, &role, through, &mut out)?,
        Statement::Delete(delete) => guard.delete(delete, &role, through, &mut out)?,
    }
    if let Some(through) = through {
        guard.rewrite(through, statement, &mut out.renaming)?;
    }
    out.touched = guard.finish()?;
    Ok(out)
}

/// The kinds of check, by their message.
#[derive(Clone, Copy, PartialEq)]
enum CheckKind {
    NewRow,
    Existing,
}

impl<'a> Guard<'a> {
    fn ctes(&mut self, ctes: &mut [Cte], role: &Rc<Rights>) -> Result<(), SqlError> {
        for cte in ctes {
            self.deeper(|g| g.query(&mut cte.query, role))?;
        }
        Ok(())
    }

    fn targets(&mut self, targets: &mut [Target], role: &Rc<Rights>) -> Result<(), SqlError> {
        targets.iter_mut().try_for_each(|t| self.expr(&mut t.expr, role))
    }

    fn tail<'e>(
        &mut self,
        order_by: &'e mut [Order],
        others: impl Iterator<Item = &'e mut Expr>,
        role: &Rc<Rights>,
    ) -> Result<(), SqlError> {
        for expr in order_by.iter_mut().map(|o| &mut o.expr).chain(others) {
            self.expr(expr, role)?;
        }
        Ok(())
    }

    fn insert(
        &mut self,
        insert: &mut Insert,
        role: &Rc<Rights>,
        through: Option<&Through>,
        out: &mut WriteGuard,
    ) -> Result<(), SqlError> {
        let relation = self.relation(insert.relation)?;
        let mut read = self.uses.of(insert.range);
        let mut updated = None;
        if let Some(conflict) = &insert.on_conflict {
            let indexes = through.map_or(&relation.indexes, |through| &through.end.indexes);
            // Through a view, the columns that are named are the view's.
            let named = |attnum: i16| match through {
                None => Some(attnum),
                Some(through) => relation.columns.iter().map(|c| c.attnum).find(|c| through.source(*c) == Some(attnum)),
            };
            for arbiter in &conflict.arbiters {
                let keys = indexes.iter().filter(|i| Oid(i.oid) == *arbiter).flat_map(|i| &i.keys);
                read.columns.extend(keys.filter_map(|k| match k.term {
                    IndexTerm::Column(attnum) => named(attnum),
                    IndexTerm::Expr(_) => None,
                }));
            }
            if let Some(update) = &conflict.update {
                let excluded = self.uses.of(update.excluded);
                read.columns.extend(excluded.columns);
                read.whole_row |= excluded.whole_row;
                updated = Some(update.set.iter().map(|(attnum, _)| *attnum).collect::<BTreeSet<_>>());
            }
        }
        let reads = !read.is_empty();
        let does_update = updated.is_some();
        let takes = Takes { reads, insert: Some(insert.columns.iter().copied().collect()), update: updated, delete: false };
        self.written(relation, role, reads.then_some(read), &takes);
        self.ctes(&mut insert.ctes, role)?;
        match &mut insert.source {
            InsertSource::Values(rows) => rows.iter_mut().flatten().flatten().try_for_each(|e| self.expr(e, role))?,
            InsertSource::Query(query) => self.deeper(|g| g.query(query, role))?,
            InsertSource::Payload { .. } => {}
        }
        if let Some(update) = insert.on_conflict.as_mut().and_then(|c| c.update.as_mut()) {
            for expr in update.set.iter_mut().filter_map(|(_, e)| e.as_mut()).chain(update.filter.as_mut()) {
                self.expr(expr, role)?;
            }
        }
        self.targets(&mut insert.returning, role)?;

        let End { relation, role, .. } = self.end(through, relation, role, takes, insert.range, out)?;
        let role = &role;
        if bypasses_policies(role, relation) {
            return Ok(());
        }
        let range = insert.range;
        let needs_select = reads && !faults::on(Fault::ReturningNeedsNoSelect);
        if !faults::on(Fault::InsertCheckSkipped) {
            self.checks(relation, PolicyCommand::Insert, Side::Check, CheckKind::NewRow, role, range, &mut out.insert_checks)?;
        }
        if needs_select {
            self.checks(relation, PolicyCommand::Select, Side::Using, CheckKind::NewRow, role, range, &mut out.insert_checks)?;
        }
        if does_update {
            if !faults::on(Fault::ConflictUsingSkipped) {
                let checks = &mut out.conflict_checks;
                self.checks(relation, PolicyCommand::Update, Side::Using, CheckKind::Existing, role, range, checks)?;
                if reads {
                    self.checks(relation, PolicyCommand::Select, Side::Using, CheckKind::Existing, role, range, checks)?;
                }
            }
            if !faults::on(Fault::ConflictCheckSkipped) {
                let checks = &mut out.update_checks;
                self.checks(relation, PolicyCommand::Update, Side::Check, CheckKind::NewRow, role, range, checks)?;
                if reads {
                    self.checks(relation, PolicyCommand::Select, Side::Using, CheckKind::NewRow, role, range, checks)?;
                }
            }
        }
        Ok(())
    }

    fn update(
        &mut self,
        update: &mut Update,
        role: &Rc<Rights>,
        through: Option<&Through>,
        out: &mut WriteGuard,
    ) -> Result<(), SqlError> {
        let relation = self.relation(update.relation)?;
        let read = self.uses.of(update.range);
        let reads = !read.is_empty();
        let set = set_columns(&update.set).into_iter().collect();
        let takes = Takes { reads, insert: None, update: Some(set), delete: false };
        self.written(relation, role, reads.then_some(read), &takes);
        self.ctes(&mut update.ctes, role)?;
        let joined = self.joined(&mut update.from, role)?;
        if let UpdateSet::Exprs(set) = &mut update.set {
            for expr in set.iter_mut().filter_map(|(_, e)| e.as_mut()) {
                self.expr(expr, role)?;
            }
        }
        let patterns = super::patterns::of_write(update.filter.as_ref(), (update.range, update.relation), self.catalog);
        let rest = update.filter.iter_mut().chain(&mut update.limit).chain(&mut update.offset);
        self.tail(&mut update.order_by, rest, role)?;
        self.targets(&mut update.returning, role)?;

        let End { relation, role, filter } = self.end(through, relation, role, takes, update.range, out)?;
        let role = &role;
        let reads_for_policy = reads && !faults::on(Fault::ReadingWriteNeedsNoSelect);
        out.using = self.reachable(relation, PolicyCommand::Update, reads_for_policy, role, update.range)?;
        if faults::on(Fault::UpdateUsingSkipped) {
            out.using = None;
        }
        out.using = both(both(out.using.take(), filter), joined);
        if out.using.as_ref().and_then(constant) != Some(false) {
            self.touched.patterns.extend(patterns);
        }
        if bypasses_policies(role, relation) || faults::on(Fault::UpdateCheckSkipped) {
            return Ok(());
        }
        let checks = &mut out.update_checks;
        self.checks(relation, PolicyCommand::Update, Side::Check, CheckKind::NewRow, role, update.range, checks)?;
        if reads_for_policy {
            self.checks(relation, PolicyCommand::Select, Side::Using, CheckKind::NewRow, role, update.range, checks)?;
        }
        Ok(())
    }

    fn delete(
        &mut self,
        delete: &mut Delete,
        role: &Rc<Rights>,
        through: Option<&Through>,
        out: &mut WriteGuard,
    ) -> Result<(), SqlError> {
        let relation = self.relation(delete.relation)?;
        let read = self.uses.of(delete.range);
        let reads = !read.is_empty();
        let takes = Takes { reads, insert: None, update: None, delete: true };
        self.written(relation, role, reads.then_some(read), &takes);
        self.ctes(&mut delete.ctes, role)?;
        let joined = self.joined(&mut delete.using, role)?;
        let patterns = super::patterns::of_write(delete.filter.as_ref(), (delete.range, delete.relation), self.catalog);
        let rest = delete.filter.iter_mut().chain(&mut delete.limit).chain(&mut delete.offset);
        self.tail(&mut delete.order_by, rest, role)?;
        self.targets(&mut delete.returning, role)?;
        let End { relation, role, filter } = self.end(through, relation, role, takes, delete.range, out)?;
        let role = &role;
        let reads_for_policy = reads && !faults::on(Fault::ReadingWriteNeedsNoSelect);
        out.using = self.reachable(relation, PolicyCommand::Delete, reads_for_policy, role, delete.range)?;
        if faults::on(Fault::DeleteUsingSkipped) {
            out.using = None;
        }
        out.using = both(both(out.using.take(), filter), joined);
        if out.using.as_ref().and_then(constant) != Some(false) {
            self.touched.patterns.extend(patterns);
        }
        Ok(())
    }

    /// Guards FROM of UPDATE or USING of DELETE.
    fn joined(&mut self, items: &mut [From], role: &Rc<Rights>) -> Result<Option<Expr>, SqlError> {
        let mut condition = None;
        for item in items {
            condition = both(condition, self.from(item, role, false)?);
        }
        Ok(condition)
    }

    /// Rows an UPDATE or DELETE may reach: its own USING, and SELECT's when the statement reads columns.
    fn reachable(
        &mut self,
        relation: &Relation,
        command: PolicyCommand,
        reads: bool,
        role: &Rc<Rights>,
        range: RangeId,
    ) -> Result<Option<Expr>, SqlError> {
        let own = self.visible(relation, command, role, range)?;
        let shown = if reads { self.visible(relation, PolicyCommand::Select, role, range)? } else { None };
        Ok(both(own, shown))
    }

    /// Notes what a statement takes of the relation it names.
    fn written(&mut self, relation: &Relation, role: &Rc<Rights>, select: Option<Read>, takes: &Takes) {
        self.needs.push(Need {
            depth: self.depth,
            relation: Oid(relation.oid),
            role: role.clone(),
            select,
            insert: takes.insert.clone(),
            update: takes.update.clone(),
            delete: takes.delete,
            named: true,
        });
    }

    /// The table that is written, and as whom: the statement's own, or the one behind its view.
    fn end<'s>(
        &mut self,
        through: Option<&Through>,
        relation: &'s Relation,
        role: &Rc<Rights>,
        takes: Takes,
        range: RangeId,
        out: &mut WriteGuard,
    ) -> Result<End<'s>, SqlError>
    where
        'a: 's,
    {
        if let Some(through) = through {
            out.is_instead = through.is_instead();
            out.rows_instead = self.rows_instead(through, range)?;
            return self.go_through(through, takes, range, &mut out.view_checks);
        }
        let oid = Oid(relation.oid);
        self.touched.written.push(oid);
        if takes.reads || takes.update.is_some() || takes.delete {
            self.touched.read.push(oid);
        }
        Ok(End { relation, role: role.clone(), filter: None })
    }

    /// Adds the checks that a command's policies make of a row: the permissive ones together, then each restrictive one by name.
    #[allow(clippy::too_many_arguments)] // what PostgreSQL's add_with_check_options takes
    fn checks(
        &mut self,
        relation: &Relation,
        command: PolicyCommand,
        side: Side,
        kind: CheckKind,
        role: &Rc<Rights>,
        range: RangeId,
        out: &mut Vec<RowCheck>,
    ) -> Result<(), SqlError> {
        let chosen = applicable(relation, command, role);
        let needed = self.needs.len();
        let mut permissive = Vec::new();
        for policy in &chosen.permissive {
            permissive.extend(self.condition(relation, policy, side, role, range)?);
        }
        let error = |policy: Option<&str>| {
            let name = policy.map(|p| format!(" \"{p}\"")).unwrap_or_default();
            let using = if kind == CheckKind::Existing { " (USING expression)" } else { "" };
            let text = format!("new row violates row-level security policy{name}{using} for table \"{}\"", relation.name);
            SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text)
        };
        if permissive.is_empty() {
            if !faults::on(Fault::NoPolicyMeansAll) {
                out.push(RowCheck { condition: Expr::bool(false), error: error(None) });
            }
            return Ok(());
        }
        let allowed = if faults::on(Fault::PermissiveAnded) {
            permissive.into_iter().fold(None, |sum, e| both(sum, Some(e)))
        } else {
            any_of(permissive)
        };
        if allowed.as_ref().is_none_or(|e| constant(e) == Some(false)) {
            // Decided without reading the others, so what they read takes no privilege.
            self.needs.truncate(needed);
        }
        out.extend(allowed.map(|condition| RowCheck { condition, error: error(None) }));
        for policy in &chosen.restrictive {
            let condition = self.condition(relation, policy, side, role, range)?;
            let condition = condition.filter(|e| constant(e) != Some(true));
            out.extend(condition.map(|condition| RowCheck { condition, error: error(Some(&policy.name)) }));
        }
        Ok(())
    }
}
