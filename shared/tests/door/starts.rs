//! Who repeats a request whose start was lost starts it, and starts it once.

use std::sync::{Arc, Mutex};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_sdk_sfn::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::{aws::workflow::Workflow, chart::Chart, store::Submission, use_case::submit};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, id, submission};

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:M";

/// Step Functions, which can be out of reach: the names of the executions that it was to start.
#[derive(Debug, Clone, Default)]
struct Engine {
    asked: Arc<Mutex<Vec<String>>>,
    out_of_reach: Arc<Mutex<bool>>,
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let input: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        self.asked.lock().unwrap().push(input["name"].as_str().unwrap().to_owned());
        let (status, answer) = if *self.out_of_reach.lock().unwrap() {
            (503, json!({"__type": "ServiceUnavailable"}))
        } else {
            (200, json!({"executionArn": format!("{MACHINE}:e"), "startDate": 1_700_000_000}))
        };
        let body = SdkBody::from(answer.to_string());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), body)))
    }
}

impl Engine {
    fn workflow(&self) -> Workflow {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("a", "b", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url("http://double")
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        Workflow::new(&config, MACHINE.to_owned())
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

// Protocol B10.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_starts_what_was_accepted_and_never_started(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let engine = Engine { out_of_reach: Arc::new(Mutex::new(true)), ..Engine::default() };
    let workflow = engine.workflow();
    let send = async |number, seconds| {
        let submission = Submission::<Chart> {
            idempotency_key: Some("key 1".into()),
            now: at(seconds),
            ..submission(number, "hanako")
        };
        submit(&fixture.store, &workflow, &submission).await.unwrap().0.unwrap()
    };
    assert_eq!(send(1, 0).await.process_id, id(1));
    *engine.out_of_reach.lock().unwrap() = false;
    // Its start may still be under way.
    assert_eq!((send(2, 5).await.process_id, engine.asked()), (id(1), 1));
    assert_eq!((send(3, 30).await.process_id, engine.asked()), (id(1), 2));
    assert_eq!(*engine.asked.lock().unwrap(), [id(1).to_string(), id(1).to_string()]);
    let process = fixture.process(1).await;
    assert_eq!(process.execution_arn.as_deref(), Some(&*format!("{MACHINE}:e")));
    // It is noted as started, so that nobody starts it again.
    assert_eq!((send(4, 60).await.process_id, engine.asked()), (id(1), 2));
}
