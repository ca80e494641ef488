//! `POST /batch`: many requests at once, each judged by itself, stored together.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::{
    clock::Clock,
    http::{
        BatchAcceptedView, BatchResult, Caller, Problem, RateLimit, Refusal, Reply, Request,
        Response, limited,
    },
    process::{
        Actor, ErrorCode, Generation, LogLevel, ProcessId, RequestBatchId, UserId,
        request_batch::{ParsedBatch, parse_batch},
    },
    use_case::{BatchSubmission, JudgedBatch, submit_batch, try_batch},
};

use crate::api::{Api, Kind};

impl Api {
    pub(crate) async fn submit_batch(&self, request: &Request) -> Response {
        let Caller::User(user_id) = &request.caller else {
            return Response::from(Err(ErrorCode::Unauthorized.into()));
        };
        let now = self.clock.now();
        let limit = RateLimit::Starting(self.per_minute);
        let (parsed, key) = match read(request, now) {
            Ok(read) => read,
            // Nothing is to be stored, so no other statement counts it.
            Err(refusal) => {
                let refuse = async || Err(refusal.into());
                return limited(&self.store, limit, request, now, refuse).await;
            }
        };
        let new_id = |_: &_| ProcessId(self.clock.new_id());
        let process_ids: Vec<_> =
            if parsed.dry_run { Vec::new() } else { parsed.requests.iter().map(new_id).collect() };
        let batch = BatchSubmission::<Kind> {
            id: RequestBatchId(self.clock.new_id()),
            user_id,
            requests: &parsed.requests,
            process_ids: &process_ids,
            idempotency_key: key.as_deref(),
            fingerprint: &parsed.fingerprint,
            terms: &self.terms,
            per_minute: self.per_minute,
            actor: Actor::User,
            now,
        };
        if parsed.dry_run {
            let judge = async || self.try_batch(request, &batch).await;
            return limited(&self.store, limit, request, now, judge).await;
        }
        let (judged, quota) = match submit_batch(&self.store, &self.workflow, &batch).await {
            Ok(judged) => judged,
            Err(failure) => return Response::from(Err(failure.into())),
        };
        let response = Response::from(judged.and_then(|judged| {
            log(&judged, user_id);
            let view = BatchAcceptedView::new(judged.id, &judged.results, request.language);
            Ok(Reply::of(202, &view)?)
        }));
        quota.iter().fold(response, Response::with_quota)
    }

    async fn try_batch(
        &self,
        request: &Request,
        batch: &BatchSubmission<'_, Kind>,
    ) -> Result<Reply, Problem> {
        let refusals = try_batch(&self.store, batch).await?;
        Ok(Reply::of(200, &BatchAcceptedView::dry_run(&refusals, request.language))?)
    }
}

/// What is asked for.
type Parsed = ParsedBatch<<Kind as Generation>::Params>;

/// The requests and the idempotency key; or everything that is wrong with them as a whole.
fn read(request: &Request, now: DateTime<Utc>) -> Result<(Parsed, Option<String>), Refusal> {
    match (parse_batch::<Kind>(request.body()?, now), request.idempotency_key()) {
        (Ok(parsed), Ok(key)) => Ok((parsed, key)),
        (parsed, key) => {
            let mut violations = parsed.err().unwrap_or_default();
            violations.extend(key.err());
            Err(Refusal::invalid(violations))
        }
    }
}

/// One line for the batch, and one for each code of refusal that somebody should look at.
fn log(judged: &JudgedBatch, user_id: &UserId) {
    let mut refused: BTreeMap<&str, (ErrorCode, usize)> = BTreeMap::new();
    for result in &judged.results {
        if let BatchResult::Error(refusal) = result {
            refused.entry(refusal.code().as_str()).or_insert((refusal.code(), 0)).1 += 1;
        }
    }
    let refusals: usize = refused.values().map(|(_, count)| count).sum();
    tracing::info!(
        batchId = %judged.id,
        userId = %user_id,
        accepted = judged.results.len() - refusals,
        refused = refusals,
        repeated = judged.repeated,
        "accepted a batch"
    );
    for (code, count) in refused.values().filter(|(code, _)| code.level() != LogLevel::Info) {
        tracing::warn!(
            batchId = %judged.id,
            userId = %user_id,
            errorCode = %code,
            count,
            "refused in a batch"
        );
    }
}
