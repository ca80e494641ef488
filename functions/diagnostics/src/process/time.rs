//! Where the time of a process went.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::store::Event;

/// When a process was what.
pub(super) struct Times {
    pub(super) created_at: DateTime<Utc>,
    pub(super) admitted_at: Option<DateTime<Utc>>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
}

/// Milliseconds of each part. Their sum is the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spent {
    /// From acceptance to its end, or until now.
    total: i64,
    /// Until it was admitted.
    waiting: i64,
    /// From then until a worker had claimed it.
    starting: i64,
    /// Attempts at work, without what follows.
    running: i64,
    /// From the last that was heard of an attempt until the next attempt began: what was left of
    /// the attempt that failed, and the wait of the state machine.
    retrying: i64,
}

/// Where the time went.
pub(super) fn spent(times: &Times, events: &[Event]) -> Spent {
    let end = times.ended_at.unwrap_or(times.now).max(times.created_at);
    let admitted = times.admitted_at.map_or(end, |at| at.clamp(times.created_at, end));
    let claimed = times.started_at.map_or(end, |at| at.clamp(admitted, end));
    let mut retrying = 0;
    // What workers said, and not what others did meanwhile.
    let mut heard: Option<&Event> = None;
    for event in events.iter().filter(|event| event.actor == "worker") {
        if event.kind == "claimed"
            && let Some(last) = heard
        {
            retrying += (event.at.min(end) - last.at.min(end)).num_milliseconds().max(0);
        }
        heard = Some(event);
    }
    // Each from the beginning, so that what is cut off of the parts does not add up.
    let until = |at: DateTime<Utc>| (at - times.created_at).num_milliseconds();
    let at_work = until(end) - until(claimed);
    let retrying = retrying.min(at_work);
    Spent {
        total: until(end),
        waiting: until(admitted),
        starting: until(claimed) - until(admitted),
        running: at_work - retrying,
        retrying,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
    }

    fn event(seconds: i64, kind: &str, actor: &str) -> Event {
        Event {
            at: at(seconds),
            attempt: 1,
            kind: kind.to_owned(),
            from_status: None,
            to_status: None,
            actor: actor.to_owned(),
            detail: None,
        }
    }

    fn times() -> Times {
        Times {
            created_at: at(0),
            admitted_at: Some(at(10)),
            started_at: Some(at(13)),
            ended_at: Some(at(60)),
            now: at(1_000),
        }
    }

    #[test]
    fn waiting_starting_running_and_retrying_make_up_the_whole() {
        let events = [
            event(0, "submitted", "user"),
            event(13, "claimed", "worker"),
            event(20, "progressed", "worker"),
            event(25, "repaired", "reconciler"),
            event(45, "claimed", "worker"),
            event(60, "completed", "worker"),
        ];
        assert_eq!(
            spent(&times(), &events),
            Spent {
                total: 60_000,
                waiting: 10_000,
                starting: 3_000,
                running: 22_000,
                retrying: 25_000,
            }
        );
    }

    #[test]
    fn what_has_not_happened_yet_goes_on_until_now() {
        let waits = Times { admitted_at: None, started_at: None, ended_at: None, ..times() };
        let all = Spent { total: 1_000_000, waiting: 1_000_000, ..Spent::default() };
        assert_eq!(spent(&waits, &[]), all);
        let starts = Times { started_at: None, ended_at: None, ..times() };
        assert_eq!(spent(&starts, &[]).starting, 990_000);
        let runs = Times { ended_at: None, ..times() };
        assert_eq!(spent(&runs, &[]).running, 987_000);
    }

    #[test]
    fn whoever_did_not_ask_was_admitted_at_once() {
        let old = Times { admitted_at: Some(DateTime::UNIX_EPOCH), ..times() };
        let spent = spent(&old, &[]);
        assert_eq!((spent.waiting, spent.starting), (0, 13_000));
    }

    #[test]
    fn parts_of_a_millisecond_do_not_add_up() {
        let part = |tenths: i64| Some(at(0) + TimeDelta::microseconds(tenths * 100));
        let times =
            Times { admitted_at: part(9), started_at: part(18), ended_at: part(27), ..times() };
        let Spent { total, waiting, starting, running, retrying } = spent(&times, &[]);
        assert_eq!(total, waiting + starting + running + retrying);
    }
}
