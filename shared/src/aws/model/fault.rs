//! The ways in which a model does not answer, and what they mean together.

use std::{fmt, time::Duration};

use aws_sdk_bedrockruntime::{
    error::{ProvideErrorMetadata, SdkError},
    operation::converse::ConverseError,
};

use crate::{
    aws,
    process::{ErrorCode, Failure},
};

/// Why a model did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Too many requests or tokens for our quota.
    Throttled,
    /// Out of service, not ready, or not reachable.
    Unavailable,
    /// No answer within the time limit of one call.
    TimedOut,
    /// It failed on the request.
    Failed,
    /// A filter or a guardrail refused the request or the answer.
    ContentRefused,
    /// The request or the permissions are wrong: another model, or another try, would not help.
    Configuration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed out",
            Self::Failed => "failed",
            Self::ContentRefused => "content refused",
            Self::Configuration => "wrongly configured",
        })
    }
}

/// A model with its fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFault {
    /// Which model.
    pub model_id: String,
    /// What kind of fault.
    pub fault: Fault,
    /// In Bedrock's words, and what to do.
    pub words: String,
}

impl ModelFault {
    pub(super) fn of(model_id: &str, error: &SdkError<ConverseError>, timeout: Duration) -> Self {
        let (fault, words) = match error {
            SdkError::TimeoutError(_) => {
                (Fault::TimedOut, format!("no answer within {} s", timeout.as_secs()))
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (Fault::TimedOut, "no connection in time".to_owned())
            }
            SdkError::ServiceError(service) => {
                let name = service.err().code().unwrap_or("unknown error");
                (
                    of_exception(name),
                    format!(
                        "{name}: {}{}",
                        service.err().message().unwrap_or("no message"),
                        advice(name)
                    ),
                )
            }
            other => (Fault::Unavailable, format!("no answer: {}", aws::describe_error(other))),
        };
        Self { model_id: model_id.to_owned(), fault, words }
    }
}

/// By the exception's name on the wire
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>).
fn of_exception(name: &str) -> Fault {
    match name {
        "ThrottlingException" => Fault::Throttled,
        "ServiceUnavailableException" | "ModelNotReadyException" => Fault::Unavailable,
        "ModelTimeoutException" => Fault::TimedOut,
        "ValidationException"
        | "AccessDeniedException"
        | "ResourceNotFoundException"
        | "UnrecognizedClientException"
        | "ExpiredTokenException" => Fault::Configuration,
        _ => Fault::Failed,
    }
}

fn advice(name: &str) -> &'static str {
    match name {
        "AccessDeniedException" => {
            " (allow the worker bedrock:InvokeModel on this model or inference profile, and enable model access for it in the Bedrock console)"
        }
        "ResourceNotFoundException" => {
            " (MODEL_IDS names a model or inference profile that this region does not have)"
        }
        "ValidationException" => {
            " (check that MODEL_IDS names models that support Converse with tools in this region)"
        }
        _ => "",
    }
}

/// What the faults of all models mean together, with each named.
pub(super) fn combine(faults: &[ModelFault]) -> Failure {
    let words: Vec<_> = faults
        .iter()
        .map(|fault| format!("{} {}: {}", fault.model_id, fault.fault, fault.words))
        .collect();
    let code = if faults.iter().any(|fault| fault.fault == Fault::Configuration) {
        ErrorCode::InternalError
    } else if faults.iter().any(|fault| fault.fault == Fault::Throttled) {
        // One throttled model is enough: waiting longer, as throttling asks for, helps the others
        // too.
        ErrorCode::AiThrottling
    } else {
        ErrorCode::AiError
    };
    Failure::new(code, words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn combined(faults: &[Fault]) -> ErrorCode {
        combine(
            &faults
                .iter()
                .map(|fault| ModelFault { model_id: "m".into(), fault: *fault, words: "w".into() })
                .collect::<Vec<_>>(),
        )
        .code
    }

    #[test]
    fn a_fault_of_configuration_is_not_retryable_whatever_else_failed() {
        assert_eq!(combined(&[Fault::Throttled, Fault::Configuration]), ErrorCode::InternalError);
    }

    #[test]
    fn throttling_waits_longer_than_the_rest() {
        assert_eq!(combined(&[Fault::Unavailable, Fault::Throttled]), ErrorCode::AiThrottling);
        assert_eq!(
            combined(&[Fault::Unavailable, Fault::TimedOut, Fault::Failed]),
            ErrorCode::AiError
        );
    }

    #[test]
    fn every_model_is_named_with_its_fault() {
        let failure = combine(&[
            ModelFault {
                model_id: "first".into(),
                fault: Fault::Throttled,
                words: "too many".into(),
            },
            ModelFault {
                model_id: "second".into(),
                fault: Fault::TimedOut,
                words: "no answer within 120 s".into(),
            },
        ]);
        assert_eq!(
            failure.cause,
            "first throttled: too many; second timed out: no answer within 120 s"
        );
    }

    #[test]
    fn exceptions_are_told_apart() {
        assert_eq!(of_exception("ThrottlingException"), Fault::Throttled);
        assert_eq!(of_exception("AccessDeniedException"), Fault::Configuration);
        assert_eq!(of_exception("ModelErrorException"), Fault::Failed);
        assert_eq!(of_exception("SomethingNew"), Fault::Failed);
    }
}
