//! `:cursor`: pages that stay right while rows are written. Ours; described in docs/wire/rest-beyond.md.
//!
//! A page is asked by the key of the row it follows or precedes, not by a number of rows: the terms of `order` and, so that no two
//! rows are equal, the primary key. That key travels in a token which is signed and bound to caller and query. A page is two reads
//! of one snapshot: what was asked, and the keys of the same rows and one more, which says whether there is a next page.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;
use basalt_engine::{Answer, Batch, BatchError, Limits, Run, RunError, Step};
use basalt_plan::ask::{Ask, Field, Filter, IsValue, Item, Node, Operand, Operator, OrderTerm, ReadAsk};
use basalt_plan::plan::{Literals, Output};
use basalt_types::Session;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, HeaderValue, LINK};
use http::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::batch::reference::{members, scalar};
use crate::error::RestError as Error;
use crate::parse::media::{self, Offer};
use crate::parse::query::decode;
use crate::parse::range;
use crate::{Asked, Rest, STALE_TRIES, answered, literal, put};

/// The parameter. No column's filter begins with a colon.
const PARAMETER: &str = ":cursor";

/// Rows of a page without a limit.
const PAGE: i128 = 100;

/// Longest token that is looked at, bytes.
const LONGEST: usize = 8 << 10;

const NEXT: HeaderName = HeaderName::from_static("basalt-next-cursor");
const PREVIOUS: HeaderName = HeaderName::from_static("basalt-previous-cursor");

/// What signs tokens.
#[derive(Clone)]
pub struct CursorKey(hmac::Key);

impl CursorKey {
    /// A key made of a secret of the instance. Tokens of one key are good for any server that has it.
    pub fn new(secret: &[u8]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let own = hmac::sign(&root, b"basalt rest cursor 1");
        Self(hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()))
    }
}

impl PartialEq for CursorKey {
    fn eq(&self, other: &Self) -> bool {
        hmac::sign(&self.0, b"").as_ref() == hmac::sign(&other.0, b"").as_ref()
    }
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey")
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Token {
    /// Rows before the key, not after it.
    #[serde(rename = "b")]
    backwards: bool,
    /// What it was made for, in hexadecimal digits.
    #[serde(rename = "f")]
    bound: String,
    /// The key's values: texts, or null.
    #[serde(rename = "k")]
    key: Vec<Option<String>>,
}

impl Token {
    fn write(&self, key: &CursorKey) -> String {
        let said = serde_json::to_vec(self).unwrap_or_default();
        let signature = hmac::sign(&key.0, &said);
        let mut all = signature.as_ref().to_vec();
        all.extend_from_slice(&said);
        encode(&all)
    }

    fn read(text: &str, key: &CursorKey) -> Option<Self> {
        let all = if text.len() > LONGEST { None } else { decoded(text) }?;
        let (signature, said) = all.split_at_checked(32)?;
        hmac::verify(&key.0, said, signature).ok()?;
        serde_json::from_slice(said).ok()
    }
}

/// Base64 with `-` and `_`, without padding (RFC 4648, section 5).
fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..=chunk.len() {
            out.push(char::from(LETTERS[(n >> (18 - 6 * i) & 63) as usize]));
        }
    }
    out
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut n = 0u32;
        for byte in chunk {
            let six = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            n = (n << 6) | u32::from(six);
        }
        let bytes = chunk.len() * 6 / 8;
        n <<= 6 * (4 - chunk.len());
        out.extend_from_slice(n.to_be_bytes().get(1..1 + bytes)?);
    }
    Some(out)
}

/// One term of a page's order.
#[derive(Debug, Clone)]
struct Term {
    order: OrderTerm,
    may_be_null: bool,
}

impl Term {
    fn nulls_first(&self) -> bool {
        self.order.nulls_first.unwrap_or(self.order.descending)
    }

    /// The same term from the other end.
    fn reversed(&self) -> Self {
        let order =
            OrderTerm { descending: !self.order.descending, nulls_first: Some(!self.nulls_first()), ..self.order.clone() };
        Self { order, may_be_null: self.may_be_null }
    }

    fn test(&self, op: Operator, value: Operand) -> Filter {
        Filter::Test { field: self.order.field.clone(), op, value }
    }

    /// Rows whose value is the key's.
    fn equal(&self, value: Option<u32>) -> Filter {
        match value {
            Some(id) => self.test(Operator::Eq, Operand::Value(id)),
            None => self.test(Operator::Is, Operand::Is(IsValue::Null)),
        }
    }

    /// Rows whose value comes after the key's; nothing when none can.
    fn after(&self, value: Option<u32>) -> Option<Filter> {
        let op = if self.order.descending { Operator::Lt } else { Operator::Gt };
        match (value, self.nulls_first()) {
            (Some(id), false) if self.may_be_null => {
                Some(Filter::Or(vec![self.test(op, Operand::Value(id)), self.test(Operator::Is, Operand::Is(IsValue::Null))]))
            }
            (Some(id), _) => Some(self.test(op, Operand::Value(id))),
            (None, true) => Some(self.test(Operator::Is, Operand::Is(IsValue::NotNull))),
            (None, false) => None,
        }
    }
}

/// The condition of rows behind a key. `ids`: the literals of its values.
fn behind(terms: &[Term], ids: &[Option<u32>]) -> Filter {
    let mut choices = Vec::new();
    for (at, (term, id)) in terms.iter().zip(ids).enumerate() {
        let Some(after) = term.after(*id) else { continue };
        let mut all: Vec<Filter> = terms.iter().zip(ids).take(at).map(|(term, id)| term.equal(*id)).collect();
        all.push(after);
        choices.push(Filter::And(all));
    }
    Filter::Or(choices)
}

/// Takes the cursor out of a query string.
pub(crate) fn split(query: &str) -> Option<(String, String)> {
    let is_it = |part: &&str| part.split_once('=').is_some_and(|(name, _)| decode(name) == PARAMETER);
    // Most queries have none: nothing is copied then.
    let found = query.split('&').find(is_it)?;
    let value = found.split_once('=').map(|(_, value)| decode(value).into_owned()).unwrap_or_default();
    let others: Vec<&str> = query.split('&').filter(|part| !is_it(part)).collect();
    Some((others.join("&"), value))
}

impl Rest {
    /// Answers a GET with a cursor; `query` is what else was asked.
    pub(crate) async fn page(&self, asked: &Asked<'_>, name: &str, query: &str, cursor: &str) -> Result<Response<Bytes>, Error> {
        let refused = |why: &str| Err(Error::Cursor(why.to_owned()));
        let Some(signing) = &self.config.cursor_key else { return refused("This server has no key for cursors") };
        if asked.exchange.is_some() {
            return refused("A part of a batch has no cursor");
        }
        let bare = Asked { query, preferences: asked.preferences.clone(), said: std::sync::OnceLock::new(), ..*asked };
        let media = media::negotiate(asked.headers, Offer::of_plans(self.config.plan_enabled))?;
        let Output::Array { .. } = media.output() else { return refused("Pages by cursor are JSON arrays") };
        if media.explain.is_some() || asked.preferences.count.is_some() || asked.headers.contains_key("range") {
            return refused("A count, a range or a plan does not go with a cursor");
        }
        for _ in 0..STALE_TRIES {
            let parts = self.read_ask(&bare, name, media.output())?;
            let Ask::Read(ask) = parts.ask else { return Err(Error::Stale) };
            if parts.page.offset != 0 || parts.params.negative.is_some() {
                return refused("An offset does not go with a cursor");
            }
            let limit = self.most(parts.page.limit.unwrap_or(PAGE));
            if limit < 1 {
                return refused("A page by cursor has at least one row");
            }
            let terms = self.page_terms(asked, name, &ask.node)?;
            let bound = bound_to(asked.session, &ask.schema, name, &parts.params.canonical);
            let token = match cursor {
                "" => None,
                text => match Token::read(text, signing) {
                    Some(token) if token.bound == bound && token.key.len() == terms.len() => Some(token),
                    _ => return refused("The cursor is not of this query and caller"),
                },
            };
            Self::check_preferences(&asked.preferences)?;
            let backwards = token.as_ref().is_some_and(|token| token.backwards);
            let limits = self.limits(asked.session);
            let batch = self.page_batch(asked, &ask, parts.literals, (&terms, token.as_ref()), limit, limits)?;
            let answers = match self.engine.run_batch(batch).await {
                Err(BatchError { error: RunError::StalePlan, .. }) => continue,
                Err(BatchError { error, .. }) => return Err(error.into()),
                Ok(answers) => answers,
            };
            let (Some(rows), Some(keys)) = (answers.first(), answers.get(1)) else { return Err(Error::Stale) };
            let keys = keys_of(keys, terms.len())?;
            let has_more = keys.len() as u64 > rows.rows;
            let mut shown =
                keys.get(..usize::try_from(rows.rows).unwrap_or(usize::MAX).min(keys.len())).unwrap_or_default().to_vec();
            let mut body = rows.body.clone();
            if backwards {
                shown.reverse();
                body = reversed(&body)?;
            }
            let made = |backwards: bool, key: Option<&Vec<Option<String>>>| {
                key.map(|key| Token { backwards, bound: bound.clone(), key: key.clone() }.write(signing))
            };
            // Going back, there are rows behind: those that were come from. Going forward from the start there are none before.
            let is_next = if backwards { true } else { has_more };
            let is_previous = if backwards { has_more } else { token.is_some() };
            let next = made(false, shown.last().filter(|_| is_next));
            let previous = made(true, shown.first().filter(|_| is_previous));
            let mut response = answered(StatusCode::OK, body);
            let length = response.body().len();
            if *asked.method == Method::HEAD {
                *response.body_mut() = Bytes::new();
            }
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            headers.insert(http::header::CONTENT_TYPE, media.content_type());
            put(headers, CONTENT_RANGE, &range::content_range(0, rows.rows.checked_sub(1), None));
            if asked.names_schema {
                put(headers, crate::CONTENT_PROFILE, asked.schema);
            }
            let join = if query.is_empty() { "" } else { "&" };
            let link = |token: &str, rel: &str| format!("<?{query}{join}%3Acursor={token}>; rel=\"{rel}\"");
            let links: Vec<String> = [(&next, "next"), (&previous, "prev")]
                .into_iter()
                .filter_map(|(token, rel)| token.as_deref().map(|token| link(token, rel)))
                .collect();
            if !links.is_empty() {
                put(headers, LINK, &links.join(", "));
            }
            for (name, token) in [(NEXT, next), (PREVIOUS, previous)] {
                if let Some(token) = token {
                    put(headers, name, &token);
                }
            }
            return Ok(response);
        }
        Err(Error::Stale)
    }

    /// The terms of a page's order: those asked, and the primary key's columns that are not among them.
    fn page_terms(&self, asked: &Asked<'_>, name: &str, node: &Node) -> Result<Vec<Term>, Error> {
        let catalog = self.engine.catalog();
        let relation = basalt_plan::resolve::table(&catalog, asked.schema, name)?;
        let key = relation.primary_key().unwrap_or_default();
        if key.is_empty() {
            return Err(Error::Cursor(format!("\"{name}\" has no primary key, which tells rows apart that are equal in order")));
        }
        let may_be_null = |field: &Field| {
            !field.path.is_empty()
                || relation.column(&field.name).is_none_or(|column| !column.not_null && !key.contains(&column.attnum))
        };
        let mut terms = Vec::with_capacity(node.order.len() + key.len());
        for order in &node.order {
            if order.relation.is_some() {
                return Err(Error::Cursor("An order by a related table does not go with a cursor".to_owned()));
            }
            terms.push(Term { may_be_null: may_be_null(&order.field), order: order.clone() });
        }
        for attnum in key {
            let Some(column) = relation.column_at(*attnum) else { continue };
            let field = Field { name: column.name.clone(), path: Vec::new() };
            if !terms.iter().any(|term| term.order.field == field) {
                let order = OrderTerm { relation: None, field, descending: false, nulls_first: None };
                terms.push(Term { order, may_be_null: false });
            }
        }
        Ok(terms)
    }

    /// The page, and the keys of its rows and one more.
    fn page_batch(
        &self,
        asked: &Asked<'_>,
        ask: &ReadAsk,
        mut literals: Literals,
        (terms, token): (&[Term], Option<&Token>),
        limit: i128,
        limits: Limits,
    ) -> Result<Batch, Error> {
        let backwards = token.is_some_and(|token| token.backwards);
        let terms: Vec<Term> = if backwards { terms.iter().map(Term::reversed).collect() } else { terms.to_vec() };
        let mut node = ask.node.clone();
        if let Some(token) = token {
            let ids: Vec<Option<u32>> =
                token.key.iter().map(|value| value.as_ref().map(|value| literal(&mut literals, value.clone()))).collect();
            node.filters.push(behind(&terms, &ids));
        }
        node.order = terms.iter().map(|term| term.order.clone()).collect();
        let mut of_keys = node.clone();
        node.limit = Some(literal(&mut literals, limit.to_string()));
        of_keys.limit = Some(literal(&mut literals, (limit + 1).to_string()));
        // Conditions on embeds stay; what they show is not asked again.
        of_keys.select.retain(|item| matches!(item, Item::Embed(_)));
        for (at, term) in terms.iter().enumerate() {
            let item = Item::Field {
                field: term.order.field.clone(),
                alias: Some(format!("k{at}")),
                cast: Some("text".to_owned()),
                aggregate: None,
                aggregate_cast: None,
            };
            of_keys.select.insert(at, item);
        }
        let step = |node: Node, output: Output| -> Result<Step, Error> {
            let plan = self.plan(asked.session, &Ask::Read(ReadAsk { node, output, ..ask.clone() }))?;
            let run = Run {
                session: asked.session.clone(),
                plan,
                literals: literals.clone(),
                payload: None,
                limits,
                rollback: false,
                timezone: asked.preferences.timezone.as_deref().map(std::sync::Arc::from),
                explain: None,
            };
            Ok(Step { run, fill: None, verify: None })
        };
        let steps = vec![step(node, ask.output)?, step(of_keys, Output::Array { strip_nulls: false })?];
        Ok(Batch { steps, deadline: limits.deadline, max_response_bytes: limits.max_response_bytes, rollback: false })
    }
}

/// What a token is good for: one caller, one table, one query but for its limit.
fn bound_to(session: &Session, schema: &str, name: &str, canonical: &str) -> String {
    let mut context = Context::new(&SHA256);
    let sub = session.claims.as_ref().and_then(|claims| claims.sub()).unwrap_or_default();
    let asked = canonical.split('&').filter(|part| !part.starts_with("limit=")).collect::<Vec<_>>().join("&");
    for part in [session.role.as_str(), sub, schema, name, &asked] {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The keys of rows, in their order.
fn keys_of(answer: &Answer, width: usize) -> Result<Vec<Vec<Option<String>>>, Error> {
    let broken = || Error::Cursor("The rows' keys could not be read".to_owned());
    let rows: Vec<&RawValue> = serde_json::from_slice(&answer.body).map_err(|_| broken())?;
    let key = |row: &RawValue| {
        let members = members(row.get()).map_err(|_| broken())?;
        let value = |at: usize| {
            let name = format!("k{at}");
            let value = members.iter().find(|(known, _)| *known == name).map(|(_, value)| value.get()).ok_or_else(broken)?;
            if value == "null" { Ok(None) } else { scalar(value).map(Some).map_err(|_| broken()) }
        };
        (0..width).map(value).collect::<Result<Vec<_>, Error>>()
    };
    rows.into_iter().map(key).collect()
}

/// The elements of a JSON array in the other order.
fn reversed(body: &Bytes) -> Result<Bytes, Error> {
    let rows: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|_| Error::Cursor("The page could not be turned around".to_owned()))?;
    let texts: Vec<&str> = rows.iter().rev().map(|row| row.get()).collect();
    Ok(Bytes::from(format!("[{}]", texts.join(", \n "))))
}

#[cfg(test)]
mod tests;
