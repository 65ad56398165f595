//! The engine against a private PostgreSQL: bootstrap, migrations, the services' transactions, and what must not leak between requests.

mod bootstrap;
mod catalog;
mod isolation;
mod own;
mod support;
mod tls;
