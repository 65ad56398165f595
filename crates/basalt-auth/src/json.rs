//! Bodies: reading them as the original reads them, writing them as it writes them.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::AuthError;

/// Longest body, bytes. Source: supabase/auth `internal/api/api.go`, `limitRequestBody`.
pub(crate) const LONGEST_BODY: usize = 1 << 20;

/// A JSON answer. `<`, `>` and `&` are escaped, as Go's encoder does.
pub(crate) fn respond<T: Serialize>(status: StatusCode, value: &T) -> Response<Bytes> {
    // Our own types have string keys and no failing parts.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut response = Response::new(Bytes::from(escape_for_html(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// In JSON these characters can stand only inside strings, so the text can be replaced as it is.
fn escape_for_html(text: String) -> String {
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// The fields of a body. Unknown fields are ignored, null is as good as absent, other types are refused.
#[derive(Debug)]
pub(crate) struct Params {
    /// The name the original's decoder uses in its texts.
    name: &'static str,
    fields: Map<String, Value>,
}

impl Params {
    /// Reads a body.
    ///
    /// # Errors
    /// `bad_json`, `request_entity_too_large`; `validation_failed` for a text no column can store.
    pub(crate) fn parse(body: &[u8], name: &'static str) -> Result<Self, AuthError> {
        if body.len() > LONGEST_BODY {
            return Err(AuthError::TooLarge(LONGEST_BODY));
        }
        let value: Value = serde_json::from_slice(body).map_err(|error| AuthError::BadJson(syntax(&error, body)))?;
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            other => {
                return Err(AuthError::BadJson(format!(
                    "json: cannot unmarshal {} into Go value of type api.{name}",
                    kind(&other)
                )));
            }
        };
        if fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)) {
            return Err(AuthError::validation("The null character cannot be stored"));
        }
        Ok(Self { name, fields })
    }

    /// A text; empty when absent.
    pub(crate) fn text(&self, field: &str) -> Result<&str, AuthError> {
        Ok(self.optional_text(field)?.unwrap_or_default())
    }

    /// A text that may be absent.
    pub(crate) fn optional_text(&self, field: &str) -> Result<Option<&str>, AuthError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.mismatch(field, other, "string")),
        }
    }

    /// A truth value; false when absent.
    pub(crate) fn flag(&self, field: &str) -> Result<bool, AuthError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.mismatch(field, other, "bool")),
        }
    }

    /// An object that may be absent.
    pub(crate) fn object(&self, field: &str) -> Result<Option<&Map<String, Value>>, AuthError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(self.mismatch(field, other, "map[string]interface {}")),
        }
    }

    fn mismatch(&self, field: &str, found: &Value, wanted: &str) -> AuthError {
        AuthError::BadJson(format!(
            "json: cannot unmarshal {} into Go struct field {}.{field} of type {wanted}",
            kind(found),
            self.name
        ))
    }
}

/// Go's words for JSON's kinds.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// Go's text for the commonest fault; otherwise where the fault is.
fn syntax(error: &serde_json::Error, body: &[u8]) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".to_owned();
    }
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(first) if error.line() == 1 && error.column() <= 1 && first.is_ascii_graphic() => {
            format!("invalid character '{}' looking for beginning of value", char::from(*first))
        }
        _ => format!("invalid JSON at line {}, column {}", error.line(), error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(body: &str) -> AuthError {
        Params::parse(body.as_bytes(), "SignupParams").and_then(|p| p.text("email").map(drop)).expect_err("refused")
    }

    #[test]
    fn faults_are_told_as_the_original_tells_them() {
        let text = |body| fault(body).to_string();
        let prefix = "Could not parse request body as JSON: ";
        assert_eq!(text(""), format!("{prefix}unexpected end of JSON input"));
        assert_eq!(text("{\"email\":"), format!("{prefix}unexpected end of JSON input"));
        assert_eq!(text("x"), format!("{prefix}invalid character 'x' looking for beginning of value"));
        assert_eq!(text("[]"), format!("{prefix}json: cannot unmarshal array into Go value of type api.SignupParams"));
        assert_eq!(
            text("{\"email\":1}"),
            format!("{prefix}json: cannot unmarshal number into Go struct field SignupParams.email of type string")
        );
        assert!(matches!(fault("{\"data\":{\"a\":[\"\\u0000\"]}}"), AuthError::Validation(_)));
        assert!(matches!(fault(&"[".repeat(200)), AuthError::BadJson(_)));
        assert!(matches!(fault(&" ".repeat(LONGEST_BODY + 1)), AuthError::TooLarge(_)));
    }

    #[test]
    fn null_is_as_good_as_absent() {
        let params = Params::parse(b"{\"email\":null,\"data\":null,\"flag\":null}", "X").expect("JSON");
        assert_eq!(params.text("email"), Ok(""));
        assert_eq!(params.object("data"), Ok(None));
        assert_eq!(params.flag("flag"), Ok(false));
        assert!(Params::parse(b"null", "X").is_ok());
    }

    #[test]
    fn answers_escape_what_html_could_read() {
        assert_eq!(escape_for_html("{\"a\":\"<b>&\u{2028}\"}".to_owned()), "{\"a\":\"\\u003cb\\u003e\\u0026\\u2028\"}");
    }
}
