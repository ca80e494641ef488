//! One attempt at one batch: everything in it that is not staged yet is asked for, several calls at
//! a time, and staged as soon as it is answered. Whoever stages the last target of the process
//! finishes it.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use shared::{
    clock::Clock,
    error_code::ErrorCode,
    failure::Failure,
    finish::{self, Finishing},
    generated::Kind,
    outcome,
    params::{Needs, Params},
    process::{ProcessError, ProcessId, Status, UserId},
    prompt::Target,
    retry_policy,
    store::{Actor, BatchClaim, Fence, Staging, StagingProgress},
    work::{self, Output, Outputs},
};
use uuid::Uuid;

use crate::{
    Worker,
    ask::Calls,
    generate::{missing, stopped_answer},
    guard::Guarded,
    job::{Answer, Caught},
};

/// A batch that this attempt has claimed.
struct Batch {
    id: ProcessId,
    fence: Fence,
    user_id: UserId,
    params: Params,
    target_ids: Vec<Uuid>,
}

/// How one target went.
enum Written {
    /// Staged, with what follows from it.
    Staged(Vec<Target>, StagingProgress),
    /// The process is no longer this attempt's.
    Fenced,
    /// Not staged: the state machine tries the batch again.
    Failed(Failure),
}

impl Worker {
    pub(crate) async fn batch(
        &self,
        id: ProcessId,
        batch_id: Uuid,
        give_up: Option<&Caught>,
        lambda_time: Duration,
    ) -> Result<Answer, Failure> {
        let began = self.clock.now();
        let claim = self.store.claim_batch(id, batch_id, began).await?;
        let BatchClaim::Claimed {
            fence,
            user_id,
            process_type,
            params,
            started_at,
            target_ids,
            progress,
        } = claim
        else {
            return match claim {
                BatchClaim::Ended(status) => Ok(Answer::ended(id, status)),
                BatchClaim::Missing => Err(missing()),
                BatchClaim::Overtaken | BatchClaim::Claimed { .. } => Ok(Answer::overtaken(id)),
            };
        };
        let params = Params::from_stored(process_type, &params)
            .map_err(|error| Failure::internal(error.to_string()))?;
        let batch = Batch { id, fence, user_id, params, target_ids };
        let attempt = fence.batch.map(|(_, attempt)| attempt);
        tracing::info!(processId = %id, userId = %batch.user_id, r#type = %process_type, status = %Status::Processing, attempt, batchId = %batch_id, "claimed");
        // Giving up asks no model, so that it must not be ended by the very limit for which it
        // gives up.
        let now = self.clock.now();
        let lambda_time = lambda_time.saturating_sub((now - began).to_std().unwrap_or_default());
        let limit = if give_up.is_some() {
            lambda_time
        } else {
            self.limits.time_left(process_type, started_at, now, lambda_time)
        };
        let work = async {
            let progress = match give_up {
                Some(caught) => self.give_up(&batch, caught, progress).await?,
                None => self.write(&batch, progress).await?,
            };
            let Some(progress) = progress else { return self.fenced_answer(id, fence).await };
            if !progress.is_whole() {
                return Ok(Answer::ended(id, Status::Processing));
            }
            match finish::finish(&self.store, id, Actor::Worker, self.clock.now()).await? {
                Finishing::Ended(status) => Ok(Answer::ended(id, status)),
                Finishing::NotYet => self.fenced_answer(id, fence).await,
            }
        };
        let answer = match self.guard(id, fence, limit, Box::pin(work)).await? {
            Guarded::Done(answer) => answer,
            Guarded::Stopped(standing) => stopped_answer(id, standing)?,
        };
        let duration = (self.clock.now() - began).num_milliseconds();
        tracing::info!(processId = %id, userId = %batch.user_id, status = %answer.status, attempt, duration, batchId = %batch_id, "batch attempt done");
        Ok(answer)
    }

    /// Writes what is open, level by level. `None`: fenced.
    async fn write(
        &self,
        batch: &Batch,
        mut progress: StagingProgress,
    ) -> Result<Option<StagingProgress>, Failure> {
        let depth = batch.params.depth();
        let mut failures = Vec::new();
        let mut level = self.open(batch, &mut progress).await?;
        while !level.is_empty() {
            let mut asked =
                stream::iter(level.iter().map(|target| self.write_one(batch, target, depth)))
                    .buffer_unordered(self.limits.calls_at_once);
            let mut next = Vec::new();
            while let Some(written) = asked.next().await {
                match written {
                    Written::Staged(children, staged) => {
                        progress.done = progress.done.max(staged.done);
                        next.extend(children);
                    }
                    Written::Fenced => return Ok(None),
                    Written::Failed(failure) => failures.push(failure),
                }
            }
            drop(asked);
            level = next;
        }
        match retry_policy::worst(failures) {
            Some(failure) => Err(failure),
            None => Ok(Some(progress)),
        }
    }

    async fn write_one(&self, batch: &Batch, target: &Target, depth: Kind) -> Written {
        let calls = Calls::default();
        let rows = self.ask(target, &calls).await;
        let attempt = batch.fence.batch.map_or(1, |(_, attempt)| attempt);
        let (output, settles) = match rows {
            Ok(rows) => (Ok(rows), 1),
            Err(failure) if retry_policy::gives_up_target(failure.code, attempt) => {
                tracing::warn!(processId = %batch.id, targetId = %target.id, errorCode = %failure.code, cause = failure.cause, "a target is given up");
                (Err(ProcessError::new(failure.code, failure.cause)), target.kind.targets_to(depth))
            }
            Err(failure) => return Written::Failed(failure),
        };
        let usage = calls.into_inner();
        let staging =
            Staging { target_id: target.id, output: output.as_ref(), settles, usage: &usage };
        match self.store.stage(batch.id, batch.fence, &staging, self.clock.now()).await {
            Err(failure) => Written::Failed(failure),
            Ok(None) => Written::Fenced,
            Ok(Some(progress)) => {
                let children = output
                    .as_ref()
                    .ok()
                    .filter(|_| target.kind < depth)
                    .map(|rows| target.children(rows));
                Written::Staged(children.unwrap_or_default(), progress)
            }
        }
    }

    /// Settles what is left of the batch with the error for which it is no longer tried. `None`:
    /// fenced.
    async fn give_up(
        &self,
        batch: &Batch,
        caught: &Caught,
        mut progress: StagingProgress,
    ) -> Result<Option<StagingProgress>, Failure> {
        let error = outcome::of_execution_error(&caught.error, caught.cause.as_deref()).error;
        if retry_policy::ends_process(error.code) {
            return Err(Failure::new(error.code, error.cause.unwrap_or_default()));
        }
        for target in self.open(batch, &mut progress).await? {
            let settles = target.kind.targets_to(batch.params.depth());
            let staging =
                Staging { target_id: target.id, output: Err(&error), settles, usage: &[] };
            match self.store.stage(batch.id, batch.fence, &staging, self.clock.now()).await? {
                None => return Ok(None),
                Some(staged) => progress.done = progress.done.max(staged.done),
            }
        }
        Ok(Some(progress))
    }

    /// What is open in the batch. A target that has gone from the tables is settled here, because
    /// nothing can be written for it.
    async fn open(
        &self,
        batch: &Batch,
        progress: &mut StagingProgress,
    ) -> Result<Vec<Target>, Failure> {
        let outputs = self.store.outputs_to_go_on_from(batch.id).await?;
        let members = self.members(batch, &outputs).await?;
        let depth = batch.params.depth();
        let gone = batch.target_ids.iter().filter(|id| {
            !outputs.contains_key(id) && !members.iter().any(|member| member.id == **id)
        });
        for target_id in gone {
            let error = ProcessError::new(ErrorCode::TargetNotFound, "it has gone from the tables");
            let kind = match &batch.params {
                Params::Actions(_) => Kind::Actions,
                // A chart's retry names sub-goals and actions alike: a sub-goal is a batch of its
                // own where it has more below it.
                Params::Chart(_) if batch.target_ids.len() == 1 && depth == Kind::Tasks => {
                    Kind::Actions
                }
                Params::Chart(_) => depth,
                Params::SubGoals(_) | Params::Tasks(_) => Kind::Tasks,
            };
            let staging = Staging {
                target_id: *target_id,
                output: Err(&error),
                settles: kind.targets_to(depth),
                usage: &[],
            };
            if let Some(staged) =
                self.store.stage(batch.id, batch.fence, &staging, self.clock.now()).await?
            {
                progress.done = progress.done.max(staged.done);
            }
        }
        Ok(work::open(&members, depth, &outputs))
    }

    /// The batch's own targets, from the tables or, in a new chart, from its staged sub-goals.
    async fn members(&self, batch: &Batch, outputs: &Outputs) -> Result<Vec<Target>, Failure> {
        if let Some(goal) = batch.params.new_goal().map(Target::goal) {
            let sub_goals = match outputs.get(&goal.id) {
                Some(Output::Written(rows)) => goal.children(rows),
                _ => Vec::new(),
            };
            return Ok(sub_goals
                .into_iter()
                .filter(|sub_goal| batch.target_ids.contains(&sub_goal.id))
                .collect());
        }
        let ids = batch.target_ids.clone();
        let needs = match batch.params {
            Params::Tasks(_) => Needs { actions: ids, ..Needs::default() },
            Params::Actions(_) => Needs { sub_goals: ids, ..Needs::default() },
            Params::SubGoals(_) | Params::Chart(_) => {
                Needs { sub_goals: ids.clone(), actions: ids, ..Needs::default() }
            }
        };
        Ok(self
            .store
            .find_targets(&batch.user_id, &needs)
            .await?
            .into_iter()
            .map(|found| found.target)
            .collect())
    }
}
