//! What is done to the database's sessions, and to single processes: by invocations that come twice
//! or late, and by SQL.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{Doer, Met, count};
use crate::chaos::plan::Fault;

/// How long an invocation by hand is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a database that is away is asked again.
const TRIES: u32 = 10;
/// What operators write when they end a process by hand.
const BY_HAND: &str = r#"{"code":"MANUAL_INTERVENTION","message":"chaos"}"#;
/// What is being worked on, two of it: processes, or batches of them.
const WORKED_ON: &str = "SELECT process.id, execution_arn, batch.id
     FROM processing_state process
     LEFT JOIN processing_batch batch
         ON batch.process_id = process.id AND batch.process_attempt = process.attempt
     WHERE status = 'PROCESSING' AND user_id = ANY ($1)
     ORDER BY md5($2 || process.id::text || COALESCE(batch.id::text, ''))
     LIMIT 2";
/// Two that have ended.
const ENDED: &str = "SELECT id FROM processing_state
     WHERE status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED') AND user_id = ANY ($1)
     ORDER BY md5($2 || id::text)
     LIMIT 2";

impl Doer<'_> {
    /// As a failover is seen by clients: every session is gone at once, and the next is let in.
    pub(super) async fn fail_over(&self) -> Met {
        let ended: i64 = sqlx::query_scalar(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
             FROM pg_stat_activity
             WHERE usename LIKE 'aigen\\_functions%'",
        )
        .fetch_one(self.superuser)
        .await?;
        Ok((u64::try_from(ended).unwrap_or_default(), vec![]))
    }

    /// The worker is invoked for what it is working on: for a process, and for a batch of one.
    pub(super) async fn duplicate(&self, pick: u64) -> Met {
        type Found = (Uuid, Option<String>, Option<Uuid>);
        let look = async || {
            sqlx::query_as::<_, Found>(WORKED_ON)
                .bind(self.subs)
                .bind(pick.to_string())
                .fetch_all(self.owner)
                .await
        };
        let found = looked(look).await?;
        let invocations = found.iter().map(|(id, execution, batch)| {
            let payload = match batch {
                Some(batch) => json!({"processId": id, "batchId": batch}),
                None => json!({"processId": id, "executionArn": execution}),
            };
            self.invoked("ai-generation-worker", payload)
        });
        let met = futures_util::future::join_all(invocations).await.len();
        Ok((count(met), found.into_iter().map(|(id, ..)| id).collect()))
    }

    /// Whatever comes late: a worker's message, a cancel, an event, for what has ended.
    pub(super) async fn late(&self, pick: u64) -> Met {
        let look = async || {
            sqlx::query_scalar::<_, Uuid>(ENDED)
                .bind(self.subs)
                .bind(pick.to_string())
                .fetch_all(self.owner)
                .await
        };
        let found = looked(look).await?;
        for id in &found {
            let machine = self.env.state_machine_arn.as_str();
            let execution =
                format!("{}:{id}", machine.replacen(":stateMachine:", ":execution:", 1));
            let event = json!({
                "source": "aws.states",
                "detail-type": "Step Functions Execution Status Change",
                "detail": {
                    "executionArn": execution, "stateMachineArn": machine, "name": id,
                    "status": "ABORTED",
                },
            });
            let of_process = json!({"processId": id});
            self.invoked("ai-generation-worker", of_process.clone()).await;
            self.invoked("cancel-handler", of_process.clone()).await;
            self.invoked("reconciler", of_process).await;
            self.invoked("reconciler", event).await;
        }
        Ok((count(found.len()), found))
    }

    /// What comes of it is read from the database: it may well be refused, or die.
    async fn invoked(&self, function: &str, payload: Value) {
        let _ = timeout(PATIENCE, self.functions.invoke(function, &payload)).await;
    }

    /// What operators write: an UPDATE of one active process, as it stands in the design.
    pub(super) async fn by_hand(&self, set: &str, fault: &Fault) -> Met {
        let statement = format!(
            "UPDATE processing_state SET {set}
             WHERE id = (
                 SELECT id FROM processing_state
                 WHERE status IN ('PENDING', 'PROCESSING') AND user_id = ANY ($1)
                 ORDER BY md5($2 || id::text)
                 LIMIT 1
             )
             RETURNING id"
        );
        let error: Value = serde_json::from_str(BY_HAND)?;
        let ids: Vec<Uuid> = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .bind(self.subs)
            .bind(fault.pick.to_string())
            .bind(error)
            .fetch_all(self.owner)
            .await?;
        Ok((count(ids.len()), ids))
    }

    pub(super) async fn deleted(&self, pick: u64) -> Met {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "DELETE FROM processing_state
             WHERE id = (
                 SELECT id FROM processing_state
                 WHERE status IN ('COMPLETED', 'FAILED', 'CANCELLED') AND user_id = ANY ($1)
                 ORDER BY md5($2 || id::text)
                 LIMIT 1
             )
             RETURNING id",
        )
        .bind(self.subs)
        .bind(pick.to_string())
        .fetch_all(self.owner)
        .await?;
        Ok((count(ids.len()), ids))
    }
}

/// Looks until the database answers: it may be away just now.
async fn looked<T>(look: impl AsyncFn() -> sqlx::Result<T>) -> Result<T> {
    for _ in 1..TRIES {
        if let Ok(found) = look().await {
            return Ok(found);
        }
        sleep(Duration::from_secs(1)).await;
    }
    look().await.context("the database does not answer")
}
