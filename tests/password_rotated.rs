//! The database password changes under running functions. A file of its own: while it runs, the
//! deployed functions log in as another role, and test files run one after another.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use system_tests::{Goal, Stack, fresh_id};

const FUNCTION: &str = "async-processing-handler";

struct Secret {
    id: String,
    value: Value,
    /// The function's variables, one of which names the secret.
    variables: Value,
}

/// Gives the function these variables, and thereby a fresh set of execution environments.
async fn set_variables(stack: &Stack, variables: &Value) {
    let environment = json!({ "Variables": variables }).to_string();
    let args = [
        "lambda",
        "update-function-configuration",
        "--function-name",
        FUNCTION,
        "--environment",
        &environment,
    ];
    stack.aws(&args).await.unwrap();
}

impl Secret {
    async fn read(stack: &Stack) -> Self {
        let configuration = stack
            .aws(&["lambda", "get-function-configuration", "--function-name", FUNCTION])
            .await
            .unwrap();
        let variables = configuration["Environment"]["Variables"].clone();
        let id = variables["DATABASE_SECRET_ARN"].as_str().unwrap().to_owned();
        let secret =
            stack.aws(&["secretsmanager", "get-secret-value", "--secret-id", &id]).await.unwrap();
        Self {
            id,
            value: serde_json::from_str(secret["SecretString"].as_str().unwrap()).unwrap(),
            variables,
        }
    }

    async fn put(&self, stack: &Stack, value: &Value) {
        let text = value.to_string();
        stack
            .aws(&[
                "secretsmanager",
                "put-secret-value",
                "--secret-id",
                &self.id,
                "--secret-string",
                &text,
            ])
            .await
            .unwrap();
    }
}

/// As the superuser, who may end the sessions of whichever role.
async fn sql(stack: &Stack, statement: String) {
    let mut superuser = PgConnection::connect(&stack.env.superuser_url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut superuser).await.unwrap();
    superuser.close().await.unwrap();
}

/// Ends the connections of `role`, as a database does that fails over or drops the sessions of a
/// changed role.
async fn disconnect(stack: &Stack, role: &str) {
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE usename = '{role}' AND pid <> pg_backend_pid()"
    );
    sql(stack, end).await;
}

#[tokio::test]
async fn a_changed_password_is_fetched_anew_and_no_request_fails() {
    let stack = Stack::up().await;
    let secret = Secret::read(&stack).await;
    let role = format!("rotating_{}", fresh_id().simple());
    sql(
        &stack,
        format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'first' IN ROLE pg_read_all_data, pg_write_all_data"
        ),
    )
    .await;
    let mut rotating = secret.value.clone();
    rotating["username"] = json!(role);

    // The functions learn of the new role when their connections break and the old role's password
    // is refused: here, by a fresh set of execution environments.
    rotating["password"] = json!("first");
    secret.put(&stack, &rotating).await;
    let variables = secret.variables.clone();
    let mut marked = variables.clone();
    marked["ROTATION_TEST"] = json!(role);
    set_variables(&stack, &marked).await;
    let user = stack.new_user().await;
    let id = user.submit(&Goal::new("パスワードが変わっても続く")).await;

    sql(&stack, format!("ALTER ROLE {role} PASSWORD 'second'")).await;
    rotating["password"] = json!("second");
    secret.put(&stack, &rotating).await;
    let connections: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE usename = $1")
            .bind(&role)
            .fetch_one(&stack.database)
            .await
            .unwrap();
    assert!(connections > 0, "the function still logs in as the old role");
    disconnect(&stack, &role).await;
    // A connection that was used within the last second is trusted; after that a broken one is
    // noticed before it is used.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let answer = user.get(&format!("/status/{id}")).await;

    secret.put(&stack, &secret.value).await;
    set_variables(&stack, &variables).await;
    disconnect(&stack, &role).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    user.wait_for_end(&id).await;
    sql(&stack, format!("DROP ROLE {role}")).await;
}
