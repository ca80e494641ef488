//! What the system tests share: the local stack as its users see it, over HTTP, by the AWS command
//! line and in the database.
//!
//! Tests run at the same time on one stack. Each has users, goals and prompts of its own, and aims
//! the model double's faults at the text of its own goal, so that none can disturb another.
#![allow(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once and say where"
)]

mod answer;
mod goal;
mod killing;
pub mod policy;

use std::time::Duration;

use aigen::stack::{self, StackEnv};
use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::{process::Command, time::Instant};

pub use self::{answer::Answer, goal::Goal};

/// How long a test waits for what must happen, before it says that it did not. Generous: it only
/// matters when a test fails.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A local stack that is up.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Where its parts are.
    pub env: StackEnv,
    /// Its database.
    pub database: PgPool,
    http: reqwest::Client,
}

/// A user who is logged in.
#[derive(Debug, Clone)]
pub struct User {
    stack: Stack,
    token: String,
}

/// The operators' program, as it was built beside the test.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn aigen() -> std::path::PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("aigen");
    assert!(program.is_file(), "{} is not there: cargo build -p aigen", program.display());
    program
}

impl Stack {
    /// The stack that `cargo aigen test` brought up.
    ///
    /// # Panics
    /// Without one, saying what to run.
    pub async fn up() -> Self {
        Self::of(StackEnv::from_env().unwrap()).await
    }

    /// The stack that is reached so.
    ///
    /// # Panics
    /// Where its database lets nobody in.
    pub async fn of(env: StackEnv) -> Self {
        let database =
            PgPoolOptions::new().max_connections(2).connect(&env.database_url).await.unwrap();
        Self { env, database, http: reqwest::Client::new() }
    }

    /// Logs a user in whom no other test knows.
    pub async fn new_user(&self) -> User {
        let name = format!("user-{}", fresh_id());
        User { stack: self.clone(), token: stack::token(&self.env, &name).await.unwrap() }
    }

    /// A caller with `token`, whatever it is worth.
    #[must_use]
    pub fn bearer(&self, token: &str) -> User {
        User { stack: self.clone(), token: token.to_owned() }
    }

    /// A request without a token.
    pub async fn get_anonymously(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path)).send().await).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/ai/async{path}", self.env.api_url)
    }

    /// Stores a goal of `user_id` with eight sub-goals, and eight actions under each if `actions`,
    /// as an app would. Gives the sub-goals' or the actions' ids with their titles, in the order of
    /// the chart.
    pub async fn plant(
        &self,
        goal: &Goal,
        user_id: &str,
        actions: bool,
    ) -> Vec<(uuid::Uuid, String)> {
        let insert = "INSERT INTO goals (id, user_id, title, description, deadline, background)
                      VALUES ($1, $2, $3, '説明', '2099-12-31', '背景')";
        sqlx::query(insert)
            .bind(goal.id)
            .bind(user_id)
            .bind(&goal.title)
            .execute(&self.database)
            .await
            .unwrap();
        let insert = "INSERT INTO sub_goals (id, goal_id, position, title, description, background)
                      SELECT gen_random_uuid(), $1, n, $2 || ' の柱' || n, '説明', '背景'
                      FROM generate_series(0, 7) n";
        sqlx::query(insert).bind(goal.id).bind(&goal.title).execute(&self.database).await.unwrap();
        let mut select = "SELECT id, title FROM sub_goals WHERE goal_id = $1 ORDER BY position";
        if actions {
            let insert = "INSERT INTO actions
                              (id, sub_goal_id, position, title, description, background, type)
                          SELECT gen_random_uuid(), id, n, title || ' の行動' || n || '番',
                                 '説明', '背景', 'EXECUTION'
                          FROM sub_goals, generate_series(0, 7) n WHERE goal_id = $1";
            sqlx::query(insert).bind(goal.id).execute(&self.database).await.unwrap();
            select = "SELECT a.id, a.title
                      FROM actions a JOIN sub_goals s ON s.id = a.sub_goal_id
                      WHERE s.goal_id = $1 ORDER BY s.position, a.position";
        }
        sqlx::query_as(select).bind(goal.id).fetch_all(&self.database).await.unwrap()
    }

    /// How many rows a query counts for the goal.
    pub async fn count(&self, query: &'static str, goal: &Goal) -> i64 {
        sqlx::query_scalar(query).bind(goal.id).fetch_one(&self.database).await.unwrap()
    }

    /// What the events of a process's history say, in their order: kind and detail.
    pub async fn history(&self, process_id: &str) -> Vec<(String, Option<Value>)> {
        sqlx::query_as(
            "SELECT kind, detail FROM processing_event WHERE process_id = $1::uuid ORDER BY id",
        )
        .bind(process_id)
        .fetch_all(&self.database)
        .await
        .unwrap()
    }

    /// What the model double has seen since it started.
    pub async fn model_calls(&self) -> Value {
        Answer::of(self.http.get(format!("{}/_calls", self.env.model_url)).send().await).await.body
    }

    /// Has the model double treat the calls whose prompt contains `text` as `faults` say.
    pub async fn fault_at(&self, text: &str, mut faults: Value) {
        faults["match"] = json!(text);
        let answer = Answer::of(
            self.http.post(format!("{}/_faults", self.env.model_url)).json(&faults).send().await,
        )
        .await;
        assert!(answer.status < 300, "{answer:?}");
    }

    /// Has the model double live in this world. It meets every process there is.
    pub async fn model_world(&self, world: Value) {
        self.model_reset().await;
        let answer = self.http.post(format!("{}/_world", self.env.model_url)).json(&world);
        let answer = Answer::of(answer.send().await).await;
        assert!(answer.status < 300, "{answer:?}");
    }

    /// Has the model double be kind again, and forget what it was asked.
    pub async fn model_reset(&self) {
        let answer = self.http.post(format!("{}/_reset", self.env.model_url)).send().await;
        let answer = Answer::of(answer).await;
        assert!(answer.status < 300, "{answer:?}");
    }

    /// Has the model double treat the next calls whose prompt contains `goal` as `faults` say.
    pub async fn fault(&self, goal: &Goal, faults: Value) {
        self.fault_at(&goal.title, faults).await;
    }

    /// Runs the stack's `aws` and reads its JSON.
    pub async fn aws(&self, args: &[&str]) -> Result<Value> {
        let output = Command::new("aws")
            .args(args)
            .args(["--output", "json"])
            .envs(self.env.variables())
            .kill_on_drop(true)
            .output()
            .await
            .context("the stack's aws cannot be started")?;
        ensure!(
            output.status.success(),
            "aws {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        if output.stdout.is_empty() {
            Ok(Value::Null)
        } else {
            Ok(serde_json::from_slice(&output.stdout)?)
        }
    }

    /// Invokes a function directly, as an operator does, and gives its payload.
    pub async fn invoke(&self, function: &str, payload: &Value) -> Value {
        let file = std::env::temp_dir().join(format!("invoke-{}.json", fresh_id()));
        let payload = payload.to_string();
        let args = ["lambda", "invoke", "--function-name", function, "--payload", &payload];
        let path = file.to_str().unwrap().to_owned();
        self.aws(&[&args[..], &[path.as_str()]].concat()).await.unwrap();
        let answer = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    /// The execution that drives `process_id`.
    pub async fn execution(&self, process_id: &str) -> Value {
        let arn = format!(
            "{}:{process_id}",
            self.env.state_machine_arn.replacen(":stateMachine:", ":execution:", 1)
        );
        self.aws(&["stepfunctions", "describe-execution", "--execution-arn", &arn]).await.unwrap()
    }

    /// The types of the events in the history of the execution of `process_id`.
    pub async fn execution_events(&self, process_id: &str) -> Vec<String> {
        let arn = format!(
            "{}:{process_id}",
            self.env.state_machine_arn.replacen(":stateMachine:", ":execution:", 1)
        );
        let history = self
            .aws(&["stepfunctions", "get-execution-history", "--execution-arn", &arn])
            .await
            .unwrap();
        history["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The titles of the goal's sub-goals by position.
    pub async fn sub_goals(&self, goal: &Goal) -> Vec<(i16, String)> {
        sqlx::query_as("SELECT position, title FROM sub_goals WHERE goal_id = $1 ORDER BY position")
            .bind(goal.id)
            .fetch_all(&self.database)
            .await
            .unwrap()
    }
}

impl User {
    /// Any request, with the token and these headers.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .stack
            .http
            .request(method, self.stack.url(path))
            .bearer_auth(&self.token)
            .body(body.to_owned());
        Answer::of(
            headers
                .iter()
                .fold(request, |request, (name, value)| request.header(*name, *value))
                .send()
                .await,
        )
        .await
    }

    /// The `sub` of the token: how the database and the logs name the user.
    #[must_use]
    pub fn id(&self) -> String {
        let payload = BASE64_URL_SAFE_NO_PAD.decode(self.token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()["sub"].as_str().unwrap().to_owned()
    }

    /// The token itself.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Gives the user a rate limit of their own, with the statement that operators use.
    pub async fn limit_to(&self, per_minute: i32) {
        let insert = "INSERT INTO rate_limit (user_id, per_minute) VALUES ($1, $2)
                      ON CONFLICT (user_id) DO UPDATE SET per_minute = excluded.per_minute";
        sqlx::query(insert)
            .bind(self.id())
            .bind(per_minute)
            .execute(&self.stack.database)
            .await
            .unwrap();
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.stack.http.get(self.stack.url(path)).bearer_auth(&self.token).send().await)
            .await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    /// `POST path` with whatever body, said to be JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        let request = self.stack.http.post(self.stack.url(path)).bearer_auth(&self.token);
        Answer::of(
            request.header("content-type", "application/json").body(body.to_owned()).send().await,
        )
        .await
    }

    /// Submits `goal` and gives the process id of the 202.
    pub async fn submit(&self, goal: &Goal) -> String {
        let answer = self.post("/generate", &goal.request()).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.data()["processId"].as_str().unwrap().to_owned()
    }

    /// Submits a generation of another type and gives the process id of the 202.
    pub async fn submit_type(&self, process_type: &str, params: Value) -> String {
        let answer = self.post("/generate", &json!({"type": process_type, "params": params})).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.data()["processId"].as_str().unwrap().to_owned()
    }

    /// The `sub` that the functions know this user by.
    pub async fn sub(&self) -> String {
        let goal = Goal::new("自分を知る");
        let id = self.submit(&goal).await;
        self.wait_for_end(&id).await;
        sqlx::query_scalar("SELECT user_id FROM processing_state WHERE id = $1::uuid")
            .bind(id)
            .fetch_one(&self.stack.database)
            .await
            .unwrap()
    }

    /// The process as the API tells it.
    pub async fn status(&self, process_id: &str) -> Value {
        let answer = self.get(&format!("/status/{process_id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.data().clone()
    }

    /// Polls until `reached`.
    pub async fn wait_until(
        &self,
        process_id: &str,
        what: &str,
        reached: impl Fn(&Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let process = self.status(process_id).await;
            if reached(&process) {
                return process;
            }
            assert!(Instant::now() < deadline, "never came to be {what}: {process}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Polls until the process has ended.
    pub async fn wait_for_end(&self, process_id: &str) -> Value {
        self.wait_until(process_id, "terminal", |process| {
            !matches!(process["status"].as_str(), Some("PENDING" | "PROCESSING"))
        })
        .await
    }
}

/// An id that no other run has used.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a test stack may live on between runs")]
pub fn fresh_id() -> uuid::Uuid {
    uuid::Uuid::new_v4()
}
