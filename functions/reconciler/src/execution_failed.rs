//! An execution that reports its own failure: the state machine's Catch.

use chrono::{DateTime, Utc};
use shared::{
    aws::workflow::Described,
    process::{Ending, ErrorCode, EventKind, Failure},
    reconcile::{Execution, Plan, Repair, Rule},
};

use crate::{
    finding::RepairOutcome, reconciler::Reconciler, run::Run, settle::MAX_ATTEMPTS,
    trigger::FailedExecution, views::SettledView,
};

impl Reconciler {
    /// Settles a process whose work has failed for good. The execution still runs, as it waits for
    /// this; what it will end with is what it caught.
    ///
    /// # Errors
    /// When the process cannot be settled. The state machine then tries it again, and after that
    /// the sweep settles it (R5).
    pub(crate) async fn execution_failed(
        &self,
        failed: &FailedExecution,
        stop_at: DateTime<Utc>,
    ) -> Result<SettledView, Failure> {
        let process_id = failed.process_id;
        let execution =
            Execution::Failed { error: failed.error.clone(), cause: failed.cause.clone() };
        let seen = Described { execution, started_at: None, stopped_at: None };
        let mut run = Run::new(self, false, stop_at);
        for _ in 0..MAX_ATTEMPTS {
            let Some(row) = run.facts(process_id).await? else {
                tracing::warn!(
                    processId = %process_id,
                    rule = %Rule::R17,
                    "an execution failed that has no process"
                );
                return Ok(SettledView { process_id, status: None, settled: false });
            };
            let plan = run.plan(&row, &seen.execution);
            if let Plan::Report(rule) = plan {
                tracing::warn!(
                    processId = %process_id,
                    status = %row.status,
                    rule = %rule,
                    "the execution failed, and its process had ended"
                );
            }
            let Plan::Repair { rule, repair: Repair::End(ending) } = plan else {
                return Ok(SettledView { process_id, status: Some(row.status), settled: false });
            };
            let (status, code) = (ending.status(), ending.error().map(|error| error.code));
            let kind = event_kind(&ending);
            if run.end(&row, &seen, rule, ending, kind).await? == RepairOutcome::Repaired {
                tracing::warn!(
                    processId = %process_id,
                    status = %status,
                    errorCode = code.map(ErrorCode::as_str),
                    attempt = row.attempt,
                    "the execution failed"
                );
                run.explain().await;
                self.emit_metrics(&run.finish(), None);
                return Ok(SettledView { process_id, status: Some(status), settled: true });
            }
        }
        let cause = "the process moved each time it was about to be settled";
        Err(Failure::new(ErrorCode::DatabaseError, cause))
    }
}

/// What the history calls the ending: the execution itself has reported it, so it is no repair.
const fn event_kind(ending: &Ending) -> EventKind {
    match ending {
        Ending::Failed(_) => EventKind::Failed,
        Ending::TimedOut(_) => EventKind::TimedOut,
        Ending::Cancelled => EventKind::Cancelled,
    }
}
