//! Plans as SQL text, one module an engine. Text is made here and nowhere else; values are always parameters.

pub(crate) mod display;
pub mod postgres;
pub mod sqlite;
pub(crate) mod types;
