//! What follows from the facts. Pure: everything that is looked up is in [`Facts`].
//!
//! Causes are judged before what they cause, and the sort by severity keeps that order, so that
//! what is told first is the most likely cause of the rest.

mod deployed;
mod jobs;
mod lifecycle;
mod queue;
mod reach;
mod server;

pub(super) use deployed::not_set_up;

use chrono::{DateTime, TimeDelta, Utc};
use shared::reconcile::Limits;

use super::{database, facts::Facts};
use crate::{finding::Finding, words::Words};

/// The time over which failures are counted.
pub(crate) const FAILURES_OVER: TimeDelta = TimeDelta::minutes(15);
/// Sessions that run a statement, or keep a transaction open, for longer are of note.
pub(crate) const SECONDS_OF_NOTE: f64 = 10.0;
/// What is left to a sweep before something it heals counts as not healed.
const SWEEP_HEALS_WITHIN: TimeDelta = TimeDelta::minutes(10);

/// When an admitted process should have been started, by whoever and at the latest by a sweep, to
/// count as not started at `now`.
pub(crate) fn started_by(now: DateTime<Utc>, limits: &Limits) -> DateTime<Utc> {
    now - limits.start_grace - SWEEP_HEALS_WITHIN
}

/// What is not as it should be, the most likely cause first.
pub(crate) fn findings(facts: &Facts, words: Words) -> Vec<Finding> {
    let judge = Judge { facts, words };
    let mut all = Vec::new();
    all.extend(judge.unusable_database());
    if let Some(schema) = facts.schema.seen() {
        all.extend(judge.migrations(schema));
    }
    if let Some(server) = facts.server.seen() {
        all.extend(server.read_only.then(|| database::read_only(words)));
        all.extend(judge.clocks(server));
    }
    all.extend(judge.functions());
    all.extend(judge.rules());
    all.extend(judge.state_machine());
    all.extend(facts.models.iter().filter_map(|model| judge.model(model)));
    if let Some(server) = facts.server.seen() {
        all.extend(judge.connections(server));
    }
    if let Some(sessions) = facts.sessions.seen() {
        all.extend(judge.sessions(sessions));
    }
    all.extend(judge.unknown_executions());
    all.extend(judge.sweep());
    if let Some(capacity) = facts.capacity.seen() {
        all.extend(judge.pause(capacity));
        all.extend(judge.lowered(capacity));
        all.extend(judge.queue(capacity));
    }
    all.extend(judge.budgets());
    all.extend(judge.unstarted());
    all.extend(judge.long_runs());
    all.extend(judge.failures());
    all.extend(judge.retention());
    // Stable: what is as bad stays in the order of causes.
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    all
}

struct Judge<'a> {
    facts: &'a Facts,
    words: Words,
}

impl Judge<'_> {
    fn sweep_now(&self, finding: Finding) -> Finding {
        let text = self.words.say("すぐに突き合わせを実行する", "have everything looked at now");
        finding.then(text, "cargo aigen reconcile".to_owned())
    }

    fn look_at(&self, finding: Finding, id: impl std::fmt::Display) -> Finding {
        let text = self.words.say("その処理を調べる", "look at that process");
        finding.then(text, format!("cargo aigen process {id}"))
    }
}

#[cfg(test)]
mod tests;
