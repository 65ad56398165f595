//! Rows out of a table, in the order of its row numbers, as lines.

use std::sync::Arc;

use basalt_catalog::{Catalog, Relation, TypeKind};
use basalt_engine::bulk::{Batch, NULL, Shape, escape};
use basalt_plan::dialect::sqlite::{rowid_name, storage};
use basalt_types::pg::oid;
use basalt_types::{SqlError, TypeRef, ValueRef, pg};

use crate::connection::Connection;
use crate::names::{quoted, storage_name};

/// A table that is being read. It goes on by row number, so nothing of SQLite's is kept open between two batches.
pub(super) struct Reading {
    sql: Arc<str>,
    columns: Vec<ReadColumn>,
    /// The first row number not read yet; none: all were read.
    next: Option<i64>,
}

struct ReadColumn {
    title: String,
    ty: TypeRef,
    /// Whether the stored form means something outside of this file.
    travels: bool,
}

/// Whether values of a type have a text of their own: names of objects are stored as numbers of this file's catalog, and composite
/// values as JSON.
fn travels(catalog: &Catalog, ty: TypeRef, base: TypeRef) -> bool {
    let is_composite = catalog.type_by_oid(ty.oid).is_some_and(|def| matches!(def.kind, TypeKind::Composite { .. }));
    let element = pg::element(base.oid).unwrap_or(base.oid);
    !is_composite && !matches!(element, oid::REGCLASS | oid::REGTYPE | oid::REGPROC | oid::REGROLE | oid::REGNAMESPACE)
}

impl Reading {
    /// Prepares to read these columns.
    pub(super) fn of(catalog: &Catalog, relation: &Relation, shape: &Shape) -> Result<Self, SqlError> {
        let mut columns = Vec::new();
        for name in &shape.columns {
            let column =
                relation.column(name).ok_or_else(|| SqlError::internal("a column that is to be copied is not in its table"))?;
            let input = storage::input_type(catalog, column.type_ref());
            columns.push(ReadColumn {
                title: format!("{}.{name}", shape.title()),
                ty: input.base,
                travels: travels(catalog, column.type_ref(), input.base),
            });
        }
        let rowid = rowid_name(relation);
        let names: Vec<String> = [rowid.to_owned()].into_iter().chain(shape.columns.iter().map(|name| quoted(name))).collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE {rowid} >= ?1 ORDER BY {rowid}",
            names.join(", "),
            quoted(&storage_name(catalog, relation))
        );
        Ok(Self { sql: sql.into(), columns, next: Some(i64::MIN) })
    }

    /// Fills a batch.
    pub(super) fn read(&mut self, connection: &Connection, batch: &mut Batch) -> Result<(), SqlError> {
        let Some(from) = self.next.take() else { return Ok(()) };
        let mut statement = connection.statement(&self.sql)?;
        statement.bind(1, ValueRef::Int(from))?;
        let mut text = String::new();
        while statement.step()? {
            for (at, column) in self.columns.iter().enumerate() {
                if at > 0 {
                    batch.row().push(b'\t');
                }
                match statement.column(at + 1) {
                    ValueRef::Null => batch.row().extend_from_slice(NULL),
                    _ if !column.travels => {
                        let message = format!("values of {} mean nothing outside of this database", column.title);
                        return Err(SqlError::unsupported(message).hint("Set them to NULL before the copy."));
                    }
                    ValueRef::Blob(_) if column.ty.oid != oid::BYTEA => {
                        return Err(SqlError::internal(format!("a value of {} is not UTF-8", column.title)));
                    }
                    value => {
                        text.clear();
                        pg::text(value, column.ty, &mut text);
                        escape(&text, batch.row());
                    }
                }
            }
            batch.end_row();
            if batch.is_full() {
                if let ValueRef::Int(last) = statement.column(0) {
                    self.next = last.checked_add(1);
                }
                return Ok(());
            }
        }
        Ok(())
    }
}
