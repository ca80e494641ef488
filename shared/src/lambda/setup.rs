//! What a function's `main` builds once, from the environment, before the first event.

use std::time::Duration;

use aws_config::SdkConfig;

use super::{
    let_in::{self, ToLetIn},
    metrics::Metrics,
    telemetry,
};
use crate::{
    aws::{
        self,
        functions::Functions,
        logs::Logs,
        model::{ModelConfig, Models},
        rules::Rules,
        workflow::Workflow,
    },
    environment::{Environment, EnvironmentError},
    process::{Failure, Terms},
    store::{Credentials, Database, DatabaseConfig, Store},
};

/// Requests a minute of one user, where the environment does not say.
pub const RATE_LIMIT_PER_MINUTE: i32 = 20;

/// Cancels a minute of one user, where the environment does not say.
pub const CANCEL_LIMIT_PER_MINUTE: i32 = 120;
/// Reads a minute of one user in one environment, where the environment does not say.
pub const READ_LIMIT_PER_MINUTE: i32 = 600;
/// The longest time of a store call of a request.
const REQUEST_CALL_LIMIT: Duration = Duration::from_secs(4);

/// The clients' common configuration, from which each function takes just what it needs.
#[derive(Debug)]
pub struct Setup {
    aws: SdkConfig,
    environment: Environment<'static>,
}

impl Setup {
    /// Starts logging and loads the configuration. `function` is the name of the function's own
    /// crate, whose log lines are heard like those of this library.
    pub async fn new(function: &'static str) -> Self {
        let environment = Environment::of_process();
        telemetry::init(function, &environment.text("LOG_LEVEL").unwrap_or_default());
        Self { aws: aws::load_config().await, environment }
    }

    /// The environment, for what only this function reads.
    #[must_use]
    pub const fn environment(&self) -> Environment<'static> {
        self.environment
    }

    /// The database, already connected if it can be reached.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub async fn store(&self) -> Result<Store, Failure> {
        Ok(self.warm(self.database()?).await)
    }

    /// The same for a function that a person waits for, and that has ten seconds: it can make two
    /// calls that take as long as they may, and still answer.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub async fn store_for_requests(&self) -> Result<Store, Failure> {
        Ok(self.warm(self.database()?.limit_calls(REQUEST_CALL_LIMIT)).await)
    }

    /// What is committed through the store is counted by the metrics.
    async fn warm(&self, database: Database) -> Store {
        let metrics = self.metrics();
        let store = Store::new(database).observed_by(move |fact| metrics.committed(fact));
        store.warm_up().await;
        store
    }

    fn database(&self) -> Result<Database, Failure> {
        let config = DatabaseConfig::read(self.environment)?;
        Ok(Database::new(Credentials::new(config, &self.aws)))
    }

    /// Of the function that migrates: how the schema's owner logs in, and who else is to be let in.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn schema_owner(&self) -> Result<(Credentials, Vec<ToLetIn>), Failure> {
        let config = DatabaseConfig::read(self.environment)?;
        let others = let_in::read(self.environment, &config, &self.aws)?;
        Ok((Credentials::new(config, &self.aws), others))
    }

    /// `RATE_LIMIT_PER_MINUTE`: requests a minute of one user that may start something; 20 by
    /// default.
    ///
    /// # Errors
    /// When it is not a number above 0.
    pub fn rate_limit_per_minute(&self) -> Result<i32, Failure> {
        let name = "RATE_LIMIT_PER_MINUTE";
        Ok(per_minute(self.environment, name, RATE_LIMIT_PER_MINUTE)?)
    }

    /// `CANCEL_LIMIT_PER_MINUTE`: cancels a minute of one user; 120 by default.
    ///
    /// # Errors
    /// When it is not a number above 0.
    pub fn cancel_limit_per_minute(&self) -> Result<i32, Failure> {
        let name = "CANCEL_LIMIT_PER_MINUTE";
        Ok(per_minute(self.environment, name, CANCEL_LIMIT_PER_MINUTE)?)
    }

    /// `READ_LIMIT_PER_MINUTE`: reads a minute of one user in one execution environment; 600 by
    /// default.
    ///
    /// # Errors
    /// When it is not a number above 0.
    pub fn read_limit_per_minute(&self) -> Result<i32, Failure> {
        Ok(per_minute(self.environment, "READ_LIMIT_PER_MINUTE", READ_LIMIT_PER_MINUTE)?)
    }

    /// By what processes are admitted.
    ///
    /// # Errors
    /// When a variable is wrong.
    pub fn terms(&self) -> Result<Terms, Failure> {
        Ok(Terms::read(self.environment)?)
    }

    /// The emitter of metrics, of the stack `NAME_PREFIX`. What is committed through
    /// [`Self::store`] is emitted already.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::read(self.environment)
    }

    /// The state machine of `STATE_MACHINE_ARN`.
    ///
    /// # Errors
    /// When it is not set.
    pub fn workflow(&self) -> Result<Workflow, Failure> {
        Ok(Workflow::new(&self.aws, self.environment.required("STATE_MACHINE_ARN")?))
    }

    /// The worker's log, `WORKER_LOG_GROUP`. Without it, repairs are made without evidence.
    #[must_use]
    pub fn worker_logs(&self) -> Option<Logs> {
        self.environment.text("WORKER_LOG_GROUP").map(|group| Logs::new(&self.aws, group))
    }

    /// The logs of `functions`, each with its function's name; in front of the names stands
    /// `NAME_PREFIX`.
    #[must_use]
    pub fn logs_of(&self, functions: &[&'static str]) -> Vec<(&'static str, Logs)> {
        let prefix = self.environment.text("NAME_PREFIX").unwrap_or_default();
        let logs = |name: &&'static str| {
            (*name, Logs::new(&self.aws, format!("/aws/lambda/{prefix}{name}")))
        };
        functions.iter().map(logs).collect()
    }

    /// How functions are deployed.
    #[must_use]
    pub fn functions(&self) -> Functions {
        Functions::new(&self.aws)
    }

    /// The rules of EventBridge.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules::new(&self.aws)
    }

    /// The models.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn models(&self) -> Result<Models, Failure> {
        Ok(Models::new(&self.aws, &ModelConfig::read(self.environment)?))
    }
}

fn per_minute(
    environment: Environment<'_>,
    name: &'static str,
    default: i32,
) -> Result<i32, EnvironmentError> {
    let parse = |text: &str| text.parse().ok().filter(|limit| *limit > 0);
    environment.parsed(name, default, "a whole number above 0", parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_limit_is_20_unless_told_otherwise() {
        let limit = |text: &'static str| {
            let get = move |_: &str| Some(text.to_owned());
            per_minute(Environment::new(&get), "RATE_LIMIT_PER_MINUTE", RATE_LIMIT_PER_MINUTE)
        };
        assert_eq!((limit(""), limit("300")), (Ok(20), Ok(300)));
        for wrong in ["0", "-1", "many", "1.5"] {
            assert!(limit(wrong).unwrap_err().0.contains("RATE_LIMIT_PER_MINUTE"), "{wrong}");
        }
    }
}
