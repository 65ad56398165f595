//! Rows in variables, and conversions between types.

use std::collections::HashMap;
use std::rc::Rc;

use basalt_catalog::{Catalog, Relation, TypeKind};
use basalt_sql::analyze::{self, CastContext};
use basalt_sql::typed::{Expr, ExprKind, Param};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlError, SqlState, TypeRef, Value};

use serde_json::value::RawValue;

use super::prepare;
use crate::routine::Scene;

/// Names and types of a row's fields.
#[derive(Debug, PartialEq)]
pub(super) struct Shape {
    pub columns: Vec<(String, TypeRef)>,
    /// The type of the whole: RECORD when it has no name.
    pub ty: TypeRef,
}

impl Shape {
    pub(super) fn new(columns: Vec<(String, TypeRef)>) -> Rc<Self> {
        Rc::new(Self { columns, ty: TypeRef::of(oid::RECORD) })
    }

    /// Rows of a table or view.
    pub(super) fn of_relation(catalog: &Catalog, relation: &Relation) -> Rc<Self> {
        let columns = relation.columns.iter().map(|c| (c.name.clone(), c.type_ref())).collect();
        let is_row = |def: &basalt_catalog::TypeDef| matches!(def.kind, TypeKind::Row { relation: of } if of == relation.oid);
        let ty = catalog.types().find(|def| is_row(def)).map_or(oid::RECORD, |def| Oid(def.oid));
        Rc::new(Self { columns, ty: TypeRef::of(ty) })
    }

    /// The fields of a composite type, a table's row type too; `None` for other types.
    pub(super) fn of_type(catalog: &Catalog, ty: TypeRef) -> Option<Rc<Self>> {
        let def = catalog.type_by_oid(ty.oid).filter(|def| def.oid == ty.oid.0)?;
        match &def.kind {
            TypeKind::Composite { fields } => {
                let columns = fields.iter().map(|(name, ty, typmod)| (name.clone(), TypeRef { oid: Oid(*ty), typmod: *typmod }));
                Some(Rc::new(Self { columns: columns.collect(), ty }))
            }
            TypeKind::Row { relation } => {
                let relation = catalog.relation_by_oid(Oid(*relation))?;
                let columns = relation.columns.iter().map(|c| (c.name.clone(), c.type_ref())).collect();
                Some(Rc::new(Self { columns, ty }))
            }
            _ => None,
        }
    }

    /// Where a field stands.
    pub(super) fn position(&self, field: &str) -> Option<usize> {
        self.columns.iter().position(|(name, _)| name == field)
    }
}

/// A row in a variable.
#[derive(Clone)]
pub(super) struct Record {
    pub shape: Rc<Shape>,
    pub values: Vec<Value>,
}

impl Record {
    /// All fields NULL.
    pub(super) fn empty(shape: &Rc<Shape>) -> Self {
        Self { shape: Rc::clone(shape), values: vec![Value::Null; shape.columns.len()] }
    }

    /// As `row_to_json` has it.
    pub(super) fn object(&self, catalog: &Catalog) -> String {
        let mut out = Vec::from(*b"{");
        for (at, ((name, ty), value)) in self.shape.columns.iter().zip(&self.values).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            pg::write_json_string(name, &mut out);
            out.push(b':');
            pg::write_json(value.as_ref(), storage(catalog, *ty), &mut out);
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }

    /// Reads what [`Self::object`] writes, or a composite value.
    ///
    /// # Errors
    /// Text that is no such object.
    pub(super) fn of_object(catalog: &Catalog, text: &str, shape: &Rc<Shape>) -> Result<Self, SqlError> {
        let unreadable = |_| SqlError::internal("a stored row cannot be read");
        let object: HashMap<String, Box<RawValue>> = serde_json::from_str(text).map_err(unreadable)?;
        let mut values = Vec::with_capacity(shape.columns.len());
        for (at, (name, ty)) in shape.columns.iter().enumerate() {
            values.push(match object.get(name).or_else(|| object.get(&format!("f{}", at + 1))) {
                Some(field) => pg::from_json(field.get(), storage(catalog, *ty))?,
                None => Value::Null,
            });
        }
        Ok(Self { shape: Rc::clone(shape), values })
    }

    /// As PostgreSQL prints it: `(1,"a b",)`. Source: `record_out`.
    pub(super) fn text(&self, catalog: &Catalog) -> String {
        let mut out = String::from("(");
        for (at, ((_, ty), value)) in self.shape.columns.iter().zip(&self.values).enumerate() {
            if at > 0 {
                out.push(',');
            }
            if value.is_null() {
                continue;
            }
            let mut text = String::new();
            pg::text(value.as_ref(), storage(catalog, *ty), &mut text);
            let quoted = |c: char| matches!(c, '"' | '\\' | '(' | ')' | ',') || c.is_ascii_whitespace() || c == '\u{b}';
            if text.is_empty() || text.contains(quoted) {
                out.push('"');
                for c in text.chars() {
                    if matches!(c, '"' | '\\') {
                        out.push(c);
                    }
                    out.push(c);
                }
                out.push('"');
            } else {
                out.push_str(&text);
            }
        }
        out.push(')');
        out
    }
}

/// The built-in type that stores values of a type.
pub(super) fn storage(catalog: &Catalog, ty: TypeRef) -> TypeRef {
    let base = catalog.base_type(ty);
    if pg::builtin(base.oid).is_some() {
        return base;
    }
    match catalog.type_by_oid(base.oid) {
        Some(def) if def.array_oid == base.oid.0 && def.oid != base.oid.0 => {
            let element = storage(catalog, TypeRef::of(Oid(def.oid)));
            let array = pg::builtin(element.oid).map_or(Oid(0), |b| b.array);
            TypeRef { oid: if array == Oid(0) { oid::TEXT_ARRAY } else { array }, typmod: element.typmod }
        }
        Some(def) if matches!(def.kind, TypeKind::Composite { .. } | TypeKind::Row { .. }) => TypeRef::of(oid::JSON),
        _ => TypeRef::of(oid::TEXT),
    }
}

/// A value as text, NULL as nothing.
pub(super) fn text(catalog: &Catalog, value: &Value, ty: TypeRef) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) if matches!(ty.oid, oid::TEXT | oid::VARCHAR) => Some(text.clone()),
        value => {
            let mut out = String::new();
            pg::text(value.as_ref(), storage(catalog, ty), &mut out);
            Some(out)
        }
    }
}

/// Converts a value as an assignment does: by a cast, else by its text.
///
/// # Errors
/// What the target type does not take.
pub(super) fn convert(scene: &Scene<'_>, value: Value, from: TypeRef, to: TypeRef) -> Result<Value, SqlError> {
    let is_builtin = to.oid.0 < pg::FIRST_USER_OID;
    if from.oid == to.oid && (to.typmod == -1 || to.typmod == from.typmod) && (is_builtin || !value.is_null()) {
        return Ok(value);
    }
    if to.oid == oid::RECORD || to.oid == oid::VOID {
        return Ok(value);
    }
    if pg::builtin(to.oid).is_some() {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let catalog = scene.catalog();
        return pg::cast(value.as_ref(), storage(&catalog, from), to, false);
    }
    let catalog = scene.catalog();
    // Composite values are what they are; another composite type's fields would have to be taken apart.
    if Shape::of_type(&catalog, to).is_some() {
        if from.oid == to.oid || value.is_null() || from.oid == oid::RECORD || from.oid == oid::JSON {
            return Ok(value);
        }
        return Err(SqlError::unsupported("a conversion between composite types"));
    }
    let is_enum = |ty: TypeRef| catalog.type_by_oid(ty.oid).is_some_and(|def| matches!(def.kind, TypeKind::Enum { .. }));
    if is_enum(to) && (from.oid == to.oid || value.is_null()) {
        return Ok(value);
    }
    // NULL was never looked at by the domain it is of.
    let from = if from.oid == to.oid { catalog.base_type(from) } else { from };
    let given = Expr::new(ExprKind::Param(Param::Numbered(1)), from);
    let coerce = |expr: Expr, to, context| analyze::coerce(expr, to, context, &catalog).map_err(|e| e.error);
    let expr = match coerce(given.clone(), to, CastContext::Assignment)? {
        Some(expr) => expr,
        None => {
            let text = coerce(given, TypeRef::of(oid::TEXT), CastContext::Explicit)?;
            let back = text.map(|text| coerce(text, to, CastContext::Explicit)).transpose()?.flatten();
            back.ok_or_else(|| {
                let (from, to) = (catalog.format_type(from), catalog.format_type(to));
                SqlError::new(SqlState::CANNOT_COERCE, format!("cannot cast type {from} to {to}"))
            })?
        }
    };
    prepare::once(scene, expr, &[value])
}
