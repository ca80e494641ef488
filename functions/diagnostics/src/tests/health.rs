//! `{"check":"health"}`: each trouble is made for real, and has to be named.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{Connection, PgConnection};

use super::fixture::Fixture;

const HEALTH: &str = r#"{"check": "health", "lang": "en"}"#;

async fn health(fixture: &Fixture) -> Value {
    fixture.data(serde_json::from_str(HEALTH).unwrap()).await
}

fn codes(health: &Value) -> Vec<&str> {
    let findings = health["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// Asks as somebody whose database is that of `options`, which cannot be used.
async fn without_database(options: PgConnectOptions, pool: sqlx::PgPool) -> Value {
    let began = Instant::now();
    let health = health(&Fixture::on(options, pool)).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{health}");
    assert_eq!((&health["verdict"], &health["healthy"]), (&json!("down"), &json!(false)));
    assert_eq!(health["findings"].as_array().unwrap().len(), 1, "{health}");
    assert!(!health["notChecked"].as_array().unwrap().is_empty(), "{health}");
    health
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_healthy_stack_is_well_and_nothing_is_found(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "COMPLETED", 60, "").await;
    fixture.row(2, "PROCESSING", 5, "").await;
    let health = health(&fixture).await;
    assert_eq!(health["verdict"], "well", "{health}");
    assert_eq!((&health["findings"], &health["healthy"]), (&json!([]), &json!(true)), "{health}");
    let parts: Vec<_> =
        health["parts"].as_array().unwrap().iter().map(|part| &part["part"]).collect();
    assert_eq!(parts, ["database", "stateMachine", "model", "model"]);
    assert_eq!(health["capacity"]["running"], 1);
    assert!(health["parts"][0]["schemaVersion"].as_i64().unwrap() > 20_261_126_000_000);
    assert_eq!(health["notChecked"], json!([]), "{health}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn without_a_language_the_texts_are_japanese(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.sql("UPDATE processing_capacity SET paused_at = now(), paused_by = 'hanako'").await;
    let health = fixture.data(json!({"check": "health"})).await;
    let summary = health["findings"][0]["summary"].as_str().unwrap();
    assert!(summary.contains("一時停止"), "{summary}");
    assert_eq!(health["findings"][0]["nextSteps"][0]["command"], "cargo aigen resume");
    assert_eq!(health["verdict"], "degraded");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_database_where_nobody_listens_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let pool = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    let health = without_database(options.host("127.0.0.1").port(1), pool).await;
    assert_eq!(codes(&health), ["DATABASE_REFUSED"], "{health}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_server_that_takes_the_connection_and_is_silent_is_named(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let health = without_database(options.host("127.0.0.1").port(port), pool).await;
    assert_eq!(codes(&health), ["DATABASE_NO_ANSWER"], "{health}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_host_whose_name_is_unknown_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let pool = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    let health = without_database(options.host("nowhere.invalid"), pool).await;
    // Where the resolver itself does not answer, that is all that can be seen.
    assert!(
        ["DATABASE_NAME_UNKNOWN", "DATABASE_NO_ANSWER"].contains(&codes(&health)[0]),
        "{health}"
    );
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_wrong_password_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let pool = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    let health = without_database(options.password("wrong"), pool).await;
    assert_eq!(codes(&health), ["DATABASE_PASSWORD_REFUSED"], "{health}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_database_that_does_not_exist_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let pool = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    let health = without_database(options.database("nowhere"), pool).await;
    assert_eq!(codes(&health), ["DATABASE_UNKNOWN"], "{health}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_certificate_that_is_not_trusted_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let pool = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    // Of the public authorities none has signed it.
    let stranger = PgConnectOptions::new_without_pgpass()
        .host(options.get_host())
        .port(options.get_port())
        .username(options.get_username())
        .password("unused")
        .database(options.get_database().unwrap())
        .ssl_mode(PgSslMode::VerifyFull);
    let health = without_database(stranger, pool).await;
    assert_eq!(codes(&health), ["DATABASE_TLS_FAILED"], "{health}");
}

#[sqlx::test(migrations = false)]
async fn a_database_without_a_schema_is_told_to_migrate(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = sqlx::PgPool::connect_with(options.clone()).await.unwrap();
    let health = health(&Fixture::on(options, pool)).await;
    assert_eq!(codes(&health), ["MIGRATIONS_MISSING"], "{health}");
    assert_eq!(health["findings"][0]["nextSteps"][0]["command"], "cargo aigen migrate");
    assert_eq!(health["verdict"], "down");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn migrations_that_differ_are_told_apart(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture
        .sql(
            "UPDATE _sqlx_migrations SET version = 20990101000001
             WHERE version = (SELECT max(version) FROM _sqlx_migrations);
             UPDATE _sqlx_migrations SET checksum = 'x'
             WHERE version = (SELECT min(version) FROM _sqlx_migrations)",
        )
        .await;
    let health = health(&fixture).await;
    assert_eq!(
        codes(&health),
        ["MIGRATIONS_MISSING", "MIGRATION_CHANGED", "MIGRATIONS_AHEAD"],
        "{health}"
    );
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn who_blocks_whom_is_seen(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options.clone()).await;
    let id = fixture.row(1, "PROCESSING", 5, "").await;
    let mut blocker = PgConnection::connect_with(&options).await.unwrap();
    let lock = format!("SELECT FROM processing_state WHERE id = '{id}' FOR UPDATE");
    let pid: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut blocker).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut blocker).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock.clone())).execute(&mut blocker).await.unwrap();
    let waiter = tokio::spawn(async move {
        let mut waiter = PgConnection::connect_with(&options).await.unwrap();
        let lock = format!("{lock} -- 'a secret of a user'");
        let _ = sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut waiter).await;
    });
    let health = loop {
        let health = health(&fixture).await;
        if !codes(&health).is_empty() {
            break health;
        }
    };
    assert_eq!(codes(&health), ["SESSIONS_BLOCKED"], "{health}");
    let finding = &health["findings"][0];
    let command = finding["nextSteps"][0]["command"].as_str().unwrap();
    assert!(command.contains(&format!("pg_terminate_backend({pid})")), "{command}");
    assert!(!finding.to_string().contains("secret"), "{finding}");
    sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.unwrap();
    waiter.await.unwrap();
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_transaction_that_was_left_open_is_seen(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options.clone()).await;
    let mut idle = PgConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT").execute(&mut idle).await.unwrap();
    let sessions = fixture.sessions(0.0).await;
    let left = sessions.iter().find(|session| session.state == "idle in transaction");
    assert!(left.is_some_and(|session| !session.blocks), "{sessions:?}");
    assert_eq!(fixture.sessions(3_600.0).await, []);
    drop(idle);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn processes_that_do_not_get_on_are_named(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let lost = fixture.row(1, "PENDING", 1_200, "").await;
    fixture.row(2, "PENDING", 30, "").await;
    fixture.row(3, "PENDING", 1_200, "admitted_at = NULL, share = 0").await;
    fixture.row(4, "PROCESSING", 8_000, "").await;
    let health = health(&fixture).await;
    assert_eq!(codes(&health), ["NOT_ADMITTED", "NOT_STARTED", "STUCK"], "{health}");
    let unstarted = &health["findings"][1]["evidence"];
    assert_eq!((&unstarted["count"], &unstarted["example"]), (&json!(1), &json!(lost)));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn jobs_that_fail_are_counted_by_code(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    for number in 1..=4 {
        fixture.row(number, "FAILED", 60, "").await;
    }
    fixture.row(5, "TIMEOUT", 60, r#"error = '{"code":"TIMEOUT_ERROR","message":"x"}'"#).await;
    fixture.row(6, "COMPLETED", 60, "").await;
    // Longer ago than is looked at.
    fixture.row(7, "FAILED", 3_600, "").await;
    let health = health(&fixture).await;
    assert_eq!(codes(&health), ["JOBS_FAIL"], "{health}");
    let evidence = &health["findings"][0]["evidence"];
    assert_eq!((&evidence["failed"], &evidence["ended"]), (&json!(5), &json!(6)));
    assert_eq!(
        (&evidence["codes"][0]["code"], &evidence["codes"][0]["count"]),
        (&json!("AI_ERROR"), &json!(4))
    );
    assert_eq!(health["verdict"], "down");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_state_machine_and_a_model_that_refuse_are_named(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let gone = json!({"__type": "StateMachineDoesNotExist", "message": "gone"});
    fixture.aws.answer("DescribeStateMachine", 400, gone);
    let denied = json!({"__type": "AccessDeniedException", "message": "no"});
    fixture.aws.answer("/second/", 403, denied);
    let health = health(&fixture).await;
    assert_eq!(codes(&health), ["STATE_MACHINE_MISSING", "MODEL_ACCESS_DENIED"], "{health}");
    assert_eq!(health["findings"][1]["evidence"]["model"], "second");
    assert_eq!(health["parts"][3]["ok"], false);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_is_unknown_is_refused_by_name(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let answer = fixture.ask(json!({"check": "weather"})).await;
    assert_eq!(answer["error"]["code"], "VALIDATION_ERROR", "{answer}");
    assert_eq!(answer["error"]["details"][0]["field"], "check");
    let answer = fixture.ask(json!({"check": "health", "hour": 1})).await;
    assert_eq!(answer["error"]["details"][0]["field"], "hour", "{answer}");
}
