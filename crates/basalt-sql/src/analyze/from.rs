//! FROM: tables, views, subqueries, functions, joins.

use std::sync::Arc;

use basalt_catalog::{Relation, RelationKind};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlState, TypeRef};

use super::call::numbered;
use super::error::{Result, error, unsupported};
use super::scope::{Clause, Scope, ScopeColumn, ScopeTable};
use super::{Analyzer, Context};
use crate::tree::{self, FromItem, JoinKind, JoinOn};
use crate::typed::{Expr, ExprKind, From};

/// A common table expression in sight.
#[derive(Debug, Clone)]
pub(super) struct CteEntry {
    pub name: String,
    pub id: u32,
    pub columns: Vec<(String, TypeRef)>,
}

impl Analyzer<'_> {
    /// The items of FROM, added to the current scope.
    pub(super) fn items_of_from(&mut self, items: &[FromItem]) -> Result<Vec<From>> {
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            let (from, scope) = self.item(item)?;
            self.check_aliases(&scope)?;
            if let Some(current) = self.scopes.last_mut() {
                current.add(scope);
            }
            list.push(from);
        }
        Ok(list)
    }

    fn check_aliases(&self, new: &Scope) -> Result<()> {
        let current = self.scopes.last().map(|s| s.tables.as_slice()).unwrap_or_default();
        distinct_aliases(current, &new.tables)
    }

    fn item(&mut self, item: &FromItem) -> Result<(From, Scope)> {
        self.deeper(|a| match item {
            FromItem::Table { name, alias, sample, only: _ } => {
                if *sample {
                    return Err(unsupported("TABLESAMPLE").at(name.pos));
                }
                a.table_item(name, alias.as_ref()).map_err(|e| e.at(name.pos))
            }
            FromItem::Query { query, lateral, alias } => a.query_item(query, *lateral, alias.as_ref()),
            FromItem::Function { calls, lateral: _, with_ordinality, alias, columns } => {
                let [call] = calls.as_slice() else { return Err(unsupported("ROWS FROM with several functions")) };
                a.function_item(call, *with_ordinality, alias.as_ref(), columns)
            }
            FromItem::Join { kind, natural, left, right, on, alias } => {
                a.join_item(*kind, *natural, left, right, on, alias.as_ref())
            }
        })
    }

    fn table_item(&mut self, name: &tree::Name, alias: Option<&tree::Alias>) -> Result<(From, Scope)> {
        if name.schema.is_none()
            && let Some(cte) = self.ctes.iter().rev().find(|c| c.name == name.name).cloned()
        {
            let range = self.ranges.next();
            let columns = renamed(&name.name, cte.columns, alias)?;
            let shown = alias.map_or(name.name.as_str(), |a| a.name.as_str()).to_owned();
            let table = self.scope_table(shown.clone(), None, range, numbered(&columns), None);
            return Ok((From::Cte { range, cte: cte.id, alias: shown }, Scope::of_table(table)));
        }
        let relation = self.relation(name)?;
        let range = self.ranges.next();
        let mut table = self.relation_table(&relation, range, alias.map(|a| a.name.as_str()));
        rename_columns(&mut table, alias)?;
        let shown = table.alias.clone();
        let from = match relation.kind {
            RelationKind::View => {
                let query = Box::new(self.view_query(&relation)?);
                From::Query { range, query, lateral: false, alias: shown, view: Some(Oid(relation.oid)) }
            }
            RelationKind::Sequence => return Err(unsupported("reading a sequence as a table")),
            RelationKind::Table | RelationKind::MaterializedView => {
                From::Table { range, relation: Oid(relation.oid), alias: shown }
            }
        };
        Ok((from, Scope::of_table(table)))
    }

    /// A relation by name.
    pub(super) fn relation(&self, name: &tree::Name) -> Result<Arc<Relation>> {
        let shown = name.schema.as_ref().map_or_else(|| name.name.clone(), |s| format!("{s}.{}", name.name));
        let found = match &name.schema {
            Some(schema) => self.catalog.relation(schema, &name.name),
            None => self.ctx.search_path.iter().find_map(|schema| self.catalog.relation(schema, &name.name)),
        };
        if let Some(found) = found {
            return Ok(Arc::clone(found));
        }
        let system = matches!(name.schema.as_deref(), Some("pg_catalog" | "information_schema"))
            || (name.schema.is_none() && name.name.starts_with("pg_"));
        if system {
            return Err(unsupported(format_args!("the system catalog {shown}")));
        }
        Err(error(SqlState::UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist")))
    }

    /// A view's query, analysed on its own.
    fn view_query(&mut self, relation: &Relation) -> Result<crate::typed::Query> {
        let oid = Oid(relation.oid);
        if self.views.contains(&oid) {
            let message = format!("infinite recursion detected in rules for relation \"{}\"", relation.name);
            return Err(error(SqlState::INVALID_OBJECT_DEFINITION, message));
        }
        let Some(view) = &relation.view else {
            return Err(error(SqlState::INTERNAL, format!("view \"{}\" has no query", relation.name)));
        };
        let tree = crate::parse::query(&view.query).map_err(|e| error(e.code, e.message))?;
        let ctx = Context { search_path: self.ctx.search_path.clone(), ..Context::default() };
        let mut inner = Analyzer::new(self.catalog, &ctx);
        inner.ranges = self.ranges.clone();
        inner.next_cte = self.next_cte;
        inner.depth = self.depth;
        inner.views = self.views.clone();
        inner.views.push(oid);
        let query = inner.deeper(|a| a.query(&tree, true)).map_err(|mut e| {
            // The place is one of the view's text, not of the statement's.
            e.pos = None;
            e
        })?;
        let (ranges, next_cte) = (inner.ranges.clone(), inner.next_cte);
        self.ranges = ranges;
        self.next_cte = next_cte;
        Ok(query)
    }

    fn query_item(&mut self, query: &tree::Query, lateral: bool, alias: Option<&tree::Alias>) -> Result<(From, Scope)> {
        let siblings = if lateral { None } else { self.scopes.last_mut().map(std::mem::take) };
        if let (Some(siblings), Some(current)) = (&siblings, self.scopes.last_mut()) {
            current.hidden = siblings.tables.iter().map(|t| t.alias.clone()).collect();
        }
        let typed = self.subquery(query);
        if let (Some(siblings), Some(current)) = (siblings, self.scopes.last_mut()) {
            *current = siblings;
        }
        let typed = typed?;
        let range = self.ranges.next();
        let shown = alias.map_or("unnamed_subquery", |a| a.name.as_str()).to_owned();
        let columns = renamed(&shown, typed.columns(), alias)?;
        let mut table = self.scope_table(shown.clone(), None, range, numbered(&columns), None);
        if alias.is_none() {
            // Without an alias its columns can be named, itself not.
            table.alias = String::new();
        }
        Ok((From::Query { range, query: Box::new(typed), lateral, alias: shown, view: None }, Scope::of_table(table)))
    }

    fn function_item(
        &mut self,
        call: &tree::Expr,
        with_ordinality: bool,
        alias: Option<&tree::Alias>,
        definitions: &[(String, tree::TypeName)],
    ) -> Result<(From, Scope)> {
        let super::call::Called { call: typed, mut columns, name } = self.called_columns(call)?;
        let shown = alias.map_or(name.as_str(), |a| a.name.as_str()).to_owned();
        let composite = columns.len() > 1;
        let mut scalar = false;
        if !definitions.is_empty() {
            if typed.ty.oid != oid::RECORD {
                let message = "a column definition list is only allowed for functions returning \"record\"";
                return Err(error(SqlState::SYNTAX_ERROR, message).at(call.pos));
            }
            columns = definitions
                .iter()
                .map(|(name, ty)| Ok((name.clone(), super::types::resolve(self.catalog, &self.ctx.search_path, ty)?)))
                .collect::<Result<_>>()?;
        } else if columns.is_empty() {
            if typed.ty.oid == oid::RECORD {
                let message = "a column definition list is required for functions returning \"record\"";
                return Err(error(SqlState::SYNTAX_ERROR, message).at(call.pos));
            }
            columns = vec![(shown.clone(), typed.ty)];
            scalar = true;
        } else {
            scalar = !composite && typed.ty.oid != oid::RECORD;
        }
        let mut visible = columns.clone();
        if with_ordinality {
            visible.push(("ordinality".to_owned(), TypeRef::of(oid::INT8)));
        }
        let visible = renamed(&shown, visible, alias)?;
        for (column, (name, _)) in columns.iter_mut().zip(&visible) {
            column.0.clone_from(name);
        }
        let range = self.ranges.next();
        let table = self.scope_table(shown.clone(), None, range, numbered(&visible), None);
        if let Some(info) = self.info.get_mut(&range) {
            info.scalar = scalar && !with_ordinality;
        }
        let lateral = !crate::typed::free_ranges(&typed).is_empty();
        let from = From::Function { range, call: Box::new(typed), columns, with_ordinality, lateral, alias: shown };
        Ok((from, Scope::of_table(table)))
    }

    fn join_item(
        &mut self,
        kind: JoinKind,
        natural: bool,
        left: &FromItem,
        right: &FromItem,
        on: &JoinOn,
        alias: Option<&tree::Alias>,
    ) -> Result<(From, Scope)> {
        let (left, left_scope) = self.item(left)?;
        // The right side may look at the left one if it is lateral.
        let sizes = self.scopes.last_mut().map(|current| {
            let sizes = (current.tables.len(), current.columns.len());
            current.add(left_scope.clone());
            sizes
        });
        let right = self.item(right);
        if let (Some((tables, columns)), Some(current)) = (sizes, self.scopes.last_mut()) {
            current.tables.truncate(tables);
            current.columns.truncate(columns);
        }
        let (right, right_scope) = right?;
        distinct_aliases(&left_scope.tables, &right_scope.tables)?;
        let using: Option<Vec<String>> = match on {
            JoinOn::Using(names) => Some(names.clone()),
            _ if natural => Some(
                left_scope
                    .columns
                    .iter()
                    .filter(|l| right_scope.columns.iter().any(|r| r.name == l.name))
                    .map(|l| l.name.clone())
                    .collect(),
            ),
            _ => None,
        };
        let mut scope = Scope { tables: left_scope.tables, ..Scope::default() };
        scope.tables.extend(right_scope.tables);
        let condition = match (&using, on) {
            (Some(names), _) => {
                let (condition, columns) = self.join_using(kind, names, left_scope.columns, right_scope.columns)?;
                scope.columns = columns;
                condition
            }
            (None, JoinOn::On(condition)) => {
                scope.columns = left_scope.columns;
                scope.columns.extend(right_scope.columns);
                // ON sees the joined tables, not their siblings in FROM.
                let siblings = self.scopes.last_mut().map(|current| std::mem::replace(current, scope.clone()));
                let condition = self.within(Clause::JoinOn, |a| a.condition(condition, "JOIN/ON"));
                if let (Some(siblings), Some(current)) = (siblings, self.scopes.last_mut()) {
                    *current = siblings;
                }
                Some(condition?)
            }
            (None, _) => {
                scope.columns = left_scope.columns;
                scope.columns.extend(right_scope.columns);
                None
            }
        };
        if let Some(alias) = alias {
            // The joined tables' own names are hidden behind the join's.
            let mut table = ScopeTable { alias: alias.name.clone(), schema: None, range: None, columns: scope.columns };
            rename_columns(&mut table, Some(alias))?;
            scope = Scope::of_table(table);
        }
        // A cross join has no condition; an inner join by NATURAL may have none either.
        let kind = if condition.is_none() && kind == JoinKind::Inner { JoinKind::Cross } else { kind };
        let condition = condition.or_else(|| (!matches!(kind, JoinKind::Cross)).then(|| Expr::bool(true)));
        Ok((From::Join { kind, left: Box::new(left), right: Box::new(right), on: condition }, scope))
    }

    /// The condition of USING, and the columns of the join: merged ones first.
    fn join_using(
        &mut self,
        kind: JoinKind,
        names: &[String],
        left: Vec<ScopeColumn>,
        right: Vec<ScopeColumn>,
    ) -> Result<(Option<Expr>, Vec<ScopeColumn>)> {
        let find = |side: &[ScopeColumn], which: &str, name: &str| -> Result<Expr> {
            let mut found = side.iter().filter(|c| c.name == name);
            let first = found.next().ok_or_else(|| {
                let message = format!("column \"{name}\" specified in USING clause does not exist in {which} table");
                error(SqlState::UNDEFINED_COLUMN, message)
            })?;
            if found.next().is_some() {
                let message = format!("common column name \"{name}\" appears more than once in {which} table");
                return Err(error(SqlState::AMBIGUOUS_COLUMN, message));
            }
            Ok(first.expr.clone())
        };
        let mut condition = None;
        let mut columns = Vec::with_capacity(left.len() + right.len());
        for name in names {
            let (l, r) = (find(&left, "left", name)?, find(&right, "right", name)?);
            let equal = self.operator("=", Some(l.clone()), r.clone())?;
            condition = Expr::and(condition, Some(equal));
            let common = self.common(&[l.clone(), r.clone()], "JOIN/USING")?;
            let (l, r) = (self.to_common(l, common, "JOIN/USING")?, self.to_common(r, common, "JOIN/USING")?);
            let merged = match kind {
                JoinKind::Right => r,
                JoinKind::Full => Expr::new(ExprKind::Coalesce(vec![l, r]), common),
                JoinKind::Cross | JoinKind::Inner | JoinKind::Left => l,
            };
            columns.push(ScopeColumn { name: name.clone(), expr: merged });
        }
        columns.extend(left.into_iter().chain(right).filter(|c| !names.contains(&c.name)));
        Ok((condition, columns))
    }
}

fn distinct_aliases(left: &[ScopeTable], right: &[ScopeTable]) -> Result<()> {
    for table in right.iter().filter(|t| !t.alias.is_empty()) {
        let same = |other: &&ScopeTable| {
            other.alias == table.alias && (other.schema == table.schema || other.schema.is_none() || table.schema.is_none())
        };
        if left.iter().any(|other| same(&other)) {
            return Err(error(SqlState::DUPLICATE_ALIAS, format!("table name \"{}\" specified more than once", table.alias)));
        }
    }
    Ok(())
}

fn too_many(name: &str, available: usize, given: usize) -> super::AnalyzeError {
    let message = format!("table \"{name}\" has {available} columns available but {given} columns specified");
    error(SqlState::INVALID_COLUMN_REFERENCE, message)
}

/// Columns under the names of an alias.
fn renamed(table: &str, mut columns: Vec<(String, TypeRef)>, alias: Option<&tree::Alias>) -> Result<Vec<(String, TypeRef)>> {
    let given = alias.map(|a| a.columns.as_slice()).unwrap_or_default();
    if given.len() > columns.len() {
        return Err(too_many(table, columns.len(), given.len()));
    }
    for ((name, _), new) in columns.iter_mut().zip(given) {
        name.clone_from(new);
    }
    Ok(columns)
}

fn rename_columns(table: &mut ScopeTable, alias: Option<&tree::Alias>) -> Result<()> {
    let given = alias.map(|a| a.columns.as_slice()).unwrap_or_default();
    if given.len() > table.columns.len() {
        return Err(too_many(&table.alias, table.columns.len(), given.len()));
    }
    for (column, new) in table.columns.iter_mut().zip(given) {
        column.name.clone_from(new);
    }
    Ok(())
}
