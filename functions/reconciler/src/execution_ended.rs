//! An execution that is said to have ended: EventBridge's event.

use chrono::{DateTime, Utc};
use shared::{
    process::{Actor, Failure, ProcessId, Status},
    reconcile::{ProcessFacts, Rule, mends},
};

use crate::{
    reconciler::Reconciler,
    run::Run,
    trigger::EndedExecution,
    views::{EndedView, SettledView},
};

impl Reconciler {
    /// Settles the process of an execution that is said to have ended. The event is only the
    /// occasion: the row and the execution are looked at as ever. A row that the event agrees with
    /// costs one statement and no call. Whatever the process had is free, so that others may be
    /// admitted.
    ///
    /// # Errors
    /// When the database or Step Functions cannot be asked.
    pub(crate) async fn execution_ended(
        &self,
        ended: &EndedExecution,
        stop_at: DateTime<Utc>,
    ) -> Result<EndedView, Failure> {
        let process_id = match ended.process_id {
            Some(id) if self.engine.is_ours(&ended.state_machine_arn) => id,
            Some(_) | None => {
                tracing::info!("an execution ended that drives no process of ours");
                return Ok(EndedView::Ignored { ignored: true });
            }
        };
        let settled = self.settle_ended(process_id, ended.succeeded, stop_at).await;
        // Also where the process could not be settled: this is not the only one that may have
        // ended.
        if let Err(failure) = self.admit(Actor::Reconciler).await {
            tracing::warn!(
                errorCode = %failure.code,
                cause = failure.cause,
                "nobody was admitted; the next occasion will see to it"
            );
        }
        settled
    }

    async fn settle_ended(
        &self,
        process_id: ProcessId,
        succeeded: bool,
        stop_at: DateTime<Utc>,
    ) -> Result<EndedView, Failure> {
        let view =
            |status, settled| Ok(EndedView::Settled(SettledView { process_id, status, settled }));
        let mut run = Run::new(self, false, stop_at);
        let Some(row) = run.facts(process_id).await? else {
            tracing::warn!(
                processId = %process_id,
                rule = %Rule::R17,
                "an execution ended that has no process"
            );
            return view(None, false);
        };
        if needs_no_look(&row, succeeded) {
            return view(Some(row.status), false);
        }
        let after = run.settle_process(process_id).await?;
        let report = run.finish();
        self.emit_metrics(&report, None);
        view(after.map(|row| row.status), report.repaired > 0)
    }
}

/// Whether the process has ended, and not better than its execution is said to have done, and its
/// row is whole.
fn needs_no_look(row: &ProcessFacts, succeeded: bool) -> bool {
    row.status.is_terminal()
        && (succeeded || row.status != Status::Completed)
        && mends(row).is_empty()
}
