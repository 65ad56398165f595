//! The auth API over a real database file.

mod cases;
mod errors;
mod flow;
mod hostile;
mod originals;
mod refresh;
mod secrets;
mod server;
