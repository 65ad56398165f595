//! Rows into a table: lines become stored values, computed columns are computed here.

use std::ops::RangeInclusive;
use std::sync::Arc;

use basalt_catalog::{Catalog, Relation};
use basalt_engine::bulk::{Batch, Refused, Shape, fields, unescape};
use basalt_plan::dialect::sqlite::{rowid_name, storage};
use basalt_plan::expressions::{ExprCache, ExprUse};
use basalt_plan::plan::Literals;
use basalt_plan::program::InputType;
use basalt_types::{Session, SqlError, SqlState, Timestamp, Value, ValueRef};
use rusqlite::ffi;

use crate::bind::{self, Facts, NoRow};
use crate::compile;
use crate::connection::Connection;
use crate::names::{quoted, quoted_list, storage_name};

/// Longest text of a value that an error repeats, characters.
const SHOWN: usize = 60;

/// What a computed column needs: the statement over a range of row numbers, with the values of its own parameters before those two.
struct Computed {
    sql: Arc<str>,
    params: Vec<Value>,
}

/// A table that is being written.
pub(super) struct Writing {
    shape: Shape,
    insert: Arc<str>,
    inputs: Vec<Arc<InputType>>,
    computed: Vec<Computed>,
}

/// The moment of words like `now`, which no output form contains.
const NO_MOMENT: Timestamp = Timestamp(0);

impl Writing {
    /// Prepares to write a shape's columns and to compute the others.
    pub(super) fn of(catalog: &Catalog, relation: &Relation, shape: &Shape, cache: &ExprCache) -> Result<Self, SqlError> {
        let mut inputs = Vec::new();
        for name in shape.written() {
            let column =
                relation.column(name).ok_or_else(|| SqlError::internal("a column that is to be copied is not in its table"))?;
            inputs.push(storage::input_type(catalog, column.type_ref()));
        }
        let table = quoted(&storage_name(catalog, relation));
        let insert = if inputs.is_empty() {
            format!("INSERT INTO {table} DEFAULT VALUES")
        } else {
            let marks: Vec<String> = (1..=inputs.len()).map(|n| format!("?{n}")).collect();
            let names = quoted_list(shape.written().iter().map(String::as_str));
            format!("INSERT INTO {table} ({names}) VALUES ({})", marks.join(", "))
        };
        let session = Session::of_role(compile::OWNER);
        let literals = Literals::default();
        let facts = Facts { session: &session, literals: &literals, params: &[], now: NO_MOMENT };
        let rowid = rowid_name(relation);
        let mut computed = Vec::new();
        for column in &relation.columns {
            let Some(text) = &column.generated else { continue };
            let compiled = compile::on_row(text, ExprUse::Generated(column.attnum), relation, catalog, cache)?;
            let mut params = Vec::new();
            for bind in compiled.binds.iter() {
                params.push(bind::value(bind, &facts, &NoRow)?.into_owned());
            }
            let (first, last) = (params.len() + 1, params.len() + 2);
            let sql = format!(
                "UPDATE {table} SET {} = {} WHERE {rowid} BETWEEN ?{first} AND ?{last}",
                quoted(&column.name),
                compiled.sql
            );
            computed.push(Computed { sql: sql.into(), params });
        }
        Ok(Self { shape: shape.clone(), insert: insert.into(), inputs, computed })
    }

    /// Whether it was prepared for this shape.
    pub(super) fn is_for(&self, shape: &Shape) -> bool {
        self.shape == *shape
    }

    /// Writes all rows of a batch. Inside a transaction.
    ///
    /// # Errors
    /// The first row that cannot be kept.
    #[allow(clippy::result_large_err)] // ends the copy
    pub(super) fn write(&self, connection: &Connection, batch: &Batch) -> Result<(), Refused> {
        let mut numbers: Option<RangeInclusive<i64>> = None;
        for (row, line) in batch.lines().enumerate() {
            let mut statement = connection.statement(&self.insert).map_err(SqlError::from)?;
            for (at, ((input, name), field)) in self.inputs.iter().zip(self.shape.written()).zip(fields(line)).enumerate() {
                let value = read(field, input).map_err(|error| Refused { error, row: Some(row), column: Some(name.clone()) })?;
                statement.bind(at + 1, value.as_ref()).map_err(SqlError::from)?;
            }
            let refused = |failure: crate::error::Failure| Refused { error: failure.to_sql(), row: Some(row), column: None };
            while statement.step().map_err(refused)? {}
            // SAFETY: the handle is open.
            let number = unsafe { ffi::sqlite3_last_insert_rowid(connection.raw()) };
            numbers = Some(match numbers {
                None => number..=number,
                Some(before) => number.min(*before.start())..=number.max(*before.end()),
            });
        }
        let Some(numbers) = numbers else { return Ok(()) };
        for computed in &self.computed {
            let mut params: Vec<ValueRef<'_>> = computed.params.iter().map(Value::as_ref).collect();
            params.extend([ValueRef::Int(*numbers.start()), ValueRef::Int(*numbers.end())]);
            connection.query(&computed.sql, &params).map_err(SqlError::from)?;
        }
        Ok(())
    }
}

/// A field as its type stores it.
fn read(field: &[u8], input: &InputType) -> Result<Value, SqlError> {
    let Some(text) = unescape(field) else { return Ok(Value::Null) };
    let text = std::str::from_utf8(&text).map_err(|_| SqlError::new(SqlState::INVALID_ENCODING, "a value is not UTF-8"))?;
    bind::read(text, input, NO_MOMENT).map_err(|error| {
        if error.state != SqlState::FEATURE_NOT_SUPPORTED {
            return error;
        }
        // Such an error names the kind of value; here the value is what the user must find.
        let shown: String = text.chars().take(SHOWN).collect();
        let message = format!("{}: \"{shown}\"", error.message);
        SqlError { message, ..error }
    })
}
