//! Columns: from their written definition to the catalog, with what else they bring along.

use basalt_catalog::{Identity, Relation};
use basalt_types::{Oid, SqlState, TypeRef, pg::oid};

use super::constraint::{Pending, PendingCheck, PendingForeignKey, PendingKey};
use super::expr::{Place, nextval_text};
use super::{Ddl, Fill, Refusal, Result};
use crate::tree::{ColumnConstraintKind, ColumnDef, Expr};

/// What a column's definition says, by kind of constraint.
#[derive(Default)]
struct Said<'a> {
    default: Option<&'a Expr>,
    generated: Option<&'a Expr>,
    null: bool,
    not_null: bool,
}

/// The integer type behind a serial pseudo-type.
fn serial_type(name: &str) -> Option<Oid> {
    Some(match name {
        "serial" | "serial4" => oid::INT4,
        "bigserial" | "serial8" => oid::INT8,
        "smallserial" | "serial2" => oid::INT2,
        _ => return None,
    })
}

impl Ddl {
    /// Adds a column to `table`; its keys, checks and references go to `pending`, for they need all columns.
    ///
    /// Gives what existing rows get. The table must be in the catalog already when it has an identity of its own.
    pub(super) fn add_column(&mut self, table: &mut Relation, def: &ColumnDef, pending: &mut Pending) -> Result<Fill> {
        self.add_column_inner(table, def, pending).map_err(|e| e.at(def.pos))
    }

    fn add_column_inner(&mut self, table: &mut Relation, def: &ColumnDef, pending: &mut Pending) -> Result<Fill> {
        self.new_column_name(table, &def.name)?;
        let error = |text: &str| {
            Refusal::invalid(SqlState::SYNTAX_ERROR, format!("{text} for column \"{}\" of table \"{}\"", def.name, table.name))
        };
        let serial = if def.ty.schema.is_none() { serial_type(&def.ty.name) } else { None };
        let ty = match serial {
            Some(_) if def.ty.dimensions > 0 => {
                return Err(Refusal::invalid(SqlState::FEATURE_NOT_SUPPORTED, "array of serial is not implemented"));
            }
            Some(oid) => TypeRef::of(oid),
            None => self.column_type(&def.name, &def.ty)?,
        };
        let attnum = table.next_attnum;
        // SQLite holds 2,000 columns; PostgreSQL's own limit is lower.
        table.next_attnum = attnum
            .checked_add(1)
            .filter(|n| *n <= 1601)
            .ok_or_else(|| Refusal::invalid(SqlState::new(b"54011"), "tables can have at most 1600 columns"))?;

        let mut said = Said::default();
        let mut identity = None;
        for constraint in &def.constraints {
            let name = constraint.name.clone();
            match &constraint.kind {
                ColumnConstraintKind::NotNull => said.not_null = true,
                ColumnConstraintKind::Null => said.null = true,
                ColumnConstraintKind::Default(expr) => {
                    if said.default.replace(expr).is_some() || serial.is_some() {
                        return Err(error("multiple default values specified"));
                    }
                }
                ColumnConstraintKind::Generated { stored: false, .. } => {
                    return Err(Refusal::unsupported("virtual generated columns", "write STORED"));
                }
                ColumnConstraintKind::Generated { expr, stored: true } => {
                    if said.generated.replace(expr).is_some() {
                        return Err(error("multiple generation clauses specified"));
                    }
                }
                ColumnConstraintKind::Identity { always, options } => {
                    if identity.replace((*always, options)).is_some() {
                        return Err(error("multiple identity specifications"));
                    }
                }
                ColumnConstraintKind::Check { expr, no_inherit: _ } => {
                    pending.checks.push(PendingCheck { name, expr: expr.clone(), not_valid: false });
                }
                ColumnConstraintKind::Unique { nulls_not_distinct, deferrable } => pending.keys.push(PendingKey {
                    name,
                    columns: vec![def.name.clone()],
                    include: Vec::new(),
                    primary: false,
                    nulls_not_distinct: *nulls_not_distinct,
                    deferrable: *deferrable,
                }),
                ColumnConstraintKind::PrimaryKey { deferrable } => pending.keys.push(PendingKey {
                    name,
                    columns: vec![def.name.clone()],
                    include: Vec::new(),
                    primary: true,
                    nulls_not_distinct: false,
                    deferrable: *deferrable,
                }),
                ColumnConstraintKind::References(references) => pending.foreign_keys.push(PendingForeignKey {
                    name,
                    columns: vec![def.name.clone()],
                    references: references.clone(),
                    not_valid: false,
                }),
            }
        }
        if said.null && (said.not_null || identity.is_some() || serial.is_some()) {
            return Err(error("conflicting NULL/NOT NULL declarations"));
        }
        if identity.is_some() && (said.default.is_some() || serial.is_some()) {
            return Err(error("both default and identity specified"));
        }
        if said.generated.is_some() && (said.default.is_some() || serial.is_some()) {
            return Err(error("both default and generation expression specified"));
        }
        if said.generated.is_some() && identity.is_some() {
            return Err(error("both identity and generation expression specified"));
        }

        let mut column = super::table::blank_column(attnum, &def.name, ty);
        column.not_null = said.not_null || identity.is_some() || serial.is_some();
        column.collation = match &def.collation {
            None => None,
            Some(name) => Some(self.collation(name, ty)?),
        };
        let mut fill = Fill::Null;
        if let Some(expr) = said.default {
            let text = self.default_text(expr, ty, &def.name)?;
            if !matches!(expr.kind, crate::tree::ExprKind::Null) {
                column.default = Some(text);
                fill = Fill::Default;
            }
        }
        if let Some(expr) = said.generated {
            pending.generated.push((attnum, expr.clone()));
            fill = Fill::Generated;
        }
        if let Some(serial) = serial {
            let sequence = self.column_sequence(table, &def.name, attnum, serial, &[])?;
            column.default = Some(nextval_text(self.catalog.schema_name(sequence.schema), &sequence.name));
            fill = Fill::Sequence(Oid(sequence.oid));
        }
        if let Some((always, options)) = identity {
            self.identity_type(ty)?;
            let sequence = self.column_sequence(table, &def.name, attnum, ty.oid, options)?;
            column.identity = Some(Identity { always, sequence: sequence.oid });
            fill = Fill::Sequence(Oid(sequence.oid));
        }
        table.columns.push(column);
        Ok(fill)
    }

    pub(super) fn identity_type(&self, ty: TypeRef) -> Result {
        if matches!(ty.oid, oid::INT2 | oid::INT4 | oid::INT8) {
            return Ok(());
        }
        Err(Refusal::invalid(SqlState::INVALID_PARAMETER, "identity column type must be smallint, integer, or bigint"))
    }

    /// Refuses a column name that is taken, reserved, or equal to another but for letter case.
    pub(super) fn new_column_name(&self, table: &Relation, name: &str) -> Result {
        for column in &table.columns {
            if column.name == name {
                return Err(Refusal::invalid(SqlState::DUPLICATE_COLUMN, format!("column \"{name}\" specified more than once")));
            }
            if column.name.eq_ignore_ascii_case(name) {
                return Err(Refusal::unsupported(
                    "names that differ by letter case only",
                    format!("\"{name}\" and \"{}\" would be one column in storage: rename one of them", column.name),
                ));
            }
        }
        if matches!(name, "tableoid" | "cmax" | "xmax" | "cmin" | "xmin" | "ctid") {
            return Err(Refusal::invalid(
                SqlState::DUPLICATE_COLUMN,
                format!("column name \"{name}\" conflicts with a system column name"),
            ));
        }
        Ok(())
    }

    fn collation(&self, name: &crate::tree::Name, ty: TypeRef) -> Result<String> {
        let category = basalt_types::pg::builtin(self.catalog.base_type(ty).oid).map(|row| row.category);
        if category != Some('S') {
            return Err(Refusal::invalid(
                SqlState::DATATYPE_MISMATCH,
                format!("collations are not supported by type {}", self.catalog.format_type(ty)),
            ));
        }
        match name.name.as_str() {
            "C" | "POSIX" | "default" | "ucs_basic" => Ok(name.name.clone()),
            other => Err(Refusal::unsupported(
                format!("collation \"{other}\""),
                "leave COLLATE out: the order of text is a property of the whole database",
            )),
        }
    }

    /// Fills in the generation expressions, once all columns are known.
    pub(super) fn add_generated(&mut self, table: &mut Relation, pending: &Pending) -> Result {
        for (attnum, expr) in &pending.generated {
            let uses = super::expr::uses_of_expr(&self.catalog, &self.path(), Some(table), expr);
            let own = uses.columns.iter().filter(|(relation, _)| relation.0 == table.oid).map(|(_, a)| *a);
            for used in own {
                let Some(column) = table.column_at(used) else { continue };
                if used == *attnum || column.generated.is_some() || pending.generated.iter().any(|(a, _)| *a == used) {
                    return Err(Refusal::invalid(
                        SqlState::INVALID_OBJECT_DEFINITION,
                        format!("cannot use generated column \"{}\" in column generation expression", column.name),
                    )
                    .detail("A generated column cannot reference another generated column.")
                    .at(expr.pos));
                }
            }
            let Some(ty) = table.column_at(*attnum).map(basalt_catalog::Column::type_ref) else { continue };
            let text = self.row_expr(expr, table, Place::Generated(ty))?;
            if let Some(column) = table.columns.iter_mut().find(|c| c.attnum == *attnum) {
                column.generated = Some(text);
            }
        }
        Ok(())
    }
}
