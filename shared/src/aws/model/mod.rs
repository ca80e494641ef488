//! Bedrock: asking a model through Converse and reading its answer.
//!
//! The SDK's retries are off: the state machine is the one layer that retries. Its stalled-stream
//! protection is off too (see [`crate::aws`]): a model may think for a minute before the first
//! byte, and the explicit limit of one call is what ends it.

mod config;
mod document;
mod fault;

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_bedrockruntime::{
    Client,
    operation::converse::ConverseOutput,
    types::{
        ContentBlock, ConversationRole, InferenceConfiguration, Message, SpecificToolChoice,
        StopReason, SystemContentBlock, Tool, ToolChoice, ToolConfiguration, ToolInputSchema,
        ToolSpecification,
    },
};
use serde_json::Value;

pub use self::config::ModelConfig;
pub use self::fault::{Fault, ModelFault};
use crate::{
    process::{Failure, ModelUsage, Prompt},
    validation::{Rule, Violation},
};

/// The models of the configuration, in order of preference.
#[derive(Debug, Clone)]
pub struct Models {
    client: Client,
    ids: Vec<String>,
    timeout: Duration,
}

/// An answer: the input of the tool, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelAnswer {
    /// The tool's input, or what is wrong with the answer.
    pub input: Result<Value, Violation>,
    /// What it cost.
    pub usage: ModelUsage,
}

impl Models {
    /// The models of `model`, reached as `config` says.
    #[must_use]
    pub fn new(config: &SdkConfig, model: &ModelConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(model.timeout)
            .operation_timeout(model.timeout)
            .build();
        let config = aws_sdk_bedrockruntime::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config), ids: model.ids.clone(), timeout: model.timeout }
    }

    /// Asks the models in turn until one answers: one that is throttled, unavailable or too slow is
    /// passed over at once.
    ///
    /// # Errors
    /// When none answered, naming each with its fault; and at once for a fault of configuration,
    /// which the next model would only hide.
    pub async fn ask(&self, prompt: &Prompt) -> Result<ModelAnswer, Failure> {
        let mut faults = Vec::new();
        for id in &self.ids {
            match self.ask_one(id, prompt).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => {
                    tracing::warn!(model = %id, fault = %fault.fault, "a model did not answer");
                    let configuration = fault.fault == Fault::Configuration;
                    faults.push(fault);
                    if configuration {
                        break;
                    }
                }
            }
        }
        Err(fault::combine(&faults))
    }

    async fn ask_one(&self, id: &str, prompt: &Prompt) -> Result<ModelAnswer, ModelFault> {
        let call = async {
            let tool = ToolSpecification::builder()
                .name(prompt.tool)
                .description(prompt.tool_description)
                .input_schema(ToolInputSchema::Json(document::from_json(&prompt.schema)))
                .build()?;
            let choice = ToolChoice::Tool(SpecificToolChoice::builder().name(prompt.tool).build()?);
            let tools = ToolConfiguration::builder()
                .tools(Tool::ToolSpec(tool))
                .tool_choice(choice)
                .build()?;
            let message = Message::builder()
                .role(ConversationRole::User)
                .content(ContentBlock::Text(prompt.user.clone()))
                .build()?;
            Ok::<_, aws_sdk_bedrockruntime::error::BuildError>(
                self.client
                    .converse()
                    .model_id(id)
                    .system(SystemContentBlock::Text(prompt.system.clone()))
                    .messages(message)
                    .inference_config(
                        InferenceConfiguration::builder().max_tokens(prompt.max_tokens).build(),
                    )
                    .tool_config(tools),
            )
        };
        let call = call.await.map_err(|error| ModelFault {
            model_id: id.to_owned(),
            fault: Fault::Configuration,
            words: error.to_string(),
        })?;
        let output = call.send().await.map_err(|error| ModelFault::of(id, &error, self.timeout))?;
        Ok(read(id, prompt.tool, &output))
    }

    /// Asks each model for one token: proof that it is there and that we may use it. Returns the
    /// fault of each that fails.
    pub async fn check(&self) -> Vec<(String, Result<(), ModelFault>)> {
        let mut results = Vec::new();
        for id in &self.ids {
            let message = Message::builder()
                .role(ConversationRole::User)
                .content(ContentBlock::Text("ping".to_owned()))
                .build();
            let result = match message {
                Ok(message) => {
                    let call =
                        self.client.converse().model_id(id).messages(message).inference_config(
                            InferenceConfiguration::builder().max_tokens(1).build(),
                        );
                    call.send()
                        .await
                        .map(drop)
                        .map_err(|error| ModelFault::of(id, &error, self.timeout))
                }
                Err(error) => Err(ModelFault {
                    model_id: id.clone(),
                    fault: Fault::Configuration,
                    words: error.to_string(),
                }),
            };
            results.push((id.clone(), result));
        }
        results
    }
}

/// Takes the input of `tool` out of an answer.
fn read(id: &str, tool: &str, output: &ConverseOutput) -> ModelAnswer {
    let content = output
        .output()
        .and_then(|output| output.as_message().ok())
        .map(Message::content)
        .unwrap_or_default();
    let call = content
        .iter()
        .find_map(|block| block.as_tool_use().ok().filter(|call| call.name() == tool));
    let input = match (output.stop_reason(), call) {
        (StopReason::MaxTokens, _) => Err(Violation::new("answer", Rule::Truncated)),
        (_, Some(call)) => Ok(document::to_json(call.input())),
        (_, None) => Err(Violation::new("answer", Rule::NoToolCall)),
    };
    let usage = ModelUsage {
        model_id: id.to_owned(),
        input_tokens: output.usage().map_or(0, |usage| usage.input_tokens().into()),
        output_tokens: output.usage().map_or(0, |usage| usage.output_tokens().into()),
        latency_ms: output
            .metrics()
            .map_or(0, aws_sdk_bedrockruntime::types::ConverseMetrics::latency_ms),
    };
    ModelAnswer { input, usage }
}
