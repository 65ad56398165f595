//! What a major version of PostgreSQL does not have yet, by name: it says itself only that it stumbled over a word.
//!
//! Source: PostgreSQL's release notes, 15 to 18.

use crate::parse::lexer::{self, Kind, Token};

/// The oldest that Basalt serves.
pub const OLDEST: u32 = 14;

/// Something that came with a later major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// As its documentation calls it.
    pub name: &'static str,
    /// The major that it came with.
    pub since: u32,
}

/// How it is recognised: words and signs one after the other. `…` stands for any others of the same statement; a word in capitals
/// is a name that is followed by `(`.
type Row = (u32, &'static str, &'static str);

const ROWS: &[Row] = &[
    (15, "MERGE", "merge into"),
    (15, "UNIQUE NULLS NOT DISTINCT", "nulls not distinct"),
    (15, "UNIQUE NULLS DISTINCT", "nulls distinct"),
    (15, "views with security_invoker", "create … view … with … security_invoker"),
    (15, "views with security_invoker", "alter view … security_invoker"),
    (15, "ON DELETE SET NULL of some columns", "on delete set null ("),
    (15, "ON DELETE SET DEFAULT of some columns", "on delete set default ("),
    (15, "publications of all tables in a schema", "for tables in schema"),
    (15, "ALTER TABLE SET ACCESS METHOD", "set access method"),
    (15, "the function regexp_count", "REGEXP_COUNT"),
    (15, "the function regexp_instr", "REGEXP_INSTR"),
    (15, "the function regexp_like", "REGEXP_LIKE"),
    (15, "the function regexp_substr", "REGEXP_SUBSTR"),
    (16, "the function any_value", "ANY_VALUE"),
    (16, "JSON_ARRAY", "JSON_ARRAY"),
    (16, "JSON_ARRAYAGG", "JSON_ARRAYAGG"),
    (16, "JSON_OBJECTAGG", "JSON_OBJECTAGG"),
    (16, "IS JSON", "is json"),
    (16, "IS JSON", "is not json"),
    (16, "the function random_normal", "RANDOM_NORMAL"),
    (16, "the function array_shuffle", "ARRAY_SHUFFLE"),
    (16, "the function array_sample", "ARRAY_SAMPLE"),
    (16, "the function date_add", "DATE_ADD"),
    (16, "the function date_subtract", "DATE_SUBTRACT"),
    (16, "GRANT of a role WITH INHERIT or SET", "grant … with inherit"),
    (16, "GRANT of a role WITH INHERIT or SET", "grant … with set"),
    (17, "JSON_TABLE", "JSON_TABLE"),
    (17, "JSON_QUERY", "JSON_QUERY"),
    (17, "JSON_VALUE", "JSON_VALUE"),
    (17, "JSON_EXISTS", "JSON_EXISTS"),
    (17, "JSON_SCALAR", "JSON_SCALAR"),
    (17, "JSON_SERIALIZE", "JSON_SERIALIZE"),
    (17, "MERGE with WHEN NOT MATCHED BY", "when not matched by"),
    (17, "MERGE with RETURNING", "merge into … returning"),
    (17, "the privilege MAINTAIN", "grant … maintain … on"),
    (17, "ALTER COLUMN SET EXPRESSION", "set expression as"),
    (17, "the function to_bin", "TO_BIN"),
    (17, "the function to_oct", "TO_OCT"),
    (17, "AT LOCAL", "at local"),
    (18, "virtual generated columns", ") virtual"),
    (18, "keys WITHOUT OVERLAPS", "without overlaps"),
    (18, "constraints NOT ENFORCED", "not enforced"),
    (18, "foreign keys over a PERIOD", "references … period"),
    (18, "RETURNING WITH (OLD AS, NEW AS)", "returning with ("),
    (18, "the function uuidv7", "UUIDV7"),
    (18, "the function uuidv4", "UUIDV4"),
    (18, "the function array_sort", "ARRAY_SORT"),
    (18, "the function array_reverse", "ARRAY_REVERSE"),
    (18, "the function casefold", "CASEFOLD"),
];

/// The first thing in a text that a major does not have. Words in strings count where the string is a function's body.
pub fn lacking(text: &str, major: u32) -> Option<Lack> {
    if ROWS.iter().all(|(since, ..)| *since <= major) {
        return None;
    }
    let (tokens, _) = lexer::tokens_tolerant(text);
    statements(&tokens).find_map(|statement| lacking_in(statement, major))
}

fn statements<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    tokens.split(|token| token.kind == Kind::Sym(";"))
}

fn lacking_in(statement: &[Token<'_>], major: u32) -> Option<Lack> {
    let found = ROWS
        .iter()
        .filter(|(since, ..)| *since > major)
        .find(|(_, _, pattern)| (0..statement.len()).any(|at| statement.get(at..).is_some_and(|rest| begins(rest, pattern))))
        .map(|(since, name, _)| Lack { name, since: *since });
    let is_code = statement.first().is_some_and(|token| ["create", "do"].iter().any(|word| is(token, word)));
    found.or_else(|| {
        let bodies = statement.iter().filter(|_| is_code).filter_map(|token| match &token.kind {
            Kind::Str(body) => Some(body),
            _ => None,
        });
        bodies.into_iter().find_map(|body| {
            let (tokens, _) = lexer::tokens_tolerant(body);
            // No deeper: what a body runs as a text is not looked at when it is created.
            statements(&tokens).find_map(|statement| lacking_in(statement, major))
        })
    })
}

/// Whether tokens begin with a pattern.
fn begins(tokens: &[Token<'_>], pattern: &str) -> bool {
    let mut parts = pattern.split(' ');
    let Some(part) = parts.next() else { return true };
    let rest = pattern.get(part.len()..).unwrap_or_default().trim_start();
    if part == "…" {
        return (0..tokens.len()).any(|at| tokens.get(at..).is_some_and(|tokens| begins(tokens, rest)));
    }
    let Some((first, others)) = tokens.split_first() else { return false };
    if part.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return is(first, &part.to_ascii_lowercase()) && others.first().is_some_and(|next| next.kind == Kind::Sym("("));
    }
    is(first, part) && (rest.is_empty() || begins(others, rest))
}

fn is(token: &Token<'_>, part: &str) -> bool {
    match &token.kind {
        Kind::Word(word) => word == part,
        Kind::Sym(sign) => *sign == part,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
