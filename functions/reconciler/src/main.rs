//! `reconciler`: makes the database and the executions agree.
//!
//! Three occasions lead here, and an operator's command: an execution that reports its own failure,
//! one that is said to have ended, and the schedule. All of them end in `repair`, which goes by
//! what it sees and not by what it is told.

mod engine;
mod hand;
mod repair;
mod report;
mod settle;
mod sweep;
mod trigger;

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    clock::{Clock, SystemClock},
    config::{ReconcilerConfig, environment},
    failure::Failure,
    http::{Call, answer},
    metrics,
    setup::Setup,
    store::Store,
};

use crate::{engine::Engine, trigger::Trigger};

/// What reconciling needs.
struct Reconciler {
    store: Store,
    engine: Engine,
    config: ReconcilerConfig,
    clock: Box<dyn Clock>,
    /// Where metrics go.
    emit: fn(&Value),
}

/// What is kept of the invocation's time: one repair may take this long, and the lease must be
/// given back.
const MARGIN: TimeDelta = TimeDelta::seconds(12);

impl Reconciler {
    /// Does what `event` asks for, until `stop_at` at the latest.
    ///
    /// # Errors
    /// When a machine asked, so that it can try again; an operator is answered instead.
    async fn handle(&self, event: Value, stop_at: DateTime<Utc>) -> Result<Value, Failure> {
        match trigger::read(&event)? {
            Trigger::Caught(caught) => self.caught(&caught, stop_at).await,
            Trigger::Ended(ended) => self.ended(&ended, stop_at).await,
            Trigger::Schedule => self.by_schedule(stop_at).await,
            Trigger::Hand => Ok(answer(event, self.clock.as_ref(), async |call: &Call| {
                self.by_hand(call, stop_at).await
            })
            .await),
        }
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let config = ReconcilerConfig::read(&environment)?;
    let engine = Engine::new(setup.workflow()?, setup.worker_logs(), &config);
    let reconciler = &Reconciler {
        store: setup.store().await?,
        engine,
        config,
        clock: Box::new(SystemClock),
        emit: metrics::emit,
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let deadline =
            i64::try_from(event.context.deadline).ok().and_then(DateTime::from_timestamp_millis);
        let stop_at =
            deadline.unwrap_or_else(|| reconciler.clock.now() + TimeDelta::seconds(60)) - MARGIN;
        Box::pin(reconciler.handle(event.payload, stop_at)).await.map_err(Diagnostic::from)
    }))
    .await
}
