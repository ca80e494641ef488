//! Storing a batch: its row, the processes of the requests that were accepted with their history,
//! and the count in the rate limit, by one statement, so that there is all of it or nothing.
//!
//! The requests were judged by an earlier look. What has changed since undoes the statement: the
//! trigger and the unique indexes of `processing_state` when somebody else was accepted for what
//! overlaps, the constraint of `rate_limit` when the minute has been used up. It stores nothing
//! when the limits leave less room than they did, or when the key has been taken. Then whoever
//! judges looks again.

use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::Sender;
use crate::{
    process::{
        Actor, Failure, Priority, ProcessId, ProcessType, RequestBatchId, request_batch::Scope,
    },
    store::{Quota, Store},
};

/// A batch that has been judged.
#[derive(Debug)]
pub struct NewBatch<'a> {
    /// The id that it will have.
    pub id: RequestBatchId,
    /// Who sends it.
    pub sender: Sender<'a>,
    /// SHA-256 of its requests.
    pub fingerprint: &'a [u8],
    /// What is answered of each of them, to be told again.
    pub results: &'a Value,
    /// The processes of those that are accepted.
    pub processes: &'a [NewProcess],
    /// Who asks.
    pub actor: Actor,
}

/// A process of a batch that is to be stored. As JSON it has the names of the columns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewProcess {
    /// The id that it will have.
    pub id: ProcessId,
    /// The place of its request in the batch.
    pub index: usize,
    /// What it generates.
    #[serde(rename = "type")]
    pub process_type: ProcessType,
    /// What it is about.
    pub target_id: Uuid,
    /// What was asked for, as the row keeps it.
    pub params: Value,
    /// How much it presses.
    pub priority: Priority,
    /// Model calls that it will probably make.
    pub planned_calls: i16,
    /// Tokens that it takes from the budgets.
    pub planned_tokens: i32,
    /// What it holds.
    #[serde(flatten)]
    pub scope: Scope,
    /// Whether the target was there when it was judged.
    pub target_existed: bool,
}

/// The constraints that break when others were accepted since the look: so many that the minute is
/// used up, or one for what overlaps.
const LOST_RACE: [&str; 3] = [
    "rate_limit_exceeded",
    "processing_state_no_overlap",
    "processing_state_one_active_per_target",
];

impl Store {
    /// Stores a batch whole, its processes as PENDING and waiting, and counts it as one request.
    /// Where the user then stands in the minute; `None`: nothing is stored, because something has
    /// changed since the batch was judged, and it must be judged anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn accept_batch(&self, batch: &NewBatch<'_>) -> Result<Option<Quota>, Failure> {
        let NewBatch { id, sender, fingerprint, results, processes, actor } = batch;
        let Sender { user_id, idempotency_key, terms, per_minute, now } = *sender;
        let planned: i64 = processes.iter().map(|process| i64::from(process.planned_tokens)).sum();
        let mut connection = self.database.connection().await?;
        let stored = sqlx::query_file!(
            "src/store/request_batch/accept.sql",
            id.0,
            user_id.0,
            idempotency_key,
            fingerprint,
            results,
            now,
            actor.as_str(),
            Json(processes) as _,
            per_minute,
            terms.calls,
            terms.calls_per_user,
            terms.most_waiting,
            terms.tokens_per_user,
            terms.tokens,
            i64::try_from(processes.len()).unwrap_or(i64::MAX),
            planned,
        )
        .fetch_optional(&mut *connection)
        .await;
        let row = match stored {
            Ok(row) => row,
            // Nothing of this statement is stored.
            Err(sqlx::Error::Database(error))
                if error.constraint().is_some_and(|name| LOST_RACE.contains(&name)) =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        let Some(row) = row else { return Ok(None) };
        for process in *processes {
            self.accepted(process.id, now);
        }
        Ok(Some(Quota::of_slots(row.allowed, &row.slots, row.window_start)))
    }
}
