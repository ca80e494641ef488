//! Lambda: how a function of the stack is deployed.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_lambda::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_function_configuration::{
        GetFunctionConfigurationError, GetFunctionConfigurationOutput,
    },
    types::{LastUpdateStatus, LastUpdateStatusReasonCode, State, StateReasonCode},
};

use chrono::{DateTime, Utc};

use crate::{
    aws,
    process::{ErrorCode, Failure},
};

/// The functions of the stack.
#[derive(Debug, Clone)]
pub struct Functions {
    client: Client,
}

/// How a function is deployed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployed {
    /// Why it takes no invocations (its state and the reason), if that is so. One that is idle, or
    /// being made, takes them soon.
    pub fault: Option<String>,
    /// Why its last change did not come to be, if that is so: what it was before goes on.
    pub failed_update: Option<String>,
    /// When it was changed last, its variables or its code; `None`: Lambda said it in a way that we
    /// do not read.
    pub changed_at: Option<DateTime<Utc>>,
    /// Its environment variables.
    pub variables: HashMap<String, String>,
    /// Concurrent invocations that are reserved for it, and the most that it gets; `None`: what the
    /// account has. 0 switches it off.
    pub reserved: Option<i32>,
}

impl Functions {
    /// The functions of the account and region that `config` names.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// How `name` is deployed; `None`: there is no such function.
    ///
    /// # Errors
    /// When Lambda cannot be asked, as for want of permission.
    pub async fn look(&self, name: &str) -> Result<Option<Deployed>, Failure> {
        let configuration = self.client.get_function_configuration().function_name(name).send();
        let concurrency = self.client.get_function_concurrency().function_name(name).send();
        let (configuration, concurrency) = tokio::join!(configuration, concurrency);
        match configuration {
            Ok(found) => {
                let reserved = concurrency.map_err(|error| failure(&error))?;
                Ok(Some(deployed(found, reserved.reserved_concurrent_executions)))
            }
            Err(error)
                if error.as_service_error().is_some_and(
                    GetFunctionConfigurationError::is_resource_not_found_exception,
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(failure(&error)),
        }
    }
}

fn deployed(found: GetFunctionConfigurationOutput, reserved: Option<i32>) -> Deployed {
    let told = |state: &str, code: Option<&str>, reason: Option<&str>| {
        let parts = [Some(state), code, reason];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    };
    let state = found.state.as_ref().map(State::as_str).filter(|state| *state == "Failed");
    let fault = state.map(|state| {
        let code = found.state_reason_code.as_ref().map(StateReasonCode::as_str);
        told(state, code, found.state_reason.as_deref())
    });
    let update = found.last_update_status.as_ref().map(LastUpdateStatus::as_str);
    let failed_update = update.filter(|status| *status == "Failed").map(|status| {
        let code =
            found.last_update_status_reason_code.as_ref().map(LastUpdateStatusReasonCode::as_str);
        told(status, code, found.last_update_status_reason.as_deref())
    });
    // As "2026-11-26T10:00:00.000+0000".
    let changed_at = found.last_modified.as_deref().and_then(|at| {
        DateTime::parse_from_str(at, "%Y-%m-%dT%H:%M:%S%.f%z").ok().map(|at| at.to_utc())
    });
    let variables =
        found.environment.and_then(|environment| environment.variables).unwrap_or_default();
    Deployed { fault, failed_update, changed_at, variables, reserved }
}

fn failure<E: std::error::Error + ProvideErrorMetadata + 'static>(
    error: &SdkError<E, HttpResponse>,
) -> Failure {
    Failure::new(ErrorCode::InternalError, format!("Lambda: {}", aws::describe_error(error)))
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::EnvironmentResponse;

    use super::*;

    #[test]
    fn only_a_function_that_takes_no_invocations_has_a_fault() {
        for state in [State::Active, State::Pending, State::Inactive] {
            let found = GetFunctionConfigurationOutput::builder().state(state).build();
            assert_eq!(
                deployed(found, Some(0)),
                Deployed { reserved: Some(0), ..Deployed::default() }
            );
        }
        let found = GetFunctionConfigurationOutput::builder()
            .state(State::Failed)
            .state_reason_code(StateReasonCode::InvalidRuntime)
            .state_reason("no such runtime")
            .build();
        let fault = deployed(found, None).fault;
        assert_eq!(fault.as_deref(), Some("Failed: InvalidRuntime: no such runtime"));
    }

    #[test]
    fn a_change_that_failed_is_told_with_its_reason_beside_the_variables() {
        let environment = EnvironmentResponse::builder().variables("A", "1").build();
        let found = GetFunctionConfigurationOutput::builder()
            .state(State::Active)
            .last_update_status(LastUpdateStatus::Failed)
            .last_update_status_reason_code(LastUpdateStatusReasonCode::InvalidSubnet)
            .last_modified("2026-11-26T10:00:00.500+0000")
            .environment(environment)
            .build();
        let deployed = deployed(found, None);
        let at = deployed.changed_at.unwrap();
        assert_eq!(at.to_rfc3339(), "2026-11-26T10:00:00.500+00:00");
        assert_eq!(deployed.fault, None);
        assert_eq!(deployed.failed_update.as_deref(), Some("Failed: InvalidSubnet"));
        assert_eq!(deployed.variables["A"], "1");
    }
}
