//! Walks the written tree with its scopes, so that stored expressions can be qualified, searched for what they depend on, and follow
//! renames as PostgreSQL's OID-based ones do.
//!
//! It resolves column references the simple way: tables by the catalog, derived tables by the names their select lists show. That is
//! enough for text that was analysed when it was stored.

use basalt_catalog::{Catalog, Relation};
use basalt_types::Oid;

use crate::tree::{
    Alias, Call, CteBody, Expr, ExprKind, FromItem, JoinOn, Name, OrderItem, Quantified, Query, Select, SelectItem, SetExpr,
    TypeName, Window, With,
};

/// What a walk does where; every method may change what it is given.
pub(super) trait Visit {
    /// A table, view or sequence in FROM (not a common table expression); unknown ones have no identity.
    fn table(&mut self, _name: &mut Name, _relation: Option<Oid>) {}
    /// A query, before what it holds.
    fn query(&mut self) {}
    /// A column of a known relation; `by_alias` when the relation is named differently here than in the catalog.
    fn column(&mut self, _parts: &mut Vec<String>, _relation: Oid, _attnum: i16, _by_alias: bool) {}
    /// The name of a row source: `t.*`, or `t` alone as a whole row.
    fn source(&mut self, _name: &mut String, _relation: Oid, _by_alias: bool) {}
    /// A merged column: `USING (name)`, with the relations' columns it is made of.
    fn using(&mut self, _name: &mut String, _sides: &[(Oid, i16)]) {}
    /// A function call.
    fn call(&mut self, _call: &mut Call) {}
    /// A type.
    fn type_name(&mut self, _ty: &mut TypeName) {}
    /// A string constant with its written type: `'public.t_id_seq'::regclass`.
    fn literal(&mut self, _text: &mut String, _ty: &TypeName) {}
    /// Any string constant, after [`Visit::literal`].
    fn string(&mut self, _text: &mut String) {}
}

/// One row source of a scope.
struct Source {
    name: String,
    by_alias: bool,
    schema: Option<String>,
    relation: Option<Oid>,
    /// Visible column names with the relation's attnum; `None`: unknown ones.
    columns: Option<Vec<(String, i16)>>,
}

#[derive(Default)]
struct Scope {
    ctes: Vec<String>,
    sources: Vec<Source>,
}

/// A walk in progress.
pub(super) struct Walker<'a, V> {
    catalog: &'a Catalog,
    path: &'a [String],
    scopes: Vec<Scope>,
    /// Whether stars become the columns they stand for now.
    pub(super) expand_stars: bool,
    /// A star that could not be expanded.
    pub(super) unknown_star: bool,
    /// What is done on the way.
    pub(super) visit: V,
}

impl<'a, V: Visit> Walker<'a, V> {
    /// A walk outside of any table.
    pub(super) fn new(catalog: &'a Catalog, path: &'a [String], visit: V) -> Self {
        Self { catalog, path, scopes: Vec::new(), expand_stars: false, unknown_star: false, visit }
    }

    /// A walk in which a relation's columns are visible by its name.
    pub(super) fn on_relation(catalog: &'a Catalog, path: &'a [String], relation: &Relation, visit: V) -> Self {
        let mut walker = Self::new(catalog, path, visit);
        let source = walker.relation_source(relation, relation.name.clone(), false, &[]);
        walker.scopes.push(Scope { ctes: Vec::new(), sources: vec![source] });
        walker
    }

    /// Makes a relation's columns visible as `new.x` and `old.x` too: WHEN conditions of triggers.
    pub(super) fn with_rows(mut self, relation: &Relation, names: &[&str]) -> Self {
        let sources = names.iter().map(|n| self.relation_source(relation, (*n).to_owned(), true, &[])).collect();
        self.scopes.push(Scope { ctes: Vec::new(), sources });
        self
    }

    fn relation_source(&self, relation: &Relation, name: String, by_alias: bool, renamed: &[String]) -> Source {
        let columns =
            relation.columns.iter().enumerate().map(|(i, c)| (renamed.get(i).unwrap_or(&c.name).clone(), c.attnum)).collect();
        Source {
            name,
            by_alias,
            schema: (!by_alias).then(|| self.catalog.schema_name(relation.schema).to_owned()),
            relation: Some(Oid(relation.oid)),
            columns: Some(columns),
        }
    }

    fn resolve(&self, parts: &[String]) -> Option<(Oid, i16, bool)> {
        let (column, source) = parts.split_last()?;
        for scope in self.scopes.iter().rev() {
            for s in &scope.sources {
                let named = match source {
                    [] => true,
                    [table] => s.name == *table,
                    [schema, table] => s.name == *table && s.schema.as_ref() == Some(schema),
                    _ => false,
                };
                if !named {
                    continue;
                }
                let found = s.columns.as_ref().and_then(|columns| columns.iter().find(|(name, _)| name == column));
                match (found, s.relation) {
                    (Some((_, attnum)), Some(relation)) => return Some((relation, *attnum, s.by_alias)),
                    (Some(_), None) => return None,
                    (None, _) if !source.is_empty() => return None,
                    (None, _) => {}
                }
            }
        }
        None
    }

    fn source_name(&mut self, parts: &mut [String]) {
        let Some(name) = parts.last_mut() else { return };
        let found = self.scopes.iter().rev().find_map(|scope| scope.sources.iter().find(|s| s.name == *name));
        if let Some((Some(relation), by_alias)) = found.map(|s| (s.relation, s.by_alias)) {
            self.visit.source(name, relation, by_alias);
        }
    }

    /// Walks an expression.
    pub(super) fn expr(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Number(_)
            | ExprKind::BitString(..)
            | ExprKind::Param(_)
            | ExprKind::Keyword(..)
            | ExprKind::Special(_) => {}
            ExprKind::String(text) => self.visit.string(text),
            ExprKind::Star(parts) => self.source_name(parts),
            ExprKind::Column(parts) => match self.resolve(parts) {
                Some((relation, attnum, by_alias)) => self.visit.column(parts, relation, attnum, by_alias),
                None if parts.len() == 1 => self.source_name(parts),
                None => {}
            },
            ExprKind::Cast(inner, ty) => {
                self.visit.type_name(ty);
                if let ExprKind::String(text) = &mut inner.kind {
                    self.visit.literal(text, ty);
                }
                self.expr(inner);
            }
            ExprKind::Field(inner, _) | ExprKind::Unary(_, inner) | ExprKind::Not(inner) | ExprKind::Is { expr: inner, .. } => {
                self.expr(inner);
            }
            ExprKind::Collate(inner, _) => self.expr(inner),
            ExprKind::Subscript(a, b) | ExprKind::Binary(_, a, b) | ExprKind::NullIf(a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Distinct { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Slice(a, b, c) => {
                self.expr(a);
                for part in [b, c].into_iter().flatten() {
                    self.expr(part);
                }
            }
            ExprKind::And(list)
            | ExprKind::Or(list)
            | ExprKind::Array(list)
            | ExprKind::Row(list)
            | ExprKind::Coalesce(list)
            | ExprKind::Extreme { args: list, .. } => self.exprs(list),
            ExprKind::Like { expr, pattern, escape, .. } => {
                self.expr(expr);
                self.expr(pattern);
                if let Some(escape) = escape {
                    self.expr(escape);
                }
            }
            ExprKind::Between { expr, low, high, .. } => {
                self.expr(expr);
                self.expr(low);
                self.expr(high);
            }
            ExprKind::InList { expr, list, .. } => {
                self.expr(expr);
                self.exprs(list);
            }
            ExprKind::InQuery { expr, query, .. } => {
                self.expr(expr);
                self.query(query);
            }
            ExprKind::Quantified { expr, right, .. } => {
                self.expr(expr);
                match right {
                    Quantified::Array(array) => self.expr(array),
                    Quantified::Query(query) => self.query(query),
                }
            }
            ExprKind::Exists(query) | ExprKind::Scalar(query) | ExprKind::ArrayQuery(query) => self.query(query),
            ExprKind::Case { operand, arms, otherwise } => {
                if let Some(operand) = operand {
                    self.expr(operand);
                }
                for (when, then) in arms {
                    self.expr(when);
                    self.expr(then);
                }
                if let Some(otherwise) = otherwise {
                    self.expr(otherwise);
                }
            }
            ExprKind::Call(call) => self.call(call),
        }
    }

    fn exprs(&mut self, list: &mut [Expr]) {
        for expr in list {
            self.expr(expr);
        }
    }

    fn call(&mut self, call: &mut Call) {
        self.visit.call(call);
        for arg in &mut call.args {
            self.expr(&mut arg.value);
        }
        self.order(&mut call.order_by);
        self.order(&mut call.within_group);
        if let Some(filter) = &mut call.filter {
            self.expr(filter);
        }
        if let Some(window) = &mut call.over {
            self.window(window);
        }
    }

    fn window(&mut self, window: &mut Window) {
        self.exprs(&mut window.partition_by);
        self.order(&mut window.order_by);
    }

    fn order(&mut self, items: &mut [OrderItem]) {
        for item in items {
            self.expr(&mut item.expr);
        }
    }

    /// Walks a query.
    pub(super) fn query(&mut self, query: &mut Query) {
        self.visit.query();
        self.scopes.push(Scope::default());
        if let Some(with) = &mut query.with {
            self.with(with);
        }
        self.body(&mut query.body, &mut query.order_by);
        if let Some(limit) = &mut query.limit {
            self.expr(limit);
        }
        if let Some(offset) = &mut query.offset {
            self.expr(offset);
        }
        self.scopes.pop();
    }

    fn with(&mut self, with: &mut With) {
        for cte in &mut with.ctes {
            if with.recursive {
                self.name_cte(&cte.name);
            }
            match cte.body.as_mut() {
                CteBody::Query(query) => self.query(query),
                // Stored definitions hold no data changes: views and policies may not.
                CteBody::Insert(_) | CteBody::Update(_) | CteBody::Delete(_) => {}
            }
            if !with.recursive {
                self.name_cte(&cte.name);
            }
        }
    }

    fn name_cte(&mut self, name: &str) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.ctes.push(name.to_owned());
        }
    }

    fn body(&mut self, body: &mut SetExpr, order_by: &mut [OrderItem]) {
        match body {
            SetExpr::Select(select) => self.select(select, order_by),
            SetExpr::Values(rows) => {
                for row in rows {
                    self.exprs(row);
                }
            }
            SetExpr::Query(query) => self.query(query),
            SetExpr::Set { left, right, .. } => {
                self.body(left, &mut []);
                self.body(right, &mut []);
            }
        }
    }

    fn select(&mut self, select: &mut Select, order_by: &mut [OrderItem]) {
        self.scopes.push(Scope::default());
        for item in &mut select.from {
            self.from(item);
        }
        if self.expand_stars {
            self.expand(select);
        }
        for item in &mut select.items {
            let shown = shown_name(item);
            self.expr(&mut item.expr);
            // A renamed column keeps its name in the output, for whoever refers to it from outside.
            if item.alias.is_none() && matches!(item.expr.kind, ExprKind::Column(_)) && shown_name(item) != shown {
                item.alias = shown;
            }
        }
        if let Some(on) = &mut select.distinct {
            self.exprs(on);
        }
        if let Some(filter) = &mut select.filter {
            self.expr(filter);
        }
        self.exprs(&mut select.group_by);
        if let Some(having) = &mut select.having {
            self.expr(having);
        }
        for (_, window) in &mut select.windows {
            self.window(window);
        }
        self.order(order_by);
        self.scopes.pop();
    }

    /// Replaces `*` and `t.*` by the columns of the sources they stand for.
    fn expand(&mut self, select: &mut Select) {
        let merged = select.from.iter().any(merges_columns);
        let items = std::mem::take(&mut select.items);
        for item in items {
            let ExprKind::Star(parts) = &item.expr.kind else {
                select.items.push(item);
                continue;
            };
            let wanted = parts.last();
            let sources: Vec<&Source> = self
                .scopes
                .last()
                .map(|scope| scope.sources.iter().filter(|s| wanted.is_none_or(|name| s.name == *name)).collect())
                .unwrap_or_default();
            let known = sources.iter().all(|s| s.columns.is_some() && !s.name.is_empty());
            if !known || sources.is_empty() || (merged && wanted.is_none()) {
                self.unknown_star = true;
                select.items.push(item);
                continue;
            }
            for source in sources {
                for (column, _) in source.columns.iter().flatten() {
                    let kind = ExprKind::Column(vec![source.name.clone(), column.clone()]);
                    select.items.push(SelectItem { expr: Expr { kind, pos: item.expr.pos }, alias: None });
                }
            }
        }
    }

    fn add(&mut self, source: Source) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.sources.push(source);
        }
    }

    fn from(&mut self, item: &mut FromItem) {
        match item {
            FromItem::Table { name, alias, .. } => {
                let is_cte = name.schema.is_none() && self.scopes.iter().any(|s| s.ctes.contains(&name.name));
                if is_cte {
                    let shown = alias.as_ref().map_or(&name.name, |a| &a.name).clone();
                    self.add(Source { name: shown, by_alias: true, schema: None, relation: None, columns: None });
                    return;
                }
                let found = match &name.schema {
                    Some(schema) => self.catalog.relation(schema, &name.name),
                    None => self.catalog.relation_in_path(self.path, &name.name),
                }
                .cloned();
                let source = match &found {
                    Some(relation) => {
                        let shown = alias.as_ref().map_or(&relation.name, |a| &a.name).clone();
                        let columns = alias.as_ref().map_or(&[][..], |a| &a.columns);
                        self.relation_source(relation, shown, alias.is_some(), columns)
                    }
                    None => {
                        let shown = alias.as_ref().map_or(&name.name, |a| &a.name).clone();
                        Source { name: shown, by_alias: true, schema: None, relation: None, columns: None }
                    }
                };
                self.add(source);
                self.visit.table(name, found.map(|r| Oid(r.oid)));
            }
            FromItem::Query { query, alias, .. } => {
                let shown = output_names(&query.body);
                self.query(query);
                self.add(derived(alias.as_ref(), shown));
            }
            FromItem::Function { calls, alias, columns, .. } => {
                for call in calls.iter_mut() {
                    self.expr(call);
                }
                for (_, ty) in columns.iter_mut() {
                    self.visit.type_name(ty);
                }
                let mut shown: Option<Vec<String>> = None;
                if !columns.is_empty() {
                    shown = Some(columns.iter().map(|(name, _)| name.clone()).collect());
                }
                self.add(derived(alias.as_ref(), shown));
            }
            FromItem::Join { left, right, on, alias, .. } => {
                let first = self.scopes.last().map_or(0, |s| s.sources.len());
                self.from(left);
                self.from(right);
                match on {
                    JoinOn::None => {}
                    JoinOn::On(expr) => self.expr(expr),
                    JoinOn::Using(names) => {
                        for name in names {
                            let sides: Vec<(Oid, i16)> = self
                                .scopes
                                .last()
                                .map(|s| s.sources.get(first..).unwrap_or_default())
                                .unwrap_or_default()
                                .iter()
                                .filter_map(|s| {
                                    let column = s.columns.as_ref()?.iter().find(|(n, _)| n == name)?;
                                    Some((s.relation?, column.1))
                                })
                                .collect();
                            self.visit.using(name, &sides);
                        }
                    }
                }
                if let Some(alias) = alias {
                    self.add(derived(Some(alias), None));
                }
            }
        }
    }
}

/// Whether a join shows columns of both sides as one, so that a star is not the list of both sides' columns.
fn merges_columns(item: &FromItem) -> bool {
    match item {
        FromItem::Join { natural, left, right, on, alias, .. } => {
            *natural || alias.is_some() || matches!(on, JoinOn::Using(_)) || merges_columns(left) || merges_columns(right)
        }
        _ => false,
    }
}

fn derived(alias: Option<&Alias>, shown: Option<Vec<String>>) -> Source {
    let columns = match alias {
        Some(alias) if !alias.columns.is_empty() => Some(alias.columns.clone()),
        _ => shown,
    };
    Source {
        name: alias.map(|a| a.name.clone()).unwrap_or_default(),
        by_alias: true,
        schema: None,
        relation: None,
        columns: columns.map(|names| names.into_iter().map(|n| (n, 0)).collect()),
    }
}

/// The name an output column shows.
pub(super) fn shown_name(item: &SelectItem) -> Option<String> {
    if let Some(alias) = &item.alias {
        return Some(alias.clone());
    }
    figure_name(&item.expr)
}

/// The name PostgreSQL derives from an expression (`FigureColname`), `None` where it falls back to `?column?`.
pub(super) fn figure_name(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Column(parts) => parts.last().cloned(),
        ExprKind::Field(_, name) => Some(name.clone()),
        ExprKind::Call(call) => Some(call.name.name.clone()),
        ExprKind::Cast(inner, ty) => figure_name(inner).or_else(|| Some(ty.name.clone())),
        ExprKind::Collate(inner, _) | ExprKind::Subscript(inner, _) | ExprKind::Slice(inner, ..) => figure_name(inner),
        ExprKind::Coalesce(_) => Some("coalesce".to_owned()),
        ExprKind::NullIf(..) => Some("nullif".to_owned()),
        ExprKind::Extreme { greatest: true, .. } => Some("greatest".to_owned()),
        ExprKind::Extreme { greatest: false, .. } => Some("least".to_owned()),
        ExprKind::Exists(_) => Some("exists".to_owned()),
        ExprKind::Array(_) | ExprKind::ArrayQuery(_) => Some("array".to_owned()),
        ExprKind::Row(_) => Some("row".to_owned()),
        ExprKind::Keyword(word, _) => Some(word.clone()),
        ExprKind::Case { otherwise, .. } => otherwise.as_ref().and_then(|e| figure_name(e)).or_else(|| Some("case".to_owned())),
        ExprKind::Scalar(query) => match &query.body {
            SetExpr::Select(select) => select.items.first().and_then(shown_name),
            _ => None,
        },
        _ => None,
    }
}

/// The output names of a query's first select list; `None` when it holds a star.
fn output_names(body: &SetExpr) -> Option<Vec<String>> {
    match body {
        SetExpr::Select(select) => select
            .items
            .iter()
            .map(|item| match item.expr.kind {
                ExprKind::Star(_) => None,
                _ => Some(shown_name(item).unwrap_or_else(|| "?column?".to_owned())),
            })
            .collect(),
        SetExpr::Values(rows) => rows.first().map(|row| (1..=row.len()).map(|i| format!("column{i}")).collect()),
        SetExpr::Query(query) => output_names(&query.body),
        SetExpr::Set { left, .. } => output_names(left),
    }
}
