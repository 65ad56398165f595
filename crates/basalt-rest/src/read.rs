//! GET and HEAD of a table.

use basalt_plan::ask::{Ask, Field, Item, LiteralId, ReadAsk};
use basalt_plan::plan::{Literal, Literals, Output};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, WARNING};
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::json;

use crate::error::RestError as Error;
use crate::parse::media::Media;
use crate::parse::prefer::Request;
use crate::parse::query::Params;
use crate::parse::range::{self, Page};
use crate::timing::Stage;
use crate::{Asked, CONTENT_PROFILE, PREFERENCE_APPLIED, Rest, answered, explained, literal, put};

/// The header that leaves out equal rows.
pub(crate) const DISTINCT: HeaderName = HeaderName::from_static("basalt-distinct");

impl Rest {
    pub(crate) async fn read(&self, asked: &Asked<'_>, name: &str) -> Result<Response<Bytes>, Error> {
        if let Some((query, cursor)) = crate::cursor::split(asked.query) {
            return self.page(asked, name, &query, &cursor).await;
        }
        let (ReadParts { ask, literals, mut params, page, .. }, media) = self.read_as(asked, name)?;
        // Unknown names are told before unacceptable types and preferences.
        asked.ended(Stage::Parse);
        let plan = asked.planned(self.plan(asked.session, &ask))?;
        let media = media?;
        Self::check_preferences(&asked.preferences)?;
        let plan = plan?;
        if let Some(negative) = params.negative.take() {
            return Err(Error::Sql(negative));
        }
        asked.ended(Stage::Plan);
        if let Some(exchange) = asked.exchange {
            exchange.expect(page);
        }
        let answer = self.run(asked, (&ask, plan), literals, None, self.terms(asked, &media)).await?;
        asked.ended(Stage::Transaction);
        if media.explain.is_some() {
            return Ok(explained(asked, &media, answer.body));
        }
        let status = range::status(page, answer.rows, answer.total);
        let first = u64::try_from(page.offset).unwrap_or(u64::MAX);
        let last = first.saturating_add(answer.rows).checked_sub(1).filter(|_| answer.rows > 0);
        let shown = range::content_range(first, last, answer.total);
        let body = if status == StatusCode::RANGE_NOT_SATISFIABLE { out_of_bounds(page, answer.total) } else { answer.body };
        let mut response = answered(status, body);
        if *asked.method == Method::HEAD {
            *response.body_mut() = Bytes::new();
        } else {
            let length = response.body().len();
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let headers = response.headers_mut();
        put(headers, CONTENT_RANGE, &shown);
        put(headers, CONTENT_LOCATION, &location(name, &params));
        headers.insert(CONTENT_TYPE, media.content_type());
        if asked.names_schema {
            put(headers, CONTENT_PROFILE, asked.schema);
        }
        if let Some(applied) = asked.preferences.applied(Request::Read, false, self.config.tx_end.may_override()) {
            put(headers, PREFERENCE_APPLIED, &applied);
        }
        warn(headers, &params.legacy);
        Ok(response)
    }

    /// What the request's parameters ask, and how it is answered.
    fn read_as(&self, asked: &Asked<'_>, name: &str) -> Result<(ReadParts, Result<Media, Error>), Error> {
        let mut parts = self.read_ask(asked, name, Output::None)?;
        let Ask::Read(ask) = &mut parts.ask else { return Err(Error::Stale) };
        let media = self.negotiated(asked, (asked.schema, name), &ask.node.select);
        ask.output = media.as_ref().map_or(Output::None, |m| m.output_of(asked.method));
        Ok((parts, media))
    }

    /// What the request's parameters ask.
    pub(crate) fn read_ask(&self, asked: &Asked<'_>, name: &str, output: Output) -> Result<ReadParts, Error> {
        let mut literals = Literals::default();
        let mut params = self.params(asked, &mut literals)?;
        let is_get = *asked.method == Method::GET;
        let page = range::page(params.limit, params.offset, is_get.then_some(asked.headers))?;
        self.check_levels(asked, name, &params)?;
        self.bound(&mut params, page, &mut literals);
        let mut node = std::mem::take(&mut params.node);
        if node.select.is_empty() {
            // `select=` says nothing, and everything is shown.
            node.select.push(Item::Star);
        }
        node.distinct = distinct(asked.headers)?;
        let (limit, offset) = (node.limit, node.offset);
        let ask = Ask::Read(ReadAsk {
            schema: asked.schema.to_owned(),
            relation: name.to_owned(),
            node,
            count: asked.preferences.count(),
            output,
        });
        Ok(ReadParts { ask, literals, params, page, limit, offset })
    }

    /// A root limit, not beyond the configured number of rows.
    pub(crate) fn most(&self, limit: i128) -> i128 {
        limit.min(self.config.max_rows.map_or(i128::MAX, i128::from))
    }

    /// Limits of the root and the embeds, none beyond the configured number of rows.
    pub(crate) fn bound(&self, params: &mut Params, page: Page, literals: &mut Literals) {
        let most = self.config.max_rows.map_or(i128::MAX, i128::from);
        for id in &params.embed_limits {
            if let Some(Literal::Text(text)) = literals.0.get_mut(*id as usize)
                && text.parse::<i128>().is_ok_and(|n| n > most)
            {
                *text = most.to_string();
            }
        }
        if let Some(limit) = page.limit {
            params.node.limit = Some(literal(literals, self.most(limit).to_string()));
        }
        if page.offset > 0 {
            params.node.offset = Some(literal(literals, page.offset.to_string()));
        }
    }
}

/// What `Basalt-Distinct` asks: `*`, or columns and JSON paths.
fn distinct(headers: &http::HeaderMap) -> Result<Option<Vec<Field>>, Error> {
    let Some(value) = headers.get(DISTINCT) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    if text.trim() == "*" {
        return Ok(Some(Vec::new()));
    }
    // Written as an order's terms are, without directions.
    let terms = crate::parse::order::order(text.trim())?;
    if terms.iter().any(|term| term.relation.is_some() || term.descending || term.nulls_first.is_some()) {
        return Err(Error::Cursor("Basalt-Distinct names columns, or *".to_owned()));
    }
    Ok(Some(terms.into_iter().map(|term| term.field).collect()))
}

/// A read as it was asked.
pub(crate) struct ReadParts {
    pub(crate) ask: Ask,
    pub(crate) literals: Literals,
    /// Less its node, which is the ask's.
    pub(crate) params: Params,
    pub(crate) page: Page,
    /// The literals that are the root's limit and offset.
    pub(crate) limit: Option<LiteralId>,
    pub(crate) offset: Option<LiteralId>,
}

/// The body of 416: the page begins behind the last row.
pub(crate) fn out_of_bounds(page: Page, total: Option<u64>) -> Bytes {
    let details = format!("An offset of {} was requested, but there are only {} rows.", page.offset, total.unwrap_or(0));
    let message = "Requested range not satisfiable";
    Bytes::from(json!({"code": "PGRST103", "details": details, "hint": null, "message": message}).to_string())
}

pub(crate) fn location(name: &str, params: &Params) -> String {
    let mut location = String::with_capacity(2 + name.len() + params.canonical.len());
    location.push('/');
    location.push_str(name);
    if !params.canonical.is_empty() {
        location.push('?');
        location.push_str(&params.canonical);
    }
    location
}

/// Says which embeds were addressed by the name of their table though they have one of their own.
pub(crate) fn warn(headers: &mut HeaderMap, legacy: &[(String, String)]) {
    if !legacy.is_empty() {
        put(headers, WARNING, &warning(legacy));
    }
}

fn warning(legacy: &[(String, String)]) -> String {
    let updates: Vec<String> = legacy.iter().map(|(relation, alias)| format!("`{relation}` to `{alias}`")).collect();
    format!(
        "299 PostgREST \"Embedded resource was referenced by relation name even though it has an alias. This is deprecated and will \
         stop working in a future release. Update {} in query string filters, orders or limits.\"",
        updates.join(", ")
    )
}
