//! `POST /generate`: check the request, store the process, start its execution, answer 202.

use serde_json::json;
use shared::{
    accept::accept,
    clock::Clock,
    error_code::ErrorCode,
    http::{Answer, Call, Caller, Refusal, Reply, limited},
    params::{InvalidRequest, Params, parse_generate},
    process::ProcessId,
    store::{Actor, Submission},
};

use crate::Api;

impl Api {
    pub(crate) async fn generate(&self, call: &Call) -> Answer {
        let Caller::User(user_id) = &call.caller else {
            return Answer::from(Err(ErrorCode::Unauthorized.into()));
        };
        let now = self.clock.now();
        let (params, idempotency_key) = match read(call, now) {
            Ok(read) => read,
            // Nothing is to be stored, so no other statement counts it.
            Err(refusal) => {
                return limited(&self.store, self.per_minute, call, now, async || {
                    Err(refusal.into())
                })
                .await;
            }
        };
        let process_type = params.process_type();
        let submission = Submission {
            id: ProcessId(self.clock.new_id()),
            user_id: user_id.clone(),
            params,
            retry: None,
            idempotency_key,
            per_minute: Some(self.per_minute),
            actor: Actor::User,
            now,
        };
        let (accepted, standing) = match accept(&self.store, &self.workflow, &submission).await {
            Ok(accepted) => accepted,
            Err(failure) => return Answer::from(Err(failure.into())),
        };
        let reply = accepted.map(|accepted| {
            let (id, status) = (accepted.process_id, accepted.status);
            tracing::info!(processId = %id, userId = %user_id, r#type = %process_type, %status, repeated = accepted.repeated, "accepted");
            Reply::new(
                202,
                json!({
                    "processId": id, "status": status, "type": process_type,
                    "createdAt": accepted.created_at, "estimatedCompletionTime": accepted.estimated,
                }),
            )
        });
        let answer = Answer::from(reply);
        standing.iter().fold(answer, Answer::with_quota)
    }
}

/// The params and the idempotency key; or everything that is wrong with them.
fn read(
    call: &Call,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(Params, Option<String>), Refusal> {
    let parsed = parse_generate(call.body()?, now);
    match (parsed, call.idempotency_key()) {
        (Ok(params), Ok(key)) => Ok((params, key)),
        (Ok(_), Err(violation)) => Err(violation.into()),
        (Err(InvalidRequest::Fields(mut violations)), Err(violation)) => {
            violations.push(violation);
            Err(Refusal::invalid(violations))
        }
        (Err(invalid), _) => Err(invalid.into()),
    }
}
