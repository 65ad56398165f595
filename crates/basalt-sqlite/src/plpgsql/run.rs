//! A run of a function: its variables, blocks and plain statements.

use std::rc::Rc;

use basalt_types::pg::oid;
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use super::code::{Block, Code, Place, Returns, Step, VarKind};
use super::held::{self, Held};
use super::prepare::{Action, Lazy, Prepared, Text, not_assigned, read};
use super::record::{Record, Shape, convert, text};
use super::scope::{Given, Known};
use crate::routine::{Scene, row};

const BOOL: TypeRef = TypeRef::of(oid::BOOL);

/// Statements between two looks at the clock.
const STEPS_PER_LOOK: u32 = 32;

/// What a variable holds.
pub(super) enum Datum {
    Scalar(Value),
    /// `None`: nothing was assigned yet.
    Record(Option<Record>),
}

/// Where a statement leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Exit(u32),
    Continue(u32),
    Return,
}

/// What RETURN gave.
pub(super) enum Returned {
    Nothing,
    Value(Value),
    /// `None`: NULL.
    Row(Option<Record>),
}

/// One run.
pub(super) struct Run<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) code: &'a Code,
    pub(super) vars: Vec<Datum>,
    /// ROW_COUNT.
    pub(super) row_count: u64,
    /// Errors being handled, outermost first.
    pub(super) handled: Vec<SqlError>,
    /// RETURN NEXT and RETURN QUERY.
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) returned: Returned,
    pub(super) held: Held,
    steps: u32,
}

impl Known for Run<'_> {
    fn shape(&self, var: usize) -> Option<Rc<Shape>> {
        match self.vars.get(var) {
            Some(Datum::Record(Some(record))) => Some(Rc::clone(&record.shape)),
            _ => None,
        }
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, code: &'a Code) -> Self {
        let vars = code
            .vars
            .iter()
            .map(|var| match &var.kind {
                VarKind::Scalar(_) => Datum::Scalar(Value::Null),
                VarKind::Record(shape) => Datum::Record(shape.as_ref().map(Record::empty)),
            })
            .collect();
        let mut run = Self {
            scene,
            code,
            vars,
            row_count: 0,
            handled: Vec::new(),
            rows: Vec::new(),
            returned: Returned::Nothing,
            held: Held::new(scene.options().max_routine_bytes),
            steps: 0,
        };
        run.set_found(false);
        run
    }

    pub(super) fn set_found(&mut self, found: bool) {
        self.vars[self.code.found] = Datum::Scalar(Value::Int(i64::from(found)));
    }

    /// Runs the body.
    ///
    /// # Errors
    /// What it raises.
    pub(super) fn body(&mut self) -> Result<Flow, SqlError> {
        let code = self.code;
        self.block(&code.body)
    }

    pub(super) fn steps(&mut self, steps: &[Step]) -> Result<Flow, SqlError> {
        for step in steps {
            self.tick()?;
            match self.step(step)? {
                Flow::Next => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    /// Counts a step: time and budget are looked at now and then.
    ///
    /// # Errors
    /// 57014.
    pub(super) fn tick(&mut self) -> Result<(), SqlError> {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS_PER_LOOK) && self.scene.connection().context().progress() {
            return Err(crate::error::timeout());
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<Flow, SqlError> {
        match step {
            Step::Block(block) => return self.block(block),
            Step::Assign(place, value) => {
                let (value, ty) = self.value(value)?;
                self.assign(place, value, ty)?;
            }
            Step::AssignRecord(var, value) => self.assign_row_of(*var, value)?,
            Step::CopyRecord { to, from } => {
                let record = match &self.vars[*from] {
                    Datum::Record(record) => record.clone(),
                    Datum::Scalar(_) => None,
                };
                self.set_record(*to, record)?;
            }
            Step::ClearRecord(var) => self.set_record(*var, None)?,
            Step::If { arms, otherwise } => {
                for (condition, body) in arms {
                    if self.condition(condition)? {
                        return self.steps(body);
                    }
                }
                return self.steps(otherwise);
            }
            Step::Case { operand, arms, otherwise } => return self.case(operand.as_ref(), arms, otherwise.as_deref()),
            Step::Loop { .. } | Step::While { .. } | Step::ForInteger { .. } | Step::ForRows { .. } | Step::ForEach { .. } => {
                return self.looped(step);
            }
            Step::Exit { label, when } => {
                if self.is_wanted(when.as_ref())? {
                    return Ok(Flow::Exit(*label));
                }
            }
            Step::Continue { label, when } => {
                if self.is_wanted(when.as_ref())? {
                    return Ok(Flow::Continue(*label));
                }
            }
            Step::Return(value) => {
                if let Some(value) = value {
                    self.returned = self.return_value(value)?;
                }
                return Ok(Flow::Return);
            }
            Step::ReturnRecord(var) => {
                self.returned = match &self.vars[*var] {
                    Datum::Record(record) => Returned::Row(record.clone()),
                    Datum::Scalar(_) => Returned::Row(None),
                };
                return Ok(Flow::Return);
            }
            Step::ReturnNext(value) => self.return_next(value.as_ref())?,
            Step::ReturnNextRecord(var) => {
                let record = match &self.vars[*var] {
                    Datum::Record(Some(record)) => record.clone(),
                    _ => return Err(not_assigned(&self.code.vars[*var].name)),
                };
                self.give_record(record)?;
            }
            Step::ReturnQuery(source) => self.return_query(source)?,
            Step::Raise(raise) => self.raise(raise)?,
            Step::RaiseAgain => {
                return Err(self.handled.last().cloned().unwrap_or_else(|| {
                    SqlError::new(SqlState::new(b"0Z002"), "RAISE without parameters cannot be used outside an exception handler")
                }));
            }
            Step::Assert { condition, message } => self.assert(condition, message.as_ref())?,
            Step::Sql { statement, into } => self.sql(statement, into.as_ref())?,
            Step::Perform(query) => self.perform(query)?,
            Step::Execute(execute, into) => self.execute(execute, into.as_ref())?,
            Step::Diagnostics { stacked, items } => self.diagnostics(*stacked, items)?,
        }
        Ok(Flow::Next)
    }

    fn is_wanted(&mut self, when: Option<&Lazy>) -> Result<bool, SqlError> {
        when.map_or(Ok(true), |when| self.condition(when))
    }

    fn block(&mut self, block: &Block) -> Result<Flow, SqlError> {
        for (var, default) in &block.declared {
            self.begin(*var, default.as_ref())?;
        }
        let flow = if block.handlers.is_empty() { self.steps(&block.body)? } else { self.guarded_block(block)? };
        Ok(if flow == Flow::Exit(block.label) { Flow::Next } else { flow })
    }

    /// A variable at the beginning of its block.
    fn begin(&mut self, var: usize, default: Option<&Lazy>) -> Result<(), SqlError> {
        let code = self.code;
        match (&code.vars[var].kind, default) {
            (VarKind::Scalar(ty), None) => {
                let ty = ty.get();
                self.set_scalar(var, Value::Null, ty)
            }
            (VarKind::Scalar(_), Some(default)) => {
                let (value, ty) = self.value(default)?;
                self.set_scalar(var, value, ty)
            }
            (VarKind::Record(_), None) => self.set_record(var, None),
            (VarKind::Record(_), Some(default)) => self.assign_row_of(var, default),
        }
    }

    /// A block with handlers: what it did is undone when one takes over.
    fn guarded_block(&mut self, block: &Block) -> Result<Flow, SqlError> {
        let mark = super::savepoint::Mark::set(self.scene)?;
        let error = match self.steps(&block.body) {
            Ok(flow) => {
                mark.keep(self.scene)?;
                return Ok(flow);
            }
            Err(error) => error,
        };
        // What stopped the request as a whole, or ended its transaction, is for no handler.
        let context = self.scene.connection().context();
        if context.stopped() != crate::connection::context::Stop::None || !mark.is_alive(self.scene) {
            return Err(error);
        }
        mark.undo(self.scene)?;
        let taken = block.handlers.iter().find(|handler| handler.conditions.iter().any(|c| c.takes(error.state)));
        let Some(handler) = taken else { return Err(error) };
        if let Some((state, message)) = block.caught {
            self.set_plain(state, Value::from(error.state.as_str()))?;
            self.set_plain(message, Value::Text(error.message.clone()))?;
        }
        self.handled.push(error);
        let flow = self.steps(&handler.body);
        self.handled.pop();
        flow
    }

    fn case(
        &mut self,
        operand: Option<&(usize, Lazy)>,
        arms: &[(Lazy, Vec<Step>)],
        otherwise: Option<&[Step]>,
    ) -> Result<Flow, SqlError> {
        if let Some((var, operand)) = operand {
            let (value, ty) = self.value(operand)?;
            let code = self.code;
            if let VarKind::Scalar(known) = &code.vars[*var].kind
                && known.replace(ty) != ty
            {
                code.types.set(code.types.get().wrapping_add(1));
            }
            self.set_plain(*var, value)?;
        }
        for (condition, body) in arms {
            if self.condition(condition)? {
                return self.steps(body);
            }
        }
        match otherwise {
            Some(body) => self.steps(body),
            None => Err(SqlError::new(SqlState::new(b"20000"), "case not found").hint("CASE statement is missing ELSE part.")),
        }
    }

    /// What is bound to a statement.
    pub(super) fn params(&self, prepared: &Prepared, using: &[Value]) -> Vec<Value> {
        prepared.given.iter().map(|given| self.given(*given, using)).collect()
    }

    fn given(&self, given: Given, using: &[Value]) -> Value {
        let record = |var: usize| match self.vars.get(var) {
            Some(Datum::Record(Some(record))) => Some(record),
            _ => None,
        };
        match given {
            Given::Var(var) => match self.vars.get(var) {
                Some(Datum::Scalar(value)) => value.clone(),
                _ => Value::Null,
            },
            Given::Field(var, at) => record(var).and_then(|r| r.values.get(at)).cloned().unwrap_or(Value::Null),
            Given::Object(var) => record(var).map_or(Value::Null, |r| Value::Text(r.object(&self.scene.catalog()))),
            Given::Row(var) => record(var).map_or(Value::Null, |r| row::write(r.values.iter().map(Value::as_ref))),
            Given::Using(at) => using.get(at).cloned().unwrap_or(Value::Null),
        }
    }

    /// An expression's value and type.
    ///
    /// # Errors
    /// What analysing and computing it ends with.
    pub(super) fn value(&mut self, lazy: &Lazy) -> Result<(Value, TypeRef), SqlError> {
        let prepared = lazy.prepared(self.scene, self.code, self)?;
        let value = self.prepared_value(&prepared)?;
        Ok((value, prepared.ty()))
    }

    fn prepared_value(&self, prepared: &Prepared) -> Result<Value, SqlError> {
        match &prepared.action {
            Action::Simple(simple) => {
                let given = |at: usize| prepared.given.get(at).map_or(Value::Null, |given| self.given(*given, &[]));
                simple.value(&given)
            }
            Action::Read(ready) => {
                let mut found = Value::Null;
                read(self.scene, ready, &self.params(prepared, &[]), |row| {
                    found = row.into_iter().next().unwrap_or(Value::Null);
                    Ok(false)
                })?;
                Ok(found)
            }
            Action::Write(_) | Action::Utility => Err(SqlError::internal("an expression became a statement")),
        }
    }

    /// An expression's value converted to a type.
    ///
    /// # Errors
    /// As [`Self::value`], and what the type does not take.
    pub(super) fn value_as(&mut self, lazy: &Lazy, to: TypeRef) -> Result<Value, SqlError> {
        let (value, from) = self.value(lazy)?;
        convert(self.scene, value, from, to)
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// As [`Self::value_as`].
    pub(super) fn condition(&mut self, lazy: &Lazy) -> Result<bool, SqlError> {
        Ok(matches!(self.value_as(lazy, BOOL)?, Value::Int(n) if n != 0))
    }

    /// An expression's value as text, NULL as nothing.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub(super) fn text(&mut self, lazy: &Lazy) -> Result<Option<String>, SqlError> {
        // A record variable prints as a row, which no statement does here.
        if let Some(var) = lazy.record_variable(self.code) {
            return Ok(match &self.vars[var] {
                Datum::Record(Some(record)) => Some(record.text(&self.scene.catalog())),
                _ => None,
            });
        }
        let (value, ty) = self.value(lazy)?;
        Ok(text(&self.scene.catalog(), &value, ty))
    }

    /// Assigns a value to a place.
    ///
    /// # Errors
    /// What its type does not take, NULL for NOT NULL.
    pub(super) fn assign(&mut self, place: &Place, value: Value, from: TypeRef) -> Result<(), SqlError> {
        match place {
            Place::Var(var) => match &self.code.vars[*var].kind {
                VarKind::Scalar(_) => self.set_scalar(*var, value, from),
                VarKind::Record(_) if value.is_null() => self.set_record(*var, None),
                VarKind::Record(_) => self.set_composite(*var, value, from),
            },
            Place::Field(var, field) => {
                let (at, ty) = self.field(*var, field)?;
                let value = convert(self.scene, value, from, ty)?;
                let Datum::Record(Some(record)) = &mut self.vars[*var] else { return Ok(()) };
                let old = held::size(&record.values[at]);
                self.held.grow(held::size(&value))?;
                self.held.shrink(old);
                record.values[at] = value;
                Ok(())
            }
            Place::Element(array, index) => self.assign_element(array, index, value, from),
        }
    }

    /// Where a field of a record stands.
    fn field(&self, var: usize, field: &str) -> Result<(usize, TypeRef), SqlError> {
        let name = &self.code.vars[var].name;
        let Datum::Record(Some(record)) = &self.vars[var] else { return Err(not_assigned(name)) };
        let at = record
            .shape
            .position(field)
            .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_COLUMN, format!("record \"{name}\" has no field \"{field}\"")))?;
        Ok((at, record.shape.columns[at].1))
    }

    /// What stands in a place, with its type.
    pub(super) fn place(&self, place: &Place) -> Result<(Value, TypeRef), SqlError> {
        match place {
            Place::Var(var) => match (&self.code.vars[*var].kind, &self.vars[*var]) {
                (VarKind::Scalar(ty), Datum::Scalar(value)) => Ok((value.clone(), ty.get())),
                _ => Err(SqlError::unsupported("an element of a record")),
            },
            Place::Field(var, field) => {
                let (at, ty) = self.field(*var, field)?;
                let Datum::Record(Some(record)) = &self.vars[*var] else { return Ok((Value::Null, ty)) };
                Ok((record.values[at].clone(), ty))
            }
            Place::Element(..) => Err(SqlError::unsupported("an element of an element")),
        }
    }

    fn set_scalar(&mut self, var: usize, value: Value, from: TypeRef) -> Result<(), SqlError> {
        let declared = &self.code.vars[var];
        let VarKind::Scalar(ty) = &declared.kind else { return Err(SqlError::internal("a record is no scalar")) };
        let value = convert(self.scene, value, from, ty.get())?;
        if declared.not_null && value.is_null() {
            let name = &declared.name;
            let message = format!("null value cannot be assigned to variable \"{name}\" declared NOT NULL");
            return Err(SqlError::new(SqlState::NULL_NOT_ALLOWED, message));
        }
        self.set_plain(var, value)
    }

    /// Stores a value that fits.
    pub(super) fn set_plain(&mut self, var: usize, value: Value) -> Result<(), SqlError> {
        let old = match &self.vars[var] {
            Datum::Scalar(old) => held::size(old),
            Datum::Record(_) => 0,
        };
        self.held.grow(held::size(&value))?;
        self.held.shrink(old);
        self.vars[var] = Datum::Scalar(value);
        Ok(())
    }

    /// A record variable takes a row. `None`: NULL.
    pub(super) fn set_record(&mut self, var: usize, record: Option<Record>) -> Result<(), SqlError> {
        let declared = &self.code.vars[var];
        let VarKind::Record(fixed) = &declared.kind else { return Err(SqlError::internal("a scalar is no record")) };
        if declared.not_null && record.is_none() {
            let name = &declared.name;
            let message = format!("null value cannot be assigned to variable \"{name}\" declared NOT NULL");
            return Err(SqlError::new(SqlState::NULL_NOT_ALLOWED, message));
        }
        let record = match (fixed, record) {
            (None, record) => record,
            (Some(shape), None) => Some(Record::empty(shape)),
            (Some(shape), Some(record)) => Some(fitted(self.scene, record, shape)?),
        };
        let old = match &self.vars[var] {
            Datum::Record(Some(old)) => held::row_size(&old.values),
            _ => 0,
        };
        self.held.grow(record.as_ref().map_or(0, |r| held::row_size(&r.values)))?;
        self.held.shrink(old);
        self.vars[var] = Datum::Record(record);
        Ok(())
    }

    /// A record variable takes an expression's row.
    fn assign_row_of(&mut self, var: usize, lazy: &Lazy) -> Result<(), SqlError> {
        let record = self.row(lazy)?;
        match record {
            Ok(record) => self.set_record(var, record),
            Err((value, _)) if value.is_null() => self.set_record(var, None),
            Err((value, ty)) => self.set_composite(var, value, ty),
        }
    }

    /// The row of a statement that stands for one, or the value of an expression.
    pub(super) fn row(&mut self, lazy: &Lazy) -> Result<Result<Option<Record>, (Value, TypeRef)>, SqlError> {
        if matches!(lazy.text, Text::Value(_)) {
            if let Some(var) = lazy.record_variable(self.code) {
                let Datum::Record(record) = &self.vars[var] else { return Ok(Ok(None)) };
                return Ok(Ok(record.clone()));
            }
            return self.value(lazy).map(Err);
        }
        let prepared = lazy.prepared(self.scene, self.code, self)?;
        let Action::Read(ready) = &prepared.action else { return Err(SqlError::internal("a row became a write")) };
        let mut found = None;
        read(self.scene, ready, &self.params(&prepared, &[]), |row| {
            found = Some(row);
            Ok(false)
        })?;
        Ok(Ok(found.map(|values| Record { shape: Rc::clone(&prepared.shape), values })))
    }

    /// A record variable takes a value of a composite type.
    fn set_composite(&mut self, var: usize, value: Value, from: TypeRef) -> Result<(), SqlError> {
        let VarKind::Record(fixed) = &self.code.vars[var].kind else { return Err(SqlError::internal("a scalar is no record")) };
        let record = self.composite(value, from, fixed.as_ref())?;
        self.set_record(var, record)
    }

    /// A composite value taken apart.
    pub(super) fn composite(&self, value: Value, from: TypeRef, fixed: Option<&Rc<Shape>>) -> Result<Option<Record>, SqlError> {
        let catalog = self.scene.catalog();
        let own = Shape::of_type(&catalog, from);
        if own.is_none() && from.oid != oid::RECORD {
            return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, "cannot assign non-composite value to a record variable"));
        }
        let Value::Text(text) = value else { return Ok(None) };
        let shape = own.as_ref().or(fixed).ok_or_else(|| SqlError::unsupported("a row whose columns are not known"))?;
        Record::of_object(&catalog, &text, shape).map(Some)
    }

    fn return_value(&mut self, lazy: &Lazy) -> Result<Returned, SqlError> {
        let code = self.code;
        match &code.returns {
            Returns::Scalar(ty) => Ok(Returned::Value(self.value_as(lazy, *ty)?)),
            Returns::Trigger | Returns::Row(_) => match self.row(lazy)? {
                Ok(record) => Ok(Returned::Row(record)),
                Err((value, _)) if value.is_null() => Ok(Returned::Row(None)),
                Err((value, ty)) => {
                    let fixed = match (&code.returns, code.rows) {
                        (Returns::Row(shape), _) => shape.clone(),
                        (_, Some((new, _))) => self.shape(new),
                        _ => None,
                    };
                    let catalog = self.scene.catalog();
                    if Shape::of_type(&catalog, ty).is_none() && ty.oid != oid::RECORD {
                        let message = "cannot return non-composite value from function returning composite type";
                        return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, message));
                    }
                    Ok(Returned::Row(self.composite(value, ty, fixed.as_ref())?))
                }
            },
            Returns::Nothing | Returns::SetOfRows(_) | Returns::SetOfScalars(_) => Ok(Returned::Nothing),
        }
    }
}

/// A row in another shape: by position, the rest NULL.
///
/// # Errors
/// What the fields' types do not take.
pub(super) fn fitted(scene: &Scene<'_>, record: Record, shape: &Rc<Shape>) -> Result<Record, SqlError> {
    if Rc::ptr_eq(&record.shape, shape) {
        return Ok(record);
    }
    let mut given = record.values.into_iter().zip(&record.shape.columns);
    let mut values = Vec::with_capacity(shape.columns.len());
    for (_, to) in &shape.columns {
        values.push(match given.next() {
            Some((value, (_, from))) => convert(scene, value, *from, *to)?,
            None => Value::Null,
        });
    }
    Ok(Record { shape: Rc::clone(shape), values })
}
