//! Users who ask, and what becomes of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chrono::{Days, SecondsFormat, Utc};
use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{
    PgPool, Row,
    postgres::{PgPoolOptions, PgRow},
};
use uuid::Uuid;

use super::row::figure;
use crate::stack::{self, StackEnv};

/// How long all processes of one measurement may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// Requests that are under way at once.
const AT_ONCE: usize = 20;

/// The running stack under load.
pub(super) struct Load {
    env: StackEnv,
    client: Client,
    database: PgPool,
}

/// Processes of one measurement.
pub(super) type Submitted = Vec<Uuid>;

/// What became of them.
pub(super) struct Ended {
    /// How many completed.
    pub(super) completed: f64,
    /// From the first request to the last end.
    pub(super) seconds: f64,
}

impl Load {
    pub(super) async fn on(env: StackEnv) -> Result<Self> {
        let database = PgPoolOptions::new().max_connections(2).connect(&env.database_url).await?;
        Ok(Self { env, client: Client::new(), database })
    }

    /// Has the model double live in `world`, and forget what it and the limits have been through.
    pub(super) async fn world(&self, world: &Value) -> Result<()> {
        self.over().await?;
        let url = format!("{}/_world", self.env.model_url);
        self.client.post(url).json(world).send().await?.error_for_status()?;
        sqlx::raw_sql(
            "DELETE FROM processing_model;
             UPDATE processing_capacity SET lowered_to = NULL, lowered_at = NULL",
        )
        .execute(&self.database)
        .await?;
        Ok(())
    }

    /// Has the model double be kind again.
    pub(super) async fn over(&self) -> Result<()> {
        let url = format!("{}/_reset", self.env.model_url);
        self.client.post(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// The tokens of `count` local users, whom no limit of requests keeps from asking.
    pub(super) async fn users(&self, name: &str, count: usize) -> Result<Vec<String>> {
        let mut tokens = Vec::new();
        for number in 0..count {
            let token = stack::token(&self.env, &format!("bench-{name}-{number}")).await?;
            let id = stack::subject(&token)?;
            sqlx::query(
                "INSERT INTO rate_limit (user_id, per_minute) VALUES ($1, 1000000)
                 ON CONFLICT (user_id) DO UPDATE SET per_minute = excluded.per_minute",
            )
            .bind(id)
            .execute(&self.database)
            .await?;
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// One job of each of `users`.
    pub(super) async fn submit(&self, users: &[&String]) -> Result<Submitted> {
        let mut submitted = Vec::new();
        for some in users.chunks(AT_ONCE) {
            let body = || json!({"type": "SUBGOAL_GENERATION", "params": goal()});
            let asked = some.iter().map(|user| self.generate(user, body()));
            for id in futures_util::future::join_all(asked).await {
                submitted.push(id?);
            }
        }
        Ok(submitted)
    }

    /// A chart to tasks.
    pub(super) async fn submit_chart(&self, user: &str) -> Result<Submitted> {
        let mut params = goal();
        params["depth"] = json!("tasks");
        let body = json!({"type": "CHART_GENERATION", "params": params});
        Ok(vec![self.generate(user, body).await?])
    }

    async fn generate(&self, user: &str, body: Value) -> Result<Uuid> {
        let (data, _) = self.post(user, "generate", &body).await?;
        data["processId"].as_str().and_then(|id| id.parse().ok()).context("no process id")
    }

    /// A batch; besides, the milliseconds until its answer.
    pub(super) async fn submit_batch(&self, user: &str, count: usize) -> Result<(f64, Submitted)> {
        let request = || json!({"type": "SUBGOAL_GENERATION", "params": goal()});
        let requests: Vec<Value> = (0..count).map(|_| request()).collect();
        let (data, took) = self.post(user, "batch", &json!({ "requests": requests })).await?;
        let results = data["results"].as_array().context("no results")?;
        let ids = results.iter().filter_map(|result| result["processId"].as_str()?.parse().ok());
        Ok((took.as_secs_f64() * 1e3, ids.collect()))
    }

    async fn post(&self, user: &str, route: &str, body: &Value) -> Result<(Value, Duration)> {
        let url = format!("{}/api/ai/async/{route}", self.env.api_url);
        let began = Instant::now();
        let answer = self.client.post(url).bearer_auth(user).json(body).send().await?;
        let (status, mut body): (_, Value) = (answer.status(), answer.json().await?);
        if status != 202 {
            bail!("{route} answered {status}: {body}");
        }
        Ok((body["data"].take(), began.elapsed()))
    }

    /// Waits until all have ended.
    pub(super) async fn until_ended(&self, submitted: &Submitted) -> Result<()> {
        let began = Instant::now();
        loop {
            let active: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM processing_state
                 WHERE id = ANY ($1) AND status IN ('PENDING', 'PROCESSING')",
            )
            .bind(submitted)
            .fetch_one(&self.database)
            .await?;
            if active == 0 {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("{active} processes have not ended after {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(super) async fn ended(&self, submitted: &Submitted) -> Result<Ended> {
        let row = sqlx::query(
            "SELECT (count(*) FILTER (WHERE status = 'COMPLETED'))::float8 AS completed,
                    extract(epoch FROM max(completed_at) - min(created_at))::float8 AS seconds
             FROM processing_state
             WHERE id = ANY ($1)",
        )
        .bind(submitted)
        .fetch_one(&self.database)
        .await?;
        Ok(Ended { completed: row.try_get("completed")?, seconds: row.try_get("seconds")? })
    }

    /// Seconds from each request to its end.
    pub(super) async fn durations(&self, submitted: &Submitted) -> Result<Vec<f64>> {
        self.numbers(
            "SELECT extract(epoch FROM completed_at - created_at)::float8
             FROM processing_state
             WHERE id = ANY ($1)",
            submitted,
        )
        .await
    }

    /// Milliseconds from the last end of one of them to the admission of each that had waited.
    pub(super) async fn idle_gaps(&self, submitted: &Submitted) -> Result<Vec<f64>> {
        self.numbers(
            "SELECT 1000 * extract(epoch FROM event.at - (
                        SELECT max(completed_at)
                        FROM processing_state
                        WHERE id = ANY ($1) AND completed_at <= event.at
                    ))::float8
             FROM processing_event event
             WHERE event.process_id = ANY ($1) AND event.kind = 'admitted'
               AND EXISTS (
                   SELECT FROM processing_state
                   WHERE id = ANY ($1) AND completed_at <= event.at
               )",
            submitted,
        )
        .await
    }

    async fn numbers(&self, query: &'static str, submitted: &Submitted) -> Result<Vec<f64>> {
        let rows = sqlx::query(query).bind(submitted).fetch_all(&self.database).await?;
        rows.iter().map(|row: &PgRow| Ok(row.try_get(0)?)).collect()
    }

    /// The model calls since the world began, and how many of them were throttled.
    pub(super) async fn calls(&self) -> Result<(f64, f64)> {
        let url = format!("{}/_calls", self.env.model_url);
        let told: Value = self.client.get(url).send().await?.json().await?;
        let calls = told["calls"].as_array().context("no calls")?;
        let throttled = calls.iter().filter(|call| call["outcome"] == "throttled").count();
        Ok((figure(calls.len()), figure(throttled)))
    }
}

/// The params of a goal that nobody else has.
#[expect(clippy::disallowed_methods, reason = "the stack lives on between runs")]
fn goal() -> Value {
    let deadline = (Utc::now() + Days::new(365)).to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({
        "goalId": Uuid::new_v4(),
        "title": "英語で話せるようになる",
        "description": "一年後に会議で話す",
        "deadline": deadline,
        "background": "読むことはできる",
    })
}
