//! How much memory the values of running functions take together, on this thread.

use std::cell::Cell;

use basalt_types::{SqlError, SqlState, Value};

thread_local! {
    static TOTAL: Cell<usize> = const { Cell::new(0) };
}

/// What one run holds; given back when it ends.
pub(super) struct Held {
    bytes: usize,
    most: usize,
}

/// What a value is counted as, bytes.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Int(_) | Value::Real(_) => 0,
    }
}

/// What a row is counted as, bytes.
pub(super) fn row_size(row: &[Value]) -> usize {
    row.iter().map(|value| size(value) + size_of::<Value>()).sum()
}

impl Held {
    /// `most`: what all runs of this thread may hold together, bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: 0, most }
    }

    /// Counts more.
    ///
    /// # Errors
    /// 53200.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), SqlError> {
        let total = TOTAL.get().saturating_add(bytes);
        if bytes > 0 && total > self.most {
            return Err(SqlError::new(SqlState::OUT_OF_MEMORY, "out of memory")
                .detail(format!("The values of running functions may take {} bytes together.", self.most)));
        }
        TOTAL.set(total);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Counts less.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        TOTAL.set(TOTAL.get().saturating_sub(bytes));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(self.bytes);
    }
}
