//! Ending a process other than by completing it. What it has staged goes with it, by a trigger
//! (migration 9), which holds for every hand.

use chrono::{DateTime, Utc};

use super::{Store, find::parse_stored_name};
use crate::process::{Actor, Ending, EventKind, Failure, ProcessId, Status};

/// What became of a wish to end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has ended now; where it stood before.
    Now(Status),
    /// It had ended before; how.
    Before(Status),
    /// There is no such process.
    Missing,
}

impl Store {
    /// Ends an active process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end(
        &self,
        id: ProcessId,
        ending: &Ending,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Ended, Failure> {
        let error = ending.error().map(serde_json::to_value).transpose();
        let error = error.map_err(|error| Failure::internal(error.to_string()))?;
        let status = ending.status();
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH before AS (
                SELECT id, status, attempt FROM processing_state WHERE id = $1 FOR UPDATE
            ), ended AS (
                UPDATE processing_state process
                SET status = $2, error = $3, updated_at = $4, completed_at = $4
                FROM before
                WHERE process.id = before.id AND before.status IN ('PENDING', 'PROCESSING')
                RETURNING process.id
            ), event AS (
                INSERT INTO processing_event (
                    at, process_id, attempt, kind, from_status, to_status, actor, detail
                )
                SELECT $4, before.id, attempt, $6, status, $2, $5, $3
                FROM before
                JOIN ended USING (id)
            )
            SELECT before.status AS "status!", EXISTS (SELECT FROM ended) AS "ended!" FROM before
            "#,
            id.0,
            status.as_str(),
            error,
            now,
            actor.as_str(),
            EventKind::of_end(status).map(EventKind::as_str),
        )
        .fetch_optional(&mut *connection)
        .await?;
        Ok(match row {
            None => Ended::Missing,
            Some(row) if row.ended => {
                self.ended(id, status, now);
                Ended::Now(parse_stored_name(&row.status)?)
            }
            Some(row) => Ended::Before(parse_stored_name(&row.status)?),
        })
    }
}
