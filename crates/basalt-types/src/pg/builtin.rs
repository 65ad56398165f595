//! The built-in types, as PostgreSQL's `pg_type` describes them.

use super::Oid;

/// What `pg_type` says of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// The type's OID.
    pub oid: Oid,
    /// `pg_type.typname`: `int4`, `_int4`.
    pub name: &'static str,
    /// `format_type(oid, NULL)`: `integer`, `integer[]`, `timestamp with time zone`.
    pub sql_name: &'static str,
    /// `pg_type.typcategory`.
    pub category: char,
    /// `pg_type.typispreferred`.
    pub preferred: bool,
    /// An array's element type, else `Oid(0)`.
    pub elem: Oid,
    /// The array type over this one, or `Oid(0)`.
    pub array: Oid,
}

/// Looks a type up by OID.
pub fn builtin(oid: Oid) -> Option<&'static Builtin> {
    let at = BUILTINS.binary_search_by_key(&oid, |row| row.oid).ok()?;
    BUILTINS.get(at)
}

/// Looks a type up by `typname` or by one of SQL's spellings, in any letter case and without `[]`.
///
/// `char` is SQL's `character` (bpchar); PostgreSQL's internal one-byte type is `"char"`, with its quotes.
pub fn builtin_by_name(name: &str) -> Option<&'static Builtin> {
    let lower = name.to_ascii_lowercase();
    let name = match lower.as_str() {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "decimal" | "dec" => "numeric",
        "real" => "float4",
        "float" | "double precision" => "float8",
        "boolean" => "bool",
        "character varying" | "char varying" => "varchar",
        "character" | "char" => "bpchar",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time with time zone" => "timetz",
        "time without time zone" => "time",
        "\"char\"" => "char",
        "\"any\"" => "any",
        other => other,
    };
    BUILTINS.iter().find(|row| row.name == name)
}

/// All built-in types, by OID.
pub fn builtins() -> &'static [Builtin] {
    BUILTINS
}

/// The element type, when `oid` is an array type.
pub fn element(oid: Oid) -> Option<Oid> {
    builtin(oid).map(|row| row.elem).filter(|elem| elem.0 != 0)
}

const fn row(
    oid: u32,
    name: &'static str,
    sql_name: &'static str,
    category: char,
    preferred: bool,
    elem: u32,
    array: u32,
) -> Builtin {
    Builtin { oid: Oid(oid), name, sql_name, category, preferred, elem: Oid(elem), array: Oid(array) }
}

/// Sorted by OID. Values read from PostgreSQL 17's `pg_type`; citext is ours.
#[rustfmt::skip]
static BUILTINS: &[Builtin] = &[
    row(16, "bool", "boolean", 'B', true, 0, 1000),
    row(17, "bytea", "bytea", 'U', false, 0, 1001),
    row(18, "char", "\"char\"", 'Z', false, 0, 1002),
    row(19, "name", "name", 'S', false, 0, 1003),
    row(20, "int8", "bigint", 'N', false, 0, 1016),
    row(21, "int2", "smallint", 'N', false, 0, 1005),
    row(23, "int4", "integer", 'N', false, 0, 1007),
    row(24, "regproc", "regproc", 'N', false, 0, 1008),
    row(25, "text", "text", 'S', true, 0, 1009),
    row(26, "oid", "oid", 'N', true, 0, 1028),
    row(114, "json", "json", 'U', false, 0, 199),
    row(142, "xml", "xml", 'U', false, 0, 143),
    row(143, "_xml", "xml[]", 'A', false, 142, 0),
    row(199, "_json", "json[]", 'A', false, 114, 0),
    row(650, "cidr", "cidr", 'I', false, 0, 651),
    row(651, "_cidr", "cidr[]", 'A', false, 650, 0),
    row(700, "float4", "real", 'N', false, 0, 1021),
    row(701, "float8", "double precision", 'N', true, 0, 1022),
    row(705, "unknown", "unknown", 'X', false, 0, 0),
    row(829, "macaddr", "macaddr", 'U', false, 0, 1040),
    row(869, "inet", "inet", 'I', true, 0, 1041),
    row(1000, "_bool", "boolean[]", 'A', false, 16, 0),
    row(1001, "_bytea", "bytea[]", 'A', false, 17, 0),
    row(1002, "_char", "\"char\"[]", 'A', false, 18, 0),
    row(1003, "_name", "name[]", 'A', false, 19, 0),
    row(1005, "_int2", "smallint[]", 'A', false, 21, 0),
    row(1007, "_int4", "integer[]", 'A', false, 23, 0),
    row(1008, "_regproc", "regproc[]", 'A', false, 24, 0),
    row(1009, "_text", "text[]", 'A', false, 25, 0),
    row(1014, "_bpchar", "character[]", 'A', false, 1042, 0),
    row(1015, "_varchar", "character varying[]", 'A', false, 1043, 0),
    row(1016, "_int8", "bigint[]", 'A', false, 20, 0),
    row(1021, "_float4", "real[]", 'A', false, 700, 0),
    row(1022, "_float8", "double precision[]", 'A', false, 701, 0),
    row(1028, "_oid", "oid[]", 'A', false, 26, 0),
    row(1040, "_macaddr", "macaddr[]", 'A', false, 829, 0),
    row(1041, "_inet", "inet[]", 'A', false, 869, 0),
    row(1042, "bpchar", "character", 'S', false, 0, 1014),
    row(1043, "varchar", "character varying", 'S', false, 0, 1015),
    row(1082, "date", "date", 'D', false, 0, 1182),
    row(1083, "time", "time without time zone", 'D', false, 0, 1183),
    row(1114, "timestamp", "timestamp without time zone", 'D', false, 0, 1115),
    row(1115, "_timestamp", "timestamp without time zone[]", 'A', false, 1114, 0),
    row(1182, "_date", "date[]", 'A', false, 1082, 0),
    row(1183, "_time", "time without time zone[]", 'A', false, 1083, 0),
    row(1184, "timestamptz", "timestamp with time zone", 'D', true, 0, 1185),
    row(1185, "_timestamptz", "timestamp with time zone[]", 'A', false, 1184, 0),
    row(1186, "interval", "interval", 'T', true, 0, 1187),
    row(1187, "_interval", "interval[]", 'A', false, 1186, 0),
    row(1231, "_numeric", "numeric[]", 'A', false, 1700, 0),
    row(1266, "timetz", "time with time zone", 'D', false, 0, 1270),
    row(1270, "_timetz", "time with time zone[]", 'A', false, 1266, 0),
    row(1700, "numeric", "numeric", 'N', false, 0, 1231),
    row(2205, "regclass", "regclass", 'N', false, 0, 2210),
    row(2206, "regtype", "regtype", 'N', false, 0, 2211),
    row(2210, "_regclass", "regclass[]", 'A', false, 2205, 0),
    row(2211, "_regtype", "regtype[]", 'A', false, 2206, 0),
    row(2249, "record", "record", 'P', false, 0, 0),
    row(2275, "cstring", "cstring", 'P', false, 0, 0),
    row(2276, "any", "\"any\"", 'P', false, 0, 0),
    row(2277, "anyarray", "anyarray", 'P', false, 0, 0),
    row(2278, "void", "void", 'P', false, 0, 0),
    row(2279, "trigger", "trigger", 'P', false, 0, 0),
    row(2283, "anyelement", "anyelement", 'P', false, 0, 0),
    row(2950, "uuid", "uuid", 'U', false, 0, 2951),
    row(2951, "_uuid", "uuid[]", 'A', false, 2950, 0),
    row(3614, "tsvector", "tsvector", 'U', false, 0, 3643),
    row(3615, "tsquery", "tsquery", 'U', false, 0, 3645),
    row(3643, "_tsvector", "tsvector[]", 'A', false, 3614, 0),
    row(3645, "_tsquery", "tsquery[]", 'A', false, 3615, 0),
    row(3802, "jsonb", "jsonb", 'U', false, 0, 3807),
    row(3807, "_jsonb", "jsonb[]", 'A', false, 3802, 0),
    row(3904, "int4range", "int4range", 'R', false, 0, 3905),
    row(3905, "_int4range", "int4range[]", 'A', false, 3904, 0),
    row(3906, "numrange", "numrange", 'R', false, 0, 3907),
    row(3907, "_numrange", "numrange[]", 'A', false, 3906, 0),
    row(3908, "tsrange", "tsrange", 'R', false, 0, 3909),
    row(3909, "_tsrange", "tsrange[]", 'A', false, 3908, 0),
    row(3910, "tstzrange", "tstzrange", 'R', false, 0, 3911),
    row(3911, "_tstzrange", "tstzrange[]", 'A', false, 3910, 0),
    row(3912, "daterange", "daterange", 'R', false, 0, 3913),
    row(3913, "_daterange", "daterange[]", 'A', false, 3912, 0),
    row(3926, "int8range", "int8range", 'R', false, 0, 3927),
    row(3927, "_int8range", "int8range[]", 'A', false, 3926, 0),
    row(4089, "regnamespace", "regnamespace", 'N', false, 0, 4090),
    row(4090, "_regnamespace", "regnamespace[]", 'A', false, 4089, 0),
    row(4096, "regrole", "regrole", 'N', false, 0, 4097),
    row(4097, "_regrole", "regrole[]", 'A', false, 4096, 0),
    row(16000, "citext", "citext", 'S', false, 0, 16001),
    row(16001, "_citext", "citext[]", 'A', false, 16000, 0),
];
