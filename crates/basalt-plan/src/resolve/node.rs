//! One level of a read as a query: its select list, embeds, conditions, order and limits.

use basalt_catalog::Relation;
use basalt_sql::analyze;
use basalt_sql::tree::JoinKind;
use basalt_sql::typed::walk::{Visitor, walk_expr};
use basalt_sql::typed::{Body, Expr, ExprKind, From, JsonShape, Order, Query, RangeId, Target};
use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use super::error::ResolveError;
use super::level::{Level, Rows, row_count};
use super::relationship::{self, Link, Relationship};
use super::{Resolver, plain_query};
use crate::ask::{Aggregate, Embed, EmbedJoin, Field, Filter, Item, JsonKey, Node, Operand, Operator, OrderTerm};

/// What a level's select list and order bring together.
struct Parts<'c, 'n> {
    targets: Vec<Target>,
    from: Vec<From>,
    /// Keys of GROUP BY, when there are aggregates.
    group_by: Vec<Expr>,
    has_aggregate: bool,
    /// To-one embeds whose rows are joined.
    joined: Vec<(&'n Embed, Level<'c>)>,
    /// Of a joined level, what is not null where it has a row: what `count()` counts there.
    row: Option<Expr>,
}

/// The other end of an embed.
struct Child<'c> {
    level: Level<'c>,
    from: Vec<From>,
    /// The columns that tie it to its parent.
    on: Option<Expr>,
}

impl<'c> Resolver<'c> {
    /// A level's rows. `conditions`: from [`Self::conditions`], and whatever ties it to its parent.
    pub(super) fn query(
        &mut self,
        level: &Level<'c>,
        node: &Node,
        from: Vec<From>,
        conditions: Option<Expr>,
    ) -> Result<Query, ResolveError> {
        let parts =
            Parts { targets: Vec::new(), from, group_by: Vec::new(), has_aggregate: false, joined: Vec::new(), row: None };
        let mut parts = self.select(level, node, parts)?;
        let order_by = self.order(level, node, &mut parts)?;
        if parts.has_aggregate {
            grouped(level, &parts, &order_by)?;
        }
        let mut query = plain_query(parts.targets, parts.from, conditions);
        if parts.has_aggregate
            && let Body::Select(select) = &mut query.body
        {
            select.group_by = parts.group_by;
        }
        query.order_by = order_by;
        query.limit = match (node.limit, self.settings.max_rows) {
            (Some(id), _) => Some(row_count(id)),
            (None, Some(most)) if !self.is_write => {
                let most = Value::Int(i64::try_from(most).unwrap_or(i64::MAX));
                Some(Expr::new(ExprKind::Const(most), TypeRef::of(oid::INT8)))
            }
            (None, _) => None,
        };
        query.offset = node.offset.map(row_count);
        Ok(query)
    }

    /// The select list: plain fields first, then embeds, as the dialect orders keys.
    fn select<'n>(&mut self, level: &Level<'c>, node: &'n Node, mut parts: Parts<'c, 'n>) -> Result<Parts<'c, 'n>, ResolveError> {
        self.fields(level, node, &mut parts)?;
        for item in &node.select {
            let Item::Embed(embed) = item else { continue };
            let found = self.relationship(level, embed)?;
            if embed.spread && found.is_to_one() {
                parts = self.spread_one(level, embed, &found, parts)?;
            } else if embed.spread {
                self.spread_many(level, embed, &found, &mut parts)?;
            } else if !is_empty(&embed.node) {
                let child = self.child(level, &found)?;
                let inner = if self.as_analysed { None } else { self.conditions(&child.level, &embed.node)? };
                let mut query = self.query(&child.level, &embed.node, child.from, Expr::and(child.on, inner))?;
                if self.as_analysed {
                    self.conditions(&child.level, &embed.node)?;
                }
                let shape = if found.is_to_one() { JsonShape::Object } else { JsonShape::Array };
                if shape == JsonShape::Object && embed.node.limit.is_none() {
                    query.limit = None;
                }
                let expr = Expr::new(ExprKind::JsonRows { query: Box::new(query), shape }, TypeRef::of(oid::JSON));
                let expr = if shape == JsonShape::Array { of_row(&parts, expr) } else { expr };
                parts.group_by.push(expr.clone());
                parts.targets.push(Target { expr, name: name_of(embed).to_owned() });
            } else {
                // Nothing is shown, but what is said of it has to have a meaning.
                let child = self.child(level, &found)?;
                self.conditions(&child.level, &embed.node)?;
                self.check_order(&child.level, &embed.node)?;
            }
        }
        Ok(parts)
    }

    fn fields(&mut self, level: &Level<'c>, node: &Node, parts: &mut Parts<'c, '_>) -> Result<(), ResolveError> {
        for item in &node.select {
            match item {
                Item::Star => {
                    for column in &level.relation.columns {
                        let expr = level.expr(column);
                        parts.group_by.push(expr.clone());
                        parts.targets.push(Target { expr: self.shown(expr), name: column.name.clone() });
                    }
                }
                Item::Field { field, alias, cast, aggregate, aggregate_cast } => {
                    let name = alias.clone().unwrap_or_else(|| output_name(field, *aggregate));
                    let mut expr = match (aggregate, field.name.as_str()) {
                        (Some(Aggregate::Count), "*") => parts.row.clone(),
                        _ => Some(self.field(level, field)?),
                    };
                    let raw = expr.clone();
                    if aggregate.is_none() && field.path.is_empty() {
                        expr = expr.map(|e| self.shown(e));
                    }
                    if let (Some(inner), Some(cast)) = (expr.take_if(|_| cast.is_some()), cast) {
                        expr = Some(self.cast(inner, cast)?);
                    }
                    let expr = match (aggregate, expr) {
                        (None, Some(expr)) => {
                            // What a domain's conversion shows may have no equality, but the domain has.
                            // Without an alias it is the column that groups, not what it is cast to.
                            let is_column = cast.is_some() && alias.is_none() && field.path.is_empty();
                            let is_shown = is_column || raw.as_ref().is_some_and(|r| cast.is_none() && *r != expr);
                            parts.group_by.push(raw.filter(|_| is_shown).unwrap_or_else(|| expr.clone()));
                            expr
                        }
                        (aggregate, expr) => {
                            if !self.settings.aggregates {
                                return Err(ResolveError::AggregatesOff);
                            }
                            parts.has_aggregate = true;
                            let name = aggregate.map_or("count", function_name);
                            let call = if self.catalog.is_native() {
                                self.native_aggregate(name, expr)
                            } else {
                                analyze::function(name, expr.into_iter().collect(), self.catalog)?
                            };
                            match aggregate_cast {
                                Some(cast) => self.cast(call, cast)?,
                                None => call,
                            }
                        }
                    };
                    parts.targets.push(Target { expr, name });
                }
                Item::Embed(_) => {}
            }
        }
        Ok(())
    }

    /// `...rel(a)` to one: its row is joined, its columns are the parent's.
    fn spread_one<'n>(
        &mut self,
        level: &Level<'c>,
        embed: &'n Embed,
        found: &Relationship<'c>,
        mut parts: Parts<'c, 'n>,
    ) -> Result<Parts<'c, 'n>, ResolveError> {
        let child = self.join_one(level, embed, found, &mut parts)?;
        // One row has no order, but an order that could not be is refused.
        self.check_order(&child, &embed.node)?;
        let inner = std::mem::take(&mut parts.joined);
        let row = match &found.link {
            Link::Key { columns, .. } => columns.first().map(|(_, there)| child.at(*there)).transpose()?,
            _ => None,
        };
        let outer = std::mem::replace(&mut parts.row, row);
        let mut parts = self.select(&child, &embed.node, parts)?;
        parts.row = outer;
        parts.joined = inner;
        parts.joined.push((embed, child));
        Ok(parts)
    }

    /// Joins the row of a to-one embed.
    fn join_one(
        &mut self,
        level: &Level<'c>,
        embed: &Embed,
        found: &Relationship<'c>,
        parts: &mut Parts<'c, '_>,
    ) -> Result<Level<'c>, ResolveError> {
        let Child { level: child, from, on } = self.child(level, found)?;
        let inner = self.conditions(&child, &embed.node)?;
        let right = from.into_iter().next().ok_or_else(|| SqlError::internal("an embed without its table"))?;
        // The level's own table comes first; a junction behind it is no part of the join, whose condition could not see across.
        if parts.from.is_empty() {
            return Err(SqlError::internal("a level without its table").into());
        }
        let left = parts.from.remove(0);
        let on = Expr::and(on, inner);
        parts.from.insert(0, From::Join { kind: JoinKind::Left, left: Box::new(left), right: Box::new(right), on });
        Ok(child)
    }

    /// `...rel(a)` to many: each column is an array of the related rows' values.
    fn spread_many(
        &mut self,
        level: &Level<'c>,
        embed: &Embed,
        found: &Relationship<'c>,
        parts: &mut Parts<'c, '_>,
    ) -> Result<(), ResolveError> {
        const NO_AGGREGATES: &str = "Aggregates are not implemented for one-to-many or many-to-many spreads.";
        let child = self.child(level, found)?;
        let inner = self.conditions(&child.level, &embed.node)?;
        let rows = self.query(&child.level, &embed.node, child.from, Expr::and(child.on, inner))?;
        let columns = rows.columns();
        if embed.node.select.iter().any(|item| matches!(item, Item::Field { aggregate: Some(_), .. })) {
            return Err(ResolveError::NotImplemented(NO_AGGREGATES));
        }
        for (at, (name, ty)) in (1_i16..).zip(columns) {
            // Each array has its own copy of the query, whose ranges are numbered anew by resolving it again.
            let child = self.child(level, found)?;
            let inner = self.conditions(&child.level, &embed.node)?;
            let rows = self.query(&child.level, &embed.node, child.from, Expr::and(child.on, inner))?;
            let range = self.ranges.next();
            let from = From::Query { range, query: Box::new(rows), lateral: false, alias: child.level.alias.clone(), view: None };
            let mut value = Expr::column(range, at, ty);
            if !self.catalog.is_native() {
                // The list is jsonb there, and so is what is in it.
                if self.catalog.base_type(ty).oid == oid::JSON {
                    value = self.cast(value, "jsonb")?;
                } else if analyze::types::element(self.catalog, ty.oid).is_some() {
                    value = analyze::function("to_jsonb", vec![value], self.catalog)?;
                }
            }
            let agg = analyze::function("json_agg", vec![value], self.catalog)?;
            let empty = Expr::new(ExprKind::Const(Value::Text("[]".to_owned())), agg.ty);
            let (ty, coalesce) = (agg.ty, ExprKind::Coalesce(vec![agg, empty]));
            let target = Target { expr: Expr::new(coalesce, ty), name: name.clone() };
            let query = plain_query(vec![target], vec![from], None);
            let mut expr = of_row(parts, Expr::new(ExprKind::Scalar(Box::new(query)), ty));
            if self.catalog.is_native() {
                // Groups are made of it, and json has no equality there.
                expr = self.native_cast(expr, "jsonb")?;
            }
            parts.group_by.push(expr.clone());
            parts.targets.push(Target { expr, name });
        }
        Ok(())
    }

    /// All conditions of a level: its filters, and that its `!inner` embeds exist.
    pub(super) fn conditions(&mut self, level: &Level<'c>, node: &Node) -> Result<Option<Expr>, ResolveError> {
        self.joined(level, node, "AND")
    }

    /// As [`Self::conditions`], of a level that nothing else is joined to.
    pub(super) fn root_conditions(&mut self, level: &Level<'c>, node: &Node) -> Result<Option<Expr>, ResolveError> {
        let inner = |item: &Item| matches!(item, Item::Embed(embed) if embed.join == EmbedJoin::Inner);
        let count = node.filters.len() + node.select.iter().filter(|item| inner(item)).count();
        self.joined(level, node, if count > 1 { "AND" } else { "WHERE" })
    }

    fn joined(&mut self, level: &Level<'c>, node: &Node, place: &str) -> Result<Option<Expr>, ResolveError> {
        let mut all = None;
        for filter in &node.filters {
            let term = self.filter(level, Some(node), filter)?;
            all = Expr::and(all, Some(self.condition(term, place)));
        }
        for item in &node.select {
            let Item::Embed(embed) = item else { continue };
            if embed.join == EmbedJoin::Inner {
                all = Expr::and(all, Some(self.exists(level, embed)?));
            }
        }
        Ok(all)
    }

    /// What stands in AND, OR, NOT or WHERE has to be a condition: `<<` of numbers is none.
    pub(super) fn condition(&self, expr: Expr, place: &str) -> Expr {
        if self.catalog.is_native() || self.catalog.base_type(expr.ty).oid == oid::BOOL {
            return expr;
        }
        let message = format!("argument of {place} must be type boolean, not type {}", self.catalog.format_type(expr.ty));
        self.refuse_later(SqlError::new(SqlState::DATATYPE_MISMATCH, message).into())
    }

    /// A filter; `node`: whose embeds it may ask for null.
    pub(super) fn filter(&mut self, level: &Level<'c>, node: Option<&Node>, filter: &Filter) -> Result<Expr, ResolveError> {
        let bool_expr = |kind| Expr::new(kind, TypeRef::of(oid::BOOL));
        Ok(match filter {
            Filter::And(parts) | Filter::Or(parts) => {
                let terms = parts.iter().map(|p| self.filter(level, node, p)).collect::<Result<Vec<_>, _>>()?;
                match <[Expr; 1]>::try_from(terms) {
                    Ok([only]) => only,
                    Err(terms) => {
                        let is_and = matches!(filter, Filter::And(_));
                        let place = if is_and { "AND" } else { "OR" };
                        let terms = terms.into_iter().map(|t| self.condition(t, place)).collect();
                        bool_expr(if is_and { ExprKind::And(terms) } else { ExprKind::Or(terms) })
                    }
                }
            }
            Filter::Not(inner) => {
                let inner = self.filter(level, node, inner)?;
                let inner = self.condition(inner, "NOT");
                bool_expr(ExprKind::Not(Box::new(inner)))
            }
            Filter::Test { field, op, value } => {
                let embed = node.filter(|_| field.path.is_empty()).and_then(|n| embed_named(n, &field.name));
                match (embed, op, value) {
                    (Some(embed), Operator::Is, Operand::Is(crate::ask::IsValue::Null)) => {
                        let exists = self.exists(level, embed)?;
                        bool_expr(ExprKind::Not(Box::new(exists)))
                    }
                    _ => self.test(level, field, op, value)?,
                }
            }
        })
    }

    /// Whether an embed has a row.
    fn exists(&mut self, level: &Level<'c>, embed: &Embed) -> Result<Expr, ResolveError> {
        let found = self.relationship(level, embed)?;
        let child = self.child(level, &found)?;
        let inner = self.conditions(&child.level, &embed.node)?;
        let one = Expr::new(ExprKind::Const(Value::Int(1)), TypeRef::of(oid::INT4));
        let target = Target { expr: one, name: "?column?".to_owned() };
        let mut query = plain_query(vec![target], child.from, Expr::and(child.on, inner));
        query.offset = embed.node.offset.map(row_count);
        Ok(Expr::new(ExprKind::Exists(Box::new(query)), TypeRef::of(oid::BOOL)))
    }

    fn relationship(&self, level: &Level<'c>, embed: &Embed) -> Result<Relationship<'c>, ResolveError> {
        relationship::find(self.catalog, self.schema, level.relation, &embed.relation, embed.hint.as_deref())
    }

    /// The rows at the other end of an embed, tied to the parent's row.
    fn child(&mut self, parent: &Level<'c>, found: &Relationship<'c>) -> Result<Child<'c>, ResolveError> {
        let depth = parent.depth + 1;
        let foreign: &'c Relation = found.foreign;
        match &found.link {
            Link::Key { columns, .. } => {
                let (level, from) = self.source(foreign, format!("{}_{depth}", foreign.name), depth)?;
                let mut on = None;
                for (here, there) in columns {
                    on = Expr::and(on, Some(self.equal(level.at(*there)?, parent.at(*here)?)?));
                }
                Ok(Child { level, from: vec![from], on })
            }
            Link::Function { function, .. } => {
                let (level, from) =
                    self.led_to(parent, function, foreign, depth).ok_or_else(|| SqlError::internal("a row without its type"))?;
                Ok(Child { level, from: vec![from], on: None })
            }
            Link::Junction { table, near, far, .. } => {
                let (level, from) = self.source(foreign, foreign.name.clone(), depth)?;
                let (junction, through) = self.source(table, table.name.clone(), depth)?;
                let mut on = None;
                for (here, there) in near {
                    on = Expr::and(on, Some(self.equal(junction.at(*there)?, parent.at(*here)?)?));
                }
                for (here, there) in far {
                    on = Expr::and(on, Some(self.equal(level.at(*there)?, junction.at(*here)?)?));
                }
                Ok(Child { level, from: vec![from, through], on })
            }
        }
    }

    fn equal(&self, a: Expr, b: Expr) -> Result<Expr, ResolveError> {
        if self.catalog.is_native() {
            return Ok(self.native_equal(a, b));
        }
        Ok(analyze::operator("=", Some(a), b, self.catalog)?)
    }

    fn order<'n>(&mut self, level: &Level<'c>, node: &'n Node, parts: &mut Parts<'c, 'n>) -> Result<Vec<Order>, ResolveError> {
        let mut keys = Vec::with_capacity(node.order.len());
        for term in &node.order {
            let expr = match &term.relation {
                None => self.field(level, &term.field)?,
                Some(name) => self.related(level, node, name, term, parts)?,
            };
            if self.catalog.base_type(expr.ty).oid == oid::JSON {
                let error = SqlError::new(SqlState::UNDEFINED_FUNCTION, "could not identify an ordering operator for type json");
                return Err(error.hint("Use an explicit ordering operator or modify the query.").into());
            }
            let nulls_first = term.nulls_first.unwrap_or(term.descending);
            keys.push(Order { expr, descending: term.descending, nulls_first });
        }
        Ok(keys)
    }

    /// That an order nobody needs could be one.
    fn check_order(&mut self, level: &Level<'c>, node: &Node) -> Result<(), ResolveError> {
        for term in &node.order {
            match &term.relation {
                None => {
                    self.field(level, &term.field)?;
                }
                Some(name) => {
                    let embed = embed_named(node, name).ok_or_else(|| ResolveError::NotEmbedded(name.to_owned()))?;
                    self.to_one(level, embed)?;
                }
            }
        }
        Ok(())
    }

    /// The relationship of an embed by which its parent is ordered.
    fn to_one(&self, level: &Level<'c>, embed: &Embed) -> Result<Relationship<'c>, ResolveError> {
        let found = self.relationship(level, embed)?;
        if found.is_to_one() {
            return Ok(found);
        }
        let target = name_of(embed).to_owned();
        Err(ResolveError::RelatedOrderNotToOne { origin: level.relation.name.clone(), target })
    }

    /// `rel(column)`: the column of a to-one embed, whose row is joined once.
    fn related<'n>(
        &mut self,
        level: &Level<'c>,
        node: &'n Node,
        name: &str,
        term: &OrderTerm,
        parts: &mut Parts<'c, 'n>,
    ) -> Result<Expr, ResolveError> {
        let embed = embed_named(node, name).ok_or_else(|| ResolveError::NotEmbedded(name.to_owned()))?;
        if let Some((_, child)) = parts.joined.iter().find(|(e, _)| std::ptr::eq(*e, embed)) {
            return self.field(child, &term.field);
        }
        let found = self.to_one(level, embed)?;
        let mut child = self.join_one(level, embed, &found, parts)?;
        child.alias = aggregate_alias(level, embed);
        let field = self.field(&child, &term.field);
        parts.joined.push((embed, child));
        field
    }

    /// The rows a write returned, as a source.
    pub(super) fn written(&mut self, relation: &'c Relation) -> (Level<'c>, From) {
        let range: RangeId = self.ranges.next();
        let from = From::Cte { range, cte: crate::plan::WRITTEN, alias: relation.name.clone() };
        let rows = Rows::Written(std::cell::RefCell::new(Vec::new()));
        (Level { relation, range, alias: relation.name.clone(), rows, depth: 0 }, from)
    }
}

/// A list of a joined level, which is null where that level has no row.
fn of_row(parts: &Parts<'_, '_>, list: Expr) -> Expr {
    let Some(row) = &parts.row else { return list };
    let ty = list.ty;
    let is_there = Expr::new(ExprKind::IsNull { expr: Box::new(row.clone()), negated: true }, TypeRef::of(oid::BOOL));
    Expr::new(ExprKind::Case { arms: vec![(is_there, list)], otherwise: None }, ty)
}

/// Whether an order by these keys has a meaning for groups: 42803 when a column in them is neither grouped nor decided by what is.
fn grouped(level: &Level<'_>, parts: &Parts<'_, '_>, order_by: &[Order]) -> Result<(), ResolveError> {
    struct Loose<'p>(&'p [Expr], Vec<(RangeId, i16)>);
    impl Visitor for Loose<'_> {
        fn expr(&mut self, expr: &Expr) {
            if self.0.contains(expr) {
                return;
            }
            if let ExprKind::Column { range, column } = expr.kind {
                self.1.push((range, column));
            }
            walk_expr(self, expr);
        }
    }
    let mut loose = Loose(&parts.group_by, Vec::new());
    order_by.iter().for_each(|key| loose.expr(&key.expr));
    let is_grouped = |attnum: i16| level.at(attnum).is_ok_and(|column| parts.group_by.contains(&column));
    let by_key = level.relation.primary_key().is_some_and(|key| key.iter().all(|attnum| is_grouped(*attnum)));
    for (range, column) in loose.1 {
        let (alias, relation) = match parts.joined.iter().find(|(_, child)| child.range == range) {
            Some((embed, child)) => (aggregate_alias(level, embed), child.relation),
            None if range == level.range && by_key => continue,
            None => (level.alias.clone(), level.relation),
        };
        let name = relation.column_at(column).map(|c| c.name.as_str()).unwrap_or_default();
        let message = format!("column \"{alias}.{name}\" must appear in the GROUP BY clause or be used in an aggregate function");
        return Err(SqlError::new(SqlState::GROUPING_ERROR, message).into());
    }
    Ok(())
}

/// What the original calls the rows of an embed where its parent names them.
fn aggregate_alias(level: &Level<'_>, embed: &Embed) -> String {
    format!("{}_{}_{}", level.relation.name, name_of(embed), level.depth + 1)
}

/// The name of an embed in the answer, and by which filters and orders address it.
fn name_of(embed: &Embed) -> &str {
    embed.alias.as_deref().unwrap_or(&embed.relation)
}

fn embed_named<'n>(node: &'n Node, name: &str) -> Option<&'n Embed> {
    node.select.iter().find_map(|item| match item {
        Item::Embed(embed) if name_of(embed) == name => Some(&**embed),
        _ => None,
    })
}

/// `rel()` shows nothing, nor do embeds that hold only such ones.
fn is_empty(node: &Node) -> bool {
    node.select.iter().all(|item| matches!(item, Item::Embed(embed) if is_empty(&embed.node)))
}

/// The key a field has when no alias is given: the last key of its path, else its column; an aggregate's name.
fn output_name(field: &Field, aggregate: Option<Aggregate>) -> String {
    if let Some(aggregate) = aggregate {
        return function_name(aggregate).to_owned();
    }
    let last = field.path.iter().rev().find_map(|step| match &step.key {
        JsonKey::Key(key) => Some(key.clone()),
        JsonKey::Index(_) => None,
    });
    last.unwrap_or_else(|| field.name.clone())
}

fn function_name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Sum => "sum",
        Aggregate::Avg => "avg",
        Aggregate::Count => "count",
        Aggregate::Max => "max",
        Aggregate::Min => "min",
    }
}
