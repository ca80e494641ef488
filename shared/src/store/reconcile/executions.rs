//! What the reconciler notes of executions that it starts and stops.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::repairs::{Repaired, repaired};
use crate::{
    process::Failure,
    reconcile::{ProcessFacts, Rule},
    store::Store,
};

impl Store {
    /// Counts one more try to start the execution of `row`, before it is made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_start_try(
        &self,
        row: &ProcessFacts,
        now: DateTime<Utc>,
    ) -> Result<Repaired, Failure> {
        let mut connection = self.database.connection().await?;
        let noted = sqlx::query!(
            r#"
            WITH waiting AS (
                SELECT id
                FROM processing_state
                WHERE id = $1 AND status = 'PENDING' AND execution_arn IS NULL
                FOR UPDATE
            )
            INSERT INTO processing_start AS tries (process_id, attempts, first_at, last_at)
            SELECT id, 1, $2, $2
            FROM waiting
            ON CONFLICT (process_id) DO UPDATE
            SET attempts = LEAST(tries.attempts::int + 1, 32767)::smallint,
                last_at = excluded.last_at
            "#,
            row.id.0,
            now,
        )
        .execute(&mut *connection)
        .await?;
        Ok(repaired(noted.rows_affected() == 1))
    }

    /// Notes that the execution of `row` has been started, at `started_at` if that is known. Its
    /// worker may have claimed it by now, and that is as well.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_started(
        &self,
        row: &ProcessFacts,
        execution_arn: &str,
        started_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            WITH started AS (
                UPDATE processing_state
                SET execution_arn = COALESCE(execution_arn, $2),
                    execution_started_at = COALESCE(execution_started_at, $5)
                WHERE id = $1
                RETURNING id, attempt, status
            )
            INSERT INTO processing_event (
                at, process_id, attempt, kind, from_status, to_status, actor, detail
            )
            SELECT $3, id, attempt, 'repaired', status, status, 'reconciler', $4
            FROM started
            "#,
            row.id.0,
            execution_arn,
            now,
            json!({"rule": Rule::R1, "action": "started"}),
            started_at,
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// Notes that the execution of the ended process `row` has been stopped (R10).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_stopped(
        &self,
        row: &ProcessFacts,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            INSERT INTO processing_event (
                at, process_id, attempt, kind, from_status, to_status, actor, detail
            )
            SELECT $2, id, attempt, 'repaired', status, status, 'reconciler', $3
            FROM processing_state
            WHERE id = $1
            "#,
            row.id.0,
            now,
            json!({"rule": Rule::R10, "action": "stopped"}),
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }
}
