//! Types by name and what `pg_type` says of them, the user's included.

use basalt_catalog::{Catalog, TypeKind};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, SqlState, TypeRef};

use super::builtins::pseudo;
use super::error::{Result, error, unsupported};
use crate::tree;

/// Types that PostgreSQL or its usual extensions have and Basalt does not: refused by name instead of "does not exist".
#[rustfmt::skip]
const ELSEWHERE: [&str; 24] = [
    "money", "bit", "varbit", "point", "line", "lseg", "box", "path", "polygon", "circle", "macaddr8", "pg_lsn", "xid", "cid", "tid", "vector",
    "halfvec", "sparsevec", "geometry", "geography", "hstore", "ltree", "cube", "jsonpath",
];

/// A domain's base type, through domains over domains; other types as they are.
pub fn base_type(catalog: &Catalog, ty: TypeRef) -> TypeRef {
    let mut ty = ty;
    // Domains cannot be cyclic; the bound keeps a damaged catalog from hanging us.
    for _ in 0..32 {
        if ty.oid.0 < pg::FIRST_USER_OID {
            break;
        }
        match catalog.type_by_oid(ty.oid) {
            Some(def) if def.oid == ty.oid.0 => match &def.kind {
                TypeKind::Domain { base, typmod, .. } => ty = TypeRef { oid: Oid(*base), typmod: *typmod },
                _ => break,
            },
            _ => break,
        }
    }
    ty
}

/// Whether the type is a domain.
pub fn is_domain(catalog: &Catalog, ty: Oid) -> bool {
    base_type(catalog, TypeRef::of(ty)).oid != ty
}

/// The labels of an enum, in order.
pub fn enum_labels(catalog: &Catalog, ty: Oid) -> Option<&[String]> {
    let def = catalog.type_by_oid(ty).filter(|def| def.oid == ty.0)?;
    match &def.kind {
        TypeKind::Enum { labels } => Some(labels),
        _ => None,
    }
}

/// `pg_type.typcategory`, of a domain's base type.
pub fn category(catalog: &Catalog, ty: Oid) -> char {
    if let Some(builtin) = pg::builtin(ty) {
        return builtin.category;
    }
    match ty {
        pseudo::ANYNONARRAY
        | pseudo::ANYENUM
        | pseudo::ANYCOMPATIBLE
        | pseudo::ANYCOMPATIBLEARRAY
        | pseudo::ANYCOMPATIBLENONARRAY => 'P',
        _ => match catalog.type_by_oid(ty) {
            Some(def) if def.array_oid == ty.0 => 'A',
            Some(def) => match def.kind {
                TypeKind::Enum { .. } => 'E',
                TypeKind::Composite { .. } | TypeKind::Row { .. } => 'C',
                TypeKind::Other => 'U',
                TypeKind::Domain { .. } => category(catalog, base_type(catalog, TypeRef::of(ty)).oid),
            },
            None => 'U',
        },
    }
}

/// `pg_type.typispreferred`.
pub fn is_preferred(ty: Oid) -> bool {
    pg::builtin(ty).is_some_and(|b| b.preferred)
}

/// An array's element type.
pub fn element(catalog: &Catalog, ty: Oid) -> Option<Oid> {
    let ty = base_type(catalog, TypeRef::of(ty)).oid;
    if let Some(builtin) = pg::builtin(ty) {
        return Some(builtin.elem).filter(|e| e.0 != 0);
    }
    catalog.type_by_oid(ty).filter(|def| def.array_oid == ty.0).map(|def| Oid(def.oid))
}

/// The array type over an element type.
pub fn array_of(catalog: &Catalog, ty: Oid) -> Option<Oid> {
    if let Some(builtin) = pg::builtin(ty) {
        return Some(builtin.array).filter(|a| a.0 != 0);
    }
    catalog.type_by_oid(ty).filter(|def| def.oid == ty.0 && def.array_oid != 0).map(|def| Oid(def.array_oid))
}

/// Whether this is a polymorphic pseudo-type.
pub fn is_polymorphic(ty: Oid) -> bool {
    matches!(
        ty,
        oid::ANYELEMENT
            | oid::ANYARRAY
            | pseudo::ANYNONARRAY
            | pseudo::ANYENUM
            | pseudo::ANYCOMPATIBLE
            | pseudo::ANYCOMPATIBLEARRAY
            | pseudo::ANYCOMPATIBLENONARRAY
    )
}

/// `format_type`: the name PostgreSQL shows, with the modifier; schemas of user types are shown unless on the search path.
pub fn format_type(catalog: &Catalog, search_path: &[String], ty: TypeRef) -> String {
    if let Some(builtin) = pg::builtin(ty.oid) {
        return with_modifier(builtin.sql_name, builtin.elem, ty);
    }
    let (def, suffix) = match catalog.type_by_oid(ty.oid) {
        Some(def) if def.array_oid == ty.oid.0 => (def, "[]"),
        Some(def) => (def, ""),
        None => return polymorphic_name(ty.oid).map_or_else(|| format!("???({})", ty.oid.0), str::to_owned),
    };
    match catalog.schema_by_oid(Oid(def.schema)) {
        Some(schema) if !search_path.contains(&schema.name) => format!("{}.{}{suffix}", schema.name, def.name),
        _ => format!("{}{suffix}", def.name),
    }
}

fn polymorphic_name(ty: Oid) -> Option<&'static str> {
    Some(match ty {
        pseudo::ANYNONARRAY => "anynonarray",
        pseudo::ANYENUM => "anyenum",
        pseudo::ANYCOMPATIBLE => "anycompatible",
        pseudo::ANYCOMPATIBLEARRAY => "anycompatiblearray",
        pseudo::ANYCOMPATIBLENONARRAY => "anycompatiblenonarray",
        _ => return None,
    })
}

fn with_modifier(name: &str, elem: Oid, ty: TypeRef) -> String {
    if ty.typmod < 0 {
        return name.to_owned();
    }
    if elem.0 != 0 {
        let inner = pg::builtin(elem).map_or("", |b| b.sql_name);
        return format!("{}[]", with_modifier(inner, Oid(0), TypeRef { oid: elem, typmod: ty.typmod }));
    }
    match ty.oid {
        oid::VARCHAR | oid::BPCHAR => format!("{name}({})", ty.typmod - 4),
        oid::NUMERIC => {
            let packed = ty.typmod - 4;
            format!("{name}({},{})", packed >> 16, ((packed & 0x7ff) ^ 1024) - 1024)
        }
        oid::TIMESTAMP => format!("timestamp({}) without time zone", ty.typmod),
        oid::TIMESTAMPTZ => format!("timestamp({}) with time zone", ty.typmod),
        oid::TIME => format!("time({}) without time zone", ty.typmod),
        oid::TIMETZ => format!("time({}) with time zone", ty.typmod),
        _ => name.to_owned(),
    }
}

/// Resolves a type as written.
///
/// # Errors
/// 42704 for an unknown name, 0A000 for one that only PostgreSQL has, 22023 for a modifier out of range.
pub fn resolve(catalog: &Catalog, search_path: &[String], name: &tree::TypeName) -> Result<TypeRef> {
    if name.percent_type {
        return Ok(TypeRef::of(percent_type(catalog, search_path, name)?.oid));
    }
    let oid = named(catalog, search_path, name)?;
    let typmod = modifier(oid, name).map_err(|e| e.at(name.pos))?;
    if name.dimensions == 0 {
        return Ok(TypeRef { oid, typmod });
    }
    let array = array_of(catalog, oid).ok_or_else(|| {
        let shown = format_type(catalog, search_path, TypeRef::of(oid));
        error(SqlState::UNDEFINED_OBJECT, format!("could not find array type for data type {shown}")).at(name.pos)
    })?;
    Ok(TypeRef { oid: array, typmod })
}

fn named(catalog: &Catalog, search_path: &[String], name: &tree::TypeName) -> Result<Oid> {
    let schema = name.schema.as_deref();
    if matches!(schema, None | Some("pg_catalog"))
        && let Some(builtin) = pg::builtin_by_name(&name.name).filter(|b| b.name != "citext" || schema.is_none())
    {
        return Ok(builtin.oid);
    }
    if name.name == "citext" && schema.is_some_and(|s| s == "extensions" || s == "public") {
        return Ok(oid::CITEXT);
    }
    let found = match schema {
        Some(schema) => catalog.type_named(schema, &name.name),
        None => search_path.iter().find_map(|schema| catalog.type_named(schema, &name.name)),
    };
    if let Some(def) = found {
        return Ok(Oid(def.oid));
    }
    let shown = schema.map_or_else(|| name.name.clone(), |s| format!("{s}.{}", name.name));
    if ELSEWHERE.contains(&name.name.as_str()) || name.name.ends_with("multirange") {
        return Err(unsupported(format_args!("type {shown}")).at(name.pos));
    }
    Err(error(SqlState::UNDEFINED_OBJECT, format!("type \"{shown}\" does not exist")).at(name.pos))
}

fn percent_type(catalog: &Catalog, search_path: &[String], name: &tree::TypeName) -> Result<TypeRef> {
    let written = name.schema.as_ref().map_or_else(|| name.name.clone(), |s| format!("{s}.{}", name.name));
    let parts: Vec<&str> = written.split('.').collect();
    let (relation, column) = match parts.as_slice() {
        [schema, table, column] => (catalog.relation(schema, table), *column),
        [table, column] => (search_path.iter().find_map(|s| catalog.relation(s, table)), *column),
        _ => (None, ""),
    };
    let table = parts.split_last().map(|(_, rest)| rest.join(".")).unwrap_or_default();
    let relation =
        relation.ok_or_else(|| error(SqlState::UNDEFINED_TABLE, format!("relation \"{table}\" does not exist")).at(name.pos))?;
    let column = relation.column(column).ok_or_else(|| {
        error(SqlState::UNDEFINED_COLUMN, format!("column \"{column}\" of relation \"{}\" does not exist", relation.name))
            .at(name.pos)
    })?;
    Ok(column.type_ref())
}

/// `typmodin` of the types that take modifiers.
fn modifier(ty: Oid, name: &tree::TypeName) -> Result<i32> {
    let invalid = |text: String| error(SqlState::INVALID_PARAMETER, text);
    if name.interval_fields.is_some() || (ty == oid::INTERVAL && !name.modifiers.is_empty()) {
        return Err(unsupported("an interval with fields or precision"));
    }
    match (ty, name.modifiers.as_slice()) {
        (_, []) => Ok(-1),
        (oid::VARCHAR | oid::BPCHAR, [n]) => {
            let shown = if ty == oid::VARCHAR { "varchar" } else { "char" };
            if *n < 1 {
                return Err(invalid(format!("length for type {shown} must be at least 1")));
            }
            if *n > 10_485_760 {
                return Err(invalid(format!("length for type {shown} cannot exceed 10485760")));
            }
            Ok(i32::try_from(*n).unwrap_or(10_485_760) + 4)
        }
        (oid::NUMERIC, [precision, rest @ ..]) if rest.len() < 2 => {
            let scale = rest.first().copied().unwrap_or(0);
            if !(1..=1000).contains(precision) {
                return Err(invalid(format!("NUMERIC precision {precision} must be between 1 and 1000")));
            }
            if !(-1000..=1000).contains(&scale) {
                return Err(invalid(format!("NUMERIC scale {scale} must be between -1000 and 1000")));
            }
            i32::try_from(((precision << 16) | (scale & 0x7ff)) + 4)
                .map_err(|_| invalid("invalid NUMERIC type modifier".to_owned()))
        }
        (oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ, [p]) => {
            if *p < 0 {
                return Err(invalid(format!("{}({p}) precision must not be negative", name.name.to_ascii_uppercase())));
            }
            // More than six digits are reduced to six with a warning.
            Ok(i32::try_from(*p).unwrap_or(6).min(6))
        }
        _ => Err(error(SqlState::SYNTAX_ERROR, format!("type modifier is not allowed for type \"{}\"", name.name))),
    }
}
