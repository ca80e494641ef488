//! Which route is answered by what.

use shared::{
    aws::workflow::Workflow,
    chart::Chart,
    clock::SystemClock,
    http::{ReadLimit, Request, Response, Route},
    lambda::Setup,
    process::{Failure, Terms},
    store::Store,
};

use crate::unknown;

/// What is generated.
pub(crate) type Kind = Chart;

/// What every route may use.
pub(crate) struct Api {
    pub(crate) store: Store,
    pub(crate) workflow: Workflow,
    pub(crate) clock: SystemClock,
    /// Requests a minute of one user.
    pub(crate) per_minute: i32,
    pub(crate) reads: ReadLimit,
    /// By what processes are admitted.
    pub(crate) terms: Terms,
}

impl Api {
    /// From the environment.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub(crate) async fn new(setup: &Setup) -> Result<Self, Failure> {
        Ok(Self {
            workflow: setup.workflow()?,
            per_minute: setup.rate_limit_per_minute()?,
            reads: ReadLimit::new(setup.read_limit_per_minute()?.unsigned_abs()),
            terms: setup.terms()?,
            clock: SystemClock,
            store: setup.store_for_requests().await?,
        })
    }

    pub(crate) async fn handle(&self, request: &Request) -> Response {
        match request.route {
            Some(Route::Generate) => self.generate(request).await,
            Some(Route::Status) => self.status(request).await.into(),
            Some(Route::History) => self.history(request).await.into(),
            Some(Route::Batch) => self.submit_batch(request).await,
            Some(Route::BatchStatus) => self.batch_status(request).await.into(),
            Some(Route::Retry | Route::Cancel | Route::CancelBatch) | None => {
                Response::from(Err(unknown::refuse(request)))
            }
        }
    }
}
