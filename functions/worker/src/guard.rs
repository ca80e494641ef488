//! What can end an attempt before the model has answered: its process was cancelled or claimed by a newer attempt, or the
//! invocation's time runs out. Dropping the work drops the call to the model with it.

use std::time::Duration;

use shared::{error_code::ErrorCode, failure::Failure, process::ProcessId};

use crate::Worker;

/// How often the worker looks at its process, so that a cancel stops it within two seconds.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How guarded work ended.
#[derive(Debug)]
pub(crate) enum Guarded<T> {
    /// By itself.
    Done(T),
    /// Its process no longer wants it.
    Stopped,
}

impl Worker {
    /// Runs `work` until it ends, the process is no longer this attempt's, or `time_left` is over.
    pub(crate) async fn guard<T>(
        &self,
        id: ProcessId,
        attempt: i32,
        time_left: Duration,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<Guarded<T>, Failure> {
        tokio::select! {
            done = work => done.map(Guarded::Done),
            () = self.stopped(id, attempt) => Ok(Guarded::Stopped),
            () = tokio::time::sleep(time_left) => {
                Err(Failure::new(ErrorCode::TimeoutError, "the worker's time was over before the model had answered"))
            }
        }
    }

    /// Returns once the process is no longer this attempt's. A look that fails tells nothing, and the next one follows.
    async fn stopped(&self, id: ProcessId, attempt: i32) {
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            match self.store.is_current(id, attempt).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => {
                    tracing::warn!(processId = %id, errorCode = %failure.code, cause = failure.cause, "cannot watch the process");
                }
            }
        }
    }
}
