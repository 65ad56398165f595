//! DROP.

use std::sync::Arc;

use basalt_catalog::{Relation, RelationKind, TypeKind};
use basalt_types::{Oid, SqlState};

use super::depend::Dependent;
use super::name::{kind_word, written};
use super::{Ddl, Refusal, Result, Step};
use crate::tree::{DropName, Name, ObjectKind};

impl Ddl {
    pub(super) fn drop(&mut self, kind: ObjectKind, if_exists: bool, cascade: bool, names: &[DropName]) -> Result {
        let relation_kind = match kind {
            ObjectKind::Table => Some(RelationKind::Table),
            ObjectKind::View => Some(RelationKind::View),
            ObjectKind::MaterializedView => Some(RelationKind::MaterializedView),
            ObjectKind::Sequence => Some(RelationKind::Sequence),
            _ => None,
        };
        if let Some(kind) = relation_kind {
            return self.drop_relations(kind, if_exists, cascade, names);
        }
        for target in names {
            let name = &target.name;
            let member = target.member.as_deref().unwrap_or_default();
            match kind {
                ObjectKind::Policy => self.drop_policy(member, name, if_exists)?,
                ObjectKind::Trigger => self.drop_trigger(member, name, if_exists)?,
                ObjectKind::Index => self.drop_index(name, if_exists, cascade)?,
                ObjectKind::Schema => self.drop_schema(&name.name, if_exists, cascade)?,
                ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine => {
                    self.drop_function(kind, target, if_exists, cascade)?;
                }
                ObjectKind::Type | ObjectKind::Domain => self.drop_type(kind, name, if_exists, cascade)?,
                ObjectKind::Extension => self.drop_extension(&name.name, if_exists)?,
                ObjectKind::Role => self.drop_role(&name.name, if_exists)?,
                ObjectKind::Publication => {
                    if self.catalog.publication(&name.name).is_none() {
                        self.missing(
                            SqlState::UNDEFINED_OBJECT,
                            format!("publication \"{}\" does not exist", name.name),
                            if_exists,
                        )?;
                    }
                    self.catalog.remove_publication(&name.name);
                }
                other if if_exists => {
                    let word = super::kind_words(other).to_lowercase();
                    self.notice(format!("{word} \"{}\" does not exist, skipping", written(name)));
                }
                other => {
                    return Err(Refusal::unsupported(
                        format!("DROP {}", super::kind_words(other)),
                        "leave it out: there is no such object on SQLite",
                    ));
                }
            }
        }
        Ok(())
    }

    /// The error of a missing object, or with IF EXISTS the notice.
    fn missing(&mut self, state: SqlState, text: String, if_exists: bool) -> Result {
        if !if_exists {
            return Err(Refusal::invalid(state, text));
        }
        self.notice(format!("{text}, skipping"));
        Ok(())
    }

    fn missing_schema(&mut self, name: &Name, if_exists: bool) -> Result<bool> {
        match &name.schema {
            Some(schema) if self.catalog.schema(schema).is_none() => {
                self.missing(SqlState::INVALID_SCHEMA, format!("schema \"{schema}\" does not exist"), if_exists)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn drop_relations(&mut self, kind: RelationKind, if_exists: bool, cascade: bool, names: &[DropName]) -> Result {
        let mut listed: Vec<Arc<Relation>> = Vec::new();
        for DropName { name, .. } in names {
            if self.missing_schema(name, if_exists)? {
                continue;
            }
            let Some(found) = self.find_relation(name) else {
                self.missing(
                    SqlState::UNDEFINED_TABLE,
                    format!("{} \"{}\" does not exist", kind_word(kind), name.name),
                    if_exists,
                )
                .map_err(|e| e.at(name.pos))?;
                continue;
            };
            if found.kind != kind {
                let (word, is) = (kind_word(kind), kind_word(found.kind));
                return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a {word}", found.name))
                    .hint(format!("Use DROP {} to remove a {is}.", is.to_uppercase())));
            }
            self.must_own_relation(&found)?;
            if !listed.iter().any(|r| r.oid == found.oid) {
                listed.push(found);
            }
        }
        self.drop_listed(&listed, cascade)
    }

    /// Drops relations together: what depends on one of them and belongs to another is no obstacle.
    fn drop_listed(&mut self, listed: &[Arc<Relation>], cascade: bool) -> Result {
        let all: Vec<Oid> = listed.iter().map(|r| Oid(r.oid)).collect();
        for relation in listed {
            if let Some((table, attnum)) = self.identity_of(relation)
                && !all.contains(&Oid(table))
            {
                let table = self.catalog.relation_by_oid(Oid(table)).cloned();
                let column = table.as_ref().and_then(|t| t.column_at(attnum)).map(|c| c.name.clone()).unwrap_or_default();
                let table = table.map(|t| self.described_relation(&t)).unwrap_or_default();
                return Err(Refusal::invalid(
                    SqlState::DEPENDENT_OBJECTS,
                    format!("cannot drop sequence {} because column {column} of {table} requires it", relation.name),
                )
                .hint(format!("You can drop column {column} of {table} instead.")));
            }
            let mut dependents = self.dependents_of_relation(relation);
            dependents.retain(|d| d.table().is_none_or(|t| !all.contains(&t)));
            let root = self.described_relation(relation);
            self.drop_dependents(dependents, &root, cascade)?;
        }
        // Referencing tables first, so that no storage table refers to one that is gone.
        let mut order: Vec<Arc<Relation>> = listed.to_vec();
        order.reverse();
        while !order.is_empty() {
            let free = order.iter().position(|r| {
                !order.iter().any(|other| {
                    other.oid != r.oid && self.catalog.foreign_keys_from(Oid(other.oid)).iter().any(|fk| fk.target.0 == r.oid)
                })
            });
            // A circle of references is dropped in any order.
            let relation = order.swap_remove(free.unwrap_or(0));
            self.remove_relation(&relation);
        }
        Ok(())
    }

    pub(super) fn remove_relation(&mut self, relation: &Arc<Relation>) {
        let oid = Oid(relation.oid);
        if self.catalog.relation_by_oid(oid).is_none() {
            return;
        }
        match relation.kind {
            RelationKind::Table | RelationKind::MaterializedView => {
                self.drop_owned_sequences(oid, None);
                let schema = self.catalog.schema_name(relation.schema).to_owned();
                self.steps.push(Step::DropTable { schema, table: relation.clone() });
            }
            RelationKind::Sequence => self.steps.push(Step::DropSequence { sequence: oid }),
            RelationKind::View => {}
        }
        self.catalog.remove_relation(oid);
        let published: Vec<_> =
            self.catalog.publications().filter(|p| p.tables.contains(&oid.0)).map(|p| (**p).clone()).collect();
        for mut publication in published {
            publication.tables.retain(|t| *t != oid.0);
            self.catalog.put_publication(publication);
        }
    }

    /// An index by name with its table and place.
    pub(super) fn find_index(&self, name: &Name) -> Option<(Arc<Relation>, usize)> {
        let schemas = name.schema.clone().map_or_else(|| self.path(), |s| vec![s]);
        schemas.iter().find_map(|schema| {
            let (table, index) = self.catalog.index(schema, &name.name)?;
            let at = table.indexes.iter().position(|i| i.oid == index.oid)?;
            Some((table.clone(), at))
        })
    }

    fn drop_index(&mut self, name: &Name, if_exists: bool, cascade: bool) -> Result {
        if self.missing_schema(name, if_exists)? {
            return Ok(());
        }
        let Some((table, at)) = self.find_index(name) else {
            if let Some(other) = self.find_relation(name) {
                return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not an index", other.name)));
            }
            return self.missing(SqlState::UNDEFINED_OBJECT, format!("index \"{}\" does not exist", written(name)), if_exists);
        };
        self.must_own_relation(&table)?;
        let mut changed = (*table).clone();
        let index = changed.indexes.remove(at);
        if let Some(constraint) = index.constraint {
            let constraint = table.constraints.iter().find(|c| c.oid == constraint).map_or("", |c| c.name.as_str());
            let on = format!("constraint {constraint} on {}", self.described_relation(&table));
            return Err(Refusal::invalid(
                SqlState::DEPENDENT_OBJECTS,
                format!("cannot drop index {} because {on} requires it", index.name),
            )
            .hint(format!("You can drop {on} instead.")));
        }
        if index.unique {
            let columns: Vec<i16> = index
                .keys
                .iter()
                .filter_map(|k| match k.term {
                    basalt_catalog::IndexTerm::Column(attnum) => Some(attnum),
                    basalt_catalog::IndexTerm::Expr(_) => None,
                })
                .collect();
            self.drop_dependents_of_key(&mut changed, &columns, &format!("index {}", index.name), &index.name, cascade)?;
        }
        if super::index::is_stored(&index) {
            let schema = self.catalog.schema_name(table.schema).to_owned();
            self.steps.push(Step::DropIndex { schema, name: index.name });
        }
        self.catalog.put_relation(changed);
        Ok(())
    }

    fn drop_schema(&mut self, name: &str, if_exists: bool, cascade: bool) -> Result {
        let Some(schema) = self.catalog.schema(name).cloned() else {
            return self.missing(SqlState::INVALID_SCHEMA, format!("schema \"{name}\" does not exist"), if_exists);
        };
        self.must_own("schema", name, &schema.owner)?;
        let relations: Vec<Arc<Relation>> = self.catalog.relations().filter(|r| r.schema == schema.oid).cloned().collect();
        let functions: Vec<_> = self.catalog.functions().filter(|f| f.schema == schema.oid).cloned().collect();
        let types: Vec<_> = self.catalog.types().filter(|t| t.schema == schema.oid).cloned().collect();
        let inside = self.inside_schema(name, &relations, &functions, &types);
        if !inside.is_empty() {
            if !cascade {
                let detail: Vec<String> = inside.iter().map(|(what, on)| format!("{what} depends on {on}")).collect();
                return Err(Refusal::invalid(
                    SqlState::DEPENDENT_OBJECTS,
                    format!("cannot drop schema {name} because other objects depend on it"),
                )
                .detail(detail.join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            match inside.as_slice() {
                [(one, _)] => self.notice(format!("drop cascades to {one}")),
                many => self.notice(format!("drop cascades to {} other objects", many.len())),
            }
        }
        let free: Vec<Arc<Relation>> =
            relations.into_iter().filter(|r| r.sequence.as_ref().is_none_or(|s| s.owned_by.is_none())).collect();
        self.drop_listed(&free, true)?;
        for function in functions {
            let dependents = self.dependents_of_function(&function);
            self.drop_dependents(dependents, "", true)?;
            self.catalog.remove_function(Oid(function.oid));
        }
        for def in types {
            let dependents = self.dependents_of_type(&def);
            self.drop_dependents(dependents, "", true)?;
            self.catalog.remove_type(Oid(def.oid));
        }
        let entries = self.catalog.default_acls().iter().filter(|d| d.schema != Some(schema.oid)).cloned().collect();
        self.catalog.set_default_acls(entries);
        self.catalog.remove_schema(Oid(schema.oid));
        Ok(())
    }

    /// What goes with a schema, and on what it depends: its objects in the order of their making, each followed by what depends on it
    /// elsewhere. Source: PostgreSQL's `reportDependentObjects`.
    fn inside_schema(
        &self,
        name: &str,
        relations: &[Arc<Relation>],
        functions: &[Arc<basalt_catalog::Function>],
        types: &[Arc<basalt_catalog::TypeDef>],
    ) -> Vec<(String, String)> {
        let mut objects: Vec<(u32, String, Vec<Dependent>)> = Vec::new();
        for def in types {
            objects.push((def.oid, format!("type {name}.{}", def.name), self.dependents_of_type(def)));
        }
        // Sequences of columns belong to their table.
        for relation in relations.iter().filter(|r| r.sequence.as_ref().is_none_or(|s| s.owned_by.is_none())) {
            objects.push((relation.oid, self.described_relation(relation), self.dependents_of_relation(relation)));
        }
        for function in functions {
            let signature = basalt_catalog::print::signature(&self.catalog, function);
            objects.push((function.oid, format!("function {name}.{signature}"), self.dependents_of_function(function)));
        }
        objects.sort_by_key(|(oid, ..)| *oid);
        let is_inside = |dependent: &Dependent| match dependent {
            Dependent::Function(oid) => functions.iter().any(|f| f.oid == oid.0),
            Dependent::Type(oid) => types.iter().any(|t| t.oid == oid.0),
            other => other.table().is_some_and(|table| relations.iter().any(|r| r.oid == table.0)),
        };
        let mut reported: Vec<Dependent> = Vec::new();
        let mut inside = Vec::new();
        for (_, what, dependents) in objects {
            inside.push((what.clone(), format!("schema {name}")));
            for dependent in dependents {
                if !is_inside(&dependent) && !reported.contains(&dependent) {
                    inside.push((self.describe(&dependent), what.clone()));
                    reported.push(dependent);
                }
            }
        }
        inside
    }

    fn drop_function(&mut self, kind: ObjectKind, target: &DropName, if_exists: bool, cascade: bool) -> Result {
        if self.missing_schema(&target.name, if_exists)? {
            return Ok(());
        }
        let function = match self.function(&target.name, target.args.as_deref()) {
            Ok(function) => function,
            Err(e) if if_exists && e.error.state != SqlState::AMBIGUOUS_FUNCTION => {
                // An unknown argument type means that no such function exists, too.
                let list = match &target.args {
                    Some(args) => {
                        let shown: Vec<String> = args
                            .iter()
                            .map(|t| self.any_type(t).map_or_else(|_| t.name.clone(), |t| self.catalog.format_type(t)))
                            .collect();
                        format!("({})", shown.join(","))
                    }
                    None => "()".to_owned(),
                };
                let word = super::kind_words(kind).to_lowercase();
                self.notice(format!("{word} {}{list} does not exist, skipping", written(&target.name)));
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        self.must_own("function", &function.name, &function.owner)?;
        let dependents = self.dependents_of_function(&function);
        let root = format!("function {}", basalt_catalog::print::signature(&self.catalog, &function));
        self.drop_dependents(dependents, &root, cascade)?;
        self.catalog.remove_function(Oid(function.oid));
        Ok(())
    }

    fn drop_type(&mut self, kind: ObjectKind, name: &Name, if_exists: bool, cascade: bool) -> Result {
        if self.missing_schema(name, if_exists)? {
            return Ok(());
        }
        let Some(def) = self.find_type(name) else {
            let text = format!("type \"{}\" does not exist", written(name));
            return self.missing(SqlState::UNDEFINED_OBJECT, text, if_exists);
        };
        if kind == ObjectKind::Domain && !matches!(def.kind, TypeKind::Domain { .. }) {
            return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a domain", def.name)));
        }
        self.must_own("type", &def.name, &def.owner)?;
        let dependents = self.dependents_of_type(&def);
        self.drop_dependents(dependents, &format!("type {}", def.name), cascade)?;
        self.catalog.remove_type(Oid(def.oid));
        Ok(())
    }

    pub(super) fn drop_trigger(&mut self, name: &str, table: &Name, if_exists: bool) -> Result {
        if self.missing_schema(table, if_exists)? {
            return Ok(());
        }
        if self.find_relation(table).is_none() && if_exists {
            self.notice(format!("relation \"{}\" does not exist, skipping", written(table)));
            return Ok(());
        }
        let mut relation = (*self.relation(table)?).clone();
        self.must_own_relation(&relation)?;
        let before = relation.triggers.len();
        relation.triggers.retain(|t| t.name != name);
        if relation.triggers.len() == before {
            let what = if if_exists { "relation" } else { "table" };
            let text = format!("trigger \"{name}\" for {what} \"{}\" does not exist", relation.name);
            return self.missing(SqlState::UNDEFINED_OBJECT, text, if_exists);
        }
        self.catalog.put_relation(relation);
        Ok(())
    }
}
