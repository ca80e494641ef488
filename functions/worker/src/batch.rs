//! One attempt at one batch: everything in it that is not staged yet is asked for, several calls at
//! a time, and staged as soon as it is answered. Whoever stages the last target of the process
//! finishes it.

use std::{cell::Cell, collections::VecDeque, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream::FuturesUnordered};
use shared::{
    aws::model::Throttles,
    process::{
        Actor, Ending, ErrorCode, Failure, Generation, Output, Outputs, PlannedTarget,
        ProcessError, ProcessId, Status, UserId,
        ending::of_execution_error,
        engine_retry,
        generation::{open_in_plan, open_targets, total_weight},
    },
    store::{
        BatchClaim, Fence, StageOutcome, Staging, StagingProgress, Standing, StoredGeneration,
    },
    use_case::{Finish, finish},
};
use uuid::Uuid;

use crate::{
    ask::{Asking, Calls},
    attempt::{missing, output_of_stopped},
    guard::Guarded,
    limits::{LEAST_TIME_TO_ANSWER, TimeLeft, time_for_one_more},
    slots::Slots,
    step::{CaughtError, StepInput, StepOutput},
    worker::{StepError, Worker},
};

/// How often a batch is claimed in order to give it up.
const MAX_GIVING_UP: u32 = 3;

/// A batch that this attempt has claimed.
struct ClaimedBatch<G: Generation> {
    id: ProcessId,
    fence: Fence,
    user_id: UserId,
    params: G::Params,
    targets: Vec<PlannedTarget>,
    /// Attempts before this one in which a model's answer was not right.
    failed_tries: i16,
    throttles: Throttles,
    slots: Slots,
    /// Whether processes waited to be admitted when it was claimed.
    others_wait: bool,
    /// Targets that are open, those included that follow from others.
    open: Cell<i16>,
    /// Whether this attempt has staged anything.
    got_on: Cell<bool>,
    /// Whether it has given all its calls back.
    is_closed: Cell<bool>,
}

/// How one target went.
enum TargetOutcome<T> {
    /// Staged, with what follows from it.
    Staged(Vec<T>, StagingProgress),
    /// The process is no longer this attempt's.
    Fenced,
    /// Not staged: the state machine tries the batch again.
    Failed(Failure),
}

fn throttled(failure: &Failure) -> bool {
    failure.code == ErrorCode::AiThrottling
}

/// Whether one more call has time before `until`.
fn is_time(now: DateTime<Utc>, until: DateTime<Utc>, longest: Duration) -> bool {
    (until - now).to_std().unwrap_or_default() >= time_for_one_more(longest)
}

/// What it means that the time of an attempt at `batch` is over, when that is `error`: where it has
/// got on and the process has more time than the invocation had, the next attempt goes on.
fn cut_short<G: Generation>(
    error: StepError,
    batch: &ClaimedBatch<G>,
    limit: TimeLeft,
) -> StepError {
    match error {
        StepError::Failed(failure)
            if failure.code == ErrorCode::TimeoutError
                && batch.got_on.get()
                && limit.process >= limit.invocation + LEAST_TIME_TO_ANSWER =>
        {
            StepError::Unfinished
        }
        error => error,
    }
}

impl<G: StoredGeneration> Worker<G> {
    pub(crate) async fn batch(
        &self,
        input: &StepInput,
        batch_id: Uuid,
        lambda_time: Duration,
    ) -> Result<StepOutput, StepError> {
        for _ in 1..MAX_GIVING_UP {
            match self.attempt_at_batch(input, batch_id, lambda_time).await {
                // The state machine waits for nothing else any more, so that whoever has overtaken
                // this is a message that came late.
                Err(StepError::Overtaken) if input.give_up.is_some() => {}
                done => return done,
            }
        }
        self.attempt_at_batch(input, batch_id, lambda_time).await
    }

    async fn attempt_at_batch(
        &self,
        input: &StepInput,
        batch_id: Uuid,
        lambda_time: Duration,
    ) -> Result<StepOutput, StepError> {
        let (id, began) = (input.process_id, self.clock.now());
        let (batch, process_type, started_at, progress) =
            match self.store.claim_batch(id, batch_id, began).await? {
                BatchClaim::Claimed {
                    fence,
                    user_id,
                    process_type,
                    params,
                    started_at,
                    targets,
                    progress,
                    slots,
                    failed_tries,
                    resting,
                    others_wait,
                } => {
                    let params = G::parse_stored(&process_type, &params)
                        .map_err(|error| Failure::internal(error.to_string()))?;
                    let batch = ClaimedBatch::<G> {
                        id,
                        fence,
                        user_id,
                        params,
                        targets,
                        failed_tries,
                        throttles: Throttles::new(resting),
                        slots: Slots::new(slots),
                        others_wait,
                        open: Cell::new(0),
                        got_on: Cell::new(false),
                        is_closed: Cell::new(false),
                    };
                    (batch, process_type, started_at, progress)
                }
                BatchClaim::Ended(status) => return Ok(StepOutput::ended(id, status)),
                BatchClaim::Missing => return Err(missing().into()),
                BatchClaim::Overtaken => return Err(StepError::Overtaken),
            };
        let fence = batch.fence;
        let attempt = fence.batch.map(|(_, attempt)| attempt);
        tracing::info!(
            processId = %id,
            userId = %batch.user_id,
            r#type = %process_type,
            status = %Status::Processing,
            attempt,
            batchId = %batch_id,
            "claimed"
        );
        let now = self.clock.now();
        let lambda_time = lambda_time.saturating_sub((now - began).to_std().unwrap_or_default());
        let limit = if input.give_up.is_some() {
            // Giving up asks no model, so that it must not be ended by the very limit for which it
            // gives up.
            TimeLeft::of_invocation(lambda_time)
        } else {
            self.limits.time_left(&process_type, started_at, now, lambda_time)
        };
        let asking = Asking { until: now + limit.of_attempt(), with_others: true };
        let work = async {
            let progress = match &input.give_up {
                Some(caught) => self.give_up(&batch, caught, progress).await?,
                None => self.write(&batch, asking, limit, progress).await?,
            };
            let Some(progress) = progress else { return self.fenced(id, fence).await };
            self.close(&batch).await;
            if !progress.is_whole() {
                return Ok(StepOutput::ended(id, Status::Processing));
            }
            match finish::<G>(&self.store, id, Actor::Worker, self.clock.now()).await? {
                Finish::Ended(status) => Ok(StepOutput::ended(id, status)),
                Finish::NotYet => match self.store.standing(id, fence).await? {
                    // Other batches are still at it.
                    Standing::Current => Ok(StepOutput::ended(id, Status::Processing)),
                    standing => output_of_stopped(id, standing),
                },
            }
        };
        let guarded = self.guard(id, fence, limit, Some(&batch.slots), Box::pin(work)).await;
        let output = match guarded.map_err(|error| cut_short(error, &batch, limit)) {
            Ok(Guarded::Done(output)) => output,
            Ok(Guarded::Stopped(standing)) => output_of_stopped(id, standing)?,
            Err(error) => {
                self.rest(&batch, &error).await;
                return Err(error);
            }
        };
        if batch.others_wait && output.status.is_terminal() {
            self.make_room().await;
        }
        let duration = (self.clock.now() - began).num_milliseconds();
        tracing::info!(
            processId = %id,
            userId = %batch.user_id,
            status = %output.status,
            attempt,
            duration,
            batchId = %batch_id,
            "batch attempt done"
        );
        Ok(output)
    }

    /// Writes what is open, as many targets at a time as the batch may have calls in flight; what
    /// follows from a target comes as soon as that is staged. After a refusal for a quota no other
    /// call is begun: it would be refused too. `None`: fenced.
    async fn write(
        &self,
        batch: &ClaimedBatch<G>,
        asking: Asking,
        limit: TimeLeft,
        mut progress: StagingProgress,
    ) -> Result<Option<StagingProgress>, StepError> {
        let Some(open) = self.open(batch, &mut progress).await? else { return Ok(None) };
        batch.open.set(total_weight::<G>(&batch.params, &open));
        let mut waiting = VecDeque::from(open);
        let mut asked = FuturesUnordered::new();
        let mut failures = Vec::new();
        let mut longest = Duration::ZERO;
        loop {
            let may_begin =
                !failures.iter().any(throttled) && is_time(self.clock.now(), asking.until, longest);
            while may_begin && asked.len() < batch.slots.get() {
                let Some(target) = waiting.pop_front() else { break };
                asked.push(self.write_one(batch, asking, target));
            }
            if asked.is_empty() {
                break;
            }
            tokio::select! {
                Some((outcome, taken)) = asked.next() => {
                    longest = longest.max(taken);
                    match outcome {
                        TargetOutcome::Staged(children, staged) => {
                            progress.done = progress.done.max(staged.done);
                            waiting.extend(children);
                        }
                        TargetOutcome::Fenced => return Ok(None),
                        TargetOutcome::Failed(failure) => failures.push(failure),
                    }
                }
                () = batch.slots.changed() => {}
            }
        }
        match engine_retry::worst(failures) {
            Some(failure) => Err(failure.into()),
            None if waiting.is_empty() => Ok(Some(progress)),
            None => {
                let cause = "the worker's time was over before all was written";
                let over = Failure::new(ErrorCode::TimeoutError, cause).into();
                Err(cut_short(over, batch, limit))
            }
        }
    }

    /// Writes for one target, and tells how long that took.
    async fn write_one(
        &self,
        batch: &ClaimedBatch<G>,
        asking: Asking,
        target: G::Target,
    ) -> (TargetOutcome<G::Target>, Duration) {
        let began = self.clock.now();
        let outcome = self.ask_and_stage(batch, asking, &target).await;
        (outcome, (self.clock.now() - began).to_std().unwrap_or_default())
    }

    async fn ask_and_stage(
        &self,
        batch: &ClaimedBatch<G>,
        asking: Asking,
        target: &G::Target,
    ) -> TargetOutcome<G::Target> {
        let calls = Calls::default();
        let written = self.ask(target, &calls, &batch.throttles, asking).await;
        let (output, settles) = match written {
            Ok(written) => (Ok(written), 1),
            Err(failure) if engine_retry::gives_up(&failure, i32::from(batch.failed_tries) + 1) => {
                tracing::warn!(
                    processId = %batch.id,
                    targetId = %G::id(target),
                    errorCode = %failure.code,
                    cause = failure.cause,
                    "a target is given up"
                );
                let error = ProcessError::new(failure.code, failure.cause);
                (Err(error), G::weight(&batch.params, target))
            }
            Err(failure) => return TargetOutcome::Failed(failure),
        };
        let usage = calls.into_inner();
        let staging =
            Staging { target_id: G::id(target), output: output.as_ref(), settles, usage: &usage };
        let (store, now) = (&self.store, self.clock.now());
        // What others are staging at this moment is open until it is known to be staged: if it
        // fails, the batch must still have a call for it.
        let open = (batch.open.get() - settles).max(0);
        let staged = store.stage_or_read_back(batch.id, batch.fence, &staging, open, now).await;
        let (outcome, before) = match staged {
            Err(failure) => return TargetOutcome::Failed(failure),
            Ok(None) => return TargetOutcome::Fenced,
            Ok(Some(staged)) => staged,
        };
        batch.open.set(batch.open.get() - settles);
        let StageOutcome { progress, slots, given_back, .. } = outcome;
        batch.got_on.set(true);
        if let Some(slots) = slots {
            batch.slots.set(slots);
            batch.is_closed.set(slots == 0);
        }
        if given_back > 0 {
            batch.slots.want_room();
        }
        let children = |output: Option<&G::Written>| match output {
            Some(written) => G::children(&batch.params, target, written),
            None => Vec::new(),
        };
        TargetOutcome::Staged(
            match &before {
                None => children(output.as_ref().ok()),
                // Somebody was first: what they wrote is what is stored.
                Some(Output::Written(written)) => children(Some(written)),
                Some(Output::GivenUp(_)) => Vec::new(),
            },
            progress,
        )
    }

    /// Gives back what a batch still has of which nothing is left. Losing this keeps a few calls
    /// until the process ends.
    async fn close(&self, batch: &ClaimedBatch<G>) {
        if batch.is_closed.get() {
            return;
        }
        match self.store.close_batch(batch.id, batch.fence).await {
            Ok(Some(given_back)) if given_back > 0 => batch.slots.want_room(),
            Ok(_) => {}
            Err(failure) => tracing::warn!(
                processId = %batch.id,
                errorCode = %failure.code,
                cause = failure.cause,
                "the calls of a batch that is done are not given back"
            ),
        }
    }

    /// Gives back, until the next attempt, all calls of a batch but one, and counts a failed try.
    /// Losing this costs one try more, and calls that nobody uses until then.
    async fn rest(&self, batch: &ClaimedBatch<G>, error: &StepError) {
        let failed = match error {
            StepError::Failed(failure) => engine_retry::is_failed_try(failure.code),
            StepError::Overtaken | StepError::Unfinished => return,
        };
        match self.store.rest_batch(batch.id, batch.fence, failed).await {
            Ok(Some(given_back)) if given_back > 0 => self.make_room().await,
            Ok(_) => {}
            Err(failure) => tracing::warn!(
                processId = %batch.id,
                errorCode = %failure.code,
                cause = failure.cause,
                "the calls of a resting batch are not given back"
            ),
        }
    }

    /// Settles what is left of the batch with the error for which it is no longer tried. `None`:
    /// fenced.
    async fn give_up(
        &self,
        batch: &ClaimedBatch<G>,
        caught: &CaughtError,
        mut progress: StagingProgress,
    ) -> Result<Option<StagingProgress>, Failure> {
        let error = match of_execution_error(&caught.error, caught.cause.as_deref()) {
            Ending::Failed(error) | Ending::TimedOut(error) => error,
            Ending::Cancelled => return Ok(None),
        };
        if engine_retry::ends_process(error.code) {
            return Err(Failure::new(error.code, error.cause.unwrap_or_default()));
        }
        let Some(open) = self.open(batch, &mut progress).await? else { return Ok(None) };
        for target in open {
            let target =
                PlannedTarget { id: G::id(&target), weight: G::weight(&batch.params, &target) };
            match self.settle(batch, target, &error).await? {
                None => return Ok(None),
                Some(staged) => progress.done = progress.done.max(staged.done),
            }
        }
        Ok(Some(progress))
    }

    /// Gives `target` up, with all that would follow from it. `None`: fenced.
    async fn settle(
        &self,
        batch: &ClaimedBatch<G>,
        target: PlannedTarget,
        error: &ProcessError,
    ) -> Result<Option<StagingProgress>, Failure> {
        let staging = Staging::<G::Written> {
            target_id: target.id,
            output: Err(error),
            settles: target.weight,
            usage: &[],
        };
        self.store.stage(batch.id, batch.fence, &staging, self.clock.now()).await
    }

    /// What is open in the batch. What belongs to a target that has gone from the tables is settled
    /// here, because nothing can be stored for it: the target itself or, where it was written
    /// before it went, what is open below it. `None`: fenced.
    async fn open(
        &self,
        batch: &ClaimedBatch<G>,
        progress: &mut StagingProgress,
    ) -> Result<Option<Vec<G::Target>>, Failure> {
        let outputs = self.store.outputs_to_go_on_from::<G>(batch.id).await?;
        let members = self.members(batch, &outputs).await?;
        let is_there = |id: Uuid| members.iter().any(|member| G::id(member) == id);
        let gone: Vec<PlannedTarget> =
            batch.targets.iter().filter(|target| !is_there(target.id)).copied().collect();
        let error = ProcessError::new(ErrorCode::TargetNotFound, "it has gone from the tables");
        for target in open_in_plan::<G>(&batch.params, &gone, &outputs) {
            match self.settle(batch, target, &error).await? {
                None => return Ok(None),
                Some(staged) => progress.done = progress.done.max(staged.done),
            }
        }
        Ok(Some(open_targets::<G>(&batch.params, &members, &outputs)))
    }

    /// The batch's own targets: from the tables or, where all follow from a leading root, from what
    /// was staged for that.
    async fn members(
        &self,
        batch: &ClaimedBatch<G>,
        outputs: &Outputs<G>,
    ) -> Result<Vec<G::Target>, Failure> {
        let ids: Vec<Uuid> = batch.targets.iter().map(|target| target.id).collect();
        if let Some(leading) = G::leading_root(&batch.params) {
            let children = match outputs.get(&G::id(&leading)) {
                Some(Output::Written(written)) => G::children(&batch.params, &leading, written),
                Some(Output::GivenUp(_)) | None => Vec::new(),
            };
            return Ok(children.into_iter().filter(|child| ids.contains(&G::id(child))).collect());
        }
        let found = self.store.find_targets::<G>(&batch.user_id, &batch.params, &ids).await?;
        Ok(found.into_iter().map(|found| found.target).collect())
    }
}
