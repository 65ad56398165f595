//! A body becomes [`Code`]: names are looked up, types resolved, labels numbered, and what PL/pgSQL itself refuses is refused.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use basalt_catalog::{ArgMode, Catalog, Function, Relation, Trigger};
use basalt_sql::analyze;
use basalt_sql::plpgsql::{self, Declaration, DeclarationKind, ForSource, Stmt, StmtKind, VariableType};
use basalt_sql::tree::{Expr, ExprKind, Name, Operator, Pos, Query, Select, SelectItem, SetExpr, Statement, TypeName};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlError, SqlState, TypeRef};

use super::code::{Block, Code, Execute, Handler, Into, Item, Place, Raise, Returns, Source, Step, Table, Targets, Var, VarKind};
use super::conditions;
use super::prepare::Lazy;
use super::record::Shape;
use super::scope::{Conflict, Scope};

/// Most variables of a function.
const MOST_VARIABLES: usize = 2000;

const TEXT: TypeRef = TypeRef::of(oid::TEXT);

/// What a trigger function sees beside NEW and OLD.
const OF_TRIGGERS: [(&str, Oid); 10] = [
    ("tg_name", oid::NAME),
    ("tg_when", oid::TEXT),
    ("tg_level", oid::TEXT),
    ("tg_op", oid::TEXT),
    ("tg_relid", oid::OID),
    ("tg_relname", oid::NAME),
    ("tg_table_name", oid::NAME),
    ("tg_table_schema", oid::NAME),
    ("tg_nargs", oid::INT4),
    ("tg_argv", oid::TEXT_ARRAY),
];

/// What is compiled.
pub(super) enum Subject<'a> {
    /// For a trigger on a relation; a trigger function may be nobody's yet.
    Trigger(&'a Function, Option<(&'a Relation, &'a Trigger)>),
    Function(&'a Function),
    /// DO.
    Block(&'a str),
}

pub(super) fn syntax(message: impl core::convert::Into<String>) -> SqlError {
    SqlError::new(SqlState::SYNTAX_ERROR, message)
}

fn mismatch(message: impl core::convert::Into<String>) -> SqlError {
    SqlError::new(SqlState::DATATYPE_MISMATCH, message)
}

/// Compiles a body.
///
/// # Errors
/// Bad syntax, unknown names, labels, types and conditions; 0A000 for what does not run here.
pub(super) fn code(subject: &Subject<'_>, catalog: &Catalog, search_path: &[String]) -> Result<Code, SqlError> {
    let body = match subject {
        Subject::Trigger(function, ..) | Subject::Function(function) => &function.body,
        Subject::Block(body) => *body,
    };
    let parsed = plpgsql::parse(body).map_err(|e| SqlError::new(e.code, e.message))?;
    let mut conflict = Conflict::Error;
    for (option, value) in &parsed.options {
        match (option.as_str(), value.as_str()) {
            ("variable_conflict", "error") => conflict = Conflict::Error,
            ("variable_conflict", "use_column") => conflict = Conflict::Column,
            ("print_strict_params" | "dump", _) => {}
            _ => return Err(SqlError::unsupported(format!("the option #{option} {value}"))),
        }
    }
    let name = match subject {
        Subject::Trigger(function, ..) | Subject::Function(function) => function.name.clone(),
        Subject::Block(_) => String::new(),
    };
    let mut compiler = Compiler {
        catalog,
        search_path,
        conflict,
        vars: Vec::new(),
        scope: None,
        labels: Vec::new(),
        next_label: 0,
        returns: Returns::Nothing,
        has_out: false,
    };
    let own: Rc<str> = Rc::from(name.as_str());
    let mut rows = None;
    let mut params = 0;
    let mut outputs = Vec::new();
    let mut tables = Vec::new();
    match subject {
        Subject::Trigger(_, of) => {
            compiler.returns = Returns::Trigger;
            let shape = of.map(|(relation, _)| Shape::of_relation(catalog, relation));
            let new = compiler.declare(Some(&own), Var::record("new", shape.clone()))?;
            let old = compiler.declare(Some(&own), Var::record("old", shape))?;
            rows = Some((new, old));
            for (name, ty) in OF_TRIGGERS {
                compiler.declare(Some(&own), Var::scalar(name, TypeRef::of(ty)))?;
            }
            if let Some((relation, trigger)) = of {
                for name in [&trigger.old_table, &trigger.new_table].into_iter().flatten() {
                    let hidden = format!("__{name}__");
                    let var = compiler.declare(None, Var::scalar(&hidden, TypeRef::of(oid::JSON)))?;
                    tables.push(Table { name: name.clone(), var, query: table_query(catalog, relation, &hidden)? });
                }
            }
        }
        Subject::Function(function) => {
            for arg in &function.args {
                let ty = TypeRef::of(Oid(arg.ty));
                let kind = match Shape::of_type(catalog, ty) {
                    Some(shape) => VarKind::Record(Some(shape)),
                    None => VarKind::Scalar(Cell::new(ty)),
                };
                compiler.declare(Some(&own), Var { name: arg.name.clone(), kind, constant: false, not_null: false })?;
                if matches!(arg.mode, ArgMode::Out | ArgMode::InOut | ArgMode::Table) {
                    compiler.has_out = true;
                    outputs.push(compiler.vars.len() - 1);
                }
            }
            params = function.args.len();
            compiler.returns = returns(function, catalog);
        }
        Subject::Block(_) => {}
    }
    let found = compiler.declare(Some(&own), Var::scalar("found", TypeRef::of(oid::BOOL)))?;
    let when = match subject {
        Subject::Trigger(_, Some((_, Trigger { when: Some(text), .. }))) => {
            let written = basalt_sql::parse::expr(text).map_err(|e| SqlError::new(e.code, e.message))?;
            Some(compiler.lazy(written))
        }
        _ => None,
    };
    let body = compiler.block(parsed)?;
    Ok(Code {
        vars: compiler.vars,
        params,
        outputs,
        found,
        rows,
        tables,
        body,
        returns: compiler.returns,
        when,
        types: Cell::new(0),
        dynamic: RefCell::default(),
    })
}

/// The query that reads a transition table's rows.
fn table_query(catalog: &Catalog, relation: &Relation, var: &str) -> Result<Query, SqlError> {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns: Vec<String> = relation
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            format!("(row_texts ->> {at})::{} AS {}", catalog.format_type(column.type_ref()), quote(&column.name))
        })
        .collect();
    let text = format!("SELECT {} FROM json_array_elements({}) AS row_texts", columns.join(", "), quote(var));
    basalt_sql::parse::query(&text).map_err(|e| SqlError::new(e.code, e.message))
}

/// What a function gives back.
fn returns(function: &Function, catalog: &Catalog) -> Returns {
    let outputs: Vec<(String, TypeRef)> = function.outputs().map(|arg| (arg.name.clone(), TypeRef::of(Oid(arg.ty)))).collect();
    let ty = TypeRef::of(Oid(function.returns));
    let named = Shape::of_type(catalog, ty);
    match (function.setof, outputs.len()) {
        (true, 2..) => Returns::SetOfRows(Shape::new(outputs)),
        (true, 1) if ty.oid == oid::RECORD => Returns::SetOfRows(Shape::new(outputs)),
        (true, _) => named.map_or(Returns::SetOfScalars(ty), Returns::SetOfRows),
        (false, 2..) => Returns::Row(Some(Shape::new(outputs))),
        (false, _) if ty.oid == oid::VOID || function.procedure => Returns::Nothing,
        (false, _) if ty.oid == oid::RECORD => Returns::Row(None),
        (false, _) => named.map_or(Returns::Scalar(ty), |shape| Returns::Row(Some(shape))),
    }
}

struct Label {
    name: Option<String>,
    number: u32,
    is_loop: bool,
}

struct Compiler<'a> {
    catalog: &'a Catalog,
    search_path: &'a [String],
    conflict: Conflict,
    vars: Vec<Var>,
    scope: Option<Rc<Scope>>,
    labels: Vec<Label>,
    next_label: u32,
    returns: Returns,
    has_out: bool,
}

impl Compiler<'_> {
    fn declare(&mut self, label: Option<&Rc<str>>, var: Var) -> Result<usize, SqlError> {
        if self.vars.len() >= MOST_VARIABLES {
            return Err(SqlError::new(SqlState::PROGRAM_LIMIT, "a function has too many variables"));
        }
        let at = self.vars.len();
        self.scope = Some(Scope::with(self.scope.as_ref(), label, &var.name, at));
        self.vars.push(var);
        Ok(at)
    }

    fn lazy(&self, expr: Expr) -> Lazy {
        Lazy::value(expr, self.scope.as_ref(), self.conflict)
    }

    fn statement_lazy(&self, statement: Statement) -> Lazy {
        Lazy::statement(statement, self.scope.as_ref(), self.conflict)
    }

    fn lazies(&self, exprs: Vec<Expr>) -> Vec<Lazy> {
        exprs.into_iter().map(|expr| self.lazy(expr)).collect()
    }

    fn number(&mut self) -> u32 {
        self.next_label += 1;
        self.next_label
    }

    fn block(&mut self, block: plpgsql::Block) -> Result<Block, SqlError> {
        let outer = self.scope.clone();
        let number = self.number();
        let label: Option<Rc<str>> = block.label.as_deref().map(Rc::from);
        let mut declared = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for declaration in block.declarations {
            if names.contains(&declaration.name) {
                return Err(syntax(format!("duplicate declaration at or near \"{}\"", declaration.name)));
            }
            names.push(declaration.name.clone());
            if let Some(entry) = self.declaration(declaration, label.as_ref())? {
                declared.push(entry);
            }
        }
        self.labels.push(Label { name: block.label, number, is_loop: false });
        let body = self.statements(block.body)?;
        let mut handlers = Vec::with_capacity(block.handlers.len());
        let mut caught = None;
        if !block.handlers.is_empty() {
            let state = self.declare(None, Var::scalar("sqlstate", TEXT))?;
            let message = self.declare(None, Var::scalar("sqlerrm", TEXT))?;
            caught = Some((state, message));
        }
        for handler in block.handlers {
            let mut conditions = Vec::new();
            for condition in handler.conditions {
                match condition {
                    plpgsql::Condition::Name(name) => conditions.extend(conditions::handled(&name)?),
                    plpgsql::Condition::State(state) => {
                        conditions.extend(SqlState::parse(&state).map(super::code::Condition::State));
                    }
                }
            }
            handlers.push(Handler { conditions, body: self.statements(handler.body)? });
        }
        self.labels.pop();
        self.scope = outer;
        Ok(Block { label: number, declared, body, handlers, caught })
    }

    fn declaration(
        &mut self,
        declaration: Declaration,
        label: Option<&Rc<str>>,
    ) -> Result<Option<(usize, Option<Lazy>)>, SqlError> {
        match declaration.kind {
            DeclarationKind::Alias(of) => {
                let found = match of.as_slice() {
                    [name] => name.strip_prefix('$').map_or_else(
                        || self.find(None, name),
                        |n| n.parse::<usize>().ok()?.checked_sub(1).filter(|n| *n < self.vars.len()),
                    ),
                    [label, name] => self.find(Some(label), name),
                    _ => None,
                };
                let var = found.ok_or_else(|| {
                    SqlError::new(SqlState::UNDEFINED_OBJECT, format!("variable \"{}\" does not exist", of.join(".")))
                })?;
                self.scope = Some(Scope::with(self.scope.as_ref(), label, &declaration.name, var));
                Ok(None)
            }
            DeclarationKind::Cursor { .. } => Err(SqlError::unsupported("a PL/pgSQL cursor")),
            DeclarationKind::Variable { constant, ty, collation, not_null, default } => {
                if collation.is_some() {
                    return Err(SqlError::unsupported("COLLATE of a PL/pgSQL variable"));
                }
                let kind = self.kind(&ty, &declaration.name)?;
                if not_null && default.is_none() {
                    let name = &declaration.name;
                    return Err(SqlError::new(
                        SqlState::NULL_NOT_ALLOWED,
                        format!("variable \"{name}\" must have a default value, since it's declared NOT NULL"),
                    ));
                }
                let default = default.map(|default| self.lazy(default));
                let var = self.declare(label, Var { name: declaration.name, kind, constant, not_null })?;
                Ok(Some((var, default)))
            }
        }
    }

    fn find(&self, label: Option<&str>, name: &str) -> Option<usize> {
        self.scope.as_ref()?.find(label, name)
    }

    fn kind(&self, ty: &VariableType, variable: &str) -> Result<VarKind, SqlError> {
        match ty {
            VariableType::Record => Ok(VarKind::Record(None)),
            VariableType::Row(name) => {
                let relation = self.relation(name)?;
                Ok(VarKind::Record(Some(Shape::of_relation(self.catalog, &relation))))
            }
            VariableType::Type(name) => self.kind_of_type(name, variable),
        }
    }

    fn relation(&self, name: &Name) -> Result<std::sync::Arc<Relation>, SqlError> {
        let found = match &name.schema {
            Some(schema) => self.catalog.relation(schema, &name.name),
            None => self.catalog.relation_in_path(self.search_path, &name.name),
        };
        found.cloned().ok_or_else(|| {
            let shown = name.schema.as_ref().map_or_else(|| name.name.clone(), |s| format!("{s}.{}", name.name));
            SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist"))
        })
    }

    fn kind_of_type(&self, name: &TypeName, variable: &str) -> Result<VarKind, SqlError> {
        if name.percent_type {
            let written = name.schema.as_ref().map_or_else(|| name.name.clone(), |s| format!("{s}.{}", name.name));
            let parts: Vec<&str> = written.split('.').collect();
            let var = match parts.as_slice() {
                [only] => self.find(None, only),
                [label, only] => self.find(Some(label), only),
                _ => None,
            };
            if let Some(var) = var.and_then(|var| self.vars.get(var)) {
                return Ok(match &var.kind {
                    VarKind::Scalar(ty) => VarKind::Scalar(Cell::new(self.arrayed(ty.get(), name)?)),
                    VarKind::Record(shape) => VarKind::Record(shape.clone()),
                });
            }
            if let [record, field] = parts.as_slice()
                && let Some(Var { kind: VarKind::Record(Some(shape)), .. }) =
                    self.find(None, record).and_then(|var| self.vars.get(var))
                && let Some(at) = shape.position(field)
            {
                return Ok(VarKind::Scalar(Cell::new(shape.columns[at].1)));
            }
            if let [only] = parts.as_slice() {
                return Err(syntax(format!("variable \"{only}\" does not exist")));
            }
            // The column's type with its length, as PL/pgSQL has it.
            let (column, table) = (parts.last().copied().unwrap_or(""), parts.len().saturating_sub(2));
            let relation =
                Name { schema: (table > 0).then(|| parts[table - 1].to_owned()), name: parts[table].to_owned(), pos: name.pos };
            let relation = self.relation(&relation)?;
            let ty = relation.column(column).map(basalt_catalog::Column::type_ref).ok_or_else(|| {
                let message = format!("column \"{column}\" of relation \"{}\" does not exist", relation.name);
                SqlError::new(SqlState::UNDEFINED_COLUMN, message)
            })?;
            return Ok(self.kind_of(self.arrayed(ty, name)?));
        }
        // A table's name is a type too.
        let is_plain = name.dimensions == 0 && name.modifiers.is_empty();
        match analyze::types::resolve(self.catalog, self.search_path, name) {
            Ok(ty) if matches!(ty.oid, oid::TRIGGER | oid::VOID) || is_pseudo(ty.oid) => {
                let shown = self.catalog.format_type(ty);
                Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("variable \"{variable}\" has pseudo-type {shown}")))
            }
            Ok(ty) => Ok(self.kind_of(ty)),
            Err(e) => {
                let table = Name { schema: name.schema.clone(), name: name.name.clone(), pos: name.pos };
                match self.relation(&table) {
                    Ok(relation) if is_plain => Ok(VarKind::Record(Some(Shape::of_relation(self.catalog, &relation)))),
                    _ => Err(e.error),
                }
            }
        }
    }

    fn arrayed(&self, ty: TypeRef, name: &TypeName) -> Result<TypeRef, SqlError> {
        if name.dimensions == 0 {
            return Ok(ty);
        }
        if pg::element(ty.oid).is_some() {
            return Ok(ty);
        }
        let array = analyze::types::array_of(self.catalog, ty.oid).map(|array| TypeRef { oid: array, typmod: ty.typmod });
        array.ok_or_else(|| SqlError::unsupported("an array of this type"))
    }

    fn kind_of(&self, ty: TypeRef) -> VarKind {
        Shape::of_type(self.catalog, ty).map_or_else(|| VarKind::Scalar(Cell::new(ty)), |shape| VarKind::Record(Some(shape)))
    }

    fn statements(&mut self, statements: Vec<Stmt>) -> Result<Vec<Step>, SqlError> {
        let mut steps = Vec::with_capacity(statements.len());
        for statement in statements {
            if !matches!(statement.kind, StmtKind::Null) {
                steps.push(self.step(statement.kind)?);
            }
        }
        Ok(steps)
    }

    /// Compiles a loop's body under its label.
    fn looped(&mut self, label: Option<String>, body: Vec<Stmt>) -> Result<(u32, Vec<Step>), SqlError> {
        let number = self.number();
        self.labels.push(Label { name: label, number, is_loop: true });
        let body = self.statements(body);
        self.labels.pop();
        Ok((number, body?))
    }

    fn step(&mut self, kind: StmtKind) -> Result<Step, SqlError> {
        Ok(match kind {
            StmtKind::Block(block) => Step::Block(Box::new(self.block(block)?)),
            StmtKind::Assign { target, value } => self.assign(&target, value)?,
            StmtKind::If { arms, otherwise } => {
                let arms = self.arms(arms)?;
                Step::If { arms, otherwise: self.statements(otherwise)? }
            }
            StmtKind::Case { operand, arms, otherwise } => self.case(operand, arms, otherwise)?,
            StmtKind::Loop { label, body } => {
                let (label, body) = self.looped(label, body)?;
                Step::Loop { label, body }
            }
            StmtKind::While { label, condition, body } => {
                let condition = self.lazy(condition);
                let (label, body) = self.looped(label, body)?;
                Step::While { label, condition, body }
            }
            StmtKind::ForInteger { label, variable, reverse, from, to, step, body } => {
                let (from, to, step) = (self.lazy(from), self.lazy(to), step.map(|step| self.lazy(step)));
                let outer = self.scope.clone();
                let of: Option<Rc<str>> = label.as_deref().map(Rc::from);
                let var = self.declare(of.as_ref(), Var::scalar(&variable, TypeRef::of(oid::INT4)))?;
                let (label, body) = self.looped(label, body)?;
                self.scope = outer;
                Step::ForInteger { label, var, reverse, from, to, step, body }
            }
            StmtKind::ForRows { label, targets, source, body } => {
                let targets = self
                    .targets(&targets, "loop variable of loop over rows must be a record variable or list of scalar variables")?;
                let source = match source {
                    ForSource::Query(statement) => Source::Statement(self.statement_lazy(*statement)),
                    ForSource::Execute { command, using } => Source::Execute(self.execute(command, using)),
                    ForSource::Cursor { .. } => return Err(SqlError::unsupported("a PL/pgSQL cursor")),
                };
                let (label, body) = self.looped(label, body)?;
                Step::ForRows { label, targets, source, body }
            }
            StmtKind::ForEach { label, targets, slice, array, body } => {
                let targets = self.targets(&targets, "loop variable of FOREACH must be a known variable or list of variables")?;
                let slice = usize::try_from(slice).map_err(|_| syntax("syntax error at or near \"-\""))?;
                let array = self.lazy(array);
                let (label, body) = self.looped(label, body)?;
                Step::ForEach { label, targets, slice, array, body }
            }
            StmtKind::Exit { label, when } => {
                let label = self.label(label.as_deref(), true)?;
                Step::Exit { label, when: when.map(|when| self.lazy(when)) }
            }
            StmtKind::Continue { label, when } => {
                let label = self.label(label.as_deref(), false)?;
                Step::Continue { label, when: when.map(|when| self.lazy(when)) }
            }
            StmtKind::Return(value) => self.return_value(value)?,
            StmtKind::ReturnNext(value) => self.return_next(value)?,
            StmtKind::ReturnQuery(statement) => {
                self.must_return_set("RETURN QUERY")?;
                Step::ReturnQuery(Source::Statement(self.statement_lazy(*statement)))
            }
            StmtKind::ReturnQueryExecute { command, using } => {
                self.must_return_set("RETURN QUERY")?;
                Step::ReturnQuery(Source::Execute(self.execute(command, using)))
            }
            StmtKind::Raise(raise) if raise.again => Step::RaiseAgain,
            StmtKind::Raise(raise) => Step::Raise(self.raise(raise)?),
            StmtKind::Assert { condition, message } => {
                Step::Assert { condition: self.lazy(condition), message: message.map(|message| self.lazy(message)) }
            }
            StmtKind::Sql { statement, into } => {
                let into = into.map(|into| self.into(into)).transpose()?;
                Step::Sql { statement: self.statement_lazy(*statement), into }
            }
            StmtKind::Perform(query) => Step::Perform(self.statement_lazy(Statement::Select(query))),
            StmtKind::Execute { command, into, using } => {
                let into = into.map(|into| self.into(into)).transpose()?;
                Step::Execute(self.execute(command, using), into)
            }
            StmtKind::GetDiagnostics { stacked, items } => self.diagnostics(stacked, &items)?,
            StmtKind::Open { .. } | StmtKind::Fetch { .. } | StmtKind::Close(_) => {
                return Err(SqlError::unsupported("a PL/pgSQL cursor"));
            }
            StmtKind::Commit { .. } | StmtKind::Rollback { .. } => {
                return Err(SqlError::unsupported("COMMIT or ROLLBACK in PL/pgSQL"));
            }
            StmtKind::Null => Step::If { arms: Vec::new(), otherwise: Vec::new() },
        })
    }

    fn arms(&mut self, arms: Vec<(Expr, Vec<Stmt>)>) -> Result<Vec<(Lazy, Vec<Step>)>, SqlError> {
        arms.into_iter().map(|(condition, body)| Ok((self.lazy(condition), self.statements(body)?))).collect()
    }

    fn case(
        &mut self,
        operand: Option<Expr>,
        arms: Vec<(Vec<Expr>, Vec<Stmt>)>,
        otherwise: Option<Vec<Stmt>>,
    ) -> Result<Step, SqlError> {
        let outer = self.scope.clone();
        let mut hidden = None;
        let operand = match operand {
            Some(operand) => {
                let pos = operand.pos;
                let operand = self.lazy(operand);
                let name = format!("__Case__Variable_{}__", self.vars.len());
                let var = self.declare(None, Var::scalar(&name, TEXT))?;
                hidden = Some(Expr { kind: ExprKind::Column(vec![name]), pos });
                Some((var, operand))
            }
            None => None,
        };
        let mut done = Vec::with_capacity(arms.len());
        for (values, body) in arms {
            let condition = match (&hidden, values) {
                (None, mut values) if values.len() == 1 => values.remove(0),
                (None, values) => {
                    let pos = values.first().map(|v| v.pos).unwrap_or_default();
                    Expr { kind: ExprKind::Or(values), pos }
                }
                (Some(hidden), mut values) if values.len() == 1 => {
                    let value = values.remove(0);
                    let equals = Operator { schema: None, symbol: "=".to_owned() };
                    Expr { kind: ExprKind::Binary(equals, Box::new(hidden.clone()), Box::new(value)), pos: hidden.pos }
                }
                (Some(hidden), list) => {
                    Expr { kind: ExprKind::InList { expr: Box::new(hidden.clone()), list, negated: false }, pos: hidden.pos }
                }
            };
            done.push((self.lazy(condition), self.statements(body)?));
        }
        let otherwise = otherwise.map(|body| self.statements(body)).transpose()?;
        self.scope = outer;
        Ok(Step::Case { operand, arms: done, otherwise })
    }

    fn label(&self, name: Option<&str>, is_exit: bool) -> Result<u32, SqlError> {
        match name {
            None => self.labels.iter().rev().find(|label| label.is_loop).map(|label| label.number).ok_or_else(|| {
                syntax(if is_exit {
                    "EXIT cannot be used outside a loop, unless it has a label"
                } else {
                    "CONTINUE cannot be used outside a loop"
                })
            }),
            Some(name) => {
                let found = self.labels.iter().rev().find(|label| label.name.as_deref() == Some(name)).ok_or_else(|| {
                    syntax(format!("there is no label \"{name}\" attached to any block or loop enclosing this statement"))
                })?;
                if !is_exit && !found.is_loop {
                    return Err(syntax(format!("block label \"{name}\" cannot be used in CONTINUE")));
                }
                Ok(found.number)
            }
        }
    }

    fn execute(&self, command: Expr, using: Vec<Expr>) -> Execute {
        Execute { command: self.lazy(command), using: self.lazies(using) }
    }

    fn assign(&mut self, target: &Expr, value: Expr) -> Result<Step, SqlError> {
        let place = self.place(target)?;
        let Place::Var(var) = place else { return Ok(Step::Assign(place, self.lazy(value))) };
        if !matches!(self.vars[var].kind, VarKind::Record(_)) {
            return Ok(Step::Assign(place, self.lazy(value)));
        }
        Ok(match &value.kind {
            ExprKind::Null => Step::ClearRecord(var),
            ExprKind::Column(parts) => match self.record_named(parts) {
                Some(from) => Step::CopyRecord { to: var, from },
                None => Step::AssignRecord(var, self.lazy(value)),
            },
            // The columns of a query, or of a row, rather than the row as one value.
            ExprKind::Row(_) => Step::AssignRecord(var, self.row_query(value)),
            _ => Step::AssignRecord(var, self.lazy(value)),
        })
    }

    /// `ROW(a, b)` as `SELECT a AS f1, b AS f2`.
    fn row_query(&self, value: Expr) -> Lazy {
        let pos = value.pos;
        let ExprKind::Row(items) = value.kind else { return self.lazy(value) };
        let items = items
            .into_iter()
            .enumerate()
            .map(|(at, expr)| {
                let alias = match expr.kind {
                    ExprKind::Star(_) => None,
                    _ => Some(format!("f{}", at + 1)),
                };
                SelectItem { expr, alias }
            })
            .collect();
        self.statement_lazy(Statement::Select(Box::new(select_of(items, pos))))
    }

    fn record_named(&self, parts: &[String]) -> Option<usize> {
        let found = match parts {
            [name] => self.find(None, name),
            [label, name] => self.find(Some(label), name),
            _ => None,
        };
        found.filter(|var| matches!(self.vars[*var].kind, VarKind::Record(_)))
    }

    /// What an assignment sets.
    fn place(&mut self, target: &Expr) -> Result<Place, SqlError> {
        match &target.kind {
            ExprKind::Param(n) => {
                let var = usize::try_from(*n).ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < self.vars.len());
                var.map(Place::Var).ok_or_else(|| syntax(format!("\"${n}\" is not a known variable")))
            }
            ExprKind::Column(parts) => self.named_place(parts),
            ExprKind::Field(inner, field) => match self.place(inner)? {
                Place::Var(var) if matches!(self.vars[var].kind, VarKind::Record(_)) => Ok(Place::Field(var, field.clone())),
                _ => Err(SqlError::unsupported("assignment to a field of a composite value inside another")),
            },
            ExprKind::Subscript(inner, index) => {
                let place = self.place(inner)?;
                if matches!(place, Place::Element(..)) {
                    return Err(SqlError::unsupported("assignment to an element of an array of several dimensions"));
                }
                Ok(Place::Element(Box::new(place), self.lazy((**index).clone())))
            }
            ExprKind::Slice(..) => Err(SqlError::unsupported("assignment to a slice of an array")),
            _ => Err(syntax("this is not a known variable")),
        }
    }

    fn named_place(&self, parts: &[String]) -> Result<Place, SqlError> {
        let unknown = || syntax(format!("\"{}\" is not a known variable", parts.join(".")));
        let place = match parts {
            [name] => self.find(None, name).map(Place::Var),
            [first, second] => match self.record_named(std::slice::from_ref(first)) {
                Some(record) => Some(Place::Field(record, second.clone())),
                None => self.find(Some(first), second).map(Place::Var),
            },
            [label, record, field] => {
                self.record_named(&[label.clone(), record.clone()]).map(|record| Place::Field(record, field.clone()))
            }
            _ => None,
        };
        let place = place.ok_or_else(unknown)?;
        let (Place::Var(var) | Place::Field(var, _)) = &place else { return Ok(place) };
        let var = &self.vars[*var];
        if var.constant {
            return Err(SqlError::new(SqlState::new(b"22005"), format!("variable \"{}\" is declared CONSTANT", var.name)));
        }
        Ok(place)
    }

    fn targets(&mut self, targets: &[Expr], refused: &str) -> Result<Targets, SqlError> {
        let mut places = Vec::with_capacity(targets.len());
        for target in targets {
            places.push(self.place(target).map_err(|e| {
                if targets.len() == 1 && e.message.contains("not a known") && refused.starts_with("loop") {
                    syntax(refused)
                } else {
                    e
                }
            })?);
        }
        let is_record = |place: &Place| matches!(place, Place::Var(var) if matches!(self.vars[*var].kind, VarKind::Record(_)));
        match places.as_slice() {
            [Place::Var(var)] if is_record(&places[0]) => Ok(Targets::Record(*var)),
            _ if places.iter().any(is_record) => Err(syntax("record variable cannot be part of multiple-item INTO list")),
            _ => Ok(Targets::Places(places)),
        }
    }

    fn into(&mut self, into: plpgsql::Into) -> Result<Into, SqlError> {
        Ok(Into { strict: into.strict, targets: self.targets(&into.targets, "")? })
    }

    fn return_value(&mut self, value: Option<Expr>) -> Result<Step, SqlError> {
        let Some(value) = value else {
            let is_enough =
                self.has_out || matches!(self.returns, Returns::Nothing | Returns::SetOfRows(_) | Returns::SetOfScalars(_));
            return if is_enough { Ok(Step::Return(None)) } else { Err(syntax("missing expression at or near \";\"")) };
        };
        match self.returns {
            Returns::SetOfRows(_) | Returns::SetOfScalars(_) => {
                return Err(
                    mismatch("RETURN cannot have a parameter in function returning set").hint("Use RETURN NEXT or RETURN QUERY.")
                );
            }
            Returns::Nothing => return Err(mismatch("RETURN cannot have a parameter in function returning void")),
            _ if self.has_out => return Err(mismatch("RETURN cannot have a parameter in function with OUT parameters")),
            Returns::Trigger | Returns::Row(_) | Returns::Scalar(_) => {}
        }
        if let ExprKind::Column(parts) = &value.kind
            && let Some(var) = self.record_named(parts)
        {
            return Ok(Step::ReturnRecord(var));
        }
        let is_row = matches!(self.returns, Returns::Trigger | Returns::Row(_));
        Ok(Step::Return(Some(match value.kind {
            ExprKind::Row(_) if is_row => self.row_query(value),
            _ => self.lazy(value),
        })))
    }

    fn must_return_set(&self, what: &str) -> Result<(), SqlError> {
        match self.returns {
            Returns::SetOfRows(_) | Returns::SetOfScalars(_) => Ok(()),
            _ => Err(mismatch(format!("cannot use {what} in a non-SETOF function"))),
        }
    }

    fn return_next(&mut self, value: Option<Expr>) -> Result<Step, SqlError> {
        self.must_return_set("RETURN NEXT")?;
        let Some(value) = value else {
            return if self.has_out { Ok(Step::ReturnNext(None)) } else { Err(syntax("missing expression at or near \";\"")) };
        };
        if self.has_out {
            return Err(mismatch("RETURN NEXT cannot have a parameter in function with OUT parameters"));
        }
        if let ExprKind::Column(parts) = &value.kind
            && let Some(var) = self.record_named(parts)
        {
            return Ok(Step::ReturnNextRecord(var));
        }
        let is_row = matches!(self.returns, Returns::SetOfRows(_));
        Ok(Step::ReturnNext(Some(match value.kind {
            ExprKind::Row(_) if is_row => self.row_query(value),
            _ => self.lazy(value),
        })))
    }

    fn raise(&mut self, raise: plpgsql::Raise) -> Result<Raise, SqlError> {
        let condition = match raise.condition {
            Some(plpgsql::Condition::State(state)) => SqlState::parse(&state).map(|parsed| (state, parsed)),
            Some(plpgsql::Condition::Name(name)) => {
                let state = conditions::raised(&name)?;
                Some((name, state))
            }
            None => None,
        };
        let options = raise.options.into_iter().map(|(name, value)| (name, self.lazy(value))).collect();
        Ok(Raise { level: raise.level, format: raise.format, args: self.lazies(raise.args), condition, options })
    }

    fn diagnostics(&mut self, stacked: bool, items: &[(Expr, String)]) -> Result<Step, SqlError> {
        let mut done = Vec::with_capacity(items.len());
        for (target, item) in items {
            let of_stacked = |item: Item| if stacked { Some(item) } else { None };
            let of_current = |item: Item| if stacked { None } else { Some(item) };
            let found = match item.as_str() {
                "row_count" => of_current(Item::RowCount),
                "pg_context" => of_current(Item::Context),
                "pg_exception_context" => of_stacked(Item::Context),
                "returned_sqlstate" => of_stacked(Item::State),
                "message_text" => of_stacked(Item::Message),
                "pg_exception_detail" => of_stacked(Item::Detail),
                "pg_exception_hint" => of_stacked(Item::Hint),
                "constraint_name" => of_stacked(Item::Constraint),
                "column_name" | "table_name" | "schema_name" | "pg_datatype_name" | "pg_routine_oid" => {
                    return Err(SqlError::unsupported(format!("GET DIAGNOSTICS {}", item.to_uppercase())));
                }
                _ => return Err(syntax(format!("unrecognized GET DIAGNOSTICS item at or near \"{item}\""))),
            };
            let item = found.ok_or_else(|| {
                let kind = if stacked { "STACKED" } else { "CURRENT" };
                syntax(format!("diagnostics item {} is not allowed in GET {kind} DIAGNOSTICS", item.to_uppercase()))
            })?;
            done.push((self.place(target)?, item));
        }
        Ok(Step::Diagnostics { stacked, items: done })
    }
}

fn is_pseudo(ty: Oid) -> bool {
    pg::builtin(ty).is_some_and(|b| b.category == 'P')
}

/// `SELECT items`.
pub(super) fn select_of(items: Vec<SelectItem>, pos: Pos) -> Query {
    let select = Select {
        distinct: None,
        items,
        from: Vec::new(),
        filter: None,
        group_by: Vec::new(),
        grouping_sets: false,
        having: None,
        windows: Vec::new(),
        pos,
    };
    Query {
        with: None,
        body: SetExpr::Select(Box::new(select)),
        order_by: Vec::new(),
        limit: None,
        with_ties: false,
        offset: None,
        locking: Vec::new(),
        pos,
    }
}
