//! Admitting, for whoever may have made room: the functions that accept, cancel and reconcile, and
//! a worker whose process needs fewer calls than it had. Who is next is decided in the database;
//! then the executions are started.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use crate::{
    aws::workflow::{Started, Workflow},
    process::{Actor, Failure, ProcessId, Terms},
    store::Store,
};

/// Processes that are admitted by one statement, and started together.
const MOST_AT_ONCE: i32 = 16;
/// Statements that one occasion makes: what is left waits for the next. Where somebody waits for an
/// answer, it is fewer.
const MOST_ROUNDS: usize = 64;
const MOST_ROUNDS_OF_A_REQUEST: usize = 8;

/// Admits waiting processes as far as there is capacity, and starts their executions. One that is
/// admitted and cannot be started, or whose caller dies before, is started by the sweep (R1).
///
/// # Errors
/// When the database fails. What was admitted before is started.
pub async fn admit(
    store: &Store,
    workflow: &Workflow,
    terms: &Terms,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Vec<ProcessId>, Failure> {
    let mut admitted = Vec::new();
    let rounds = match actor {
        Actor::User => MOST_ROUNDS_OF_A_REQUEST,
        Actor::Operator | Actor::Worker | Actor::Reconciler => MOST_ROUNDS,
    };
    for _ in 0..rounds {
        let next = store.admit(terms, MOST_AT_ONCE, actor, now).await?;
        let is_last = i32::try_from(next.len()).is_ok_and(|count| count < MOST_AT_ONCE);
        start(store, workflow, &next, actor, now).await;
        admitted.extend(next);
        if is_last {
            break;
        }
    }
    if !admitted.is_empty() {
        tracing::info!(count = admitted.len(), actor = actor.as_str(), "admitted");
    }
    Ok(admitted)
}

/// Starts the executions of `ids`, all at once, and notes them. A failure is logged and left to the
/// sweep: the execution bears the same name whoever starts it.
pub async fn start(
    store: &Store,
    workflow: &Workflow,
    ids: &[ProcessId],
    actor: Actor,
    now: DateTime<Utc>,
) {
    let starting = ids.iter().map(async |id| (*id, workflow.start(*id).await));
    let mut started = Vec::new();
    for (id, outcome) in join_all(starting).await {
        match outcome {
            Ok(Started { execution_arn, at }) => {
                started.push((id, execution_arn, at.unwrap_or(now)));
            }
            Err(failure) => tracing::warn!(
                processId = %id,
                errorCode = %failure.code,
                cause = failure.cause,
                "not known to have started; the sweep will see to it"
            ),
        }
    }
    if let Err(failure) = store.record_starts(&started, actor).await {
        tracing::warn!(
            processId = started.first().map(|(id, ..)| tracing::field::display(id)),
            count = started.len(),
            errorCode = %failure.code,
            cause = failure.cause,
            "started, but not noted"
        );
    }
}
