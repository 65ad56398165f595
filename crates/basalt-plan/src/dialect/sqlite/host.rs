//! The functions that SQLite text made here calls and the engine registers: one list that both share.
//!
//! Two kinds:
//! - [`SPECIAL`]: functions of our own, each with its arguments and meaning.
//! - one function `pg_NAME` for each implementation in [`HOSTED`], with PostgreSQL's meaning for that function or operator.
//!   Arguments and results are in storage form ([`basalt_types::Value`]). Where overloads share an implementation, or a type is
//!   polymorphic ([`takes_signature`]), a first argument gives the argument types as text: type names joined by commas, `_` before an
//!   array's element (`pg_round('numeric,int4', x, 2)`, `pg_array_append('_text,text', a, x)`). Enums are `text`, domains their base.
//!   Aggregates take no signature but carry the first argument's type in their name (`pg_sum_numeric`), since DISTINCT allows one
//!   argument only.
//!
//! Rules for all of them:
//! - Strict ones (PostgreSQL's flag, [`HostFunction::strict`]) give NULL when any argument is NULL.
//! - Errors carry PostgreSQL's SQLSTATE and text.
//! - Set-returning ones return a JSON array: of storage forms for one column, of arrays of them for several; read by `json_each`.
//! - `any` arguments arrive converted: keys and texts by `pg_text(type, x)`, JSON values by `pg_to_json(type, x)`.
//! - `basalt_json_agg` and `basalt_json_object` name shapes of the program that is running: the engine keeps that program's shapes with
//!   the connection while it steps a statement (and puts the outer ones back after a statement inside a statement).
//! - Deterministic ones ([`HostFunction::deterministic`]) are registered as such; only they may stand in indexes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use basalt_catalog::Volatility;
use basalt_sql::analyze::builtins::{self, Kind};
use basalt_types::Oid;
use basalt_types::pg::{self, oid};

/// A function to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFunction {
    /// The name in SQL.
    pub name: String,
    /// Fewest arguments, the signature included.
    pub min_args: u8,
    /// Most arguments; `None`: any number.
    pub max_args: Option<u8>,
    /// The first argument is the signature.
    pub signature: bool,
    /// NULL for any NULL argument.
    pub strict: bool,
    /// Same arguments, same result; no session, no catalog, no randomness.
    pub deterministic: bool,
    /// It gathers rows.
    pub aggregate: bool,
    /// Arguments and meaning, or the implementation's name.
    pub meaning: &'static str,
}

/// One row of [`SPECIAL`].
struct Row(&'static str, u8, Option<u8>, bool, bool, bool, &'static str);

/// Name, fewest and most arguments, strict, deterministic, aggregate, meaning.
const SPECIAL: [Row; 19] = [
    Row(
        "pg_cast",
        6,
        Some(6),
        true,
        true,
        false,
        "(value, from oid, from typmod, to oid, to typmod, explicit 0/1): `basalt_types::pg::cast`",
    ),
    Row("pg_compare", 3, Some(3), true, true, false, "(a, b, type oid): -1, 0 or 1 by `basalt_types::pg::compare`"),
    Row("pg_text", 2, Some(2), true, true, false, "(type oid, value): PostgreSQL's text output"),
    Row("pg_to_json", 2, Some(2), false, true, false, "(type oid, value): the value's JSON text; the text null for NULL"),
    Row("pg_to_jsonb", 2, Some(2), true, true, false, "(type oid, value): the value as jsonb text"),
    Row("basalt_element", 2, Some(2), false, true, false, "(type oid, value): JSON text of the storage form, as arrays hold it"),
    Row(
        "pg_enum_in",
        3,
        Some(3),
        true,
        true,
        false,
        "(text, type name, JSON array of labels): the text, or 22P02 when it is no label",
    ),
    Row(
        "pg_enum_array_in",
        3,
        Some(3),
        true,
        true,
        false,
        "(array of texts, type name, JSON array of labels): the array, or 22P02 when an element is no label",
    ),
    Row("pg_subscript", 2, Some(2), true, true, false, "(array, index from 1): the element in storage form, NULL outside"),
    Row(
        "pg_array_item",
        2,
        Some(2),
        true,
        true,
        false,
        "(type oid of the element, JSON text of a storage form): the storage form",
    ),
    Row("pg_like_from", 1, Some(1), true, true, false, "(LIKE pattern): the text before its first wildcard, unescaped"),
    Row(
        "pg_like_to",
        1,
        Some(1),
        true,
        true,
        false,
        "(LIKE pattern): the first text after all that begin so; the blob X'FF' when there is none",
    ),
    Row("basalt_raise", 2, Some(2), false, false, false, "(SQLSTATE, message): raises"),
    Row(
        "basalt_call",
        1,
        None,
        false,
        false,
        false,
        "(function oid, argument, ...): what a user's function returns, one plain value",
    ),
    Row(
        "basalt_rows",
        1,
        None,
        false,
        false,
        false,
        "(function oid, argument, ...): the rows of a user's function (one of a plain value), as a JSON array of arrays of storage forms; bytea as text",
    ),
    Row(
        "basalt_row",
        0,
        None,
        false,
        true,
        false,
        "(value, ...): a row as the argument of a user's function, which nothing else reads",
    ),
    Row(
        "basalt_json_agg",
        1,
        None,
        false,
        false,
        true,
        "(shape number, column, ...): rows as a JSON array by `Shape`; `[]` without rows",
    ),
    Row("basalt_json_object", 1, None, false, false, false, "(shape number, column, ...): one row as a JSON object by `Shape`"),
    Row(
        "pg_record_json",
        1,
        None,
        false,
        true,
        false,
        "(key, JSON text, key, JSON text, ...): an object as row_to_json prints it",
    ),
];

/// Implementations (see [`basalt_sql::typed::Imp`]) that the engine provides as `pg_NAME`. Others are printed natively or refused.
pub const HOSTED: &[&str] = &[
    // Integers, floats, numeric: results checked for overflow and zero division.
    "int2pl",
    "int4pl",
    "int8pl",
    "int2mi",
    "int4mi",
    "int8mi",
    "int2mul",
    "int4mul",
    "int8mul",
    "int2div",
    "int4div",
    "int8div",
    "int2mod",
    "int4mod",
    "int8mod",
    "int2um",
    "int4um",
    "int8um",
    "float4pl",
    "float8pl",
    "float4mi",
    "float8mi",
    "float4mul",
    "float8mul",
    "float4div",
    "float8div",
    "float4um",
    "float8um",
    "numeric_add",
    "numeric_sub",
    "numeric_mul",
    "numeric_div",
    "numeric_mod",
    "numeric_uminus",
    "numeric_power",
    "numeric_div_trunc",
    "dpow",
    "int2shl",
    "int4shl",
    "int8shl",
    "int2shr",
    "int4shr",
    "int8shr",
    "abs",
    "ceil",
    "floor",
    "round",
    "trunc",
    "sign",
    "sqrt",
    "cbrt",
    "exp",
    "ln",
    "log",
    "gcd",
    "lcm",
    "factorial",
    "pi",
    "degrees",
    "radians",
    "sin",
    "cos",
    "tan",
    "cot",
    "asin",
    "acos",
    "atan",
    "atan2",
    "random",
    "random_between",
    "scale",
    "min_scale",
    "trim_scale",
    "width_bucket",
    // Text.
    "textanycat",
    "anytextcat",
    "lower",
    "upper",
    "initcap",
    "bit_length",
    "lpad",
    "rpad",
    "left",
    "right",
    "repeat",
    "reverse",
    "translate",
    "split_part",
    "substring",
    "bytea_substring",
    "regex_substring",
    "overlay",
    "starts_with",
    "ascii",
    "chr",
    "concat",
    "concat_ws",
    "format",
    "quote_ident",
    "quote_literal",
    "quote_nullable",
    "to_hex",
    "regexp_replace",
    "regexp_match",
    "regexp_matches",
    "regexp_split_to_array",
    "regexp_split_to_table",
    "regexp_count",
    "regexp_like",
    "regexp_substr",
    "string_to_array",
    "string_to_table",
    "like",
    "ilike",
    "like_escape",
    "similar_to_escape",
    "regex_match",
    "regex_imatch",
    "md5",
    "md5_bytea",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    "encode",
    "decode",
    "convert_to",
    "convert_from",
    "digest",
    "digest_text",
    "hmac",
    "hmac_text",
    "crypt",
    "gen_salt",
    "gen_random_bytes",
    "storage_foldername",
    "storage_filename",
    "storage_extension",
    "byteacat",
    "unaccent",
    "normalize",
    "hashtext",
    // Dates and times.
    "clock_timestamp",
    "timezone",
    "date_trunc",
    "date_part",
    "extract",
    "date_bin",
    "age",
    "age_today",
    "to_char",
    "to_date",
    "to_timestamp",
    "to_timestamp_text",
    "make_date",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "make_interval",
    "justify_days",
    "justify_hours",
    "justify_interval",
    "isfinite",
    "date_pli",
    "integer_pl_date",
    "date_pl_interval",
    "interval_pl_date",
    "datetime_pl",
    "timedate_pl",
    "timestamp_pl_interval",
    "interval_pl_timestamp",
    "timestamptz_pl_interval",
    "interval_pl_timestamptz",
    "time_pl_interval",
    "interval_pl_time",
    "interval_pl",
    "date_mi",
    "date_mii",
    "date_mi_interval",
    "timestamp_mi",
    "timestamp_mi_interval",
    "timestamptz_mi",
    "timestamptz_mi_interval",
    "time_mi_time",
    "time_mi_interval",
    "interval_mi",
    "interval_mul",
    "mul_d_interval",
    "interval_div",
    "interval_um",
    // JSON.
    "json_object_field",
    "json_array_element",
    "json_object_field_text",
    "json_array_element_text",
    "json_extract_path",
    "json_extract_path_text",
    "jsonb_object_field",
    "jsonb_array_element",
    "jsonb_object_field_text",
    "jsonb_array_element_text",
    "jsonb_extract_path",
    "jsonb_extract_path_text",
    "jsonb_contains",
    "jsonb_contained",
    "jsonb_exists",
    "jsonb_exists_any",
    "jsonb_exists_all",
    "jsonb_concat",
    "jsonb_delete",
    "jsonb_delete_array",
    "jsonb_delete_idx",
    "jsonb_delete_path",
    "json_build_object",
    "jsonb_build_object",
    "json_build_array",
    "jsonb_build_array",
    "json_typeof",
    "jsonb_typeof",
    "json_array_length",
    "jsonb_array_length",
    "jsonb_set",
    "jsonb_insert",
    "jsonb_strip_nulls",
    "json_strip_nulls",
    "jsonb_pretty",
    "json_array_elements",
    "jsonb_array_elements",
    "json_array_elements_text",
    "jsonb_array_elements_text",
    "json_object_keys",
    "current_setting",
    "set_config",
    "jsonb_object_keys",
    "json_each",
    "jsonb_each",
    "json_each_text",
    "jsonb_each_text",
    // Arrays and series.
    "array_cat",
    "array_append",
    "array_prepend",
    "arraycontains",
    "arraycontained",
    "arrayoverlap",
    "array_length",
    "array_ndims",
    "array_lower",
    "array_upper",
    "cardinality",
    "array_remove",
    "array_replace",
    "array_position",
    "array_positions",
    "array_to_string",
    "trim_array",
    "generate_series",
    "generate_subscripts",
    "array_slice",
    // Identifiers, sequences, networks.
    "gen_random_uuid",
    "uuid_generate_v1",
    "uuid_generate_v3",
    "uuid_generate_v5",
    "uuid_nil",
    "nextval",
    "currval",
    "lastval",
    "setval",
    "network_sub",
    "network_subeq",
    "network_sup",
    "network_supeq",
    "network_overlap",
    "host",
    "masklen",
    "family",
    // Aggregates, named with the first argument's type.
    "sum",
    "avg",
    "min",
    "max",
    "string_agg",
    "json_agg",
    "jsonb_agg",
    "json_object_agg",
    "jsonb_object_agg",
    "stddev_samp",
    "stddev_pop",
    "var_samp",
    "var_pop",
    "bit_and",
    "bit_or",
];

/// Aggregates of [`HOSTED`] and the argument types they are registered for: `pg_sum_int8`, … Others have none in their name.
const TYPED_AGGREGATES: &[(&str, &[&str])] = &[
    ("sum", &["int8", "float4", "float8", "numeric", "interval"]),
    ("avg", &["int2", "int4", "int8", "float4", "float8", "numeric", "interval"]),
    ("stddev_samp", &["int4", "int8", "float8", "numeric"]),
    ("stddev_pop", &["int4", "int8", "float8", "numeric"]),
    ("var_samp", &["int4", "int8", "float8", "numeric"]),
    ("var_pop", &["int4", "int8", "float8", "numeric"]),
];

/// Aggregates whose arguments are JSON texts or plain, one name each.
const PLAIN_AGGREGATES: &[(&str, u8)] = &[
    ("string_agg_distinct", 2),
    ("json_agg", 1),
    ("json_agg_lines", 1),
    ("jsonb_agg", 1),
    ("json_object_agg", 2),
    ("jsonb_object_agg", 2),
    ("bit_and", 1),
    ("bit_or", 1),
];

struct Facts {
    hosted: BTreeSet<&'static str>,
    signed: BTreeSet<&'static str>,
}

static FACTS: LazyLock<Facts> = LazyLock::new(|| {
    let mut seen: BTreeMap<&'static str, BTreeSet<Vec<Oid>>> = BTreeMap::new();
    for f in builtins::all_functions() {
        seen.entry(f.imp.0).or_default().insert(f.args.clone());
    }
    for o in builtins::all_operators() {
        seen.entry(o.imp.0).or_default().insert(o.left.into_iter().chain([o.right]).collect());
    }
    let polymorphic = |ty: &Oid| pg::builtin(*ty).is_none_or(|b| b.category == 'P') && *ty != oid::ANY;
    // Overloads that only differ in how many arguments they take, or by integer width, tell themselves apart.
    let same_kind = |all: &BTreeSet<Vec<Oid>>| {
        let class = |ty: &Oid| match *ty {
            oid::INT2 | oid::INT4 | oid::INT8 => oid::INT8,
            oid::NAME | oid::BPCHAR | oid::CITEXT | oid::VARCHAR => oid::TEXT,
            other => other,
        };
        let mut longest: Vec<Vec<Oid>> = all.iter().map(|args| args.iter().map(class).collect()).collect();
        longest.sort_by_key(|args| std::cmp::Reverse(args.len()));
        longest.first().is_none_or(|first| longest.iter().all(|args| first.starts_with(args)))
    };
    const BY_WIDTH: [&str; 4] = ["abs", "to_hex", "to_char", "generate_series"];
    let signed = seen
        .iter()
        .filter(|(imp, all)| !same_kind(all) || all.iter().flatten().any(polymorphic) || BY_WIDTH.contains(imp))
        .map(|(imp, _)| *imp)
        .collect();
    Facts { hosted: HOSTED.iter().copied().collect(), signed }
});

/// Whether the engine provides `pg_NAME` for an implementation.
pub fn is_hosted(imp: &str) -> bool {
    FACTS.hosted.contains(imp)
}

/// Whether `pg_NAME` takes the argument types as its first argument.
pub fn takes_signature(imp: &str) -> bool {
    FACTS.signed.contains(imp)
}

/// Every function the engine must register, by name.
pub fn functions() -> Vec<HostFunction> {
    let mut out: BTreeMap<String, HostFunction> = BTreeMap::new();
    for Row(name, min, max, strict, deterministic, aggregate, meaning) in SPECIAL {
        let row = HostFunction {
            name: name.to_owned(),
            min_args: min,
            max_args: max,
            signature: false,
            strict,
            deterministic,
            aggregate,
            meaning,
        };
        out.insert(row.name.clone(), row);
    }
    let mut aggregate = |name: String, args: u8, meaning: &'static str| {
        let row = HostFunction {
            name: name.clone(),
            min_args: args,
            max_args: Some(args),
            signature: false,
            strict: false,
            deterministic: true,
            aggregate: true,
            meaning,
        };
        out.insert(name, row);
    };
    for (imp, types) in TYPED_AGGREGATES {
        types.iter().for_each(|ty| aggregate(format!("pg_{imp}_{ty}"), 1, imp));
    }
    for (imp, args) in PLAIN_AGGREGATES {
        aggregate(format!("pg_{imp}"), *args, imp);
    }
    for f in builtins::all_functions().iter().filter(|f| matches!(f.kind, Kind::Plain | Kind::Set)) {
        let least = f.args.len().saturating_sub(f.optional);
        note(&mut out, f.imp.0, least, f.args.len(), f.variadic, f.strict, f.volatility != Volatility::Volatile);
    }
    for o in builtins::all_operators() {
        let args = 1 + usize::from(o.left.is_some());
        note(&mut out, o.imp.0, args, args, false, !matches!(o.imp.0, "array_cat" | "array_append" | "array_prepend"), true);
    }
    note(&mut out, "like_escape", 2, 2, false, true, true);
    note(&mut out, "similar_to_escape", 1, 2, false, true, true);
    note(&mut out, "array_slice", 3, 3, false, false, true);
    out.into_values().collect()
}

/// Adds an overload of a hosted implementation.
fn note(
    out: &mut BTreeMap<String, HostFunction>,
    imp: &'static str,
    least: usize,
    most: usize,
    variadic: bool,
    strict: bool,
    deterministic: bool,
) {
    if !is_hosted(imp) {
        return;
    }
    let signature = takes_signature(imp);
    let extra = usize::from(signature);
    let small = |n: usize| u8::try_from(n + extra).unwrap_or(u8::MAX);
    let row = out.entry(format!("pg_{imp}")).or_insert_with(|| HostFunction {
        name: format!("pg_{imp}"),
        min_args: small(least),
        max_args: Some(small(most)),
        signature,
        strict,
        deterministic,
        aggregate: false,
        meaning: imp,
    });
    row.min_args = row.min_args.min(small(least));
    row.max_args = if variadic { None } else { row.max_args.map(|m| m.max(small(most))) };
    row.strict &= strict;
    row.deterministic &= deterministic;
}

/// The name of an aggregate over a type, when the engine has it.
pub(super) fn aggregate_name(imp: &str, type_name: &str) -> Option<String> {
    let typed = TYPED_AGGREGATES.iter().any(|(name, types)| *name == imp && types.contains(&type_name));
    if typed {
        return Some(format!("pg_{imp}_{type_name}"));
    }
    PLAIN_AGGREGATES.iter().any(|(name, _)| *name == imp).then(|| format!("pg_{imp}"))
}
