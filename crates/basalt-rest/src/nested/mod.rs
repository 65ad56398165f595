//! `Basalt-Nested: insert`: a row with its related rows in one POST. Ours; described in docs/wire/rest-beyond.md.
//!
//! The body becomes one INSERT a table and place ([`tree`]), run in one transaction in an order in which generated keys are there when
//! they are needed; each under the caller's grants and policies. What is shown is read in the end, in the same transaction.

mod tree;

use std::collections::HashMap;
use std::sync::Arc;

use basalt_engine::batch::{Fill, Verify};
use basalt_engine::{Answer, Batch, BatchError, Limits, Run, RunError, Step};
use basalt_plan::ask::{Ask, Field, Filter, InsertAsk, Item, Node, Operand, Operator, ReadAsk, Returning};
use basalt_plan::plan::{Action, Count, Literal, Literals, Output, Plan};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;

use crate::batch::reference::{members, scalar};
use crate::error::RestError as Error;
use crate::parse::media::{self, BodyType, Media};
use crate::parse::prefer::{Request, Return};
use crate::parse::range;
use crate::write::{Written, address};
use crate::{Asked, Rest, STALE_TRIES, answered, put};
use tree::{Bounds, Row, Source, Tree};

/// The header.
pub(crate) const NESTED: HeaderName = HeaderName::from_static("basalt-nested");

/// What is run: the inserts, level by level, then a read for each row of the first level.
struct Planned {
    steps: Vec<Step>,
    /// The path of each insert.
    paths: Vec<String>,
    /// The step that inserts the body's own rows, its plan, and how many rows it has.
    root: usize,
    plan: Arc<Plan>,
    rows: usize,
}

impl Rest {
    /// Answers a POST whose rows have related rows in them.
    pub(crate) async fn nested(&self, asked: &Asked<'_>, name: &str) -> Result<Response<Bytes>, Error> {
        if asked.headers.get(NESTED).is_none_or(|value| value != "insert") {
            return Err(Error::Nested("The header Basalt-Nested knows the word insert alone".to_owned()));
        }
        if asked.exchange.is_some_and(|exchange| !exchange.is_alone()) {
            return Err(Error::Nested("Related rows cannot be inserted in a part of a batch".to_owned()));
        }
        if media::body_type(asked.headers)? != BodyType::Json {
            return Err(Error::Nested("Rows with related rows are JSON".to_owned()));
        }
        let is_shown = asked.preferences.returns == Some(Return::Representation);
        for _ in 0..STALE_TRIES {
            let written = self.written(asked, name)?;
            if asked.preferences.resolution.is_some() || written.params.on_conflict.is_some() {
                return Err(Error::Nested("resolution= and on_conflict do not go with related rows".to_owned()));
            }
            let limits = self.limits(asked.session);
            let (planned, media) = self.nested_plan(asked, name, written, limits)?;
            let (paths, root, plan, rows) = (planned.paths, planned.root, planned.plan, planned.rows);
            let batch = Batch {
                steps: planned.steps,
                deadline: limits.deadline,
                max_response_bytes: limits.max_response_bytes,
                rollback: self.config.tx_end.rolls_back(asked.preferences.rollback),
            };
            let ran = match asked.exchange {
                Some(exchange) => exchange.run_steps(batch.steps).await,
                None => self.engine.run_batch(batch).await,
            };
            let answers = match ran {
                Ok(answers) => answers,
                Err(BatchError { error: RunError::StalePlan, .. }) => continue,
                Err(BatchError { at, error }) => {
                    let path = at.and_then(|at| paths.get(at)).map_or(json!(null), |path| json!(path));
                    return Ok(self.refused_with(asked.session, name, &error.into(), ("nested", path)));
                }
            };
            let body = if is_shown { shown(&media, answers.get(paths.len()..).unwrap_or_default()) } else { Bytes::new() };
            let mut response = answered(StatusCode::CREATED, body);
            let length = response.body().len();
            let headers = response.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            let total = asked.preferences.counts_written().then_some(rows as u64);
            put(headers, CONTENT_RANGE, &range::content_range(1, None, total));
            if let (Action::Write { location, .. }, Some(answer)) = (&plan.action, answers.get(root))
                && !location.is_empty()
                && answer.location.len() == location.len()
                && rows == 1
            {
                put(headers, LOCATION, &address(name, location, &answer.location));
            }
            self.finish(asked, headers, is_shown.then_some(media), Request::Insert, false);
            return Ok(response);
        }
        Err(Error::Stale)
    }

    fn nested_plan(&self, asked: &Asked<'_>, name: &str, written: Written, limits: Limits) -> Result<(Planned, Media), Error> {
        let Written { params, literals, media, returning, .. } = written;
        let catalog = self.engine.catalog();
        let relation = basalt_plan::resolve::table(&catalog, asked.schema, name)?;
        self.check_levels(asked, name, &params)?;
        let body = std::str::from_utf8(asked.body).map_err(|_| Error::Body("Empty or invalid json".to_owned()))?;
        serde_json::from_str::<&RawValue>(body).map_err(|_| Error::Body("Empty or invalid json".to_owned()))?;
        let bounds =
            Bounds { rows: self.config.max_nested_rows, depth: self.config.max_embed_depth, levels: self.config.max_embeds };
        let tree = Tree::read((&catalog, asked.schema), relation, (body, params.columns.as_deref()), bounds)?;
        let order = tree.order()?;
        let key: Vec<String> = relation
            .primary_key()
            .unwrap_or_default()
            .iter()
            .filter_map(|attnum| relation.column_at(*attnum).map(|column| column.name.clone()))
            .collect();
        Self::check_preferences(&asked.preferences)?;
        let media = media?;
        let is_shown = asked.preferences.returns == Some(Return::Representation);
        let rows = tree.levels.first().map_or(0, |level| level.rows.len());
        let is_json = matches!(media.output(), Output::Array { .. } | Output::Object { .. });
        if is_shown && (!is_json || media.explain.is_some()) {
            return Err(Error::MediaType("rows with related rows are shown as JSON".to_owned()));
        }
        if is_shown && key.is_empty() {
            return Err(Error::Nested(format!("\"{name}\" has no primary key, so its rows cannot be shown")));
        }
        if media.is_singular() && rows != 1 {
            return Err(Error::NotSingular(rows as u64));
        }
        // From a level to its step.
        let places: Arc<HashMap<usize, usize>> = Arc::new(order.iter().enumerate().map(|(step, level)| (*level, step)).collect());
        let run = |plan, literals, payload| Run {
            session: asked.session.clone(),
            plan,
            literals,
            payload,
            limits,
            rollback: false,
            timezone: asked.preferences.timezone.as_deref().map(Arc::from),
            explain: None,
        };
        let (mut steps, mut paths, mut root_plan) = (Vec::new(), Vec::new(), None);
        for at in &order {
            let Some(level) = tree.levels.get(*at) else { continue };
            let mut sources = tree.sources(*at);
            if *at == 0 && is_shown {
                sources.extend(key.iter().cloned());
            }
            let is_needed = !sources.is_empty();
            let node = is_needed.then(|| Node { select: sources.into_iter().map(field).collect(), ..Node::default() });
            let ask = Ask::Insert(InsertAsk {
                schema: self.schema_of(&catalog, level.relation, asked),
                relation: level.relation.name.clone(),
                columns: tree.columns(*at),
                columns_given: true,
                missing_default: true,
                resolution: None,
                on_conflict: None,
                put: None,
                returning: Returning {
                    representation: node,
                    location: *at == 0 && returning.location,
                    output: if is_needed { Output::Array { strip_nulls: false } } else { Output::None },
                    count: Count::None,
                    max_affected: None,
                },
            });
            let plan = self.plan(asked.session, &ask)?;
            if *at == 0 {
                root_plan = Some(Arc::clone(&plan));
            }
            let expected = level.rows.len() as u64;
            let verify: Option<Verify> = is_needed.then(|| -> Verify {
                Arc::new(move |answer: &Answer| match answer.rows == expected {
                    true => Ok(()),
                    false => Err(RunError::NoReference("A trigger left rows out that others refer to".to_owned())),
                })
            });
            steps.push(Step {
                run: run(plan, Literals::default(), None),
                fill: Some(payload(level.rows.clone(), Arc::clone(&places))),
                verify,
            });
            paths.push(level.path.clone());
        }
        let root = places.get(&0).copied().unwrap_or_default();
        let plan = root_plan.ok_or(Error::Stale)?;
        if is_shown {
            let read = self.nested_read(asked, name, returning.representation.unwrap_or_default(), &key, literals, &media)?;
            for row in 0..rows {
                let fill = keyed(read.1, key.clone(), (root, row));
                steps.push(Step { run: run(Arc::clone(&read.0), read.2.clone(), None), fill: Some(fill), verify: None });
            }
        }
        Ok((Planned { steps, paths, root, plan, rows }, media))
    }

    /// The read of one row by its key: its plan, where the key's values stand among its literals, and those.
    fn nested_read(
        &self,
        asked: &Asked<'_>,
        name: &str,
        mut node: Node,
        key: &[String],
        mut literals: Literals,
        media: &Media,
    ) -> Result<(Arc<Plan>, usize, Literals), Error> {
        let first = literals.0.len();
        for column in key {
            let id = crate::literal(&mut literals, String::new());
            let field = Field { name: column.clone(), path: Vec::new() };
            node.filters.push(Filter::Test { field, op: Operator::Eq, value: Operand::Value(id) });
        }
        let ask = Ask::Read(ReadAsk {
            schema: asked.schema.to_owned(),
            relation: name.to_owned(),
            node,
            count: Count::None,
            output: media.output(),
        });
        Ok((self.plan(asked.session, &ask)?, first, literals))
    }

    /// The schema a table is asked by: only the exposed one is looked into.
    fn schema_of(&self, catalog: &basalt_catalog::Catalog, relation: &basalt_catalog::Relation, asked: &Asked<'_>) -> String {
        let own = catalog.schema(asked.schema).is_some_and(|schema| schema.oid == relation.schema);
        if own { asked.schema.to_owned() } else { String::new() }
    }
}

fn field(name: String) -> Item {
    Item::Field { field: Field { name, path: Vec::new() }, alias: None, cast: None, aggregate: None, aggregate_cast: None }
}

/// The inserted rows of earlier steps, each looked into once.
struct Inserted<'a> {
    answers: &'a [Answer],
    rows: HashMap<usize, Vec<Vec<(String, &'a RawValue)>>>,
}

impl<'a> Inserted<'a> {
    fn new(answers: &'a [Answer]) -> Self {
        Self { answers, rows: HashMap::new() }
    }

    /// The JSON text of a column of an inserted row.
    fn get(&mut self, step: usize, row: usize, column: &str) -> Result<&'a str, RunError> {
        let missing = || RunError::NoReference(format!("The key column \"{column}\" of a related row is not known"));
        if !self.rows.contains_key(&step) {
            let body = self.answers.get(step).map(|answer| &answer.body).ok_or_else(missing)?;
            let rows: Vec<&RawValue> = serde_json::from_slice(body).map_err(|_| missing())?;
            let rows = rows.into_iter().map(|row| members(row.get())).collect::<Result<_, _>>().map_err(|_| missing())?;
            self.rows.insert(step, rows);
        }
        let row = self.rows.get(&step).and_then(|rows| rows.get(row)).ok_or_else(missing)?;
        row.iter().find(|(name, _)| name == column).map(|(_, value)| value.get()).ok_or_else(missing)
    }
}

/// Writes the rows of a level, with what earlier rows fill.
fn payload(rows: Vec<Row>, places: Arc<HashMap<usize, usize>>) -> Fill {
    Arc::new(move |answers, run| {
        let mut inserted = Inserted::new(answers);
        let mut out = String::from("[");
        for (i, row) in rows.iter().enumerate() {
            out.push_str(if i > 0 { ",{" } else { "{" });
            let mut say = |name: &str, value: &str| {
                out.push_str(if out.ends_with('{') { "" } else { "," });
                out.push_str(&serde_json::Value::from(name).to_string());
                out.push(':');
                out.push_str(value);
            };
            for (name, value) in &row.values {
                say(name, value);
            }
            for (name, Source { level, row, column }) in &row.from {
                let step = places.get(level).copied().unwrap_or(usize::MAX);
                say(name, inserted.get(step, *row, column)?);
            }
            out.push('}');
        }
        out.push(']');
        run.payload = Some(Bytes::from(out));
        Ok(())
    })
}

/// Sets the key of the row that is read.
fn keyed(first: usize, key: Vec<String>, (step, row): (usize, usize)) -> Fill {
    Arc::new(move |answers, run| {
        let mut inserted = Inserted::new(answers);
        for (at, column) in key.iter().enumerate() {
            let value = inserted.get(step, row, column)?;
            if let Some(literal) = run.literals.0.get_mut(first + at) {
                *literal = Literal::Text(scalar(value)?);
            }
        }
        Ok(())
    })
}

/// The rows that were read one by one, as one body.
fn shown(media: &Media, answers: &[Answer]) -> Bytes {
    let separator: &[u8] = match media.output() {
        Output::Object { .. } | Output::None | Output::Csv | Output::GeoJson | Output::Custom(_) => {
            return answers.first().map(|answer| answer.body.clone()).unwrap_or_default();
        }
        Output::Array { strip_nulls: true } => b",",
        Output::Array { strip_nulls: false } => b", \n ",
    };
    let mut out = Vec::with_capacity(2 + answers.iter().map(|answer| answer.body.len() + separator.len()).sum::<usize>());
    out.push(b'[');
    let rows =
        answers.iter().map(|answer| answer.body.trim_ascii()).filter_map(|body| body.strip_prefix(b"[")?.strip_suffix(b"]"));
    for row in rows.filter(|row| !row.is_empty()) {
        if out.len() > 1 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(row);
    }
    out.push(b']');
    Bytes::from(out)
}
