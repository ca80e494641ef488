//! Staging: what a process with several targets has written so far, target by target, and the
//! batches in which its workers go on.
//!
//! A target is staged once, whoever does it first; what is staged outlives the worker that made it,
//! so that no attempt writes it again. Whoever comes second goes on with what was staged, and not
//! with their own answer: what follows from that exists nowhere.

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Fence, Store};
use crate::process::{
    Failure, ModelUsage, Output, ProcessError, ProcessId, generation::parse_output,
};

/// How far a process with several targets has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagingProgress {
    /// Targets that are staged or given up.
    pub done: i16,
    /// Targets in all.
    pub targets: i16,
}

impl StagingProgress {
    /// Whether it is worth while to look whether everything is there. What decides is the plan.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.targets > 0 && self.done >= self.targets
    }
}

/// What staging a target of a batch has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageOutcome {
    /// How far the process has come.
    pub progress: StagingProgress,
    /// Whether it was not staged before.
    pub is_new: bool,
    /// Calls that the batch may have in flight from now on; `None`: no call of a batch has ended.
    pub slots: Option<i16>,
    /// Calls that have been given back with it, so that others may be admitted.
    pub given_back: i16,
}

/// What to stage for one target.
#[derive(Debug, Clone)]
pub struct Staging<'a, W> {
    /// The target.
    pub target_id: Uuid,
    /// What was written for it, or why it was given up.
    pub output: Result<&'a W, &'a ProcessError>,
    /// How many targets that settles: a given-up one takes along what would have come forth from
    /// it.
    pub settles: i16,
    /// The calls that it took.
    pub usage: &'a [ModelUsage],
}

fn to_json(value: &impl Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::internal(error.to_string()))
}

impl Store {
    /// Stages a target and raises the progress by it. `None`: fenced. Staging a target again
    /// changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stage<W: Serialize>(
        &self,
        id: ProcessId,
        fence: Fence,
        staging: &Staging<'_, W>,
        now: DateTime<Utc>,
    ) -> Result<Option<StagingProgress>, Failure> {
        let outcome = self.try_stage(id, fence, staging, None, now).await?;
        Ok(outcome.map(|outcome| outcome.progress))
    }

    /// Stages a target of a batch that has `open` targets left after it. With the call that has
    /// ended, the batch gives back what others wait for, and what it can no longer use. Besides,
    /// what holds for the target: `None` when that is this output, else the output that was staged
    /// before.
    ///
    /// # Errors
    /// When the database fails, or holds for the target what is no output.
    pub async fn stage_or_read_back<W: Serialize + DeserializeOwned>(
        &self,
        id: ProcessId,
        fence: Fence,
        staging: &Staging<'_, W>,
        open: i16,
        now: DateTime<Utc>,
    ) -> Result<Option<(StageOutcome, Option<Output<W>>)>, Failure> {
        match self.try_stage(id, fence, staging, Some(open), now).await? {
            None => Ok(None),
            Some(outcome) if outcome.is_new => Ok(Some((outcome, None))),
            Some(outcome) => {
                // `None`: the process has ended meanwhile, and dropped it.
                let staged = self.staged_output(id, staging.target_id).await?;
                Ok(staged.map(|output| (outcome, Some(output))))
            }
        }
    }

    /// What is staged for one target.
    async fn staged_output<W: DeserializeOwned>(
        &self,
        id: ProcessId,
        target: Uuid,
    ) -> Result<Option<Output<W>>, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            SELECT payload, error FROM processing_output WHERE process_id = $1 AND target_id = $2
            "#,
            id.0,
            target,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        match parse_output(row.payload.as_ref(), row.error.as_ref()) {
            Some(output) => Ok(Some(output)),
            None => Err(Failure::internal("what is staged for a target cannot be read")),
        }
    }

    /// Stages a target. `open`: what is left of its batch, which then gives back what it need not
    /// have.
    async fn try_stage<W: Serialize>(
        &self,
        id: ProcessId,
        fence: Fence,
        staging: &Staging<'_, W>,
        open: Option<i16>,
        now: DateTime<Utc>,
    ) -> Result<Option<StageOutcome>, Failure> {
        let (payload, error) = match staging.output {
            Ok(rows) => (Some(to_json(rows)?), None),
            Err(error) => (None, Some(to_json(error)?)),
        };
        let usage = to_json(&staging.usage)?;
        let mut connection = self.database.connection().await?;
        let row = sqlx::query_file!(
            "src/store/stage.sql",
            id.0,
            fence.attempt,
            fence.batch.map(|(batch, _)| batch),
            fence.batch.map(|(_, attempt)| attempt),
            staging.target_id,
            payload,
            error,
            usage,
            staging.settles,
            now,
            open,
        )
        .fetch_optional(&mut *connection)
        .await?;
        Ok(row.map(|row| StageOutcome {
            progress: StagingProgress { done: row.done, targets: row.targets },
            is_new: row.new,
            slots: row.slots,
            given_back: row.given_back,
        }))
    }
}
