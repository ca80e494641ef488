//! An older state of the database, restored under running executions and sweeps as the operator's
//! guide says (docs/backup.md). What every other trouble has done since the dump is lost, and every
//! connection breaks.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, postgres::PgConnectOptions};
use system_tests::{Goal, PATIENCE, Stack, User, fresh_id};
use tokio::{process::Command, time::Instant};

use crate::night::Night;

/// A database of the stack's server.
struct Server {
    superuser: PgConnection,
    /// The database that the functions use.
    name: String,
    url: String,
}

impl Server {
    async fn of(stack: &Stack) -> Self {
        let url = stack.env.database_url.clone();
        let name = PgConnectOptions::from_str(&url).unwrap().get_database().unwrap().to_owned();
        let superuser = PgConnectOptions::from_str(&stack.env.superuser_url).unwrap();
        Self { superuser: superuser.database("postgres").connect().await.unwrap(), name, url }
    }

    async fn run(&mut self, statement: String) {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.superuser).await.unwrap();
    }

    /// The URL of another database beside it.
    fn url_of(&self, name: &str) -> String {
        let (base, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        let server = base.rsplit_once('/').unwrap().0;
        format!("{server}/{name}?{query}")
    }

    async fn dump(&self, path: &Path) {
        tool("pg_dump", &["--format=custom", "--file", path.to_str().unwrap(), &self.url]).await;
    }

    /// Restores `path` into a database of its own, which then takes the place of the one in use:
    /// whoever is connected to that is cut off, and finds the other under the same name.
    async fn restore(&mut self, path: &Path) {
        let (name, next, before) = (self.name.clone(), "restored", "before_the_restore");
        self.run(format!("CREATE DATABASE {next} OWNER {name} TEMPLATE template0")).await;
        let url = self.url_of(next);
        let args = ["--exit-on-error", "--no-owner", "--dbname", &url, path.to_str().unwrap()];
        tool("pg_restore", &args).await;
        self.run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
        self.run(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await;
        let deadline = Instant::now() + PATIENCE;
        let connected = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
        loop {
            let left: i64 = sqlx::query_scalar(AssertSqlSafe(connected.clone()))
                .fetch_one(&mut self.superuser)
                .await
                .unwrap();
            if left == 0 {
                break;
            }
            assert!(Instant::now() < deadline, "{left} sessions do not end");
        }
        self.run(format!("ALTER DATABASE {name} RENAME TO {before}")).await;
        self.run(format!("ALTER DATABASE {next} RENAME TO {name}")).await;
        self.run(format!("DROP DATABASE {before}")).await;
    }
}

/// Runs one of PostgreSQL's own, of the version of the server.
async fn tool(name: &str, args: &[&str]) {
    let output = Command::new(name).args(args).kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Everything is looked at, also where another sweep has just begun.
async fn sweep(stack: &Stack) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = stack.invoke("reconciler", &json!({})).await;
        if answer["data"]["swept"] == true {
            assert_eq!(
                (&answer["data"]["complete"], &answer["data"]["failed"]),
                (&json!(true), &json!(0)),
                "{answer}"
            );
            return answer["data"].clone();
        }
        assert!(Instant::now() < deadline, "{answer}");
    }
}

async fn capacity(stack: &Stack, action: &str) {
    let answer = stack.invoke("reconciler", &json!({"action": action})).await;
    assert_eq!(answer["success"], true, "{answer}");
}

/// A process whose model is being asked, and will be for so long.
async fn running(stack: &Stack, user: &User, name: &str, milliseconds: u64) -> String {
    let goal = Goal::new(name);
    stack.fault(&goal, json!({"delayMs": milliseconds})).await;
    let id = user.submit(&goal).await;
    user.wait_until(&id, "asking the model", |process| process["progress"] == 50).await;
    id
}

async fn ended(stack: &Stack, id: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let execution = stack.execution(id).await;
        if execution["status"] != "RUNNING" {
            return execution;
        }
        assert!(Instant::now() < deadline, "{execution}");
    }
}

fn dump_file() -> PathBuf {
    std::env::temp_dir().join(format!("aigen-restored-{}.dump", fresh_id()))
}

/// **H, N** A dump that is restored under running executions is made to agree with them by one
/// sweep; what it does not know ends, and is named (R17). `docs/backup.md` says how to restore.
#[tokio::test]
async fn t50_after_a_restore_under_running_executions_everything_agrees_or_is_named() {
    let night = Night::begins().await;
    let stack = night.stack.clone();
    let mut server = Server::of(&stack).await;
    let user = stack.new_user().await;
    let goal = Goal::new("その前に終わった");
    let completed = user.submit(&goal).await;
    assert_eq!(user.wait_for_end(&completed).await["status"], "COMPLETED");
    let succeeds = running(&stack, &user, "その後に成功する", 8_000).await;
    let cancelled = running(&stack, &user, "その後に取り消される", 60_000).await;
    let runs_on = running(&stack, &user, "ずっと動いている", 45_000).await;
    capacity(&stack, "pause").await;
    let waiting = user.submit(&Goal::new("待っていた")).await;
    assert_eq!(user.status(&waiting).await["waiting"]["reason"], "PAUSED");

    let dump = dump_file();
    server.dump(&dump).await;

    // It goes on: one is cancelled, two complete, one is new.
    let answer = user.post(&format!("/cancel/{cancelled}"), &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    capacity(&stack, "resume").await;
    let unknown = running(&stack, &user, "その後に受け付けた", 60_000).await;
    for id in [&succeeds, &waiting] {
        assert_eq!(user.wait_for_end(id).await["status"], "COMPLETED");
        assert_eq!(ended(&stack, id).await["status"], "SUCCEEDED");
    }
    assert_eq!(ended(&stack, &cancelled).await["status"], "ABORTED");
    assert_eq!(user.status(&runs_on).await["status"], "PROCESSING");

    stack.database.close().await;
    server.restore(&dump).await;
    std::fs::remove_file(&dump).unwrap();

    // The pause of then is in force again, so that nothing begins before somebody has looked.
    sweep(&stack).await;
    for (id, status, code) in [
        (&completed, "COMPLETED", Value::Null),
        (&succeeds, "FAILED", json!("RESULT_MISSING")),
        (&cancelled, "CANCELLED", Value::Null),
    ] {
        let process = user.status(id).await;
        assert_eq!((&process["status"], &process["error"]["code"]), (&json!(status), &code));
    }
    assert_eq!(user.status(&waiting).await["waiting"]["reason"], "PAUSED");
    let answer = user.get(&format!("/status/{unknown}")).await;
    assert_eq!(answer.status, 404, "{answer:?}");

    // Resumed, what waits is found to have run already, under the name that is taken.
    capacity(&stack, "resume").await;
    sweep(&stack).await;
    assert_eq!(user.wait_for_end(&waiting).await["error"]["code"], "RESULT_MISSING");
    let retried = user.post(&format!("/retry/{waiting}"), &json!({})).await;
    assert_eq!(retried.status, 202, "{retried:?}");
    let retried = retried.data()["processId"].as_str().unwrap().to_owned();
    assert_eq!(user.wait_for_end(&retried).await["status"], "COMPLETED");
    // What was at work all the time ends well; what the database has forgotten ends too.
    assert_eq!(user.wait_for_end(&runs_on).await["status"], "COMPLETED");
    assert_eq!(ended(&stack, &unknown).await["status"], "FAILED");

    let report = sweep(&stack).await;
    let ours = [&completed, &succeeds, &cancelled, &runs_on, &waiting, &unknown, &retried];
    let actions = report["actions"].as_array().unwrap();
    let left: Vec<_> =
        actions.iter().filter(|it| ours.iter().any(|id| it["processId"] == **id)).collect();
    assert!(left.is_empty(), "{left:?}");
}
