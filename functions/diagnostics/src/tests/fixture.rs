//! Diagnostics on the test's own database, rows in whatever state, and an HTTP client that answers
//! for AWS.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{
    BehaviorVersion, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_sdk_sfn::config::{Credentials as AwsCredentials, Region, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Map, Value, json};
use shared::{
    aws::{
        functions::Functions,
        logs::Logs,
        model::{ModelConfig, Models},
        rules::Rules,
        workflow::Workflow,
    },
    clock::SystemClock,
    environment::Environment,
    http::{Request, respond},
    process::{ProcessId, Retention, Terms},
    reconcile::Limits,
    store::{Access, Credentials, Database, Session, Store},
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use test_kit::as_role;

use crate::diagnostics::{Diagnostics, LOGGING};

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:AIGenerationStateMachine";

/// What AWS answers: a status and a body, by the operation (Step Functions) or the path (Bedrock).
type Answers = Arc<Mutex<Vec<(String, u16, Value)>>>;

#[derive(Debug, Clone, Default)]
pub(super) struct Aws {
    answers: Answers,
}

impl Aws {
    /// Has `operation`, or what is asked of the model of that name, answered so from now on.
    pub(super) fn answer(&self, operation: &str, status: u16, body: Value) {
        self.answers.lock().unwrap().insert(0, (operation.to_owned(), status, body));
    }

    fn config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url("http://double")
            .credentials_provider(SharedCredentialsProvider::new(AwsCredentials::new(
                "a", "b", None, None, "test",
            )))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request
            .headers()
            .get("x-amz-target")
            .map_or_else(|| request.uri().to_owned(), str::to_owned);
        let answers = self.answers.lock().unwrap();
        let answer = answers.iter().find(|(name, ..)| operation.contains(name.as_str()));
        let (status, body) = answer
            .map_or_else(|| (200, usual(&operation)), |(_, status, body)| (*status, body.clone()));
        let mut response =
            HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()));
        if let Some(name) = body["__type"].as_str() {
            response.headers_mut().insert("x-amzn-errortype", name.to_owned());
        }
        HttpConnectorFuture::new(async move { Ok(response) })
    }
}

/// The variables of each function.
const VARIABLES: [(&str, &str); 2] =
    [("DATABASE_SECRET_ARN", "arn:secret"), ("STATE_MACHINE_ARN", MACHINE)];

fn variable(name: &str) -> Option<String> {
    VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

/// What AWS answers when nothing else is said.
fn usual(operation: &str) -> Value {
    if operation.contains("DescribeStateMachine") {
        json!({"stateMachineArn": MACHINE, "name": "n", "definition": "{}", "roleArn": "r",
               "type": "STANDARD", "creationDate": 1.0})
    } else if operation.ends_with("/configuration") {
        let variables = VARIABLES.map(|(name, value)| (name.to_owned(), json!(value)));
        json!({"FunctionName": "n", "State": "Active", "LastUpdateStatus": "Successful",
               "Environment": {"Variables": Map::from_iter(variables)}})
    } else if operation.ends_with("/concurrency") {
        json!({})
    } else if operation.contains("DescribeRule") {
        json!({"Name": "n", "State": "ENABLED"})
    } else if operation.contains("FilterLogEvents") {
        json!({"events": []})
    } else {
        json!({"output": {"message": {"role": "assistant", "content": [{"text": "p"}]}},
               "stopReason": "max_tokens",
               "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
               "metrics": {"latencyMs": 1}})
    }
}

pub(super) struct Fixture {
    pub(super) aws: Aws,
    pub(super) pool: PgPool,
    diagnostics: Diagnostics,
}

impl Fixture {
    /// On the database of `options`, which `sqlx::test` has made, as the role that only reads; a
    /// sweep has just looked at it.
    pub(super) async fn new(options: PgConnectOptions) -> Self {
        let pool = PgPool::connect_with(options.clone()).await.unwrap();
        let fixture = Self::on(as_role(&options, Access::Reading).await, pool);
        fixture
            .sql(
                "UPDATE reconciler_sweep
                 SET reported_at = now(), report = '{\"complete\": true, \"failed\": 0}'",
            )
            .await;
        fixture
    }

    /// The same, with diagnostics that look at another database.
    pub(super) fn on(options: PgConnectOptions, pool: PgPool) -> Self {
        let aws = Aws::default();
        let none = json!({"__type": "ExecutionDoesNotExist", "message": "none"});
        aws.answer("DescribeExecution", 400, none);
        let config = aws.config();
        let models = ModelConfig {
            ids: vec!["first".to_owned(), "second".to_owned()],
            timeout: Duration::from_secs(5),
        };
        let database = Database::new(Credentials::Given(Box::new(options)));
        let diagnostics = Diagnostics {
            store: Store::new(database.limit_calls(Duration::from_secs(1))),
            workflow: Workflow::new(&config, MACHINE.to_owned()),
            functions: Functions::new(&config),
            rules: Rules::new(&config),
            environment: Environment::new(&variable),
            models: Models::new(&config, &models),
            logs: LOGGING.map(|name| (name, Logs::new(&config, name.to_owned()))).into(),
            clock: SystemClock,
            terms: Terms::default(),
            limits: Limits::default(),
            retention: Retention::default(),
            prefix: String::new(),
        };
        Self { aws, pool, diagnostics }
    }

    pub(super) async fn sql(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    pub(super) async fn sessions(&self, seconds: f64) -> Vec<Session> {
        self.diagnostics.store.sessions_of_note(seconds).await.unwrap()
    }

    /// What an operator is answered.
    pub(super) async fn ask(&self, payload: Value) -> Value {
        let handle = async |request: &Request| self.diagnostics.handle(request).await;
        Box::pin(respond(payload, &SystemClock, handle)).await
    }

    /// The data of a good answer.
    pub(super) async fn data(&self, payload: Value) -> Value {
        let answer = self.ask(payload).await;
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].clone()
    }

    /// A row in `status` that was accepted `seconds` ago, as the product leaves it; then `changes`
    /// by a foreign hand.
    pub(super) async fn row(
        &self,
        number: u128,
        status: &str,
        seconds: i64,
        changes: &str,
    ) -> ProcessId {
        let id = test_kit::id(number);
        let set = if changes.is_empty() {
            String::new()
        } else {
            format!("UPDATE processing_state SET {changes} WHERE id = '{id}'")
        };
        self.sql(&format!(
            r#"
            INSERT INTO processing_state (
                id, user_id, type, status, target_id, params, progress, result, error, attempt,
                execution_arn, created_at, updated_at, admitted_at, share, started_at, completed_at
            )
            SELECT
                '{id}', 'hanako', 'SUBGOAL_GENERATION', s, '{id}', '{{"title": "秘密"}}',
                CASE s WHEN 'COMPLETED' THEN 100 ELSE 0 END,
                CASE s WHEN 'COMPLETED' THEN '{{}}'::jsonb END,
                CASE WHEN s IN ('FAILED', 'TIMEOUT')
                    THEN '{{"code":"AI_ERROR","message":"x","cause":"it failed"}}'::jsonb END,
                CASE s WHEN 'PENDING' THEN 0 ELSE 1 END,
                CASE s WHEN 'PENDING' THEN NULL ELSE 'arn' END,
                at, at, at, 1,
                CASE s WHEN 'PENDING' THEN NULL ELSE at + interval '1 second' END,
                CASE WHEN s NOT IN ('PENDING', 'PROCESSING') THEN at + interval '3 seconds' END
            FROM (
                SELECT '{status}'::text AS s, now() - interval '{seconds} seconds' AS at
            ) row;
            {set}
            "#
        ))
        .await;
        id
    }
}
