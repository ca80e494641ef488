//! Why a step of ours did not succeed: a code, by which machines choose, and a cause, in words for
//! operators.

use lambda_runtime::Diagnostic;

use crate::error_code::ErrorCode;

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

/// The Lambda error name is the code, so that the state machine's Retry and Catch can choose by it.
impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.code.as_str().to_owned(), error_message: failure.cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lambda_error_name_is_the_code() {
        let diagnostic =
            Diagnostic::from(Failure::new(ErrorCode::AiThrottling, "every model was throttled"));
        assert_eq!(diagnostic.error_type, "AI_THROTTLING");
        assert_eq!(diagnostic.error_message, "every model was throttled");
    }
}
