//! RENAME TO and SET SCHEMA: stored expressions follow, as PostgreSQL's identities make them.

use std::sync::Arc;

use basalt_catalog::{Catalog, ConstraintKind, IndexTerm, Relation, TypeKind, quote_name};
use basalt_types::{Oid, SqlState};

use super::name::written;
use super::walk::{Visit, Walker};
use super::{Ddl, Refusal, Result, Step};
use crate::tree::{Call, Name, ObjectKind, TypeName};

/// What gets another name.
#[derive(Debug, Clone)]
enum Renaming {
    Relation { oid: Oid, schema: String, name: String },
    Column { relation: Oid, attnum: i16, to: String },
    Function { from: (String, String), to: (String, String) },
    Type { from: (String, String), to: (String, String) },
}

struct Follow<'a> {
    catalog: &'a Catalog,
    renaming: &'a Renaming,
    /// A merged column of which only one side is renamed.
    conflict: bool,
}

impl Visit for Follow<'_> {
    fn table(&mut self, name: &mut Name, relation: Option<Oid>) {
        if let Renaming::Relation { oid, schema, name: to } = self.renaming
            && relation == Some(*oid)
        {
            name.schema = Some(schema.clone());
            name.name.clone_from(to);
        }
    }

    fn column(&mut self, parts: &mut Vec<String>, relation: Oid, attnum: i16, by_alias: bool) {
        match self.renaming {
            Renaming::Column { relation: oid, attnum: own, to } if relation == *oid && attnum == *own => {
                // Where the table's alias renames columns, the alias stays.
                let real = self.catalog.relation_by_oid(relation).and_then(|r| r.column_at(attnum)).map(|c| &c.name);
                if let Some(last) = parts.last_mut()
                    && Some(&*last) == real
                {
                    last.clone_from(to);
                }
            }
            Renaming::Relation { oid, schema, name } if relation == *oid && !by_alias => {
                let n = parts.len();
                if n >= 2
                    && let Some(part) = parts.get_mut(n - 2)
                {
                    part.clone_from(name);
                }
                if n == 3
                    && let Some(part) = parts.first_mut()
                {
                    part.clone_from(schema);
                }
            }
            _ => {}
        }
    }

    fn source(&mut self, source: &mut String, relation: Oid, by_alias: bool) {
        if let Renaming::Relation { oid, name, .. } = self.renaming
            && relation == *oid
            && !by_alias
        {
            source.clone_from(name);
        }
    }

    fn using(&mut self, name: &mut String, sides: &[(Oid, i16)]) {
        if let Renaming::Column { relation, attnum, to } = self.renaming
            && sides.contains(&(*relation, *attnum))
        {
            if sides.iter().all(|side| *side == (*relation, *attnum)) {
                name.clone_from(to);
            } else {
                self.conflict = true;
            }
        }
    }

    fn call(&mut self, call: &mut Call) {
        if let Renaming::Function { from, to } = self.renaming
            && call.name.schema.as_ref() == Some(&from.0)
            && call.name.name == from.1
        {
            call.name.schema = Some(to.0.clone());
            call.name.name.clone_from(&to.1);
        }
    }

    fn type_name(&mut self, ty: &mut TypeName) {
        if let Renaming::Type { from, to } = self.renaming
            && ty.schema.as_ref() == Some(&from.0)
            && ty.name == from.1
        {
            ty.schema = Some(to.0.clone());
            ty.name.clone_from(&to.1);
        }
    }

    fn literal(&mut self, text: &mut String, ty: &TypeName) {
        if let Renaming::Relation { oid, schema, name } = self.renaming
            && ty.name == "regclass"
            && super::expr::regclass(self.catalog, &[], text).is_some_and(|r| r.oid == oid.0)
        {
            *text = format!("{}.{}", quote_name(schema), quote_name(name));
        }
    }
}

/// Rewrites stored texts.
struct Rewriter<'a> {
    catalog: &'a Catalog,
    renaming: &'a Renaming,
    needle: &'a str,
    conflict: bool,
}

impl Rewriter<'_> {
    fn expr(&mut self, table: Option<&Relation>, text: &mut String) {
        if !text.contains(self.needle) {
            return;
        }
        let Ok(mut expr) = crate::parse::expr(text) else { return };
        let follow = Follow { catalog: self.catalog, renaming: self.renaming, conflict: false };
        let mut walker = match table {
            Some(table) => Walker::on_relation(self.catalog, &[], table, follow).with_rows(table, &["new", "old"]),
            None => Walker::new(self.catalog, &[], follow),
        };
        walker.expr(&mut expr);
        self.conflict |= walker.visit.conflict;
        *text = crate::print::expr(&expr);
    }

    fn query(&mut self, text: &mut String) {
        if !text.contains(self.needle) {
            return;
        }
        let Ok(mut query) = crate::parse::query(text) else { return };
        let follow = Follow { catalog: self.catalog, renaming: self.renaming, conflict: false };
        let mut walker = Walker::new(self.catalog, &[], follow);
        walker.query(&mut query);
        self.conflict |= walker.visit.conflict;
        *text = crate::print::query(&query);
    }

    /// All stored texts of a relation.
    fn relation(&mut self, old: &Relation) -> Relation {
        let mut new = old.clone();
        for column in &mut new.columns {
            for text in [&mut column.default, &mut column.generated].into_iter().flatten() {
                self.expr(Some(old), text);
            }
        }
        for constraint in &mut new.constraints {
            if let ConstraintKind::Check { expr } = &mut constraint.kind {
                self.expr(Some(old), expr);
            }
        }
        for index in &mut new.indexes {
            for key in &mut index.keys {
                if let IndexTerm::Expr(text) = &mut key.term {
                    self.expr(Some(old), text);
                }
            }
            if let Some(text) = &mut index.filter {
                self.expr(Some(old), text);
            }
        }
        for policy in &mut new.policies {
            for text in [&mut policy.using, &mut policy.check].into_iter().flatten() {
                self.expr(Some(old), text);
            }
        }
        for trigger in &mut new.triggers {
            if let Some(text) = &mut trigger.when {
                self.expr(Some(old), text);
            }
        }
        if let Some(view) = &mut new.view {
            self.query(&mut view.query);
        }
        new
    }
}

impl Ddl {
    /// Rewrites all stored text for a renaming that has not happened in the catalog yet. `needle` is the old name.
    fn follow(&mut self, renaming: &Renaming, needle: &str) -> Result {
        let old = self.catalog.clone();
        let mut rewriter = Rewriter { catalog: &old, renaming, needle, conflict: false };
        for relation in old.relations() {
            let new = rewriter.relation(relation);
            if new != **relation {
                self.catalog.put_relation(new);
            }
        }
        for def in old.types() {
            let mut new = (**def).clone();
            if let TypeKind::Domain { default, checks, .. } = &mut new.kind {
                for text in default.iter_mut().chain(checks.iter_mut().map(|(_, text)| text)) {
                    rewriter.expr(None, text);
                }
            }
            if new != **def {
                self.catalog.put_type(new);
            }
        }
        for function in old.functions() {
            let mut new = (**function).clone();
            for text in new.args.iter_mut().filter_map(|a| a.default.as_mut()) {
                rewriter.expr(None, text);
            }
            if new != **function {
                self.catalog.put_function(new);
            }
        }
        if rewriter.conflict {
            return Err(Refusal::unsupported(
                "renaming a column that a view joins by USING",
                "drop the view first, and make it again with ON",
            ));
        }
        Ok(())
    }

    pub(super) fn rename_column(&mut self, table: Relation, from: &str, to: &str) -> Result {
        // Only here does PostgreSQL's message not name the table.
        let unknown = || Refusal::invalid(SqlState::UNDEFINED_COLUMN, format!("column \"{from}\" does not exist"));
        let attnum = table.column(from).ok_or_else(unknown)?.attnum;
        if table.column(to).is_some() {
            return Err(Refusal::invalid(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{to}\" of relation \"{}\" already exists", table.name),
            ));
        }
        let mut others = table.clone();
        others.columns.retain(|c| c.attnum != attnum);
        self.new_column_name(&others, to)?;
        let oid = Oid(table.oid);
        self.follow(&Renaming::Column { relation: oid, attnum, to: to.to_owned() }, from)?;
        let Some(mut table) = self.catalog.relation_by_oid(oid).map(|r| (**r).clone()) else { return Ok(()) };
        if let Some(column) = table.columns.iter_mut().find(|c| c.attnum == attnum) {
            to.clone_into(&mut column.name);
        }
        if table.is_stored() {
            self.steps.push(Step::RenameColumn { table: oid, attnum, from: from.to_owned(), to: to.to_owned() });
        }
        self.catalog.put_relation(table);
        Ok(())
    }

    pub(super) fn rename_constraint(&mut self, mut table: Relation, from: &str, to: &str) -> Result {
        let at = self.constraint_at(&table, from)?;
        if table.constraint(to).is_some() {
            return Err(Refusal::invalid(
                SqlState::DUPLICATE_OBJECT,
                format!("constraint \"{to}\" for relation \"{}\" already exists", table.name),
            ));
        }
        let Some(oid) = table.constraints.get(at).map(|c| c.oid) else { return Ok(()) };
        if table.indexes.iter().any(|i| i.constraint == Some(oid)) {
            self.new_index_name(&table, to)?;
        }
        let schema = self.catalog.schema_name(table.schema).to_owned();
        let stored: Vec<Oid> = super::index::unique_indexes(&table).collect();
        if let Some(constraint) = table.constraints.get_mut(at) {
            to.clone_into(&mut constraint.name);
        }
        for index in table.indexes.iter_mut().filter(|i| i.constraint == Some(oid)) {
            to.clone_into(&mut index.name);
            if stored.contains(&Oid(index.oid)) {
                self.steps.push(Step::RenameIndex {
                    table: Oid(table.oid),
                    index: Oid(index.oid),
                    from: (schema.clone(), from.to_owned()),
                });
            }
        }
        self.catalog.put_relation(table);
        Ok(())
    }

    /// Gives a relation another schema and name.
    fn move_relation(&mut self, relation: &Arc<Relation>, schema: &str, name: &str) -> Result {
        let oid = Oid(relation.oid);
        let target = self.schema(schema)?;
        let from = (self.catalog.schema_name(relation.schema).to_owned(), relation.name.clone());
        let to = (schema.to_owned(), name.to_owned());
        if from == to {
            return Err(Refusal::invalid(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
        }
        // A change of letter case alone collides with nothing but itself.
        if !(from.0 == to.0 && from.1.eq_ignore_ascii_case(name)) {
            self.new_relation_name(&target, name)?;
        }
        self.follow(&Renaming::Relation { oid, schema: to.0.clone(), name: to.1.clone() }, &relation.name)?;
        let Some(mut changed) = self.catalog.relation_by_oid(oid).map(|r| (**r).clone()) else { return Ok(()) };
        name.clone_into(&mut changed.name);
        changed.schema = target.oid;
        let indexes: Vec<(Oid, String)> = changed
            .indexes
            .iter()
            .filter(|i| super::index::is_stored(i) && Some(&i.name) != primary_index(&changed))
            .map(|i| (Oid(i.oid), i.name.clone()))
            .collect();
        let is_table = changed.is_stored();
        self.catalog.put_relation(changed);
        if is_table {
            self.steps.push(Step::RenameTable { table: oid, from: from.clone(), to });
            if from.0 != schema {
                self.steps.extend(indexes.into_iter().map(|(index, name)| Step::RenameIndex {
                    table: oid,
                    index,
                    from: (from.0.clone(), name),
                }));
                self.move_owned_sequences(oid, schema)?;
            }
        }
        Ok(())
    }

    /// Sequences of columns go to the table's schema with it.
    fn move_owned_sequences(&mut self, table: Oid, schema: &str) -> Result {
        let owned: Vec<Arc<Relation>> = self
            .catalog
            .relations()
            .filter(|r| r.sequence.as_ref().and_then(|s| s.owned_by).is_some_and(|(t, _)| Oid(t) == table))
            .cloned()
            .collect();
        for sequence in owned {
            let name = sequence.name.clone();
            self.move_relation(&sequence, schema, &name)?;
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, kind: ObjectKind, name: &Name, if_exists: bool, new_name: &str) -> Result {
        match kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView | ObjectKind::Sequence | ObjectKind::Index => {
                if self.find_relation(name).is_none()
                    && let Some((table, at)) = self.find_index(name)
                {
                    return self.rename_index(&table, at, new_name);
                }
                let Some(relation) = self.find_relation(name) else {
                    if if_exists {
                        self.notice(format!("relation \"{}\" does not exist, skipping", written(name)));
                        return Ok(());
                    }
                    return self.relation(name).map(drop);
                };
                self.must_own_relation(&relation)?;
                let schema = self.catalog.schema_name(relation.schema).to_owned();
                self.move_relation(&relation, &schema, new_name)
            }
            ObjectKind::Schema => self.rename_schema(&name.name, new_name),
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine => {
                let function = self.function(name, None)?;
                self.move_function(&function, None, Some(new_name))
            }
            ObjectKind::Type | ObjectKind::Domain => {
                let def = self.own_type(name)?;
                let schema = self.catalog.schema_name(def.schema).to_owned();
                self.move_type(def, &schema, new_name)
            }
            ObjectKind::Role => Err(Refusal::unsupported("ALTER ROLE … RENAME", "create the role under its new name")),
            other => Err(Refusal::unsupported(
                format!("ALTER {} … RENAME", super::kind_words(other)),
                "drop it and make it again under its new name",
            )),
        }
    }

    pub(super) fn set_schema(&mut self, kind: ObjectKind, name: &Name, if_exists: bool, schema: &str) -> Result {
        self.schema(schema)?;
        match kind {
            ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView | ObjectKind::Sequence => {
                let Some(relation) = self.find_relation(name) else {
                    if if_exists {
                        self.notice(format!("relation \"{}\" does not exist, skipping", written(name)));
                        return Ok(());
                    }
                    return self.relation(name).map(drop);
                };
                self.must_own_relation(&relation)?;
                if self.catalog.schema_name(relation.schema) == schema {
                    return Ok(());
                }
                let name = relation.name.clone();
                self.move_relation(&relation, schema, &name)
            }
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Routine => {
                let function = self.function(name, None)?;
                self.move_function(&function, Some(schema), None)
            }
            ObjectKind::Type | ObjectKind::Domain => {
                let def = self.own_type(name)?;
                let name = def.name.clone();
                self.move_type(def, schema, &name)
            }
            ObjectKind::Extension => {
                let found = self.catalog.extensions().find(|e| e.name == name.name).map(|e| (**e).clone());
                let mut extension = found.ok_or_else(|| {
                    Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("extension \"{}\" does not exist", name.name))
                })?;
                schema.clone_into(&mut extension.schema);
                self.catalog.put_extension(extension);
                Ok(())
            }
            other => Err(Refusal::unsupported(
                format!("ALTER {} … SET SCHEMA", super::kind_words(other)),
                "drop it and make it again in the other schema",
            )),
        }
    }

    fn rename_index(&mut self, table: &Arc<Relation>, at: usize, new_name: &str) -> Result {
        self.must_own_relation(table)?;
        let Some(index) = table.indexes.get(at) else { return Ok(()) };
        if let Some(constraint) = index.constraint
            && let Some(constraint) = table.constraints.iter().find(|c| c.oid == constraint)
        {
            return self.rename_constraint((**table).clone(), &constraint.name, new_name);
        }
        self.new_index_name(table, new_name)?;
        let from = (self.catalog.schema_name(table.schema).to_owned(), index.name.clone());
        if super::index::is_stored(index) {
            self.steps.push(Step::RenameIndex { table: Oid(table.oid), index: Oid(index.oid), from });
        }
        let mut changed = (**table).clone();
        if let Some(index) = changed.indexes.get_mut(at) {
            new_name.clone_into(&mut index.name);
        }
        self.catalog.put_relation(changed);
        Ok(())
    }

    fn rename_schema(&mut self, from: &str, to: &str) -> Result {
        let mut schema = (*self.schema(from)?).clone();
        self.must_own("schema", from, &schema.owner)?;
        if to.starts_with("pg_") {
            return Err(Refusal::invalid(SqlState::RESERVED_NAME, format!("unacceptable schema name \"{to}\""))
                .detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        if self.catalog.schema(to).is_some() {
            return Err(Refusal::invalid(SqlState::DUPLICATE_SCHEMA, format!("schema \"{to}\" already exists")));
        }
        let holds = self.catalog.relations().any(|r| r.schema == schema.oid)
            || self.catalog.functions().any(|f| f.schema == schema.oid)
            || self.catalog.types().any(|t| t.schema == schema.oid);
        if holds {
            return Err(Refusal::unsupported(
                "renaming a schema that holds objects",
                "make the new schema and move its objects with ALTER … SET SCHEMA",
            ));
        }
        to.clone_into(&mut schema.name);
        self.catalog.put_schema(schema);
        Ok(())
    }

    /// Gives a function another schema or name.
    pub(super) fn move_function(
        &mut self,
        function: &Arc<basalt_catalog::Function>,
        schema: Option<&str>,
        name: Option<&str>,
    ) -> Result {
        self.must_own("function", &function.name, &function.owner)?;
        let from = (self.catalog.schema_name(function.schema).to_owned(), function.name.clone());
        let to = (schema.unwrap_or(&from.0).to_owned(), name.unwrap_or(&from.1).to_owned());
        let types = super::name::input_types(function);
        let taken = self.catalog.functions_named(&to.0, &to.1).iter().any(|f| super::name::input_types(f) == types);
        if taken {
            return Err(Refusal::invalid(
                SqlState::DUPLICATE_FUNCTION,
                format!(
                    "function {} already exists in schema \"{}\"",
                    basalt_catalog::print::signature(&self.catalog, function),
                    to.0
                ),
            ));
        }
        if self.catalog.functions_named(&from.0, &from.1).len() == 1 {
            self.follow(&Renaming::Function { from: from.clone(), to: to.clone() }, &from.1)?;
        }
        let mut changed = (**function).clone();
        changed.schema = self.schema(&to.0)?.oid;
        changed.name = to.1;
        self.catalog.put_function(changed);
        Ok(())
    }

    fn move_type(&mut self, mut def: basalt_catalog::TypeDef, schema: &str, name: &str) -> Result {
        let from = (self.catalog.schema_name(def.schema).to_owned(), def.name.clone());
        let to = (schema.to_owned(), name.to_owned());
        if self.catalog.type_named(schema, name).is_some() || self.catalog.relation(schema, name).is_some() {
            return Err(Refusal::invalid(SqlState::DUPLICATE_OBJECT, format!("type \"{name}\" already exists")));
        }
        self.follow(&Renaming::Type { from: from.clone(), to }, &from.1)?;
        if let Some(now) = self.catalog.type_by_oid(Oid(def.oid)) {
            def = (**now).clone();
        }
        def.schema = self.schema(schema)?.oid;
        name.clone_into(&mut def.name);
        self.catalog.put_type(def);
        Ok(())
    }
}

/// The name of the primary key that is the table's own, which is its index's.
fn primary_index(table: &Relation) -> Option<&String> {
    super::index::native_key(table).map(|c| &c.name)
}
