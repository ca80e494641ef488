//! Bedrock without a network, which answers every question alike and at once.

use std::time::Duration;

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture},
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use shared::aws::model::{ModelConfig, Models};

use crate::double::answered_by;

#[derive(Debug)]
struct Answering(String);

impl HttpConnector for Answering {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let body = SdkBody::from(self.0.clone());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), body)))
    }
}

/// Models that call `tool` with `input`, whatever they are asked.
#[must_use]
pub fn models_that_answer(tool: &str, input: &Value) -> Models {
    let answer = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"toolUse": {"toolUseId": "t", "name": tool, "input": input}}
        ]}},
        "stopReason": "tool_use",
        "metrics": {"latencyMs": 5},
        "usage": {"inputTokens": 10, "outputTokens": 20, "totalTokens": 30},
    });
    let config = answered_by(Answering(answer.to_string()));
    let models = ModelConfig { ids: vec!["m".into()], timeout: Duration::from_secs(5) };
    Models::new(&config, &models)
}
