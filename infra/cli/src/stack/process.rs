//! The long-lived children of `up`: starting them so that they outlive it, and ending exactly them.
//!
//! Each child leads a process group of its own, so that a Ctrl-C meant for `up` does not reach it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use nix::sys::signal::Signal;

use super::instance::Instance;
use super::part::Part;
use super::record::Record;
use super::stamp;

/// Starts a part in the background and writes its record. Its output goes to its log, which starts
/// anew.
pub(super) fn start(
    instance: &Instance,
    part: Part,
    command: &mut Command,
    config: &str,
) -> Result<Record> {
    let log = instance.log_of(part);
    let output =
        File::create(&log).with_context(|| format!("the log {} cannot be made", log.display()))?;
    let errors = output.try_clone().context("the log cannot be shared")?;
    let child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .with_context(|| {
            format!("{part} could not be started ({})", command.get_program().to_string_lossy())
        })?;
    let pid = i32::try_from(child.id()).context("a pid that does not fit")?;
    let record = Record::of_running(pid, instance.ports.of(part), now(), config)
        .with_context(|| format!("{part} ended at once: see {}", log.display()))?;
    stamp::write_whole(
        &Record::path(&instance.dir, part),
        &serde_json::to_string_pretty(&record)?,
    )?;
    Ok(record)
}

/// Ends a part, if it runs or left children behind, and forgets its record. True when there was
/// something to end.
pub(super) async fn end(instance: &Instance, part: Part) -> Result<bool> {
    let ended = match Record::read(&instance.dir, part) {
        // PostgreSQL's "fast" shutdown: sessions are closed, data are safe.
        Some(record) if part == Part::Postgres => {
            record.end(Signal::SIGINT, Duration::from_secs(30)).await?
        }
        Some(record) => record.end(Signal::SIGTERM, Duration::from_secs(5)).await?,
        None => false,
    };
    stamp::remove(&Record::path(&instance.dir, part))?;
    Ok(ended)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is an edge: a person reads the time in `status`"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}
