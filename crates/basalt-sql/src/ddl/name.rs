//! Names: looking objects up as PostgreSQL does, and making the names it makes.

use std::sync::Arc;

use basalt_catalog::{Function, Relation, RelationKind, Schema, TypeDef};
use basalt_types::{Oid, SqlState};

use super::{Ddl, Refusal, Result};
use crate::tree::{Name, TypeName};

/// Longest identifier in bytes.
///
/// Source: PostgreSQL, `NAMEDATALEN` - 1.
const MAX_NAME_BYTES: usize = 63;

/// Joins names to `name1_name2_label` and cuts the longer of the two first until all fits 63 bytes, at character borders.
///
/// Source: PostgreSQL's `makeObjectName`.
pub(super) fn make_object_name(name1: &str, name2: &str, label: &str) -> String {
    let overhead = usize::from(!name2.is_empty()) + if label.is_empty() { 0 } else { label.len() + 1 };
    let available = MAX_NAME_BYTES.saturating_sub(overhead);
    let (mut len1, mut len2) = (name1.len(), name2.len());
    while len1 + len2 > available {
        if len1 > len2 {
            len1 -= 1;
        } else {
            len2 -= 1;
        }
    }
    let mut name = clip(name1, len1).to_owned();
    if !name2.is_empty() {
        name.push('_');
        name.push_str(clip(name2, len2));
    }
    if !label.is_empty() {
        name.push('_');
        name.push_str(label);
    }
    name
}

fn clip(name: &str, bytes: usize) -> &str {
    let mut end = bytes.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or(name)
}

/// The middle part of a generated name: column names joined by `_`, as many as fit.
pub(super) fn name_addition<'a>(columns: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for column in columns {
        if !text.is_empty() {
            text.push('_');
        }
        text.push_str(clip(column, MAX_NAME_BYTES));
        if text.len() > MAX_NAME_BYTES {
            break;
        }
    }
    text
}

/// What a relation of that kind is called in messages.
pub(super) fn kind_word(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Table => "table",
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized view",
        RelationKind::Sequence => "sequence",
    }
}

/// `schema.name` as it was written.
pub(super) fn written(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.clone(),
    }
}

impl Ddl {
    /// A schema that must exist.
    pub(super) fn schema(&self, name: &str) -> Result<Arc<Schema>> {
        self.catalog
            .schema(name)
            .cloned()
            .ok_or_else(|| Refusal::invalid(SqlState::INVALID_SCHEMA, format!("schema \"{name}\" does not exist")))
    }

    /// The schema a new object goes to.
    pub(super) fn creation_schema(&self, name: &Name) -> Result<Arc<Schema>> {
        let schema = match &name.schema {
            Some(schema) => self.schema(schema).map_err(|e| e.at(name.pos))?,
            None => {
                let path = self.path();
                let first = path.first().ok_or_else(|| {
                    Refusal::invalid(SqlState::INVALID_SCHEMA, "no schema has been selected to create in").at(name.pos)
                })?;
                self.schema(first)?
            }
        };
        let may = self.catalog.schema_privileges(&self.ctx.role, &schema);
        if !may.contains(basalt_catalog::Privileges::CREATE) {
            return Err(Refusal::invalid(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for schema {}", schema.name),
            ));
        }
        Ok(schema)
    }

    /// A relation by name, whatever its kind.
    pub(super) fn find_relation(&self, name: &Name) -> Option<Arc<Relation>> {
        match &name.schema {
            Some(schema) => self.catalog.relation(schema, &name.name).cloned(),
            None => self.catalog.relation_in_path(&self.path(), &name.name).cloned(),
        }
    }

    /// A relation that must exist.
    pub(super) fn relation(&self, name: &Name) -> Result<Arc<Relation>> {
        if let Some(schema) = &name.schema {
            self.schema(schema).map_err(|e| e.at(name.pos))?;
        }
        self.find_relation(name).ok_or_else(|| {
            Refusal::invalid(SqlState::UNDEFINED_TABLE, format!("relation \"{}\" does not exist", written(name))).at(name.pos)
        })
    }

    /// A table that must exist and be the caller's.
    pub(super) fn own_table(&self, name: &Name) -> Result<Relation> {
        let relation = self.relation(name)?;
        if relation.kind != RelationKind::Table {
            return Err(
                Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a table", relation.name)).at(name.pos)
            );
        }
        self.must_own_relation(&relation)?;
        Ok((*relation).clone())
    }

    /// 42501 unless the current role owns the relation.
    pub(super) fn must_own_relation(&self, relation: &Relation) -> Result {
        self.must_own(kind_word(relation.kind), &relation.name, &relation.owner)
    }

    /// 42501 unless the current role owns the object.
    pub(super) fn must_own(&self, kind: &str, name: &str, owner: &str) -> Result {
        if self.catalog.owns(&self.ctx.role, owner) {
            return Ok(());
        }
        Err(Refusal::invalid(SqlState::INSUFFICIENT_PRIVILEGE, format!("must be owner of {kind} {name}")))
    }

    /// A role that must exist, with `current_user` and its like resolved.
    pub(super) fn role_name(&self, name: &str) -> Result<String> {
        let name = match name {
            "current_user" | "current_role" | "user" => &self.ctx.role,
            "session_user" => &self.ctx.session_role,
            other => other,
        };
        if self.catalog.role(name).is_none() {
            return Err(Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")));
        }
        Ok(name.to_owned())
    }

    /// A user-defined type by name.
    pub(super) fn find_type(&self, name: &Name) -> Option<Arc<TypeDef>> {
        let found = match &name.schema {
            Some(schema) => self.catalog.type_named(schema, &name.name),
            None => self.catalog.type_in_path(&self.path(), &name.name),
        };
        // The type of a table's rows is the table's own affair.
        found.filter(|def| !matches!(def.kind, basalt_catalog::TypeKind::Row { .. })).cloned()
    }

    /// A user-defined type that must exist and be the caller's.
    pub(super) fn own_type(&self, name: &Name) -> Result<TypeDef> {
        let def = self.find_type(name).ok_or_else(|| {
            Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("type \"{}\" does not exist", written(name))).at(name.pos)
        })?;
        self.must_own("type", &def.name, &def.owner)?;
        Ok((*def).clone())
    }

    /// The functions of that name along the search path, those of the first schema that has any.
    pub(super) fn functions(&self, name: &Name) -> Vec<Arc<Function>> {
        let schemas = name.schema.clone().map_or_else(|| self.path(), |s| vec![s]);
        schemas
            .iter()
            .map(|s| self.catalog.functions_named(s, &name.name))
            .find(|list| !list.is_empty())
            .unwrap_or_default()
            .into_iter()
            .cloned()
            .collect()
    }

    /// The function that DROP, COMMENT, GRANT or ALTER names.
    ///
    /// # Errors
    /// 42883 without one, 42725 when no argument types were written and the name is not unique.
    pub(super) fn function(&self, name: &Name, args: Option<&[TypeName]>) -> Result<Arc<Function>> {
        let mut found = self.functions(name);
        let Some(args) = args else {
            return match (found.pop(), found.is_empty()) {
                (None, _) => Err(Refusal::invalid(
                    SqlState::UNDEFINED_FUNCTION,
                    format!("could not find a function named \"{}\"", written(name)),
                )),
                (Some(one), true) => Ok(one),
                (Some(_), false) => Err(Refusal::invalid(
                    SqlState::AMBIGUOUS_FUNCTION,
                    format!("function name \"{}\" is not unique", written(name)),
                )
                .hint("Specify the argument list to select the function unambiguously.")),
            };
        };
        let types = args.iter().map(|t| self.any_type(t).map(|t| t.oid.0)).collect::<Result<Vec<u32>>>()?;
        let missing = || {
            let list: Vec<String> = types.iter().map(|t| self.catalog.format_type(basalt_types::TypeRef::of(Oid(*t)))).collect();
            Refusal::invalid(
                SqlState::UNDEFINED_FUNCTION,
                format!("function {}({}) does not exist", written(name), list.join(", ")),
            )
        };
        found.retain(|f| input_types(f) == types);
        found.pop().ok_or_else(missing)
    }

    /// A column that must exist.
    pub(super) fn attnum(&self, relation: &Relation, column: &str) -> Result<i16> {
        relation.column(column).map(|c| c.attnum).ok_or_else(|| {
            Refusal::invalid(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{column}\" of relation \"{}\" does not exist", relation.name),
            )
        })
    }

    /// Refuses what a case-insensitive storage name cannot tell apart, and names that are taken.
    pub(super) fn new_relation_name(&self, schema: &Schema, name: &str) -> Result {
        if self.catalog.relation_name_taken(&schema.name, name) {
            return Err(Refusal::invalid(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
        }
        if let Some(other) = self.like_named(schema, name) {
            return Err(Refusal::unsupported(
                "names that differ by letter case only",
                format!("\"{name}\" and \"{other}\" would be one table in storage: rename one of them"),
            ));
        }
        // A table's row type shares the name space of types.
        if self.catalog.type_named(&schema.name, name).is_some() {
            return Err(Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("type \"{name}\" already exists"))
                .hint("A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type."));
        }
        Ok(())
    }

    fn like_named(&self, schema: &Schema, name: &str) -> Option<String> {
        // Storage names are "schema.name": all schemas that differ by case only count.
        self.catalog
            .relations()
            .filter(|r| self.catalog.schema_name(r.schema).eq_ignore_ascii_case(&schema.name))
            .flat_map(|r| std::iter::once(&r.name).chain(r.indexes.iter().map(|i| &i.name)))
            .find(|other| other.eq_ignore_ascii_case(name))
            .cloned()
    }

    /// A free name for an index or sequence: `name1_name2_label`, then with 1, 2, … behind the label.
    ///
    /// Source: PostgreSQL's `ChooseRelationName`. `reserved` are names given in the same statement.
    pub(super) fn choose_relation_name(
        &self,
        schema: &str,
        name1: &str,
        name2: &str,
        label: &str,
        is_constraint: bool,
        reserved: &[String],
    ) -> String {
        (0u32..)
            .map(|n| make_object_name(name1, name2, &numbered(label, n)))
            .find(|name| {
                !reserved.contains(name)
                    && !self.catalog.relation_name_taken(schema, name)
                    && (!is_constraint || !self.constraint_name_taken(schema, name))
            })
            .unwrap_or_default()
    }

    /// A free name for a CHECK or foreign key constraint. Source: PostgreSQL's `ChooseConstraintName`.
    pub(super) fn choose_constraint_name(
        &self,
        schema: &str,
        name1: &str,
        name2: &str,
        label: &str,
        reserved: &[String],
    ) -> String {
        (0u32..)
            .map(|n| make_object_name(name1, name2, &numbered(label, n)))
            .find(|name| !reserved.contains(name) && !self.constraint_name_taken(schema, name))
            .unwrap_or_default()
    }

    fn constraint_name_taken(&self, schema: &str, name: &str) -> bool {
        let Some(schema) = self.catalog.schema(schema) else { return false };
        let tables = self.catalog.relations().filter(|r| r.schema == schema.oid).any(|r| r.constraint(name).is_some());
        tables
            || self.catalog.types().filter(|t| t.schema == schema.oid).any(
                |t| matches!(&t.kind, basalt_catalog::TypeKind::Domain { checks, .. } if checks.iter().any(|(n, _)| n == name)),
            )
    }
}

fn numbered(label: &str, n: u32) -> String {
    if n == 0 { label.to_owned() } else { format!("{label}{n}") }
}

/// The types a function is told apart by: IN, INOUT and VARIADIC ones.
pub(super) fn input_types(function: &Function) -> Vec<u32> {
    use basalt_catalog::ArgMode;
    function.args.iter().filter(|a| matches!(a.mode, ArgMode::In | ArgMode::InOut | ArgMode::Variadic)).map(|a| a.ty).collect()
}
