//! Where among a token's claims its role stands: a JSON Path (RFC 9535), or PostgREST's older notation that begins with a point.
//!
//! Source: PostgREST 16, "JWT Role Extraction", and its version 14 for the older notation. Of several values the first counts.

mod json_path;
mod older;

use basalt_types::Claims;
use serde_json::{Map, Value};

use json_path::Path;
use older::Older;

/// A path to the role.
#[derive(Debug, Clone)]
pub struct RolePath {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// `$.name`: nearly always.
    Claim(String),
    Path(Path),
    Older(Older),
}

/// A path that is neither notation's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a JSON path: {why}")]
pub struct RolePathError {
    text: String,
    why: &'static str,
}

impl Default for RolePath {
    /// `$.role`.
    fn default() -> Self {
        Self { text: "$.role".to_owned(), kind: Kind::Claim("role".to_owned()) }
    }
}

impl RolePath {
    /// Reads a path.
    ///
    /// # Errors
    /// When it is of neither notation.
    pub fn parse(text: &str) -> Result<Self, RolePathError> {
        let wrong = |why| RolePathError { text: text.to_owned(), why };
        let kind = if text.starts_with('$') {
            let path = Path::parse(text).map_err(wrong)?;
            match path.single_name() {
                Some(name) => Kind::Claim(name.to_owned()),
                None => Kind::Path(path),
            }
        } else {
            Kind::Older(Older::parse(text).map_err(wrong)?)
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// The path as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is in the older notation, which PostgREST is about to give up.
    pub fn is_older(&self) -> bool {
        matches!(self.kind, Kind::Older(_))
    }

    /// The role that the claims name: a text as it is, any other value as JSON.
    pub fn role(&self, claims: &Claims) -> Option<String> {
        let object = claims.object();
        let found = match &self.kind {
            Kind::Claim(name) => object.get(name),
            Kind::Path(path) => path.first(object),
            Kind::Older(older) => older.find(object),
        };
        found.map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }
}

/// A value that is looked into: the claims as a whole are an object of their own type.
#[derive(Debug, Clone, Copy)]
enum Node<'c> {
    Claims(&'c Map<String, Value>),
    Value(&'c Value),
}

impl<'c> Node<'c> {
    fn member(self, name: &str) -> Option<&'c Value> {
        match self {
            Self::Claims(object) => object.get(name),
            Self::Value(value) => value.as_object()?.get(name),
        }
    }

    fn items(self) -> &'c [Value] {
        match self {
            Self::Claims(_) => &[],
            Self::Value(value) => value.as_array().map_or(&[], Vec::as_slice),
        }
    }

    /// Members' values or items.
    fn children(self) -> Vec<Node<'c>> {
        match self {
            Self::Claims(object) | Self::Value(Value::Object(object)) => object.values().map(Node::Value).collect(),
            Self::Value(Value::Array(items)) => items.iter().map(Node::Value).collect(),
            Self::Value(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
