//! A request as part of a transaction that has more in it than the request itself, and that renders it as often as it must.
//!
//! It stands over the catalog that it was planned with, so that rendering it depends on its answers alone.

use std::sync::Arc;
use std::time::Instant;

use basalt_catalog::Catalog;
use basalt_engine::{
    Answer, Batch, BatchError, BoxFuture, Boxed, Claim, Claimed, Engine, EngineFigures, Run, RunError, Step, Work,
};
use basalt_plan::plan::Action;
use basalt_types::{Session, SqlError};
use bytes::Bytes;
use http::{Request, Response};

use crate::batch::{self, Begun, Failed, Operation, Operations};
use crate::error::RestError as Error;
use crate::exchange::Exchange;
use crate::parse::prefer::Preferences;
use crate::{BATCH, Rest};

/// The request.
pub(crate) struct Around {
    rest: Rest,
    pub(crate) prefix: usize,
    pub(crate) session: Session,
    pub(crate) request: Request<Bytes>,
    /// Of a batch.
    operations: Option<Vec<Operation>>,
    /// Whether the transaction is to be taken back.
    is_taken_back: bool,
}

/// The request under way.
pub(crate) enum UnderWay<'r> {
    Alone { begun: Begun<'r>, steps: Vec<Step> },
    Batch { around: &'r Around, operations: Operations<'r> },
}

impl Around {
    /// A request over a surface whose catalog stands still.
    ///
    /// # Errors
    /// For a batch that is none.
    pub(crate) fn new(rest: Rest, prefix: usize, session: &Session, request: &Request<Bytes>) -> Result<Self, Error> {
        let mut own = Request::new(request.body().clone());
        *own.method_mut() = request.method().clone();
        *own.uri_mut() = request.uri().clone();
        *own.headers_mut() = request.headers().clone();
        let is_batch = own.uri().path().get(prefix..) == Some(BATCH);
        let operations = is_batch.then(|| rest.operations(&own)).transpose()?;
        let is_taken_back = rest.config.tx_end.rolls_back(Preferences::of(own.headers()).rollback);
        Ok(Self { rest, prefix, session: session.clone(), request: own, operations, is_taken_back })
    }

    /// Whether the transaction is to be taken back.
    pub(crate) fn is_taken_back(&self) -> bool {
        self.is_taken_back
    }

    /// Lets it go on up to where it would run something.
    ///
    /// # Errors
    /// Why it cannot.
    pub(crate) fn begin(&self) -> Result<UnderWay<'_>, Failed> {
        if let Some(operations) = &self.operations {
            let operations = self.rest.begin_operations(&self.session, &self.request, operations)?;
            return Ok(UnderWay::Batch { around: self, operations });
        }
        let exchange = Arc::new(Exchange::alone());
        let place = Arc::clone(&exchange);
        let answering =
            Box::pin(async move { self.rest.answer_one(self.prefix, &self.session, &self.request, (None, Some(&place))).await });
        let (begun, wanted) = Begun::begin(exchange, answering).map_err(|error| Failed { at: None, error })?;
        let mut steps = Vec::new();
        if let Some(wanted) = wanted {
            steps = wanted.steps;
            if let [step] = steps.as_mut_slice() {
                step.verify = step.verify.take().or_else(|| batch::verify(&step.run, wanted.page, self.is_taken_back));
            }
        }
        Ok(UnderWay::Alone { begun, steps })
    }

    /// Its answer, from the answers of its steps.
    ///
    /// # Errors
    /// What it is refused for.
    pub(crate) fn render(&self, answers: &[Answer]) -> Result<Response<Bytes>, Error> {
        self.begin().map_err(|failed| failed.error)?.end(Ok(answers.to_vec()))
    }

    /// The answer of what cannot run.
    ///
    /// # Errors
    /// For a request that is no batch.
    pub(crate) fn failed(&self, Failed { at, error }: Failed) -> Result<Response<Bytes>, Error> {
        match &self.operations {
            Some(operations) if !matches!(error, Error::Stale) => {
                Ok(self.rest.blamed(&self.session, &self.request, operations, at, &error))
            }
            _ => Err(error),
        }
    }
}

impl UnderWay<'_> {
    /// What it wants run.
    pub(crate) fn steps(&mut self) -> Vec<Step> {
        match self {
            Self::Alone { steps, .. } => std::mem::take(steps),
            Self::Batch { operations, .. } => std::mem::take(&mut operations.steps),
        }
    }

    /// Its answer, once all has run or has not.
    ///
    /// # Errors
    /// What it is refused for.
    pub(crate) fn end(self, answers: Result<Vec<Answer>, BatchError>) -> Result<Response<Bytes>, Error> {
        match self {
            Self::Alone { begun, .. } => {
                begun.answer(answers);
                begun.end()
            }
            Self::Batch { around, operations } => {
                let ended = match answers {
                    Ok(answers) => operations.end(answers),
                    Err(failed) => Err(operations.failed(failed)),
                };
                match ended {
                    Ok(responses) => Ok(batch::listed(around.operations.as_deref().unwrap_or_default(), &responses)),
                    Err(failed) => around.failed(failed),
                }
            }
        }
    }
}

/// Whether a run may write.
pub(crate) fn writes(run: &Run) -> bool {
    match &run.plan.action {
        Action::Read { .. } => false,
        Action::Write { .. } => true,
        Action::Call { call, .. } => !call.is_read_only,
    }
}

/// When the steps of a request must have ended.
pub(crate) fn deadline(steps: &[Step]) -> Option<Instant> {
    steps.first().map(|step| step.run.limits.deadline)
}

impl Rest {
    /// This surface over the catalog as it is now. It plans and renders; it runs nothing.
    pub(crate) fn still(&self) -> Self {
        Self {
            engine: Arc::new(Still(self.engine.catalog())),
            config: Arc::clone(&self.config),
            plans: Arc::clone(&self.plans),
            handlers: Arc::clone(&self.handlers),
            running: Arc::clone(&self.running),
            id: self.id,
        }
    }
}

/// An engine that has a catalog and nothing else.
struct Still(Arc<Catalog>);

fn still() -> SqlError {
    SqlError::internal("a request was to run where it is only rendered")
}

impl Engine for Still {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0)
    }

    fn run(&self, _: Run) -> BoxFuture<'_, Result<Answer, RunError>> {
        Box::pin(std::future::ready(Err(still().into())))
    }

    fn run_batch(&self, _: Batch) -> BoxFuture<'_, Result<Vec<Answer>, BatchError>> {
        Box::pin(std::future::ready(Err(BatchError::of_all(still()))))
    }

    fn run_claimed(&self, _: Batch, _: Claim) -> BoxFuture<'_, Result<Claimed, BatchError>> {
        Box::pin(std::future::ready(Err(BatchError::of_all(still()))))
    }

    fn run_now(&self, _: &Run) -> Option<Result<Answer, RunError>> {
        None
    }

    fn transaction_boxed(&self, _: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(std::future::ready(Err(still())))
    }

    fn snapshot_boxed(&self, _: Work<Boxed>) -> BoxFuture<'_, Result<Boxed, SqlError>> {
        Box::pin(std::future::ready(Err(still())))
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn figures(&self) -> EngineFigures {
        EngineFigures::default()
    }
}
