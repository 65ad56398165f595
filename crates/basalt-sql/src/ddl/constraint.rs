//! Constraints: CHECK, keys and foreign keys, with the names PostgreSQL gives them.

use std::collections::BTreeSet;

use basalt_catalog::{Action, Constraint, ConstraintKind, Deferral, Index, IndexKey, IndexTerm, Relation, RelationKind};
use basalt_types::{Oid, SqlState, TypeRef, pg::oid};

use super::expr::{Place, uses_of_expr};
use super::name::name_addition;
use super::{Ddl, Refusal, Result, Step};
use crate::tree::{self, Deferrable, Expr, References, TableConstraintKind};

/// A CHECK to be added.
#[derive(Debug, Clone)]
pub(super) struct PendingCheck {
    pub name: Option<String>,
    pub expr: Expr,
    pub not_valid: bool,
}

/// A key to be added.
#[derive(Debug, Clone)]
pub(super) struct PendingKey {
    pub name: Option<String>,
    pub columns: Vec<String>,
    pub include: Vec<String>,
    pub primary: bool,
    pub nulls_not_distinct: bool,
    pub deferrable: Deferrable,
}

/// An existing unique index that becomes a key.
#[derive(Debug, Clone)]
pub(super) struct PendingIndex {
    pub name: Option<String>,
    pub index: String,
    pub primary: bool,
    pub deferrable: Deferrable,
}

/// A foreign key to be added.
#[derive(Debug, Clone)]
pub(super) struct PendingForeignKey {
    pub name: Option<String>,
    pub columns: Vec<String>,
    pub references: References,
    pub not_valid: bool,
}

/// What a statement adds to a table once its columns are known, in PostgreSQL's order: checks, primary key, keys, foreign keys.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub checks: Vec<PendingCheck>,
    pub keys: Vec<PendingKey>,
    pub foreign_keys: Vec<PendingForeignKey>,
    pub generated: Vec<(i16, Expr)>,
    pub not_null: Vec<String>,
    pub using_index: Vec<PendingIndex>,
}

impl Pending {
    /// Takes a table constraint.
    pub(super) fn push(&mut self, name: Option<&str>, kind: &TableConstraintKind, not_valid: bool) -> Result {
        let name = name.map(str::to_owned);
        match kind {
            TableConstraintKind::Check { expr, no_inherit: _ } => {
                self.checks.push(PendingCheck { name, expr: expr.clone(), not_valid });
            }
            TableConstraintKind::Unique { columns, include, nulls_not_distinct, deferrable } => self.keys.push(PendingKey {
                name,
                columns: columns.clone(),
                include: include.clone(),
                primary: false,
                nulls_not_distinct: *nulls_not_distinct,
                deferrable: *deferrable,
            }),
            TableConstraintKind::PrimaryKey { columns, include, deferrable } => self.keys.push(PendingKey {
                name,
                columns: columns.clone(),
                include: include.clone(),
                primary: true,
                nulls_not_distinct: false,
                deferrable: *deferrable,
            }),
            TableConstraintKind::ForeignKey { columns, references } => self.foreign_keys.push(PendingForeignKey {
                name,
                columns: columns.clone(),
                references: references.clone(),
                not_valid,
            }),
            TableConstraintKind::NotNull { column } => self.not_null.push(column.clone()),
            TableConstraintKind::UsingIndex { index, primary, deferrable } => {
                self.using_index.push(PendingIndex { name, index: index.clone(), primary: *primary, deferrable: *deferrable });
            }
            TableConstraintKind::Exclude => {
                return Err(Refusal::unsupported("EXCLUDE constraints", "check overlaps in a trigger, or use PostgreSQL"));
            }
        }
        Ok(())
    }

    /// Drops keys that say the same as another one: `id int unique primary key` has one index.
    pub(super) fn merge_keys(&mut self) {
        let keys = std::mem::take(&mut self.keys);
        for key in keys {
            let same = self.keys.iter_mut().find(|k| {
                k.columns == key.columns
                    && k.include == key.include
                    && k.deferrable == key.deferrable
                    && k.nulls_not_distinct == key.nulls_not_distinct
                    && !(k.primary && key.primary)
                    && (k.name.is_none() || key.name.is_none() || k.name == key.name)
            });
            match same {
                Some(same) => {
                    same.primary |= key.primary;
                    same.name = same.name.take().or(key.name);
                }
                None => self.keys.push(key),
            }
        }
    }

    /// The primary key first, as PostgreSQL makes the indexes.
    pub(super) fn keys_in_order(&self) -> impl Iterator<Item = &PendingKey> {
        self.keys.iter().filter(|k| k.primary).chain(self.keys.iter().filter(|k| !k.primary))
    }
}

fn deferral(written: Deferrable) -> Deferral {
    Deferral { deferrable: written.deferrable, initially_deferred: written.initially_deferred }
}

pub(super) fn action(written: tree::Action) -> Action {
    match written {
        tree::Action::NoAction => Action::NoAction,
        tree::Action::Restrict => Action::Restrict,
        tree::Action::Cascade => Action::Cascade,
        tree::Action::SetNull => Action::SetNull,
        tree::Action::SetDefault => Action::SetDefault,
    }
}

impl Ddl {
    fn constraint_names(table: &Relation) -> Vec<String> {
        table.constraints.iter().map(|c| c.name.clone()).collect()
    }

    /// 42710 when the table has a constraint of that name.
    fn new_constraint_name(&self, table: &Relation, name: &str) -> Result {
        if table.constraint(name).is_none() {
            return Ok(());
        }
        Err(Refusal::invalid(
            SqlState::DUPLICATE_OBJECT,
            format!("constraint \"{name}\" for relation \"{}\" already exists", table.name),
        ))
    }

    /// Adds a CHECK; gives the constraint's identity.
    pub(super) fn add_check(&mut self, table: &mut Relation, check: &PendingCheck) -> Result<Oid> {
        let schema = self.catalog.schema_name(table.schema).to_owned();
        let name = match &check.name {
            Some(name) => {
                self.new_constraint_name(table, name)?;
                name.clone()
            }
            None => {
                // The column's name is part of it when the expression is about exactly one column.
                let uses = uses_of_expr(&self.catalog, &self.path(), Some(table), &check.expr);
                let own: BTreeSet<i16> = uses.columns.iter().filter(|(r, _)| r.0 == table.oid).map(|(_, a)| *a).collect();
                let column = match own.first() {
                    Some(only) if own.len() == 1 => table.column_at(*only).map_or("", |c| c.name.as_str()),
                    _ => "",
                };
                self.choose_constraint_name(&schema, &table.name, column, "check", &Self::constraint_names(table))
            }
        };
        let expr = self.row_expr(&check.expr, table, Place::Check)?;
        let oid = self.catalog.allocate_oid();
        table.constraints.push(Constraint {
            oid: oid.0,
            name,
            kind: ConstraintKind::Check { expr },
            deferral: Deferral::default(),
            validated: !check.not_valid,
            comment: None,
        });
        Ok(oid)
    }

    /// Adds a key with its index; gives the index and the columns that became NOT NULL.
    pub(super) fn add_key(&mut self, table: &mut Relation, key: &PendingKey) -> Result<(Oid, Vec<i16>)> {
        let word = if key.primary { "primary key" } else { "unique" };
        if key.primary && table.primary_key().is_some() {
            return Err(Refusal::invalid(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("multiple primary keys for table \"{}\" are not allowed", table.name),
            ));
        }
        let mut columns: Vec<i16> = Vec::new();
        for name in &key.columns {
            let column = table.column(name).ok_or_else(|| {
                Refusal::invalid(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" named in key does not exist"))
            })?;
            if columns.contains(&column.attnum) {
                return Err(Refusal::invalid(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{name}\" appears twice in {word} constraint"),
                ));
            }
            self.indexable(&column.name, column.type_ref())?;
            columns.push(column.attnum);
        }
        let include = self.include_columns(table, &key.include)?;
        let schema = self.catalog.schema_name(table.schema).to_owned();
        let name = match &key.name {
            Some(name) => {
                self.new_constraint_name(table, name)?;
                self.new_index_name(table, name)?;
                name.clone()
            }
            None => {
                let mut reserved = Self::constraint_names(table);
                reserved.extend(table.indexes.iter().map(|i| i.name.clone()));
                let (middle, label) = if key.primary {
                    (String::new(), "pkey")
                } else {
                    (name_addition(key.columns.iter().chain(&key.include).map(String::as_str)), "key")
                };
                self.choose_relation_name(&schema, &table.name, &middle, label, true, &reserved)
            }
        };
        let mut newly_not_null = Vec::new();
        if key.primary {
            for column in table.columns.iter_mut().filter(|c| columns.contains(&c.attnum) && !c.not_null) {
                column.not_null = true;
                newly_not_null.push(column.attnum);
            }
        }
        let (constraint, index) = (self.catalog.allocate_oid(), self.catalog.allocate_oid());
        table.constraints.push(Constraint {
            oid: constraint.0,
            name: name.clone(),
            kind: if key.primary {
                ConstraintKind::PrimaryKey { columns: columns.clone() }
            } else {
                ConstraintKind::Unique { columns: columns.clone(), nulls_not_distinct: key.nulls_not_distinct }
            },
            deferral: deferral(key.deferrable),
            validated: true,
            comment: None,
        });
        let keys = columns.iter().map(|a| IndexKey { term: IndexTerm::Column(*a), descending: false, nulls_first: false });
        table.indexes.push(Index {
            oid: index.0,
            name,
            unique: true,
            nulls_not_distinct: key.nulls_not_distinct,
            keys: keys.collect(),
            include,
            filter: None,
            method: "btree".to_owned(),
            constraint: Some(constraint.0),
            comment: None,
        });
        Ok((index, newly_not_null))
    }

    /// Makes a key of an existing unique index; gives the columns that became NOT NULL, and the index when it must be made anew.
    pub(super) fn add_key_using(&mut self, table: &mut Relation, key: &PendingIndex) -> Result<(Vec<i16>, Option<Oid>)> {
        let wrong = |text: String| Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, text);
        if key.primary && table.primary_key().is_some() {
            return Err(Refusal::invalid(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("multiple primary keys for table \"{}\" are not allowed", table.name),
            ));
        }
        let Some(index) = table.indexes.iter().find(|i| i.name == key.index).cloned() else {
            let schema = self.catalog.schema_name(table.schema);
            return Err(if self.catalog.index(schema, &key.index).is_some() {
                Refusal::invalid(
                    SqlState::NOT_IN_PREREQUISITE_STATE,
                    format!("index \"{}\" does not belong to table \"{}\"", key.index, table.name),
                )
            } else {
                Refusal::invalid(SqlState::UNDEFINED_OBJECT, format!("index \"{}\" does not exist", key.index))
            });
        };
        if index.constraint.is_some() {
            return Err(Refusal::invalid(
                SqlState::NOT_IN_PREREQUISITE_STATE,
                format!("index \"{}\" is already associated with a constraint", index.name),
            ));
        }
        let detail = "Cannot create a primary key or unique constraint using such an index.";
        if !index.unique {
            return Err(wrong(format!("\"{}\" is not a unique index", index.name)).detail(detail));
        }
        if index.filter.is_some() {
            return Err(wrong(format!("\"{}\" is a partial index", index.name)).detail(detail));
        }
        let columns: Option<Vec<i16>> = index
            .keys
            .iter()
            .map(|k| match k.term {
                IndexTerm::Column(attnum) => Some(attnum),
                IndexTerm::Expr(_) => None,
            })
            .collect();
        let Some(columns) = columns else {
            return Err(wrong(format!("index \"{}\" contains expressions", index.name)).detail(detail));
        };
        if index.keys.iter().any(|k| k.descending || k.nulls_first) {
            return Err(
                wrong(format!("index \"{}\" column number 1 does not have default sorting behavior", index.name)).detail(detail)
            );
        }
        let name = key.name.clone().unwrap_or_else(|| index.name.clone());
        self.new_constraint_name(table, &name)?;
        if name != index.name {
            self.new_index_name(table, &name)?;
            self.notice(format!("ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{}\" to \"{name}\"", index.name));
            if !key.primary && !key.deferrable.deferrable {
                let schema = self.catalog.schema_name(table.schema).to_owned();
                self.steps.push(Step::RenameIndex {
                    table: Oid(table.oid),
                    index: Oid(index.oid),
                    from: (schema, index.name.clone()),
                });
            }
        }
        let mut newly_not_null = Vec::new();
        if key.primary {
            for column in table.columns.iter_mut().filter(|c| columns.contains(&c.attnum) && !c.not_null) {
                column.not_null = true;
                newly_not_null.push(column.attnum);
            }
        }
        // An index whose rows are compared later is another one in storage.
        let anew = key.deferrable.deferrable.then_some(Oid(index.oid));
        if anew.is_some() {
            let schema = self.catalog.schema_name(table.schema).to_owned();
            self.steps.push(Step::DropIndex { schema, name: index.name.clone() });
        }
        let constraint = self.catalog.allocate_oid();
        for slot in table.indexes.iter_mut().filter(|i| i.oid == index.oid) {
            slot.name.clone_from(&name);
            slot.constraint = Some(constraint.0);
        }
        table.constraints.push(Constraint {
            oid: constraint.0,
            name,
            kind: if key.primary {
                ConstraintKind::PrimaryKey { columns }
            } else {
                ConstraintKind::Unique { columns, nulls_not_distinct: index.nulls_not_distinct }
            },
            deferral: deferral(key.deferrable),
            validated: true,
            comment: None,
        });
        Ok((newly_not_null, anew))
    }

    /// Adds a foreign key; gives the constraint's identity. The table must be in the catalog, for it may refer to itself.
    pub(super) fn add_foreign_key(&mut self, table: &mut Relation, key: &PendingForeignKey) -> Result<Oid> {
        self.foreign_key(table, key).map_err(|e| e.at(key.references.table.pos))
    }

    fn foreign_key(&mut self, table: &mut Relation, key: &PendingForeignKey) -> Result<Oid> {
        let references = &key.references;
        let found = self.relation(&references.table)?;
        // Inside ALTER TABLE the working copy is newer than the catalog's.
        let target = if found.oid == table.oid { table.clone() } else { (*found).clone() };
        if target.kind != RelationKind::Table {
            return Err(Refusal::invalid(
                SqlState::WRONG_OBJECT_TYPE,
                format!("referenced relation \"{}\" is not a table", target.name),
            ));
        }
        let may = self.catalog.column_privileges(&self.ctx.role, &target);
        if !may.has_on_any(basalt_catalog::Privileges::REFERENCES) {
            return Err(Refusal::invalid(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {}", target.name),
            ));
        }
        let columns = key.columns.iter().map(|c| self.fk_column(table, c)).collect::<Result<Vec<i16>>>()?;
        let target_columns = self.target_columns(&target, &references.columns)?;
        if !has_key_on(&target, &target_columns) {
            let deferrable = has_key(target.indexes.iter(), &target_columns);
            let kind = if references.columns.is_empty() { "primary key" } else { "unique constraint" };
            return Err(if deferrable {
                Refusal::invalid(
                    SqlState::NOT_IN_PREREQUISITE_STATE,
                    format!("cannot use a deferrable {kind} for referenced table \"{}\"", target.name),
                )
            } else {
                Refusal::invalid(
                    SqlState::INVALID_FOREIGN_KEY,
                    format!("there is no unique constraint matching given keys for referenced table \"{}\"", target.name),
                )
            });
        }
        // SQLite refers to plain unique indexes only.
        let plain = |index: &&Index| index.unique && !index.nulls_not_distinct && !target.is_deferrable(index);
        if !has_key(target.indexes.iter().filter(plain), &target_columns) {
            return Err(Refusal::unsupported(
                "foreign keys to columns that are unique with NULLS NOT DISTINCT",
                "add a unique constraint without it",
            ));
        }
        if columns.len() != target_columns.len() {
            return Err(Refusal::invalid(
                SqlState::INVALID_FOREIGN_KEY,
                "number of referencing and referenced columns for foreign key disagree",
            ));
        }
        let schema = self.catalog.schema_name(table.schema).to_owned();
        let name = match &key.name {
            Some(name) => {
                self.new_constraint_name(table, name)?;
                name.clone()
            }
            None => {
                let middle = name_addition(key.columns.iter().map(String::as_str));
                self.choose_constraint_name(&schema, &table.name, &middle, "fkey", &Self::constraint_names(table))
            }
        };
        for (from, to) in columns.iter().zip(&target_columns) {
            if let (Some(from), Some(to)) = (table.column_at(*from), target.column_at(*to)) {
                self.fk_types(&name, (&from.name, from.type_ref()), (&to.name, to.type_ref()))?;
            }
        }
        let set_columns = references.set_columns.iter().map(|c| self.fk_column(table, c)).collect::<Result<Vec<i16>>>()?;
        if let Some(at) = set_columns.iter().position(|set| !columns.contains(set)) {
            let name = references.set_columns.get(at).map_or("", String::as_str);
            return Err(Refusal::invalid(
                SqlState::new(b"42P10"),
                format!("column \"{name}\" referenced in ON DELETE SET action must be part of foreign key"),
            ));
        }
        let (on_delete, on_update) = (action(references.on_delete), action(references.on_update));
        for attnum in &columns {
            self.fk_column_actions(table, *attnum, on_delete, on_update)?;
        }
        let oid = self.catalog.allocate_oid();
        table.constraints.push(Constraint {
            oid: oid.0,
            name,
            kind: ConstraintKind::ForeignKey {
                columns,
                target: target.oid,
                target_columns,
                on_delete,
                on_update,
                match_full: references.match_full,
                set_columns,
            },
            deferral: deferral(references.deferrable),
            validated: !key.not_valid,
            comment: None,
        });
        Ok(oid)
    }

    fn fk_column(&self, table: &Relation, name: &str) -> Result<i16> {
        table.column(name).map(|c| c.attnum).ok_or_else(|| {
            Refusal::invalid(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" referenced in foreign key constraint does not exist"),
            )
        })
    }

    fn target_columns(&self, target: &Relation, names: &[String]) -> Result<Vec<i16>> {
        if names.is_empty() {
            return target.primary_key().map(<[i16]>::to_vec).ok_or_else(|| {
                Refusal::invalid(
                    SqlState::UNDEFINED_OBJECT,
                    format!("there is no primary key for referenced table \"{}\"", target.name),
                )
            });
        }
        names.iter().map(|c| self.fk_column(target, c)).collect()
    }

    /// What an action can do to a column.
    fn fk_column_actions(&self, table: &Relation, attnum: i16, on_delete: Action, on_update: Action) -> Result {
        let Some(column) = table.column_at(attnum) else { return Ok(()) };
        let sets = [on_delete, on_update].iter().any(|a| matches!(a, Action::SetNull | Action::SetDefault));
        if column.generated.is_some() && (sets || on_update == Action::Cascade) {
            return Err(Refusal::invalid(
                SqlState::SYNTAX_ERROR,
                "invalid action for foreign key constraint containing generated column",
            ));
        }
        Ok(())
    }

    /// Both sides of a foreign key must compare, and be stored alike.
    fn fk_types(&self, constraint: &str, from: (&str, TypeRef), to: (&str, TypeRef)) -> Result {
        let base = |t: TypeRef| self.catalog.base_type(t).oid;
        let (f, t) = (base(from.1), base(to.1));
        let int = |o| [oid::INT2, oid::INT4, oid::INT8].contains(&o);
        let number = |o| int(o) || [oid::NUMERIC, oid::FLOAT4, oid::FLOAT8].contains(&o);
        let string = |o| [oid::TEXT, oid::VARCHAR].contains(&o);
        let moment = |o| [oid::DATE, oid::TIMESTAMP, oid::TIMESTAMPTZ].contains(&o);
        if f == t || (int(f) && int(t)) || (string(f) && string(t)) {
            return Ok(());
        }
        let comparable = (number(f) && number(t) && (!int(t) || int(f)))
            || (moment(f) && moment(t))
            || ((string(f) || f == oid::BPCHAR || f == oid::NAME) && (string(t) || t == oid::BPCHAR || t == oid::NAME));
        let (from_name, to_name) = (self.catalog.format_type(from.1), self.catalog.format_type(to.1));
        if comparable {
            return Err(Refusal::unsupported(
                "foreign keys between types that are stored differently",
                format!("give \"{}\" ({from_name}) the type of \"{}\" ({to_name})", from.0, to.0),
            ));
        }
        Err(Refusal::invalid(
            SqlState::DATATYPE_MISMATCH,
            format!("foreign key constraint \"{constraint}\" cannot be implemented"),
        )
        .detail(format!("Key columns \"{}\" and \"{}\" are of incompatible types: {from_name} and {to_name}.", from.0, to.0)))
    }

    /// A constraint of a table that must exist.
    pub(super) fn constraint_at(&self, table: &Relation, name: &str) -> Result<usize> {
        table.constraints.iter().position(|c| c.name == name).ok_or_else(|| {
            Refusal::invalid(
                SqlState::UNDEFINED_OBJECT,
                format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name),
            )
        })
    }
}

/// Whether a unique index without predicate or expressions has exactly these columns; a deferrable one is none to refer to.
pub(super) fn has_key_on(table: &Relation, columns: &[i16]) -> bool {
    has_key(table.indexes.iter().filter(|index| !table.is_deferrable(index)), columns)
}

fn has_key<'i>(mut indexes: impl Iterator<Item = &'i Index>, columns: &[i16]) -> bool {
    let wanted: BTreeSet<i16> = columns.iter().copied().collect();
    wanted.len() == columns.len()
        && indexes.any(|index| {
            let keys: Option<BTreeSet<i16>> = index
                .keys
                .iter()
                .map(|k| match k.term {
                    IndexTerm::Column(attnum) => Some(attnum),
                    IndexTerm::Expr(_) => None,
                })
                .collect();
            index.unique && index.filter.is_none() && keys.as_ref() == Some(&wanted)
        })
}
