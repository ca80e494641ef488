//! Rows as the planner sees them, in pages.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::lease::Point;
use crate::{
    process::{Failure, ProcessId},
    reconcile::{ProcessFacts, StartTries},
    store::{Store, find::parse_stored_name},
};

/// What the statements of this module select.
struct FactsRow {
    id: Uuid,
    status: String,
    attempt: i32,
    progress: i16,
    has_arn: bool,
    /// Issue to whoever stages several targets: the scans say here whether everything is stored,
    /// and [`Store::complete_from_stored`] makes it appear.
    result_ready: bool,
    ended_by_hand: bool,
    created_at: DateTime<Utc>,
    admitted_at: Option<DateTime<Utc>>,
    execution_started_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    tries: Option<i16>,
    first_try_at: Option<DateTime<Utc>>,
    last_try_at: Option<DateTime<Utc>>,
}

impl TryFrom<FactsRow> for ProcessFacts {
    type Error = Failure;

    fn try_from(facts: FactsRow) -> Result<Self, Failure> {
        let start_tries = match (facts.tries, facts.first_try_at, facts.last_try_at) {
            (Some(count), Some(first_at), Some(last_at)) => {
                Some(StartTries { count, first_at, last_at })
            }
            _ => None,
        };
        Ok(Self {
            id: ProcessId(facts.id),
            status: parse_stored_name(&facts.status)?,
            attempt: facts.attempt,
            progress: facts.progress,
            has_arn: facts.has_arn,
            result_ready: facts.result_ready,
            ended_by_hand: facts.ended_by_hand,
            created_at: facts.created_at,
            admitted_at: facts.admitted_at,
            execution_started_at: facts.execution_started_at,
            started_at: facts.started_at,
            updated_at: facts.updated_at,
            completed_at: facts.completed_at,
            start_tries,
        })
    }
}

fn rows(facts: Result<Vec<FactsRow>, sqlx::Error>) -> Result<Vec<ProcessFacts>, Failure> {
    facts?.into_iter().map(ProcessFacts::try_from).collect()
}

/// What a sweep measures besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauges {
    /// PENDING processes.
    pub waiting: i64,
    /// Processes that became FAILED or TIMEOUT since the time asked for.
    pub ended_badly: i64,
    /// Processes that became COMPLETED since.
    pub ended_well: i64,
    /// When the oldest was admitted that has not ended; `None`: there is none.
    pub oldest_active_at: Option<DateTime<Utc>>,
}

impl Store {
    /// The next `limit` active processes after `after`, oldest first, that were accepted at `until`
    /// or before. Those that wait to be admitted have no execution to be looked at, and there may
    /// be many: they are not among them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn active_page(
        &self,
        after: Point,
        until: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<ProcessFacts>, Failure> {
        let mut connection = self.database.connection().await?;
        rows(
            sqlx::query_file_as!(
                FactsRow,
                "src/store/reconcile/active_page.sql",
                after.created_at,
                after.id.0,
                until,
                limit
            )
            .fetch_all(&mut *connection)
            .await,
        )
    }

    /// Those of `ids` that have a row, in no order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rows_of(&self, ids: &[ProcessId]) -> Result<Vec<ProcessFacts>, Failure> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let mut connection = self.database.connection().await?;
        rows(
            sqlx::query_file_as!(FactsRow, "src/store/reconcile/by_ids.sql", &ids)
                .fetch_all(&mut *connection)
                .await,
        )
    }

    /// The next `limit` processes after `after` whose progress is broken (R12, R13), by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn broken_progress_page(
        &self,
        after: ProcessId,
        limit: i64,
    ) -> Result<Vec<ProcessFacts>, Failure> {
        let mut connection = self.database.connection().await?;
        rows(
            sqlx::query_file_as!(
                FactsRow,
                "src/store/reconcile/broken_progress_page.sql",
                after.0,
                limit
            )
            .fetch_all(&mut *connection)
            .await,
        )
    }

    /// The next `limit` processes after `after` whose `completed_at` is broken (R14), by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn broken_completed_at_page(
        &self,
        after: ProcessId,
        limit: i64,
    ) -> Result<Vec<ProcessFacts>, Failure> {
        let mut connection = self.database.connection().await?;
        rows(
            sqlx::query_file_as!(
                FactsRow,
                "src/store/reconcile/broken_completed_at_page.sql",
                after.0,
                limit
            )
            .fetch_all(&mut *connection)
            .await,
        )
    }

    /// How many wait, and how many ended since `since`, well or badly.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gauges(&self, since: DateTime<Utc>) -> Result<Gauges, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_file_as!(Gauges, "src/store/reconcile/gauges.sql", since)
            .fetch_one(&mut *connection)
            .await
            .map_err(Failure::from)
    }
}
