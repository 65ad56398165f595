//! PL/pgSQL: an interpreter over its own grammar.
//!
//! A body is compiled once for a function, role, search path and catalog ([`compile`] makes [`code`]); its SQL is analysed, guarded and
//! compiled when it first runs, with variables as parameters ([`prepare`], [`scope`]), as PostgreSQL does. [`run`] holds the variables and
//! runs statements; [`loops`], [`sql`], [`raise`] and [`element`] have their kinds. Expressions of integers and conditions need no statement
//! of SQLite: [`simple`].
//!
//! Everything that touches rows goes through [`crate::routine::Scene`]: the same guard, grants, policies and authorizer as any statement,
//! for the role whose rights count. A text given to EXECUTE is parsed and guarded the same way. Bounds: time and steps of the request
//! ([`run::Run::tick`]), depth ([`crate::routine::Scene::inside`]), memory ([`held`]).
//!
//! To add a statement: a [`code::Step`], its compilation in [`compile`], its run.

mod check;
mod code;
mod compile;
mod conditions;
mod element;
mod held;
mod kept;
mod loops;
mod prepare;
mod raise;
mod record;
mod run;
mod savepoint;
mod scope;
mod simple;
mod sql;

use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::{Catalog, Function, Relation, Trigger, TriggerTiming};
use basalt_types::pg::{self, oid};
use basalt_types::{SqlError, SqlState, Value};

use crate::routine::{Outcome, Scene, row};
use code::{Code, Returns, VarKind};
use compile::Subject;
use record::Record;
use run::{Flow, Returned, Run};

pub(crate) use check::{check_function, check_trigger};

fn no_return(of_trigger: bool) -> SqlError {
    let what = if of_trigger { "trigger procedure" } else { "function" };
    SqlError::new(SqlState::new(b"2F005"), format!("control reached end of {what} without RETURN"))
}

/// Runs a function: the [`crate::routine::Language`] `plpgsql`.
///
/// # Errors
/// What compiling and running it ends with.
pub(crate) fn call(scene: &Scene<'_>, function: &Arc<Function>, args: &[Value]) -> Result<Outcome, SqlError> {
    let catalog = scene.catalog();
    let code = kept::of(scene, &catalog, function.oid, None, || {
        compile::code(&Subject::Function(function), &catalog, scene.search_path())
    })?;
    let mut run = Run::new(scene, &code);
    let inputs = function.args.iter().enumerate().filter(|(_, arg)| {
        matches!(arg.mode, basalt_catalog::ArgMode::In | basalt_catalog::ArgMode::InOut | basalt_catalog::ArgMode::Variadic)
    });
    for ((var, _), value) in inputs.zip(args) {
        run.take_argument(var, value)?;
    }
    let flow = run.body()?;
    let Run { returned, rows, .. } = &mut run;
    let (returned, rows) = (std::mem::replace(returned, Returned::Nothing), std::mem::take(rows));
    Ok(match (&code.returns, returned) {
        (Returns::SetOfRows(_) | Returns::SetOfScalars(_), _) => Outcome::Rows(rows),
        // `void` prints as nothing; unlike in SQL, it is not NULL.
        (Returns::Nothing, _) => Outcome::Value(Value::Text(String::new())),
        (Returns::Scalar(_), Returned::Value(value)) => Outcome::Value(value),
        (Returns::Scalar(_), _) if !code.outputs.is_empty() => {
            Outcome::Value(run.outputs().into_iter().next().unwrap_or(Value::Null))
        }
        (Returns::Row(shape), Returned::Row(record)) => Outcome::Rows(match (record, shape) {
            (None, _) => Vec::new(),
            (Some(record), Some(shape)) => vec![run.fitted_result(record, shape)?],
            (Some(record), None) => vec![record.values],
        }),
        (Returns::Row(_), _) if !code.outputs.is_empty() => Outcome::Rows(vec![run.outputs()]),
        _ if flow == Flow::Return => Outcome::Value(Value::Null),
        _ => return Err(no_return(false)),
    })
}

/// What a trigger is fired for.
pub(crate) struct Firing<'a> {
    /// The table.
    pub(crate) relation: &'a Relation,
    /// The trigger.
    pub(crate) trigger: &'a Trigger,
    /// `INSERT`, `UPDATE`, `DELETE` or `TRUNCATE`.
    pub(crate) event: &'static str,
    /// The row as it is to be.
    pub(crate) new: Option<&'a [Value]>,
    /// The row as it was.
    pub(crate) old: Option<&'a [Value]>,
    /// Transition tables: their names, and rows as [`rows_text`] makes them.
    pub(crate) tables: Vec<(String, Rc<str>)>,
}

/// What a trigger said.
pub(crate) enum Fired {
    /// Its WHEN does not hold: everything goes on as it is.
    Not,
    /// NULL: nothing happens to the row.
    Null,
    /// The row to go on with.
    Row(Vec<Value>),
}

/// Runs a trigger. The scene has the role and search path of its function.
///
/// # Errors
/// What compiling and running its function ends with.
pub(crate) fn fire(scene: &Scene<'_>, function: &Arc<Function>, firing: &Firing<'_>) -> Result<Fired, SqlError> {
    let catalog = scene.catalog();
    let Firing { relation, trigger, event, new, old, tables } = firing;
    let subject = Subject::Trigger(function, Some((relation, trigger)));
    let code = kept::of(scene, &catalog, function.oid, Some((relation.oid, &trigger.name)), || {
        compile::code(&subject, &catalog, scene.search_path())
    })?;
    let mut run = Run::new(scene, &code);
    let Some(rows) = code.rows else { return Err(SqlError::internal("a trigger's code has no rows")) };
    for (var, row) in [(rows.0, new), (rows.1, old)] {
        run.take_row(var, *row)?;
    }
    let schema = catalog.schema_name(relation.schema);
    let when = match trigger.timing {
        TriggerTiming::Before => "BEFORE",
        TriggerTiming::After => "AFTER",
        TriggerTiming::InsteadOf => "INSTEAD OF",
    };
    let args = trigger.args.iter().map(|arg| Value::from(arg.as_str()));
    let facts = [
        Value::from(trigger.name.as_str()),
        Value::from(when),
        Value::from(if trigger.for_each_row { "ROW" } else { "STATEMENT" }),
        Value::from(*event),
        Value::Int(i64::from(relation.oid)),
        Value::from(relation.name.as_str()),
        Value::from(relation.name.as_str()),
        Value::from(schema),
        Value::Int(i64::try_from(trigger.args.len()).unwrap_or(0)),
        Value::Text(pg::array_from_values(args, oid::TEXT)),
    ];
    // They stand behind NEW and OLD.
    for (var, value) in (rows.1 + 1..).zip(facts) {
        run.set_plain(var, value)?;
    }
    for (table, (_, rows)) in code.tables.iter().zip(tables) {
        run.set_plain(table.var, Value::Text(rows.to_string()))?;
    }
    if let Some(when) = &code.when
        && !run.condition(when)?
    {
        return Ok(Fired::Not);
    }
    let flow = run.body()?;
    match std::mem::replace(&mut run.returned, Returned::Nothing) {
        Returned::Row(None) => Ok(Fired::Null),
        Returned::Row(Some(record)) => returned_row(&run, &code, record, rows.0).map(Fired::Row),
        _ if flow == Flow::Return => Ok(Fired::Null),
        _ => Err(no_return(true)),
    }
}

/// The returned row as one of the table's.
fn returned_row(run: &Run<'_>, code: &Code, record: Record, new: usize) -> Result<Vec<Value>, SqlError> {
    let VarKind::Record(Some(shape)) = &code.vars[new].kind else { return Ok(record.values) };
    if record.shape.columns.len() != shape.columns.len() {
        let message = "returned row structure does not match the structure of the triggering table";
        return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, message).detail(format!(
            "Number of returned columns ({}) does not match expected column count ({}).",
            record.shape.columns.len(),
            shape.columns.len()
        )));
    }
    Ok(run::fitted(run.scene, record, shape)?.values)
}

/// Runs the body of a DO block.
///
/// # Errors
/// What compiling and running it ends with.
pub(crate) fn anonymous(scene: &Scene<'_>, body: &str) -> Result<(), SqlError> {
    let catalog = scene.catalog();
    let code = compile::code(&Subject::Block(body), &catalog, scene.search_path())?;
    Run::new(scene, &code).body().map(drop)
}

impl Run<'_> {
    /// An argument's value.
    fn take_argument(&mut self, var: usize, value: &Value) -> Result<(), SqlError> {
        let code = self.code;
        match &code.vars[var].kind {
            VarKind::Scalar(_) => self.set_plain(var, value.clone()),
            VarKind::Record(shape) => {
                let record = match shape {
                    Some(shape) if !value.is_null() => {
                        let values = row::read(value, shape.columns.len())?;
                        Some(Record { shape: Rc::clone(shape), values })
                    }
                    _ => None,
                };
                self.set_record(var, record)
            }
        }
    }

    /// NEW or OLD. Who has none sees one of NULLs.
    fn take_row(&mut self, var: usize, row: Option<&[Value]>) -> Result<(), SqlError> {
        let VarKind::Record(Some(shape)) = &self.code.vars[var].kind else { return Ok(()) };
        match row {
            Some(values) => {
                let record = Record { shape: Rc::clone(shape), values: values.to_vec() };
                self.set_record(var, Some(record))
            }
            None => self.set_record(var, None),
        }
    }
}

/// Rows of a relation as a JSON array of arrays of texts, as transition tables are read from.
pub(crate) fn rows_text<'r>(catalog: &Catalog, relation: &Relation, rows: impl Iterator<Item = &'r [Value]>) -> String {
    let mut out = Vec::from(*b"[");
    for (at, values) in rows.enumerate() {
        out.extend_from_slice(if at > 0 { b",[" } else { b"[" });
        for (at, (column, value)) in relation.columns.iter().zip(values).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match record::text(catalog, value, column.type_ref()) {
                Some(text) => pg::write_json_string(&text, &mut out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b']');
    }
    out.push(b']');
    String::from_utf8(out).unwrap_or_default()
}
