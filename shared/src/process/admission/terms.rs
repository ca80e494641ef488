//! What is configured. An operator may set other limits while it runs; they stand in the database.

use crate::environment::{Environment, EnvironmentError};

/// Tokens, in and out, that one planned model call is taken to use. Measured: 700 to 1,600
/// (docs/cost.md); real answers at the upper limits of length come to more.
pub const TOKENS_PER_CALL: i64 = 2_000;

/// The limits that hold for every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// `MODEL_CALLS_LIMIT`: model calls that all processes together may have in flight; 16 by
    /// default.
    pub calls: i32,
    /// `MODEL_CALLS_PER_USER`: the same of one user; by default, and when it is 0, half of that.
    pub calls_per_user: i32,
    /// `MAX_WAITING_PER_USER`: waiting processes of one user; 500 by default.
    pub most_waiting: i32,
    /// `TOKENS_PER_USER_AND_DAY`: 0, which is the default, means no limit.
    pub tokens_per_user: i64,
    /// `TOKENS_PER_DAY`, of all users together: 0, which is the default, means no limit.
    pub tokens: i64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { calls: 16, calls_per_user: 8, most_waiting: 500, tokens_per_user: 0, tokens: 0 }
    }
}

impl Terms {
    /// Reads them.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    pub fn read(environment: Environment<'_>) -> Result<Self, EnvironmentError> {
        let usual = Self::default();
        let count = |name, default: i32, least: i32| {
            let parse =
                |text: &str| text.parse().ok().filter(|count| (least..=MOST).contains(count));
            let wanted = format!("a whole number from {least} to {MOST}");
            environment.parsed(name, default, &wanted, parse)
        };
        let tokens = |name, default| {
            let parse = |text: &str| text.parse().ok().filter(|tokens: &i64| *tokens >= 0);
            environment.parsed(name, default, "a whole number of tokens, or 0", parse)
        };
        let calls = count("MODEL_CALLS_LIMIT", usual.calls, 1)?;
        let per_user = count("MODEL_CALLS_PER_USER", 0, 0)?;
        Ok(Self {
            calls,
            calls_per_user: if per_user == 0 { (calls / 2).max(1) } else { per_user },
            most_waiting: count("MAX_WAITING_PER_USER", usual.most_waiting, 1)?,
            tokens_per_user: tokens("TOKENS_PER_USER_AND_DAY", usual.tokens_per_user)?,
            tokens: tokens("TOKENS_PER_DAY", usual.tokens)?,
        })
    }

    /// What a process of so many calls takes from the budgets; 0 when there are none, so that
    /// nothing is counted that nobody asks for.
    #[must_use]
    pub fn planned_tokens(&self, calls: i16) -> i64 {
        if self.tokens_per_user > 0 || self.tokens > 0 {
            i64::from(calls) * TOKENS_PER_CALL
        } else {
            0
        }
    }
}

/// The largest count that fits where shares are stored.
const MOST: i32 = 30_000;

/// Requests of the rate limit that a request of so many planned calls counts as: one, and one more
/// for every sixteen calls, so that twenty requests a minute cannot be twenty whole charts.
#[must_use]
pub const fn request_weight(planned_calls: i16) -> i32 {
    1 + planned_calls as i32 / 16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Terms, EnvironmentError> {
        let lookup = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Terms::read(Environment::new(&lookup))
    }

    #[test]
    fn a_user_may_have_half_of_all_unless_told_otherwise() {
        assert_eq!(read(&[]), Ok(Terms::default()));
        let per_user = |pairs| read(pairs).unwrap().calls_per_user;
        assert_eq!(per_user(&[("MODEL_CALLS_LIMIT", "64")]), 32);
        assert_eq!(per_user(&[("MODEL_CALLS_LIMIT", "1")]), 1);
        assert_eq!(per_user(&[("MODEL_CALLS_PER_USER", "3")]), 3);
        assert_eq!(per_user(&[("MODEL_CALLS_PER_USER", "0")]), 8);
    }

    #[test]
    fn a_wrong_one_is_named() {
        for (name, value) in [
            ("MODEL_CALLS_LIMIT", "0"),
            ("MODEL_CALLS_PER_USER", "-1"),
            ("MAX_WAITING_PER_USER", "many"),
            ("TOKENS_PER_USER_AND_DAY", "-5"),
            ("TOKENS_PER_DAY", "1.5"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().0.contains(name), "{name}");
        }
    }

    #[test]
    fn tokens_are_planned_only_where_there_is_a_budget() {
        assert_eq!(Terms::default().planned_tokens(73), 0);
        let with_budget = Terms { tokens: 1_000_000, ..Terms::default() };
        assert_eq!(with_budget.planned_tokens(73), 146_000);
    }

    #[test]
    fn a_whole_chart_counts_as_several_requests() {
        assert_eq!([1, 8, 9, 64, 73].map(request_weight), [1, 1, 1, 5, 5]);
    }
}
