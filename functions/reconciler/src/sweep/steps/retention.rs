//! Step 7: processes go some time after they have ended.

use shared::{process::Failure, store::DELETED_AT_ONCE};

use crate::{reconciler::Reconciler, run::Run};

/// Statements of each kind in one sweep: what many of them would delete is left to the next ones,
/// so that the database has time for others.
const STATEMENTS: usize = 4;

impl Run<'_> {
    /// Deletes what ended longer ago than it is kept for, as far as there is time: what is left of
    /// it harms nobody, and so the sweep counts as complete all the same. A dry run counts.
    pub(super) async fn delete_expired(&mut self) {
        if let Err(failure) = self.try_delete_expired().await {
            tracing::error!(
                errorCode = %failure.code,
                cause = failure.cause,
                "what ended long ago cannot be deleted; the next sweep tries again"
            );
            self.report.count_failed_look();
        }
    }

    async fn try_delete_expired(&mut self) -> Result<(), Failure> {
        let Reconciler { store, config, .. } = self.reconciler;
        let Some(before) = config.retention.ends_at(self.now()) else { return Ok(()) };
        if self.report.dry_run {
            self.report.deleted = store.count_ended(before).await?;
            return Ok(());
        }
        for _ in 0..STATEMENTS {
            if self.check_time().is_err() {
                return Ok(());
            }
            let deleted = store.delete_ended(before).await?;
            self.report.deleted += deleted;
            if deleted < DELETED_AT_ONCE {
                break;
            }
        }
        for _ in 0..STATEMENTS {
            if self.check_time().is_err() {
                return Ok(());
            }
            let deleted = store.delete_batches(before).await?;
            self.report.deleted_batches += deleted;
            if deleted < DELETED_AT_ONCE {
                break;
            }
        }
        Ok(())
    }
}
