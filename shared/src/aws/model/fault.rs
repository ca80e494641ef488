//! The ways in which a model does not answer, what each calls for, and what they mean together.
//!
//! Nothing of what Bedrock writes is passed on but the exception's name and the request's id: a
//! message may quote the request, and with it a user's text. The message is only compared with the
//! few that are known, and our own advice stands for it.

use std::{fmt, time::Duration};

use aws_sdk_bedrockruntime::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{RequestId, converse::ConverseError},
};

use aws_smithy_types::retry::ErrorKind;

use super::diagnosis::{self, Diagnosis};
use crate::{
    aws,
    process::{ErrorCode, Failure},
};

/// Characters that are kept of a name or an id that comes from Bedrock.
const NAME_LENGTH: usize = 64;

/// Why a model did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Too many requests or tokens for our quota.
    Throttled,
    /// The account's subscription to the model is not complete; Bedrock says to try again in some
    /// minutes.
    AccessPending,
    /// Out of service, not ready, or not reachable.
    Unavailable,
    /// No answer within the time limit of one call.
    TimedOut,
    /// It failed on the request.
    Failed,
    /// It failed in a way that nobody here knows.
    Unknown,
    /// A filter or a guardrail refused the request or the answer.
    ContentRefused,
    /// The request is wrong, and it is not known whether for all prompts or for this one.
    RequestRejected,
    /// We may not use it.
    AccessDenied,
    /// There is no such model, or no longer.
    Gone,
    /// The request or the permissions are wrong, whatever the prompt.
    Configuration,
}

/// What helps against a fault, the most hopeful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Remedy {
    /// Waiting, as long as there is time.
    Wait,
    /// A few more tries.
    TryAgain,
    /// Nothing but another text: a fault of one target alone.
    OtherContent,
    /// An operator: a fault that meets every target.
    Operator,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::Throttled,
        Self::AccessPending,
        Self::Unavailable,
        Self::TimedOut,
        Self::Failed,
        Self::Unknown,
        Self::ContentRefused,
        Self::RequestRejected,
        Self::AccessDenied,
        Self::Gone,
        Self::Configuration,
    ];

    const fn remedy(self) -> Remedy {
        match self {
            Self::Throttled | Self::AccessPending => Remedy::Wait,
            Self::Unavailable | Self::TimedOut | Self::Failed | Self::Unknown => Remedy::TryAgain,
            Self::ContentRefused | Self::RequestRejected => Remedy::OtherContent,
            Self::AccessDenied | Self::Gone | Self::Configuration => Remedy::Operator,
        }
    }

    /// Whether it does not pass by itself, or is not understood: then it is logged as an error even
    /// when the next model answers.
    #[must_use]
    pub const fn needs_attention(self) -> bool {
        match self {
            Self::Throttled | Self::Unavailable | Self::TimedOut | Self::Failed => false,
            Self::AccessPending
            | Self::Unknown
            | Self::ContentRefused
            | Self::RequestRejected
            | Self::AccessDenied
            | Self::Gone
            | Self::Configuration => true,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttled => "throttled",
            Self::AccessPending => "access not ready yet",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed out",
            Self::Failed => "failed",
            Self::Unknown => "failed in an unknown way",
            Self::ContentRefused => "content refused",
            Self::RequestRejected => "request rejected",
            Self::AccessDenied => "access denied",
            Self::Gone => "gone",
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
    /// The exception's name, the request's id, and what to do: for logs and operators.
    pub words: String,
}

impl ModelFault {
    pub(super) fn of(
        model_id: &str,
        error: &SdkError<ConverseError, HttpResponse>,
        timeout: Duration,
    ) -> Self {
        let (fault, words) = match error {
            SdkError::TimeoutError(_) => {
                (Fault::TimedOut, format!("no answer within {} s", timeout.as_secs()))
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                (Fault::TimedOut, "no connection in time".to_owned())
            }
            SdkError::ServiceError(service) => {
                let exception = service.err();
                let Diagnosis { fault, advice } = diagnosis::of_exception(
                    exception.code(),
                    exception.message(),
                    service.raw().status().as_u16(),
                );
                (fault, describe(exception.code(), error.request_id(), advice))
            }
            other => (Fault::Unavailable, format!("no answer: {}", aws::describe_error(other))),
        };
        Self { model_id: model_id.to_owned(), fault, words }
    }

    /// A request that cannot be built. The builder names the field that is missing.
    pub(super) fn unbuilt(
        model_id: &str,
        error: &aws_sdk_bedrockruntime::error::BuildError,
    ) -> Self {
        let words = format!("the request cannot be built: {error}");
        Self { model_id: model_id.to_owned(), fault: Fault::Configuration, words }
    }

    /// One that has not answered within `limit`.
    pub(super) fn late(model_id: &str, limit: Duration) -> Self {
        let words = format!("no answer within {} s", limit.as_secs());
        Self { model_id: model_id.to_owned(), fault: Fault::TimedOut, words }
    }

    /// An answer that ended with `stop`, by which its content was refused.
    pub(super) fn refused(model_id: &str, stop: &str) -> Self {
        let words = format!("stop reason {}: {}", name_of(stop), diagnosis::of_refusal(stop));
        Self { model_id: model_id.to_owned(), fault: Fault::ContentRefused, words }
    }
}

/// Whether the connection ended before an answer came: one that was kept open may have been closed
/// by the other side, for example while Lambda had frozen this environment.
pub(super) fn connection_was_lost(error: &SdkError<ConverseError, HttpResponse>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    failure.is_io() || failure.as_other() == Some(ErrorKind::TransientError)
}

fn describe(code: Option<&str>, request: Option<&str>, advice: &str) -> String {
    let name = code.map(name_of).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "an answer without an error name".to_owned());
    let request = request.map(name_of).filter(|id| !id.is_empty());
    let request = request.map(|id| format!(" (request {id})")).unwrap_or_default();
    format!("{name}{request}: {advice}")
}

/// Of a text that should be a name or an id, what can be part of one.
fn name_of(text: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars().take_while(allowed).take(NAME_LENGTH).collect()
}

/// What the faults of all models mean together, with each named. The most hopeful decides: one
/// model that may answer later is enough to wait for, and a fault of configuration ends the process
/// only when every model has one.
pub(super) fn combine(faults: &[ModelFault]) -> Failure {
    let words: Vec<_> = faults
        .iter()
        .map(|fault| format!("{} {}: {}", fault.model_id, fault.fault, fault.words))
        .collect();
    let cause = words.join("; ");
    match faults.iter().map(|fault| fault.fault.remedy()).min() {
        Some(Remedy::Wait) => Failure::new(ErrorCode::AiThrottling, cause),
        Some(Remedy::TryAgain) => Failure::new(ErrorCode::AiError, cause),
        Some(Remedy::OtherContent) => Failure::content_refused(cause),
        Some(Remedy::Operator) => Failure::internal(cause),
        None => Failure::internal("no model was asked"),
    }
}

#[cfg(test)]
mod tests;
