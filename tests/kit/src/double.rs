//! AWS without a network: a configuration whose calls a double answers.

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_sdk_sfn::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector, http_client_fn};

/// Every client that is made from it calls `connector`, once a call.
#[must_use]
pub fn answered_by(connector: impl HttpConnector + 'static) -> SdkConfig {
    let connector = SharedHttpConnector::new(connector);
    let credentials = Credentials::new("a", "b", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url("http://double")
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build()
}
