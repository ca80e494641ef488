//! What an attempt needs, and which step of the state machine it is.

use std::{marker::PhantomData, time::Duration};

use lambda_runtime::Diagnostic;
use shared::{
    aws::{
        model::{Models, Throttles},
        workflow::Workflow,
    },
    clock::{Clock, SystemClock},
    lambda::{Invocation, Metrics, Setup},
    process::{Actor, ErrorCode, Failure, Terms, admission::Refused, engine_retry},
    store::{Store, StoredGeneration},
    use_case::admit,
};

use crate::{
    limits::WorkLimits,
    step::{StepInput, StepOutput},
};

/// What is kept of the invocation's time to end the attempt ourselves, instead of being killed by
/// Lambda.
const MARGIN: Duration = Duration::from_secs(5);

/// What an attempt needs. `G` is what it generates.
pub(crate) struct Worker<G> {
    pub(crate) store: Store,
    pub(crate) models: Models,
    pub(crate) workflow: Workflow,
    pub(crate) terms: Terms,
    pub(crate) limits: WorkLimits,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) kind: PhantomData<G>,
}

/// Why an invocation has no output.
#[derive(Debug)]
pub(crate) enum StepError {
    /// Something failed. The state machine chooses by the code.
    Failed(Failure),
    /// Two attempts ran at once, and this is the older. If it is the one that the state machine
    /// waits for, the newer may be one that it has lost sight of. It must try again, and thereby
    /// fence that one off, or nobody would see the end.
    Overtaken,
    /// The invocation's time is over, and the batch has got on in it: the next one goes on.
    Unfinished,
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StepError> for Diagnostic {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Failed(failure) => failure.into(),
            StepError::Overtaken => Self {
                error_type: engine_retry::OVERTAKEN.to_owned(),
                error_message: "a newer attempt has the work".to_owned(),
            },
            StepError::Unfinished => Self {
                error_type: engine_retry::UNFINISHED.to_owned(),
                error_message: "the batch has got on; the next attempt goes on".to_owned(),
            },
        }
    }
}

impl<G: StoredGeneration> Worker<G> {
    /// From the environment.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub(crate) async fn new(setup: &Setup) -> Result<Self, Failure> {
        Ok(Self {
            limits: WorkLimits::read(setup.environment(), G::TYPE_NAMES)?,
            models: setup.models()?,
            workflow: setup.workflow()?,
            terms: setup.terms()?,
            clock: Box::new(SystemClock),
            metrics: setup.metrics(),
            kind: PhantomData,
            store: setup.store().await?,
        })
    }

    /// Does what the state machine asks for.
    ///
    /// # Errors
    /// By which the state machine tries again, or ends the process.
    pub(crate) async fn handle(&self, invocation: Invocation) -> Result<StepOutput, StepError> {
        let lambda_time = invocation.time_left(self.clock.now()).saturating_sub(MARGIN);
        // serde's words quote values, and a value may be a user's.
        let input: StepInput = serde_json::from_value(invocation.payload).map_err(|_| {
            let cause = "not a step of the state machine: a field is missing or of a wrong kind";
            Failure::internal(cause)
        })?;
        let result = match input.batch_id {
            Some(batch) => Box::pin(self.batch(&input, batch, lambda_time)).await,
            None => Box::pin(self.attempt(&input, lambda_time)).await,
        };
        if let Err(StepError::Failed(failure)) = &result {
            // What the reconciler finds as evidence when it ends the process.
            tracing::error!(
                processId = %input.process_id,
                errorCode = %failure.code,
                cause = failure.cause,
                "the attempt failed"
            );
        }
        result
    }
    /// Others may be admitted: this worker has ended its process, has given calls back, or could
    /// use more. Whatever fails here, the next occasion sees to it.
    pub(crate) async fn make_room(&self) {
        let now = self.clock.now();
        if let Err(failure) =
            admit(&self.store, &self.workflow, &self.terms, Actor::Worker, now).await
        {
            tracing::warn!(
                errorCode = %failure.code,
                cause = failure.cause,
                "nobody was admitted; the next occasion will see to it"
            );
        }
    }

    /// Notes which models have refused calls for their quota, after an attempt that ended with
    /// `error`. Losing the note does no harm: the next refusal is noted.
    pub(crate) async fn note_throttled(&self, throttles: &Throttles, error: Option<ErrorCode>) {
        let models = throttles.take_new();
        let refused = match error {
            Some(ErrorCode::AiThrottling) => Refused::ByAll,
            _ => Refused::BySome,
        };
        if models.is_empty() {
            return;
        }
        let now = self.clock.now();
        if let Err(failure) = self.store.note_throttled(&models, refused, &self.terms, now).await {
            tracing::warn!(
                errorCode = %failure.code,
                cause = failure.cause,
                "that models were throttled is not noted"
            );
        }
    }
}
