//! Bedrock: asking a model through Converse and reading its answer.
//!
//! The SDK's retries are off: the state machine is the one layer that retries. Only a call whose
//! connection was lost before an answer came is made once more at once: a connection that was kept
//! open dies while Lambda has frozen this environment, and that is no fault of the model's. Its
//! stalled-stream protection is off too (see [`crate::aws`]): a model may think for a minute before
//! the first byte, and the explicit limit of one call is what ends it.

mod answer;
mod capability;
mod config;
mod diagnosis;
mod document;
mod fault;
mod request;
mod throttles;

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_bedrockruntime::{
    Client,
    operation::converse::{ConverseOutput, builders::ConverseFluentBuilder},
    types::{ContentBlock, ConversationRole, InferenceConfiguration, Message},
};
use futures_util::future::join_all;
use serde_json::Value;

use self::answer::Ended;
pub use self::config::ModelConfig;
pub use self::fault::{Fault, ModelFault};
pub use self::throttles::Throttles;
use crate::{
    process::{Failure, ModelUsage, Prompt},
    validation::Violation,
};

/// The input of the tool, or what is wrong with the answer, so that another one may mend it.
pub type ModelAnswer = Result<Value, Violation>;

/// The models of the configuration, in order of preference.
#[derive(Debug, Clone)]
pub struct Models {
    client: Client,
    ids: Vec<String>,
    timeout: Duration,
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
            .interceptor(request::PutInOrder)
            .build();
        Self { client: Client::from_conf(config), ids: model.ids.clone(), timeout: model.timeout }
    }

    /// Asks the models in turn until one answers; one that does not is passed over at once, and so
    /// is one that refuses what it was asked, since the same question would be refused again. What
    /// does not pass by itself is logged as an error, although the next model may answer. One that
    /// rests after a refusal for its quota is asked after the others, and not at all when one of
    /// them has just refused for the same reason: that would be one more call in vain. `paid` hears
    /// of each call that has to be paid for, answer or not.
    ///
    /// # Errors
    /// When none answered, naming each with its fault. The code is that of the most hopeful fault:
    /// one of configuration only when every model has one.
    pub async fn ask(
        &self,
        prompt: &Prompt,
        throttles: &Throttles,
        paid: &dyn Fn(ModelUsage),
    ) -> Result<ModelAnswer, Failure> {
        let mut faults: Vec<ModelFault> = Vec::new();
        for id in throttles.in_order(&self.ids) {
            let for_quota = |fault: &ModelFault| fault.fault == Fault::Throttled;
            if throttles.rests(id) && faults.iter().any(for_quota) {
                continue;
            }
            match self.ask_one(id, prompt, paid).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => {
                    log(&fault);
                    if for_quota(&fault) {
                        throttles.refused(id);
                    }
                    faults.push(fault);
                }
            }
        }
        Err(fault::combine(&faults))
    }

    async fn ask_one(
        &self,
        id: &str,
        prompt: &Prompt,
        paid: &dyn Fn(ModelUsage),
    ) -> Result<ModelAnswer, ModelFault> {
        let call = request::build(&self.client, id, capability::of(id), prompt)
            .map_err(|error| ModelFault::unbuilt(id, &error))?;
        let output = self.send(id, call).await?;
        paid(answer::usage(id, &output));
        match answer::read(prompt.tool, &output) {
            Ended::Called(input) => Ok(Ok(input)),
            Ended::Unusable(violation) => Ok(Err(violation)),
            Ended::Refused(reason) => Err(ModelFault::refused(id, &reason)),
        }
    }

    /// Makes the call, and once more when its connection was lost.
    async fn send(
        &self,
        id: &str,
        call: ConverseFluentBuilder,
    ) -> Result<ConverseOutput, ModelFault> {
        let sent = match call.clone().send().await {
            Err(error) if fault::connection_was_lost(&error) => {
                tracing::info!(model = %id, "the connection was lost; asking on a new one");
                call.send().await
            }
            sent => sent,
        };
        sent.map_err(|error| ModelFault::of(id, &error, self.timeout))
    }

    /// Asks each model for one token, all at once: proof that it is there and that we may use it.
    /// Returns the fault of each that fails; one that has not answered within `limit` has timed
    /// out.
    pub async fn check(&self, limit: Duration) -> Vec<(String, Result<(), ModelFault>)> {
        let checks = self.ids.iter().map(async |id| {
            let result = tokio::time::timeout(limit, self.check_one(id))
                .await
                .unwrap_or_else(|_| Err(ModelFault::late(id, limit)));
            (id.clone(), result)
        });
        join_all(checks).await
    }

    async fn check_one(&self, id: &str) -> Result<(), ModelFault> {
        let message = Message::builder()
            .role(ConversationRole::User)
            .content(ContentBlock::Text("ping".to_owned()))
            .build()
            .map_err(|error| ModelFault::unbuilt(id, &error))?;
        let one_token = InferenceConfiguration::builder().max_tokens(1).build();
        let call = self.client.converse().model_id(id).messages(message);
        self.send(id, call.inference_config(one_token)).await.map(drop)
    }
}

/// Tells of a model that did not answer: as an error what does not pass by itself.
fn log(fault: &ModelFault) {
    let ModelFault { model_id, fault: kind, words } = fault;
    if kind.needs_attention() {
        tracing::error!(model = %model_id, fault = %kind, cause = words, "a model did not answer");
    } else {
        tracing::warn!(model = %model_id, fault = %kind, cause = words, "a model did not answer");
    }
}

#[cfg(test)]
mod loopback_tests;
