//! The body of a batch: its operations, within the limits.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reference::{Earlier, Template};
use crate::config::RestConfig;
use crate::error::RestError as Error;
use crate::parse::media::{self, BodyType};

/// One request of a batch.
pub(crate) struct Operation {
    pub(super) id: Option<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// What names stand for in its filters.
    pub(super) values: Vec<(String, Template)>,
    /// The body, as its references are found in it.
    pub(super) body: Option<Template>,
    /// The body as it was sent.
    sent: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'b> {
    #[serde(borrow)]
    operations: Vec<Sent<'b>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent<'b> {
    id: Option<String>,
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default, borrow)]
    values: BTreeMap<String, &'b RawValue>,
    #[serde(default, borrow)]
    body: Option<&'b RawValue>,
}

/// Headers that an operation may have of its own.
const OWN: &[&str] = &["accept", "accept-profile", "basalt-distinct", "content-profile", "prefer", "range", "range-unit"];

/// Headers of the batch that are about its own body and answer.
const OUTER: &[&str] = &[
    "accept",
    "basalt-cursor",
    "basalt-distinct",
    "basalt-nested",
    "content-length",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "prefer",
    "range",
];

/// Reads the operations.
///
/// # Errors
/// BSLT010 for what is no batch; BSLT002 for too much of it.
pub(super) fn read(request: &Request<Bytes>, config: &RestConfig) -> Result<Vec<Operation>, Error> {
    if media::body_type(request.headers())? != BodyType::Json {
        return Err(Error::Batch("A batch is JSON".to_owned()));
    }
    if request.body().len() > config.max_batch_bytes {
        return Err(Error::TooComplex("the batch has too many bytes"));
    }
    let body: Body<'_> = serde_json::from_slice(request.body()).map_err(|e| Error::Batch(format!("No batch: {e}")))?;
    if body.operations.len() > config.max_batch_operations {
        return Err(Error::TooComplex("the batch has too many operations"));
    }
    let mut ids = HashMap::new();
    let mut references = 0;
    let mut operations = Vec::with_capacity(body.operations.len());
    for (at, sent) in body.operations.into_iter().enumerate() {
        let earlier = Earlier { ids: &ids, count: at };
        let operation = Operation::read(sent, &earlier).map_err(|why| Error::Batch(format!("Operation {at}: {why}")))?;
        references += operation.values.iter().map(|(_, value)| value.references()).sum::<usize>();
        references += operation.body.as_ref().map_or(0, Template::references);
        if references > config.max_batch_references {
            return Err(Error::TooComplex("the batch has too many references"));
        }
        if let Some(id) = &operation.id
            && ids.insert(id.clone(), at).is_some()
        {
            return Err(Error::Batch(format!("Operation {at}: the id \"{id}\" is taken")));
        }
        operations.push(operation);
    }
    Ok(operations)
}

/// A letter or an underscore, then letters, digits, `_` and `-`.
fn is_word(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl Operation {
    fn read(sent: Sent<'_>, earlier: &Earlier<'_>) -> Result<Self, String> {
        if let Some(id) = &sent.id
            && !is_word(id)
        {
            return Err(format!("\"{id}\" is no id: a letter, then letters, digits, _ and -"));
        }
        let method = match sent.method.as_str() {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PATCH" => Method::PATCH,
            "PUT" => Method::PUT,
            "DELETE" => Method::DELETE,
            other => return Err(format!("the method {other} cannot be part of a batch")),
        };
        let uri = sent.path.starts_with('/').then(|| sent.path.parse::<Uri>().ok()).flatten();
        let uri = uri.filter(|uri| uri.authority().is_none()).ok_or("its path is none below /rest/v1, or is not encoded")?;
        let mut headers = HeaderMap::new();
        for (name, value) in &sent.headers {
            let lower = name.to_ascii_lowercase();
            if !OWN.contains(&lower.as_str()) {
                return Err(format!("the header {name} cannot be an operation's own"));
            }
            let invalid = || format!("the header {name} has no valid value");
            let value = HeaderValue::from_str(value).map_err(|_| invalid())?;
            let name = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| invalid())?;
            if name == "prefer" && value.to_str().is_ok_and(|v| v.split(',').any(|word| word.trim().starts_with("tx="))) {
                return Err("the transaction is the whole batch's: tx= belongs there".to_owned());
            }
            headers.insert(name, value);
        }
        let mut values = Vec::with_capacity(sent.values.len());
        for (name, value) in sent.values {
            if !name.strip_prefix(':').is_some_and(is_word) {
                return Err(format!("\"{name}\" is no name of a value: a colon, a letter, then letters, digits, _ and -"));
            }
            values.push((name, Template::read(value.get(), earlier)?));
        }
        let body = sent.body.map(|body| Template::read(body.get(), earlier)).transpose()?;
        if body.is_some() && matches!(method, Method::GET | Method::DELETE) {
            return Err(format!("{method} has no body"));
        }
        let text = sent.body.map_or_else(Bytes::new, |body| Bytes::copy_from_slice(body.get().as_bytes()));
        Ok(Self { id: sent.id, method, uri, headers, values, body, sent: text })
    }

    /// The operation as a request of its own: who asks and what they are asked from are the batch's.
    pub(super) fn request(&self, batch: &Request<Bytes>) -> Request<Bytes> {
        let mut request = Request::new(self.sent.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        *headers = batch.headers().clone();
        for name in OUTER {
            headers.remove(*name);
        }
        // A batch has one profile for what it reads and writes.
        if let Some(profile) = batch.headers().get("content-profile") {
            headers.insert("accept-profile", profile.clone());
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        request
    }
}
