//! A function called over the API: its arguments become values, its rows what the read behind it shows.

use std::borrow::Cow;
use std::collections::HashMap;

use basalt_engine::{Answer, Run, RunError};
use basalt_plan::plan::{CallResult, Count, Output};
use basalt_plan::program::{Bind, CallProgram, CallValue, InputType};
use basalt_types::{SqlError, SqlState, TypeRef, Value, ValueRef, pg};
use bytes::Bytes;
use serde_json::value::RawValue;

use crate::bind::{self, Facts, NoRow, RowFacts};
use crate::connection::Connection;
use crate::encode::{Encoder, strip};
use crate::programs::{ReadyRead, Shapes};
use crate::readers::answer::{too_long, write_rows};
use crate::write::rows_text;

/// The rows of the call, for the read of them.
struct Called(Value);

impl RowFacts for Called {
    fn value(&self, bind: &Bind) -> Option<Cow<'_, Value>> {
        matches!(bind, Bind::Written).then_some(Cow::Borrowed(&self.0))
    }
}

/// Calls, reads, and makes the answer.
///
/// # Errors
/// What an argument, the function or the read of its rows ends with; when the number of rows is not what was promised.
pub(crate) fn answer(
    connection: &Connection,
    run: &Run,
    ready: &ReadyRead,
    call: &CallProgram,
    facts: &Facts<'_>,
    buffer: &mut Vec<u8>,
) -> Result<Answer, RunError> {
    bind::check_literals(&ready.program.rows, facts)?;
    let called = Called(Value::Text(rows_text(&rows(connection, run, call, facts)?)));
    let is_object = matches!(run.plan.output, Output::Object { .. });
    let count = {
        let mut statement = bind::prepare(connection, &ready.program.rows, facts, &called)?;
        match run.plan.output {
            Output::Array { strip_nulls } | Output::Object { strip_nulls } => {
                let limit = run.limits.max_response_bytes;
                json(&mut statement, &ready.shapes, (call.result, is_object, strip_nulls), limit, buffer)?
            }
            output => write_rows(&mut statement, &ready.shapes, output, run.limits.max_response_bytes, buffer)?,
        }
    };
    let rows = if call.result.is_single() { 1 } else { count };
    let total = match &ready.program.count {
        Some(compiled) if run.plan.count != Count::None => {
            let mut statement = bind::prepare(connection, compiled, facts, &called)?;
            let found = statement.step().map_err(|failure| failure.to_sql())?;
            match statement.column(0) {
                ValueRef::Int(n) if found => u64::try_from(n).ok(),
                _ => None,
            }
        }
        _ => None,
    };
    if is_object && rows != 1 {
        return Err(RunError::NotSingular(rows));
    }
    match run.plan.max_affected {
        Some(most) if rows > most => return Err(RunError::TooManyAffected(rows)),
        _ => {}
    }
    Ok(Answer { body: Bytes::copy_from_slice(buffer), rows, total, ..Answer::default() })
}

/// The function's rows, in storage form.
fn rows(connection: &Connection, run: &Run, call: &CallProgram, facts: &Facts<'_>) -> Result<Vec<Vec<Value>>, SqlError> {
    let payload = run.payload.as_deref().unwrap_or_default();
    let mut object: HashMap<String, &RawValue> = HashMap::new();
    if call.values.iter().any(|value| matches!(value, CallValue::Key { .. })) {
        let text = std::str::from_utf8(payload)
            .map_err(|_| SqlError::new(SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\""))?;
        match first(text, call.first_of_array)? {
            Some(found) => object = found,
            None => return Ok(Vec::new()),
        }
    }
    let values = call.values.iter().map(|value| argument(value, &object, payload, facts)).collect::<Result<Vec<_>, _>>()?;
    let facts = Facts { params: &values, ..*facts };
    let mut statement = bind::prepare(connection, &call.rows, &facts, &NoRow)?;
    let mut rows = Vec::new();
    while statement.step()? {
        rows.push(statement.row());
    }
    Ok(rows)
}

/// The object whose keys are the arguments.
fn first(text: &str, is_array: bool) -> Result<Option<HashMap<String, &RawValue>>, SqlError> {
    let wrong = |_| SqlError::new(SqlState::INVALID_TEXT, "invalid input syntax for type json");
    if !is_array {
        return serde_json::from_str(text).map(Some).map_err(wrong);
    }
    pg::input(text, TypeRef::of(pg::oid::JSON))?;
    let elements: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|_| SqlError::new(SqlState::INVALID_PARAMETER, "cannot call json_to_recordset on a scalar"))?;
    let Some(element) = elements.first() else { return Ok(None) };
    let not_an_object =
        |_| SqlError::new(SqlState::INVALID_PARAMETER, "argument of json_to_recordset must be an array of objects");
    serde_json::from_str(element.get()).map(Some).map_err(not_an_object)
}

fn argument(
    value: &CallValue,
    object: &HashMap<String, &RawValue>,
    payload: &[u8],
    facts: &Facts<'_>,
) -> Result<Value, SqlError> {
    match value {
        CallValue::Bind(bound) => Ok(bind::value(bound, facts, &NoRow)?.into_owned()),
        CallValue::Key { name, ty } => {
            let Some(raw) = object.get(name) else { return Ok(Value::Null) };
            checked(pg::from_json_key(raw.get(), ty.base, Some(name))?, ty)
        }
        CallValue::Payload(ty) => {
            let text = std::str::from_utf8(payload)
                .map_err(|_| SqlError::new(SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\""))?;
            bind::read(text, ty, facts.now)
        }
    }
}

fn checked(value: Value, ty: &InputType) -> Result<Value, SqlError> {
    bind::check_labels(&value, ty)?;
    Ok(value)
}

/// The result as JSON: a value or row alone, or a list of them. Answers how many rows there were.
fn json(
    statement: &mut crate::connection::statement::Statement,
    shapes: &Shapes,
    (result, is_object, strip_nulls): (CallResult, bool, bool),
    limit: usize,
    buffer: &mut Vec<u8>,
) -> Result<u64, SqlError> {
    let fallback;
    let encoder = match shapes.0.first() {
        Some(encoder) => encoder,
        None => {
            fallback = Encoder::new(&basalt_plan::program::Shape::default());
            &fallback
        }
    };
    let is_value = matches!(result, CallResult::Scalar | CallResult::Void) || result == CallResult::Scalars && !is_object;
    let is_one = result.is_single() || is_object;
    let start = buffer.len();
    buffer.extend_from_slice(if is_one { b"" } else { b"[" });
    let mut count = 0u64;
    while statement.step()? {
        count += 1;
        // Only the first is shown where there is to be one; the others are counted.
        if is_one && count > 1 {
            continue;
        }
        if count > 1 {
            buffer.extend_from_slice(if is_value { b", " } else { encoder.separator() });
        }
        if is_value {
            encoder.write_first(&*statement, buffer);
        } else {
            encoder.write(&*statement, buffer);
        }
        if buffer.len() > limit {
            return Err(too_long(limit));
        }
    }
    if is_one && count == 0 {
        buffer.extend_from_slice(b"null");
    }
    buffer.extend_from_slice(if is_one { b"" } else { b"]" });
    if strip_nulls {
        let stripped = strip::strip_nulls(buffer.get(start..).unwrap_or_default());
        buffer.truncate(start);
        buffer.extend_from_slice(&stripped);
    }
    Ok(count)
}
