//! The double of Step Functions and CloudWatch Logs: an HTTP client that answers by itself.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared::process::ProcessId;
use sqlx::PgPool;
use test_kit::answered_by;

pub(super) const MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:AIGenerationStateMachine";

#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) status: &'static str,
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) started: DateTime<Utc>,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is refused, and nothing was done.
    Refused,
    /// It was done, and the answer is lost.
    AnswerLost,
    /// It is never answered.
    NoAnswer,
    /// The execution is not found, whether it is there or not.
    Lagging,
}

#[derive(Debug, Default)]
struct State {
    executions: BTreeMap<String, Run>,
    calls: BTreeMap<String, u64>,
    faults: VecDeque<(&'static str, Fault)>,
    /// Operations that are refused, by the name of the execution.
    refused: Vec<(&'static str, String)>,
    /// What a foreign hand does to the database just before the next call of this name is answered.
    meanwhile: VecDeque<(&'static str, String)>,
    log: Vec<String>,
    seconds: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Double {
    state: Arc<Mutex<State>>,
    pool: PgPool,
    began: DateTime<Utc>,
}

impl Double {
    pub(super) fn new(pool: PgPool, began: DateTime<Utc>) -> Self {
        Self { state: Arc::default(), pool, began }
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// The time: each call takes a second.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.began + chrono::TimeDelta::seconds(self.state(|state| state.seconds))
    }

    pub(super) fn pass(&self, seconds: i64) {
        self.state(|state| state.seconds += seconds);
    }

    pub(super) fn execution(&self, id: ProcessId, status: &'static str, started: DateTime<Utc>) {
        let error = (status == "FAILED").then(|| "AI_ERROR".to_owned());
        let cause = (status == "FAILED")
            .then(|| r#"{"errorType":"AI_ERROR","errorMessage":"the model failed"}"#.to_owned());
        self.state(|state| {
            state.executions.insert(id.to_string(), Run { status, error, cause, started })
        });
    }

    /// The execution of `id` has failed by this error.
    pub(super) fn fails_by(&self, id: ProcessId, error: &str, cause: &str, started: DateTime<Utc>) {
        let (error, cause) = (Some(error.to_owned()), Some(cause.to_owned()));
        let run = Run { status: "FAILED", error, cause, started };
        self.state(|state| state.executions.insert(id.to_string(), run));
    }

    pub(super) fn status(&self, id: ProcessId) -> Option<&'static str> {
        self.state(|state| state.executions.get(&id.to_string()).map(|run| run.status))
    }

    /// The execution of `id` was never there.
    pub(super) fn forget(&self, id: ProcessId) {
        self.state(|state| state.executions.remove(&id.to_string()));
    }

    /// Every call of `operation` about `id` is refused.
    pub(super) fn refuse(&self, operation: &'static str, id: ProcessId) {
        self.state(|state| state.refused.push((operation, id.to_string())));
    }

    pub(super) fn fault(&self, operation: &'static str, fault: Fault) {
        self.state(|state| state.faults.push_back((operation, fault)));
    }

    pub(super) fn meanwhile(&self, operation: &'static str, sql: String) {
        self.state(|state| state.meanwhile.push_back((operation, sql)));
    }

    pub(super) fn log(&self, line: String) {
        self.state(|state| state.log.push(line));
    }

    /// How often each operation was called, as "Describe 3, List 1".
    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        self.state(|state| state.calls.clone())
    }

    pub(super) fn config(&self) -> SdkConfig {
        answered_by(self.clone())
    }

    async fn answer(self, operation: String, input: Value) -> HttpResponse {
        let meanwhile = self.state(|state| {
            state.seconds += 1;
            *state.calls.entry(operation.clone()).or_default() += 1;
            state.meanwhile.pop_front_if(|(name, _)| *name == operation)
        });
        if let Some((_, sql)) = meanwhile {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
        }
        let fault = self
            .state(|state| state.faults.pop_front_if(|(name, _)| *name == operation))
            .map(|(_, fault)| fault);
        if fault == Some(Fault::Refused) {
            return response(
                400,
                &json!({"__type": "AccessDeniedException", "message": "refused"}),
            );
        }
        if fault == Some(Fault::NoAnswer) {
            std::future::pending::<()>().await;
        }
        if fault == Some(Fault::Lagging) {
            return response(
                400,
                &json!({"__type": "ExecutionDoesNotExist", "message": "not yet"}),
            );
        }
        let answer = self.state(|state| state.answer(&operation, &input, self.began));
        match (fault, answer) {
            (Some(Fault::AnswerLost), _) => {
                response(500, &json!({"__type": "InternalServerError", "message": "lost"}))
            }
            (_, Ok(answer)) => response(200, &answer),
            (_, Err(name)) => {
                response(400, &json!({"__type": name, "message": "as the service says"}))
            }
        }
    }
}

impl State {
    fn answer(
        &mut self,
        operation: &str,
        input: &Value,
        began: DateTime<Utc>,
    ) -> Result<Value, &'static str> {
        let name = input["executionArn"]
            .as_str()
            .and_then(|arn| arn.rsplit(':').next())
            .unwrap_or_default()
            .to_owned();
        let named = input["name"].as_str().unwrap_or(&name);
        if self.refused.iter().any(|(refused, of)| *refused == operation && of == named) {
            return Err("AccessDeniedException");
        }
        let described = |name: &str, run: &Run| {
            let prefix = MACHINE.replace(":stateMachine:", ":execution:");
            json!({
                "executionArn": format!("{prefix}:{name}"), "stateMachineArn": MACHINE,
                "name": name, "status": run.status, "startDate": run.started.timestamp(),
                "error": run.error, "cause": run.cause,
            })
        };
        match operation {
            "ListExecutions" => {
                let after = input["nextToken"].as_str().unwrap_or_default().to_owned();
                let running = self
                    .executions
                    .iter()
                    .filter(|(name, run)| run.status == "RUNNING" && **name > after);
                let page: Vec<_> =
                    running.take(1_000).map(|(name, run)| described(name, run)).collect();
                let next = (page.len() == 1_000).then(|| page[999]["name"].clone());
                Ok(json!({"executions": page, "nextToken": next}))
            }
            "DescribeExecution" => match self.executions.get(&name) {
                Some(run) => Ok(described(&name, run)),
                None => Err("ExecutionDoesNotExist"),
            },
            "StartExecution" => {
                let name = input["name"].as_str().unwrap().to_owned();
                if self.executions.contains_key(&name) {
                    return Err("ExecutionAlreadyExists");
                }
                let run = Run { status: "RUNNING", error: None, cause: None, started: began };
                let answer = described(&name, &run);
                self.executions.insert(name, run);
                Ok(answer)
            }
            "StopExecution" => match self.executions.get_mut(&name) {
                None => Err("ExecutionDoesNotExist"),
                Some(run) if run.status == "RUNNING" => {
                    run.status = "ABORTED";
                    run.error = input["error"].as_str().map(str::to_owned);
                    run.cause = input["cause"].as_str().map(str::to_owned);
                    Ok(json!({"stopDate": began.timestamp()}))
                }
                Some(run) if run.status == "ABORTED" => Ok(json!({"stopDate": began.timestamp()})),
                Some(_) => Err("ValidationException"),
            },
            "FilterLogEvents" => {
                let events = self.log.iter().map(|line| json!({"message": line}));
                Ok(json!({"events": events.collect::<Vec<_>>()}))
            }
            other => panic!("nobody should call {other}"),
        }
    }
}

fn response(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}

impl HttpConnector for Double {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation =
            request.headers().get("x-amz-target").unwrap().rsplit('.').next().unwrap().to_owned();
        let input = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let double = self.clone();
        HttpConnectorFuture::new(async move { Ok(double.answer(operation, input).await) })
    }
}
