//! What code in the database says of the response: `response.status` and `response.headers`, set in the transaction, and
//! `RAISE SQLSTATE 'PGRST'`, which is a whole response of its own.
//!
//! Headers that frame the message are the server's: they are not taken from there.

use std::collections::BTreeMap;

use basalt_engine::Answer;
use basalt_types::SqlError;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::error::RestError as Error;

/// What was set in a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    status: Option<String>,
    headers: Option<String>,
}

impl Said {
    /// What an answer has of it, if anything.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        let said = Self { status: answer.response_status.clone(), headers: answer.response_headers.clone() };
        (said != Self::default()).then_some(said)
    }
}

/// Puts status and headers that were set in the transaction in place of the response's own.
///
/// # Errors
/// PGRST111 and PGRST112 when they are none; what the request did stays done.
pub(crate) fn overridden(mut response: Response<Bytes>, said: Option<&Said>) -> Result<Response<Bytes>, Error> {
    let Some(said) = said else { return Ok(response) };
    if let Some(text) = &said.status {
        let status = status(text).ok_or(Error::ResponseStatus)?;
        *response.status_mut() = status;
        if status == StatusCode::NO_CONTENT {
            *response.body_mut() = Bytes::new();
            response.headers_mut().remove(CONTENT_LENGTH);
        }
    }
    if let Some(text) = &said.headers {
        let said = headers(text).ok_or(Error::ResponseHeaders)?;
        let headers = response.headers_mut();
        for name in said.keys() {
            headers.remove(name);
        }
        headers.extend(said);
    }
    Ok(response)
}

/// A status as the original reads it: the digits that the text begins with. One that is no end of a request is none.
fn status(text: &str) -> Option<StatusCode> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u16 = text.get(..digits)?.parse().ok()?;
    StatusCode::from_u16(number).ok().filter(|s| !s.is_informational())
}

/// Headers from a JSON array of objects with one key each.
fn headers(text: &str) -> Option<HeaderMap> {
    let list: Vec<BTreeMap<String, String>> = serde_json::from_str(text).ok()?;
    let mut out = HeaderMap::with_capacity(list.len());
    for object in list {
        let mut pairs = object.into_iter();
        let ((name, value), None) = (pairs.next()?, pairs.next()) else { return None };
        append(&mut out, &name, &value)?;
    }
    Some(out)
}

/// Adds a header, unless it is the server's; nothing when it is none.
fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value = HeaderValue::from_str(value).ok()?;
    if ![CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING, TE, TRAILER, UPGRADE].contains(&name) {
        headers.append(name, value);
    }
    Some(())
}

/// A response that code raised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Raised {
    /// The status.
    pub(crate) status: StatusCode,
    /// The reason phrase, if not the status' own.
    pub(crate) status_text: Option<String>,
    /// The code, which callers see in `Proxy-Status` too.
    pub(crate) code: String,
    /// The body.
    pub(crate) body: Json,
    /// Further headers.
    pub(crate) headers: HeaderMap,
}

/// MESSAGE of a raised response.
#[derive(Deserialize)]
struct Message {
    code: String,
    message: String,
    details: Option<String>,
    hint: Option<String>,
}

/// DETAIL of a raised response.
#[derive(Deserialize)]
struct Detail {
    status: u16,
    status_text: Option<String>,
    headers: BTreeMap<String, String>,
}

/// Reads the response that an error of SQLSTATE PGRST is; `None` for any other error. What cannot be read is PGRST121.
pub(crate) fn raised(error: &SqlError) -> Option<Raised> {
    if error.state.as_str() != "PGRST" {
        return None;
    }
    Some(read(error).unwrap_or_else(|(details, hint)| {
        let message = "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error";
        Raised {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            status_text: None,
            code: "PGRST121".to_owned(),
            body: json!({"code": "PGRST121", "details": details, "hint": hint, "message": message}),
            headers: HeaderMap::new(),
        }
    }))
}

fn read(error: &SqlError) -> Result<Raised, (String, &'static str)> {
    const MESSAGE: &str =
        "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.";
    const DETAIL: &str =
        "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.";
    let message: Message = serde_json::from_str(&error.message)
        .map_err(|_| (format!("Invalid JSON value for MESSAGE: '{}'", error.message), MESSAGE))?;
    let detail = error.detail.as_deref().ok_or_else(|| ("DETAIL is missing in the RAISE statement".to_owned(), DETAIL))?;
    let invalid = || (format!("Invalid JSON value for DETAIL: '{detail}'"), DETAIL);
    let said: Detail = serde_json::from_str(detail).map_err(|_| invalid())?;
    let mut headers = HeaderMap::with_capacity(said.headers.len());
    for (name, value) in &said.headers {
        append(&mut headers, name, value).ok_or_else(invalid)?;
    }
    let Message { code, message, details, hint } = message;
    Ok(Raised {
        status: status(&said.status.to_string()).ok_or_else(invalid)?,
        status_text: said.status_text,
        body: json!({"code": code, "details": details, "hint": hint, "message": message}),
        code,
        headers,
    })
}

#[cfg(test)]
mod tests;
