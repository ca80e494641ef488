//! One finding: a disagreement, and what became of it.

use serde::Serialize;
use shared::{
    process::{Failure, ProcessId, Status},
    reconcile::{CompletedAt, Mend, ProcessFacts, Repair, Rule},
    store::{Leftovers, Repaired},
};

/// What became of one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RepairOutcome {
    /// It is repaired.
    Repaired,
    /// A dry run only says what would be done.
    Planned,
    /// The row moved meanwhile: whoever moved it has newer facts.
    Moved,
    /// It could not be repaired; the next sweep tries again.
    Failed,
    /// There is nothing to repair (R11, R17).
    Reported,
}

impl From<Repaired> for RepairOutcome {
    fn from(repaired: Repaired) -> Self {
        match repaired {
            Repaired::Done => Self::Repaired,
            Repaired::Moved => Self::Moved,
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    pub(crate) process_id: ProcessId,
    pub(crate) rule: Rule,
    /// What was found, in words.
    pub(crate) from: String,
    /// What it becomes, in words.
    pub(crate) to: String,
    pub(crate) outcome: RepairOutcome,
}

impl Finding {
    /// `repair` is planned for `row`.
    pub(crate) fn planned(row: &ProcessFacts, rule: Rule, repair: &Repair) -> Self {
        let status = row.status.as_str();
        let (from, to) = match repair {
            Repair::Start => ("execution: none", "execution: started"),
            Repair::Stop => ("execution: RUNNING", "execution: stopped"),
            Repair::Complete => (status, Status::Completed.as_str()),
            Repair::End(ending) | Repair::StopThenEnd(ending) => (status, ending.status().as_str()),
        };
        Self::new(row, rule, RepairOutcome::Planned, from, to)
    }

    /// `mend` is planned for `row`.
    pub(crate) fn planned_mend(row: &ProcessFacts, rule: Rule, mend: Mend) -> Self {
        let (from, to) = match mend {
            Mend::Progress(to) => {
                (format!("progress: {}", row.progress), format!("progress: {to}"))
            }
            Mend::CompletedAt(CompletedAt::Set(at)) => {
                ("completed_at: none".to_owned(), format!("completed_at: {}", at.to_rfc3339()))
            }
            Mend::CompletedAt(CompletedAt::Clear) => {
                ("completed_at: set".to_owned(), "completed_at: none".to_owned())
            }
        };
        Self::new(row, rule, RepairOutcome::Planned, from, to)
    }

    /// What an ended process has left is to go.
    pub(crate) fn planned_drop(left: &Leftovers) -> Self {
        Self {
            process_id: left.id,
            rule: Rule::R16,
            from: format!("outputs: {}, batches: {}", left.outputs, left.batches),
            to: "outputs: 0, batches: 0".to_owned(),
            outcome: RepairOutcome::Planned,
        }
    }

    /// A waiting process is admitted, or is to be (R15).
    pub(crate) fn admitted(process_id: ProcessId, outcome: RepairOutcome) -> Self {
        let [from, to] = ["waiting", "admitted"].map(str::to_owned);
        Self { process_id, rule: Rule::R15, from, to, outcome }
    }

    /// There is no such process, and its execution is left to its worker (R17).
    pub(crate) fn unknown(process_id: ProcessId) -> Self {
        let [from, to] = ["process: none", "execution: RUNNING"].map(str::to_owned);
        Self { process_id, rule: Rule::R17, from, to, outcome: RepairOutcome::Reported }
    }

    /// `row` disagrees with its execution, and is left as it is.
    pub(crate) fn reported(row: &ProcessFacts, rule: Rule) -> Self {
        let status = row.status.as_str();
        Self::new(row, rule, RepairOutcome::Reported, status, status)
    }

    fn new(
        row: &ProcessFacts,
        rule: Rule,
        outcome: RepairOutcome,
        from: impl Into<String>,
        to: impl Into<String>,
    ) -> Self {
        Self { process_id: row.id, rule, from: from.into(), to: to.into(), outcome }
    }

    /// It leads to `status` by `rule`, other than was planned.
    pub(crate) fn leads_to(&mut self, rule: Rule, status: Status) {
        self.rule = rule;
        status.as_str().clone_into(&mut self.to);
    }

    /// The repair has failed for `failure`, which is logged.
    pub(crate) fn failed(&self, failure: &Failure) -> RepairOutcome {
        tracing::error!(
            processId = %self.process_id,
            errorCode = %failure.code,
            cause = failure.cause,
            rule = %self.rule,
            "the repair failed"
        );
        RepairOutcome::Failed
    }

    /// Logs what became of it.
    pub(crate) fn log(&self) {
        macro_rules! line {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    processId = %self.process_id,
                    rule = %self.rule,
                    from = self.from,
                    to = self.to,
                    outcome = ?self.outcome,
                    $message
                )
            };
        }
        match self.outcome {
            RepairOutcome::Failed => line!(error, "not repaired"),
            RepairOutcome::Reported => line!(warn, "left as it is"),
            RepairOutcome::Repaired | RepairOutcome::Planned | RepairOutcome::Moved => {
                line!(info, "drift");
            }
        }
    }
}
