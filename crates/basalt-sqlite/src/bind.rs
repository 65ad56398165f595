//! What is bound to a statement's parameters: literals read as their types, facts of the session, parameters of our own statements.

use std::borrow::Cow;
use std::sync::Arc;

use basalt_plan::guard::faults::{self, Fault};
use basalt_plan::plan::{Literal, Literals};
use basalt_plan::program::{Bind, Compiled, InputType, Touched};
use basalt_sql::typed::SessionParam;
use basalt_types::pg::oid;
use basalt_types::{Claims, Session, SqlError, SqlState, Timestamp, TypeRef, Value, pg};
use parking_lot::Mutex;

use crate::connection::{Connection, Prepared};
use crate::functions::check_pattern;
use crate::routine;

/// Everything a request's parameters are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) session: &'a Session,
    pub(crate) literals: &'a Literals,
    /// `$n` of a statement's own text, in storage form.
    pub(crate) params: &'a [Value],
    pub(crate) now: Timestamp,
}

/// Values only a row being written has. [`NoRow`] has none.
pub(crate) trait RowFacts {
    /// The value of [`Bind::New`], [`Bind::Old`], [`Bind::Excluded`], [`Bind::RowId`], [`Bind::Value`] or [`Bind::Written`].
    fn value(&self, bind: &Bind) -> Option<Cow<'_, Value>>;
}

/// Outside of writes.
pub(crate) struct NoRow;

impl RowFacts for NoRow {
    fn value(&self, _: &Bind) -> Option<Cow<'_, Value>> {
        None
    }
}

/// A compiled statement with its parameters bound, ready to step.
///
/// # Errors
/// 22P02 and friends when a literal does not read as its type; what SQLite reports.
pub(crate) fn prepare<'c>(
    connection: &'c Connection,
    compiled: &Compiled,
    facts: &Facts<'_>,
    row: &dyn RowFacts,
) -> Result<Prepared<'c>, SqlError> {
    let mut statement = connection.statement(&compiled.sql)?;
    for (i, bind) in compiled.binds.iter().enumerate() {
        let value = value(bind, facts, row)?;
        statement.bind(i + 1, value.as_ref().as_ref())?;
    }
    Ok(statement)
}

/// Reads a statement's literals: PostgreSQL reads all of a request's before it looks at a row, or at a body.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn check_literals(compiled: &Compiled, facts: &Facts<'_>) -> Result<(), SqlError> {
    let is_literal = |bind: &&Bind| matches!(bind, Bind::Literal { .. } | Bind::LiteralList { .. });
    compiled.binds.iter().filter(is_literal).try_for_each(|bind| value(bind, facts, &NoRow).map(drop))
}

/// Reads a request's regular expressions, as PostgreSQL's planner does: whether there are rows or not.
///
/// # Errors
/// 2201B.
pub(crate) fn check_patterns(touched: &Touched, facts: &Facts<'_>) -> Result<(), SqlError> {
    touched.patterns.iter().try_for_each(|(index, is_array)| match literal(facts.literals, *index)? {
        Literal::Text(text) => check_pattern(text, *is_array),
        Literal::Null | Literal::List(_) => Ok(()),
    })
}

/// The value of one parameter.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn value<'v>(bind: &'v Bind, facts: &'v Facts<'_>, row: &'v dyn RowFacts) -> Result<Cow<'v, Value>, SqlError> {
    Ok(match bind {
        Bind::Const(value) => Cow::Borrowed(value),
        Bind::Literal { index, ty } => match literal(facts.literals, *index)? {
            Literal::Null => Cow::Owned(Value::Null),
            Literal::Text(text) => Cow::Owned(read(text, ty, facts.now)?),
            Literal::List(_) => return Err(SqlError::internal("a list stands where a plan has one value")),
        },
        Bind::LiteralList { index, element } => match literal(facts.literals, *index)? {
            Literal::Null => Cow::Owned(Value::Null),
            Literal::Text(_) => return Err(SqlError::internal("one value stands where a plan has a list")),
            Literal::List(texts) => {
                let values = texts.iter().map(|text| read(text, element, facts.now)).collect::<Result<Vec<_>, _>>()?;
                Cow::Owned(Value::Text(pg::array_from_values(values, element.base.oid)))
            }
        },
        Bind::Numbered { number, ty: _ } => {
            let at = usize::try_from(*number).unwrap_or(0).wrapping_sub(1);
            let value = facts
                .params
                .get(at)
                .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter ${number}")))?;
            Cow::Borrowed(value)
        }
        Bind::Session(param) => Cow::Owned(session_value(param, facts.session, facts.now)?),
        Bind::New(_) | Bind::Old(_) | Bind::Excluded(_) | Bind::RowId | Bind::Value | Bind::Written => {
            row.value(bind).ok_or_else(|| SqlError::internal("a row's value is asked for where no row is written"))?
        }
    })
}

fn literal(literals: &Literals, index: u32) -> Result<&Literal, SqlError> {
    usize::try_from(index)
        .ok()
        .and_then(|at| literals.0.get(at))
        .ok_or_else(|| SqlError::internal("a request has fewer values than its plan"))
}

/// Reads a text as a type: the base type's input, then an enum's labels. A domain's checks need a connection: the write path runs them.
///
/// # Errors
/// As PostgreSQL's input functions.
pub(crate) fn read(text: &str, ty: &InputType, now: Timestamp) -> Result<Value, SqlError> {
    if text.contains('\0') {
        return Err(SqlError::new(SqlState::INVALID_ENCODING, "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    let value = pg::input_at(text, ty.base, now)?;
    check_labels(&value, ty)?;
    Ok(value)
}

/// 22P02 when the value (or an element of it) is no label of the enum.
///
/// # Errors
/// That one.
pub(crate) fn check_labels(value: &Value, ty: &InputType) -> Result<(), SqlError> {
    let Some(labels) = &ty.labels else { return Ok(()) };
    let check = |text: &str| {
        if labels.labels.iter().any(|label| label == text) {
            return Ok(());
        }
        Err(SqlError::new(SqlState::INVALID_TEXT, format!("invalid input value for enum {}: \"{text}\"", labels.name)))
    };
    let Value::Text(text) = value else { return Ok(()) };
    match pg::element(ty.base.oid) {
        None => check(text),
        Some(elem) => pg::array_values(text, elem)?.iter().try_for_each(|element| match element {
            Value::Text(text) => check(text),
            _ => Ok(()),
        }),
    }
}

/// A fact of the session in the storage form of its type.
///
/// # Errors
/// 22P02 when the subject is no uuid, 42704 for a setting that is not there and must be.
pub(crate) fn session_value(param: &SessionParam, session: &Session, now: Timestamp) -> Result<Value, SqlError> {
    if faults::on(Fault::PreviousClaims) {
        return fact(param, &with_claims_before(session), now);
    }
    fact(param, session, now)
}

/// A deliberate mistake, for the tests that must notice it: the session with the claims of the one before it.
fn with_claims_before(session: &Session) -> Session {
    type Kept = Option<Arc<Claims>>;
    static SEEN: Mutex<(Kept, Kept)> = Mutex::new((None, None));
    let mut seen = SEEN.lock();
    let (before, current) = &mut *seen;
    if *current != session.claims {
        *before = std::mem::replace(current, session.claims.clone());
    }
    Session { claims: before.clone(), ..session.clone() }
}

fn fact(param: &SessionParam, session: &Session, now: Timestamp) -> Result<Value, SqlError> {
    let claim = |name: &str| session.claims.as_ref().and_then(|claims| claims.get(name));
    let claim_text = |name: &str| {
        claim(name).map(|value| match value {
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Null => Value::Null,
            other => Value::Text(other.to_string()),
        })
    };
    Ok(match param {
        SessionParam::Uid => match claim("sub").and_then(serde_json::Value::as_str) {
            // An empty claim counts as none, as `nullif` does in `auth.uid()`.
            None | Some("") => Value::Null,
            Some(sub) => pg::input(sub, TypeRef::of(oid::UUID))?,
        },
        SessionParam::Role => Value::from(session.role.as_str()),
        SessionParam::Email => claim_text("email").unwrap_or(Value::Null),
        SessionParam::Jwt => match session.claims_text().as_ref() {
            "" => Value::Null,
            text => Value::Text(pg::jsonb_normalise(text)?),
        },
        SessionParam::CurrentUser => Value::from(session.current_user().as_str()),
        SessionParam::Now => Value::Text(pg::now_text(now)),
        SessionParam::Setting { name, missing_ok } => setting(name, *missing_ok, session)?,
    })
}

/// `current_setting(name, missing_ok)`: what PostgREST sets for a request, the settings every session has, else nothing.
fn setting(name: &str, missing_ok: bool, session: &Session) -> Result<Value, SqlError> {
    if let Some(text) = routine::setting(name) {
        return Ok(Value::Text(text));
    }
    let request = session.request.as_deref();
    let known = match name {
        "request.jwt.claims" => Some(session.claims_text().into_owned()),
        "request.method" => request.map(|r| r.method.clone()),
        "request.path" => request.map(|r| r.path.clone()),
        "request.headers" => request.map(|r| r.headers.clone()),
        "request.cookies" => request.map(|r| r.cookies.clone()),
        "role" => Some(session.role.as_str().to_owned()),
        "timezone" | "TimeZone" => Some("UTC".to_owned()),
        "search_path" => Some("\"$user\", public, extensions".to_owned()),
        "server_version" => Some("17.0".to_owned()),
        "server_version_num" => Some("170000".to_owned()),
        // The claims one by one, as PostgREST before version 9 set them.
        _ => name.strip_prefix("request.jwt.claim.").and_then(|claim| {
            session.claims.as_ref().and_then(|claims| claims.get(claim)).map(|value| match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        }),
    };
    match known {
        Some(text) => Ok(Value::Text(text)),
        None if missing_ok => Ok(Value::Null),
        None => Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))),
    }
}
