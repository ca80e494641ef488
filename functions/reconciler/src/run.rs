//! One invocation at work.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::{
    process::{Ending, Failure, ProcessId},
    reconcile::ProcessFacts,
};

use crate::{engine::Calls, reconciler::Reconciler, report::Report};

/// A process that was ended, and of which the log may tell more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unexplained {
    pub(crate) id: ProcessId,
    pub(crate) ending: Ending,
    /// From when on something may have been logged.
    pub(crate) from: DateTime<Utc>,
    pub(crate) until: DateTime<Utc>,
}

/// One invocation at work: what it has found, the time it has, and what it has cost.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) reconciler: &'a Reconciler,
    pub(crate) report: Report,
    /// When it must have ended.
    pub(crate) stop_at: DateTime<Utc>,
    pub(crate) began: DateTime<Utc>,
    /// Processes that it has ended, and of which the log may tell more.
    pub(crate) unexplained: Vec<Unexplained>,
    calls_before: Calls,
    waited_before: Duration,
}

impl<'a> Run<'a> {
    pub(crate) fn new(reconciler: &'a Reconciler, dry_run: bool, stop_at: DateTime<Utc>) -> Self {
        Self {
            reconciler,
            report: Report::new(dry_run),
            stop_at,
            began: reconciler.clock.now(),
            unexplained: Vec::new(),
            calls_before: reconciler.engine.calls(),
            waited_before: reconciler.engine.waited(),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.reconciler.clock.now()
    }

    /// The process `id` as its row is now; `None` when there is no such row.
    pub(crate) async fn facts(&self, id: ProcessId) -> Result<Option<ProcessFacts>, Failure> {
        Ok(self.reconciler.store.rows_of(&[id]).await?.pop())
    }

    /// The report, with what the run has cost.
    pub(crate) fn finish(mut self) -> Report {
        let engine = &self.reconciler.engine;
        let waited = engine.waited().saturating_sub(self.waited_before);
        self.report.calls = engine.calls() - self.calls_before;
        self.report.waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        self.report.duration = (self.now() - self.began).num_milliseconds();
        self.report
    }
}
