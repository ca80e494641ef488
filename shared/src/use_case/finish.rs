//! Finishing a process with several targets: what was staged is applied to the tables of its kind,
//! and the process completes, in one statement. Whoever staged the last target does it; if they die
//! before, the next attempt at their batch does, and at last the reconciler.
//!
//! Whether it is whole is decided by the plan and never by a count: each planned target, and each
//! one that follows from a written one, is written or given up. Of the planned targets, those that
//! have gone from the tables since are named as failed like the rest.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    process::{
        Actor, Ending, ErrorCode, Failure, Generation, ModelTotal, Output, Outputs, PlannedTarget,
        ProcessError, ProcessId, Status, UserId, generation::open_in_plan, total_by_model,
    },
    store::{Completion, Ended, FoundTarget, NewRows, Staged, Standing, Store, StoredGeneration},
};

/// Targets can go, or get children, while they are being applied; then it is looked at anew, so
/// often.
const MAX_ATTEMPTS: usize = 3;

/// What became of a wish to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// It ended: COMPLETED, or FAILED or TIMEOUT when nothing at all could be written; or it had
    /// ended before.
    Ended(Status),
    /// Not everything is staged yet.
    NotYet,
}

/// What the history notes of a completion.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompletionDetail {
    usage: Vec<ModelTotal>,
    /// How many targets got nothing.
    failed_targets: usize,
}

/// Applies what is staged if all of it is, and completes the process. Repeating it changes nothing.
///
/// # Errors
/// When the database fails, or targets come and go so fast that it never fits.
pub async fn finish<G: StoredGeneration>(
    store: &Store,
    id: ProcessId,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Finish, Failure> {
    let end = async |error: ProcessError| end_with(store, id, error, actor, now).await;
    for _ in 0..MAX_ATTEMPTS {
        let Some(staged) = store.staged::<G>(id).await? else {
            // Whoever came first has ended it.
            return match store.standing(id, 0.into()).await? {
                Standing::Ended(status) => Ok(Finish::Ended(status)),
                Standing::Missing => Err(missing()),
                Standing::Current | Standing::Overtaken => Ok(Finish::NotYet),
            };
        };
        let Staged { attempt, user_id, process_type, params, planned, mut outputs, usage } = staged;
        let params = G::parse_stored(&process_type, &params)
            .map_err(|error| Failure::internal(error.to_string()))?;
        let planned = planned_roots::<G>(&params, planned);
        if planned.is_empty() || !open_in_plan::<G>(&params, &planned, &outputs).is_empty() {
            return Ok(Finish::NotYet);
        }
        let found = find_planned::<G>(store, &user_id, &params, &planned).await?;
        let roots = give_up_occupied::<G>(&params, found, &mut outputs);
        let is_there = |id| roots.iter().any(|root| G::id(root) == id);
        let gone: Vec<PlannedTarget> =
            planned.into_iter().filter(|root| !is_there(root.id)).collect();
        let assembly = G::assemble(&params, &roots, &gone, &outputs, &usage);
        if let Some(error) = assembly.nothing_written {
            return end(error).await;
        }
        let detail = CompletionDetail {
            usage: total_by_model(&usage),
            failed_targets: assembly.failed.len(),
        };
        let detail =
            serde_json::to_value(detail).map_err(|error| Failure::internal(error.to_string()))?;
        let new = NewRows::<G> {
            user_id: &user_id,
            params: &params,
            parts: &assembly.parts,
            result: &assembly.result,
            detail: &detail,
        };
        match store.complete(id, attempt, &new, actor, now).await? {
            Completion::Completed => return Ok(Finish::Ended(Status::Completed)),
            Completion::Forbidden => {
                let cause = "the target belongs to another user by now";
                return end(ProcessError::new(ErrorCode::Forbidden, cause)).await;
            }
            Completion::TargetNotEmpty if !G::target_must_exist(&params) => {
                let cause = "the target is occupied by now, and replace was not asked for";
                return end(ProcessError::new(ErrorCode::TargetNotEmpty, cause)).await;
            }
            Completion::TargetNotFound if !G::target_must_exist(&params) => {
                let cause = "the target was there when it was asked for, and has gone";
                return end(ProcessError::new(ErrorCode::TargetNotFound, cause)).await;
            }
            // The tables or the process have changed since the look: look again.
            Completion::Fenced | Completion::TargetNotFound | Completion::TargetNotEmpty => {}
        }
    }
    let cause = format!("the targets changed {MAX_ATTEMPTS} times while they were being applied");
    Err(Failure::new(ErrorCode::DatabaseError, cause))
}

/// What the process is whole by: the root that all others follow from, or else what its batches
/// begin with.
fn planned_roots<G: Generation>(
    params: &G::Params,
    in_batches: Vec<PlannedTarget>,
) -> Vec<PlannedTarget> {
    match G::leading_root(params) {
        Some(root) => vec![PlannedTarget { id: G::id(&root), weight: G::weight(params, &root) }],
        None => in_batches,
    }
}

/// The planned roots that are there.
async fn find_planned<G: StoredGeneration>(
    store: &Store,
    user: &UserId,
    params: &G::Params,
    planned: &[PlannedTarget],
) -> Result<Vec<FoundTarget<G::Target>>, Failure> {
    if G::leading_root(params).is_some() {
        return store.find_roots::<G>(user, params).await;
    }
    let ids: Vec<Uuid> = planned.iter().map(|root| root.id).collect();
    store.find_targets::<G>(user, params, &ids).await
}

/// Gives up what was written for a root that has come to hold something which must not go.
fn give_up_occupied<G: Generation>(
    params: &G::Params,
    found: Vec<FoundTarget<G::Target>>,
    outputs: &mut Outputs<G>,
) -> Vec<G::Target> {
    for root in found.iter().filter(|root| root.occupied && !G::replace(params)) {
        if let Some(output @ Output::Written(_)) = outputs.get_mut(&G::id(&root.target)) {
            let error =
                ProcessError::new(ErrorCode::TargetNotEmpty, "it has come to have children");
            *output = Output::GivenUp(error);
        }
    }
    found.into_iter().map(|root| root.target).collect()
}

/// Ends a process of which nothing could be written.
async fn end_with(
    store: &Store,
    id: ProcessId,
    error: ProcessError,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Finish, Failure> {
    let ending = Ending::of(error);
    match store.end(id, &ending, actor, now).await? {
        Ended::Now(_) => Ok(Finish::Ended(ending.status())),
        Ended::Before(status) => Ok(Finish::Ended(status)),
        Ended::Missing => Err(missing()),
    }
}

fn missing() -> Failure {
    Failure::new(ErrorCode::ProcessingNotFound, "the process has no row")
}
