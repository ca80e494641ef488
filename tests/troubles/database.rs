//! A database that is out of reach, full, locked, slow, or not as the code expects.

use std::future::Future;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use system_tests::{Goal, PATIENCE};
use tokio::time::Instant;

use crate::{
    night::{DIAGNOSTICS, Health, Night, then},
    places::{NOBODY, Place},
};

/// The secret with the database's address and password.
struct Secret {
    id: String,
    right: Value,
}

impl Secret {
    async fn of(night: &Night) -> Self {
        let variables = night.variables(DIAGNOSTICS).await;
        let id = variables["DATABASE_SECRET_ARN"].as_str().unwrap().to_owned();
        let get = ["secretsmanager", "get-secret-value", "--secret-id", &id];
        let secret = night.stack.aws(&get).await.unwrap();
        let right = serde_json::from_str(secret["SecretString"].as_str().unwrap()).unwrap();
        Self { id, right }
    }

    async fn put(&self, night: &Night, text: &str) {
        let put = ["secretsmanager", "put-secret-value", "--secret-id", &self.id];
        night.stack.aws(&[&put[..], &["--secret-string", text]].concat()).await.unwrap();
    }

    /// What health says, by environments that know nothing yet, while the secret says `text`.
    async fn health_with(&self, night: &Night, text: &str) -> Health {
        self.put(night, text).await;
        let fresh = async {
            let variables = night.variables(DIAGNOSTICS).await;
            night.set_variables(DIAGNOSTICS, &variables).await;
        };
        let look = async {
            fresh.await;
            night.health().await
        };
        let put_right = async {
            self.put(night, &self.right.to_string()).await;
            let variables = night.variables(DIAGNOSTICS).await;
            night.set_variables(DIAGNOSTICS, &variables).await;
        };
        then(look, put_right).await
    }

    /// The same with one field changed.
    async fn health_with_field(&self, night: &Night, field: &str, value: Value) -> Health {
        let mut wrong = self.right.clone();
        wrong[field] = value;
        self.health_with(night, &wrong.to_string()).await
    }
}

/// A session of the owner's role, as an operator or another program has one.
async fn session(night: &Night) -> PgConnection {
    PgConnection::connect(&night.stack.env.database_url).await.unwrap()
}

/// Every session that the server still gives, as a program has them that never closes any.
async fn all_sessions(night: &Night) -> Vec<PgConnection> {
    let mut taken = Vec::new();
    while let Ok(session) = PgConnection::connect(&night.stack.env.database_url).await {
        taken.push(session);
        assert!(taken.len() < 1_000, "there is no end of sessions");
    }
    taken
}

/// **N** `aigen health` names a statement that runs for long, with its text, and the command that
/// ends it.
#[tokio::test]
async fn t11_a_slow_statement_is_named_with_the_command_that_ends_it() {
    let night = Night::begins().await;
    let mut slow = session(&night).await;
    let asleep =
        tokio::spawn(async move { sqlx::query("SELECT pg_sleep(120)").execute(&mut slow).await });
    let deadline = Instant::now() + PATIENCE;
    let health = loop {
        let health = night.health().await;
        let is_told = health.0["findings"].to_string().contains("pg_sleep");
        if is_told || Instant::now() > deadline {
            break health;
        }
    };
    health.tells("STATEMENT_SLOW", "pg_sleep(120)");
    let command = health.command("STATEMENT_SLOW").to_owned();
    let sql = command.split("-c \"").nth(1).unwrap().trim_end_matches('"');
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&night.stack.database).await.unwrap();
    assert!(asleep.await.unwrap().is_err(), "the command ends it");
}

/// **N, H** A lock that a hand holds is named with who holds it and the command that ends it; what
/// it held up goes on by itself.
#[tokio::test]
async fn t14_a_lock_held_by_hand_is_named_with_who_blocks_whom() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let id = night.running(&user, "ロックされた目標", 3).await;
    let mut hand = session(&night).await;
    let lock = format!("BEGIN; SELECT FROM processing_state WHERE id = '{id}' FOR UPDATE");
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut hand).await.unwrap();
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut hand).await.unwrap();
    let mut other = session(&night).await;
    let waits = format!("UPDATE processing_state SET progress = progress WHERE id = '{id}'");
    let waiting =
        tokio::spawn(async move { sqlx::raw_sql(AssertSqlSafe(waits)).execute(&mut other).await });
    let deadline = Instant::now() + PATIENCE;
    let health = loop {
        let health = night.health().await;
        let is_told = health.0["findings"].to_string().contains("SESSIONS_BLOCKED");
        if is_told || Instant::now() > deadline {
            break health;
        }
    };
    health.tells("SESSIONS_BLOCKED", &pid.to_string());
    assert!(health.command("SESSIONS_BLOCKED").contains(&format!("pg_terminate_backend({pid})")));
    drop(hand);
    waiting.await.unwrap().unwrap();
    assert_eq!(user.wait_for_end(&id).await["status"], "COMPLETED");
}

/// **N, P** `aigen health` says how many connections of how many are taken, and who asks has the
/// command that tells by whom. The functions close theirs after use when few are left.
#[tokio::test]
async fn t22_connections_that_are_kept_for_nothing_are_named() {
    let night = Night::begins().await;
    let most: i64 = night.text("SHOW max_connections").await.parse().unwrap();
    let mut kept = Vec::new();
    for _ in 0..most * 3 / 4 {
        kept.push(session(&night).await);
    }
    let health = night.health().await;
    health.tells("CONNECTIONS_SHORT", "\"used\":");
    assert!(health.command("CONNECTIONS_SHORT").contains("pg_stat_activity"));
    assert_eq!(night.stack.new_user().await.get("/history").await.status, 200, "work goes on");
}

/// **N** The database that refuses is told apart: nobody listens, wrong password, unknown name,
/// unknown database, no answer, no TLS.
#[tokio::test]
async fn t26_a_database_that_refuses_is_told_apart() {
    let night = Night::begins().await;
    let secret = Secret::of(&night).await;
    let (silent, plain) = (Place::silent().await, Place::without_tls().await);
    for (field, value, code) in [
        ("port", json!(9), "DATABASE_REFUSED"),
        ("password", json!("another"), "DATABASE_PASSWORD_REFUSED"),
        ("host", json!("db.invalid"), "DATABASE_NAME_UNKNOWN"),
        ("dbname", json!("nowhere"), "DATABASE_UNKNOWN"),
        ("port", json!(silent.port), "DATABASE_NO_ANSWER"),
        ("port", json!(plain.port), "DATABASE_TLS_FAILED"),
    ] {
        let health = secret.health_with_field(&night, field, value).await;
        assert_eq!(health.0["verdict"], "down", "{health:?}");
        health.names(code, "");
    }
    assert_eq!(night.health().await.0["verdict"], "well");
}

/// **N, H** When all connections are taken, `aigen health` says so by that name; when they are free
/// again, work goes on by itself.
#[tokio::test]
async fn t27_connections_at_their_limit_are_named_and_recovered_from() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let variables = night.variables(DIAGNOSTICS).await;
    let mut taken = Vec::new();
    // The functions give theirs back when few are left, and they are few: so it takes a while until
    // there is none for whoever asks.
    let health = loop {
        taken.extend(all_sessions(&night).await);
        // Environments that have no connection yet.
        night.set_variables(DIAGNOSTICS, &variables).await;
        let health = night.health().await;
        if health.0["verdict"] == "down" || taken.len() > 1_000 {
            break health;
        }
    };
    for session in taken {
        session.close().await.unwrap();
    }
    health.names("DATABASE_TOO_MANY_CLIENTS", "");
    let deadline = Instant::now() + PATIENCE;
    while user.get("/history").await.status != 200 {
        assert!(Instant::now() < deadline);
    }
    night.completed(&user, "空きを待った目標").await;
}

/// **N** An index that was dropped is named before anybody feels it.
#[tokio::test]
async fn t28_an_index_that_is_missing_is_named() {
    let night = Night::begins().await;
    let name = "processing_event_process";
    let definition = night.text(&format!("SELECT pg_get_indexdef('{name}'::regclass)")).await;
    night.sql(&format!("DROP INDEX {name}")).await;
    let health = then(night.health(), night.sql(&definition)).await;
    health.tells("INDEX_MISSING", name);
}

/// As the superuser: the application's own role may make no extension.
async fn as_superuser(night: &Night, statement: &'static str) {
    let mut superuser = PgConnection::connect(&night.stack.env.superuser_url).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut superuser).await.unwrap();
    superuser.close().await.unwrap();
}

/// **N** Where the database counts its statements, one that has been slow is named when it no
/// longer runs.
#[tokio::test]
async fn t28_a_statement_that_was_slow_is_named_afterwards() {
    let night = Night::begins().await;
    as_superuser(&night, "CREATE EXTENSION pg_stat_statements").await;
    let slow = async {
        as_superuser(&night, "SELECT pg_stat_statements_reset()").await;
        for _ in 0..3 {
            night.sql("SELECT pg_sleep(0.2)").await;
        }
        let ask = json!({"check": "performance", "hours": 1, "lang": "en"});
        night.ask(DIAGNOSTICS, ask).await
    };
    let drop = as_superuser(&night, "DROP EXTENSION pg_stat_statements");
    let told = Box::pin(then(slow, drop)).await;
    let finding = told["findings"].as_array().unwrap();
    let finding = finding.iter().find(|it| it["code"] == "STATEMENTS_SLOW").expect("it is named");
    assert_eq!(finding["evidence"]["statement"], "SELECT pg_sleep($1)", "{told}");
    assert_eq!(finding["evidence"]["calls"], 3);
}

/// **H** All the functions' sessions are ended in the middle of their work, as by a failover: no
/// job is lost and none is done twice.
#[tokio::test]
async fn t29_connections_cut_in_the_middle_of_work_cost_no_job() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goals: Vec<_> = (0..4).map(|n| Goal::new(&format!("途中で切れる目標{n}"))).collect();
    let mut ids = Vec::new();
    for goal in &goals {
        night.stack.fault(goal, json!({"delayMs": 2_000})).await;
        ids.push(user.submit(goal).await);
    }
    user.wait_until(&ids[3], "asking the model", |process| process["progress"] == 50).await;
    night
        .sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE application_name <> '' AND pid <> pg_backend_pid()
                AND datname = current_database()",
        )
        .await;
    // Whoever asks in this moment is told to come again.
    let deadline = Instant::now() + PATIENCE;
    while user.get("/history").await.status != 200 {
        assert!(Instant::now() < deadline);
    }
    for (id, goal) in ids.iter().zip(&goals) {
        assert_eq!(user.wait_for_end(id).await["status"], "COMPLETED");
        assert_eq!(night.stack.sub_goals(goal).await.len(), 8);
    }
}

/// **N** What cannot be reached in a private network is named by what it is: the secret, the
/// database, the state machine.
#[tokio::test]
async fn t33_a_missing_route_or_name_is_named_by_what_it_leads_to() {
    let night = Night::begins().await;
    let health = night.health_with(&[("AWS_ENDPOINT_URL_SECRETS_MANAGER", Some(NOBODY))]).await;
    health.names("DATABASE_SECRET_UNREACHABLE", "");
    let silent = Place::silent().await;
    let nowhere = format!("http://127.0.0.1:{}", silent.port);
    let health = night.health_with(&[("AWS_ENDPOINT_URL_SFN", Some(&nowhere))]).await;
    health.names("STATE_MACHINE_UNREACHABLE", "");
    let secret = Secret::of(&night).await;
    let health = secret.health_with_field(&night, "host", json!("db.invalid")).await;
    health.names("DATABASE_NAME_UNKNOWN", "db.invalid");
}

/// **N, H** A secret without its fields is named with the field; a password that was rotated is
/// read again without anybody's doing (`tests/password_rotated.rs`).
#[tokio::test]
async fn t36_credentials_that_are_missing_are_named_with_the_field() {
    let night = Night::begins().await;
    let secret = Secret::of(&night).await;
    let mut without = secret.right.clone();
    without.as_object_mut().unwrap().remove("password");
    let health = secret.health_with(&night, &without.to_string()).await;
    health.names("DATABASE_SECRET_MALFORMED", "password");
    let health = secret.health_with(&night, "not JSON").await;
    health.names("DATABASE_SECRET_MALFORMED", "");
}

/// **N** Credentials of another environment are named: the server refuses them, or the one function
/// that has them differs from the others.
#[tokio::test]
async fn t37_credentials_of_another_environment_are_named() {
    let night = Night::begins().await;
    let secret = Secret::of(&night).await;
    let health = secret.health_with_field(&night, "username", json!("staging")).await;
    health.names("DATABASE_PASSWORD_REFUSED", "staging");
    let other = format!("{}-staging", secret.id);
    let changed = [("DATABASE_SECRET_ARN", Some(other.as_str()))];
    let health = night.with_variables("cancel-handler", &changed, night.health()).await;
    health.tells("FUNCTION_VARIABLES_DIFFER", "DATABASE_SECRET_ARN");
    health.tells("FUNCTION_VARIABLES_DIFFER", "cancel-handler");
}

/// What is seen while the rows of the migrations are changed.
async fn with_migrations<T>(night: &Night, change: &str, look: impl Future<Output = T>) -> T {
    night.sql("CREATE TABLE migrations_kept AS TABLE _sqlx_migrations").await;
    night.sql(change).await;
    let put_right = night.sql(
        "TRUNCATE _sqlx_migrations;
         INSERT INTO _sqlx_migrations TABLE migrations_kept;
         DROP TABLE migrations_kept",
    );
    then(look, put_right).await
}

const NEWEST: &str = "version = (SELECT max(version) FROM _sqlx_migrations)";

/// **N** `aigen health` says that a migration was not run, which one, and the command that runs it.
#[tokio::test]
async fn t38_a_migration_that_was_not_run_is_named_with_its_command() {
    let night = Night::begins().await;
    let newest = night.text("SELECT max(version)::text FROM _sqlx_migrations").await;
    let change = format!("DELETE FROM _sqlx_migrations WHERE {NEWEST}");
    let planned = Box::pin(with_migrations(&night, &change, async {
        let health = night.health().await;
        health.names("MIGRATIONS_MISSING", &newest);
        assert_eq!(health.command("MIGRATIONS_MISSING"), "cargo aigen migrate");
        night.ask("migrator", json!({"dryRun": true})).await
    }));
    assert_eq!(planned.await["applied"].to_string(), format!("[{newest}]"));
}

/// **N, P** `aigen health` says which migration has another text than the one that was run, and a
/// deployment fails with it before any function is changed.
#[tokio::test]
async fn t39_a_migration_whose_checksum_differs_is_named() {
    let night = Night::begins().await;
    let newest = night.text("SELECT max(version)::text FROM _sqlx_migrations").await;
    let change = format!("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE {NEWEST}");
    let migrated = Box::pin(with_migrations(&night, &change, async {
        night.health().await.tells("MIGRATION_CHANGED", &newest);
        night.stack.invoke("migrator", &json!({})).await
    }));
    let told = migrated.await.to_string();
    assert!(told.contains(&newest) && told.contains("was changed"), "{told}");
}

/// **N** A secret that the function's role may not read is named with the right that is missing.
/// The policies of the template are in force on the local stack.
#[tokio::test]
async fn t40_a_secret_that_is_denied_is_named_with_the_missing_right() {
    let night = Night::begins().await;
    let name = format!("other-{}", system_tests::fresh_id());
    let create = ["secretsmanager", "create-secret", "--name", &name, "--secret-string", "{}"];
    let other = night.stack.aws(&create).await.unwrap();
    let arn = other["ARN"].as_str().unwrap();
    let health = night.health_with(&[("DATABASE_SECRET_ARN", Some(arn))]).await;
    let delete = ["secretsmanager", "delete-secret", "--secret-id", arn];
    let now = ["--force-delete-without-recovery"];
    night.stack.aws(&[&delete[..], &now].concat()).await.unwrap();
    health.names("DATABASE_SECRET_DENIED", "");
    let advice = health.finding("DATABASE_SECRET_DENIED")["nextSteps"].to_string();
    assert!(advice.contains("secretsmanager:GetSecretValue"), "{advice}");
}
