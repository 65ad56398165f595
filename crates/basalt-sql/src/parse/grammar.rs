//! The second reader: PostgreSQL's grammar as the crate squawk-syntax has it.
//!
//! Nothing else in Basalt knows that crate. It accepts or refuses; the tree never comes from it (docs/decisions/0001-parser.md).

use super::ParseError;
use super::cursor::{MAX_CHAIN, Parser};
use super::lexer::{Kind, Token};
use crate::tree::Pos;
use basalt_types::SqlState;
use squawk_syntax::SourceFile;

/// Stack for the grammar: its tree is at most some thousand levels deep (see [`bounded`]), and is dropped by recursion too.
const STACK_BYTES: usize = 32 << 20;

/// Whether the grammar reads what the parser holds, behind `prefix`. Positions in errors count from the text's beginning.
pub(super) fn check(parser: &Parser<'_>, prefix: &str) -> Result<(), ParseError> {
    let tokens = parser.tokens();
    bounded(tokens)?;
    let end = tokens.last().map_or(0, |t| t.start as usize);
    let source = format!("{prefix}{}", parser.text.get(..end).unwrap_or(parser.text));
    let read = move || SourceFile::parse(&source).errors().first().map(|error| usize::from(error.range().start()));
    // A thread of its own: the crate recurses without a limit, and asserts that it makes progress.
    let thread = std::thread::Builder::new().name("grammar".to_owned()).stack_size(STACK_BYTES).spawn(read);
    let first = thread.ok().and_then(|thread| thread.join().ok()).ok_or_else(|| ParseError {
        message: "the statement could not be checked against the grammar".to_owned(),
        pos: Pos(0),
        code: SqlState::new(b"XX000"),
    })?;
    match first {
        None => Ok(()),
        Some(offset) => Err(complaint(parser, offset.saturating_sub(prefix.len()) as u32)),
    }
}

/// PostgreSQL's words for a mistake at an offset.
fn complaint(parser: &Parser<'_>, offset: u32) -> ParseError {
    let token = parser.tokens().iter().find(|t| t.end > offset && t.kind != Kind::Eof);
    match token {
        Some(token) => {
            let shown = parser.text.get(token.start as usize..token.end as usize).unwrap_or("");
            ParseError::syntax(format!("syntax error at or near \"{shown}\""), Pos(token.start))
        }
        None => ParseError::syntax("syntax error at end of input", Pos(offset)),
    }
}

/// Refuses statements whose tree in the grammar would be too deep: it recurses on prefix operators, CASE and chains of operators.
fn bounded(tokens: &[Token<'_>]) -> Result<(), ParseError> {
    // One count for each open bracket; a comma begins a new chain.
    let mut chains = vec![0u32];
    for token in tokens {
        match &token.kind {
            Kind::Sym("(" | "[") => chains.push(0),
            Kind::Sym(")" | "]") if chains.len() > 1 => {
                chains.pop();
            }
            Kind::Sym("," | ";") => {
                if let Some(chain) = chains.last_mut() {
                    *chain = 0;
                }
            }
            Kind::Sym(_) | Kind::Word(_) => {
                let links = match &token.kind {
                    Kind::Word(word) => matches!(
                        word.as_str(),
                        "and"
                            | "or"
                            | "not"
                            | "is"
                            | "isnull"
                            | "notnull"
                            | "union"
                            | "intersect"
                            | "except"
                            | "join"
                            | "case"
                            | "collate"
                            | "between"
                            | "in"
                            | "like"
                            | "ilike"
                            | "similar"
                            | "at"
                            | "operator"
                    ),
                    _ => true,
                };
                let Some(chain) = chains.last_mut().filter(|_| links) else { continue };
                *chain += 1;
                if *chain > 4 * MAX_CHAIN {
                    return Err(ParseError::too_deep(Pos(token.start)));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
