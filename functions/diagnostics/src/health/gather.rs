//! Asking every part. Each has its own time; those of one place are asked one after the other, and
//! the places at once, so that the whole is over in time whatever hangs.

use std::time::Duration;

use shared::{clock::Clock, process::Failure, store::DatabaseTrouble};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    facts::{Facts, Look},
    findings::{FAILURES_OVER, SECONDS_OF_NOTE, started_by},
};
use crate::diagnostics::Diagnostics;

/// What the state machine and each model have.
const PART_LIMIT: Duration = Duration::from_secs(8);
/// What the database has for all that it is asked; one call has four seconds.
const DATABASE_LIMIT: Duration = Duration::from_secs(9);

/// Asks the database one thing after the other.
struct Asking {
    deadline: Instant,
    /// Whether it is known not to answer.
    is_out: bool,
}

impl Asking {
    async fn ask<T>(&mut self, question: impl Future<Output = Result<T, Failure>>) -> Look<T> {
        if self.is_out {
            return Look::NotTried;
        }
        match timeout_at(self.deadline, question).await {
            Err(_) => Look::Late,
            Ok(Ok(seen)) => Look::Seen(seen),
            Ok(Err(failure)) => Look::Failed(failure),
        }
    }
}

impl Diagnostics {
    /// Asks everything that the findings are made from.
    pub(super) async fn gather(&self) -> Facts {
        let machine = async {
            match timeout(PART_LIMIT, self.workflow.check()).await {
                Err(_) => Look::Late,
                Ok(Ok(())) => Look::Seen(()),
                Ok(Err(failure)) => Look::Failed(failure),
            }
        };
        let deployed = self.gather_deployed(PART_LIMIT);
        let models = self.models.check(PART_LIMIT);
        let (facts, state_machine, models, (functions, [schedule, events])) =
            tokio::join!(self.gather_stored(), machine, models, deployed);
        Facts { state_machine, functions, schedule, events, models, ..facts }
    }

    async fn gather_stored(&self) -> Facts {
        let (store, terms) = (&self.store, &self.terms);
        let now = self.clock.now();
        let mut asking = Asking { deadline: Instant::now() + DATABASE_LIMIT, is_out: false };
        // Connecting is no part of the time between the clocks.
        let schema = asking.ask(store.schema()).await;
        asking.is_out = match &schema {
            Look::Seen(_) => false,
            Look::Failed(failure) => DatabaseTrouble::of(failure) != DatabaseTrouble::SchemaMissing,
            Look::Late | Look::NotTried => true,
        };
        let before = self.clock.now();
        let server = match &schema {
            Look::Failed(failure) if asking.is_out => Look::Failed(failure.clone()),
            Look::Late => Look::Late,
            _ => asking.ask(store.server()).await,
        };
        let server_asked_at = before + (self.clock.now() - before) / 2;
        let schema = if asking.is_out { Look::NotTried } else { schema };
        let since = now - FAILURES_OVER;
        let capacity = asking.ask(store.capacity(terms, now)).await;
        let per_user =
            capacity.seen().map_or(terms.calls_per_user, |capacity| capacity.calls_per_user);
        Facts {
            now,
            prefix: self.prefix.clone(),
            limits: self.limits,
            terms: *terms,
            retention: self.retention,
            server,
            server_asked_at,
            schema,
            sweep: asking.ask(store.last_sweep()).await,
            flow: asking.ask(store.flow(now, started_by(now, &self.limits), per_user)).await,
            failures: asking.ask(store.failures_by_code(since, now)).await,
            ended_well: asking.ask(async { Ok(store.gauges(since).await?.ended_well) }).await,
            oldest_ended: asking.ask(store.oldest_ended()).await,
            budgets: asking.ask(store.budgets(terms, now)).await,
            sessions: asking.ask(store.sessions_of_note(SECONDS_OF_NOTE)).await,
            capacity,
            state_machine: Look::NotTried,
            functions: Vec::new(),
            schedule: Look::NotTried,
            events: Look::NotTried,
            models: Vec::new(),
        }
    }
}
