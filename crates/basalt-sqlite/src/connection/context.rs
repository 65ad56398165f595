//! What the functions, the progress handler and the authorizer of a connection know of the statement that runs on it.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use basalt_types::{SqlError, Timestamp};
use parking_lot::Mutex;

use crate::error;

/// Virtual machine steps between two looks at the deadline. About 10 microseconds of work.
pub(crate) const STEPS_PER_CHECK: i32 = 1000;

/// Why a statement was stopped from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stop {
    /// It was not.
    None = 0,
    /// Its deadline passed.
    Deadline = 1,
    /// It used up its budget of steps.
    Budget = 2,
}

/// Tables a statement may touch, by their SQLite names.
pub(crate) type Tables = Arc<HashSet<String>>;

/// Shared by a connection and the closures registered on it. One statement at a time: the fields are atomic only so that the
/// closures may be `Send`.
pub(crate) struct RunContext {
    origin: Instant,
    /// Nanoseconds since `origin`; 0: none.
    deadline: AtomicU64,
    /// Checks left; negative: no bound.
    budget: AtomicI64,
    stop: AtomicU8,
    now: AtomicI64,
    /// Whether the authorizer looks at all; off for our own work.
    guarded: AtomicBool,
    tables: Mutex<Option<Tables>>,
    /// Set by whoever no longer wants the answer.
    cancelled: Mutex<Option<Arc<AtomicBool>>>,
    /// What `set_config` set in the request that runs, by lower-case name.
    settings: Mutex<BTreeMap<String, String>>,
    /// What aggregates that write JSON need of the program, type-erased so that this file knows no encoder.
    shapes: Mutex<Option<Arc<dyn std::any::Any + Send + Sync>>>,
}

impl RunContext {
    #[allow(clippy::disallowed_methods)] // monotonic time for deadlines
    pub(crate) fn new() -> Self {
        Self {
            origin: Instant::now(),
            deadline: AtomicU64::new(0),
            budget: AtomicI64::new(-1),
            stop: AtomicU8::new(0),
            now: AtomicI64::new(0),
            guarded: AtomicBool::new(false),
            tables: Mutex::new(None),
            cancelled: Mutex::new(None),
            settings: Mutex::default(),
            shapes: Mutex::new(None),
        }
    }

    /// Sets the bounds of the next statements.
    pub(crate) fn begin(&self, deadline: Option<Instant>, budget: Option<u32>, now: Timestamp) {
        let deadline = deadline.map_or(0, |d| nanos(d.saturating_duration_since(self.origin)).max(1));
        self.deadline.store(deadline, Ordering::Relaxed);
        self.budget.store(budget.map_or(-1, i64::from), Ordering::Relaxed);
        self.stop.store(Stop::None as u8, Ordering::Relaxed);
        self.now.store(now.0, Ordering::Relaxed);
    }

    /// Sets the bounds of another connection's statements for the next ones here: both work for one job.
    pub(crate) fn begin_as(&self, other: &Self) {
        let nanos = other.deadline.load(Ordering::Relaxed);
        let deadline = (nanos != 0).then(|| other.origin + Duration::from_nanos(nanos));
        self.begin(deadline, None, other.now());
    }

    /// What stopped a statement on another connection counts as having stopped one here.
    pub(crate) fn stop_as(&self, other: &Self) {
        self.stop.store(other.stop.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// No bounds any more.
    pub(crate) fn end(&self) {
        self.deadline.store(0, Ordering::Relaxed);
        self.budget.store(-1, Ordering::Relaxed);
        self.guarded.store(false, Ordering::Relaxed);
    }

    /// The statement's `now()`.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    /// Why the last statement was stopped.
    pub(crate) fn stopped(&self) -> Stop {
        match self.stop.load(Ordering::Relaxed) {
            1 => Stop::Deadline,
            2 => Stop::Budget,
            _ => Stop::None,
        }
    }

    fn is_late(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        deadline != 0 && nanos(self.origin.elapsed()) >= deadline
    }

    /// Called every [`STEPS_PER_CHECK`] steps: true ends the statement.
    pub(crate) fn progress(&self) -> bool {
        let budget = self.budget.load(Ordering::Relaxed);
        if budget == 0 {
            self.stop.store(Stop::Budget as u8, Ordering::Relaxed);
            return true;
        }
        if budget > 0 {
            self.budget.store(budget - 1, Ordering::Relaxed);
        }
        let late = self.is_late() || self.is_cancelled();
        if late {
            self.stop.store(Stop::Deadline as u8, Ordering::Relaxed);
        }
        late
    }

    /// A flag that ends the next statements when it is set; none any more.
    pub(crate) fn set_cancelled(&self, flag: Option<Arc<AtomicBool>>) {
        *self.cancelled.lock() = flag;
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.lock().as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed))
    }

    /// For long loops inside functions.
    pub(crate) fn check_deadline(&self) -> Result<(), SqlError> {
        if self.is_late() || self.is_cancelled() {
            self.stop.store(Stop::Deadline as u8, Ordering::Relaxed);
            return Err(error::timeout());
        }
        Ok(())
    }

    /// From now on statements may touch these tables only.
    pub(crate) fn guard(&self, tables: &Tables) {
        let mut kept = self.tables.lock();
        if !kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, tables)) {
            *kept = Some(Arc::clone(tables));
        }
        drop(kept);
        self.guarded.store(true, Ordering::Relaxed);
    }

    /// Statements are ours again: the authorizer looks away.
    pub(crate) fn unguard(&self) {
        self.guarded.store(false, Ordering::Relaxed);
        *self.tables.lock() = None;
    }

    /// Binds what `work` prepares to these tables, and what follows to those of before.
    pub(crate) fn guarded_by<T>(&self, tables: &Tables, work: impl FnOnce() -> T) -> T {
        let was_guarded = self.is_guarded();
        let before = self.tables.lock().replace(Arc::clone(tables));
        self.guarded.store(true, Ordering::Relaxed);
        let done = work();
        *self.tables.lock() = before;
        self.guarded.store(was_guarded, Ordering::Relaxed);
        done
    }

    /// Looks away for a while; answers what [`Self::resume_guard`] wants back.
    pub(crate) fn pause_guard(&self) -> bool {
        self.guarded.swap(false, Ordering::Relaxed)
    }

    /// Goes on as before the pause.
    pub(crate) fn resume_guard(&self, was_guarded: bool) {
        self.guarded.store(was_guarded, Ordering::Relaxed);
    }

    /// Whether the authorizer applies.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guarded.load(Ordering::Relaxed)
    }

    /// Whether the running program declared this table.
    pub(crate) fn may_touch(&self, table: &str) -> bool {
        self.tables.lock().as_ref().is_some_and(|tables| tables.contains(table))
    }

    /// Keeps a setting until the request ends.
    pub(crate) fn set_setting(&self, name: &str, value: String) {
        self.settings.lock().insert(name.to_owned(), value);
    }

    /// A setting that the request has made.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        self.settings.lock().get(name).cloned()
    }

    /// Forgets all settings: nothing of a request reaches the next.
    pub(crate) fn clear_settings(&self) {
        self.settings.lock().clear();
    }

    /// Gives aggregates what they need of the program.
    pub(crate) fn set_shapes(&self, shapes: Option<Arc<dyn std::any::Any + Send + Sync>>) {
        *self.shapes.lock() = shapes;
    }

    /// As [`Self::set_shapes`]; answers what was given before, to be put back after a statement inside a statement.
    pub(crate) fn replace_shapes(
        &self,
        shapes: Option<Arc<dyn std::any::Any + Send + Sync>>,
    ) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        std::mem::replace(&mut *self.shapes.lock(), shapes)
    }

    /// What was given.
    pub(crate) fn shapes(&self) -> Option<Arc<dyn std::any::Any + Send + Sync>> {
        self.shapes.lock().clone()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
