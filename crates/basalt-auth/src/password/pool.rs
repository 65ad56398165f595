//! A few threads that hash. Each has the memory of one hash, so that all hashing together is bounded, whatever arrives; a thread
//! with nothing to do gives it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use argon2::Block;
use basalt_types::{Rng, Secret};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::hash::{self, HashForm, StoredHash};
use crate::config::Hashing;
use crate::error::AuthError;

type Job = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// What checking a password says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Whether it is right.
    pub is_right: bool,
    /// A hash of today's kind to store in place of the old one; only when the password is right.
    pub better_hash: Option<String>,
}

/// The threads and their queue.
pub(crate) struct HashPool {
    /// `None` only while dropping.
    jobs: Option<SyncSender<Job>>,
    hashing: Hashing,
    dummy: Arc<StoredHash>,
    rng: Arc<dyn Rng>,
    figures: Arc<Figures>,
}

/// What the pool has done and has to do.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Hashes computed since start.
    pub computed: AtomicU64,
    /// Requests waiting or being worked on.
    pub pending: AtomicU64,
    /// Of these, those no thread has taken.
    queued: AtomicU64,
    /// Requests refused because too many waited.
    pub refused: AtomicU64,
}

impl HashPool {
    pub(crate) fn new(hashing: Hashing, rng: Arc<dyn Rng>) -> Self {
        let (jobs, queue) = sync_channel::<Job>(hashing.queue.max(1));
        let queue = Arc::new(Mutex::new(queue));
        let figures = Arc::new(Figures::default());
        for n in 0..hashing.threads.max(1) {
            let (queue, figures) = (Arc::clone(&queue), Arc::clone(&figures));
            let thread = std::thread::Builder::new().name(format!("basalt-hash-{n}"));
            if let Err(error) = thread.spawn(move || work(&queue, &figures)) {
                // The others do the work; with none at all each sign-in is answered 503.
                tracing::error!(%error, "a thread for password hashes could not be started");
            }
        }
        Self { jobs: Some(jobs), hashing, dummy: Arc::new(hash::dummy(&hashing)), rng, figures }
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// `Overloaded` when too many wait.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String, AuthError> {
        let (salt, hashing, figures) = (self.salt(), self.hashing, Arc::clone(&self.figures));
        self.run(move |memory| {
            figures.computed.fetch_add(1, Ordering::Relaxed);
            hash::new_hash(password.reveal().as_bytes(), salt, &hashing, memory)
        })
        .await?
        .ok_or(AuthError::Database("Error hashing password"))
    }

    /// Checks a password against a stored hash. Without one (no such user, no password set), or with one that cannot be computed, it
    /// does the same work and says no.
    ///
    /// # Errors
    /// `Overloaded` when too many wait.
    pub(crate) async fn check(&self, stored: Option<String>, password: Secret) -> Result<Checked, AuthError> {
        let (salt, hashing, dummy, figures) = (self.salt(), self.hashing, Arc::clone(&self.dummy), Arc::clone(&self.figures));
        self.run(move |memory| {
            figures.computed.fetch_add(1, Ordering::Relaxed);
            let password = password.reveal().as_bytes();
            let Some(HashForm::Good(stored)) = stored.as_deref().map(StoredHash::parse) else {
                dummy.verify(password, memory);
                return Checked { is_right: false, better_hash: None };
            };
            let is_right = stored.verify(password, memory);
            let is_current = stored.is_current(&hashing);
            let better_hash = (is_right && !is_current).then(|| hash::new_hash(password, salt, &hashing, memory)).flatten();
            Checked { is_right, better_hash }
        })
        .await
    }

    /// For monitoring.
    pub(crate) fn figures(&self) -> &Figures {
        &self.figures
    }

    fn salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        self.rng.fill(&mut salt);
        salt
    }

    async fn run<T: Send + 'static>(&self, job: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static) -> Result<T, AuthError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            if !reply.is_closed() {
                // A client that has gone away needs no hash.
                let _ = reply.send(job(memory));
            }
        });
        let jobs = self.jobs.as_ref().ok_or(AuthError::Overloaded)?;
        let _pending = Pending::new(&self.figures);
        self.figures.queued.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = jobs.try_send(job) {
            self.figures.queued.fetch_sub(1, Ordering::Relaxed);
            self.figures.refused.fetch_add(1, Ordering::Relaxed);
            return Err(AuthError::Overloaded);
        }
        answer.await.map_err(|_| AuthError::Overloaded)
    }
}

/// Counts a request for as long as somebody waits for it.
struct Pending<'f>(&'f Figures);

impl<'f> Pending<'f> {
    fn new(figures: &'f Figures) -> Self {
        figures.pending.fetch_add(1, Ordering::Relaxed);
        Self(figures)
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

fn work(queue: &Mutex<Receiver<Job>>, figures: &Figures) {
    let mut memory = Vec::new();
    loop {
        if figures.queued.load(Ordering::Relaxed) == 0 {
            memory = Vec::new();
        }
        // The lock is held while waiting: the others wait for it, which is the same.
        let Ok(job) = queue.lock().recv() else { return };
        figures.queued.fetch_sub(1, Ordering::Relaxed);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
        if outcome.is_err() {
            // The request is answered 503, since its reply was dropped; the thread goes on with fresh memory.
            memory = Vec::new();
        }
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        // The threads end when their queue does.
        self.jobs = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use basalt_types::SystemRng;

    use super::*;

    const CHEAP: Hashing = Hashing { memory_kib: 8, iterations: 1, parallelism: 1, threads: 1, queue: 2 };

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
    }

    #[test]
    fn old_hashes_are_replaced_when_the_password_is_right() {
        let pool = HashPool::new(CHEAP, Arc::new(SystemRng));
        runtime().block_on(async {
            let old = bcrypt::hash("secret", 4).expect("a hash");
            let right = pool.check(Some(old.clone()), Secret::new("secret")).await.expect("room");
            let new = right.better_hash.expect("a better hash");
            assert!(right.is_right && new.starts_with("$argon2id$"));
            assert_eq!(pool.check(Some(new), Secret::new("secret")).await, Ok(Checked { is_right: true, better_hash: None }));
            let wrong = Ok(Checked { is_right: false, better_hash: None });
            assert_eq!(pool.check(Some(old), Secret::new("other")).await, wrong);
            assert_eq!(pool.check(None, Secret::new("secret")).await, wrong);
            assert_eq!(pool.check(Some("nonsense".to_owned()), Secret::new("secret")).await, wrong);
        });
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let pool = HashPool::new(CHEAP, Arc::new(SystemRng));
        runtime().block_on(async {
            let (begun, has_begun) = channel();
            let (release, released) = channel::<()>();
            let mut blocked = Box::pin(pool.run(move |_| {
                let _ = begun.send(());
                let _ = released.recv();
            }));
            // Polled once, so that the job is on its way.
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(blocked.as_mut().poll(cx).is_pending())).await);
            has_begun.recv().expect("the only thread is busy now");
            let mut waiting = Vec::new();
            for _ in 0..CHEAP.queue {
                let mut one = Box::pin(pool.hash(Secret::new("x")));
                assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(one.as_mut().poll(cx).is_pending())).await);
                waiting.push(one);
            }
            assert_eq!(pool.hash(Secret::new("x")).await, Err(AuthError::Overloaded));
            release.send(()).expect("the thread waits");
            blocked.await.expect("done");
            for one in waiting {
                one.await.expect("hashed");
            }
        });
    }

    #[test]
    fn a_panic_is_one_requests_misfortune() {
        let pool = HashPool::new(CHEAP, Arc::new(SystemRng));
        runtime().block_on(async {
            assert_eq!(pool.run(|_| -> u8 { panic!("on purpose") }).await, Err(AuthError::Overloaded));
            assert!(pool.hash(Secret::new("x")).await.is_ok());
        });
    }
}
