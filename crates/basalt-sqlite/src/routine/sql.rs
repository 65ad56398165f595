//! Functions in SQL: their statements one after the other, the last one's rows being the result.

use std::sync::Arc;

use basalt_catalog::Function;
use basalt_sql::analyze;
use basalt_types::{SqlError, Value};

use super::{Outcome, Scene, kept, row};
use crate::programs::Ready;

/// A body, ready to run for a role and a search path.
pub(crate) struct Compiled {
    statements: Vec<Ready>,
    /// Which arguments are rows, and how many columns those have.
    rows: Vec<(usize, usize)>,
    /// The last statement gives the result.
    has_result: bool,
    gives_rows: bool,
}

/// Compiles a body as a call of it would.
///
/// # Errors
/// What analysis, guard and dialect refuse.
pub(crate) fn compile(scene: &Scene<'_>, function: &Function) -> Result<Compiled, SqlError> {
    let catalog = scene.catalog();
    let body = analyze::routine::sql(function, &catalog, scene.search_path()).map_err(|e| e.error)?;
    let statements = body.statements.iter().map(|statement| scene.compile(statement)).collect::<Result<_, _>>()?;
    Ok(Compiled {
        statements,
        rows: body.rows.into_iter().map(|(argument, columns)| (argument, columns.len())).collect(),
        has_result: !body.columns.is_empty(),
        gives_rows: function.gives_rows(&catalog),
    })
}

/// Runs a body: a [`super::Language`].
pub(super) fn call(scene: &Scene<'_>, function: &Arc<Function>, args: &[Value]) -> Result<Outcome, SqlError> {
    let compiled = kept::body(scene, function)?;
    let mut params = args.to_vec();
    for (argument, columns) in &compiled.rows {
        let given = args.get(*argument).unwrap_or(&Value::Null);
        params.extend(row::read(given, *columns)?);
    }
    let mut rows = Vec::new();
    for ready in &compiled.statements {
        rows = scene.run(ready, &params)?.rows;
    }
    if !compiled.has_result {
        rows.clear();
    }
    if compiled.gives_rows {
        if !function.setof {
            rows.truncate(1);
        }
        return Ok(Outcome::Rows(rows));
    }
    let first = rows.into_iter().next().and_then(|row| row.into_iter().next());
    Ok(Outcome::Value(first.unwrap_or(Value::Null)))
}
