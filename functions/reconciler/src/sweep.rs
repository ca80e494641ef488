//! The sweep: everything that could be wrong is looked at, in an order that costs least.
//!
//! 1. What is broken in rows alone is mended (R12–R14): that needs no Step Functions.
//! 2. The running executions are listed, a thousand a call, and compared with their rows (R2, R9,
//!    R10).
//! 3. The active processes that are not among them are described one by one (R1, R3–R8).
//!
//! One sweep runs at a time. When its time is over it ends cleanly and notes where it came to in
//! step 3; the next goes on there, and looks at what lies before when it has time left. The list of
//! the running is only a saving: what is missing in it, for whatever reason, is described.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::{
    failure::Failure,
    metrics::{self, Metric},
    process::ProcessId,
    reconcile::{Action, Execution, Row, Rule, plan},
    store::{Lease, Point},
    workflow::Described,
};
use uuid::Uuid;

use crate::{
    Reconciler,
    repair::{Run, Settled},
    report::Report,
};

/// Rows that are held in memory at a time.
const PAGE: i64 = 500;
/// Running executions that are remembered; more are described instead.
const REMEMBERED: usize = 200_000;
/// Processes that are looked at once more at the end, because their executions were too fresh.
const FRESH: usize = 100;
/// When so many looks in a row have failed, the others would fail too.
const FAILURES_IN_A_ROW: u64 = 5;
/// Errors of the last so many minutes make the error rate.
const ERROR_RATE_OVER: TimeDelta = TimeDelta::minutes(5);
/// For how long the lease outlives a sweep that was killed.
const LEASE_SLACK: TimeDelta = TimeDelta::seconds(15);

/// What became of a wish to sweep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Swept {
    /// It was done.
    Report(Box<Report>),
    /// Another sweep is at it.
    Another { since: DateTime<Utc>, until: DateTime<Utc> },
}

/// Why a sweep ends before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Broken {
    /// Its time is over, its lease was lost, or too much failed.
    Cut(&'static str),
    /// It cannot go on.
    Failed(Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Reconciler {
    /// Sweeps until `stop_at` at the latest.
    ///
    /// # Errors
    /// When the database or Step Functions cannot be asked at all.
    pub(crate) async fn sweep(
        &self,
        dry_run: bool,
        stop_at: DateTime<Utc>,
    ) -> Result<Swept, Failure> {
        let mut run = Run::new(self, dry_run, stop_at);
        if dry_run {
            let ended = run.everything(None, None).await;
            return Ok(Swept::Report(Box::new(run.conclude(ended)?)));
        }
        let holder = self.clock.new_id();
        let resume = match self.store.take_lease(holder, run.now(), stop_at + LEASE_SLACK).await? {
            Lease::Taken { resume } => resume,
            Lease::Held { since, until } => return Ok(Swept::Another { since, until }),
        };
        let ended = run.everything(resume, Some(holder)).await;
        let concluded = run.conclude(ended);
        let (complete, told) = match &concluded {
            Ok(report) => (report.complete, stored(report)),
            Err(failure) => (false, json!({"failed": failure.code, "cause": failure.cause})),
        };
        let given_back =
            self.store.give_lease_back(holder, complete, &told, self.clock.now()).await;
        if concluded.is_err() {
            (self.emit)(&metrics::line(self.clock.now(), &[], &[(Metric::RepairFailures, 1.0)]));
        }
        let report = concluded?;
        given_back?;
        self.measure(&report).await;
        Ok(Swept::Report(Box::new(report)))
    }

    /// The sweep's metrics. That they cannot be measured is no reason to call the sweep failed.
    async fn measure(&self, report: &Report) {
        let now = self.clock.now();
        match self.store.gauges(now - ERROR_RATE_OVER).await {
            Ok(gauges) => report.metrics(Some(gauges), now).iter().for_each(self.emit),
            Err(failure) => {
                tracing::warn!(errorCode = %failure.code, cause = failure.cause, "nothing was measured")
            }
        }
    }
}

/// What is kept of a report in the database: all but the actions, which are in the history of their
/// processes.
fn stored(report: &Report) -> Value {
    let mut stored = serde_json::to_value(report).unwrap_or_default();
    if let Some(fields) = stored.as_object_mut() {
        fields.remove("actions");
    }
    stored
}

impl Run<'_> {
    fn conclude(mut self, ended: Result<(), Broken>) -> Result<Report, Failure> {
        match ended {
            Ok(()) => {}
            Err(Broken::Cut(why)) => {
                tracing::warn!(reason = why, "the sweep ends early; the next goes on");
                self.report.complete = false;
            }
            Err(Broken::Failed(failure)) => {
                self.report.complete = false;
                self.report.could_not_look();
                let report = self.finish();
                report.log();
                return Err(failure);
            }
        }
        let report = self.finish();
        report.log();
        Ok(report)
    }

    fn in_time(&self) -> Result<(), Broken> {
        if self.now() < self.stop_at { Ok(()) } else { Err(Broken::Cut("its time is over")) }
    }

    async fn everything(
        &mut self,
        resume: Option<Point>,
        holder: Option<Uuid>,
    ) -> Result<(), Broken> {
        self.report.resumed = resume.is_some();
        self.mend_progress().await?;
        self.mend_completed_at().await?;
        let known = self.compare_running().await?;
        let mut fresh = Vec::new();
        self.look_at_active(resume.unwrap_or(Point::START), self.began, &known, &mut fresh, holder)
            .await?;
        if let Some(resume) = resume {
            self.look_at_active(Point::START, resume.created_at, &known, &mut fresh, holder)
                .await?;
        }
        self.look_again(&fresh).await
    }

    async fn mend_progress(&mut self) -> Result<(), Broken> {
        let mut after = Point::START.id;
        loop {
            let page = self.reconciler.store.broken_progress_page(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            self.mend_all(&page).await?;
        }
    }

    async fn mend_completed_at(&mut self) -> Result<(), Broken> {
        let mut after = Point::START.id;
        loop {
            let page = self.reconciler.store.broken_completed_at_page(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.id;
            self.mend_all(&page).await?;
        }
    }

    async fn mend_all(&mut self, page: &[Row]) -> Result<(), Broken> {
        for row in page {
            self.in_time()?;
            self.report.scanned += 1;
            self.mend(row).await;
        }
        Ok(())
    }

    /// Step 2. Gives the processes that need no look in step 3: their executions are running as
    /// they should, or they are dealt with.
    async fn compare_running(&mut self) -> Result<HashSet<ProcessId>, Broken> {
        let Reconciler { store, engine, config, .. } = self.reconciler;
        let mut known = HashSet::new();
        let mut next = None;
        loop {
            self.in_time()?;
            let page = engine.list_running(next).await?;
            let ids: Vec<_> = page.running.iter().map(|(id, _)| *id).collect();
            let since: std::collections::HashMap<_, _> = page.running.into_iter().collect();
            for row in store.rows_of(&ids).await? {
                let Some(since) = since.get(&row.id).copied() else { continue };
                let execution = Execution::Running { since };
                let planned = plan(&row, &execution, self.now(), &config.limits);
                if planned.rule == Some(Rule::R2) {
                    if known.len() < REMEMBERED && known.insert(row.id) {
                        self.report.healthy();
                    }
                    continue;
                }
                known.insert(row.id);
                if planned.action == Action::Leave {
                    continue;
                }
                self.in_time()?;
                self.report.scanned += 1;
                // The list lags a little behind: what has ended meanwhile need not be stopped.
                let seen = if planned.action == Action::Stop {
                    match engine.describe(row.id).await {
                        Ok(seen) => seen,
                        Err(failure) => {
                            self.not_seen(&row, &failure);
                            continue;
                        }
                    }
                } else {
                    Described { execution, started_at: Some(since), stopped_at: None }
                };
                self.settle(&row, &seen).await;
            }
            next = page.next;
            if next.is_none() {
                return Ok(known);
            }
        }
    }

    /// Step 3, between two points.
    async fn look_at_active(
        &mut self,
        from: Point,
        until: DateTime<Utc>,
        known: &HashSet<ProcessId>,
        fresh: &mut Vec<ProcessId>,
        holder: Option<Uuid>,
    ) -> Result<(), Broken> {
        let store = &self.reconciler.store;
        let mut point = from;
        let mut failures = 0;
        loop {
            let page = store.active_page(point, until, PAGE).await?;
            if page.is_empty() {
                return Ok(());
            }
            let mut cut = None;
            for row in &page {
                self.report.scanned += 1;
                if !known.contains(&row.id) {
                    if let Err(broken) = self.in_time() {
                        cut = Some(broken);
                        break;
                    }
                    let failed_before = self.report.failed;
                    if self.look_at(row).await == Settled::TooFresh && fresh.len() < FRESH {
                        fresh.push(row.id);
                    }
                    failures = if self.report.failed > failed_before { failures + 1 } else { 0 };
                    if failures == FAILURES_IN_A_ROW {
                        cut = Some(Broken::Cut("too many looks in a row failed"));
                        break;
                    }
                }
                point = Point { created_at: row.created_at, id: row.id };
            }
            if let Some(holder) = holder
                && !store.note_resume(holder, point).await?
            {
                return Err(Broken::Cut("another sweep has taken over"));
            }
            if let Some(broken) = cut {
                return Err(broken);
            }
        }
    }

    async fn look_at(&mut self, row: &Row) -> Settled {
        match self.reconciler.engine.describe(row.id).await {
            Ok(seen) => self.settle(row, &seen).await,
            Err(failure) => {
                self.not_seen(row, &failure);
                Settled::Done
            }
        }
    }

    fn not_seen(&mut self, row: &Row, failure: &Failure) {
        tracing::error!(processId = %row.id, errorCode = %failure.code, cause = failure.cause, "its execution cannot be looked at");
        self.report.could_not_look();
    }

    /// Looks again at what was too fresh to be judged.
    async fn look_again(&mut self, fresh: &[ProcessId]) -> Result<(), Broken> {
        let visibility = self.reconciler.config.limits.visibility;
        if fresh.is_empty() || self.now() + visibility >= self.stop_at {
            return Ok(());
        }
        tokio::time::sleep(visibility.to_std().unwrap_or_default()).await;
        for row in self.reconciler.store.rows_of(fresh).await? {
            self.in_time()?;
            self.look_at(&row).await;
        }
        Ok(())
    }
}
