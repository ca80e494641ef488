//! The published document against the deployed API: schemathesis makes requests out of it, good and
//! bad, and holds the answers to it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::time::Duration;

use system_tests::Stack;
use tokio::process::Command;

/// How long it may take at most.
const PATIENCE: Duration = Duration::from_mins(5);

/// Requests that are tried for each route and phase: enough to meet every rule, few enough for a
/// minute or two.
const EXAMPLES: &str = "25";

#[tokio::test]
async fn the_api_answers_as_its_document_says() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    // The limit of 20 a minute has tests of its own.
    user.limit_to(1_000_000).await;
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = Command::new("schemathesis")
        .current_dir(root)
        .env("PATH", &stack.env.path)
        .args(["--config-file", "tests/schemathesis.toml"])
        .args(["run", "infra/openapi.yaml", "--url", &stack.env.api_url])
        .args([
            "--max-examples",
            EXAMPLES,
            "--generation-deterministic",
            "--continue-on-failure",
            "--no-color",
        ])
        // What a schema cannot say (a deadline in the future, an end after its beginning) makes
        // some good-looking requests bad.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .arg("--header")
        .arg(format!("Authorization: Bearer {}", user.token()))
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("schemathesis takes too long");
    let output =
        output.expect("schemathesis is among the pinned tools: `cargo aigen tools` installs it");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}", said.replace(user.token(), "[token]"));
}
