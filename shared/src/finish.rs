//! Finishing a process with several targets: what was staged is applied to the goal tables, and the
//! process completes, in one statement. Whoever staged the last target does it; if they die before,
//! the next attempt at their batch does, and at last the reconciler.

use chrono::{DateTime, Utc};

use crate::{
    error_code::ErrorCode,
    failure::Failure,
    params::{Needs, Params},
    process::{ProcessError, ProcessId, Status, UserId},
    prompt::Target,
    store::{Actor, Completion, FoundTarget, NewRows, Standing, Store},
    work::{self, Output},
};

/// Targets can go, or get children, while they are being applied; then it is looked at anew, so
/// often.
const LOOKS: usize = 3;

/// What became of a wish to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finishing {
    /// It ended: COMPLETED, or FAILED or TIMEOUT when nothing at all could be written; or it had
    /// ended before.
    Ended(Status),
    /// Not everything is staged yet.
    NotYet,
}

/// The targets that a process begins with, in the order of the chart, as far as they are there.
///
/// # Errors
/// When the database fails.
pub async fn roots(
    store: &Store,
    user: &UserId,
    params: &Params,
) -> Result<Vec<FoundTarget>, Failure> {
    match params.new_goal() {
        Some(goal) => Ok(vec![FoundTarget { target: Target::goal(goal), has_children: false }]),
        None => store.find_targets(user, &params.needs()).await,
    }
}

/// Applies what is staged if all of it is, and completes the process. Repeating it changes nothing.
///
/// # Errors
/// When the database fails, or targets come and go so fast that it never fits.
pub async fn finish(
    store: &Store,
    id: ProcessId,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Finishing, Failure> {
    for _ in 0..LOOKS {
        let Some(staged) = store.staged(id).await? else {
            // Whoever came first has ended it.
            return match store.standing(id, 0.into()).await? {
                Standing::Ended(status) => Ok(Finishing::Ended(status)),
                Standing::Missing => {
                    Err(Failure::new(ErrorCode::ProcessingNotFound, "the process has no row"))
                }
                Standing::Current | Standing::Overtaken => Ok(Finishing::NotYet),
            };
        };
        if !staged.progress.is_whole() {
            return Ok(Finishing::NotYet);
        }
        let params = Params::from_stored(staged.process_type, &staged.params)
            .map_err(|error| Failure::internal(error.to_string()))?;
        let mut outputs = staged.outputs;
        let found = staged_roots(store, &staged.user_id, &params, &outputs).await?;
        let mut roots = Vec::new();
        for root in found {
            if root.has_children
                && !params.replace()
                && matches!(outputs.get(&root.target.id), Some(Output::Written(_)))
            {
                let error =
                    ProcessError::new(ErrorCode::TargetNotEmpty, "it has come to have children");
                outputs.insert(root.target.id, Output::GivenUp(error));
            }
            roots.push(root.target);
        }
        let finished =
            work::finish(params.target_id(), &roots, params.depth(), &outputs, &staged.usage);
        if let Some(error) = finished.nothing {
            return store.end_without_any(id, &error, actor, now).await.map(Finishing::Ended);
        }
        let failed = finished.result["failedTargets"].as_array().map_or(0, Vec::len);
        let detail =
            serde_json::json!({"usage": finished.result["usage"], "failedTargets": failed});
        let new = NewRows {
            user_id: &staged.user_id,
            goal: params.new_goal(),
            replace: params.replace(),
            parts: &finished.parts,
            result: &finished.result,
            detail: &detail,
        };
        match store.complete(id, staged.attempt, &new, actor, now).await? {
            Completion::Completed => return Ok(Finishing::Ended(Status::Completed)),
            Completion::Forbidden => {
                let error = ProcessError::new(
                    ErrorCode::Forbidden,
                    "the goal belongs to another user by now",
                );
                return store.end_without_any(id, &error, actor, now).await.map(Finishing::Ended);
            }
            Completion::TargetNotEmpty if params.new_goal().is_some() => {
                let error = ProcessError::new(
                    ErrorCode::TargetNotEmpty,
                    "the goal has sub-goals by now, and replace was not asked for",
                );
                return store.end_without_any(id, &error, actor, now).await.map(Finishing::Ended);
            }
            // The tables or the process have changed since the look: look again.
            Completion::Fenced | Completion::TargetNotFound | Completion::TargetNotEmpty => {}
        }
    }
    Err(Failure::new(
        ErrorCode::DatabaseError,
        format!("the targets changed {LOOKS} times while they were being applied"),
    ))
}

/// The roots that outputs were staged for. One that has gone since is left out, and so named
/// nowhere: it is not missed.
async fn staged_roots(
    store: &Store,
    user: &UserId,
    params: &Params,
    outputs: &work::Outputs,
) -> Result<Vec<FoundTarget>, Failure> {
    if params.new_goal().is_some() {
        return roots(store, user, params).await;
    }
    let ids: Vec<_> = outputs.keys().copied().collect();
    store
        .find_targets(user, &Needs { sub_goals: ids.clone(), actions: ids, ..Needs::default() })
        .await
}
