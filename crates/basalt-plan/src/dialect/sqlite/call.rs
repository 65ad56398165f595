//! Calls of functions over the API: one statement that calls, then a read of its rows.

use basalt_catalog::{Function, FunctionArg};
use basalt_sql::analyze;
use basalt_sql::typed::{Body, Expr, ExprKind, From, Param, Query, RangeId, Select, Target};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlError, TypeRef};

use super::printer::Printer;
use super::{Context, read};
use crate::dialect::types;
use crate::guard;
use crate::plan::{Call, CallArguments};
use crate::program::{Bind, CallProgram, CallValue, ReadProgram};

/// The range of the function in the statement that calls it.
const CALLED: RangeId = RangeId(0);

/// Guards and compiles a call with the read of its rows.
pub(super) fn call(
    call: &Call,
    query: &Query,
    for_count: Option<&Query>,
    context: &Context<'_>,
) -> Result<ReadProgram, SqlError> {
    let catalog = context.catalog;
    let function = catalog.function_by_oid(call.function).ok_or_else(|| SqlError::internal("a function has gone"))?;
    let columns = result_columns(function, context);
    let (args, values) = arguments(function, &call.arguments, context)?;
    let mut called = calling(function, args, &columns);
    let touched = guard::query(&mut called, catalog, &context.caller, context.cache)?;
    let mut printer = Printer::new(catalog, context.cache);
    printer.query(&called)?;
    let rows = printer.finish();
    let mut program = read::read(query, for_count, columns.iter().map(|(_, ty)| *ty).collect(), context)?;
    program.touched.read.extend(touched.read);
    program.touched.functions.extend(touched.functions);
    program.touched.functions.dedup();
    program.short = false;
    let first_of_array = matches!(call.arguments, CallArguments::Json { is_array: true, .. });
    program.call = Some(std::sync::Arc::new(CallProgram {
        rows,
        values,
        first_of_array,
        result: call.result,
        is_read_only: call.is_read_only,
        timeout: call.timeout,
    }));
    Ok(program)
}

/// The columns that the function's rows have here; one of a plain value.
fn result_columns(function: &Function, context: &Context<'_>) -> Vec<(String, TypeRef)> {
    let columns = function.row_columns(context.catalog);
    if columns.is_empty() { vec![(function.name.clone(), TypeRef::of(Oid(function.returns)))] } else { columns }
}

/// `SELECT * FROM function(…)`.
fn calling(function: &Function, args: Vec<Expr>, columns: &[(String, TypeRef)]) -> Query {
    let call = Expr::new(ExprKind::UserFunc { function: Oid(function.oid), args }, TypeRef::of(Oid(function.returns)));
    let targets = columns
        .iter()
        .zip(1i16..)
        .map(|((name, ty), at)| Target { expr: Expr::column(CALLED, at, *ty), name: name.clone() })
        .collect();
    let from = From::Function {
        range: CALLED,
        call: Box::new(call),
        columns: columns.to_vec(),
        with_ordinality: false,
        lateral: false,
        alias: function.name.clone(),
    };
    let select =
        Select { distinct: None, targets, from: vec![from], filter: None, policy: None, group_by: Vec::new(), having: None };
    Query { ctes: Vec::new(), body: Body::Select(Box::new(select)), order_by: Vec::new(), limit: None, offset: None }
}

/// An expression for each parameter, and the values of those that are given.
fn arguments(function: &Function, given: &CallArguments, context: &Context<'_>) -> Result<(Vec<Expr>, Vec<CallValue>), SqlError> {
    let mut args = Vec::new();
    let mut values = Vec::new();
    for input in function.inputs() {
        let ty = TypeRef::of(Oid(input.ty));
        let value = match given {
            CallArguments::None => None,
            CallArguments::Body(ty) => Some(CallValue::Payload(types::input(context.catalog, *ty))),
            CallArguments::Json { named, .. } => named
                .iter()
                .find(|argument| argument.name == input.name)
                .map(|_| CallValue::Key { name: input.name.clone(), ty: types::input(context.catalog, ty) }),
            CallArguments::Literals(given) => {
                given.iter().find(|(argument, _)| argument.name == input.name).map(|(argument, index)| {
                    let index = *index;
                    CallValue::Bind(if argument.is_variadic {
                        let element = types::element(context.catalog, ty).unwrap_or(ty);
                        Bind::LiteralList { index, element: types::input(context.catalog, element) }
                    } else {
                        Bind::Literal { index, ty: types::input(context.catalog, ty) }
                    })
                })
            }
        };
        args.push(match value {
            Some(value) => {
                values.push(value);
                parameter(values.len(), ty, context)
            }
            None => default(input, ty, context)?,
        });
    }
    Ok((args, values))
}

/// A given value: what its domains demand is checked by the cast to them.
fn parameter(number: usize, ty: TypeRef, context: &Context<'_>) -> Expr {
    let base = context.catalog.base_type(ty);
    let value = Expr::new(ExprKind::Param(Param::Numbered(u32::try_from(number).unwrap_or(u32::MAX))), base);
    if base.oid == ty.oid { value } else { Expr::new(ExprKind::Cast { expr: Box::new(value), explicit: true }, ty) }
}

fn default(input: &FunctionArg, ty: TypeRef, context: &Context<'_>) -> Result<Expr, SqlError> {
    let text = input.default.as_deref().ok_or_else(|| SqlError::internal("a parameter is not given"))?;
    let settings = analyze::Context { first_range: CALLED.0 + 1, ..analyze::Context::default() };
    let value = analyze::row_expr_text(text, context.catalog, &settings, Some(ty)).map_err(|e| e.error)?;
    Ok(if value.ty.oid == oid::UNKNOWN { Expr::new(value.kind, ty) } else { value })
}
