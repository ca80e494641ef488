//! How often a user may read. Reading costs no model and is not worth a row that is written, so it
//! is counted in the memory of each execution environment: a client that asks in a loop is told to
//! come back, without a look at the database. Clients that keep to `Retry-After` never meet it.

use std::{cell::RefCell, collections::HashMap};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Caller, Problem, Refusal};
use crate::process::{ErrorCode, UserId};

/// Users that are remembered; then those whose minute is over are forgotten.
const REMEMBERED: usize = 1_000;

/// Reads of each user in a minute that begins with the first.
#[derive(Debug)]
pub struct ReadLimit {
    per_minute: u32,
    users: RefCell<HashMap<UserId, (DateTime<Utc>, u32)>>,
}

impl ReadLimit {
    /// So many reads a minute of one user, in this environment.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, users: RefCell::default() }
    }

    /// Counts a read of `caller`; an operator's is not counted.
    ///
    /// # Errors
    /// `RATE_LIMIT_EXCEEDED` with the seconds until the next minute of that user.
    pub fn count(&self, caller: &Caller, now: DateTime<Utc>) -> Result<(), Problem> {
        let Caller::User(user) = caller else { return Ok(()) };
        let mut users = self.users.borrow_mut();
        let is_over = |since: &DateTime<Utc>| now - since >= TimeDelta::minutes(1) || now < *since;
        if users.len() >= REMEMBERED {
            users.retain(|_, (since, _)| !is_over(since));
        }
        let (since, count) = users.entry(user.clone()).or_insert((now, 0));
        if is_over(since) {
            (*since, *count) = (now, 0);
        }
        if *count >= self.per_minute {
            let left = (*since + TimeDelta::minutes(1) - now).num_seconds().clamp(1, 60);
            let retry_after = Some(left.unsigned_abs());
            let refusal = Refusal { retry_after, ..ErrorCode::RateLimitExceeded.into() };
            return Err(refusal.into());
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn user(name: &str) -> Caller {
        Caller::User(UserId(name.into()))
    }

    fn retry_after(result: Result<(), Problem>) -> Option<u64> {
        match result {
            Ok(()) => None,
            Err(Problem::Refused(refusal)) => refusal.retry_after,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_reads_in_a_loop_is_told_when_to_come_back_and_others_are_not() {
        let limit = ReadLimit::new(3);
        let read = |name: &str, second| retry_after(limit.count(&user(name), at(second)));
        assert_eq!([0, 1, 2].map(|second| read("loop", second)), [None; 3]);
        assert_eq!(read("loop", 10), Some(50));
        assert_eq!(read("other", 10), None);
        assert_eq!(read("loop", 60), None);
    }

    #[test]
    fn an_operator_is_not_counted() {
        let limit = ReadLimit::new(0);
        assert!(limit.count(&Caller::Operator, at(0)).is_ok());
    }

    #[test]
    fn users_whose_minute_is_over_are_forgotten() {
        let limit = ReadLimit::new(1);
        for number in 0..REMEMBERED {
            limit.count(&user(&number.to_string()), at(0)).unwrap();
        }
        limit.count(&user("late"), at(61)).unwrap();
        assert_eq!(limit.users.borrow().len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let limit = ReadLimit::new(1);
        limit.count(&user("a"), at(1_000)).unwrap();
        assert!(limit.count(&user("a"), at(10)).is_ok());
    }
}
