//! Ctrl-C and its kin as an ordinary error, so that what was begun is ended in order.

use std::future::Future;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// Works until done, or until someone asks this program to end. From then on signals end nothing by
/// themselves, so it goes around a verb as a whole.
pub(crate) async fn interruptible<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    match unless_interrupted(work).await? {
        Some(outcome) => outcome,
        None => bail!("interrupted; `cargo aigen up` goes on from here"),
    }
}

/// What `work` came to; `None` when someone asked this program to end first. The work is dropped
/// then, where it stands.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<Option<T>> {
    let listen = |kind| signal(kind).context("signals cannot be listened to");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    tokio::select! {
        outcome = work => return Ok(Some(outcome)),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(None)
}
