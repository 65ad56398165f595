//! What of a schema a document has.

use basalt_catalog::acl::Privileges;
use basalt_catalog::rights::Rights;
use basalt_catalog::{Catalog, Column, Function, Relation, TriggerTiming, Writes};
use basalt_plan::resolve::Reference;
use basalt_types::pg::oid;
use basalt_types::{Oid, TypeRef};

/// Tables, views and functions of a schema, each with what may be done with it.
pub(super) struct Shown<'c> {
    pub(super) catalog: &'c Catalog,
    /// By name.
    pub(super) relations: Vec<ShownRelation<'c>>,
    /// By name; overloads one after another, those with most parameters last.
    pub(super) functions: Vec<&'c Function>,
}

/// A table or view.
pub(super) struct ShownRelation<'c> {
    pub(super) relation: &'c Relation,
    pub(super) columns: Vec<&'c Column>,
    pub(super) may: May,
    /// Columns that may be given values in an insert and in an update, by attnum.
    pub(super) inserted: Vec<i16>,
    pub(super) updated: Vec<i16>,
    /// What identifies a row, by attnum.
    key: Vec<i16>,
    references: Vec<Reference<'c>>,
    /// What can be written through it at all.
    pub(super) writes: Writes,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct May {
    pub(super) select: bool,
    pub(super) insert: bool,
    pub(super) update: bool,
    pub(super) delete: bool,
}

impl<'c> Shown<'c> {
    /// What a role may use; `None`: everything there is.
    pub(super) fn of(catalog: &'c Catalog, schema: &str, role: Option<&str>) -> Self {
        let rights = role.map_or_else(Rights::unlimited, |role| Rights::of(catalog, role));
        let is_open = catalog.schema(schema).is_some_and(|s| rights.on_schema(s).contains(Privileges::USAGE));
        if !is_open {
            return Self { catalog, relations: Vec::new(), functions: Vec::new() };
        }
        let relations = basalt_plan::resolve::exposed(catalog, schema);
        let mut relations: Vec<_> =
            relations.filter_map(|relation| ShownRelation::of((catalog, schema), relation, &rights)).collect();
        relations.sort_by(|a, b| a.relation.name.cmp(&b.relation.name));
        let oid = catalog.schema(schema).map(|s| s.oid);
        // Functions of users run on PostgreSQL only.
        let functions = catalog.functions().filter(|f| catalog.is_native() && Some(f.schema) == oid);
        let may_call = |f: &&'c Function| rights.on_function(f).contains(Privileges::EXECUTE) && is_callable(f);
        let mut functions: Vec<&Function> = functions.map(AsRef::as_ref).filter(may_call).collect();
        functions.sort_by_cached_key(|f| {
            let inputs: Vec<(String, u32)> = f.inputs().map(|arg| (arg.name.clone(), arg.ty)).collect();
            (f.name.clone(), inputs.len(), f.comment.clone(), inputs, f.oid)
        });
        Self { catalog, relations, functions }
    }

    /// A relation by its OID, if the document has it.
    pub(super) fn relation(&self, oid: Oid) -> Option<&ShownRelation<'c>> {
        self.relations.iter().find(|shown| shown.relation.oid == oid.0)
    }

    /// The columns that a column refers to, where the document has them.
    pub(super) fn foreign(&self, shown: &ShownRelation<'_>, column: &Column) -> Option<(&str, &str)> {
        shown.references.iter().filter(|r| r.column == column.attnum).find_map(|reference| {
            let foreign = self.relation(Oid(reference.foreign.oid))?;
            let there = foreign.columns.iter().find(|c| c.attnum == reference.there)?;
            Some((foreign.relation.name.as_str(), there.name.as_str()))
        })
    }
}

impl<'c> ShownRelation<'c> {
    fn of((catalog, schema): (&'c Catalog, &str), relation: &'c Relation, rights: &Rights) -> Option<Self> {
        let on = rights.on_columns(relation);
        let is_own = rights.acts_as(&relation.owner);
        let has = |attnum: i16, wanted: Privileges| on.has(attnum, wanted);
        let any = [Privileges::SELECT, Privileges::INSERT, Privileges::UPDATE, Privileges::REFERENCES];
        let columns: Vec<&Column> = relation.columns.iter().filter(|c| is_own || any.iter().any(|p| has(c.attnum, *p))).collect();
        if columns.is_empty() && on.table.is_empty() && !is_own {
            return None;
        }
        let writes = basalt_plan::resolve::writes(catalog, relation);
        // What a view computes cannot be given, unless triggers take it.
        let is_instead = relation.triggers.iter().any(|t| t.timing == TriggerTiming::InsteadOf);
        let shows = |attnum: i16| match &relation.view {
            Some(view) if !is_instead => view.origins.iter().any(|origin| origin.column == attnum),
            _ => true,
        };
        let of = |wanted: Privileges, is_given: fn(&Column) -> bool| -> Vec<i16> {
            let may = columns.iter().filter(|c| shows(c.attnum) && is_given(c) && has(c.attnum, wanted));
            may.map(|c| c.attnum).collect()
        };
        let is_input = |c: &Column| c.generated.is_none() && c.identity.as_ref().is_none_or(|i| !i.always);
        let may = May {
            select: on.has_on_any(Privileges::SELECT),
            insert: writes.insert && on.has_on_any(Privileges::INSERT),
            update: writes.update && on.has_on_any(Privileges::UPDATE),
            delete: writes.delete && on.table.contains(Privileges::DELETE),
        };
        let (inserted, updated) = (of(Privileges::INSERT, is_input), of(Privileges::UPDATE, is_input));
        let key = catalog.key_of(relation);
        let references = basalt_plan::resolve::references(catalog, schema, relation);
        Some(Self { relation, columns, may, inserted, updated, key, references, writes })
    }

    /// Whether a column belongs to the primary key: of a view, to one that it shows.
    pub(super) fn is_key(&self, column: &Column) -> bool {
        self.key.contains(&column.attnum)
    }

    /// The primary key's columns, if there is one and all of them are shown.
    pub(super) fn key(&self) -> Option<Vec<&'c Column>> {
        if self.key.is_empty() {
            return None;
        }
        self.key.iter().map(|attnum| self.columns.iter().find(|c| c.attnum == *attnum).copied()).collect()
    }
}

/// Whether a function can be called by a request: no trigger, and all parameters have names, or it has one that takes the body.
fn is_callable(function: &Function) -> bool {
    let inputs: Vec<_> = function.inputs().collect();
    let unnamed = inputs.iter().filter(|arg| arg.name.is_empty()).count();
    let takes_body = |ty: u32| {
        let xml = Oid(142);
        [oid::JSON, oid::JSONB, oid::TEXT, oid::BYTEA, xml].contains(&TypeRef::of(Oid(ty)).oid)
    };
    let is_called = match unnamed {
        0 => true,
        1 => inputs.len() == 1 && inputs.iter().all(|arg| takes_body(arg.ty)),
        _ => false,
    };
    is_called && !function.procedure && !function.aggregate && Oid(function.returns) != oid::TRIGGER
}
