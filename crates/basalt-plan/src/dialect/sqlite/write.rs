//! Writes: a guarded INSERT, UPDATE or DELETE as a [`WriteProgram`].

use std::sync::Arc;

use basalt_catalog::{Action, Catalog, Column, ConstraintKind, Relation, RelationKind};
use basalt_sql::typed::{
    Delete, Expr, ExprKind, Insert, InsertSource, Query, RangeId, Statement, Target, Update, UpdateSet, facts,
};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value};

use super::printer::{Printer, Source};
use super::{Context, keys, read, storage};
use crate::dialect::types;
use crate::expressions::ExprUse;
use crate::guard::faults::{self, Fault};
use crate::guard::{self, RowCheck, WriteGuard};
use crate::program::{
    Assignments, Bind, Checks, ColumnFacts, Command, Compiled, Conflict, ConflictUpdate, DefaultValue, Field, FieldValue,
    Representation, Returned, Shape, Source as RowSource, TableFacts, Through, Touched, ValueSource, ValuesRow, WriteProgram,
};

/// What is shown of the written rows.
pub(super) enum Shown<'a> {
    Nothing,
    Returning,
    Query(&'a Query),
}

/// Whether a condition that is NULL passes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Passes {
    /// Constraints: only false fails.
    Null,
    /// Policies: only true passes.
    OnlyTrue,
}

/// SQLite's name of a table's row number that no column of the table hides.
pub fn rowid_name(relation: &Relation) -> &'static str {
    const NAMES: [&str; 3] = ["rowid", "_rowid_", "oid"];
    NAMES.into_iter().find(|n| !relation.columns.iter().any(|c| c.name.eq_ignore_ascii_case(n))).unwrap_or("rowid")
}

/// Guards and compiles a write.
pub(super) fn write(statement: &Statement, shown: &Shown<'_>, context: &Context<'_>) -> Result<WriteProgram, SqlError> {
    let mut guarded = statement.clone();
    let guard = guard::statement(&mut guarded, context.catalog, &context.caller, context.cache)?;
    let (oid, range, returning) = match &guarded {
        Statement::Insert(i) => (i.relation, i.range, i.returning.as_slice()),
        Statement::Update(u) => (u.relation, u.range, u.returning.as_slice()),
        Statement::Delete(d) => (d.relation, d.range, d.returning.as_slice()),
        Statement::Query(_) => return Err(SqlError::internal("a query is no write")),
    };
    let relation = context
        .catalog
        .relation_by_oid(oid)
        .map(AsRef::as_ref)
        .ok_or_else(|| SqlError::internal("the table written has gone"))?;
    match relation.kind {
        RelationKind::Table => {}
        RelationKind::MaterializedView => {
            let text = format!("cannot change materialized view \"{}\"", relation.name);
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, text));
        }
        RelationKind::View if guard.is_instead => {}
        RelationKind::View | RelationKind::Sequence => {
            return Err(SqlError::unsupported(format!("writing to the view {}", relation.name)));
        }
    }
    let write = Write { context, relation, range, guard: &guard };
    let mut shapes = vec![Shape::default()];
    let returned = write.returning(returning, &mut shapes)?;
    let mut touched = guard.touched.clone();
    let representation = match shown {
        Shown::Nothing => Representation::None,
        Shown::Returning => {
            if let Some(root) = shapes.first_mut() {
                *root = write.returned_shape(returning);
            }
            Representation::Rows(shapes.into())
        }
        Shown::Query(query) => {
            let types = returning.iter().map(|t| t.expr.ty).collect();
            let program = read::read(query, None, types, context)?;
            touched.read.extend(program.touched.read.iter().copied());
            touched.uses_now |= program.touched.uses_now;
            let sees_before = may_change(context.catalog, oid, &program.touched.read);
            Representation::Query { read: Arc::new(program), sees_before }
        }
    };
    let is_delete = matches!(guarded, Statement::Delete(_));
    let policy_checks = match &guarded {
        Statement::Insert(_) => write.policy(&guard.insert_checks, Source::New)?,
        Statement::Update(_) => {
            let row = if faults::on(Fault::UpdateCheckOnOldRow) { Source::Old } else { Source::New };
            write.policy(&guard.update_checks, row)?
        }
        _ => None,
    };
    let (command, targets, store) = match &guarded {
        Statement::Insert(insert) => (write.insert(insert)?, None, write.store_insert()?),
        Statement::Update(update) => {
            let (assignments, targets) = write.update(update)?;
            let columns: Vec<i16> = match &assignments {
                Assignments::Computed(set) => set.iter().map(|(a, _)| *a).collect(),
                Assignments::Payload { columns, .. } => columns.clone(),
            };
            (Command::Update(assignments), Some(targets), write.store_update(&columns)?)
        }
        Statement::Delete(delete) => (Command::Delete, Some(write.delete(delete)?), write.store_delete()?),
        Statement::Query(_) => return Err(SqlError::internal("a query is no write")),
    };
    Ok(WriteProgram {
        command,
        table: Arc::new(write.facts()?),
        targets,
        generated: if is_delete { Vec::new() } else { write.generated()? },
        policy_checks,
        view_checks: write.policy(&guard.view_checks, Source::New)?,
        is_instead: guard.is_instead,
        through: guard
            .renaming
            .as_ref()
            .map(|r| Arc::new(Through { columns: r.columns.clone(), keys: r.keys.clone(), defaulted: r.defaulted.clone() })),
        policies_read: [&guard.insert_checks, &guard.conflict_checks, &guard.update_checks, &guard.view_checks]
            .into_iter()
            .flatten()
            .any(|rule| facts::contains_subquery(&rule.condition)),
        not_null: if is_delete { Vec::new() } else { write.not_null() },
        constraint_checks: if is_delete { None } else { write.constraints()? },
        failing_row: guard::failing_row(context.catalog, &context.caller, relation),
        unique_keys: if is_delete { Vec::new() } else { keys::unique_keys(relation, context)? },
        store,
        returning: returned,
        representation,
        foreign_keys: if is_delete { Vec::new() } else { keys::foreign_keys(relation, context)? },
        child_keys: if matches!(guarded, Statement::Insert(_)) {
            conflict_children(&guarded, relation, context)?
        } else {
            keys::child_keys(relation, context)?
        },
        touched: Touched { read: sorted(touched.read), ..touched },
    })
}

/// An insert changes stored rows only by DO UPDATE.
fn conflict_children(
    statement: &Statement,
    relation: &Relation,
    context: &Context<'_>,
) -> Result<Vec<crate::program::ChildKey>, SqlError> {
    match statement {
        Statement::Insert(i) if i.on_conflict.as_ref().is_some_and(|c| c.update.is_some()) => keys::child_keys(relation, context),
        _ => Ok(Vec::new()),
    }
}

/// Whether a write to a table may change one of `read`: the table itself, those that referential actions lead to, and any when a
/// trigger fires on the way.
fn may_change(catalog: &Catalog, target: Oid, read: &[Oid]) -> bool {
    let mut reached = vec![target];
    let mut at = 0;
    while let Some(parent) = reached.get(at).copied() {
        at += 1;
        if read.contains(&parent) {
            return true;
        }
        if catalog.relation_by_oid(parent).is_some_and(|r| r.triggers.iter().any(|t| t.enabled)) {
            return true;
        }
        for child in catalog.relations() {
            let acts = child.constraints.iter().any(|c| {
                matches!(&c.kind, ConstraintKind::ForeignKey { target, on_delete, on_update, .. }
                    if Oid(*target) == parent && (changes_children(*on_delete) || changes_children(*on_update)))
            });
            if acts && !reached.contains(&Oid(child.oid)) {
                reached.push(Oid(child.oid));
            }
        }
    }
    false
}

fn changes_children(action: Action) -> bool {
    !matches!(action, Action::NoAction | Action::Restrict)
}

fn sorted(mut oids: Vec<Oid>) -> Vec<Oid> {
    oids.sort_unstable();
    oids.dedup();
    oids
}

/// `SELECT CASE WHEN test 0 fails THEN 0 WHEN … END` over a printer whose ranges are declared. `None` without tests.
pub(super) fn checks(
    printer: &mut Printer<'_>,
    tests: Vec<(Expr, SqlError)>,
    passes: Passes,
) -> Result<Option<Checks>, SqlError> {
    if tests.is_empty() {
        return Ok(None);
    }
    let mut errors = Vec::with_capacity(tests.len());
    printer.raw("SELECT CASE");
    for (i, (condition, error)) in tests.into_iter().enumerate() {
        printer.raw(" WHEN (");
        printer.expr(&condition)?;
        printer.raw(if passes == Passes::Null || faults::on(Fault::NullCheckPasses) {
            ") IS 0 THEN "
        } else {
            ") IS NOT 1 THEN "
        });
        printer.number(i64::try_from(i).unwrap_or(i64::MAX));
        errors.push(error);
    }
    printer.raw(" END");
    Ok(Some(Checks { test: printer.finish(), errors: errors.into() }))
}

/// The compilation of one write.
struct Write<'a> {
    context: &'a Context<'a>,
    relation: &'a Relation,
    range: RangeId,
    guard: &'a WriteGuard,
}

impl<'a> Write<'a> {
    fn printer(&self, row: Source) -> Printer<'a> {
        let mut printer = Printer::new(self.context.catalog, self.context.cache);
        printer.declare(self.range, row);
        printer
    }

    /// A text of the catalog over the row written.
    fn analysed(&self, text: &str, purpose: ExprUse) -> Result<Expr, SqlError> {
        let mut next = 1 << 19;
        Ok(self.context.cache.get(text, purpose, Some(self.relation), self.context.catalog)?.over(self.range, &mut next))
    }

    fn facts(&self) -> Result<TableFacts, SqlError> {
        let catalog = self.context.catalog;
        let columns = self
            .relation
            .columns
            .iter()
            .map(|c| {
                Ok(ColumnFacts {
                    attnum: c.attnum,
                    name: c.name.clone(),
                    input: types::input(catalog, c.type_ref()),
                    default: self.default(c)?,
                    is_generated: c.generated.is_some(),
                    is_always_identity: c.identity.as_ref().is_some_and(|i| i.always),
                })
            })
            .collect::<Result<_, SqlError>>()?;
        Ok(TableFacts {
            relation: Oid(self.relation.oid),
            schema: catalog.schema_by_oid(Oid(self.relation.schema)).map_or_else(String::new, |s| s.name.clone()),
            name: self.relation.name.clone(),
            storage_name: storage::table_name(catalog, self.relation),
            columns,
            has_row_triggers: self.relation.triggers.iter().any(|t| t.enabled && t.for_each_row),
            has_statement_triggers: self.relation.triggers.iter().any(|t| t.enabled && !t.for_each_row),
        })
    }

    fn default(&self, column: &Column) -> Result<DefaultValue, SqlError> {
        if let Some(default) = self.view_default(column)? {
            return Ok(default);
        }
        if let Some(identity) = &column.identity {
            let sequence = Oid(identity.sequence);
            let named_denied = guard::sequence_denied(self.context.catalog, &self.context.caller, sequence);
            return Ok(DefaultValue::Sequence { sequence, denied: None, named_denied });
        }
        let Some(text) = column.default.clone().or_else(|| self.domain_default(column)) else { return Ok(DefaultValue::Null) };
        self.default_value(&self.analysed(&text, ExprUse::Default(column.attnum))?)
    }

    /// What a view says in the place of its table.
    fn view_default(&self, column: &Column) -> Result<Option<DefaultValue>, SqlError> {
        let Some(renaming) = &self.guard.renaming else { return Ok(None) };
        let Some((_, view, attnum)) = renaming.defaults.iter().find(|(own, ..)| *own == column.attnum) else { return Ok(None) };
        let catalog = self.context.catalog;
        let Some(view) = catalog.relation_by_oid(*view) else { return Ok(None) };
        let Some(text) = view.column_at(*attnum).and_then(|c| c.default.as_deref()) else { return Ok(None) };
        let mut next = 1 << 19;
        let expr = self.context.cache.get(text, ExprUse::Default(*attnum), Some(view), catalog)?.over(self.range, &mut next);
        self.default_value(&expr).map(Some)
    }

    fn default_value(&self, expr: &Expr) -> Result<DefaultValue, SqlError> {
        if let Some(sequence) = self.sequence_of(expr) {
            let denied = guard::sequence_denied(self.context.catalog, &self.context.caller, sequence);
            return Ok(DefaultValue::Sequence { sequence, named_denied: denied.clone(), denied });
        }
        Ok(match &expr.kind {
            ExprKind::Const(Value::Null) => DefaultValue::Null,
            ExprKind::Func { imp, .. } if imp.0 == "gen_random_uuid" => DefaultValue::RandomUuid,
            _ => match self.plain(expr)? {
                Some(bind) => DefaultValue::Bind(bind),
                None => {
                    let mut printer = self.printer(Source::New);
                    printer.raw("SELECT ");
                    printer.expr(expr)?;
                    DefaultValue::Expr(printer.finish())
                }
            },
        })
    }

    /// The default of the column's domain.
    fn domain_default(&self, column: &Column) -> Option<String> {
        match &self.context.catalog.type_by_oid(Oid(column.ty)).filter(|d| d.oid == column.ty)?.kind {
            basalt_catalog::TypeKind::Domain { default, .. } => default.clone(),
            _ => None,
        }
    }

    /// The sequence of `nextval('…')`, conversions of its result looked through.
    fn sequence_of(&self, expr: &Expr) -> Option<Oid> {
        match &expr.kind {
            ExprKind::Cast { expr, .. } => self.sequence_of(expr),
            ExprKind::Func { imp, args, .. } if imp.0 == "nextval" => match &args.first()?.kind {
                ExprKind::Const(Value::Int(n)) => Some(Oid(u32::try_from(*n).ok()?)),
                ExprKind::Const(Value::Text(name)) => {
                    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
                    let bare = |s: &str| s.trim_matches('"').to_owned();
                    self.context.catalog.relation(&bare(schema), &bare(name)).map(|r| Oid(r.oid))
                }
                ExprKind::Cast { expr: inner, .. } => {
                    let call = Expr::new(
                        ExprKind::Func { schema: "pg_catalog", name: "nextval", imp: *imp, args: vec![(**inner).clone()] },
                        TypeRef::of(oid::INT8),
                    );
                    self.sequence_of(&call)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// A value that is a parameter or a constant as it stands.
    fn plain(&self, expr: &Expr) -> Result<Option<Bind>, SqlError> {
        match &expr.kind {
            ExprKind::Const(value) => Ok(Some(Bind::Const(value.clone()))),
            ExprKind::Param(param) => {
                let mut printer = self.printer(Source::New);
                printer.param(param, expr.ty)?;
                let compiled = printer.finish();
                Ok(if &*compiled.sql == "?1" { compiled.binds.first().cloned() } else { None })
            }
            _ => Ok(None),
        }
    }

    fn generated(&self) -> Result<Vec<(i16, Compiled)>, SqlError> {
        let mut out = Vec::new();
        for column in &self.relation.columns {
            let Some(text) = &column.generated else { continue };
            let expr = self.analysed(text, ExprUse::Generated(column.attnum))?;
            let mut printer = self.printer(Source::New);
            printer.raw("SELECT ");
            printer.expr(&expr)?;
            out.push((column.attnum, printer.finish()));
        }
        Ok(out)
    }

    fn not_null(&self) -> Vec<i16> {
        self.relation.columns.iter().filter(|c| c.not_null).map(|c| c.attnum).collect()
    }

    fn constraints(&self) -> Result<Option<Checks>, SqlError> {
        let mut found: Vec<_> = self
            .relation
            .constraints
            .iter()
            .filter_map(|c| match &c.kind {
                ConstraintKind::Check { expr } => Some((c.name.as_str(), expr.as_str())),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        let mut tests = Vec::with_capacity(found.len());
        for (name, text) in found {
            let message = format!("new row for relation \"{}\" violates check constraint \"{name}\"", self.relation.name);
            let error = SqlError::new(SqlState::CHECK_VIOLATION, message).constraint(name);
            tests.push((self.analysed(text, ExprUse::Check)?, error));
        }
        checks(&mut self.printer(Source::New), tests, Passes::Null)
    }

    fn policy(&self, rules: &[RowCheck], row: Source) -> Result<Option<Checks>, SqlError> {
        let tests = rules.iter().map(|r| (r.condition.clone(), r.error.clone())).collect();
        checks(&mut self.printer(row), tests, Passes::OnlyTrue)
    }

    /// RETURNING over the stored row.
    fn returning(&self, targets: &[Target], shapes: &mut Vec<Shape>) -> Result<Vec<Returned>, SqlError> {
        let mut out = Vec::with_capacity(targets.len());
        for target in targets {
            if let ExprKind::Column { range, column } = target.expr.kind
                && range == self.range
            {
                out.push(Returned::Column(column));
                continue;
            }
            if facts::free_ranges(&target.expr).iter().any(|r| *r != self.range) {
                return Err(SqlError::unsupported("RETURNING of another table's columns"));
            }
            let mut printer = self.printer(Source::New);
            printer.shapes = std::mem::take(shapes);
            printer.raw("SELECT ");
            let done = printer.expr(&target.expr);
            *shapes = std::mem::take(&mut printer.shapes);
            done?;
            out.push(Returned::Expr(printer.finish()));
        }
        Ok(out)
    }

    fn returned_shape(&self, targets: &[Target]) -> Shape {
        let field = |(i, t): (usize, &Target)| {
            let at = u16::try_from(i).unwrap_or(u16::MAX);
            let value = match &t.expr.kind {
                ExprKind::JsonRows { .. } => FieldValue::Json { at },
                _ => FieldValue::Column { at, ty: types::base(self.context.catalog, t.expr.ty) },
            };
            Field { name: t.name.clone(), value }
        };
        Shape { fields: targets.iter().enumerate().map(field).collect(), ..Shape::default() }
    }

    fn insert(&self, insert: &Insert) -> Result<Command, SqlError> {
        if !insert.ctes.is_empty() && !matches!(insert.source, InsertSource::Query(_)) {
            return Err(SqlError::unsupported("WITH before INSERT … VALUES"));
        }
        let source = match &insert.source {
            InsertSource::Payload { missing_default } => {
                RowSource::Payload { columns: insert.columns.clone(), missing_default: *missing_default }
            }
            InsertSource::Values(rows) => {
                RowSource::Values(rows.iter().map(|row| self.values_row(&insert.columns, row)).collect::<Result<_, _>>()?)
            }
            InsertSource::Query(query) => {
                let mut printer = Printer::new(self.context.catalog, self.context.cache);
                printer.ctes(&insert.ctes)?;
                if !insert.ctes.is_empty() && !query.ctes.is_empty() {
                    return Err(SqlError::unsupported("WITH inside a WITH … INSERT"));
                }
                printer.query(query)?;
                RowSource::Query { query: printer.finish(), columns: insert.columns.clone() }
            }
        };
        let on_conflict = match &insert.on_conflict {
            None => None,
            Some(conflict) => {
                let update = match &conflict.update {
                    None => None,
                    Some(update) => Some(Box::new(self.conflict_update(update)?)),
                };
                Some(Conflict { arbiters: conflict.arbiters.clone(), update })
            }
        };
        Ok(Command::Insert { source, on_conflict, overriding_system: insert.overriding_system })
    }

    fn values_row(&self, columns: &[i16], row: &[Option<Expr>]) -> Result<ValuesRow, SqlError> {
        let mut printer = Printer::new(self.context.catalog, self.context.cache);
        let mut computed = 0_u16;
        let mut values = Vec::with_capacity(row.len());
        for (attnum, value) in columns.iter().zip(row) {
            values.push((*attnum, self.value(value.as_ref(), &mut printer, &mut computed)?));
        }
        Ok(ValuesRow { compute: (computed > 0).then(|| printer.finish()), values })
    }

    /// One value: as it is, or as the next column of the SELECT that `printer` builds.
    fn value(&self, value: Option<&Expr>, printer: &mut Printer<'_>, computed: &mut u16) -> Result<ValueSource, SqlError> {
        let Some(value) = value else { return Ok(ValueSource::Default) };
        if let Some(bind) = self.plain(value)? {
            return Ok(ValueSource::Bind(bind));
        }
        printer.raw(if printer.sql.is_empty() { "SELECT " } else { ", " });
        printer.expr(value)?;
        *computed += 1;
        Ok(ValueSource::Column(*computed - 1))
    }

    fn conflict_update(&self, update: &basalt_sql::typed::ConflictUpdate) -> Result<ConflictUpdate, SqlError> {
        let mut printer = self.printer(Source::Old);
        printer.declare(update.excluded, Source::Excluded);
        printer.raw("SELECT ");
        match &update.filter {
            Some(filter) => printer.expr(filter)?,
            None => {
                printer.raw("1");
            }
        }
        let mut computed = 0;
        let mut set = Vec::with_capacity(update.set.len());
        for (attnum, value) in &update.set {
            set.push((*attnum, self.value(value.as_ref(), &mut printer, &mut computed)?));
        }
        let compute = printer.finish();

        let mut existing = Printer::new(self.context.catalog, self.context.cache);
        existing.declare(self.range, Source::Table(Oid(self.relation.oid)));
        existing.raw("SELECT ");
        self.all_columns(&mut existing)?;
        existing.raw(" FROM ").table(Oid(self.relation.oid))?.raw(" AS ").alias(self.range);
        existing.raw(" WHERE ").alias(self.range).raw(".").raw(rowid_name(self.relation)).raw(" = ").bind(Bind::RowId);

        let columns: Vec<i16> = update.set.iter().map(|(a, _)| *a).collect();
        Ok(ConflictUpdate {
            existing: existing.finish(),
            compute,
            set,
            using: self.policy(&self.guard.conflict_checks, Source::Old)?,
            checks: self.policy(&self.guard.update_checks, Source::New)?,
            store: self.store_update(&columns)?,
        })
    }

    fn all_columns(&self, printer: &mut Printer<'_>) -> Result<(), SqlError> {
        for (i, column) in self.relation.columns.iter().enumerate() {
            printer.raw(if i == 0 { "" } else { ", " });
            printer.column(self.range, column.attnum)?;
        }
        Ok(())
    }

    /// `SELECT rowid, every column` of the target, up to FROM's target.
    fn begin_targets(&self, ctes: &[basalt_sql::typed::Cte]) -> Result<Printer<'a>, SqlError> {
        let mut printer = self.printer(match self.guard.rows_instead {
            Some(_) => Source::Positions,
            None => Source::Table(Oid(self.relation.oid)),
        });
        printer.ctes(ctes)?;
        match self.guard.rows_instead {
            Some(_) => printer.raw("SELECT row_number() OVER ()"),
            None => printer.raw("SELECT ").alias(self.range).raw(".").raw(rowid_name(self.relation)),
        };
        if !self.relation.columns.is_empty() {
            printer.raw(", ");
        }
        self.all_columns(&mut printer)?;
        Ok(printer)
    }

    fn target_from(&self, printer: &mut Printer<'_>, others: &[basalt_sql::typed::From]) -> Result<(), SqlError> {
        printer.raw(" FROM ");
        match &self.guard.rows_instead {
            Some(rows) => printer.print_from_item(rows)?,
            None => {
                printer.table(Oid(self.relation.oid))?.raw(" AS ").alias(self.range);
            }
        }
        for item in others {
            printer.raw(", ");
            printer.print_from_item(item)?;
        }
        Ok(())
    }

    fn update(&self, update: &Update) -> Result<(Assignments, Compiled), SqlError> {
        let mut printer = self.begin_targets(&update.ctes)?;
        printer.declare_all(&update.from);
        let assignments = match &update.set {
            UpdateSet::Payload { columns, missing_default } => {
                Assignments::Payload { columns: columns.clone(), missing_default: *missing_default }
            }
            UpdateSet::Exprs(set) => {
                let mut computed = 0;
                let mut out = Vec::with_capacity(set.len());
                for (attnum, value) in set {
                    out.push((*attnum, self.value(value.as_ref(), &mut printer, &mut computed)?));
                }
                Assignments::Computed(out)
            }
        };
        self.target_from(&mut printer, &update.from)?;
        printer.where_clause(self.guard.using.as_ref(), update.filter.as_ref())?;
        printer.order_by(&update.order_by)?;
        printer.limits(update.limit.as_ref(), update.offset.as_ref())?;
        Ok((assignments, printer.finish()))
    }

    fn delete(&self, delete: &Delete) -> Result<Compiled, SqlError> {
        let mut printer = self.begin_targets(&delete.ctes)?;
        printer.declare_all(&delete.using);
        self.target_from(&mut printer, &delete.using)?;
        printer.where_clause(self.guard.using.as_ref(), delete.filter.as_ref())?;
        printer.order_by(&delete.order_by)?;
        printer.limits(delete.limit.as_ref(), delete.offset.as_ref())?;
        Ok(printer.finish())
    }

    /// Nothing is stored where triggers stand in for it.
    fn store_nothing(&self) -> Option<Compiled> {
        let mut printer = Printer::new(self.context.catalog, self.context.cache);
        self.guard.is_instead.then(|| {
            printer.raw("SELECT 1");
            printer.finish()
        })
    }

    fn store_insert(&self) -> Result<Compiled, SqlError> {
        if let Some(nothing) = self.store_nothing() {
            return Ok(nothing);
        }
        let mut printer = Printer::new(self.context.catalog, self.context.cache);
        printer.raw("INSERT INTO ").table(Oid(self.relation.oid))?;
        if self.relation.columns.is_empty() {
            printer.raw(" DEFAULT VALUES");
            return Ok(printer.finish());
        }
        for (i, column) in self.relation.columns.iter().enumerate() {
            printer.raw(if i == 0 { " (" } else { ", " }).ident(&column.name);
        }
        for (i, column) in self.relation.columns.iter().enumerate() {
            printer.raw(if i == 0 { ") VALUES (" } else { ", " }).bind(Bind::New(column.attnum));
        }
        printer.raw(")");
        Ok(printer.finish())
    }

    /// Writes the columns that may have changed: those set, generated ones, and all when a trigger may have changed others.
    fn store_update(&self, set: &[i16]) -> Result<Compiled, SqlError> {
        if let Some(nothing) = self.store_nothing() {
            return Ok(nothing);
        }
        let mut printer = Printer::new(self.context.catalog, self.context.cache);
        let by_trigger = self.relation.triggers.iter().any(|t| {
            t.enabled
                && t.for_each_row
                && t.timing == basalt_catalog::TriggerTiming::Before
                && (t.events.update || t.events.insert)
        });
        let changes = |c: &&Column| by_trigger || c.generated.is_some() || set.contains(&c.attnum);
        printer.raw("UPDATE ").table(Oid(self.relation.oid))?;
        for (i, column) in self.relation.columns.iter().filter(changes).enumerate() {
            printer.raw(if i == 0 { " SET " } else { ", " }).ident(&column.name).raw(" = ").bind(Bind::New(column.attnum));
        }
        if !self.relation.columns.iter().any(|c| changes(&c)) {
            // Nothing to change, yet the row counts as written.
            let first = self.relation.columns.first().map(|c| c.name.clone()).unwrap_or_default();
            printer.raw(" SET ").ident(&first).raw(" = ").ident(&first);
        }
        printer.raw(" WHERE ").raw(rowid_name(self.relation)).raw(" = ").bind(Bind::RowId);
        Ok(printer.finish())
    }

    fn store_delete(&self) -> Result<Compiled, SqlError> {
        if let Some(nothing) = self.store_nothing() {
            return Ok(nothing);
        }
        let mut printer = Printer::new(self.context.catalog, self.context.cache);
        printer.raw("DELETE FROM ").table(Oid(self.relation.oid))?;
        printer.raw(" WHERE ").raw(rowid_name(self.relation)).raw(" = ").bind(Bind::RowId);
        Ok(printer.finish())
    }
}
