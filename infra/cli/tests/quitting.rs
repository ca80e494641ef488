//! Who interrupts `load` while the API says nothing has the shell back at once.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

/// Far beyond what it takes, and far below what one answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A file with the token of one user.
struct Tokens(PathBuf);

impl Drop for Tokens {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn an_api_that_hangs_keeps_nobody_from_quitting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tokens = Tokens(env::temp_dir().join(format!("aigen-quitting-{}", std::process::id())));
    fs::write(&tokens.0, "token\n").unwrap();
    let load = Command::new(env!("CARGO_BIN_EXE_aigen"))
        .args(["load", "--json", "--url", &url, "--tokens"])
        .arg(&tokens.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(load.id().unwrap().cast_signed());
    // The request is taken, and never answered.
    let (_connection, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    kill(pid, Signal::SIGINT).unwrap();
    let output = timeout(PATIENCE, load.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["interrupted"], true);
    // Whether a job was made is not known, and is said.
    let left = told["jobs"]["leftRunning"][0].as_str().unwrap();
    assert!(left.starts_with("unknown (Idempotency-Key load-"), "{told}");
}
