//! What `GET status` reads: one indexed query, which leaves a long result where it is when the
//! client has it already.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Store, find::SummaryRow};
use crate::process::{Failure, ProcessId, ProcessSummary, Terms, Waiting, WaitingReason};

/// A process as a poll sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Polled {
    /// The process.
    pub summary: ProcessSummary,
    /// What it generated, unless the client knows this version.
    pub result: Option<Value>,
    /// Changes with every change of the row, also with one that was made by hand.
    pub version: String,
    /// Whether the version is one of those that the client knows.
    pub known: bool,
    /// Median seconds from admission to completion of the 20 last completed of its type; only
    /// looked up while it is active.
    pub recent_seconds: Option<f64>,
    /// When it was admitted.
    pub admitted_at: Option<DateTime<Utc>>,
    /// Why it has not begun, while it is PENDING.
    pub waiting: Option<Waiting>,
}

fn waiting(
    reason: Option<&str>,
    ahead: Option<i32>,
    calls_in_force: Option<i32>,
) -> Result<Option<Waiting>, Failure> {
    let (Some(reason), Some(ahead), Some(calls_in_force)) = (reason, ahead, calls_in_force) else {
        return Ok(None);
    };
    let unknown = |_| Failure::internal(format!("where_it_waits gives the reason {reason:?}"));
    let reason: WaitingReason = reason.parse().map_err(unknown)?;
    Ok(Some(Waiting { reason, ahead, calls_in_force }))
}

impl Store {
    /// The process `id`, if there is one. `known_versions` are those that the client has.
    ///
    /// The version is the number of the transaction that wrote the row, and the time it noted: the
    /// number alone would come round again after four billion transactions, the time alone would
    /// miss what was changed by hand. Of a waiting process, where it waits is part of it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn poll(
        &self,
        id: ProcessId,
        known_versions: &[String],
        terms: &Terms,
        now: DateTime<Utc>,
    ) -> Result<Option<Polled>, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            SELECT id, user_id, type AS process_type, status, progress, error, retry_count,
                   original_process_id, attempt, cancel_reason, created_at, started_at, updated_at,
                   completed_at, version AS "version!", version = ANY ($2) AS "known!",
                   -- A long result is stored apart from its row, and is fetched only where this
                   -- branch is taken.
                   CASE WHEN version = ANY ($2) THEN NULL ELSE result END AS result,
                   CASE WHEN status IN ('PENDING', 'PROCESSING')
                        THEN recent_seconds(type, 'infinity') END AS recent_seconds,
                   admitted_at, place.reason AS "reason?", place.ahead AS "ahead?",
                   place.calls_in_force AS "calls_in_force?"
            FROM processing_state process
            LEFT JOIN LATERAL (
                SELECT *
                FROM where_it_waits(process, $3, $4, $5)
                WHERE process.status = 'PENDING'
            ) place ON true,
                 LATERAL (
                     SELECT process.xmin::text || '.'
                            || extract(epoch FROM process.updated_at)::text
                            || COALESCE('.' || place.reason || '.' || place.ahead, '')
                 ) AS versioned (version)
            WHERE id = $1
            "#,
            id.0,
            known_versions,
            now,
            terms.calls,
            terms.calls_per_user,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let summary = SummaryRow {
            id: row.id,
            user_id: row.user_id,
            process_type: row.process_type,
            status: row.status,
            progress: row.progress,
            error: row.error,
            retry_count: row.retry_count,
            original_process_id: row.original_process_id,
            attempt: row.attempt,
            cancel_reason: row.cancel_reason,
            created_at: row.created_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
        };
        Ok(Some(Polled {
            summary: summary.try_into()?,
            result: row.result,
            version: row.version,
            known: row.known,
            recent_seconds: row.recent_seconds,
            admitted_at: row.admitted_at,
            waiting: waiting(row.reason.as_deref(), row.ahead, row.calls_in_force)?,
        }))
    }

    /// Where the process `id` waits; `None` when it does not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn where_it_waits(
        &self,
        id: ProcessId,
        terms: &Terms,
        now: DateTime<Utc>,
    ) -> Result<Option<Waiting>, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            "SELECT place.reason, place.ahead, place.calls_in_force
             FROM processing_state process, LATERAL where_it_waits(process, $2, $3, $4) place
             WHERE process.id = $1 AND process.status = 'PENDING'",
            id.0,
            now,
            terms.calls,
            terms.calls_per_user,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        waiting(row.reason.as_deref(), row.ahead, row.calls_in_force)
    }
}
