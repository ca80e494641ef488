//! A store on the test's own database.

use serde_json::{Value, json};
use shared::{
    chart::{Chart, GoalParams, Params},
    process::{Actor, Ending, ErrorCode, Process, ProcessError, Status},
    store::{
        Claim, Completion, Credentials, Database, NewRows, Store, StoredGeneration, Submission,
        Submitted,
    },
};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgConnectOptions};

use super::{at, goal, id, sub_goals, submission, user};

/// A store on the test's own database, and a pool of its own to look behind it.
#[derive(Debug)]
pub struct Fixture {
    /// The store under test, with one connection.
    pub store: Store,
    /// Other connections to the same database.
    pub pool: PgPool,
}

impl Fixture {
    /// A store on the database of `options`, which `sqlx::test` has made. Several fixtures on one
    /// database stand for several Lambda environments.
    pub async fn new(options: PgConnectOptions) -> Self {
        let pool = PgPool::connect_with(options.clone()).await.unwrap();
        Self { store: Store::new(Database::new(Credentials::Given(Box::new(options)))), pool }
    }

    /// What became of the submission, of whatever kind.
    pub async fn submit<G: StoredGeneration>(&self, submission: &Submission<G>) -> Submitted {
        self.store.submit(submission).await.unwrap().0
    }

    /// Process `number` of hanako, PENDING.
    pub async fn submitted(&self, number: u128) {
        let submitted = self.submit(&submission(number, "hanako")).await;
        assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
    }

    /// Process `number` of hanako in `status`, reached by the store's own moves.
    pub async fn in_status(&self, number: u128, status: Status) {
        let process = id(number);
        self.submitted(number).await;
        if matches!(status, Status::Processing | Status::Completed) {
            assert!(matches!(
                self.store.claim(process, None, at(1)).await.unwrap(),
                Claim::Claimed { attempt: 1, .. }
            ));
        }
        let error = ProcessError::new(ErrorCode::AiError, "test");
        match status {
            Status::Pending | Status::Processing => {}
            Status::Completed => {
                assert_eq!(self.complete(number, 1, &goal()).await, Completion::Completed);
            }
            Status::Failed => {
                let ending = Ending::Failed(error);
                self.store.end(process, &ending, Actor::Worker, at(2)).await.unwrap();
            }
            Status::Timeout => {
                let ending = Ending::TimedOut(error);
                self.store.end(process, &ending, Actor::Worker, at(2)).await.unwrap();
            }
            Status::Cancelled => {
                let reason = Some("気が変わった");
                self.store.cancel(process, None, reason, Actor::User, at(2)).await.unwrap();
            }
        }
        assert_eq!(self.process(number).await.summary.status, status);
    }

    /// Completes process `number` with eight sub-goals for `goal`, whose ids begin at 1,000 times
    /// the number.
    pub async fn complete(&self, number: u128, attempt: i32, goal: &GoalParams) -> Completion {
        let parts = [(goal.goal_id, sub_goals(number * 1_000))];
        let new = NewRows::<Chart> {
            user_id: &user("hanako"),
            params: &Params::SubGoals(goal.clone()),
            parts: &parts,
            result: &json!({"subGoals": []}),
            detail: &json!({}),
        };
        self.store.complete(id(number), attempt, &new, Actor::Worker, at(3)).await.unwrap()
    }

    /// Process `number`, which must be there.
    pub async fn process(&self, number: u128) -> Process {
        self.store.find(id(number)).await.unwrap().unwrap()
    }

    /// The history of process `number`: kind, from and to.
    pub async fn history(&self, number: u128) -> Vec<(String, Option<String>, Option<String>)> {
        sqlx::query_as(
            "SELECT kind, from_status, to_status
             FROM processing_event
             WHERE process_id = $1
             ORDER BY id",
        )
        .bind(id(number).0)
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    /// Runs `sql`, as a foreign hand would: one statement or several.
    pub async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// How many rows `table` has.
    pub async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Every row of every table, to compare before and after: whatever table a migration adds is
    /// among them.
    pub async fn everything(&self) -> Vec<(String, Value)> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::text
             FROM pg_tables
             WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'
             ORDER BY tablename",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert!(tables.iter().any(|table| table == "processing_state"), "{tables:?}");
        let mut all = Vec::new();
        for table in tables {
            let rows: Vec<Value> = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT to_jsonb(row) FROM {table} row ORDER BY to_jsonb(row)::text"
            )))
            .fetch_all(&self.pool)
            .await
            .unwrap();
            all.extend(rows.into_iter().map(|row| (table.clone(), row)));
        }
        all
    }

    /// Waits until `sessions` of this database wait for a lock.
    pub async fn until_waiting(&self, sessions: i64) {
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*)
                 FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            if waiting >= sessions {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}
