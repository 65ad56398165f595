//! Sequences: counters that no rollback turns back and that are never given out twice.
//!
//! Values live in memory; the next commit stores those that moved (`basalt_sequences`), before anybody is told. A value that only a
//! failed write saw is stored with the next commit, or at the end: after a crash in between it may be given out again, since it was
//! never part of anything committed.

use std::collections::HashMap;

use basalt_catalog::Sequence;
use basalt_types::{Oid, SqlError, SqlState};
use parking_lot::Mutex;

/// One counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counter {
    /// `schema.name`'s last part, for messages.
    pub(crate) name: String,
    pub(crate) last: i64,
    /// Whether `last` has been given out.
    pub(crate) is_called: bool,
    increment: i64,
    min: i64,
    max: i64,
    cycle: bool,
    /// Not stored since it moved.
    dirty: bool,
}

/// All counters of a database.
#[derive(Debug, Default)]
pub(crate) struct Sequences(Mutex<HashMap<Oid, Counter>>);

fn unknown(oid: Oid) -> SqlError {
    SqlError::new(SqlState::UNDEFINED_TABLE, format!("sequence with OID {} does not exist", oid.0))
}

impl Sequences {
    /// A new counter, before its first value.
    pub(crate) fn create(&self, oid: Oid, name: &str, settings: &Sequence) {
        self.0.lock().insert(
            oid,
            Counter {
                name: name.to_owned(),
                last: settings.start,
                is_called: false,
                increment: settings.increment,
                min: settings.min,
                max: settings.max,
                cycle: settings.cycle,
                dirty: true,
            },
        );
    }

    /// A counter as it was stored.
    pub(crate) fn restore(&self, oid: Oid, name: &str, settings: &Sequence, last: i64, is_called: bool) {
        self.create(oid, name, settings);
        if let Some(counter) = self.0.lock().get_mut(&oid) {
            (counter.last, counter.is_called, counter.dirty) = (last, is_called, false);
        }
    }

    /// New settings for an existing counter; its value stays.
    pub(crate) fn alter(&self, oid: Oid, name: &str, settings: &Sequence) {
        if let Some(counter) = self.0.lock().get_mut(&oid) {
            counter.name = name.to_owned();
            counter.increment = settings.increment;
            counter.min = settings.min;
            counter.max = settings.max;
            counter.cycle = settings.cycle;
        }
    }

    /// Whether there is such a counter.
    pub(crate) fn contains(&self, oid: Oid) -> bool {
        self.0.lock().contains_key(&oid)
    }

    /// Forgets a counter.
    pub(crate) fn remove(&self, oid: Oid) {
        self.0.lock().remove(&oid);
    }

    /// `nextval`.
    ///
    /// # Errors
    /// 2200H at the end of a sequence that does not cycle.
    pub(crate) fn next(&self, oid: Oid) -> Result<i64, SqlError> {
        let mut all = self.0.lock();
        let counter = all.get_mut(&oid).ok_or_else(|| unknown(oid))?;
        let value = if counter.is_called {
            let (end, bound, back) =
                if counter.increment > 0 { ("maximum", counter.max, counter.min) } else { ("minimum", counter.min, counter.max) };
            match counter.last.checked_add(counter.increment) {
                Some(next) if next >= counter.min && next <= counter.max => next,
                _ if counter.cycle => back,
                _ => {
                    return Err(SqlError::new(
                        SqlState::SEQUENCE_LIMIT,
                        format!("nextval: reached {end} value of sequence \"{}\" ({bound})", counter.name),
                    ));
                }
            }
        } else {
            counter.last
        };
        (counter.last, counter.is_called, counter.dirty) = (value, true, true);
        Ok(value)
    }

    /// `setval`.
    ///
    /// # Errors
    /// 22003 outside the sequence's bounds.
    pub(crate) fn set(&self, oid: Oid, value: i64, is_called: bool) -> Result<i64, SqlError> {
        let mut all = self.0.lock();
        let counter = all.get_mut(&oid).ok_or_else(|| unknown(oid))?;
        if value < counter.min || value > counter.max {
            return Err(SqlError::new(
                SqlState::OUT_OF_RANGE,
                format!(
                    "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                    counter.name, counter.min, counter.max
                ),
            ));
        }
        (counter.last, counter.is_called, counter.dirty) = (value, is_called, true);
        Ok(value)
    }

    /// The last value and whether it was given out.
    pub(crate) fn last(&self, oid: Oid) -> Result<(i64, bool), SqlError> {
        self.0.lock().get(&oid).map(|c| (c.last, c.is_called)).ok_or_else(|| unknown(oid))
    }

    /// A counter's name, for messages.
    ///
    /// # Errors
    /// 42P01 when there is no such counter.
    pub(crate) fn name(&self, oid: Oid) -> Result<String, SqlError> {
        self.0.lock().get(&oid).map(|c| c.name.clone()).ok_or_else(|| unknown(oid))
    }

    /// Counters that moved since they were stored.
    pub(crate) fn dirty(&self) -> Vec<(Oid, i64, bool)> {
        self.0.lock().iter().filter(|(_, c)| c.dirty).map(|(oid, c)| (*oid, c.last, c.is_called)).collect()
    }

    /// These values are stored now.
    pub(crate) fn stored(&self, values: &[(Oid, i64, bool)]) {
        let mut all = self.0.lock();
        for (oid, last, is_called) in values {
            if let Some(counter) = all.get_mut(oid)
                && counter.last == *last
                && counter.is_called == *is_called
            {
                counter.dirty = false;
            }
        }
    }

    /// All counters, to go back to when a change of the schema fails.
    pub(crate) fn keep(&self) -> HashMap<Oid, Counter> {
        self.0.lock().clone()
    }

    /// Back to the counters of before; values given out since stay given out.
    pub(crate) fn go_back(&self, before: HashMap<Oid, Counter>) {
        let mut all = self.0.lock();
        let now = std::mem::replace(&mut *all, before);
        for (oid, counter) in all.iter_mut() {
            if let Some(later) = now.get(oid)
                && later.increment == counter.increment
                && (later.is_called, later.last) != (counter.is_called, counter.last)
            {
                let is_further = if counter.increment > 0 { later.last >= counter.last } else { later.last <= counter.last };
                if is_further {
                    (counter.last, counter.is_called) = (later.last, later.is_called);
                }
            }
            // Whatever was written in between is rolled back.
            counter.dirty = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(start: i64, increment: i64, min: i64, max: i64, cycle: bool) -> Sequence {
        Sequence { ty: 20, start, increment, min, max, cycle, cache: 1, owned_by: None }
    }

    #[test]
    fn values_come_once_and_end_where_postgresql_ends() {
        let all = Sequences::default();
        all.create(Oid(1), "s", &settings(2, 2, 1, 5, false));
        assert_eq!(all.next(Oid(1)), Ok(2));
        assert_eq!(all.next(Oid(1)), Ok(4));
        let error = all.next(Oid(1)).expect_err("the end");
        assert_eq!(error.message, "nextval: reached maximum value of sequence \"s\" (5)");
        assert_eq!(all.set(Oid(1), 3, false), Ok(3));
        assert_eq!(all.next(Oid(1)), Ok(3));
        all.create(Oid(2), "c", &settings(1, 1, 1, 2, true));
        assert_eq!((all.next(Oid(2)), all.next(Oid(2)), all.next(Oid(2))), (Ok(1), Ok(2), Ok(1)));
    }

    #[test]
    fn going_back_keeps_what_was_given_out() {
        let all = Sequences::default();
        all.create(Oid(1), "s", &settings(1, 1, 1, 100, false));
        let before = all.keep();
        let _ = (all.next(Oid(1)), all.next(Oid(1)));
        all.create(Oid(2), "t", &settings(1, 1, 1, 100, false));
        all.go_back(before);
        assert!(!all.contains(Oid(2)));
        assert_eq!(all.next(Oid(1)), Ok(3));
    }
}
