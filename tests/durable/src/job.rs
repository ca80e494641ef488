//! The job as a durable function: find the targets, write for all of them at the same time, and
//! store everything at the end.

use std::{error::Error, sync::Arc, time::Duration};

use aws_durable_execution_sdk::{
    BoxError, DurableContext, OperationError, RetryDecision, StepError, TypedError,
    builders::map_parallel::NestingMode,
};
use serde::{Deserialize, Serialize};
use shared::{
    chart::{Chart, Params, PartParams, Rows, Target},
    process::{
        ErrorCode, Failure, Generation, ModelUsage, Output, Outputs, PlannedTarget, ProcessError,
        engine_retry,
    },
};
use uuid::Uuid;

use crate::{Standing, World, ask::ask_until_right};

/// How often a running call looks whether it is still wanted: a cancel drops it within two seconds.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// The name of each step that writes for a target begins so; its id and the try follow.
const WRITE: &str = "write ";

/// What an execution is started with. Its id is the execution's name too, so that it is started
/// once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The row.
    pub id: Uuid,
    /// Whose actions to write.
    pub params: PartParams,
}

/// How an execution ended. The row says the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// Written, perhaps without some targets, which the result names.
    Completed,
    /// Not wanted any more; nothing was written.
    Cancelled,
    /// Nothing was written, for this reason.
    Failed(String),
}

/// What a step that writes for a target has come to. The next one goes by it, on every replay.
#[derive(Serialize, Deserialize)]
enum Outcome {
    Written(Rows, Vec<ModelUsage>),
    /// The answer stayed unusable: a try that counts.
    Unusable(String, Vec<ModelUsage>),
    /// Nothing will come of it.
    GivenUp(ErrorCode, String, Vec<ModelUsage>),
    Unwanted,
}

/// A target with what it got: rows, or an error.
type Settled = (Result<Rows, (ErrorCode, String)>, Vec<ModelUsage>);

/// How many targets are settled, by the names and results of the steps that have succeeded: the
/// progress that can be read from an execution's history.
pub fn settled<'a>(succeeded: impl Iterator<Item = (&'a str, &'a str)>) -> usize {
    let settles = |result: &str| {
        matches!(serde_json::from_str(result), Ok(Outcome::Written(..) | Outcome::GivenUp(..)))
    };
    succeeded.filter(|(name, result)| name.starts_with(WRITE) && settles(result)).count()
}

/// Runs `job`.
///
/// # Errors
/// When the row could not be ended: then it still says that it is being written, and whoever
/// reconciles has to end it.
pub async fn generate<W: World>(
    world: Arc<W>,
    job: Job,
    ctx: DurableContext,
) -> Result<Ended, BoxError> {
    let finding = (world.clone(), job.clone());
    let found = ctx
        .step(move |_| async move {
            let targets = finding.0.targets(&finding.1).await.map_err(told)?;
            Ok(targets.iter().map(Chart::id).collect::<Vec<_>>())
        })
        .name("find")
        .retry_strategy(retry(&world));
    let ids = match found.await {
        Ok(ids) => ids,
        Err(error) => return fail(world, job, ctx, &error).await,
    };
    let writing = (world.clone(), job.clone());
    let written = ctx
        .map(ids.clone(), move |branch, id, _| {
            settle(writing.0.clone(), writing.1.clone(), branch, id)
        })
        .nesting(NestingMode::Flat)
        .name("all targets");
    match written.await {
        Ok(settled) => {
            let Some(settled) = settled.into_iter().collect::<Option<Vec<Settled>>>() else {
                return Ok(Ended::Cancelled);
            };
            complete(world, job, ctx, ids, settled).await
        }
        Err(error) => fail(world, job, ctx, &error).await,
    }
}

/// Writes for one target: a try is a step, which the engine repeats while a quota is used up.
/// `None`: the job is not wanted any more.
async fn settle<W: World>(
    world: Arc<W>,
    job: Job,
    branch: DurableContext,
    id: Uuid,
) -> Result<Option<Settled>, BoxError> {
    let mut calls = Vec::new();
    for this_try in 1.. {
        let at = (world.clone(), job.clone());
        let step = branch
            .step(move |_| async move { write(&*at.0, &at.1, id).await.map_err(told) })
            .name(format!("{WRITE}{id} {this_try}"))
            .retry_strategy(retry(&world));
        let given_up = match step.await {
            Ok(Outcome::Written(rows, used)) => {
                calls.extend(used);
                return Ok(Some((Ok(rows), calls)));
            }
            Ok(Outcome::Unwanted) => return Ok(None),
            Ok(Outcome::Unusable(cause, used)) => {
                calls.extend(used);
                let code = ErrorCode::AiResponseInvalid;
                if !engine_retry::gives_up_target(code, this_try) {
                    continue;
                }
                (code, cause)
            }
            Ok(Outcome::GivenUp(code, cause, used)) => {
                calls.extend(used);
                (code, cause)
            }
            // The engine tries it no longer. What would meet the other targets too ends the job.
            Err(error) => match recorded(&error) {
                Some(failure) if !engine_retry::ends_process(failure.code) => {
                    (failure.code, failure.cause)
                }
                _ => return Err(error.into()),
            },
        };
        return Ok(Some((Err(given_up), calls)));
    }
    Ok(None)
}

/// Asks for one target. A cancel drops the call: nothing of the engine's own tells a running step.
async fn write<W: World>(world: &W, job: &Job, id: Uuid) -> Result<Outcome, Failure> {
    let mut calls = Vec::new();
    let asking = async {
        let targets = world.targets(job).await?;
        match targets.iter().find(|target| Chart::id(target) == id) {
            Some(target) => ask_until_right(world, target, &mut calls).await,
            None => Err(Failure::new(ErrorCode::TargetNotFound, "it has gone from the tables")),
        }
    };
    let rows = tokio::select! {
        biased;
        () = cancelled(world, job) => return Ok(Outcome::Unwanted),
        rows = asking => rows,
    };
    match rows {
        Ok(rows) => Ok(Outcome::Written(rows, calls)),
        Err(failure) if failure.is_final || failure.code == ErrorCode::TargetNotFound => {
            Ok(Outcome::GivenUp(failure.code, failure.cause, calls))
        }
        Err(failure) if engine_retry::is_failed_try(failure.code) => {
            Ok(Outcome::Unusable(failure.cause, calls))
        }
        Err(failure) => Err(failure),
    }
}

/// Returns once the job is not wanted any more. A look that fails tells nothing.
async fn cancelled<W: World>(world: &W, job: &Job) {
    while !matches!(world.standing(job).await, Ok(Standing::Cancelled)) {
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// Puts everything together and stores it, or what there is instead of it.
async fn complete<W: World>(
    world: Arc<W>,
    job: Job,
    ctx: DurableContext,
    ids: Vec<Uuid>,
    settled: Vec<Settled>,
) -> Result<Ended, BoxError> {
    let retry = retry(&world);
    let storing = ctx.step(move |_| async move {
        let roots = world.targets(&job).await.map_err(told)?;
        let mut outputs = Outputs::<Chart>::new();
        let mut usage = Vec::new();
        for (id, (output, calls)) in ids.iter().zip(settled) {
            let output = match output {
                Ok(rows) => Output::Written(rows),
                Err((code, cause)) => Output::GivenUp(ProcessError::new(code, cause)),
            };
            outputs.insert(*id, output);
            usage.extend(calls);
        }
        let params = Params::Actions(job.params.clone());
        let assembly = Chart::assemble(&params, &roots, &gone(&ids, &roots), &outputs, &usage);
        let (standing, ended) = match &assembly.nothing_written {
            None => (world.complete(&job, &assembly).await, Ended::Completed),
            Some(error) => {
                let cause = error.cause.clone().unwrap_or_default();
                let ended = Ended::Failed(error.code.as_str().to_owned());
                (world.fail(&job, &Failure::new(error.code, cause)).await, ended)
            }
        };
        Ok(match standing.map_err(told)? {
            Standing::Wanted => ended,
            Standing::Cancelled => Ended::Cancelled,
        })
    });
    Ok(storing.name("complete").retry_strategy(retry).await?)
}

/// The targets of the plan that have gone from the tables since.
fn gone(ids: &[Uuid], roots: &[Target]) -> Vec<PlannedTarget> {
    let is_there = |id: &Uuid| roots.iter().any(|root| Chart::id(root) == *id);
    ids.iter().filter(|id| !is_there(id)).map(|id| PlannedTarget { id: *id, weight: 1 }).collect()
}

/// Ends the row with the error for which nothing more is tried.
async fn fail<W: World>(
    world: Arc<W>,
    job: Job,
    ctx: DurableContext,
    error: &OperationError,
) -> Result<Ended, BoxError> {
    let failure = recorded(error).unwrap_or_else(|| Failure::internal(error.to_string()));
    let retry = retry(&world);
    let ending = ctx.step(move |_| async move {
        Ok(match world.fail(&job, &failure).await.map_err(told)? {
            Standing::Wanted => Ended::Failed(failure.code.as_str().to_owned()),
            Standing::Cancelled => Ended::Cancelled,
        })
    });
    Ok(ending.name("fail").retry_strategy(retry).await?)
}

/// A failure as the engine records it: by its code.
fn told(failure: Failure) -> BoxError {
    TypedError::with_type(failure.code.as_str(), failure).into()
}

/// The failure of ours that the engine has recorded for an operation, if it is one.
fn recorded(error: &OperationError) -> Option<Failure> {
    let wire = error.wire()?;
    let code = wire.error_type()?.parse().ok()?;
    Some(Failure::new(code, wire.error_message().unwrap_or_default()))
}

/// Which errors are tried again, how often and after what wait: the product's table, with full
/// jitter. The engine has one count for all errors of a step; the state machine counts each group
/// apart.
fn retry<W: World>(
    world: &Arc<W>,
) -> impl Fn(&StepError, u32) -> RetryDecision + Send + Sync + 'static {
    let world = world.clone();
    move |error, attempt| {
        let Some(backoff) = code_of(error).and_then(engine_retry::of_worker_error) else {
            return RetryDecision::Stop;
        };
        if u64::from(attempt) > backoff.max_attempts {
            return RetryDecision::Stop;
        }
        let factor = 1_u64.checked_shl(attempt - 1).unwrap_or(u64::MAX);
        let most = backoff.interval.saturating_mul(factor).min(backoff.max_delay);
        RetryDecision::Retry { delay: world.jitter(Duration::from_secs(most)) }
    }
}

/// The code of the failure of ours in the chain of `error`.
fn code_of(error: &StepError) -> Option<ErrorCode> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Some(failure.code);
        }
        source = error.source();
    }
    None
}
