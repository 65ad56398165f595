//! The tables in `tests/data`, line by line.

use basalt_types::pg::datetime::{self, Interval};
use basalt_types::pg::{self, Numeric, TypeRef, builtin_by_name};
use basalt_types::{SqlError, Timestamp, Value};

/// `numeric(10,2)[]` as a type; the modifier's packing is PostgreSQL's.
pub fn type_of(name: &str) -> TypeRef {
    let (base, array) = name.strip_suffix("[]").map_or((name, false), |base| (base, true));
    let (base, arguments) = match base.split_once('(') {
        Some((base, rest)) => (base, rest.trim_end_matches(')').split(',').map(|n| n.parse().expect("a number")).collect()),
        None => (base, Vec::<i32>::new()),
    };
    let row = builtin_by_name(base).expect("a built-in type");
    let typmod = match (row.name, arguments.as_slice()) {
        (_, []) => -1,
        ("numeric", [precision]) => (precision << 16) + 4,
        ("numeric", [precision, scale]) => ((precision << 16) | (scale & 0x7ff)) + 4,
        ("varchar" | "bpchar", [length]) => length + 4,
        (_, [n, ..]) => *n,
    };
    TypeRef { oid: if array { row.array } else { row.oid }, typmod }
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                _ => '\\',
            },
            c => c,
        });
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")
}

fn show_error(e: &SqlError) -> String {
    let part = |p: &Option<String>| escape(p.as_deref().unwrap_or(""));
    format!("error\t{}\t{}\t{}\t{}", e.state.as_str(), escape(&e.message), part(&e.detail), part(&e.hint))
}

pub fn text_of(value: &Value, ty: TypeRef) -> String {
    let mut out = String::new();
    pg::text(value.as_ref(), ty, &mut out);
    out
}

/// Compares each line's answer; `fields` of it are the question.
fn check(table: &str, fields: usize, answer: impl Fn(&[String]) -> String) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in table.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let line = line.strip_prefix('!').unwrap_or(line);
        let mut parts = line.splitn(fields + 1, '\t');
        let question: Vec<String> = parts.by_ref().take(fields).map(unescape).collect();
        let expected = parts.next().unwrap_or("");
        let ours = answer(&question);
        count += 1;
        if ours != expected {
            wrong.push(format!("{}\n    expected {expected}\n    got      {ours}", question.join(" | ")));
        }
    }
    assert!(wrong.is_empty(), "{} of {count} lines differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn input() {
    check(include_str!("../data/input.txt"), 2, |question| {
        let ty = type_of(&question[0]);
        match pg::input(&question[1], ty) {
            Ok(value) => {
                let mut json = Vec::new();
                pg::write_json(value.as_ref(), ty, &mut json);
                format!("ok\t{}\t{}", escape(&text_of(&value, ty)), escape(&String::from_utf8(json).expect("UTF-8")))
            }
            Err(e) => show_error(&e),
        }
    });
}

#[test]
fn cast() {
    check(include_str!("../data/cast.txt"), 3, |question| {
        let (from, to) = (type_of(&question[0]), type_of(&question[2]));
        match pg::input(&question[1], from).and_then(|value| pg::cast(value.as_ref(), from, to, true)) {
            Ok(value) => format!("ok\t{}", escape(&text_of(&value, to))),
            Err(e) => show_error(&e),
        }
    });
}

#[test]
fn from_json() {
    check(include_str!("../data/json.txt"), 2, |question| {
        let ty = type_of(&question[0]);
        match pg::from_json_key(&question[1], ty, Some("k")) {
            Ok(value) => format!("ok\t{}", escape(&text_of(&value, ty))),
            Err(e) => show_error(&e),
        }
    });
}

fn read(text: &str, ty: &str) -> Result<Value, SqlError> {
    pg::input(text, type_of(ty))
}

fn stored(text: &str, ty: &str) -> Result<String, SqlError> {
    match read(text, ty)? {
        Value::Text(stored) => Ok(stored),
        other => panic!("{other:?} is stored as no text"),
    }
}

fn timestamp(text: &str, ty: &str) -> Result<Timestamp, SqlError> {
    Ok(datetime::timestamp_from_stored(&stored(text, ty)?).expect("a stored timestamp"))
}

fn show_timestamp(at: Timestamp, zoned: bool) -> String {
    let mut out = String::new();
    if zoned {
        datetime::write_timestamptz(at, &mut out)
    } else {
        datetime::write_timestamp(at, &mut out)
    }
    text_of(&Value::Text(out), type_of(if zoned { "timestamptz" } else { "timestamp" }))
}

/// One operation of `ops.txt`.
fn operate(op: &str, a: &str, b: &str) -> Result<String, SqlError> {
    let numeric = |f: fn(&Numeric, &Numeric) -> Result<Numeric, SqlError>| {
        f(&Numeric::parse(a)?, &Numeric::parse(b)?).map(|n| n.to_string())
    };
    let interval =
        |f: fn(Interval, Interval) -> Result<Interval, SqlError>| Ok(f(Interval::parse(a)?, Interval::parse(b)?)?.to_string());
    let scaled =
        |f: fn(Interval, f64) -> Result<Interval, SqlError>| Ok(f(Interval::parse(a)?, b.parse().expect("a float"))?.to_string());
    let optional = |n: Option<Numeric>| n.map_or(String::new(), |n| n.to_string());
    match op {
        "add" => numeric(Numeric::add),
        "sub" => numeric(Numeric::sub),
        "mul" => numeric(Numeric::mul),
        "div" => numeric(Numeric::div),
        "rem" => numeric(Numeric::rem),
        "div_trunc" => numeric(Numeric::div_trunc),
        "round" => Ok(Numeric::parse(a)?.round(b.parse().expect("a scale")).to_string()),
        "trunc" => Ok(Numeric::parse(a)?.trunc(b.parse().expect("a scale")).to_string()),
        "floor" => Ok(Numeric::parse(a)?.floor()?.to_string()),
        "ceil" => Ok(Numeric::parse(a)?.ceil()?.to_string()),
        "trim_scale" => Ok(Numeric::parse(a)?.trim_scale().to_string()),
        "extract_timestamp" => Ok(optional(datetime::extract_timestamp(a, timestamp(b, "timestamp")?, false)?)),
        "extract_timestamptz" => Ok(optional(datetime::extract_timestamp(a, timestamp(b, "timestamptz")?, true)?)),
        "extract_date" => {
            let days = datetime::date_from_stored(&stored(b, "date")?).expect("a stored date");
            Ok(optional(datetime::extract_date(a, days)?))
        }
        "extract_time" => {
            let micros = datetime::time_from_stored(&stored(b, "time")?).expect("a stored time");
            Ok(datetime::extract_time(a, micros, None)?.to_string())
        }
        "extract_timetz" => {
            let (micros, offset) = datetime::timetz_from_stored(&stored(b, "timetz")?).expect("a stored timetz");
            Ok(datetime::extract_time(a, micros, Some(offset))?.to_string())
        }
        "extract_interval" => Ok(optional(datetime::extract_interval(a, Interval::parse(b)?)?)),
        "trunc_timestamp" => Ok(show_timestamp(datetime::date_trunc(a, timestamp(b, "timestamp")?, None)?, false)),
        "trunc_berlin" => Ok(show_timestamp(datetime::date_trunc(a, timestamp(b, "timestamptz")?, Some("Europe/Berlin"))?, true)),
        "trunc_interval" => Ok(datetime::date_trunc_interval(a, Interval::parse(b)?)?.to_string()),
        "age" => Ok(datetime::age(timestamp(a, "timestamp")?, timestamp(b, "timestamp")?)?.to_string()),
        "difference" => Ok(datetime::sub_timestamps(timestamp(a, "timestamp")?, timestamp(b, "timestamp")?)?.to_string()),
        "plus_interval" => Ok(show_timestamp(datetime::add_interval(timestamp(a, "timestamp")?, Interval::parse(b)?)?, false)),
        "to_zone" => Ok(show_timestamp(datetime::to_time_zone(timestamp(a, "timestamptz")?, b)?, false)),
        "from_zone" => Ok(show_timestamp(datetime::at_time_zone(timestamp(a, "timestamp")?, b)?, true)),
        "interval_mul" => scaled(Interval::mul),
        "interval_div" => scaled(Interval::div),
        "interval_add" => interval(Interval::add),
        "interval_sub" => interval(Interval::sub),
        "justify_days" => Ok(Interval::parse(a)?.justify_days().to_string()),
        "justify_hours" => Ok(Interval::parse(a)?.justify_hours().to_string()),
        other => panic!("no operation {other}"),
    }
}

#[test]
fn operations() {
    check(include_str!("../data/ops.txt"), 3, |question| match operate(&question[0], &question[1], &question[2]) {
        Ok(text) => format!("ok\t{}", escape(&text)),
        Err(e) => show_error(&e),
    });
}

#[test]
fn order() {
    check(include_str!("../data/order.txt"), 2, |question| {
        let ty = type_of(&question[0]);
        let mut values: Vec<Value> = question[1].split('~').map(|v| pg::input(v, ty).expect("a value")).collect();
        values.sort_by(|a, b| pg::compare(a.as_ref(), b.as_ref(), ty));
        values.iter().map(|v| text_of(v, ty)).collect::<Vec<_>>().join(" < ")
    });
}
