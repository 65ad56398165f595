//! ALTER TABLE.

use std::sync::Arc;

use basalt_catalog::{ConstraintKind, Deferral, Identity, IndexTerm, Relation, RelationKind};
use basalt_types::{Oid, SqlState, TypeRef};

use super::constraint::Pending;
use super::expr::Place;
use super::name::written;
use super::{Convert, Ddl, Fill, Refusal, Result, Step};
use crate::tree::{AlterTableAction, ColumnDef, Expr, Name, SequenceOption, TypeName};

/// What the actions of one ALTER TABLE ask of storage beside the steps already given.
#[derive(Default)]
struct Changes {
    rebuild: bool,
    convert: Vec<Convert>,
    /// Unique constraints' indexes to make, unless the table is rebuilt.
    indexes: Vec<Oid>,
    /// Checks of existing rows, at the end.
    validate: Vec<Step>,
}

/// PostgreSQL runs the actions of one statement in passes: drops first, then type changes, new columns, the rest.
///
/// Source: PostgreSQL, `AlterTablePass`.
fn pass(action: &AlterTableAction) -> u8 {
    match action {
        AlterTableAction::DropColumn { .. }
        | AlterTableAction::DropConstraint { .. }
        | AlterTableAction::DropDefault { .. }
        | AlterTableAction::DropNotNull { .. }
        | AlterTableAction::DropExpression { .. }
        | AlterTableAction::DropIdentity { .. } => 0,
        AlterTableAction::AlterType { .. } => 1,
        AlterTableAction::AddColumn { .. } => 2,
        AlterTableAction::SetNotNull { .. } | AlterTableAction::AddIdentity { .. } | AlterTableAction::SetIdentity { .. } => 3,
        AlterTableAction::AddConstraint(_) => 4,
        AlterTableAction::SetDefault { .. } => 5,
        _ => 6,
    }
}

fn set_default(table: &mut Relation, attnum: i16, text: Option<String>) {
    if let Some(column) = table.columns.iter_mut().find(|c| c.attnum == attnum) {
        column.default = text;
    }
}

/// Whether rows are identified by an index, as PostgreSQL asks it.
fn replica_index(table: &Relation, name: &str) -> Result {
    let wrong = |state, text: String| Err(Refusal::invalid(state, text));
    let Some(index) = table.indexes.iter().find(|i| i.name == name) else {
        return wrong(SqlState::UNDEFINED_OBJECT, format!("index \"{name}\" for table \"{}\" does not exist", table.name));
    };
    let refused = |kind| format!("cannot use {kind} index \"{name}\" as replica identity");
    let columns = index.keys.iter().map(|k| match k.term {
        IndexTerm::Column(attnum) => table.column_at(attnum),
        IndexTerm::Expr(_) => None,
    });
    if !index.unique {
        return wrong(SqlState::WRONG_OBJECT_TYPE, refused("non-unique"));
    }
    if table.is_deferrable(index) {
        return wrong(SqlState::FEATURE_NOT_SUPPORTED, refused("non-immediate"));
    }
    if columns.clone().any(|column| column.is_none()) {
        return wrong(SqlState::FEATURE_NOT_SUPPORTED, refused("expression"));
    }
    if index.filter.is_some() {
        return wrong(SqlState::FEATURE_NOT_SUPPORTED, refused("partial"));
    }
    match columns.flatten().find(|column| !column.not_null) {
        Some(column) => wrong(
            SqlState::WRONG_OBJECT_TYPE,
            format!("index \"{name}\" cannot be used as replica identity because column \"{}\" is nullable", column.name),
        ),
        None => Ok(()),
    }
}

impl Ddl {
    pub(super) fn alter_table(&mut self, name: &Name, if_exists: bool, actions: &[AlterTableAction]) -> Result {
        if if_exists && self.find_relation(name).is_none() {
            self.notice(format!("relation \"{}\" does not exist, skipping", written(name)));
            return Ok(());
        }
        let before = self.relation(name)?;
        self.must_own_relation(&before)?;
        if before.kind != RelationKind::Table {
            return self.alter_other(&before, actions);
        }
        let mut changes = Changes::default();
        let mut ordered: Vec<&AlterTableAction> = actions.iter().collect();
        ordered.sort_by_key(|a| pass(a));
        for action in ordered {
            let Some(table) = self.catalog.relation_by_oid(Oid(before.oid)).map(|r| (**r).clone()) else { return Ok(()) };
            self.action(table, action, &mut changes)?;
        }
        let oid = Oid(before.oid);
        if changes.rebuild {
            self.steps.push(Step::RebuildTable { table: oid, before, convert: changes.convert });
        } else {
            self.steps.extend(changes.indexes.into_iter().map(|index| Step::CreateIndex { table: oid, index }));
        }
        self.steps.extend(changes.validate);
        Ok(())
    }

    /// ALTER TABLE on a view or sequence: what PostgreSQL allows there.
    fn alter_other(&mut self, relation: &Arc<Relation>, actions: &[AlterTableAction]) -> Result {
        for action in actions {
            match action {
                AlterTableAction::OwnerTo(owner) => {
                    let owner = self.role_name(owner)?;
                    self.relation_owner((**relation).clone(), &owner);
                }
                AlterTableAction::RenameColumn { from, to } if relation.kind != RelationKind::Sequence => {
                    self.rename_column((**relation).clone(), from, to)?;
                }
                AlterTableAction::SetDefault { column, expr } if relation.kind == RelationKind::View => {
                    let mut view = (**relation).clone();
                    let attnum = self.attnum(&view, column)?;
                    let Some(found) = view.column_at(attnum) else { continue };
                    let text = self.default_text(expr, found.type_ref(), column)?;
                    set_default(&mut view, attnum, (!matches!(expr.kind, crate::tree::ExprKind::Null)).then_some(text));
                    self.catalog.put_relation(view);
                }
                AlterTableAction::DropDefault { column } if relation.kind == RelationKind::View => {
                    let mut view = (**relation).clone();
                    let attnum = self.attnum(&view, column)?;
                    set_default(&mut view, attnum, None);
                    self.catalog.put_relation(view);
                }
                _ => {
                    return Err(Refusal::invalid(SqlState::WRONG_OBJECT_TYPE, format!("\"{}\" is not a table", relation.name)));
                }
            }
        }
        Ok(())
    }

    fn action(&mut self, mut table: Relation, action: &AlterTableAction, changes: &mut Changes) -> Result {
        let oid = Oid(table.oid);
        match action {
            AlterTableAction::AddColumn { column, if_not_exists } => {
                return self.alter_add_column(table, column, *if_not_exists, changes);
            }
            AlterTableAction::DropColumn { name, if_exists, cascade } => {
                return self.alter_drop_column(&table, name, *if_exists, *cascade, changes);
            }
            AlterTableAction::RenameColumn { from, to } => return self.rename_column(table, from, to),
            AlterTableAction::RenameConstraint { from, to } => return self.rename_constraint(table, from, to),
            AlterTableAction::RenameTrigger { from, to } => return self.rename_trigger(table, from, to),
            AlterTableAction::AlterType { column, ty, using } => {
                return self.alter_type(table, column, ty, using.as_ref(), changes);
            }
            AlterTableAction::SetDefault { column, expr } => {
                let attnum = self.attnum(&table, column)?;
                let Some(found) = table.column_at(attnum) else { return Ok(()) };
                if found.identity.is_some() {
                    return Err(column_is(&table, column, "an identity column")
                        .hint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead."));
                }
                if found.generated.is_some() {
                    return Err(column_is(&table, column, "a generated column"));
                }
                let text = self.default_text(expr, found.type_ref(), column)?;
                let default = (!matches!(expr.kind, crate::tree::ExprKind::Null)).then_some(text);
                set_default(&mut table, attnum, default);
            }
            AlterTableAction::DropDefault { column } => {
                let attnum = self.attnum(&table, column)?;
                let generated = table.column_at(attnum).is_some_and(|c| c.generated.is_some());
                if table.column_at(attnum).is_some_and(|c| c.identity.is_some()) {
                    return Err(column_is(&table, column, "an identity column")
                        .hint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead."));
                }
                if generated {
                    return Err(column_is(&table, column, "a generated column")
                        .hint("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead."));
                }
                set_default(&mut table, attnum, None);
            }
            AlterTableAction::SetNotNull { column } => {
                let attnum = self.attnum(&table, column)?;
                if let Some(found) = table.columns.iter_mut().find(|c| c.attnum == attnum && !c.not_null) {
                    found.not_null = true;
                    changes.validate.push(Step::ValidateNotNull { table: oid, attnum });
                }
            }
            AlterTableAction::DropNotNull { column } => {
                let attnum = self.attnum(&table, column)?;
                if table.column_at(attnum).is_some_and(|c| c.identity.is_some()) {
                    return Err(column_is(&table, column, "an identity column"));
                }
                if table.primary_key().is_some_and(|key| key.contains(&attnum)) {
                    return Err(Refusal::invalid(
                        SqlState::INVALID_TABLE_DEFINITION,
                        format!("column \"{column}\" is in a primary key"),
                    ));
                }
                if let Some(found) = table.columns.iter_mut().find(|c| c.attnum == attnum) {
                    found.not_null = false;
                }
            }
            AlterTableAction::DropExpression { column, if_exists } => {
                let attnum = self.attnum(&table, column)?;
                if let Some(found) = table.columns.iter_mut().find(|c| c.attnum == attnum)
                    && found.generated.take().is_none()
                {
                    let text = format!("column \"{column}\" of relation \"{}\" is not a stored generated column", table.name);
                    if !*if_exists {
                        return Err(Refusal::invalid(SqlState::NOT_IN_PREREQUISITE_STATE, text));
                    }
                    self.notice(format!("{text}, skipping"));
                }
            }
            AlterTableAction::AddIdentity { column, always, options } => {
                self.add_identity(&mut table, column, *always, options)?
            }
            AlterTableAction::SetIdentity { column, always, options } => {
                self.set_identity(&mut table, column, *always, options)?
            }
            AlterTableAction::DropIdentity { column, if_exists } => self.drop_identity(&mut table, column, *if_exists)?,
            AlterTableAction::AddConstraint(constraint) => {
                let mut pending = Pending::default();
                let added = pending.push(constraint.name.as_deref(), &constraint.kind, constraint.not_valid);
                added.and_then(|()| self.add_pending(&mut table, &pending, changes, None)).map_err(|e| e.at(constraint.pos))?;
            }
            AlterTableAction::DropConstraint { name, if_exists, cascade } => {
                return self.alter_drop_constraint(table, name, *if_exists, *cascade, changes);
            }
            AlterTableAction::ValidateConstraint { name } => {
                let at = self.constraint_at(&table, name)?;
                if let Some(constraint) = table.constraints.get_mut(at)
                    && !constraint.validated
                {
                    constraint.validated = true;
                    let constraint_oid = Oid(constraint.oid);
                    changes.validate.push(match constraint.kind {
                        ConstraintKind::ForeignKey { .. } => Step::ValidateForeignKey { table: oid, constraint: constraint_oid },
                        _ => Step::ValidateCheck { table: oid, constraint: constraint_oid },
                    });
                }
            }
            AlterTableAction::AlterConstraint { name, deferrable } => {
                let at = self.constraint_at(&table, name)?;
                if let Some(constraint) = table.constraints.get_mut(at) {
                    if !matches!(constraint.kind, ConstraintKind::ForeignKey { .. }) {
                        return Err(Refusal::invalid(
                            SqlState::WRONG_OBJECT_TYPE,
                            format!("constraint \"{name}\" of relation \"{}\" is not a foreign key constraint", table.name),
                        ));
                    }
                    constraint.deferral =
                        Deferral { deferrable: deferrable.deferrable, initially_deferred: deferrable.initially_deferred };
                    changes.rebuild = true;
                }
            }
            AlterTableAction::RowSecurity(enable) => table.row_security = *enable,
            AlterTableAction::ForceRowSecurity(force) => table.force_row_security = *force,
            AlterTableAction::Trigger { enable, name } => {
                let mut found = name.is_none();
                for trigger in table.triggers.iter_mut().filter(|t| name.as_ref().is_none_or(|n| t.name == *n)) {
                    trigger.enabled = *enable;
                    found = true;
                }
                if let (false, Some(name)) = (found, name) {
                    return Err(Refusal::invalid(
                        SqlState::UNDEFINED_OBJECT,
                        format!("trigger \"{name}\" for table \"{}\" does not exist", table.name),
                    ));
                }
            }
            AlterTableAction::ReplicaIdentity(identity) => {
                if let Some(index) = identity.strip_prefix("using index ") {
                    replica_index(&table, index)?;
                }
                table.replica_identity.clone_from(identity);
            }
            AlterTableAction::OwnerTo(owner) => {
                let owner = self.role_name(owner)?;
                if !self.catalog.may_become(&self.ctx.role, &owner) {
                    return Err(Refusal::invalid(
                        SqlState::INSUFFICIENT_PRIVILEGE,
                        format!("must be able to SET ROLE \"{owner}\""),
                    ));
                }
                self.relation_owner(table, &owner);
                return Ok(());
            }
            AlterTableAction::NoEffect(words) => {
                self.steps.push(Step::NoOp(format!("ALTER TABLE {}: {words}: without effect on SQLite", table.name)));
            }
            AlterTableAction::Other(words) => {
                return Err(Refusal::unsupported(format!("ALTER TABLE … {words}"), "leave it out, or use PostgreSQL"));
            }
        }
        self.catalog.put_relation(table);
        Ok(())
    }

    /// Adds keys, checks and foreign keys to a table that exists. `new_column` is one that was added by the same action, with its fill.
    ///
    /// Gives the foreign keys that come natively with the new column.
    fn add_pending(
        &mut self,
        table: &mut Relation,
        pending: &Pending,
        changes: &mut Changes,
        new_column: Option<(&str, &Fill)>,
    ) -> Result<Vec<Oid>> {
        let oid = Oid(table.oid);
        self.catalog.put_relation(table.clone());
        let mut native = Vec::new();
        for column in &pending.not_null {
            let attnum = self.attnum(table, column)?;
            if let Some(found) = table.columns.iter_mut().find(|c| c.attnum == attnum && !c.not_null) {
                found.not_null = true;
                changes.validate.push(Step::ValidateNotNull { table: oid, attnum });
            }
        }
        for check in &pending.checks {
            let constraint = self.add_check(table, check)?;
            if !check.not_valid {
                changes.validate.push(Step::ValidateCheck { table: oid, constraint });
            }
        }
        for key in pending.keys_in_order() {
            let (index, not_null) = self.add_key(table, key)?;
            changes.validate.extend(not_null.into_iter().map(|attnum| Step::ValidateNotNull { table: oid, attnum }));
            if key.primary && !key.deferrable.deferrable {
                changes.rebuild = true;
            } else {
                changes.indexes.push(index);
            }
        }
        for key in &pending.using_index {
            let (not_null, anew) = self.add_key_using(table, key)?;
            changes.validate.extend(not_null.into_iter().map(|attnum| Step::ValidateNotNull { table: oid, attnum }));
            changes.rebuild |= key.primary && anew.is_none();
            changes.indexes.extend(anew);
        }
        self.catalog.put_relation(table.clone());
        for key in &pending.foreign_keys {
            let constraint = self.add_foreign_key(table, key)?;
            let comes_along = matches!(new_column, Some((name, Fill::Null)) if key.columns == [name]);
            if comes_along {
                native.push(constraint);
            } else {
                changes.rebuild = true;
                if !key.not_valid {
                    changes.validate.push(Step::ValidateForeignKey { table: oid, constraint });
                }
            }
        }
        self.catalog.put_relation(table.clone());
        Ok(native)
    }

    fn alter_add_column(&mut self, mut table: Relation, def: &ColumnDef, if_not_exists: bool, changes: &mut Changes) -> Result {
        if table.column(&def.name).is_some() {
            let text = format!("column \"{}\" of relation \"{}\" already exists", def.name, table.name);
            if if_not_exists {
                self.notice(format!("{text}, skipping"));
                return Ok(());
            }
            return Err(Refusal::invalid(SqlState::DUPLICATE_COLUMN, text).at(def.pos));
        }
        let oid = Oid(table.oid);
        let mut pending = Pending::default();
        let attnum = table.next_attnum;
        let fill = self.add_column(&mut table, def, &mut pending)?;
        pending.merge_keys();
        self.add_generated(&mut table, &pending)?;
        let at = self.steps.len();
        let foreign_keys = self.add_pending(&mut table, &pending, changes, Some((&def.name, &fill)))?;
        let filled = matches!(fill, Fill::Sequence(_));
        if table.column_at(attnum).is_some_and(|c| c.not_null) && !filled {
            let step = Step::ValidateNotNull { table: oid, attnum };
            if !changes.validate.contains(&step) {
                changes.validate.push(step);
            }
        }
        self.steps.insert(at, Step::AddColumn { table: oid, attnum, fill, foreign_keys });
        Ok(())
    }

    fn alter_drop_column(
        &mut self,
        table: &Relation,
        name: &str,
        if_exists: bool,
        cascade: bool,
        changes: &mut Changes,
    ) -> Result {
        let Some(column) = table.column(name) else {
            if if_exists {
                self.notice(format!("column \"{name}\" of relation \"{}\" does not exist, skipping", table.name));
                return Ok(());
            }
            return self.attnum(table, name).map(drop);
        };
        let attnum = column.attnum;
        self.drop_dependents_of_column(table, attnum, cascade)?;
        // Dependents may have changed the table: its own policies, triggers, generated columns.
        let Some(mut table) = self.catalog.relation_by_oid(Oid(table.oid)).map(|r| (**r).clone()) else { return Ok(()) };
        let oid = Oid(table.oid);
        let schema = self.catalog.schema_name(table.schema).to_owned();
        let in_native_key = table.constraints.iter().any(|c| match &c.kind {
            ConstraintKind::PrimaryKey { columns } => !c.deferral.deferrable && columns.contains(&attnum),
            ConstraintKind::ForeignKey { columns, .. } => columns.contains(&attnum),
            _ => false,
        });
        let gone = self.constraints_on_column(&table, attnum);
        table.constraints.retain(|c| !gone.contains(&c.oid));
        let unused = self.indexes_on_column(&table, attnum, &gone);
        for index in table.indexes.iter().filter(|i| unused.contains(&i.oid)) {
            let primary_index =
                in_native_key && index.constraint.is_some_and(|c| gone.contains(&c)) && !self.is_unique_index(oid, index.oid);
            if super::index::is_stored(index) && !primary_index {
                self.steps.push(Step::DropIndex { schema: schema.clone(), name: index.name.clone() });
            }
        }
        table.indexes.retain(|i| !unused.contains(&i.oid));
        table.columns.retain(|c| c.attnum != attnum);
        self.catalog.put_relation(table);
        self.drop_owned_sequences(oid, Some(attnum));
        if in_native_key {
            changes.rebuild = true;
        } else {
            self.steps.push(Step::DropColumn { table: oid, attnum, name: name.to_owned() });
        }
        changes.convert.retain(|c| c.attnum != attnum);
        Ok(())
    }

    /// Whether an index of the stored table is a unique constraint's (and so apart in storage), by the catalog before this change.
    fn is_unique_index(&self, table: Oid, index: u32) -> bool {
        self.catalog.relation_by_oid(table).is_some_and(|t| super::index::unique_indexes(t).any(|i| i.0 == index))
    }

    fn alter_drop_constraint(
        &mut self,
        mut table: Relation,
        name: &str,
        if_exists: bool,
        cascade: bool,
        changes: &mut Changes,
    ) -> Result {
        let Some(constraint) = table.constraint(name).cloned() else {
            if if_exists {
                self.notice(format!("constraint \"{name}\" of relation \"{}\" does not exist, skipping", table.name));
                return Ok(());
            }
            return self.constraint_at(&table, name).map(drop);
        };
        let key = match &constraint.kind {
            ConstraintKind::Unique { columns, .. } | ConstraintKind::PrimaryKey { columns } => Some(columns.clone()),
            _ => None,
        };
        let schema = self.catalog.schema_name(table.schema).to_owned();
        table.constraints.retain(|c| c.oid != constraint.oid);
        table.indexes.retain(|i| i.constraint != Some(constraint.oid));
        if let Some(columns) = key {
            let root = format!("constraint {name} on {}", self.described_relation(&table));
            self.drop_dependents_of_key(&mut table, &columns, &root, name, cascade)?;
        }
        match constraint.kind {
            ConstraintKind::Check { .. } => {}
            ConstraintKind::PrimaryKey { .. } if !constraint.deferral.deferrable => changes.rebuild = true,
            ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. } => {
                self.steps.push(Step::DropIndex { schema, name: name.to_owned() });
            }
            ConstraintKind::ForeignKey { .. } => changes.rebuild = true,
        }
        let dropped = Oid(constraint.oid);
        changes.validate.retain(|step| {
            !matches!(step, Step::ValidateCheck { constraint, .. } | Step::ValidateForeignKey { constraint, .. } if *constraint == dropped)
        });
        self.catalog.put_relation(table);
        Ok(())
    }

    fn alter_type(
        &mut self,
        mut table: Relation,
        column: &str,
        ty: &TypeName,
        using: Option<&Expr>,
        changes: &mut Changes,
    ) -> Result {
        let attnum = self.attnum(&table, column)?;
        let Some(found) = table.column_at(attnum).cloned() else { return Ok(()) };
        let new = self.column_type(column, ty)?;
        if found.generated.is_some() && using.is_some() {
            return Err(column_is(&table, column, "a generated column")
                .detail("Column data type of a generated column cannot be altered with USING."));
        }
        if let Some(what) = self.type_change_blocker(&table, attnum) {
            return Err(what);
        }
        let shown = |ty: TypeRef| self.catalog.format_type(ty);
        let using = match using {
            Some(expr) => Some(self.row_expr(expr, &table, Place::Transform(new))?),
            None if self.assignable(found.type_ref(), new) => None,
            None => {
                let quoted = crate::print::identifier(column);
                return Err(Refusal::invalid(
                    SqlState::DATATYPE_MISMATCH,
                    format!("column \"{column}\" cannot be cast automatically to type {}", shown(new)),
                )
                .hint(format!("You might need to specify \"USING {quoted}::{}\".", shown(new)))
                .at(ty.pos));
            }
        };
        if found.identity.is_some() {
            self.identity_type(new)?;
        }
        // The default must hold for the new type; it stays as written.
        if let Some(default) = &found.default
            && let Ok(expr) = crate::parse::expr(default)
            && self.default_text(&expr, new, column).is_err()
        {
            return Err(Refusal::invalid(
                SqlState::DATATYPE_MISMATCH,
                format!("default for column \"{column}\" cannot be cast automatically to type {}", shown(new)),
            ));
        }
        if let Some(slot) = table.columns.iter_mut().find(|c| c.attnum == attnum) {
            slot.ty = new.oid.0;
            slot.typmod = new.typmod;
        }
        // Checks and indexes over the column must mean something for the new type.
        let checks: Vec<(Oid, String)> = table
            .constraints
            .iter()
            .filter_map(|c| match &c.kind {
                ConstraintKind::Check { expr } => Some((Oid(c.oid), expr.clone())),
                _ => None,
            })
            .collect();
        for (constraint, text) in checks {
            let Ok(expr) = crate::parse::expr(&text) else { continue };
            let uses = super::expr::uses_of_expr(&self.catalog, &self.path(), Some(&table), &expr);
            if uses.columns.contains(&(Oid(table.oid), attnum)) {
                self.row_expr(&expr, &table, Place::Check)?;
                changes.validate.push(Step::ValidateCheck { table: Oid(table.oid), constraint });
            }
        }
        if using.is_some() || !self.is_stored_alike(found.type_ref(), new) {
            changes.rebuild = true;
            changes.convert.push(Convert { attnum, using });
        }
        self.catalog.put_relation(table);
        Ok(())
    }

    /// Whether every value of one type is stored as the same value of another: wider integers, longer or unlimited text.
    fn is_stored_alike(&self, from: TypeRef, to: TypeRef) -> bool {
        use basalt_types::pg::oid::{INT2, INT4, INT8, TEXT, VARCHAR};
        match (from.oid, to.oid) {
            (INT2, INT4 | INT8) | (INT4, INT8) | (VARCHAR, TEXT) => true,
            (TEXT, VARCHAR) => to.typmod < 0,
            (VARCHAR, VARCHAR) => to.typmod < 0 || (from.typmod >= 0 && to.typmod >= from.typmod),
            _ => from == to,
        }
    }

    /// Changes a default; a foreign key with SET DEFAULT on the column needs it in storage.
    fn add_identity(&mut self, table: &mut Relation, column: &str, always: bool, options: &[SequenceOption]) -> Result {
        let attnum = self.attnum(table, column)?;
        let Some(found) = table.column_at(attnum).cloned() else { return Ok(()) };
        let state = SqlState::NOT_IN_PREREQUISITE_STATE;
        let of = format!("column \"{column}\" of relation \"{}\"", table.name);
        if !found.not_null {
            return Err(Refusal::invalid(state, format!("{of} must be declared NOT NULL before identity can be added")));
        }
        if found.identity.is_some() {
            return Err(Refusal::invalid(state, format!("{of} is already an identity column")));
        }
        if found.default.is_some() {
            return Err(Refusal::invalid(state, format!("{of} already has a default value")));
        }
        self.identity_type(found.type_ref())?;
        let sequence = self.column_sequence(table, column, attnum, Oid(found.ty), options)?;
        if let Some(slot) = table.columns.iter_mut().find(|c| c.attnum == attnum) {
            slot.identity = Some(Identity { always, sequence: sequence.oid });
        }
        Ok(())
    }

    fn set_identity(&mut self, table: &mut Relation, column: &str, always: Option<bool>, options: &[SequenceOption]) -> Result {
        let attnum = self.attnum(table, column)?;
        let Some(identity) = table.columns.iter_mut().find(|c| c.attnum == attnum).and_then(|c| c.identity.as_mut()) else {
            return Err(not_identity(table, column));
        };
        if let Some(always) = always {
            identity.always = always;
        }
        let sequence = Oid(identity.sequence);
        if !options.is_empty()
            && let Some(mut relation) = self.catalog.relation_by_oid(sequence).map(|r| (**r).clone())
        {
            self.change_sequence(&mut relation, options)?;
            self.catalog.put_relation(relation);
        }
        Ok(())
    }

    fn drop_identity(&mut self, table: &mut Relation, column: &str, if_exists: bool) -> Result {
        let attnum = self.attnum(table, column)?;
        let taken = table.columns.iter_mut().find(|c| c.attnum == attnum).and_then(|c| c.identity.take());
        match taken {
            Some(identity) => {
                self.catalog.remove_relation(Oid(identity.sequence));
                self.steps.push(Step::DropSequence { sequence: Oid(identity.sequence) });
            }
            None if if_exists => {
                let text = not_identity(table, column).error.message;
                self.notice(format!("{text}, skipping"));
            }
            None => return Err(not_identity(table, column)),
        }
        Ok(())
    }
}

fn column_is(table: &Relation, column: &str, what: &str) -> Box<Refusal> {
    Refusal::invalid(SqlState::SYNTAX_ERROR, format!("column \"{column}\" of relation \"{}\" is {what}", table.name))
}

fn not_identity(table: &Relation, column: &str) -> Box<Refusal> {
    Refusal::invalid(
        SqlState::NOT_IN_PREREQUISITE_STATE,
        format!("column \"{column}\" of relation \"{}\" is not an identity column", table.name),
    )
}
