//! Noting that the execution of a process has been started.

use chrono::{DateTime, Utc};

use super::Store;
use crate::process::{Actor, Failure, ProcessId};

impl Store {
    /// Notes that the execution has been started, at `started_at`. Losing this note does no harm:
    /// the sweep asks Step Functions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_start(
        &self,
        id: ProcessId,
        execution_arn: &str,
        actor: Actor,
        started_at: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            WITH started AS (
                UPDATE processing_state SET execution_arn = $2, execution_started_at = $3
                WHERE id = $1 AND execution_arn IS NULL
                RETURNING id, attempt
            )
            INSERT INTO processing_event (at, process_id, attempt, kind, actor)
            SELECT $3, id, attempt, 'started', $4 FROM started
            "#,
            id.0,
            execution_arn,
            started_at,
            actor.as_str(),
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }
}
