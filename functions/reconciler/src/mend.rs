//! What is broken in a row alone (R12–R14), and what an ended process has left (R16).

use shared::{
    reconcile::{CompletedAt, Mend, ProcessFacts, mends},
    store::Leftovers,
};

use crate::{
    finding::{Finding, RepairOutcome},
    run::Run,
};

impl Run<'_> {
    /// Deletes what an ended process has left.
    pub(crate) async fn drop_leftovers_of(&mut self, left: &Leftovers) {
        let mut finding = Finding::planned_drop(left);
        if !self.report.dry_run {
            finding.outcome = match self.reconciler.store.drop_leftovers(left, self.now()).await {
                Ok(repaired) => RepairOutcome::from(repaired),
                Err(failure) => finding.failed(&failure),
            };
        }
        self.report.add(finding);
    }

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
