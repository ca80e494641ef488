//! What the job reaches beyond its engine: models, tables, time and chance.

use std::time::Duration;

use shared::{
    aws::model::ModelAnswer,
    chart::{Rows, Target},
    process::{Assembly, Failure, ModelUsage, Prompt},
};
use uuid::Uuid;

use crate::Job;

/// Whether the row of a job still wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is to be written.
    Wanted,
    /// Its user has cancelled it.
    Cancelled,
}

/// What the job reaches. Every method may be called again with the same arguments: steps run at
/// least once.
pub trait World: Send + Sync + 'static {
    /// Asks a model, and tells what that used.
    fn ask(
        &self,
        prompt: &Prompt,
    ) -> impl Future<Output = Result<(ModelAnswer, ModelUsage), Failure>> + Send;

    /// The job's targets: the sub-goals of its goal that are there now, in their order.
    fn targets(&self, job: &Job) -> impl Future<Output = Result<Vec<Target>, Failure>> + Send;

    /// How the row of `job` stands.
    fn standing(&self, job: &Job) -> impl Future<Output = Result<Standing, Failure>> + Send;

    /// Writes everything of `assembly` and ends the row, in one transaction, if the row still wants
    /// it or was ended by this very job before. Returns how it stands.
    fn complete(
        &self,
        job: &Job,
        assembly: &Assembly<Rows>,
    ) -> impl Future<Output = Result<Standing, Failure>> + Send;

    /// Ends the row with `failure`, under the same condition.
    fn fail(
        &self,
        job: &Job,
        failure: &Failure,
    ) -> impl Future<Output = Result<Standing, Failure>> + Send;

    /// A new id.
    fn new_id(&self) -> Uuid;

    /// Any time up to `most`.
    fn jitter(&self, most: Duration) -> Duration;
}
