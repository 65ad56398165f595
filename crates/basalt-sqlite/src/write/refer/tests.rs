use std::sync::{Arc, Mutex};

use basalt_catalog::Action;
use basalt_engine::migrate::MigrationFile;
use basalt_plan::program::{ChildKey, Program};

use super::statement;
use crate::commit::{Desk, Kind, Task};
use crate::migrate::TIMEOUT;
use crate::{SqliteEngine, SqliteOptions, compile};

const TABLES: &str = "
    create table parents (id int primary key, name text);
    create table children (id int primary key, parent int references parents on delete cascade on update cascade);
    create index on children (parent);
    create table notes (a uuid, b text, foreign key (a, b) references keys on delete set null);
    create index on notes (a, b);";

/// The statements of all actions of a table's keys.
fn actions(desk: &Desk<'_>, parent: &str) -> Vec<(Action, bool, ChildKey)> {
    let program = compile::text(&format!("delete from {parent}"), &desk.catalog(), desk.expressions()).expect("a delete");
    let Program::Write(program) = program else { panic!("a delete is no read") };
    let of = |key: &ChildKey| [(key.on_delete, true, key.clone()), (key.on_update, false, key.clone())];
    program.child_keys.iter().flat_map(of).filter(|(action, ..)| *action != Action::NoAction).collect()
}

/// How SQLite finds the rows that actions on a table act on, and what a NO ACTION key looks for.
fn plans(desk: &Desk<'_>, parent: &str) -> Vec<String> {
    let catalog = desk.catalog();
    let mut plans = Vec::new();
    for (action, is_delete, key) in actions(desk, parent) {
        let child = catalog.relation_by_oid(key.child).expect("the referring table");
        let sql = statement(&catalog, child, &key, action, is_delete);
        let Program::Write(program) = compile::text(&sql, &catalog, desk.expressions()).expect("an action") else {
            panic!("an action is no read")
        };
        let targets = program.targets.as_ref().expect("an action has target rows");
        for sql in [&targets.sql, &key.rows.sql] {
            let rows = desk.connection.query_once(&format!("EXPLAIN QUERY PLAN {sql}"), &[]).expect("a plan");
            plans.extend(rows.into_iter().filter_map(|mut row| row.pop()).map(|detail| format!("{detail:?}")));
        }
    }
    plans
}

#[test]
fn actions_find_referring_rows_by_the_index_on_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = SqliteEngine::open(SqliteOptions::new(folder.path().join("data.db"))).expect("an engine");
    let text = format!("create table keys (a uuid, b text, primary key (a, b));{TABLES}");
    let file = MigrationFile { version: "1".into(), name: "tables".into(), text };
    engine.apply_migration(&file).expect("the tables");
    let found: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&found);
    let task: Task = Arc::new(move |desk| {
        *seen.lock().expect("the plans") = [plans(desk, "parents"), plans(desk, "keys")].concat();
        Ok(Box::new(()))
    });
    engine.wait(task, Kind::Long, true, TIMEOUT).expect("the plans");
    let found = found.lock().expect("the plans");
    assert_eq!(found.len(), 6, "{found:#?}");
    for plan in found.iter() {
        assert!(plan.contains("SEARCH") && plan.contains("_idx"), "{plan}");
    }
}
