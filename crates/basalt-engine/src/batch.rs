//! Several plans in one transaction: what [`crate::Engine::run_batch`] is given and answers.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use basalt_types::{SqlError, SqlState};

use crate::{Answer, Run, RunError};

/// Completes a step's values from the answers of the steps before it, in order.
///
/// It may be called several times, because a transaction may have to be repeated: what it does depends on its arguments alone.
pub type Fill = Arc<dyn Fn(&[Answer], &mut Run) -> Result<(), RunError> + Send + Sync>;

/// Looks at a step's answer before the next one runs; an error ends the batch. As pure as [`Fill`].
pub type Verify = Arc<dyn Fn(&Answer) -> Result<(), RunError> + Send + Sync>;

/// One plan of a batch.
#[derive(Clone)]
pub struct Step {
    /// What to run. Its session is the caller's; of its limits the body's bound counts, its `rollback` does not.
    pub run: Run,
    /// What its values still lack.
    pub fill: Option<Fill>,
    /// What its answer must be like.
    pub verify: Option<Verify>,
}

/// Plans to run in order, in one transaction of one snapshot, each under its session's role and guarded like any other. Later ones
/// see what earlier ones wrote. All of it is kept, or nothing.
#[derive(Debug, Clone)]
pub struct Batch {
    /// In order.
    pub steps: Vec<Step>,
    /// When all of it must have ended: 57014 after that.
    pub deadline: Instant,
    /// Longest bodies of all answers together, bytes: 54000 beyond.
    pub max_response_bytes: usize,
    /// Roll back in the end, though all went well.
    pub rollback: bool,
}

/// Why a batch was not kept.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchError {
    /// The step that failed, from 0; their number when it was what waits for the end of the transaction (deferred constraints, the
    /// commit), `None` when no step had to do with it.
    pub at: Option<usize>,
    /// Why.
    pub error: RunError,
}

impl BatchError {
    /// An error that no step caused.
    pub fn of_all(error: impl Into<RunError>) -> Self {
        Self { at: None, error: error.into() }
    }

    /// An error of one step.
    pub fn at(step: usize, error: impl Into<RunError>) -> Self {
        Self { at: Some(step), error: error.into() }
    }
}

impl Batch {
    /// Bounds the answers so far.
    ///
    /// # Errors
    /// 54000 when they are too long.
    pub fn check_length(&self, answers: &[Answer]) -> Result<(), RunError> {
        let length: usize = answers.iter().map(|answer| answer.body.len()).sum();
        if length > self.max_response_bytes {
            let text = format!("the answers are longer than {} bytes", self.max_response_bytes);
            return Err(SqlError::new(SqlState::PROGRAM_LIMIT, text).into());
        }
        Ok(())
    }
}

impl Step {
    /// The run with its values, given the answers so far.
    ///
    /// # Errors
    /// What a reference to those answers reports.
    pub fn filled(&self, answers: &[Answer]) -> Result<Run, RunError> {
        let mut run = self.run.clone();
        if let Some(fill) = &self.fill {
            fill(answers, &mut run)?;
        }
        Ok(run)
    }

    /// Looks at the answer.
    ///
    /// # Errors
    /// What it is refused for.
    pub fn check(&self, answer: &Answer) -> Result<(), RunError> {
        self.verify.as_ref().map_or(Ok(()), |verify| verify(answer))
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Step");
        shown
            .field("run", &self.run)
            .field("is_filled", &self.fill.is_none())
            .field("is_verified", &self.verify.is_some())
            .finish()
    }
}
