//! Calls of users' functions from generated SQL.

use basalt_types::{SqlError, Value};

use super::{Call, Row};
use crate::routine::{self, Outcome, row};

fn outcome(call: &Call<'_>) -> Result<Outcome, SqlError> {
    let args: Vec<Value> = (1..call.len()).map(|at| call.arg(at).to_value()).collect();
    routine::call_by_oid(call.run, call.int(0), &args)
}

fn value(call: &Call<'_>) -> Result<Value, SqlError> {
    match outcome(call)? {
        Outcome::Value(value) => Ok(value),
        Outcome::Rows(_) => Err(SqlError::internal("a function gave rows where a value was asked for")),
    }
}

fn rows(call: &Call<'_>) -> Result<Value, SqlError> {
    match outcome(call)? {
        Outcome::Rows(rows) => row::rows_json(&rows).map(Value::Text),
        Outcome::Value(value) => row::rows_json(&[vec![value]]).map(Value::Text),
    }
}

/// `current_setting(name)`, `current_setting(name, missing_ok)`.
fn current_setting(call: &Call<'_>) -> Result<Value, SqlError> {
    match (call.arg(0), call.arg(1)) {
        (basalt_types::ValueRef::Text(name), missing_ok) => {
            routine::current_setting(call.run, name, matches!(missing_ok, basalt_types::ValueRef::Int(n) if n != 0))
        }
        _ => Ok(Value::Null),
    }
}

/// `set_config(name, value, is_local)`.
fn set_config(call: &Call<'_>) -> Result<Value, SqlError> {
    let basalt_types::ValueRef::Text(name) = call.arg(0) else {
        return super::refuse(basalt_types::SqlState::NULL_NOT_ALLOWED, "SET requires parameter name");
    };
    // NULL is the setting's default, which is nothing.
    let value = call.text(1).to_owned();
    routine::set_config(call.run, name, value.clone())?;
    Ok(Value::Text(value))
}

pub(super) const TABLE: &[Row] = &[
    ("current_setting", current_setting),
    ("set_config", set_config),
    ("basalt_call", value),
    ("basalt_rows", rows),
    ("basalt_row", |call| Ok(row::write((0..call.len()).map(|at| call.arg(at))))),
];
