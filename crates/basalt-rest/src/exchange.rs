//! Where a request that runs inside a transaction of ours leaves what it would run, and finds the answers later.
//!
//! A handler is the same for a request alone and for one of a batch: it parses, plans, runs and renders. Here its future is polled up
//! to the point where it would run something; once all of the transaction has run, it goes on with its answers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use basalt_engine::{Answer, BatchError, Run, RunError, Step};
use basalt_types::SqlError;

use crate::error::RestError as Error;
use crate::parse::range::Page;

/// What a request wants run.
pub(crate) struct Wanted {
    /// One step, but for a request that inserts related rows.
    pub(crate) steps: Vec<Step>,
    /// Of a read: the page that must not begin behind the last row.
    pub(crate) page: Option<Page>,
}

#[derive(Default)]
enum State {
    #[default]
    Open,
    Wanted(Wanted),
    Waiting,
    Answered(Result<Vec<Answer>, BatchError>),
    Closed,
}

/// The place of one request.
#[derive(Default)]
pub(crate) struct Exchange {
    state: Mutex<State>,
    page: Mutex<Option<Page>>,
    is_alone: bool,
}

impl Exchange {
    /// Of a request that is all of its transaction.
    pub(crate) fn alone() -> Self {
        Self { is_alone: true, ..Self::default() }
    }

    /// Whether the request is all of its transaction.
    pub(crate) fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Says which page the read about to be run is of.
    pub(crate) fn expect(&self, page: Page) {
        *locked(&self.page) = Some(page);
    }

    /// Leaves a run and waits for its answer.
    ///
    /// # Errors
    /// For a second run of the same request, and for one that is to be explained; what it failed with.
    pub(crate) async fn run(&self, run: Run) -> Result<Answer, Error> {
        if run.explain.is_some() {
            return Err(Error::Batch("A part of a batch cannot be explained".to_owned()));
        }
        let answers = self.run_steps(vec![Step { run, fill: None, verify: None }]).await.map_err(|failed| failed.error)?;
        let missing = || Error::Sql(SqlError::internal("a statement of a batch has no answer"));
        answers.into_iter().next().ok_or_else(missing)
    }

    /// Leaves steps and waits for their answers.
    ///
    /// # Errors
    /// For a second time; what they failed with.
    pub(crate) async fn run_steps(&self, steps: Vec<Step>) -> Result<Vec<Answer>, BatchError> {
        {
            let mut state = locked(&self.state);
            if !matches!(*state, State::Open) {
                return Err(BatchError::of_all(RunError::Sql(SqlError::internal("a request of a batch runs once"))));
            }
            *state = State::Wanted(Wanted { steps, page: locked(&self.page).take() });
        }
        // Nobody wakes this: whoever runs the batch polls again when the answers are there.
        std::future::poll_fn(|_| {
            let mut state = locked(&self.state);
            match std::mem::replace(&mut *state, State::Closed) {
                State::Answered(answers) => Poll::Ready(answers),
                other => {
                    *state = other;
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// What the request left.
    pub(crate) fn take(&self) -> Option<Wanted> {
        let mut state = locked(&self.state);
        match std::mem::replace(&mut *state, State::Waiting) {
            State::Wanted(wanted) => Some(wanted),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Gives it its answers, or what it failed with.
    pub(crate) fn answer(&self, answers: Result<Vec<Answer>, BatchError>) {
        *locked(&self.state) = State::Answered(answers);
    }
}

/// What is behind a lock; nothing here panics while it is held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
