//! Types: from written names to identities, and CREATE/ALTER of users' types.

use basalt_catalog::{Catalog, GrantKind, TypeDef, TypeKind, lookup::INTERVAL_FIELDS};
use basalt_types::{Oid, SqlState, TypeRef, pg};

use super::name::{make_object_name, written};
use super::{Ddl, Refusal, Result, Step};
use crate::tree::{Expr, Name, TypeName};

/// Types PostgreSQL or its usual extensions have and Basalt cannot store, with advice. Sorted by name.
const UNSUPPORTED: [(&str, &str); 35] = [
    ("bit", "use text or an integer"),
    ("box", "geometric types need PostgreSQL; use numeric columns"),
    ("circle", "geometric types need PostgreSQL; use numeric columns"),
    ("datemultirange", "use a table of bounds"),
    ("daterange", "use two columns for the bounds"),
    ("geography", "PostGIS needs PostgreSQL"),
    ("geometry", "PostGIS needs PostgreSQL"),
    ("halfvec", "vectors need PostgreSQL for now"),
    ("hstore", "use jsonb"),
    ("int4multirange", "use a table of bounds"),
    ("int4range", "use two columns for the bounds"),
    ("int8multirange", "use a table of bounds"),
    ("int8range", "use two columns for the bounds"),
    ("line", "geometric types need PostgreSQL; use numeric columns"),
    ("lseg", "geometric types need PostgreSQL; use numeric columns"),
    ("ltree", "use text"),
    ("macaddr8", "use text"),
    ("money", "use numeric"),
    ("nummultirange", "use a table of bounds"),
    ("numrange", "use two columns for the bounds"),
    ("path", "geometric types need PostgreSQL; use numeric columns"),
    ("pg_lsn", "it has no meaning on SQLite"),
    ("point", "geometric types need PostgreSQL; use two numeric columns"),
    ("polygon", "geometric types need PostgreSQL; use numeric columns"),
    ("sparsevec", "vectors need PostgreSQL for now"),
    ("tsmultirange", "use a table of bounds"),
    ("tsquery", "full-text search needs PostgreSQL for now"),
    ("tsrange", "use two columns for the bounds"),
    ("tstzmultirange", "use a table of bounds"),
    ("tstzrange", "use two columns for the bounds"),
    ("tsvector", "full-text search needs PostgreSQL for now"),
    ("txid_snapshot", "it has no meaning on SQLite"),
    ("varbit", "use text or an integer"),
    ("vector", "vectors need PostgreSQL for now"),
    ("xml", "use text"),
];

/// Resolves a written type: built-in names first, then users' types along the path.
///
/// # Errors
/// 42704 for unknown names, 22023 for modifiers out of range, 0A000 for types SQLite's engine cannot hold.
pub fn resolve_type(catalog: &Catalog, path: &[String], ty: &TypeName) -> Result<TypeRef> {
    resolve(catalog, path, ty).map_err(|e| e.at(ty.pos))
}

fn resolve(catalog: &Catalog, path: &[String], ty: &TypeName) -> Result<TypeRef> {
    if ty.percent_type {
        return Err(Refusal::unsupported("%TYPE outside of functions", "write the type itself"));
    }
    let base = if ty.schema.as_deref().is_none_or(|s| s == "pg_catalog") { built_in(catalog, ty)? } else { None };
    let base = match base {
        Some(base) => base,
        None => user_type(catalog, path, ty)?,
    };
    if ty.dimensions == 0 {
        return Ok(base);
    }
    let array = match pg::builtin(base.oid) {
        Some(row) if row.array.0 != 0 => Some(row.array),
        // PostgreSQL has no arrays of arrays: `t_array[]` is `t_array`.
        Some(row) if row.elem.0 != 0 => Some(base.oid),
        Some(_) => None,
        None => catalog.type_by_oid(base.oid).map(|def| Oid(def.array_oid)),
    };
    let array = array.ok_or_else(|| {
        Refusal::invalid(
            SqlState::UNDEFINED_OBJECT,
            format!("could not find array type for data type {}", catalog.format_type(base)),
        )
    })?;
    Ok(TypeRef { oid: array, typmod: base.typmod })
}

fn built_in(catalog: &Catalog, ty: &TypeName) -> Result<Option<TypeRef>> {
    if let Ok(at) = UNSUPPORTED.binary_search_by_key(&ty.name.as_str(), |(name, _)| *name) {
        let advice = UNSUPPORTED.get(at).map_or("", |(_, advice)| advice);
        return Err(Refusal::unsupported(format!("type {}", ty.name), advice));
    }
    let Some(row) = pg::builtins().iter().find(|row| row.name == ty.name) else { return Ok(None) };
    if UNSUPPORTED.iter().any(|(name, _)| row.name.strip_prefix('_') == Some(*name)) {
        return Err(Refusal::unsupported(format!("type {}", row.sql_name), "arrays of this type cannot be stored either"));
    }
    if matches!(row.oid, pg::oid::CITEXT | pg::oid::CITEXT_ARRAY) {
        if catalog.extensions().any(|e| e.name == "citext") {
            return Ok(Some(TypeRef::of(row.oid)));
        }
        return Ok(None);
    }
    Ok(Some(TypeRef { oid: row.oid, typmod: modifier(row, ty)? }))
}

fn user_type(catalog: &Catalog, path: &[String], ty: &TypeName) -> Result<TypeRef> {
    let missing = || {
        let name = ty.schema.as_ref().map_or(ty.name.clone(), |s| format!("{s}.{}", ty.name));
        Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("type \"{name}\" does not exist"))
    };
    let found = match &ty.schema {
        Some(schema) => {
            let extension = catalog.extensions().find(|e| e.name == ty.name && e.schema == *schema);
            if extension.is_some() && ty.name == "citext" {
                return Ok(TypeRef::of(pg::oid::CITEXT));
            }
            if let Ok(at) = UNSUPPORTED.binary_search_by_key(&ty.name.as_str(), |(name, _)| *name)
                && catalog.type_named(schema, &ty.name).is_none()
            {
                let advice = UNSUPPORTED.get(at).map_or("", |(_, advice)| advice);
                return Err(Refusal::unsupported(format!("type {}", ty.name), advice));
            }
            if catalog.schema(schema).is_none() {
                return Err(Refusal::invalid(SqlState::INVALID_SCHEMA, format!("schema \"{schema}\" does not exist")));
            }
            catalog.type_named(schema, &ty.name)
        }
        None => catalog.type_in_path(path, &ty.name),
    };
    let Some(def) = found else {
        return Err(missing());
    };
    if !ty.modifiers.is_empty() {
        return Err(Refusal::invalid(SqlState::SYNTAX_ERROR, format!("type modifier is not allowed for type \"{}\"", ty.name)));
    }
    Ok(TypeRef::of(Oid(def.oid)))
}

/// The modifier as `atttypmod` holds it.
fn modifier(row: &pg::Builtin, ty: &TypeName) -> Result<i32> {
    use pg::oid;
    let invalid = |text: String| Refusal::invalid(SqlState::INVALID_PARAMETER, text);
    let base = if row.elem.0 != 0 { row.elem } else { row.oid };
    let word = match base {
        oid::BPCHAR => "char",
        oid::VARCHAR => "varchar",
        oid::TIME | oid::TIMETZ => "TIME",
        oid::TIMESTAMP | oid::TIMESTAMPTZ => "TIMESTAMP",
        _ => "",
    };
    match (base, ty.modifiers.as_slice()) {
        (oid::INTERVAL, precision) => {
            let range = match &ty.interval_fields {
                Some(fields) => INTERVAL_FIELDS.iter().find(|(words, _)| words == fields).map(|(_, mask)| *mask),
                None if precision.is_empty() => return Ok(-1),
                None => Some(0x7fff),
            };
            let range = range.ok_or_else(|| Refusal::unsupported("this interval type", "write interval alone"))?;
            let precision = match precision {
                [] => 0xffff,
                [p] if *p < 0 => return Err(invalid(format!("INTERVAL({p}) precision must not be negative"))),
                [p, ..] => i32::try_from((*p).min(6)).unwrap_or(6),
            };
            Ok((range << 16) | precision)
        }
        (_, []) => Ok(-1),
        (oid::BPCHAR | oid::VARCHAR, [n]) => {
            if *n < 1 {
                return Err(invalid(format!("length for type {word} must be at least 1")));
            }
            let n = i32::try_from(*n).ok().filter(|n| *n <= 10_485_760);
            let n = n.ok_or_else(|| invalid(format!("length for type {word} cannot exceed 10485760")))?;
            Ok(n + 4)
        }
        (oid::NUMERIC, [precision, rest @ ..]) if rest.len() < 2 => {
            let scale = rest.first().copied().unwrap_or(0);
            if !(1..=1000).contains(precision) {
                return Err(invalid(format!("NUMERIC precision {precision} must be between 1 and 1000")));
            }
            if !(-1000..=1000).contains(&scale) {
                return Err(invalid(format!("NUMERIC scale {scale} must be between -1000 and 1000")));
            }
            let packed = (*precision << 16) | (scale & 0x7ff);
            Ok(i32::try_from(packed).unwrap_or(i32::MAX - 4) + 4)
        }
        (oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ, [p]) => {
            if *p < 0 {
                return Err(invalid(format!("{word}({p}) precision must not be negative")));
            }
            Ok(i32::try_from((*p).min(6)).unwrap_or(6))
        }
        (oid::BPCHAR | oid::VARCHAR | oid::NUMERIC | oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ, _) => {
            Err(invalid("invalid type modifier".to_owned()))
        }
        _ => Err(Refusal::invalid(SqlState::SYNTAX_ERROR, format!("type modifier is not allowed for type \"{}\"", row.name))),
    }
}

impl Ddl {
    /// A written type, pseudo-types included: for functions.
    pub(super) fn any_type(&self, ty: &TypeName) -> Result<TypeRef> {
        resolve_type(&self.catalog, &self.path(), ty)
    }

    /// A written type for a column.
    pub(super) fn column_type(&self, column: &str, ty: &TypeName) -> Result<TypeRef> {
        let found = self.any_type(ty)?;
        if ty.setof {
            return Err(Refusal::invalid(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("column \"{column}\" cannot be declared SETOF"),
            ));
        }
        if self.catalog.type_by_oid(found.oid).is_some_and(|def| matches!(def.kind, TypeKind::Row { .. })) {
            return Err(Refusal::unsupported("row types of tables as column types", "use jsonb, or a foreign key").at(ty.pos));
        }
        let pseudo = pg::builtin(found.oid).is_some_and(|row| matches!(row.category, 'P' | 'X'));
        if pseudo {
            return Err(Refusal::invalid(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("column \"{column}\" has pseudo-type {}", self.catalog.format_type(found)),
            )
            .at(ty.pos));
        }
        Ok(found)
    }

    fn new_type(&mut self, name: &Name, kind: TypeKind) -> Result<Oid> {
        let schema = self.creation_schema(name)?;
        let taken = self.catalog.type_named(&schema.name, &name.name).is_some()
            || self.catalog.relation(&schema.name, &name.name).is_some();
        if taken {
            return Err(
                Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("type \"{}\" already exists", name.name)).at(name.pos)
            );
        }
        let (oid, array) = (self.catalog.allocate_oid(), self.catalog.allocate_oid());
        let acl = self.catalog.default_acl(&self.ctx.role, Some(Oid(schema.oid)), GrantKind::Type);
        self.catalog.put_type(TypeDef {
            oid: oid.0,
            array_oid: array.0,
            schema: schema.oid,
            name: name.name.clone(),
            owner: self.ctx.role.clone(),
            acl,
            comment: None,
            kind,
        });
        Ok(oid)
    }

    pub(super) fn create_enum(&mut self, name: &Name, labels: &[String]) -> Result {
        for (i, label) in labels.iter().enumerate() {
            check_label(label)?;
            if labels.iter().take(i).any(|other| other == label) {
                return Err(Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("enum label \"{label}\" used more than once")));
            }
        }
        self.new_type(name, TypeKind::Enum { labels: labels.to_vec() }).map(drop)
    }

    pub(super) fn add_enum_label(
        &mut self,
        name: &Name,
        if_not_exists: bool,
        label: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result {
        check_label(label)?;
        let mut def = self.own_type(name)?;
        let TypeKind::Enum { labels } = &mut def.kind else { return Err(not_an_enum(name)) };
        if labels.iter().any(|l| l == label) {
            if if_not_exists {
                self.notice(format!("enum label \"{label}\" already exists, skipping"));
                return Ok(());
            }
            return Err(Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("enum label \"{label}\" already exists")));
        }
        let at = match before.or(after) {
            None => labels.len(),
            Some(near) => {
                let at = labels.iter().position(|l| l == near).ok_or_else(|| {
                    Refusal::invalid(SqlState::INVALID_PARAMETER, format!("\"{near}\" is not an existing enum label"))
                })?;
                if before.is_some() { at } else { at + 1 }
            }
        };
        let is_last = at == labels.len();
        labels.insert(at, label.to_owned());
        // Expressions over labels hold their order.
        let indexes = if is_last { Vec::new() } else { self.indexes_over_enum(&def) };
        self.drop_stored(&indexes);
        self.catalog.put_type(def);
        self.make_stored(&indexes);
        Ok(())
    }

    pub(super) fn rename_enum_label(&mut self, name: &Name, from: &str, to: &str) -> Result {
        check_label(to)?;
        let mut def = self.own_type(name)?;
        let TypeKind::Enum { labels } = &mut def.kind else { return Err(not_an_enum(name)) };
        if labels.iter().any(|l| l == to) {
            return Err(Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("enum label \"{to}\" already exists")));
        }
        let Some(label) = labels.iter_mut().find(|l| *l == from) else {
            return Err(Refusal::invalid(SqlState::INVALID_PARAMETER, format!("\"{from}\" is not an existing enum label")));
        };
        to.clone_into(label);
        self.follow_label(Oid(def.oid), from, to);
        let indexes = self.indexes_over_enum(&def);
        self.drop_stored(&indexes);
        self.steps.push(Step::RenameEnumLabel { ty: Oid(def.oid), from: from.to_owned(), to: to.to_owned() });
        self.catalog.put_type(def);
        self.make_stored(&indexes);
        Ok(())
    }

    pub(super) fn create_domain(
        &mut self,
        name: &Name,
        base: &TypeName,
        default: Option<&Expr>,
        not_null: bool,
        checks: &[(Option<String>, Expr)],
    ) -> Result {
        let ty = self.column_type(&name.name, base)?;
        let schema = self.creation_schema(name)?.name.clone();
        let default = default.map(|e| self.default_text(e, ty, &name.name)).transpose()?;
        let mut texts: Vec<(String, String)> = Vec::new();
        for (given, check) in checks {
            let taken: Vec<String> = texts.iter().map(|(n, _)| n.clone()).collect();
            let chosen = match given {
                Some(given) if taken.contains(given) => {
                    return Err(Refusal::invalid(
                        SqlState::DUPLICATE_OBJECT,
                        format!("constraint \"{given}\" for domain \"{}\" already exists", name.name),
                    ));
                }
                Some(given) => given.clone(),
                None => self.choose_constraint_name(&schema, &name.name, "", "check", &taken),
            };
            texts.push((chosen, self.domain_check_text(check, ty)?));
        }
        let kind = TypeKind::Domain { base: ty.oid.0, typmod: ty.typmod, not_null, default, checks: texts };
        self.new_type(name, kind).map(drop)
    }

    pub(super) fn create_composite(&mut self, name: &Name, fields: &[(String, TypeName)]) -> Result {
        let mut resolved: Vec<(String, u32, i32)> = Vec::new();
        for (field, ty) in fields {
            if resolved.iter().any(|(other, _, _)| other == field) {
                return Err(Refusal::invalid(SqlState::DUPLICATE_COLUMN, format!("column \"{field}\" specified more than once")));
            }
            let ty = self.column_type(field, ty)?;
            resolved.push((field.clone(), ty.oid.0, ty.typmod));
        }
        self.new_type(name, TypeKind::Composite { fields: resolved }).map(drop)
    }

    /// The generated name of a serial or identity column's sequence.
    pub(super) fn sequence_name(&self, schema: &str, table: &str, column: &str, reserved: &[String]) -> String {
        debug_assert!(make_object_name(table, column, "seq").len() <= 63);
        self.choose_relation_name(schema, table, column, "seq", false, reserved)
    }
}

fn check_label(label: &str) -> Result {
    if label.is_empty() || label.len() > 63 {
        return Err(Refusal::invalid(SqlState::new(b"42602"), format!("invalid enum label \"{label}\""))
            .detail("Labels must be 63 bytes or less."));
    }
    Ok(())
}

fn not_an_enum(name: &Name) -> Box<Refusal> {
    Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("{} is not an enum", written(name)))
}
