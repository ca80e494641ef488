//! What is broken in a row alone (R12–R14).

use shared::reconcile::{CompletedAt, Mend, ProcessFacts, mends};

use crate::{
    finding::{Finding, RepairOutcome},
    run::Run,
};

impl Run<'_> {
    /// Mends what is broken in the row alone.
    pub(crate) async fn mend(&mut self, row: &ProcessFacts) {
        let mut row = row.clone();
        for (rule, mend) in mends(&row) {
            let mut finding = Finding::planned_mend(&row, rule, mend);
            if !self.report.dry_run {
                finding.outcome =
                    match self.reconciler.store.mend(&row, rule, mend, self.now()).await {
                        Ok(repaired) => RepairOutcome::from(repaired),
                        Err(failure) => finding.failed(&failure),
                    };
            }
            self.report.add(finding);
            // The next mend compares with the row as this one leaves it.
            match mend {
                Mend::Progress(progress) => row.progress = progress,
                Mend::CompletedAt(CompletedAt::Set(at)) => row.completed_at = Some(at),
                Mend::CompletedAt(CompletedAt::Clear) => row.completed_at = None,
            }
        }
    }
}
