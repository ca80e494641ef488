//! One process and its execution: the path in which every occasion ends. [`Run::settle`] plans for
//! what was seen of both, and each plan leads to one place.

use shared::{
    aws::workflow::Described,
    process::{Failure, ProcessId},
    reconcile::{Execution, Plan, ProcessFacts, plan},
};

use crate::{finding::Finding, run::Run};

/// How often a process is looked at that moves while it is being settled.
pub(crate) const MAX_ATTEMPTS: usize = 3;

/// What became of a look at a process and its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// All that could be done is done, and is in the report.
    Done,
    /// The process moved meanwhile.
    Moved,
}

impl Run<'_> {
    /// Looks at the process `id` and its execution until they are settled, and mends the row. Gives
    /// the process as it is then; `None` when there is no such process.
    pub(crate) async fn settle_process(
        &mut self,
        id: ProcessId,
    ) -> Result<Option<ProcessFacts>, Failure> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(row) = self.facts(id).await? else { return Ok(None) };
            let seen = self.reconciler.engine.describe(id).await?;
            match self.settle(&row, &seen).await {
                Settled::Done => break,
                Settled::Moved => {}
            }
        }
        self.explain().await;
        let Some(row) = self.facts(id).await? else { return Ok(None) };
        self.mend(&row).await;
        self.facts(id).await
    }

    /// Plans for `row` and its execution as it was `seen`, and does what the plan says.
    pub(crate) async fn settle(&mut self, row: &ProcessFacts, seen: &Described) -> Settled {
        match self.plan(row, &seen.execution) {
            Plan::Agree => Settled::Done,
            Plan::LookAgain => {
                self.report.too_fresh += 1;
                Settled::Done
            }
            Plan::Healthy => {
                self.report.count_healthy();
                Settled::Done
            }
            Plan::Report(rule) => {
                self.report.add(Finding::reported(row, rule));
                Settled::Done
            }
            Plan::Repair { rule, repair } => self.repair(row, seen, rule, repair).await,
        }
    }

    /// What follows from `row` and its `execution` now.
    pub(crate) fn plan(&self, row: &ProcessFacts, execution: &Execution) -> Plan {
        plan(row, execution, self.now(), &self.reconciler.config.limits)
    }
}
