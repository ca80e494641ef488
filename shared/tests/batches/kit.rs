//! Sending batches, and what was answered.

use serde_json::{Value, json};
use shared::{
    chart::Chart,
    http::{BatchAcceptedView, BatchResult, Problem, Refusal},
    language::Language,
    process::{
        Actor, ErrorCode, Failure, ProcessId, RequestBatchId, Terms, UserId,
        request_batch::{ParsedBatch, parse_batch},
    },
    store::{Credentials, Database, Quota, Store},
    use_case::{BatchSubmission, JudgedBatch, submit_batch, try_batch},
};
use sqlx::postgres::PgConnectOptions;
use test_kit::{Engine, at, goal_numbered, id, plenty, user, uuid};

/// A batch that is sent.
#[derive(Debug, Clone)]
pub struct Sending {
    /// By it its id, and those of its processes, are known.
    pub number: u128,
    pub user: UserId,
    pub key: Option<&'static str>,
    pub requests: Vec<Value>,
    pub terms: Terms,
    pub per_minute: i32,
    /// When.
    pub seconds: i64,
}

/// Batch `number` of hanako.
pub fn sending(number: u128, requests: Vec<Value>) -> Sending {
    Sending {
        number,
        user: user("hanako"),
        key: None,
        requests,
        terms: plenty(),
        per_minute: 20,
        seconds: 0,
    }
}

/// Terms by which nothing starts at once, and `most` may wait.
pub fn waiting(most: i32) -> Terms {
    Terms { calls: 0, calls_per_user: 0, most_waiting: most, ..Terms::default() }
}

/// A request of sub-goals for the goal with this number, which is not stored.
pub fn wanting(number: u128) -> Value {
    json!({"type": "SUBGOAL_GENERATION", "params": goal_numbered(number)})
}

/// Such requests for these goals.
pub fn wanting_all(numbers: impl IntoIterator<Item = u128>) -> Vec<Value> {
    numbers.into_iter().map(wanting).collect()
}

/// A request that breaks rules.
pub fn invalid() -> Value {
    json!({"type": "ACTION_GENERATION", "params": {"goalId": 7}})
}

/// What came of a batch, and where the user stands in the minute.
pub type Sent = (Result<JudgedBatch, Problem>, Option<Quota>);

impl Sending {
    pub fn batch_id(&self) -> RequestBatchId {
        RequestBatchId(uuid(0xba7c_0000 + self.number))
    }

    /// The id of the process of the request at `index`.
    pub fn process_id(&self, index: u128) -> ProcessId {
        id(self.number * 1_000 + index)
    }

    pub fn keyed(self, key: &'static str) -> Self {
        Self { key: Some(key), ..self }
    }

    pub fn by(self, terms: Terms) -> Self {
        Self { terms, ..self }
    }

    pub fn after(self, seconds: i64) -> Self {
        Self { seconds, ..self }
    }

    /// Sends it to `store` and Step Functions.
    pub async fn send_to(&self, store: &Store, engine: &Engine) -> Result<Sent, Failure> {
        let ids: Vec<_> = (0..100).map(|index| self.process_id(index)).collect();
        let parsed = self.parsed();
        submit_batch(store, &engine.workflow(), &self.submission(&parsed, &ids)).await
    }

    /// The same, when it must be judged; what was answered of each request.
    pub async fn judged_by(&self, store: &Store) -> Vec<BatchResult> {
        let (judged, _) = self.send_to(store, &Engine::default()).await.unwrap();
        let judged = judged.unwrap();
        assert_eq!((judged.id, judged.results.len()), (self.batch_id(), self.requests.len()));
        judged.results
    }

    /// What would be answered of each request.
    pub async fn tried_by(&self, store: &Store) -> Vec<Option<Refusal>> {
        let parsed = self.parsed();
        try_batch(store, &self.submission(&parsed, &[])).await.unwrap()
    }

    pub fn parsed(&self) -> ParsedBatch<shared::chart::Params> {
        let body = json!({"requests": self.requests}).to_string();
        parse_batch::<Chart>(&body, at(self.seconds)).unwrap()
    }

    fn submission<'a>(
        &'a self,
        parsed: &'a ParsedBatch<shared::chart::Params>,
        process_ids: &'a [ProcessId],
    ) -> BatchSubmission<'a, Chart> {
        BatchSubmission {
            id: self.batch_id(),
            user_id: &self.user,
            requests: &parsed.requests,
            process_ids,
            idempotency_key: self.key,
            fingerprint: &parsed.fingerprint,
            terms: &self.terms,
            per_minute: self.per_minute,
            actor: Actor::User,
            now: at(self.seconds),
        }
    }
}

/// The ids of the accepted, and the codes of the refused.
pub fn told(results: &[BatchResult]) -> Vec<Result<ProcessId, ErrorCode>> {
    let told = |result: &BatchResult| match result {
        BatchResult::ProcessId(id) => Ok(*id),
        BatchResult::Error(refusal) => Err(refusal.code()),
    };
    results.iter().map(told).collect()
}

/// What a client reads of it in English.
pub fn answer(sending: &Sending, results: &[BatchResult]) -> Value {
    let view = BatchAcceptedView::new(sending.batch_id(), results, Language::English);
    serde_json::to_value(view).unwrap()
}

/// The code of what stands in the way of the batch as a whole.
pub fn refused((judged, _): &Sent) -> ErrorCode {
    match judged {
        Err(Problem::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

/// A store of its own on the same database, as another Lambda environment has.
pub fn rival(options: &PgConnectOptions) -> Store {
    Store::new(Database::new(Credentials::Given(Box::new(options.clone()))))
}
