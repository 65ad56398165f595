//! Several plans in one transaction: one job of the writer, or, when all of them read, one snapshot of a reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use basalt_engine::{Answer, Batch, BatchError, Boxed, Claim, Claimed, RunError, Step};
use basalt_types::SqlError;
use tokio::sync::oneshot;

use crate::commit::{Desk, Kind, Task, Terms};
use crate::engine::{CancelOnDrop, LONG_PAYLOAD_BYTES, SqliteEngine, caller};
use crate::error;
use crate::programs::Ready;
use crate::readers::answer;
use crate::{receipts, write};

/// A batch of more steps is committed alone.
const SHORT_STEPS: usize = 16;

impl SqliteEngine {
    pub(crate) async fn batch(&self, batch: Batch) -> Result<Vec<Answer>, BatchError> {
        let ready = self.all_ready(&batch)?;
        if ready.iter().all(|ready| matches!(ready, Ready::Read(ready) if !ready.may_write())) {
            return self.read_batch(batch, ready).await;
        }
        let task = |batch: Batch, ready: Vec<Ready>, place: Arc<AtomicUsize>| -> Task {
            Arc::new(move |desk| Ok(Box::new(run(desk, &batch, &ready, &place)?) as Boxed))
        };
        self.write_batch(batch, ready, task).await
    }

    /// Runs a batch once for its key.
    pub(crate) async fn claimed(&self, batch: Batch, claim: Claim) -> Result<Claimed, BatchError> {
        let ready = self.all_ready(&batch)?;
        let Some(_held) = self.shared().keys.take(claim.id) else { return Err(BatchError::of_all(RunError::KeyInUse)) };
        let task = |batch: Batch, ready: Vec<Ready>, place: Arc<AtomicUsize>| -> Task {
            Arc::new(move |desk| {
                if let Some(reply) = receipts::find(desk, &claim)? {
                    return Ok(Box::new(Claimed::Known(reply)) as Boxed);
                }
                let answers = run(desk, &batch, &ready, &place)?;
                let reply = (claim.render)(&answers)?;
                receipts::keep(desk, &claim, &reply)?;
                Ok(Box::new(Claimed::Ran(reply)) as Boxed)
            })
        };
        self.write_batch(Batch { rollback: false, ..batch }, ready, task).await
    }

    fn all_ready(&self, batch: &Batch) -> Result<Vec<Ready>, BatchError> {
        let ready = |(at, step): (usize, &Step)| self.ready(&step.run).map_err(|error| BatchError::at(at, error));
        batch.steps.iter().enumerate().map(ready).collect()
    }

    /// Has the writer do what is made of a batch, and waits for its commit.
    async fn write_batch<T: 'static>(
        &self,
        batch: Batch,
        ready: Vec<Ready>,
        task: impl FnOnce(Batch, Vec<Ready>, Arc<AtomicUsize>) -> Task,
    ) -> Result<T, BatchError> {
        let payload: usize = batch.steps.iter().filter_map(|step| step.run.payload.as_ref()).map(|bytes| bytes.len()).sum();
        let is_long = payload > LONG_PAYLOAD_BYTES || batch.steps.len() > SHORT_STEPS;
        let kind = if is_long { Kind::Long } else { Kind::Short };
        let who = batch.steps.first().map_or(0, |step| caller(&step.run.session));
        let max_cost = batch.steps.first().and_then(|step| step.run.limits.max_cost);
        let terms = Terms { rollback: batch.rollback, who, max_cost, ..Terms::new(kind, batch.deadline) };
        // Which step runs, told across the closure's repetitions: the last one counts.
        let place = Arc::new(AtomicUsize::new(0));
        let task = task(batch, ready, Arc::clone(&place));
        let waiting = self.queue().submit(task, terms).map_err(BatchError::of_all)?;
        let failed = |error| BatchError::at(place.load(Ordering::Relaxed), error);
        let boxed = waiting.await.map_err(|_| BatchError::of_all(error::closing()))?.map_err(failed)?;
        boxed
            .downcast::<T>()
            .map(|b| *b)
            .map_err(|_| BatchError::of_all(SqlError::internal("a batch answered with another value")))
    }

    async fn read_batch(&self, batch: Batch, ready: Vec<Ready>) -> Result<Vec<Answer>, BatchError> {
        let (reply, waiting) = oneshot::channel();
        let gone = CancelOnDrop::default();
        let flag = Arc::clone(&gone.0);
        let submitted = self.readers().submit(Box::new(move |slot| {
            if reply.is_closed() {
                return;
            }
            slot.connection.context().set_cancelled(Some(flag));
            let version = slot.begin().map_err(|failure| BatchError::of_all(failure.to_sql()));
            let result = version.and_then(|version| {
                let mut answers = Vec::with_capacity(batch.steps.len());
                for (at, (step, ready)) in batch.steps.iter().zip(&ready).enumerate() {
                    let mut one = || {
                        let Ready::Read(ready) = ready else { return Err(SqlError::internal("a write went to a reader").into()) };
                        if step.run.plan.catalog_version != version {
                            return Err(RunError::StalePlan);
                        }
                        let mut run = step.filled(&answers)?;
                        run.limits.deadline = batch.deadline;
                        let now = slot.shared.options.clock.now();
                        let answer = answer::one(slot, &run, ready, now)?;
                        step.check(&answer)?;
                        answers.push(answer);
                        batch.check_length(&answers)
                    };
                    one().map_err(|error| BatchError::at(at, error))?;
                }
                Ok(answers)
            });
            slot.connection.context().set_cancelled(None);
            let _ = reply.send(result);
        }));
        submitted.map_err(BatchError::of_all)?;
        waiting.await.map_err(|_| BatchError::of_all(self.readers().dropped()))?
    }
}

/// Runs the steps inside a job.
fn run(desk: &Desk<'_>, batch: &Batch, ready: &[Ready], place: &AtomicUsize) -> Result<Vec<Answer>, RunError> {
    let mut answers = Vec::with_capacity(batch.steps.len());
    for (at, (step, ready)) in batch.steps.iter().zip(ready).enumerate() {
        place.store(at, Ordering::Relaxed);
        if desk.catalog().version() != step.run.plan.catalog_version {
            return Err(RunError::StalePlan);
        }
        let run = step.filled(&answers)?;
        let answer = match ready {
            Ready::Read(ready) => {
                let answer = answer::inside(desk, &run, ready)?;
                if ready.may_write() {
                    desk.note_write();
                }
                answer
            }
            Ready::Write(ready) => {
                let answer = write::answer(desk, &run, ready)?;
                desk.note_write();
                answer
            }
        };
        step.check(&answer)?;
        answers.push(answer);
        batch.check_length(&answers)?;
    }
    // What follows is the transaction's end.
    place.store(batch.steps.len(), Ordering::Relaxed);
    Ok(answers)
}
