//! Least privilege, proven: each function does all that it does, the gateway writes down every call
//! of AWS that its role makes, and the deployed policies are compared with that. The whole system
//! test runs under these policies, so that what is missing fails there too; this one also finds
//! what nobody needs. A file of its own: it sets limits for everybody.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use system_tests::{
    Goal, PATIENCE, Stack, User,
    policy::{Call, Statement, missing, superfluous},
};
use tokio::time::{Duration, Instant, sleep};

const FUNCTIONS: [&str; 7] = [
    "async-processing-handler",
    "ai-generation-worker",
    "retry-handler",
    "cancel-handler",
    "reconciler",
    "diagnostics",
    "migrator",
];

/// What not the function's code but Lambda itself does by the role: it writes the log, and puts an
/// event that failed into the queue.
const BY_LAMBDA: [&str; 2] = ["WriteOwnLogs", "KeepFailedEvents"];

/// The stack, and who asks it.
struct Everything {
    stack: Stack,
    user: User,
}

impl Everything {
    async fn operate(&self, payload: Value) -> Value {
        let answer = self.stack.invoke("reconciler", &payload).await;
        assert_eq!(answer["success"], true, "{payload}: {answer}");
        answer["data"].clone()
    }

    async fn sql(&self, id: &str, assignment: &str) {
        let update = format!("UPDATE processing_state SET {assignment} WHERE id = '{id}'");
        sqlx::raw_sql(AssertSqlSafe(update)).execute(&self.stack.database).await.unwrap();
    }

    /// A process of a user of its own whose model takes so long.
    async fn submit(&self, name: &str, delay_ms: u64) -> (User, String) {
        let (user, goal) = (self.stack.new_user().await, Goal::new(name));
        self.stack.fault(&goal, json!({"delayMs": delay_ms})).await;
        let id = user.submit(&goal).await;
        (user, id)
    }

    async fn is_asking(&self, user: &User, id: &str) {
        user.wait_until(id, "asking the model", |process| process["progress"] == 50).await;
    }

    /// Begins a new record, with environments that know nothing yet: they read their secrets again.
    async fn begin(&self) {
        std::fs::write(&self.stack.env.calls_file, "").unwrap();
        for function in FUNCTIONS {
            let of = ["lambda", "get-function-configuration", "--function-name", function];
            let configuration = self.stack.aws(&of).await.unwrap();
            let variables = &configuration["Environment"]["Variables"];
            let mut marked = variables.clone();
            marked["POLICY_TEST"] = json!("fresh");
            for variables in [&marked, variables] {
                let environment = json!({"Variables": variables}).to_string();
                let set = ["lambda", "update-function-configuration", "--function-name", function];
                let with = ["--environment", environment.as_str()];
                self.stack.aws(&[&set[..], &with[..]].concat()).await.unwrap();
            }
        }
    }

    /// What others have left running would take the one call that is free.
    async fn alone(&self) {
        let end = r#"UPDATE processing_state
            SET status = 'FAILED', completed_at = now(),
                error = '{"code":"MANUAL_INTERVENTION","message":"left by another test"}'
            WHERE status IN ('PENDING', 'PROCESSING')"#;
        sqlx::raw_sql(end).execute(&self.stack.database).await.unwrap();
        self.operate(json!({})).await;
    }

    /// Who ends, starts what waits: the cancel handler here, and a worker there.
    async fn start_what_waits(&self) {
        self.operate(json!({"action": "limit", "calls": 1, "by": "policy"})).await;
        let (first, running) = self.submit("取り消される目標", 110_000).await;
        self.is_asking(&first, &running).await;
        let (second, waiting) = self.submit("待っている目標", 1_000).await;
        // A worker starts somebody at its end who waited when it began.
        let (third, last) = self.submit("最後に始まる目標", 0).await;
        let cancelled = first.post(&format!("/cancel/{running}"), &json!({})).await;
        assert_eq!(cancelled.status, 200, "{cancelled:?}");
        assert_eq!(second.wait_for_end(&waiting).await["status"], "COMPLETED");
        assert_eq!(third.wait_for_end(&last).await["status"], "COMPLETED");
        self.operate(json!({"action": "limit", "reset": true, "by": "policy"})).await;
    }

    /// One fails, its log is searched, and it is retried.
    async fn fail_and_retry(&self) -> String {
        let goal = Goal::new("失敗してやり直す目標");
        self.stack.fault(&goal, json!({"garbage": 100})).await;
        let id = self.user.submit(&goal).await;
        assert_eq!(self.user.wait_for_end(&id).await["status"], "FAILED");
        let deadline = Instant::now() + PATIENCE;
        while self.stack.execution(&id).await["status"] == "RUNNING" {
            assert!(Instant::now() < deadline);
            sleep(Duration::from_millis(100)).await;
        }
        // As if nobody had settled it: the reconciler looks at the execution, and into the log.
        self.sql(&id, "status = 'PROCESSING', error = NULL, completed_at = NULL").await;
        self.operate(json!({"processId": id})).await;
        self.stack.model_reset().await;
        let retried = self.user.post(&format!("/retry/{id}"), &json!({})).await;
        assert_eq!(retried.status, 202, "{retried:?}");
        let retry = retried.body["data"]["processId"].as_str().unwrap().to_owned();
        assert_eq!(self.user.wait_for_end(&retry).await["status"], "COMPLETED");
        id
    }

    /// The worker looks once a second whether its process has ended, and may end before the sweep
    /// comes: then there is nothing to stop, and it is tried again.
    async fn start_and_stop_by_sweep(&self) {
        let is_stop =
            |call: &Call| call.action == "states:StopExecution" && call.role.contains("Reconciler");
        for _ in 0..10 {
            self.start_and_stop().await;
            if recorded(&self.stack).iter().any(is_stop) {
                return;
            }
        }
    }

    /// What a pause held the reconciler starts, and what was ended by hand it stops.
    async fn start_and_stop(&self) {
        self.operate(json!({"action": "pause", "by": "policy"})).await;
        let (user, id) = self.submit("掃除で止まる目標", 110_000).await;
        self.operate(json!({"action": "resume", "by": "policy"})).await;
        self.is_asking(&user, &id).await;
        self.sql(
            &id,
            r#"status = 'FAILED', error = '{"code":"MANUAL_INTERVENTION","message":"by hand"}',
               completed_at = now()"#,
        )
        .await;
        self.operate(json!({})).await;
        assert_ne!(self.stack.execution(&id).await["status"], "RUNNING");
    }

    async fn look_at_everything(&self, id: &str) {
        let hours = |check: &str| json!({"check": check, "hours": 1});
        for look in [
            json!({"check": "health"}),
            json!({"check": "process", "processId": id}),
            json!({"check": "logs", "processId": id, "hours": 1}),
            hours("performance"),
            json!({"check": "list"}),
            hours("stats"),
            hours("errors"),
            json!({"check": "export"}),
            json!({"check": "candidates", "action": "retry"}),
        ] {
            let answer = self.stack.invoke("diagnostics", &look).await;
            assert_eq!(answer["success"], true, "{look}: {answer}");
        }
        // Nothing is to be applied, but the functions' roles are looked after.
        let answer = self.stack.invoke("migrator", &json!({})).await;
        assert_eq!(answer["success"], true, "{answer}");
    }

    async fn model_calls(&self) -> Vec<String> {
        let calls = self.stack.model_calls().await;
        let calls = calls["calls"].as_array().unwrap();
        calls.iter().map(|call| call["model"].as_str().unwrap().to_owned()).collect()
    }
}

/// The role of each function, and what it may do.
async fn policies(stack: &Stack) -> BTreeMap<String, (String, Vec<Statement>)> {
    let mut policies = BTreeMap::new();
    for function in FUNCTIONS {
        let of = ["lambda", "get-function-configuration", "--function-name", function];
        let configuration = stack.aws(&of).await.unwrap();
        let role = configuration["Role"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let of = ["iam", "list-attached-role-policies", "--role-name", &role];
        let attached = stack.aws(&of).await.unwrap();
        assert_eq!(attached["AttachedPolicies"], json!([]), "{function}: all is spelled out");
        let listed = stack.aws(&["iam", "list-role-policies", "--role-name", &role]).await.unwrap();
        let mut statements = Vec::new();
        for name in listed["PolicyNames"].as_array().unwrap() {
            let name = name.as_str().unwrap();
            let of = ["iam", "get-role-policy", "--role-name", &role, "--policy-name", name];
            let policy = stack.aws(&of).await.unwrap();
            statements.extend(Statement::all_of(&policy["PolicyDocument"]));
        }
        assert!(!statements.is_empty(), "{function} may nothing");
        policies.insert(function.to_owned(), (role, statements));
    }
    policies
}

/// What invoking these models by their inference profiles asks of a policy: both the profile, and
/// the model that it leads to. The gateway does not see these calls, which go to the model double.
fn invocations(role: &str, models: &[String]) -> BTreeSet<Call> {
    let call = |resource: String| Call {
        role: role.to_owned(),
        action: "bedrock:InvokeModel".to_owned(),
        resource,
        allowed: true,
    };
    let of = |model: &String| {
        let (_, foundation) = model.split_once('.').unwrap();
        [
            call(format!("arn:aws:bedrock:us-east-1:000000000000:inference-profile/{model}")),
            call(format!("arn:aws:bedrock:eu-west-1::foundation-model/{foundation}")),
        ]
    };
    models.iter().flat_map(of).collect()
}

fn recorded(stack: &Stack) -> BTreeSet<Call> {
    let text = std::fs::read_to_string(&stack.env.calls_file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_function_may_do_what_it_does_and_nothing_else() {
    let stack = Stack::up().await;
    stack.model_reset().await;
    let user = stack.new_user().await;
    let all = Everything { stack, user };
    all.begin().await;
    all.alone().await;
    all.start_what_waits().await;
    let failed = all.fail_and_retry().await;
    all.start_and_stop_by_sweep().await;
    let of_workers = all.model_calls().await;
    all.look_at_everything(&failed).await;
    let of_diagnostics = all.model_calls().await[of_workers.len()..].to_vec();
    assert!(!of_workers.is_empty() && !of_diagnostics.is_empty());

    let recorded = recorded(&all.stack);
    for (function, (role, statements)) in policies(&all.stack).await {
        let mut calls: BTreeSet<Call> =
            recorded.iter().filter(|call| call.role == role).cloned().collect();
        match function.as_str() {
            "ai-generation-worker" => calls.extend(invocations(&role, &of_workers)),
            "diagnostics" => calls.extend(invocations(&role, &of_diagnostics)),
            _ => {}
        }
        let missing_now = missing(&calls, &statements);
        assert_eq!(missing_now, Vec::<&Call>::new(), "{function} needs more");
        let too_much = superfluous(&calls, &statements, &BY_LAMBDA);
        assert_eq!(too_much, Vec::<String>::new(), "{function} needs less");
        // The comparison can fail: without any one of its statements the function lacks something.
        for statement in &statements {
            let less: Vec<_> = statements.iter().filter(|it| *it != statement).cloned().collect();
            let is_code = !BY_LAMBDA.contains(&statement.sid.as_str());
            assert_eq!(
                !missing(&calls, &less).is_empty(),
                is_code,
                "{function} without {}",
                statement.sid
            );
        }
    }
}
