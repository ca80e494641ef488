//! Which errors the state machine tries again, how often and after what wait. The state machine waits for free, a Lambda does
//! not, so this is the only layer that retries; a test proves that the state machine's definition says the same.

use crate::error_code::ErrorCode;

/// How one group of errors is retried: the wait before retry n (from 0) is random between 0 and `interval × 2ⁿ` ("full jitter"),
/// and never above the cap.
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

/// How the state machine retries a worker that failed with `code`; `None`: the process ends.
#[must_use]
pub const fn of_worker_error(code: ErrorCode) -> Option<Backoff> {
    match code {
        ErrorCode::AiThrottling => Some(THROTTLED),
        ErrorCode::AiError | ErrorCode::AiResponseInvalid | ErrorCode::DatabaseError | ErrorCode::DatabaseConnectionError => {
            Some(TRANSIENT)
        }
        // TIMEOUT_ERROR is retryable for a person, but the process has used up its time: trying again inside it cannot help.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The Retry that the state machine's definition applies to `error`: the first whose `ErrorEquals` names it.
    fn in_definition(error: &str) -> Option<Backoff> {
        let definition: Value = serde_json::from_str(include_str!("../../infra/statemachine/ai-generation.asl.json")).unwrap();
        let retriers = definition["States"]["Generate"]["Retry"].as_array().unwrap();
        let retrier = retriers.iter().find(|retrier| retrier["ErrorEquals"].as_array().unwrap().iter().any(|name| name == error))?;
        assert_eq!((&retrier["BackoffRate"], &retrier["JitterStrategy"]), (&Value::from(2), &Value::from("FULL")), "{error}");
        Some(Backoff {
            interval: retrier["IntervalSeconds"].as_u64().unwrap(),
            max_attempts: retrier["MaxAttempts"].as_u64().unwrap(),
            max_delay: retrier["MaxDelaySeconds"].as_u64().unwrap(),
        })
    }

    #[test]
    fn the_state_machine_retries_exactly_what_the_policy_says() {
        for code in ErrorCode::ALL {
            assert_eq!(in_definition(code.as_str()), of_worker_error(*code), "{code}");
        }
    }

    #[test]
    fn only_retryable_errors_are_retried() {
        for code in ErrorCode::ALL {
            assert!(code.retryable() || of_worker_error(*code).is_none(), "{code}");
        }
    }
}
