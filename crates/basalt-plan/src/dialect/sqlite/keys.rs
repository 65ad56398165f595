//! Unique and foreign keys of the table written: how to find the row in the way, the row referred to, the rows that refer.

use basalt_catalog::{ConstraintKind, Deferral, IndexTerm, Relation};
use basalt_sql::typed::{Expr, RangeId, facts};
use basalt_types::{Oid, SqlError};

use super::Context;
use super::printer::{Printer, Source};
use super::write::rowid_name;
use crate::dialect::display;
use crate::expressions::ExprUse;
use crate::guard;
use crate::program::{ChildKey, Compiled, ForeignKey, UniqueKey};

/// The stored row and the new one, in key statements.
const STORED: RangeId = RangeId(0);
const NEW: RangeId = RangeId(1);

/// Unique indexes in the order PostgreSQL checks them.
pub(super) fn unique_keys(relation: &Relation, context: &Context<'_>) -> Result<Vec<UniqueKey>, SqlError> {
    let mut indexes: Vec<_> = relation.indexes.iter().filter(|i| i.unique).collect();
    indexes.sort_by_key(|i| i.oid);
    indexes.into_iter().map(|index| unique_key(relation, index, context)).collect()
}

fn unique_key(relation: &Relation, index: &basalt_catalog::Index, context: &Context<'_>) -> Result<UniqueKey, SqlError> {
    let over = |text: &str, purpose: ExprUse, range: RangeId| -> Result<Expr, SqlError> {
        let mut next = 2;
        Ok(context.cache.get(text, purpose, Some(relation), context.catalog)?.over(range, &mut next))
    };
    let (mut terms, mut types, mut columns, mut pairs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for key in &index.keys {
        let (stored, new) = match &key.term {
            IndexTerm::Column(attnum) => {
                let column = relation.column_at(*attnum).ok_or_else(|| SqlError::internal("a key's column has gone"))?;
                columns.push(*attnum);
                (Expr::column(STORED, *attnum, column.type_ref()), Expr::column(NEW, *attnum, column.type_ref()))
            }
            IndexTerm::Expr(text) => {
                let stored = over(text, ExprUse::IndexKey, STORED)?;
                columns.extend(relation.columns.iter().map(|c| c.attnum).filter(|a| reads(&stored, *a)));
                (stored, over(text, ExprUse::IndexKey, NEW)?)
            }
        };
        terms.push(display::index_key(&key.term, &stored, relation, context.catalog));
        types.push(super::super::types::base(context.catalog, stored.ty));
        pairs.push((stored, new));
    }
    let filter = match &index.filter {
        Some(text) => Some((over(text, ExprUse::IndexFilter, STORED)?, over(text, ExprUse::IndexFilter, NEW)?)),
        None => None,
    };
    columns.extend(relation.columns.iter().map(|c| c.attnum).filter(|a| filter.as_ref().is_some_and(|(f, _)| reads(f, *a))));
    columns.sort_unstable();
    columns.dedup();

    let mut values = printer(relation, context);
    values.raw("SELECT ");
    for (i, (_, new)) in pairs.iter().enumerate() {
        values.raw(if i == 0 { "" } else { ", " });
        values.expr(new)?;
    }
    values.where_clause(None, filter.as_ref().map(|(_, new)| new))?;

    let mut probe = printer(relation, context);
    probe.raw("SELECT ").alias(STORED).raw(".").raw(rowid_name(relation)).raw(" FROM ");
    probe.table(Oid(relation.oid))?.raw(" AS ").alias(STORED);
    for (i, (stored, new)) in pairs.iter().enumerate() {
        probe.raw(if i == 0 { " WHERE " } else { " AND " });
        if index.nulls_not_distinct {
            probe.distinct(stored, new, true)?;
        } else {
            probe.comparison("eq", stored, new)?;
        }
    }
    if let Some((stored, new)) = &filter {
        probe.raw(" AND ");
        probe.expr(stored)?;
        probe.raw(" AND ");
        probe.expr(new)?;
    }

    let constraint = index.constraint.and_then(|oid| relation.constraints.iter().find(|c| c.oid == oid));
    Ok(UniqueKey {
        index: Oid(index.oid),
        constraint: constraint.map(|c| Oid(c.oid)),
        name: index.name.clone(),
        terms,
        values: values.finish(),
        types,
        probe: probe.finish(),
        detail_hidden: guard::hides_values(context.catalog, &context.caller, relation, &columns),
        columns,
        deferral: constraint.map_or_else(Deferral::default, |c| c.deferral),
    })
}

/// Whether an expression over the stored row reads a column.
fn reads(expr: &Expr, attnum: i16) -> bool {
    facts::any_outside_subqueries(
        expr,
        &mut |e| matches!(e.kind, basalt_sql::typed::ExprKind::Column { range: STORED, column } if column == attnum),
    )
}

fn printer<'a>(relation: &Relation, context: &Context<'a>) -> Printer<'a> {
    let mut printer = Printer::new(context.catalog, context.cache);
    printer.declare(STORED, Source::Table(Oid(relation.oid)));
    printer.declare(NEW, Source::New);
    printer
}

/// Foreign keys of the table.
pub(super) fn foreign_keys(relation: &Relation, context: &Context<'_>) -> Result<Vec<ForeignKey>, SqlError> {
    let mut keys = Vec::new();
    for constraint in &relation.constraints {
        let ConstraintKind::ForeignKey { columns, target, target_columns, match_full, .. } = &constraint.kind else { continue };
        let parent =
            context.catalog.relation_by_oid(Oid(*target)).ok_or_else(|| SqlError::internal("a referenced table has gone"))?;
        let mut printer = printer(parent, context);
        printer.raw("SELECT 1 FROM ").table(Oid(parent.oid))?.raw(" AS ").alias(STORED);
        for (i, (own, theirs)) in columns.iter().zip(target_columns).enumerate() {
            printer.raw(if i == 0 { " WHERE " } else { " AND " });
            let stored = column(parent, *theirs, STORED)?;
            let new = column(relation, *own, NEW)?;
            printer.comparison("eq", &stored, &new)?;
        }
        printer.raw(" LIMIT 1");
        keys.push(ForeignKey {
            constraint: Oid(constraint.oid),
            name: constraint.name.clone(),
            target: Oid(*target),
            target_name: parent.name.clone(),
            exists: printer.finish(),
            match_full: *match_full,
            deferral: constraint.deferral,
            detail_hidden: guard::hides_values(context.catalog, &context.caller, relation, columns),
            columns: columns.clone(),
        });
    }
    keys.sort_by_key(|key| key.constraint);
    Ok(keys)
}

/// Foreign keys that refer to the table.
pub(super) fn child_keys(relation: &Relation, context: &Context<'_>) -> Result<Vec<ChildKey>, SqlError> {
    let mut keys = Vec::new();
    for child in context.catalog.relations() {
        for constraint in &child.constraints {
            let ConstraintKind::ForeignKey { columns, target, target_columns, on_delete, on_update, set_columns, .. } =
                &constraint.kind
            else {
                continue;
            };
            if *target != relation.oid {
                continue;
            }
            keys.push(ChildKey {
                constraint: Oid(constraint.oid),
                name: constraint.name.clone(),
                child: Oid(child.oid),
                child_name: child.name.clone(),
                columns: target_columns.clone(),
                child_columns: columns.clone(),
                rows: referring(child, columns, relation, target_columns, context)?,
                on_delete: *on_delete,
                on_update: *on_update,
                set_columns: set_columns.clone(),
                deferral: constraint.deferral,
                detail_hidden: guard::hides_values(context.catalog, &context.caller, relation, target_columns),
            });
        }
    }
    keys.sort_by_key(|key| key.constraint);
    Ok(keys)
}

/// Rows of `child` that refer to the old row.
fn referring(
    child: &Relation,
    columns: &[i16],
    parent: &Relation,
    parent_columns: &[i16],
    context: &Context<'_>,
) -> Result<Compiled, SqlError> {
    let mut printer = printer(child, context);
    printer.declare(NEW, Source::Old);
    printer.raw("SELECT ").alias(STORED).raw(".").raw(rowid_name(child)).raw(" FROM ");
    printer.table(Oid(child.oid))?.raw(" AS ").alias(STORED);
    for (i, (own, theirs)) in columns.iter().zip(parent_columns).enumerate() {
        printer.raw(if i == 0 { " WHERE " } else { " AND " });
        let stored = column(child, *own, STORED)?;
        let old = column(parent, *theirs, NEW)?;
        printer.comparison("eq", &stored, &old)?;
    }
    Ok(printer.finish())
}

fn column(relation: &Relation, attnum: i16, range: RangeId) -> Result<Expr, SqlError> {
    let column = relation.column_at(attnum).ok_or_else(|| SqlError::internal("a key's column has gone"))?;
    Ok(Expr::column(range, attnum, column.type_ref()))
}
