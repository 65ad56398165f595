//! UPDATE and DELETE.

use std::collections::HashSet;

use basalt_plan::program::Assignments;
use basalt_types::{SqlError, Value, ValueRef};

use super::row::Row;
use super::{Change, Work};
use crate::bind::{self, NoRow};
use crate::error::Failure;

/// A row to change: its number, its values, and what was computed for it.
struct TargetRow {
    rowid: i64,
    old: Vec<Value>,
    computed: Vec<Value>,
}

/// A changed row before it is stored.
struct Pending {
    rowid: i64,
    old: Vec<Value>,
    new: Vec<Value>,
    /// What a view has against it.
    refused: Option<SqlError>,
}

/// Rows of an update as far as they are stored.
#[derive(Default)]
struct Stored {
    /// In the order they came, with the deferrable keys in doubt; those that wait leave a gap.
    order: Vec<Option<(Pending, Vec<usize>)>>,
    waiting: Vec<(usize, Pending, Failure)>,
}

impl Work<'_> {
    /// The target rows, read to the end before the first change; one that is met again is skipped.
    fn target_rows(&self) -> Result<Vec<TargetRow>, SqlError> {
        let Some(targets) = &self.program.targets else { return Err(SqlError::internal("a change without target rows")) };
        let width = self.program.table.columns.len();
        let mut statement = bind::prepare(self.desk.connection, targets, self.facts, &NoRow)?;
        let (mut seen, mut rows) = (HashSet::new(), Vec::new());
        while statement.step()? {
            let ValueRef::Int(rowid) = statement.column(0) else { continue };
            if seen.insert(rowid) {
                let old = (1..=width).map(|i| statement.column(i).to_value()).collect();
                let computed = (width + 1..statement.columns()).map(|i| statement.column(i).to_value()).collect();
                rows.push(TargetRow { rowid, old, computed });
            }
        }
        Ok(rows)
    }

    pub(super) fn update(&mut self, assignments: &Assignments, payload: Option<&[u8]>) -> Result<(), SqlError> {
        let given: Vec<i16> = match assignments {
            Assignments::Computed(set) => set.iter().map(|(attnum, _)| *attnum).collect(),
            Assignments::Payload { columns, .. } => columns.clone(),
        };
        let shared = match assignments {
            Assignments::Payload { columns, missing_default } => self.payload_values(columns, *missing_default, payload)?,
            Assignments::Computed(_) => Vec::new(),
        };
        let rows = self.target_rows()?;
        if self.program.is_instead {
            return rows.iter().try_for_each(|target| self.update_instead(assignments, &shared, target, &given));
        }
        let mut stored = Stored::default();
        if !self.program.policies_read || rows.len() < 2 {
            for target in rows {
                if let Some(row) = self.changed(assignments, &shared, target, &given)? {
                    self.store_in_turn(row, &mut stored)?;
                }
            }
            return self.settle(stored);
        }
        // Policies with subqueries must not see the statement's own changes, so all rows are computed before the first is stored (and
        // BEFORE triggers do not see them either, which they would in PostgreSQL).
        let mut pending = Vec::with_capacity(rows.len());
        let mut failure = None;
        for target in rows {
            match self.changed(assignments, &shared, target, &given) {
                Ok(Some(row)) => pending.push(row),
                Ok(None) => {}
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        for row in pending {
            self.store_in_turn(row, &mut stored)?;
        }
        self.settle(stored)?;
        failure.map_or(Ok(()), Err)
    }

    /// The payload's values, the same for every row. PostgreSQL joins the rows with all objects of an array; each row takes the first
    /// one's values, but all must be values of their columns.
    fn payload_values(
        &self,
        columns: &[i16],
        missing_default: bool,
        payload: Option<&[u8]>,
    ) -> Result<Vec<(usize, Value)>, SqlError> {
        let positions = columns.iter().map(|c| self.position(*c)).collect::<Result<Vec<_>, _>>()?;
        self.take_values(&positions, true)?;
        Ok(self.payload_rows(&positions, missing_default, payload)?.into_iter().next().unwrap_or_default())
    }

    /// The row with what is assigned to it.
    fn assigned_row(
        &self,
        assignments: &Assignments,
        shared: &[(usize, Value)],
        target: &TargetRow,
    ) -> Result<Vec<Value>, SqlError> {
        let mut new = target.old.clone();
        match assignments {
            Assignments::Payload { .. } => {
                for (at, value) in shared {
                    new[*at] = value.clone();
                }
            }
            Assignments::Computed(set) => {
                for (attnum, source) in set {
                    let at = self.position(*attnum)?;
                    let column = &self.program.table.columns[at];
                    new[at] = match self.sourced(source, &target.computed)? {
                        Some(value) => value,
                        None => self.default(column)?,
                    };
                    self.check_domains(&new[at], &column.input)?;
                }
            }
        }
        Ok(new)
    }

    /// A row of a view whose triggers change it.
    fn update_instead(
        &mut self,
        assignments: &Assignments,
        shared: &[(usize, Value)],
        target: &TargetRow,
        given: &[i16],
    ) -> Result<(), SqlError> {
        let new = self.assigned_row(assignments, shared, target)?;
        let Some(new) = self.fire_instead(Some(new), Some(&target.old))? else { return Ok(()) };
        self.refused_by_view(&new, Some(&target.old), given)?.map_or(Ok(()), Err)?;
        self.keep_returned(&new)?;
        self.changes.push(Change { new: Some(new), old: Some(target.old.clone()), doubtful: Vec::new() });
        Ok(())
    }

    /// The new row, checked. `None`: a trigger said no.
    fn changed(
        &self,
        assignments: &Assignments,
        shared: &[(usize, Value)],
        target: TargetRow,
        given: &[i16],
    ) -> Result<Option<Pending>, SqlError> {
        let new = self.assigned_row(assignments, shared, &target)?;
        let TargetRow { rowid, old, .. } = target;
        let Some(mut new) = self.fire_before(Some(new), Some(&old))? else { return Ok(None) };
        self.generate(&mut new, Some(&old))?;
        self.check_row(self.program.policy_checks.as_ref(), &new, Some(&old), given)?;
        let refused = self.refused_by_view(&new, Some(&old), given)?;
        Ok(Some(Pending { rowid, old, new, refused }))
    }

    /// Stores a row; one whose new key another row still holds waits until that one has moved.
    fn store_in_turn(&self, mut row: Pending, stored: &mut Stored) -> Result<(), SqlError> {
        match self.store_one(&row)? {
            None => {
                row.refused.take().map_or(Ok(()), Err)?;
                let doubtful = self.doubtful(&row.new, Some(&row.old))?;
                stored.order.push(Some((row, doubtful)));
            }
            Some(failure) => {
                stored.waiting.push((stored.order.len(), row, failure));
                stored.order.push(None);
            }
        }
        Ok(())
    }

    /// Stores the rows that waited; all stand in the order they came then.
    fn settle(&mut self, stored: Stored) -> Result<(), SqlError> {
        let Stored { mut order, mut waiting } = stored;
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut still = Vec::new();
            for (at, mut row, failure) in waiting {
                match self.store_one(&row)? {
                    None => {
                        row.refused.take().map_or(Ok(()), Err)?;
                        let doubtful = self.doubtful(&row.new, Some(&row.old))?;
                        order[at] = Some((row, doubtful));
                    }
                    Some(_) => still.push((at, row, failure)),
                }
            }
            if still.len() == before {
                let (_, row, failure) = &still[0];
                return Err(self.collision(&row.new, Some(row.rowid), failure)?);
            }
            waiting = still;
        }
        for (Pending { new, old, .. }, doubtful) in order.into_iter().flatten() {
            self.keep_returned(&new)?;
            self.changes.push(Change { new: Some(new), old: Some(old), doubtful });
        }
        Ok(())
    }

    /// Stores one row; a collision is given back, other failures are errors.
    fn store_one(&self, row: &Pending) -> Result<Option<Failure>, SqlError> {
        let stored = {
            let mut facts = self.row(&row.new);
            facts.old = Some(&row.old);
            facts.rowid = Some(row.rowid);
            let mut statement = bind::prepare(self.desk.connection, &self.program.store, self.facts, &facts)?;
            statement.step()
        };
        match stored {
            Ok(_) => Ok(None),
            Err(failure) if failure.is_unique() => Ok(Some(failure)),
            Err(failure) => Err(failure.to_sql()),
        }
    }

    /// Deletes row by row: a BEFORE trigger sees that the rows before are gone.
    pub(super) fn delete(&mut self) -> Result<(), SqlError> {
        for TargetRow { rowid, old, .. } in self.target_rows()? {
            if self.program.is_instead {
                if self.fire_instead(None, Some(&old))?.is_some() {
                    self.keep_returned(&old)?;
                    self.changes.push(Change { new: None, old: Some(old), doubtful: Vec::new() });
                }
                continue;
            }
            if self.fire_before(None, Some(&old))?.is_none() {
                continue;
            }
            self.keep_returned(&old)?;
            {
                let mut facts = Row::none(&self.program.table);
                facts.old = Some(&old);
                facts.rowid = Some(rowid);
                let mut statement = bind::prepare(self.desk.connection, &self.program.store, self.facts, &facts)?;
                statement.step()?;
            }
            self.changes.push(Change { new: None, old: Some(old), doubtful: Vec::new() });
        }
        Ok(())
    }
}
