//! Values of a batch that come from earlier answers: `{"$result": "/order/0/id"}`.
//!
//! A pointer (RFC 6901) whose first part names an operation by its id or its place, and whose rest leads into that operation's body;
//! `*` stands for every element of an array. References stand where values stand, nowhere else, and are put in as JSON values, so
//! their type is that of the answer.

use std::collections::HashMap;

use basalt_engine::{Answer, RunError};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The key of a reference.
const RESULT: &str = "$result";

/// The key of a value that is meant as it is, though it looks like a reference.
const LITERAL: &str = "$literal";

/// Deepest nesting of a value that references are looked for in.
const DEEPEST: usize = 64;

/// A reference: which operation, and where in its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) operation: usize,
    path: Vec<String>,
    /// As it was written, for errors.
    text: String,
}

/// A JSON value with references in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Template {
    /// JSON text without references.
    Text(String),
    /// A value of an earlier answer.
    Reference(Reference),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

/// What names stand for: earlier operations' ids, and how many there are.
pub(crate) struct Earlier<'a> {
    pub(crate) ids: &'a HashMap<String, usize>,
    pub(crate) count: usize,
}

impl Template {
    /// Reads a JSON value.
    ///
    /// # Errors
    /// Why a reference in it is none.
    pub(crate) fn read(json: &str, earlier: &Earlier<'_>) -> Result<Self, String> {
        let may_refer = json.contains(RESULT) || json.contains(LITERAL) || json.contains("\\u");
        if may_refer { read(json, earlier, 0) } else { Ok(Self::Text(json.to_owned())) }
    }

    /// How many references are in it.
    pub(crate) fn references(&self) -> usize {
        match self {
            Self::Text(_) => 0,
            Self::Reference(_) => 1,
            Self::Array(items) => items.iter().map(Self::references).sum(),
            Self::Object(members) => members.iter().map(|(_, value)| value.references()).sum(),
        }
    }

    /// Writes the value with its references' values, not beyond `most` bytes.
    ///
    /// # Errors
    /// A reference that leads nowhere; a value that is too long.
    pub(crate) fn write(&self, results: &mut Results<'_>, most: usize, out: &mut String) -> Result<(), RunError> {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Reference(reference) => match results.get(reference)? {
                Found::One(text) => out.push_str(text),
                Found::Many(texts) => {
                    out.push('[');
                    for (i, text) in texts.iter().enumerate() {
                        out.push_str(if i > 0 { "," } else { "" });
                        out.push_str(text);
                    }
                    out.push(']');
                }
            },
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    item.write(results, most, out)?;
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    out.push_str(&serde_json::Value::from(name.as_str()).to_string());
                    out.push(':');
                    value.write(results, most, out)?;
                }
                out.push('}');
            }
        }
        if out.len() > most {
            return Err(RunError::NoReference("The body is too long with the values it refers to".to_owned()));
        }
        Ok(())
    }
}

fn read(json: &str, earlier: &Earlier<'_>, depth: usize) -> Result<Template, String> {
    if depth > DEEPEST {
        return Err("The value is nested too deeply".to_owned());
    }
    let json = json.trim();
    let invalid = |_| "The value is no JSON".to_owned();
    if json.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(json).map_err(invalid)?;
        return Ok(Template::Array(items.iter().map(|i| read(i.get(), earlier, depth + 1)).collect::<Result<_, _>>()?));
    }
    if !json.starts_with('{') {
        return Ok(Template::Text(json.to_owned()));
    }
    let members = members(json).map_err(invalid)?;
    if let [(name, value)] = members.as_slice() {
        match name.as_str() {
            RESULT => {
                let pointer: String =
                    serde_json::from_str(value.get()).map_err(|_| format!("The value of \"{RESULT}\" is no text"))?;
                return Ok(Template::Reference(Reference::read(&pointer, earlier)?));
            }
            LITERAL => return Ok(Template::Text(value.get().to_owned())),
            _ => {}
        }
    }
    let read = |(name, value): (String, &RawValue)| Ok((name, read(value.get(), earlier, depth + 1)?));
    Ok(Template::Object(members.into_iter().map(read).collect::<Result<_, String>>()?))
}

/// An object's members in their order.
pub(crate) fn members(json: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vec::new();
            while let Some(member) = map.next_entry()? {
                all.push(member);
            }
            Ok(all)
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_map(Members)
}

impl Reference {
    /// Reads a pointer.
    ///
    /// # Errors
    /// Why it is none.
    pub(crate) fn read(pointer: &str, earlier: &Earlier<'_>) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("The reference \"{pointer}\" {why}"));
        let Some(rest) = pointer.strip_prefix('/') else { return wrong("does not begin with a slash") };
        let mut parts = rest.split('/').map(|part| part.replace("~1", "/").replace("~0", "~"));
        let first = parts.next().unwrap_or_default();
        let by_place = first.parse::<usize>().ok().filter(|n| *n < earlier.count && first == n.to_string());
        let Some(operation) = earlier.ids.get(&first).copied().or(by_place) else {
            return wrong("names no earlier operation");
        };
        let path: Vec<String> = parts.collect();
        if path.iter().filter(|part| *part == "*").count() > 1 {
            return wrong("has more than one *");
        }
        Ok(Self { operation, path, text: pointer.to_owned() })
    }
}

/// What a reference leads to, as JSON texts.
pub(crate) enum Found<'a> {
    One(&'a str),
    Many(Vec<&'a str>),
}

/// The answers so far.
pub(crate) struct Results<'a> {
    answers: &'a [Answer],
    /// Which answer an operation's is; an operation that ran nothing has none.
    places: &'a [Option<usize>],
    /// Elements of the bodies that were looked into.
    elements: HashMap<usize, Option<Vec<&'a str>>>,
}

impl<'a> Results<'a> {
    pub(crate) fn new(answers: &'a [Answer], places: &'a [Option<usize>]) -> Self {
        Self { answers, places, elements: HashMap::new() }
    }

    /// The value a reference leads to.
    ///
    /// # Errors
    /// When it leads nowhere.
    pub(crate) fn get(&mut self, reference: &Reference) -> Result<Found<'a>, RunError> {
        let missing = |why: &str| RunError::NoReference(format!("The reference \"{}\" {why}", reference.text));
        let place = self.places.get(reference.operation).copied().flatten();
        let answer = place.and_then(|place| self.answers.get(place)).filter(|answer| !answer.body.is_empty());
        let Some(answer) = answer else {
            return Err(missing("leads to an operation that answers no rows; ask it for return=representation"));
        };
        let body = std::str::from_utf8(&answer.body).map_err(|_| missing("leads to a body that is no JSON"))?;
        let elements = self.elements.entry(reference.operation).or_insert_with(|| elements(body));
        let found = match (elements, reference.path.split_first()) {
            (Some(elements), Some((first, rest))) if first == "*" => all(elements, rest),
            (Some(elements), Some((first, rest))) => {
                index(first).and_then(|at| elements.get(at).copied()).and_then(|element| walk(element, rest))
            }
            (_, _) => walk(body, &reference.path),
        };
        found.ok_or_else(|| missing("leads nowhere"))
    }
}

fn index(part: &str) -> Option<usize> {
    part.parse().ok().filter(|n: &usize| part == n.to_string())
}

/// The elements of a JSON array; nothing for another value.
fn elements(json: &str) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

fn all<'a>(elements: &[&'a str], rest: &[String]) -> Option<Found<'a>> {
    let mut found = Vec::with_capacity(elements.len());
    for element in elements {
        match walk(element, rest)? {
            Found::One(text) => found.push(text),
            Found::Many(_) => return None,
        }
    }
    Some(Found::Many(found))
}

fn walk<'a>(mut json: &'a str, path: &[String]) -> Option<Found<'a>> {
    for (at, part) in path.iter().enumerate() {
        json = json.trim();
        if json.starts_with('[') {
            let elements = elements(json)?;
            if part == "*" {
                return all(&elements, path.get(at + 1..).unwrap_or_default());
            }
            json = elements.get(index(part)?).copied()?;
        } else {
            // Of a key that comes twice the last counts, as in jsonb.
            json = members(json).ok()?.into_iter().rev().find(|(name, _)| name == part)?.1.get();
        }
    }
    Some(Found::One(json.trim()))
}

/// The text of a JSON scalar as a filter compares it.
///
/// # Errors
/// For null, arrays and objects, which no filter's value can be.
pub(crate) fn scalar(json: &str) -> Result<String, RunError> {
    let refused = |what: &str| Err(RunError::NoReference(format!("A filter's value cannot be {what}")));
    match json.bytes().next() {
        Some(b'"') => serde_json::from_str(json).map_err(|_| RunError::NoReference("A filter's value is no text".to_owned())),
        Some(b'{') => refused("an object"),
        Some(b'[') => refused("an array, except for in"),
        Some(b'n') => refused("null"),
        _ => Ok(json.to_owned()),
    }
}

/// The texts of a JSON array's elements, or of one value.
///
/// # Errors
/// As [`scalar`].
pub(crate) fn list(json: &str) -> Result<Vec<String>, RunError> {
    match elements(json) {
        Some(items) => items.into_iter().map(scalar).collect(),
        None => Ok(vec![scalar(json)?]),
    }
}

#[cfg(test)]
mod tests;
