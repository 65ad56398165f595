//! The REST cases (`tests/cases/rest`) against the SQLite engine, in process; and properties of the parsers.

mod cases;
mod properties;
