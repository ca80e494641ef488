//! The sweep: everything that could be wrong is looked at. One sweep runs at a time: it holds a
//! lease. When its time is over it ends cleanly and notes where it came to; the next goes on there.
//! `steps` says what is looked at, and in which order.

mod steps;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use shared::{
    lambda::{By, Metric},
    process::{ErrorCode, Failure},
    store::{Lease, Resume},
};
use uuid::Uuid;

use crate::{
    reconciler::Reconciler,
    report::{Report, Swept, age},
    run::Run,
};

/// The error rate is that of the processes which ended in so long a time.
const ERROR_RATE_OVER: TimeDelta = TimeDelta::minutes(5);
/// For how long the lease outlives a sweep that was killed.
const LEASE_SLACK: TimeDelta = TimeDelta::seconds(15);

/// Why a sweep ends before it has looked at everything.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Interrupted {
    /// Its time is over, its lease was lost, or Step Functions is away: the next sweep goes on.
    Early(&'static str),
    /// It cannot go on.
    Failed(Failure),
}

impl From<Failure> for Interrupted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What the database keeps of a sweep that failed.
#[derive(Serialize)]
struct FailedSweep<'a> {
    failed: ErrorCode,
    cause: &'a str,
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
            let ended = run.look_at_everything(Resume::default(), None).await;
            let (report, failure) = run.conclude(ended);
            return failure.map_or(Ok(Swept::Done(Box::new(report))), Err);
        }
        let holder = self.clock.new_id();
        let taken = self.store.take_lease(holder, run.now(), stop_at + LEASE_SLACK).await;
        let resume = match taken {
            Ok(Lease::Taken { resume }) => resume,
            Ok(Lease::Held { since, until }) => {
                tracing::info!(since = %since.to_rfc3339(), "another sweep is running");
                return Ok(Swept::AnotherIsRunning { since, until });
            }
            Err(failure) => {
                let failed = [(Metric::RepairFailures, 1.0)];
                self.metrics.emit(self.clock.now(), By::Stack, &failed);
                return Err(failure);
            }
        };
        let ended = run.look_at_everything(resume, Some(holder)).await;
        run.explain().await;
        let (mut report, failure) = run.conclude(ended);
        let given_back = self.give_lease_back(holder, &report, failure.as_ref()).await;
        if given_back.is_err() {
            report.count_failed_look();
        }
        self.measure(&report).await;
        failure.map_or(given_back, Err)?;
        Ok(Swept::Done(Box::new(report)))
    }

    /// Gives the lease back, and leaves what came of the sweep in the database.
    async fn give_lease_back(
        &self,
        holder: Uuid,
        report: &Report,
        failure: Option<&Failure>,
    ) -> Result<(), Failure> {
        let kept = match failure {
            None => serde_json::to_value(report),
            Some(Failure { code, cause, .. }) => {
                serde_json::to_value(FailedSweep { failed: *code, cause })
            }
        };
        // The lease is given back even if, by a defect of ours, there is no report to keep.
        let kept = kept.unwrap_or(Value::Null);
        self.store.give_lease_back(holder, report.complete, &kept, self.clock.now()).await
    }

    /// The sweep's metrics. That some cannot be measured is no reason to call the sweep failed.
    async fn measure(&self, report: &Report) {
        let gauges = match self.store.gauges(self.clock.now() - ERROR_RATE_OVER).await {
            Ok(gauges) => Some(gauges),
            Err(failure) => {
                tracing::warn!(
                    errorCode = %failure.code,
                    cause = failure.cause,
                    "the queue and the error rate cannot be measured"
                );
                None
            }
        };
        self.emit_metrics(report, gauges);
        let now = self.clock.now();
        match self.store.capacity(&self.terms, now).await {
            #[expect(clippy::cast_precision_loss, reason = "no capacity comes near 2^52 calls")]
            Ok(capacity) => self.metrics.emit(
                now,
                By::Stack,
                &[
                    (Metric::CapacityInUse, capacity.in_use as f64),
                    (Metric::CapacityLimit, f64::from(capacity.in_force)),
                    (Metric::OldestWaitingAge, age(capacity.oldest_at, now)),
                ],
            ),
            Err(failure) => tracing::warn!(
                errorCode = %failure.code,
                cause = failure.cause,
                "the capacity cannot be measured"
            ),
        }
    }
}

impl Run<'_> {
    /// The report of a sweep that `ended` so, and why it failed if it did.
    fn conclude(mut self, ended: Result<(), Interrupted>) -> (Report, Option<Failure>) {
        let failure = match ended {
            Ok(()) => None,
            Err(Interrupted::Early(reason)) => {
                tracing::warn!(reason, "the sweep ends early; the next goes on");
                self.report.complete = false;
                None
            }
            Err(Interrupted::Failed(failure)) => {
                self.report.complete = false;
                self.report.count_failed_look();
                Some(failure)
            }
        };
        let report = self.finish();
        report.log();
        (report, failure)
    }
}
