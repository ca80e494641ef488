//! What can end an attempt before the model has answered: its process was cancelled or claimed by a
//! newer attempt, or the attempt's time runs out. Dropping the work drops the calls to the model
//! with it.

use std::time::Duration;

use shared::{
    process::{ErrorCode, Failure, ProcessId},
    store::{Fence, Standing, StoredGeneration},
};

use crate::worker::{StepError, Worker};

/// How often the worker looks at its process, so that a cancel stops it within two seconds.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// What an attempt ends with that has run out of time.
const OUT_OF_TIME: &str = "the worker's time was over before the model had answered";

/// How guarded work ended.
#[derive(Debug)]
pub(crate) enum Guarded<T> {
    /// By itself.
    Done(T),
    /// Its process no longer wants it; how it stands.
    Stopped(Standing),
}

impl<G: StoredGeneration> Worker<G> {
    /// Runs `work` until it ends, the process is no longer this attempt's, or `time_left` is over.
    pub(crate) async fn guard<T>(
        &self,
        id: ProcessId,
        fence: Fence,
        time_left: Duration,
        work: impl Future<Output = Result<T, StepError>>,
    ) -> Result<Guarded<T>, StepError> {
        tokio::select! {
            done = work => done.map(Guarded::Done),
            standing = self.stopped(id, fence) => Ok(Guarded::Stopped(standing)),
            () = tokio::time::sleep(time_left) => {
                Err(Failure::new(ErrorCode::TimeoutError, OUT_OF_TIME).into())
            }
        }
    }

    /// Returns once the process is no longer this attempt's. A look that fails tells nothing, and
    /// the next one follows.
    async fn stopped(&self, id: ProcessId, fence: Fence) -> Standing {
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            match self.store.standing(id, fence).await {
                Ok(Standing::Current) => {}
                Ok(standing) => return standing,
                Err(failure) => {
                    tracing::warn!(
                        processId = %id,
                        errorCode = %failure.code,
                        cause = failure.cause,
                        "cannot watch the process"
                    );
                }
            }
        }
    }
}
