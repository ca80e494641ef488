//! What is deleted because the time for which it is kept is over.

use chrono::{DateTime, Utc};

use crate::{process::Failure, store::Store};

/// Rows that one statement deletes at most; the statements themselves say so too.
pub const DELETED_AT_ONCE: u64 = 500;

impl Store {
    /// Deletes the oldest processes that ended before `before`, with what belongs to them, and
    /// gives how many: 500 at most. Kept are those that an active process needs: its original, and
    /// what was sent in one batch with it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_ended(&self, before: DateTime<Utc>) -> Result<u64, Failure> {
        let mut connection = self.database.connection().await?;
        let deleted = sqlx::query_file!("src/store/reconcile/delete_ended.sql", before)
            .execute(&mut *connection)
            .await?;
        Ok(deleted.rows_affected())
    }

    /// How many processes [`Self::delete_ended`] would delete, call after call. Counting stops at
    /// 100,000.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_ended(&self, before: DateTime<Utc>) -> Result<u64, Failure> {
        let mut connection = self.database.connection().await?;
        let counted = sqlx::query_file_scalar!("src/store/reconcile/count_ended.sql", before)
            .fetch_one(&mut *connection)
            .await?;
        Ok(counted.unsigned_abs())
    }

    /// Deletes the oldest batches of requests that were sent before `before` and of which no
    /// process is left, and gives how many: 500 at most.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_batches(&self, before: DateTime<Utc>) -> Result<u64, Failure> {
        let mut connection = self.database.connection().await?;
        let deleted = sqlx::query_file!("src/store/reconcile/delete_batches.sql", before)
            .execute(&mut *connection)
            .await?;
        Ok(deleted.rows_affected())
    }

    /// When the process ended that has been kept for longest; `None`: none has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn oldest_ended(&self) -> Result<Option<DateTime<Utc>>, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_scalar!(
            r#"
            SELECT min(completed_at)
            FROM processing_state
            WHERE status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')
            "#
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(Failure::from)
    }
}
