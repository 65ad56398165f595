//! INSERT, UPDATE, DELETE, and expressions that belong to a table.

use std::sync::Arc;

use basalt_catalog::{Column, ConstraintKind, Identity, Index, IndexTerm, Relation, RelationKind, Volatility};
use basalt_types::{Oid, SqlError, SqlState, TypeRef};

use super::error::{AnalyzeError, Result, error, unsupported};
use super::scope::{Clause, Scope};
use super::{Analyzer, CastContext, ExprUse, NamedRow, updatable};
use crate::tree;
use crate::typed::{
    Body, ConflictUpdate, Delete, Expr, Insert, InsertSource, OnConflict, RangeId, Update, UpdateSet, uses_range, volatility,
};

fn is_default(e: &tree::Expr) -> bool {
    matches!(&e.kind, tree::ExprKind::Special(word) if word == "default")
}

impl Analyzer<'_> {
    /// The table a statement writes, or the view it is written through.
    fn write_target(&mut self, name: &tree::Name) -> Result<Arc<Relation>> {
        let relation = self.relation(name).map_err(|e| e.at(name.pos))?;
        match relation.kind {
            // A materialized view is refused once rights have been looked at.
            RelationKind::Table | RelationKind::View | RelationKind::MaterializedView => Ok(relation),
            RelationKind::Sequence => {
                Err(error(SqlState::WRONG_OBJECT_TYPE, format!("cannot change sequence \"{}\"", relation.name)).at(name.pos))
            }
        }
    }

    pub(super) fn insert(&mut self, insert: &tree::Insert) -> Result<Insert> {
        let ctes = match &insert.with {
            Some(with) => self.with(with)?,
            None => Vec::new(),
        };
        let relation = self.write_target(&insert.table)?;
        let range = self.ranges.next();
        let (columns, source) = self.insert_source(insert, &relation)?;
        let table = self.relation_table(&relation, range, insert.alias.as_deref());
        self.scopes.push(Scope::of_table(table));
        let rest = self.insert_rest(insert, &relation, range);
        self.scopes.pop();
        let (on_conflict, returning) = rest?;
        Ok(Insert {
            ctes,
            relation: Oid(relation.oid),
            range,
            columns,
            source,
            overriding_system: insert.overriding_system,
            on_conflict,
            returning,
        })
    }

    fn insert_source(&mut self, insert: &tree::Insert, relation: &Relation) -> Result<(Vec<i16>, InsertSource)> {
        let written = !insert.columns.is_empty();
        let mut columns: Vec<&Column> = if written {
            insert.columns.iter().map(|name| target_column(relation, name)).collect::<Result<_>>()?
        } else {
            relation.columns.iter().collect()
        };
        for (at, column) in columns.iter().enumerate() {
            if columns.iter().take(at).any(|other| other.attnum == column.attnum) {
                return Err(error(SqlState::DUPLICATE_COLUMN, format!("column \"{}\" specified more than once", column.name)));
            }
        }
        let Some(query) = &insert.source else {
            return Ok((Vec::new(), InsertSource::Values(vec![Vec::new()])));
        };
        let plain_values = query.with.is_none() && query.order_by.is_empty() && query.limit.is_none() && query.offset.is_none();
        let source = match &query.body {
            tree::SetExpr::Values(rows) if plain_values => {
                let rows: Vec<_> = rows.iter().map(|row| self.without_stars(row)).collect();
                let width = rows.first().map_or(0, |row| row.len());
                check_width(width, &columns, written)?;
                columns.truncate(width);
                let mut typed = Vec::with_capacity(rows.len());
                for row in &rows {
                    if row.len() != width {
                        return Err(error(SqlState::SYNTAX_ERROR, "VALUES lists must all be the same length"));
                    }
                    let mut values = Vec::with_capacity(width);
                    for (value, column) in row.iter().zip(&columns) {
                        values.push(self.stored(value, column, insert.overriding_system, Clause::Values)?);
                    }
                    typed.push(values);
                }
                InsertSource::Values(typed)
            }
            _ => {
                let mut typed = self.query(query, false)?;
                let given = typed.columns();
                check_width(given.len(), &columns, written)?;
                columns.truncate(given.len());
                for (at, ((_, ty), column)) in given.iter().zip(&columns).enumerate() {
                    check_generated(column, insert.overriding_system, "insert a non-DEFAULT value into")?;
                    if *ty != column.type_ref() {
                        let what = self.assignment_error(column, ty.oid);
                        typed = match typed.body {
                            // Only the select list itself can give an untyped literal its type.
                            Body::Select(_) | Body::Values { .. } | Body::Set { .. } => self
                                .coerce_query_column(typed, at, column.type_ref(), CastContext::Assignment)
                                .map_err(|e| if e.error.state == SqlState::CANNOT_COERCE { what } else { e })?,
                        };
                    }
                }
                InsertSource::Query(Box::new(typed))
            }
        };
        Ok((columns.iter().map(|c| c.attnum).collect(), source))
    }

    fn assignment_error(&self, column: &Column, source: Oid) -> AnalyzeError {
        let (target, source) = (self.shown(Oid(column.ty)), self.shown(source));
        let message = format!("column \"{}\" is of type {target} but expression is of type {source}", column.name);
        error(SqlState::DATATYPE_MISMATCH, message).hint("You will need to rewrite or cast the expression.")
    }

    /// A value for a column; `None` for DEFAULT.
    fn stored(
        &mut self,
        value: &tree::Expr,
        column: &Column,
        overriding_system: Option<bool>,
        clause: Clause,
    ) -> Result<Option<Expr>> {
        if is_default(value) {
            return Ok(None);
        }
        let verb = if clause == Clause::UpdateSet { "update" } else { "insert a non-DEFAULT value into" };
        if clause == Clause::UpdateSet {
            check_updatable(column).map_err(|e| e.at(value.pos))?;
        } else {
            check_generated(column, overriding_system, verb).map_err(|e| e.at(value.pos))?;
        }
        let expr = self.within(clause, |a| a.expr(value))?;
        self.assign(expr, column.type_ref(), &column.name).map(Some).map_err(|e| e.at(value.pos))
    }

    fn insert_rest(
        &mut self,
        insert: &tree::Insert,
        relation: &Relation,
        range: RangeId,
    ) -> Result<(Option<OnConflict>, Vec<crate::typed::Target>)> {
        let on_conflict = match &insert.on_conflict {
            Some(conflict) => Some(self.on_conflict(conflict, relation, range)?),
            None => None,
        };
        let returning = self.returning(&insert.returning)?;
        Ok((on_conflict, returning))
    }

    fn returning(&mut self, items: &[tree::SelectItem]) -> Result<Vec<crate::typed::Target>> {
        let mut targets = self.targets(items, Clause::Returning)?;
        for target in &mut targets {
            target.expr = self.settle(target.expr.clone())?;
        }
        Ok(targets)
    }

    fn on_conflict(&mut self, conflict: &tree::OnConflict, relation: &Relation, range: RangeId) -> Result<OnConflict> {
        let arbiters = match &conflict.target {
            tree::ConflictTarget::Any if conflict.update.is_some() => {
                let message = "ON CONFLICT DO UPDATE requires inference specification or constraint name";
                return Err(error(SqlState::SYNTAX_ERROR, message).hint("For example, ON CONFLICT (column_name)."));
            }
            tree::ConflictTarget::Any => Vec::new(),
            tree::ConflictTarget::Constraint(name) => vec![constraint_index(relation, name)?],
            tree::ConflictTarget::Index(keys, filter) => self.infer_indexes(keys, filter.as_ref(), relation, range)?,
        };
        let update = match &conflict.update {
            None => None,
            Some(update) => {
                let excluded = self.ranges.next();
                let mut table = self.relation_table(relation, excluded, Some("excluded"));
                table.schema = None;
                // Not nameable without its name: columns of the target win.
                if let Some(scope) = self.scopes.last_mut() {
                    scope.tables.push(table);
                }
                let set = self.assignments(&update.set, relation)?;
                let filter = match &update.filter {
                    Some(filter) => Some(self.within(Clause::Where, |a| a.condition(filter, "WHERE"))?),
                    None => None,
                };
                if let Some(scope) = self.scopes.last_mut() {
                    scope.tables.pop();
                }
                Some(ConflictUpdate { excluded, set, filter })
            }
        };
        Ok(OnConflict { arbiters, columns: Vec::new(), update })
    }

    /// The unique indexes that the columns and expressions of ON CONFLICT name.
    fn infer_indexes(
        &mut self,
        keys: &[tree::Expr],
        filter: Option<&tree::Expr>,
        relation: &Relation,
        range: RangeId,
    ) -> Result<Vec<Oid>> {
        let wanted = keys.iter().map(|key| self.within(Clause::Index, |a| a.settled(key))).collect::<Result<Vec<Expr>>>()?;
        let filter = match filter {
            Some(filter) => Some(self.within(Clause::IndexPredicate, |a| a.condition(filter, "WHERE"))?),
            None => None,
        };
        let behind;
        let (relation, wanted, filter) = if relation.kind == RelationKind::View {
            // The indexes are those of the table behind it.
            let view = self.catalog.relation_by_oid(Oid(relation.oid)).ok_or_else(|| SqlError::internal("a view has gone"))?;
            let chain = updatable::chain(view, updatable::Change::Insert, self.catalog)?;
            if chain.refused.is_some() {
                // Why it cannot be written is said first.
                return Ok(Vec::new());
            }
            let wanted = wanted.iter().map(|key| chain.behind(key, range)).collect();
            let filter = filter.map(|filter| chain.behind(&filter, range));
            behind = chain.end;
            (&*behind, wanted, filter)
        } else {
            (relation, wanted, filter)
        };
        let mut arbiters = Vec::new();
        for index in relation.indexes.iter().filter(|i| i.unique) {
            if self.index_matches(index, &wanted, filter.as_ref(), relation, range)? {
                check_immediate(relation, index)?;
                arbiters.push(Oid(index.oid));
            }
        }
        if arbiters.is_empty() {
            let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
            return Err(error(SqlState::INVALID_COLUMN_REFERENCE, message));
        }
        Ok(arbiters)
    }

    fn index_matches(
        &self,
        index: &Index,
        wanted: &[Expr],
        filter: Option<&Expr>,
        relation: &Relation,
        range: RangeId,
    ) -> Result<bool> {
        let on_relation = |text: &str, kind| super::expr_text_on_relation(text, relation, range, self.catalog, self.ctx, kind);
        let mut have = Vec::with_capacity(index.keys.len());
        for key in &index.keys {
            have.push(match &key.term {
                IndexTerm::Column(attnum) => {
                    let Some(column) = relation.column_at(*attnum) else { return Ok(false) };
                    Expr::column(range, *attnum, column.type_ref())
                }
                IndexTerm::Expr(text) => on_relation(text, ExprUse::Index)?,
            });
        }
        if !have.iter().all(|key| wanted.contains(key)) || !wanted.iter().all(|key| have.contains(key)) {
            return Ok(false);
        }
        let Some(text) = &index.filter else { return Ok(true) };
        // The written condition must imply the index's: it is it, or has it among its AND-ed parts.
        let needed = on_relation(text, ExprUse::IndexPredicate)?;
        let parts = |e: &Expr| match &e.kind {
            crate::typed::ExprKind::And(parts) => parts.clone(),
            _ => vec![e.clone()],
        };
        let given = filter.map(parts).unwrap_or_default();
        Ok(parts(&needed).iter().all(|part| given.contains(part)))
    }

    /// SET.
    fn assignments(&mut self, set: &[tree::Assignment], relation: &Relation) -> Result<Vec<(i16, Option<Expr>)>> {
        let mut list: Vec<(i16, Option<Expr>)> = Vec::with_capacity(set.len());
        for assignment in set {
            let values: Vec<&tree::Expr> = match (assignment.columns.as_slice(), &assignment.value.kind) {
                ([_], _) => vec![&assignment.value],
                (columns, tree::ExprKind::Row(values)) => {
                    if values.len() != columns.len() {
                        return Err(error(SqlState::SYNTAX_ERROR, "number of columns does not match number of values")
                            .at(assignment.value.pos));
                    }
                    values.iter().collect()
                }
                (_, tree::ExprKind::Scalar(_)) => {
                    return Err(unsupported("assigning several columns from a subquery").at(assignment.value.pos));
                }
                _ => {
                    let message = "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
                    return Err(error(SqlState::FEATURE_NOT_SUPPORTED, message).at(assignment.value.pos));
                }
            };
            for (name, value) in assignment.columns.iter().zip(values) {
                let column = target_column(relation, name).map_err(|e| e.at(value.pos))?;
                if list.iter().any(|(attnum, _)| *attnum == column.attnum) {
                    let message = format!("multiple assignments to same column \"{name}\"");
                    return Err(error(SqlState::SYNTAX_ERROR, message).at(value.pos));
                }
                let value = self.stored(value, column, None, Clause::UpdateSet)?;
                list.push((column.attnum, value));
            }
        }
        Ok(list)
    }

    pub(super) fn update(&mut self, update: &tree::Update) -> Result<Update> {
        let ctes = match &update.with {
            Some(with) => self.with(with)?,
            None => Vec::new(),
        };
        let relation = self.write_target(&update.table)?;
        let range = self.ranges.next();
        let table = self.relation_table(&relation, range, update.alias.as_deref());
        self.scopes.push(Scope::of_table(table));
        let result = self.update_parts(update, &relation);
        self.scopes.pop();
        let (set, from, filter, returning) = result?;
        Ok(Update {
            ctes,
            relation: Oid(relation.oid),
            range,
            set: UpdateSet::Exprs(set),
            from,
            filter,
            returning,
            order_by: Vec::new(),
            limit: None,
            offset: None,
        })
    }

    #[allow(clippy::type_complexity)]
    fn update_parts(
        &mut self,
        update: &tree::Update,
        relation: &Relation,
    ) -> Result<(Vec<(i16, Option<Expr>)>, Vec<crate::typed::From>, Option<Expr>, Vec<crate::typed::Target>)> {
        let from = self.target_from(&update.from)?;
        let set = self.assignments(&update.set, relation)?;
        let filter = match &update.filter {
            Some(filter) => Some(self.within(Clause::Where, |a| a.condition(filter, "WHERE"))?),
            None => None,
        };
        let returning = self.returning(&update.returning)?;
        Ok((set, from, filter, returning))
    }

    /// FROM or USING beside a target, which its items cannot see.
    fn target_from(&mut self, items: &[tree::FromItem]) -> Result<Vec<crate::typed::From>> {
        let Some(target) = self.scopes.last_mut().map(std::mem::take) else { return Ok(Vec::new()) };
        let from = self.items_of_from(items);
        let joined = self.scopes.last_mut().map(|current| std::mem::replace(current, target));
        let from = from?;
        if let (Some(joined), Some(current)) = (joined, self.scopes.last_mut()) {
            for table in &joined.tables {
                if current.tables.iter().any(|t| t.alias == table.alias && !table.alias.is_empty()) {
                    return Err(error(
                        SqlState::DUPLICATE_ALIAS,
                        format!("table name \"{}\" specified more than once", table.alias),
                    ));
                }
            }
            current.add(joined);
        }
        Ok(from)
    }

    pub(super) fn delete(&mut self, delete: &tree::Delete) -> Result<Delete> {
        let ctes = match &delete.with {
            Some(with) => self.with(with)?,
            None => Vec::new(),
        };
        let relation = self.write_target(&delete.table)?;
        let range = self.ranges.next();
        let table = self.relation_table(&relation, range, delete.alias.as_deref());
        self.scopes.push(Scope::of_table(table));
        let result = self.delete_parts(delete);
        self.scopes.pop();
        let (using, filter, returning) = result?;
        Ok(Delete {
            ctes,
            relation: Oid(relation.oid),
            range,
            using,
            filter,
            returning,
            order_by: Vec::new(),
            limit: None,
            offset: None,
        })
    }

    #[allow(clippy::type_complexity)]
    fn delete_parts(
        &mut self,
        delete: &tree::Delete,
    ) -> Result<(Vec<crate::typed::From>, Option<Expr>, Vec<crate::typed::Target>)> {
        let using = self.target_from(&delete.using)?;
        let filter = match &delete.filter {
            Some(filter) => Some(self.within(Clause::Where, |a| a.condition(filter, "WHERE"))?),
            None => None,
        };
        let returning = self.returning(&delete.returning)?;
        Ok((using, filter, returning))
    }

    pub(super) fn expr_on_relation(
        &mut self,
        expr: &tree::Expr,
        relation: &Relation,
        range: RangeId,
        kind: ExprUse,
    ) -> Result<Expr> {
        let clause = match kind {
            ExprUse::Policy => Clause::Policy,
            ExprUse::Check => Clause::Check,
            ExprUse::Default(_) => Clause::Default,
            ExprUse::Generated(_) => Clause::Generated,
            ExprUse::Index => Clause::Index,
            ExprUse::IndexPredicate => Clause::IndexPredicate,
            ExprUse::Transform(_) => Clause::Transform,
            ExprUse::TriggerWhen { .. } => Clause::TriggerWhen,
        };
        let scope = match kind {
            ExprUse::Default(_) => None,
            ExprUse::TriggerWhen { old, new } => {
                let mut scope = Scope::default();
                for (name, range) in [("old", old), ("new", new)] {
                    if let Some(range) = range {
                        let row = NamedRow::of_relation(name, range, relation);
                        let table = self.scope_table(row.name, None, range, row.columns, Some(Oid(relation.oid)));
                        scope.add(Scope::of_table(table));
                    }
                }
                Some(scope)
            }
            _ => Some(Scope::of_table(self.relation_table(relation, range, None))),
        };
        self.scopes.extend(scope);
        let mut typed = self.within(clause, |a| a.expr(expr))?;
        typed = match kind {
            ExprUse::Policy => self.boolean(typed, "POLICY")?,
            ExprUse::Check => self.boolean(typed, "CHECK")?,
            ExprUse::IndexPredicate => self.boolean(typed, "WHERE")?,
            ExprUse::TriggerWhen { .. } => self.boolean(typed, "WHEN")?,
            ExprUse::Index => self.settle(typed)?,
            ExprUse::Default(target) => {
                let source = typed.ty.oid;
                self.try_coerce(typed, target, CastContext::Assignment)?
                    .ok_or_else(|| self.wrong_column_type("default", target, source))?
            }
            ExprUse::Generated(target) => {
                let source = typed.ty.oid;
                self.try_coerce(typed, target, CastContext::Assignment)?
                    .ok_or_else(|| self.wrong_column_type("generation", target, source))?
            }
            ExprUse::Transform(target) => {
                let source = typed.ty.oid;
                self.try_coerce(typed, target, CastContext::Assignment)?.ok_or_else(|| {
                    let (to, from) = (self.shown(target.oid), self.shown(source));
                    error(
                        SqlState::DATATYPE_MISMATCH,
                        format!("result of USING clause cannot be cast automatically from {from} to type {to}"),
                    )
                    .hint("You might need to add an explicit cast.")
                })?
            }
        };
        let immutable = volatility(&typed, self.catalog) == Volatility::Immutable;
        match kind {
            ExprUse::Generated(_) if !immutable => {
                Err(error(SqlState::INVALID_OBJECT_DEFINITION, "generation expression is not immutable"))
            }
            ExprUse::Index if !immutable => {
                Err(error(SqlState::INVALID_OBJECT_DEFINITION, "functions in index expression must be marked IMMUTABLE"))
            }
            ExprUse::IndexPredicate if !immutable => {
                Err(error(SqlState::INVALID_OBJECT_DEFINITION, "functions in index predicate must be marked IMMUTABLE"))
            }
            ExprUse::Default(_) if uses_range(&typed, range) => {
                Err(error(SqlState::FEATURE_NOT_SUPPORTED, "cannot use column reference in DEFAULT expression"))
            }
            _ => Ok(typed),
        }
    }

    /// The error of a DEFAULT or GENERATED expression; the column's name is the caller's to add to the message if it has one.
    fn wrong_column_type(&self, what: &str, target: TypeRef, source: Oid) -> AnalyzeError {
        let (to, from) = (self.shown(target.oid), self.shown(source));
        error(SqlState::DATATYPE_MISMATCH, format!("column is of type {to} but {what} expression is of type {from}"))
            .hint("You will need to rewrite or cast the expression.")
    }
}

fn target_column<'r>(relation: &'r Relation, name: &str) -> Result<&'r Column> {
    relation.column(name).ok_or_else(|| {
        let message = format!("column \"{name}\" of relation \"{}\" does not exist", relation.name);
        error(SqlState::UNDEFINED_COLUMN, message)
    })
}

fn check_width(given: usize, columns: &[&Column], written: bool) -> Result<()> {
    if given > columns.len() {
        return Err(error(SqlState::SYNTAX_ERROR, "INSERT has more expressions than target columns"));
    }
    if written && given < columns.len() {
        return Err(error(SqlState::SYNTAX_ERROR, "INSERT has more target columns than expressions"));
    }
    Ok(())
}

fn check_generated(column: &Column, overriding_system: Option<bool>, verb: &str) -> Result<()> {
    let refused = || error(SqlState::GENERATED_ALWAYS, format!("cannot {verb} column \"{}\"", column.name));
    if column.generated.is_some() {
        return Err(refused().detail(format!("Column \"{}\" is a generated column.", column.name)));
    }
    match column.identity {
        Some(Identity { always: true, .. }) if overriding_system.is_none() => Err(refused()
            .detail(format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name))
            .hint("Use OVERRIDING SYSTEM VALUE to override.")),
        _ => Ok(()),
    }
}

fn check_updatable(column: &Column) -> Result<()> {
    let refused = || error(SqlState::GENERATED_ALWAYS, format!("column \"{}\" can only be updated to DEFAULT", column.name));
    if column.generated.is_some() {
        return Err(refused().detail(format!("Column \"{}\" is a generated column.", column.name)));
    }
    match column.identity {
        Some(Identity { always: true, .. }) => {
            Err(refused().detail(format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name)))
        }
        _ => Ok(()),
    }
}

/// The index behind ON CONSTRAINT.
fn constraint_index(relation: &Relation, name: &str) -> Result<Oid> {
    let constraint = relation.constraint(name).ok_or_else(|| {
        let message = format!("constraint \"{name}\" for table \"{}\" does not exist", relation.name);
        error(SqlState::UNDEFINED_OBJECT, message)
    })?;
    let index = match constraint.kind {
        ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } => {
            relation.indexes.iter().find(|i| i.constraint == Some(constraint.oid) || i.name == constraint.name)
        }
        _ => None,
    };
    let index =
        index.ok_or_else(|| error(SqlState::WRONG_OBJECT_TYPE, "constraint in ON CONFLICT clause has no associated index"))?;
    check_immediate(relation, index)?;
    Ok(Oid(index.oid))
}

fn check_immediate(relation: &Relation, index: &Index) -> Result<()> {
    let constraint = relation.constraints.iter().find(|c| Some(c.oid) == index.constraint || c.name == index.name);
    if constraint.is_some_and(|c| c.deferral.deferrable) {
        let message = "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters";
        return Err(error(SqlState::NOT_IN_PREREQUISITE_STATE, message));
    }
    Ok(())
}
