//! DDL in the file: what [`basalt_sql::ddl::Step`] asks for, done with SQLite's means, inside the writer's transaction.
//!
//! - [`table`]: texts of CREATE TABLE, native ALTERs, and making a table anew.
//! - [`index`]: CREATE INDEX, and the duplicates that forbid a unique one.
//! - [`materialized`]: what a materialized view holds.
//! - [`rows`]: what touches existing rows: fills, validations, truncation, renamed labels.
//!
//! Foreign keys stay enforced all the time: a table is made anew beside the old one, then the two change names in `sqlite_schema`
//! itself, so that no DROP ever sees a table that others refer to.

pub(crate) mod index;
pub(crate) mod materialized;
pub(crate) mod rows;
pub(crate) mod table;

use basalt_catalog::{Catalog, Index, Relation};
use basalt_sql::ddl::Step;
use basalt_types::{Oid, Session, SqlError};

use crate::commit::Desk;
use crate::plpgsql;
use crate::routine::Scene;

/// A relation that a step names.
pub(crate) fn relation(catalog: &Catalog, oid: Oid) -> Result<&Relation, SqlError> {
    catalog
        .relation_by_oid(oid)
        .map(|r| &**r)
        .ok_or_else(|| SqlError::internal("a step names a table that is not in the catalog"))
}

fn index_of(relation: &Relation, oid: Oid) -> Result<&Index, SqlError> {
    let found = relation.indexes.iter().find(|index| index.oid == oid.0);
    found.ok_or_else(|| SqlError::internal("a step names an index that is not in the catalog"))
}

/// Takes a statement's steps. `catalog` is the one after the statement. Notices are appended to `notices`.
///
/// # Errors
/// Rows that do not fit, with PostgreSQL's errors; what SQLite reports.
pub(crate) fn take_all(desk: &Desk<'_>, catalog: &Catalog, steps: &[Step], notices: &mut Vec<String>) -> Result<(), SqlError> {
    // A table whose new columns refer to others is made anew when all of them are there.
    let mut unfinished: Vec<Oid> = Vec::new();
    for step in steps {
        if !matches!(step, Step::AddColumn { .. }) {
            finish(desk, catalog, &mut unfinished)?;
        }
        take(desk, catalog, step, notices)?;
        if let Step::AddColumn { table, foreign_keys, .. } = step
            && !foreign_keys.is_empty()
            && !unfinished.contains(table)
        {
            unfinished.push(*table);
        }
    }
    finish(desk, catalog, &mut unfinished)
}

fn finish(desk: &Desk<'_>, catalog: &Catalog, unfinished: &mut Vec<Oid>) -> Result<(), SqlError> {
    for table in unfinished.drain(..) {
        let relation = relation(catalog, table)?;
        table::rebuild(desk, catalog, relation, relation, &[])?;
    }
    Ok(())
}

/// Takes one step.
fn take(desk: &Desk<'_>, catalog: &Catalog, step: &Step, notices: &mut Vec<String>) -> Result<(), SqlError> {
    let connection = desk.connection;
    let sequences = &desk.shared.sequences;
    match step {
        Step::CreateTable { table } => table::create(connection, catalog, relation(catalog, *table)?),
        Step::DropTable { schema, table } => table::drop_table(connection, &format!("{schema}.{}", table.name)),
        Step::RenameTable { table: _, from, to } => {
            table::rename(connection, &format!("{}.{}", from.0, from.1), &format!("{}.{}", to.0, to.1))
        }
        Step::AddColumn { table, attnum, fill, foreign_keys: _ } => {
            let relation = relation(catalog, *table)?;
            table::add_column(connection, catalog, relation, *attnum)?;
            rows::fill(desk, catalog, relation, *attnum, fill)
        }
        Step::DropColumn { table, attnum: _, name } => table::drop_column(connection, catalog, relation(catalog, *table)?, name),
        Step::RenameColumn { table, attnum: _, from, to } => {
            table::rename_column(connection, catalog, relation(catalog, *table)?, from, to)
        }
        Step::RebuildTable { table, before, convert } => {
            table::rebuild(desk, catalog, relation(catalog, *table)?, before, convert)
        }
        Step::CreateIndex { table, index } => {
            let relation = relation(catalog, *table)?;
            index::create(desk, catalog, relation, index_of(relation, *index)?)
        }
        Step::DropIndex { schema, name } => index::drop_index(connection, &format!("{schema}.{name}")),
        Step::RenameIndex { table, index, from } => {
            let relation = relation(catalog, *table)?;
            index::rename(desk, catalog, relation, index_of(relation, *index)?, &format!("{}.{}", from.0, from.1))
        }
        Step::ValidateCheck { table, constraint } => rows::validate_check(desk, catalog, relation(catalog, *table)?, *constraint),
        Step::ValidateForeignKey { table, constraint } => {
            rows::validate_foreign_key(connection, catalog, relation(catalog, *table)?, *constraint)
        }
        Step::ValidateNotNull { table, attnum } => {
            rows::validate_not_null(connection, catalog, relation(catalog, *table)?, *attnum)
        }
        Step::ValidateDomain { domain } => rows::validate_domain(desk, catalog, *domain),
        Step::RenameEnumLabel { ty, from, to } => rows::rename_label(connection, catalog, *ty, from, to),
        Step::CreateSequence { sequence } => {
            let relation = relation(catalog, *sequence)?;
            if let Some(settings) = &relation.sequence {
                sequences.create(*sequence, &relation.name, settings);
            }
            Ok(())
        }
        Step::RestartSequence { sequence, value } => sequences.set(*sequence, *value, false).map(drop),
        Step::AlterSequence { sequence } => {
            let relation = relation(catalog, *sequence)?;
            if let Some(settings) = &relation.sequence {
                sequences.alter(*sequence, &relation.name, settings);
            }
            Ok(())
        }
        Step::DropSequence { sequence } => {
            sequences.remove(*sequence);
            Ok(())
        }
        Step::Truncate { tables, restart } => {
            rows::truncate(connection, catalog, tables)?;
            for oid in restart {
                if let Some(settings) = &relation(catalog, *oid)?.sequence {
                    sequences.set(*oid, settings.start, false)?;
                }
            }
            Ok(())
        }
        Step::Refresh { view, with_data, concurrently } => {
            materialized::refresh(desk, catalog, relation(catalog, *view)?, *with_data, *concurrently)
        }
        Step::Run { statement, role, search_path } => rows::run(desk, catalog, statement, role, search_path),
        Step::Block { body, role, search_path } => {
            let session = Session::of_role(role);
            let scene = Scene::writing(desk, &session, search_path);
            scene.enter(|| plpgsql::anonymous(&scene, body))
        }
        Step::SetConstraints { constraints, deferred } => {
            desk.late.set(constraints.as_deref(), *deferred);
            desk.late.check(connection, catalog, false)
        }
        Step::Notice(text) => {
            notices.push(text.clone());
            Ok(())
        }
        Step::NoOp(_) => Ok(()),
    }
}
