//! A worker gets on.

use chrono::{DateTime, Utc};

use super::Store;
use crate::process::{Failure, ProcessId};

impl Store {
    /// Raises the progress to `percent`; it never falls, and never reaches 100 before the process
    /// completes. `false`: fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn raise_progress(
        &self,
        id: ProcessId,
        attempt: i32,
        percent: i16,
        now: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let mut connection = self.database.connection().await?;
        let done = sqlx::query!(
            r#"
            UPDATE processing_state
            SET progress = LEAST(GREATEST(progress, $3), 99), updated_at = $4
            WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
            "#,
            id.0,
            attempt,
            percent,
            now,
        )
        .execute(&mut *connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
