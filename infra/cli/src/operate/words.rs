//! The reconciler's capacity in a few lines, with the command that comes next.

use chrono::{DateTime, TimeDelta, Utc};

use super::capacity::{Capacity, Limit, Paused, Reason, Waiting};
use super::drain::End;

/// What is said when `drain` is interrupted.
pub(super) const INTERRUPTED: &str = "interrupted: it stays paused, and what runs goes on\n\
     next      `cargo aigen drain` waits on; `cargo aigen resume` admits again";
/// What is said when `drain` can no longer ask.
pub(super) const UNWATCHED: &str = "it stays paused, but whether something runs is not known; \
     `cargo aigen limit` asks again";

/// All of it.
pub(super) fn told(capacity: &Capacity, now: DateTime<Utc>) -> String {
    let lines = [
        format!("paused    {}", paused(capacity.paused.as_ref(), now)),
        format!("limit     {}", limit(&capacity.limit, now)),
        format!("running   {}", running(capacity)),
        format!("waiting   {}", waiting(&capacity.waiting, now)),
        format!("next      {}", next(capacity)),
    ];
    lines.join("\n")
}

/// What `drain` has come to.
pub(super) fn drained(end: End, capacity: &Capacity, now: DateTime<Utc>) -> String {
    let headline = match end {
        End::Empty => "drained: nothing runs, and nothing is admitted",
        End::TimedOut => "not drained: the time is over, and it stays paused",
        End::Resumed => "not drained: someone has resumed it meanwhile",
    };
    format!("{headline}\n{}", told(capacity, now))
}

fn paused(paused: Option<&Paused>, now: DateTime<Utc>) -> String {
    let Some(Paused { since, by, reason, refuse }) = paused else {
        return "no".to_owned();
    };
    let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    let meanwhile = if *refuse { "are refused" } else { "are accepted and wait" };
    format!("by {by} since {}{reason}; new requests {meanwhile}", moment(*since, now))
}

fn limit(limit: &Limit, now: DateTime<Utc>) -> String {
    let Limit { calls, calls_per_user, in_force, reason, since } = limit;
    let since = since.map_or_else(String::new, |since| format!(" since {}", moment(since, now)));
    let reason = match reason {
        Reason::Configured => format!("as deployed{since}"),
        Reason::Operator => format!("set by an operator{since}"),
        Reason::Throttled => format!("the model throttles{since}"),
        Reason::Other => format!("for a reason that this aigen does not know{since}"),
    };
    let in_force = if in_force == calls { String::new() } else { format!("{in_force} in force: ") };
    format!("{calls} model calls at once, {calls_per_user} of one user; {in_force}{reason}")
}

fn running(capacity: &Capacity) -> String {
    let Capacity { running, in_flight, .. } = capacity;
    format!(
        "{}, with {} in flight",
        counted(*running, "process", "processes"),
        counted(*in_flight, "model call", "model calls")
    )
}

fn waiting(waiting: &Waiting, now: DateTime<Utc>) -> String {
    let Waiting { total, normal, low, users, oldest_at } = waiting;
    if *total == 0 {
        return "nothing".to_owned();
    }
    let oldest =
        oldest_at.map_or_else(String::new, |at| format!(", the oldest for {}", length(now - at)));
    format!(
        "{} of {} ({normal} normal, {low} low){oldest}",
        counted(*total, "process", "processes"),
        counted(*users, "user", "users")
    )
}

/// What a person may want to do now.
fn next(capacity: &Capacity) -> &'static str {
    match (&capacity.paused, capacity.running, capacity.limit.reason) {
        (Some(_), 0, _) => "`cargo aigen resume` admits again",
        (Some(_), _, _) => {
            "`cargo aigen drain` waits until nothing runs; `cargo aigen resume` admits again"
        }
        (None, _, Reason::Operator) => {
            "`cargo aigen limit --reset` takes the operator's limits back"
        }
        (None, _, _) => "`cargo aigen limit --calls N` changes it; `cargo aigen pause` stops it",
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_./:=@+,%".contains(it);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// So many, in words.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A time as both a clock and a person tell it.
fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} UTC ({} ago)", at.format("%Y-%m-%d %H:%M:%S"), length(now - at))
}

/// How long, in the two units that matter; what lies ahead, by clocks that differ, counts as now.
pub(super) fn length(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::capacity::Answer;
    use super::super::testing::data;
    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-26T04:00:30Z".parse().unwrap()
    }

    fn capacity(data: &Value) -> Capacity {
        Answer::read(&json!({"success": true, "data": data})).unwrap().capacity
    }

    #[test]
    fn a_pause_tells_who_why_since_when_and_what_goes_on() {
        assert_eq!(
            told(&capacity(&data(5, true)), now()),
            "\
paused    by hanako since 2026-11-26 04:00:00 UTC (30 s ago): upgrade; new requests are accepted \
and wait
limit     16 model calls at once, 8 of one user; 7 in force: the model throttles since \
2026-11-26 03:59:00 UTC (1 min ago)
running   5 processes, with 5 model calls in flight
waiting   40 processes of 3 users (30 normal, 10 low), the oldest for 12 min
next      `cargo aigen drain` waits until nothing runs; `cargo aigen resume` admits again"
        );
    }

    #[test]
    fn a_quiet_day_is_told_in_few_words() {
        let data = json!({
            "limit": {"calls": 16, "callsPerUser": 8, "inForce": 16, "reason": "CONFIGURED"},
            "inFlight": 1,
            "running": 1,
            "waiting": {"total": 0, "normal": 0, "low": 0, "users": 0},
            "paused": null,
        });
        assert_eq!(
            told(&capacity(&data), now()),
            "\
paused    no
limit     16 model calls at once, 8 of one user; as deployed
running   1 process, with 1 model call in flight
waiting   nothing
next      `cargo aigen limit --calls N` changes it; `cargo aigen pause` stops it"
        );
    }

    #[test]
    fn who_set_a_limit_is_told_how_to_take_it_back() {
        let mut data = data(5, false);
        data["limit"]["reason"] = json!("OPERATOR");
        assert!(told(&capacity(&data), now()).contains("`cargo aigen limit --reset`"));
    }

    #[test]
    fn refusing_is_told_apart_from_waiting() {
        let mut data = data(5, true);
        data["paused"]["refuse"] = json!(true);
        assert!(told(&capacity(&data), now()).contains("new requests are refused"));
    }

    #[test]
    fn a_drained_pipeline_is_told_how_to_resume_and_a_late_one_what_runs() {
        let empty = drained(End::Empty, &capacity(&data(0, true)), now());
        assert!(empty.starts_with("drained") && empty.contains("`cargo aigen resume`"), "{empty}");
        let late = drained(End::TimedOut, &capacity(&data(3, true)), now());
        assert!(late.contains("3 processes") && late.contains("`cargo aigen drain`"), "{late}");
    }

    #[test]
    fn a_time_is_told_in_the_units_that_matter() {
        let lengths: Vec<String> =
            [-5, 59, 60, 3_599, 3_600, 90_061].map(|s| length(TimeDelta::seconds(s))).into();
        assert_eq!(lengths, ["0 s", "59 s", "1 min", "59 min", "1 h 0 min", "1 d 1 h"]);
    }
}
