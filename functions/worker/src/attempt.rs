//! One attempt at a process: claim it and, if it has one target, ask the model and store what it
//! wrote together with COMPLETED (see [`crate::single`]). If it has several, plan them (see
//! [`crate::plan`]). Each step may be repeated or overtaken at any point; what is stored is that of
//! one attempt, or nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::{
    aws::model::Throttles,
    process::{ErrorCode, Failure, ProcessId, Status, UserId},
    store::{Claim, Fence, Standing, StoredGeneration},
};

use crate::{
    guard::Guarded,
    step::{StepInput, StepOutput},
    worker::{StepError, Worker},
};

/// A process that this attempt has claimed.
pub(crate) struct ClaimedProcess<G: StoredGeneration> {
    pub(crate) id: ProcessId,
    pub(crate) attempt: i32,
    pub(crate) user_id: UserId,
    pub(crate) params: G::Params,
    pub(crate) throttles: Throttles,
    /// When the attempt's time is over.
    pub(crate) until: DateTime<Utc>,
}

impl<G: StoredGeneration> Worker<G> {
    pub(crate) async fn attempt(
        &self,
        input: &StepInput,
        lambda_time: Duration,
    ) -> Result<StepOutput, StepError> {
        let (id, began) = (input.process_id, self.clock.now());
        let claim = self.store.claim(id, input.execution_arn.as_deref(), began).await?;
        let (attempt, user_id, process_type, params, started_at, resting, others_wait) = match claim
        {
            Claim::Claimed {
                attempt,
                user_id,
                process_type,
                params,
                started_at,
                resting,
                others_wait,
            } => (attempt, user_id, process_type, params, started_at, resting, others_wait),
            Claim::Planned(batches) => {
                tracing::info!(processId = %id, batches = batches.len(), "planned before");
                return Ok(StepOutput::planned(id, batches));
            }
            Claim::Ended(status) => return Ok(StepOutput::ended(id, status)),
            Claim::Missing => return Err(missing().into()),
        };
        let params = G::parse_stored(&process_type, &params)
            .map_err(|error| Failure::internal(error.to_string()))?;
        // Claiming may have taken its time: a cold connection, or a row that somebody holds.
        let now = self.clock.now();
        let lambda_time = lambda_time.saturating_sub((now - began).to_std().unwrap_or_default());
        let time_left = self.limits.time_left(&process_type, started_at, now, lambda_time);
        let claimed = ClaimedProcess::<G> {
            id,
            attempt,
            user_id,
            params,
            throttles: Throttles::new(resting),
            until: now + time_left.of_attempt(),
        };
        tracing::info!(
            processId = %id,
            userId = %claimed.user_id,
            r#type = %process_type,
            status = %Status::Processing,
            attempt,
            "claimed"
        );
        let work = async {
            if G::has_several_targets(&claimed.params) {
                return self.plan(&claimed).await;
            }
            self.single(&claimed).await
        };
        let output = match self.guard(id, attempt.into(), time_left, None, Box::pin(work)).await? {
            Guarded::Done(output) => output,
            Guarded::Stopped(standing) => output_of_stopped(id, standing)?,
        };
        if others_wait && output.status.is_terminal() {
            self.make_room().await;
        }
        let duration = (self.clock.now() - began).num_milliseconds();
        tracing::info!(
            processId = %id,
            userId = %claimed.user_id,
            status = %output.status,
            attempt,
            duration,
            "attempt done"
        );
        Ok(output)
    }

    /// The output of a worker that a statement has told that it is fenced.
    pub(crate) async fn fenced(
        &self,
        id: ProcessId,
        fence: Fence,
    ) -> Result<StepOutput, StepError> {
        output_of_stopped(id, self.store.standing(id, fence).await?)
    }
}

/// The output of a worker whose process is no longer its own: how the process really stands.
pub(crate) fn output_of_stopped(
    id: ProcessId,
    standing: Standing,
) -> Result<StepOutput, StepError> {
    tracing::info!(
        processId = %id,
        found = ?standing,
        "stopped: the process is no longer this attempt's"
    );
    match standing {
        Standing::Ended(status) => Ok(StepOutput::ended(id, status)),
        Standing::Current | Standing::Overtaken => Err(StepError::Overtaken),
        Standing::Missing => Err(missing().into()),
    }
}

pub(crate) fn missing() -> Failure {
    Failure::new(ErrorCode::ProcessingNotFound, "the process has no row")
}
