//! What a function's `main` builds once, from the environment, before the first event.

use aws_config::SdkConfig;

use crate::{
    aws,
    config::{
        DatabaseConfig, ModelConfig, environment, rate_limit_per_minute, state_machine_arn,
        worker_log_group,
    },
    failure::Failure,
    logs::Logs,
    model::Models,
    store::{Credentials, Database, Store},
    telemetry,
    workflow::Workflow,
};

/// The clients' common configuration, from which each function takes just what it needs.
#[derive(Debug)]
pub struct Setup {
    aws: SdkConfig,
}

impl Setup {
    /// Starts logging and loads the configuration.
    pub async fn from_environment() -> Self {
        telemetry::init();
        Self { aws: aws::load_config().await }
    }

    /// The database, already connected if it can be reached.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub async fn store(&self) -> Result<Store, Failure> {
        let config = DatabaseConfig::read(&environment)?;
        let client = aws_sdk_secretsmanager::Client::new(&self.aws);
        let store = Store::new(Database::new(Credentials::Secret { client, config }));
        store.warm_up().await;
        Ok(store)
    }

    /// Requests a minute of one user.
    ///
    /// # Errors
    /// When the variable is wrong.
    pub fn rate_limit_per_minute(&self) -> Result<i32, Failure> {
        rate_limit_per_minute(&environment)
    }

    /// The state machine.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn workflow(&self) -> Result<Workflow, Failure> {
        Ok(Workflow::new(&self.aws, state_machine_arn(&environment)?))
    }

    /// The worker's log, if it is known where that is.
    #[must_use]
    pub fn worker_logs(&self) -> Option<Logs> {
        worker_log_group(&environment).map(|group| Logs::new(&self.aws, group))
    }

    /// The models.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub fn models(&self) -> Result<Models, Failure> {
        Ok(Models::new(&self.aws, &ModelConfig::read(&environment)?))
    }
}
