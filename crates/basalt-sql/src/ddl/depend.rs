//! Who depends on what: found in the catalog's identities and in stored expressions, reported and dropped as PostgreSQL does.

use basalt_catalog::{Catalog, ConstraintKind, Index, IndexTerm, Relation, RelationKind, TypeKind};
use basalt_types::{Oid, SqlState};

use super::constraint::has_key_on;
use super::expr::{Uses, uses_of_expr, uses_of_query};
use super::name::kind_word;
use super::{Ddl, Refusal, Result, Step};

/// Something that cannot live without something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dependent {
    ForeignKey { table: Oid, constraint: u32 },
    View(Oid),
    Policy { table: Oid, name: String },
    Trigger { table: Oid, name: String },
    Default { table: Oid, attnum: i16 },
    Column { table: Oid, attnum: i16 },
    Check { table: Oid, constraint: u32 },
    Index { table: Oid, index: u32 },
    Function(Oid),
    Type(Oid),
}

/// The columns an index is about: keys, INCLUDE, and what its expressions read.
fn index_columns(catalog: &Catalog, table: &Relation, index: &Index) -> Vec<i16> {
    let mut columns = index.include.clone();
    let mut texts: Vec<&str> = index.filter.as_deref().into_iter().collect();
    for key in &index.keys {
        match &key.term {
            IndexTerm::Column(attnum) => columns.push(*attnum),
            IndexTerm::Expr(text) => texts.push(text),
        }
    }
    for text in texts {
        columns.extend(own_columns(catalog, table, text));
    }
    columns
}

/// The columns of a table that a stored expression of it reads.
fn own_columns(catalog: &Catalog, table: &Relation, text: &str) -> Vec<i16> {
    let uses = uses_of_text(catalog, Some(table), text);
    uses.columns.into_iter().filter(|(relation, _)| relation.0 == table.oid).map(|(_, attnum)| attnum).collect()
}

/// Stored text names its schemas, so that no path is needed.
fn uses_of_text(catalog: &Catalog, table: Option<&Relation>, text: &str) -> Uses {
    crate::parse::expr(text).map(|expr| uses_of_expr(catalog, &[], table, &expr)).unwrap_or_default()
}

impl Ddl {
    /// Everything whose stored text matches: `needle` is looked for first, since parsing all texts would be slow.
    fn scan(&self, needle: &str, hit: impl Fn(&Uses) -> bool) -> Vec<Dependent> {
        let mut found = Vec::new();
        let catalog = &self.catalog;
        let uses = |table: &Relation, text: &str| text.contains(needle) && hit(&uses_of_text(catalog, Some(table), text));
        for table in catalog.relations() {
            let oid = Oid(table.oid);
            if let Some(view) = &table.view
                && view.query.contains(needle)
                && crate::parse::query(&view.query).is_ok_and(|q| hit(&uses_of_query(catalog, &[], &q)))
            {
                found.push(Dependent::View(oid));
            }
            for column in &table.columns {
                if column.default.as_ref().is_some_and(|text| uses(table, text)) {
                    found.push(Dependent::Default { table: oid, attnum: column.attnum });
                }
                if column.generated.as_ref().is_some_and(|text| uses(table, text)) {
                    found.push(Dependent::Column { table: oid, attnum: column.attnum });
                }
            }
            for constraint in &table.constraints {
                if matches!(&constraint.kind, ConstraintKind::Check { expr } if uses(table, expr)) {
                    found.push(Dependent::Check { table: oid, constraint: constraint.oid });
                }
            }
            for policy in &table.policies {
                if [&policy.using, &policy.check].into_iter().flatten().any(|text| uses(table, text)) {
                    found.push(Dependent::Policy { table: oid, name: policy.name.clone() });
                }
            }
            for trigger in &table.triggers {
                if trigger.when.as_ref().is_some_and(|text| uses(table, text)) {
                    found.push(Dependent::Trigger { table: oid, name: trigger.name.clone() });
                }
            }
            for index in &table.indexes {
                let texts = index.keys.iter().filter_map(|k| match &k.term {
                    IndexTerm::Expr(text) => Some(text),
                    IndexTerm::Column(_) => None,
                });
                if texts.chain(&index.filter).any(|text| uses(table, text)) {
                    found.push(Dependent::Index { table: oid, index: index.oid });
                }
            }
        }
        found
    }

    /// What depends on a relation as a whole, its own parts left out.
    pub(super) fn dependents_of_relation(&self, relation: &Relation) -> Vec<Dependent> {
        let oid = Oid(relation.oid);
        let mut found: Vec<Dependent> = self
            .catalog
            .foreign_keys_to(oid)
            .into_iter()
            .filter(|fk| fk.source.oid != relation.oid)
            .map(|fk| Dependent::ForeignKey { table: Oid(fk.source.oid), constraint: fk.constraint.oid })
            .collect();
        found.extend(self.scan(&relation.name, |uses| uses.relations.contains(&oid)));
        found.retain(|d| d.table() != Some(oid));
        found
    }

    /// What depends on a function.
    pub(super) fn dependents_of_function(&self, function: &basalt_catalog::Function) -> Vec<Dependent> {
        let key = (self.catalog.schema_name(function.schema).to_owned(), function.name.clone());
        // Overloads are not told apart in text: another one of the name keeps the users alive.
        let alone = self.catalog.functions_named(&key.0, &key.1).len() == 1;
        let mut found = if alone { self.scan(&function.name, |uses| uses.functions.contains(&key)) } else { Vec::new() };
        for table in self.catalog.relations() {
            let triggers = table.triggers.iter().filter(|t| t.function == function.oid);
            found.extend(triggers.map(|t| Dependent::Trigger { table: Oid(table.oid), name: t.name.clone() }));
        }
        found
    }

    /// What depends on a type or its array type.
    pub(super) fn dependents_of_type(&self, def: &basalt_catalog::TypeDef) -> Vec<Dependent> {
        let oids = [def.oid, def.array_oid];
        let mut found = Vec::new();
        for table in self.catalog.relations().filter(|r| r.kind == RelationKind::Table) {
            let columns = table.columns.iter().filter(|c| oids.contains(&c.ty));
            found.extend(columns.map(|c| Dependent::Column { table: Oid(table.oid), attnum: c.attnum }));
        }
        for other in self.catalog.types() {
            let uses = match &other.kind {
                TypeKind::Domain { base, .. } => oids.contains(base),
                TypeKind::Composite { fields } => fields.iter().any(|(_, ty, _)| oids.contains(ty)),
                TypeKind::Enum { .. } | TypeKind::Row { .. } | TypeKind::Other => false,
            };
            if uses {
                found.push(Dependent::Type(Oid(other.oid)));
            }
        }
        for function in self.catalog.functions() {
            if oids.contains(&function.returns) || function.args.iter().any(|a| oids.contains(&a.ty)) {
                found.push(Dependent::Function(Oid(function.oid)));
            }
        }
        for other in self.scan(&def.name, |uses| uses.types.contains(&Oid(def.oid))) {
            let inside = matches!(&other, Dependent::Default { table, attnum }
                if found.contains(&Dependent::Column { table: *table, attnum: *attnum }));
            if !inside && !found.contains(&other) {
                found.push(other);
            }
        }
        found
    }

    /// How messages name it.
    pub(super) fn describe(&self, dependent: &Dependent) -> String {
        let table = |oid: &Oid| self.catalog.relation_by_oid(*oid).map(|r| self.described_relation(r)).unwrap_or_default();
        match dependent {
            Dependent::ForeignKey { table: oid, constraint } | Dependent::Check { table: oid, constraint } => {
                let name = self
                    .catalog
                    .relation_by_oid(*oid)
                    .and_then(|r| r.constraints.iter().find(|c| c.oid == *constraint))
                    .map_or("", |c| c.name.as_str());
                format!("constraint {name} on {}", table(oid))
            }
            Dependent::View(oid) => table(oid),
            Dependent::Policy { table: oid, name } => format!("policy {name} on {}", table(oid)),
            Dependent::Trigger { table: oid, name } => format!("trigger {name} on {}", table(oid)),
            Dependent::Default { table: oid, attnum } | Dependent::Column { table: oid, attnum } => {
                let column =
                    self.catalog.relation_by_oid(*oid).and_then(|r| r.column_at(*attnum)).map_or("", |c| c.name.as_str());
                let prefix = if matches!(dependent, Dependent::Default { .. }) { "default value for " } else { "" };
                format!("{prefix}column {column} of {}", table(oid))
            }
            Dependent::Index { table: oid, index } => {
                let name = self.catalog.relation_by_oid(*oid).and_then(|r| r.indexes.iter().find(|i| i.oid == *index));
                format!("index {}", name.map_or("", |i| i.name.as_str()))
            }
            Dependent::Function(oid) => self
                .catalog
                .function_by_oid(*oid)
                .map(|f| format!("function {}", basalt_catalog::print::signature(&self.catalog, f)))
                .unwrap_or_default(),
            Dependent::Type(oid) => self.catalog.type_by_oid(*oid).map(|t| format!("type {}", t.name)).unwrap_or_default(),
        }
    }

    /// `table posts`, with its schema when that is not on the search path.
    pub(super) fn described_relation(&self, relation: &Relation) -> String {
        format!("{} {}", kind_word(relation.kind), self.visible_name(relation))
    }

    /// A relation's name, with its schema when that is not on the search path.
    pub(super) fn visible_name(&self, relation: &Relation) -> String {
        let schema = self.catalog.schema_name(relation.schema);
        if self.path().iter().any(|s| s == schema) { relation.name.clone() } else { format!("{schema}.{}", relation.name) }
    }

    /// Drops what depends on `root`, or refuses with PostgreSQL's list.
    pub(super) fn drop_dependents(&mut self, found: Vec<Dependent>, root: &str, cascade: bool) -> Result {
        self.drop_dependents_on(found, root, root, cascade)
    }

    /// The same where the dependence is on something that goes with `root`: foreign keys depend on a constraint's index.
    fn drop_dependents_on(&mut self, mut found: Vec<Dependent>, root: &str, on: &str, cascade: bool) -> Result {
        if found.is_empty() {
            return Ok(());
        }
        if !cascade {
            let detail: Vec<String> = found.iter().map(|d| format!("{} depends on {on}", self.describe(d))).collect();
            return Err(Refusal::invalid(
                SqlState::DEPENDENT_OBJECTS,
                format!("cannot drop {root} because other objects depend on it"),
            )
            .detail(detail.join("\n"))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        // What depends on the dependents goes as well.
        let mut next = 0;
        while let Some(dependent) = found.get(next).cloned() {
            next += 1;
            let more = match &dependent {
                Dependent::View(oid) => {
                    self.catalog.relation_by_oid(*oid).cloned().map(|r| self.dependents_of_relation(&r)).unwrap_or_default()
                }
                Dependent::Function(oid) => {
                    self.catalog.function_by_oid(*oid).cloned().map(|f| self.dependents_of_function(&f)).unwrap_or_default()
                }
                Dependent::Type(oid) => {
                    self.catalog.type_by_oid(*oid).cloned().map(|t| self.dependents_of_type(&t)).unwrap_or_default()
                }
                _ => Vec::new(),
            };
            for one in more {
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
        match found.as_slice() {
            [one] => self.notice(format!("drop cascades to {}", self.describe(one))),
            many => self.notice(format!("drop cascades to {} other objects", many.len())),
        }
        for dependent in found {
            self.drop_dependent(dependent)?;
        }
        Ok(())
    }

    fn drop_dependent(&mut self, dependent: Dependent) -> Result {
        match dependent {
            Dependent::View(oid) => {
                if let Some(view) = self.catalog.relation_by_oid(oid).cloned() {
                    self.remove_relation(&view);
                }
            }
            Dependent::Function(oid) => self.catalog.remove_function(oid),
            Dependent::Type(oid) => self.catalog.remove_type(oid),
            Dependent::ForeignKey { table, constraint } => {
                if let Some(before) = self.catalog.relation_by_oid(table).cloned() {
                    let mut changed = (*before).clone();
                    changed.constraints.retain(|c| c.oid != constraint);
                    self.catalog.put_relation(changed);
                    // One rebuild brings the table to its final form, however many keys it loses.
                    if !self.steps.iter().any(|s| matches!(s, Step::RebuildTable { table: t, .. } if *t == table)) {
                        self.steps.push(Step::RebuildTable { table, before, convert: Vec::new() });
                    }
                }
            }
            Dependent::Column { table, attnum } => {
                if let Some(relation) = self.catalog.relation_by_oid(table).cloned()
                    && let Some(column) = relation.column_at(attnum)
                {
                    let name = crate::tree::Name {
                        schema: Some(self.catalog.schema_name(relation.schema).to_owned()),
                        name: relation.name.clone(),
                        pos: super::NO_POS,
                    };
                    let action =
                        crate::tree::AlterTableAction::DropColumn { name: column.name.clone(), if_exists: false, cascade: true };
                    self.alter_table(&name, false, &[action])?;
                }
            }
            Dependent::Index { table, index } => {
                self.change(
                    table,
                    |t| t.indexes.retain(|i| i.oid != index),
                    |t| t.indexes.iter().find(|i| i.oid == index && super::index::is_stored(i)).map(|i| i.name.clone()),
                );
            }
            Dependent::Policy { table, name } => self.change(table, |t| t.policies.retain(|p| p.name != name), |_| None),
            Dependent::Trigger { table, name } => self.change(table, |t| t.triggers.retain(|p| p.name != name), |_| None),
            Dependent::Check { table, constraint } => {
                self.change(table, |t| t.constraints.retain(|c| c.oid != constraint), |_| None);
            }
            Dependent::Default { table, attnum } => self.change(
                table,
                |t| {
                    for column in t.columns.iter_mut().filter(|c| c.attnum == attnum) {
                        column.default = None;
                    }
                },
                |_| None,
            ),
        }
        Ok(())
    }

    /// Changes a relation in the catalog; `index` names an index that leaves storage with it.
    fn change(&mut self, table: Oid, change: impl FnOnce(&mut Relation), index: impl FnOnce(&Relation) -> Option<String>) {
        let Some(mut relation) = self.catalog.relation_by_oid(table).map(|r| (**r).clone()) else { return };
        if let Some(name) = index(&relation) {
            self.steps.push(Step::DropIndex { schema: self.catalog.schema_name(relation.schema).to_owned(), name });
        }
        change(&mut relation);
        self.catalog.put_relation(relation);
    }

    /// Constraints that go with a column: those it takes part in.
    pub(super) fn constraints_on_column(&self, table: &Relation, attnum: i16) -> Vec<u32> {
        let involved = |kind: &ConstraintKind| match kind {
            ConstraintKind::Check { expr } => own_columns(&self.catalog, table, expr).contains(&attnum),
            ConstraintKind::Unique { columns, .. } | ConstraintKind::PrimaryKey { columns } => columns.contains(&attnum),
            ConstraintKind::ForeignKey { columns, target, target_columns, .. } => {
                columns.contains(&attnum) || (*target == table.oid && target_columns.contains(&attnum))
            }
        };
        table.constraints.iter().filter(|c| involved(&c.kind)).map(|c| c.oid).collect()
    }

    /// Indexes that go with a column or with dropped constraints.
    pub(super) fn indexes_on_column(&self, table: &Relation, attnum: i16, dropped: &[u32]) -> Vec<u32> {
        table
            .indexes
            .iter()
            .filter(|i| {
                i.constraint.is_some_and(|c| dropped.contains(&c)) || index_columns(&self.catalog, table, i).contains(&attnum)
            })
            .map(|i| i.oid)
            .collect()
    }

    fn column_users(&self, table: &Relation, attnum: i16) -> Vec<Dependent> {
        let oid = Oid(table.oid);
        let Some(column) = table.column_at(attnum) else { return Vec::new() };
        let mut found = self.scan(&column.name, |uses| uses.columns.contains(&(oid, attnum)));
        // Checks and indexes of the table itself go silently with the column, and so does its own default.
        found.retain(|d| match d {
            Dependent::Check { .. } | Dependent::Index { .. } => false,
            Dependent::Default { table, attnum: own } => (*table, *own) != (oid, attnum),
            _ => true,
        });
        for trigger in table.triggers.iter().filter(|t| t.update_of.contains(&attnum)) {
            let dependent = Dependent::Trigger { table: oid, name: trigger.name.clone() };
            if !found.contains(&dependent) {
                found.push(dependent);
            }
        }
        found
    }

    /// DROP COLUMN: what else needs the column.
    pub(super) fn drop_dependents_of_column(&mut self, table: &Relation, attnum: i16, cascade: bool) -> Result {
        let mut found: Vec<Dependent> = self
            .catalog
            .foreign_keys_to(Oid(table.oid))
            .into_iter()
            .filter(|fk| fk.source.oid != table.oid && fk.target_columns.contains(&attnum))
            .map(|fk| Dependent::ForeignKey { table: Oid(fk.source.oid), constraint: fk.constraint.oid })
            .collect();
        found.extend(self.column_users(table, attnum));
        let column = table.column_at(attnum).map_or("", |c| c.name.as_str());
        let root = format!("column {column} of {}", self.described_relation(table));
        self.drop_dependents(found, &root, cascade)
    }

    /// A key goes: foreign keys that no other key can serve go with it, or refuse. `table` is the working copy, without the key.
    pub(super) fn drop_dependents_of_key(
        &mut self,
        table: &mut Relation,
        columns: &[i16],
        root: &str,
        index: &str,
        cascade: bool,
    ) -> Result {
        let oid = Oid(table.oid);
        let orphaned = |target: &[i16]| {
            target.len() == columns.len() && target.iter().all(|c| columns.contains(c)) && !has_key_on(table, target)
        };
        let found: Vec<Dependent> = self
            .catalog
            .foreign_keys_to(oid)
            .into_iter()
            .filter(|fk| orphaned(fk.target_columns))
            .map(|fk| Dependent::ForeignKey { table: Oid(fk.source.oid), constraint: fk.constraint.oid })
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        let own: Vec<u32> = found
            .iter()
            .filter_map(|d| match d {
                Dependent::ForeignKey { table, constraint } if *table == oid => Some(*constraint),
                _ => None,
            })
            .collect();
        self.drop_dependents_on(found, root, &format!("index {index}"), cascade)?;
        table.constraints.retain(|c| !own.contains(&c.oid));
        Ok(())
    }

    /// Drops the sequences a table or one of its columns owns.
    pub(super) fn drop_owned_sequences(&mut self, table: Oid, attnum: Option<i16>) {
        let owned: Vec<Oid> = self
            .catalog
            .relations()
            .filter(|r| {
                r.sequence
                    .as_ref()
                    .and_then(|s| s.owned_by)
                    .is_some_and(|(t, a)| Oid(t) == table && attnum.is_none_or(|n| n == a))
            })
            .map(|r| Oid(r.oid))
            .collect();
        for sequence in owned {
            self.catalog.remove_relation(sequence);
            self.steps.push(Step::DropSequence { sequence });
        }
    }

    /// Why a column's type cannot change: a view, policy, trigger or generated column was analysed with the old one.
    pub(super) fn type_change_blocker(&self, table: &Relation, attnum: i16) -> Option<Box<Refusal>> {
        let user = self.column_users(table, attnum).into_iter().next()?;
        let column = table.column_at(attnum).map_or("", |c| c.name.as_str());
        let what = match user {
            Dependent::View(_) => "used by a view or rule",
            Dependent::Policy { .. } => "used in a policy definition",
            Dependent::Trigger { .. } => "used in a trigger definition",
            Dependent::Column { .. } => "used by a generated column",
            _ => return None,
        };
        let rule = if matches!(user, Dependent::View(_)) { "rule _RETURN on " } else { "" };
        Some(
            Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, format!("cannot alter type of a column {what}"))
                .detail(format!("{rule}{} depends on column \"{column}\"", self.describe(&user))),
        )
    }
}

impl Dependent {
    /// The table it is part of.
    pub(super) fn table(&self) -> Option<Oid> {
        match self {
            Self::ForeignKey { table, .. }
            | Self::Policy { table, .. }
            | Self::Trigger { table, .. }
            | Self::Default { table, .. }
            | Self::Column { table, .. }
            | Self::Check { table, .. }
            | Self::Index { table, .. } => Some(*table),
            Self::View(oid) => Some(*oid),
            Self::Function(_) | Self::Type(_) => None,
        }
    }
}
