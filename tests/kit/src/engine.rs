//! Step Functions as far as starting and stopping goes, without a network.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::aws::workflow::Workflow;

use crate::double::answered_by;

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:M";

/// Step Functions, which can be out of reach: what it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    started: Vec<String>,
    stopped: Vec<String>,
    out_of_reach: bool,
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let input: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let mut asked = self.asked.lock().unwrap();
        let answer = if let Some(name) = input["name"].as_str() {
            asked.started.push(name.to_owned());
            json!({"executionArn": format!("{MACHINE}:e"), "startDate": 1_700_000_000})
        } else {
            let arn = input["executionArn"].as_str().unwrap();
            asked.stopped.push(arn.rsplit(':').next().unwrap_or_default().to_owned());
            json!({"stopDate": 1_700_000_000})
        };
        let (status, answer) = if asked.out_of_reach {
            (503, json!({"__type": "ServiceUnavailable"}))
        } else {
            (200, answer)
        };
        let body = SdkBody::from(answer.to_string());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status.try_into().unwrap(), body)))
    }
}

impl Engine {
    /// A client of it.
    #[must_use]
    pub fn workflow(&self) -> Workflow {
        let config = answered_by(self.clone());
        Workflow::new(&config, MACHINE.to_owned())
    }

    /// The ARN of every execution that it starts.
    #[must_use]
    pub fn execution_arn() -> String {
        format!("{MACHINE}:e")
    }

    /// Has it answer nothing but 503, or well again.
    pub fn be_out_of_reach(&self, out_of_reach: bool) {
        self.asked.lock().unwrap().out_of_reach = out_of_reach;
    }

    /// The names of the executions that it was to start.
    #[must_use]
    pub fn started(&self) -> Vec<String> {
        self.asked.lock().unwrap().started.clone()
    }

    /// The names of those that it was to stop.
    #[must_use]
    pub fn stopped(&self) -> Vec<String> {
        self.asked.lock().unwrap().stopped.clone()
    }
}
