//! The look before a batch is judged.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    process::{
        Failure, RequestBatchId, Terms, UserId,
        request_batch::{Room, Surroundings},
    },
    store::{Quota, Store, StoredGeneration},
};

/// Who sends a batch, and by what they are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender<'a> {
    /// The user.
    pub user_id: &'a UserId,
    /// The `Idempotency-Key`, if one came along.
    pub idempotency_key: Option<&'a str>,
    /// By what processes are admitted.
    pub terms: &'a Terms,
    /// Requests a minute that the user may make.
    pub per_minute: i32,
    /// When.
    pub now: DateTime<Utc>,
}

/// A batch that the user has sent before.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownBatch {
    /// Its id.
    pub id: RequestBatchId,
    /// SHA-256 of its requests.
    pub fingerprint: Vec<u8>,
    /// What was answered of each of them.
    pub results: Value,
}

/// What was seen before a batch is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchLook {
    /// The batch that came before under the same key.
    pub known: Option<KnownBatch>,
    /// Whether the user has used up the minute.
    pub exhausted: bool,
    /// Where they stand in it.
    pub quota: Quota,
    /// What admission leaves to them.
    pub room: Room,
}

impl Store {
    /// Looks whether the batch repeats another one, whether the minute allows it, and how much room
    /// there is for its processes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_at_batch(&self, sender: Sender<'_>) -> Result<BatchLook, Failure> {
        let Sender { user_id, idempotency_key, terms, per_minute, now } = sender;
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            SELECT known.id AS "known_id?", known.fingerprint AS "fingerprint?",
                   known.results AS "results?",
                   minute.allowed AS "limit?", minute.slots AS "slots?", minute.at AS "last?",
                   minute.allowed <= minute.used AS exhausted,
                   room.refused AS "refused!", room.waiting AS "waiting!", room.starts AS "starts!",
                   room.tokens_left
            FROM room_for_batch($1, $3, $5, $6, $7, $8) room
            LEFT JOIN request_batch known ON known.user_id = $1 AND known.idempotency_key = $2
            LEFT JOIN (
                SELECT COALESCE(per_minute, $4::integer) AS allowed, present.*
                FROM rate_limit, rate_limit_minute(slots, window_start, $3) present
                WHERE user_id = $1
            ) minute ON true
            "#,
            user_id.0,
            idempotency_key,
            now,
            per_minute,
            terms.calls,
            terms.calls_per_user,
            terms.tokens_per_user,
            terms.tokens,
        )
        .fetch_one(&mut *connection)
        .await?;
        let known = match (row.known_id, row.fingerprint, row.results) {
            (Some(id), Some(fingerprint), Some(results)) => {
                Some(KnownBatch { id: RequestBatchId(id), fingerprint, results })
            }
            _ => None,
        };
        let quota = match (row.limit, &row.slots, row.last) {
            (Some(limit), Some(slots), Some(last)) => Quota::of_slots(limit, slots, last),
            _ => Quota::unused(per_minute, now),
        };
        Ok(BatchLook {
            known,
            // Who has no row has made no request; a limit of 0 requests is always used up.
            exhausted: row.exhausted.unwrap_or(per_minute <= 0),
            quota,
            room: Room {
                refused: row.refused,
                waiting: row.waiting,
                starts: row.starts,
                tokens_left: row.tokens_left,
            },
        })
    }

    /// What there is where each of `requests` of `user` wants to generate, in their order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_around<G: StoredGeneration>(
        &self,
        user: &UserId,
        requests: &[&G::Params],
    ) -> Result<Vec<Surroundings>, Failure> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.database.connection().await?;
        let found = G::look_around(&mut connection, user, requests).await?;
        if found.len() == requests.len() {
            Ok(found)
        } else {
            let (seen, asked) = (found.len(), requests.len());
            Err(Failure::internal(format!("{seen} places were looked at instead of {asked}")))
        }
    }
}
