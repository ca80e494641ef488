//! Every drift that the local stack can be brought to, made for real, and what one sweep makes of
//! it. A file of its own: while it runs the reconciler hears of no event and of no schedule, so
//! that only the sweeps of these tests see anything.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, types::Uuid};
use system_tests::{Goal, PATIENCE, Stack, User, fresh_id};
use tokio::sync::Mutex;

/// One test at a time: a sweep sees everybody's processes.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Long enough for a test to look at a process while its model is being asked.
const SLOW: u64 = 40_000;

/// What operators write when they end a process by hand.
const MANUAL: &str =
    r#"error='{"code":"MANUAL_INTERVENTION","message":"stuck"}', completed_at=NOW()"#;

/// The stack with the reconciler's rules switched off.
struct Deaf {
    stack: Stack,
    rules: Vec<String>,
}

impl Deaf {
    async fn new() -> Self {
        let stack = Stack::up().await;
        let listed = stack.aws(&["events", "list-rules"]).await.unwrap();
        let names = listed["Rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["Name"].as_str().unwrap().to_owned());
        let rules: Vec<String> = names.filter(|name| name.starts_with("reconciler-")).collect();
        assert_eq!(rules.len(), 2, "the schedule and the events: {listed}");
        for rule in &rules {
            stack.aws(&["events", "disable-rule", "--name", rule]).await.unwrap();
        }
        Self { stack, rules }
    }

    async fn hear_again(self) {
        for rule in &self.rules {
            self.stack.aws(&["events", "enable-rule", "--name", rule]).await.unwrap();
        }
    }

    async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.stack.database).await.unwrap();
    }

    async fn change(&self, id: &str, assignment: &str) {
        self.sql(&format!("UPDATE processing_state SET {assignment} WHERE id = '{id}'")).await;
    }

    /// A process whose model is being asked, and will be for long.
    async fn running(&self, user: &User, name: &str) -> String {
        let goal = Goal::new(name);
        self.stack.fault(&goal, json!({"delayMs": SLOW})).await;
        let id = user.submit(&goal).await;
        user.wait_until(&id, "asking the model", |process| process["progress"] == 50).await;
        id
    }

    async fn completed(&self, user: &User, name: &str) -> String {
        let id = user.submit(&Goal::new(name)).await;
        assert_eq!(user.wait_for_end(&id).await["status"], "COMPLETED");
        id
    }

    /// A row that looks like that of `model`, for a goal of its own, and has no execution.
    async fn row_like(&self, model: &str, assignment: &str) -> String {
        let (id, goal) = (fresh_id(), fresh_id());
        self.sql(&format!(
            "INSERT INTO processing_state
                 (id, user_id, type, target_id, params, created_at, updated_at)
             SELECT '{id}', user_id, type, '{goal}',
                    jsonb_set(params, '{{goalId}}', '\"{goal}\"'),
                    now() - interval '10 minutes', now() - interval '10 minutes'
             FROM processing_state WHERE id = '{model}'"
        ))
        .await;
        if !assignment.is_empty() {
            self.change(&id.to_string(), assignment).await;
        }
        id.to_string()
    }

    async fn start(&self, id: &str, input: &str) {
        let machine = &self.stack.env.state_machine_arn;
        let args = [
            "stepfunctions",
            "start-execution",
            "--state-machine-arn",
            machine,
            "--name",
            id,
            "--input",
            input,
        ];
        self.stack.aws(&args).await.unwrap();
    }

    async fn abort(&self, id: &str) {
        let arn = self.stack.execution(id).await["executionArn"].as_str().unwrap().to_owned();
        self.stack
            .aws(&["stepfunctions", "stop-execution", "--execution-arn", &arn])
            .await
            .unwrap();
    }

    async fn wait_for_execution(&self, id: &str, status: &str) {
        for _ in 0..300 {
            if self.stack.execution(id).await["status"] == status {
                return;
            }
        }
        panic!("the execution of {id} never was {status}");
    }

    async fn invoke(&self, payload: Value) -> Value {
        let answer = self.stack.invoke("reconciler", &payload).await;
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].clone()
    }

    /// Status, progress, error code, and whether it has a time of end.
    async fn row(&self, id: &str) -> (String, i16, Option<String>, bool) {
        let select = "SELECT status, progress, error ->> 'code', completed_at IS NOT NULL
                      FROM processing_state WHERE id = $1";
        sqlx::query_as(select)
            .bind(Uuid::parse_str(id).unwrap())
            .fetch_one(&self.stack.database)
            .await
            .unwrap()
    }

    /// The rules by which the reconciler has repaired it.
    async fn repairs(&self, id: &str) -> Vec<String> {
        let select = "SELECT detail ->> 'rule' FROM processing_event
                      WHERE process_id = $1 AND actor = 'reconciler' ORDER BY id";
        sqlx::query_scalar(select)
            .bind(Uuid::parse_str(id).unwrap())
            .fetch_all(&self.stack.database)
            .await
            .unwrap()
    }

    /// Every drift, made for real: the process, the rules that must hold, and what it must come to.
    async fn make_every_drift(
        &self,
        user: &User,
    ) -> Vec<(String, &'static [&'static str], &'static str, Option<&'static str>)> {
        let model = self.completed(user, "手本になる目標").await;
        let mut made: Vec<(String, &[&str], &str, Option<&str>)> = Vec::new();

        made.push((self.row_like(&model, "").await, &["R1"], "PENDING", None));

        let result_kept = self.completed(user, "結果はある目標").await;
        self.change(&result_kept, "status = 'PROCESSING', progress = 50, completed_at = NULL")
            .await;
        made.push((result_kept, &["R3"], "COMPLETED", None));

        let result_lost = self.completed(user, "結果がない目標").await;
        self.change(
            &result_lost,
            "status = 'PROCESSING', progress = 50, completed_at = NULL, result = NULL",
        )
        .await;
        made.push((result_lost, &["R4"], "FAILED", Some("RESULT_MISSING")));

        // Without a process id neither the work nor its settling can be done, so the execution
        // fails behind everybody's back.
        let failed = self.row_like(&model, "").await;
        self.start(&failed, "{}").await;
        self.wait_for_execution(&failed, "FAILED").await;
        made.push((failed, &["R5"], "FAILED", Some("INTERNAL_ERROR")));

        let aborted = self.running(user, "外から止められる目標").await;
        self.abort(&aborted).await;
        made.push((aborted, &["R7"], "CANCELLED", None));

        made.push((
            self.row_like(&model, "execution_arn = 'arn:aws:states:gone'").await,
            &["R8"],
            "FAILED",
            Some("EXECUTION_NOT_FOUND"),
        ));

        let overdue = self.running(user, "長すぎる目標").await;
        self.change(&overdue, "started_at = now() - interval '2 hours'").await;
        made.push((overdue, &["R9"], "TIMEOUT", Some("STEP_FUNCTIONS_TIMEOUT")));

        let negative = self.completed(user, "進捗が負の目標").await;
        self.change(&negative, "progress = -5").await;
        made.push((negative, &["R13"], "COMPLETED", None));
        let beyond =
            self.row_like(&model, &format!("status='FAILED', {MANUAL}, progress = 130")).await;
        made.push((beyond, &["R12"], "FAILED", Some("MANUAL_INTERVENTION")));
        let endless = self.row_like(&model, "status='CANCELLED', completed_at = NULL").await;
        made.push((endless, &["R14"], "CANCELLED", None));
        made
    }

    /// Ends running processes by the statements that operators write. Their workers see it within a
    /// second, and then their executions end by themselves: whoever comes first, none is left
    /// running.
    async fn end_by_hand(&self, running: &[String; 3]) -> [(String, &'static str); 3] {
        let assignments = [
            (format!("status='FAILED', {MANUAL}"), "FAILED"),
            (format!("status='CANCELLED', {MANUAL}"), "CANCELLED"),
            ("status='COMPLETED', progress=100, completed_at=NOW()".to_owned(), "COMPLETED"),
        ];
        let mut ended = Vec::new();
        for (id, (assignment, status)) in running.iter().zip(assignments) {
            self.change(id, &assignment).await;
            ended.push((id.clone(), status));
        }
        ended.try_into().unwrap()
    }
}

/// How often each rule held by which something was wrong, but for R10.
fn wrong(report: &Value) -> Value {
    let mut rules = report["rules"].clone();
    for rule in ["R2", "R10"] {
        rules.as_object_mut().unwrap().remove(rule);
    }
    rules
}

#[tokio::test]
async fn one_sweep_heals_every_drift_and_a_second_finds_nothing() {
    let _alone = ALONE.lock().await;
    let deaf = Deaf::new().await;
    let user = deaf.stack.new_user().await;
    deaf.invoke(json!({})).await;
    let made = deaf.make_every_drift(&user).await;
    let healthy = deaf.running(&user, "元気な目標").await;
    let by_hand = [
        deaf.running(&user, "手で失敗").await,
        deaf.running(&user, "手で中止").await,
        deaf.running(&user, "手で完了").await,
    ];
    let null = sqlx::query("UPDATE processing_state SET progress = NULL")
        .execute(&deaf.stack.database)
        .await;
    assert!(null.is_err(), "progress cannot be NULL");

    let dry = deaf.invoke(json!({"dryRun": true})).await;
    for (id, ..) in &made {
        assert_eq!(deaf.repairs(id).await, Vec::<String>::new(), "a dry run changes nothing");
    }
    let by_hand = deaf.end_by_hand(&by_hand).await;
    let report = deaf.invoke(json!({})).await;
    assert_eq!(wrong(&report), wrong(&dry), "a dry run says what is then done");
    assert_eq!(
        (&report["complete"], &report["failed"], &report["moved"]),
        (&json!(true), &json!(0), &json!(0)),
        "{report}"
    );
    // Before what was started is waited for: by then it may have ended well by itself.
    assert_eq!(deaf.row(&healthy).await.0, "PROCESSING", "what is well is left alone");
    let stopped = report["rules"]["R10"].as_u64().unwrap_or_default();
    assert_eq!(report["drift"].as_u64().unwrap(), made.len() as u64 + stopped, "{report}");
    for (id, status) in &by_hand {
        let (now, progress, _, ended) = deaf.row(id).await;
        assert_eq!((now.as_str(), progress == 100, ended), (*status, *status == "COMPLETED", true));
        assert_ne!(deaf.stack.execution(id).await["status"], "RUNNING", "{status}");
    }
    for (id, rules, status, code) in &made {
        assert_eq!(deaf.repairs(id).await, *rules, "{rules:?} {status}: {report}");
        let (now, progress, error, ended) = deaf.row(id).await;
        if rules == &["R1"] {
            assert_eq!(
                user.wait_for_end(id).await["status"],
                "COMPLETED",
                "what was started runs to its end"
            );
            continue;
        }
        assert_eq!((now.as_str(), error.as_deref(), ended), (*status, *code, true), "{rules:?}");
        assert!(
            (0..=100).contains(&progress) && (progress == 100) == (*status == "COMPLETED"),
            "{rules:?}: {progress}"
        );
        if rules == &["R9"] {
            assert_eq!(deaf.stack.execution(id).await["status"], "ABORTED", "{rules:?}");
        }
    }
    let again = deaf.invoke(json!({})).await;
    assert_eq!(
        (&again["drift"], &again["repaired"], &again["failed"]),
        (&json!(0), &json!(0), &json!(0)),
        "{again}"
    );
    assert_eq!(user.post(&format!("/cancel/{healthy}"), &json!({})).await.status, 200);

    // A process that is COMPLETED although its execution failed is left, and named.
    let (failed, ..) = made.iter().find(|(_, rules, ..)| rules == &["R5"]).unwrap();
    deaf.change(failed, "status = 'COMPLETED', progress = 100, error = NULL").await;
    let told = deaf.invoke(json!({"processId": failed})).await;
    assert_eq!(
        (&told["rules"], &told["status"]),
        (&json!({"R11": 1}), &json!("COMPLETED")),
        "{told}"
    );
    deaf.change(failed, "status = 'FAILED', progress = 0").await;
    deaf.hear_again().await;
}

#[tokio::test]
async fn two_reconcilers_and_ten_events_at_once_do_what_one_does() {
    let _alone = ALONE.lock().await;
    let deaf = Deaf::new().await;
    let user = deaf.stack.new_user().await;
    let id = deaf.running(&user, "十回知らされる目標").await;
    deaf.abort(&id).await;
    let machine = &deaf.stack.env.state_machine_arn;
    let executions = machine.replacen(":stateMachine:", ":execution:", 1);
    let event = json!({
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": format!("{executions}:{id}"),
            "stateMachineArn": machine,
            "name": id,
            "status": "ABORTED",
        },
    });
    let mut invocations: Vec<_> = (0..10).map(|_| event.clone()).collect();
    invocations.extend([json!({}), json!({})]);
    let mut tasks = Vec::new();
    for payload in invocations {
        let stack = deaf.stack.clone();
        tasks.push(tokio::spawn(async move { stack.invoke("reconciler", &payload).await }));
    }
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
        assert_eq!(answer["data"]["failed"].as_u64().unwrap_or_default(), 0, "{answer}");
    }
    assert_eq!(deaf.repairs(&id).await, ["R7"]);
    assert_eq!(user.status(&id).await["status"], "CANCELLED");
    deaf.hear_again().await;
}

#[tokio::test]
async fn an_execution_aborted_from_outside_is_settled_by_its_event() {
    let _alone = ALONE.lock().await;
    let deaf = Deaf::new().await;
    let user = deaf.stack.new_user().await;
    let id = deaf.running(&user, "イベントで分かる目標").await;
    let stack = deaf.stack.clone();
    deaf.hear_again().await;
    let arn = stack.execution(&id).await["executionArn"].as_str().unwrap().to_owned();
    stack.aws(&["stepfunctions", "stop-execution", "--execution-arn", &arn]).await.unwrap();
    assert_eq!(user.wait_for_end(&id).await["status"], "CANCELLED");
}

#[tokio::test]
async fn a_process_whose_work_failed_keeps_the_workers_last_errors_for_operators_only() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("証拠が残る目標");
    stack.fault(&goal, json!({"garbage": 100})).await;
    let id = user.submit(&goal).await;
    let shown = user.wait_for_end(&id).await;
    assert_eq!(shown["error"]["code"], "AI_RESPONSE_INVALID", "{shown}");
    assert_eq!(shown["error"].get("evidence"), None);
    // Whoever ended it was told at once, and may have looked before the log had the lines. So that
    // it has them for certain, it is to be repaired once more.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let logs = json!({"check": "logs", "processId": id, "hours": 1});
    loop {
        let answer = stack.invoke("diagnostics", &logs).await;
        let lines = answer["data"]["lines"].as_array().unwrap();
        let is_there =
            |line: &Value| line["function"] == "ai-generation-worker" && line["level"] == "ERROR";
        if lines.iter().any(is_there) && stack.execution(&id).await["status"] == "FAILED" {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let uuid = Uuid::parse_str(&id).unwrap();
    sqlx::query(
        "UPDATE processing_state
         SET status = 'PROCESSING', progress = 50, error = NULL, completed_at = NULL
         WHERE id = $1",
    )
    .bind(uuid)
    .execute(&stack.database)
    .await
    .unwrap();
    let answer = stack.invoke("reconciler", &json!({"processId": id})).await;
    assert_eq!(answer["success"], true, "{answer}");
    let error: Value = sqlx::query_scalar("SELECT error FROM processing_state WHERE id = $1")
        .bind(uuid)
        .fetch_one(&stack.database)
        .await
        .unwrap();
    let evidence = error["evidence"].as_array().unwrap();
    assert!(
        !evidence.is_empty()
            && evidence.iter().all(|line| line["errorCode"] == "AI_RESPONSE_INVALID"),
        "{error}"
    );
}
