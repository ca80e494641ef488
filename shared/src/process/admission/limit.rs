//! How many model calls may be in flight. The quota of a model is found by meeting it: when a call
//! is refused for it by every model, the limit in force becomes half of what was in flight, and
//! three fifths at the first sign, when one model has refused. Then it rises again,
//! faster the longer it is quiet, until after a minute it is what is configured.
//!
//! A quota counts requests and tokens a minute, and not calls in flight. It is held by them all the
//! same: each call that ends makes room for one, so that calls begin as fast as they end, and the
//! number in flight is the one that makes that the pace of the quota, whatever the quota counts and
//! however long a call takes. What was compared, and with which figures, stands in
//! docs/admission.md.

use chrono::{DateTime, TimeDelta, Utc};

/// The limit is lowered once in this time: refusals that come together are one.
pub const LOWERED_AGAIN_AFTER: TimeDelta = TimeDelta::seconds(3);
/// For so long after a model has refused a call for its quota, the others are asked first. A bucket
/// that refills by the second has some calls again by then, so that it is met anew once for several
/// calls that it answers.
pub const MODEL_RESTS_FOR: TimeDelta = TimeDelta::seconds(8);
/// After this time without a refusal the limit is what is configured.
const WHOLE_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);

/// What a refusal has made of the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lowered {
    /// Calls in flight.
    pub to: f32,
    /// When.
    pub at: DateTime<Utc>,
}

/// The calls that may be in flight at `now`, of `calls` that are configured. At least one.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "it is between 1 and calls")]
pub fn in_force(calls: i32, lowered: Option<Lowered>, now: DateTime<Utc>) -> i32 {
    let Some(Lowered { to, at }) = lowered else { return calls };
    let quiet = now - at;
    if quiet >= WHOLE_AGAIN_AFTER {
        return calls;
    }
    #[expect(clippy::cast_precision_loss, reason = "less than a minute")]
    let seconds = (quiet.num_microseconds().unwrap_or_default().max(0)) as f64 / 1e6;
    let regained = f64::from(calls) * (seconds / 160.0 + seconds.powi(2) / 5_760.0);
    let limit = (f64::from(to) + regained).floor().min(f64::from(calls)).max(1.0);
    limit as i32
}

/// Who has refused a call for a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Every model that was asked.
    ByAll,
    /// One, and another has answered. Where that happens for the first time in a while, it is the
    /// first sign that more comes at once than the quotas hold.
    BySome,
}

/// What the limit is lowered to when a call is refused while `in_use` calls are in flight; `None`:
/// it is not, because it was lowered too short a while ago.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no limit comes near 2^24")]
pub fn lowered(
    calls: i32,
    before: Option<Lowered>,
    in_use: i32,
    refused: Refused,
    now: DateTime<Utc>,
) -> Option<Lowered> {
    let (pause, part) = match refused {
        Refused::ByAll => (LOWERED_AGAIN_AFTER, 0.5),
        Refused::BySome => (WHOLE_AGAIN_AFTER, 0.6),
    };
    if before.is_some_and(|before| now - before.at < pause) {
        return None;
    }
    let in_force = in_force(calls, before, now);
    let to = match refused {
        Refused::ByAll => in_force.min(in_use),
        // A sign it is only where there is much in flight.
        Refused::BySome if 2 * in_use < in_force => return None,
        Refused::BySome => in_force,
    };
    Some(Lowered { to: (to as f32 * part).max(1.0), at: now })
}

#[cfg(test)]
mod tests {
    use super::{
        Refused::{ByAll, BySome},
        *,
    };

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    #[test]
    fn what_was_never_lowered_is_what_is_configured() {
        assert_eq!(in_force(16, None, at(0)), 16);
    }

    #[test]
    fn a_refusal_halves_what_was_in_flight() {
        let after = lowered(16, None, 16, ByAll, at(0)).unwrap();
        assert_eq!(in_force(16, Some(after), at(0)), 8);
        let of_few = lowered(16, None, 3, ByAll, at(0)).unwrap();
        assert_eq!(in_force(16, Some(of_few), at(0)), 1);
        assert_eq!(in_force(16, lowered(16, None, 0, ByAll, at(0)), at(0)), 1);
    }

    #[test]
    fn refusals_that_come_together_are_one() {
        let first = lowered(16, None, 16, ByAll, at(0)).unwrap();
        assert_eq!(lowered(16, Some(first), 16, ByAll, at(2_999)), None);
        let second = lowered(16, Some(first), 16, ByAll, at(3_000)).unwrap();
        assert_eq!(in_force(16, Some(second), at(3_000)), 4);
    }

    #[test]
    fn one_model_that_refuses_is_a_first_sign_and_no_more() {
        let first = lowered(16, None, 16, BySome, at(0)).unwrap();
        assert_eq!(in_force(16, Some(first), at(0)), 9);
        assert_eq!(lowered(16, Some(first), 16, BySome, at(59_999)), None);
        assert!(lowered(16, Some(first), 16, BySome, at(60_000)).is_some());
        assert!(lowered(16, Some(first), 16, ByAll, at(3_000)).is_some());
        assert_eq!(lowered(16, None, 7, BySome, at(0)), None, "little is in flight");
    }

    #[test]
    fn quiet_raises_it_again_and_a_minute_makes_it_whole() {
        let low = Some(Lowered { to: 1.0, at: at(0) });
        let limits = [0, 5, 10, 20, 30, 45, 60].map(|second| in_force(16, low, at(second * 1_000)));
        assert_eq!(limits, [1, 1, 2, 4, 6, 11, 16]);
        assert_eq!(in_force(16, low, at(59_999)), 16);
        // A clock that is behind changes nothing.
        assert_eq!(in_force(16, low, at(-5_000)), 1);
    }

    #[test]
    fn it_never_falls_while_it_is_quiet_and_never_exceeds_what_is_configured() {
        for calls in [1, 2, 16, 400] {
            let low = Some(Lowered { to: 1.0, at: at(0) });
            let limits: Vec<i32> =
                (0..700).map(|tenth| in_force(calls, low, at(tenth * 100))).collect();
            assert!(limits.is_sorted());
            assert!(limits.iter().all(|limit| (1..=calls).contains(limit)));
        }
    }
}
