//! Properties that hold for any text.

use crate::golden::{text_of, type_of};
use basalt_types::pg;
use proptest::prelude::*;
use std::cmp::Ordering;

const TYPES: &[&str] = &[
    "bool",
    "int2",
    "int4",
    "int8",
    "oid",
    "float4",
    "float8",
    "numeric",
    "numeric(6,2)",
    "text",
    "varchar(5)",
    "bpchar(4)",
    "name",
    "citext",
    "uuid",
    "bytea",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "timestamptz(0)",
    "interval",
    "json",
    "jsonb",
    "inet",
    "cidr",
    "macaddr",
    "bool[]",
    "int4[]",
    "float8[]",
    "numeric[]",
    "text[]",
    "bytea[]",
    "timestamptz[]",
    "jsonb[]",
    "interval[]",
];

/// Text that looks like values more often than chance would.
fn likely() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9]{1,9}",
        Just("-".to_owned()),
        Just(":".to_owned()),
        Just(".".to_owned()),
        Just(" ".to_owned()),
        Just(",".to_owned()),
        "[{}\\[\\]\"\\\\]",
        prop_oneof![
            Just("2024-02-29"),
            Just("10:20:30.5"),
            Just("T"),
            Just("Z"),
            Just("+02"),
            Just("e5"),
            Just("NaN"),
            Just("null"),
            Just("day"),
            Just("mon"),
            Just("year"),
            Just("ago"),
            Just("P"),
            Just("Jan"),
            Just("true"),
            Just("\\x"),
            Just("::"),
            Just("/24"),
            Just("Europe/Berlin"),
            Just("infinity"),
            Just("\\u00e9"),
            Just("é"),
        ]
        .prop_map(str::to_owned),
    ];
    prop_oneof![3 => prop::collection::vec(piece, 0..8).prop_map(|v| v.concat()), 1 => ".{0,20}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the text, input answers; what it accepts is printed in a form that reads back as the same value.
    #[test]
    fn output_is_a_fixed_point(text in likely()) {
        for name in TYPES {
            let ty = type_of(name);
            let Ok(value) = pg::input(&text, ty) else { continue };
            let shown = text_of(&value, ty);
            let again = pg::input(&shown, ty);
            prop_assert_eq!(again.as_ref(), Ok(&value), "{} {:?} -> {:?}", name, text, shown);
            let mut json = Vec::new();
            pg::write_json(value.as_ref(), ty, &mut json);
            let json = String::from_utf8(json).expect("JSON is UTF-8");
            prop_assert!(pg::json_validate(&json).is_ok(), "{} {:?} -> {}", name, text, json);
            // The JSON form of NULL is null whatever the type, and json keeps its text, which is no string.
            if *name != "json" && json != "null" {
                let back = pg::from_json(&json, ty);
                prop_assert_eq!(back.as_ref(), Ok(&value), "{} {:?} -> {}", name, text, json);
            }
        }
    }

    /// JSON of any text never panics, and canonical jsonb is canonical.
    #[test]
    fn jsonb_is_a_fixed_point(text in likely()) {
        if let Ok(canonical) = pg::jsonb_normalise(&text) {
            prop_assert_eq!(pg::jsonb_normalise(&canonical), Ok(canonical));
        }
        for name in TYPES {
            let _ = pg::from_json(&text, type_of(name));
        }
    }

    /// The order is total, and equal texts of a type without several spellings are equal values.
    #[test]
    fn order_is_total(a in likely(), b in likely(), c in likely()) {
        for name in TYPES {
            let ty = type_of(name);
            let (Ok(a), Ok(b), Ok(c)) = (pg::input(&a, ty), pg::input(&b, ty), pg::input(&c, ty)) else { continue };
            let order = |x: &basalt_types::Value, y: &basalt_types::Value| pg::compare(x.as_ref(), y.as_ref(), ty);
            prop_assert_eq!(order(&a, &a), Ordering::Equal);
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            if order(&a, &b) != Ordering::Greater && order(&b, &c) != Ordering::Greater {
                prop_assert_ne!(order(&a, &c), Ordering::Greater);
            }
        }
    }

    /// Casting anything to anything answers.
    #[test]
    fn casts_answer(text in likely()) {
        for from in TYPES {
            let from = type_of(from);
            let Ok(value) = pg::input(&text, from) else { continue };
            for to in TYPES {
                let to = type_of(to);
                if let Ok(converted) = pg::cast(value.as_ref(), from, to, true) {
                    text_of(&converted, to);
                }
            }
        }
    }
}
