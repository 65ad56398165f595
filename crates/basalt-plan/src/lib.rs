//! What was asked -> plan -> guard -> statement: pure text and data, no I/O.
//!
//! - [`ask`]: a request in words, before names are looked up; [`plan`]: what will happen, checked against the catalog.
//! - [`resolve`]: from one to the other, against the catalog.
//! - [`guard`]: grants and row policies, put into the plan's typed tree.
//! - [`dialect`]: guarded plans as an engine's SQL; [`program`]: what an engine then runs, pure data.
//! - [`expressions`]: the catalog's expression texts (policies, checks, defaults), analysed once per catalog version.

pub mod ask;
pub mod dialect;
pub mod expressions;
#[cfg(test)]
mod fixture;
pub mod guard;
pub mod plan;
pub mod program;
mod raising;
pub mod resolve;
mod write_program;

#[cfg(test)]
mod golden;
