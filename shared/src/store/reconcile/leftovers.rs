//! What an ended process has left (R16): it was staged in the very moment in which the process
//! ended, or by a hand.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::repairs::{Repaired, repaired};
use crate::{
    process::{Failure, ProcessId, Status},
    reconcile::Rule,
    store::{Store, find::parse_stored_name},
};

/// What an ended process has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftovers {
    /// The process.
    pub id: ProcessId,
    /// How it ended.
    pub status: Status,
    /// Staged outputs.
    pub outputs: i64,
    /// Batches.
    pub batches: i64,
}

/// A page of a look for leftovers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftoversPage {
    /// Those that were found.
    pub leftovers: Vec<Leftovers>,
    /// Up to which process was looked; `None`: there is none after.
    pub last: Option<ProcessId>,
}

struct HolderRow {
    id: Uuid,
    status: String,
    outputs: i64,
    batches: i64,
}

impl Store {
    /// Looks at the next `limit` processes after `after` that have anything staged, by id, and
    /// gives those that have ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn leftovers_page(
        &self,
        after: ProcessId,
        limit: i64,
    ) -> Result<LeftoversPage, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query_file_as!(
            HolderRow,
            "src/store/reconcile/leftovers_page.sql",
            after.0,
            limit
        )
        .fetch_all(&mut *connection)
        .await?;
        let last = rows.last().map(|row| ProcessId(row.id));
        let mut leftovers = Vec::new();
        for row in rows {
            let status: Status = parse_stored_name(&row.status)?;
            if status.is_terminal() {
                let HolderRow { id, outputs, batches, .. } = row;
                leftovers.push(Leftovers { id: ProcessId(id), status, outputs, batches });
            }
        }
        Ok(LeftoversPage { leftovers, last })
    }

    /// Deletes what `left` says that an ended process has left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn drop_leftovers(
        &self,
        left: &Leftovers,
        now: DateTime<Utc>,
    ) -> Result<Repaired, Failure> {
        let mut connection = self.database.connection().await?;
        let done = sqlx::query_scalar!(
            r#"
            WITH ended AS (
                SELECT id, attempt, status
                FROM processing_state
                WHERE id = $1 AND status = $2 AND status NOT IN ('PENDING', 'PROCESSING')
                FOR UPDATE
            ), outputs AS (
                DELETE FROM processing_output
                WHERE process_id IN (SELECT id FROM ended)
                RETURNING process_id
            ), batches AS (
                DELETE FROM processing_batch
                WHERE process_id IN (SELECT id FROM ended)
                RETURNING process_id
            ), dropped AS (
                SELECT (SELECT count(*) FROM outputs) AS outputs,
                       (SELECT count(*) FROM batches) AS batches
            ), event AS (
                INSERT INTO processing_event (
                    at, process_id, attempt, kind, from_status, to_status, actor, detail
                )
                SELECT $3, id, attempt, 'repaired', status, status, 'reconciler',
                       $4::jsonb
                           || jsonb_build_object('outputs', outputs, 'batches', batches)
                FROM ended, dropped
                WHERE outputs + batches > 0
            )
            SELECT outputs + batches > 0 AS "done!" FROM dropped
            "#,
            left.id.0,
            left.status.as_str(),
            now,
            json!({"rule": Rule::R16}),
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(repaired(done))
    }
}
