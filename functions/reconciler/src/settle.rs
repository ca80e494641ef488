//! Executions that have ended, or are about to: what the state machine's Catch hands over, and
//! EventBridge's events.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::{
    error_code::ErrorCode,
    failure::Failure,
    process::{ProcessId, Status},
    reconcile::{Action, Execution, Row, Rule, plan},
    workflow::Described,
};

use crate::{
    Reconciler,
    repair::Run,
    report::Outcome,
    trigger::{Caught, Ended},
};

/// How often a process that moved while it was settled is looked at again.
const LOOKS: usize = 3;

impl Reconciler {
    /// Settles a process whose work has failed for good. The execution still runs, as it waits for
    /// this; what it will end with is what it caught. If this fails too, the state machine tries it
    /// again, and after that the sweep settles it (R5).
    pub(crate) async fn caught(
        &self,
        caught: &Caught,
        stop_at: DateTime<Utc>,
    ) -> Result<Value, Failure> {
        let id = caught.process_id;
        let execution =
            Execution::Failed { error: caught.error.clone(), cause: caught.cause.clone() };
        let seen = Described { execution, started_at: None, stopped_at: None };
        let mut run = Run::new(self, false, stop_at);
        for _ in 0..LOOKS {
            let Some(row) = self.store.rows_of(&[id]).await?.pop() else {
                tracing::warn!(processId = %id, "an execution failed that has no process");
                return Ok(answer(id, None, false));
            };
            let plan = plan(&row, &seen.execution, run.now(), &self.config.limits);
            let Action::End(ending) = plan.action else {
                if let Some(rule) = plan.rule {
                    tracing::warn!(processId = %id, status = %row.status, rule = %rule, "the execution failed, and its process had ended");
                }
                return Ok(answer(id, Some(row.status), false));
            };
            let (status, code) = (ending.status, ending.error.as_ref().map(|error| error.code));
            let kind = if status == Status::Timeout { "timed-out" } else { "failed" };
            if run.end(&row, &seen, Rule::R5, ending, kind).await? == Outcome::Repaired {
                tracing::warn!(processId = %id, status = %status, errorCode = code.map(ErrorCode::as_str), attempt = row.attempt, "the execution failed");
                let report = run.finish();
                report.metrics(None, self.clock.now()).iter().for_each(self.emit);
                return Ok(answer(id, Some(status), true));
            }
        }
        Err(Failure::new(
            ErrorCode::DatabaseError,
            "the process moved each time it was about to be settled",
        ))
    }

    /// Settles the process of an execution that is said to have ended. The event is only the
    /// occasion: the row and the execution are looked at as ever. A row that the event agrees with
    /// costs one statement and no call.
    pub(crate) async fn ended(
        &self,
        ended: &Ended,
        stop_at: DateTime<Utc>,
    ) -> Result<Value, Failure> {
        let id = match ended.process_id {
            Some(id) if self.engine.is_ours(&ended.state_machine_arn) => id,
            _ => {
                tracing::info!("an execution ended that drives no process of ours");
                return Ok(json!({"success": true, "data": {"ignored": true}}));
            }
        };
        let Some(row) = self.store.rows_of(&[id]).await?.pop() else {
            tracing::info!(processId = %id, "an execution ended that has no process");
            return Ok(answer(id, None, false));
        };
        if agrees(&row, ended.succeeded) {
            return Ok(answer(id, Some(row.status), false));
        }
        let mut run = Run::new(self, false, stop_at);
        let after = run.one(id).await?;
        let report = run.finish();
        report.metrics(None, self.clock.now()).iter().for_each(self.emit);
        Ok(answer(id, after.map(|row| row.status), report.repaired > 0))
    }
}

/// Whether there is nothing to look for: the process has ended, and not better than its execution
/// says.
fn agrees(row: &Row, succeeded: bool) -> bool {
    row.status.is_terminal()
        && (succeeded || row.status != Status::Completed)
        && shared::reconcile::mends(row).is_empty()
}

fn answer(id: ProcessId, status: Option<Status>, settled: bool) -> Value {
    json!({"success": true, "data": {"processId": id, "status": status, "settled": settled}})
}
