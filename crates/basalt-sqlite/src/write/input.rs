//! Where an insert's rows come from: VALUES, a query, the request's payload; defaults; domains.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use basalt_plan::program::{ColumnFacts, DefaultValue, InputType, Source, ValueSource};
use basalt_types::{SqlError, SqlState, Value, pg};
use serde_json::value::RawValue;

use super::row::Row;
use super::{Work, kept};
use crate::bind::{self, NoRow};
use crate::compile;

/// The values a statement gives for one row: by column position; the rest takes defaults.
pub(super) type Given = Vec<(usize, Value)>;

/// One object of a payload: raw JSON by key.
pub(super) type Object<'p> = HashMap<String, &'p RawValue>;

/// The objects of a payload: one, or those of an array.
///
/// # Errors
/// 22P02 for what is neither; surfaces have refused that already.
pub(super) fn objects(payload: Option<&[u8]>) -> Result<Vec<Object<'_>>, SqlError> {
    let bytes = payload.ok_or_else(|| SqlError::internal("a write without its payload"))?;
    let text = std::str::from_utf8(bytes)
        .map_err(|_| SqlError::new(SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\""))?;
    let wrong = |_| SqlError::new(SqlState::INVALID_TEXT, "invalid input syntax for type json");
    if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(wrong)
    } else {
        Ok(vec![serde_json::from_str(text).map_err(wrong)?])
    }
}

impl Work<'_> {
    /// What a payload's object says of a column: `None` when the key is absent. `is_merged`: with defaults for what is missing. There
    /// PostgREST merges jsonb documents, so that `1e3` is read as `1000` and a document loses its doubled keys.
    pub(super) fn object_value(
        &self,
        object: &Object<'_>,
        column: &ColumnFacts,
        is_merged: bool,
    ) -> Result<Option<Value>, SqlError> {
        let key = self.key_of(column);
        let Some(raw) = object.get(key) else { return Ok(None) };
        let text = if is_merged { Cow::Owned(pg::jsonb_normalise(raw.get())?) } else { Cow::Borrowed(raw.get()) };
        let value = pg::from_json_key(&text, column.input.base, Some(key))?;
        bind::check_labels(&value, &column.input)?;
        Ok(Some(value))
    }

    /// What a payload calls a column: a view may call it otherwise.
    fn key_of<'s>(&'s self, column: &'s ColumnFacts) -> &'s str {
        let keys = self.program.through.iter().flat_map(|through| &through.keys);
        keys.filter(|(attnum, _)| *attnum == column.attnum).map(|(_, key)| key.as_str()).next().unwrap_or(&column.name)
    }

    /// Whether a body is merged with defaults: when that is asked for and any of its columns has one.
    pub(super) fn merges(&self, missing_default: bool, positions: &[usize]) -> bool {
        let has_default = |column: &ColumnFacts| self.is_defaulted(column) && !matches!(column.default, DefaultValue::Null);
        missing_default && positions.iter().any(|at| has_default(&self.program.table.columns[*at]))
    }

    /// Whether a key that is missing in a payload may take the column's default: of a view's column only the view's own counts.
    pub(super) fn is_defaulted(&self, column: &ColumnFacts) -> bool {
        self.program.through.as_ref().is_none_or(|through| through.defaulted.contains(&column.attnum))
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
                let is_merged = self.merges(*missing_default, &positions);
                objects(payload)?
                    .iter()
                    .map(|object| {
                        let mut given = Given::with_capacity(positions.len());
                        for at in &positions {
                            let column = &self.program.table.columns[*at];
                            match self.object_value(object, column, is_merged)? {
                                Some(value) => given.push((*at, value)),
                                None if *missing_default && self.is_defaulted(column) => {}
                                None => given.push((*at, Value::Null)),
                            }
                        }
                        Ok(given)
                    })
                    .collect()
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
            DefaultValue::Sequence { sequence, denied: None } => Value::Int(services.sequences.next(*sequence)?),
            DefaultValue::Expr(compiled) => self.scalar(compiled, &NoRow)?,
        })
    }

    /// A whole row: what was given, defaults for the rest. Refuses values where PostgreSQL refuses them.
    pub(super) fn complete(&self, given: Given, overriding_system: Option<bool>) -> Result<Vec<Value>, SqlError> {
        let columns = &self.program.table.columns;
        let mut row: Vec<Option<Value>> = vec![None; columns.len()];
        for (at, value) in given {
            let column = &columns[at];
            if column.is_generated {
                return Err(SqlError::new(
                    SqlState::GENERATED_ALWAYS,
                    format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name),
                )
                .detail(format!("Column \"{}\" is a generated column.", column.name)));
            }
            if column.is_always_identity && overriding_system.is_none() {
                return Err(always_identity(column));
            }
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

/// 428C9 of GENERATED ALWAYS AS IDENTITY.
fn always_identity(column: &ColumnFacts) -> SqlError {
    SqlError::new(SqlState::GENERATED_ALWAYS, format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name))
        .detail(format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name))
        .hint("Use OVERRIDING SYSTEM VALUE to override.")
}
