//! `diagnostics`: tells an operator what is wrong, with one command.

mod command;
mod diagnostics;
mod health;
mod logs;
mod next_step;
mod process;
mod survey;
#[cfg(test)]
mod tests;
mod words;

use shared::{http::respond, lambda, lambda::Setup, process::Failure};

use crate::diagnostics::Diagnostics;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let checks = Diagnostics::new(&Setup::new(env!("CARGO_CRATE_NAME")).await).await?;
    lambda::serve(async |invocation| {
        let handle = async |request: &_| checks.handle(request).await;
        Ok::<_, Failure>(respond(invocation.payload, &checks.clock, handle).await)
    })
    .await
}
