//! What exists in a database, as plain data with a version number: schemas, types, relations, functions, roles and their privileges.
//!
//! It mirrors PostgreSQL's system catalogs as far as planning, the guard and migrations need them. Expressions are kept as canonical
//! PostgreSQL text; whoever needs them parses and analyses them and caches the result by [`Catalog::version`].
//!
//! What it does not do: no SQL parsing, no I/O. `serde` is derived because an engine stores these values in its own tables; that
//! stored form is part of the file format: add fields with `#[serde(default)]`, never rename.
//!
//! Start with [`Catalog`]; privileges are in [`acl`], relations in [`relation`].

pub mod acl;
pub mod function;
pub mod lookup;
pub mod print;
pub mod privilege;
pub mod relation;
pub mod rights;
pub mod types;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use basalt_types::Oid;
use serde::{Deserialize, Serialize};

pub use acl::{Acl, AclItem, DefaultAcl, GrantKind, Privileges, Role};
pub use function::{ArgMode, Cast, Function, FunctionArg, Volatility};
pub use lookup::{ForeignKey, edit_distance, quote_name};
pub use privilege::{ApplicablePolicies, ColumnPrivileges, DependentPrivileges};
pub use relation::{
    Action, Column, Constraint, ConstraintKind, Deferral, Identity, Index, IndexKey, IndexTerm, Origin, Policy, PolicyCommand,
    Relation, RelationKind, Sequence, Trigger, TriggerEvents, TriggerTiming, View, Writes,
};
pub use rights::Rights;
pub use types::{TypeDef, TypeKind};

/// Serialisable mirror of an [`Oid`].
pub type OidNumber = u32;

/// A namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// Identity.
    pub oid: OidNumber,
    /// Name.
    pub name: String,
    /// Owning role.
    pub owner: String,
    /// Privileges (USAGE, CREATE); `None`: the owner's only.
    pub acl: Option<Acl>,
    /// COMMENT ON SCHEMA.
    pub comment: Option<String>,
}

/// A publication, e.g. `supabase_realtime`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Publication {
    /// Name.
    pub name: String,
    /// FOR ALL TABLES.
    pub all_tables: bool,
    /// Tables by OID.
    pub tables: Vec<OidNumber>,
}

/// An accepted extension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extension {
    /// Name.
    pub name: String,
    /// Schema it was put in.
    pub schema: String,
}

/// Everything that exists. Cheap to clone: objects are shared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    version: u64,
    next_oid: u32,
    is_native: bool,
    schemas: BTreeMap<Oid, Arc<Schema>>,
    types: BTreeMap<Oid, Arc<TypeDef>>,
    relations: BTreeMap<Oid, Arc<Relation>>,
    functions: BTreeMap<Oid, Arc<Function>>,
    roles: BTreeMap<String, Arc<Role>>,
    publications: BTreeMap<String, Arc<Publication>>,
    extensions: BTreeMap<String, Arc<Extension>>,
    default_acls: Vec<DefaultAcl>,
    casts: Vec<Cast>,
    schema_names: HashMap<String, Oid>,
    relation_names: HashMap<(Oid, String), Oid>,
    type_names: HashMap<(Oid, String), Oid>,
    /// Types by their array types.
    array_types: HashMap<Oid, Oid>,
    /// The types of tables' rows, each with its table's identity; a server's catalog has types of their own for them.
    row_types: HashMap<Oid, Arc<TypeDef>>,
    function_names: HashMap<(Oid, String), Vec<Oid>>,
}

impl Catalog {
    /// An empty catalog at version 0. New objects get OIDs from [`basalt_types::pg::FIRST_USER_OID`] upwards.
    pub fn new() -> Self {
        Self { next_oid: basalt_types::pg::FIRST_USER_OID, ..Self::default() }
    }

    /// Grows with every committed change; equal versions of one database have equal content.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Sets the version; the engine that stores the catalog calls it.
    pub fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    /// Whether this is what a PostgreSQL server has: it runs views and functions itself, so they are named, not looked into.
    pub fn is_native(&self) -> bool {
        self.is_native
    }

    /// Says so; the engine that reads the catalog from a server calls it.
    pub fn set_native(&mut self) {
        self.is_native = true;
    }

    /// The next free OID, without taking it; stored with the catalog so that OIDs are never used twice.
    pub fn peek_oid(&self) -> u32 {
        self.next_oid
    }

    /// Restores the counter when a stored catalog is loaded.
    pub fn set_next_oid(&mut self, next: u32) {
        self.next_oid = self.next_oid.max(next);
    }

    /// A new object's identity.
    pub fn allocate_oid(&mut self) -> Oid {
        let oid = Oid(self.next_oid);
        self.next_oid += 1;
        oid
    }

    /// A schema by name.
    pub fn schema(&self, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(self.schema_names.get(name)?)
    }

    /// A schema by identity.
    pub fn schema_by_oid(&self, oid: Oid) -> Option<&Arc<Schema>> {
        self.schemas.get(&oid)
    }

    /// All schemas.
    pub fn schemas(&self) -> impl Iterator<Item = &Arc<Schema>> {
        self.schemas.values()
    }

    /// Adds or replaces a schema.
    pub fn put_schema(&mut self, schema: Schema) {
        let oid = Oid(schema.oid);
        if let Some(old) = self.schemas.get(&oid) {
            self.schema_names.remove(&old.name);
        }
        self.schema_names.insert(schema.name.clone(), oid);
        self.schemas.insert(oid, Arc::new(schema));
    }

    /// Removes a schema; its content must be gone already.
    pub fn remove_schema(&mut self, oid: Oid) {
        if let Some(old) = self.schemas.remove(&oid) {
            self.schema_names.remove(&old.name);
        }
    }

    /// A table, view, materialized view or sequence by schema and name. Indexes are found through [`Catalog::index`].
    pub fn relation(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        let schema = self.schema_names.get(schema)?;
        self.relations.get(self.relation_names.get(&(*schema, name.to_owned()))?)
    }

    /// A relation by identity.
    pub fn relation_by_oid(&self, oid: Oid) -> Option<&Arc<Relation>> {
        self.relations.get(&oid)
    }

    /// All relations, by OID.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations.values()
    }

    /// Adds or replaces a relation.
    pub fn put_relation(&mut self, relation: Relation) {
        let oid = Oid(relation.oid);
        if let Some(old) = self.relations.get(&oid) {
            self.relation_names.remove(&(Oid(old.schema), old.name.clone()));
        }
        self.relation_names.insert((Oid(relation.schema), relation.name.clone()), oid);
        if relation.kind != RelationKind::Sequence {
            self.row_types.insert(oid, Arc::new(TypeDef::of_rows(&relation)));
        }
        self.relations.insert(oid, Arc::new(relation));
    }

    /// Removes a relation.
    pub fn remove_relation(&mut self, oid: Oid) {
        if let Some(old) = self.relations.remove(&oid) {
            self.relation_names.remove(&(Oid(old.schema), old.name.clone()));
            self.row_types.remove(&oid);
        }
    }

    /// An index by schema and name, with its table.
    pub fn index(&self, schema: &str, name: &str) -> Option<(&Arc<Relation>, &Index)> {
        let schema = self.schema_names.get(schema)?;
        self.relations
            .values()
            .filter(|r| Oid(r.schema) == *schema)
            .find_map(|r| r.indexes.iter().find(|i| i.name == name).map(|i| (r, i)))
    }

    /// A user-defined type by schema and name: one of its own, or that of a table's rows.
    pub fn type_named(&self, schema: &str, name: &str) -> Option<&Arc<TypeDef>> {
        let key = (*self.schema_names.get(schema)?, name.to_owned());
        match self.type_names.get(&key) {
            Some(oid) => self.types.get(oid),
            None => self.row_type(*self.relation_names.get(&key)?),
        }
    }

    /// The type of a table's rows, where it is no type of its own.
    fn row_type(&self, relation: Oid) -> Option<&Arc<TypeDef>> {
        if self.is_native { None } else { self.row_types.get(&relation) }
    }

    /// A user-defined type by identity, or by the identity of its array type. The type of a table's rows has the table's identity.
    pub fn type_by_oid(&self, oid: Oid) -> Option<&Arc<TypeDef>> {
        self.types
            .get(&oid)
            .or_else(|| self.array_types.get(&oid).and_then(|of| self.types.get(of)))
            .or_else(|| self.row_type(oid))
    }

    /// All user-defined types, those of tables' rows left out where they are no types of their own.
    pub fn types(&self) -> impl Iterator<Item = &Arc<TypeDef>> {
        self.types.values()
    }

    /// Adds or replaces a type.
    pub fn put_type(&mut self, def: TypeDef) {
        let oid = Oid(def.oid);
        if let Some(old) = self.types.get(&oid) {
            self.type_names.remove(&(Oid(old.schema), old.name.clone()));
            self.array_types.remove(&Oid(old.array_oid));
        }
        self.type_names.insert((Oid(def.schema), def.name.clone()), oid);
        if def.array_oid != 0 {
            self.array_types.insert(Oid(def.array_oid), oid);
        }
        self.types.insert(oid, Arc::new(def));
    }

    /// Removes a type.
    pub fn remove_type(&mut self, oid: Oid) {
        if let Some(old) = self.types.remove(&oid) {
            self.type_names.remove(&(Oid(old.schema), old.name.clone()));
            self.array_types.remove(&Oid(old.array_oid));
        }
    }

    /// The user's functions of that name, all overloads.
    pub fn functions_named(&self, schema: &str, name: &str) -> Vec<&Arc<Function>> {
        let Some(schema) = self.schema_names.get(schema) else { return Vec::new() };
        let oids = self.function_names.get(&(*schema, name.to_owned())).map(Vec::as_slice).unwrap_or_default();
        oids.iter().filter_map(|oid| self.functions.get(oid)).collect()
    }

    /// A function by identity.
    pub fn function_by_oid(&self, oid: Oid) -> Option<&Arc<Function>> {
        self.functions.get(&oid)
    }

    /// All functions.
    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    /// Adds or replaces a function.
    pub fn put_function(&mut self, function: Function) {
        let oid = Oid(function.oid);
        self.remove_function(oid);
        self.function_names.entry((Oid(function.schema), function.name.clone())).or_default().push(oid);
        self.functions.insert(oid, Arc::new(function));
    }

    /// Removes a function.
    pub fn remove_function(&mut self, oid: Oid) {
        if let Some(old) = self.functions.remove(&oid)
            && let Some(list) = self.function_names.get_mut(&(Oid(old.schema), old.name.clone()))
        {
            list.retain(|o| *o != oid);
        }
    }

    /// A role.
    pub fn role(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(name)
    }

    /// All roles.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    /// Adds or replaces a role.
    pub fn put_role(&mut self, role: Role) {
        self.roles.insert(role.name.clone(), Arc::new(role));
    }

    /// Removes a role.
    pub fn remove_role(&mut self, name: &str) {
        self.roles.remove(name);
    }

    /// All publications.
    pub fn publications(&self) -> impl Iterator<Item = &Arc<Publication>> {
        self.publications.values()
    }

    /// A publication.
    pub fn publication(&self, name: &str) -> Option<&Arc<Publication>> {
        self.publications.get(name)
    }

    /// Adds or replaces a publication.
    pub fn put_publication(&mut self, publication: Publication) {
        self.publications.insert(publication.name.clone(), Arc::new(publication));
    }

    /// Removes a publication.
    pub fn remove_publication(&mut self, name: &str) {
        self.publications.remove(name);
    }

    /// All accepted extensions.
    pub fn extensions(&self) -> impl Iterator<Item = &Arc<Extension>> {
        self.extensions.values()
    }

    /// Adds or replaces an extension.
    pub fn put_extension(&mut self, extension: Extension) {
        self.extensions.insert(extension.name.clone(), Arc::new(extension));
    }

    /// Removes an extension.
    pub fn remove_extension(&mut self, name: &str) {
        self.extensions.remove(name);
    }

    /// The users' conversions between types.
    pub fn casts(&self) -> &[Cast] {
        &self.casts
    }

    /// Replaces all conversions.
    pub fn set_casts(&mut self, casts: Vec<Cast>) {
        self.casts = casts;
    }

    /// The function of an implicit conversion between a domain and text or json: how the domain is represented.
    pub fn representation(&self, source: Oid, target: Oid) -> Option<Oid> {
        use basalt_types::pg::oid::{JSON, TEXT};
        let is_domain = |oid: Oid| self.types.get(&oid).is_some_and(|def| matches!(def.kind, TypeKind::Domain { .. }));
        // Most databases have none: nothing is looked up for them.
        let is_one = !self.casts.is_empty()
            && (matches!(target, JSON | TEXT) && is_domain(source) || matches!(source, JSON | TEXT) && is_domain(target));
        if is_one { self.implicit_cast(source, target) } else { None }
    }

    /// The function of an implicit conversion between two types, if the users made one.
    pub fn implicit_cast(&self, source: Oid, target: Oid) -> Option<Oid> {
        let cast = self.casts.iter().find(|c| c.implicit && c.source == source.0 && c.target == target.0)?;
        Some(Oid(cast.function))
    }

    /// ALTER DEFAULT PRIVILEGES entries.
    pub fn default_acls(&self) -> &[DefaultAcl] {
        &self.default_acls
    }

    /// Replaces all default privileges.
    pub fn set_default_acls(&mut self, acls: Vec<DefaultAcl>) {
        self.default_acls = acls;
    }
}
