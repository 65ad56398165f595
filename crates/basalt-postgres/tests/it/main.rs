//! The engine against a private PostgreSQL: bootstrap, migrations, the services' transactions, and what must not leak between requests.

mod bootstrap;
mod catalog;
mod changes;
mod cuts;
mod faults;
mod isolation;
mod majors;
mod own;
mod poolers;
mod support;
mod tls;
mod ways;
