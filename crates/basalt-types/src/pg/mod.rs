//! PostgreSQL's types: identities, the built-in ones, text input, text output, JSON form, comparison.
//!
//! User-defined types (enums, domains, composites) live in the catalog; callers resolve them to a base type before they come here.
//! All functions are pure. Messages and SQLSTATEs are PostgreSQL's.

mod array;
mod builtin;
mod cast;
mod compare;
pub mod datetime;
mod float;
mod input;
mod json;
mod network;
mod numeric;
mod output;

pub use array::{Nested, array_from_values, array_values};
pub use builtin::{Builtin, builtin, builtin_by_name, builtins, element};
pub use cast::{apply_typmod, cast};
pub use compare::compare;
pub use datetime::{Interval, TimestampParts, now_text};
pub use float::{write_f32, write_f64};
pub use input::{input, input_at, parse_bytea, read_float, store_float};
pub use json::{Json, from_json, from_json_key, json_validate, jsonb_normalise, write_json, write_json_string};
pub use numeric::Numeric;
pub use output::{text, type_name};

/// White space as C's `isspace` knows it, which PostgreSQL skips around numbers and dates.
pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// A type's identity: PostgreSQL's own OID for built-in types, one of ours from 16384 upwards for the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Oid(pub u32);

/// The first OID given to users' objects.
pub const FIRST_USER_OID: u32 = 16384;

/// A type with its modifier, e.g. `numeric(10,2)` or `varchar(20)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeRef {
    /// Which type.
    pub oid: Oid,
    /// PostgreSQL's `atttypmod`: -1 for none; varchar(n)/bpchar(n): n + 4; numeric(p,s): ((p << 16) | (s & 0x7ff)) + 4;
    /// time/timestamp(p): p.
    pub typmod: i32,
}

impl TypeRef {
    /// A type without modifier.
    pub const fn of(oid: Oid) -> Self {
        Self { oid, typmod: -1 }
    }
}

macro_rules! oids {
    ($($name:ident = $n:literal;)*) => {
        /// OIDs of built-in types (PostgreSQL's `pg_type.dat`).
        #[allow(missing_docs)]
        pub mod oid { use super::Oid; $(pub const $name: Oid = Oid($n);)* }
    };
}

oids! {
    BOOL = 16; BYTEA = 17; CHAR = 18; NAME = 19; INT8 = 20; INT2 = 21; INT4 = 23; REGPROC = 24; TEXT = 25; OID = 26; JSON = 114; XML = 142;
    FLOAT4 = 700; FLOAT8 = 701; UNKNOWN = 705; MACADDR = 829; INET = 869; CIDR = 650; BPCHAR = 1042; VARCHAR = 1043; DATE = 1082; TIME = 1083;
    TIMESTAMP = 1114; TIMESTAMPTZ = 1184; INTERVAL = 1186; TIMETZ = 1266; NUMERIC = 1700; REGCLASS = 2205; REGTYPE = 2206; REGROLE = 4096; REGNAMESPACE = 4089;
    RECORD = 2249; VOID = 2278; TRIGGER = 2279; ANY = 2276; ANYELEMENT = 2283; ANYARRAY = 2277; CSTRING = 2275; UUID = 2950; JSONB = 3802;
    TSVECTOR = 3614; TSQUERY = 3615; INT4RANGE = 3904; NUMRANGE = 3906; TSRANGE = 3908; TSTZRANGE = 3910; DATERANGE = 3912; INT8RANGE = 3926;
    BOOL_ARRAY = 1000; BYTEA_ARRAY = 1001; NAME_ARRAY = 1003; INT8_ARRAY = 1016; INT2_ARRAY = 1005; INT4_ARRAY = 1007; TEXT_ARRAY = 1009; OID_ARRAY = 1028; JSON_ARRAY = 199;
    FLOAT4_ARRAY = 1021; FLOAT8_ARRAY = 1022; INET_ARRAY = 1041; CIDR_ARRAY = 651; MACADDR_ARRAY = 1040; BPCHAR_ARRAY = 1014; VARCHAR_ARRAY = 1015; DATE_ARRAY = 1182;
    TIME_ARRAY = 1183; TIMESTAMP_ARRAY = 1115; TIMESTAMPTZ_ARRAY = 1185; INTERVAL_ARRAY = 1187; TIMETZ_ARRAY = 1270; NUMERIC_ARRAY = 1231; UUID_ARRAY = 2951; JSONB_ARRAY = 3807;
    CHAR_ARRAY = 1002;
    // Not a built-in of PostgreSQL: the citext extension's type, given a fixed number of ours.
    CITEXT = 16000; CITEXT_ARRAY = 16001;
}
