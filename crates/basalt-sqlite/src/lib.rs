//! The embedded engine: one SQLite file behind [`basalt_engine::Engine`].
//!
//! What it is for: running compiled programs durably and fast, keeping the catalog, applying migrations. What it does not do: it knows
//! no wire format beyond rows as JSON and CSV, decides no privilege (the guard did, in `basalt-plan`), and makes no SQL for users'
//! tables except DDL.
//!
//! Start with [`SqliteEngine`] in `engine.rs`; then follow a read through `readers` and a write through `commit`.
//!
//! | module | what |
//! |---|---|
//! | `engine`, `options`, `shared` | the door; how it is opened; what its threads share |
//! | `connection` | an opened, hardened connection; statements on the raw interface; deadlines; the authorizer |
//! | `commit` | the one writing thread: batches, savepoints, who runs again after a failure, checkpoints |
//! | `readers` | reading connections, kept snapshots, one read to its bytes |
//! | `batch` | several plans in one transaction |
//! | `programs`, `compile`, `bind` | plans and SQL to ready programs, cached; what is bound to their parameters |
//! | `encode` | rows to JSON and CSV |
//! | `write` | the pipeline of INSERT, UPDATE and DELETE |
//! | `routine` | the users' functions, called from statements |
//! | `plpgsql` | the interpreter of functions in PL/pgSQL |
//! | `own` | transactions of the surfaces on their own tables |
//! | `store`, `sequences` | the catalog and the counters in the file |
//! | `schema`, `migrate` | DDL in the file; migrations, history, seeds, Basalt's own tables |
//! | `bulk` | whole tables in and out, for `basalt copy` |
//! | `receipts` | what requests with a key of their caller's answered |
//! | `integrity` | whether the file is sound |
//! | `functions` | the functions and collations that generated SQL calls |
//! | `keys`, `error`, `names` | which constraint failed; SQLite's failures as SQLSTATEs; names in the file |
//!
//! To add a function: its row in `basalt_sql::analyze::builtins`, its name in `basalt_plan`'s host list, its line in a table of
//! `functions`. To add a DDL step: an arm in `schema::take`.

mod batch;
mod bind;
mod bulk;
mod call;
mod commit;
mod compile;
mod connection;
mod encode;
mod engine;
mod error;
mod explain;
mod functions;
mod integrity;
mod keys;
#[allow(clippy::result_large_err)] // an error a file, with its place and advice; never on a request's way
mod migrate;
mod names;
mod options;
mod own;
mod plpgsql;
mod programs;
mod readers;
mod receipts;
mod refusal;
mod routine;
mod schema;
mod sequences;
mod shared;
mod store;
mod write;

pub use basalt_engine::migrate::{AppliedMigration, MigrationError, MigrationFile, RepairStatus};
pub use bulk::SqliteBulk;
pub use engine::SqliteEngine;
pub use options::{SqliteOptions, Synchronous};
