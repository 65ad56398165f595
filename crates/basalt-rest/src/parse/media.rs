//! `Accept` and `Content-Type`.
//!
//! The list is read as PostgREST reads it (its `MediaType.hs`, and `parseHttpAccept` of wai-extra): spaces are dropped, everything from `;q=`
//! on is the quality, the best quality comes first, then the most parameters less wildcards, then the order of the header. The first type
//! that the resource has is taken. A quality of 0 is the last choice, not a refusal.

use std::cmp::Reverse;

use basalt_engine::Explain;
use basalt_plan::plan::{Handler, Output};
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::error::RestError;
use crate::handlers::Offered;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Form {
    Json,
    ArrayStripped,
    Object,
    ObjectStripped,
    Csv,
    GeoJson,
    /// What code of the database makes of them.
    Custom(Handler),
}

impl Form {
    /// The type without `charset`.
    fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::ArrayStripped => "application/vnd.pgrst.array+json;nulls=stripped",
            Self::Object => "application/vnd.pgrst.object+json",
            Self::ObjectStripped => "application/vnd.pgrst.object+json;nulls=stripped",
            Self::Csv => "text/csv",
            Self::GeoJson => "application/geo+json",
            Self::Custom(_) => "application/octet-stream",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::ArrayStripped => "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            Self::Object => "application/vnd.pgrst.object+json; charset=utf-8",
            Self::ObjectStripped => "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::GeoJson => "application/geo+json; charset=utf-8",
            Self::Custom(_) => "application/octet-stream",
        }
    }
}

/// What an answer looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    form: Form,
    /// The plan of the statement is answered instead of its rows.
    pub explain: Option<Explain>,
    /// Set where the form does not say it.
    named: Option<HeaderValue>,
}

impl Media {
    /// Rows in a form.
    pub fn of(form: Form) -> Self {
        Self { form, explain: None, named: None }
    }

    /// The header's value.
    pub fn content_type(&self) -> HeaderValue {
        self.named.clone().unwrap_or_else(|| HeaderValue::from_static(self.form.content_type()))
    }

    /// How rows become it.
    pub fn output(&self) -> Output {
        match self.form {
            Form::Json => Output::Array { strip_nulls: false },
            Form::ArrayStripped => Output::Array { strip_nulls: true },
            Form::Object => Output::Object { strip_nulls: false },
            Form::ObjectStripped => Output::Object { strip_nulls: true },
            Form::Csv => Output::Csv,
            Form::GeoJson => Output::GeoJson,
            Form::Custom(handler) => Output::Custom(handler),
        }
    }

    /// The same for a method. HEAD runs no code of the database for a body that it does not show.
    pub fn output_of(&self, method: &Method) -> Output {
        match self.form {
            Form::GeoJson | Form::Custom(_) if *method == Method::HEAD => Output::None,
            _ => self.output(),
        }
    }

    /// Whether exactly one row is wanted.
    pub fn is_singular(&self) -> bool {
        matches!(self.form, Form::Object | Form::ObjectStripped)
    }
}

/// What besides the ordinary forms may be answered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offer<'h> {
    /// Plans of statements.
    pub plans: bool,
    /// What code of the database answers.
    pub(crate) handlers: Option<Offered<'h>>,
}

impl Offer<'_> {
    /// The ordinary forms, and plans of statements if there are.
    pub fn of_plans(plans: bool) -> Self {
        Self { plans, handlers: None }
    }
}

/// The first acceptable type that tables have.
///
/// # Errors
/// PGRST107 with the acceptable ones, when there is none.
pub fn negotiate(headers: &HeaderMap, offer: Offer<'_>) -> Result<Media, RestError> {
    let value = headers.get(ACCEPT).map_or(b"*/*".as_slice(), HeaderValue::as_bytes);
    if matches!(value, b"*/*" | b"application/json" | b"") && offer.handlers.is_none() {
        return Ok(Media::of(Form::Json));
    }
    let accepted = accepted(&String::from_utf8_lossy(if value.is_empty() { b"*/*" } else { value }));
    accepted.iter().find_map(|t| offered(t, offer)).ok_or_else(|| refused(&accepted))
}

/// Which document of the root is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Document {
    Swagger2,
    OpenApi31,
}

impl Document {
    /// The header's value.
    pub fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Swagger2 => "application/openapi+json; charset=utf-8",
            Self::OpenApi31 => "application/openapi+json;version=3.1; charset=utf-8",
        })
    }
}

/// The root's document: that of version 3.1 when `application/openapi+json;version=3.1` is asked, else the one PostgREST has.
///
/// # Errors
/// PGRST107.
pub fn negotiate_document(headers: &HeaderMap) -> Result<Document, RestError> {
    let Some(value) = headers.get(ACCEPT) else { return Ok(Document::Swagger2) };
    let accepted = accepted(&String::from_utf8_lossy(value.as_bytes()));
    let fits = |t: &Accepted| match &t.kind {
        Kind::OpenApi { version } if version.as_deref().is_some_and(|v| v.starts_with('3')) => Some(Document::OpenApi31),
        Kind::OpenApi { .. } | Kind::Any | Kind::Form(Form::Json) => Some(Document::Swagger2),
        _ => None,
    };
    accepted.iter().find_map(fits).ok_or_else(|| refused(&accepted))
}

fn refused(accepted: &[Accepted]) -> RestError {
    RestError::MediaType(accepted.iter().map(Accepted::shown).collect::<Vec<_>>().join(", "))
}

fn offered(accepted: &Accepted, offer: Offer<'_>) -> Option<Media> {
    // The types of our own are nobody else's.
    let is_ours =
        matches!(accepted.kind, Kind::Plan { .. } | Kind::Form(Form::Object | Form::ObjectStripped | Form::ArrayStripped));
    if let Some(found) = offer.handlers.filter(|_| !is_ours).and_then(|all| all.find(&accepted.shown()).cloned()) {
        return Some(Media { form: Form::Custom(found.handler), explain: None, named: Some(found.content_type) });
    }
    match &accepted.kind {
        Kind::Form(form) => Some(Media::of(*form)),
        Kind::Any => Some(Media::of(Form::Json)),
        Kind::Plan { of, explain } if offer.plans => {
            let inner = offered(of, Offer { plans: false, ..offer })?;
            let named = HeaderValue::from_str(&format!("{}; charset=utf-8", accepted.shown())).ok()?;
            Some(Media { form: inner.form, explain: Some(*explain), named: Some(named) })
        }
        Kind::Plan { .. } | Kind::OpenApi { .. } | Kind::Known(_) | Kind::Other => None,
    }
}

/// A type as handlers are kept by it: without the parameters that have no meaning.
pub(crate) fn named(text: &str) -> String {
    Accepted::of(text, 0).shown()
}

/// The `Content-Type` of a type; `None` for what is no header.
pub(crate) fn content_type_of(text: &str) -> Option<HeaderValue> {
    let read = Accepted::of(text, 0);
    let has_charset = !matches!(read.kind, Kind::Known("application/octet-stream") | Kind::Other);
    HeaderValue::from_str(&format!("{}{}", read.shown(), if has_charset { "; charset=utf-8" } else { "" })).ok()
}

/// A type of an `Accept` header.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Accepted {
    kind: Kind,
    /// As it was written, less spaces and quality.
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Form(Form),
    Any,
    OpenApi {
        version: Option<String>,
    },
    Plan {
        of: Box<Accepted>,
        explain: Explain,
    },
    /// A type of another meaning, which messages name without parameters.
    Known(&'static str),
    Other,
}

impl Accepted {
    /// As messages name it.
    fn shown(&self) -> String {
        match &self.kind {
            Kind::Form(form) => form.name().to_owned(),
            Kind::Any => "*/*".to_owned(),
            Kind::OpenApi { .. } => "application/openapi+json".to_owned(),
            Kind::Known(name) => (*name).to_owned(),
            Kind::Other => self.text.clone(),
            Kind::Plan { of, explain } => {
                let format = if explain.json { "json" } else { "text" };
                let mut out = format!("application/vnd.pgrst.plan+{format}; for=\"{}\"", of.shown());
                let words: Vec<&str> = PLAN_OPTIONS.iter().filter(|(_, get)| get(explain)).map(|(word, _)| *word).collect();
                if !words.is_empty() {
                    out.push_str("; options=");
                    out.push_str(&words.join("|"));
                }
                out
            }
        }
    }

    /// Reads one type. `depth`: how many plans it stands in.
    fn of(text: &str, depth: u32) -> Self {
        let (main, sub, params) = tokens(text);
        let param = |name: &str| params.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
        let is_stripped = param("nulls") == Some("stripped");
        let essence = format!("{}/{}", main.to_lowercase(), sub.to_lowercase());
        let kind = match essence.as_str() {
            "application/json" => Kind::Form(Form::Json),
            "text/csv" => Kind::Form(Form::Csv),
            "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" if is_stripped => {
                Kind::Form(Form::ObjectStripped)
            }
            "application/vnd.pgrst.object+json" | "application/vnd.pgrst.object" => Kind::Form(Form::Object),
            "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" if is_stripped => Kind::Form(Form::ArrayStripped),
            "application/vnd.pgrst.array+json" | "application/vnd.pgrst.array" => Kind::Form(Form::Json),
            "*/*" => Kind::Any,
            "application/openapi+json" => Kind::OpenApi { version: param("version").map(str::to_owned) },
            "application/geo+json" => Kind::Form(Form::GeoJson),
            "text/plain" => Kind::Known("text/plain"),
            "text/xml" => Kind::Known("text/xml"),
            "application/octet-stream" => Kind::Known("application/octet-stream"),
            "application/x-www-form-urlencoded" => Kind::Known("application/x-www-form-urlencoded"),
            plan @ ("application/vnd.pgrst.plan" | "application/vnd.pgrst.plan+text" | "application/vnd.pgrst.plan+json")
                if depth == 0 =>
            {
                let options: Vec<&str> = param("options").unwrap_or_default().split('|').collect();
                let has = |word: &str| options.contains(&word);
                Kind::Plan {
                    of: Box::new(Self::of(param("for").unwrap_or("application/json"), depth + 1)),
                    explain: Explain {
                        json: plan.ends_with("+json"),
                        analyze: has("analyze"),
                        verbose: has("verbose"),
                        settings: has("settings"),
                        buffers: has("buffers"),
                        wal: has("wal"),
                    },
                }
            }
            _ => Kind::Other,
        };
        Self { kind, text: text.to_owned() }
    }
}

type GetOption = fn(&Explain) -> bool;

/// In the order in which they are named.
const PLAN_OPTIONS: [(&str, GetOption); 5] = [
    ("analyze", |e| e.analyze),
    ("verbose", |e| e.verbose),
    ("settings", |e| e.settings),
    ("buffers", |e| e.buffers),
    ("wal", |e| e.wal),
];

/// The types of a header, best first.
fn accepted(header: &str) -> Vec<Accepted> {
    let mut out: Vec<(f64, i64, Accepted)> = Vec::new();
    for part in header.split(',') {
        let packed: String = part.chars().filter(|c| *c != ' ').collect();
        let (text, quality) = packed.split_once(";q=").unwrap_or((&packed, ""));
        let count = |c: char| i64::try_from(text.matches(c).count()).unwrap_or(i64::MAX);
        out.push((number(quality), count(';') - count('*'), Accepted::of(text, 0)));
    }
    out.sort_by(|a, b| b.0.total_cmp(&a.0).then(Reverse(a.1).cmp(&Reverse(b.1))));
    out.into_iter().map(|(_, _, accepted)| accepted).collect()
}

/// The number a quality begins with; 1 when it begins with none.
fn number(text: &str) -> f64 {
    let whole = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text.get(whole..).unwrap_or_default();
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let length = if whole > 0 && digits > 0 { whole + 1 + digits } else { whole };
    text.get(..length).and_then(|n| n.parse().ok()).unwrap_or(1.0)
}

type Tokens<'t> = (&'t str, &'t str, Vec<(&'t str, &'t str)>);

/// Main type, subtype and parameters. What follows them is not looked at; a text that does not begin like a type is all main type.
fn tokens(text: &str) -> Tokens<'_> {
    let cut = |text: &str, fits: fn(char) -> bool| text.find(|c| !fits(c)).unwrap_or(text.len());
    let main = cut(text, |c| c.is_alphanumeric() || ".*".contains(c));
    let (main, rest) = text.split_at(main);
    let Some(rest) = rest.strip_prefix('/').filter(|_| !main.is_empty()) else { return (text, "", Vec::new()) };
    let sub = cut(rest, |c| c.is_alphanumeric() || ".*+-".contains(c));
    let (sub, mut rest) = rest.split_at(sub);
    if sub.is_empty() {
        return (text, "", Vec::new());
    }
    let mut params = Vec::new();
    while let Some(param) = rest.trim_start().strip_prefix(';').map(str::trim_start) {
        let (key, after) = param.split_at(cut(param, |c| c.is_alphanumeric() || c == '-'));
        let Some(value) = after.trim_start().strip_prefix('=').map(str::trim_start).filter(|_| !key.is_empty()) else { break };
        let quoted = value.strip_prefix('"').and_then(|value| value.split_once('"'));
        let (value, after) = quoted.unwrap_or_else(|| value.split_at(cut(value, |c| c.is_alphanumeric() || "|-".contains(c))));
        if value.is_empty() && quoted.is_none() {
            break;
        }
        params.push((key, value));
        rest = after;
    }
    (main, sub, params)
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BodyType {
    Json,
    Csv,
    Form,
}

/// The `Content-Type` of a body that is neither JSON nor CSV nor a form, where messages know it.
pub fn raw_type(headers: &HeaderMap) -> Option<&'static str> {
    match Accepted::of(&String::from_utf8_lossy(headers.get(CONTENT_TYPE)?.as_bytes()), 0).kind {
        Kind::Known(name) => Some(name),
        _ => None,
    }
}

/// Reads `Content-Type`.
///
/// # Errors
/// PGRST102 for types that are not read.
pub fn body_type(headers: &HeaderMap) -> Result<BodyType, RestError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(BodyType::Json) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let read = Accepted::of(&text, 0);
    match &read.kind {
        Kind::Form(Form::Json) => Ok(BodyType::Json),
        Kind::Form(Form::Csv) => Ok(BodyType::Csv),
        Kind::Known("application/x-www-form-urlencoded") => Ok(BodyType::Form),
        _ => Err(RestError::Body(format!("Content-Type not acceptable: {}", read.shown()))),
    }
}

#[cfg(test)]
mod tests;
