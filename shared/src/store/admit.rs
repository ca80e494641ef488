//! Admitting: giving waiting processes their share of the model calls, and running ones more where
//! nobody waits. Who is next and how much there is is decided in the database, by one statement at
//! a time (migration 12); what it means stands in [`crate::process::admission`].

use chrono::{DateTime, Utc};

use super::Store;
use crate::process::{Actor, Failure, ProcessId, Terms};

impl Store {
    /// Admits up to `most` waiting processes, as far as there is capacity, and tells which: their
    /// executions are now to be started.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn admit(
        &self,
        terms: &Terms,
        most: i32,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Vec<ProcessId>, Failure> {
        let mut connection = self.database.connection().await?;
        let admitted = sqlx::query_scalar!(
            r#"SELECT admit($1, $2, $3, $4, $5) AS "id!""#,
            now,
            terms.calls,
            terms.calls_per_user,
            most,
            actor.as_str(),
        )
        .fetch_all(&mut *connection)
        .await?;
        let admitted: Vec<ProcessId> = admitted.into_iter().map(ProcessId).collect();
        for id in &admitted {
            self.admitted(*id, now);
        }
        Ok(admitted)
    }

    /// Whom [`Self::admit`] would admit now: everything is undone again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn would_admit(
        &self,
        terms: &Terms,
        most: i32,
        now: DateTime<Utc>,
    ) -> Result<Vec<ProcessId>, Failure> {
        let mut connection = self.database.connection().await?;
        let ids = sqlx::query_scalar!(
            r#"SELECT would_admit($1, $2, $3, $4) AS "ids!""#,
            now,
            terms.calls,
            terms.calls_per_user,
            most,
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(ids.into_iter().map(ProcessId).collect())
    }

    /// Gives a process that is about to plan its batches up to `wanted` calls, as far as there is
    /// capacity that nobody waits for. Its share as it is then; `None`: fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn widen(
        &self,
        id: ProcessId,
        attempt: i32,
        wanted: i32,
        terms: &Terms,
        now: DateTime<Utc>,
    ) -> Result<Option<i32>, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_scalar!(
            "SELECT widen($1, $2, $3, $4, $5, $6)",
            id.0,
            attempt,
            wanted,
            now,
            terms.calls,
            terms.calls_per_user,
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(Failure::from)
    }
}
