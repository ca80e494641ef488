//! Step 2: the executions that are running, and their rows.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use chrono::{DateTime, Utc};
use shared::{
    aws::workflow::Described,
    process::ProcessId,
    reconcile::{Execution, Plan, ProcessFacts, Repair, Rule},
    store::Resume,
};
use uuid::Uuid;

use super::super::Interrupted;
use crate::{finding::Finding, reconciler::Reconciler, run::Run};

/// Running executions that are remembered; more are described instead.
const MAX_REMEMBERED: usize = 200_000;
/// Executions that one sweep acts upon; more are left to the next.
const MAX_OVERDUE: usize = 10_000;
/// After so many of them it is noted where the sweep came to.
const NOTED_EVERY: usize = 50;

/// A running execution that is to be acted upon.
#[derive(Debug)]
pub(super) struct Overdue {
    row: ProcessFacts,
    since: DateTime<Utc>,
    rule: Rule,
    repair: Repair,
}

impl Run<'_> {
    /// Compares all that run with their rows. Gives the processes that need no look in step 3, as
    /// their executions run as they should or are to be acted upon; and those to be acted upon, by
    /// id, beginning after `resume`. A row is committed before its execution starts, so that one
    /// without a row is reported (R17).
    pub(super) async fn compare_running(
        &mut self,
        resume: Option<ProcessId>,
    ) -> Result<(HashSet<ProcessId>, VecDeque<Overdue>), Interrupted> {
        let Reconciler { store, engine, .. } = self.reconciler;
        let (mut done, mut overdue) = (HashSet::new(), Vec::new());
        let mut unknown = BTreeSet::new();
        let mut next = None;
        loop {
            self.check_time()?;
            let page = engine.list_running(next).await?;
            let ids: Vec<_> = page.running.iter().map(|(id, _)| *id).collect();
            let mut running: HashMap<_, _> = page.running.into_iter().collect();
            for row in store.rows_of(&ids).await? {
                let Some(since) = running.remove(&row.id) else { continue };
                match self.plan(&row, &Execution::Running { since }) {
                    Plan::Healthy => {
                        if done.len() < MAX_REMEMBERED && done.insert(row.id) {
                            self.report.count_healthy();
                        }
                    }
                    Plan::Repair { rule, repair } if overdue.len() < MAX_OVERDUE => {
                        // The list may name one twice that began or ended meanwhile.
                        if done.insert(row.id) {
                            overdue.push(Overdue { row, since, rule, repair });
                        }
                    }
                    _ => {
                        done.insert(row.id);
                    }
                }
            }
            unknown.extend(running.into_keys());
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        for id in unknown {
            self.report.add(Finding::unknown(id));
        }
        overdue.sort_unstable_by_key(|overdue| overdue.row.id);
        let before = overdue.partition_point(|overdue| Some(overdue.row.id) <= resume);
        overdue.rotate_left(before);
        Ok((done, overdue.into()))
    }

    /// Acts upon those of `overdue` for which there is time until `until`.
    pub(super) async fn act_on_running(
        &mut self,
        overdue: &mut VecDeque<Overdue>,
        until: DateTime<Utc>,
        holder: Option<Uuid>,
    ) -> Result<(), Interrupted> {
        let (mut last, mut unnoted) = (None, 0);
        while self.now() < until
            && let Some(Overdue { row, since, rule, repair }) = overdue.pop_front()
        {
            self.report.scanned += 1;
            if repair == Repair::Stop {
                // The list lags a little behind: what has ended meanwhile need not be stopped.
                self.look_at(&row).await;
            } else {
                let execution = Execution::Running { since };
                let seen = Described { execution, started_at: Some(since), stopped_at: None };
                self.repair(&row, &seen, rule, repair).await;
            }
            last = Some(row.id);
            unnoted += 1;
            if unnoted == NOTED_EVERY {
                self.note_resume(Resume { active: None, running: last }, holder).await?;
                unnoted = 0;
            }
        }
        if unnoted > 0 {
            self.note_resume(Resume { active: None, running: last }, holder).await?;
        }
        Ok(())
    }
}
