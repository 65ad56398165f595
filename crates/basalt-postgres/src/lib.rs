//! The PostgreSQL engine: plans as PostgreSQL's own SQL, run under the caller's role, with PostgreSQL enforcing grants and policies.
//!
//! Two logins. Requests run as one that is a member of the API's roles and owns nothing; everything Basalt does for itself (the
//! services' tables, migrations, reading the catalog) runs over the other. What it does not do: no guard, since the database is one;
//! no SQL for users' tables, which is `basalt_plan`'s.
//!
//! | module | what |
//! |---|---|
//! | `engine` | opening, the catalog and its changes, the [`basalt_engine::Engine`] trait |
//! | `request` | one request in one pipeline, and what keeps it from the next |
//! | `address`, `tls` | URLs as libpq reads them, and whose certificates count |
//! | `short`, `wire` | the common request with one Sync, over a connection of our own kind; `traces`: what code may leave there |
//! | `cost` | what a statement is estimated to cost, where that is bounded |
//! | `batch` | several plans in one transaction |
//! | `receipts` | what requests with a key of their caller's answered |
//! | `pool`, `connect` | connections: lanes, limits, waiting, reconnecting, cancelling |
//! | `pooler`, `replicas` | what stands before the server, and what follows it |
//! | `own`, `value` | transactions of the services on their own tables |
//! | `introspect`, `watch` | the catalog out of the system catalogs, and its changes |
//! | `migrate` | history, migrations, seeds |
//! | `bootstrap` | what a new database gets, and what an existing one lacks |
//! | `foreign` | databases that are not Basalt's own: one login, how transactions begin, settings in the database, its channel |
//! | `bulk` | whole tables in and out, for `basalt copy` |
//! | `error` | PostgreSQL's errors as they came |

mod address;
mod batch;
mod bootstrap;
mod bulk;
mod connect;
mod cost;
mod engine;
mod error;
mod foreign;
mod introspect;
mod migrate;
mod options;
mod origins;
mod own;
mod pool;
mod pooler;
mod receipts;
mod replicas;
mod request;
mod short;
mod tls;
mod traces;
mod value;
mod watch;
mod wire;

pub use bootstrap::{Contents, Examined, Found, Lacks, Refusal};
pub use bulk::PostgresBulk;
pub use engine::PostgresEngine;
pub use foreign::{Foreign, Notice};
pub use options::PostgresOptions;
