//! An operator's invocation: a sweep, or one process.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use shared::{
    error_code::ErrorCode,
    failure::Failure,
    http::{Call, Caller, Problem, Reply},
};

use crate::{Reconciler, repair::Run, sweep::Swept, trigger};

impl Reconciler {
    pub(crate) async fn by_hand(
        &self,
        call: &Call,
        stop_at: DateTime<Utc>,
    ) -> Result<Reply, Problem> {
        if call.caller != Caller::Operator {
            return Err(ErrorCode::Forbidden.into());
        }
        let asked = trigger::by_hand(&call.json::<Map<String, Value>>()?)?;
        let Some(id) = asked.process_id else {
            return Ok(reply(&self.sweep(asked.dry_run, stop_at).await?)?);
        };
        let mut run = Run::new(self, asked.dry_run, stop_at);
        let row = run.one(id).await?.ok_or(ErrorCode::ProcessingNotFound)?;
        run.report.scanned = 1;
        let report = run.finish();
        report.log();
        if !asked.dry_run {
            report.metrics(None, self.clock.now()).iter().for_each(self.emit);
        }
        let mut reply = Reply::of(200, &report)?;
        reply.data["processId"] = json!(id);
        reply.data["status"] = json!(row.status);
        Ok(reply)
    }

    /// The schedule's sweep. That another is running is as well.
    pub(crate) async fn by_schedule(&self, stop_at: DateTime<Utc>) -> Result<Value, Failure> {
        Ok(json!({"success": true, "data": reply(&self.sweep(false, stop_at).await?)?.data}))
    }
}

fn reply(swept: &Swept) -> Result<Reply, Failure> {
    match swept {
        Swept::Report(report) => {
            let mut reply = Reply::of(200, report)?;
            reply.data["swept"] = json!(true);
            Ok(reply)
        }
        Swept::Another { since, until } => {
            tracing::info!(since = %since.to_rfc3339(), "another sweep is running");
            let message = format!("another sweep is running since {}", since.to_rfc3339());
            Ok(Reply::new(
                200,
                json!({"swept": false, "message": message, "runningSince": since, "runningUntil": until}),
            ))
        }
    }
}
