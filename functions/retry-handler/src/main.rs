//! `retry-handler`: makes a new process out of one that failed or timed out.

mod retry;

use shared::{http::respond, lambda, lambda::Setup, process::Failure};

use crate::retry::RetryHandler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let retry = RetryHandler::new(&Setup::new(env!("CARGO_CRATE_NAME")).await).await;
    lambda::serve(retry, async |retry, invocation| {
        let handle = async |request: &_| retry.handle(request).await;
        Ok::<_, Failure>(respond(invocation.payload, &retry.clock, handle).await)
    })
    .await
}
