//! A night on duty: the stack, what is broken in it, and the commands that are asked.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, types::Uuid};
use system_tests::{Goal, Stack, User};
use tokio::sync::{Mutex, MutexGuard};

/// One trouble at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

pub const API: &str = "async-processing-handler";
pub const DIAGNOSTICS: &str = "diagnostics";
pub const WORKER: &str = "ai-generation-worker";
/// The schedule of the sweeps, and the events of ended executions.
pub const RULES: [&str; 2] = ["reconciler-sweep", "reconciler-execution-ended"];

/// The stack, for one trouble.
pub struct Night {
    pub stack: Stack,
    _alone: MutexGuard<'static, ()>,
}

impl Night {
    pub async fn begins() -> Self {
        let alone = ONE_AT_A_TIME.lock().await;
        let stack = Stack::up().await;
        stack.model_reset().await;
        let night = Self { stack, _alone: alone };
        // What other tests had fail is not this night's trouble: it is a day ago.
        night
            .sql(
                "UPDATE processing_state
                 SET created_at = created_at - interval '1 day',
                     completed_at = completed_at - interval '1 day',
                     updated_at = updated_at - interval '1 day'
                 WHERE status IN ('FAILED', 'TIMEOUT') AND completed_at > now() - interval '1 day'",
            )
            .await;
        night
    }

    pub async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.stack.database).await.unwrap();
    }

    /// Changes the process's row by hand.
    pub async fn change(&self, id: &str, assignment: &str) {
        self.sql(&format!("UPDATE processing_state SET {assignment} WHERE id = '{id}'")).await;
    }

    pub async fn text(&self, sql: &str) -> String {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&self.stack.database)
            .await
            .unwrap()
    }

    /// The rules by which the reconciler has repaired the process.
    pub async fn repairs(&self, id: &str) -> Vec<String> {
        let select = "SELECT detail ->> 'rule' FROM processing_event
                      WHERE process_id = $1 AND actor = 'reconciler' ORDER BY id";
        sqlx::query_scalar(select)
            .bind(Uuid::parse_str(id).unwrap())
            .fetch_all(&self.stack.database)
            .await
            .unwrap()
    }

    /// A process that has come to its end, well.
    pub async fn completed(&self, user: &User, title: &str) -> String {
        let id = user.submit(&Goal::new(title)).await;
        let process = user.wait_for_end(&id).await;
        assert_eq!(process["status"], "COMPLETED", "{process}");
        id
    }

    /// A process whose model takes `seconds` to answer, and is being asked.
    pub async fn running(&self, user: &User, title: &str, seconds: u64) -> String {
        let goal = Goal::new(title);
        self.stack.fault(&goal, json!({"delayMs": seconds * 1_000})).await;
        let id = user.submit(&goal).await;
        user.wait_until(&id, "asking the model", |process| process["progress"] == 50).await;
        id
    }

    /// What an operator's command answers, by direct invocation.
    pub async fn ask(&self, function: &str, payload: Value) -> Value {
        let answer = self.stack.invoke(function, &payload).await;
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].clone()
    }

    pub async fn sweep(&self) -> Value {
        self.ask("reconciler", json!({})).await
    }

    /// What `aigen process ID` is answered.
    pub async fn process(&self, id: &str) -> Value {
        let ask = json!({"check": "process", "processId": id, "lang": "en"});
        self.ask(DIAGNOSTICS, ask).await
    }

    /// What `aigen health` is answered.
    pub async fn health(&self) -> Health {
        Health(self.ask(DIAGNOSTICS, json!({"check": "health", "lang": "en"})).await)
    }

    /// The function's environment variables.
    pub async fn variables(&self, function: &str) -> Value {
        let args = ["lambda", "get-function-configuration", "--function-name", function];
        let configuration = self.stack.aws(&args).await.unwrap();
        configuration["Environment"]["Variables"].clone()
    }

    /// Gives the function these variables, and thereby fresh execution environments.
    pub async fn set_variables(&self, function: &str, variables: &Value) {
        let environment = json!({ "Variables": variables }).to_string();
        let args = ["lambda", "update-function-configuration", "--function-name", function];
        let with = ["--environment", environment.as_str()];
        self.stack.aws(&[&args[..], &with].concat()).await.unwrap();
    }

    /// What is seen while the function has other variables; `None` takes one away.
    pub async fn with_variables<T>(
        &self,
        function: &str,
        changes: &[(&str, Option<&str>)],
        look: impl Future<Output = T>,
    ) -> T {
        let right = self.variables(function).await;
        let mut wrong = right.clone();
        for (name, value) in changes {
            match value {
                Some(value) => wrong[*name] = json!(value),
                None => drop(wrong.as_object_mut().unwrap().remove(*name)),
            }
        }
        self.set_variables(function, &wrong).await;
        then(look, self.set_variables(function, &right)).await
    }

    /// What `diagnostics` says of health with these variables.
    pub async fn health_with(&self, changes: &[(&str, Option<&str>)]) -> Health {
        self.with_variables(DIAGNOSTICS, changes, self.health()).await
    }

    /// What is seen while both of the reconciler's rules are switched off.
    pub async fn deaf<T>(&self, look: impl Future<Output = T>) -> T {
        self.switch_rules("disable-rule").await;
        then(look, self.switch_rules("enable-rule")).await
    }

    async fn switch_rules(&self, how: &str) {
        for rule in RULES {
            self.stack.aws(&["events", how, "--name", rule]).await.unwrap();
        }
    }

    /// What is seen while the function may run no invocation.
    pub async fn switched_off<T>(&self, function: &str, look: impl Future<Output = T>) -> T {
        let name = ["--function-name", function];
        let off = ["lambda", "put-function-concurrency", "--reserved-concurrent-executions", "0"];
        self.stack.aws(&[&off[..], &name].concat()).await.unwrap();
        let on = async {
            let on = ["lambda", "delete-function-concurrency"];
            self.stack.aws(&[&on[..], &name].concat()).await.unwrap();
        };
        then(look, on).await
    }
}

/// What comes of `look`, after `put_right`, which comes to pass also when `look` panics.
pub async fn then<T>(look: impl Future<Output = T>, put_right: impl Future<Output = ()>) -> T {
    let seen = AssertUnwindSafe(look).catch_unwind().await;
    put_right.await;
    seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// An answer of `health`.
#[derive(Debug)]
pub struct Health(pub Value);

impl Health {
    /// The finding of this code.
    pub fn finding(&self, code: &str) -> &Value {
        let found = self.0["findings"].as_array().unwrap();
        found.iter().find(|it| it["code"] == code).unwrap_or_else(|| panic!("{code}: {self:?}"))
    }

    /// That the finding of this code is the first, that its evidence says `cause`, and that it says
    /// what to do.
    pub fn names(&self, code: &str, cause: &str) {
        let first = &self.0["findings"][0];
        assert_eq!(first["code"], code, "{self:?}");
        self.tells(code, cause);
    }

    /// The same of a finding that others may stand before.
    pub fn tells(&self, code: &str, cause: &str) {
        let finding = self.finding(code);
        let (evidence, summary) = (finding["evidence"].to_string(), finding["summary"].as_str());
        let is_said = evidence.contains(cause) || summary.unwrap().contains(cause);
        assert!(is_said, "{code} does not say {cause:?}: {finding}");
        assert!(!finding["nextSteps"].as_array().unwrap().is_empty(), "{finding}");
    }

    /// The first command that the finding of this code names.
    pub fn command(&self, code: &str) -> &str {
        let steps = self.finding(code)["nextSteps"].as_array().unwrap();
        steps.iter().find_map(|step| step["command"].as_str()).unwrap()
    }
}
