//! Noting that executions have been started.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Store;
use crate::process::{Actor, Failure, ProcessId};

impl Store {
    /// Notes that the executions of `started` processes have been started: which, under which ARN,
    /// and when. Losing this note does no harm: the sweep asks Step Functions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_starts(
        &self,
        started: &[(ProcessId, String, DateTime<Utc>)],
        actor: Actor,
    ) -> Result<(), Failure> {
        if started.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = started.iter().map(|(id, ..)| id.0).collect();
        let arns: Vec<String> = started.iter().map(|(_, arn, _)| arn.clone()).collect();
        let times: Vec<DateTime<Utc>> = started.iter().map(|(.., at)| *at).collect();
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            WITH new AS (
                SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::timestamptz[]) AS new (id, arn, at)
            ), started AS (
                UPDATE processing_state process
                SET execution_arn = new.arn, execution_started_at = new.at
                FROM new
                WHERE process.id = new.id AND process.execution_arn IS NULL
                RETURNING process.id, process.attempt, new.at
            )
            INSERT INTO processing_event (at, process_id, attempt, kind, actor)
            SELECT at, id, attempt, 'started', $4 FROM started
            "#,
            &ids,
            &arns,
            &times,
            actor.as_str(),
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }
}
