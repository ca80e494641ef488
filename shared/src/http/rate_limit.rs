//! The rate limit at the edge: its headers, and counting a request that no statement of its own
//! counts.

use chrono::{DateTime, Utc};

use super::{Caller, Problem, Refusal, Reply, Request, Response};
use crate::{
    process::ErrorCode,
    store::{Quota, Store},
};

/// The refusal of one request too many.
#[must_use]
pub fn rate_limited(quota: &Quota, now: DateTime<Utc>) -> Problem {
    Refusal {
        retry_after: Some(quota.seconds_until_reset(now)),
        ..ErrorCode::RateLimitExceeded.into()
    }
    .into()
}

/// Which requests are counted together, and how many of them a user may make a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// Those that may start something.
    Starting(i32),
    /// Cancels, which stop what costs: their limit is one of its own, so that who has used up the
    /// other can still cancel.
    Cancelling(i32),
}

/// Counts a user's request and does `work` if it is within the limit. An operator is not counted.
pub async fn limited(
    store: &Store,
    limit: RateLimit,
    call: &Request,
    now: DateTime<Utc>,
    work: impl AsyncFnOnce() -> Result<Reply, Problem>,
) -> Response {
    let Caller::User(user) = &call.caller else { return work().await.into() };
    let counted = match limit {
        RateLimit::Starting(per_minute) => store.count_request(user, per_minute, now).await,
        RateLimit::Cancelling(per_minute) => store.count_cancel(user, per_minute, now).await,
    };
    match counted {
        Ok(counted) if counted.allowed => Response::from(work().await).with_quota(&counted.quota),
        Ok(counted) => {
            Response::from(Err(rate_limited(&counted.quota, now))).with_quota(&counted.quota)
        }
        Err(failure) => Response::from(Err(failure.into())),
    }
}

impl Response {
    /// With the headers that tell where the user stands: the limit, what is left of it, and when
    /// (in seconds since 1970) the next of what is used is free again.
    #[must_use]
    pub fn with_quota(self, quota: &Quota) -> Self {
        self.with_header("x-ratelimit-limit", &quota.limit)
            .with_header("x-ratelimit-remaining", &quota.remaining())
            .with_header("x-ratelimit-reset", &quota.reset.timestamp())
    }
}
