//! How far the copy is, on standard error.

use std::time::{Duration, Instant};

use serde_json::json;

/// Pause between two lines about one table.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells about tables as their rows go by.
#[derive(Debug)]
pub struct Progress {
    is_json: bool,
    phase: &'static str,
    table: String,
    rows: u64,
    of: u64,
    began: Instant,
    told: Instant,
}

#[allow(clippy::disallowed_methods)] // monotonic time: rows a second
impl Progress {
    /// Nothing yet.
    pub fn new(is_json: bool) -> Self {
        let now = Instant::now();
        Self { is_json, phase: "", table: String::new(), rows: 0, of: 0, began: now, told: now }
    }

    /// A step without rows.
    pub fn step(&self, text: &str) {
        if self.is_json {
            eprintln!("{}", json!({"event": "step", "text": text}));
        } else {
            eprintln!("{text}");
        }
    }

    /// A table begins. So many rows are expected.
    pub fn begin(&mut self, phase: &'static str, table: &str, of: u64) {
        let now = Instant::now();
        (self.phase, self.rows, self.of, self.began, self.told) = (phase, 0, of, now, now);
        table.clone_into(&mut self.table);
    }

    /// More rows.
    pub fn add(&mut self, rows: u64) {
        self.rows += rows;
        if self.told.elapsed() >= PAUSE {
            self.told = Instant::now();
            self.tell(false);
        }
    }

    /// The table is done.
    pub fn end(&mut self) {
        self.tell(true);
    }

    fn tell(&self, is_done: bool) {
        let millis = self.began.elapsed().as_millis().max(1);
        let rate = u64::try_from(u128::from(self.rows) * 1000 / millis).unwrap_or(u64::MAX);
        let percent = if is_done { 100 } else { (self.rows.saturating_mul(100) / self.of.max(1)).min(99) };
        if self.is_json {
            let line = json!({"event": "rows", "phase": self.phase, "table": self.table, "rows": self.rows, "of": self.of,
                              "percent": percent, "rows_per_second": rate, "done": is_done});
            eprintln!("{line}");
        } else if self.rows > 0 {
            eprintln!("{:<8} {:<40} {:>12} rows {percent:>4} % {rate:>9} rows/s", self.phase, self.table, self.rows);
        }
    }
}
