//! `aigen`: the project's own command line. It runs the local stack, shows the main job, tests and
//! benchmarks.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    aigen::run().await
}
