//! One process: the path in which every trigger ends. What was seen is planned for, the plan is
//! done, and whatever is not known to have happened is looked at again before anything is written.

use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    failure::Failure,
    finish::{self, Finishing},
    process::{ProcessId, Status},
    reconcile::{
        Action, CompletedAt, Ending, Execution, Mend, Row, Rule, STOPPED_FOR_TIME, mends, plan,
        stopped_for,
    },
    store::{Actor, EndingNote, Repaired},
    workflow::{Described, Stopped},
};

use crate::{
    Reconciler,
    engine::Calls,
    report::{Finding, Outcome, Report},
};

/// How often a process that moved while it was settled is looked at again, when it is the only one.
const LOOKS: usize = 3;
/// Lines may have been logged a little before and after what Step Functions thinks is the
/// execution's time.
const LOG_SLACK: TimeDelta = TimeDelta::seconds(30);

/// One invocation at work.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) reconciler: &'a Reconciler,
    pub(crate) report: Report,
    /// When it must have ended.
    pub(crate) stop_at: DateTime<Utc>,
    pub(crate) began: DateTime<Utc>,
    evidence_left: u64,
    calls_before: Calls,
    waited_before: std::time::Duration,
}

/// What became of a look at a process and its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    /// All that could be done is done, and is in the report.
    Done,
    /// It moved meanwhile.
    Moved,
    /// Step Functions may not know its execution yet.
    TooFresh,
}

/// What was done.
struct Acted {
    rule: Rule,
    to: String,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    pub(crate) fn new(reconciler: &'a Reconciler, dry_run: bool, stop_at: DateTime<Utc>) -> Self {
        Self {
            reconciler,
            report: Report::new(dry_run),
            stop_at,
            began: reconciler.clock.now(),
            evidence_left: reconciler.config.evidence,
            calls_before: reconciler.engine.calls(),
            waited_before: reconciler.engine.waited(),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.reconciler.clock.now()
    }

    /// The report, with what the run has cost.
    pub(crate) fn finish(mut self) -> Report {
        let (engine, before) = (&self.reconciler.engine, self.calls_before);
        let calls = engine.calls();
        self.report.calls = Calls {
            list_executions: calls.list_executions - before.list_executions,
            describe_execution: calls.describe_execution - before.describe_execution,
            start_execution: calls.start_execution - before.start_execution,
            stop_execution: calls.stop_execution - before.stop_execution,
            filter_log_events: calls.filter_log_events - before.filter_log_events,
        };
        self.report.waited =
            u64::try_from(engine.waited().saturating_sub(self.waited_before).as_millis())
                .unwrap_or(u64::MAX);
        self.report.duration = (self.now() - self.began).num_milliseconds();
        self.report
    }

    /// Looks at the process `id` and its execution, and settles it. `None`: there is no such
    /// process.
    pub(crate) async fn one(&mut self, id: ProcessId) -> Result<Option<Row>, Failure> {
        let reconciler = self.reconciler;
        for _ in 0..LOOKS {
            let Some(row) = self.row(id).await? else { return Ok(None) };
            let seen = reconciler.engine.describe(id).await?;
            match self.settle(&row, &seen).await {
                Settled::Done => break,
                Settled::Moved => {}
                Settled::TooFresh => {
                    tokio::time::sleep(
                        reconciler.config.limits.visibility.to_std().unwrap_or_default(),
                    )
                    .await
                }
            }
        }
        let Some(row) = self.row(id).await? else { return Ok(None) };
        self.mend(&row).await;
        self.row(id).await
    }

    async fn row(&mut self, id: ProcessId) -> Result<Option<Row>, Failure> {
        Ok(self.reconciler.store.rows_of(&[id]).await?.pop())
    }

    /// Plans for `row` as it was `seen`, and does it.
    pub(crate) async fn settle(&mut self, row: &Row, seen: &Described) -> Settled {
        let plan = plan(row, &seen.execution, self.now(), &self.reconciler.config.limits);
        let Some(rule) = plan.rule else {
            return if plan.action == Action::LookAgain {
                Settled::TooFresh
            } else {
                Settled::Done
            };
        };
        if plan.action == Action::Leave {
            self.report.healthy();
            return Settled::Done;
        }
        let (from, to) = told(row, &plan.action);
        let acted = if plan.action == Action::Report {
            Acted { rule, to, outcome: Outcome::Reported }
        } else if self.report.dry_run {
            Acted { rule, to, outcome: Outcome::Planned }
        } else {
            self.act(row, seen, rule, plan.action).await.unwrap_or_else(|failure| {
                tracing::error!(processId = %row.id, errorCode = %failure.code, cause = failure.cause, rule = %rule, "the repair failed");
                Acted { rule, to, outcome: Outcome::Failed }
            })
        };
        let moved = acted.outcome == Outcome::Moved;
        self.report.add(Finding {
            process_id: row.id,
            rule: acted.rule,
            from,
            to: acted.to,
            outcome: acted.outcome,
        });
        if moved { Settled::Moved } else { Settled::Done }
    }

    async fn act(
        &mut self,
        row: &Row,
        seen: &Described,
        rule: Rule,
        action: Action,
    ) -> Result<Acted, Failure> {
        let (_, to) = told(row, &action);
        match action {
            Action::Start => self.start(row).await,
            Action::StopThenEnd(ending) => self.stop_then_end(row, rule, ending).await,
            Action::Stop => Ok(Acted { rule, to, outcome: self.stop(row).await? }),
            Action::Complete => {
                let outcome = self.complete(row).await?;
                Ok(Acted { rule, to, outcome })
            }
            Action::End(ending) => {
                let outcome = self.end(row, seen, rule, ending, "repaired").await?;
                Ok(Acted { rule, to, outcome })
            }
            Action::Leave | Action::LookAgain | Action::Report => {
                Ok(Acted { rule, to, outcome: Outcome::Reported })
            }
        }
    }

    /// Ends the process, with what the log says if that is wanted.
    pub(crate) async fn end(
        &mut self,
        row: &Row,
        seen: &Described,
        rule: Rule,
        mut ending: Ending,
        kind: &str,
    ) -> Result<Outcome, Failure> {
        if let Some(error) = &mut ending.error
            && ending.evidence
            && self.evidence_left > 0
        {
            self.evidence_left -= 1;
            let from = seen.started_at.or(row.started_at).unwrap_or(row.created_at);
            let until = seen.stopped_at.unwrap_or_else(|| self.now());
            error.evidence =
                self.reconciler.engine.evidence(row.id, from - LOG_SLACK, until + LOG_SLACK).await;
        }
        let note = EndingNote {
            status: ending.status,
            error: ending.error.as_ref(),
            rule,
            kind,
            execution: seen.execution.as_str(),
        };
        let repaired = self.reconciler.store.end_seen(row, &note, self.now()).await?;
        Ok(self.counted(repaired, ending.status))
    }

    fn counted(&mut self, repaired: Repaired, status: Status) -> Outcome {
        match repaired {
            Repaired::Done => {
                self.report.ended(status);
                Outcome::Repaired
            }
            Repaired::Moved => Outcome::Moved,
        }
    }

    /// R1. The try is noted first, so that tries whose answers were lost count too; a lost answer
    /// is then looked for.
    async fn start(&mut self, row: &Row) -> Result<Acted, Failure> {
        let Reconciler { store, engine, config, .. } = self.reconciler;
        let acted =
            |outcome| Acted { rule: Rule::R1, to: "execution: started".to_owned(), outcome };
        if store.note_start_try(row, self.now()).await? == Repaired::Moved {
            return Ok(acted(Outcome::Moved));
        }
        let failure = match engine.start(row.id).await {
            Ok(arn) => {
                store.note_started(row, &arn, self.now()).await?;
                return Ok(acted(Outcome::Repaired));
            }
            Err(failure) => failure,
        };
        let seen = engine.describe(row.id).await?;
        if seen.execution != Execution::Missing {
            store.note_started(row, &engine.execution_arn(row.id), self.now()).await?;
            return Ok(acted(Outcome::Repaired));
        }
        let Some(row) = self.row(row.id).await? else { return Ok(acted(Outcome::Moved)) };
        match plan(&row, &seen.execution, self.now(), &config.limits).action {
            Action::End(mut ending) => {
                if let Some(error) = &mut ending.error {
                    error.cause = Some(format!(
                        "{}; the last time: {}",
                        error.cause.as_deref().unwrap_or_default(),
                        failure.cause
                    ));
                }
                let to = ending.status.to_string();
                Ok(Acted {
                    rule: Rule::R1,
                    to,
                    outcome: self.end(&row, &seen, Rule::R1, ending, "repaired").await?,
                })
            }
            _ => Err(failure),
        }
    }

    /// R9. The order to stop says why, so that whoever finds the execution aborted knows that its
    /// time was over. The process ends only when the execution is known to have stopped; if it
    /// ended by itself meanwhile, it ends as that says.
    async fn stop_then_end(
        &mut self,
        row: &Row,
        rule: Rule,
        ending: Ending,
    ) -> Result<Acted, Failure> {
        let Reconciler { engine, config, .. } = self.reconciler;
        let ordered = engine
            .stop(row.id, STOPPED_FOR_TIME, "ran past its time limit; stopped by the reconciler")
            .await;
        let seen = engine.describe(row.id).await?;
        let (rule, action) = match (&seen.execution, ordered) {
            (Execution::Running { .. }, Ok(Stopped::Ordered)) => (rule, Action::End(ending)),
            (Execution::Running { .. }, Err(failure)) => return Err(failure),
            _ => {
                let again = plan(row, &seen.execution, self.now(), &config.limits);
                (again.rule.unwrap_or(rule), again.action)
            }
        };
        let (_, to) = told(row, &action);
        let outcome = match action {
            Action::End(ending) => self.end(row, &seen, rule, ending, "repaired").await?,
            Action::Complete => self.complete(row).await?,
            _ => Outcome::Moved,
        };
        Ok(Acted { rule, to, outcome })
    }

    /// R3: with what is staged, or else with what is stored.
    async fn complete(&mut self, row: &Row) -> Result<Outcome, Failure> {
        let store = &self.reconciler.store;
        if store.all_staged(row.id).await? != Some(true) {
            let repaired = store.complete_from_stored(row, self.now()).await?;
            return Ok(self.counted(repaired, Status::Completed));
        }
        Ok(match finish::finish(store, row.id, Actor::Reconciler, self.now()).await? {
            // FAILED when every one of its targets had failed.
            Finishing::Ended(status) => self.counted(Repaired::Done, status),
            Finishing::NotYet => self.counted(Repaired::Moved, Status::Completed),
        })
    }

    /// R10.
    async fn stop(&mut self, row: &Row) -> Result<Outcome, Failure> {
        let Reconciler { store, engine, .. } = self.reconciler;
        let cause = format!("its process is {}; stopped by the reconciler", row.status);
        match engine.stop(row.id, stopped_for(row.status), &cause).await {
            Ok(Stopped::Ordered) => {
                store.note_stopped(row, self.now()).await?;
                Ok(Outcome::Repaired)
            }
            Ok(Stopped::Missing) => Ok(Outcome::Moved),
            Err(failure) => match engine.describe(row.id).await?.execution {
                Execution::Running { .. } => Err(failure),
                _ => Ok(Outcome::Moved),
            },
        }
    }

    /// Mends what is broken in the row alone.
    pub(crate) async fn mend(&mut self, row: &Row) {
        let mut row = row.clone();
        for (rule, mend) in mends(&row) {
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
            let outcome = if self.report.dry_run {
                Outcome::Planned
            } else {
                match self.reconciler.store.mend(&row, rule, mend, self.now()).await {
                    Ok(Repaired::Done) => Outcome::Repaired,
                    Ok(Repaired::Moved) => Outcome::Moved,
                    Err(failure) => {
                        tracing::error!(processId = %row.id, errorCode = %failure.code, cause = failure.cause, rule = %rule, "the repair failed");
                        Outcome::Failed
                    }
                }
            };
            match mend {
                Mend::Progress(progress) => row.progress = progress,
                Mend::CompletedAt(CompletedAt::Set(at)) => row.completed_at = Some(at),
                Mend::CompletedAt(CompletedAt::Clear) => row.completed_at = None,
            }
            self.report.add(Finding { process_id: row.id, rule, from, to, outcome });
        }
    }
}

/// From what to what `action` leads, in words for the report.
fn told(row: &Row, action: &Action) -> (String, String) {
    let status = row.status.to_string();
    match action {
        Action::Leave | Action::LookAgain | Action::Report => (status.clone(), status),
        Action::Start => ("execution: none".to_owned(), "execution: started".to_owned()),
        Action::Stop => ("execution: RUNNING".to_owned(), "execution: stopped".to_owned()),
        Action::Complete => (status, Status::Completed.to_string()),
        Action::End(ending) | Action::StopThenEnd(ending) => (status, ending.status.to_string()),
    }
}
