//! The rate limit at the edge: its headers, and counting a request that no statement of its own counts.

use chrono::{DateTime, Utc};

use super::{Answer, Call, Caller, Problem, Refusal, Reply};
use crate::{
    error_code::ErrorCode,
    store::{Standing, Store},
};

/// The refusal of one request too many.
#[must_use]
pub fn rate_limited(standing: &Standing, now: DateTime<Utc>) -> Problem {
    Refusal { retry_after: Some(standing.seconds_until_reset(now)), ..ErrorCode::RateLimitExceeded.into() }.into()
}

/// Counts a user's request and does `work` if it is within the limit. An operator is not counted.
pub async fn limited(
    store: &Store,
    per_minute: i32,
    call: &Call,
    now: DateTime<Utc>,
    work: impl AsyncFnOnce() -> Result<Reply, Problem>,
) -> Answer {
    let Caller::User(user) = &call.caller else { return work().await.into() };
    match store.count_request(user, per_minute, now).await {
        Ok(counted) if counted.allowed => Answer::from(work().await).with_standing(&counted.standing),
        Ok(counted) => Answer::from(Err(rate_limited(&counted.standing, now))).with_standing(&counted.standing),
        Err(failure) => Answer::from(Err(failure.into())),
    }
}

impl Answer {
    /// With the headers that tell where the user stands: the limit, what is left of it, and when (in seconds since 1970) it is
    /// whole again.
    #[must_use]
    pub fn with_standing(self, standing: &Standing) -> Self {
        self.with_header("x-ratelimit-limit", &standing.limit)
            .with_header("x-ratelimit-remaining", &standing.remaining())
            .with_header("x-ratelimit-reset", &standing.reset().timestamp())
    }
}
