//! Reading one process.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::Store;
use crate::process::{
    Failure, Process, ProcessError, ProcessId, ProcessSummary, ProcessType, Status, UnknownName,
    UserId,
};

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
    /// Whether the statement changed the row.
    pub changed: bool,
}

impl TryFrom<ProcessRow> for Process {
    type Error = Failure;

    fn try_from(row: ProcessRow) -> Result<Self, Failure> {
        Ok(Self {
            target_id: row.target_id,
            params: row.params,
            result: row.result,
            execution_arn: row.execution_arn,
            summary: SummaryRow {
                id: row.id,
                user_id: row.user_id,
                process_type: row.process_type,
                status: row.status,
                progress: row.progress,
                error: row.error,
                retry_count: row.retry_count,
                original_process_id: row.original_process_id,
                attempt: row.attempt,
                cancel_reason: row.cancel_reason,
                created_at: row.created_at,
                started_at: row.started_at,
                updated_at: row.updated_at,
                completed_at: row.completed_at,
            }
            .try_into()?,
        })
    }
}

/// The columns of a summary.
pub(super) struct SummaryRow {
    pub id: Uuid,
    pub user_id: String,
    pub process_type: String,
    pub status: String,
    pub progress: i16,
    pub error: Option<Value>,
    pub retry_count: i16,
    pub original_process_id: Option<Uuid>,
    pub attempt: i32,
    pub cancel_reason: Option<String>,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub updated_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
}

impl TryFrom<SummaryRow> for ProcessSummary {
    type Error = Failure;

    fn try_from(row: SummaryRow) -> Result<Self, Failure> {
        Ok(Self {
            id: ProcessId(row.id),
            user_id: UserId(row.user_id),
            process_type: ProcessType::new(row.process_type),
            status: parse_stored_name(&row.status)?,
            progress: row.progress,
            error: row.error.as_ref().map(ProcessError::parse_stored),
            retry_count: row.retry_count,
            original_process_id: row.original_process_id.map(ProcessId),
            attempt: row.attempt,
            cancel_reason: row.cancel_reason,
            created_at: row.created_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
        })
    }
}

/// A status out of the database. The schema admits only known ones, so another means that the
/// schema is newer than this code.
pub(super) fn parse_stored_name(name: &str) -> Result<Status, Failure> {
    name.parse().map_err(|error: UnknownName| {
        Failure::internal(format!("the database is newer than this version: {error}"))
    })
}

impl Store {
    /// The process `id`, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, id: ProcessId) -> Result<Option<Process>, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query_as!(
            ProcessRow,
            r#"
            SELECT id, user_id, type AS process_type, status, target_id, params, progress, result,
                   error, retry_count, original_process_id, attempt, execution_arn, cancel_reason,
                   created_at, started_at, updated_at, completed_at, false AS "changed!"
            FROM processing_state
            WHERE id = $1
            "#,
            id.0
        )
        .fetch_optional(&mut *connection)
        .await?;
        row.map(Process::try_from).transpose()
    }
}
