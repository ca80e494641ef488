//! Accepting a process, for whoever submits one: store it, then start its execution, if there is
//! capacity for it; else it waits. The answer is good as soon as the row is committed: if the start
//! fails, or its answer is lost, the sweep starts it under the same name.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    aws::workflow::Workflow,
    http::{AcceptedView, Problem, rate_limited},
    process::{
        ErrorCode, Failure, ProcessId, ProcessType, Status, Waiting, admission, estimate,
        request_batch::Obstacle,
    },
    store::{Quota, Store, StoredGeneration, Submission, Submitted},
    use_case::{admit, refusing::refusal, start},
};

/// How long the function that accepted a process may be busy with starting it.
const START_UNDER_WAY: TimeDelta = TimeDelta::seconds(10);

/// A process that has been accepted: now, or when the same was asked for before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accepted {
    /// Its id.
    pub process_id: ProcessId,
    /// Where it stands. For a repeat of a request it says what the first answer said.
    pub status: Status,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it will probably be done, as it was estimated then.
    pub estimated_completion: DateTime<Utc>,
    /// Whether it was accepted before.
    pub repeated: bool,
}

impl Accepted {
    /// What the client is told.
    #[must_use]
    pub const fn view<'a>(&self, process_type: &'a ProcessType) -> AcceptedView<'a> {
        AcceptedView {
            process_id: self.process_id,
            status: self.status,
            process_type,
            created_at: self.created_at,
            estimated_completion_time: self.estimated_completion,
        }
    }
}

/// Accepts `submission`; or finds the process that was made when the same was asked for before.
/// Besides, where the user stands in the minute, if the submission is counted.
///
/// # Errors
/// That the database failed; then nothing is stored. What stands in the way is an inner error.
pub async fn submit<G: StoredGeneration>(
    store: &Store,
    workflow: &Workflow,
    submission: &Submission<G>,
) -> Result<(Result<Accepted, Problem>, Option<Quota>), Failure> {
    let (submitted, quota) = store.submit(submission).await?;
    let before = |process_id, status, created_at, recent_seconds| Accepted {
        process_id,
        status,
        created_at,
        estimated_completion: estimate::completion_time(created_at, recent_seconds, created_at),
        repeated: true,
    };
    let refuse = |obstacle| Problem::from(refusal(obstacle, &submission.late, submission.now));
    let accepted = match submitted {
        Submitted::Accepted { recent_seconds, admitted } => {
            let waiting = begin(store, workflow, submission, admitted).await;
            let accepted = before(submission.id, Status::Pending, submission.now, recent_seconds);
            let estimated_completion = match waiting {
                None => accepted.estimated_completion,
                Some(waiting) => {
                    admission::completion_time(waiting, recent_seconds, submission.now)
                }
            };
            Ok(Accepted { repeated: false, estimated_completion, ..accepted })
        }
        Submitted::Repeated { process_id, created_at, recent_seconds, unstarted } => {
            if unstarted && start_is_lost(created_at, submission.now) {
                start(store, workflow, &[process_id], submission.actor, submission.now).await;
            }
            Ok(before(process_id, Status::Pending, created_at, recent_seconds))
        }
        Submitted::AlreadyRetried { process_id, status, created_at, recent_seconds, unstarted } => {
            if unstarted && start_is_lost(created_at, submission.now) {
                start(store, workflow, &[process_id], submission.actor, submission.now).await;
            }
            Ok(before(process_id, status, created_at, recent_seconds))
        }
        Submitted::Paused => Err(refuse(Obstacle::Paused)),
        Submitted::TooManyWaiting => Err(refuse(Obstacle::TooManyWaiting)),
        Submitted::OverBudget { left, planned } => {
            Err(refuse(Obstacle::OverBudget { left, planned }))
        }
        Submitted::TooLate => Err(refuse(Obstacle::TooLate)),
        Submitted::KeyReused => Err(ErrorCode::IdempotencyKeyReused.into()),
        Submitted::RateLimited => Err(match &quota {
            Some(quota) => rate_limited(quota, submission.now),
            None => ErrorCode::RateLimitExceeded.into(),
        }),
        Submitted::Forbidden => Err(refuse(Obstacle::Forbidden)),
        Submitted::TargetNotFound => Err(refuse(Obstacle::TargetNotFound)),
        Submitted::TargetNotEmpty => Err(refuse(Obstacle::TargetNotEmpty)),
        Submitted::AlreadyRunning { process_id } => {
            Err(refuse(Obstacle::AlreadyRunning { process_id }))
        }
    };
    Ok((accepted, quota))
}

/// Whether the start of a process of which none has been noted must be taken as lost. Soon after it
/// was accepted, it is under way: many repeats at once shall not start it as many times.
fn start_is_lost(created_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - created_at >= START_UNDER_WAY
}

/// Starts the execution of a process that has just been stored, if it is admitted; and if that is
/// not known, asks whose turn it is. Where it waits then. Whatever fails here, the process is
/// accepted: the next occasion to admit, or the sweep, sees to it.
async fn begin<G: StoredGeneration>(
    store: &Store,
    workflow: &Workflow,
    submission: &Submission<G>,
    admitted: Option<bool>,
) -> Option<Waiting> {
    let Submission { id, terms, actor, now, .. } = submission;
    match admitted {
        Some(true) => {
            start(store, workflow, &[*id], *actor, *now).await;
            return None;
        }
        Some(false) => {}
        None => match admit(store, workflow, terms, *actor, *now).await {
            Ok(admitted) if admitted.contains(id) => return None,
            Ok(_) => {}
            Err(failure) => tracing::warn!(
                processId = %id,
                errorCode = %failure.code,
                cause = failure.cause,
                "accepted, and nobody was admitted; the next occasion will see to it"
            ),
        },
    }
    store.where_it_waits(*id, terms, *now).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Protocol B10.
    #[test]
    fn a_start_counts_as_lost_once_it_can_no_longer_be_under_way() {
        let created_at = DateTime::UNIX_EPOCH;
        let lost = |seconds| start_is_lost(created_at, created_at + TimeDelta::seconds(seconds));
        assert_eq!((lost(0), lost(9), lost(10), lost(300)), (false, false, true, true));
    }
}
