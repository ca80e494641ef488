//! The rate limit: requests a minute of each user. One row per user holds the present minute;
//! counting locks it, so that however many requests come at once, no more than the limit get
//! through.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::Store;
use crate::process::{Failure, UserId};

/// Where a user stands in the present minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that the minute allows.
    pub limit: i32,
    /// Requests that it has seen.
    pub used: i32,
    /// When it began.
    pub window_start: DateTime<Utc>,
}

impl Quota {
    /// The minute that `now` lies in, before its first request.
    #[must_use]
    pub fn unused(limit: i32, now: DateTime<Utc>) -> Self {
        Self { limit, used: 0, window_start: window_of(now) }
    }

    /// Requests that are left.
    #[must_use]
    pub fn remaining(&self) -> i32 {
        (self.limit - self.used).max(0)
    }

    /// When the next minute begins.
    #[must_use]
    pub fn reset(&self) -> DateTime<Utc> {
        self.window_start + TimeDelta::minutes(1)
    }

    /// Whole seconds from `now` until the next minute begins, at least 1.
    #[must_use]
    pub fn seconds_until_reset(&self, now: DateTime<Utc>) -> u64 {
        let milliseconds = (self.reset() - now).num_milliseconds().clamp(1, 60_000);
        milliseconds.unsigned_abs().div_ceil(1_000)
    }
}

/// A request that has been counted, or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Whether it is within the limit.
    pub allowed: bool,
    /// Where the user stands with it.
    pub quota: Quota,
}

/// The minute that `now` lies in.
pub(super) fn window_of(now: DateTime<Utc>) -> DateTime<Utc> {
    now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now)
}

impl Store {
    /// Counts a request of `user`, who may make `per_minute` of them unless an operator has given
    /// them a limit of their own.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_request(
        &self,
        user: &UserId,
        per_minute: i32,
        now: DateTime<Utc>,
    ) -> Result<Counted, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH counted AS (
                INSERT INTO rate_limit AS bucket (user_id, window_start, used, allowed) VALUES ($1, $2, 1, $3)
                ON CONFLICT (user_id) DO UPDATE
                SET window_start = GREATEST(bucket.window_start, excluded.window_start),
                    used = CASE WHEN bucket.window_start >= excluded.window_start THEN bucket.used + 1 ELSE 1 END,
                    allowed = COALESCE(bucket.per_minute, excluded.allowed)
                WHERE COALESCE(bucket.per_minute, excluded.allowed)
                      > CASE WHEN bucket.window_start >= excluded.window_start THEN bucket.used ELSE 0 END
                RETURNING window_start, used, allowed
            )
            SELECT true AS "allowed!", window_start AS "window_start!", used AS "used!", allowed AS "limit!" FROM counted
            UNION ALL
            -- Refused: the row as it stood when the statement began. Whoever came first may have made it since, so it may be missing.
            SELECT false, GREATEST(window_start, $2), CASE WHEN window_start >= $2 THEN used ELSE 0 END, COALESCE(per_minute, $3)
            FROM rate_limit WHERE user_id = $1 AND NOT EXISTS (SELECT FROM counted)
            "#,
            user.0,
            window_of(now),
            per_minute,
        )
        .fetch_optional(&mut *connection)
        .await?;
        Ok(match row {
            Some(row) => Counted {
                allowed: row.allowed,
                quota: Quota {
                    limit: row.limit,
                    used: if row.allowed { row.used } else { row.limit },
                    window_start: row.window_start,
                },
            },
            None => Counted {
                allowed: false,
                quota: Quota { used: per_minute, ..Quota::unused(per_minute, now) },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    #[test]
    fn the_window_is_the_minute_of_the_clock() {
        assert_eq!(window_of(at(125_999)), at(120_000));
        assert_eq!(Quota::unused(20, at(125_999)).reset(), at(180_000));
    }

    #[test]
    fn the_wait_is_whole_seconds_and_never_none() {
        let quota = Quota::unused(20, at(120_000));
        assert_eq!(quota.seconds_until_reset(at(120_000)), 60);
        assert_eq!(quota.seconds_until_reset(at(178_500)), 2);
        assert_eq!(quota.seconds_until_reset(at(180_500)), 1);
    }

    #[test]
    fn what_remains_is_never_negative() {
        assert_eq!(Quota { limit: 5, used: 9, window_start: at(0) }.remaining(), 0);
    }
}
