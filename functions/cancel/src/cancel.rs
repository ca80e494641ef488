//! The intent comes first: once CANCELLED is committed it wins over everything later, and a running
//! worker sees it and stops. Stopping the execution only saves what it would still cost; if that
//! fails, the sweep does it (R10).

use serde_json::json;
use shared::{
    clock::Clock,
    error_code::ErrorCode,
    http::{Answer, Call, Caller, Problem, ProcessView, Refusal, Reply, limited},
    process::{Process, Status},
    store::Cancelling,
    validation::{Reader, Text},
};

use crate::Cancel;

/// Characters of a reason.
const REASON_LENGTH: std::ops::RangeInclusive<usize> = 0..=500;

impl Cancel {
    pub(crate) async fn handle(&self, call: &Call) -> Answer {
        limited(&self.store, self.per_minute, call, self.clock.now(), async || {
            self.cancel(call).await
        })
        .await
    }

    async fn cancel(&self, call: &Call) -> Result<Reply, Problem> {
        let id = call.process_id()?;
        let reason = read_reason(call)?;
        let cancelling = self
            .store
            .cancel(
                id,
                call.caller.owner(),
                reason.as_deref(),
                call.caller.actor(),
                self.clock.now(),
            )
            .await?;
        let process = judge(cancelling, &call.caller)?;
        let stopped = match self.workflow.stop(id, "CANCELLED", "cancelled by request").await {
            Ok(_) => true,
            Err(failure) => {
                tracing::warn!(processId = %id, errorCode = %failure.code, cause = failure.cause, "cancelled, but its execution may still run; the sweep will stop it");
                false
            }
        };
        tracing::info!(processId = %id, userId = %process.user_id, status = %process.status, actor = call.caller.actor().as_str(), "cancelled");
        let mut data = Reply::of(200, &ProcessView::new(&process, None, call.language))?;
        data.data["executionStopped"] = json!(stopped);
        Ok(data)
    }
}

/// The process if it is cancelled now or has been before; a repeated cancel answers as the first
/// did.
fn judge(cancelling: Option<Cancelling>, caller: &Caller) -> Result<Process, Problem> {
    let Cancelling { process, cancelled } = cancelling.ok_or(ErrorCode::ProcessingNotFound)?;
    if caller.owner().is_some_and(|user| *user != process.user_id) {
        Err(ErrorCode::Forbidden.into())
    } else if cancelled || process.status == Status::Cancelled {
        Ok(process)
    } else {
        Err(Refusal { current_status: Some(process.status), ..ErrorCode::CancelNotAllowed.into() }
            .into())
    }
}

fn read_reason(call: &Call) -> Result<Option<String>, Refusal> {
    let body = call.object()?;
    let mut reader = Reader::new("", &body);
    if call.caller == Caller::Operator {
        reader.required("processId");
    }
    let reason = reader.optional_text("reason", Text::Lines, REASON_LENGTH);
    let details = reader.finish();
    if details.is_empty() { Ok(reason) } else { Err(Refusal::invalid(details)) }
}
