//! Rows as JSON: which result columns make which keys, to-one embeds joined into the row, to-many embeds as aggregates.

use basalt_catalog::IndexTerm;
use basalt_sql::typed::{Body, Expr, ExprKind, From, JsonShape, Query, RangeId, Select, Target, facts};

use basalt_types::{Oid, SqlError, TypeRef};

use super::printer::{Printer, Source};
use super::query::gathers_silently;
use crate::program::{Field, FieldValue, JsonStyle, Shape};

/// The columns of a row of JSON, and the to-one rows joined to it.
#[derive(Default)]
struct Row {
    columns: Vec<Expr>,
    joins: Vec<Join>,
}

/// A to-one embed as an outer join: at most one row, since a unique key is given.
struct Join {
    range: RangeId,
    relation: Oid,
    on: Expr,
}

impl Row {
    /// The number of a column, added when new.
    fn column(&mut self, expr: &Expr) -> u16 {
        let at = self.columns.iter().position(|c| c == expr).unwrap_or_else(|| {
            self.columns.push(expr.clone());
            self.columns.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}

impl Printer<'_> {
    /// The root of a read: its rows as plain columns. Returns the shape of the columns.
    pub(super) fn root(&mut self, query: &Query) -> Result<Shape, SqlError> {
        self.ctes(&query.ctes)?;
        let is_plain = |select: &Select| select.distinct.as_ref().is_none_or(Vec::is_empty) && !gathers_silently(select, query);
        let (Body::Select(select), true) = (&query.body, matches!(&query.body, Body::Select(s) if is_plain(s))) else {
            let bare = Query { ctes: Vec::new(), ..query.clone() };
            self.query(&bare)?;
            return Ok(self.positions(query));
        };
        self.declare_all(&select.from);
        let mut row = Row::default();
        let joinable = can_join(select);
        let fields = self.fields(&select.targets, &mut row, joinable);
        self.raw("SELECT ");
        self.distinct_word(select)?;
        self.columns(&row, false)?;
        self.rows_from(select, &row)?;
        self.select_rest(select)?;
        self.tail(query)?;
        Ok(Shape { style: JsonStyle::Json, fields })
    }

    /// The shape of a query that is no SELECT.
    fn positions(&self, query: &Query) -> Shape {
        let field = |(i, (name, ty)): (usize, (String, TypeRef))| Field {
            name,
            value: FieldValue::Column { at: u16::try_from(i).unwrap_or(u16::MAX), ty: self.base(ty) },
        };
        Shape { style: JsonStyle::Json, fields: query.columns().into_iter().enumerate().map(field).collect() }
    }

    /// Which columns make the keys of a row; to-one embeds become joins where they can.
    fn fields(&mut self, targets: &[Target], row: &mut Row, joinable: bool) -> Vec<Field> {
        let mut fields = Vec::with_capacity(targets.len());
        for target in targets {
            let value = match &target.expr.kind {
                ExprKind::JsonRows { query, shape } => match (shape, joinable.then(|| self.to_one(query)).flatten()) {
                    (JsonShape::Object, Some((join, key, select))) => {
                        self.declare(join.range, Source::Table(join.relation));
                        row.joins.push(join);
                        let present = row.column(&key);
                        let fields = in_key_order(self.fields(&select.targets, row, true));
                        FieldValue::Object { present, fields }
                    }
                    _ => FieldValue::Json { at: row.column(&target.expr) },
                },
                _ => FieldValue::Column { at: row.column(&target.expr), ty: self.base(target.expr.ty) },
            };
            fields.push(Field { name: target.name.clone(), value });
        }
        fields
    }

    /// An embedded query as a join, with a column of it that is never NULL: one table, all columns of a unique key compared with
    /// something else.
    fn to_one<'q>(&self, query: &'q Query) -> Option<(Join, Expr, &'q Select)> {
        let Body::Select(select) = &query.body else { return None };
        let [From::Table { range, relation, .. }] = select.from.as_slice() else { return None };
        if !query.ctes.is_empty() || query.offset.is_some() || !can_join(select) {
            return None;
        }
        let limit_ok = match &query.limit {
            None => true,
            Some(limit) => matches!(&limit.kind, ExprKind::Const(basalt_types::Value::Int(n)) if *n >= 1),
        };
        if !limit_ok {
            return None;
        }
        let keys = self.unique_columns_given(*range, *relation, select.filter.as_ref()?)?;
        let first = *keys.first()?;
        let table = self.relation(*relation).ok()?;
        let key = Expr::column(*range, first, table.column_at(first)?.type_ref());
        let on = match (&select.policy, &select.filter) {
            (Some(policy), Some(filter)) if crate::raising::can_raise(filter) => Expr::new(
                ExprKind::Case { arms: vec![(policy.clone(), filter.clone())], otherwise: Some(Box::new(Expr::bool(false))) },
                filter.ty,
            ),
            (policy, filter) => Expr::and(filter.clone(), policy.clone())?,
        };
        Some((Join { range: *range, relation: *relation, on }, key, select))
    }

    /// The columns of a unique key all of which the filter compares with values that do not depend on the range's row.
    pub(super) fn unique_columns_given(&self, range: RangeId, relation: Oid, filter: &Expr) -> Option<Vec<i16>> {
        let table = self.relation(relation).ok()?;
        let terms = match &filter.kind {
            ExprKind::And(terms) => terms.as_slice(),
            _ => std::slice::from_ref(filter),
        };
        let given: Vec<i16> = terms.iter().filter_map(|term| equal_to(term, range)).collect();
        table.indexes.iter().filter(|i| i.unique && i.filter.is_none() && !table.is_deferrable(i)).find_map(|index| {
            let keys: Option<Vec<i16>> = index
                .keys
                .iter()
                .map(|k| match k.term {
                    IndexTerm::Column(attnum) => given.contains(&attnum).then_some(attnum),
                    IndexTerm::Expr(_) => None,
                })
                .collect();
            keys.filter(|k| !k.is_empty())
        })
    }

    fn columns(&mut self, row: &Row, named: bool) -> Result<(), SqlError> {
        if row.columns.is_empty() {
            self.raw("1");
        }
        for (i, column) in row.columns.iter().enumerate() {
            self.raw(if i == 0 { "" } else { ", " });
            self.expr(column)?;
            if named {
                self.raw(&format!(" AS c{}", i + 1));
            }
        }
        Ok(())
    }

    fn rows_from(&mut self, select: &Select, row: &Row) -> Result<(), SqlError> {
        self.print_from(&select.from)?;
        for join in &row.joins {
            self.raw(" LEFT JOIN ").table(join.relation)?.raw(" AS ").alias(join.range).raw(" ON ");
            self.expr(&join.on)?;
        }
        Ok(())
    }

    /// An embed: the rows of a correlated query as JSON text.
    pub(super) fn json_rows(&mut self, query: &Query, is_array: bool) -> Result<(), SqlError> {
        let number = self.shapes.len();
        self.shapes.push(Shape::default());
        let function = if is_array { "basalt_json_agg(" } else { "basalt_json_object(" };
        let call = |p: &mut Self| {
            p.raw(function).number(i64::try_from(number).unwrap_or(0));
        };
        self.raw("(");
        self.ctes(&query.ctes)?;
        let shape = match &query.body {
            Body::Select(select) => {
                self.declare_all(&select.from);
                let mut row = Row::default();
                let joinable = can_join(select);
                let fields = self.fields(&select.targets, &mut row, joinable);
                let is_plain = select.distinct.is_none() && select.group_by.is_empty() && joinable;
                let in_order = query.order_by.is_empty() && query.limit.is_none() && query.offset.is_none();
                self.raw("SELECT ");
                call(self);
                if is_plain && (in_order || !is_array) {
                    if !row.columns.is_empty() {
                        self.raw(", ");
                        self.columns(&row, false)?;
                    }
                    self.raw(")");
                    self.rows_from(select, &row)?;
                    self.select_rest(select)?;
                    self.tail(query)?;
                } else {
                    let range = self.fresh_range();
                    for i in 1..=row.columns.len() {
                        self.raw(", ").alias(range).raw(&format!(".c{i}"));
                    }
                    self.raw(") FROM (SELECT ");
                    self.distinct_word(select)?;
                    self.columns(&row, true)?;
                    self.rows_from(select, &row)?;
                    self.select_rest(select)?;
                    self.tail(query)?;
                    self.raw(") AS ").alias(range);
                }
                Shape { style: JsonStyle::Jsonb, fields: in_key_order(fields) }
            }
            _ => {
                let range = self.fresh_range();
                let width = query.columns().len();
                self.raw("SELECT ");
                call(self);
                for i in 1..=width {
                    self.raw(", ").alias(range).raw(&format!(".c{i}"));
                }
                self.raw(") FROM (");
                self.query_as(&Query { ctes: Vec::new(), ..query.clone() })?;
                self.raw(") AS ").alias(range);
                Shape { style: JsonStyle::Jsonb, fields: in_key_order(self.positions(query).fields) }
            }
        };
        self.raw(")");
        if let Some(slot) = self.shapes.get_mut(number) {
            *slot = shape;
        }
        Ok(())
    }
}

/// Keys as jsonb keeps them: shorter first, then by bytes; of equal ones the last.
fn in_key_order(mut fields: Vec<Field>) -> Vec<Field> {
    fields.reverse();
    fields.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
    fields.dedup_by(|later, kept| later.name == kept.name);
    fields
}

/// A column of `range` that a term compares for equality with something that does not read `range`.
fn equal_to(term: &Expr, range: RangeId) -> Option<i16> {
    let ExprKind::Op { symbol: "=", args, .. } = &term.kind else { return None };
    let [a, b] = args.as_slice() else { return None };
    let column = |e: &Expr, other: &Expr| match e.kind {
        ExprKind::Column { range: of, column } if of == range && !facts::uses_range(other, range) => Some(column),
        _ => None,
    };
    column(a, b).or_else(|| column(b, a))
}

/// Whether outer joins to unique rows leave the select's rows as they are.
fn can_join(select: &Select) -> bool {
    select.distinct.is_none()
        && select.group_by.is_empty()
        && select.having.is_none()
        && !select.from.is_empty()
        && !select.targets.iter().any(|t| facts::contains_aggregate(&t.expr) || facts::contains_window(&t.expr))
}
