//! `cancel-handler`: ends a process, or a batch of them, that its user or an operator no longer
//! wants.

mod batch;
mod cancel;

use shared::{http::respond, lambda, lambda::Setup, process::Failure};

use crate::cancel::CancelHandler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let cancel = CancelHandler::new(&Setup::new(env!("CARGO_CRATE_NAME")).await).await;
    lambda::serve(cancel, async |cancel, invocation| {
        let handle = async |request: &_| cancel.handle(request).await;
        Ok::<_, Failure>(respond(invocation.payload, &cancel.clock, handle).await)
    })
    .await
}
