//! Statements of SQL in a body, and those that it makes itself.

use std::rc::Rc;

use basalt_sql::tree::Statement as Written;
use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use super::code::{Execute, Into, Returns, Source};
use super::compile::syntax;
use super::held;
use super::prepare::{Action, Lazy, Prepared, Text, read};
use super::record::{Record, Shape};
use super::run::{Run, fitted};

/// A text that EXECUTE ran, with the types of its values.
pub(super) struct Dynamic {
    text: String,
    using: Vec<TypeRef>,
    statements: Vec<Lazy>,
}

/// Most such texts kept for a function.
const MOST_KEPT: usize = 32;

/// What a statement gave: its columns, rows as far as they were asked for, how many there were or were changed, and whether it was
/// a data change.
struct Outcome {
    shape: Rc<Shape>,
    rows: Vec<Vec<Value>>,
    count: u64,
    is_write: bool,
}

fn no_destination(is_select: bool) -> SqlError {
    let error = syntax("query has no destination for result data");
    if is_select { error.hint("If you want to discard the results of a SELECT, use PERFORM instead.") } else { error }
}

fn too_many_rows() -> SqlError {
    SqlError::new(SqlState::new(b"P0003"), "query returned more than one row")
        .hint("Make sure the query returns a single row, or use LIMIT 1.")
}

/// Rows with their shape, and how many bytes they count for.
type AllRows = (Rc<Shape>, Vec<Vec<Value>>, usize);

impl Run<'_> {
    /// Runs something prepared; reads at most so many rows.
    fn outcome(&mut self, prepared: &Prepared, using: &[Value], most: usize) -> Result<Outcome, SqlError> {
        let params = self.params(prepared, using);
        let shape = Rc::clone(&prepared.shape);
        match &prepared.action {
            Action::Read(ready) => {
                let mut rows = Vec::new();
                let mut held = std::mem::replace(&mut self.held, held::Held::new(0));
                let done = read(self.scene, ready, &params, |row| {
                    held.grow(held::row_size(&row))?;
                    rows.push(row);
                    Ok(rows.len() < most)
                });
                self.held = held;
                done?;
                Ok(Outcome { shape, count: rows.len() as u64, rows, is_write: false })
            }
            Action::Write(ready) => {
                let done = self.scene.run(ready, &params)?;
                let bytes = done.rows.iter().map(|row| held::row_size(row)).sum();
                self.held.grow(bytes)?;
                Ok(Outcome { shape, rows: done.rows, count: done.affected, is_write: true })
            }
            Action::Simple(_) | Action::Utility => Err(SqlError::internal("a statement became an expression")),
        }
    }

    fn let_go(&mut self, rows: &[Vec<Value>]) {
        self.held.shrink(rows.iter().map(|row| held::row_size(row)).sum());
    }

    pub(super) fn sql(&mut self, statement: &Lazy, into: Option<&Into>) -> Result<(), SqlError> {
        let prepared = statement.prepared(self.scene, self.code, self)?;
        if matches!(prepared.action, Action::Utility) {
            if into.is_some() {
                return Err(syntax("INTO used with a command that cannot return data"));
            }
            return self.utility(statement);
        }
        let gives = !prepared.shape.columns.is_empty();
        let is_select = matches!(prepared.action, Action::Read(_));
        match into {
            None if gives => Err(no_destination(is_select)),
            None => {
                let outcome = self.outcome(&prepared, &[], usize::MAX)?;
                self.row_count = outcome.count;
                self.set_found(outcome.count > 0);
                Ok(())
            }
            Some(_) if !gives => Err(syntax("INTO used with a command that cannot return data")),
            Some(into) => {
                // A second row is looked for where one is an error.
                let outcome = self.outcome(&prepared, &[], if into.strict { 2 } else { 1 })?;
                self.set_found(!outcome.rows.is_empty());
                self.row_count = if outcome.is_write { outcome.count } else { outcome.rows.len().min(1) as u64 };
                self.take_into(into, outcome, too_many_rows)
            }
        }
    }

    /// The first row goes to the targets.
    fn take_into(&mut self, into: &Into, outcome: Outcome, too_many: fn() -> SqlError) -> Result<(), SqlError> {
        if outcome.rows.len() > 1 && (into.strict || outcome.is_write) {
            return Err(too_many());
        }
        if outcome.rows.is_empty() && into.strict {
            return Err(SqlError::new(SqlState::NO_DATA_FOUND, "query returned no rows"));
        }
        self.let_go(&outcome.rows);
        let row = outcome.rows.into_iter().next();
        self.assign_targets(&into.targets, row, &outcome.shape)
    }

    pub(super) fn perform(&mut self, query: &Lazy) -> Result<(), SqlError> {
        let prepared = query.prepared(self.scene, self.code, self)?;
        let count = match &prepared.action {
            // Rows are counted, not kept.
            Action::Read(ready) => {
                let params = self.params(&prepared, &[]);
                let mut count = 0u64;
                read(self.scene, ready, &params, |_| {
                    count += 1;
                    Ok(true)
                })?;
                count
            }
            _ => {
                let outcome = self.outcome(&prepared, &[], usize::MAX)?;
                self.let_go(&outcome.rows);
                outcome.count
            }
        };
        self.row_count = count;
        self.set_found(count > 0);
        Ok(())
    }

    /// DDL and the like: where a migration runs, as the role whose rights count.
    fn utility(&mut self, statement: &Lazy) -> Result<(), SqlError> {
        let Text::Statement(written) = &statement.text else { return Err(SqlError::internal("an expression is no command")) };
        // A trigger's statement is under way on tables that it may name.
        let desk = self.scene.desk().filter(|desk| desk.may_change_schema() && self.code.rows.is_none());
        let Some(desk) = desk else {
            let what = basalt_sql::ddl::construct(written);
            return Err(SqlError::unsupported(format!("{what} in a function of a trigger or a request")));
        };
        crate::migrate::run_inside(desk, written, self.scene.role(), self.scene.search_path())?;
        self.row_count = 0;
        Ok(())
    }

    /// The statements of a command that the function makes, and the values given to it.
    fn command(&mut self, execute: &Execute) -> Result<(Rc<Dynamic>, Vec<Value>), SqlError> {
        let Some(text) = self.text(&execute.command)? else {
            return Err(SqlError::new(SqlState::NULL_NOT_ALLOWED, "query string argument of EXECUTE is null"));
        };
        let (mut values, mut using) = (Vec::new(), Vec::new());
        for value in &execute.using {
            let (value, ty) = self.value(value)?;
            values.push(value);
            using.push(ty);
        }
        let code = self.code;
        let known = code.dynamic.borrow().iter().find(|known| known.text == text && known.using == using).cloned();
        if let Some(known) = known {
            return Ok((known, values));
        }
        let parsed = basalt_sql::parse::file(&text).map_err(|e| SqlError::new(e.code, e.message))?;
        let statements = parsed.into_iter().map(|located| Lazy::dynamic(located.statement, using.clone())).collect();
        let made = Rc::new(Dynamic { text, using, statements });
        let mut kept = code.dynamic.borrow_mut();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.push(Rc::clone(&made));
        Ok((made, values))
    }

    pub(super) fn execute(&mut self, execute: &Execute, into: Option<&Into>) -> Result<(), SqlError> {
        let (command, using) = self.command(execute)?;
        self.row_count = 0;
        let mut last = None;
        for statement in &command.statements {
            self.tick()?;
            if matches!(&statement.text, Text::Statement(written) if matches!(**written, Written::Transaction { .. })) {
                let message = "EXECUTE of transaction commands is not implemented";
                return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, message));
            }
            let prepared = statement.prepared(self.scene, self.code, self)?;
            if matches!(prepared.action, Action::Utility) {
                self.utility(statement)?;
                continue;
            }
            let most = match into {
                Some(into) if into.strict => 2,
                Some(_) => 1,
                None => usize::MAX,
            };
            let outcome = self.outcome(&prepared, &using, most)?;
            self.row_count = outcome.count;
            if into.is_none() {
                self.let_go(&outcome.rows);
            } else {
                last = Some(outcome);
            }
        }
        let Some(into) = into else { return Ok(()) };
        match last {
            Some(outcome) if !outcome.shape.columns.is_empty() => {
                self.take_into(into, outcome, || SqlError::new(SqlState::new(b"P0003"), "query returned more than one row"))
            }
            _ => Err(syntax("INTO used with a command that cannot return data")),
        }
    }

    /// All rows of what a loop or RETURN QUERY is about, and how many bytes they count for.
    pub(super) fn all_rows(&mut self, source: &Source) -> Result<AllRows, SqlError> {
        let outcome = match source {
            Source::Statement(statement) => {
                let prepared = statement.prepared(self.scene, self.code, self)?;
                if prepared.shape.columns.is_empty() {
                    return Err(SqlError::new(SqlState::new(b"42P11"), "cannot open INSERT query as cursor"));
                }
                self.outcome(&prepared, &[], usize::MAX)?
            }
            Source::Execute(execute) => {
                let (command, using) = self.command(execute)?;
                let [statement] = command.statements.as_slice() else {
                    return Err(SqlError::new(SqlState::new(b"42P11"), "cannot open multi-query plan as cursor"));
                };
                let prepared = statement.prepared(self.scene, self.code, self)?;
                if prepared.shape.columns.is_empty() {
                    let written = match &statement.text {
                        Text::Statement(written) => basalt_sql::ddl::construct(written),
                        Text::Value(_) => String::new(),
                    };
                    return Err(SqlError::new(SqlState::new(b"42P11"), format!("cannot open {written} query as cursor")));
                }
                self.outcome(&prepared, &using, usize::MAX)?
            }
        };
        let bytes = outcome.rows.iter().map(|row| held::row_size(row)).sum();
        Ok((outcome.shape, outcome.rows, bytes))
    }

    pub(super) fn return_query(&mut self, source: &Source) -> Result<(), SqlError> {
        let (shape, rows, _) = self.all_rows(source)?;
        self.must_match(&shape)?;
        self.row_count = rows.len() as u64;
        self.set_found(!rows.is_empty());
        // What was counted for the rows stays: they are the function's result now.
        self.rows.extend(rows);
        Ok(())
    }

    /// A query's columns must be those of the result, type by type.
    fn must_match(&self, shape: &Shape) -> Result<(), SqlError> {
        let catalog = self.scene.catalog();
        let single;
        let wanted = match &self.code.returns {
            Returns::SetOfRows(wanted) => wanted.columns.as_slice(),
            Returns::SetOfScalars(ty) => {
                single = [(String::new(), *ty)];
                &single
            }
            _ => return Ok(()),
        };
        let refused = |detail: String| {
            let message = "structure of query does not match function result type";
            SqlError::new(SqlState::DATATYPE_MISMATCH, message).detail(detail)
        };
        if wanted.len() == 1 && wanted[0].1.oid == oid::RECORD {
            return Ok(());
        }
        for (at, ((_, given), (_, wanted))) in shape.columns.iter().zip(wanted).enumerate() {
            if given.oid != wanted.oid || (wanted.typmod >= 0 && given.typmod != wanted.typmod) {
                let (given, wanted) = (catalog.format_type(*given), catalog.format_type(*wanted));
                let at = at + 1;
                return Err(refused(format!("Returned type {given} does not match expected type {wanted} in column {at}.")));
            }
        }
        if shape.columns.len() != wanted.len() {
            return Err(refused(format!(
                "Number of returned columns ({}) does not match expected column count ({}).",
                shape.columns.len(),
                wanted.len()
            )));
        }
        Ok(())
    }

    pub(super) fn return_next(&mut self, value: Option<&Lazy>) -> Result<(), SqlError> {
        let Some(value) = value else {
            let row = self.outputs();
            self.held.grow(held::row_size(&row))?;
            self.rows.push(row);
            return Ok(());
        };
        match self.code.returns.clone() {
            Returns::SetOfScalars(ty) => {
                let row = vec![self.value_as(value, ty)?];
                self.held.grow(held::row_size(&row))?;
                self.rows.push(row);
                Ok(())
            }
            Returns::SetOfRows(shape) => {
                let record = match self.row(value)? {
                    Ok(record) => record,
                    Err((value, _)) if value.is_null() => None,
                    Err((value, ty)) => self.composite(value, ty, Some(&shape))?,
                };
                self.give_record(record.unwrap_or_else(|| Record::empty(&shape)))
            }
            _ => Ok(()),
        }
    }

    /// RETURN NEXT of a row.
    pub(super) fn give_record(&mut self, record: Record) -> Result<(), SqlError> {
        let row = match &self.code.returns {
            Returns::SetOfRows(shape) => {
                if record.shape.columns.len() != shape.columns.len() {
                    return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, "wrong record type supplied in RETURN NEXT").detail(
                        format!(
                            "Number of returned columns ({}) does not match expected column count ({}).",
                            record.shape.columns.len(),
                            shape.columns.len()
                        ),
                    ));
                }
                fitted(self.scene, record, shape)?.values
            }
            _ => {
                let message = "wrong result type supplied in RETURN NEXT";
                return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, message));
            }
        };
        self.held.grow(held::row_size(&row))?;
        self.rows.push(row);
        Ok(())
    }

    /// The values of OUT parameters, in order, as the result's columns have them.
    pub(super) fn outputs(&self) -> Vec<Value> {
        self.code.outputs.iter().map(|var| self.whole(*var)).collect()
    }

    /// A variable's value; of a record, as it is stored.
    pub(super) fn whole(&self, var: usize) -> Value {
        use super::run::Datum;
        match self.vars.get(var) {
            Some(Datum::Scalar(value)) => value.clone(),
            Some(Datum::Record(Some(record))) => Value::Text(record.object(&self.scene.catalog())),
            _ => Value::Null,
        }
    }

    /// A record as a function's one row.
    ///
    /// # Errors
    /// 42804 when its columns are not the result's.
    pub(super) fn fitted_result(&self, record: Record, shape: &Rc<Shape>) -> Result<Vec<Value>, SqlError> {
        if record.shape.columns.len() != shape.columns.len() {
            return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, "returned record type does not match expected record type")
                .detail(format!(
                    "Number of returned columns ({}) does not match expected column count ({}).",
                    record.shape.columns.len(),
                    shape.columns.len()
                )));
        }
        Ok(fitted(self.scene, record, shape)?.values)
    }
}
