//! Operators. Comparisons are one family of implementations for all types (`eq`, `ne`, `lt`, `le`, `gt`, `ge`): engines look at the
//! operands' types. Mixed integer widths share the implementation of the result's width.

use basalt_types::Oid;
use basalt_types::pg::oid;

use super::{Operator, pseudo};
use crate::typed::Imp;

/// The six comparison operators of each ordered type.
///
/// Dates and timestamps of different kinds are not mixed here, unlike in PostgreSQL: both sides are cast to the wider one, which gives the
/// same answers with the server's time zone at UTC.
pub(super) fn comparisons() -> Vec<Operator> {
    const SYMBOLS: [(&str, &str); 6] = [("=", "eq"), ("<>", "ne"), ("<", "lt"), ("<=", "le"), (">", "gt"), (">=", "ge")];
    #[rustfmt::skip]
    const SAME: [Oid; 29] = [
        oid::BOOL, oid::CHAR, oid::NAME, oid::INT8, oid::INT2, oid::INT4, oid::TEXT, oid::OID, oid::FLOAT4, oid::FLOAT8, oid::MACADDR,
        oid::INET, oid::BPCHAR, oid::BYTEA, oid::DATE, oid::TIME, oid::TIMESTAMP, oid::TIMESTAMPTZ, oid::INTERVAL, oid::TIMETZ, oid::NUMERIC,
        oid::UUID, oid::JSONB, oid::CITEXT, oid::RECORD, oid::ANYARRAY, pseudo::ANYENUM, oid::TSVECTOR, oid::TSQUERY,
    ];
    #[rustfmt::skip]
    const MIXED: [(Oid, Oid); 10] = [
        (oid::INT2, oid::INT4), (oid::INT4, oid::INT2), (oid::INT2, oid::INT8), (oid::INT8, oid::INT2), (oid::INT4, oid::INT8),
        (oid::INT8, oid::INT4), (oid::FLOAT4, oid::FLOAT8), (oid::FLOAT8, oid::FLOAT4), (oid::NAME, oid::TEXT), (oid::TEXT, oid::NAME),
    ];
    let mut rows = Vec::new();
    for (symbol, imp) in SYMBOLS {
        let pairs = SAME.iter().map(|t| (*t, *t)).chain(MIXED);
        rows.extend(pairs.map(|(left, right)| Operator { symbol, left: Some(left), right, result: oid::BOOL, imp: Imp(imp) }));
    }
    rows
}

/// `symbol left right result imp`.
pub(super) const ROWS: &str = "
    # Arithmetic
    + int2 int2 int2 int2pl
    + int2 int4 int4 int4pl
    + int4 int2 int4 int4pl
    + int4 int4 int4 int4pl
    + int2 int8 int8 int8pl
    + int8 int2 int8 int8pl
    + int4 int8 int8 int8pl
    + int8 int4 int8 int8pl
    + int8 int8 int8 int8pl
    + float4 float4 float4 float4pl
    + float4 float8 float8 float8pl
    + float8 float4 float8 float8pl
    + float8 float8 float8 float8pl
    + numeric numeric numeric numeric_add
    - int2 int2 int2 int2mi
    - int2 int4 int4 int4mi
    - int4 int2 int4 int4mi
    - int4 int4 int4 int4mi
    - int2 int8 int8 int8mi
    - int8 int2 int8 int8mi
    - int4 int8 int8 int8mi
    - int8 int4 int8 int8mi
    - int8 int8 int8 int8mi
    - float4 float4 float4 float4mi
    - float4 float8 float8 float8mi
    - float8 float4 float8 float8mi
    - float8 float8 float8 float8mi
    - numeric numeric numeric numeric_sub
    * int2 int2 int2 int2mul
    * int2 int4 int4 int4mul
    * int4 int2 int4 int4mul
    * int4 int4 int4 int4mul
    * int2 int8 int8 int8mul
    * int8 int2 int8 int8mul
    * int4 int8 int8 int8mul
    * int8 int4 int8 int8mul
    * int8 int8 int8 int8mul
    * float4 float4 float4 float4mul
    * float4 float8 float8 float8mul
    * float8 float4 float8 float8mul
    * float8 float8 float8 float8mul
    * numeric numeric numeric numeric_mul
    / int2 int2 int2 int2div
    / int2 int4 int4 int4div
    / int4 int2 int4 int4div
    / int4 int4 int4 int4div
    / int2 int8 int8 int8div
    / int8 int2 int8 int8div
    / int4 int8 int8 int8div
    / int8 int4 int8 int8div
    / int8 int8 int8 int8div
    / float4 float4 float4 float4div
    / float4 float8 float8 float8div
    / float8 float4 float8 float8div
    / float8 float8 float8 float8div
    / numeric numeric numeric numeric_div
    % int2 int2 int2 int2mod
    % int4 int4 int4 int4mod
    % int8 int8 int8 int8mod
    % numeric numeric numeric numeric_mod
    ^ float8 float8 float8 dpow
    ^ numeric numeric numeric numeric_power
    - - int2 int2 int2um
    - - int4 int4 int4um
    - - int8 int8 int8um
    - - float4 float4 float4um
    - - float8 float8 float8um
    - - numeric numeric numeric_uminus
    - - interval interval interval_um
    + - int2 int2 int2up
    + - int4 int4 int4up
    + - int8 int8 int8up
    + - float4 float4 float4up
    + - float8 float8 float8up
    + - numeric numeric numeric_uplus
    @ - int2 int2 abs
    @ - int4 int4 abs
    @ - int8 int8 abs
    @ - float4 float4 abs
    @ - float8 float8 abs
    @ - numeric numeric abs
    |/ - float8 float8 sqrt
    ||/ - float8 float8 cbrt
    # Bits
    & int2 int2 int2 int2and
    & int4 int4 int4 int4and
    & int8 int8 int8 int8and
    | int2 int2 int2 int2or
    | int4 int4 int4 int4or
    | int8 int8 int8 int8or
    ~ - int2 int2 int2not
    ~ - int4 int4 int4not
    ~ - int8 int8 int8not
    << int2 int4 int2 int2shl
    << int4 int4 int4 int4shl
    << int8 int4 int8 int8shl
    >> int2 int4 int2 int2shr
    >> int4 int4 int4 int4shr
    >> int8 int4 int8 int8shr
    # Dates and times
    + date int4 date date_pli
    + int4 date date integer_pl_date
    + date interval timestamp date_pl_interval
    + interval date timestamp interval_pl_date
    + date time timestamp datetime_pl
    + time date timestamp timedate_pl
    + timestamp interval timestamp timestamp_pl_interval
    + interval timestamp timestamp interval_pl_timestamp
    + timestamptz interval timestamptz timestamptz_pl_interval
    + interval timestamptz timestamptz interval_pl_timestamptz
    + time interval time time_pl_interval
    + interval time time interval_pl_time
    + timetz interval timetz timetz_pl_interval
    + interval interval interval interval_pl
    - date date int4 date_mi
    - date int4 date date_mii
    - date interval timestamp date_mi_interval
    - timestamp timestamp interval timestamp_mi
    - timestamp interval timestamp timestamp_mi_interval
    - timestamptz timestamptz interval timestamptz_mi
    - timestamptz interval timestamptz timestamptz_mi_interval
    - time time interval time_mi_time
    - time interval time time_mi_interval
    - timetz interval timetz timetz_mi_interval
    - interval interval interval interval_mi
    * interval float8 interval interval_mul
    * float8 interval interval mul_d_interval
    / interval float8 interval interval_div
    # Text
    || text text text textcat
    || text anynonarray text textanycat
    || anynonarray text text anytextcat
    || bytea bytea bytea byteacat
    ~~ text text bool like
    ~~ name text bool like
    ~~ bpchar text bool like
    ~~ citext citext bool ilike
    ~~ citext text bool ilike
    ~~* text text bool ilike
    ~~* name text bool ilike
    ~~* bpchar text bool ilike
    ~~* citext citext bool ilike
    ~~* citext text bool ilike
    ~ text text bool regex_match
    ~ name text bool regex_match
    ~ bpchar text bool regex_match
    ~ citext citext bool regex_imatch
    ~ citext text bool regex_imatch
    ~* text text bool regex_imatch
    ~* name text bool regex_imatch
    ~* bpchar text bool regex_imatch
    ~* citext citext bool regex_imatch
    ~* citext text bool regex_imatch
    ^@ text text bool starts_with
    # JSON
    -> json text json json_object_field
    -> json int4 json json_array_element
    ->> json text text json_object_field_text
    ->> json int4 text json_array_element_text
    #> json text[] json json_extract_path
    #>> json text[] text json_extract_path_text
    -> jsonb text jsonb jsonb_object_field
    -> jsonb int4 jsonb jsonb_array_element
    ->> jsonb text text jsonb_object_field_text
    ->> jsonb int4 text jsonb_array_element_text
    #> jsonb text[] jsonb jsonb_extract_path
    #>> jsonb text[] text jsonb_extract_path_text
    @> jsonb jsonb bool jsonb_contains
    <@ jsonb jsonb bool jsonb_contained
    ? jsonb text bool jsonb_exists
    ?| jsonb text[] bool jsonb_exists_any
    ?& jsonb text[] bool jsonb_exists_all
    || jsonb jsonb jsonb jsonb_concat
    - jsonb text jsonb jsonb_delete
    - jsonb text[] jsonb jsonb_delete_array
    - jsonb int4 jsonb jsonb_delete_idx
    #- jsonb text[] jsonb jsonb_delete_path
    # Arrays
    || anycompatiblearray anycompatiblearray anycompatiblearray array_cat
    || anycompatiblearray anycompatible anycompatiblearray array_append
    || anycompatible anycompatiblearray anycompatiblearray array_prepend
    @> anyarray anyarray bool arraycontains
    <@ anyarray anyarray bool arraycontained
    && anyarray anyarray bool arrayoverlap
    # Networks
    << inet inet bool network_sub
    <<= inet inet bool network_subeq
    >> inet inet bool network_sup
    >>= inet inet bool network_supeq
    && inet inet bool network_overlap
";

/// Operators that PostgreSQL has (full text, vectors, JSON paths, trigrams) and no table here does: refused by name. Those of ranges are not
/// among them: without their types PostgreSQL has them neither.
pub fn is_known_elsewhere(symbol: &str) -> bool {
    #[rustfmt::skip]
    const SYMBOLS: [&str; 28] = [
        "@@", "@@@", "@?", "<->", "<=>", "<#>", "<+>", "<~>", "<%>", "&<|", "|&>", "<<|", "|>>", "##", "?#", "?-", "?||", "?-|",
        "~=", "!!", "%>", "<%", "%>>", "<<%", "<<->", "<->>", "#", "~<=~",
    ];
    SYMBOLS.contains(&symbol)
}
