//! Which errors the state machine tries again, how often and after what wait. The state machine
//! waits for free, a Lambda does not, so this is the only layer that retries.
//!
//! The list stands here once, task by task, in the order of the definition; a test proves that the
//! state machine's definition says exactly the same.
//!
//! | what | is waited for | because |
//! |---|---|---|
//! | the model's quota, a free worker that is set up | while there is time | it passes by waiting |
//! | the database | a minute and a half | a failover takes up to a minute |
//! | the worker's network or code | up to nine minutes | Lambda makes it anew after long idleness |
//! | Lambda itself | two minutes | AWS asks for it |
//! | a model that failed, a worker that died | seconds | what does not pass at once seldom passes |

use crate::process::{ErrorCode, Failure};

/// How one group of errors is retried: the wait before retry n (from 0) is random between 0 and
/// `interval × 2ⁿ` ("full jitter"), and never above the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Seconds.
    pub interval: u64,
    /// Retries after the first try.
    pub max_attempts: u64,
    /// Seconds.
    pub max_delay: u64,
}

impl Backoff {
    /// Seconds that all waits take together when each is as long as it can be. On average it is
    /// half of that.
    #[must_use]
    pub fn longest_wait(self) -> u64 {
        let waits = (0..self.max_attempts).map(|retry| {
            let factor = u32::try_from(retry).ok().and_then(|retry| 1_u64.checked_shl(retry));
            factor.map_or(self.max_delay, |factor| {
                self.interval.saturating_mul(factor).min(self.max_delay)
            })
        });
        waits.sum()
    }
}

/// A task of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The first step of a process: the whole of it, or its plan.
    Generate,
    /// One batch of a process with several targets.
    Batch,
    /// Naming what is left of a batch as failed.
    GiveUp,
    /// Writing the final status of a process that did not complete.
    Settle,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 4] = [Self::Generate, Self::Batch, Self::GiveUp, Self::Settle];
}

/// Errors that are retried together, each with its own count of attempts in every execution of a
/// state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrier {
    /// Why they are, in words.
    pub reason: &'static str,
    /// The names of the errors.
    pub errors: &'static [&'static str],
    /// How.
    pub backoff: Backoff,
}

/// The Lambda error name of an attempt that a newer one has overtaken. It is for the state machine
/// alone, which retries it like a lost worker; no process ends with it unless attempts overtake
/// each other again and again, and then as `LAMBDA_UNAVAILABLE`.
pub const OVERTAKEN: &str = "ATTEMPT_OVERTAKEN";
/// The Lambda error name of an attempt at a batch whose invocation's time is over, and that has got
/// on in it: the next one goes on with what is left. It is for the state machine alone.
pub const UNFINISHED: &str = "BATCH_UNFINISHED";
/// The Lambda error name of a failure that is final although its code is one that is retried: no
/// retrier names it. A process ends with it as `AI_RESPONSE_INVALID`.
pub const CONTENT_REFUSED: &str = "CONTENT_REFUSED";

/// The Lambda error name of a function that cannot be set up, because a variable is missing or
/// wrong: nothing has run, and whoever deploys again mends it. It is for the state machine alone.
pub const NOT_SET_UP: &str = "FUNCTION_NOT_SET_UP";

/// The longest life of a process, in seconds; `ProcessTimeLimitSeconds` may not be above it.
pub const LONGEST_PROCESS: u64 = 3_600;

/// Longer than any process lives: what ends the waiting is the time limit of the process, by the
/// worker's hand or the reconciler's.
const WHILE_THERE_IS_TIME: Backoff = Backoff { interval: 5, max_attempts: 240, max_delay: 60 };
/// A quota is found sooner by those who have just begun than by those who come again: twice as
/// long.
const WHILE_THERE_IS_A_QUOTA: Backoff = Backoff { interval: 10, max_attempts: 240, max_delay: 60 };

/// Throttling passes by waiting alone.
pub const MODEL_BUSY: Retrier = Retrier {
    reason: "The quota of the models is used up: wait as long as the process has time. The worker \
             ends the process when its time is over.",
    errors: &[ErrorCode::AiThrottling.as_str()],
    backoff: WHILE_THERE_IS_A_QUOTA,
};
/// What usually passes at once.
pub const MODEL_FAILED: Retrier = Retrier {
    reason: "The models had a bad moment.",
    errors: &[ErrorCode::AiError.as_str(), ErrorCode::AiResponseInvalid.as_str()],
    backoff: Backoff { interval: 1, max_attempts: 3, max_delay: 30 },
};
/// A failover, or a password that is being changed.
pub const DATABASE: Retrier = Retrier {
    reason: "The database fails over, or its password is being changed.",
    errors: &[ErrorCode::DatabaseError.as_str(), ErrorCode::DatabaseConnectionError.as_str()],
    backoff: Backoff { interval: 2, max_attempts: 6, max_delay: 30 },
};
/// The account's concurrency is used up, or the function wants a variable.
pub const NO_FREE_WORKER: Retrier = Retrier {
    reason: "No free worker in the account, or none that can be set up: nothing has run, and \
             waiting here costs nothing.",
    errors: &["Lambda.TooManyRequestsException", NOT_SET_UP],
    backoff: WHILE_THERE_IS_TIME,
};
/// As [`NO_FREE_WORKER`], for the step after which the sweep settles the process.
pub const NO_FREE_RECONCILER: Retrier = Retrier {
    reason: "No free reconciler in the account, or none that can be set up. When the waits are \
             over, the next sweep settles the process.",
    errors: NO_FREE_WORKER.errors,
    backoff: Backoff { interval: 5, max_attempts: 6, max_delay: 60 },
};
/// Lambda takes the network and the code of a function away that was idle for long, and makes them
/// anew with the next call, which fails. Reports name 40 to 106 s until it is ready.
pub const NOT_READY: Retrier = Retrier {
    reason: "Lambda makes the function's network or code ready, after a long idle time or a \
             change: nothing has run. Reports name up to 106 s.",
    errors: &[
        "Lambda.ResourceNotReadyException",
        "Lambda.ENINotReadyException",
        "Lambda.ResourceConflictException",
        "Lambda.CodeArtifactUserPendingException",
        "Lambda.EC2ThrottledException",
        "Lambda.EC2UnexpectedException",
        "Lambda.SubnetIPAddressLimitReachedException",
        "Lambda.ENILimitReachedException",
    ],
    backoff: Backoff { interval: 15, max_attempts: 10, max_delay: 60 },
};
/// Lambda itself failed
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/bp-lambda-serviceexception.html>).
pub const ENGINE_FAILED: Retrier = Retrier {
    reason: "Lambda itself failed. The worker may have run: the next attempt fences the lost one \
             off.",
    errors: &[
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
    ],
    backoff: Backoff { interval: 2, max_attempts: 6, max_delay: 60 },
};
/// What passes when the function is simply invoked anew.
pub const LOST: Retrier = Retrier {
    reason: "The function's process died or was overtaken. The next attempt fences the lost one \
             off.",
    errors: &[
        "Lambda.Unknown",
        "Runtime.ExitError",
        "Runtime.OutOfMemory",
        "Sandbox.Timedout",
        OVERTAKEN,
    ],
    backoff: Backoff { interval: 2, max_attempts: 2, max_delay: 30 },
};

/// What has got on goes on at once. Each attempt writes at least one target, so that this ends; the
/// process's time ends it too.
pub const GOES_ON: Retrier = Retrier {
    reason: "The batch has more work than one invocation has time: the next one goes on with what \
             is left.",
    errors: &[UNFINISHED],
    backoff: Backoff { interval: 1, max_attempts: 240, max_delay: 1 },
};

/// The retriers of a task, in the order of the definition. An error that stands in none of them
/// ends the task.
#[must_use]
pub const fn retriers(task: Task) -> &'static [Retrier] {
    match task {
        Task::Generate => {
            &[MODEL_BUSY, MODEL_FAILED, DATABASE, NO_FREE_WORKER, NOT_READY, ENGINE_FAILED, LOST]
        }
        Task::Batch => &[
            MODEL_BUSY,
            MODEL_FAILED,
            DATABASE,
            NO_FREE_WORKER,
            NOT_READY,
            ENGINE_FAILED,
            LOST,
            GOES_ON,
        ],
        Task::GiveUp => &[DATABASE, NO_FREE_WORKER, NOT_READY, ENGINE_FAILED, LOST],
        Task::Settle => &[DATABASE, NO_FREE_RECONCILER, NOT_READY, ENGINE_FAILED, LOST],
    }
}

/// How a task retries the error `name`; `None`: the task ends.
#[must_use]
pub fn backoff(task: Task, name: &str) -> Option<Backoff> {
    let retrier = retriers(task).iter().find(|retrier| retrier.errors.contains(&name));
    retrier.map(|retrier| retrier.backoff)
}

/// How the state machine retries a worker that failed with `code`; `None`: the process ends.
/// `TIMEOUT_ERROR` is retryable for a person, but the process has used up its time: trying again
/// inside it cannot help.
#[must_use]
pub fn of_worker_error(code: ErrorCode) -> Option<Backoff> {
    backoff(Task::Generate, code.as_str())
}

/// The Lambda error name by which the state machine chooses.
#[must_use]
pub const fn error_name(failure: &Failure) -> &'static str {
    if failure.is_final { CONTENT_REFUSED } else { failure.code.as_str() }
}

/// How often a target of a batch is tried whose answers keep breaking the rules. The others of its
/// batch wait for it, so it is fewer than a batch has attempts; each attempt asks once, and for up
/// to three repairs. Attempts that a quota or the time of an invocation cut short are no tries.
pub const TRIES_FOR_INVALID_ANSWERS: i32 = 2;

/// Whether a target of a batch is given up for `code` in this try at the batch (from 1), instead of
/// being tried again.
#[must_use]
pub const fn gives_up_target(code: ErrorCode, this_try: i32) -> bool {
    is_failed_try(code) && this_try >= TRIES_FOR_INVALID_ANSWERS
}

/// Whether an attempt at a batch that ended with `code` counts as a try.
#[must_use]
pub const fn is_failed_try(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AiResponseInvalid)
}

/// Whether a target of a batch is given up for `failure` in this try at the batch (from 1): at once
/// when asking again would be asking for the same.
#[must_use]
pub const fn gives_up(failure: &Failure, this_try: i32) -> bool {
    failure.is_final || gives_up_target(failure.code, this_try)
}

/// Whether an error that ended a batch ends the whole process: a fault of configuration or of the
/// engine would meet every other target too, and must not pass for a partial success. What is about
/// the content of one target has none of these codes.
#[must_use]
pub const fn ends_process(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::InternalError
            | ErrorCode::StepFunctionsError
            | ErrorCode::Forbidden
            | ErrorCode::ProcessingNotFound
    )
}

/// The failure by which a batch is tried again: one that ends the process, or else the one that
/// waits longest.
#[must_use]
pub fn worst(failures: Vec<Failure>) -> Option<Failure> {
    failures.into_iter().max_by_key(|failure| match of_worker_error(failure.code) {
        _ if ends_process(failure.code) => u64::MAX,
        _ if failure.is_final => 0,
        Some(backoff) => backoff.interval,
        None => 0,
    })
}

#[cfg(test)]
mod tests;
