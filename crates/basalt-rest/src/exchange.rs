//! Where a request that is part of a batch leaves what it would run, and finds the answer later.
//!
//! A handler is the same for a request alone and for one of a batch: it parses, plans, runs and renders. In a batch its future is
//! polled up to the point where it would run something; once the whole batch has run, it goes on with its answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use basalt_engine::{Answer, Run};
use basalt_types::SqlError;

use crate::error::RestError as Error;
use crate::parse::range::Page;

/// What a request wants run.
pub(crate) struct Wanted {
    pub(crate) run: Run,
    /// Of a read: the page that must not begin behind the last row.
    pub(crate) page: Option<Page>,
}

#[derive(Default)]
enum State {
    #[default]
    Open,
    Wanted(Box<Wanted>),
    Waiting,
    Answered(Answer),
    Closed,
}

/// The place of one request.
#[derive(Default)]
pub(crate) struct Exchange {
    state: Mutex<State>,
    page: Mutex<Option<Page>>,
}

impl Exchange {
    /// Says which page the read about to be run is of.
    pub(crate) fn expect(&self, page: Page) {
        *locked(&self.page) = Some(page);
    }

    /// Leaves a run and waits for its answer.
    ///
    /// # Errors
    /// For a second run of the same request, and for one that is to be explained.
    pub(crate) async fn run(&self, run: Run) -> Result<Answer, Error> {
        if run.explain.is_some() {
            return Err(Error::Batch("A part of a batch cannot be explained".to_owned()));
        }
        {
            let mut state = locked(&self.state);
            if !matches!(*state, State::Open) {
                return Err(Error::Sql(SqlError::internal("a request of a batch runs one statement")));
            }
            *state = State::Wanted(Box::new(Wanted { run, page: locked(&self.page).take() }));
        }
        // Nobody wakes this: whoever runs the batch polls again when the answer is there.
        std::future::poll_fn(|_| {
            let mut state = locked(&self.state);
            match std::mem::replace(&mut *state, State::Closed) {
                State::Answered(answer) => Poll::Ready(Ok(answer)),
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
            State::Wanted(wanted) => Some(*wanted),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Gives it its answer.
    pub(crate) fn answer(&self, answer: Answer) {
        *locked(&self.state) = State::Answered(answer);
    }
}

/// What is behind a lock; nothing here panics while it is held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
