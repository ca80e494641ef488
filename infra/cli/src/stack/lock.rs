//! One `up`, `down` or `test` at a time on what they share. The lock ends with the process, however
//! that ends.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::private;
use super::report::Reporter;

/// Held until dropped.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, and says so when it has to wait for another run.
    pub(super) async fn take(path: &Path, reporter: &Reporter) -> Result<Self> {
        if let Some(folder) = path.parent() {
            private::make_dir(folder)?;
        }
        let file = File::options()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("the lock {} cannot be opened", path.display()))?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        reporter
                            .note("another aigen is at work on this clone's stack: waiting for it");
                        told = true;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error)
                        .with_context(|| format!("the lock {} cannot be taken", path.display()));
                }
            }
        }
    }
}
