//! What came of it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::process::Status;

use crate::{quota::seconds, scenario::Scenario};

/// A job, from its acceptance to its end.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) user: usize,
    pub(crate) status: Status,
    pub(crate) calls_left: u32,
    pub(crate) retries: u32,
    pub(crate) accepted: DateTime<Utc>,
    pub(crate) admitted: Option<DateTime<Utc>>,
    pub(crate) execution_began: Option<DateTime<Utc>>,
    pub(crate) started: Option<DateTime<Utc>>,
    pub(crate) ended: Option<DateTime<Utc>>,
}

impl Job {
    pub(crate) fn new(user: usize, calls: u32) -> Self {
        Self {
            user,
            status: Status::Pending,
            calls_left: calls,
            retries: 0,
            accepted: DateTime::UNIX_EPOCH,
            admitted: None,
            execution_began: None,
            started: None,
            ended: None,
        }
    }
}

/// How things stood at a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sample {
    /// Since the first job came, in seconds.
    pub(crate) second: f64,
    /// Jobs that waited to begin.
    pub(crate) waiting: usize,
    /// Model calls in flight.
    pub(crate) in_flight: i32,
    /// Model calls that might have been.
    pub(crate) in_force: i32,
    /// Calls that were refused since the last look.
    pub(crate) refused: u64,
}

/// What a run came to.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Jobs by how they ended.
    pub completed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those whose time was over.
    pub timed_out: usize,
    /// Model calls, refused ones among them.
    pub calls: u64,
    /// Of these, refused.
    pub refused: u64,
    /// What sweeps mended.
    pub repaired: u64,
    /// Seconds until all had ended.
    pub seconds: f64,
    /// Seconds that nobody could have done better than, with this quota, burst and limit.
    pub ideal_seconds: f64,
    /// Seconds from acceptance to the end: half of the jobs took less.
    pub p50_seconds: f64,
    /// Of 100, 95 took less.
    pub p95_seconds: f64,
    /// The longest.
    pub max_seconds: f64,
    /// When the first and the last user had all of theirs: how unlike users fared.
    pub first_user_done_seconds: f64,
    /// The same of the last.
    pub last_user_done_seconds: f64,
    #[serde(skip)]
    pub(crate) in_flight: i32,
    #[serde(skip)]
    pub(crate) samples: Vec<Sample>,
}

impl Outcome {
    /// Counts up what has become of `jobs`.
    #[expect(clippy::cast_precision_loss, reason = "there are at most two million jobs")]
    pub(crate) fn end(&mut self, scenario: &Scenario, jobs: &[Job], now: DateTime<Utc>) {
        let count = |status| jobs.iter().filter(|job| job.status == status).count();
        self.completed = count(Status::Completed);
        self.failed = count(Status::Failed);
        self.timed_out = count(Status::Timeout);
        self.seconds = seconds(now - DateTime::UNIX_EPOCH);
        let took = |job: &Job| seconds(job.ended.unwrap_or(now) - job.accepted);
        let mut times: Vec<f64> = jobs.iter().map(took).collect();
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len() - 1));
        (self.p50_seconds, self.p95_seconds) = (*at(50).unwrap_or(&0.0), *at(95).unwrap_or(&0.0));
        self.max_seconds = *times.last().unwrap_or(&0.0);
        let mut last = vec![0.0_f64; scenario.users as usize];
        for job in jobs {
            let ended = seconds(job.ended.unwrap_or(now) - DateTime::UNIX_EPOCH);
            last[job.user] = last[job.user].max(ended);
        }
        let with_jobs = &last[..last.len().min(jobs.len())];
        self.first_user_done_seconds = with_jobs.iter().copied().fold(f64::MAX, f64::min);
        self.last_user_done_seconds = with_jobs.iter().copied().fold(0.0, f64::max);
        let calls = jobs.len() as f64 * f64::from(scenario.calls);
        let models = f64::from(scenario.models);
        let by_quota = (calls - models * f64::from(scenario.burst)).max(0.0)
            / (models * f64::from(scenario.quota) / 60.0);
        let by_limit = calls * scenario.model_seconds / f64::from(scenario.limit);
        let begun = by_quota.max(by_limit - scenario.model_seconds).max(0.0);
        self.ideal_seconds = begun.max(f64::from(scenario.within)) + scenario.model_seconds;
    }

    /// Per cent of the calls that were refused.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no run makes 2^52 calls")]
    pub fn refused_percent(&self) -> f64 {
        100.0 * self.refused as f64 / self.calls.max(1) as f64
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { completed, failed, timed_out, calls, refused, repaired, .. } = self;
        writeln!(f, "jobs         {completed} completed, {failed} failed, {timed_out} timed out")?;
        writeln!(
            f,
            "all done     after {:.1} s; the ideal is {:.1} s ({:.2} x)",
            self.seconds,
            self.ideal_seconds,
            self.seconds / self.ideal_seconds.max(0.001)
        )?;
        writeln!(
            f,
            "a job        p50 {:.1} s, p95 {:.1} s, max {:.1} s",
            self.p50_seconds, self.p95_seconds, self.max_seconds
        )?;
        writeln!(
            f,
            "users        the first had all after {:.1} s, the last after {:.1} s",
            self.first_user_done_seconds, self.last_user_done_seconds
        )?;
        write!(
            f,
            "model calls  {calls}, of which {refused} refused ({:.1} %)",
            self.refused_percent()
        )?;
        if *repaired > 0 {
            write!(f, "\nsweeps       mended {repaired}")?;
        }
        Ok(())
    }
}
