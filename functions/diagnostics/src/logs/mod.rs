//! `{"check":"logs","processId":…,"hours":…}`: what all functions logged about one process, in the
//! order of time, and what Lambda says of the invocations that did. An `errorId` that a user was
//! told is looked for just so.
//!
//! | file | holds |
//! |---|---|
//! | this one | asking every log, and the answer |
//! | `read` | what a line says: pure |

pub(crate) mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::{
    aws::logs::{Held, Logs},
    clock::Clock,
    http::{Problem, Reply},
    process::{Failure, ProcessId},
};
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

use self::read::{Invocation, LineView};
use crate::{diagnostics::Diagnostics, finding::NotChecked, words::Words};

/// What all searches for the lines have, and then all those for the invocations.
const SEARCH_LIMIT: Duration = Duration::from_secs(20);
/// Invocations of one function that are looked for, the newest: each costs a call, and the quota of
/// `FilterLogEvents` is small.
const MOST_INVOCATIONS: usize = 10;
/// Bytes of lines in an answer. Lambda takes answers of 6 MB, and more than these lines is in one.
const MOST_BYTES: usize = 5_000_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogsView {
    process_id: ProcessId,
    since: DateTime<Utc>,
    hours: i64,
    /// Oldest first.
    lines: Vec<LineView>,
    invocations: Vec<Invocation>,
    /// What could not be read to its end, and why.
    not_checked: Vec<NotChecked>,
}

impl Diagnostics {
    pub(crate) async fn logs(
        &self,
        id: ProcessId,
        hours: i64,
        words: Words,
    ) -> Result<Reply, Problem> {
        let until = self.clock.now();
        let search = Search { since: until - TimeDelta::hours(hours), until };
        let (mut lines, mut invocations, mut not_checked) = (Vec::new(), Vec::new(), Vec::new());
        let (mut unread, mut reports) = (BTreeMap::new(), Vec::new());
        let asked = self.logs.iter().map(|source| (source.clone(), id.0));
        for (source, found) in search.all(asked.collect()).await {
            let function = source.0;
            let held = match found {
                Ok(held) => held,
                Err(failure) => {
                    not_checked.push(NotChecked { what: function, why: failure.cause });
                    continue;
                }
            };
            if !held.is_whole {
                let why = words.say("行が多すぎるか、時間切れです", "too many lines, or too late");
                not_checked.push(NotChecked { what: function, why });
            }
            let of_function: Vec<_> =
                held.lines.iter().map(|line| LineView::of(function, line)).collect();
            let (latest, left_out) = latest_requests(&of_function);
            if left_out > 0 {
                let why = words.say(
                    format!("古い呼び出し {left_out} 回の時間とメモリーは調べていません"),
                    format!("time and memory of so many older invocations: {left_out}"),
                );
                not_checked.push(NotChecked { what: function, why });
            }
            reports.extend(latest.into_iter().map(|request| (source.clone(), request)));
            lines.extend(of_function);
        }
        lines.sort_by_key(|line| line.at);
        let left_out = leave_newest(&mut lines, MOST_BYTES);
        if left_out > 0 {
            let what = "lines";
            let why = words.say(
                format!("古い {left_out} 行は大きすぎて返せません。--hours で狭めてください"),
                format!("the oldest {left_out} are too large for an answer: ask for fewer --hours"),
            );
            not_checked.push(NotChecked { what, why });
        }
        for ((function, _), found) in search.all(reports).await {
            match found {
                Ok(held) => invocations
                    .extend(held.lines.iter().filter_map(|it| Invocation::of(function, it))),
                // One reason of a function is enough.
                Err(failure) => {
                    unread.insert(function, failure.cause);
                }
            }
        }
        invocations.sort_by_key(|invocation| invocation.at);
        not_checked.extend(unread.into_iter().map(|(what, why)| NotChecked { what, why }));
        let view = LogsView {
            process_id: id,
            since: search.since,
            hours,
            lines,
            invocations,
            not_checked,
        };
        Ok(Reply::of(200, &view)?)
    }
}

/// The invocations that wrote the newest of `lines`, and how many others there are.
fn latest_requests(lines: &[LineView]) -> (BTreeSet<Uuid>, usize) {
    let mut latest = BTreeSet::new();
    let mut others = BTreeSet::new();
    for id in lines.iter().rev().filter_map(|line| line.request_id) {
        if latest.len() < MOST_INVOCATIONS {
            latest.insert(id);
        } else if !latest.contains(&id) {
            others.insert(id);
        }
    }
    (latest, others.len())
}

/// Takes the oldest of `lines` away, until as JSON the rest has no more than so many bytes; how
/// many were taken.
fn leave_newest(lines: &mut Vec<LineView>, bytes: usize) -> usize {
    let mut left = bytes;
    let sizes = lines.iter().rev().map(|line| serde_json::to_string(line).map_or(0, |it| it.len()));
    let kept = sizes
        .take_while(|size| {
            let rest = left.checked_sub(*size);
            left = rest.unwrap_or(0);
            rest.is_some()
        })
        .count();
    let taken = lines.len() - kept;
    lines.drain(..taken);
    taken
}

/// A function and its log.
type Source = (&'static str, Logs);

/// The time in which it is looked.
struct Search {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Search {
    /// All at once, within their time, in whatever order they answer.
    async fn all(&self, asked: Vec<(Source, Uuid)>) -> Vec<(Source, Result<Held, Failure>)> {
        let (since, until, deadline) = (self.since, self.until, Instant::now() + SEARCH_LIMIT);
        let mut searches = JoinSet::new();
        for (source, id) in asked {
            searches.spawn(async move {
                let found = source.1.holding(&id.to_string(), since, until, deadline).await;
                (source, found)
            });
        }
        searches.join_all().await
    }
}

#[cfg(test)]
mod tests {
    use shared::aws::logs::LogLine;

    use super::*;

    #[test]
    fn of_lines_that_are_too_much_for_an_answer_the_newest_are_left() {
        let line = |text: &str| {
            LineView::of("worker", &LogLine { at: DateTime::UNIX_EPOCH, text: text.to_owned() })
        };
        let lines: Vec<_> = ["old", "new", "newest"].map(line).into();
        let size = |line| serde_json::to_string(line).unwrap().len();
        let of_two = size(&lines[1]) + size(&lines[2]);
        let left = |bytes| {
            let mut lines = lines.clone();
            let taken = leave_newest(&mut lines, bytes);
            (taken, lines)
        };
        assert_eq!(left(usize::MAX), (0, lines.clone()));
        assert_eq!(left(of_two), (1, lines[1..].to_vec()));
        assert_eq!(left(of_two - 1), (2, lines[2..].to_vec()));
        assert_eq!(left(0), (3, Vec::new()));
    }

    #[test]
    fn of_many_invocations_the_newest_are_looked_for_and_the_others_are_counted() {
        let line = |number: u128| {
            let text = serde_json::json!({"requestId": Uuid::from_u128(number)}).to_string();
            LineView::of("worker", &LogLine { at: DateTime::UNIX_EPOCH, text })
        };
        // Each has two lines.
        let lines: Vec<_> = (1..=12).flat_map(|number| [line(number), line(number)]).collect();
        let (latest, left_out) = latest_requests(&lines);
        assert_eq!(latest, (3..=12).map(Uuid::from_u128).collect());
        assert_eq!(left_out, 2);
    }
}
