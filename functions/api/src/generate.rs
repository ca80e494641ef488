//! `POST /generate`: check the request, store the process, start its execution, answer 202.

use chrono::{DateTime, Utc};
use shared::{
    clock::Clock,
    http::{Caller, RateLimit, Refusal, Reply, Request, Response, limited},
    process::{
        Actor, ErrorCode, Generation, InvalidRequest, ParsedRequest, ProcessId, parse_generate,
    },
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
        let (ParsedRequest { params, priority, late }, idempotency_key) = match read(request, now) {
            Ok(read) => read,
            // Nothing is to be stored, so no other statement counts it.
            Err(refusal) => {
                let refuse = async || Err(refusal.into());
                let limit = RateLimit::Starting(self.per_minute);
                return limited(&self.store, limit, request, now, refuse).await;
            }
        };
        let process_type = Kind::process_type(&params);
        let submission = Submission::<Kind> {
            id: ProcessId(self.clock.new_id()),
            user_id: user_id.clone(),
            params,
            retry: None,
            priority: priority.unwrap_or_default(),
            terms: self.terms,
            idempotency_key,
            per_minute: Some(self.per_minute),
            late,
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

/// What is asked for.
type Parsed = ParsedRequest<<Kind as Generation>::Params>;

/// The params and the idempotency key; or everything that is wrong with them. What only time has
/// made wrong is judged later, when it is known whether the request repeats one that came in time.
fn read(request: &Request, now: DateTime<Utc>) -> Result<(Parsed, Option<String>), Refusal> {
    let parsed = parse_generate::<Kind>(request.body()?, now);
    match (parsed, request.idempotency_key()) {
        (Ok(parsed), Ok(key)) => Ok((parsed, key)),
        (
            Ok(ParsedRequest { late: mut violations, .. })
            | Err(InvalidRequest::Fields(mut violations)),
            Err(violation),
        ) => {
            violations.push(violation);
            Err(Refusal::invalid(violations))
        }
        (Err(invalid), _) => Err(invalid.into()),
    }
}
