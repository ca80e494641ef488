//! The exceptions of Converse in their wire form: a status, the name in `x-amzn-errortype`, and
//! `{"message": …}`.

use axum::{
    Json,
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

/// The exceptions that Converse knows, and two that any AWS service sends before it looks at a
/// request. Names and statuses are those of the service's published model (botocore's
/// `bedrock-runtime`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ErrorKind {
    /// No permission, or the model's access was not granted.
    #[serde(rename = "AccessDeniedException")]
    AccessDenied,
    /// The service failed.
    #[serde(rename = "InternalServerException")]
    InternalServer,
    /// The model failed while it processed the request.
    #[serde(rename = "ModelErrorException")]
    ModelError,
    /// The model is still being loaded.
    #[serde(rename = "ModelNotReadyException")]
    ModelNotReady,
    /// The model took too long.
    #[serde(rename = "ModelTimeoutException")]
    ModelTimeout,
    /// No such model.
    #[serde(rename = "ResourceNotFoundException")]
    ResourceNotFound,
    /// The service is busy.
    #[serde(rename = "ServiceUnavailableException")]
    ServiceUnavailable,
    /// Too many requests or tokens.
    #[serde(rename = "ThrottlingException")]
    Throttling,
    /// The request is wrong.
    #[serde(rename = "ValidationException")]
    Validation,
    /// The credentials are none that AWS knows.
    #[serde(rename = "UnrecognizedClientException")]
    UnrecognizedClient,
    /// The credentials are too old.
    #[serde(rename = "ExpiredTokenException")]
    ExpiredToken,
}

impl ErrorKind {
    /// HTTP status, name in `x-amzn-errortype`, and the message that Bedrock usually sends with it.
    pub fn on_the_wire(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::AccessDenied => (
                403,
                "AccessDeniedException",
                "You don't have access to the model with the specified model ID.",
            ),
            Self::InternalServer => (
                500,
                "InternalServerException",
                "The system encountered an unexpected error during processing. \
                 Try your request again.",
            ),
            Self::ModelError => (
                424,
                "ModelErrorException",
                "The system encountered an unexpected error during processing. \
                 Try your request again.",
            ),
            Self::ModelNotReady => (
                429,
                "ModelNotReadyException",
                "Model is not ready for inference. Please wait and try your request again.",
            ),
            Self::ModelTimeout => (
                408,
                "ModelTimeoutException",
                "The model has timed out in processing the request. Try your request again.",
            ),
            Self::ResourceNotFound => (
                404,
                "ResourceNotFoundException",
                "Could not resolve the foundation model from the provided model identifier.",
            ),
            Self::ServiceUnavailable => {
                (503, "ServiceUnavailableException", "Bedrock is unable to process your request.")
            }
            Self::Throttling => {
                (429, "ThrottlingException", "Too many requests, please wait before trying again.")
            }
            Self::Validation => (400, "ValidationException", "The provided request is not valid."),
            Self::UnrecognizedClient => (
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
            Self::ExpiredToken => (
                403,
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ),
        }
    }
}

/// An error as Bedrock sends it.
pub fn response(kind: ErrorKind, message: &str) -> Response {
    let (status, name, _) = kind.on_the_wire();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (
        status,
        [(HeaderName::from_static("x-amzn-errortype"), name)],
        Json(json!({"message": message})),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exception_has_the_status_of_the_services_model() {
        for (name, status) in [
            ("AccessDeniedException", 403),
            ("ExpiredTokenException", 403),
            ("InternalServerException", 500),
            ("ModelErrorException", 424),
            ("ModelNotReadyException", 429),
            ("ModelTimeoutException", 408),
            ("ResourceNotFoundException", 404),
            ("ServiceUnavailableException", 503),
            ("ThrottlingException", 429),
            ("UnrecognizedClientException", 403),
            ("ValidationException", 400),
        ] {
            let kind: ErrorKind = serde_json::from_value(json!(name)).unwrap();
            let (found, named, message) = kind.on_the_wire();
            assert_eq!((found, named), (status, name));
            assert!(!message.is_empty());
        }
    }
}
