//! `{"check":"logs","processId":…,"hours":…}`: what all functions logged about one process, in the
//! order of time, and what Lambda says of the invocations that did. An `errorId` that a user was
//! told is looked for just so.
//!
//! | file | holds |
//! |---|---|
//! | this one | asking every log, and the answer |
//! | `read` | what a line says: pure |

mod read;

use std::{collections::BTreeSet, time::Duration};

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
use crate::{diagnostics::Diagnostics, words::Words};

/// What all searches for the lines have, and then all those for the invocations.
const SEARCH_LIMIT: Duration = Duration::from_secs(20);
/// Invocations of one function that are looked for, the newest: each costs a call, and the quota of
/// `FilterLogEvents` is small.
const MOST_INVOCATIONS: usize = 10;

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
    not_checked: Vec<NotRead>,
}

#[derive(Serialize)]
struct NotRead {
    /// The function.
    what: &'static str,
    why: String,
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
        let mut not_checked = Vec::new();
        let (mut lines, mut requests) = (Vec::new(), Vec::new());
        let asked = self.logs.iter().map(|(function, logs)| (*function, logs.clone(), id.0));
        for (function, found) in search.all(asked.collect()).await {
            let held = found.unwrap_or_else(|failure| {
                not_checked.push(NotRead { what: function, why: failure.cause });
                Held { lines: Vec::new(), is_whole: true }
            });
            if !held.is_whole {
                let why = words.say("行が多すぎるか、時間切れです", "too many lines, or too late");
                not_checked.push(NotRead { what: function, why });
            }
            let of_function: Vec<_> =
                held.lines.iter().map(|line| LineView::of(function, line)).collect();
            requests.push((function, latest_requests(&of_function)));
            lines.extend(of_function);
        }
        lines.sort_by_key(|line| line.at);
        let invocations = self.invocations(&search, &requests).await;
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

    /// What Lambda says of these invocations, as far as it can be found; what is missing says less,
    /// and is no reason to withhold the lines.
    async fn invocations(
        &self,
        search: &Search,
        requests: &[(&'static str, BTreeSet<Uuid>)],
    ) -> Vec<Invocation> {
        let logs_of = |name: &str| self.logs.iter().find(|(function, _)| *function == name);
        let asked = requests.iter().filter_map(|(function, ids)| {
            let (_, logs) = logs_of(function)?;
            Some(ids.iter().map(|id| (*function, logs.clone(), *id)))
        });
        let found = search.all(asked.flatten().collect()).await;
        let held = found.into_iter().filter_map(|(function, held)| Some((function, held.ok()?)));
        let mut invocations: Vec<_> = held
            .flat_map(|(function, held)| {
                let report = |line| Invocation::of(function, &line);
                held.lines.into_iter().filter_map(report)
            })
            .collect();
        invocations.sort_by_key(|invocation| invocation.at);
        invocations
    }
}

/// The invocations that wrote the newest of `lines`.
fn latest_requests(lines: &[LineView]) -> BTreeSet<Uuid> {
    let mut requests = BTreeSet::new();
    for id in lines.iter().rev().filter_map(|line| line.request_id) {
        if requests.len() == MOST_INVOCATIONS {
            break;
        }
        requests.insert(id);
    }
    requests
}

/// The time in which it is looked.
struct Search {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Search {
    /// All at once, within their time, in whatever order they answer.
    async fn all(
        &self,
        asked: Vec<(&'static str, Logs, Uuid)>,
    ) -> Vec<(&'static str, Result<Held, Failure>)> {
        let (since, until, deadline) = (self.since, self.until, Instant::now() + SEARCH_LIMIT);
        let mut searches = JoinSet::new();
        for (function, logs, id) in asked {
            searches
                .spawn(async move { (function, logs.holding(id, since, until, deadline).await) });
        }
        searches.join_all().await
    }
}
