//! Types as dialects need them: user-defined ones resolved to the built-in ones that store them.

use std::sync::Arc;

use basalt_catalog::{Catalog, TypeDef, TypeKind};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, TypeRef};

use crate::program::{DomainRule, EnumLabels, InputType};

/// Domains over domains end here; PostgreSQL has no limit, but a chain this long is a broken catalog.
const MAX_DOMAIN_DEPTH: usize = 32;

/// The built-in type that stores values of `ty`: text for enums, the base of a domain, json for composites; arrays likewise.
pub(crate) fn base(catalog: &Catalog, ty: TypeRef) -> TypeRef {
    let mut ty = ty;
    for _ in 0..MAX_DOMAIN_DEPTH {
        if pg::builtin(ty.oid).is_some() {
            return ty;
        }
        let Some(def) = catalog.type_by_oid(ty.oid) else { return ty };
        if def.array_oid == ty.oid.0 && def.oid != ty.oid.0 {
            let element = base(catalog, TypeRef::of(Oid(def.oid)));
            let array =
                pg::builtin(element.oid).map_or(oid::TEXT_ARRAY, |b| if b.array == Oid(0) { oid::TEXT_ARRAY } else { b.array });
            return TypeRef { oid: array, typmod: element.typmod };
        }
        ty = match &def.kind {
            TypeKind::Enum { .. } => TypeRef::of(oid::TEXT),
            TypeKind::Composite { .. } | TypeKind::Row { .. } => TypeRef::of(oid::JSON),
            TypeKind::Other => TypeRef::of(oid::TEXT),
            TypeKind::Domain { base, typmod, .. } => TypeRef { oid: Oid(*base), typmod: *typmod },
        };
    }
    ty
}

/// The enum a type is, domains looked through.
pub(crate) fn enum_of(catalog: &Catalog, ty: TypeRef) -> Option<&Arc<TypeDef>> {
    let mut at = ty.oid;
    for _ in 0..MAX_DOMAIN_DEPTH {
        if pg::builtin(at).is_some() {
            return None;
        }
        let def = catalog.type_by_oid(at)?;
        match &def.kind {
            TypeKind::Enum { .. } if def.oid == at.0 => return Some(def),
            TypeKind::Domain { base, .. } if def.oid == at.0 => at = Oid(*base),
            _ => return None,
        }
    }
    None
}

/// An array type's element type, domains looked through.
pub(crate) fn element(catalog: &Catalog, ty: TypeRef) -> Option<TypeRef> {
    if let Some(row) = pg::builtin(ty.oid) {
        return (row.elem != Oid(0)).then_some(TypeRef { oid: row.elem, typmod: ty.typmod });
    }
    let def = catalog.type_by_oid(ty.oid)?;
    if def.array_oid == ty.oid.0 && def.oid != ty.oid.0 {
        return Some(TypeRef::of(Oid(def.oid)));
    }
    match &def.kind {
        TypeKind::Domain { base, typmod, .. } => element(catalog, TypeRef { oid: Oid(*base), typmod: *typmod }),
        _ => None,
    }
}

/// A type's name as messages print it: bare in `public`, else with its schema.
pub(crate) fn shown_name(catalog: &Catalog, def: &TypeDef) -> String {
    match catalog.schema_by_oid(Oid(def.schema)) {
        Some(schema) if schema.name != "public" => format!("{}.{}", schema.name, def.name),
        _ => def.name.clone(),
    }
}

/// How texts and JSON values become values of a type.
pub(crate) fn input(catalog: &Catalog, ty: TypeRef) -> Arc<InputType> {
    let mut labels = None;
    let mut domains = Vec::new();
    let mut at = element(catalog, ty).unwrap_or(ty);
    // A domain over an array checks the array, not its elements: stop at the domain then.
    if catalog.type_by_oid(ty.oid).is_some_and(|d| d.oid == ty.oid.0 && matches!(d.kind, TypeKind::Domain { .. })) {
        at = ty;
    }
    for _ in 0..MAX_DOMAIN_DEPTH {
        if pg::builtin(at.oid).is_some() {
            break;
        }
        let Some(def) = catalog.type_by_oid(at.oid) else { break };
        match &def.kind {
            TypeKind::Enum { labels: all } => {
                labels = Some(EnumLabels { name: shown_name(catalog, def), labels: all.clone().into() });
                break;
            }
            TypeKind::Domain { base, typmod, not_null, checks, .. } => {
                domains.push(DomainRule {
                    domain: Oid(def.oid),
                    name: shown_name(catalog, def),
                    not_null: *not_null,
                    has_checks: !checks.is_empty(),
                });
                at = TypeRef { oid: Oid(*base), typmod: *typmod };
            }
            TypeKind::Composite { .. } | TypeKind::Row { .. } | TypeKind::Other => break,
        }
    }
    domains.reverse();
    Arc::new(InputType { base: base(catalog, ty), labels, domains, declared: ty })
}
