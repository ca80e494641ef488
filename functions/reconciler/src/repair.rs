//! The repairs of a plan. What is not known to have happened is looked at again before anything is
//! written, and nothing is written about a row that has moved.

use shared::{
    aws::workflow::{Described, Started, Stopped},
    chart::Chart,
    process::{Actor, Ending, ErrorCode, EventKind, Failure, ProcessError},
    reconcile::{Execution, Plan, ProcessFacts, Repair, Rule, STOPPED_FOR_TIME, stopped_for},
    store::{EndingNote, Repaired},
    use_case::{Finish, finish},
};

use crate::{
    finding::{Finding, RepairOutcome},
    reconciler::Reconciler,
    run::Run,
    settle::Settled,
};

impl Run<'_> {
    /// Makes `repair`, or in a dry run only reports that it would be made.
    pub(crate) async fn repair(
        &mut self,
        row: &ProcessFacts,
        seen: &Described,
        rule: Rule,
        repair: Repair,
    ) -> Settled {
        let mut finding = Finding::planned(row, rule, &repair);
        if !self.report.dry_run {
            finding.outcome = match self.carry_out(row, seen, repair, &mut finding).await {
                Ok(outcome) => outcome,
                Err(failure) => finding.failed(&failure),
            };
        }
        let moved = finding.outcome == RepairOutcome::Moved;
        self.report.add(finding);
        if moved { Settled::Moved } else { Settled::Done }
    }

    /// `finding` becomes another where the execution turns out to be something else than was seen.
    async fn carry_out(
        &mut self,
        row: &ProcessFacts,
        seen: &Described,
        repair: Repair,
        finding: &mut Finding,
    ) -> Result<RepairOutcome, Failure> {
        match repair {
            Repair::Start => self.start(row).await,
            Repair::Complete => self.complete(row, seen, finding).await,
            Repair::End(ending) => {
                self.end(row, seen, finding.rule, ending, EventKind::Repaired).await
            }
            Repair::StopThenEnd(ending) => self.stop_then_end(row, ending, finding).await,
            Repair::Stop => self.stop(row).await,
        }
    }

    /// R1. The try is noted first, so that tries whose answers were lost count too; a lost answer
    /// is then looked for. When enough of them have failed, a later sweep ends the process.
    async fn start(&self, row: &ProcessFacts) -> Result<RepairOutcome, Failure> {
        let Reconciler { store, engine, .. } = self.reconciler;
        if store.note_start_try(row, self.now()).await? == Repaired::Moved {
            return Ok(RepairOutcome::Moved);
        }
        let failure = match engine.start(row.id).await {
            Ok(Started { execution_arn, at }) => {
                let at = at.or_else(|| Some(self.now()));
                store.note_started(row, &execution_arn, at, self.now()).await?;
                return Ok(RepairOutcome::Repaired);
            }
            Err(failure) => failure,
        };
        let seen = engine.describe(row.id).await?;
        if seen.execution == Execution::Missing {
            return Err(failure);
        }
        let arn = engine.execution_arn(row.id);
        store.note_started(row, &arn, seen.started_at, self.now()).await?;
        Ok(RepairOutcome::Repaired)
    }

    /// R9. The order to stop says why, so that whoever finds the execution aborted knows that its
    /// time was over. The process ends only when the execution is known to have stopped; if that
    /// ended by itself meanwhile, the process ends as it says.
    async fn stop_then_end(
        &mut self,
        row: &ProcessFacts,
        ending: Ending,
        finding: &mut Finding,
    ) -> Result<RepairOutcome, Failure> {
        const CAUSE: &str = "ran past its time limit; stopped by the reconciler";
        let engine = &self.reconciler.engine;
        let ordered = engine.stop(row.id, STOPPED_FOR_TIME, CAUSE).await;
        let seen = engine.describe(row.id).await?;
        if matches!(seen.execution, Execution::Running { .. }) {
            // It runs on for a moment after the order was taken.
            return match ordered? {
                Stopped::Ordered => {
                    self.end(row, &seen, finding.rule, ending, EventKind::Repaired).await
                }
                Stopped::Missing => Ok(RepairOutcome::Moved),
            };
        }
        let Plan::Repair { rule, repair } = self.plan(row, &seen.execution) else {
            return Ok(RepairOutcome::Moved);
        };
        *finding = Finding::planned(row, rule, &repair);
        Box::pin(self.carry_out(row, &seen, repair, finding)).await
    }

    /// R10.
    async fn stop(&self, row: &ProcessFacts) -> Result<RepairOutcome, Failure> {
        let Reconciler { store, engine, .. } = self.reconciler;
        let cause = format!("its process is {}; stopped by the reconciler", row.status);
        match engine.stop(row.id, stopped_for(row.status), &cause).await {
            Ok(Stopped::Ordered) => {
                store.note_stopped(row, self.now()).await?;
                Ok(RepairOutcome::Repaired)
            }
            Ok(Stopped::Missing) => Ok(RepairOutcome::Moved),
            Err(failure) => {
                let seen = engine.describe(row.id).await?;
                let runs_on = matches!(seen.execution, Execution::Running { .. });
                if runs_on { Err(failure) } else { Ok(RepairOutcome::Moved) }
            }
        }
    }

    /// R3: with what is staged, or else with what is stored. Where the count of what is staged was
    /// wrong and part of the plan is missing, nobody will write it any more: that is R4.
    async fn complete(
        &mut self,
        row: &ProcessFacts,
        seen: &Described,
        finding: &mut Finding,
    ) -> Result<RepairOutcome, Failure> {
        let store = &self.reconciler.store;
        if store.all_staged(row.id).await? != Some(true) {
            let repaired = store.complete_from_stored(row, self.now()).await?;
            return Ok(repaired.into());
        }
        match finish::<Chart>(store, row.id, Actor::Reconciler, self.now()).await? {
            // FAILED or TIMEOUT when nothing at all could be written.
            Finish::Ended(status) => {
                finding.leads_to(finding.rule, status);
                Ok(RepairOutcome::Repaired)
            }
            Finish::NotYet => {
                let cause = "the execution succeeded, but part of what was planned is not stored";
                let ending = Ending::Failed(ProcessError::new(ErrorCode::ResultMissing, cause));
                finding.leads_to(Rule::R4, ending.status());
                self.end(row, seen, Rule::R4, ending, EventKind::Repaired).await
            }
        }
    }

    /// Ends the process. The history calls it `kind`.
    pub(crate) async fn end(
        &mut self,
        row: &ProcessFacts,
        seen: &Described,
        rule: Rule,
        ending: Ending,
        kind: EventKind,
    ) -> Result<RepairOutcome, Failure> {
        let note = EndingNote { rule, kind, execution: seen.execution.as_str() };
        let repaired = self.reconciler.store.end_seen(row, &ending, note, self.now()).await?;
        if repaired == Repaired::Done && rule.wants_evidence() {
            self.explain_later(row, seen, ending);
        }
        Ok(repaired.into())
    }
}
