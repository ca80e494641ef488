//! What reconciling needs, and which occasion leads where.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use shared::{
    clock::{Clock, SystemClock},
    http::{Request, respond},
    lambda::{Invocation, Metrics, Setup},
    process::{Actor, Failure, ProcessId, Terms},
    store::{Gauges, Store},
    use_case::admit,
};

use crate::{
    config::ReconcilerConfig,
    engine::Engine,
    report::Report,
    trigger::{self, Trigger},
    views::{SweptView, answer},
};

/// What is kept of the invocation's time: one repair may take this long, and the lease must be
/// given back.
const MARGIN: TimeDelta = TimeDelta::seconds(12);
/// The longest that Lambda lets an invocation run, for one whose deadline is not known.
const MAX_TIME: Duration = Duration::from_mins(15);

/// What reconciling needs.
pub(crate) struct Reconciler {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) config: ReconcilerConfig,
    pub(crate) terms: Terms,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) metrics: Metrics,
}

impl Reconciler {
    /// The reconciler that the environment describes.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub(crate) async fn new(setup: &Setup) -> Result<Self, Failure> {
        let config = ReconcilerConfig::read(setup.environment())?;
        Ok(Self {
            store: setup.store().await?,
            engine: Engine::new(setup.workflow()?, setup.worker_logs(), &config),
            config,
            terms: setup.terms()?,
            clock: Box::new(SystemClock),
            metrics: setup.metrics(),
        })
    }

    /// Does what `invocation` asks for, and ends in time.
    ///
    /// # Errors
    /// When a machine asked, so that it can try again; an operator gets the error as an answer.
    pub(crate) async fn handle(&self, invocation: Invocation) -> Result<Value, Failure> {
        let stop_at = self.stop_at(&invocation);
        match trigger::read(&invocation.payload)? {
            Trigger::ExecutionFailed(failed) => {
                answer(&self.execution_failed(&failed, stop_at).await?)
            }
            Trigger::ExecutionEnded(ended) => answer(&self.execution_ended(&ended, stop_at).await?),
            // That another sweep is running is as well: it does what this one would do.
            Trigger::Schedule => answer(&SweptView::of(&self.sweep(false, stop_at).await?)),
            Trigger::Operator => {
                let by_operator =
                    async |request: &Request| self.by_operator(request, stop_at).await;
                Ok(respond(invocation.payload, self.clock.as_ref(), by_operator).await)
            }
        }
    }

    /// Admits whoever waits, as far as there is capacity, and tells whom.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn admit(&self, actor: Actor) -> Result<Vec<ProcessId>, Failure> {
        admit(&self.store, self.engine.workflow(), &self.terms, actor, self.clock.now()).await
    }

    fn stop_at(&self, invocation: &Invocation) -> DateTime<Utc> {
        let now = self.clock.now();
        now + invocation.time_left(now).min(MAX_TIME) - MARGIN
    }

    /// Emits the metrics of `report`. `gauges`: what a sweep measures besides.
    pub(crate) fn emit_metrics(&self, report: &Report, gauges: Option<Gauges>) {
        report.emit(&self.metrics, gauges, self.clock.now());
    }
}

impl std::fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reconciler")
            .field("engine", &self.engine)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
