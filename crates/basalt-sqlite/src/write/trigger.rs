//! BEFORE and AFTER ROW triggers whose functions are PL/pgSQL of plain statements.
//!
//! A function is compiled for a table and a role into [`Step`]s. NEW, OLD, TG_ variables and declared variables are parameters of
//! its statements: [`Frame`] numbers them, a run keeps their values in that order.

use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::{Catalog, Function, Relation, Trigger, TriggerTiming};
use basalt_plan::expressions::ExprCache;
use basalt_sql::analyze::{self, NamedRow, Variable};
use basalt_sql::plpgsql::{self, Block, DeclarationKind, Level, Raise, Stmt, StmtKind, VariableType};
use basalt_sql::tree::{Expr as Written, ExprKind as WrittenKind, Statement as TreeStatement};
use basalt_sql::typed::walk::{VisitorMut, walk_expr_mut, walk_statement_mut};
use basalt_sql::typed::{Body, Expr, ExprKind, Param, Query, RangeId, Select, Statement, Target};
use basalt_types::pg::oid;
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value, pg};

use super::{Work, kept, run_at};
use crate::bind::Facts;
use crate::commit::Desk;
use crate::compile;
use crate::own;
use crate::programs::{Ready, ReadyRead};
use crate::routine;

const NEW: RangeId = RangeId(0);
const OLD: RangeId = RangeId(1);

/// Variables every trigger function sees, in the order of their numbers behind NEW and OLD.
const BUILT_IN: [(&str, TypeRef); 10] = [
    ("tg_op", TypeRef::of(oid::TEXT)),
    ("tg_name", TypeRef::of(oid::TEXT)),
    ("tg_when", TypeRef::of(oid::TEXT)),
    ("tg_level", TypeRef::of(oid::TEXT)),
    ("tg_table_name", TypeRef::of(oid::TEXT)),
    ("tg_table_schema", TypeRef::of(oid::TEXT)),
    ("tg_relname", TypeRef::of(oid::TEXT)),
    ("tg_nargs", TypeRef::of(oid::INT4)),
    ("tg_argv", TypeRef::of(oid::TEXT_ARRAY)),
    ("found", TypeRef::of(oid::BOOL)),
];

/// A trigger function, ready to run for a table.
pub(super) struct Compiled {
    when: Option<Arc<ReadyRead>>,
    steps: Vec<Step>,
    /// How many values a run has.
    width: usize,
    /// Where `found` stands.
    found: usize,
}

enum Step {
    /// A value of the run (0-based) takes an expression's value.
    Assign {
        slot: usize,
        value: Arc<ReadyRead>,
    },
    If {
        arms: Vec<(Arc<ReadyRead>, Vec<Step>)>,
        otherwise: Vec<Step>,
    },
    Run(Ready),
    Perform(Arc<ReadyRead>),
    Raise(Raising),
    Return(Returns),
}

struct Raising {
    level: Level,
    format: String,
    args: Vec<(Arc<ReadyRead>, TypeRef)>,
    state: SqlState,
    options: Vec<(String, Arc<ReadyRead>)>,
}

/// What a trigger function returns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Returns {
    New,
    Old,
    Null,
}

/// Compiles a trigger as a run of it would, to refuse at once what would fail later.
///
/// # Errors
/// What its function's statements are refused with.
pub(crate) fn check(desk: &Desk<'_>, relation: &Relation, trigger: &Trigger) -> Result<(), SqlError> {
    let catalog = desk.catalog();
    compiled(&catalog, relation, trigger, compile::OWNER).map(drop)
}

impl Work<'_> {
    /// BEFORE ROW triggers in name order: the row to go on with, or `None` when one says that nothing happens to it. For a delete
    /// the answer's content is without meaning.
    pub(super) fn fire_before(&self, new: Option<Vec<Value>>, old: Option<&[Value]>) -> Result<Option<Vec<Value>>, SqlError> {
        if !self.program.table.has_row_triggers {
            return Ok(Some(new.unwrap_or_default()));
        }
        let catalog = self.desk.catalog();
        let Some(relation) = catalog.relation_by_oid(self.program.table.relation) else {
            return Err(SqlError::internal("the table written has gone"));
        };
        let mut new = new;
        for trigger in firing(relation, TriggerTiming::Before, new.is_some(), old.is_some(), self.assigned().as_deref()) {
            match self.fire(&catalog, relation, trigger, new.as_deref(), old)? {
                Some(row) => {
                    if new.is_some() {
                        new = Some(row);
                    }
                }
                None => return Ok(None),
            }
        }
        if let Some(row) = &new {
            for (value, column) in row.iter().zip(&self.program.table.columns) {
                self.check_domains(value, &column.input)?;
            }
        }
        Ok(Some(new.unwrap_or_default()))
    }

    /// Runs one trigger for one row. `None`: it returned NULL.
    pub(super) fn fire(
        &self,
        catalog: &Arc<Catalog>,
        relation: &Relation,
        trigger: &Trigger,
        new: Option<&[Value]>,
        old: Option<&[Value]>,
    ) -> Result<Option<Vec<Value>>, SqlError> {
        let function = function_of(catalog, trigger)?;
        let role = if function.security_definer { function.owner.as_str() } else { self.facts.session.current_user().as_str() };
        let compiled = self.kept(catalog, relation, trigger, role)?;
        let columns = relation.columns.len();
        let row = |values: Option<&[Value]>| values.map_or_else(|| vec![Value::Null; columns], <[Value]>::to_vec);
        let mut values = row(new);
        values.extend(row(old));
        values.extend(facts_of(catalog, relation, trigger, new.is_some(), old.is_some()));
        values.resize(compiled.width, Value::Null);
        let mut session = self.facts.session.clone();
        session.acting = Some(basalt_types::RoleName::new(role));
        let mut run = Frame { work: self, session, values, found: compiled.found };
        // The statement's authorization does not bind a trigger's own statements: they were guarded for its role.
        let context = self.desk.connection.context();
        let paused = context.pause_guard();
        let path = function.search_path(role);
        let inside = routine::current(context, |scene| {
            let path = path.as_deref().unwrap_or(scene.search_path());
            let session = run.session.clone();
            scene.with(&session, path).enter(|| run.all(&compiled))
        });
        let outcome = inside.unwrap_or_else(|| Err(SqlError::internal("a trigger fired outside of a request")));
        context.resume_guard(paused);
        let values = run.values;
        Ok(match outcome? {
            None => {
                return Err(SqlError::new(SqlState::new(b"2F005"), "control reached end of trigger procedure without RETURN"));
            }
            Some(Returns::Null) => None,
            Some(Returns::New) => Some(values[..columns].to_vec()),
            Some(Returns::Old) => Some(values[columns..2 * columns].to_vec()),
        })
    }

    fn kept(&self, catalog: &Arc<Catalog>, relation: &Relation, trigger: &Trigger, role: &str) -> Result<Rc<Compiled>, SqlError> {
        let key = (relation.oid, trigger.name.clone(), role.to_owned());
        kept::of(catalog, |kept| &mut kept.triggers, key, || compiled(catalog, relation, trigger, role).map(Rc::new))
    }
}

fn function_of<'c>(catalog: &'c Catalog, trigger: &Trigger) -> Result<&'c Arc<Function>, SqlError> {
    catalog.function_by_oid(Oid(trigger.function)).ok_or_else(|| SqlError::internal("a trigger's function has gone"))
}

/// The triggers a change fires, in name order. `assigned`: the columns an update assigns.
pub(super) fn firing<'r>(
    relation: &'r Relation,
    timing: TriggerTiming,
    has_new: bool,
    has_old: bool,
    assigned: Option<&[i16]>,
) -> Vec<&'r Trigger> {
    let assigns = |t: &Trigger| {
        t.update_of.is_empty() || assigned.is_none_or(|columns| t.update_of.iter().any(|attnum| columns.contains(attnum)))
    };
    let mut found: Vec<&Trigger> = relation
        .triggers
        .iter()
        .filter(|t| t.enabled && t.for_each_row && t.timing == timing)
        .filter(|t| match (has_new, has_old) {
            (true, false) => t.events.insert,
            (false, _) => t.events.delete,
            (true, true) => t.events.update && assigns(t),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Values of [`BUILT_IN`].
fn facts_of(catalog: &Catalog, relation: &Relation, trigger: &Trigger, has_new: bool, has_old: bool) -> Vec<Value> {
    let op = match (has_new, has_old) {
        (true, false) => "INSERT",
        (true, true) => "UPDATE",
        _ => "DELETE",
    };
    let when = if trigger.timing == TriggerTiming::Before { "BEFORE" } else { "AFTER" };
    let args: Vec<Value> = trigger.args.iter().map(|a| Value::from(a.as_str())).collect();
    vec![
        Value::from(op),
        Value::from(trigger.name.as_str()),
        Value::from(when),
        Value::from("ROW"),
        Value::from(relation.name.as_str()),
        Value::from(catalog.schema_name(relation.schema)),
        Value::from(relation.name.as_str()),
        Value::Int(i64::try_from(trigger.args.len()).unwrap_or(0)),
        Value::Text(pg::array_from_values(args, oid::TEXT)),
        Value::Int(0),
    ]
}

/// One run of a trigger function.
struct Frame<'a> {
    work: &'a Work<'a>,
    session: basalt_types::Session,
    values: Vec<Value>,
    found: usize,
}

impl Frame<'_> {
    fn all(&mut self, compiled: &Compiled) -> Result<Option<Returns>, SqlError> {
        if let Some(when) = &compiled.when
            && !self.is_true(when)?
        {
            // The row goes on as it is.
            return Ok(Some(Returns::New));
        }
        self.steps(&compiled.steps)
    }

    fn steps(&mut self, steps: &[Step]) -> Result<Option<Returns>, SqlError> {
        for step in steps {
            match step {
                Step::Assign { slot, value } => self.values[*slot] = self.value(value)?,
                Step::If { arms, otherwise } => {
                    let mut chosen = otherwise;
                    for (condition, body) in arms {
                        if self.is_true(condition)? {
                            chosen = body;
                            break;
                        }
                    }
                    if let Some(returns) = self.steps(chosen)? {
                        return Ok(Some(returns));
                    }
                }
                Step::Run(ready) => {
                    let affected = self.run(ready)?;
                    self.values[self.found] = Value::Int(i64::from(affected > 0));
                }
                Step::Perform(ready) => {
                    let rows = own::read(self.work.desk.connection, ready, &self.facts())?.rows;
                    self.values[self.found] = Value::Int(i64::from(!rows.is_empty()));
                }
                Step::Raise(raising) => self.raise(raising)?,
                Step::Return(returns) => return Ok(Some(*returns)),
            }
        }
        Ok(None)
    }

    fn facts(&self) -> Facts<'_> {
        Facts { session: &self.session, literals: self.work.facts.literals, params: &self.values, now: self.work.facts.now }
    }

    fn value(&self, ready: &ReadyRead) -> Result<Value, SqlError> {
        let mut rows = own::read(self.work.desk.connection, ready, &self.facts())?.rows;
        Ok(rows.pop().and_then(|mut row| row.pop()).unwrap_or(Value::Null))
    }

    fn is_true(&self, ready: &ReadyRead) -> Result<bool, SqlError> {
        Ok(matches!(self.value(ready)?, Value::Int(n) if n != 0))
    }

    fn run(&self, ready: &Ready) -> Result<u64, SqlError> {
        match ready {
            Ready::Read(ready) => Ok(own::read(self.work.desk.connection, ready, &self.facts())?.affected),
            Ready::Write(ready) => Ok(run_at(self.work.desk, &ready.program, &self.facts(), None, self.work.depth + 1)?.affected),
        }
    }

    fn text(&self, ready: &ReadyRead) -> Result<String, SqlError> {
        Ok(match self.value(ready)? {
            Value::Text(text) => text,
            Value::Null => String::new(),
            other => {
                let mut out = String::new();
                pg::text(other.as_ref(), TypeRef::of(oid::TEXT), &mut out);
                out
            }
        })
    }

    fn raise(&self, raising: &Raising) -> Result<(), SqlError> {
        let mut message = String::new();
        let mut args = raising.args.iter();
        let mut rest = raising.format.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '%' if rest.peek() == Some(&'%') => {
                    rest.next();
                    message.push('%');
                }
                '%' => {
                    if let Some((arg, ty)) = args.next() {
                        match self.value(arg)? {
                            Value::Null => message.push_str("<NULL>"),
                            value => pg::text(value.as_ref(), *ty, &mut message),
                        }
                    }
                }
                c => message.push(c),
            }
        }
        let mut error = SqlError::new(raising.state, message);
        for (option, value) in &raising.options {
            let text = self.text(value)?;
            match option.as_str() {
                "message" => error.message = text,
                "detail" => error.detail = Some(text),
                "hint" => error.hint = Some(text),
                "constraint" => error.constraint = Some(text),
                "errcode" => error.state = plpgsql_state(&text)?,
                _ => {}
            }
        }
        if raising.level == Level::Exception { Err(error) } else { Ok(()) }
    }
}

/// ERRCODE takes an SQLSTATE or the name of a condition.
fn plpgsql_state(text: &str) -> Result<SqlState, SqlError> {
    const NAMES: [(&str, SqlState); 8] = [
        ("raise_exception", SqlState::RAISE_EXCEPTION),
        ("unique_violation", SqlState::UNIQUE_VIOLATION),
        ("check_violation", SqlState::CHECK_VIOLATION),
        ("foreign_key_violation", SqlState::FOREIGN_KEY_VIOLATION),
        ("not_null_violation", SqlState::NOT_NULL_VIOLATION),
        ("insufficient_privilege", SqlState::INSUFFICIENT_PRIVILEGE),
        ("no_data_found", SqlState::NO_DATA_FOUND),
        ("invalid_parameter_value", SqlState::INVALID_PARAMETER),
    ];
    SqlState::parse(text)
        .or_else(|| NAMES.iter().find(|(name, _)| *name == text).map(|(_, state)| *state))
        .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_OBJECT, format!("unrecognized exception condition \"{text}\"")))
}

/// Compiles a trigger's function for its table and a role.
fn compiled(catalog: &Catalog, relation: &Relation, trigger: &Trigger, role: &str) -> Result<Compiled, SqlError> {
    let function = function_of(catalog, trigger)?;
    let block = plpgsql::parse(&function.body).map_err(|e| SqlError::new(e.code, e.message))?;
    let mut compiler = Compiler::new(catalog, relation, function, role);
    let when = match &trigger.when {
        Some(text) => {
            let written = basalt_sql::parse::expr(text).map_err(|e| SqlError::new(e.code, e.message))?;
            Some(compiler.value(&written, Some(TypeRef::of(oid::BOOL)))?)
        }
        None => None,
    };
    let steps = compiler.block(&block)?;
    Ok(Compiled { when, steps, width: compiler.width, found: compiler.built_in + BUILT_IN.len() - 1 })
}

struct Compiler<'a> {
    catalog: &'a Catalog,
    relation: &'a Relation,
    role: &'a str,
    cache: ExprCache,
    context: analyze::Context,
    /// Where the built-in variables begin among a run's values.
    built_in: usize,
    width: usize,
}

impl<'a> Compiler<'a> {
    fn new(catalog: &'a Catalog, relation: &'a Relation, function: &Function, role: &'a str) -> Self {
        let mut context = analyze::Context { first_range: 2, variables_conflict: true, ..analyze::Context::default() };
        if let Some((_, path)) = function.config.iter().find(|(name, _)| name == "search_path") {
            context.search_path = path
                .iter()
                .flat_map(|p| p.split(','))
                .map(|p| p.trim().trim_matches('"').to_owned())
                .filter(|p| !p.is_empty())
                .collect();
        }
        context.rows = vec![NamedRow::of_relation("new", NEW, relation), NamedRow::of_relation("old", OLD, relation)];
        let built_in = 2 * relation.columns.len();
        let mut compiler = Self { catalog, relation, role, cache: compile::expressions(), context, built_in, width: built_in };
        for (name, ty) in BUILT_IN {
            compiler.declare(name, ty);
        }
        compiler
    }

    fn declare(&mut self, name: &str, ty: TypeRef) -> usize {
        let slot = self.width;
        self.width += 1;
        // An inner declaration hides an outer one of the same name.
        self.context.variables.retain(|v| v.name != name);
        let param = Param::Numbered(u32::try_from(self.width).unwrap_or(u32::MAX));
        self.context.variables.push(Variable { name: name.to_owned(), qualifier: None, ty, param });
        slot
    }

    fn block(&mut self, block: &Block) -> Result<Vec<Step>, SqlError> {
        let outer = self.context.variables.clone();
        let mut steps = Vec::new();
        for declaration in &block.declarations {
            let DeclarationKind::Variable { ty: VariableType::Type(name), default, .. } = &declaration.kind else {
                return Err(SqlError::unsupported("this declaration in a trigger function"));
            };
            let ty = analyze::types::resolve(self.catalog, &self.context.search_path, name).map_err(|e| e.error)?;
            let value = default.as_ref().map(|d| self.value(d, Some(ty))).transpose()?;
            let slot = self.declare(&declaration.name, ty);
            if let Some(value) = value {
                steps.push(Step::Assign { slot, value });
            }
        }
        steps.extend(self.statements(&block.body)?);
        self.context.variables = outer;
        Ok(steps)
    }

    fn statements(&mut self, statements: &[Stmt]) -> Result<Vec<Step>, SqlError> {
        let mut steps = Vec::new();
        for statement in statements {
            match &statement.kind {
                StmtKind::Block(block) => steps.extend(self.block(block)?),
                StmtKind::Null => {}
                StmtKind::Assign { target, value } => {
                    let (slot, ty) = self.target(target)?;
                    steps.push(Step::Assign { slot, value: self.value(value, Some(ty))? });
                }
                StmtKind::If { arms, otherwise } => {
                    let boolean = TypeRef::of(oid::BOOL);
                    let arms = arms
                        .iter()
                        .map(|(condition, body)| Ok((self.value(condition, Some(boolean))?, self.statements(body)?)))
                        .collect::<Result<_, SqlError>>()?;
                    steps.push(Step::If { arms, otherwise: self.statements(otherwise)? });
                }
                StmtKind::Sql { statement, into: None } => steps.push(Step::Run(self.statement(statement)?)),
                StmtKind::Perform(query) => steps.push(Step::Perform(self.query(query)?)),
                StmtKind::Raise(raise) => steps.push(Step::Raise(self.raise(raise)?)),
                StmtKind::Return(value) => steps.push(Step::Return(returns(value.as_ref())?)),
                _ => return Err(SqlError::unsupported("this statement in a trigger function")),
            }
        }
        Ok(steps)
    }

    /// What an assignment sets: a variable, or a column of NEW.
    fn target(&self, target: &Written) -> Result<(usize, TypeRef), SqlError> {
        let parts: Vec<&str> = match &target.kind {
            WrittenKind::Column(parts) => parts.iter().map(String::as_str).collect(),
            WrittenKind::Field(inner, field) => match &inner.kind {
                WrittenKind::Column(parts) if parts.len() == 1 => vec![parts[0].as_str(), field.as_str()],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        match parts.as_slice() {
            ["new", column] => {
                let at = self.relation.columns.iter().position(|c| c.name == *column).ok_or_else(|| {
                    SqlError::new(SqlState::UNDEFINED_COLUMN, format!("record \"new\" has no field \"{column}\""))
                })?;
                Ok((at, self.relation.columns[at].type_ref()))
            }
            [name] => {
                let found = self.context.variables.iter().find(|v| v.name == *name);
                match found {
                    Some(Variable { param: Param::Numbered(n), ty, .. }) => Ok((*n as usize - 1, *ty)),
                    _ => Err(SqlError::new(SqlState::SYNTAX_ERROR, format!("\"{name}\" is not a known variable"))),
                }
            }
            _ => Err(SqlError::unsupported("this target of an assignment in a trigger function")),
        }
    }

    fn value(&self, written: &Written, target: Option<TypeRef>) -> Result<Arc<ReadyRead>, SqlError> {
        Ok(self.typed_value(written, target)?.0)
    }

    fn typed_value(&self, written: &Written, target: Option<TypeRef>) -> Result<(Arc<ReadyRead>, TypeRef), SqlError> {
        let expr = analyze::row_expr(written, self.catalog, &self.context, target).map_err(|e| e.error)?;
        let ty = expr.ty;
        let select = Select {
            distinct: None,
            targets: vec![Target { expr, name: "value".to_owned() }],
            from: Vec::new(),
            filter: None,
            policy: None,
            group_by: Vec::new(),
            having: None,
        };
        let query =
            Query { ctes: Vec::new(), body: Body::Select(Box::new(select)), order_by: Vec::new(), limit: None, offset: None };
        match self.ready(Statement::Query(Box::new(query)))? {
            Ready::Read(ready) => Ok((ready, ty)),
            Ready::Write(_) => Err(SqlError::internal("an expression became a write")),
        }
    }

    fn query(&self, query: &basalt_sql::tree::Query) -> Result<Arc<ReadyRead>, SqlError> {
        let typed = analyze::query(query, self.catalog, &self.context).map_err(|e| e.error)?;
        match self.ready(Statement::Query(Box::new(typed)))? {
            Ready::Read(ready) => Ok(ready),
            Ready::Write(_) => Err(SqlError::internal("a query became a write")),
        }
    }

    fn statement(&self, statement: &TreeStatement) -> Result<Ready, SqlError> {
        self.ready(analyze::statement(statement, self.catalog, &self.context).map_err(|e| e.error)?)
    }

    /// Columns of NEW and OLD become parameters, then guard and dialect.
    fn ready(&self, mut statement: Statement) -> Result<Ready, SqlError> {
        let mut rows = RowsToParams { relation: self.relation, whole_row: false };
        walk_statement_mut(&mut rows, &mut statement);
        if rows.whole_row {
            return Err(SqlError::unsupported("NEW or OLD as a whole row in a trigger function"));
        }
        let program = compile::typed(&statement, self.catalog, self.role, &self.cache)?;
        Ok(Ready::new(program, self.catalog))
    }

    fn raise(&self, raise: &Raise) -> Result<Raising, SqlError> {
        let args = raise.args.iter().map(|a| self.typed_value(a, None)).collect::<Result<_, _>>()?;
        let text = TypeRef::of(oid::TEXT);
        let options = raise
            .options
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.value(value, Some(text))?)))
            .collect::<Result<_, SqlError>>()?;
        let state = match &raise.condition {
            Some(plpgsql::Condition::State(state) | plpgsql::Condition::Name(state)) => plpgsql_state(state)?,
            None => SqlState::RAISE_EXCEPTION,
        };
        let format = match (&raise.format, &raise.condition) {
            (Some(format), _) => format.clone(),
            (None, Some(plpgsql::Condition::State(name) | plpgsql::Condition::Name(name))) => name.clone(),
            (None, None) => state.as_str().to_owned(),
        };
        Ok(Raising { level: raise.level, format, args, state, options })
    }
}

fn returns(value: Option<&Written>) -> Result<Returns, SqlError> {
    match value.map(|v| &v.kind) {
        Some(WrittenKind::Column(parts)) if parts.as_slice() == ["new"] => Ok(Returns::New),
        Some(WrittenKind::Column(parts)) if parts.as_slice() == ["old"] => Ok(Returns::Old),
        Some(WrittenKind::Null) => Ok(Returns::Null),
        _ => Err(SqlError::unsupported("RETURN of anything but NEW, OLD or NULL in a trigger function")),
    }
}

/// Replaces columns of NEW and OLD by the numbers under which a run keeps their values.
struct RowsToParams<'a> {
    relation: &'a Relation,
    whole_row: bool,
}

impl VisitorMut for RowsToParams<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        match expr.kind {
            ExprKind::Column { range, column } if range == NEW || range == OLD => {
                let at = self.relation.columns.iter().position(|c| c.attnum == column).unwrap_or_default();
                let base = if range == OLD { self.relation.columns.len() } else { 0 };
                expr.kind = ExprKind::Param(Param::Numbered(u32::try_from(base + at + 1).unwrap_or(u32::MAX)));
            }
            ExprKind::WholeRow { range } if range == NEW || range == OLD => self.whole_row = true,
            _ => walk_expr_mut(self, expr),
        }
    }
}
