//! One attempt at a process: claim it and, if it has one target, ask the model and store what it
//! wrote together with COMPLETED. If it has several, plan them (see [`crate::plan`]). Each step may
//! be repeated or overtaken at any point; what is stored is that of one attempt, or nothing.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    clock::Clock,
    error_code::ErrorCode,
    failure::Failure,
    finish,
    generated::{Kind, Rows},
    model::Usage,
    params::Params,
    process::{ProcessId, Status, UserId},
    prompt::Target,
    store::{Actor, Claim, Completion, NewRows, Standing},
};

use crate::{Worker, ask::Calls, guard::Guarded, job::Answer};

/// Percent while the model writes.
const ASKED: i16 = 50;

/// A process that this attempt has claimed.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: ProcessId,
    pub(crate) attempt: i32,
    pub(crate) user_id: UserId,
    pub(crate) params: Params,
}

impl Worker {
    pub(crate) async fn attempt(
        &self,
        id: ProcessId,
        execution_arn: Option<&str>,
        lambda_time: Duration,
    ) -> Result<Answer, Failure> {
        let began = self.clock.now();
        let (claimed, started_at) = match self.store.claim(id, execution_arn, began).await? {
            Claim::Claimed { attempt, user_id, process_type, params, started_at } => {
                let params = Params::from_stored(process_type, &params)
                    .map_err(|error| Failure::internal(error.to_string()))?;
                (Claimed { id, attempt, user_id, params }, started_at)
            }
            Claim::Ended(status) => return Ok(Answer::ended(id, status)),
            Claim::Missing => return Err(missing()),
        };
        let process_type = claimed.params.process_type();
        tracing::info!(processId = %id, userId = %claimed.user_id, r#type = %process_type, status = %Status::Processing, attempt = claimed.attempt, "claimed");
        // Claiming may have taken its time: a cold connection, or a row that somebody holds.
        let now = self.clock.now();
        let time_left = self.limits.time_left(
            process_type,
            started_at,
            now,
            lambda_time.saturating_sub((now - began).to_std().unwrap_or_default()),
        );
        let work = async {
            if claimed.params.is_staged() {
                return self.plan(&claimed).await;
            }
            self.single(&claimed).await
        };
        let answer = match self.guard(id, claimed.attempt.into(), time_left, Box::pin(work)).await?
        {
            Guarded::Done(answer) => answer,
            Guarded::Stopped(standing) => stopped_answer(id, standing)?,
        };
        let duration = (self.clock.now() - began).num_milliseconds();
        tracing::info!(processId = %id, userId = %claimed.user_id, status = %answer.status, attempt = claimed.attempt, duration, "attempt done");
        Ok(answer)
    }

    /// The answer of a worker that a statement has told that it is fenced.
    pub(crate) async fn fenced_answer(
        &self,
        id: ProcessId,
        fence: shared::store::Fence,
    ) -> Result<Answer, Failure> {
        let standing = self.store.standing(id, fence).await?;
        stopped_answer(id, standing)
    }

    async fn single(&self, claimed: &Claimed) -> Result<Answer, Failure> {
        let Claimed { id, attempt, user_id, params } = claimed;
        let roots = finish::roots(&self.store, user_id, params).await?;
        let root = roots
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new(ErrorCode::TargetNotFound, "the target has gone"))?;
        if root.has_children && !params.replace() {
            return Err(Failure::new(
                ErrorCode::TargetNotEmpty,
                "the target has come to have children",
            ));
        }
        if !self.store.raise_progress(*id, *attempt, ASKED, self.clock.now()).await? {
            return self.fenced_answer(*id, (*attempt).into()).await;
        }
        let calls = Calls::default();
        let rows = self.ask(&root.target, &calls).await?;
        self.store_single(claimed, &root.target, rows, &calls.into_inner()).await
    }

    async fn store_single(
        &self,
        claimed: &Claimed,
        target: &Target,
        rows: Rows,
        usage: &[Usage],
    ) -> Result<Answer, Failure> {
        let Claimed { id, attempt, user_id, params } = claimed;
        let named = match target.kind {
            Kind::SubGoals => "goalId",
            Kind::Actions => "subGoalId",
            Kind::Tasks => "actionId",
        };
        let mut result =
            serde_json::to_value(&rows).map_err(|error| Failure::internal(error.to_string()))?;
        result[named] = json!(target.id);
        result["usage"] = json!(usage);
        let detail: Value = json!({ "usage": usage });
        let parts = [(target.id, rows)];
        let new = NewRows {
            user_id,
            goal: params.new_goal(),
            replace: params.replace(),
            parts: &parts,
            result: &result,
            detail: &detail,
        };
        match self.store.complete(*id, *attempt, &new, Actor::Worker, self.clock.now()).await? {
            Completion::Completed => Ok(Answer::ended(*id, Status::Completed)),
            Completion::Fenced => self.fenced_answer(*id, (*attempt).into()).await,
            Completion::Forbidden => {
                Err(Failure::new(ErrorCode::Forbidden, "the goal belongs to another user by now"))
            }
            Completion::TargetNotFound => {
                Err(Failure::new(ErrorCode::TargetNotFound, "the target has gone by now"))
            }
            Completion::TargetNotEmpty => Err(Failure::new(
                ErrorCode::TargetNotEmpty,
                "the target has children by now, and replace was not asked for",
            )),
        }
    }
}

/// What a worker answers whose process is no longer its own: how the process really stands.
pub(crate) fn stopped_answer(id: ProcessId, standing: Standing) -> Result<Answer, Failure> {
    tracing::info!(processId = %id, found = ?standing, "stopped: the process is no longer this attempt's");
    match standing {
        Standing::Ended(status) => Ok(Answer::ended(id, status)),
        Standing::Current | Standing::Overtaken => Ok(Answer::overtaken(id)),
        Standing::Missing => Err(missing()),
    }
}

pub(crate) fn missing() -> Failure {
    Failure::new(ErrorCode::ProcessingNotFound, "the process has no row")
}
