//! POST, PUT, PATCH and DELETE of a table.

use std::sync::Arc;

use basalt_engine::Explain;
use basalt_plan::ask::{
    Ask, DeleteAsk, Field, Filter, InsertAsk, Item, Node, Operand, Operator, ReadAsk, Resolution, Returning, UpdateAsk,
};
use basalt_plan::plan::{Action, Count, Literal, Literals, Output};
use basalt_types::{SqlError, SqlState, TypeRef, pg};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Response, StatusCode};

use crate::error::RestError as Error;
use crate::parse::body::{self, Payload};
use crate::parse::media::{self, BodyType, Media};
use crate::parse::prefer::{Request, Return};
use crate::parse::query::Params;
use crate::parse::range::{self, Page};
use crate::read::warn;
use crate::timing::Stage;
use crate::{Asked, CONTENT_PROFILE, PREFERENCE_APPLIED, Rest, Terms, answered, explained, nested, put};

/// A write's query string, body and how it is answered.
pub(crate) struct Written {
    pub(crate) params: Params,
    pub(crate) literals: Literals,
    target: Node,
    pub(crate) returning: Returning,
    pub(crate) media: Result<Media, Error>,
    /// What limit and offset of the root ask for, which no write does.
    page: Page,
}

impl Rest {
    pub(crate) async fn insert(&self, asked: &Asked<'_>, name: &str) -> Result<Response<Bytes>, Error> {
        if asked.headers.contains_key(nested::NESTED) {
            return self.nested(asked, name).await;
        }
        let Written { mut params, literals, returning, media, .. } = self.written(asked, name)?;
        let payload = payload(asked, &mut params)?;
        self.check_levels(asked, name, &params)?;
        let resolution = asked.preferences.resolution;
        let ask = Ask::Insert(InsertAsk {
            schema: asked.schema.to_owned(),
            relation: name.to_owned(),
            columns: columns(&params, &payload),
            columns_given: params.columns.is_some(),
            missing_default: asked.preferences.missing_default == Some(true),
            resolution,
            on_conflict: params.on_conflict,
            put: None,
            returning,
        });
        asked.ended(Stage::Parse);
        let plan = asked.planned(self.plan(asked.session, &ask))?;
        Self::check_preferences(&asked.preferences)?;
        let media = media?;
        let plan = plan?;
        let terms = self.terms(asked, &media);
        asked.ended(Stage::Plan);
        let answer = self.run(asked, (&ask, Arc::clone(&plan)), literals, Some(payload.json), terms).await?;
        asked.ended(Stage::Transaction);
        if media.explain.is_some() {
            return Ok(explained(asked, &media, answer.body));
        }
        let nothing_new = resolution == Some(Resolution::Merge) && answer.inserted == 0;
        let status = if nothing_new { StatusCode::OK } else { StatusCode::CREATED };
        let is_shown = asked.preferences.returns == Some(Return::Representation);
        let mut response = answered(status, if is_shown { answer.body } else { Bytes::new() });
        let length = response.body().len();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        let total = asked.preferences.counts_written().then_some(answer.rows);
        put(headers, CONTENT_RANGE, &range::content_range(1, None, total));
        if let Action::Write { location, statement, .. } = &plan.action {
            if !location.is_empty() && answer.location.len() == location.len() && answer.rows == 1 {
                put(headers, LOCATION, &address(name, location, &answer.location));
            }
            let resolves = matches!(&**statement, basalt_sql::typed::Statement::Insert(i) if i.on_conflict.is_some());
            self.finish(asked, headers, is_shown.then_some(media), Request::Insert, resolves);
        }
        warn(headers, &params.legacy);
        Ok(response)
    }

    pub(crate) async fn put(&self, asked: &Asked<'_>, name: &str) -> Result<Response<Bytes>, Error> {
        let Written { mut params, literals, target, returning, media, page } = self.written(asked, name)?;
        if page != Page::default() {
            return Err(Error::PutLimit);
        }
        params.columns = None;
        let payload = payload(asked, &mut params)?;
        self.check_levels(asked, name, &params)?;
        let keys = equalities(&target);
        let ask = Ask::Insert(InsertAsk {
            schema: asked.schema.to_owned(),
            relation: name.to_owned(),
            columns: columns(&params, &payload),
            columns_given: false,
            missing_default: false,
            resolution: Some(Resolution::Merge),
            on_conflict: None,
            put: Some(keys.clone().unwrap_or_default().into_iter().map(|(name, _)| name).collect()),
            returning,
        });
        asked.ended(Stage::Parse);
        let plan = asked.planned(self.plan(asked.session, &ask))?;
        let keys = keys.ok_or(Error::PutFilters)?;
        Self::check_preferences(&asked.preferences)?;
        let media = media?;
        let plan = plan?;
        let row = self.put_row(asked, name, &keys, &literals, &payload)?;
        asked.ended(Stage::Plan);
        let answer = self.run(asked, (&ask, plan), literals, Some(row), self.terms(asked, &media)).await?;
        asked.ended(Stage::Transaction);
        if media.explain.is_some() {
            return Ok(explained(asked, &media, answer.body));
        }
        let is_shown = asked.preferences.returns == Some(Return::Representation);
        let status = match (is_shown, answer.inserted) {
            (false, _) => StatusCode::NO_CONTENT,
            (true, 0) => StatusCode::OK,
            (true, _) => StatusCode::CREATED,
        };
        let mut response = self.changed(asked, status, answer.body, is_shown.then_some(media), None, Request::Put);
        warn(response.headers_mut(), &params.legacy);
        Ok(response)
    }

    pub(crate) async fn update(&self, asked: &Asked<'_>, name: &str) -> Result<Response<Bytes>, Error> {
        let Written { mut params, literals, target, mut returning, media, .. } = self.written(asked, name)?;
        let bound = asked.preferences.bound();
        returning.max_affected = bound.and_then(|bound| u64::try_from(bound).ok());
        let payload = payload(asked, &mut params)?;
        self.check_levels(asked, name, &params)?;
        let columns = columns(&params, &payload);
        let changes_nothing = columns.is_empty() || payload.rows == 0;
        let output = returning.output;
        let ask = Ask::Update(UpdateAsk {
            schema: asked.schema.to_owned(),
            relation: name.to_owned(),
            columns,
            columns_given: params.columns.is_some(),
            missing_default: asked.preferences.missing_default == Some(true),
            target,
            returning,
        });
        asked.ended(Stage::Parse);
        let plan = asked.planned(self.plan(asked.session, &ask))?;
        Self::check_preferences(&asked.preferences)?;
        let media = media?;
        let plan = plan?;
        let is_shown = asked.preferences.returns == Some(Return::Representation);
        let status = if is_shown { StatusCode::OK } else { StatusCode::NO_CONTENT };
        if changes_nothing && let Some(explain) = media.explain {
            return Ok(explained(asked, &media, nothing(explain)));
        }
        let (body, rows) = if changes_nothing {
            match output {
                Output::Object { .. } => return Err(Error::NotSingular(0)),
                Output::Csv => (Bytes::from_static(b"\n"), 0),
                Output::GeoJson | Output::Custom(_) => (self.of_no_rows(asked, name, output).await?, 0),
                Output::None | Output::Array { .. } => (Bytes::from_static(b"[]"), 0),
            }
        } else {
            let terms = bounded(self.terms(asked, &media), bound);
            asked.ended(Stage::Plan);
            let answer = self.run(asked, (&ask, plan), literals, Some(payload.json), terms).await?;
            asked.ended(Stage::Transaction);
            if media.explain.is_some() {
                return Ok(explained(asked, &media, answer.body));
            }
            (answer.body, answer.rows)
        };
        check_bound(bound, rows)?;
        let total = asked.preferences.counts_written().then_some(rows);
        let shown = range::content_range(0, rows.checked_sub(1), total);
        let mut response = self.changed(asked, status, body, is_shown.then_some(media), Some(shown), Request::Update);
        warn(response.headers_mut(), &params.legacy);
        Ok(response)
    }

    /// What the database's own code makes of no rows.
    async fn of_no_rows(&self, asked: &Asked<'_>, name: &str, output: Output) -> Result<Bytes, Error> {
        let mut literals = Literals::default();
        let limit = Some(crate::literal(&mut literals, "0".to_owned()));
        let node = Node { select: vec![Item::Star], limit, ..Node::default() };
        let (schema, relation) = (asked.schema.to_owned(), name.to_owned());
        let ask = Ask::Read(ReadAsk { schema, relation, node, count: Count::None, output });
        let plan = self.plan(asked.session, &ask)?;
        Ok(self.run(asked, (&ask, plan), literals, None, Terms::default()).await?.body)
    }

    pub(crate) async fn delete(&self, asked: &Asked<'_>, name: &str) -> Result<Response<Bytes>, Error> {
        let Written { params, literals, target, mut returning, media, .. } = self.written(asked, name)?;
        let bound = asked.preferences.bound();
        returning.max_affected = bound.and_then(|bound| u64::try_from(bound).ok());
        self.check_levels(asked, name, &params)?;
        let ask = Ask::Delete(DeleteAsk { schema: asked.schema.to_owned(), relation: name.to_owned(), target, returning });
        asked.ended(Stage::Parse);
        let plan = asked.planned(self.plan(asked.session, &ask))?;
        Self::check_preferences(&asked.preferences)?;
        let media = media?;
        let plan = plan?;
        let terms = bounded(self.terms(asked, &media), bound);
        asked.ended(Stage::Plan);
        let answer = self.run(asked, (&ask, plan), literals, None, terms).await?;
        asked.ended(Stage::Transaction);
        if media.explain.is_some() {
            return Ok(explained(asked, &media, answer.body));
        }
        check_bound(bound, answer.rows)?;
        let is_shown = asked.preferences.returns == Some(Return::Representation);
        let status = if is_shown { StatusCode::OK } else { StatusCode::NO_CONTENT };
        let total = asked.preferences.counts_written().then_some(answer.rows);
        let shown = range::content_range(1, None, total);
        let mut response = self.changed(asked, status, answer.body, is_shown.then_some(media), Some(shown), Request::Delete);
        warn(response.headers_mut(), &params.legacy);
        Ok(response)
    }

    /// The answer of PUT, PATCH and DELETE.
    fn changed(
        &self,
        asked: &Asked<'_>,
        status: StatusCode,
        body: Bytes,
        media: Option<Media>,
        range: Option<String>,
        request: Request,
    ) -> Response<Bytes> {
        let mut response = answered(status, if media.is_some() { body } else { Bytes::new() });
        let length = response.body().len();
        let headers = response.headers_mut();
        if media.is_some() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(range) = range {
            put(headers, CONTENT_RANGE, &range);
        }
        self.finish(asked, headers, media, request, false);
        response
    }

    /// Type, profile and applied preferences.
    pub(crate) fn finish(
        &self,
        asked: &Asked<'_>,
        headers: &mut http::HeaderMap,
        media: Option<Media>,
        request: Request,
        resolves: bool,
    ) {
        if let Some(media) = media {
            headers.insert(CONTENT_TYPE, media.content_type());
            if asked.names_schema {
                put(headers, CONTENT_PROFILE, asked.schema);
            }
        }
        if let Some(applied) = asked.preferences.applied(request, resolves, self.config.tx_end.may_override()) {
            put(headers, PREFERENCE_APPLIED, &applied);
        }
    }

    /// Reads what all writes share. Filters of the root choose rows; the rest shapes the answer.
    pub(crate) fn written(&self, asked: &Asked<'_>, name: &str) -> Result<Written, Error> {
        let mut literals = Literals::default();
        let mut params = self.params(asked, &mut literals)?;
        let page = range::page(params.limit, params.offset, None)?;
        let mut node = std::mem::take(&mut params.node);
        let media = self.negotiated(asked, (asked.schema, name), &node.select);
        if node.select.is_empty() {
            // Of a write that selects nothing PostgREST returns the key, and shows what is returned.
            node.select = self.key(asked.schema, name);
        }
        let target = Node { filters: std::mem::take(&mut node.filters), ..Node::default() };
        unlimited(&mut node);
        let is_singular = media.as_ref().is_ok_and(|m| m.is_singular());
        let output = match (asked.preferences.returns, &media) {
            (Some(Return::Representation), Ok(media)) => media.output(),
            // The number of rows is checked even when they are not shown.
            (_, Ok(media)) if is_singular => media.output(),
            _ => Output::None,
        };
        let representation = match asked.preferences.returns {
            Some(Return::Representation) => Some(node),
            returns => {
                let is_plain = |item: &Item| matches!(item, Item::Star | Item::Field { aggregate: None, .. });
                if !node.select.iter().all(is_plain) {
                    // What would be shown must exist, or nothing is written.
                    let settings = self.settings();
                    basalt_plan::resolve::check_shown(&self.engine.catalog(), asked.schema, name, &node, settings)?;
                }
                (returns == Some(Return::HeadersOnly)).then_some(node)
            }
        };
        let returning = Returning {
            representation,
            location: asked.preferences.returns == Some(Return::HeadersOnly),
            output,
            count: Count::None,
            max_affected: None,
        };
        Ok(Written { params, literals, target, returning, media, page })
    }

    /// The columns that identify a row, by name.
    fn key(&self, schema: &str, name: &str) -> Vec<Item> {
        let catalog = self.engine.catalog();
        let Ok(relation) = basalt_plan::resolve::table(&catalog, schema, name) else { return Vec::new() };
        let key = catalog.key_of(relation);
        let mut names: Vec<&str> =
            key.iter().filter_map(|attnum| relation.column_at(*attnum)).map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        let item = |name: &str| Item::Field {
            field: Field { name: name.to_owned(), path: Vec::new() },
            alias: None,
            cast: None,
            aggregate: None,
            aggregate_cast: None,
        };
        names.into_iter().map(item).collect()
    }

    /// The row of a PUT's payload that has the key which its filters say; there must be one.
    fn put_row(
        &self,
        asked: &Asked<'_>,
        name: &str,
        keys: &[(String, u32)],
        literals: &Literals,
        payload: &Payload,
    ) -> Result<Bytes, Error> {
        let catalog = self.engine.catalog();
        let relation = basalt_plan::resolve::table(&catalog, asked.schema, name)?;
        let mut rows = body::rows_of(&payload.json);
        for (column, id) in keys {
            if !payload.keys.contains(column) {
                let message = format!("column pgrst_body.{column} does not exist");
                return Err(Error::Sql(SqlError::new(SqlState::UNDEFINED_COLUMN, message)));
            }
            let wanted = match literals.0.get(*id as usize) {
                Some(Literal::Text(text)) => text.as_str(),
                _ => return Err(Error::PutFilters),
            };
            let ty = relation.column(column).map(|c| catalog.base_type(c.type_ref()));
            rows.retain(|row| body::value_of(row.get(), column).is_some_and(|given| is_same(&given, wanted, ty)));
        }
        match rows.as_slice() {
            [row] => Ok(Bytes::copy_from_slice(row.get().as_bytes())),
            _ => Err(Error::PutPayload),
        }
    }
}

/// A write that is going to be refused for its negative bound leaves nothing behind, unless it is only explained.
pub(crate) fn bounded(terms: Terms, bound: Option<i64>) -> Terms {
    let is_refused = bound.is_some_and(|bound| bound < 0) && terms.explain.is_none();
    Terms { rollback: terms.rollback || is_refused, ..terms }
}

/// Refuses a write of any number of rows under a negative bound. Others the engine holds itself.
pub(crate) fn check_bound(bound: Option<i64>, rows: u64) -> Result<(), Error> {
    match bound {
        Some(bound) if bound < 0 => Err(Error::MaxAffected(rows)),
        _ => Ok(()),
    }
}

/// The plan of an update without columns or rows.
fn nothing(explain: Explain) -> Bytes {
    Bytes::from_static(if explain.json {
        b"[{\"Plan\":{\"Node Type\":\"Result\",\"Plan Rows\":0}}]\n"
    } else {
        b"Result  (rows=0)\n"
    })
}

/// Whether two texts are one value of a type.
fn is_same(a: &str, b: &str, ty: Option<TypeRef>) -> bool {
    if a == b {
        return true;
    }
    let Some(ty) = ty.filter(|ty| pg::builtin(ty.oid).is_some()) else { return false };
    matches!((pg::input(a, ty), pg::input(b, ty)), (Ok(a), Ok(b)) if a == b)
}

/// The rows of the body. `columns=` chooses among the keys of JSON alone.
fn payload(asked: &Asked<'_>, params: &mut Params) -> Result<Payload, Error> {
    let kind = media::body_type(asked.headers)?;
    if kind != BodyType::Json {
        params.columns = None;
    }
    body::payload(asked.body, kind, params.columns.is_none())
}

/// The columns written: `columns=`, else the payload's keys.
fn columns(params: &Params, payload: &Payload) -> Vec<String> {
    params.columns.clone().unwrap_or_else(|| payload.keys.clone())
}

/// Limits do not count in the answer of a write.
fn unlimited(node: &mut Node) {
    node.limit = None;
    node.offset = None;
    for item in &mut node.select {
        if let Item::Embed(embed) = item {
            unlimited(&mut embed.node);
        }
    }
}

/// The columns and literals of a target whose filters are all `column=eq.value`.
fn equalities(target: &Node) -> Option<Vec<(String, u32)>> {
    target
        .filters
        .iter()
        .map(|filter| match filter {
            Filter::Test { field, op: Operator::Eq, value: Operand::Value(id) } if field.path.is_empty() => {
                Some((field.name.clone(), *id))
            }
            _ => None,
        })
        .collect()
}

/// The address of a row by its key.
pub(crate) fn address(name: &str, columns: &[(i16, String)], values: &[Option<String>]) -> String {
    let encode = |text: &str| percent_encoding::utf8_percent_encode(text, crate::parse::query::UNRESERVED).to_string();
    let mut out = format!("/{name}?");
    for (i, ((_, column), value)) in columns.iter().zip(values).enumerate() {
        if i > 0 {
            out.push('&');
        }
        out.push_str(&encode(column));
        out.push('=');
        match value {
            Some(value) => out.push_str(&encode(&format!("eq.{value}"))),
            None => out.push_str("is.null"),
        }
    }
    out
}
