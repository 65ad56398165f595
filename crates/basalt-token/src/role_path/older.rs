//! The older notation: `.a."b c"[1]`, and at the end a condition on the texts of a list: `[?(@ == "x")]`, with `!=`, `^==` (begins
//! with), `==^` (ends with) and `*==` (contains).

use serde_json::{Map, Value};

use super::Node;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Older(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Filter(Test, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equals,
    Differs,
    StartsWith,
    EndsWith,
    Contains,
}

/// Longer ones first, where one begins with another.
const TESTS: [(&str, Test); 5] =
    [("==^", Test::EndsWith), ("==", Test::Equals), ("!=", Test::Differs), ("^==", Test::StartsWith), ("*==", Test::Contains)];

impl Older {
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, tail) = step(rest)?;
            let is_filter = matches!(step, Step::Filter(..));
            steps.push(step);
            rest = tail;
            if is_filter && !rest.is_empty() {
                return Err("a condition must be its end");
            }
        }
        if steps.is_empty() { Err("it is empty") } else { Ok(Self(steps)) }
    }

    pub fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let mut node = Node::Claims(claims);
        let mut found = None;
        for step in &self.0 {
            let next = match step {
                Step::Key(key) => node.member(key),
                Step::Index(index) => node.items().get(*index),
                Step::Filter(test, text) => node.items().iter().find(|item| item.as_str().is_some_and(|t| test.holds(t, text))),
            }?;
            node = Node::Value(next);
            found = Some(next);
        }
        found
    }
}

impl Test {
    fn holds(self, text: &str, with: &str) -> bool {
        match self {
            Self::Equals => text == with,
            Self::Differs => text != with,
            Self::StartsWith => text.starts_with(with),
            Self::EndsWith => text.ends_with(with),
            Self::Contains => text.contains(with),
        }
    }
}

fn step(text: &str) -> Result<(Step, &str), &'static str> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_$@".contains(c))).unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if !name.is_empty() {
            return Ok((Step::Key(name.to_owned()), tail));
        }
        let (name, tail) = quoted(rest)?;
        return Ok((Step::Key(name.to_owned()), tail));
    }
    if let Some(rest) = text.strip_prefix("[?(@") {
        let rest = rest.trim_start();
        let (test, rest) =
            TESTS.iter().find_map(|(word, test)| Some((*test, rest.strip_prefix(word)?))).ok_or("there is no such condition")?;
        let (value, rest) = quoted(rest.trim_start())?;
        let rest = rest.strip_prefix(")]").ok_or("a condition ends with )]")?;
        return Ok((Step::Filter(test, value.to_owned()), rest));
    }
    let rest = text.strip_prefix('[').ok_or("a step begins with a point or a bracket")?;
    let (digits, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let index = digits.parse().ok().filter(|_| is_number).ok_or("a bracket holds no number")?;
    Ok((Step::Index(index), rest))
}

fn quoted(text: &str) -> Result<(&str, &str), &'static str> {
    text.strip_prefix('"').and_then(|t| t.split_once('"')).ok_or("a quoted text is expected")
}
