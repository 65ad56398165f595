//! Why a text is not of its grammar, in PostgREST's words.
//!
//! PostgREST reads parameters with Parsec, whose messages tell what was expected at the furthest place that any alternative came to,
//! and in which order the alternatives stand. So the grammars stand here once more, as data in that order ([`grammar`]), and are run
//! by Parsec's rules about what an error is ([`run`]); texts that are read well never come here.

mod grammar;
mod run;

use super::ParseError;
use run::{Message, Reader};

pub use grammar::Grammar;

/// The error of a text that was refused, or nothing where PostgREST would have read it. `before` was read ahead of the text and counts
/// in columns only.
pub fn explain(grammar: Grammar, what: &str, before: &str, text: &str) -> Option<ParseError> {
    let chars: Vec<char> = before.chars().chain(text.chars()).collect();
    let failure = Reader::new(&chars).read(&grammar.rule())?.err()?;
    let (mut line, mut column) = (1, 1);
    for c in chars.iter().take(failure.at) {
        match c {
            '\n' => (line, column) = (line + 1, 1),
            '\t' => column += 8 - (column - 1) % 8,
            _ => column += 1,
        }
    }
    let message = format!("\"failed to parse {what} ({text})\" (line {line}, column {column})");
    Some(ParseError { message, details: details(&failure.messages) })
}

/// Whether PostgREST reads nothing of a text and is content with that.
pub fn reads_nothing(grammar: Grammar, text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    matches!(Reader::new(&chars).read(&grammar.rule()), Some(Ok(0)))
}

/// What was found, then what was expected: each once, in the order in which it was said.
fn details(messages: &[Message]) -> String {
    let (mut found, mut unexpected, mut expected) = (None, Vec::new(), Vec::new());
    for message in messages {
        let (list, text) = match message {
            Message::Found(text) => {
                found.get_or_insert(text);
                continue;
            }
            Message::Unexpected(text) => (&mut unexpected, text),
            Message::Expected(text) => (&mut expected, text),
        };
        if !text.is_empty() && !list.contains(&text.as_str()) {
            list.push(text.as_str());
        }
    }
    let mut parts = Vec::new();
    match found {
        Some(text) if unexpected.is_empty() => {
            parts.push(format!("unexpected {}", if text.is_empty() { "end of input" } else { text }));
        }
        _ => {}
    }
    for (word, list) in [("unexpected", unexpected), ("expecting", expected)] {
        match list.as_slice() {
            [] => {}
            [only] => parts.push(format!("{word} {only}")),
            [first @ .., last] => parts.push(format!("{word} {} or {last}", first.join(", "))),
        }
    }
    if parts.is_empty() { "unknown parse error".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests;
