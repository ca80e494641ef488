//! An operator's command: a sweep, one process, or the capacity.

use chrono::{DateTime, Utc};
use shared::{
    http::{Caller, Problem, Reply, Request},
    process::ErrorCode,
};

use crate::{
    capacity::CapacityCommand,
    reconciler::Reconciler,
    run::Run,
    trigger::OperatorCommand,
    views::{ProcessReportView, ReportView, SweptView},
};

impl Reconciler {
    /// Does what an operator asks for, and nobody else.
    ///
    /// # Errors
    /// A refusal of what is asked wrongly, or a failure of the work itself.
    pub(crate) async fn by_operator(
        &self,
        request: &Request,
        stop_at: DateTime<Utc>,
    ) -> Result<Reply, Problem> {
        if request.caller != Caller::Operator {
            return Err(ErrorCode::Forbidden.into());
        }
        let payload = request.object()?;
        if let Some(command) = CapacityCommand::read(&payload)? {
            return self.command_capacity(&command).await;
        }
        let command = OperatorCommand::read(&payload)?;
        let Some(id) = command.process_id else {
            let swept = self.sweep(command.dry_run, stop_at).await?;
            return Ok(Reply::of(200, &SweptView::of(&swept))?);
        };
        let mut run = Run::new(self, command.dry_run, stop_at);
        let row = run.settle_process(id).await?.ok_or(ErrorCode::ProcessingNotFound)?;
        run.report.scanned = 1;
        let report = run.finish();
        report.log();
        if !command.dry_run {
            self.emit_metrics(&report, None);
        }
        let report = ReportView::of(&report);
        let view = ProcessReportView { process_id: id, status: row.status, report };
        Ok(Reply::of(200, &view)?)
    }
}
