//! Reads: connections near the request for short ones, a bounded pool of threads for all others.
//!
//! A connection keeps its snapshot open while nothing was committed since it was taken: [`Slot::begin`]. Kept snapshots that rest are
//! ended by the keeper, and by the writer when it must restart the log.

pub(crate) mod answer;
mod mapping;
mod slot;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use basalt_types::SqlError;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error;
use crate::shared::Shared;

pub(crate) use slot::Slot;

/// Work for a thread of the pool.
pub(crate) type ReadJob = Box<dyn FnOnce(&mut Slot) + Send>;

/// Threads that asked for a near connection so far.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Where this thread looks for a near connection first: the same one each time, so that its pages and its snapshot are at hand.
    static HOME: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// A connection's place; opened when first used.
type Place = Mutex<Option<Slot>>;

/// Near connections, pool and keeper.
pub(crate) struct Readers {
    shared: Arc<Shared>,
    near: Vec<Place>,
    pooled: Vec<Place>,
    sender: Mutex<Option<Sender<ReadJob>>>,
    queue: Receiver<ReadJob>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    keeper: Keeper,
}

/// Wakes the thread that ends resting snapshots.
#[derive(Default)]
struct Keeper {
    has_work: AtomicBool,
    is_closing: AtomicBool,
    gate: Mutex<()>,
    bell: Condvar,
}

impl Readers {
    /// Starts pool and keeper; connections open when first used.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Arc<Self>, SqlError> {
        let options = &shared.options;
        let (sender, queue) = crossbeam_channel::bounded(options.max_queued_reads.max(1));
        let places = |n: usize| (0..n.max(1)).map(|_| Mutex::new(None)).collect::<Vec<Place>>();
        let readers = Arc::new(Self {
            near: places(options.near_readers),
            pooled: places(options.readers),
            sender: Mutex::new(Some(sender)),
            queue,
            threads: Mutex::new(Vec::new()),
            keeper: Keeper::default(),
            shared,
        });
        let spawn = |name: String, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name).stack_size(crate::routine::STACK_BYTES).spawn(work);
            thread.map_err(|_| SqlError::internal("no thread for a reader"))
        };
        for i in 0..readers.pooled.len() {
            let own = Arc::clone(&readers);
            let thread = spawn(format!("basalt-reader-{i}"), Box::new(move || own.serve(i)))?;
            readers.threads.lock().push(thread);
        }
        let own = Arc::clone(&readers);
        let thread = spawn("basalt-keeper".into(), Box::new(move || own.keep()))?;
        readers.threads.lock().push(thread);
        Ok(readers)
    }

    /// A free near connection, when there is one right now.
    pub(crate) fn near(&self) -> Option<NearSlot<'_>> {
        let first = HOME.with(|home| *home);
        for i in 0..self.near.len() {
            let place = self.near.get(first.wrapping_add(i) % self.near.len())?;
            if let Some(mut guard) = place.try_lock() {
                if guard.is_none() {
                    *guard = Slot::open(&self.shared).ok();
                }
                return guard.is_some().then_some(NearSlot { guard, readers: self });
            }
        }
        None
    }

    /// Queues a read.
    ///
    /// # Errors
    /// 53300 when the queue is full, 57P01 when the engine is closing.
    pub(crate) fn submit(&self, job: ReadJob) -> Result<(), SqlError> {
        match self.sender.lock().as_ref().map(|sender| sender.try_send(job)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(error::too_many("reads")),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(error::closing()),
        }
    }

    /// Why a queued read was dropped without an answer: the engine closes, or the read panicked.
    pub(crate) fn dropped(&self) -> SqlError {
        if self.sender.lock().is_none() { error::closing() } else { SqlError::internal("a read failed inside the engine") }
    }

    /// Reads that wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    fn serve(&self, place: usize) {
        let Some(place) = self.pooled.get(place) else { return };
        while let Ok(job) = self.queue.recv() {
            let mut guard = place.lock();
            if guard.is_none() {
                match Slot::open(&self.shared) {
                    Ok(slot) => *guard = Some(slot),
                    // The job is dropped; whoever waits for it sees its reply gone.
                    Err(error) => tracing::error!(%error, "a reader cannot open the database"),
                }
            }
            if let Some(slot) = guard.as_mut() {
                if catch_unwind(AssertUnwindSafe(|| job(slot))).is_ok() {
                    self.note_kept(slot);
                } else {
                    // Whoever waits sees its reply gone. What the connection was left in is not worth finding out.
                    self.shared.counters.panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!("a read panicked");
                    *guard = None;
                }
            }
        }
    }

    fn note_kept(&self, slot: &Slot) {
        // Looked at before it is set: a line that all cores write to would travel between them with every read.
        if slot.is_kept() && !self.keeper.has_work.load(Ordering::Relaxed) && !self.keeper.has_work.swap(true, Ordering::Relaxed)
        {
            self.keeper.bell.notify_one();
        }
    }

    /// The keeper's thread: looks while some snapshot is kept, sleeps otherwise.
    fn keep(&self) {
        let idle = self.shared.options.snapshot_idle.max(Duration::from_millis(1));
        while !self.keeper.is_closing.load(Ordering::Relaxed) {
            let mut gate = self.keeper.gate.lock();
            if self.keeper.has_work.load(Ordering::Relaxed) {
                self.keeper.bell.wait_for(&mut gate, idle / 2);
                drop(gate);
                self.keeper.has_work.store(false, Ordering::Relaxed);
                if self.release_idle(idle) {
                    self.keeper.has_work.store(true, Ordering::Relaxed);
                }
            } else {
                // The timeout only guards against a bell that rang between the look and the wait.
                self.keeper.bell.wait_for(&mut gate, Duration::from_secs(1));
            }
        }
    }

    /// Ends snapshots that rest for longer than this. True when some stay (younger, or in use).
    pub(crate) fn release_idle(&self, idle: Duration) -> bool {
        let mut some_stay = false;
        for place in self.near.iter().chain(&self.pooled) {
            match place.try_lock() {
                Some(mut guard) => {
                    if let Some(slot) = guard.as_mut() {
                        some_stay |= slot.release(idle);
                    }
                }
                None => some_stay = true,
            }
        }
        some_stay
    }

    /// Ends all snapshots, waiting for reads under way.
    pub(crate) fn release_all(&self) {
        for place in self.near.iter().chain(&self.pooled) {
            if let Some(slot) = place.lock().as_mut() {
                slot.release(Duration::ZERO);
            }
        }
    }

    /// Takes no more reads, ends those that wait, closes the connections.
    pub(crate) fn close(&self) {
        drop(self.sender.lock().take());
        self.keeper.is_closing.store(true, Ordering::Relaxed);
        self.keeper.bell.notify_all();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            let _ = thread.join();
        }
        for place in self.near.iter().chain(&self.pooled) {
            *place.lock() = None;
        }
    }
}

/// A near connection in use.
pub(crate) struct NearSlot<'r> {
    guard: MutexGuard<'r, Option<Slot>>,
    readers: &'r Readers,
}

impl NearSlot<'_> {
    /// The connection.
    pub(crate) fn slot(&mut self) -> Option<&mut Slot> {
        self.guard.as_mut()
    }
}

impl Drop for NearSlot<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The edge answers 500 and counts it; the connection is not used again.
            *self.guard = None;
        }
        if let Some(slot) = self.guard.as_ref() {
            self.readers.note_kept(slot);
        }
    }
}
