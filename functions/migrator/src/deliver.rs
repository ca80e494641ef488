//! Telling `CloudFormation` what came of it: the answer is put to an address that it gave, which is
//! signed, so nothing else is to be shown.

use std::time::Duration;

use aws_smithy_http_client::{
    Connector,
    tls::{self, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use shared::process::Failure;
use tokio::time::{sleep, timeout};

/// How often it is tried, and how long one try may take.
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// Puts `answer` to `url`.
///
/// # Errors
/// When that cannot be reached, or does not take it: the deployment then waits until its own time
/// is over.
pub(crate) async fn deliver(url: &str, answer: &Value) -> Result<(), Failure> {
    let connector =
        Connector::builder().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build();
    let mut cause = String::new();
    for number in 0..TRIES {
        if number > 0 {
            sleep(PAUSE).await;
        }
        let called = timeout(PATIENCE, connector.call(request(url, answer)?)).await;
        cause = match called {
            Ok(Ok(response)) if response.status().is_success() => return Ok(()),
            Ok(Ok(response)) => format!("HTTP {}", response.status().as_u16()),
            Ok(Err(error)) => format!("{error:?}"),
            Err(_) => format!("no answer in {} s", PATIENCE.as_secs()),
        };
    }
    Err(Failure::internal(format!(
        "CloudFormation cannot be told what came of the migrations ({cause}); in a private network \
         the function needs a way to S3, such as a gateway endpoint"
    )))
}

fn request(url: &str, answer: &Value) -> Result<Request<SdkBody>, Failure> {
    let mut request = Request::new(SdkBody::from(answer.to_string()));
    let unusable = |why: String| Failure::internal(format!("the answer's address: {why}"));
    request.set_method("PUT").map_err(|error| unusable(error.to_string()))?;
    request.set_uri(url).map_err(|error| unusable(error.to_string()))?;
    // S3 signs the type with the address: it is empty.
    request.headers_mut().insert("content-type", "");
    Ok(request)
}
