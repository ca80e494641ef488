//! Step Functions and the worker's log, within their quotas, with every call counted.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::{
    config::ReconcilerConfig,
    failure::Failure,
    limiter::Limiter,
    logs::{Evidence, Logs},
    process::ProcessId,
    workflow::{Described, RunningPage, Stopped, Workflow},
};

/// Longest time that a repair waits for its evidence.
const EVIDENCE_PATIENCE: Duration = Duration::from_secs(5);

/// Calls made by one invocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Calls {
    pub(crate) list_executions: u64,
    pub(crate) describe_execution: u64,
    pub(crate) start_execution: u64,
    pub(crate) stop_execution: u64,
    pub(crate) filter_log_events: u64,
}

/// One API: its quota, and the calls made.
#[derive(Debug)]
struct Api {
    limiter: Limiter,
    calls: AtomicU64,
}

impl Api {
    fn new(rate: shared::limiter::Rate) -> Self {
        Self { limiter: Limiter::new(rate), calls: AtomicU64::new(0) }
    }
}

/// The outside that the database is compared with.
#[derive(Debug)]
pub(crate) struct Engine {
    workflow: Workflow,
    logs: Option<Logs>,
    list: Api,
    describe: Api,
    start: Api,
    stop: Api,
    filter: Api,
    waited: AtomicU64,
}

impl Engine {
    pub(crate) fn new(workflow: Workflow, logs: Option<Logs>, config: &ReconcilerConfig) -> Self {
        Self {
            workflow,
            logs,
            list: Api::new(config.list),
            describe: Api::new(config.describe),
            start: Api::new(config.start),
            stop: Api::new(config.stop),
            filter: Api::new(config.filter),
            waited: AtomicU64::new(0),
        }
    }

    async fn call<T>(
        &self,
        api: &Api,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let waited = api.limiter.wait().await;
        self.waited.fetch_add(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX), Relaxed);
        api.calls.fetch_add(1, Relaxed);
        call.await
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

    /// The time that quotas have cost so far.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited.load(Relaxed))
    }

    pub(crate) fn is_ours(&self, state_machine_arn: &str) -> bool {
        self.workflow.state_machine_arn() == state_machine_arn
    }

    pub(crate) async fn list_running(&self, page: Option<String>) -> Result<RunningPage, Failure> {
        self.call(&self.list, self.workflow.list_running(page)).await
    }

    pub(crate) async fn describe(&self, id: ProcessId) -> Result<Described, Failure> {
        self.call(&self.describe, self.workflow.describe(id)).await
    }

    pub(crate) async fn start(&self, id: ProcessId) -> Result<String, Failure> {
        self.call(&self.start, self.workflow.start(id)).await
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
        self.call(&self.stop, self.workflow.stop(id, error, cause)).await
    }

    /// The last errors in the log about `id`. That the log cannot be read never stands in the way
    /// of a repair.
    pub(crate) async fn evidence(
        &self,
        id: ProcessId,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Vec<Evidence> {
        let Some(logs) = &self.logs else { return Vec::new() };
        let search = self.call(&self.filter, logs.last_errors(id, from, until));
        match tokio::time::timeout(EVIDENCE_PATIENCE, search).await {
            Ok(Ok(found)) => {
                self.filter.calls.fetch_add(found.calls.saturating_sub(1), Relaxed);
                found.evidence
            }
            Ok(Err(failure)) => {
                tracing::warn!(processId = %id, errorCode = %failure.code, cause = failure.cause, "repaired without evidence: the log cannot be read");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(processId = %id, "repaired without evidence: the log does not answer");
                Vec::new()
            }
        }
    }
}
