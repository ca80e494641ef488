//! Everything goes wrong that can, by a fixed seed, and every invariant of the design holds; and
//! the auditor who says so finds what is broken. A file of its own: while it runs the database
//! dies, functions are killed and the gateway stands still.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, types::Uuid};
use system_tests::{Stack, aigen, fresh_id};
use tokio::process::Command;

const JOBS: &str = "200";
const SEED: &str = "20";
/// Each kind but a deployment, which is asked for apart.
const KINDS: usize = 17;

/// What `aigen chaos` tells, and whether it ended well.
async fn chaos(args: &[&str]) -> (Value, bool) {
    let output = Command::new(aigen())
        .args(["chaos", "--json"])
        .args(args)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let told = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (told, output.status.success())
}

/// The invariants that are broken, by their numbers, each with the process.
fn broken(told: &Value) -> BTreeSet<(u64, String)> {
    let violations = told["violations"].as_array().unwrap().iter();
    let process = |it: &Value| it["process"].as_str().unwrap_or_default().to_owned();
    violations.map(|it| (it["invariant"].as_u64().unwrap(), process(it))).collect()
}

#[tokio::test]
async fn every_invariant_holds_whatever_goes_wrong_and_the_auditor_finds_what_is_broken() {
    let stack = Stack::up().await;
    let book = Book(std::env::temp_dir().join(format!("chaos-{}.json", fresh_id())));
    let file = book.0.to_str().unwrap();
    let (told, is_well) =
        chaos(&["--jobs", JOBS, "--seed", SEED, "--minutes", "1", "--book", file]).await;
    assert_eq!((&told["violations"], &told["verdict"]), (&json!([]), &json!("well")), "{told:#}");
    assert!(is_well);
    assert_eq!(told["faults"].as_array().unwrap().len(), KINDS, "{}", told["faults"]);
    assert_eq!(told["faultsThatFailed"], json!([]));
    assert!(told["jobs"]["accepted"].as_u64().unwrap() > 50, "{}", told["jobs"]);

    // A row is missing of what a process says that it has written.
    let sql = async |statement: &str| {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&stack.database).await.unwrap();
    };
    let seen: Value = serde_json::from_slice(&std::fs::read(&book.0).unwrap()).unwrap();
    let process = completed(&stack, &seen).await;
    let (row, goal): (Uuid, Uuid) =
        sqlx::query_as("SELECT id, goal_id FROM sub_goals WHERE process_id = $1 AND position = 7")
            .bind(process)
            .fetch_one(&stack.database)
            .await
            .unwrap();
    let nowhere = fresh_id();
    sql(&format!(
        "INSERT INTO goals SELECT '{nowhere}', 'nobody', title, description, deadline, background,
                                  constraints, process_id, created_at, updated_at
         FROM goals WHERE id = '{goal}';
         UPDATE sub_goals SET goal_id = '{nowhere}' WHERE id = '{row}'"
    ))
    .await;
    let (told, is_well) = chaos(&["--audit", file]).await;
    assert_eq!(broken(&told), BTreeSet::from([(13, process.to_string())]), "{told:#}");
    assert!(!is_well);
    sql(&format!(
        "UPDATE sub_goals SET goal_id = '{goal}' WHERE id = '{row}';
         DELETE FROM goals WHERE id = '{nowhere}'"
    ))
    .await;

    // It has ended twice.
    sql(&format!(
        "INSERT INTO processing_event
             (at, process_id, attempt, kind, from_status, to_status, actor, detail)
         VALUES (now(), '{process}', 1, 'failed', 'COMPLETED', 'FAILED', 'reconciler',
                 '{{\"chaos\": true}}')"
    ))
    .await;
    let (told, is_well) = chaos(&["--audit", file]).await;
    assert_eq!(broken(&told), BTreeSet::from([(3, process.to_string())]), "{told:#}");
    assert!(!is_well);
    sql(&format!(
        "DELETE FROM processing_event
         WHERE process_id = '{process}' AND detail = '{{\"chaos\": true}}'"
    ))
    .await;

    let (told, is_well) = chaos(&["--audit", file]).await;
    assert!(is_well, "{told:#}");
}

/// A process of the run that wrote the sub-goals of a goal of its own and was let be.
async fn completed(stack: &Stack, seen: &Value) -> Uuid {
    let touched: BTreeSet<&str> = seen["faults"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|met| met["processes"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    for job in seen["jobs"].as_array().unwrap() {
        let Some(id) = job["accepted"][0].as_str().filter(|id| !touched.contains(id)) else {
            continue;
        };
        let id: Uuid = id.parse().unwrap();
        let status: Option<String> =
            sqlx::query_scalar("SELECT status FROM processing_state WHERE id = $1")
                .bind(id)
                .fetch_optional(&stack.database)
                .await
                .unwrap();
        if job["kind"] == "SubGoals"
            && job["replace"] == false
            && status.as_deref() == Some("COMPLETED")
        {
            return id;
        }
    }
    panic!("no such process: {seen}");
}

/// A file that goes when the test is over.
struct Book(PathBuf);

impl Drop for Book {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
