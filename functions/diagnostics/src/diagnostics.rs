//! Which check an operator asks for.

use shared::{
    aws::{functions::Functions, logs::Logs, model::Models, rules::Rules, workflow::Workflow},
    clock::SystemClock,
    environment::Environment,
    http::{Caller, Problem, Reply, Request},
    lambda::Setup,
    process::{ErrorCode, Failure, Retention, Terms},
    reconcile::Limits,
    store::Store,
};

use crate::command::{Check, Command};

/// The other functions: those that do something about a process.
pub(crate) const LOGGING: [&str; 5] = [
    "async-processing-handler",
    "ai-generation-worker",
    "retry-handler",
    "cancel-handler",
    "reconciler",
];
/// What the checks look at.
pub(crate) struct Diagnostics {
    pub(crate) store: Store,
    pub(crate) workflow: Workflow,
    pub(crate) models: Models,
    pub(crate) functions: Functions,
    pub(crate) rules: Rules,
    /// The check's own variables, which the other functions should have too.
    pub(crate) environment: Environment<'static>,
    /// By the function's name.
    pub(crate) logs: Vec<(&'static str, Logs)>,
    pub(crate) clock: SystemClock,
    pub(crate) terms: Terms,
    pub(crate) limits: Limits,
    pub(crate) retention: Retention,
    /// In front of the functions' names.
    pub(crate) prefix: String,
}

impl Diagnostics {
    /// From the environment.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub(crate) async fn new(setup: &Setup) -> Result<Self, Failure> {
        let environment = setup.environment();
        let limits = Limits::default();
        let usual = limits.time_limit.num_seconds().unsigned_abs();
        let time_limit = environment.seconds("PROCESS_TIME_LIMIT_SECONDS", usual)?;
        let time_limit = chrono::TimeDelta::from_std(time_limit)
            .map_err(|_| Failure::internal("PROCESS_TIME_LIMIT_SECONDS is too long"))?;
        Ok(Self {
            workflow: setup.workflow()?,
            models: setup.models()?,
            functions: setup.functions(),
            rules: setup.rules(),
            environment,
            logs: setup.logs_of(&LOGGING),
            clock: SystemClock,
            terms: setup.terms()?,
            limits: Limits { time_limit, ..limits },
            retention: Retention::read(environment)?,
            prefix: environment.text("NAME_PREFIX").unwrap_or_default(),
            // A call that takes longer than a person waits is a finding.
            store: setup.store_for_requests().await?,
        })
    }

    pub(crate) async fn handle(&self, request: &Request) -> Result<Reply, Problem> {
        // For operators alone, whatever route somebody may give it one day.
        if request.caller != Caller::Operator {
            return Err(ErrorCode::Forbidden.into());
        }
        let command = Command::read(&request.object()?)?;
        let words = command.words();
        match command.check {
            Check::Health => Box::pin(self.health(words)).await,
            Check::Process(id) => Box::pin(self.process(id, words)).await,
            Check::Logs { id, hours } => Box::pin(self.logs(id, hours, words)).await,
            Check::Performance { hours } => Box::pin(self.performance(hours, words)).await,
            Check::List(query) => self.list(&query).await,
            Check::Candidates(query) => self.candidates(&query).await,
            Check::Export(query) => self.export(&query).await,
            Check::Stats { hours } => self.stats(hours).await,
            Check::Errors { hours } => self.errors(hours).await,
        }
    }
}
