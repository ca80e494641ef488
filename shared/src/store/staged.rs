//! Reading what is staged of a process.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use super::Store;
use crate::process::{
    Failure, Generation, ModelUsage, Output, Outputs, PlannedTarget, ProcessId, ProcessType,
    UserId, generation::parse_output,
};

/// Everything that is staged of an active process, and how to apply it.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged<W> {
    /// The current attempt at the process, by which to complete it.
    pub attempt: i32,
    /// Whose.
    pub user_id: UserId,
    /// What it generates.
    pub process_type: ProcessType,
    /// As the row keeps them.
    pub params: Value,
    /// What its batches begin with.
    pub planned: Vec<PlannedTarget>,
    /// By target.
    pub outputs: HashMap<Uuid, Output<W>>,
    /// All calls.
    pub usage: Vec<ModelUsage>,
}

impl Store {
    /// What is staged of a process, without the texts that nothing follows from: enough to know
    /// what is left and to go on from it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outputs_to_go_on_from<G: Generation>(
        &self,
        id: ProcessId,
    ) -> Result<Outputs<G>, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query!(
            r#"
            SELECT target_id, error,
                   CASE WHEN payload ? $2 THEN jsonb_build_object($2::text, '[]'::jsonb)
                        ELSE payload END AS payload
            FROM processing_output
            WHERE process_id = $1
            "#,
            id.0,
            G::LEAF,
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some((row.target_id, parse_output(row.payload.as_ref(), row.error.as_ref())?))
            })
            .collect())
    }

    /// Whether, by the count, everything of an active process with several targets is staged, so
    /// that [`crate::use_case::finish()`] is worth trying; `None`: it has no such targets, or is
    /// not active, or not there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all_staged(&self, id: ProcessId) -> Result<Option<bool>, Failure> {
        let mut connection = self.database.connection().await?;
        let all = sqlx::query_scalar!(
            r#"
            SELECT targets_done >= targets AS "all!"
            FROM processing_state
            WHERE id = $1 AND status = 'PROCESSING' AND targets IS NOT NULL
            "#,
            id.0
        )
        .fetch_optional(&mut *connection)
        .await?;
        Ok(all)
    }

    /// Everything that is staged of a process that is PROCESSING; `None` when it is not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn staged<G: Generation>(
        &self,
        id: ProcessId,
    ) -> Result<Option<Staged<G::Written>>, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query!(
            r#"
            SELECT process.attempt, process.user_id, process.type AS process_type, process.params,
                   plan.target_ids AS "planned_ids!", plan.weights AS "planned_weights!",
                   output.target_id AS "target_id?", output.payload AS "payload?",
                   output.error AS "error?", output.usage AS "usage?"
            FROM processing_state process
            CROSS JOIN LATERAL (
                SELECT COALESCE(array_agg(planned.id), '{}') AS target_ids,
                       COALESCE(array_agg(planned.weight), '{}') AS weights
                FROM processing_batch batch,
                     UNNEST(batch.target_ids, batch.weights) AS planned (id, weight)
                WHERE batch.process_id = process.id AND batch.process_attempt = process.attempt
            ) plan
            LEFT JOIN processing_output output ON output.process_id = process.id
            WHERE process.id = $1 AND process.status = 'PROCESSING'
            ORDER BY output.created_at
            "#,
            id.0
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut staged: Option<Staged<G::Written>> = None;
        for row in rows {
            if staged.is_none() {
                staged = Some(Staged {
                    attempt: row.attempt,
                    user_id: UserId(row.user_id),
                    process_type: ProcessType::new(row.process_type),
                    params: row.params,
                    planned: row
                        .planned_ids
                        .into_iter()
                        .zip(row.planned_weights)
                        .map(|(id, weight)| PlannedTarget { id, weight })
                        .collect(),
                    outputs: HashMap::new(),
                    usage: Vec::new(),
                });
            }
            let Some(staged) = &mut staged else { continue };
            if let Some((target, output)) =
                row.target_id.zip(parse_output(row.payload.as_ref(), row.error.as_ref()))
            {
                staged.outputs.insert(target, output);
            }
            let usage =
                row.usage.and_then(|usage| serde_json::from_value::<Vec<ModelUsage>>(usage).ok());
            staged.usage.extend(usage.unwrap_or_default());
        }
        Ok(staged)
    }
}
