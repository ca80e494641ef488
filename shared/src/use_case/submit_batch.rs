//! Accepting a batch of requests: look, judge, store all of it at once, then admit as far as there
//! is capacity. What was looked at may have changed when it is stored; then it is judged anew. The
//! answer is good as soon as the batch is committed.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    aws::workflow::Workflow,
    http::{BatchResult, KeptRefusal, Problem, Refusal, rate_limited},
    process::{
        Actor, ErrorCode, Failure, Generation, InvalidRequest, ParsedRequest, Priority, ProcessId,
        RequestBatchId, Terms, UserId,
        request_batch::{Candidate, Obstacle, Room, Surroundings, Wish, judge},
    },
    store::{
        KnownBatch, NewBatch, NewProcess, Quota, Sender, Store, StoredGeneration, SubmissionPlan,
    },
    use_case::{admit, refusing::refusal},
};

/// One to lose a race for a target, one for the key or the minute, one to be told.
const MAX_ATTEMPTS: u32 = 3;

/// A batch of requests that somebody sends.
#[derive(Debug)]
pub struct BatchSubmission<'a, G: Generation> {
    /// The id that it will have.
    pub id: RequestBatchId,
    /// Whose it will be.
    pub user_id: &'a UserId,
    /// The requests, or what is wrong with them.
    pub requests: &'a [Result<ParsedRequest<G::Params>, InvalidRequest>],
    /// The ids that their processes will have: one for each request. None at all where the batch is
    /// only tried.
    pub process_ids: &'a [ProcessId],
    /// The `Idempotency-Key` of the batch.
    pub idempotency_key: Option<&'a str>,
    /// SHA-256 of the requests.
    pub fingerprint: &'a [u8],
    /// By which processes are admitted.
    pub terms: &'a Terms,
    /// Requests a minute that the user may make.
    pub per_minute: i32,
    /// Who asks.
    pub actor: Actor,
    /// When.
    pub now: DateTime<Utc>,
}

/// A batch that has been judged: now, or when the same was sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedBatch {
    /// Its id.
    pub id: RequestBatchId,
    /// What is answered of each request, in their order.
    pub results: Vec<BatchResult>,
    /// Whether it was judged before.
    pub repeated: bool,
}

/// A request that is accepted, with what there is where it wants to generate; or why it is not.
type Judged<'a, G> = Result<(&'a ParsedRequest<<G as Generation>::Params>, Surroundings), Refusal>;

/// Judges the batch, stores it and admits what there is capacity for; or finds what was answered
/// when the same was sent before. Besides, where the user stands in the minute.
///
/// # Errors
/// That the database failed; then nothing is stored. What stands in the way of the batch as a whole
/// is an inner error; what stands in the way of a request is in its result.
pub async fn submit_batch<G: StoredGeneration>(
    store: &Store,
    workflow: &Workflow,
    batch: &BatchSubmission<'_, G>,
) -> Result<(Result<JudgedBatch, Problem>, Option<Quota>), Failure> {
    for _ in 0..MAX_ATTEMPTS {
        let look = store.look_at_batch(batch.sender()).await?;
        match look.known {
            Some(known) if known.fingerprint == batch.fingerprint => {
                // The first may have died before anybody was admitted.
                begin(store, workflow, batch).await;
                return Ok((Ok(repeated(&known)?), Some(look.quota)));
            }
            _ if look.exhausted => {
                return Ok((Err(rate_limited(&look.quota, batch.now)), Some(look.quota)));
            }
            Some(_) => return key_reused(store, batch).await,
            None => {}
        }
        let judged = batch.judge(store, look.room).await?;
        let results = batch.results(&judged);
        if let Some(quota) = batch.store(store, judged, &results).await? {
            begin(store, workflow, batch).await;
            let judged = JudgedBatch { id: batch.id, results, repeated: false };
            return Ok((Ok(judged), Some(quota)));
        }
    }
    Err(Failure::new(ErrorCode::DatabaseError, "other submissions came and went at every look"))
}

/// What would stand in the way of each request of the batch, in their order: nothing is stored, and
/// nothing counted.
///
/// # Errors
/// When the database fails.
pub async fn try_batch<G: StoredGeneration>(
    store: &Store,
    batch: &BatchSubmission<'_, G>,
) -> Result<Vec<Option<Refusal>>, Failure> {
    let look = store.look_at_batch(batch.sender()).await?;
    Ok(batch.judge(store, look.room).await?.into_iter().map(Judged::<G>::err).collect())
}

impl<G: StoredGeneration> BatchSubmission<'_, G> {
    const fn sender(&self) -> Sender<'_> {
        Sender {
            user_id: self.user_id,
            idempotency_key: self.idempotency_key,
            terms: self.terms,
            per_minute: self.per_minute,
            now: self.now,
        }
    }

    /// Judges each request by what there is now.
    async fn judge(&self, store: &Store, room: Room) -> Result<Vec<Judged<'_, G>>, Failure> {
        let readable: Vec<_> =
            self.requests.iter().flatten().map(|request| &request.params).collect();
        let mut surroundings = store.look_around::<G>(self.user_id, &readable).await?.into_iter();
        let requests = self.requests.iter().enumerate();
        let candidates: Vec<Candidate> = requests
            .filter_map(|(index, request)| {
                let wish = self.wish(request.as_ref().ok()?);
                Some(Candidate { index, wish, surroundings: surroundings.next()? })
            })
            .collect();
        let obstacles = judge(self.user_id, &candidates, room, self.terms.most_waiting);
        let mut verdicts = candidates.into_iter().zip(obstacles);
        let mut judged = Vec::with_capacity(self.requests.len());
        for request in self.requests {
            judged.push(match request {
                Err(invalid) => Err(invalid.clone().into()),
                Ok(request) => match verdicts.next() {
                    Some((candidate, None)) => Ok((request, candidate.surroundings)),
                    Some((_, Some(obstacle))) => Err(self.refusal(request, obstacle)),
                    None => return Err(Failure::internal("a request was not judged")),
                },
            });
        }
        Ok(judged)
    }

    fn wish(&self, request: &ParsedRequest<G::Params>) -> Wish {
        let params = &request.params;
        Wish {
            process_type: G::process_type(params),
            target_id: G::target_id(params),
            target_must_exist: G::target_must_exist(params),
            replace: G::replace(params),
            planned_tokens: SubmissionPlan::of::<G>(params, self.terms).tokens.into(),
            late: !request.late.is_empty(),
        }
    }

    fn refusal(&self, request: &ParsedRequest<G::Params>, obstacle: Obstacle) -> Refusal {
        let refusal = refusal(obstacle, &request.late, self.now);
        match obstacle {
            Obstacle::Overlaps { index } => {
                Refusal { process_id: self.process_ids.get(index).copied(), ..refusal }
            }
            _ => refusal,
        }
    }

    fn results(&self, judged: &[Judged<'_, G>]) -> Vec<BatchResult> {
        let of_one = |(judged, id): (&Judged<'_, G>, &ProcessId)| match judged {
            Ok(_) => BatchResult::ProcessId(*id),
            Err(refusal) => BatchResult::Error(KeptRefusal::from(refusal)),
        };
        judged.iter().zip(self.process_ids).map(of_one).collect()
    }

    /// Stores what was judged; `None`: something has changed since.
    async fn store(
        &self,
        store: &Store,
        judged: Vec<Judged<'_, G>>,
        results: &[BatchResult],
    ) -> Result<Option<Quota>, Failure> {
        let mut processes = Vec::new();
        for ((index, judged), id) in judged.into_iter().enumerate().zip(self.process_ids) {
            if let Ok((request, surroundings)) = judged {
                processes.push(self.process(*id, index, request, surroundings)?);
            }
        }
        let new = NewBatch {
            id: self.id,
            sender: self.sender(),
            fingerprint: self.fingerprint,
            results: &serde_json::to_value(results).map_err(|error| defect(&error))?,
            processes: &processes,
            actor: self.actor,
        };
        store.accept_batch(&new).await
    }

    fn process(
        &self,
        id: ProcessId,
        index: usize,
        request: &ParsedRequest<G::Params>,
        surroundings: Surroundings,
    ) -> Result<NewProcess, Failure> {
        let params = &request.params;
        let plan = SubmissionPlan::of::<G>(params, self.terms);
        Ok(NewProcess {
            id,
            index,
            process_type: G::process_type(params),
            target_id: G::target_id(params),
            params: G::to_stored(params).map_err(|error| defect(&error))?,
            priority: request.priority.unwrap_or(Priority::Low),
            planned_calls: plan.calls,
            planned_tokens: plan.tokens,
            target_existed: surroundings.target_user.is_some(),
            scope: surroundings.scope,
        })
    }
}

fn defect(error: &serde_json::Error) -> Failure {
    Failure::internal(error.to_string())
}

fn repeated(known: &KnownBatch) -> Result<JudgedBatch, Failure> {
    let results = Vec::deserialize(&known.results).map_err(|error| defect(&error))?;
    Ok(JudgedBatch { id: known.id, results, repeated: true })
}

/// Another batch under the same key is refused, and counted.
async fn key_reused<G: Generation>(
    store: &Store,
    batch: &BatchSubmission<'_, G>,
) -> Result<(Result<JudgedBatch, Problem>, Option<Quota>), Failure> {
    let counted = store.count_request(batch.user_id, batch.per_minute, batch.now).await?;
    let problem = if counted.allowed {
        ErrorCode::IdempotencyKeyReused.into()
    } else {
        rate_limited(&counted.quota, batch.now)
    };
    Ok((Err(problem), Some(counted.quota)))
}

/// Admits what there is capacity for. Whatever fails here, the batch is accepted: the next occasion
/// to admit, or the sweep, sees to it.
async fn begin<G: Generation>(store: &Store, workflow: &Workflow, batch: &BatchSubmission<'_, G>) {
    let admitted = admit(store, workflow, batch.terms, batch.actor, batch.now).await;
    if let Err(failure) = admitted {
        tracing::warn!(
            batchId = %batch.id,
            errorCode = %failure.code,
            cause = failure.cause,
            "accepted, and nobody was admitted; the next occasion will see to it"
        );
    }
}
