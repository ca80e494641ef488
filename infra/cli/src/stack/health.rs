//! Waiting until a part answers: asking again and again, and stopping at once when it has died.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::command::last_lines;
use super::instance::Instance;
use super::part::Part;
use super::record::{LOOK_AGAIN, Record};

/// Waits until `ask` succeeds. A dead child, or one that does not answer in time, ends it with the
/// end of its log.
pub(super) async fn wait<T, F>(
    instance: &Instance,
    part: Part,
    record: &Record,
    patience: Duration,
    ask: impl Fn() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + patience;
    let log = instance.log_of(part);
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !record.is_alive() {
            bail!(
                "{part} died while it started. The end of {}:\n{}",
                instance.shown(&log),
                last_lines(&log)
            );
        }
        if Instant::now() > deadline {
            bail!(
                "{part} does not answer after {} s ({error:#}). The end of {}:\n{}",
                patience.as_secs(),
                instance.shown(&log),
                last_lines(&log)
            );
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
