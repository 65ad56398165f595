//! Reads SQL texts from standard input, separated by NUL, and writes what Basalt reads in each: for `tools/parser-compare`.
//!
//! A record a statement, ended by 0x1e, its fields separated by 0x1f: number of the text, kind, begin and end offset, content. Kinds:
//! `printed` (canonical text), `named` (a construct the tree only names), `partly` (what the tree does not hold in full), `error`.
//! A fifth kind, `unstable`, is a defect: the canonical text does not parse to the same tree. Bodies in PL/pgSQL have a record of their own,
//! `body` or `bad-body`, in front of their statement's.

use basalt_sql::tree::{FunctionOption, Statement};
use basalt_sql::{parse, plpgsql, print};
use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let mut out = std::io::stdout().lock();
    for (number, text) in input.split('\0').enumerate() {
        for result in parse::file_tolerant(text) {
            let body = result.as_ref().ok().and_then(|located| plpgsql_body(&located.statement));
            let (kind, from, to, content) = match result {
                Err(error) => ("error", error.pos.0, error.pos.0, error.message),
                Ok(located) => {
                    let (kind, content) = match (&located.statement, print::statement(&located.statement)) {
                        (Statement::Other { construct }, _) => ("named", construct.clone()),
                        (_, None) => ("partly", String::new()),
                        (statement, Some(text)) => match parse::statement(&text) {
                            Ok(again) if again == *statement => ("printed", text),
                            _ => ("unstable", text),
                        },
                    };
                    (kind, located.pos.0, located.end.0, content)
                }
            };
            if let Some(body) = &body {
                let result = plpgsql::parse(body).err();
                let kind = if result.is_some() { "bad-body" } else { "body" };
                let message = result.map(|e| format!("{} at {}", e.message, e.pos.0)).unwrap_or_default();
                write!(out, "{number}\x1f{kind}\x1f{from}\x1f{to}\x1f{message}\x1e")?;
            }
            write!(out, "{number}\x1f{kind}\x1f{from}\x1f{to}\x1f{content}\x1e")?;
        }
    }
    Ok(())
}

/// The PL/pgSQL in a statement.
fn plpgsql_body(statement: &Statement) -> Option<String> {
    match statement {
        Statement::Do { language, body, .. } => (language.as_deref().unwrap_or("plpgsql") == "plpgsql").then(|| body.clone()),
        Statement::CreateFunction(function) => {
            let is_plpgsql = |option: &FunctionOption| matches!(option, FunctionOption::Language(name) if name == "plpgsql");
            if !function.options.iter().any(is_plpgsql) {
                return None;
            }
            function.options.iter().find_map(|option| match option {
                FunctionOption::Body(body, _) => Some(body.clone()),
                _ => None,
            })
        }
        _ => None,
    }
}
