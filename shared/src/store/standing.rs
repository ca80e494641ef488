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

/// What a worker sees that looks at its process while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Whether it may go on.
    pub standing: Standing,
    /// Calls that its batch may have in flight; `None`: it works on none.
    pub slots: Option<i16>,
    /// Whether the batch could use more.
    pub wants_more: bool,
}

impl Watched {
    const MISSING: Self = Self { standing: Standing::Missing, slots: None, wants_more: false };
}

impl Store {
    /// Where the process stands for a worker with `fence`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(&self, id: ProcessId, fence: Fence) -> Result<Standing, Failure> {
        self.watch(id, fence).await.map(|watched| watched.standing)
    }

    /// The same, and how many calls its batch may have in flight: a look at two primary keys.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn watch(&self, id: ProcessId, fence: Fence) -> Result<Watched, Failure> {
        let mut connection = self.database.connection_soon().await?;
        let row = sqlx::query!(
            r#"
            SELECT process.status, process.attempt, batch.attempt AS "batch_attempt?",
                   batch.slots AS "slots?", batch.slots < batch.wants AS wants_more
            FROM processing_state process
            LEFT JOIN processing_batch batch ON batch.id = $2
            WHERE process.id = $1
            "#,
            id.0,
            fence.batch.map(|(batch, _)| batch),
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(Watched::MISSING) };
        let status: Status = parse_stored_name(&row.status)?;
        let own_batch = fence.batch.is_none_or(|(_, attempt)| row.batch_attempt == Some(attempt));
        let standing = match status {
            Status::Processing if row.attempt == fence.attempt && own_batch => Standing::Current,
            status if status.is_terminal() => Standing::Ended(status),
            _ => Standing::Overtaken,
        };
        Ok(Watched { standing, slots: row.slots, wants_more: row.wants_more.unwrap_or(false) })
    }
}
