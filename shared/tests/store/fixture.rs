//! A store on the test's own database, and the process that most tests start from.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::{
    generated::{Row, Rows, SubGoal},
    params::{GoalParams, Params},
    process::{Process, ProcessId, Status, UserId},
    store::{
        Actor, Claim, Completion, Credentials, Database, NewRows, Store, Submission, Submitted,
    },
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use uuid::Uuid;

pub struct Fixture {
    pub store: Store,
    pub pool: PgPool,
}

/// The time of every test, plus `seconds`.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

pub fn id(number: u128) -> ProcessId {
    ProcessId(Uuid::from_u128(number))
}

pub fn user(name: &str) -> UserId {
    UserId(name.to_owned())
}

pub const GOAL: u128 = 0x600d;

pub fn goal() -> GoalParams {
    GoalParams {
        goal_id: Uuid::from_u128(GOAL),
        title: "フルマラソンを完走する".into(),
        description: "半年後の大会で完走する".into(),
        deadline: at(1_000_000),
        background: "運動の習慣がない".into(),
        constraints: None,
        replace: false,
    }
}

pub fn submission(number: u128, user_name: &str) -> Submission {
    Submission {
        id: id(number),
        user_id: user(user_name),
        params: Params::SubGoals(goal()),
        retry: None,
        idempotency_key: None,
        per_minute: None,
        actor: Actor::User,
        now: at(0),
    }
}

pub fn sub_goals(start: u128) -> Rows {
    let item = |n: u128| SubGoal {
        title: format!("サブ目標{n}"),
        description: "説".repeat(50),
        background: "背景".into(),
    };
    Rows::SubGoals(
        (0..8)
            .map(|n| Row {
                id: Uuid::from_u128(start + n),
                position: i16::try_from(n).unwrap(),
                item: item(n),
            })
            .collect(),
    )
}

impl Fixture {
    pub async fn new(options: PgConnectOptions) -> Self {
        let pool = PgPool::connect_with(options.clone()).await.unwrap();
        Self { store: Store::new(Database::new(Credentials::Given(Box::new(options)))), pool }
    }

    pub async fn submitted(&self, number: u128) {
        let submitted = self.submit(&submission(number, "hanako")).await;
        assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
    }

    /// What became of the submission.
    pub async fn submit(&self, submission: &Submission) -> Submitted {
        self.store.submit(submission).await.unwrap().0
    }

    /// A process in `status`, reached by the store's own moves.
    pub async fn in_status(&self, number: u128, status: Status) {
        self.submitted(number).await;
        let error =
            shared::process::ProcessError::new(shared::error_code::ErrorCode::AiError, "test");
        if matches!(status, Status::Processing | Status::Completed) {
            assert!(matches!(
                self.store.claim(id(number), None, at(1)).await.unwrap(),
                Claim::Claimed { attempt: 1, .. }
            ));
        }
        match status {
            Status::Pending | Status::Processing => {}
            Status::Completed => {
                assert_eq!(self.complete(number, 1, &goal()).await, Completion::Completed)
            }
            Status::Failed | Status::Timeout => {
                self.store
                    .end_with_error(id(number), status, &error, Actor::Worker, at(2))
                    .await
                    .unwrap();
            }
            Status::Cancelled => {
                self.store
                    .cancel(id(number), None, Some("気が変わった"), Actor::User, at(2))
                    .await
                    .unwrap();
            }
        }
        assert_eq!(self.process(number).await.status, status);
    }

    pub async fn complete(&self, number: u128, attempt: i32, goal: &GoalParams) -> Completion {
        let parts = [(goal.goal_id, sub_goals(number * 1_000))];
        let (result, detail) = (json!({"subGoals": []}), json!({}));
        let new = NewRows {
            user_id: &user("hanako"),
            goal: Some(goal),
            replace: goal.replace,
            parts: &parts,
            result: &result,
            detail: &detail,
        };
        self.store.complete(id(number), attempt, &new, Actor::Worker, at(3)).await.unwrap()
    }

    pub async fn process(&self, number: u128) -> Process {
        self.store.find(id(number)).await.unwrap().unwrap().process
    }

    /// The history of the process: kind, from and to.
    pub async fn history(&self, number: u128) -> Vec<(String, Option<String>, Option<String>)> {
        sqlx::query_as("SELECT kind, from_status, to_status FROM processing_event WHERE process_id = $1 ORDER BY id")
            .bind(id(number).0)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// Everything that a statement could have changed, to compare before and after.
    pub async fn everything(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for table in [
            "processing_state",
            "processing_event",
            "processing_output",
            "processing_batch",
            "goals",
            "sub_goals",
            "actions",
            "tasks",
        ] {
            let rows: Vec<Value> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
                "SELECT to_jsonb(row) FROM {table} row ORDER BY to_jsonb(row)::text"
            )))
            .fetch_all(&self.pool)
            .await
            .unwrap();
            all.extend(rows);
        }
        all
    }

    /// Waits until `sessions` of this database wait for a lock.
    pub async fn until_waiting(&self, sessions: i64) {
        loop {
            let waiting: i64 =
                sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
                    .fetch_one(&self.pool)
                    .await
                    .unwrap();
            if waiting >= sessions {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub async fn count(&self, table: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}
