//! The services of AWS that we call, and how every client of theirs is set up.
//!
//! | file | holds |
//! |---|---|
//! | this one | what all clients share, and what their errors say |
//! | `workflow` | Step Functions: starting, stopping and describing executions |
//! | `model` | Bedrock: asking a model |
//! | `logs` | CloudWatch Logs: what the log knows about a process |
//! | `functions`, `rules` | Lambda and EventBridge: how the stack is deployed |
//! | `limiter` | keeping within the services' quotas |

pub mod functions;
pub mod limiter;
pub mod logs;
pub mod model;
pub mod rules;
pub mod workflow;

use std::{error::Error, time::Duration};

use aws_config::{
    BehaviorVersion, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    retry::RetryConfig, stalled_stream_protection::StalledStreamProtectionConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_sfn::config::SharedHttpClient;
use aws_sdk_sfn::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_http_client::{Builder, tls};

/// Loads the configuration that all clients share: region, endpoints and credentials come from the
/// environment, which is all that Lambda provides, so that no other source is asked for them on a
/// cold start.
///
/// Retries are few and quick (one more try after a lost connection): waiting belongs to the state
/// machine, where it costs nothing. An answer must begin within 5 s; the model's client has its own
/// limits.
pub async fn load_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(2)
                .with_initial_backoff(Duration::from_millis(50)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(2))
                .operation_attempt_timeout(Duration::from_secs(5))
                .operation_timeout(Duration::from_secs(8))
                .build(),
        )
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .load()
        .await
}

/// How long a connection is kept that nobody uses. Lambda freezes an environment between two
/// invocations, and what the other side closes meanwhile is noticed only by its use, as a lost
/// connection. Within one invocation calls follow each other faster than this.
const CONNECTION_IDLE: Duration = Duration::from_secs(20);

/// The HTTP client that all clients share.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    Builder::new()
        .pool_idle_timeout(CONNECTION_IDLE)
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https()
}

/// What an error of the SDK says, in words for operators. Not by `DisplayErrorContext`, which also
/// prints the raw answer: it may hold a secret or a user's text. Of an answer that cannot be read
/// only its HTTP status is told.
#[must_use]
pub fn describe_error<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            format!(
                "{}: {}",
                error.code().unwrap_or("unknown error"),
                error.message().unwrap_or("no message")
            )
        }
        SdkError::ResponseError(response) => {
            format!("the answer cannot be read (HTTP {})", response.raw().status().as_u16())
        }
        other => {
            let mut said = other.to_string();
            let mut source = other.source();
            while let Some(cause) = source {
                said.push_str(": ");
                said.push_str(&cause.to_string());
                source = cause.source();
            }
            said
        }
    }
}
