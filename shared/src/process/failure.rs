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
}

impl Failure {
    /// A failure with its cause.
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self { code, cause: cause.into() }
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
