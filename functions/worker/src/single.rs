//! A process with one target: ask the model, and store what it wrote together with COMPLETED.

use serde::Serialize;
use shared::{
    process::{Actor, ErrorCode, Failure, ModelUsage, Status},
    store::{Completion, NewRows, StoredGeneration},
};

use crate::{
    ask::{Asking, Calls},
    attempt::ClaimedProcess,
    step::StepOutput,
    worker::{StepError, Worker},
};

/// What the history notes of the completion.
#[derive(Serialize)]
struct CompletionDetail<'a> {
    usage: &'a [ModelUsage],
}

impl<G: StoredGeneration> Worker<G> {
    pub(crate) async fn single(
        &self,
        claimed: &ClaimedProcess<G>,
    ) -> Result<StepOutput, StepError> {
        let ClaimedProcess { id, attempt, user_id, params, throttles, until } = claimed;
        let fail = |code, cause: &str| Err(StepError::Failed(Failure::new(code, cause)));
        let roots = self.store.find_roots::<G>(user_id, params).await?;
        let Some(root) = roots.into_iter().next() else {
            return fail(ErrorCode::TargetNotFound, "the target has gone");
        };
        if root.occupied && !G::replace(params) {
            return fail(ErrorCode::TargetNotEmpty, "the target has come to have children");
        }
        let calls = Calls::default();
        let asking = Asking { until: *until, with_others: false };
        let written = self.ask(&root.target, &calls, throttles, asking).await?;
        let usage = calls.into_inner();
        let internal = |error: serde_json::Error| Failure::internal(error.to_string());
        let result = G::single_result(&root.target, &written, &usage).map_err(internal)?;
        let detail = serde_json::to_value(CompletionDetail { usage: &usage }).map_err(internal)?;
        let parts = [(G::id(&root.target), written)];
        let new = NewRows::<G> { user_id, params, parts: &parts, result: &result, detail: &detail };
        match self.store.complete(*id, *attempt, &new, Actor::Worker, self.clock.now()).await? {
            Completion::Completed => Ok(StepOutput::ended(*id, Status::Completed)),
            Completion::Fenced => self.fenced(*id, (*attempt).into()).await,
            Completion::Forbidden => {
                fail(ErrorCode::Forbidden, "the target belongs to another user by now")
            }
            Completion::TargetNotFound => {
                fail(ErrorCode::TargetNotFound, "the target has gone by now")
            }
            Completion::TargetNotEmpty => fail(
                ErrorCode::TargetNotEmpty,
                "the target has children by now, and replace was not asked for",
            ),
        }
    }
}
