//! Step Functions: starting and stopping the execution that drives a process. Its name is the process id, so that at most one
//! can ever exist.

use aws_config::SdkConfig;
use aws_sdk_sfn::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata},
};
use serde_json::json;

use crate::{error_code::ErrorCode, failure::Failure, process::ProcessId};

/// The state machine.
#[derive(Debug, Clone)]
pub struct Workflow {
    client: Client,
    state_machine_arn: String,
}

/// What became of a wish to stop an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Step Functions has taken the order; of an execution that has already ended, it takes it too.
    Ordered,
    /// There is no such execution.
    Missing,
}

impl Workflow {
    /// The state machine `state_machine_arn`, reached as `config` says.
    #[must_use]
    pub fn new(config: &SdkConfig, state_machine_arn: String) -> Self {
        Self { client: Client::new(config), state_machine_arn }
    }

    /// The ARN that the execution of `id` has, or would have.
    #[must_use]
    pub fn execution_arn(&self, id: ProcessId) -> String {
        format!("{}:{id}", self.state_machine_arn.replacen(":stateMachine:", ":execution:", 1))
    }

    /// Starts the execution of `id`; that it exists already counts as started, because only this process can bear its name.
    ///
    /// # Errors
    /// When it is not known to have been started. It may have been: whoever tries again finds that out.
    pub async fn start(&self, id: ProcessId) -> Result<String, Failure> {
        let input = json!({ "processId": id }).to_string();
        match self.client.start_execution().state_machine_arn(&self.state_machine_arn).name(id.to_string()).input(input).send().await {
            Ok(started) => Ok(started.execution_arn),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_sfn::operation::start_execution::StartExecutionError::is_execution_already_exists) =>
            {
                Ok(self.execution_arn(id))
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// Stops the execution of `id`. Stopping one that has ended changes nothing.
    ///
    /// # Errors
    /// When it is not known whether the order arrived.
    pub async fn stop(&self, id: ProcessId, error: &str, cause: &str) -> Result<Stopped, Failure> {
        match self.client.stop_execution().execution_arn(self.execution_arn(id)).error(error).cause(cause).send().await {
            Ok(_) => Ok(Stopped::Ordered),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_sfn::operation::stop_execution::StopExecutionError::is_execution_does_not_exist) =>
            {
                Ok(Stopped::Missing)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// Asks Step Functions for the state machine: proof that it is there and that we may see it.
    ///
    /// # Errors
    /// When it is not, or cannot be reached.
    pub async fn check(&self) -> Result<(), Failure> {
        self.client
            .describe_state_machine()
            .state_machine_arn(&self.state_machine_arn)
            .send()
            .await
            .map(drop)
            .map_err(|error| failure(&error))
    }
}

fn failure<E: std::error::Error + ProvideErrorMetadata + 'static>(error: &E) -> Failure {
    Failure::new(ErrorCode::StepFunctionsError, format!("{}: {}", error.code().unwrap_or("no answer"), DisplayErrorContext(error)))
}
