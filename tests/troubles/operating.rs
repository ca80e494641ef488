//! What operators do to many jobs, and to the whole.

use std::collections::HashSet;

use serde_json::{Value, json};
use system_tests::{Goal, User};

use crate::night::{API, Night, then};

fn batch(goals: &[Goal]) -> Value {
    json!({"requests": goals.iter().map(Goal::request).collect::<Vec<_>>()})
}

async fn send(user: &User, key: &str, body: &Value) -> Vec<String> {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let answer = user.send("POST", "/batch", &headers, &body.to_string()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let results = answer.data()["results"].as_array().unwrap();
    results.iter().map(|item| item["processId"].as_str().unwrap().to_owned()).collect()
}

/// **N** `aigen process ID` tells time that was waited for capacity from time that was worked.
#[tokio::test]
async fn t34_a_slow_answer_is_told_with_where_the_time_is() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    night.ask("reconciler", json!({"action": "pause", "reason": "t34"})).await;
    let waited = async {
        let id = user.submit(&Goal::new("待たされる目標")).await;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        id
    };
    let resume = async {
        night.ask("reconciler", json!({"action": "resume"})).await;
    };
    let id = then(waited, resume).await;
    user.wait_for_end(&id).await;
    let time = night.process(&id).await["time"].clone();
    let part = |name: &str| time[name].as_i64().unwrap();
    assert!(part("waiting") >= 2_000 && part("waiting") > part("running"), "{time}");
}

/// The resident memory of the function's environments, in KB.
fn memory(night: &Night, function: &str) -> Vec<u64> {
    let used = |pid: &String| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    night.stack.environments(function).iter().filter_map(used).collect()
}

/// **P** A function that has answered a thousand times uses no more memory than after two hundred.
#[tokio::test]
async fn t35_memory_does_not_grow_with_the_number_of_requests() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let variables = night.variables(API).await;
    let mut generous = variables.clone();
    generous["READ_LIMIT_PER_MINUTE"] = json!("100000");
    night.set_variables(API, &generous).await;
    let look = async {
        let ask = async |times: usize| {
            for _ in 0..times {
                assert_eq!(user.get("/history").await.status, 200);
            }
        };
        ask(200).await;
        let before = memory(&night, API).into_iter().max().unwrap();
        ask(800).await;
        (before, memory(&night, API).into_iter().max().unwrap())
    };
    let (before, after) = then(look, night.set_variables(API, &variables)).await;
    assert!(after < before + 2_048, "{before} KB, then {after} KB");
}

/// **P** A batch that was cut off is sent again under its key, and nothing is made twice.
#[tokio::test]
async fn t42_a_batch_that_stopped_half_way_goes_on_without_doubles() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    user.limit_to(1_000).await;
    let goals: Vec<_> = (0..10).map(|n| Goal::new(&format!("半分の目標{n}"))).collect();
    let key = system_tests::fresh_id().to_string();
    // The first answer is lost.
    let first = send(&user, &key, &batch(&goals)).await;
    let again = send(&user, &key, &batch(&goals)).await;
    assert_eq!(first, again);
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), 10);
    for (id, goal) in first.iter().zip(&goals) {
        assert_eq!(user.wait_for_end(id).await["status"], "COMPLETED");
        assert_eq!(night.stack.sub_goals(goal).await.len(), 8);
    }
}

/// Makes the process look as if it had ended so many days ago.
async fn age(night: &Night, id: &str, days: u32) {
    let by = format!("interval '{days} days'");
    let columns = ["created_at", "updated_at", "admitted_at", "started_at", "completed_at"];
    let older = columns.map(|column| format!("{column} = {column} - {by}")).join(", ");
    night.change(id, &older).await;
}

async fn is_there(night: &Night, id: &str) -> bool {
    let select = format!("SELECT count(*)::text FROM processing_state WHERE id = '{id}'");
    night.text(&select).await == "1"
}

/// **P, N** A dry run says how many the clean-up would delete; a sweep deletes just those, and what
/// is not old enough, or has not ended, stays.
#[tokio::test]
async fn t44_a_clean_up_deletes_what_it_said_and_nothing_else() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let old = night.completed(&user, "古い目標").await;
    let young = night.completed(&user, "新しい目標").await;
    let runs = night.running(&user, "古くて終わらない目標", 8).await;
    age(&night, &old, 91).await;
    age(&night, &young, 89).await;
    let dry = night.ask("reconciler", json!({"dryRun": true})).await;
    assert_eq!(dry["deleted"], 1, "{dry}");
    assert!(is_there(&night, &old).await, "a dry run deletes nothing");
    let report = night.sweep().await;
    assert_eq!(report["deleted"], 1, "{report}");
    assert!(!is_there(&night, &old).await);
    assert!(is_there(&night, &young).await && is_there(&night, &runs).await);
    user.wait_for_end(&runs).await;
}

/// **P** What the clean-up deletes is never a user's: the goal and its sub-goals outlive every
/// record of how they were made.
#[tokio::test]
async fn t45_a_clean_up_never_deletes_what_a_user_owns() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("残り続ける目標");
    let id = user.submit(&goal).await;
    user.wait_for_end(&id).await;
    age(&night, &id, 4_000).await;
    night.sweep().await;
    assert!(!is_there(&night, &id).await);
    let goals = "SELECT count(*) FROM goals WHERE id = $1";
    assert_eq!(night.stack.count(goals, &goal).await, 1);
    assert_eq!(night.stack.sub_goals(&goal).await.len(), 8);
}

/// **P** One user's batch of a hundred holds up nobody: whoever comes after it is served in turn.
#[tokio::test]
async fn t46_bulk_work_holds_up_nobody_else() {
    let night = Night::begins().await;
    let (many, one) = (night.stack.new_user().await, night.stack.new_user().await);
    many.limit_to(1_000).await;
    night.stack.model_world(json!({"delayMs": 300})).await;
    let goals: Vec<_> = (0..100).map(|n| Goal::new(&format!("百の目標{n}"))).collect();
    let key = system_tests::fresh_id().to_string();
    let ids = send(&many, &key, &batch(&goals)).await;
    let alone = one.submit(&Goal::new("一人の目標")).await;
    assert_eq!(one.wait_for_end(&alone).await["status"], "COMPLETED");
    let waiting = format!(
        "SELECT count(*)::text FROM processing_state
         WHERE status IN ('PENDING', 'PROCESSING') AND id IN ('{}')",
        ids.join("','")
    );
    let waiting: i64 = night.text(&waiting).await.parse().unwrap();
    night.stack.model_reset().await;
    for id in &ids {
        many.wait_for_end(id).await;
    }
    assert!(waiting > 10, "they were through before: {waiting}");
}

/// **P** After `aigen pause` nothing new begins and what runs comes to its end; after `aigen
/// resume` what was accepted meanwhile is done.
#[tokio::test]
async fn t49_a_pause_begins_nothing_new_and_lets_what_runs_end() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let runs = night.running(&user, "走っている目標", 3).await;
    night.ask("reconciler", json!({"action": "pause", "reason": "t49", "by": "tests"})).await;
    let look = async {
        let waits = user.submit(&Goal::new("待つ目標")).await;
        assert_eq!(user.wait_for_end(&runs).await["status"], "COMPLETED");
        assert_eq!(user.status(&waits).await["status"], "PENDING");
        night.health().await.tells("PAUSED", "t49");
        waits
    };
    let resume = async {
        night.ask("reconciler", json!({"action": "resume", "by": "tests"})).await;
    };
    let waits = then(look, resume).await;
    assert_eq!(user.wait_for_end(&waits).await["status"], "COMPLETED");
}
