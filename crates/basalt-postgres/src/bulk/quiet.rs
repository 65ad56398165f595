//! Triggers and foreign keys at rest while rows come in, and awake again afterwards.
//!
//! A login that may set `session_replication_role` needs no more than that, except for triggers that fire even then. Any other owner
//! turns triggers off and takes foreign keys away; the statements that undo it are noted in the same transaction, so that whoever
//! goes on with the copy can end it.

use basalt_types::SqlError;

use super::{NOT_COPIED, PostgresBulk, column, qualified, quoted, refuse};

/// The note that holds how triggers rest.
const HOW: &str = "quiet";

/// Notes that hold what is to be run in the end begin so, and are run in their order.
const UNDO: &str = "undo:";

/// A statement and the one that takes it back.
struct Change {
    doing: String,
    undoing: String,
}

/// Puts to rest what reacts to rows.
pub(super) fn quiet(bulk: &mut PostgresBulk) -> Result<(), SqlError> {
    bulk.is_replica = bulk.run("BEGIN; SET LOCAL session_replication_role = replica; COMMIT").is_ok();
    if !bulk.is_replica {
        bulk.run("ROLLBACK")?;
    }
    let how = if bulk.is_replica { "replica" } else { "off" };
    let noted = bulk.texts(&format!("SELECT value FROM basalt_copy.notes WHERE name = '{HOW}'"))?;
    match noted.first().and_then(|row| row.first()) {
        // Taken away is taken away, whoever goes on.
        Some(before) if before == "off" || *before == how => return Ok(()),
        Some(_) => {
            return Err(refuse(
                "the copy was begun by a login that may set session_replication_role; this one may not",
                "Go on with the same login.",
            ));
        }
        None => {}
    }
    let mut changes = triggers(bulk)?;
    if !bulk.is_replica {
        changes.extend(foreign_keys(bulk)?);
    }
    bulk.transaction("BEGIN", |bulk| {
        for (at, change) in changes.iter().enumerate() {
            bulk.run(&change.doing)?;
            bulk.put_note(&format!("{UNDO}{at:06}"), &change.undoing)?;
        }
        bulk.put_note(HOW, how)
    })
}

/// Takes back what [`quiet`] did. Inside a transaction.
pub(super) fn wake(bulk: &PostgresBulk) -> Result<(), SqlError> {
    for row in
        bulk.texts(&format!("SELECT value FROM basalt_copy.notes WHERE name LIKE '{UNDO}%' ORDER BY name COLLATE \"C\""))?
    {
        for statement in row {
            bulk.run(&statement)?;
        }
    }
    Ok(())
}

/// How many foreign keys are away until the end.
pub(super) fn keys_at_rest(bulk: &PostgresBulk) -> Result<usize, SqlError> {
    let exists = bulk.one("SELECT to_regclass('basalt_copy.notes') IS NOT NULL")?;
    if !column::<bool>(&exists, 0)? {
        return Ok(0);
    }
    let undoing = bulk.texts(&format!("SELECT value FROM basalt_copy.notes WHERE name LIKE '{UNDO}%'"))?;
    Ok(undoing.iter().flatten().filter(|statement| statement.contains(" ADD CONSTRAINT ")).count())
}

fn triggers(bulk: &PostgresBulk) -> Result<Vec<Change>, SqlError> {
    let which = if bulk.is_replica { "'A', 'R'" } else { "'O', 'A', 'R'" };
    let found = bulk.texts(&format!(
        "SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text, pg_has_role(c.relowner, 'USAGE')::text FROM pg_catalog.pg_trigger AS t \
         JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled IN ({which}) AND c.relkind IN ('r', 'p') \
         AND n.nspname NOT IN ({NOT_COPIED}) AND n.nspname !~ '^pg_' ORDER BY t.oid"
    ))?;
    if let Some(row) = found.iter().find(|row| row.get(4).is_some_and(|owns| owns == "false")) {
        let [schema, table, trigger, ..] = row.as_slice() else { return Ok(Vec::new()) };
        return Err(refuse(
            &format!("the trigger {trigger} of {schema}.{table} would fire for every row, and this login may not turn it off"),
            "Give a login that owns the table, or one that may set session_replication_role.",
        ));
    }
    let change = |row: &Vec<String>| {
        let [schema, table, trigger, state, _] = row.as_slice() else { return None };
        let (table, trigger) = (qualified(schema, table), quoted(trigger));
        let how = match state.as_str() {
            "A" => "ENABLE ALWAYS",
            "R" => "ENABLE REPLICA",
            _ => "ENABLE",
        };
        Some(Change {
            doing: format!("ALTER TABLE {table} DISABLE TRIGGER {trigger}"),
            undoing: format!("ALTER TABLE {table} {how} TRIGGER {trigger}"),
        })
    };
    Ok(found.iter().filter_map(change).collect())
}

/// Keys of the services' tables may stay where those belong to others: they form no circle, and the tables come in the order they were
/// made in.
fn foreign_keys(bulk: &PostgresBulk) -> Result<Vec<Change>, SqlError> {
    let found = bulk.texts(&format!(
        "SELECT n.nspname::text, c.relname::text, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid), \
         coalesce(quote_literal(pg_catalog.obj_description(k.oid, 'pg_constraint')), '') FROM pg_catalog.pg_constraint AS k \
         JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
         WHERE k.contype = 'f' AND k.conparentid = 0 AND pg_has_role(c.relowner, 'USAGE') AND n.nspname NOT IN ({NOT_COPIED}) AND n.nspname !~ '^pg_' ORDER BY k.oid"
    ))?;
    let change = |row: &Vec<String>| {
        let [schema, table, name, definition, comment] = row.as_slice() else { return None };
        let (table, name) = (qualified(schema, table), quoted(name));
        let remark =
            if comment.is_empty() { String::new() } else { format!("; COMMENT ON CONSTRAINT {name} ON {table} IS {comment}") };
        Some(Change {
            doing: format!("ALTER TABLE {table} DROP CONSTRAINT {name}"),
            undoing: format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}{remark}"),
        })
    };
    Ok(found.iter().filter_map(change).collect())
}
