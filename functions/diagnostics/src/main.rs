//! `diagnostics`: tells an operator what is wrong, with one command.

mod candidates;
mod command;
mod diagnostics;
mod export;
mod finding;
mod health;
mod logs;
mod lost_index;
mod next_step;
mod not_set_up;
mod performance;
mod process;
mod survey;
#[cfg(test)]
mod tests;
mod words;

use shared::{clock::SystemClock, http::respond, lambda, lambda::Setup, process::Failure};

use crate::{diagnostics::Diagnostics, not_set_up::NotSetUp};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    // Whoever asks what is wrong is told, also when it is this function.
    let setup = Setup::new(env!("CARGO_CRATE_NAME")).await;
    let prefix = setup.environment().text("NAME_PREFIX").unwrap_or_default();
    let checks = Diagnostics::new(&setup).await.map_err(|failure| NotSetUp { failure, prefix });
    lambda::serve(Ok(checks), async |checks, invocation| {
        let handle = async |request: &_| match checks {
            Ok(checks) => checks.handle(request).await,
            Err(not_set_up) => not_set_up.handle(request, &SystemClock),
        };
        Ok::<_, Failure>(respond(invocation.payload, &SystemClock, handle).await)
    })
    .await
}
