//! Who waits, and who has what in flight.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use shared::process::{
    UserId,
    admission::{InLine, next_in_line},
};

/// The users, and what of each waits.
#[derive(Debug, Default)]
pub(crate) struct Line {
    users: Vec<InLine>,
    waiting: Vec<VecDeque<(usize, DateTime<Utc>)>>,
    /// Jobs that wait.
    pub(crate) count: usize,
    /// Shares of those that are admitted and have not ended.
    pub(crate) in_use: i32,
}

impl Line {
    pub(crate) fn new(users: usize) -> Self {
        let user = |number: usize| InLine {
            user_id: UserId(format!("{number:08}")),
            calls: 0,
            served_at: DateTime::UNIX_EPOCH,
            normal_since: None,
            low_since: None,
        };
        let waiting = vec![VecDeque::new(); users];
        Self { users: (0..users).map(user).collect(), waiting, count: 0, in_use: 0 }
    }

    /// A job of `user` waits from now on.
    pub(crate) fn join(&mut self, user: usize, job: usize, now: DateTime<Utc>) {
        self.waiting[user].push_back((job, now));
        self.users[user].normal_since.get_or_insert(now);
        self.count += 1;
    }

    /// The next job that may begin, if one may.
    pub(crate) fn admit(
        &mut self,
        limit: i32,
        per_user: i32,
        now: DateTime<Utc>,
    ) -> Option<(usize, usize)> {
        if self.in_use >= limit || self.count == 0 {
            return None;
        }
        // All are of normal priority, so it does not matter how many of them were in turn.
        let (user, _) = next_in_line(&self.users, per_user, 0)?;
        let user: usize = user.0.parse().ok()?;
        let (job, _) = self.waiting[user].pop_front()?;
        let entry = &mut self.users[user];
        entry.calls += 1;
        entry.served_at = now;
        entry.normal_since = self.waiting[user].front().map(|(_, since)| *since);
        self.count -= 1;
        self.in_use += 1;
        Some((user, job))
    }

    /// A job of `user` has ended.
    pub(crate) fn leave(&mut self, user: usize) {
        self.users[user].calls -= 1;
        self.in_use -= 1;
    }
}
