//! Who is next. The statement that admits chooses in the same way (`next_in_queue` in migration
//! 12), by an index; a test compares the two on random queues.

use chrono::{DateTime, Utc};

use super::Priority;
use crate::process::UserId;

/// So many processes of normal priority are admitted before one of low priority is, while both
/// wait: one in eight is low.
pub const NORMALS_BEFORE_A_LOW: i32 = 7;

/// A user of whom something waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InLine {
    /// Who.
    pub user_id: UserId,
    /// Model calls that their admitted processes may have in flight.
    pub calls: i32,
    /// When one of their waiting processes was last admitted.
    pub served_at: DateTime<Utc>,
    /// When the oldest of those with normal priority was accepted.
    pub normal_since: Option<DateTime<Utc>>,
    /// The same of low priority.
    pub low_since: Option<DateTime<Utc>>,
}

impl InLine {
    const fn since(&self, priority: Priority) -> Option<DateTime<Utc>> {
        match priority {
            Priority::Normal => self.normal_since,
            Priority::Low => self.low_since,
        }
    }
}

/// Whose process is admitted next, and of which priority: of the users below their own limit the
/// one with the least in flight; among equals the one served longest ago; then the one whose
/// process is the oldest. `normals_in_turn`: how many of normal priority were admitted since one of
/// low priority was.
#[must_use]
pub fn next_in_line(
    line: &[InLine],
    per_user: i32,
    normals_in_turn: i32,
) -> Option<(&UserId, Priority)> {
    let best = |priority: Priority| {
        let waiting = line.iter().filter(|user| user.calls < per_user);
        let keyed = waiting.filter_map(|user| {
            let since = user.since(priority)?;
            Some(((user.calls, user.served_at, since, &user.user_id.0), user))
        });
        keyed.min_by_key(|(key, _)| *key).map(|(_, user)| (&user.user_id, priority))
    };
    if normals_in_turn >= NORMALS_BEFORE_A_LOW {
        best(Priority::Low).or_else(|| best(Priority::Normal))
    } else {
        best(Priority::Normal).or_else(|| best(Priority::Low))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn user(name: &str, calls: i32, served: i64, normal: Option<i64>, low: Option<i64>) -> InLine {
        InLine {
            user_id: UserId(name.into()),
            calls,
            served_at: at(served),
            normal_since: normal.map(at),
            low_since: low.map(at),
        }
    }

    fn next(line: &[InLine], normals_in_turn: i32) -> Option<(&str, Priority)> {
        next_in_line(line, 8, normals_in_turn).map(|(user, priority)| (user.0.as_str(), priority))
    }

    #[test]
    fn the_least_in_flight_goes_first_however_long_others_wait() {
        let line = [user("crowd", 5, 0, Some(1), None), user("lone", 0, 90, Some(99), None)];
        assert_eq!(next(&line, 0), Some(("lone", Priority::Normal)));
    }

    #[test]
    fn among_equals_the_one_served_longest_ago_and_then_the_oldest() {
        let mut line = vec![user("b", 1, 50, Some(1), None), user("a", 1, 40, Some(9), None)];
        assert_eq!(next(&line, 0), Some(("a", Priority::Normal)));
        line.push(user("c", 1, 40, Some(8), None));
        assert_eq!(next(&line, 0), Some(("c", Priority::Normal)));
    }

    #[test]
    fn who_is_at_their_own_limit_is_passed_over() {
        let line = [user("full", 8, 0, Some(1), None), user("near", 7, 0, Some(9), None)];
        assert_eq!(next(&line, 0), Some(("near", Priority::Normal)));
        assert_eq!(next(&line[..1], 0), None);
    }

    #[test]
    fn normal_goes_before_low_but_one_in_eight_is_low() {
        let line = [user("n", 3, 0, Some(1), None), user("l", 0, 0, None, Some(1))];
        let turns: Vec<_> = (0..8).map(|turn| next(&line, turn).unwrap().1).collect();
        assert_eq!(turns[..7], [Priority::Normal; 7]);
        assert_eq!(turns[7], Priority::Low);
        assert_eq!(next(&line[1..], 0), Some(("l", Priority::Low)));
        assert_eq!(next(&line[..1], 7), Some(("n", Priority::Normal)));
    }

    #[test]
    fn where_nobody_waits_nobody_is_next() {
        assert_eq!(next(&[], 0), None);
    }
}
