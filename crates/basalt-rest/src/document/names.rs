//! Names of types, as PostgREST's document has them.

use basalt_catalog::{Catalog, quote_name};
use basalt_types::pg::{self, oid};
use basalt_types::{Oid, TypeRef};

use super::Facts;

/// bit varying, and its array
const VARBIT: Oid = Oid(1562);
const VARBIT_ARRAY: Oid = Oid(1563);

/// Writes the names of types: PostgreSQL's own bare, others with their schemas unless these are searched.
pub(super) struct Names<'c> {
    catalog: &'c Catalog,
    searched: Vec<&'c str>,
}

impl<'c> Names<'c> {
    /// As nothing but PostgreSQL's own is searched.
    pub(super) fn of(catalog: &'c Catalog) -> Self {
        Self { catalog, searched: Vec::new() }
    }

    /// As a request's statement sees them, where the document is made for a role.
    pub(super) fn seen(catalog: &'c Catalog, facts: &Facts<'c>) -> Self {
        let mut searched = Vec::new();
        if facts.is_for_role {
            searched.push(facts.schema);
            searched.extend(facts.extra_search_path.iter().map(String::as_str));
        }
        Self { catalog, searched }
    }

    /// A column's type: of a domain what it is of, if that is one of PostgreSQL's own.
    pub(super) fn column(&self, ty: TypeRef) -> String {
        let base = self.catalog.base_type(ty);
        self.of_type(if base.oid != ty.oid && self.is_own(base.oid) { base } else { ty })
    }

    /// Whether a type is PostgreSQL's own.
    fn is_own(&self, ty: Oid) -> bool {
        !matches!(ty, oid::CITEXT | oid::CITEXT_ARRAY)
            && self.catalog.type_by_oid(ty).is_none_or(|def| def.oid < pg::FIRST_USER_OID)
    }

    /// A type, without its modifier.
    pub(super) fn of_type(&self, ty: TypeRef) -> String {
        match ty.oid {
            oid::BPCHAR => return "character".to_owned(),
            oid::BPCHAR_ARRAY => return "character[]".to_owned(),
            VARBIT => return "bit varying".to_owned(),
            VARBIT_ARRAY => return "bit varying[]".to_owned(),
            oid::CITEXT | oid::CITEXT_ARRAY => {
                let schema = self.catalog.extensions().find(|e| e.name == "citext").map_or("extensions", |e| e.schema.as_str());
                return self.in_schema(schema, "citext") + if ty.oid == oid::CITEXT { "" } else { "[]" };
            }
            _ => {}
        }
        match self.catalog.type_by_oid(ty.oid) {
            Some(def) if !self.is_own(ty.oid) => {
                let schema = self.catalog.schema_by_oid(Oid(def.schema)).map_or("public", |schema| schema.name.as_str());
                self.in_schema(schema, &def.name) + if def.oid == ty.oid.0 { "" } else { "[]" }
            }
            _ => self.catalog.format_type(TypeRef::of(ty.oid)),
        }
    }

    fn in_schema(&self, schema: &str, name: &str) -> String {
        // A name that several searched schemas have is the first one's.
        let is_hidden = |other: &&str| *other != schema && self.has_type(other, name);
        let before = self.searched.iter().take_while(|searched| **searched != schema);
        if self.searched.contains(&schema) && !before.clone().any(is_hidden) {
            return quote_name(name);
        }
        format!("{}.{}", quote_name(schema), quote_name(name))
    }

    fn has_type(&self, schema: &str, name: &str) -> bool {
        self.catalog.type_named(schema, name).is_some()
    }
}
