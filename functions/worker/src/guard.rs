//! What can end an attempt before the model has answered: its process was cancelled or claimed by a
//! newer attempt, or the attempt's time runs out. Dropping the work drops the calls to the model
//! with it.

use std::time::Duration;

use shared::{
    process::{ErrorCode, Failure, ProcessId},
    store::{Fence, Standing, StoredGeneration, Watched},
};

use crate::{
    limits::{LEAST_TIME_TO_ANSWER, LOOKS_BETWEEN_WISHES, ROOM_PATIENCE, TimeLeft, WATCH_EVERY},
    slots::Slots,
    worker::{StepError, Worker},
};

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
        time_left: TimeLeft,
        slots: Option<&Slots>,
        work: impl Future<Output = Result<T, StepError>>,
    ) -> Result<Guarded<T>, StepError> {
        let began = self.clock.now();
        let none = Slots::new(1);
        let slots = slots.unwrap_or(&none);
        let make_room = async || self.make_room().await;
        let mut making_room = std::pin::pin!(slots.keep_making_room(make_room));
        let guarded = tokio::select! {
            never = &mut making_room => match never {},
            done = work => done.map(Guarded::Done).map_err(|error| {
                let taken = (self.clock.now() - began).to_std().unwrap_or_default();
                end_by_time(error, time_left.process.saturating_sub(taken))
            }),
            standing = self.stopped(id, fence, slots) => Ok(Guarded::Stopped(standing)),
            () = tokio::time::sleep(time_left.of_attempt()) => {
                let attempt = fence.batch.map_or(fence.attempt, |(_, attempt)| attempt);
                Err(out_of_time(time_left, attempt).into())
            }
        };
        let finishing = slots.finish_making_room(making_room);
        if tokio::time::timeout(ROOM_PATIENCE, finishing).await.is_err() {
            tracing::warn!(processId = %id, "who was being admitted is left to the sweep");
        }
        guarded
    }

    /// Returns once the process is no longer this attempt's. A look that fails tells nothing, and
    /// the next one follows. Each look also tells how many calls may be in flight; a batch that
    /// could use more asks for them now and then, because nothing may end meanwhile that would be
    /// an occasion to give it some.
    async fn stopped(&self, id: ProcessId, fence: Fence, slots: &Slots) -> Standing {
        for look in 1_u32.. {
            tokio::time::sleep(WATCH_EVERY).await;
            match self.store.watch(id, fence).await {
                Ok(Watched { standing: Standing::Current, slots: count, wants_more }) => {
                    if let Some(count) = count {
                        slots.set(count);
                    }
                    if wants_more && look.is_multiple_of(LOOKS_BETWEEN_WISHES) {
                        slots.want_room();
                    }
                }
                Ok(Watched { standing, .. }) => return standing,
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
        Standing::Overtaken
    }
}

/// The error of an attempt that has run out of time.
fn out_of_time(time_left: TimeLeft, attempt: i32) -> Failure {
    let cause = if time_left.process.is_zero() && attempt > 1 {
        format!(
            "the process's time was over when attempt {attempt} began; the worker's log names the \
             error of each attempt before it"
        )
    } else {
        "the worker's time was over before the model had answered".to_owned()
    };
    Failure::new(ErrorCode::TimeoutError, cause)
}

/// The error of an attempt when the process has `process_left` after it. Throttling never fails a
/// process that has time left; when there is none, the process ends by its time limit, and the
/// cause names what the time went by with.
fn end_by_time(error: StepError, process_left: Duration) -> StepError {
    match error {
        StepError::Failed(failure)
            if failure.code == ErrorCode::AiThrottling && process_left < LEAST_TIME_TO_ANSWER =>
        {
            let cause = format!("throttled until the process's time was over: {}", failure.cause);
            Failure::new(ErrorCode::TimeoutError, cause).into()
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use shared::process::engine_retry;

    use super::*;

    fn failed(code: ErrorCode, left: u64) -> Failure {
        let error = StepError::Failed(Failure::new(code, "first throttled: too many"));
        match end_by_time(error, Duration::from_secs(left)) {
            StepError::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }

    // design.md, invariant 14; aws.md 5
    #[test]
    fn throttling_is_waited_out_while_the_process_has_time() {
        for left in [10, 60, 3_000] {
            let failure = failed(ErrorCode::AiThrottling, left);
            assert_eq!(failure.code, ErrorCode::AiThrottling, "{left}");
            assert!(engine_retry::of_worker_error(failure.code).is_some());
        }
    }

    #[test]
    fn a_process_that_was_throttled_until_its_time_was_over_says_so() {
        let failure = failed(ErrorCode::AiThrottling, 9);
        assert_eq!(failure.code, ErrorCode::TimeoutError);
        assert_eq!(
            failure.cause,
            "throttled until the process's time was over: first throttled: too many"
        );
        assert_eq!(engine_retry::of_worker_error(failure.code), None);
    }

    #[test]
    fn other_errors_keep_their_name_when_the_time_is_over() {
        for code in [ErrorCode::AiError, ErrorCode::DatabaseError, ErrorCode::InternalError] {
            assert_eq!(failed(code, 0).code, code);
        }
    }

    #[test]
    fn an_attempt_that_begins_too_late_points_to_those_before_it() {
        let late = TimeLeft { process: Duration::ZERO, invocation: Duration::from_secs(295) };
        assert!(out_of_time(late, 7).cause.contains("attempt 7"));
        let slow = TimeLeft { process: Duration::from_secs(20), ..late };
        assert!(out_of_time(slow, 7).cause.contains("before the model had answered"));
        assert!(out_of_time(late, 1).cause.contains("before the model had answered"));
    }
}
