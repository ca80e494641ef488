//! The rate limit: requests of each user in the last 60 seconds. One row per user holds how many
//! fell into each second; counting locks it, so that however many requests come at once, no more
//! than the limit get through. Cancels are counted apart: who has used up what costs can still stop
//! it.
//!
//! The seconds move on in SQL (`rate_limit_minute`, where also the clocks are discussed), because
//! counting is one statement; what they mean is read here.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::Store;
use crate::process::{Failure, UserId};

/// Where a user stands in the minute up to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that a minute allows.
    pub limit: i32,
    /// Requests of the last minute.
    pub used: i32,
    /// When as many of those that are used are free again as the next request counts.
    pub reset: DateTime<Utc>,
}

impl Quota {
    /// A minute up to `now` without a request.
    #[must_use]
    pub fn unused(limit: i32, now: DateTime<Utc>) -> Self {
        Self { limit, used: 0, reset: now.trunc_subsecs(0) + TimeDelta::minutes(1) }
    }

    /// As the row says: `slots` are the seconds up to and with the one that begins at `last`.
    pub(super) fn of_slots(limit: i32, slots: &[i32], last: DateTime<Utc>) -> Self {
        Self::for_weight(1, limit, slots, last)
    }

    /// The same for a request that counts as `weight`.
    pub(super) fn for_weight(weight: i32, limit: i32, slots: &[i32], last: DateTime<Utc>) -> Self {
        let leaves_after = |index: usize| i64::try_from(index).map_or(60, |second| second + 1);
        let mut used: i32 = slots.iter().sum();
        let unused = Self { limit, used, reset: last + TimeDelta::minutes(1) };
        // One that weighs more than the whole limit is allowed when nothing else is used.
        let weight = weight.min(limit).max(1);
        // The oldest requests leave first, until it is allowed.
        for (index, slot) in slots.iter().enumerate().filter(|(_, slot)| **slot > 0) {
            used -= slot;
            if used + weight <= limit {
                return Self { reset: last + TimeDelta::seconds(leaves_after(index)), ..unused };
            }
        }
        unused
    }

    /// Requests that are left.
    #[must_use]
    pub fn remaining(&self) -> i32 {
        (self.limit - self.used).max(0)
    }

    /// Whole seconds from `now` until one more is allowed, 1 to 60.
    #[must_use]
    pub fn seconds_until_reset(&self, now: DateTime<Utc>) -> u64 {
        let milliseconds = (self.reset - now).num_milliseconds().clamp(1, 60_000);
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

/// What the statements that count say.
struct CountedRow {
    allowed: bool,
    limit: i32,
    slots: Vec<i32>,
    last: DateTime<Utc>,
}

impl Counted {
    /// Without a row, whoever came first has made it since the statement began, and has used it up.
    fn of(row: Option<CountedRow>, limit: i32, now: DateTime<Utc>) -> Self {
        let Some(row) = row else {
            let quota = Quota { used: limit, ..Quota::unused(limit, now) };
            return Self { allowed: false, quota };
        };
        let quota = Quota::of_slots(row.limit, &row.slots, row.last);
        // What was seen before others used it up is not told as if something were left.
        let used = if row.allowed { quota.used } else { quota.used.max(quota.limit) };
        Self { allowed: row.allowed, quota: Quota { used, ..quota } }
    }
}

impl Store {
    /// Counts a request of `user` that may start something. They may make `per_minute` of them
    /// unless an operator has given them a limit of their own.
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
        let row = sqlx::query_as!(
            CountedRow,
            r#"
            WITH counted AS (
                INSERT INTO rate_limit AS bucket (user_id, window_start, slots, used, allowed)
                SELECT $1, minute.at, minute.slots[1:59] || 1, 1, $3
                FROM rate_limit_minute('{}', 'epoch', $2) minute
                WHERE $3 > 0
                ON CONFLICT (user_id) DO UPDATE
                SET (window_start, slots, used, allowed) = (
                    SELECT minute.at, minute.slots[1:59] || minute.slots[60] + 1, minute.used + 1,
                           COALESCE(bucket.per_minute, excluded.allowed)
                    FROM rate_limit_minute(bucket.slots, bucket.window_start, $2) minute
                )
                WHERE COALESCE(bucket.per_minute, excluded.allowed) > (
                    SELECT minute.used
                    FROM rate_limit_minute(bucket.slots, bucket.window_start, $2) minute
                )
                RETURNING allowed, slots, window_start
            )
            SELECT true AS "allowed!", allowed AS "limit!", slots AS "slots!",
                   window_start AS "last!"
            FROM counted
            UNION ALL
            -- Refused: the row as it stood when the statement began. Whoever came first may have
            -- made it since, so it may be missing.
            SELECT false, COALESCE(per_minute, $3), minute.slots, minute.at
            FROM rate_limit, rate_limit_minute(slots, window_start, $2) minute
            WHERE user_id = $1 AND NOT EXISTS (SELECT FROM counted)
            "#,
            user.0,
            now,
            per_minute,
        )
        .fetch_optional(&mut *connection)
        .await?;
        Ok(Counted::of(row, per_minute, now))
    }

    /// Counts a cancel of `user`, who may make `per_minute` of them, and no fewer than the requests
    /// that an operator has given them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_cancel(
        &self,
        user: &UserId,
        per_minute: i32,
        now: DateTime<Utc>,
    ) -> Result<Counted, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query_as!(
            CountedRow,
            r#"
            WITH counted AS (
                INSERT INTO rate_limit AS bucket (user_id, cancel_start, cancel_slots)
                SELECT $1, minute.at, minute.slots[1:59] || 1
                FROM rate_limit_minute('{}', 'epoch', $2) minute
                ON CONFLICT (user_id) DO UPDATE
                SET (cancel_start, cancel_slots) = (
                    SELECT minute.at, minute.slots[1:59] || minute.slots[60] + 1
                    FROM rate_limit_minute(bucket.cancel_slots, bucket.cancel_start, $2) minute
                )
                WHERE GREATEST(bucket.per_minute, $3) > (
                    SELECT minute.used
                    FROM rate_limit_minute(bucket.cancel_slots, bucket.cancel_start, $2) minute
                )
                RETURNING per_minute, cancel_slots, cancel_start
            )
            SELECT true AS "allowed!", GREATEST(per_minute, $3) AS "limit!",
                   cancel_slots AS "slots!", cancel_start AS "last!"
            FROM counted
            UNION ALL
            SELECT false, GREATEST(per_minute, $3), minute.slots, minute.at
            FROM rate_limit, rate_limit_minute(cancel_slots, cancel_start, $2) minute
            WHERE user_id = $1 AND NOT EXISTS (SELECT FROM counted)
            "#,
            user.0,
            now,
            per_minute,
        )
        .fetch_optional(&mut *connection)
        .await?;
        Ok(Counted::of(row, per_minute, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    /// Sixty seconds with these requests in the last ones.
    fn slots(last: &[i32]) -> Vec<i32> {
        let mut slots = vec![0; 60 - last.len()];
        slots.extend(last);
        slots
    }

    #[test]
    fn the_next_is_free_when_the_oldest_leaves() {
        let quota = Quota::of_slots(3, &slots(&[1, 0, 2]), at(100_000));
        assert_eq!((quota.used, quota.remaining(), quota.reset), (3, 0, at(158_000)));
        let quota = Quota::of_slots(20, &slots(&[1]), at(100_000));
        assert_eq!((quota.used, quota.remaining(), quota.reset), (1, 19, at(160_000)));
        assert_eq!(Quota::of_slots(20, &slots(&[]), at(100_000)), Quota::unused(20, at(100_900)));
    }

    #[test]
    fn what_weighs_more_waits_until_as_much_is_free() {
        let wait = |weight| {
            let quota = Quota::for_weight(weight, 20, &slots(&[3, 2, 14]), at(100_000));
            (quota.used, quota.reset)
        };
        assert_eq!(wait(1), (19, at(158_000)));
        assert_eq!(wait(5), (19, at(159_000)));
        assert_eq!(wait(7), (19, at(160_000)));
        assert_eq!(wait(99), (19, at(160_000)));
    }

    #[test]
    fn under_a_lowered_limit_as_many_must_leave_as_are_too_many() {
        let quota = Quota::of_slots(2, &slots(&[3, 1, 1]), at(100_000));
        assert_eq!((quota.used, quota.remaining(), quota.reset), (5, 0, at(159_000)));
        assert_eq!(Quota::of_slots(0, &slots(&[1]), at(100_000)).reset, at(160_000));
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
        assert_eq!(Quota { limit: 5, used: 9, reset: at(0) }.remaining(), 0);
    }
}
