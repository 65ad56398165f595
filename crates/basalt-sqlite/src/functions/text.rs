//! Functions on texts.

use basalt_types::pg::{self, oid};
use basalt_types::{SqlError, SqlState, TypeRef, Value, ValueRef};

use super::{Call, Row, boolean, refuse};

/// Longest text a function may make. PostgreSQL's own limit is 1 GiB; ours is what a statement's memory allows.
pub(super) const LONGEST_BYTES: usize = 64 << 20;

pub(super) fn too_long() -> SqlError {
    SqlError::new(SqlState::PROGRAM_LIMIT, "requested length too large")
}

fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// A letter's other case when that is one letter: like PostgreSQL's libc and C.UTF-8, no `ß` becomes `SS`.
fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// As [`upper`], the other way; `İ` becomes a plain `i`.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn initcap(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_inside = false;
    for c in text.chars() {
        if is_inside {
            out.push(lower(c))
        } else {
            out.push(upper(c))
        }
        is_inside = c.is_alphanumeric();
    }
    out
}

fn pad(call: &Call<'_>, on_left: bool) -> Result<Value, SqlError> {
    let (text, length) = (call.text(0), count(call.int(1)));
    let fill = if call.len() > 2 { call.text(2) } else { " " };
    let own = text.chars().count();
    if own >= length {
        return Ok(Value::Text(text.chars().take(length).collect()));
    }
    if fill.is_empty() {
        return Ok(Value::from(text));
    }
    if length.saturating_mul(4) > LONGEST_BYTES {
        return Err(too_long());
    }
    let padding: String = fill.chars().cycle().take(length - own).collect();
    Ok(Value::Text(if on_left { padding + text } else { format!("{text}{padding}") }))
}

/// The first n characters, or all but the last -n; and the other way round.
fn part(call: &Call<'_>, from_left: bool) -> Result<Value, SqlError> {
    let (text, n) = (call.text(0), call.int(1));
    let length = text.chars().count();
    let wanted = if n >= 0 {
        count(n).min(length)
    } else {
        length.saturating_sub(usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX))
    };
    Ok(Value::Text(if from_left { text.chars().take(wanted).collect() } else { text.chars().skip(length - wanted).collect() }))
}

fn repeat(call: &Call<'_>) -> Result<Value, SqlError> {
    let (text, n) = (call.text(0), count(call.int(1)));
    if text.len().saturating_mul(n) > LONGEST_BYTES {
        return Err(too_long());
    }
    Ok(Value::Text(text.repeat(n)))
}

fn translate(call: &Call<'_>) -> Result<Value, SqlError> {
    let (from, to): (Vec<char>, Vec<char>) = (call.text(1).chars().collect(), call.text(2).chars().collect());
    let map = |c: char| match from.iter().position(|f| *f == c) {
        None => Some(c),
        Some(at) => to.get(at).copied(),
    };
    Ok(Value::Text(call.text(0).chars().filter_map(map).collect()))
}

fn split_part(call: &Call<'_>) -> Result<Value, SqlError> {
    let (text, separator, n) = (call.text(0), call.text(1), call.int(2));
    if n == 0 {
        return refuse(SqlState::INVALID_PARAMETER, "field position must not be zero");
    }
    if separator.is_empty() || text.is_empty() {
        return Ok(Value::from(if n == 1 || n == -1 { text } else { "" }));
    }
    let at = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX) - 1;
    let found = if n > 0 { text.split(separator).nth(at) } else { text.rsplit(separator).nth(at) };
    Ok(Value::from(found.unwrap_or("")))
}

/// Start and length in units from 0, of `substring(… from a for b)`.
fn span(call: &Call<'_>, total: usize) -> Result<(usize, usize), SqlError> {
    let start = call.int(1);
    let end = if call.len() > 2 {
        let length = call.int(2);
        if length < 0 {
            return refuse(SqlState::new(b"22011"), "negative substring length not allowed");
        }
        start.saturating_add(length)
    } else {
        i64::MAX
    };
    let first = count(start.saturating_sub(1)).min(total);
    let last = count(end.saturating_sub(1)).min(total);
    Ok((first, last.saturating_sub(first)))
}

fn substring(call: &Call<'_>) -> Result<Value, SqlError> {
    let text = call.text(0);
    let (skip, take) = span(call, text.len())?;
    Ok(Value::Text(text.chars().skip(skip).take(take).collect()))
}

fn bytea_substring(call: &Call<'_>) -> Result<Value, SqlError> {
    let bytes = call.bytes(0);
    let (skip, take) = span(call, bytes.len())?;
    Ok(Value::Blob(bytes.get(skip..skip + take).unwrap_or_default().to_vec()))
}

fn overlay(call: &Call<'_>) -> Result<Value, SqlError> {
    let (text, new, start) = (call.text(0), call.text(1), call.int(2));
    if start <= 0 {
        return refuse(SqlState::new(b"22011"), "negative substring length not allowed");
    }
    let length = if call.len() > 3 { call.int(3) } else { i64::try_from(new.chars().count()).unwrap_or(i64::MAX) };
    let head = text.chars().take(count(start - 1));
    let tail = text.chars().skip(count(start.saturating_sub(1).saturating_add(length)));
    Ok(Value::Text(head.chain(new.chars()).chain(tail).collect()))
}

fn chr(call: &Call<'_>) -> Result<Value, SqlError> {
    match call.int(0) {
        0 => refuse(SqlState::PROGRAM_LIMIT, "null character not permitted"),
        n if n < 0 => refuse(SqlState::PROGRAM_LIMIT, "character number must be positive"),
        n => match u32::try_from(n).ok().and_then(char::from_u32) {
            Some(c) => Ok(Value::Text(c.to_string())),
            None => refuse(SqlState::PROGRAM_LIMIT, format!("requested character not valid for encoding: {n}")),
        },
    }
}

fn joined(call: &Call<'_>, from: usize, separator: &str) -> String {
    let mut out = String::new();
    let mut is_first = true;
    for at in from..call.len() {
        if let ValueRef::Text(text) = call.arg(at) {
            if !is_first {
                out.push_str(separator);
            }
            out.push_str(text);
            is_first = false;
        }
    }
    out
}

/// An identifier as `quote_ident` writes it: quoted unless it is a plain lower-case word that is no keyword.
fn quote_ident(name: &str) -> String {
    let is_plain = name.bytes().enumerate().all(|(i, b)| b.is_ascii_lowercase() || b == b'_' || (i > 0 && b.is_ascii_digit()));
    if is_plain && !name.is_empty() && !is_reserved(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// PostgreSQL's keywords that are more than unreserved (`pg_get_keywords()`, version 17).
fn is_reserved(name: &str) -> bool {
    const WORDS: &str = " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast \
        char character check coalesce collate collation column concurrently constraint create cross current_catalog current_date current_role \
        current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end except exists \
        extract false fetch float for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int integer \
        intersect interval into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar \
        json_serialize json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national natural nchar \
        none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary \
        real references returning right row select session_user setof similar smallint some substring symmetric system_user table tablesample \
        then time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where window with \
        xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable ";
    WORDS.contains(&format!(" {name} "))
}

fn quote_literal(text: &str) -> String {
    let body = text.replace('\'', "''");
    if text.contains('\\') { format!(" E'{}'", body.replace('\\', "\\\\")).trim_start().to_owned() } else { format!("'{body}'") }
}

/// `format()`: %s, %I, %L, %%, positions (`%1$s`) and widths (`%-10s`).
fn format(call: &Call<'_>) -> Result<Value, SqlError> {
    let ValueRef::Text(pattern) = call.arg(0) else { return Ok(Value::Null) };
    let mut out = String::new();
    let mut next = 1;
    let mut chars = pattern.chars().peekable();
    let too_few = || SqlError::new(SqlState::INVALID_PARAMETER, "too few arguments for format()");
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut digits = String::new();
        let (mut position, mut width, mut on_left) = (None, 0usize, false);
        loop {
            match chars.next() {
                Some('%') if digits.is_empty() => {
                    out.push('%');
                    break;
                }
                Some('$') => position = Some(std::mem::take(&mut digits).parse::<usize>().unwrap_or(0)),
                Some('-') => on_left = true,
                Some(d) if d.is_ascii_digit() => digits.push(d),
                Some(kind @ ('s' | 'I' | 'L')) => {
                    if !digits.is_empty() {
                        width = digits.parse().unwrap_or(0);
                    }
                    if width > LONGEST_BYTES {
                        return Err(too_long());
                    }
                    let at = match position {
                        Some(0) => {
                            return refuse(
                                SqlState::INVALID_PARAMETER,
                                "format specifies argument 0, but arguments are numbered from 1",
                            );
                        }
                        Some(at) => at,
                        None => next,
                    };
                    if at >= call.len() {
                        return Err(too_few());
                    }
                    next = at + 1;
                    let shown = match (kind, call.arg(at)) {
                        ('s', ValueRef::Text(text)) => text.to_owned(),
                        ('s', _) => String::new(),
                        ('I', ValueRef::Text(text)) => quote_ident(text),
                        ('I', _) => {
                            return refuse(SqlState::NULL_NOT_ALLOWED, "null values cannot be formatted as an SQL identifier");
                        }
                        (_, ValueRef::Text(text)) => quote_literal(text),
                        _ => "NULL".to_owned(),
                    };
                    let padding = " ".repeat(width.saturating_sub(shown.chars().count()));
                    if on_left {
                        out.push_str(&shown);
                        out.push_str(&padding);
                    } else {
                        out.push_str(&padding);
                        out.push_str(&shown);
                    }
                    break;
                }
                Some(other) => {
                    return Err(SqlError::new(
                        SqlState::INVALID_PARAMETER,
                        format!("unrecognized format() type specifier \"{other}\""),
                    )
                    .hint("For a single \"%\" use \"%%\"."));
                }
                None => {
                    return Err(SqlError::new(SqlState::INVALID_PARAMETER, "unterminated format() type specifier")
                        .hint("For a single \"%\" use \"%%\"."));
                }
            }
        }
    }
    Ok(Value::Text(out))
}

fn texts<'t>(parts: impl Iterator<Item = Option<&'t str>>) -> Value {
    let values = parts.map(|part| part.map_or(Value::Null, Value::from));
    Value::Text(pg::array_from_values(values, oid::TEXT))
}

fn string_to_array(call: &Call<'_>) -> Result<Value, SqlError> {
    let ValueRef::Text(text) = call.arg(0) else { return Ok(Value::Null) };
    let null = if let ValueRef::Text(null) = call.arg(2) { Some(null) } else { None };
    let keep = |part: &'_ str| if Some(part) == null { None } else { Some(part.to_owned()) };
    let parts: Vec<Option<String>> = match call.arg(1) {
        _ if text.is_empty() => Vec::new(),
        ValueRef::Text("") => vec![keep(text)],
        ValueRef::Text(separator) => text.split(separator).map(keep).collect(),
        // A NULL separator: every character.
        _ => text.chars().map(|c| keep(c.encode_utf8(&mut [0; 4]))).collect(),
    };
    Ok(texts(parts.iter().map(Option::as_deref)))
}

fn to_hex(call: &Call<'_>) -> Result<Value, SqlError> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // two's complement of the type's width
    Ok(Value::Text(if call.ty(0) == oid::INT4 { format!("{:x}", call.int(0) as i32) } else { format!("{:x}", call.int(0)) }))
}

/// A value as text and another after it.
fn concatenated(call: &Call<'_>) -> Result<Value, SqlError> {
    let mut out = String::new();
    for at in 0..2 {
        pg::text(call.arg(at), TypeRef::of(call.ty(at)), &mut out);
    }
    Ok(Value::Text(out))
}

fn folder_name(path: &str) -> Vec<Option<&str>> {
    let mut parts: Vec<Option<&str>> = path.split('/').map(Some).collect();
    parts.pop();
    parts
}

/// Latin letters without their marks, as the extension's default rules do for the common ones.
fn unaccent(text: &str) -> String {
    const PLAIN: &[(&str, &str)] = &[
        ("ÀÁÂÃÄÅĀĂĄǍ", "A"),
        ("àáâãäåāăąǎ", "a"),
        ("ÇĆĈĊČ", "C"),
        ("çćĉċč", "c"),
        ("ĎĐÐ", "D"),
        ("ďđð", "d"),
        ("ÈÉÊËĒĔĖĘĚ", "E"),
        ("èéêëēĕėęě", "e"),
        ("ĜĞĠĢ", "G"),
        ("ĝğġģ", "g"),
        ("ĤĦ", "H"),
        ("ĥħ", "h"),
        ("ÌÍÎÏĨĪĬĮİ", "I"),
        ("ìíîïĩīĭįı", "i"),
        ("Ĵ", "J"),
        ("ĵ", "j"),
        ("Ķ", "K"),
        ("ķ", "k"),
        ("ĹĻĽĿŁ", "L"),
        ("ĺļľŀł", "l"),
        ("ÑŃŅŇ", "N"),
        ("ñńņň", "n"),
        ("ÒÓÔÕÖØŌŎŐ", "O"),
        ("òóôõöøōŏő", "o"),
        ("ŔŖŘ", "R"),
        ("ŕŗř", "r"),
        ("ŚŜŞŠȘ", "S"),
        ("śŝşšș", "s"),
        ("ŢŤŦȚ", "T"),
        ("ţťŧț", "t"),
        ("ÙÚÛÜŨŪŬŮŰŲ", "U"),
        ("ùúûüũūŭůűų", "u"),
        ("Ŵ", "W"),
        ("ŵ", "w"),
        ("ÝŶŸ", "Y"),
        ("ýÿŷ", "y"),
        ("ŹŻŽ", "Z"),
        ("źżž", "z"),
        ("Æ", "AE"),
        ("æ", "ae"),
        ("Œ", "OE"),
        ("œ", "oe"),
        ("ß", "ss"),
    ];
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match PLAIN.iter().find(|(marked, _)| !c.is_ascii() && marked.contains(c)) {
            Some((_, plain)) => out.push_str(plain),
            None => out.push(c),
        }
    }
    out
}

pub(super) const TABLE: &[Row] = &[
    ("lower", |c| Ok(Value::Text(c.text(0).chars().map(lower).collect()))),
    ("upper", |c| Ok(Value::Text(c.text(0).chars().map(upper).collect()))),
    ("initcap", |c| Ok(Value::Text(initcap(c.text(0))))),
    ("bit_length", |c| Ok(Value::Int(i64::try_from(c.text(0).len() * 8).unwrap_or(i64::MAX)))),
    ("lpad", |c| pad(c, true)),
    ("rpad", |c| pad(c, false)),
    ("left", |c| part(c, true)),
    ("right", |c| part(c, false)),
    ("repeat", repeat),
    ("reverse", |c| Ok(Value::Text(c.text(0).chars().rev().collect()))),
    ("translate", translate),
    ("split_part", split_part),
    ("substring", substring),
    ("bytea_substring", bytea_substring),
    ("overlay", overlay),
    ("starts_with", |c| Ok(boolean(c.text(0).starts_with(c.text(1))))),
    ("ascii", |c| Ok(Value::Int(c.text(0).chars().next().map_or(0, |c| i64::from(u32::from(c)))))),
    ("chr", chr),
    ("concat", |c| Ok(Value::Text(joined(c, 0, "")))),
    ("concat_ws", |c| {
        if let ValueRef::Text(separator) = c.arg(0) { Ok(Value::Text(joined(c, 1, separator))) } else { Ok(Value::Null) }
    }),
    ("format", format),
    ("quote_ident", |c| Ok(Value::Text(quote_ident(c.text(0))))),
    ("quote_literal", |c| Ok(Value::Text(quote_literal(c.text(0))))),
    ("quote_nullable", |c| {
        Ok(Value::Text(if let ValueRef::Text(text) = c.arg(0) { quote_literal(text) } else { "NULL".into() }))
    }),
    ("to_hex", to_hex),
    ("string_to_array", string_to_array),
    ("string_to_table", string_to_array),
    ("textanycat", concatenated),
    ("anytextcat", concatenated),
    ("byteacat", |c| Ok(Value::Blob([c.bytes(0), c.bytes(1)].concat()))),
    ("storage_foldername", |c| Ok(texts(folder_name(c.text(0)).into_iter()))),
    ("storage_filename", |c| Ok(Value::from(c.text(0).rsplit('/').next().unwrap_or("")))),
    ("storage_extension", |c| {
        let name = c.text(0).rsplit('/').next().unwrap_or("");
        Ok(Value::from(name.rsplit('.').next().unwrap_or("")))
    }),
    ("unaccent", |c| Ok(Value::Text(unaccent(c.text(0))))),
];
