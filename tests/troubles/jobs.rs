//! Jobs that do not come to a good end.

use serde_json::{Value, json};
use shared::clock::{Clock as _, SystemClock};
use system_tests::Goal;

use crate::night::{Night, WORKER, then};

/// **N, H** `aigen process ID` names the rule by which a job is settled whose execution was stopped
/// behind everybody's back, and one sweep ends it.
#[tokio::test]
async fn t01_a_job_that_stays_processing_is_named_and_ended() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    night
        .deaf(async {
            let id = night.running(&user, "止まったままの目標", 30).await;
            let execution = night.stack.execution(&id).await;
            let arn = execution["executionArn"].as_str().unwrap();
            let stop = ["stepfunctions", "stop-execution", "--execution-arn", arn];
            night.stack.aws(&stop).await.unwrap();
            let told = night.process(&id).await;
            assert_eq!(
                (&told["status"], &told["rules"][0]["id"]),
                (&json!("PROCESSING"), &json!("R7"))
            );
            assert!(told["byItself"]["at"].is_string(), "{told}");
            night.sweep().await;
            assert_eq!(user.status(&id).await["status"], "CANCELLED");
            assert_eq!(night.repairs(&id).await, ["R7"]);
        })
        .await;
}

/// **N** `aigen health` names the rate and the code that most fail with, and `aigen errors` the
/// cause with an example.
#[tokio::test]
async fn t02_an_error_rate_over_five_percent_is_named_with_its_code() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    // What ended before this trouble would dilute it.
    night.sql("UPDATE processing_state SET completed_at = completed_at - interval '1 hour'").await;
    night.completed(&user, "うまくいく目標").await;
    let mut failed = Vec::new();
    for _ in 0..2 {
        let goal = Goal::new("うまくいかない目標");
        night.stack.fault(&goal, json!({"error": 1_000})).await;
        failed.push(user.submit(&goal).await);
    }
    for id in &failed {
        assert_eq!(user.wait_for_end(id).await["error"]["code"], "AI_ERROR");
    }
    let health = night.health().await;
    health.tells("JOBS_FAIL", "AI_ERROR");
    assert_eq!(health.command("JOBS_FAIL"), "cargo aigen errors --hours 1");
    let errors = night.ask("diagnostics", json!({"check": "errors", "hours": 1})).await;
    let group = errors["errors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|group| failed.iter().any(|id| group["example"] == json!(id)));
    assert_eq!(group.unwrap()["code"], "AI_ERROR", "{errors}");
}

/// **N** `aigen process ID` tells the time of waiting, starting, running and retrying apart, so
/// that a slow model is not taken for a slow queue.
#[tokio::test]
async fn t03_a_slow_job_is_told_with_where_its_time_went() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("時間のかかる目標");
    night.stack.fault(&goal, json!({"delayMs": 3_000})).await;
    let id = user.submit(&goal).await;
    user.wait_for_end(&id).await;
    let time = night.process(&id).await["time"].clone();
    let part = |name: &str| time[name].as_i64().unwrap();
    assert!(part("running") >= 3_000, "{time}");
    for other in ["waiting", "starting", "retrying"] {
        assert!(part(other) < part("running"), "{other}: {time}");
    }
    let sum: i64 = ["waiting", "starting", "running", "retrying"].map(part).iter().sum();
    assert_eq!(part("total"), sum, "{time}");
}

/// **P** A retry that cannot help is refused with the reason: of a job that did not fail, and of
/// one that was retried as often as may be.
#[tokio::test]
async fn t04_a_retry_that_would_fail_again_is_refused_with_the_reason() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let well = night.completed(&user, "やり直す必要のない目標").await;
    let refused = user.post(&format!("/retry/{well}"), &json!({})).await;
    assert_eq!((refused.status, refused.code()), (400, "RETRY_NOT_ALLOWED"));
    night
        .change(
            &well,
            "status = 'FAILED', progress = 0, retry_count = 3, result = NULL,
                         error = '{\"code\":\"AI_ERROR\",\"message\":\"x\"}'",
        )
        .await;
    let refused = user.post(&format!("/retry/{well}"), &json!({})).await;
    assert_eq!((refused.status, refused.code()), (400, "MAX_RETRY_EXCEEDED"));
}

/// **P** A cancel that was answered holds: the row stays CANCELLED, the execution is stopped, and
/// what the model still answers is not stored.
#[tokio::test]
async fn t05_a_cancel_that_was_answered_has_its_effect() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("取り消す目標");
    night.stack.fault(&goal, json!({"delayMs": 4_000})).await;
    let id = user.submit(&goal).await;
    user.wait_until(&id, "asking the model", |process| process["progress"] == 50).await;
    assert_eq!(user.post(&format!("/cancel/{id}"), &json!({})).await.status, 200);
    assert_eq!(night.stack.execution(&id).await["status"], "ABORTED");
    // The model has answered whom it may.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(user.status(&id).await["status"], "CANCELLED");
    assert!(night.stack.sub_goals(&goal).await.is_empty());
}

/// **H** A connection that is cut in the middle of an attempt costs no job: the state machine tries
/// again, and what is written is written once.
#[tokio::test]
async fn t07_an_error_of_the_database_is_tried_again() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("接続が切れる目標");
    night.stack.fault(&goal, json!({"delayMs": 3_000})).await;
    let id = user.submit(&goal).await;
    user.wait_until(&id, "asking the model", |process| process["progress"] == 50).await;
    // Of the first writing of the answer, the connection is cut.
    night
        .sql(
            "CREATE SEQUENCE cuts;
             CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                 IF nextval('cuts') = 1 THEN
                     PERFORM pg_terminate_backend(pg_backend_pid());
                 END IF;
                 RETURN NULL;
             END $$;
             GRANT ALL ON SEQUENCE cuts TO PUBLIC;
             CREATE TRIGGER cut AFTER INSERT ON sub_goals EXECUTE FUNCTION cut()",
        )
        .await;
    let put_right = night.sql("DROP FUNCTION cut CASCADE; DROP SEQUENCE cuts");
    let process = then(user.wait_for_end(&id), put_right).await;
    assert_eq!(
        (&process["status"], night.stack.sub_goals(&goal).await.len()),
        (&json!("COMPLETED"), 8)
    );
}

/// **H** A job past its time limit is ended TIMEOUT by the next sweep, with its execution.
#[tokio::test]
async fn t08_a_job_past_its_time_limit_is_ended_as_timed_out() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    night
        .deaf(async {
            let id = night.running(&user, "長すぎる目標", 30).await;
            night.change(&id, "started_at = now() - interval '2 hours'").await;
            night.sweep().await;
            let process = user.status(&id).await;
            assert_eq!(
                (&process["status"], &process["error"]["code"]),
                (&json!("TIMEOUT"), &json!("STEP_FUNCTIONS_TIMEOUT"))
            );
            assert_eq!(night.stack.execution(&id).await["status"], "ABORTED");
        })
        .await;
}

/// **P** What is missing, malformed or out of range is refused before anything is stored, and every
/// such field is named at once.
#[tokio::test]
async fn t09_a_request_that_is_not_valid_is_refused_with_each_field() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("正しくない目標");
    let mut request = goal.request();
    request["params"].as_object_mut().unwrap().remove("background");
    request["params"]["deadline"] = json!("soon");
    request["params"]["description"] = json!("長".repeat(5_000));
    let refused = user.post("/generate", &request).await;
    assert_eq!((refused.status, refused.code()), (400, "VALIDATION_ERROR"));
    let mut fields = refused.fields();
    fields.sort_unstable();
    assert_eq!(fields, ["params.background", "params.deadline", "params.description"]);
    let stored =
        format!("SELECT count(*)::text FROM processing_state WHERE target_id = '{}'", goal.id);
    assert_eq!(night.text(&stored).await, "0");
}

/// **N** `aigen logs ID` joins Lambda's REPORT line of each invocation, which tells a cold start
/// and its time. The local gateway writes none of cold starts, so the line is written as Lambda
/// does.
#[tokio::test]
async fn t10_a_cold_start_is_told_with_its_time() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let id = night.completed(&user, "寒い朝の目標").await;
    let logs =
        || async { night.ask("diagnostics", json!({"check": "logs", "processId": id})).await };
    let mut told = logs().await;
    // The gateway hands the lines over a moment later.
    let request = loop {
        let lines = told["lines"].as_array().unwrap();
        let of_worker =
            lines.iter().find(|line| line["function"] == WORKER && line["requestId"].is_string());
        if let Some(line) = of_worker {
            break line["requestId"].as_str().unwrap().to_owned();
        }
        told = logs().await;
    };
    let report = format!(
        "REPORT RequestId: {request}\tDuration: 12.50 ms\tBilled Duration: 100 ms\tMemory Size: \
         128 MB\tMax Memory Used: 31 MB\tInit Duration: 87.31 ms\t"
    );
    let now = SystemClock.now().timestamp_millis();
    let group = format!("/aws/lambda/{WORKER}");
    let group = ["--log-group-name", group.as_str()];
    let stream = ["--log-stream-name", "as-lambda-writes"];
    // It may be there from an earlier run.
    let _ = night.stack.aws(&[&["logs", "create-log-stream"], &group[..], &stream].concat()).await;
    let events = json!([{"timestamp": now, "message": report}]).to_string();
    let put = ["logs", "put-log-events", "--log-events", events.as_str()];
    night.stack.aws(&[&put[..], &group, &stream].concat()).await.unwrap();
    let told = logs().await;
    let cold =
        told["invocations"].as_array().unwrap().iter().find(|it| it["initDuration"] == 87.31);
    assert!(cold.is_some_and(|it| it["requestId"] == json!(request)), "{told}");
}

/// **H** Whatever disagrees is made to agree by one sweep; a second finds nothing. Each drift of
/// the table is made by `tests/drift.rs`.
#[tokio::test]
async fn t12_a_database_and_an_execution_that_disagree_are_made_to_agree() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    night
        .deaf(async {
            let id = night.completed(&user, "食い違う目標").await;
            night.change(&id, "status = 'PROCESSING', progress = 50, completed_at = NULL").await;
            assert_eq!(night.process(&id).await["rules"][0]["id"], "R3");
            night.sweep().await;
            assert_eq!(user.status(&id).await["status"], "COMPLETED");
            assert_eq!(night.sweep().await["drift"], 0);
        })
        .await;
}

/// **P, H** Progress never falls and never passes 100 in what users see, and a row to which a hand
/// has given another is mended by one sweep.
#[tokio::test]
async fn t13_progress_is_never_over_a_hundred_and_never_falls() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("進む目標");
    night.stack.fault(&goal, json!({"delayMs": 1_500})).await;
    let id = user.submit(&goal).await;
    let mut seen: Vec<i64> = Vec::new();
    loop {
        let process = user.status(&id).await;
        seen.push(process["progress"].as_i64().unwrap());
        if process["status"] == "COMPLETED" {
            break;
        }
    }
    assert!(seen.is_sorted() && seen.iter().all(|it| (0..=100).contains(it)), "{seen:?}");
    night.change(&id, "progress = 130").await;
    assert_eq!(user.status(&id).await["progress"], 100, "as users see it");
    night.sweep().await;
    let stored = format!("SELECT progress::text FROM processing_state WHERE id = '{id}'");
    assert_eq!(night.text(&stored).await, "100");
}

/// **H** A worker that dies, as one does whose memory runs out, costs a second attempt and no job.
#[tokio::test]
async fn t17_a_worker_whose_memory_runs_out_costs_no_job() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let id = night.running(&user, "力尽きる目標", 5).await;
    assert!(night.stack.kill(WORKER) > 0);
    let process = user.wait_for_end(&id).await;
    assert_eq!((&process["status"], &process["attempt"]), (&json!("COMPLETED"), &json!(2)));
}

/// **H** What an app deletes or a hand changes is found by the sweep, and an operator can ask for
/// one process alone.
#[tokio::test]
async fn t43_two_records_that_disagree_after_a_change_by_hand_are_settled_on_demand() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    night
        .deaf(async {
            let id = night.completed(&user, "書き換えられた目標").await;
            night
                .change(
                    &id,
                    "status = 'PROCESSING', progress = 50, completed_at = NULL, result = NULL",
                )
                .await;
            let report = night.ask("reconciler", json!({"processId": id})).await;
            assert_eq!(report["rules"], json!({"R4": 1}), "{report}");
            let process: Value = user.status(&id).await;
            assert_eq!(process["error"]["code"], "RESULT_MISSING");
        })
        .await;
}
