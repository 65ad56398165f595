//! Inserts, updates and deletes, and what they answer about the rows written.

use basalt_catalog::{Catalog, IndexTerm, Relation, RelationKind};
use basalt_sql::analyze::updatable::{self, Change};
use basalt_sql::typed::{
    ConflictUpdate, Delete, Expr, ExprKind, Insert, InsertSource, OnConflict, RangeId, Statement, Target, Update, UpdateSet,
};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value};

use super::error::ResolveError;
use super::level::{Level, Rows};
use super::{Resolver, is_shown, names, table};
use crate::ask::{DeleteAsk, InsertAsk, Item, Node, Resolution, Returning, UpdateAsk};
use crate::plan::{Action, Plan};

impl<'c> Resolver<'c> {
    pub(super) fn insert(&mut self, ask: &InsertAsk) -> Result<Plan, ResolveError> {
        let relation = table(self.catalog, self.schema, &ask.relation)?;
        let columns = columns(relation, &ask.columns)?;
        let level = self.target(relation);
        let key = key_columns(self.catalog, relation);
        let on_conflict = match (&ask.put, ask.resolution) {
            (Some(filters), _) => {
                let mut key: Vec<&str> = key.iter().map(|(_, name)| name.as_str()).collect();
                let mut asked: Vec<&str> = filters.iter().map(String::as_str).collect();
                key.sort_unstable();
                asked.sort_unstable();
                asked.dedup();
                if key.is_empty() || key != asked {
                    return Err(ResolveError::PutFilters);
                }
                self.on_conflict(relation, None, Resolution::Merge, &columns)?
            }
            (None, Some(resolution)) => self.on_conflict(relation, ask.on_conflict.as_deref(), resolution, &columns)?,
            (None, None) => None,
        };
        let mut statement = Insert {
            ctes: Vec::new(),
            relation: Oid(relation.oid),
            range: level.range,
            columns,
            source: InsertSource::Payload { missing_default: ask.missing_default },
            overriding_system: None,
            on_conflict,
            returning: Vec::new(),
        };
        let (mut returning, action) = self.returned(&level, &ask.returning)?;
        let location = if ask.returning.location { key } else { Vec::new() };
        for (attnum, _) in &location {
            let is_it = |t: &Target| matches!(t.expr.kind, ExprKind::Column { column, .. } if column == *attnum);
            if !returning.iter().any(is_it) {
                returning.push(self.returning_column(&level, *attnum)?);
            }
        }
        statement.returning = returning;
        Ok(self.plan(Statement::Insert(Box::new(statement)), action, &ask.returning, location, ask.put.is_some()))
    }

    pub(super) fn update(&mut self, ask: &UpdateAsk) -> Result<Plan, ResolveError> {
        let relation = table(self.catalog, self.schema, &ask.relation)?;
        let columns = columns(relation, &ask.columns)?;
        let level = self.target(relation);
        let filter = self.target_filter(&level, &ask.target)?;
        let (returning, action) = self.returned(&level, &ask.returning)?;
        let statement = Update {
            ctes: Vec::new(),
            relation: Oid(relation.oid),
            range: level.range,
            set: UpdateSet::Payload { columns, missing_default: ask.missing_default },
            from: Vec::new(),
            filter,
            returning,
            order_by: Vec::new(),
            limit: None,
            offset: None,
        };
        Ok(self.plan(Statement::Update(Box::new(statement)), action, &ask.returning, Vec::new(), false))
    }

    pub(super) fn delete(&mut self, ask: &DeleteAsk) -> Result<Plan, ResolveError> {
        let relation = table(self.catalog, self.schema, &ask.relation)?;
        let level = self.target(relation);
        let filter = self.target_filter(&level, &ask.target)?;
        let (returning, action) = self.returned(&level, &ask.returning)?;
        let statement = Delete {
            ctes: Vec::new(),
            relation: Oid(relation.oid),
            range: level.range,
            using: Vec::new(),
            filter,
            returning,
            order_by: Vec::new(),
            limit: None,
            offset: None,
        };
        Ok(self.plan(Statement::Delete(Box::new(statement)), action, &ask.returning, Vec::new(), false))
    }

    fn plan(
        &self,
        statement: Statement,
        shown: Shown,
        returning: &Returning,
        location: Vec<(i16, String)>,
        is_put: bool,
    ) -> Plan {
        Plan {
            id: Plan::fresh_id(),
            catalog_version: self.catalog.version(),
            action: Action::Write { statement: Box::new(statement), representation: shown.query, location, is_put },
            output: returning.output,
            names: shown.names,
            count: returning.count,
            max_rows: None,
            max_affected: returning.max_affected,
        }
    }

    fn target(&mut self, relation: &'c Relation) -> Level<'c> {
        Level { relation, range: self.ranges.next(), alias: relation.name.clone(), rows: Rows::Table, depth: 0 }
    }

    /// Which rows a write is about. Embeds cannot be asked here.
    fn target_filter(&mut self, level: &Level<'c>, target: &Node) -> Result<Option<Expr>, ResolveError> {
        let mut all = None;
        let place = if target.filters.len() > 1 { "AND" } else { "WHERE" };
        for filter in &target.filters {
            let term = self.filter(level, None, filter)?;
            all = Expr::and(all, Some(self.condition(term, place)));
        }
        Ok(all)
    }

    /// RETURNING and the query over it.
    fn returned(&mut self, level: &Level<'c>, ask: &Returning) -> Result<(Vec<Target>, Shown), ResolveError> {
        let Some(node) = &ask.representation else {
            if !is_shown(ask.output) {
                return Ok((Vec::new(), Shown::default()));
            }
            // Nothing is shown, but the rows are counted: a constant takes no right to read.
            let one = Expr::new(ExprKind::Const(Value::Int(1)), TypeRef::of(oid::INT4));
            let target = Target { expr: one, name: "?column?".to_owned() };
            return Ok((vec![target], Shown { query: None, names: vec!["?column?".to_owned()] }));
        };
        if !is_shown(ask.output) {
            // Only rights and the Location depend on what is returned.
            return Ok((self.needed(level, node)?, Shown::default()));
        }
        let is_plain = node.order.is_empty()
            && node.select.iter().all(|item| match item {
                Item::Star => true,
                Item::Field { aggregate, .. } => aggregate.is_none(),
                Item::Embed(_) => false,
            });
        if is_plain {
            let query = self.query(level, node, Vec::new(), None)?;
            let shown = Shown { query: None, names: names(&query) };
            let basalt_sql::typed::Body::Select(select) = query.body else {
                return Err(SqlError::internal("a level is a SELECT").into());
            };
            return Ok((select.targets, shown));
        }
        let (written, from) = self.written(level.relation);
        let conditions = if self.as_analysed { None } else { self.root_conditions(&written, node)? };
        let query = self.query(&written, node, vec![from], conditions)?;
        if self.as_analysed {
            self.root_conditions(&written, node)?;
        }
        let Rows::Written(returned) = written.rows else { return Err(SqlError::internal("a write's rows").into()) };
        let mut targets = Vec::new();
        for attnum in returned.into_inner() {
            targets.push(self.returning_column(level, attnum)?);
        }
        let names = names(&query);
        Ok((targets, Shown { query: Some(Box::new(query)), names }))
    }

    fn returning_column(&self, level: &Level<'c>, attnum: i16) -> Result<Target, ResolveError> {
        let name = level.relation.column_at(attnum).map(|c| c.name.clone()).unwrap_or_default();
        Ok(Target { expr: level.at(attnum)?, name })
    }

    /// The columns a representation would be made of.
    fn needed(&self, level: &Level<'c>, node: &Node) -> Result<Vec<Target>, ResolveError> {
        let mut attnums: Vec<i16> = Vec::new();
        if node.select.contains(&Item::Star) {
            attnums.extend(level.relation.columns.iter().map(|c| c.attnum));
        } else {
            for item in &node.select {
                if let Item::Field { field, .. } = item
                    && let Some(column) = level.relation.column(&field.name)
                {
                    attnums.push(column.attnum);
                }
            }
            attnums.extend(level.relation.primary_key().unwrap_or_default());
        }
        attnums.sort_unstable();
        attnums.dedup();
        attnums.into_iter().map(|a| self.returning_column(level, a)).collect()
    }

    fn on_conflict(
        &mut self,
        relation: &'c Relation,
        asked: Option<&[String]>,
        resolution: Resolution,
        columns: &[i16],
    ) -> Result<Option<OnConflict>, ResolveError> {
        let key: Vec<i16> = match asked {
            Some(names) => names
                .iter()
                .map(|name| {
                    relation.column(name).map(|c| c.attnum).ok_or_else(|| {
                        SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist")).into()
                    })
                })
                .collect::<Result<_, ResolveError>>()?,
            None => self.catalog.key_of(relation),
        };
        if key.is_empty() {
            return Ok(None);
        }
        let is_native = self.catalog.is_native();
        let (arbiters, is_refused) = if is_native || relation.kind != RelationKind::View {
            (arbiters(relation, &key), false)
        } else {
            self.arbiters_behind(relation, &key)?
        };
        if arbiters.is_empty() && !is_native && !is_refused {
            let text = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
            return Err(SqlError::new(SqlState::INVALID_COLUMN_REFERENCE, text).into());
        }
        let update = match resolution {
            Resolution::Merge if !columns.is_empty() => {
                let excluded: RangeId = self.ranges.next();
                let proposed = Level { relation, range: excluded, alias: "excluded".to_owned(), rows: Rows::Table, depth: 0 };
                let set = columns.iter().map(|a| Ok((*a, Some(proposed.at(*a)?)))).collect::<Result<_, ResolveError>>()?;
                Some(ConflictUpdate { excluded, set, filter: None })
            }
            _ => None,
        };
        Ok(Some(OnConflict { arbiters, columns: if is_native { key } else { Vec::new() }, update }))
    }

    /// The unique indexes of the table behind a view, and whether the view is not written through at all, which is said first.
    fn arbiters_behind(&self, view: &Relation, key: &[i16]) -> Result<(Vec<Oid>, bool), ResolveError> {
        let Some(view) = self.catalog.relation_by_oid(Oid(view.oid)) else { return Ok((Vec::new(), false)) };
        let chain = updatable::chain(view, Change::Insert, self.catalog)?;
        let key: Option<Vec<i16>> = key.iter().map(|attnum| chain.source(*attnum)).collect();
        Ok((key.map(|key| arbiters(&chain.end, &key)).unwrap_or_default(), chain.refused.is_some()))
    }
}

/// What is shown of the rows written.
#[derive(Default)]
struct Shown {
    query: Option<Box<basalt_sql::typed::Query>>,
    names: Vec<String>,
}

/// Attnums of a payload's columns.
fn columns(relation: &Relation, names: &[String]) -> Result<Vec<i16>, ResolveError> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let column = relation
            .column(name)
            .ok_or_else(|| ResolveError::UnknownColumn { table: relation.name.clone(), column: name.clone() })?;
        if !columns.contains(&column.attnum) {
            columns.push(column.attnum);
        }
    }
    Ok(columns)
}

fn key_columns(catalog: &Catalog, relation: &Relation) -> Vec<(i16, String)> {
    let key = catalog.key_of(relation);
    relation.columns.iter().filter(|c| key.contains(&c.attnum)).map(|c| (c.attnum, c.name.clone())).collect()
}

/// The unique indexes over exactly these columns. A deferrable one is among them: the write refuses it as PostgreSQL does.
fn arbiters(relation: &Relation, key: &[i16]) -> Vec<Oid> {
    let covers = |index: &&basalt_catalog::Index| {
        index.unique
            && index.filter.is_none()
            && key.iter().all(|a| index.keys.iter().any(|k| k.term == IndexTerm::Column(*a)))
            && index.keys.iter().all(|k| matches!(&k.term, IndexTerm::Column(a) if key.contains(a)))
    };
    relation.indexes.iter().filter(covers).map(|i| Oid(i.oid)).collect()
}
