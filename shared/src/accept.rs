//! Accepting a process, for whoever submits one: store it, then start its execution. The answer is good as soon as the row is
//! committed: if the start fails, or its answer is lost, the sweep starts it under the same name.

use chrono::{DateTime, Utc};

use crate::{
    error_code::ErrorCode,
    estimate,
    http::{Problem, Refusal},
    store::{Store, Submission, Submitted},
    workflow::Workflow,
};

/// Accepts `submission` and returns when it will probably be done.
///
/// # Errors
/// What stands in its way, or that the database failed; then nothing is stored.
pub async fn accept(store: &Store, workflow: &Workflow, submission: &Submission) -> Result<DateTime<Utc>, Problem> {
    match store.submit(submission).await? {
        Submitted::Accepted { recent_seconds } => {
            start(store, workflow, submission).await;
            Ok(estimate::completion_time(submission.now, recent_seconds, submission.now))
        }
        Submitted::Forbidden => Err(ErrorCode::Forbidden.into()),
        Submitted::TargetNotFound => Err(ErrorCode::TargetNotFound.into()),
        Submitted::TargetNotEmpty => Err(ErrorCode::TargetNotEmpty.into()),
        Submitted::AlreadyRunning { process_id } | Submitted::AlreadyRetried { process_id } => {
            Err(Refusal { process_id: Some(process_id), ..ErrorCode::AlreadyRunning.into() }.into())
        }
    }
}

async fn start(store: &Store, workflow: &Workflow, submission: &Submission) {
    let id = submission.id;
    match workflow.start(id).await {
        Ok(arn) => {
            if let Err(failure) = store.record_start(id, &arn, submission.actor, submission.now).await {
                tracing::warn!(processId = %id, errorCode = %failure.code, cause = failure.cause, "started, but not noted");
            }
        }
        Err(failure) => {
            tracing::warn!(processId = %id, errorCode = %failure.code, cause = failure.cause, "not known to have started; the sweep will see to it");
        }
    }
}
