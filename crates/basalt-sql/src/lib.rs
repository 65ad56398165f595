//! PostgreSQL's SQL: split, parse, our tree, analysis against the catalog, compilation of DDL. Pure: text and data in, text and data out.
//!
//! - [`split`]: statements of a file, with positions, whatever the quoting.
//! - [`parse`]: text to [`tree`]; [`plpgsql`]: function bodies. The parser crate is hidden behind these two.
//! - [`print`]: tree to canonical PostgreSQL text; what is printed parses to the same tree.
//! - [`analyze`]: tree + catalog to [`typed`]: names resolved, types inferred and coerced as PostgreSQL does.
//! - [`majors`]: what an older PostgreSQL does not have, by name.
//! - [`ddl`]: statement + catalog to the changed catalog and the storage steps an engine must take.
//!
//! What it does not do: it knows no policy, no engine's dialect, no connection.

pub mod analyze;
pub mod bootstrap;
pub mod ddl;
pub mod majors;
pub mod parse;
pub mod plpgsql;
pub mod print;
pub mod split;
pub mod tree;
pub mod typed;
