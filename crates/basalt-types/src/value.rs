//! Values as they are stored on SQLite and passed between planner and engines.

/// One value in its storage form. The logical type says how to read it:
///
/// | logical type | storage |
/// |---|---|
/// | bool | `Int` 0 or 1 |
/// | int2, int4, int8, oid | `Int` |
/// | float4, float8 | `Real`; NaN and -0 and infinities that SQLite cannot keep are `Text` ("NaN", "-0", "Infinity", "-Infinity") |
/// | numeric | `Text`, canonical decimal with its scale ("10.50", "NaN") |
/// | text, varchar, bpchar, name, citext, enums | `Text` (bpchar padded to its length) |
/// | uuid | `Text`, lower case with hyphens |
/// | date, time, timetz, interval | `Text` in PostgreSQL's ISO output form |
/// | timestamp | `Text` `2024-01-01T00:00:00.12` (the JSON form) |
/// | timestamptz | `Text` `2024-01-01T00:00:00.12+00:00`, always UTC (the JSON form; byte order is time order) |
/// | json | `Text` verbatim |
/// | jsonb | `Text` in PostgreSQL's own jsonb output (key order, spacing, numbers) |
/// | bytea | `Blob` |
/// | inet, cidr, macaddr | `Text` canonical |
/// | arrays | `Text`, a JSON array of the elements' storage forms (numbers for ints and finite floats, true/false for bool, strings otherwise, null) |
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// SQL NULL.
    #[default]
    Null,
    /// 64-bit integer.
    Int(i64),
    /// 64-bit float, never NaN.
    Real(f64),
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A borrowed [`Value`], as read from a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// SQL NULL.
    Null,
    /// 64-bit integer.
    Int(i64),
    /// 64-bit float.
    Real(f64),
    /// UTF-8 text.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl Value {
    /// Borrows the value.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Int(n) => ValueRef::Int(*n),
            Self::Real(x) => ValueRef::Real(*x),
            Self::Text(s) => ValueRef::Text(s),
            Self::Blob(b) => ValueRef::Blob(b),
        }
    }

    /// Whether this is SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl ValueRef<'_> {
    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Int(n) => Value::Int(n),
            Self::Real(x) => Value::Real(x),
            Self::Text(s) => Value::Text(s.to_owned()),
            Self::Blob(b) => Value::Blob(b.to_vec()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Int(i64::from(b))
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Self {
        v.map_or(Self::Null, Into::into)
    }
}
