//! Step Functions and the worker's log. Every call keeps within the quota of its API, and is
//! counted.

use std::{
    ops::Sub,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::{
    aws::{
        limiter::{Limiter, Rate},
        logs::Logs,
        workflow::{Described, RunningPage, Started, Stopped, Workflow},
    },
    process::{Evidence, Failure, ProcessId},
};

use crate::config::ReconcilerConfig;

/// How much of its patience a repair's search keeps for itself, so that it ends with what it has
/// found before it is given up.
const SEARCH_SLACK: Duration = Duration::from_secs(1);

/// How often each API was called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Calls {
    pub(crate) list_executions: u64,
    pub(crate) describe_execution: u64,
    pub(crate) start_execution: u64,
    pub(crate) stop_execution: u64,
    pub(crate) filter_log_events: u64,
}

impl Sub for Calls {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            list_executions: self.list_executions - before.list_executions,
            describe_execution: self.describe_execution - before.describe_execution,
            start_execution: self.start_execution - before.start_execution,
            stop_execution: self.stop_execution - before.stop_execution,
            filter_log_events: self.filter_log_events - before.filter_log_events,
        }
    }
}

/// What became of a search of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogSearch {
    /// The last errors about the process; there may be none.
    Found(Vec<Evidence>),
    /// The log cannot be read.
    Failed,
    /// The log does not answer in time.
    TimedOut,
}

/// An API with its quota, and what its use has cost.
#[derive(Debug)]
struct RateLimitedApi {
    limiter: Limiter,
    calls: AtomicU64,
    waited_micros: AtomicU64,
}

impl RateLimitedApi {
    fn new(rate: Rate) -> Self {
        Self {
            limiter: Limiter::new(rate),
            calls: AtomicU64::new(0),
            waited_micros: AtomicU64::new(0),
        }
    }

    /// Makes `call` as soon as the quota has room for it.
    async fn call<T>(&self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let waited = self.limiter.wait().await;
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.waited_micros.fetch_add(micros, Relaxed);
        self.calls.fetch_add(1, Relaxed);
        call.await
    }
}

/// The outside that the database is compared with.
#[derive(Debug)]
pub(crate) struct Engine {
    workflow: Workflow,
    logs: Option<Logs>,
    list: RateLimitedApi,
    describe: RateLimitedApi,
    start: RateLimitedApi,
    stop: RateLimitedApi,
    filter: RateLimitedApi,
}

impl Engine {
    pub(crate) fn new(workflow: Workflow, logs: Option<Logs>, config: &ReconcilerConfig) -> Self {
        Self {
            workflow,
            logs,
            list: RateLimitedApi::new(config.list),
            describe: RateLimitedApi::new(config.describe),
            start: RateLimitedApi::new(config.start),
            stop: RateLimitedApi::new(config.stop),
            filter: RateLimitedApi::new(config.filter),
        }
    }

    /// The state machine itself, for whoever admits: how much may be started is then the capacity's
    /// matter.
    pub(crate) const fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// The calls so far in this environment's life.
    pub(crate) fn calls(&self) -> Calls {
        Calls {
            list_executions: self.list.calls.load(Relaxed),
            describe_execution: self.describe.calls.load(Relaxed),
            start_execution: self.start.calls.load(Relaxed),
            stop_execution: self.stop.calls.load(Relaxed),
            filter_log_events: self.filter.calls.load(Relaxed),
        }
    }

    /// The time that the quotas have cost so far in this environment's life.
    pub(crate) fn waited(&self) -> Duration {
        let apis = [&self.list, &self.describe, &self.start, &self.stop, &self.filter];
        Duration::from_micros(apis.iter().map(|api| api.waited_micros.load(Relaxed)).sum())
    }

    /// Whether `state_machine_arn` is the state machine whose executions drive our processes.
    pub(crate) fn is_ours(&self, state_machine_arn: &str) -> bool {
        self.workflow.state_machine_arn() == state_machine_arn
    }

    pub(crate) async fn list_running(&self, page: Option<String>) -> Result<RunningPage, Failure> {
        self.list.call(self.workflow.list_running(page)).await
    }

    pub(crate) async fn describe(&self, id: ProcessId) -> Result<Described, Failure> {
        self.describe.call(self.workflow.describe(id)).await
    }

    pub(crate) async fn start(&self, id: ProcessId) -> Result<Started, Failure> {
        self.start.call(self.workflow.start(id)).await
    }

    pub(crate) fn execution_arn(&self, id: ProcessId) -> String {
        self.workflow.execution_arn(id)
    }

    pub(crate) async fn stop(
        &self,
        id: ProcessId,
        error: &str,
        cause: &str,
    ) -> Result<Stopped, Failure> {
        self.stop.call(self.workflow.stop(id, error, cause)).await
    }

    /// The last errors in the log about `id`, if they come within `patience`.
    pub(crate) async fn evidence(
        &self,
        id: ProcessId,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        patience: Duration,
    ) -> LogSearch {
        let Some(logs) = &self.logs else { return LogSearch::Found(Vec::new()) };
        let search = self.filter.call(logs.last_errors(
            id,
            from,
            until,
            patience.saturating_sub(SEARCH_SLACK),
        ));
        match tokio::time::timeout(patience, search).await {
            Ok(Ok(found)) => {
                // One search reads several pages, and each of them is a call.
                self.filter.calls.fetch_add(found.calls.saturating_sub(1), Relaxed);
                LogSearch::Found(found.evidence)
            }
            Ok(Err(failure)) => {
                tracing::warn!(
                    processId = %id,
                    errorCode = %failure.code,
                    cause = failure.cause,
                    "repaired without evidence: the log cannot be read"
                );
                LogSearch::Failed
            }
            Err(_) => {
                tracing::warn!(
                    processId = %id,
                    "repaired without evidence: the log does not answer in time"
                );
                LogSearch::TimedOut
            }
        }
    }
}
