//! `{"check":"performance","hours":…}`: where the time goes. By type, waiting apart from running;
//! by function, from what Lambda reports of each invocation; models; the database's statements and
//! the tables that it reads from one end to the other; and what follows from that.
//!
//! | file | holds |
//! |---|---|
//! | this one | asking, each part within its time, and the answer |
//! | `functions` | what a function's invocations say together: pure |
//! | `findings` | what follows: pure |

mod findings;
mod functions;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::{
    aws::logs::Logs,
    clock::Clock,
    http::{Problem, Reply},
    process::{Failure, ModelTotal},
    store::{Statement, TableReads},
};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use self::{
    findings::{Facts, findings},
    functions::FunctionView,
};
use crate::{
    diagnostics::Diagnostics,
    finding::{Finding, NotChecked, Verdict},
    logs::read::Invocation,
    survey::{self, TypeView},
    words::Words,
};

/// What all parts have; the function has a minute.
const LIMIT: Duration = Duration::from_secs(20);
/// How far back the first look at a log goes; each further one goes four times as far.
const FIRST_LOOK: TimeDelta = TimeDelta::minutes(15);
/// Invocations of a function that are enough to tell.
const ENOUGH: usize = 2_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PerformanceView {
    verdict: Verdict,
    checked_at: DateTime<Utc>,
    since: DateTime<Utc>,
    hours: i64,
    findings: Vec<Finding>,
    types: Vec<TypeView>,
    /// Whether there were more processes than are counted: then these are the newest.
    is_cut: bool,
    functions: Vec<FunctionView>,
    models: Vec<ModelTotal>,
    /// `None`: the database does not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    statements: Option<Vec<Statement>>,
    tables: Vec<TableReads>,
    not_checked: Vec<NotChecked>,
    /// Milliseconds that the check took.
    duration: i64,
}

impl Diagnostics {
    pub(crate) async fn performance(&self, hours: i64, words: Words) -> Result<Reply, Problem> {
        let now = self.clock.now();
        let (since, deadline) = (now - TimeDelta::hours(hours), Instant::now() + LIMIT);
        let ((survey, statements, tables, lost_indexes), functions) = tokio::join!(
            async {
                // One after the other: an environment has one connection.
                let store = &self.store;
                (
                    in_time(store.survey(since), deadline).await,
                    in_time(store.statements(), deadline).await,
                    in_time(store.table_reads(), deadline).await,
                    in_time(async { Ok(store.schema().await?.lost_indexes) }, deadline).await,
                )
            },
            self.invocations(since, now, deadline),
        );
        let mut not_checked = Vec::new();
        let survey = seen(survey, "jobs", &mut not_checked);
        let statements = seen(statements, "statements", &mut not_checked);
        if statements == Some(None) {
            let why = words.say(
                "pg_stat_statements がないため、データベースは文ごとの時間を数えていません",
                "there is no pg_stat_statements, so that the database does not count them",
            );
            not_checked.push(NotChecked { what: "statements", why });
        }
        let tables = seen(tables, "tables", &mut not_checked).unwrap_or_default();
        let lost_indexes = seen(lost_indexes, "indexes", &mut not_checked).unwrap_or_default();
        let functions = function_views(functions, words, &mut not_checked);
        let is_cut = survey.as_ref().is_some_and(|survey| survey.is_cut);
        let models = survey.as_ref().map(survey::models).unwrap_or_default();
        let types = survey.map(survey::types).unwrap_or_default();
        let statements = statements.flatten();
        let facts = Facts {
            types: &types,
            functions: &functions,
            models: &models,
            statements: statements.as_deref().unwrap_or_default(),
            tables: &tables,
            lost_indexes: &lost_indexes,
            time_limit: self.limits.time_limit,
        };
        let findings = findings(&facts, words);
        let view = PerformanceView {
            verdict: Verdict::of(&findings),
            checked_at: now,
            since,
            hours,
            findings,
            types,
            is_cut,
            functions,
            models,
            statements,
            tables,
            not_checked,
            duration: (self.clock.now() - now).num_milliseconds(),
        };
        Ok(Reply::of(200, &view)?)
    }

    /// What Lambda reports of each function, in whatever order they answer.
    async fn invocations(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        deadline: Instant,
    ) -> Vec<(&'static str, Result<Reports, Failure>)> {
        let mut looks = JoinSet::new();
        for (function, log) in self.logs.iter().cloned() {
            looks.spawn(async move {
                (function, Reports::newest(function, &log, since, until, deadline).await)
            });
        }
        let mut all = looks.join_all().await;
        all.sort_by_key(|(function, _)| *function);
        all
    }
}

/// The newest invocations of a function.
struct Reports {
    invocations: Vec<Invocation>,
    /// Whether these are all of the time that was asked for.
    is_whole: bool,
}

impl Reports {
    /// Looks from the newest back, further each time, until there are enough: a log gives its
    /// oldest lines first, and those of a busy day would be all of its first hour.
    async fn newest(
        function: &'static str,
        log: &Logs,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let (mut invocations, mut end, mut span) = (Vec::new(), until, FIRST_LOOK);
        while end > since {
            let begin = (end - span).max(since);
            let held = match log.holding("REPORT RequestId:", begin, end, deadline).await {
                Ok(held) => held,
                // What was found counts.
                Err(_) if !invocations.is_empty() => {
                    return Ok(Self { invocations, is_whole: false });
                }
                Err(failure) => return Err(failure),
            };
            invocations.extend(held.lines.iter().filter_map(|line| Invocation::of(function, line)));
            if !held.is_whole || invocations.len() >= ENOUGH {
                return Ok(Self { invocations, is_whole: begin <= since && held.is_whole });
            }
            (end, span) = (begin, span * 4);
        }
        Ok(Self { invocations, is_whole: true })
    }
}

fn function_views(
    looks: Vec<(&'static str, Result<Reports, Failure>)>,
    words: Words,
    not_checked: &mut Vec<NotChecked>,
) -> Vec<FunctionView> {
    let mut views = Vec::new();
    for (function, look) in looks {
        match look {
            Err(failure) => not_checked.push(NotChecked { what: function, why: failure.cause }),
            Ok(reports) => {
                if !reports.is_whole {
                    let why = words.say(
                        "新しい呼び出しだけを数えました",
                        "only the newest invocations are counted",
                    );
                    not_checked.push(NotChecked { what: function, why });
                }
                views.extend(FunctionView::of(function, &reports.invocations));
            }
        }
    }
    views
}

async fn in_time<T>(
    question: impl Future<Output = Result<T, Failure>>,
    deadline: Instant,
) -> Result<T, Failure> {
    timeout_at(deadline, question)
        .await
        .unwrap_or_else(|_| Err(Failure::internal("no answer in time")))
}

fn seen<T>(
    look: Result<T, Failure>,
    what: &'static str,
    not_checked: &mut Vec<NotChecked>,
) -> Option<T> {
    look.map_err(|failure| not_checked.push(NotChecked { what, why: failure.to_string() })).ok()
}
