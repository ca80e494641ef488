//! Step Functions: starting and stopping the execution that drives a process. Its name is the
//! process id, so that at most one can ever exist.

use aws_config::SdkConfig;
use aws_sdk_sfn::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        describe_execution::{DescribeExecutionError, DescribeExecutionOutput},
        start_execution::StartExecutionError,
        stop_execution::StopExecutionError,
    },
    primitives::DateTime as SdkTime,
    types::{ExecutionListItem, ExecutionStatus},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::{
    aws,
    process::{ErrorCode, Failure, ProcessId},
    reconcile::Execution,
};

/// The state machine.
#[derive(Debug, Clone)]
pub struct Workflow {
    client: Client,
    state_machine_arn: String,
}

/// An execution that has been started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its ARN.
    pub execution_arn: String,
    /// When; `None`: it was there already.
    pub at: Option<DateTime<Utc>>,
}

/// What became of a wish to stop an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Step Functions has taken the order; of an execution that has already ended, it takes it too.
    Ordered,
    /// There is no such execution.
    Missing,
}

/// Running executions, as many as one call tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningPage {
    /// Which processes they drive, and since when they run. Executions that bear no process's id
    /// are none of ours.
    pub running: Vec<(ProcessId, DateTime<Utc>)>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<String>,
}

/// An execution as Step Functions describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Where it stands.
    pub execution: Execution,
    /// When it was started; `None` when there is none.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub stopped_at: Option<DateTime<Utc>>,
}

impl Workflow {
    /// The state machine `state_machine_arn`, reached as `config` says.
    #[must_use]
    pub fn new(config: &SdkConfig, state_machine_arn: String) -> Self {
        Self { client: Client::new(config), state_machine_arn }
    }

    /// Its ARN.
    #[must_use]
    pub fn state_machine_arn(&self) -> &str {
        &self.state_machine_arn
    }

    /// The ARN that the execution of `id` has, or would have.
    #[must_use]
    pub fn execution_arn(&self, id: ProcessId) -> String {
        format!("{}:{id}", self.state_machine_arn.replacen(":stateMachine:", ":execution:", 1))
    }

    /// Starts the execution of `id`; that it exists already counts as started, because only this
    /// process can bear its name.
    ///
    /// # Errors
    /// When it is not known to have been started. It may have been: whoever tries again finds that
    /// out.
    pub async fn start(&self, id: ProcessId) -> Result<Started, Failure> {
        let input = json!({ "processId": id }).to_string();
        let request = self
            .client
            .start_execution()
            .state_machine_arn(&self.state_machine_arn)
            .name(id.to_string())
            .input(input);
        match request.send().await {
            Ok(started) => {
                let at = time(&started.start_date);
                Ok(Started { execution_arn: started.execution_arn, at })
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(StartExecutionError::is_execution_already_exists) =>
            {
                Ok(Started { execution_arn: self.execution_arn(id), at: None })
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// Stops the execution of `id`. Stopping one that has ended changes nothing.
    ///
    /// # Errors
    /// When it is not known whether the order arrived.
    pub async fn stop(&self, id: ProcessId, error: &str, cause: &str) -> Result<Stopped, Failure> {
        let request = self
            .client
            .stop_execution()
            .execution_arn(self.execution_arn(id))
            .error(error)
            .cause(cause);
        match request.send().await {
            Ok(_) => Ok(Stopped::Ordered),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(StopExecutionError::is_execution_does_not_exist) =>
            {
                Ok(Stopped::Missing)
            }
            Err(error) => Err(failure(&error)),
        }
    }

    /// The running executions from `page` on, up to 1,000. Best effort: one that has just started
    /// or ended may be missing or listed.
    ///
    /// # Errors
    /// When Step Functions cannot be asked.
    pub async fn list_running(&self, page: Option<String>) -> Result<RunningPage, Failure> {
        let listed = self
            .client
            .list_executions()
            .state_machine_arn(&self.state_machine_arn)
            .status_filter(ExecutionStatus::Running)
            .max_results(1_000)
            .set_next_token(page)
            .send()
            .await
            .map_err(|error| failure(&error))?;
        Ok(RunningPage {
            running: listed.executions.iter().filter_map(running).collect(),
            next: listed.next_token,
        })
    }

    /// The execution of `id`.
    ///
    /// # Errors
    /// When Step Functions cannot be asked, or says what we do not understand.
    pub async fn describe(&self, id: ProcessId) -> Result<Described, Failure> {
        match self.client.describe_execution().execution_arn(self.execution_arn(id)).send().await {
            Ok(described) => Ok(Described {
                execution: execution(&described)?,
                started_at: time(&described.start_date),
                stopped_at: described.stop_date.as_ref().and_then(time),
            }),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
            {
                Ok(Described { execution: Execution::Missing, started_at: None, stopped_at: None })
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

fn running(item: &ExecutionListItem) -> Option<(ProcessId, DateTime<Utc>)> {
    Some((ProcessId(Uuid::try_parse(&item.name).ok()?), time(&item.start_date)?))
}

fn execution(described: &DescribeExecutionOutput) -> Result<Execution, Failure> {
    let (error, cause) = (described.error.clone(), described.cause.clone());
    match &described.status {
        // One that waits to be redriven will run again under the same name.
        ExecutionStatus::Running | ExecutionStatus::PendingRedrive => Ok(Execution::Running {
            since: time(&described.start_date).unwrap_or(DateTime::<Utc>::MAX_UTC),
        }),
        ExecutionStatus::Succeeded => Ok(Execution::Succeeded),
        ExecutionStatus::Failed => Ok(Execution::Failed {
            error: error.unwrap_or_else(|| "States.Runtime".to_owned()),
            cause,
        }),
        ExecutionStatus::TimedOut => Ok(Execution::TimedOut),
        ExecutionStatus::Aborted => Ok(Execution::Aborted { error, cause }),
        other => Err(Failure::new(
            ErrorCode::StepFunctionsError,
            format!("an execution status that we do not know: {other}"),
        )),
    }
}

fn time(time: &SdkTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}

fn failure<E: std::error::Error + ProvideErrorMetadata + 'static>(
    error: &SdkError<E, HttpResponse>,
) -> Failure {
    Failure::new(ErrorCode::StepFunctionsError, aws::describe_error(error))
}
