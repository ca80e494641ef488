//! The sweep: everything that could be wrong is looked at. One sweep runs at a time: it holds a
//! lease. When its time is over it ends cleanly and notes where it came to; the next goes on there.
//! `steps` says what is looked at, and in which order.

mod steps;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use shared::{
    lambda::metrics::{self, Metric},
    process::{ErrorCode, Failure},
    store::Lease,
};
use uuid::Uuid;

use crate::{
    reconciler::Reconciler,
    report::{Report, Swept},
    run::Run,
};

/// The error rate is that of the processes which ended in so long a time.
const ERROR_RATE_OVER: TimeDelta = TimeDelta::minutes(5);
/// For how long the lease outlives a sweep that was killed.
const LEASE_SLACK: TimeDelta = TimeDelta::seconds(15);

/// Why a sweep ends before it has looked at everything.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Interrupted {
    /// Its time is over, its lease was lost, or too much failed: the next sweep goes on.
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
            let ended = run.look_at_everything(None, None).await;
            return Ok(Swept::Done(Box::new(run.conclude(ended)?)));
        }
        let holder = self.clock.new_id();
        let resume = match self.store.take_lease(holder, run.now(), stop_at + LEASE_SLACK).await? {
            Lease::Taken { resume } => resume,
            Lease::Held { since, until } => {
                tracing::info!(since = %since.to_rfc3339(), "another sweep is running");
                return Ok(Swept::AnotherIsRunning { since, until });
            }
        };
        let ended = run.look_at_everything(resume, Some(holder)).await;
        let concluded = run.conclude(ended);
        let given_back = self.give_lease_back(holder, &concluded).await;
        if concluded.is_err() {
            (self.emit)(&metrics::line(self.clock.now(), &[], &[(Metric::RepairFailures, 1.0)]));
        }
        let report = concluded?;
        given_back?;
        self.measure(&report).await;
        Ok(Swept::Done(Box::new(report)))
    }

    /// Gives the lease back, and leaves what came of the sweep in the database.
    async fn give_lease_back(
        &self,
        holder: Uuid,
        concluded: &Result<Report, Failure>,
    ) -> Result<(), Failure> {
        let (complete, kept) = match concluded {
            Ok(report) => (report.complete, serde_json::to_value(report)),
            Err(Failure { code, cause, .. }) => {
                (false, serde_json::to_value(FailedSweep { failed: *code, cause }))
            }
        };
        // The lease is given back even if, by a defect of ours, there is no report to keep.
        let kept = kept.unwrap_or(Value::Null);
        self.store.give_lease_back(holder, complete, &kept, self.clock.now()).await
    }

    /// The sweep's metrics. That they cannot be measured is no reason to call the sweep failed.
    async fn measure(&self, report: &Report) {
        match self.store.gauges(self.clock.now() - ERROR_RATE_OVER).await {
            Ok(gauges) => self.emit_metrics(report, Some(gauges)),
            Err(failure) => tracing::warn!(
                errorCode = %failure.code,
                cause = failure.cause,
                "nothing was measured"
            ),
        }
    }
}

impl Run<'_> {
    /// The report of a sweep that `ended` so.
    fn conclude(mut self, ended: Result<(), Interrupted>) -> Result<Report, Failure> {
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
        failure.map_or(Ok(report), Err)
    }
}
