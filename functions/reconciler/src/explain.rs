//! What the log tells of the processes that a run has ended. It is asked for when all repairs are
//! made, for a limited time, so that a slow log delays no repair.

use std::time::Duration;

use chrono::TimeDelta;
use shared::{aws::workflow::Described, process::Ending, reconcile::ProcessFacts, store::Repaired};

use crate::{
    engine::LogSearch,
    run::{Run, Unexplained},
};

/// Lines may have been logged a little before and after what Step Functions thinks is the
/// execution's time.
const LOG_SLACK: TimeDelta = TimeDelta::seconds(30);
/// The longest time of one search.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of the margin at the end of an invocation the searches may use, so that a run which
/// used up its time with repairs explains some of them.
const OVERTIME: TimeDelta = TimeDelta::seconds(5);

impl Run<'_> {
    /// Notes that `row` was ended so, and that the log may tell more.
    pub(crate) fn explain_later(&mut self, row: &ProcessFacts, seen: &Described, ending: Ending) {
        if self.unexplained.len() < self.reconciler.config.evidence {
            let from = seen.started_at.or(row.started_at).unwrap_or(row.created_at) - LOG_SLACK;
            let until = seen.stopped_at.unwrap_or_else(|| self.now()) + LOG_SLACK;
            self.unexplained.push(Unexplained { id: row.id, ending, from, until });
        }
    }

    /// Adds what the log tells to the errors of the processes that were ended. A log that is slow
    /// once would be slow for the others too: after that none is asked for.
    pub(crate) async fn explain(&mut self) {
        let began = self.now();
        self.search_log().await;
        self.report.explaining += (self.now() - began).num_milliseconds();
    }

    async fn search_log(&mut self) {
        let latest = self.stop_at + OVERTIME;
        let budget = TimeDelta::from_std(self.reconciler.config.evidence_time).ok();
        let end = budget.and_then(|budget| self.now().checked_add_signed(budget));
        let end = end.map_or(latest, |end| end.min(latest));
        for unexplained in std::mem::take(&mut self.unexplained) {
            let left = (end - self.now()).to_std().unwrap_or_default();
            if left.is_zero() {
                return;
            }
            let Unexplained { id, ending, from, until } = unexplained;
            let engine = &self.reconciler.engine;
            match engine.evidence(id, from, until, left.min(PATIENCE)).await {
                LogSearch::Found(evidence) if evidence.is_empty() => {}
                LogSearch::Found(evidence) => {
                    match self.reconciler.store.add_evidence(id, &ending, &evidence).await {
                        Ok(Repaired::Done) => self.report.explained += 1,
                        Ok(Repaired::Moved) => {}
                        Err(failure) => tracing::warn!(
                            processId = %id,
                            errorCode = %failure.code,
                            cause = failure.cause,
                            "repaired, but its evidence cannot be stored"
                        ),
                    }
                }
                LogSearch::Failed => {}
                LogSearch::TimedOut => return,
            }
        }
    }
}
