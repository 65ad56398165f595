//! `Accept` and `Content-Type`.

use basalt_plan::plan::Output;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use crate::error::RestError;

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Media {
    Json,
    ArrayStripped,
    Object,
    ObjectStripped,
    Csv,
    OpenApi,
}

impl Media {
    /// The header's value.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::ArrayStripped => "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            Self::Object => "application/vnd.pgrst.object+json; charset=utf-8",
            Self::ObjectStripped => "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::OpenApi => "application/openapi+json; charset=utf-8",
        }
    }

    /// How rows become it.
    pub fn output(self) -> Output {
        match self {
            Self::Json | Self::OpenApi => Output::Array { strip_nulls: false },
            Self::ArrayStripped => Output::Array { strip_nulls: true },
            Self::Object => Output::Object { strip_nulls: false },
            Self::ObjectStripped => Output::Object { strip_nulls: true },
            Self::Csv => Output::Csv,
        }
    }

    /// Whether exactly one row is wanted.
    pub fn is_singular(self) -> bool {
        matches!(self, Self::Object | Self::ObjectStripped)
    }
}

/// The first acceptable type that tables have.
///
/// # Errors
/// PGRST107 with the acceptable ones, when there is none.
pub fn negotiate(headers: &HeaderMap) -> Result<Media, RestError> {
    let Some(value) = headers.get(ACCEPT) else { return Ok(Media::Json) };
    if matches!(value.as_bytes(), b"*/*" | b"application/json" | b"") {
        return Ok(Media::Json);
    }
    let ranges = ranges(&String::from_utf8_lossy(value.as_bytes()));
    ranges.iter().find_map(|r| of(r)).ok_or_else(|| {
        let names: Vec<String> = ranges.iter().map(|r| shown(r)).collect();
        RestError::MediaType(names.join(", "))
    })
}

/// Whether the root's document is acceptable.
///
/// # Errors
/// PGRST107.
pub fn negotiate_document(headers: &HeaderMap) -> Result<Media, RestError> {
    let Some(value) = headers.get(ACCEPT) else { return Ok(Media::OpenApi) };
    let ranges = ranges(&String::from_utf8_lossy(value.as_bytes()));
    let fits = |r: &String| matches!(essence(r).as_str(), "application/openapi+json" | "application/json" | "*/*");
    if ranges.iter().any(fits) {
        return Ok(Media::OpenApi);
    }
    Err(RestError::MediaType(ranges.iter().map(|r| shown(r)).collect::<Vec<_>>().join(", ")))
}

/// The media ranges, best quality first.
fn ranges(accept: &str) -> Vec<String> {
    let mut out: Vec<(f32, String)> = Vec::new();
    for range in split_outside_quotes(accept, ',') {
        let mut quality = 1.0;
        let mut kept = String::new();
        for (i, part) in split_outside_quotes(range, ';').into_iter().enumerate() {
            let part = part.trim();
            match part.strip_prefix("q=").map(str::parse::<f32>) {
                Some(Ok(q)) if i > 0 => quality = q,
                _ => {
                    if i > 0 && !part.is_empty() {
                        kept.push(';');
                    }
                    kept.push_str(part);
                }
            }
        }
        if !kept.is_empty() {
            out.push((quality, kept));
        }
    }
    out.sort_by(|a, b| b.0.total_cmp(&a.0));
    out.into_iter().map(|(_, range)| range).collect()
}

fn split_outside_quotes(text: &str, at: char) -> Vec<&str> {
    let mut quoted = false;
    text.split(move |c| {
        if c == '"' {
            quoted = !quoted;
        }
        c == at && !quoted
    })
    .collect()
}

fn essence(range: &str) -> String {
    range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn of(range: &str) -> Option<Media> {
    let stripped = range.split(';').skip(1).any(|p| p.trim().eq_ignore_ascii_case("nulls=stripped"));
    Some(match essence(range).as_str() {
        "application/json" | "*/*" => Media::Json,
        "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" if stripped => Media::ArrayStripped,
        "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => Media::Json,
        "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" if stripped => Media::ObjectStripped,
        "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => Media::Object,
        "text/csv" => Media::Csv,
        _ => return None,
    })
}

/// A range as messages name it: known types without their parameters.
fn shown(range: &str) -> String {
    match essence(range).as_str() {
        known @ ("application/geo+json"
        | "text/plain"
        | "text/xml"
        | "application/openapi+json"
        | "application/octet-stream"
        | "application/x-www-form-urlencoded") => known.to_owned(),
        plan if plan.starts_with("application/vnd.pgrst.plan") => {
            let format = if plan.ends_with("+json") { "json" } else { "text" };
            format!("application/vnd.pgrst.plan+{format}; for=\"application/json\"")
        }
        _ => range.to_owned(),
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BodyType {
    Json,
    Csv,
    Form,
}

/// Reads `Content-Type`.
///
/// # Errors
/// PGRST102 for types that are not read.
pub fn body_type(headers: &HeaderMap) -> Result<BodyType, RestError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(BodyType::Json) };
    let text = String::from_utf8_lossy(value.as_bytes());
    match essence(&text).as_str() {
        "application/json" | "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => Ok(BodyType::Json),
        "text/csv" => Ok(BodyType::Csv),
        "application/x-www-form-urlencoded" => Ok(BodyType::Form),
        _ => Err(RestError::Body(format!("Content-Type not acceptable: {}", shown(&text)))),
    }
}
