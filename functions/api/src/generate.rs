//! `POST /generate`: check the request, store the process, start its execution, answer 202.

use chrono::{DateTime, Utc};
use shared::{
    clock::Clock,
    http::{Caller, Refusal, Reply, Request, Response, limited},
    process::{Actor, ErrorCode, Generation, InvalidRequest, ProcessId, parse_generate},
    store::Submission,
    use_case::submit,
};

use crate::api::{Api, Kind};

impl Api {
    pub(crate) async fn generate(&self, request: &Request) -> Response {
        let Caller::User(user_id) = &request.caller else {
            return Response::from(Err(ErrorCode::Unauthorized.into()));
        };
        let now = self.clock.now();
        let (params, idempotency_key) = match read(request, now) {
            Ok(read) => read,
            // Nothing is to be stored, so no other statement counts it.
            Err(refusal) => {
                let refuse = async || Err(refusal.into());
                return limited(&self.store, self.per_minute, request, now, refuse).await;
            }
        };
        let process_type = Kind::process_type(&params);
        let submission = Submission::<Kind> {
            id: ProcessId(self.clock.new_id()),
            user_id: user_id.clone(),
            params,
            retry: None,
            idempotency_key,
            per_minute: Some(self.per_minute),
            actor: Actor::User,
            now,
        };
        let (accepted, quota) = match submit(&self.store, &self.workflow, &submission).await {
            Ok(accepted) => accepted,
            Err(failure) => return Response::from(Err(failure.into())),
        };
        let response = Response::from(accepted.and_then(|accepted| {
            tracing::info!(
                processId = %accepted.process_id,
                userId = %user_id,
                r#type = %process_type,
                status = %accepted.status,
                repeated = accepted.repeated,
                "accepted"
            );
            Ok(Reply::of(202, &accepted.view(&process_type))?)
        }));
        quota.iter().fold(response, Response::with_quota)
    }
}

/// The params and the idempotency key; or everything that is wrong with them.
fn read(
    request: &Request,
    now: DateTime<Utc>,
) -> Result<(<Kind as Generation>::Params, Option<String>), Refusal> {
    let parsed = parse_generate::<Kind>(request.body()?, now);
    match (parsed, request.idempotency_key()) {
        (Ok(params), Ok(key)) => Ok((params, key)),
        (Ok(_), Err(violation)) => Err(violation.into()),
        (Err(InvalidRequest::Fields(mut violations)), Err(violation)) => {
            violations.push(violation);
            Err(Refusal::invalid(violations))
        }
        (Err(invalid), _) => Err(invalid.into()),
    }
}
