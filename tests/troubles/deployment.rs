//! A stack that is deployed wrong, or was changed by hand.

use serde_json::json;
use system_tests::Goal;

use crate::{
    night::{API, DIAGNOSTICS, Night, RULES, WORKER},
    places::NOBODY,
};

/// **N** A variable that is missing is named with its function, also when it is `diagnostics`
/// itself that lacks it.
#[tokio::test]
async fn t15_a_missing_variable_is_named_with_its_function() {
    let night = Night::begins().await;
    let missing = [("DATABASE_SECRET_ARN", None)];
    let health = night.with_variables(API, &missing, night.health()).await;
    health.names("FUNCTION_VARIABLE_WRONG", "DATABASE_SECRET_ARN is not set");
    health.names("FUNCTION_VARIABLE_WRONG", API);
    let health = night.health_with(&[("MODEL_IDS", None)]).await;
    health.names("FUNCTION_NOT_SET_UP", "MODEL_IDS is not set");
}

/// **N, H** A service that cannot be reached is named; what was accepted meanwhile waits, and runs
/// when it can be reached again.
#[tokio::test]
async fn t16_a_dependency_that_cannot_be_reached_is_named_and_waited_for() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let nowhere = [("AWS_ENDPOINT_URL_SFN", Some(NOBODY))];
    night.health_with(&nowhere).await.names("STATE_MACHINE_UNREACHABLE", "");
    let goal = Goal::new("届かない間に頼んだ目標");
    let id = night.with_variables(API, &nowhere, user.submit(&goal)).await;
    // As if it had waited for ten minutes, when a sweep starts it.
    let earlier = ["created_at", "admitted_at", "updated_at"]
        .map(|column| format!("{column} = {column} - interval '10 minutes'"))
        .join(", ");
    night.change(&id, &earlier).await;
    night.sweep().await;
    assert_eq!(user.wait_for_end(&id).await["status"], "COMPLETED");
}

/// **N, P** After a deployment that was rolled back, the database may be ahead of the functions:
/// that is named, and the older functions go on working.
#[tokio::test]
async fn t25_a_deployment_that_was_rolled_back_leaves_what_works_and_is_named() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    night
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (29991231000000, 'of the newer version', true, '\\x00', 0)",
        )
        .await;
    let look = async {
        night.completed(&user, "戻された版の目標").await;
        night.health().await
    };
    let put_right = night.sql("DELETE FROM _sqlx_migrations WHERE version = 29991231000000");
    let health = crate::night::then(look, put_right).await;
    health.tells("MIGRATIONS_AHEAD", "29991231000000");
}

/// **N** When the API does not answer, the function behind it is named, and why.
#[tokio::test]
async fn t32_an_api_that_does_not_answer_is_named_by_its_function() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let health = night
        .switched_off(API, async {
            assert!(user.get("/history").await.status >= 429, "it does not answer");
            night.health().await
        })
        .await;
    health.names("FUNCTION_SWITCHED_OFF", API);
    let wrong = [("RATE_LIMIT_PER_MINUTE", Some("many"))];
    let health = night
        .with_variables(API, &wrong, async {
            assert!(user.get("/history").await.status >= 500, "it does not answer");
            // The gateway hands the lines of a log over a moment later.
            for _ in 0..100 {
                let health = night.health().await;
                if health.0["verdict"] != "well" {
                    return health;
                }
            }
            night.health().await
        })
        .await;
    health.names("FUNCTION_NOT_SET_UP", "RATE_LIMIT_PER_MINUTE must be");
    assert_eq!(user.get("/history").await.status, 200);
}

/// **N, H** A worker that does not start is named; the jobs that were accepted meanwhile wait, and
/// complete when it starts again.
#[tokio::test]
async fn t41_a_worker_that_does_not_start_is_named_and_costs_no_job() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("動かない間に頼んだ目標");
    let (id, health) = night
        .with_variables(WORKER, &[("MODEL_CALLS_AT_ONCE", Some("none"))], async {
            let id = user.submit(&goal).await;
            for _ in 0..100 {
                let health = night.health().await;
                if health.0["verdict"] != "well" {
                    return (id, health);
                }
            }
            (id, night.health().await)
        })
        .await;
    health.names("FUNCTION_NOT_SET_UP", "MODEL_CALLS_AT_ONCE must be");
    assert_eq!(user.wait_for_end(&id).await["status"], "COMPLETED");
}

/// **N** A setting that cannot be read is named with what it must be; a schedule that somebody has
/// switched off, with the command that switches it on.
#[tokio::test]
async fn t47_a_configuration_that_is_invalid_is_named_with_the_field() {
    let night = Night::begins().await;
    let wrong = [("MODEL_CALLS_LIMIT", Some("many"))];
    let health = night.with_variables("retry-handler", &wrong, night.health()).await;
    health.names("FUNCTION_VARIABLE_WRONG", "MODEL_CALLS_LIMIT must be a whole number from 1");
    let wrong = [("DATABASE_TLS", Some("maybe"))];
    let health = night.health_with(&wrong).await;
    health.names("FUNCTION_NOT_SET_UP", "DATABASE_TLS must be disable, require or verify-full");
    let health = night.deaf(night.health()).await;
    for code in ["SCHEDULE_OFF", "EVENTS_OFF"] {
        health.tells(code, "reconciler");
    }
    let enable = format!("aws events enable-rule --name {}", RULES[0]);
    assert_eq!(health.command("SCHEDULE_OFF"), enable);
    let health = night.ask(DIAGNOSTICS, json!({"check": "health"})).await;
    assert_eq!(health["findings"], json!([]), "all is put right");
}
