//! Answers compared with those recorded from PostgreSQL; see `tests/data/record.py`.

mod golden;
mod properties;
