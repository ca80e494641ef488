//! What a client is told of what stands in the way of a request, be it sent alone or in a batch.

use chrono::{DateTime, Utc};

use crate::{
    http::Refusal,
    process::{ErrorCode, request_batch::Obstacle},
    validation::{Rule, Violation},
};

/// Seconds after which one who has too many waiting, or met a pause, may ask again.
const ASK_AGAIN_AFTER: u64 = 60;

/// The refusal of a request that has `late` wrong with it by the time that it is `now`.
pub(super) fn refusal(obstacle: Obstacle, late: &[Violation], now: DateTime<Utc>) -> Refusal {
    match obstacle {
        Obstacle::TooLate => Refusal::invalid(late.to_vec()),
        Obstacle::Forbidden => ErrorCode::Forbidden.into(),
        Obstacle::TargetNotFound => ErrorCode::TargetNotFound.into(),
        Obstacle::AlreadyRunning { process_id } => {
            Refusal { process_id: Some(process_id), ..ErrorCode::AlreadyRunning.into() }
        }
        Obstacle::Overlaps { .. } => ErrorCode::AlreadyRunning.into(),
        Obstacle::TargetNotEmpty => ErrorCode::TargetNotEmpty.into(),
        Obstacle::Paused => later(ErrorCode::ServicePaused, ASK_AGAIN_AFTER),
        Obstacle::TooManyWaiting => later(ErrorCode::TooManyWaiting, ASK_AGAIN_AFTER),
        Obstacle::OverBudget { left, planned } => Refusal {
            details: vec![Violation::new("budget", Rule::Budget { left, planned })],
            ..later(ErrorCode::BudgetExceeded, seconds_until_tomorrow(now))
        },
    }
}

fn later(code: ErrorCode, seconds: u64) -> Refusal {
    Refusal { retry_after: Some(seconds), ..code.into() }
}

/// Budgets are counted by days in UTC.
fn seconds_until_tomorrow(now: DateTime<Utc>) -> u64 {
    let of_day = now.timestamp().rem_euclid(SECONDS_A_DAY);
    (SECONDS_A_DAY - of_day).unsigned_abs()
}

const SECONDS_A_DAY: i64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_begins_anew_at_midnight() {
        let wait = |time: &str| seconds_until_tomorrow(time.parse().unwrap());
        assert_eq!(wait("2026-11-26T00:00:00Z"), 86_400);
        assert_eq!(wait("2026-11-26T23:59:59.5Z"), 1);
    }
}
