//! Loops.

use std::rc::Rc;

use basalt_types::pg::{self, Nested, oid};
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value};

use super::code::{Source, Step, Targets, VarKind};
use super::held;
use super::prepare::Lazy;
use super::record::{Record, Shape, storage};
use super::run::{Flow, Run};

const INT4: TypeRef = TypeRef::of(oid::INT4);

impl Run<'_> {
    pub(super) fn looped(&mut self, step: &Step) -> Result<Flow, SqlError> {
        match step {
            Step::Loop { label, body } => loop {
                self.tick()?;
                if let Some(flow) = self.once(*label, body)? {
                    return Ok(flow);
                }
            },
            Step::While { label, condition, body } => {
                while self.condition(condition)? {
                    self.tick()?;
                    if let Some(flow) = self.once(*label, body)? {
                        return Ok(flow);
                    }
                }
                Ok(Flow::Next)
            }
            Step::ForInteger { label, var, reverse, from, to, step, body } => {
                self.integers(*label, *var, *reverse, (from, to, step.as_ref()), body)
            }
            Step::ForRows { label, targets, source, body } => self.over_rows(*label, targets, source, body),
            Step::ForEach { label, targets, slice, array, body } => self.over_array(*label, targets, *slice, array, body),
            _ => Err(SqlError::internal("no loop")),
        }
    }

    /// Runs a body once: where to go when the loop ends by it.
    fn once(&mut self, label: u32, body: &[Step]) -> Result<Option<Flow>, SqlError> {
        Ok(match self.steps(body)? {
            Flow::Next => None,
            Flow::Continue(to) if to == label => None,
            Flow::Exit(to) if to == label => Some(Flow::Next),
            flow => Some(flow),
        })
    }

    fn bound(&mut self, bound: &Lazy, what: &str) -> Result<i64, SqlError> {
        match self.value_as(bound, INT4)? {
            Value::Int(n) => Ok(n),
            _ => Err(SqlError::new(SqlState::NULL_NOT_ALLOWED, format!("{what} of FOR loop cannot be null"))),
        }
    }

    fn integers(
        &mut self,
        label: u32,
        var: usize,
        reverse: bool,
        (from, to, step): (&Lazy, &Lazy, Option<&Lazy>),
        body: &[Step],
    ) -> Result<Flow, SqlError> {
        let mut at = self.bound(from, "lower bound")?;
        let end = self.bound(to, "upper bound")?;
        let step = step.map_or(Ok(1), |step| self.bound(step, "BY value"))?;
        if step <= 0 {
            return Err(SqlError::new(SqlState::INVALID_PARAMETER, "BY value of FOR loop must be greater than zero"));
        }
        let mut found = false;
        // The numbers are 32 bits wide, so that a step beyond the last does not overflow here.
        while if reverse { at >= end } else { at <= end } {
            self.tick()?;
            found = true;
            self.set_plain(var, Value::Int(at))?;
            if let Some(flow) = self.once(label, body)? {
                self.set_found(true);
                return Ok(flow);
            }
            at = if reverse { at - step } else { at + step };
            if i32::try_from(at).is_err() {
                break;
            }
        }
        self.set_found(found);
        Ok(Flow::Next)
    }

    /// All rows are read before the first is looked at: the body's own changes are not among them.
    fn over_rows(&mut self, label: u32, targets: &Targets, source: &Source, body: &[Step]) -> Result<Flow, SqlError> {
        let (shape, rows, bytes) = self.all_rows(source)?;
        let is_empty = rows.is_empty();
        let mut left = Flow::Next;
        for row in rows {
            self.tick()?;
            self.assign_targets(targets, Some(row), &shape)?;
            if let Some(flow) = self.once(label, body)? {
                left = flow;
                break;
            }
        }
        if is_empty {
            self.assign_targets(targets, None, &shape)?;
        }
        self.held.shrink(bytes);
        self.set_found(!is_empty);
        Ok(left)
    }

    /// Where a row's columns go.
    pub(super) fn assign_targets(
        &mut self,
        targets: &Targets,
        row: Option<Vec<Value>>,
        shape: &Rc<Shape>,
    ) -> Result<(), SqlError> {
        match targets {
            Targets::Record(var) => {
                let values = row.unwrap_or_else(|| vec![Value::Null; shape.columns.len()]);
                self.set_record(*var, Some(Record { shape: Rc::clone(shape), values }))
            }
            Targets::Places(places) => {
                let mut values = row.unwrap_or_default().into_iter();
                for (at, place) in places.iter().enumerate() {
                    let ty = shape.columns.get(at).map_or(TypeRef::of(oid::TEXT), |(_, ty)| *ty);
                    self.assign(place, values.next().unwrap_or(Value::Null), ty)?;
                }
                Ok(())
            }
        }
    }

    fn over_array(&mut self, label: u32, targets: &Targets, slice: usize, array: &Lazy, body: &[Step]) -> Result<Flow, SqlError> {
        let (value, ty) = self.value(array)?;
        let catalog = self.scene.catalog();
        if value.is_null() {
            return Err(SqlError::new(SqlState::NULL_NOT_ALLOWED, "FOREACH expression must not be null"));
        }
        let mismatch = |text: String| SqlError::new(SqlState::DATATYPE_MISMATCH, text);
        let element = basalt_sql::analyze::types::element(&catalog, ty.oid);
        let (Some(element), Value::Text(stored)) = (element, &value) else {
            let shown = catalog.format_type(ty);
            return Err(mismatch(format!("FOREACH expression must yield an array, not type {shown}")));
        };
        let stored_as = pg::element(storage(&catalog, ty).oid).unwrap_or(oid::TEXT);
        let nested = Nested::from_stored(stored, stored_as)?;
        let dimensions = nested.dimensions().len();
        if slice > dimensions {
            let text = format!("slice dimension ({slice}) is out of the valid range 0..{dimensions}");
            return Err(SqlError::new(SqlState::ARRAY_SUBSCRIPT, text));
        }
        let code = self.code;
        if let Targets::Places(places) = targets
            && let [super::code::Place::Var(var)] = places.as_slice()
            && let VarKind::Scalar(of) = &code.vars[*var].kind
        {
            let is_array = basalt_sql::analyze::types::element(&catalog, of.get().oid).is_some();
            if slice > 0 && !is_array {
                return Err(mismatch("FOREACH ... SLICE loop variable must be of an array type".to_owned()));
            }
            if slice == 0 && is_array {
                return Err(mismatch("FOREACH loop variable must not be of an array type".to_owned()));
            }
        }
        let element = TypeRef { oid: element, typmod: ty.typmod };
        let items = parts(&nested, slice, dimensions, stored_as);
        let bytes = held::row_size(&items);
        self.held.grow(bytes)?;
        let mut found = false;
        let mut left = Flow::Next;
        for item in items {
            self.tick()?;
            found = true;
            self.assign_item(targets, item, if slice > 0 { ty } else { element })?;
            if let Some(flow) = self.once(label, body)? {
                left = flow;
                break;
            }
        }
        self.held.shrink(bytes);
        self.set_found(found);
        Ok(left)
    }

    fn assign_item(&mut self, targets: &Targets, item: Value, ty: TypeRef) -> Result<(), SqlError> {
        match targets {
            Targets::Record(var) => {
                let VarKind::Record(fixed) = &self.code.vars[*var].kind else { return Ok(()) };
                let record = self.composite(item, ty, fixed.as_ref())?;
                self.set_record(*var, record)
            }
            Targets::Places(places) => match places.as_slice() {
                [place] => self.assign(place, item, ty),
                _ => Err(SqlError::unsupported("FOREACH over rows with a list of variables")),
            },
        }
    }
}

/// The elements of an array, or its slices of so many dimensions.
fn parts(nested: &Nested, slice: usize, dimensions: usize, element: Oid) -> Vec<Value> {
    if slice == 0 {
        return nested.leaves().into_iter().cloned().collect();
    }
    let mut level = vec![nested];
    for _ in slice..dimensions {
        level = level
            .into_iter()
            .flat_map(|nested| match nested {
                Nested::List(items) => items.iter().collect(),
                Nested::Leaf(_) => vec![nested],
            })
            .collect();
    }
    level.into_iter().map(|nested| Value::Text(nested.store(element))).collect()
}
