//! Reading processes.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, failure_of};
use crate::{
    failure::Failure,
    process::{Process, ProcessError, ProcessId, UserId},
};

/// A process, and how long its like have taken of late.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The process.
    pub process: Process,
    /// Median seconds from request to completion of the 20 last completed of its type; only looked
    /// up while it is active.
    pub recent_seconds: Option<f64>,
}

/// A row of `processing_state`, and what a statement says besides.
pub(super) struct ProcessRow {
    pub id: Uuid,
    pub user_id: String,
    pub process_type: String,
    pub status: String,
    pub target_id: Uuid,
    pub params: Value,
    pub progress: i16,
    pub result: Option<Value>,
    pub error: Option<Value>,
    pub retry_count: i16,
    pub original_process_id: Option<Uuid>,
    pub attempt: i32,
    pub execution_arn: Option<String>,
    pub cancel_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    /// Median seconds of recent processes of its type, where the statement asks for it.
    pub recent_seconds: Option<f64>,
    /// Whether the statement changed the row.
    pub changed: bool,
}

impl TryFrom<ProcessRow> for Process {
    type Error = Failure;

    fn try_from(row: ProcessRow) -> Result<Self, Failure> {
        Ok(Self {
            id: ProcessId(row.id),
            user_id: UserId(row.user_id),
            process_type: known(&row.process_type)?,
            status: known(&row.status)?,
            target_id: row.target_id,
            params: row.params,
            progress: row.progress,
            result: row.result,
            error: row.error.as_ref().map(ProcessError::from_stored),
            retry_count: row.retry_count,
            original_process_id: row.original_process_id.map(ProcessId),
            attempt: row.attempt,
            execution_arn: row.execution_arn,
            cancel_reason: row.cancel_reason,
            created_at: row.created_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
        })
    }
}

/// A name out of the database. The schema admits only known ones, so another means that the schema
/// is newer than this code.
pub(super) fn known<T: std::str::FromStr<Err = crate::process::UnknownName>>(
    name: &str,
) -> Result<T, Failure> {
    name.parse().map_err(|error: crate::process::UnknownName| {
        Failure::internal(format!("the database is newer than this version: {error}"))
    })
}

impl Store {
    /// The process `id`, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, id: ProcessId) -> Result<Option<Seen>, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_as!(
            ProcessRow,
            r#"
            SELECT id, user_id, type AS process_type, status, target_id, params, progress, result, error, retry_count, original_process_id, attempt,
                   execution_arn, cancel_reason, created_at, started_at, updated_at, completed_at,
                   CASE WHEN status IN ('PENDING', 'PROCESSING') THEN (
                       SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)
                       FROM (SELECT extract(epoch FROM recent.completed_at - recent.created_at)::float8 AS seconds
                             FROM processing_state recent
                             WHERE recent.type = process.type AND recent.status = 'COMPLETED' AND recent.completed_at IS NOT NULL
                             ORDER BY recent.completed_at DESC LIMIT 20) durations
                   ) END AS recent_seconds,
                   false AS "changed!"
            FROM processing_state process
            WHERE id = $1
            "#,
            id.0
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?
        .map(|row| Ok(Seen { recent_seconds: row.recent_seconds, process: row.try_into()? }))
        .transpose()
    }
}
