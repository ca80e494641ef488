//! Cancelling a batch: all of its active processes at once, by one statement; then their executions
//! are stopped, as far as there is time for it. The sweep stops the rest (R10).

use std::time::Duration;

use futures_util::{StreamExt, stream};
use shared::{
    clock::Clock,
    http::{BatchView, Problem, Reply, Request},
    process::{ErrorCode, ProcessId, RequestBatchId},
};

use crate::cancel::{CancelHandler, Wish, read_wish};

/// Executions that are stopped at the same time.
const STOPPED_AT_ONCE: usize = 16;
/// How long stopping may take in all: the function has ten seconds, and has to answer.
const STOPPING_LIMIT: Duration = Duration::from_secs(4);

impl CancelHandler {
    pub(crate) async fn cancel_batch(&self, request: &Request) -> Result<Reply, Problem> {
        let id = request.batch_id()?;
        let Wish { reason, author } = read_wish(request, "batchId")?;
        let (owner, actor) = (request.caller.owner(), author.actor);
        let (by, now) = (author.name.clone(), self.clock.now());
        let cancelling = self.store.cancel_batch(id, owner, reason.as_deref(), author, now).await?;
        let cancelling = cancelling.ok_or(ErrorCode::ProcessingNotFound)?;
        if owner.is_some_and(|user| *user != cancelling.user_id) {
            return Err(ErrorCode::Forbidden.into());
        }
        tracing::info!(
            batchId = %id,
            userId = %cancelling.user_id,
            cancelled = cancelling.cancelled.len(),
            begun = cancelling.begun.len(),
            actor = actor.as_str(),
            by,
            "cancelled a batch"
        );
        self.stop(id, &cancelling.begun).await;
        if !cancelling.cancelled.is_empty() {
            self.make_room(actor).await;
        }
        let batch = self.store.find_batch(id).await?.ok_or(ErrorCode::ProcessingNotFound)?;
        Ok(Reply::of(200, &BatchView::new(&batch, request.language))?)
    }

    async fn stop(&self, id: RequestBatchId, processes: &[ProcessId]) {
        let stop = async |process: &ProcessId| {
            let stopped = self.workflow.stop(*process, "CANCELLED", "cancelled by request").await;
            if let Err(failure) = stopped {
                tracing::warn!(
                    processId = %process,
                    batchId = %id,
                    errorCode = %failure.code,
                    cause = failure.cause,
                    "cancelled, but its execution may still run; the sweep will stop it"
                );
            }
        };
        let stopping = stream::iter(processes).map(stop).buffer_unordered(STOPPED_AT_ONCE);
        let all = stopping.for_each(async |()| ());
        if tokio::time::timeout(STOPPING_LIMIT, all).await.is_err() {
            tracing::warn!(
                batchId = %id,
                count = processes.len(),
                "cancelled, but not all executions were stopped in time; the sweep will stop them"
            );
        }
    }
}
