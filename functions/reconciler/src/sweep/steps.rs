//! What a sweep looks at, in an order that costs least.
//!
//! 1. What is broken in rows alone is mended (R12–R14): that needs no Step Functions.
//! 2. The running executions are listed, a thousand a call, and compared with their rows (R2, R9,
//!    R10).
//! 3. The active processes that are not among them are described one by one (R1, R3–R8).
//!
//! A sweep notes where it came to in step 3; the next goes on there, and looks at what lies before
//! when it has time left. The list of the running is only a saving: what is missing in it, for
//! whatever reason, is described.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use shared::{
    aws::workflow::Described,
    process::{Failure, ProcessId},
    reconcile::{Execution, Plan, ProcessFacts, Repair},
    store::Point,
};
use uuid::Uuid;

use super::Interrupted;
use crate::{reconciler::Reconciler, run::Run, settle::Settled};

/// Rows that are held in memory at a time.
const PAGE: i64 = 500;
/// Running executions that are remembered; more are described instead.
const MAX_REMEMBERED: usize = 200_000;
/// Processes that are looked at once more at the end, because their executions were too fresh.
const MAX_FRESH: usize = 100;
/// When so many looks in a row have failed, the others would fail too.
const MAX_FAILURES_IN_A_ROW: u64 = 5;

impl Run<'_> {
    /// All steps. `resume`: where the sweep before came to. `holder`: who holds the lease, unless
    /// nothing is to be changed.
    pub(super) async fn look_at_everything(
        &mut self,
        resume: Option<Point>,
        holder: Option<Uuid>,
    ) -> Result<(), Interrupted> {
        self.report.resumed = resume.is_some();
        self.mend_progress().await?;
        self.mend_completed_at().await?;
        let done = self.compare_running().await?;
        let mut fresh = Vec::new();
        let from = resume.unwrap_or(Point::START);
        self.look_at_active(from, self.began, &done, &mut fresh, holder).await?;
        if let Some(resume) = resume {
            let until = resume.created_at;
            self.look_at_active(Point::START, until, &done, &mut fresh, holder).await?;
        }
        self.look_again(&fresh).await
    }

    fn check_time(&self) -> Result<(), Interrupted> {
        if self.now() < self.stop_at { Ok(()) } else { Err(Interrupted::Early("its time is over")) }
    }

    async fn mend_progress(&mut self) -> Result<(), Interrupted> {
        let mut after = Point::START.id;
        loop {
            let page = self.reconciler.store.broken_progress_page(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            self.mend_page(&page).await?;
        }
    }

    async fn mend_completed_at(&mut self) -> Result<(), Interrupted> {
        let mut after = Point::START.id;
        loop {
            let page = self.reconciler.store.broken_completed_at_page(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            self.mend_page(&page).await?;
        }
    }

    async fn mend_page(&mut self, page: &[ProcessFacts]) -> Result<(), Interrupted> {
        for row in page {
            self.check_time()?;
            self.report.scanned += 1;
            self.mend(row).await;
        }
        Ok(())
    }

    /// Step 2. Gives the processes that need no look in step 3: their executions are running as
    /// they should, or they are settled.
    async fn compare_running(&mut self) -> Result<HashSet<ProcessId>, Interrupted> {
        let Reconciler { store, engine, .. } = self.reconciler;
        let mut done = HashSet::new();
        let mut next = None;
        loop {
            self.check_time()?;
            let page = engine.list_running(next).await?;
            let ids: Vec<_> = page.running.iter().map(|(id, _)| *id).collect();
            let running: HashMap<_, _> = page.running.into_iter().collect();
            for row in store.rows_of(&ids).await? {
                if let Some(since) = running.get(&row.id) {
                    self.compare(&row, *since, &mut done).await?;
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(done);
            }
        }
    }

    /// Compares `row` with its execution, which is listed as running `since` then.
    async fn compare(
        &mut self,
        row: &ProcessFacts,
        since: DateTime<Utc>,
        done: &mut HashSet<ProcessId>,
    ) -> Result<(), Interrupted> {
        let execution = Execution::Running { since };
        let plan = self.plan(row, &execution);
        if plan == Plan::Healthy {
            if done.len() < MAX_REMEMBERED && done.insert(row.id) {
                self.report.count_healthy();
            }
            return Ok(());
        }
        done.insert(row.id);
        let Plan::Repair { rule, repair } = plan else { return Ok(()) };
        self.check_time()?;
        self.report.scanned += 1;
        if repair == Repair::Stop {
            // The list lags a little behind: what has ended meanwhile need not be stopped.
            self.look_at(row).await;
        } else {
            let seen = Described { execution, started_at: Some(since), stopped_at: None };
            self.repair(row, &seen, rule, repair).await;
        }
        Ok(())
    }

    /// Step 3, from a point up to what was accepted at `until`.
    async fn look_at_active(
        &mut self,
        from: Point,
        until: DateTime<Utc>,
        done: &HashSet<ProcessId>,
        fresh: &mut Vec<ProcessId>,
        holder: Option<Uuid>,
    ) -> Result<(), Interrupted> {
        let store = &self.reconciler.store;
        let mut point = from;
        let mut failures = 0;
        loop {
            let page = store.active_page(point, until, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            let mut interrupted = None;
            for row in &page {
                self.report.scanned += 1;
                if !done.contains(&row.id) {
                    if let Err(reason) = self.check_time() {
                        interrupted = Some(reason);
                        break;
                    }
                    let failed_before = self.report.failed;
                    if self.look_at(row).await == Settled::TooFresh && fresh.len() < MAX_FRESH {
                        fresh.push(row.id);
                    }
                    failures = if self.report.failed > failed_before { failures + 1 } else { 0 };
                    if failures == MAX_FAILURES_IN_A_ROW {
                        let reason = Interrupted::Early("too many looks in a row failed");
                        interrupted = Some(reason);
                        break;
                    }
                }
                point = Point { created_at: row.created_at, id: row.id };
            }
            if let Some(holder) = holder
                && !store.note_resume(holder, point).await?
            {
                return Err(Interrupted::Early("another sweep has taken over"));
            }
            if let Some(reason) = interrupted {
                return Err(reason);
            }
        }
    }

    /// Describes the execution of `row`, and settles both.
    async fn look_at(&mut self, row: &ProcessFacts) -> Settled {
        match self.reconciler.engine.describe(row.id).await {
            Ok(seen) => self.settle(row, &seen).await,
            Err(failure) => {
                self.count_failed_look(row, &failure);
                Settled::Done
            }
        }
    }

    fn count_failed_look(&mut self, row: &ProcessFacts, failure: &Failure) {
        tracing::error!(
            processId = %row.id,
            errorCode = %failure.code,
            cause = failure.cause,
            "its execution cannot be looked at"
        );
        self.report.count_failed_look();
    }

    /// Looks once more at the processes whose executions were too fresh to be found.
    async fn look_again(&mut self, fresh: &[ProcessId]) -> Result<(), Interrupted> {
        let visibility = self.reconciler.config.limits.visibility;
        if fresh.is_empty() || self.now() + visibility >= self.stop_at {
            return Ok(());
        }
        tokio::time::sleep(visibility.to_std().unwrap_or_default()).await;
        for row in self.reconciler.store.rows_of(fresh).await? {
            self.check_time()?;
            self.look_at(&row).await;
        }
        Ok(())
    }
}
