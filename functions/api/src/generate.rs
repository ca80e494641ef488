//! `POST /generate`: check the request, store the process, start its execution, answer 202.

use serde_json::json;
use shared::{
    accept::accept,
    clock::Clock,
    error_code::ErrorCode,
    http::{Call, Caller, Problem, Reply},
    params::parse_generate,
    process::{ProcessId, Status},
    store::{Actor, Submission},
};

use crate::Api;

impl Api {
    pub(crate) async fn generate(&self, call: &Call) -> Result<Reply, Problem> {
        let Caller::User(user_id) = &call.caller else { return Err(ErrorCode::Unauthorized.into()) };
        let now = self.clock.now();
        let params = parse_generate(&call.body, now).map_err(shared::http::Refusal::from)?;
        let process_type = params.process_type();
        let submission =
            Submission { id: ProcessId(self.clock.new_id()), user_id: user_id.clone(), params, retry: None, actor: Actor::User, now };
        let estimated = accept(&self.store, &self.workflow, &submission).await?;
        tracing::info!(processId = %submission.id, userId = %user_id, r#type = %process_type, status = %Status::Pending, "accepted");
        Ok(Reply::new(
            202,
            json!({
                "processId": submission.id, "status": Status::Pending, "type": process_type,
                "createdAt": now, "estimatedCompletionTime": estimated,
            }),
        ))
    }
}
