//! What a stack must refuse on a developer's machine: web pages, other users, the wrong key, a
//! connection in the clear.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};
use system_tests::Stack;

/// All that log in to the database in normal work.
const FUNCTIONS: [&str; 6] = [
    "async-processing-handler",
    "ai-generation-worker",
    "retry-handler",
    "cancel-handler",
    "reconciler",
    "diagnostics",
];
const CREATE: &str = "/2015-03-31/functions";

fn request(stack: &Stack, method: Method, path: &str) -> RequestBuilder {
    let url = format!("{}{path}", stack.env.gateway_url);
    reqwest::Client::builder().no_proxy().build().unwrap().request(method, url)
}

async fn status(request: RequestBuilder) -> StatusCode {
    let answer = request.send().await.unwrap();
    let readable_by_pages = answer.headers().contains_key("access-control-allow-origin");
    assert!(!readable_by_pages, "a page may read this answer: {answer:?}");
    answer.status()
}

/// As a browser sends it for a page, without asking first.
fn from_page(request: RequestBuilder) -> RequestBuilder {
    request.header("origin", "https://evil.example").header("content-type", "text/plain")
}

fn signed_by(key: &str, request: RequestBuilder) -> RequestBuilder {
    let scope = format!("{key}/20261126/us-east-1/secretsmanager/aws4_request");
    request
        .header("x-amz-date", "20261126T000000Z")
        .header("x-amz-target", "secretsmanager.ListSecrets")
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=0"
            ),
        )
        .body("{}")
}

#[tokio::test]
async fn a_web_page_can_neither_create_a_function_nor_ask_whether_it_may() {
    let stack = Stack::up().await;
    let body =
        r#"{"FunctionName":"forged","Runtime":"python3.11","Role":"r","Handler":"h","Code":{}}"#;
    let forged = from_page(request(&stack, Method::POST, CREATE)).body(body);
    assert_eq!(status(forged).await, StatusCode::FORBIDDEN);
    let preflight = from_page(request(&stack, Method::OPTIONS, CREATE))
        .header("access-control-request-method", "POST");
    assert_eq!(status(preflight).await, StatusCode::FORBIDDEN);
    let image = request(&stack, Method::GET, CREATE).header("sec-fetch-site", "cross-site");
    assert_eq!(status(image).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_name_that_a_page_points_to_this_machine_is_not_served() {
    let stack = Stack::up().await;
    let api = stack.env.api_url.strip_prefix(&stack.env.gateway_url).unwrap();
    for path in ["/_ministack/ready", &format!("{api}/api/ai/async/history")] {
        let rebound = request(&stack, Method::GET, path).header("host", "evil.example");
        assert_eq!(status(rebound).await, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn only_the_stacks_own_key_with_its_own_secret_is_believed() {
    let stack = Stack::up().await;
    let key = stack.env.access_key_id.as_str();
    // `test` and every account's number are the root user to the gateway itself.
    for key in ["test", "000000000000", "123456789012", "AKIAUNKNOWN", "", key] {
        let forged = signed_by(key, request(&stack, Method::POST, "/"));
        assert_eq!(status(forged).await, StatusCode::FORBIDDEN, "{key}");
    }
    let query = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256\
                 &X-Amz-Credential=test/20261126/us-east-1/lambda/aws4_request";
    let in_query = request(&stack, Method::POST, query).header("x-amz-target", "x").body("{}");
    assert_eq!(status(in_query).await, StatusCode::FORBIDDEN);
    let mut thief = stack.clone();
    thief.env.secret_access_key = "guessed".to_owned();
    let error = thief.aws(&["lambda", "list-functions"]).await.unwrap_err().to_string();
    assert!(error.contains("signature"), "{error}");
    let functions = stack.aws(&["lambda", "list-functions"]).await.unwrap();
    assert!(!functions["Functions"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn the_gateways_own_switches_ask_for_the_key_too() {
    let stack = Stack::up().await;
    for path in ["/_ministack/reset", "/_ministack/config", "/_localstack/health"] {
        let unsigned = request(&stack, Method::POST, path).body("{}");
        assert_eq!(status(unsigned).await, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn a_page_of_the_developers_own_app_may_call_the_api_which_asks_for_a_token() {
    let stack = Stack::up().await;
    let api = stack.env.api_url.strip_prefix(&stack.env.gateway_url).unwrap();
    let path = format!("{api}/api/ai/async/history");
    let page = || request(&stack, Method::GET, &path).header("origin", "http://localhost:3000");
    assert_eq!(status(page()).await, StatusCode::UNAUTHORIZED);
    let user = stack.new_user().await;
    assert_eq!(status(page().bearer_auth(user.token())).await, StatusCode::OK);
    // The way to the API is no way around the signature.
    let forged = signed_by("test", request(&stack, Method::POST, &path));
    assert_eq!(status(forged).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_functions_role_is_held_to_its_policy() {
    let stack = Stack::up().await;
    let roles = stack.aws(&["iam", "list-roles"]).await.unwrap();
    let role = roles["Roles"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["RoleName"].as_str().unwrap().contains("CancelHandlerRole"))
        .unwrap();
    let arn = role["Arn"].as_str().unwrap();
    let simulate = |action: &'static str| {
        let stack = stack.clone();
        let machine = stack.env.state_machine_arn.replacen(":stateMachine:", ":execution:", 1);
        let resource = format!("{machine}:x");
        let arn = arn.to_owned();
        async move {
            let args = [
                "iam",
                "simulate-principal-policy",
                "--policy-source-arn",
                &arn,
                "--action-names",
                action,
                "--resource-arns",
                &resource,
            ];
            let answer = stack.aws(&args).await.unwrap();
            answer["EvaluationResults"][0]["EvalDecision"].as_str().unwrap().to_owned()
        }
    };
    assert_eq!(simulate("states:StopExecution").await, "allowed");
    assert_eq!(simulate("states:DescribeExecution").await, "implicitDeny");
}

#[tokio::test]
async fn the_database_speaks_tls_by_its_own_authority_and_not_in_the_clear() {
    let stack = Stack::up().await;
    let options = PgConnectOptions::from_str(&stack.env.database_url).unwrap();
    let mut verified = options.clone().connect().await.unwrap();
    let encrypted: bool =
        sqlx::query_scalar("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
            .fetch_one(&mut verified)
            .await
            .unwrap();
    assert!(encrypted);
    verified.close().await.unwrap();

    let in_the_clear = options.clone().ssl_mode(PgSslMode::Disable).connect().await;
    let error = in_the_clear.unwrap_err().to_string();
    assert!(error.contains("no encryption"), "{error}");

    let url = &stack.env.database_url;
    let (without_authority, _) = url.split_once("&sslrootcert=").unwrap();
    let error = PgConnection::connect(without_authority).await.unwrap_err().to_string();
    assert!(error.contains("certificate") || error.contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn psql_takes_the_same_url() {
    let stack = Stack::up().await;
    let output = tokio::process::Command::new("psql")
        .args([&stack.env.database_url, "-Atc", "select current_user"])
        .envs(stack.env.variables())
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "aigen", "{output:?}");
}

#[tokio::test]
async fn the_databases_password_is_no_shell() {
    let stack = Stack::up().await;
    let error = sqlx::query("copy (select 1) to program 'true'")
        .execute(&stack.database)
        .await
        .unwrap_err();
    let code = error.as_database_error().unwrap().code().unwrap().into_owned();
    assert_eq!(code, "42501", "{error}");
    for mine in ["rolsuper", "rolreplication", "rolbypassrls"] {
        let query = format!("select {mine} from pg_roles where rolname = current_user");
        let has: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&stack.database)
            .await
            .unwrap();
        assert!(!has, "{mine}");
    }
}

/// Each function's role: no table is its own, and what a history says it cannot change.
#[tokio::test]
async fn no_function_logs_in_as_the_owner_of_the_schema_or_can_rewrite_a_history() {
    let stack = Stack::up().await;
    for function in FUNCTIONS {
        let of = ["lambda", "get-function-configuration", "--function-name", function];
        let variables = stack.aws(&of).await.unwrap()["Environment"]["Variables"].clone();
        let id = variables["DATABASE_SECRET_ARN"].as_str().unwrap();
        let get = ["secretsmanager", "get-secret-value", "--secret-id", id];
        let secret = stack.aws(&get).await.unwrap();
        let secret: Value = serde_json::from_str(secret["SecretString"].as_str().unwrap()).unwrap();
        let text = |field: &str| secret[field].as_str().unwrap();
        let mut connection = PgConnectOptions::from_str(&stack.env.database_url)
            .unwrap()
            .username(text("username"))
            .password(text("password"))
            .connect()
            .await
            .unwrap();
        let owned: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_class
             WHERE pg_has_role(current_user, relowner, 'USAGE') AND relkind IN ('r', 'S', 'i')",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!(owned, 0, "{function}");
        for change in [
            "UPDATE processing_event SET kind = kind WHERE false",
            "UPDATE _sqlx_migrations SET success = success WHERE false",
            "TRUNCATE processing_event",
            "ALTER TABLE processing_state ADD COLUMN hole text",
            "CREATE TABLE hole ()",
            "CREATE ROLE hole",
        ] {
            let error = sqlx::query(change).execute(&mut connection).await.unwrap_err();
            let code = error.as_database_error().unwrap().code().unwrap().into_owned();
            assert_eq!(code, "42501", "{function}: {change}: {error}");
        }
        connection.close().await.unwrap();
    }
}

#[tokio::test]
async fn nobody_else_can_enter_the_folder_of_keys_and_logs() {
    let stack = Stack::up().await;
    let dir = Path::new(&stack.env.database_ca_file)
        .ancestors()
        .find(|folder| folder.ends_with(".local"))
        .unwrap();
    let found = std::fs::metadata(dir).unwrap();
    assert_eq!(found.mode() & 0o067, 0, "{:o}", found.mode());
}
