//! INSERT, with ON CONFLICT.

use std::collections::HashSet;

use basalt_plan::program::{Conflict, ConflictUpdate, Source};
use basalt_types::{SqlError, SqlState, Value, ValueRef};

use super::input::Given;
use super::row::Row;
use super::{Change, Work};
use crate::bind;

/// A row ready to be stored.
struct Proposed {
    new: Vec<Value>,
    /// The columns it was given.
    given: Vec<i16>,
    /// What a view has against it.
    refused: Option<SqlError>,
}

/// An existing row that a proposed one met.
struct Met {
    rowid: i64,
    /// `None`: it stays as it is, by the statement's WHERE or by a trigger.
    change: Result<Option<Changed>, SqlError>,
}

/// An existing row before and after DO UPDATE.
struct Changed {
    old: Vec<Value>,
    new: Vec<Value>,
    refused: Option<SqlError>,
}

impl Work<'_> {
    pub(super) fn insert(
        &mut self,
        source: &Source,
        on_conflict: Option<&Conflict>,
        overriding_system: Option<bool>,
        payload: Option<&[u8]>,
    ) -> Result<(), SqlError> {
        let rows = self.given_rows(source, payload)?;
        if self.program.is_instead {
            return rows.into_iter().try_for_each(|given| self.insert_instead(given, overriding_system));
        }
        let mut touched = HashSet::new();
        if !self.program.policies_read || rows.len() < 2 {
            for given in rows {
                match self.propose(given, overriding_system)? {
                    Some(row) => self.store_or_resolve(row, None, on_conflict, &mut touched)?,
                    // It met no existing row.
                    None => self.inserted += 1,
                }
            }
            return Ok(());
        }
        // Policies with subqueries must not see the statement's own rows, so all rows are computed before the first is stored (and
        // BEFORE triggers do not see them either, which they would in PostgreSQL). A failure is kept back: an earlier row's key may
        // collide, and PostgreSQL would report that.
        let mut proposed = Vec::with_capacity(rows.len());
        let mut failure = None;
        for given in rows {
            match self.propose(given, overriding_system) {
                Ok(Some(row)) => {
                    let met = on_conflict.map_or(Ok(None), |conflict| self.meet(conflict, &row))?;
                    let is_last = met.as_ref().is_some_and(|met| met.change.is_err());
                    proposed.push((row, met));
                    if is_last {
                        break;
                    }
                }
                Ok(None) => self.inserted += 1,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        for (row, met) in proposed {
            self.store_or_resolve(row, met, on_conflict, &mut touched)?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// A row of a view whose triggers insert it.
    fn insert_instead(&mut self, given: Given, overriding_system: Option<bool>) -> Result<(), SqlError> {
        let columns = &self.program.table.columns;
        let named: Vec<i16> = given.iter().map(|(at, _)| columns[*at].attnum).collect();
        let new = self.complete(given, overriding_system)?;
        let Some(new) = self.fire_instead(Some(new), None)? else { return Ok(()) };
        self.refused_by_view(&new, None, &named)?.map_or(Ok(()), Err)?;
        self.inserted += 1;
        self.keep_returned(&new)?;
        self.changes.push(Change { new: Some(new), old: None, doubtful: Vec::new() });
        Ok(())
    }

    /// What DO UPDATE makes of the row that a proposed one meets.
    fn meet(&self, conflict: &Conflict, Proposed { new, given, .. }: &Proposed) -> Result<Option<Met>, SqlError> {
        let Some(update) = &conflict.update else { return Ok(None) };
        let rowid = self.conflicting(conflict, new)?;
        Ok(rowid.map(|rowid| Met { rowid, change: self.change_existing(update, rowid, new, given) }))
    }

    /// Defaults, BEFORE triggers, generated columns, checks. `None`: a trigger said no.
    fn propose(&self, given: Given, overriding_system: Option<bool>) -> Result<Option<Proposed>, SqlError> {
        let columns = &self.program.table.columns;
        let named: Vec<i16> = given.iter().map(|(at, _)| columns[*at].attnum).collect();
        let new = self.complete(given, overriding_system)?;
        let Some(mut new) = self.fire_before(Some(new), None)? else { return Ok(None) };
        self.generate(&mut new, None)?;
        self.check_row(self.program.policy_checks.as_ref(), &new, None, &named)?;
        let refused = self.refused_by_view(&new, None, &named)?;
        Ok(Some(Proposed { new, given: named, refused }))
    }

    fn store_or_resolve(
        &mut self,
        Proposed { new, given, refused }: Proposed,
        met: Option<Met>,
        on_conflict: Option<&Conflict>,
        touched: &mut HashSet<i64>,
    ) -> Result<(), SqlError> {
        if let Some(conflict) = on_conflict
            && let Some(existing) = self.conflicting(conflict, &new)?
        {
            let Some(update) = &conflict.update else { return Ok(()) };
            if !touched.insert(existing) {
                return Err(SqlError::new(
                    SqlState::CARDINALITY_VIOLATION,
                    "ON CONFLICT DO UPDATE command cannot affect row a second time",
                )
                .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values."));
            }
            let change = match met {
                Some(met) if met.rowid == existing => met.change?,
                _ => self.change_existing(update, existing, &new, &given)?,
            };
            let Some(change) = change else { return Ok(()) };
            return self.store_existing(conflict, update, existing, change, touched);
        }
        let stored = {
            let row = self.row(&new);
            let mut statement = bind::prepare(self.desk.connection, &self.program.store, self.facts, &row)?;
            statement.step()
        };
        match stored {
            Ok(_) => {}
            Err(failure) if failure.is_unique() => return Err(self.collision(&new, None, &failure)?),
            Err(failure) => return Err(failure.to_sql()),
        }
        refused.map_or(Ok(()), Err)?;
        touched.insert(self.desk.connection.db().last_insert_rowid());
        self.inserted += 1;
        let doubtful = self.doubtful(&new, None)?;
        self.keep_returned(&new)?;
        self.changes.push(Change { new: Some(new), old: None, doubtful });
        Ok(())
    }

    fn change_existing(
        &self,
        update: &ConflictUpdate,
        rowid: i64,
        excluded: &[Value],
        given: &[i16],
    ) -> Result<Option<Changed>, SqlError> {
        let table = &self.program.table;
        let mut row = Row::none(table);
        row.rowid = Some(rowid);
        let Some(old) = self.first(&update.existing, &row)? else {
            return Err(SqlError::internal("a conflicting row has gone"));
        };
        row.old = Some(&old);
        row.excluded = Some(excluded);
        let computed = self.first(&update.compute, &row)?.unwrap_or_default();
        if !matches!(computed.first().map(Value::as_ref), Some(ValueRef::Int(n)) if n != 0) {
            return Ok(None);
        }
        if let Some(error) = self.failed(update.using.as_ref(), &row)? {
            return Err(error);
        }
        let values = computed.get(1..).unwrap_or_default();
        let mut new = old.clone();
        for (attnum, source) in &update.set {
            let at = self.position(*attnum)?;
            let column = &table.columns[at];
            new[at] = match self.sourced(source, values)? {
                Some(value) => value,
                None => self.default(column)?,
            };
            self.check_domains(&new[at], &column.input)?;
        }
        let Some(mut new) = self.fire_before(Some(new), Some(&old))? else { return Ok(None) };
        self.generate(&mut new, Some(&old))?;
        self.check_row(update.checks.as_ref(), &new, Some(&old), given)?;
        let refused = self.refused_by_view(&new, Some(&old), given)?;
        Ok(Some(Changed { old, new, refused }))
    }

    fn store_existing(
        &mut self,
        conflict: &Conflict,
        update: &ConflictUpdate,
        rowid: i64,
        Changed { old, new, refused }: Changed,
        touched: &mut HashSet<i64>,
    ) -> Result<(), SqlError> {
        let stored = {
            let mut row = self.row(&new);
            row.old = Some(&old);
            row.rowid = Some(rowid);
            let mut statement = bind::prepare(self.desk.connection, &update.store, self.facts, &row)?;
            statement.step()
        };
        match stored {
            Ok(_) => {}
            Err(failure) if failure.is_unique() => return Err(self.collision(&new, Some(rowid), &failure)?),
            Err(failure) => return Err(failure.to_sql()),
        }
        refused.map_or(Ok(()), Err)?;
        // A changed integer key is a changed address: the row is known by it from now on.
        if new != old
            && let Some(now) = self.conflicting(conflict, &new)?
        {
            touched.insert(now);
        }
        let doubtful = self.doubtful(&new, Some(&old))?;
        self.keep_returned(&new)?;
        self.changes.push(Change { new: Some(new), old: Some(old), doubtful });
        Ok(())
    }
}
