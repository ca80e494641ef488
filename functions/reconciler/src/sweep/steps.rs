//! What a sweep looks at, in an order that costs least.
//!
//! 1. What is broken in rows alone is mended (R12–R14): that needs no Step Functions.
//! 2. Whoever waits is admitted, as far as there is capacity (R15), and who waits is counted anew.
//! 3. The running executions are listed, a thousand a call, and compared with their rows (R2);
//!    those to be acted upon (R9, R10) are, for half of the time that is left.
//! 4. The active processes that are not among them are described one by one (R1, R3–R8).
//! 5. What is left of step 3 is done, and what that has freed is given to who waits.
//! 6. What ended processes have left is deleted (R16): that harms nobody, and comes late.
//! 7. What ended longer ago than it is kept for is deleted (`RETENTION_DAYS`), some of it a sweep.
//!
//! A sweep that ends early has noted where it came to in steps 3 and 4. The next goes on there, and
//! looks at what lies before when it has time left. So does what fails: it is passed by, and the
//! next sweep tries it again. However many fail, they hide nothing else. The list of the running is
//! only a saving: what is missing in it, for whatever reason, is described.

mod retention;
mod running;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use shared::{
    process::{Actor, Failure, ProcessId},
    reconcile::ProcessFacts,
    store::{Point, Resume},
};
use uuid::Uuid;

use super::Interrupted;
use crate::{
    finding::{Finding, RepairOutcome},
    reconciler::Reconciler,
    report::MAX_ACTIONS,
    run::Run,
    settle::Settled,
};

/// Rows that are held in memory at a time.
const PAGE: i64 = 500;
/// After so many looks in a row that failed, and then after twice as many each time, it is asked
/// whether Step Functions answers at all.
const DOUBTFUL: u64 = 5;

impl Run<'_> {
    /// All steps. `resume`: where the sweep before came to. `holder`: who holds the lease, unless
    /// nothing is to be changed.
    pub(super) async fn look_at_everything(
        &mut self,
        resume: Resume,
        holder: Option<Uuid>,
    ) -> Result<(), Interrupted> {
        self.report.resumed = resume.active.is_some() || resume.running.is_some();
        self.mend_progress().await?;
        self.mend_completed_at().await?;
        self.admit_waiting().await?;
        let (done, mut overdue) = self.compare_running(resume.running).await?;
        let half = self.now() + (self.stop_at - self.now()) / 2;
        self.act_on_running(&mut overdue, half, holder).await?;
        let from = resume.active.unwrap_or(Point::START);
        self.look_at_active(from, self.began, &done, holder).await?;
        if let Some(Point { created_at, .. }) = resume.active {
            self.look_at_active(Point::START, created_at, &done, holder).await?;
        }
        self.act_on_running(&mut overdue, self.stop_at, holder).await?;
        if self.report.repaired > 0 && !self.report.dry_run {
            self.admit_waiting().await?;
        }
        if !overdue.is_empty() {
            return Err(OUT_OF_TIME);
        }
        self.drop_leftovers().await?;
        self.delete_expired().await;
        Ok(())
    }

    pub(super) fn check_time(&self) -> Result<(), Interrupted> {
        if self.now() < self.stop_at { Ok(()) } else { Err(OUT_OF_TIME) }
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

    /// Step 2: a wake-up may have been lost.
    async fn admit_waiting(&mut self) -> Result<(), Interrupted> {
        let Reconciler { store, terms, .. } = self.reconciler;
        if self.report.dry_run {
            let most = i32::try_from(MAX_ACTIONS).unwrap_or(i32::MAX);
            for id in store.would_admit(terms, most, self.now()).await? {
                self.report.add(Finding::admitted(id, RepairOutcome::Planned));
            }
            return Ok(());
        }
        match store.recount_queue().await {
            Ok(users) => {
                for user in users {
                    tracing::warn!(userId = user, "it was counted wrongly who waits");
                }
            }
            // No reason not to look at anything else.
            Err(failure) => tracing::warn!(
                errorCode = %failure.code,
                cause = failure.cause,
                "who waits cannot be counted anew"
            ),
        }
        for id in self.reconciler.admit(Actor::Reconciler).await? {
            self.report.add(Finding::admitted(id, RepairOutcome::Repaired));
        }
        Ok(())
    }

    /// Step 4, from a point up to what was accepted at `until`.
    async fn look_at_active(
        &mut self,
        from: Point,
        until: DateTime<Utc>,
        done: &HashSet<ProcessId>,
        holder: Option<Uuid>,
    ) -> Result<(), Interrupted> {
        let store = &self.reconciler.store;
        let mut point = from;
        let (mut failures, mut doubtful) = (0, DOUBTFUL);
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
                    if self.look_at(row).await.is_some() {
                        (failures, doubtful) = (0, DOUBTFUL);
                    } else {
                        failures += 1;
                    }
                }
                point = Point { created_at: row.created_at, id: row.id };
                if failures == doubtful {
                    if self.reconciler.engine.list_running(None).await.is_err() {
                        let reason = "Step Functions answers nothing";
                        interrupted = Some(Interrupted::Early(reason));
                        break;
                    }
                    (failures, doubtful) = (0, doubtful * 2);
                }
            }
            let came_to = Resume { active: Some(point), running: None };
            self.note_resume(came_to, holder).await?;
            if let Some(reason) = interrupted {
                return Err(reason);
            }
        }
    }

    pub(super) async fn note_resume(
        &self,
        came_to: Resume,
        holder: Option<Uuid>,
    ) -> Result<(), Interrupted> {
        if let Some(holder) = holder
            && !self.reconciler.store.note_resume(holder, came_to).await?
        {
            return Err(Interrupted::Early("another sweep has taken over"));
        }
        Ok(())
    }

    /// Describes the execution of `row`, and settles both. `None`: it cannot be described.
    pub(super) async fn look_at(&mut self, row: &ProcessFacts) -> Option<Settled> {
        match self.reconciler.engine.describe(row.id).await {
            Ok(seen) => Some(self.settle(row, &seen).await),
            Err(failure) => {
                self.count_failed_look(row, &failure);
                None
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

    /// Step 6.
    async fn drop_leftovers(&mut self) -> Result<(), Interrupted> {
        let mut after = Point::START.id;
        loop {
            self.check_time()?;
            let page = self.reconciler.store.leftovers_page(after, PAGE).await?;
            for left in &page.leftovers {
                self.check_time()?;
                self.drop_leftovers_of(left).await;
            }
            let Some(last) = page.last else { return Ok(()) };
            after = last;
        }
    }
}

/// Why most sweeps end early.
const OUT_OF_TIME: Interrupted = Interrupted::Early("its time is over");
