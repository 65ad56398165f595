//! A call's arguments in its body.

use basalt_plan::resolve::CallBody;
use bytes::Bytes;
use http::HeaderMap;

use super::body;
use super::media::{self, BodyType};
use crate::error::RestError;

/// What a request gives a function.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// The values of a JSON object's keys.
    Json {
        /// The object, or an array whose first object counts.
        json: Bytes,
        /// Its keys, or those that `columns=` names.
        names: Vec<String>,
        /// It is no object.
        is_array: bool,
        /// JSON, or what was made to be.
        body: CallBody,
    },
    /// Names with texts; a name may come several times.
    Pairs {
        /// In order.
        pairs: Vec<(String, String)>,
        /// Where they were.
        body: CallBody,
    },
    /// One value that has no name.
    Body {
        /// As PostgreSQL reads it as a text.
        text: Bytes,
        /// Of which type.
        body: CallBody,
    },
}

impl Given {
    /// The arguments' names.
    pub fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Json { names, .. } => Box::new(names.iter().map(String::as_str)),
            Self::Pairs { pairs, .. } => Box::new(pairs.iter().map(|(name, _)| name.as_str())),
            Self::Body { .. } => Box::new(std::iter::empty()),
        }
    }

    /// What the body is.
    pub fn body(&self) -> CallBody {
        match self {
            Self::Json { body, .. } | Self::Pairs { body, .. } | Self::Body { body, .. } => *body,
        }
    }

    /// All of it as one value.
    pub fn into_body(self) -> Bytes {
        match self {
            Self::Json { json, .. } => json,
            Self::Body { text, .. } => text,
            Self::Pairs { .. } => Bytes::new(),
        }
    }
}

/// Reads the body of a call. `columns`: the arguments that `columns=` names, whatever a JSON body has.
///
/// # Errors
/// PGRST102 for a type that is not read, for what is no JSON, and for arrays of objects whose keys differ.
pub fn given(body: &Bytes, headers: &HeaderMap, columns: Option<&[String]>) -> Result<Given, RestError> {
    let raw = |body: &Bytes, kind| Ok(Given::Body { text: body.clone(), body: kind });
    match media::raw_type(headers) {
        Some("text/plain") => return raw(body, CallBody::Text),
        Some("text/xml") => return raw(body, CallBody::Xml),
        Some("application/octet-stream") => return raw(&hexadecimal(body), CallBody::Bytes),
        _ => {}
    }
    let kind = media::body_type(headers)?;
    match (kind, columns) {
        (BodyType::Form, _) => {
            let text = String::from_utf8_lossy(body);
            let pairs = super::query::separated(&text).map(super::query::pair);
            let pairs = pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
            Ok(Given::Pairs { pairs, body: CallBody::Other })
        }
        (BodyType::Json, Some(names)) => {
            let is_array = !is_object(body);
            Ok(Given::Json { json: body.clone(), names: names.to_vec(), is_array, body: CallBody::Json })
        }
        (BodyType::Json, None) if body.is_empty() => {
            // One unnamed argument is given what is there: nothing, which is no JSON.
            Ok(Given::Json { json: Bytes::new(), names: Vec::new(), is_array: false, body: CallBody::Json })
        }
        (kind, _) => {
            let payload = body::payload(body, kind, true)?;
            let is_array = !is_object(&payload.json);
            let body = if kind == BodyType::Json { CallBody::Json } else { CallBody::Other };
            Ok(Given::Json { json: payload.json, names: payload.keys, is_array, body })
        }
    }
}

/// Whether a JSON text begins like an object.
fn is_object(json: &[u8]) -> bool {
    json.iter().find(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')) == Some(&b'{')
}

/// Bytes as PostgreSQL writes `bytea`.
fn hexadecimal(bytes: &[u8]) -> Bytes {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = Vec::with_capacity(2 + 2 * bytes.len());
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    Bytes::from(out)
}
