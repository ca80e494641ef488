//! A worker looks whether it may still write.
//!
//! Each write of a worker names its attempt, so that one that was overtaken by a newer attempt, or
//! whose process has ended, changes nothing.

use uuid::Uuid;

use super::{Store, find::parse_stored_name};
use crate::process::{Failure, ProcessId, Status};

/// What a worker goes by when it writes: the numbers of the attempts that it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// At the process.
    pub attempt: i32,
    /// At the batch, for a process that has several: its id and the attempt's number.
    pub batch: Option<(Uuid, i32)>,
}

impl From<i32> for Fence {
    fn from(attempt: i32) -> Self {
        Self { attempt, batch: None }
    }
}

/// Where a process stands, as seen by a worker that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is this worker's to go on with.
    Current,
    /// It has ended.
    Ended(Status),
    /// A newer attempt has it.
    Overtaken,
    /// It has no row any more.
    Missing,
}

impl Store {
    /// Where the process stands for a worker with `fence`: a look at two primary keys.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(&self, id: ProcessId, fence: Fence) -> Result<Standing, Failure> {
        let mut connection = self.database.connection_soon().await?;
        let row = sqlx::query!(
            r#"
            SELECT status, attempt,
                   (SELECT attempt FROM processing_batch WHERE id = $2) AS batch_attempt
            FROM processing_state
            WHERE id = $1
            "#,
            id.0,
            fence.batch.map(|(batch, _)| batch),
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(Standing::Missing) };
        let status: Status = parse_stored_name(&row.status)?;
        let own_batch = fence.batch.is_none_or(|(_, attempt)| row.batch_attempt == Some(attempt));
        Ok(match status {
            Status::Processing if row.attempt == fence.attempt && own_batch => Standing::Current,
            status if status.is_terminal() => Standing::Ended(status),
            _ => Standing::Overtaken,
        })
    }
}
