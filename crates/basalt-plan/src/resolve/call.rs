//! Calls of functions: which of several is meant, and the call as a plan.
//!
//! Only what a client could call is looked at: neither procedures nor aggregates nor trigger functions, and no function with several
//! parameters of which one has no name. Whether the caller may run it is PostgreSQL's to say.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use basalt_catalog::{ArgMode, Catalog, Column, Function, FunctionArg, Relation, RelationKind, TypeKind, Volatility};
use basalt_sql::typed::{Expr, From};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlError, SqlState, TypeRef};

use super::error::ResolveError;
use super::level::{Level, Rows};
use super::near::nearest;
use super::{Resolver, names};
use crate::ask::{Arguments, CallAsk, Filter, Item, Node};
use crate::plan::{Action, Call, CallArgument, CallArguments, CallResult, Count, Isolation, Plan, WRITTEN};

/// The column of a result that is a value.
const SCALAR: &str = "pgrst_scalar";

/// event_trigger
const EVENT_TRIGGER: Oid = Oid(3838);

/// What a call's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallBody {
    /// None: the arguments are in the query string.
    None,
    /// JSON.
    Json,
    /// A text.
    Text,
    /// XML.
    Xml,
    /// Bytes.
    Bytes,
    /// A form, CSV: arguments by name.
    Other,
}

impl CallBody {
    /// Whether it can only be an argument as a whole.
    pub fn is_raw(self) -> bool {
        matches!(self, Self::Text | Self::Xml | Self::Bytes)
    }

    /// Whether it can be the only argument of this type.
    fn fits(self, ty: Oid) -> bool {
        match self {
            Self::Json => matches!(ty, oid::JSON | oid::JSONB),
            Self::Text => ty == oid::TEXT,
            Self::Xml => ty == oid::XML,
            Self::Bytes => ty == oid::BYTEA,
            Self::None | Self::Other => false,
        }
    }
}

/// The function that a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'r> {
    /// The exposed schema.
    pub schema: &'r str,
    /// Its name.
    pub name: &'r str,
    /// Names of the arguments given.
    pub arguments: &'r BTreeSet<String>,
    /// What the body is.
    pub body: CallBody,
}

/// Chooses among the functions of a name the one that takes the arguments given: those with named parameters first, then those with a
/// single unnamed one that the body fits.
///
/// # Errors
/// [`ResolveError::UnknownFunction`], [`ResolveError::AmbiguousFunction`].
pub fn function<'c>(catalog: &'c Catalog, wanted: &Wanted<'_>) -> Result<&'c Function, ResolveError> {
    let mut all: Vec<&Function> = catalog.functions_named(wanted.schema, wanted.name).into_iter().map(AsRef::as_ref).collect();
    all.retain(|f| is_callable(f));
    all.sort_by_cached_key(|f| (f.inputs().count(), f.inputs().map(|a| a.name.clone()).collect::<Vec<_>>(), f.oid));
    let (named, others): (Vec<&Function>, Vec<&Function>) = all.iter().partition(|f| takes(f, wanted));
    let found = if named.is_empty() { others.into_iter().filter(|f| takes_body(f, wanted.body)).collect() } else { named };
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(ResolveError::UnknownFunction {
            schema: wanted.schema.to_owned(),
            name: wanted.name.to_owned(),
            arguments: wanted.arguments.iter().cloned().collect(),
            body: wanted.body,
            near: near(catalog, wanted, &all),
        }),
        several => Err(ResolveError::AmbiguousFunction(several.iter().map(|f| signature(catalog, wanted.schema, f)).collect())),
    }
}

/// Whether a function can be called by a client at all.
fn is_callable(function: &Function) -> bool {
    let mut inputs = function.inputs();
    let unnamed = function.inputs().filter(|a| a.name.is_empty()).count();
    !function.procedure
        && !function.aggregate
        && !matches!(Oid(function.returns), oid::TRIGGER | EVENT_TRIGGER)
        && match unnamed {
            0 => true,
            1 => inputs.next().is_some_and(|a| matches!(Oid(a.ty), oid::BYTEA | oid::JSON | oid::JSONB | oid::TEXT | oid::XML)),
            _ => false,
        }
}

/// Whether the arguments' names are a choice of the parameters' that leaves out no required one.
fn takes(function: &Function, wanted: &Wanted<'_>) -> bool {
    let given = wanted.arguments;
    let mut parameters = 0;
    let complete = function.inputs().all(|a| {
        parameters += 1;
        a.default.is_some() || given.contains(&a.name)
    });
    let known = || given.iter().all(|name| function.inputs().any(|a| a.name == *name));
    if parameters == 0 { given.is_empty() && !wanted.body.is_raw() } else { complete && known() }
}

fn takes_body(function: &Function, body: CallBody) -> bool {
    let mut inputs = function.inputs();
    matches!((inputs.next(), inputs.next()), (Some(only), None) if only.name.is_empty() && body.fits(Oid(only.ty)))
}

/// What was perhaps meant: another function of the schema, or, when the name is right, other arguments.
fn near(catalog: &Catalog, wanted: &Wanted<'_>, same_name: &[&Function]) -> Option<String> {
    if wanted.body.is_raw() {
        return None;
    }
    let list = |names: Vec<&str>| format!("({})", names.join(", "));
    if same_name.is_empty() {
        let schema = catalog.schema(wanted.schema)?.oid;
        let names = catalog.functions().filter(|f| f.schema == schema && is_callable(f)).map(|f| f.name.as_str());
        return nearest(wanted.name, names, 0.75).map(str::to_owned);
    }
    let given = list(wanted.arguments.iter().map(String::as_str).collect());
    let lists: Vec<String> = same_name
        .iter()
        .map(|f| {
            let mut names: Vec<&str> = f.inputs().map(|a| a.name.as_str()).collect();
            names.sort_unstable();
            list(names)
        })
        .collect();
    nearest(&given, lists.iter().map(String::as_str), 0.33).map(|list| format!("{}{list}", wanted.name))
}

/// `api.add(a => integer, b => integer)`.
fn signature(catalog: &Catalog, schema: &str, function: &Function) -> String {
    let shown = |a: &FunctionArg| format!("{} => {}", a.name, catalog.format_type(TypeRef::of(Oid(a.ty))));
    let parameters: Vec<String> = function.inputs().map(shown).collect();
    format!("{schema}.{}({})", function.name, parameters.join(", "))
}

/// What a function returns, as rows with columns.
pub(super) struct Returned<'c> {
    function: &'c Function,
    result: CallResult,
    /// The table whose rows they are, or one that is nowhere but here.
    relation: Cow<'c, Relation>,
}

/// The shape of a function's result, and the name of what it returns: of a composite type or table, else its own.
pub fn result<'c>(catalog: &'c Catalog, function: &'c Function) -> (CallResult, Cow<'c, str>) {
    let returned = result_of(catalog, function);
    let name = match returned.relation {
        Cow::Borrowed(relation) => Cow::Borrowed(relation.name.as_str()),
        Cow::Owned(relation) => Cow::Owned(relation.name),
    };
    (returned.result, name)
}

/// Describes the result of an ask's function.
pub(super) fn returned<'c>(ask: &CallAsk, catalog: &'c Catalog) -> Result<Returned<'c>, ResolveError> {
    let gone = || SqlError::new(SqlState::UNDEFINED_FUNCTION, "the function does not exist any more");
    let function = catalog.function_by_oid(Oid(ask.function)).ok_or_else(gone)?;
    Ok(result_of(catalog, function))
}

fn result_of<'c>(catalog: &'c Catalog, function: &'c Function) -> Returned<'c> {
    let made = |name: &str, columns: Vec<(String, TypeRef)>| Cow::Owned(relation_of(function, name, columns));
    let of_row = |row, rows| if function.setof { rows } else { row };
    let outputs: Vec<(String, TypeRef)> = function
        .outputs()
        .zip(1..)
        .map(|(a, n)| {
            let name = if a.name.is_empty() { format!("column{n}") } else { a.name.clone() };
            (name, TypeRef::of(Oid(a.ty)))
        })
        .collect();
    if !outputs.is_empty() {
        let relation = made(&function.name, outputs);
        return Returned { function, result: of_row(CallResult::Row, CallResult::Rows), relation };
    }
    let base = catalog.base_type(TypeRef::of(Oid(function.returns)));
    let composite = catalog.type_by_oid(base.oid).filter(|def| def.oid == base.oid.0);
    let relation = match composite.map(|def| (&def.kind, def.name.as_str())) {
        Some((TypeKind::Row { relation }, _)) => catalog.relation_by_oid(Oid(*relation)).map(|r| Cow::Borrowed(r.as_ref())),
        Some((TypeKind::Composite { fields }, name)) => {
            let columns = fields.iter().map(|(name, ty, typmod)| (name.clone(), TypeRef { oid: Oid(*ty), typmod: *typmod }));
            Some(made(name, columns.collect()))
        }
        _ => None,
    };
    match relation {
        Some(relation) => Returned { function, result: of_row(CallResult::Row, CallResult::Rows), relation },
        None => {
            let result = if Oid(function.returns) == oid::VOID && !function.setof {
                CallResult::Void
            } else {
                of_row(CallResult::Scalar, CallResult::Scalars)
            };
            let columns = vec![(SCALAR.to_owned(), TypeRef::of(Oid(function.returns)))];
            Returned { function, result, relation: made(&function.name, columns) }
        }
    }
}

/// Columns as a relation that no key leads to or from.
fn relation_of(function: &Function, name: &str, columns: Vec<(String, TypeRef)>) -> Relation {
    let column = |((name, ty), n): ((String, TypeRef), i16)| Column {
        attnum: n,
        name,
        ty: ty.oid.0,
        typmod: ty.typmod,
        not_null: false,
        default: None,
        identity: None,
        generated: None,
        collation: None,
        acl: None,
        comment: None,
    };
    Relation {
        oid: 0,
        schema: function.schema,
        name: name.to_owned(),
        kind: RelationKind::View,
        owner: function.owner.clone(),
        columns: columns.into_iter().zip(1..).map(column).collect(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        policies: Vec::new(),
        triggers: Vec::new(),
        row_security: false,
        force_row_security: false,
        acl: None,
        comment: None,
        view: None,
        sequence: None,
        replica_identity: "nothing".to_owned(),
        partition: false,
        writes: None,
        next_attnum: 1,
    }
}

impl<'c> Resolver<'c> {
    pub(super) fn call(&mut self, ask: &CallAsk, returned: &'c Returned<'c>) -> Result<Plan, ResolveError> {
        let Returned { function, result, relation } = returned;
        let (function, result, relation): (&'c Function, _, &'c Relation) = (*function, *result, relation.as_ref());
        let range = self.ranges.next();
        let from = From::Cte { range, cte: WRITTEN, alias: relation.name.clone() };
        let level = Level { relation, range, alias: alias(&ask.node, result, relation), rows: Rows::View, depth: 0 };
        let conditions: Option<Expr> = self.conditions(&level, &ask.node)?;
        let for_count = match ask.count {
            // Of a function's rows there is no estimate but counting them.
            Count::Exact | Count::Estimated => Some(Box::new(self.counting(from.clone(), conditions.clone())?)),
            Count::None | Count::Planned => None,
        };
        let query = self.query(&level, &ask.node, vec![from], conditions)?;
        let names = names(&query);
        let call = Call {
            function: Oid(function.oid),
            arguments: arguments(&ask.arguments, function)?,
            result,
            columns: relation.columns.iter().map(|c| c.name.clone()).collect(),
            is_read_only: ask.is_safe || function.volatility != Volatility::Volatile,
            isolation: setting(function, "default_transaction_isolation").and_then(isolation),
            timeout: setting(function, "statement_timeout").and_then(duration),
        };
        Ok(Plan {
            id: Plan::fresh_id(),
            catalog_version: self.catalog.version(),
            action: Action::Call { call: Box::new(call), query: Box::new(query), for_count },
            output: ask.output,
            names,
            count: ask.count,
            max_rows: self.settings.max_rows,
            max_affected: ask.max_affected,
        })
    }
}

/// The name in messages about unknown columns: that of the call where the original names its columns one by one, else the result's.
fn alias(node: &Node, result: CallResult, relation: &Relation) -> String {
    let has_fields = node.select.iter().any(|item| matches!(item, Item::Field { .. }));
    let has_filters = node.filters.iter().any(|f| matches!(f, Filter::Test { .. }));
    let is_listed = (has_fields || has_filters) && !node.select.contains(&Item::Star);
    if is_listed && !result.is_scalar() { "pgrst_call".to_owned() } else { relation.name.clone() }
}

fn arguments(asked: &Arguments, function: &Function) -> Result<CallArguments, ResolveError> {
    let argument = |name: &str| {
        let found = function.inputs().find(|a| a.name == name);
        found.map(|a| CallArgument { name: a.name.clone(), ty: TypeRef::of(Oid(a.ty)), is_variadic: a.mode == ArgMode::Variadic })
    };
    let gone = || SqlError::new(SqlState::UNDEFINED_FUNCTION, "the function does not have this parameter any more");
    // In the order of the parameters: a variadic one must come last.
    let place = |argument: &CallArgument| function.inputs().position(|a| a.name == argument.name);
    Ok(match asked {
        Arguments::Body => match function.inputs().next() {
            Some(only) => CallArguments::Body(TypeRef::of(Oid(only.ty))),
            None => return Err(gone().into()),
        },
        Arguments::Json { names, .. } if names.is_empty() => CallArguments::None,
        Arguments::Json { names, is_array } => {
            let mut named = names.iter().map(|name| argument(name).ok_or_else(gone)).collect::<Result<Vec<_>, _>>()?;
            named.sort_by_key(place);
            CallArguments::Json { named, is_array: *is_array }
        }
        Arguments::Literals(given) if given.is_empty() => CallArguments::None,
        Arguments::Literals(given) => {
            let given = given.iter().map(|(name, id)| Ok((argument(name).ok_or_else(gone)?, *id)));
            let mut given = given.collect::<Result<Vec<_>, SqlError>>()?;
            given.sort_by_key(|(argument, _)| place(argument));
            CallArguments::Literals(given)
        }
    })
}

/// A setting of the function itself.
fn setting<'f>(function: &'f Function, name: &str) -> Option<&'f str> {
    function.config.iter().find(|(known, _)| known == name)?.1.first().map(String::as_str)
}

fn isolation(text: &str) -> Option<Isolation> {
    match text.to_ascii_lowercase().as_str() {
        "repeatable read" => Some(Isolation::RepeatableRead),
        "serializable" => Some(Isolation::Serializable),
        _ => None,
    }
}

/// A time as PostgreSQL's settings have it: milliseconds when it has no unit.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "us" => Some(Duration::from_micros(number)),
        "" | "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "min" => Some(Duration::from_secs(number.saturating_mul(60))),
        "h" => Some(Duration::from_secs(number.saturating_mul(3600))),
        "d" => Some(Duration::from_secs(number.saturating_mul(86_400))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
