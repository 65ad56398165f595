//! What a new function or trigger would be refused for when it runs: known at once, as far as PostgreSQL would not refuse it too.
//!
//! PostgreSQL checks a body's syntax, names of variables, types and labels when a function is made, and its SQL when it runs. Here
//! SQL that this engine does not run is refused when the function is made; what is wrong in PostgreSQL too stays for its run.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use basalt_catalog::{Function, Relation, Trigger};
use basalt_types::{Oid, SqlError, SqlState};

use super::code::{Block, Code, Execute, Into, Place, Source, Step, Targets, VarKind};
use super::compile::{self, Subject};
use super::prepare::Lazy;
use super::record::Shape;
use super::scope::Known;
use crate::routine::Scene;

/// Checks a function of PL/pgSQL. The scene has its search path.
///
/// # Errors
/// What PostgreSQL refuses too, and 0A000.
pub(crate) fn check_function(scene: &Scene<'_>, function: &Function) -> Result<(), SqlError> {
    let catalog = scene.catalog();
    if function.returns == basalt_types::pg::oid::TRIGGER.0 {
        // Its rows are known when it becomes a table's.
        let code = compile::code(&Subject::Trigger(function, None), &catalog, scene.search_path())?;
        return Checker::new(scene, &code).code();
    }
    let code = compile::code(&Subject::Function(function), &catalog, scene.search_path())?;
    Checker::new(scene, &code).code()
}

/// Checks a trigger's function for its table.
///
/// # Errors
/// As [`check_function`].
pub(crate) fn check_trigger(scene: &Scene<'_>, relation: &Relation, trigger: &Trigger) -> Result<(), SqlError> {
    let catalog = scene.catalog();
    let function: &Arc<Function> =
        catalog.function_by_oid(Oid(trigger.function)).ok_or_else(|| SqlError::internal("a trigger's function has gone"))?;
    let search_path = function.search_path(scene.role());
    let search_path = search_path.as_deref().unwrap_or(scene.search_path());
    let session = scene.session().clone();
    let inner = scene.with(&session, search_path);
    let subject = Subject::Trigger(function, Some((relation, trigger)));
    let code = compile::code(&subject, &catalog, search_path)?;
    Checker::new(&inner, &code).code()
}

/// Whether an error is this engine's alone.
fn is_ours(error: &SqlError) -> bool {
    error.state == SqlState::FEATURE_NOT_SUPPORTED && error.message.contains("on SQLite")
}

struct Checker<'a> {
    scene: &'a Scene<'a>,
    code: &'a Code,
    /// Shapes of records, as far as statements before have given them some.
    shapes: RefCell<HashMap<usize, Rc<Shape>>>,
}

impl Known for Checker<'_> {
    fn shape(&self, var: usize) -> Option<Rc<Shape>> {
        self.shapes.borrow().get(&var).cloned()
    }
}

impl<'a> Checker<'a> {
    fn new(scene: &'a Scene<'a>, code: &'a Code) -> Self {
        let fixed = code.vars.iter().enumerate().filter_map(|(at, var)| match &var.kind {
            VarKind::Record(Some(shape)) => Some((at, Rc::clone(shape))),
            _ => None,
        });
        Self { scene, code, shapes: RefCell::new(fixed.collect()) }
    }

    fn code(&self) -> Result<(), SqlError> {
        if let Some(when) = &self.code.when {
            self.lazy(when)?;
        }
        self.block(&self.code.body)
    }

    /// The columns of a text, when it can be analysed by itself.
    fn lazy(&self, lazy: &Lazy) -> Result<Option<Rc<Shape>>, SqlError> {
        match lazy.prepared(self.scene, self.code, self) {
            Ok(prepared) => Ok(Some(Rc::clone(&prepared.shape))),
            Err(error) if is_ours(&error) => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn all<'l>(&self, lazies: impl IntoIterator<Item = &'l Lazy>) -> Result<(), SqlError> {
        lazies.into_iter().try_for_each(|lazy| self.lazy(lazy).map(drop))
    }

    /// A record takes a shape.
    fn give(&self, targets: &Targets, shape: Option<Rc<Shape>>) {
        if let (Targets::Record(var), Some(shape)) = (targets, shape)
            && matches!(self.code.vars[*var].kind, VarKind::Record(None))
        {
            self.shapes.borrow_mut().insert(*var, shape);
        }
    }

    fn block(&self, block: &Block) -> Result<(), SqlError> {
        self.all(block.declared.iter().filter_map(|(_, default)| default.as_ref()))?;
        self.steps(&block.body)?;
        block.handlers.iter().try_for_each(|handler| self.steps(&handler.body))
    }

    fn steps(&self, steps: &[Step]) -> Result<(), SqlError> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn place(&self, place: &Place) -> Result<(), SqlError> {
        match place {
            Place::Var(_) | Place::Field(..) => Ok(()),
            Place::Element(inner, index) => {
                self.lazy(index)?;
                self.place(inner)
            }
        }
    }

    fn into(&self, into: Option<&Into>, shape: Option<Rc<Shape>>) {
        if let Some(into) = into {
            self.give(&into.targets, shape);
        }
    }

    fn execute(&self, execute: &Execute) -> Result<(), SqlError> {
        self.lazy(&execute.command)?;
        self.all(&execute.using)
    }

    fn source(&self, source: &Source) -> Result<Option<Rc<Shape>>, SqlError> {
        match source {
            Source::Statement(statement) => self.lazy(statement),
            Source::Execute(execute) => self.execute(execute).map(|()| None),
        }
    }

    fn step(&self, step: &Step) -> Result<(), SqlError> {
        match step {
            Step::Block(block) => self.block(block),
            Step::Assign(place, value) => {
                self.place(place)?;
                self.lazy(value).map(drop)
            }
            Step::AssignRecord(var, value) => {
                let shape = self.lazy(value)?;
                if matches!(value.text, super::prepare::Text::Statement(_)) {
                    self.give(&Targets::Record(*var), shape);
                }
                Ok(())
            }
            Step::CopyRecord { to, from } => {
                self.give(&Targets::Record(*to), self.shape(*from));
                Ok(())
            }
            Step::ClearRecord(_) | Step::ReturnRecord(_) | Step::ReturnNextRecord(_) | Step::RaiseAgain => Ok(()),
            Step::If { arms, otherwise } => {
                for (condition, body) in arms {
                    self.lazy(condition)?;
                    self.steps(body)?;
                }
                self.steps(otherwise)
            }
            Step::Case { operand, arms, otherwise } => {
                self.all(operand.iter().map(|(_, operand)| operand))?;
                for (condition, body) in arms {
                    self.lazy(condition)?;
                    self.steps(body)?;
                }
                otherwise.as_ref().map_or(Ok(()), |body| self.steps(body))
            }
            Step::Loop { body, .. } => self.steps(body),
            Step::While { condition, body, .. } => {
                self.lazy(condition)?;
                self.steps(body)
            }
            Step::ForInteger { from, to, step, body, .. } => {
                self.all([from, to].into_iter().chain(step))?;
                self.steps(body)
            }
            Step::ForRows { targets, source, body, .. } => {
                let shape = self.source(source)?;
                self.give(targets, shape);
                self.steps(body)
            }
            Step::ForEach { array, body, .. } => {
                self.lazy(array)?;
                self.steps(body)
            }
            Step::Exit { when, .. } | Step::Continue { when, .. } => self.all(when),
            Step::Return(value) | Step::ReturnNext(value) => self.all(value),
            Step::ReturnQuery(source) => self.source(source).map(drop),
            Step::Raise(raise) => {
                let texts = raise.args.iter().chain(raise.options.iter().map(|(_, value)| value));
                self.all(texts.filter(|text| text.record_variable(self.code).is_none()))
            }
            Step::Assert { condition, message } => self.all([condition].into_iter().chain(message)),
            Step::Sql { statement, into } => {
                let shape = self.lazy(statement)?;
                self.into(into.as_ref(), shape);
                Ok(())
            }
            Step::Perform(query) => self.lazy(query).map(drop),
            Step::Execute(execute, _) => self.execute(execute),
            Step::Diagnostics { items, .. } => items.iter().try_for_each(|(place, _)| self.place(place)),
        }
    }
}
