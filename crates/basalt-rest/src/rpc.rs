//! `/rpc/NAME`: functions, called by POST with a body, or by GET and HEAD with the query string.
//!
//! The function is chosen by its name and the arguments' names; rows it returns are selected, filtered and ordered as a table's.

use std::collections::BTreeSet;

use basalt_catalog::{ArgMode, Function, Volatility};
use basalt_plan::ask::{Arguments, Ask, CallAsk, Item};
use basalt_plan::plan::{CallResult, Literal, Literals};
use basalt_plan::resolve::{self, CallBody, ResolveError, Wanted};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};

use crate::error::RestError as Error;
use crate::parse::arguments::{self, Given};
use crate::parse::prefer::Request;
use crate::parse::query::{self, Params};
use crate::parse::range;
use crate::read::{out_of_bounds, warn};
use crate::timing::Stage;
use crate::write::{bounded, check_bound};
use crate::{Asked, CONTENT_PROFILE, PREFERENCE_APPLIED, Rest, allowed, answered, explained, put};

impl Rest {
    /// Answers a request to a function.
    pub(crate) async fn rpc(&self, asked: &Asked<'_>, name: &str) -> Result<Response<Bytes>, Error> {
        let is_post = *asked.method == Method::POST;
        if !is_post && !matches!(*asked.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Err(Error::CallMethod(asked.method.to_string()));
        }
        let mut literals = Literals::default();
        let mut in_query = Vec::new();
        let mut params = if is_post {
            self.checked(query::params(asked.query, &mut literals)?, &literals)?
        } else {
            self.checked(query::call_params(asked.query, &mut literals, &mut in_query)?, &literals)?
        };
        let is_get = *asked.method == Method::GET;
        let page = range::page(params.limit, params.offset, is_get.then_some(asked.headers))?;
        let given = if is_post {
            arguments::given(asked.body, asked.headers, params.columns.as_deref())?
        } else {
            Given::Pairs { pairs: in_query, body: CallBody::None }
        };
        let catalog = self.engine.catalog();
        let names: BTreeSet<String> = given.names().map(str::to_owned).collect();
        let wanted = Wanted { schema: asked.schema, name, arguments: &names, body: given.body() };
        let function = resolve::function(&catalog, &wanted)?;
        if *asked.method == Method::OPTIONS {
            let is_volatile = function.volatility == Volatility::Volatile;
            return Ok(allowed(if is_volatile { "OPTIONS,POST" } else { "OPTIONS,GET,HEAD,POST" }));
        }
        if let Some(level) = params.unknown_level.take() {
            return Err(ResolveError::NotEmbedded(level).into());
        }
        self.bound(&mut params, page, &mut literals);
        let (arguments, payload) = passed(function, given, names, &mut literals);
        let mut node = std::mem::take(&mut params.node);
        let (result, returned) = resolve::result(&catalog, function);
        let media = self.negotiated(asked, (asked.schema, &returned), &node.select);
        if node.select.is_empty() {
            // `select=` says nothing, and everything is shown.
            node.select.push(Item::Star);
        }
        let bound = asked.preferences.bound();
        let ask = Ask::Call(CallAsk {
            schema: asked.schema.to_owned(),
            function: function.oid,
            arguments,
            is_safe: !is_post,
            node,
            count: asked.preferences.count(),
            output: media.as_ref().map_or(basalt_plan::plan::Output::None, |m| m.output_of(asked.method)),
            max_affected: bound.and_then(|bound| u64::try_from(bound).ok()),
        });
        asked.ended(Stage::Parse);
        let plan = asked.planned(self.plan(asked.session, &ask))?;
        let media = media?;
        Self::check_preferences(&asked.preferences)?;
        if bound.is_some() && result.is_single() {
            return Err(Error::MaxAffectedCall);
        }
        let plan = plan?;
        if let Some(negative) = params.negative.take() {
            return Err(Error::Sql(negative));
        }
        asked.ended(Stage::Plan);
        if let Some(exchange) = asked.exchange {
            exchange.expect(page);
        }
        let terms = bounded(self.terms(asked, &media), bound);
        let answer = self.run(asked, (&ask, plan), literals, payload, terms).await?;
        asked.ended(Stage::Transaction);
        if media.explain.is_some() {
            return Ok(explained(asked, &media, answer.body));
        }
        check_bound(bound, answer.rows)?;
        let status = range::status(page, answer.rows, answer.total);
        let first = u64::try_from(page.offset).unwrap_or(u64::MAX);
        let last = first.saturating_add(answer.rows).checked_sub(1).filter(|_| answer.rows > 0);
        let shown = range::content_range(first, last, answer.total);
        let is_void = result == CallResult::Void;
        let body = match status {
            _ if is_void => Bytes::new(),
            StatusCode::RANGE_NOT_SATISFIABLE => out_of_bounds(page, answer.total),
            _ => answer.body,
        };
        let mut response = answered(if is_void { StatusCode::NO_CONTENT } else { status }, body);
        let length = response.body().len();
        let headers = response.headers_mut();
        put(headers, CONTENT_RANGE, &shown);
        if !is_void {
            headers.insert(CONTENT_TYPE, media.content_type());
            if asked.names_schema {
                put(headers, CONTENT_PROFILE, asked.schema);
            }
            if *asked.method != Method::HEAD {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
        if let Some(applied) = asked.preferences.applied(Request::Call, false, self.config.tx_end.may_override()) {
            put(headers, PREFERENCE_APPLIED, &applied);
        }
        warn(headers, &params.legacy);
        if *asked.method == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        Ok(response)
    }

    /// Parameters within the limits.
    fn checked(&self, params: Params, literals: &Literals) -> Result<Params, Error> {
        self.within_limits(&params, literals)?;
        Ok(params)
    }
}

/// How the arguments go to the function: what the plan says, and what the statement is given.
fn passed(function: &Function, given: Given, names: BTreeSet<String>, literals: &mut Literals) -> (Arguments, Option<Bytes>) {
    let mut inputs = function.inputs();
    if let (Some(only), None) = (inputs.next(), inputs.next())
        && only.name.is_empty()
    {
        return (Arguments::Body, Some(given.into_body()));
    }
    match given {
        Given::Body { .. } => (Arguments::Literals(Vec::new()), None),
        Given::Json { json, is_array, .. } => {
            let names: Vec<String> = names.into_iter().collect();
            let payload = (!names.is_empty()).then_some(json);
            (Arguments::Json { names, is_array }, payload)
        }
        Given::Pairs { pairs, .. } => {
            let mut named = Vec::with_capacity(names.len());
            for name in names {
                let is_variadic = function.inputs().any(|a| a.name == name && a.mode == ArgMode::Variadic);
                let mut values = pairs.iter().filter(|(key, _)| *key == name).map(|(_, value)| value.clone());
                // Repeated, the last counts, unless all of them are wanted.
                let literal = if is_variadic {
                    Literal::List(values.by_ref().collect())
                } else {
                    Literal::Text(values.next_back().unwrap_or_default())
                };
                let id = u32::try_from(literals.0.len()).unwrap_or(u32::MAX);
                literals.0.push(literal);
                named.push((name, id));
            }
            (Arguments::Literals(named), None)
        }
    }
}
