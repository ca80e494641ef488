//! A retry is a new process with the params of the old one, which stays as it ended: terminal is final. After a partial success
//! it generates only what failed.

use serde_json::json;
use shared::{
    accept::accept,
    clock::Clock,
    error_code::ErrorCode,
    failure::Failure,
    http::{Call, Caller, Problem, Refusal, Reply},
    params::{Params, failed_targets},
    process::{Process, ProcessId, Status},
    store::{Retry, Submission},
};

use crate::RetryHandler;

/// Retries in one chain.
const MAX_RETRIES: i16 = 3;

impl RetryHandler {
    pub(crate) async fn handle(&self, call: &Call) -> Result<Reply, Problem> {
        let id = call.process_id()?;
        let original = self.store.find(id).await?.ok_or(ErrorCode::ProcessingNotFound)?.process;
        let count = judge(&original, &call.caller)?;
        let params = Params::from_stored(original.process_type, &original.params)
            .map_err(|error| Failure::internal(error.to_string()))?
            .for_retry_after(original.result.as_ref().filter(|_| original.status == Status::Completed));
        let now = self.clock.now();
        let submission = Submission {
            id: ProcessId(self.clock.new_id()),
            user_id: original.user_id.clone(),
            params,
            retry: Some(Retry { of: id, count }),
            actor: call.caller.actor(),
            now,
        };
        let estimated = accept(&self.store, &self.workflow, &submission).await?;
        tracing::info!(processId = %submission.id, userId = %submission.user_id, r#type = %original.process_type, originalProcessId = %id, retryCount = count, "retried");
        Ok(Reply::new(
            202,
            json!({
                "processId": submission.id, "status": Status::Pending, "type": original.process_type, "retryCount": count,
                "originalProcessId": id, "createdAt": now, "estimatedCompletionTime": estimated,
            }),
        ))
    }
}

/// Whether `caller` may retry `original`, and which retry of its chain this is, from 1.
fn judge(original: &Process, caller: &Caller) -> Result<i16, Problem> {
    if caller.owner().is_some_and(|user| *user != original.user_id) {
        return Err(ErrorCode::Forbidden.into());
    }
    let refuse =
        |code: ErrorCode| Refusal { current_status: Some(original.status), retry_count: Some(original.retry_count), ..code.into() }.into();
    let partial = original.result.as_ref().is_some_and(|result| !failed_targets(result).is_empty());
    match original.status {
        Status::Completed if partial && original.retry_count >= MAX_RETRIES => Err(refuse(ErrorCode::MaxRetryExceeded)),
        // What a partial success left open can be retried; what it made stays.
        Status::Completed if partial => Ok(original.retry_count + 1),
        Status::Failed | Status::Timeout if original.retry_count >= MAX_RETRIES => Err(refuse(ErrorCode::MaxRetryExceeded)),
        Status::Failed | Status::Timeout => Ok(original.retry_count + 1),
        Status::Pending | Status::Processing | Status::Completed | Status::Cancelled => Err(refuse(ErrorCode::RetryNotAllowed)),
    }
}
