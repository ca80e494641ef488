//! The outside that a sweep asks: Step Functions, the log and the secret, answered at once, with
//! every call counted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::table::id;
use super::ReconcileArgs;

pub(super) const MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:AIGenerationStateMachine";
/// As Step Functions gives at most.
const PAGE: u32 = 1_000;

#[derive(Debug)]
struct World {
    active: u32,
    drifted: u32,
    secret: Value,
    started_at: u64,
    log_seconds: u64,
    calls: Mutex<BTreeMap<String, u64>>,
}

/// The server that the function takes for AWS.
#[derive(Debug)]
pub(super) struct Engine {
    world: Arc<World>,
    url: String,
}

impl Engine {
    /// The first `drifted` of `active` processes have executions that ended five different ways;
    /// the others run.
    pub(super) async fn serve(args: &ReconcileArgs, secret: Value) -> Result<Self> {
        let &ReconcileArgs { active, drifted, log_seconds, .. } = args;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_at = now.as_secs().saturating_sub(600);
        let world = Arc::new(World {
            active,
            drifted,
            secret,
            started_at,
            log_seconds,
            calls: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the engine")?;
        let url = format!("http://{}", listener.local_addr().context("the engine has no address")?);
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&world));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { world, url })
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    /// Whether the function has counted its calls as they arrived here.
    pub(super) fn agrees_with(&self, told: &Value) -> Result<()> {
        let counted = self.world.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for (field, operation) in [
            ("listExecutions", "ListExecutions"),
            ("describeExecution", "DescribeExecution"),
            ("stopExecution", "StopExecution"),
            ("filterLogEvents", "FilterLogEvents"),
        ] {
            let counted = counted.get(operation).copied().unwrap_or_default();
            ensure!(
                told[field] == json!(counted),
                "the function tells of {} calls of {operation}, and made {counted}",
                told[field]
            );
        }
        Ok(())
    }
}

async fn answer(State(world): State<Arc<World>>, headers: HeaderMap, body: Bytes) -> Response {
    let target =
        headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    *world
        .calls
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(operation.to_owned())
        .or_default() += 1;
    let input: Value = serde_json::from_slice(&body).unwrap_or_default();
    match operation {
        "GetSecretValue" => {
            Json(json!({"ARN": "bench", "Name": "bench", "SecretString": world.secret.to_string()}))
                .into_response()
        }
        "FilterLogEvents" => {
            tokio::time::sleep(Duration::from_secs(world.log_seconds)).await;
            Json(json!({"events": []})).into_response()
        }
        "StopExecution" => Json(json!({"stopDate": world.started_at})).into_response(),
        "ListExecutions" => Json(world.running(&input)).into_response(),
        "DescribeExecution" => match world.described(&input) {
            Some(described) => Json(described).into_response(),
            None => refused("ExecutionDoesNotExist"),
        },
        _ => refused("UnknownOperationException"),
    }
}

fn refused(name: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"__type": name, "message": "as the service says"})))
        .into_response()
}

impl World {
    fn execution(&self, number: u32, status: &str) -> Value {
        let executions = MACHINE.replacen(":stateMachine:", ":execution:", 1);
        json!({
            "executionArn": format!("{executions}:{}", id(number)),
            "stateMachineArn": MACHINE,
            "name": id(number),
            "status": status,
            "startDate": self.started_at,
        })
    }

    fn running(&self, input: &Value) -> Value {
        let from = input["nextToken"]
            .as_str()
            .and_then(|token| token.parse().ok())
            .unwrap_or(self.drifted);
        let until = (from + PAGE).min(self.active);
        let page: Vec<_> = (from..until).map(|number| self.execution(number, "RUNNING")).collect();
        json!({"executions": page, "nextToken": (until < self.active).then(|| until.to_string())})
    }

    fn described(&self, input: &Value) -> Option<Value> {
        let name = input["executionArn"].as_str()?.rsplit(':').next()?;
        let number =
            u32::try_from(uuid::Uuid::try_parse(name).ok()?.as_u128() & u128::from(u32::MAX))
                .ok()?;
        if number >= self.drifted {
            return (number < self.active).then(|| self.execution(number, "RUNNING"));
        }
        let status =
            ["FAILED", "SUCCEEDED", "TIMED_OUT", "ABORTED", "expired"][number as usize % 5];
        let mut described = self.execution(number, status);
        if status == "FAILED" {
            described["error"] = json!("AI_ERROR");
        }
        (status != "expired").then_some(described)
    }
}
