//! Whether the file is sound, asked of SQLite itself.
//!
//! Indexes may stand on functions of ours, which other programs do not have: only a connection of the engine can look at all of them.

use std::sync::Arc;
use std::time::Duration;

use basalt_types::{SqlError, Value};

use crate::commit::{Kind, Task};
use crate::engine::SqliteEngine;

/// Longest time for looking at a file.
const TIMEOUT: Duration = Duration::from_secs(3600);

impl SqliteEngine {
    /// Reads the whole file and says what is wrong with it: pages, indexes that do not fit their tables, rows that refer to rows that
    /// are not there. Empty: it is sound. Writes wait meanwhile. Not for async code.
    ///
    /// # Errors
    /// What reading reports.
    pub fn integrity(&self) -> Result<Vec<String>, SqlError> {
        let task: Task = Arc::new(|desk| {
            let mut complaints = Vec::new();
            for row in desk.connection.query_once("PRAGMA integrity_check", &[]).map_err(SqlError::from)? {
                match row.into_iter().next() {
                    Some(Value::Text(verdict)) if verdict == "ok" => {}
                    Some(Value::Text(verdict)) => complaints.push(verdict),
                    _ => {}
                }
            }
            for row in desk.connection.query_once("PRAGMA foreign_key_check", &[]).map_err(SqlError::from)? {
                let name = |n: usize| if let Some(Value::Text(text)) = row.get(n) { text.as_str() } else { "" };
                complaints.push(format!("a row of {} refers to a row of {} that is not there", name(0), name(2)));
            }
            Ok(Box::new(complaints))
        });
        let boxed = self.wait(task, Kind::Long, false, TIMEOUT)?;
        boxed.downcast().map(|all| *all).map_err(|_| SqlError::internal("the check answered with another value"))
    }
}
