//! The tables in `tests/data`, line by line.

use basalt_types::pg::{self, TypeRef, builtin_by_name};
use basalt_types::{SqlError, Value};

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
