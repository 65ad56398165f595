//! Where an insert's rows come from: VALUES, a query, the request's payload; defaults; domains.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use basalt_plan::program::{ColumnFacts, DefaultValue, InputType, Source, ValueSource};
use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState, Value, pg};
use serde_json::value::RawValue;

use super::row::Row;
use super::{Work, kept};
use crate::bind::{self, NoRow};
use crate::compile;

/// The values a statement gives for one row: by column position; the rest takes defaults.
pub(super) type Given = Vec<(usize, Value)>;

/// One object of a payload: raw JSON by key.
type Object<'p> = HashMap<String, &'p RawValue>;

/// The elements of a payload: it alone, or those of an array.
///
/// # Errors
/// 22P02 for what is no JSON array; surfaces have refused that already.
fn elements(payload: Option<&[u8]>) -> Result<Vec<&str>, SqlError> {
    let bytes = payload.ok_or_else(|| SqlError::internal("a write without its payload"))?;
    let text = std::str::from_utf8(bytes)
        .map_err(|_| SqlError::new(SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\""))?;
    if text.trim_start().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| no_json())?;
        Ok(elements.into_iter().map(RawValue::get).collect())
    } else {
        Ok(vec![text])
    }
}

impl Work<'_> {
    /// What a payload says of some columns (by position), row by row: NULL where it says nothing. `missing_default`: defaults there, as
    /// PostgREST merges jsonb documents, so that each default is computed for each object, `1e3` is read as `1000` and a document loses
    /// its doubled keys. All of it is read before any row is written.
    ///
    /// # Errors
    /// 428C9 for a column that takes no value, 22023 for what is no object, and those of the values, in the order of the objects.
    pub(super) fn payload_rows(
        &self,
        positions: &[usize],
        missing_default: bool,
        payload: Option<&[u8]>,
    ) -> Result<Vec<Given>, SqlError> {
        let columns = &self.program.table.columns;
        let is_merged = missing_default && positions.iter().any(|at| self.is_merged_with(&columns[*at]));
        let elements = elements(payload)?;
        let mut defaults: Vec<Given> = Vec::new();
        if is_merged {
            let merged = |at: &&usize| self.is_merged_with(&columns[**at]);
            let one = |at: &usize| Ok((*at, self.merged_default(&columns[*at])?));
            let all = || positions.iter().filter(merged).map(one).collect::<Result<Given, SqlError>>();
            defaults = elements.iter().map(|_| all()).collect::<Result<_, _>>()?;
        }
        let mut rows = Vec::with_capacity(elements.len());
        for (number, element) in elements.into_iter().enumerate() {
            let wrong = |error: serde_json::Error| if error.is_data() { no_object(is_merged) } else { no_json() };
            let object: Object<'_> = serde_json::from_str(element).map_err(wrong)?;
            let mut given = Given::with_capacity(positions.len());
            for at in positions {
                let column = &columns[*at];
                let value = match object.get(self.key_of(column)) {
                    Some(raw) => value_of(raw, self.key_of(column), column, is_merged)?,
                    None => {
                        let of_row = defaults.get_mut(number).and_then(|row| row.iter_mut().find(|(a, _)| a == at));
                        of_row.map_or(Value::Null, |(_, value)| std::mem::replace(value, Value::Null))
                    }
                };
                self.check_domains(&value, &column.input)?;
                given.push((*at, value));
            }
            rows.push(given);
        }
        Ok(rows)
    }

    /// What a payload calls a column: a view may call it otherwise.
    fn key_of<'s>(&'s self, column: &'s ColumnFacts) -> &'s str {
        let keys = self.program.through.iter().flat_map(|through| &through.keys);
        keys.filter(|(attnum, _)| *attnum == column.attnum).map(|(_, key)| key.as_str()).next().unwrap_or(&column.name)
    }

    /// Whether a column has a default that bodies are merged with: one that is GENERATED ALWAYS has none.
    fn is_merged_with(&self, column: &ColumnFacts) -> bool {
        let is_always = column.is_generated || column.is_always_identity;
        !is_always && self.is_defaulted(column) && !matches!(column.default, DefaultValue::Null)
    }

    /// Whether a key that is missing in a payload may take the column's default: of a view's column only the view's own counts.
    pub(super) fn is_defaulted(&self, column: &ColumnFacts) -> bool {
        self.program.through.as_ref().is_none_or(|through| through.defaulted.contains(&column.attnum))
    }

    /// 428C9 unless a payload may give these columns values.
    pub(super) fn take_values(&self, positions: &[usize], is_update: bool) -> Result<(), SqlError> {
        let columns = positions.iter().filter_map(|at| self.program.table.columns.get(*at));
        columns.into_iter().try_for_each(|c| takes_value(&c.name, c.is_generated, c.is_always_identity, is_update))
    }

    /// A default as it comes out of a merged jsonb document.
    fn merged_default(&self, column: &ColumnFacts) -> Result<Value, SqlError> {
        if let DefaultValue::Sequence { named_denied: Some(error), .. } = &column.default {
            return Err(error.clone());
        }
        Ok(match self.default(column)? {
            Value::Text(text) if matches!(column.input.base.oid, oid::JSON | oid::JSONB) => {
                let text = pg::jsonb_normalise(&text)?;
                // A member that is null is read as NULL.
                if text == "null" { Value::Null } else { Value::Text(text) }
            }
            value => value,
        })
    }

    /// All rows of an insert, before defaults.
    pub(super) fn given_rows(&self, source: &Source, payload: Option<&[u8]>) -> Result<Vec<Given>, SqlError> {
        match source {
            Source::Values(rows) => rows.iter().map(|row| self.given_values(row)).collect(),
            Source::Query { query, columns } => {
                let positions = columns.iter().map(|c| self.position(*c)).collect::<Result<Vec<_>, _>>()?;
                let rows = self.rows(query, &NoRow)?;
                Ok(rows.into_iter().map(|row| positions.iter().copied().zip(row).collect()).collect())
            }
            Source::Payload { columns, missing_default } => {
                let positions = columns.iter().map(|c| self.position(*c)).collect::<Result<Vec<_>, _>>()?;
                self.take_values(&positions, false)?;
                self.payload_rows(&positions, *missing_default, payload)
            }
        }
    }

    fn given_values(&self, row: &basalt_plan::program::ValuesRow) -> Result<Given, SqlError> {
        let computed = match &row.compute {
            Some(compiled) => self.first(compiled, &NoRow)?.unwrap_or_default(),
            None => Vec::new(),
        };
        let mut given = Given::with_capacity(row.values.len());
        for (attnum, source) in &row.values {
            let at = self.position(*attnum)?;
            if let Some(value) = self.sourced(source, &computed)? {
                given.push((at, value));
            }
        }
        Ok(given)
    }

    /// The value a source names; `None` for DEFAULT.
    pub(super) fn sourced(&self, source: &ValueSource, computed: &[Value]) -> Result<Option<Value>, SqlError> {
        Ok(match source {
            ValueSource::Default => None,
            ValueSource::Bind(bind) => Some(bind::value(bind, self.facts, &NoRow)?.into_owned()),
            ValueSource::Column(n) => {
                let value = computed.get(usize::from(*n)).ok_or_else(|| SqlError::internal("a computed value is missing"))?;
                Some(value.clone())
            }
        })
    }

    /// A column's default.
    pub(super) fn default(&self, column: &ColumnFacts) -> Result<Value, SqlError> {
        let services = &self.desk.shared.services;
        Ok(match &column.default {
            DefaultValue::Null => Value::Null,
            DefaultValue::Bind(bind) => bind::value(bind, self.facts, &NoRow)?.into_owned(),
            DefaultValue::RandomUuid => Value::Text(services.rng.uuid().to_string()),
            DefaultValue::Sequence { denied: Some(error), .. } => return Err(error.clone()),
            DefaultValue::Sequence { sequence, .. } => Value::Int(services.sequences.next(*sequence)?),
            DefaultValue::Expr(compiled) => self.scalar(compiled, &NoRow)?,
        })
    }

    /// A whole row: what was given, defaults for the rest. Refuses values where PostgreSQL refuses them.
    pub(super) fn complete(&self, given: Given, overriding_system: Option<bool>) -> Result<Vec<Value>, SqlError> {
        let columns = &self.program.table.columns;
        let mut row: Vec<Option<Value>> = vec![None; columns.len()];
        for (at, value) in given {
            let column = &columns[at];
            let is_always = column.is_always_identity && overriding_system.is_none();
            takes_value(&column.name, column.is_generated, is_always, false)?;
            // OVERRIDING USER VALUE: what was given for an identity column is ignored.
            if overriding_system == Some(false) && matches!(column.default, DefaultValue::Sequence { .. }) {
                continue;
            }
            row[at] = Some(value);
        }
        let mut complete = Vec::with_capacity(columns.len());
        for (value, column) in row.into_iter().zip(columns) {
            let value = match value {
                Some(value) => value,
                None if column.is_generated => Value::Null,
                None => self.default(column)?,
            };
            self.check_domains(&value, &column.input)?;
            complete.push(value);
        }
        Ok(complete)
    }

    /// What a column's domains demand of a value, innermost first; of its elements for an array.
    pub(super) fn check_domains(&self, value: &Value, input: &InputType) -> Result<(), SqlError> {
        if input.domains.is_empty() {
            return Ok(());
        }
        if let (Value::Text(text), Some(element)) = (value, pg::element(input.base.oid))
            && pg::builtin(input.declared.oid).is_none()
        {
            for element in pg::array_values(text, element)? {
                self.check_domain_value(&element, input)?;
            }
            return Ok(());
        }
        self.check_domain_value(value, input)
    }

    fn check_domain_value(&self, value: &Value, input: &InputType) -> Result<(), SqlError> {
        let catalog = self.desk.catalog();
        for rule in &input.domains {
            if rule.not_null && value.is_null() {
                return Err(SqlError::new(
                    SqlState::NOT_NULL_VIOLATION,
                    format!("domain {} does not allow null values", rule.name),
                ));
            }
            if !rule.has_checks {
                continue;
            }
            let checks = kept::of(
                &catalog,
                |kept| &mut kept.domains,
                rule.domain.0,
                || Ok(compile::domain_checks(rule.domain, &catalog, self.desk.expressions())?.map(Rc::new)),
            )?;
            if let Some(checks) = checks {
                let mut row = Row::none(&self.program.table);
                row.value = Some(value);
                if let Some(error) = self.failed(Some(&checks), &row)? {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Whether an insert or an update may give a column a value.
///
/// # Errors
/// 428C9 for GENERATED ALWAYS.
pub(crate) fn takes_value(name: &str, is_generated: bool, is_always: bool, is_update: bool) -> Result<(), SqlError> {
    if !is_generated && !is_always {
        return Ok(());
    }
    let message = if is_update {
        format!("column \"{name}\" can only be updated to DEFAULT")
    } else {
        format!("cannot insert a non-DEFAULT value into column \"{name}\"")
    };
    let kind = if is_generated { "a generated column" } else { "an identity column defined as GENERATED ALWAYS" };
    let error = SqlError::new(SqlState::GENERATED_ALWAYS, message).detail(format!("Column \"{name}\" is {kind}."));
    Err(if is_generated || is_update { error } else { error.hint("Use OVERRIDING SYSTEM VALUE to override.") })
}

/// A value of a payload as a column's.
fn value_of(raw: &RawValue, key: &str, column: &ColumnFacts, is_merged: bool) -> Result<Value, SqlError> {
    let text = if is_merged { Cow::Owned(pg::jsonb_normalise(raw.get())?) } else { Cow::Borrowed(raw.get()) };
    let value = pg::from_json_key(&text, column.input.base, Some(key))?;
    bind::check_labels(&value, &column.input)?;
    Ok(value)
}

fn no_json() -> SqlError {
    SqlError::new(SqlState::INVALID_TEXT, "invalid input syntax for type json")
}

/// 22023 for an element of a payload that is no object.
fn no_object(is_merged: bool) -> SqlError {
    let function = if is_merged { "jsonb_to_recordset" } else { "json_to_recordset" };
    SqlError::new(SqlState::INVALID_PARAMETER, format!("argument of {function} must be an array of objects"))
}
