//! Everything `/rest/v1` can answer instead of rows, and how it looks on the wire.

use basalt_engine::RunError;
use basalt_plan::resolve::{CallBody, ResolveError};
use basalt_types::{SqlError, SqlState};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Response, StatusCode};
use serde_json::{Value as Json, json};

use crate::parse::ParseError;
use crate::respond;

/// Why a request is refused or failed.
///
/// Texts and codes: PostgREST 16, reference "Errors"; PostgreSQL's own keep their SQLSTATE. The same rows: docs/wire/rest-errors.md.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The query string leaves its grammar.
    #[error("{}", .0.message)]
    Query(ParseError),
    /// The body is no JSON, or its objects differ, or its type is not read.
    #[error("{0}")]
    Body(String),
    /// A range that cannot be.
    #[error("Requested range not satisfiable")]
    Range(&'static str),
    /// PUT without exactly the key's filters.
    #[error("Filters must include all and only primary key columns with 'eq' operators")]
    PutFilters,
    /// PUT with limit or offset.
    #[error("limit/offset querystring parameters are not allowed for PUT")]
    PutLimit,
    /// PUT whose payload has another key than its filters.
    #[error("Payload values do not match URL in primary key column(s)")]
    PutPayload,
    /// A schema that is not exposed.
    #[error("Invalid schema: {asked}")]
    Schema {
        /// The profile asked.
        asked: String,
        /// The exposed schemas.
        exposed: Vec<String>,
    },
    /// None of the acceptable media types can be given.
    #[error("None of these media types are available: {0}")]
    MediaType(String),
    /// One object was asked and the result has another number of rows.
    #[error("Cannot coerce the result to a single JSON object")]
    NotSingular(u64),
    /// A method that tables do not have.
    #[error("Unsupported HTTP method: {0}")]
    Method(String),
    /// Unknown preferences under `handling=strict`.
    #[error("Invalid preferences given with handling=strict")]
    Preferences(Vec<String>),
    /// More rows than `max-affected`.
    #[error("Query result exceeds max-affected preference constraint")]
    MaxAffected(u64),
    /// No such path.
    #[error("Invalid path specified in request URL")]
    Path,
    /// The document of the root is for the service role.
    #[error("Access to schema is forbidden")]
    Root,
    /// A method that functions do not have.
    #[error("Cannot use the {0} method on RPC")]
    CallMethod(String),
    /// `max-affected` of a function that does not return rows.
    #[error("Function must return SETOF or TABLE when max-affected preference is used with handling=strict")]
    MaxAffectedCall,
    /// What code set as `response.headers` are no headers.
    #[error("response.headers guc must be a JSON array composed of objects with a single key and a string value")]
    ResponseHeaders,
    /// What code set as `response.status` is none.
    #[error("response.status guc must be a valid status code")]
    ResponseStatus,
    /// There are no documents.
    #[error("Root endpoint metadata is disabled")]
    NoDocument,
    /// The plan could not be made.
    #[error("{}", resolve_message(.0))]
    Resolve(ResolveError),
    /// The database refused or failed.
    #[error("{}", .0.message)]
    Sql(SqlError),
    /// A table without row security, with `[api] require_rls`.
    #[error("row security is not enabled on \"{0}\"")]
    Open(String),
    /// More embeds, conditions or longer patterns than are allowed.
    #[error("{0}")]
    TooComplex(&'static str),
    /// A token that does not count.
    #[error("{message}")]
    Token {
        /// The protocol's text.
        message: String,
        /// More of it.
        details: Option<String>,
        /// It could not be read at all, or its claims refuse it.
        undecodable: bool,
    },
    /// The token's role cannot be taken.
    #[error("role \"{0}\" does not exist")]
    Role(String),
    /// Related rows that cannot be inserted as they are given.
    #[error("{0}")]
    Nested(String),
    /// A page or a choice of rows that cannot be had.
    #[error("{0}")]
    Cursor(String),
    /// More than a role's statement may cost.
    #[error("the request costs more than its role may ask for")]
    TooCostly {
        /// The bound.
        most: u64,
        /// The estimate.
        cost: Option<u64>,
    },
    /// More requests at a time than a role may have.
    #[error("too many requests of this role at a time")]
    TooMany,
    /// An `Idempotency-Key` that is none.
    #[error("{0}")]
    Key(&'static str),
    /// Receipts are not kept here.
    #[error("{0}")]
    NoReceipts(String),
    /// A request with the same key is under way.
    #[error("a request with this Idempotency-Key is being answered")]
    KeyInUse,
    /// The key was used with another request.
    #[error("this Idempotency-Key was used with another request")]
    KeyOfAnother,
    /// The caller has so many receipts already.
    #[error("too many requests with an Idempotency-Key")]
    TooManyReceipts(u64),
    /// `If-Match` does not hold.
    #[error("the rows are not those that If-Match names")]
    PreconditionFailed,
    /// A body that is no batch.
    #[error("{0}")]
    Batch(String),
    /// A value that refers to an earlier answer of a batch is not there.
    #[error("{0}")]
    Reference(String),
    /// A read of a batch begins behind the last row.
    #[error("Requested range not satisfiable")]
    OutOfRange {
        /// The offset.
        offset: i128,
        /// The rows.
        total: u64,
    },
    /// A token, and nothing to verify it with.
    #[error("Server lacks JWT secret")]
    NoSecret,
    /// No token, and no role for requests without one.
    #[error("Anonymous access is disabled")]
    TokenRequired,
    /// The schema changed faster than the request could be planned.
    #[error("Could not query the database for the schema cache. Retrying.")]
    Stale,
}

impl From<ParseError> for RestError {
    fn from(error: ParseError) -> Self {
        Self::Query(error)
    }
}

impl From<ResolveError> for RestError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Sql(error) => Self::Sql(error),
            ResolveError::PutFilters => Self::PutFilters,
            other => Self::Resolve(other),
        }
    }
}

impl From<RunError> for RestError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Sql(error) => Self::Sql(error),
            RunError::StalePlan => Self::Stale,
            RunError::NotSingular(rows) => Self::NotSingular(rows),
            RunError::TooManyAffected(rows) => Self::MaxAffected(rows),
            RunError::PutNotSingle => Self::PutPayload,
            RunError::PreconditionFailed => Self::PreconditionFailed,
            RunError::KeyInUse => Self::KeyInUse,
            RunError::KeyOfAnother => Self::KeyOfAnother,
            RunError::TooManyReceipts(most) => Self::TooManyReceipts(most),
            RunError::NoReceipts(why) => Self::NoReceipts(why),
            RunError::TooCostly { most, cost } => Self::TooCostly { most, cost },
            RunError::NoReference(why) => Self::Reference(why),
            RunError::OutOfRange { offset, total } => Self::OutOfRange { offset, total },
        }
    }
}

impl RestError {
    /// Whether a name was asked for that the catalog does not have. Told before anything has run.
    pub(crate) fn names_the_unknown(&self) -> bool {
        use ResolveError::{NoRelationship, UnknownColumn, UnknownFunction, UnknownTable};
        let Self::Resolve(error) = self else { return false };
        matches!(error, UnknownTable { .. } | UnknownColumn { .. } | UnknownFunction { .. } | NoRelationship { .. })
    }

    /// Status and code; one arm a variant.
    pub fn wire(&self, is_anon: bool) -> (StatusCode, String) {
        let (status, code) = match self {
            Self::Query(_) => (StatusCode::BAD_REQUEST, "PGRST100"),
            Self::Body(_) => (StatusCode::BAD_REQUEST, "PGRST102"),
            Self::Range(_) => (StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103"),
            Self::PutFilters => (StatusCode::METHOD_NOT_ALLOWED, "PGRST105"),
            Self::Schema { .. } => (StatusCode::NOT_ACCEPTABLE, "PGRST106"),
            Self::MediaType(_) => (StatusCode::NOT_ACCEPTABLE, "PGRST107"),
            Self::PutLimit => (StatusCode::BAD_REQUEST, "PGRST114"),
            Self::PutPayload => (StatusCode::BAD_REQUEST, "PGRST115"),
            Self::NotSingular(_) => (StatusCode::NOT_ACCEPTABLE, "PGRST116"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "PGRST117"),
            Self::Preferences(_) => (StatusCode::BAD_REQUEST, "PGRST122"),
            Self::MaxAffected(_) => (StatusCode::BAD_REQUEST, "PGRST124"),
            Self::Path => (StatusCode::NOT_FOUND, "PGRST125"),
            Self::NoDocument => (StatusCode::NOT_FOUND, "PGRST126"),
            Self::Root => (StatusCode::FORBIDDEN, "BSLT003"),
            Self::CallMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "PGRST101"),
            Self::ResponseHeaders => (StatusCode::INTERNAL_SERVER_ERROR, "PGRST111"),
            Self::ResponseStatus => (StatusCode::INTERNAL_SERVER_ERROR, "PGRST112"),
            Self::MaxAffectedCall => (StatusCode::BAD_REQUEST, "PGRST128"),
            Self::Resolve(error) => resolve_row(error),
            Self::Sql(error) => match away(error) {
                Some((code, _)) => (StatusCode::SERVICE_UNAVAILABLE, code),
                None => return (sql_status(error, is_anon), error.state.as_str().to_owned()),
            },
            Self::Open(_) => (StatusCode::FORBIDDEN, "BSLT001"),
            Self::TooComplex(_) => (StatusCode::BAD_REQUEST, "BSLT002"),
            Self::Token { undecodable: true, .. } => (StatusCode::UNAUTHORIZED, "PGRST301"),
            Self::Token { undecodable: false, .. } => (StatusCode::UNAUTHORIZED, "PGRST303"),
            Self::Role(_) => (StatusCode::UNAUTHORIZED, "22023"),
            Self::Nested(_) => (StatusCode::BAD_REQUEST, "BSLT012"),
            Self::Cursor(_) => (StatusCode::BAD_REQUEST, "BSLT013"),
            Self::TooCostly { .. } => (StatusCode::BAD_REQUEST, "BSLT014"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "BSLT015"),
            Self::Key(_) | Self::NoReceipts(_) => (StatusCode::BAD_REQUEST, "BSLT016"),
            Self::KeyInUse => (StatusCode::CONFLICT, "BSLT017"),
            Self::KeyOfAnother => (StatusCode::UNPROCESSABLE_ENTITY, "BSLT018"),
            Self::TooManyReceipts(_) => (StatusCode::TOO_MANY_REQUESTS, "BSLT019"),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "BSLT020"),
            Self::Batch(_) => (StatusCode::BAD_REQUEST, "BSLT010"),
            Self::Reference(_) => (StatusCode::BAD_REQUEST, "BSLT011"),
            Self::OutOfRange { .. } => (StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103"),
            Self::NoSecret => (StatusCode::INTERNAL_SERVER_ERROR, "PGRST300"),
            Self::TokenRequired => (StatusCode::UNAUTHORIZED, "PGRST302"),
            Self::Stale => (StatusCode::SERVICE_UNAVAILABLE, "PGRST002"),
        };
        (status, code.to_owned())
    }

    fn details(&self) -> Json {
        match self {
            Self::Query(error) => json!(error.details),
            Self::Range(why) => json!(why),
            Self::NotSingular(rows) => json!(format!("The result contains {rows} rows")),
            Self::Preferences(unknown) => json!(format!("Invalid preferences: {}", unknown.join(", "))),
            Self::MaxAffected(rows) => json!(format!("The query affects {rows} rows")),
            Self::TooCostly { most, cost: Some(cost) } => {
                json!(format!("It is estimated to cost {cost}, and {most} is the most."))
            }
            Self::TooManyReceipts(most) => {
                json!(format!("{most} of them are remembered at most; they are forgotten as they expire."))
            }
            Self::TooCostly { most, cost: None } => json!(format!("It was stopped when it had cost {most}.")),
            Self::OutOfRange { offset, total } => {
                json!(format!("An offset of {offset} was requested, but there are only {total} rows."))
            }
            Self::Resolve(error) => resolve_details(error),
            Self::Sql(error) if away(error).is_some() => json!(error.message),
            Self::Sql(error) => json!(error.detail),
            Self::Token { details, .. } => json!(details),
            _ => Json::Null,
        }
    }

    fn hint(&self) -> Json {
        match self {
            Self::Schema { exposed, .. } => json!(format!("Only the following schemas are exposed: {}", exposed.join(", "))),
            Self::Resolve(error) => resolve_hint(error),
            // How the operator mends the way to the database is not the caller's to know.
            Self::Sql(error) if away(error).is_some() => Json::Null,
            Self::TooCostly { .. } => json!("Filter by indexed columns, select less, or ask page by page."),
            Self::TooMany => json!("Wait for an answer before asking again."),
            Self::KeyInUse => json!("Wait for its answer, or ask again in a moment."),
            Self::KeyOfAnother => json!("Give each request a key of its own; repeat a request unchanged."),
            Self::PreconditionFailed => json!("Read them again: the GET of the same address has their ETag."),
            Self::Sql(error) => json!(error.hint),
            Self::Open(table) => json!(format!(
                "Run ALTER TABLE {table} ENABLE ROW LEVEL SECURITY and add policies, or set [api] require_rls to false."
            )),
            _ => Json::Null,
        }
    }

    /// The body: four keys, nulls included.
    pub fn body(&self, is_anon: bool) -> Bytes {
        let (_, code) = self.wire(is_anon);
        let message = match self {
            // A bug of ours is logged where it arose; callers learn only that it was one.
            Self::Sql(error) if error.state == basalt_types::SqlState::INTERNAL => "Internal error".to_owned(),
            Self::Sql(error) => away(error).map_or_else(|| self.to_string(), |(_, message)| message.to_owned()),
            other => other.to_string(),
        };
        if matches!(self, Self::Root) {
            // As Supabase's gateway says it since March 2026: two keys.
            let hint = "Accessing the schema via the Data API is only allowed using a secret API key.";
            return Bytes::from(json!({"message": message, "hint": hint}).to_string());
        }
        let body = json!({"code": code, "details": self.details(), "hint": self.hint(), "message": message});
        Bytes::from(body.to_string())
    }

    /// The reason phrase that code raised: the message of a status by its SQLSTATE.
    fn status_text(&self) -> Option<String> {
        match self {
            Self::Sql(error) if error.state.as_str().starts_with("PT") => Some(error.message.clone()),
            _ => None,
        }
    }

    /// The whole response.
    pub fn response(&self, is_anon: bool) -> Response<Bytes> {
        let raised = match self {
            Self::Sql(error) => respond::raised(error),
            _ => None,
        };
        let is_raised = raised.is_some();
        let (status, code, body, more, text) = match raised {
            Some(raised) => {
                (raised.status, raised.code, Bytes::from(raised.body.to_string()), raised.headers, raised.status_text)
            }
            None => {
                let (status, code) = self.wire(is_anon);
                (status, code, self.body(is_anon), http::HeaderMap::new(), self.status_text())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if let Some(text) = text {
            response.extensions_mut().insert(StatusText(text));
        }
        let length = response.body().len();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if let Ok(value) = HeaderValue::from_str(&format!("PostgREST; error={code}")) {
            headers.insert(HeaderName::from_static("proxy-status"), value);
        }
        if let Self::Token { message, .. } = self {
            let quoted = message.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("Bearer error=\"invalid_token\", error_description=\"{quoted}\"");
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(WWW_AUTHENTICATE, value);
            }
        } else if status == StatusCode::UNAUTHORIZED && !is_raised {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let is_later = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        if is_later || matches!(self, Self::KeyInUse) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        for name in more.keys() {
            headers.remove(name);
        }
        headers.extend(more);
        response
    }
}

/// Code and message of errors that say nothing of the request: the database could not be asked. Retried later, it may be.
fn away(error: &SqlError) -> Option<(&'static str, &'static str)> {
    match error.state {
        SqlState::CANNOT_CONNECT => Some(("PGRST000", "Database connection error. Retrying the connection.")),
        SqlState::CONNECTION_FAILURE => Some(("PGRST001", "Database client error. Retrying the connection.")),
        SqlState::POOL_TIMEOUT => Some(("PGRST003", "Timed out acquiring connection from connection pool.")),
        _ => None,
    }
}

/// The answer to a request whose token does not count: PGRST301 when it cannot be read or verified, PGRST303 when its claims refuse it.
pub fn token_refused(message: &str, details: Option<&str>, undecodable: bool) -> Response<Bytes> {
    RestError::Token { message: message.to_owned(), details: details.map(str::to_owned), undecodable }.response(true)
}

/// The answer to a token whose role is not one that requests may take.
pub fn role_refused(role: &str) -> Response<Bytes> {
    RestError::Role(role.to_owned()).response(true)
}

/// The answer to a token where there is nothing to verify it with.
pub fn secret_missing() -> Response<Bytes> {
    RestError::NoSecret.response(true)
}

/// The answer to a request without a token where there is no anonymous role.
pub fn token_required() -> Response<Bytes> {
    RestError::TokenRequired.response(true)
}

/// An answer of which, when it is an error of this surface, the body has code and message only.
pub fn shorten(mut response: Response<Bytes>) -> Response<Bytes> {
    if !response.headers().contains_key("proxy-status") {
        return response;
    }
    let Ok(Json::Object(body)) = serde_json::from_slice::<Json>(response.body()) else { return response };
    let (Some(code), Some(message)) = (body.get("code"), body.get("message")) else { return response };
    let short = Bytes::from(json!({"code": code, "message": message}).to_string());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(short.len()));
    *response.body_mut() = short;
    response
}

fn resolve_row(error: &ResolveError) -> (StatusCode, &'static str) {
    match error {
        ResolveError::UnknownTable { .. } => (StatusCode::NOT_FOUND, "PGRST205"),
        ResolveError::UnknownColumn { .. } => (StatusCode::BAD_REQUEST, "PGRST204"),
        ResolveError::UnknownFunction { .. } => (StatusCode::NOT_FOUND, "PGRST202"),
        ResolveError::AmbiguousFunction(_) => (StatusCode::MULTIPLE_CHOICES, "PGRST203"),
        ResolveError::NoRelationship { .. } => (StatusCode::BAD_REQUEST, "PGRST200"),
        ResolveError::AmbiguousRelationship { .. } => (StatusCode::MULTIPLE_CHOICES, "PGRST201"),
        ResolveError::NotEmbedded(_) => (StatusCode::BAD_REQUEST, "PGRST108"),
        ResolveError::RelatedOrderNotToOne { .. } => (StatusCode::BAD_REQUEST, "PGRST118"),
        ResolveError::AggregatesOff => (StatusCode::BAD_REQUEST, "PGRST123"),
        ResolveError::NotImplemented(_) => (StatusCode::BAD_REQUEST, "PGRST127"),
        ResolveError::PutFilters => (StatusCode::METHOD_NOT_ALLOWED, "PGRST105"),
        ResolveError::Sql(_) => (StatusCode::INTERNAL_SERVER_ERROR, "XX000"),
    }
}

fn resolve_message(error: &ResolveError) -> String {
    match error {
        ResolveError::UnknownTable { schema, name, .. } => {
            format!("Could not find the table '{schema}.{name}' in the schema cache")
        }
        ResolveError::UnknownColumn { table, column } => {
            format!("Could not find the '{column}' column of '{table}' in the schema cache")
        }
        ResolveError::NoRelationship { origin, target, .. } => {
            format!("Could not find a relationship between '{origin}' and '{target}' in the schema cache")
        }
        ResolveError::AmbiguousRelationship { origin, target, .. } => {
            format!("Could not embed because more than one relationship was found for '{origin}' and '{target}'")
        }
        ResolveError::UnknownFunction { schema, name, arguments, body, .. } => {
            let list = match arguments.as_slice() {
                _ if body.is_raw() => String::new(),
                [] => " without parameters".to_owned(),
                names => format!("({})", names.join(", ")),
            };
            format!("Could not find the function {schema}.{name}{list} in the schema cache")
        }
        ResolveError::AmbiguousFunction(signatures) => {
            format!("Could not choose the best candidate function between: {}", signatures.join(", "))
        }
        ResolveError::NotEmbedded(name) => format!("'{name}' is not an embedded resource in this request"),
        ResolveError::RelatedOrderNotToOne { target, .. } => format!("A related order on '{target}' is not possible"),
        ResolveError::AggregatesOff => "Use of aggregate functions is not allowed".to_owned(),
        ResolveError::NotImplemented(_) => "Feature not implemented".to_owned(),
        ResolveError::PutFilters => RestError::PutFilters.to_string(),
        ResolveError::Sql(error) => error.message.clone(),
    }
}

fn resolve_details(error: &ResolveError) -> Json {
    match error {
        ResolveError::NoRelationship { origin, target, hint, schema, .. } => {
            // The quotes stand as the original puts them: none after the target when there is no hint.
            let using = hint.as_ref().map_or(String::new(), |h| format!("' using the hint '{h}"));
            json!(format!(
                "Searched for a foreign key relationship between '{origin}' and '{target}{using}' in the schema '{schema}', but no matches were found."
            ))
        }
        ResolveError::AmbiguousRelationship { candidates, .. } => candidates
            .iter()
            .map(|c| json!({"cardinality": c.cardinality, "embedding": c.embedding, "relationship": c.relationship}))
            .collect(),
        ResolveError::UnknownFunction { schema, name, arguments, body, .. } => {
            let list = match arguments.as_slice() {
                [] => " without parameters".to_owned(),
                [one] => format!(" with parameter {one}"),
                names => format!(" with parameters {}", names.join(", ")),
            };
            let searched = match body {
                CallBody::Text => " with a single unnamed text parameter".to_owned(),
                CallBody::Xml => " with a single unnamed xml parameter".to_owned(),
                CallBody::Bytes => " with a single unnamed bytea parameter".to_owned(),
                CallBody::Json => format!("{list} or with a single unnamed json/jsonb parameter"),
                CallBody::None | CallBody::Other => list,
            };
            json!(format!("Searched for the function {schema}.{name}{searched}, but no matches were found in the schema cache."))
        }
        ResolveError::RelatedOrderNotToOne { origin, target } => {
            json!(format!("'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship"))
        }
        ResolveError::NotImplemented(what) => json!(what),
        _ => Json::Null,
    }
}

fn resolve_hint(error: &ResolveError) -> Json {
    match error {
        ResolveError::UnknownTable { schema, near: Some(near), .. } => {
            json!(format!("Perhaps you meant the table '{schema}.{near}'"))
        }
        ResolveError::NoRelationship { near: Some((meant, instead)), .. } => {
            json!(format!("Perhaps you meant '{meant}' instead of '{instead}'."))
        }
        ResolveError::AmbiguousRelationship { target, candidates, .. } => {
            let choices: Vec<String> = candidates.iter().map(|c| format!("'{}'", c.choice)).collect();
            json!(format!(
                "Try changing '{target}' to one of the following: {}. Find the desired relationship in the 'details' key.",
                choices.join(", ")
            ))
        }
        ResolveError::UnknownFunction { schema, near: Some(near), .. } => {
            json!(format!("Perhaps you meant to call the function {schema}.{near}"))
        }
        ResolveError::AmbiguousFunction(_) => {
            json!("Try renaming the parameters or the function itself in the database so function overloading can be resolved")
        }
        ResolveError::NotEmbedded(name) => json!(format!("Verify that '{name}' is included in the 'select' query parameter.")),
        _ => Json::Null,
    }
}

/// The status of a SQLSTATE. Source: PostgREST 16, reference "Errors", table of PostgreSQL's error codes.
pub fn sql_status(error: &SqlError, is_anon: bool) -> StatusCode {
    let state = error.state.as_str();
    let (class, _) = state.split_at_checked(2).unwrap_or((state, ""));
    match (state, class) {
        ("23503" | "23505", _) => StatusCode::CONFLICT,
        ("25006", _) => StatusCode::METHOD_NOT_ALLOWED,
        ("21000", _) if error.message.ends_with("requires a WHERE clause") => StatusCode::BAD_REQUEST,
        ("22023", _) if error.message.starts_with("role") && error.message.ends_with("does not exist") => {
            StatusCode::UNAUTHORIZED
        }
        ("53400", _) => StatusCode::INTERNAL_SERVER_ERROR,
        ("57P01", _) => StatusCode::SERVICE_UNAVAILABLE,
        ("P0001", _) => StatusCode::BAD_REQUEST,
        ("42883", _) if error.message.starts_with("function xmlagg(") => StatusCode::NOT_ACCEPTABLE,
        ("42883" | "42P01", _) => StatusCode::NOT_FOUND,
        ("42P17", _) => StatusCode::INTERNAL_SERVER_ERROR,
        ("42501", _) if is_anon => StatusCode::UNAUTHORIZED,
        ("42501", _) => StatusCode::FORBIDDEN,
        // A body beyond the bound is the request's fault, not a failure.
        ("54000", _) => StatusCode::PAYLOAD_TOO_LARGE,
        (_, "08" | "53") => StatusCode::SERVICE_UNAVAILABLE,
        (_, "0L" | "0P" | "28") => StatusCode::FORBIDDEN,
        (_, "09" | "21" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0" | "HV" | "P0" | "XX") => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        (_, "PT") => {
            let status: Option<StatusCode> = state.get(2..).and_then(|n| n.parse().ok());
            status.filter(|s| !s.is_informational()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A reason phrase that code raised, as an extension of a response. What it has may not fit a header: whoever writes the response checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusText(pub String);

#[cfg(test)]
mod tests;
