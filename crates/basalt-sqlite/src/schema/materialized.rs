//! Materialized views: their rows are those of a table, which REFRESH makes anew from the view's query.

use basalt_catalog::{Catalog, Relation};
use basalt_plan::expressions::ExprCache;
use basalt_plan::plan::Literals;
use basalt_sql::analyze::Context;
use basalt_types::{Session, SqlError, SqlState, Timestamp, Value, ValueRef};

use super::index;
use crate::bind::{Facts, NoRow, value};
use crate::commit::Desk;
use crate::compile;
use crate::connection::Connection;
use crate::names::{columns, index_name, quoted, quoted_list, storage_name};
use crate::routine::Scene;

/// Empties a materialized view and, with data, fills it.
///
/// # Errors
/// What its query reports; 23505 when its rows do not fit its indexes.
pub(crate) fn refresh(
    desk: &Desk<'_>,
    catalog: &Catalog,
    view: &Relation,
    with_data: bool,
    concurrently: bool,
) -> Result<(), SqlError> {
    for index in &view.indexes {
        index::drop_index(desk.connection, &index_name(catalog, view, &index.name))?;
    }
    let session = Session::of_role(&view.owner);
    let path = Context::default().search_path;
    Scene::writing(desk, &session, &path)
        .enter(|| fill(desk.connection, catalog, desk.expressions(), desk.now, view, with_data))?;
    index::create_missing(desk, catalog, view).map_err(|error| match (concurrently, &error.constraint, &error.detail) {
        // Then it is the rows that are compared, not an index that is made.
        (true, Some(name), Some(detail)) if error.state == SqlState::UNIQUE_VIOLATION => {
            let text = format!("duplicate key value violates unique constraint \"{name}\"");
            SqlError::new(error.state, text)
                .detail(detail.replace(" is duplicated.", " already exists."))
                .constraint(name.clone())
        }
        _ => error,
    })
}

/// Makes the rows of a materialized view anew, its indexes left as they are.
///
/// # Errors
/// What its query reports.
pub(crate) fn fill(
    connection: &Connection,
    catalog: &Catalog,
    expressions: &ExprCache,
    now: Timestamp,
    view: &Relation,
    with_data: bool,
) -> Result<(), SqlError> {
    let table = quoted(&storage_name(catalog, view));
    connection.query_once(&format!("DELETE FROM {table}"), &[])?;
    let Some(definition) = view.view.as_ref().filter(|_| with_data) else { return Ok(()) };
    let query = compile::view_query(&definition.query, catalog, &view.owner, expressions)?;
    let session = Session::of_role(&view.owner);
    let literals = Literals::default();
    let facts = Facts { session: &session, literals: &literals, params: &[], now };
    let values = query.binds.iter().map(|bind| value(bind, &facts, &NoRow).map(|v| v.into_owned()));
    let values = values.collect::<Result<Vec<Value>, SqlError>>()?;
    let params: Vec<ValueRef<'_>> = values.iter().map(Value::as_ref).collect();
    let all: Vec<i16> = view.columns.iter().map(|c| c.attnum).collect();
    let names = quoted_list(columns(view, &all));
    connection.query_once(&format!("INSERT INTO {table} ({names}) {}", query.sql), &params)?;
    Ok(())
}
