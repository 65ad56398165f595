//! Row policies, NOT NULL and CHECK, and what their errors may show of a row.

use basalt_plan::program::{Checks, FailingRow};
use basalt_types::{SqlError, SqlState, Value, ValueRef, pg};

use super::Work;
use super::row::Row;
use crate::bind;

/// Longest value in a failing row's detail, characters. Source: PostgreSQL, `ExecBuildSlotValueDescription`, maxfieldlen.
const LONGEST_SHOWN: usize = 64;

impl Work<'_> {
    /// The error of the first condition that fails.
    pub(super) fn failed(&self, checks: Option<&Checks>, row: &Row<'_>) -> Result<Option<SqlError>, SqlError> {
        let Some(checks) = checks else { return Ok(None) };
        let mut statement = bind::prepare(self.desk.connection, &checks.test, self.facts, row)?;
        if !statement.step()? {
            return Err(SqlError::internal("a check gave no answer"));
        }
        match statement.column(0) {
            ValueRef::Null => Ok(None),
            ValueRef::Int(n) => {
                let error = usize::try_from(n).ok().and_then(|n| checks.errors.get(n)).cloned();
                Ok(Some(error.unwrap_or_else(|| SqlError::internal("a check failed that has no error"))))
            }
            _ => Err(SqlError::internal("a check gave an answer that is no number")),
        }
    }

    /// WITH CHECK, then NOT NULL in column order, then CHECK by name. `given`: the columns the statement gives values for.
    pub(super) fn check_row(
        &self,
        policies: Option<&Checks>,
        new: &[Value],
        old: Option<&[Value]>,
        given: &[i16],
    ) -> Result<(), SqlError> {
        let mut row = self.row(new);
        row.old = old;
        if let Some(error) = self.failed(policies, &row)? {
            return Err(error);
        }
        for attnum in &self.program.not_null {
            let at = self.position(*attnum)?;
            if new[at].is_null() {
                let table = &self.program.table;
                let column = &table.columns[at].name;
                let text =
                    format!("null value in column \"{column}\" of relation \"{}\" violates not-null constraint", table.name);
                return Err(self.with_row(SqlError::new(SqlState::NOT_NULL_VIOLATION, text), new, given));
            }
        }
        match self.failed(self.program.constraint_checks.as_ref(), &row)? {
            Some(error) => Err(self.with_row(error, new, given)),
            None => Ok(()),
        }
    }

    /// What the views that a row is written through have against it, to be raised once it is stored.
    pub(super) fn refused_by_view(
        &self,
        new: &[Value],
        old: Option<&[Value]>,
        given: &[i16],
    ) -> Result<Option<SqlError>, SqlError> {
        let mut row = self.row(new);
        row.old = old;
        let error = self.failed(self.program.view_checks.as_ref(), &row)?;
        Ok(error.map(|error| self.with_row(error, new, given)))
    }

    /// Adds `Failing row contains (…)`, as far as the caller may see the row.
    fn with_row(&self, error: SqlError, new: &[Value], given: &[i16]) -> SqlError {
        let columns = self.program.table.columns.iter().zip(new);
        match &self.program.failing_row {
            FailingRow::Hidden => error,
            FailingRow::All => {
                let values: Vec<String> = columns.map(|(c, v)| clipped(v, c.input.base)).collect();
                error.detail(format!("Failing row contains ({}).", values.join(", ")))
            }
            FailingRow::Columns(visible) => {
                let shown = columns.filter(|(c, _)| visible.contains(&c.attnum) || given.contains(&c.attnum));
                let (names, values): (Vec<&str>, Vec<String>) =
                    shown.map(|(c, v)| (c.name.as_str(), clipped(v, c.input.base))).unzip();
                if names.is_empty() {
                    return error;
                }
                error.detail(format!("Failing row contains ({}) = ({}).", names.join(", "), values.join(", ")))
            }
        }
    }
}

fn clipped(value: &Value, ty: basalt_types::TypeRef) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    let mut text = String::new();
    pg::text(value.as_ref(), ty, &mut text);
    // PostgreSQL counts bytes and cuts at a character's boundary.
    if text.len() > LONGEST_SHOWN {
        let mut end = LONGEST_SHOWN;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text
}
