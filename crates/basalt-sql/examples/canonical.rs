//! Reads SQL texts from standard input, separated by NUL, and writes what Basalt reads in each: for `tools/parser-compare`.
//!
//! A record a statement, ended by 0x1e, its fields separated by 0x1f: number of the text, kind, begin and end offset, content. Kinds:
//! `printed` (canonical text), `named` (a construct the tree only names), `partly` (what the tree does not hold in full), `error`.
//! A fifth kind, `unstable`, is a defect: the canonical text does not parse to the same tree.

use basalt_sql::tree::Statement;
use basalt_sql::{parse, print};
use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let mut out = std::io::stdout().lock();
    for (number, text) in input.split('\0').enumerate() {
        for result in parse::file_tolerant(text) {
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
            write!(out, "{number}\x1f{kind}\x1f{from}\x1f{to}\x1f{content}\x1e")?;
        }
    }
    Ok(())
}
