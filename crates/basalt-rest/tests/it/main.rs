//! The REST cases (`tests/cases/rest`) against the SQLite engine, in process, and against PostgreSQL by the
//! plan's other dialect; and properties of the parsers.

mod calls;
mod cases;
mod coverage;
mod fuzz;
mod postgres;
mod properties;
mod receipts;
mod settings;
