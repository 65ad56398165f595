//! Statements and their answers on SQLite, compared with PostgreSQL 17 byte for byte; and real projects' migrations, counted.
//!
//! The cases are texts in `tests/cases/sql`; [`case`] says how they are written. To add one: write it into the file of its subject; to
//! add a file: name it in [`files`] too.

mod case;
mod corpus;
mod document;
mod engines;
mod run;

/// One test a file, so that they run side by side.
macro_rules! files {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                run::file(stringify!($name));
            }
        )*

        #[test]
        fn every_file_is_run() {
            run::assert_files(&[$(stringify!($name)),*]);
        }
    };
}

files!(
    arithmetic,
    arrays,
    casts,
    constraints,
    defaults,
    drops,
    enums,
    foreign_keys,
    function_rights,
    functions,
    identifiers,
    indexes,
    instead,
    json,
    materialized,
    numeric,
    ordering,
    plpgsql,
    plpgsql_functions,
    policies,
    privileges,
    queries,
    refused,
    renames,
    seeds,
    sequences,
    table_changes,
    text,
    times,
    trigger_functions,
    triggers,
    types,
    view_rights,
    views,
    writes,
);
