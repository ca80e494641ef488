//! Adopting the database of an app that has tables of our names already: as the owner of the
//! schema. What is decided and done stands in the crate `adopt`; it never happens by itself.

use std::time::Duration;

use adopt::{Plan, State};
use sqlx::{PgConnection, migrate::MigrateError};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    connection::state,
    migrate::{
        LOCK_PAUSE, MARGIN, Migrated, SchemaOwner, applied, explained, is_locked_out, planned,
        refused, too_long,
    },
    schema::{MIGRATIONS, Schema},
};
use crate::process::{ErrorCode, Failure, Retention};

/// What adopting came to, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// What was done, or would be. `None`: there was nothing to adopt, because our migrations have
    /// been here, or no table of our names is there.
    pub plan: Option<Plan>,
    /// The migrations.
    pub migrated: Migrated,
}

impl SchemaOwner {
    /// What [`Self::adopt`] would do, where processes are kept for so long. Nothing is changed.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when a migration was changed or did not end; `DATABASE_ERROR` when the
    /// database cannot be looked at.
    pub async fn plan_adoption(
        &self,
        retention: Retention,
        time: Duration,
    ) -> Result<Adopted, Failure> {
        let mut connection = self.connection(time.saturating_sub(MARGIN)).await?;
        let migrated = planned(&applied(&mut connection).await?)?;
        let plan = adopt::look(&mut connection, &MIGRATIONS, retention.as_days())
            .await
            .map_err(failure)?;
        Ok(Adopted { plan, migrated })
    }

    /// Makes the tables that an app has what the first migration would have made, with all their
    /// rows, and applies the migrations: all in one transaction, so that a failure changes nothing.
    /// Meanwhile nobody else reads or writes these tables. What `retention` would have deleted
    /// right after is in the way. Where there is nothing to adopt, it is [`Self::migrate`].
    ///
    /// # Errors
    /// `INTERNAL_ERROR` that names what is in the way; else as [`Self::migrate`].
    pub async fn adopt(&self, retention: Retention, time: Duration) -> Result<Adopted, Failure> {
        let until = Instant::now() + time.saturating_sub(MARGIN);
        let adopted = loop {
            // Of a transaction that was broken off, nothing is to be left in the session.
            let mut connection = self.connection(time.saturating_sub(MARGIN)).await?;
            let before = applied(&mut connection).await?;
            let adopting = adopt::adopt(&mut connection, &MIGRATIONS, retention.as_days());
            match timeout_at(until, adopting).await {
                Err(_) => return Err(too_long("cargo aigen migrate --adopt")),
                Ok(Ok(None)) => break None,
                Ok(Ok(Some(plan))) => {
                    let migrated = planned(&before)?;
                    break Some(Adopted { plan: Some(plan), migrated });
                }
                Ok(Err(error)) if is_held(&error) && Instant::now() + LOCK_PAUSE < until => {
                    tracing::warn!("a table is held by others: adopting is tried again");
                    sleep(LOCK_PAUSE).await;
                }
                Ok(Err(error)) => return Err(failure(error)),
            }
        };
        if let Some(adopted) = adopted {
            return Ok(adopted);
        }
        let left = until.saturating_duration_since(Instant::now()) + MARGIN;
        Ok(Adopted { plan: None, migrated: self.migrate(left).await? })
    }
}

/// Refuses to migrate a database whose tables of our names are an app's.
pub(super) async fn is_no_apps(
    connection: &mut PgConnection,
    schema: &Schema,
) -> Result<(), Failure> {
    if schema.newest > 0 || !schema.unknown.is_empty() || !schema.failed.is_empty() {
        return Ok(());
    }
    if adopt::state(connection, &MIGRATIONS).await.map_err(failure)? != State::Foreign {
        return Ok(());
    }
    Err(Failure::internal(
        "this database has tables of these names already, and none of aigen's migrations: look at \
         what adopting them would do by aigen migrate --adopt --dry-run (a deployment adopts them \
         with AdoptDatabase=yes)"
            .to_owned(),
    ))
}

fn is_held(error: &adopt::Error) -> bool {
    match error {
        adopt::Error::Migration(error) => is_locked_out(error),
        adopt::Error::Database(error) | adopt::Error::Step { error, .. } => {
            matches!(state(error).as_deref(), Some("55P03" | "40P01"))
        }
        _ => false,
    }
}

/// What kept it from being adopted. The server's message names tables, columns and constraints; of
/// what stands in rows it tells nothing but in its details, which are not told.
fn failure(error: adopt::Error) -> Failure {
    let nothing = "the database cannot be adopted, and nothing was changed";
    match error {
        adopt::Error::Database(error) => refused(&error, nothing),
        adopt::Error::Step { what, error } => refused(&error, &format!("{nothing}: {what}")),
        adopt::Error::Migration(error @ MigrateError::Dirty(_)) => explained(error),
        adopt::Error::Migration(error) => {
            let failure = explained(error);
            Failure::new(failure.code, format!("{nothing}: {}", failure.cause))
        }
        error @ adopt::Error::Refused(_) => Failure::internal(format!("{nothing}: {error}")),
        error @ adopt::Error::NoMigrations => {
            Failure::new(ErrorCode::InternalError, error.to_string())
        }
    }
}
