use basalt_plan::program::{Field, FieldValue, JsonStyle, Shape};
use basalt_types::pg::oid;
use basalt_types::{TypeRef, Value};

use super::{Encoder, csv, strip::strip_nulls};

fn shape() -> Shape {
    let column = |name: &str, at, ty| Field { name: name.into(), value: FieldValue::Column { at, ty: TypeRef::of(ty) } };
    Shape {
        style: JsonStyle::Json,
        fields: vec![
            column("id", 0, oid::INT8),
            column("a \"b\"", 1, oid::TEXT),
            Field { name: "tags".into(), value: FieldValue::Json { at: 2 } },
            Field {
                name: "author".into(),
                value: FieldValue::Object { present: 3, fields: vec![column("name", 4, oid::TEXT), column("ok", 5, oid::BOOL)] },
            },
        ],
    }
}

#[test]
fn rows_become_objects() {
    let encoder = Encoder::new(&shape());
    let mut out = Vec::new();
    let row: &[Value] = &[1i64.into(), "x\ny".into(), "[1]".into(), 7i64.into(), "n".into(), true.into()];
    encoder.write(row, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), r#"{"id":1,"a \"b\"":"x\ny","tags":[1],"author":{"name": "n", "ok": true}}"#);
    out.clear();
    encoder.write(&[Value::Null] as &[Value], &mut out);
    assert_eq!(String::from_utf8_lossy(&out), r#"{"id":null,"a \"b\"":null,"tags":null,"author":null}"#);
}

#[test]
fn csv_quotes_as_composites_do() {
    let encoder = Encoder::new(&shape());
    let (mut out, mut scratch) = (Vec::new(), String::new());
    let row: &[Value] = &[1i64.into(), "".into(), "[1]".into(), 7i64.into(), "a\\b\"c".into(), true.into()];
    csv::row(&encoder, row, &mut scratch, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), "1,\"\",[1],\"{\"\"name\"\": \"\"a\\\\\\\\b\\\\\"\"c\"\", \"\"ok\"\": true}\"");
}

#[test]
fn nulls_are_stripped_at_every_level() {
    for (input, expected) in [
        (r#"[{"a":null,"b":1}, \n {"a": {"c":null}}]"#, r#"[{"b":1},{"a":{}}]"#),
        (r#"{"a":[null,1,{"x":null}],"b":"null, \"}"}"#, r#"{"a":[null,1,{}],"b":"null, \"}"}"#),
        (r#"{"a":1,"b":null}"#, r#"{"a":1}"#),
        (r#"{"a":null}"#, "{}"),
        (r#"[]"#, "[]"),
        (r#"[[1, null], [{"k":null,"l":[]}]]"#, r#"[[1,null],[{"l":[]}]]"#),
    ] {
        let input = input.replace("\\n", "\n");
        assert_eq!(String::from_utf8_lossy(&strip_nulls(input.as_bytes())), expected, "{input}");
    }
}

#[test]
fn embeds_are_written_as_jsonb() {
    let column = |name: &str, at, ty| Field { name: name.into(), value: FieldValue::Column { at, ty: TypeRef::of(ty) } };
    let fields =
        vec![column("a", 0, oid::INT4_ARRAY), column("f", 1, oid::FLOAT8), column("j", 2, oid::JSON), column("t", 3, oid::TEXT)];
    let encoder = Encoder::new(&Shape { style: JsonStyle::Jsonb, fields });
    let mut out = Vec::new();
    let row: &[Value] = &["[1,2]".into(), Value::Real(1e20), r#"{"b":1,  "a":[]}"#.into(), "x".into()];
    encoder.write(row, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), r#"{"a": [1, 2], "f": 100000000000000000000, "j": {"a": [], "b": 1}, "t": "x"}"#);
}
