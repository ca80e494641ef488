//! `async-processing-handler`: accepts generations, and tells where they stand.

mod api;
mod batch;
mod batch_status;
mod generate;
mod history;
mod status;
mod unknown;

use shared::{http::respond, lambda, lambda::Setup, process::Failure};

use crate::api::Api;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let api = Api::new(&Setup::new(env!("CARGO_CRATE_NAME")).await).await;
    lambda::serve(api, async |api, invocation| {
        let handle = async |request: &_| api.handle(request).await;
        Ok::<_, Failure>(respond(invocation.payload, &api.clock, handle).await)
    })
    .await
}
