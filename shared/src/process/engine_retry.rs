//! Which errors the state machine tries again, how often and after what wait. The state machine
//! waits for free, a Lambda does not, so this is the only layer that retries; a test proves that
//! the state machine's definition says the same.

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

/// Throttling passes by waiting, so it waits longer than the rest.
pub const THROTTLED: Backoff = Backoff { interval: 4, max_attempts: 3, max_delay: 60 };
/// What usually passes at once.
pub const TRANSIENT: Backoff = Backoff { interval: 1, max_attempts: 3, max_delay: 30 };

/// What passes when the worker is simply invoked anew: Lambda failed, or the worker's process died.
pub const LOST: Backoff = Backoff { interval: 2, max_attempts: 2, max_delay: 30 };
/// The Lambda error name of an attempt that a newer one has overtaken. It is for the state machine
/// alone, which retries it like a lost worker; no process ends with it unless attempts overtake
/// each other again and again, and then as `LAMBDA_ERROR`.
pub const OVERTAKEN: &str = "ATTEMPT_OVERTAKEN";

/// How the state machine retries a worker that failed with `code`; `None`: the process ends.
#[must_use]
pub const fn of_worker_error(code: ErrorCode) -> Option<Backoff> {
    match code {
        ErrorCode::AiThrottling => Some(THROTTLED),
        ErrorCode::AiError
        | ErrorCode::AiResponseInvalid
        | ErrorCode::DatabaseError
        | ErrorCode::DatabaseConnectionError => Some(TRANSIENT),
        // TIMEOUT_ERROR is retryable for a person, but the process has used up its time: trying
        // again inside it cannot help.
        _ => None,
    }
}

/// How often a target of a batch is tried whose answers keep breaking the rules. The others of its
/// batch wait for it, so it is fewer than a batch has attempts; each attempt asks twice.
pub const TRIES_FOR_INVALID_ANSWERS: i32 = 2;

/// Whether a target of a batch is given up for `code` in this attempt at the batch (from 1),
/// instead of being tried again.
#[must_use]
pub const fn gives_up_target(code: ErrorCode, attempt: i32) -> bool {
    matches!(code, ErrorCode::AiResponseInvalid) && attempt >= TRIES_FOR_INVALID_ANSWERS
}

/// Whether an error that ended a batch ends the whole process: a fault of configuration or of the
/// engine would meet every other target too, and must not pass for a partial success.
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
        Some(backoff) => backoff.interval,
        None => 0,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const DEFINITION: &str = include_str!("../../../infra/statemachine/ai-generation.asl.json");
    /// The two states that call a model.
    const STATES: [&str; 2] = ["/States/Generate", "/States/Batches/ItemProcessor/States/Batch"];

    /// The Retry that a state of the state machine's definition applies to `error`: the first whose
    /// `ErrorEquals` names it.
    fn in_definition(state: &str, error: &str) -> Option<Backoff> {
        let definition: Value = serde_json::from_str(DEFINITION).unwrap();
        let retriers = definition.pointer(state).unwrap()["Retry"].as_array().unwrap();
        let retrier = retriers.iter().find(|retrier| {
            retrier["ErrorEquals"].as_array().unwrap().iter().any(|name| name == error)
        })?;
        assert_eq!(
            (&retrier["BackoffRate"], &retrier["JitterStrategy"]),
            (&Value::from(2), &Value::from("FULL")),
            "{error}"
        );
        Some(Backoff {
            interval: retrier["IntervalSeconds"].as_u64().unwrap(),
            max_attempts: retrier["MaxAttempts"].as_u64().unwrap(),
            max_delay: retrier["MaxDelaySeconds"].as_u64().unwrap(),
        })
    }

    #[test]
    fn the_state_machine_retries_exactly_what_the_policy_says() {
        for code in ErrorCode::ALL {
            for state in STATES {
                assert_eq!(
                    in_definition(state, code.as_str()),
                    of_worker_error(*code),
                    "{state}: {code}"
                );
            }
        }
    }

    #[test]
    fn a_lost_and_an_overtaken_worker_are_invoked_anew() {
        for state in STATES {
            for name in ["Runtime.ExitError", "Sandbox.Timedout", OVERTAKEN] {
                assert_eq!(in_definition(state, name), Some(LOST), "{state}: {name}");
            }
        }
    }

    #[test]
    fn a_batch_has_attempts_left_when_a_target_is_given_up() {
        let tries = (1..10)
            .find(|attempt| gives_up_target(ErrorCode::AiResponseInvalid, *attempt))
            .unwrap();
        let backoff = of_worker_error(ErrorCode::AiResponseInvalid).unwrap();
        assert!(u64::try_from(tries).unwrap() <= backoff.max_attempts + 1);
        assert!((1..10).all(|attempt| !gives_up_target(ErrorCode::AiThrottling, attempt)));
    }

    #[test]
    fn a_batch_is_tried_again_by_the_failure_that_waits_longest() {
        let failures = |codes: &[ErrorCode]| {
            codes.iter().map(|code| Failure::new(*code, "test")).collect::<Vec<_>>()
        };
        assert_eq!(
            worst(failures(&[ErrorCode::AiError, ErrorCode::AiThrottling])).unwrap().code,
            ErrorCode::AiThrottling
        );
        assert_eq!(
            worst(failures(&[ErrorCode::AiThrottling, ErrorCode::InternalError])).unwrap().code,
            ErrorCode::InternalError
        );
        assert_eq!(worst(Vec::new()), None);
    }

    #[test]
    fn only_retryable_errors_are_retried() {
        for code in ErrorCode::ALL {
            assert!(code.retryable() || of_worker_error(*code).is_none(), "{code}");
        }
    }
}
