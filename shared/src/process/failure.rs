//! Why a step of ours did not succeed: a code, by which machines choose, and a cause, in words for
//! operators.

use super::ErrorCode;
use crate::environment::EnvironmentError;

/// An error on its way to whoever decides what follows: the HTTP edge, or the state machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {cause}")]
pub struct Failure {
    /// Decides the HTTP status, and in the state machine Retry and Catch.
    pub code: ErrorCode,
    /// What happened, for logs and operators. Holds no user text, token or secret.
    pub cause: String,
    /// Whether trying again with the same input cannot help, although the code is one that is
    /// retried.
    pub is_final: bool,
}

impl Failure {
    /// A failure with its cause.
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self { code, cause: cause.into(), is_final: false }
    }

    /// Every model refused what it was asked to write or read: a fault of this one target, and
    /// asking the same again is asking for the same refusal.
    pub fn content_refused(cause: impl Into<String>) -> Self {
        Self { is_final: true, ..Self::new(ErrorCode::AiResponseInvalid, cause) }
    }

    /// A defect or a wrong configuration of ours.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::new(ErrorCode::InternalError, cause)
    }
}

/// A variable that is missing or wrong is a wrong configuration of ours.
impl From<EnvironmentError> for Failure {
    fn from(error: EnvironmentError) -> Self {
        Self::internal(error.0)
    }
}
