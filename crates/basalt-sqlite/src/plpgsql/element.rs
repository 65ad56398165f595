//! Assignment to an element of an array.

use basalt_sql::analyze::types;
use basalt_types::pg::{self, Nested, oid};
use basalt_types::{SqlError, SqlState, TypeRef, Value};

use super::code::Place;
use super::prepare::Lazy;
use super::record::{convert, storage};
use super::run::Run;

/// Most elements that an assignment far behind an array's end makes.
const MOST_ELEMENTS: usize = 1 << 24;

impl Run<'_> {
    pub(super) fn assign_element(&mut self, array: &Place, index: &Lazy, value: Value, from: TypeRef) -> Result<(), SqlError> {
        let (before, ty) = self.place(array)?;
        let catalog = self.scene.catalog();
        let Some(element) = types::element(&catalog, ty.oid) else {
            if ty.oid == oid::JSONB {
                return Err(SqlError::unsupported("assignment to a part of a jsonb value"));
            }
            let shown = catalog.format_type(ty);
            let text = format!("cannot subscript type {shown} because it does not support subscripting");
            return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, text));
        };
        let Value::Int(index) = self.value_as(index, TypeRef::of(oid::INT4))? else {
            return Err(SqlError::new(SqlState::NULL_NOT_ALLOWED, "array subscript in assignment must not be null"));
        };
        let value = convert(self.scene, value, from, TypeRef { oid: element, typmod: ty.typmod })?;
        let stored_as = pg::element(storage(&catalog, ty).oid).unwrap_or(oid::TEXT);
        let mut items = match before {
            Value::Text(stored) => match Nested::from_stored(&stored, stored_as)? {
                Nested::List(items) => items,
                Nested::Leaf(_) => Vec::new(),
            },
            _ => Vec::new(),
        };
        if items.iter().any(|item| matches!(item, Nested::List(_))) {
            return Err(SqlError::new(SqlState::ARRAY_SUBSCRIPT, "wrong number of array subscripts"));
        }
        let at = usize::try_from(index).ok().and_then(|n| n.checked_sub(1));
        let Some(at) = at.filter(|at| !items.is_empty() || *at == 0) else {
            return Err(SqlError::unsupported("an array that does not begin at 1"));
        };
        if at >= MOST_ELEMENTS {
            let text = format!("array size exceeds the maximum allowed ({MOST_ELEMENTS})");
            return Err(SqlError::new(SqlState::PROGRAM_LIMIT, text));
        }
        if at >= items.len() {
            items.resize(at + 1, Nested::Leaf(Value::Null));
        }
        items[at] = Nested::Leaf(value);
        self.assign(array, Value::Text(Nested::List(items).store(stored_as)), ty)
    }
}
