//! The history of one process, as an operator reads it.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Store;
use crate::process::{Failure, ProcessId};

/// Events that are told; a chart down to tasks has some two hundred.
const MOST_EVENTS: i64 = 1_000;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// In which worker run.
    pub attempt: i32,
    /// The name of an [`crate::process::EventKind`].
    pub kind: String,
    /// Whence the status came, where it changed.
    pub from_status: Option<String>,
    /// Where it went.
    pub to_status: Option<String>,
    /// The name of an [`crate::process::Actor`].
    pub actor: String,
    /// What else is known. Never user text.
    pub detail: Option<Value>,
}

impl Store {
    /// The first thousand events of the process `id`, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn timeline(&self, id: ProcessId) -> Result<Vec<Event>, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_as!(
            Event,
            r#"
            SELECT at, attempt, kind, from_status, to_status, actor, detail
            FROM processing_event
            WHERE process_id = $1
            ORDER BY id
            LIMIT $2
            "#,
            id.0,
            MOST_EVENTS,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(Failure::from)
    }
}
