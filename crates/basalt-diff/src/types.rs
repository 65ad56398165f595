//! The types of columns: their names in SQL, values with traps, values they refuse, and what may be done with them.

/// A column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Type {
    Int2,
    Int4,
    Int8,
    Numeric,
    /// `numeric(8,2)`.
    Scaled,
    Float4,
    Float8,
    Text,
    /// `varchar(12)`.
    Varchar,
    /// `char(6)`.
    Char,
    Bool,
    Uuid,
    Bytea,
    Date,
    Time,
    Timetz,
    Timestamp,
    Timestamptz,
    Interval,
    Json,
    Jsonb,
    Inet,
    Ints,
    Texts,
    /// The enum `mood`.
    Mood,
    /// The domain `positive` over integer.
    Positive,
}

use Type as T;

impl Type {
    /// All.
    pub const EACH: [Self; 26] = [
        T::Int2,
        T::Int4,
        T::Int8,
        T::Numeric,
        T::Scaled,
        T::Float4,
        T::Float8,
        T::Text,
        T::Varchar,
        T::Char,
        T::Bool,
        T::Uuid,
        T::Bytea,
        T::Date,
        T::Time,
        T::Timetz,
        T::Timestamp,
        T::Timestamptz,
        T::Interval,
        T::Json,
        T::Jsonb,
        T::Inet,
        T::Ints,
        T::Texts,
        T::Mood,
        T::Positive,
    ];

    /// Its name in SQL.
    pub fn sql(self) -> &'static str {
        match self {
            T::Int2 => "smallint",
            T::Int4 => "integer",
            T::Int8 => "bigint",
            T::Numeric => "numeric",
            T::Scaled => "numeric(8,2)",
            T::Float4 => "real",
            T::Float8 => "double precision",
            T::Text => "text",
            T::Varchar => "varchar(12)",
            T::Char => "char(6)",
            T::Bool => "boolean",
            T::Uuid => "uuid",
            T::Bytea => "bytea",
            T::Date => "date",
            T::Time => "time",
            T::Timetz => "timetz",
            T::Timestamp => "timestamp",
            T::Timestamptz => "timestamptz",
            T::Interval => "interval",
            T::Json => "json",
            T::Jsonb => "jsonb",
            T::Inet => "inet",
            T::Ints => "integer[]",
            T::Texts => "text[]",
            T::Mood => "public.mood",
            T::Positive => "public.positive",
        }
    }

    /// A name for its columns and for the coverage.
    pub fn word(self) -> &'static str {
        match self {
            T::Scaled => "scaled",
            T::Float4 => "real",
            T::Float8 => "double",
            T::Varchar => "varchar",
            T::Char => "char",
            T::Ints => "ints",
            T::Texts => "texts",
            T::Mood => "mood",
            T::Positive => "positive",
            other => other.sql(),
        }
    }

    /// Values it takes, traps among them, as text.
    pub fn samples(self) -> &'static [&'static str] {
        match self {
            T::Int2 => &["0", "1", "-1", "7", "32767", "-32768"],
            T::Int4 => &["0", "1", "2", "3", "-5", "2147483647", "-2147483648"],
            T::Int8 => &["0", "1", "42", "-7", "9007199254740993", "9223372036854775807", "-9223372036854775808"],
            T::Numeric => &[
                "0",
                "0.00",
                "1",
                "1.50",
                "-2.75",
                "12345678901234567890.123456789",
                "1e-10",
                "NaN",
                "Infinity",
                "-Infinity",
                "100",
            ],
            T::Scaled => &["0", "1.5", "-0.01", "999999.99", "12.30"],
            T::Float4 => &["0", "1", "1.5", "-0", "0.1", "3.4e38", "1e-10", "NaN", "Infinity", "-Infinity", "16777216"],
            T::Float8 => {
                &["0", "1", "-0", "0.1", "1e300", "1e-7", "123456789.123", "1e15", "1e16", "NaN", "Infinity", "-Infinity"]
            }
            T::Text => &[
                "",
                " ",
                "red",
                "Green",
                "a,b",
                "(x)",
                "\"q\"",
                "it's",
                "back\\slash",
                "100%",
                "under_score",
                "ünïcødé",
                "日本",
                "😀",
                "line\nbreak",
                "tab\there",
                "{a}",
                "*",
                "a.b",
                "null",
                "NULL",
                "true",
                "12",
                "a&b=c",
                "plus+",
                "x:y",
                "trailing ",
            ],
            T::Varchar => &["", "red", "twelve chars", "it's", "é", "a,b", "  pad "],
            T::Char => &["", "a", "abcdef", "é", "b  "],
            T::Bool => &["true", "false"],
            T::Uuid => &[
                "00000000-0000-4000-8000-000000000001",
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            ],
            T::Bytea => &["\\x", "\\xdeadbeef", "\\x00", "\\x5c22"],
            T::Date => &["2024-02-29", "1970-01-01", "0001-01-01", "9999-12-31", "1999-12-31"],
            T::Time => &["00:00:00", "23:59:59.999999", "12:30:00", "24:00:00", "06:07:08.9"],
            T::Timetz => &["00:00:00+00", "12:30:00+05:30", "23:59:59.5-08", "12:30:00+00"],
            T::Timestamp => {
                &["2024-02-29 23:59:59.999999", "1970-01-01 00:00:00", "2000-01-01 12:00:00.5", "0001-01-01 00:00:00"]
            }
            T::Timestamptz => &[
                "2024-02-29 23:59:59.999999+00",
                "1970-01-01 00:00:00+00",
                "2024-06-01 12:00:00+05:30",
                "1999-12-31 23:00:00-08",
            ],
            T::Interval => &["00:00:00", "1 day", "-1 days", "1 year 2 mons 3 days 04:05:06.789", "24:00:00", "1 mon", "30 days"],
            T::Json => &[
                "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"k\":\"v\"}",
                "[1, \"two\", null, 2.50]",
                "\"text\"",
                "12.50",
                "null",
                "{}",
                "{\"a\":1,\"a\":2}",
                "{ \"k\" : true }",
                "[]",
                "{\"k\":\"ünï \\\" x\"}",
            ],
            T::Jsonb => &[
                "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"k\":\"v\"}",
                "[1,\"two\",null,2.50]",
                "\"text\"",
                "12.50",
                "null",
                "{}",
                "{\"bb\":1,\"a\":2,\"k\":10}",
                "{\"k\":true}",
                "[]",
                "{\"k\":\"9\"}",
                "{\"k\":[1,2]}",
                "{\"a\":{\"b\":5}}",
            ],
            T::Inet => &["127.0.0.1", "10.0.0.0/8", "::1", "192.168.1.5/24", "2001:db8::/32"],
            T::Ints => &["{}", "{1}", "{1,2,3}", "{3,NULL,1}", "{-5,2147483647}"],
            T::Texts => &["{}", "{red}", "{red,\"a,b\"}", "{NULL,\"\"}", "{\"it's\",\"q\\\"\",\"back\\\\s\"}", "{\"NULL\",é}"],
            T::Mood => &["sad", "ok", "happy", "Very Odd"],
            T::Positive => &["1", "2", "99", "2147483647"],
        }
    }

    /// Values it refuses.
    pub fn wrongs(self) -> &'static [&'static str] {
        match self {
            T::Int2 => &["abc", "1.5", "40000", "", "99999999999"],
            T::Int4 => &["abc", "1.5", "2147483648", "", "1e3", "0x1g", "99999999999999999999"],
            T::Int8 => &["abc", "1.5", "9223372036854775808", "", "1 2"],
            T::Numeric => &["abc", "1.5.5", "", "1e999999"],
            T::Scaled => &["abc", "1000000.00", "1e9", ""],
            T::Float4 => &["abc", "1e39", ""],
            T::Float8 => &["abc", "1e309", "", "1e-400"],
            T::Text | T::Varchar | T::Char => &["far too long for a short column"],
            T::Bool => &["maybe", "", "2", "tru e"],
            T::Uuid => &["xyz", "", "00000000-0000-4000-8000-00000000000", "00000000-0000-4000-8000-00000000000g"],
            T::Bytea => &["\\xabc", "\\xzz", "a\\b"],
            T::Date => &["2024-13-01", "2023-02-29", "yesterdayish", "", "99-99-9999"],
            T::Time => &["25:00:00", "12:60:00", "noonish", ""],
            T::Timetz => &["25:00:00+00", "x"],
            T::Timestamp => &["2024-02-30 00:00:00", "x", "", "2024-01-01 25:00:00"],
            T::Timestamptz => &["2024-02-30 00:00:00+00", "x", "", "2024-01-01 00:00:00+99"],
            T::Interval => &["1 dayish", "x", ""],
            T::Json | T::Jsonb => &["{", "{a:1}", "", "[1,]", "nul"],
            T::Inet => &["300.0.0.1", "x", "", "10.0.0.0/99"],
            T::Ints => &["{a}", "1,2", "{1", "", "{1.5}"],
            T::Texts => &["red", "{\"a", "", "{a}b"],
            T::Mood => &["angry", "", "SAD"],
            T::Positive => &["0", "-1", "abc"],
        }
    }

    /// Whether it has an order, and so equality.
    pub fn is_ordered(self) -> bool {
        self != T::Json
    }

    /// Whether equal values of it may look different.
    pub fn has_equals(self) -> bool {
        matches!(self, T::Numeric | T::Float4 | T::Float8 | T::Interval)
    }

    /// Whether patterns are for it.
    pub fn is_text(self) -> bool {
        matches!(self, T::Text | T::Varchar | T::Char)
    }

    /// Whether `sum` and `avg` give the same whatever the order of the rows.
    pub fn is_exact_number(self) -> bool {
        matches!(self, T::Int2 | T::Int4 | T::Int8 | T::Scaled)
    }

    /// Whether paths lead into it.
    pub fn is_json(self) -> bool {
        matches!(self, T::Json | T::Jsonb)
    }

    /// Whether it is an array.
    pub fn is_array(self) -> bool {
        matches!(self, T::Ints | T::Texts)
    }

    /// A value's text as JSON: numbers, booleans and documents as themselves where JSON has them, else a string.
    pub fn json(self, text: &str) -> String {
        let is_itself = match self {
            T::Int2
            | T::Int4
            | T::Int8
            | T::Numeric
            | T::Scaled
            | T::Float4
            | T::Float8
            | T::Positive
            | T::Bool
            | T::Json
            | T::Jsonb => serde_json::from_str::<serde_json::Value>(text).is_ok(),
            _ => false,
        };
        if is_itself { text.to_owned() } else { serde_json::Value::from(text).to_string() }
    }
}
