//! Repairs. Each compares what the planner saw with what is there now, and changes nothing when the
//! row has moved meanwhile.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    process::{Ending, ErrorCode, EventKind, Evidence, Failure, ProcessId, Status},
    reconcile::{CompletedAt, Mend, ProcessFacts, Rule},
    store::Store,
};

/// What became of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repaired {
    /// It was made.
    Done,
    /// The row is no longer as it was seen: nothing was changed.
    Moved,
}

/// What the history says of an ending that the reconciler makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndingNote {
    /// By which rule.
    pub rule: Rule,
    /// What the history calls it: `repaired`, or for an execution that reports its own failure
    /// `failed` or `timed-out`.
    pub kind: EventKind,
    /// What the execution was seen to be.
    pub execution: &'static str,
}

/// The detail of such an event.
#[derive(Serialize)]
struct EndingDetail<'a> {
    rule: Rule,
    execution: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

pub(super) const fn repaired(done: bool) -> Repaired {
    if done { Repaired::Done } else { Repaired::Moved }
}

impl Store {
    /// Ends the active process `row`, if it is as it was seen: its status, its attempt, and whether
    /// all that it should generate is stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_seen(
        &self,
        row: &ProcessFacts,
        ending: &Ending,
        note: EndingNote,
        now: DateTime<Utc>,
    ) -> Result<Repaired, Failure> {
        let error = ending.error();
        let detail = EndingDetail {
            rule: note.rule,
            execution: note.execution,
            code: error.map(|error| error.code),
            cause: error.and_then(|error| error.cause.as_deref()),
        };
        let internal = |error: serde_json::Error| Failure::internal(error.to_string());
        let detail = serde_json::to_value(detail).map_err(internal)?;
        let error = error.map(serde_json::to_value).transpose().map_err(internal)?;
        let mut connection = self.database.connection().await?;
        let done = sqlx::query_scalar!(
            r#"
            WITH before AS (
                SELECT id, status, attempt
                FROM processing_state
                WHERE id = $1
                  AND status = $2
                  AND attempt = $3
                  AND status IN ('PENDING', 'PROCESSING')
                  -- Its last target may have been staged since.
                  AND (result IS NOT NULL
                       OR (status = 'PROCESSING' AND COALESCE(targets_done >= targets, false))
                      ) = $9
                FOR UPDATE
            ), ended AS (
                UPDATE processing_state process
                SET status = $4, error = $5, updated_at = $6, completed_at = $6
                FROM before
                WHERE process.id = before.id
                RETURNING process.id
            ), event AS (
                INSERT INTO processing_event (
                    at, process_id, attempt, kind, from_status, to_status, actor, detail
                )
                SELECT $6, before.id, attempt, $7, status, $4, 'reconciler', $8
                FROM before
                JOIN ended USING (id)
            ), dropped AS (
                DELETE FROM processing_output WHERE process_id IN (SELECT id FROM ended)
            )
            SELECT EXISTS (SELECT FROM ended) AS "done!"
            "#,
            row.id.0,
            row.status.as_str(),
            row.attempt,
            ending.status().as_str(),
            error,
            now,
            note.kind.as_str(),
            detail,
            row.result_ready,
        )
        .fetch_one(&mut *connection)
        .await?;
        if done {
            self.ended(row.id, ending.status(), now);
        }
        Ok(repaired(done))
    }

    /// Adds to the error of an ended process what the log tells of it. Only that: the process must
    /// still have ended by `ending`, with its error as it was written then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_evidence(
        &self,
        id: ProcessId,
        ending: &Ending,
        evidence: &[Evidence],
    ) -> Result<Repaired, Failure> {
        let internal = |error: serde_json::Error| Failure::internal(error.to_string());
        let error = ending.error().map(serde_json::to_value).transpose().map_err(internal)?;
        let evidence = serde_json::to_value(evidence).map_err(internal)?;
        let mut connection = self.database.connection().await?;
        let added = sqlx::query!(
            r#"
            UPDATE processing_state
            SET error = error || jsonb_build_object('evidence', $4::jsonb)
            WHERE id = $1 AND status = $2 AND status IN ('FAILED', 'TIMEOUT') AND error = $3
            "#,
            id.0,
            ending.status().as_str(),
            error,
            evidence,
        )
        .execute(&mut *connection)
        .await?;
        Ok(repaired(added.rows_affected() == 1))
    }

    /// Completes the active process `row`, whose result is stored already.
    ///
    /// A process with one target stores its result only together with COMPLETED, so such a row was
    /// moved back by a foreign hand. What a process with several targets has staged is applied by
    /// [`crate::use_case::finish`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn complete_from_stored(
        &self,
        row: &ProcessFacts,
        now: DateTime<Utc>,
    ) -> Result<Repaired, Failure> {
        let mut connection = self.database.connection().await?;
        let done = sqlx::query_scalar!(
            r#"
            WITH before AS (
                SELECT id, status, attempt
                FROM processing_state
                WHERE id = $1
                  AND status = $2
                  AND attempt = $3
                  AND status IN ('PENDING', 'PROCESSING')
                  AND result IS NOT NULL
                FOR UPDATE
            ), done AS (
                UPDATE processing_state process
                SET status = 'COMPLETED',
                    progress = 100,
                    error = NULL,
                    updated_at = $4,
                    completed_at = $4
                FROM before
                WHERE process.id = before.id
                RETURNING process.id
            ), event AS (
                INSERT INTO processing_event (
                    at, process_id, attempt, kind, from_status, to_status, actor, detail
                )
                SELECT $4, before.id, attempt, 'repaired', status, 'COMPLETED', 'reconciler', $5
                FROM before
                JOIN done USING (id)
            )
            SELECT EXISTS (SELECT FROM done) AS "done!"
            "#,
            row.id.0,
            row.status.as_str(),
            row.attempt,
            now,
            json!({"rule": Rule::R3, "execution": "SUCCEEDED"}),
        )
        .fetch_one(&mut *connection)
        .await?;
        if done {
            self.ended(row.id, Status::Completed, now);
        }
        Ok(repaired(done))
    }

    /// Mends what is broken in `row` alone (R12–R14). `updated_at` stays: no move of the process
    /// has been made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mend(
        &self,
        row: &ProcessFacts,
        rule: Rule,
        mend: Mend,
        now: DateTime<Utc>,
    ) -> Result<Repaired, Failure> {
        let (progress, completed_at, detail): (_, _, Value) = match mend {
            Mend::Progress(progress) => (
                progress,
                row.completed_at,
                json!({"rule": rule, "field": "progress", "from": row.progress, "to": progress}),
            ),
            Mend::CompletedAt(CompletedAt::Set(at)) => (
                row.progress,
                Some(at),
                json!({"rule": rule, "field": "completed_at", "from": null, "to": at}),
            ),
            Mend::CompletedAt(CompletedAt::Clear) => (
                row.progress,
                None,
                json!({
                    "rule": rule, "field": "completed_at", "from": row.completed_at, "to": null,
                }),
            ),
        };
        let mut connection = self.database.connection().await?;
        let done = sqlx::query_scalar!(
            r#"
            WITH mended AS (
                UPDATE processing_state
                SET progress = $5, completed_at = $6
                WHERE id = $1
                  AND status = $2
                  AND progress = $3
                  AND completed_at IS NOT DISTINCT FROM $4
                RETURNING id, attempt, status
            ), event AS (
                INSERT INTO processing_event (
                    at, process_id, attempt, kind, from_status, to_status, actor, detail
                )
                SELECT $7, id, attempt, 'repaired', status, status, 'reconciler', $8
                FROM mended
            )
            SELECT EXISTS (SELECT FROM mended) AS "done!"
            "#,
            row.id.0,
            row.status.as_str(),
            row.progress,
            row.completed_at,
            progress,
            completed_at,
            now,
            detail,
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(repaired(done))
    }
}
