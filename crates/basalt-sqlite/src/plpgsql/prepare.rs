//! SQL of a body: analysed, guarded and compiled when it first runs, and again when the catalog or a record's shape is another.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::Catalog;
use basalt_sql::analyze;
use basalt_sql::tree::{self, Statement as Written};
use basalt_sql::typed::{Body, Expr, Query, Select, Statement, Target};
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use super::code::{Code, VarKind};
use super::record::Shape;
use super::scope::{Conflict, Given, Known, Parameters, Scope, context};
use super::simple::Simple;
use crate::bind::{self, Facts, NoRow};
use crate::programs::{Ready, ReadyRead};
use crate::routine::Scene;

/// SQL as written, with the names in sight.
pub(super) struct Lazy {
    pub text: Text,
    scope: Option<Rc<Scope>>,
    conflict: Conflict,
    /// Types of `$1`, … for a text made by the function, which sees no variables.
    using: Option<Vec<TypeRef>>,
    kept: RefCell<Option<Rc<Prepared>>>,
}

/// What is written.
pub(super) enum Text {
    Value(tree::Expr),
    Statement(Box<Written>),
}

/// SQL ready to run.
pub(super) struct Prepared {
    catalog: Arc<Catalog>,
    /// [`Code::types`].
    types: u32,
    /// Records it names, with the shapes they had.
    records: Vec<(usize, Option<Rc<Shape>>)>,
    pub given: Vec<Given>,
    /// The columns of its rows.
    pub shape: Rc<Shape>,
    pub action: Action,
}

/// How it runs.
pub(super) enum Action {
    /// Without SQLite.
    Simple(Simple),
    Read(Arc<ReadyRead>),
    Write(Ready),
    /// DDL and the like, by who runs migrations.
    Utility,
}

impl Lazy {
    pub(super) fn value(expr: tree::Expr, scope: Option<&Rc<Scope>>, conflict: Conflict) -> Self {
        Self { text: Text::Value(expr), scope: scope.cloned(), conflict, using: None, kept: RefCell::default() }
    }

    pub(super) fn statement(statement: Written, scope: Option<&Rc<Scope>>, conflict: Conflict) -> Self {
        let text = Text::Statement(Box::new(statement));
        Self { text, scope: scope.cloned(), conflict, using: None, kept: RefCell::default() }
    }

    /// A text made by the function.
    pub(super) fn dynamic(statement: Written, using: Vec<TypeRef>) -> Self {
        let text = Text::Statement(Box::new(statement));
        Self { text, scope: None, conflict: Conflict::Column, using: Some(using), kept: RefCell::default() }
    }

    /// Ready to run now.
    ///
    /// # Errors
    /// What analysis, guard and dialect refuse.
    pub(super) fn prepared(&self, scene: &Scene<'_>, code: &Code, known: &dyn Known) -> Result<Rc<Prepared>, SqlError> {
        let catalog = scene.catalog();
        if let Some(kept) = self.kept.borrow().as_ref()
            && Arc::ptr_eq(&kept.catalog, &catalog)
            && kept.types == code.types.get()
            && kept.records.iter().all(|(var, shape)| is_same(shape.as_ref(), known.shape(*var).as_ref()))
        {
            return Ok(Rc::clone(kept));
        }
        let made = Rc::new(self.make(scene, catalog, code, known).map_err(|e| unassigned(e, code, known))?);
        *self.kept.borrow_mut() = Some(Rc::clone(&made));
        Ok(made)
    }

    fn make(&self, scene: &Scene<'_>, catalog: Arc<Catalog>, code: &Code, known: &dyn Known) -> Result<Prepared, SqlError> {
        let mut context = context(code, self.scope.as_ref(), self.conflict, known, scene.search_path());
        if let Some(using) = &self.using {
            context.params.clone_from(using);
        }
        let mut parameters = Parameters::new(code, known, self.using.is_some());
        let (shape, action) = match &self.text {
            Text::Value(written) => {
                let with_tables;
                let written = if code.tables.is_empty() || !names_table(code, &basalt_sql::print::expr(written)) {
                    written
                } else {
                    with_tables = value_with_tables(written, code);
                    &with_tables
                };
                let expr = analyze::row_expr(written, &catalog, &context, None).map_err(|e| e.error)?;
                let shape = Shape::new(vec![("value".to_owned(), expr.ty)]);
                let mut statement = select(expr);
                parameters.of_statement(&mut statement);
                let action = match Simple::of(&statement) {
                    Some(simple) => Action::Simple(simple),
                    None => action(scene, &statement)?,
                };
                (shape, action)
            }
            Text::Statement(written) => match &**written {
                Written::Select(_) | Written::Insert(_) | Written::Update(_) | Written::Delete(_) => {
                    let with_tables;
                    let is_named = || basalt_sql::print::statement(written).is_some_and(|text| names_table(code, &text));
                    let written: &Written = if code.tables.is_empty() || self.using.is_some() || !is_named() {
                        written
                    } else {
                        with_tables = statement_with_tables(written, code);
                        &with_tables
                    };
                    let mut statement = analyze::statement(written, &catalog, &context).map_err(|e| e.error)?;
                    parameters.of_statement(&mut statement);
                    (Shape::new(columns(&statement)), action(scene, &statement)?)
                }
                _ => (Shape::new(Vec::new()), Action::Utility),
            },
        };
        let Parameters { given, records, .. } = parameters;
        let records = records.into_iter().map(|var| (var, known.shape(var))).collect();
        Ok(Prepared { catalog, types: code.types.get(), records, given, shape, action })
    }
}

impl Prepared {
    /// The type of the first column.
    pub(super) fn ty(&self) -> TypeRef {
        self.shape.columns.first().map_or(TypeRef::of(basalt_types::pg::oid::TEXT), |(_, ty)| *ty)
    }
}

fn is_same(before: Option<&Rc<Shape>>, now: Option<&Rc<Shape>>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => Rc::ptr_eq(before, now),
        (None, None) => true,
        _ => false,
    }
}

/// A field of a record that nothing was assigned to yet is an error of its own.
fn unassigned(error: SqlError, code: &Code, known: &dyn Known) -> SqlError {
    let named = |name: &str| format!("record \"{name}\" has no field ");
    let found = code.vars.iter().enumerate().find(|(at, var)| {
        matches!(var.kind, VarKind::Record(_)) && known.shape(*at).is_none() && error.message.starts_with(&named(&var.name))
    });
    found.map_or(error, |(_, var)| not_assigned(&var.name))
}

/// 55000: nothing was assigned to a record yet.
pub(super) fn not_assigned(name: &str) -> SqlError {
    SqlError::new(SqlState::NOT_IN_PREREQUISITE_STATE, format!("record \"{name}\" is not assigned yet"))
        .detail("The tuple structure of a not-yet-assigned record is indeterminate.")
}

fn action(scene: &Scene<'_>, statement: &Statement) -> Result<Action, SqlError> {
    Ok(match scene.compile(statement)? {
        Ready::Read(ready) => Action::Read(ready),
        ready @ Ready::Write(_) => Action::Write(ready),
    })
}

/// `SELECT expr`.
fn select(expr: Expr) -> Statement {
    let select = Select {
        distinct: None,
        targets: vec![Target { expr, name: "value".to_owned() }],
        from: Vec::new(),
        filter: None,
        policy: None,
        group_by: Vec::new(),
        having: None,
    };
    let body = Body::Select(Box::new(select));
    Statement::Query(Box::new(Query { ctes: Vec::new(), body, order_by: Vec::new(), limit: None, offset: None }))
}

/// Names and types of what a statement gives.
fn columns(statement: &Statement) -> Vec<(String, TypeRef)> {
    let returning = match statement {
        Statement::Query(query) => return query.columns(),
        Statement::Insert(insert) => &insert.returning,
        Statement::Update(update) => &update.returning,
        Statement::Delete(delete) => &delete.returning,
    };
    returning.iter().map(|target| (target.name.clone(), target.expr.ty)).collect()
}

/// Steps a read: `take` gets each row and says whether to go on.
///
/// # Errors
/// What binding, SQLite and `take` report.
pub(super) fn read(
    scene: &Scene<'_>,
    ready: &ReadyRead,
    params: &[Value],
    mut take: impl FnMut(Vec<Value>) -> Result<bool, SqlError>,
) -> Result<(), SqlError> {
    let literals = basalt_plan::plan::Literals::default();
    let facts = Facts { session: scene.session(), literals: &literals, params, now: scene.now() };
    let context = scene.connection().context();
    context.guarded_by(&ready.tables, || {
        let before = context.replace_shapes(Some(ready.shapes.clone()));
        let mut run = || {
            let mut statement = bind::prepare(scene.connection(), &ready.program.rows, &facts, &NoRow)?;
            while statement.step()? {
                if !take(statement.row())? {
                    break;
                }
            }
            Ok(())
        };
        let done = run();
        context.set_shapes(before);
        done
    })
}

/// The value of an expression over parameters, which is not kept.
///
/// # Errors
/// As [`read`].
pub(super) fn once(scene: &Scene<'_>, expr: Expr, params: &[Value]) -> Result<Value, SqlError> {
    let Action::Read(ready) = action(scene, &select(expr))? else {
        return Err(SqlError::internal("an expression became a write"));
    };
    let mut found = Value::Null;
    read(scene, &ready, params, |row| {
        found = row.into_iter().next().unwrap_or(Value::Null);
        Ok(false)
    })?;
    Ok(found)
}

impl Lazy {
    /// The record variable whose name is all that is written.
    pub(super) fn record_variable(&self, code: &Code) -> Option<usize> {
        let Text::Value(tree::Expr { kind: tree::ExprKind::Column(parts), .. }) = &self.text else { return None };
        let scope = self.scope.as_ref()?;
        let var = match parts.as_slice() {
            [name] => scope.find(None, name),
            [label, name] => scope.find(Some(label), name),
            _ => None,
        }?;
        matches!(code.vars.get(var)?.kind, VarKind::Record(_)).then_some(var)
    }
}

/// Whether a text names a transition table.
fn names_table(code: &Code, text: &str) -> bool {
    code.tables.iter().any(|table| text.contains(table.name.as_str()))
}

/// Transition tables as common table expressions, before those of the statement itself.
fn with(code: &Code, own: Option<tree::With>) -> tree::With {
    let tables = code.tables.iter().map(|table| tree::Cte {
        name: table.name.clone(),
        columns: Vec::new(),
        materialized: None,
        body: Box::new(tree::CteBody::Query(table.query.clone())),
    });
    let (recursive, own) = own.map_or((false, Vec::new()), |own| (own.recursive, own.ctes));
    tree::With { recursive, ctes: tables.chain(own).collect() }
}

fn statement_with_tables(written: &Written, code: &Code) -> Written {
    let mut written = written.clone();
    match &mut written {
        Written::Select(query) => query.with = Some(with(code, query.with.take())),
        Written::Insert(insert) => {
            if let Some(query) = &mut insert.source {
                query.with = Some(with(code, query.with.take()));
            }
        }
        Written::Update(update) => update.with = Some(with(code, update.with.take())),
        Written::Delete(delete) => delete.with = Some(with(code, delete.with.take())),
        _ => {}
    }
    written
}

/// `(WITH tables SELECT expr)`.
fn value_with_tables(written: &tree::Expr, code: &Code) -> tree::Expr {
    let item = tree::SelectItem { expr: written.clone(), alias: None };
    let mut query = super::compile::select_of(vec![item], written.pos);
    query.with = Some(with(code, None));
    tree::Expr { kind: tree::ExprKind::Scalar(Box::new(query)), pos: written.pos }
}
