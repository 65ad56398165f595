//! The built-in operators and functions that analysis knows, as PostgreSQL's `pg_operator`, `pg_proc` and `pg_aggregate` describe them.
//!
//! The rows are text (one line an object) in the files of this folder, split by family and read once. To add a function: a line in the
//! family's file; then an engine's dialect must learn its [`Imp`], or it refuses the function by name.
//!
//! Sources: PostgreSQL 17's `pg_proc.dat`, `pg_operator.dat`; the SQL files of the uuid-ossp, pgcrypto and citext extensions;
//! Supabase's `auth` and `storage` schemas for the functions there.

mod aggregate;
mod array;
mod datetime;
mod json;
mod math;
mod operators;
mod system;
mod text;

use std::collections::HashMap;
use std::sync::LazyLock;

use basalt_catalog::Volatility;
use basalt_types::Oid;
use basalt_types::pg;

use crate::typed::Imp;
pub use datetime::MAKE_INTERVAL;
pub use operators::is_known_elsewhere;

/// Pseudo-types that `basalt_types::pg::oid` does not name.
#[allow(missing_docs)]
pub mod pseudo {
    use basalt_types::Oid;
    pub const ANYNONARRAY: Oid = Oid(2776);
    pub const ANYENUM: Oid = Oid(3500);
    pub const ANYCOMPATIBLE: Oid = Oid(5077);
    pub const ANYCOMPATIBLEARRAY: Oid = Oid(5078);
    pub const ANYCOMPATIBLENONARRAY: Oid = Oid(5079);
}

/// What kind of function a row describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One value a call.
    Plain,
    /// Rows.
    Set,
    /// An aggregate.
    Aggregate,
    /// Only with OVER.
    Window,
}

/// A built-in function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// `pg_catalog`, `extensions`, `auth`, `storage`.
    pub schema: &'static str,
    /// Name.
    pub name: &'static str,
    /// How engines know it; equal for overloads that differ by argument types only.
    pub imp: Imp,
    /// Argument types, the element type of a VARIADIC one included.
    pub args: Vec<Oid>,
    /// How many trailing arguments may be left out (functions with defaults; the engine sees fewer arguments).
    pub optional: usize,
    /// The last argument may be repeated.
    pub variadic: bool,
    /// Result type; of one row for [`Kind::Set`].
    pub result: Oid,
    /// Output columns of a [`Kind::Set`] function that names them.
    pub columns: Vec<(&'static str, Oid)>,
    /// NULL for any NULL argument.
    pub strict: bool,
    /// Volatility.
    pub volatility: Volatility,
    /// Kind.
    pub kind: Kind,
}

/// A built-in operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Operator {
    /// `+`, `->>`, …
    pub symbol: &'static str,
    /// Left operand's type; `None` for prefix operators.
    pub left: Option<Oid>,
    /// Right operand's type.
    pub right: Oid,
    /// Result type.
    pub result: Oid,
    /// How engines know it.
    pub imp: Imp,
}

struct Tables {
    functions: Vec<Function>,
    operators: Vec<Operator>,
    by_name: HashMap<&'static str, Vec<usize>>,
    by_symbol: HashMap<&'static str, Vec<usize>>,
    volatility: HashMap<&'static str, Volatility>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let sources = [text::ROWS, math::ROWS, datetime::ROWS, json::ROWS, array::ROWS, aggregate::ROWS, system::ROWS];
    let functions: Vec<Function> = sources.iter().flat_map(|rows| lines(rows)).filter_map(function_row).collect();
    let mut operators = operators::comparisons();
    operators.extend(lines(operators::ROWS).filter_map(operator_row));
    let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
    let mut volatility: HashMap<_, Volatility> = HashMap::new();
    for (at, f) in functions.iter().enumerate() {
        by_name.entry(f.name).or_default().push(at);
        let known = volatility.entry(f.imp.0).or_insert(f.volatility);
        if matches!((*known, f.volatility), (Volatility::Immutable, _) | (Volatility::Stable, Volatility::Volatile)) {
            *known = f.volatility;
        }
    }
    let mut by_symbol: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, o) in operators.iter().enumerate() {
        by_symbol.entry(o.symbol).or_default().push(at);
    }
    Tables { functions, operators, by_name, by_symbol, volatility }
});

fn lines(rows: &'static str) -> impl Iterator<Item = &'static str> {
    rows.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("# "))
}

/// All functions of a name, in every schema.
pub fn functions(name: &str) -> impl Iterator<Item = &'static Function> {
    TABLES.by_name.get(name).into_iter().flatten().filter_map(|at| TABLES.functions.get(*at))
}

/// All operators of a symbol.
pub fn operators(symbol: &str) -> impl Iterator<Item = &'static Operator> {
    TABLES.by_symbol.get(symbol).into_iter().flatten().filter_map(|at| TABLES.operators.get(*at))
}

/// All built-in functions.
pub fn all_functions() -> &'static [Function] {
    &TABLES.functions
}

/// All built-in operators.
pub fn all_operators() -> &'static [Operator] {
    &TABLES.operators
}

/// Every distinct [`Imp`] an expression may hold, so that a test can tell which ones an engine lacks.
pub fn all() -> Vec<Imp> {
    let made_by_analysis = ["like_escape", "similar_to_escape", "array_slice"].map(Imp);
    let functions = TABLES.functions.iter().map(|f| f.imp);
    let mut imps: Vec<Imp> = functions.chain(TABLES.operators.iter().map(|o| o.imp)).chain(made_by_analysis).collect();
    imps.sort_unstable();
    imps.dedup();
    imps
}

/// How volatile a built-in is; operators are immutable (times are UTC, so that the stable ones of PostgreSQL are too).
pub fn volatility(imp: Imp) -> Volatility {
    TABLES.volatility.get(imp.0).copied().unwrap_or(Volatility::Immutable)
}

/// How volatile a built-in function is for arguments of these types: of `date_trunc`, only the one over moments depends on the zone.
pub fn volatility_for(imp: Imp, args: impl Iterator<Item = Oid> + Clone) -> Volatility {
    let exact = TABLES.functions.iter().find(|f| f.imp == imp && f.args.iter().copied().eq(args.clone()));
    exact.map_or_else(|| volatility(imp), |f| f.volatility)
}

/// Reads a type of a row: PostgreSQL's `typname`, `name[]`, or a pseudo-type.
fn row_type(name: &str) -> Option<Oid> {
    Some(match name {
        "anynonarray" => pseudo::ANYNONARRAY,
        "anyenum" => pseudo::ANYENUM,
        "anycompatible" => pseudo::ANYCOMPATIBLE,
        "anycompatiblearray" => pseudo::ANYCOMPATIBLEARRAY,
        "anycompatiblenonarray" => pseudo::ANYCOMPATIBLENONARRAY,
        "\"char\"" => pg::oid::CHAR,
        "any" => pg::oid::ANY,
        _ => match name.strip_suffix("[]") {
            Some(element) => pg::builtin_by_name(element)?.array,
            None => pg::builtin_by_name(name)?.oid,
        },
    })
}

/// Reads `name(type, type) result [flag …]`. Flags: `imp=…`, `schema=…`, `opt=N`, `stable`, `volatile`, `null` (called on NULL input),
/// `variadic`, `set`, `agg`, `win`, `cols=name:type,…`.
fn function_row(line: &'static str) -> Option<Function> {
    let (name, rest) = line.split_once('(')?;
    let (args, rest) = rest.split_once(')')?;
    let mut words = rest.split_whitespace();
    let args: Option<Vec<Oid>> = args.split(',').map(str::trim).filter(|a| !a.is_empty()).map(row_type).collect();
    let mut row = Function {
        schema: "pg_catalog",
        name,
        imp: Imp(name),
        args: args?,
        optional: 0,
        variadic: false,
        result: row_type(words.next()?)?,
        columns: Vec::new(),
        strict: true,
        volatility: Volatility::Immutable,
        kind: Kind::Plain,
    };
    for word in words {
        match word.split_once('=') {
            Some(("imp", imp)) => row.imp = Imp(imp),
            Some(("schema", schema)) => row.schema = schema,
            Some(("opt", n)) => row.optional = n.parse().ok()?,
            Some(("cols", cols)) => {
                let read = |c: &'static str| c.split_once(':').and_then(|(n, t)| Some((n, row_type(t)?)));
                row.columns = cols.split(',').map(read).collect::<Option<_>>()?;
            }
            None => match word {
                "stable" => row.volatility = Volatility::Stable,
                "volatile" => row.volatility = Volatility::Volatile,
                "null" => row.strict = false,
                "variadic" => row.variadic = true,
                "set" => row.kind = Kind::Set,
                "agg" => row.kind = Kind::Aggregate,
                "win" => row.kind = Kind::Window,
                _ => return None,
            },
            Some(_) => return None,
        }
    }
    Some(row)
}

/// Reads `symbol left right result imp`; `-` as left type makes a prefix operator.
fn operator_row(line: &'static str) -> Option<Operator> {
    let mut words = line.split_whitespace();
    let symbol = words.next()?;
    let left = match words.next()? {
        "-" => None,
        name => Some(row_type(name)?),
    };
    let right = row_type(words.next()?)?;
    let result = row_type(words.next()?)?;
    let imp = Imp(words.next()?);
    words.next().is_none().then_some(Operator { symbol, left, right, result, imp })
}

#[cfg(test)]
mod tests;
