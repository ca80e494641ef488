//! One attempt: claim the process, ask the model, store what it wrote together with COMPLETED. Each step may be repeated or
//! overtaken at any point; what is stored is that of one attempt, or nothing.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    clock::Clock,
    error_code::ErrorCode,
    failure::Failure,
    generated::{SubGoal, parse_sub_goals},
    language::Language,
    model::Usage,
    params::{GoalParams, Params},
    process::{ProcessId, Status, UserId},
    prompt::{self, Prompt},
    store::{Claim, Completion, NewSubGoals},
    validation::Violation,
};
use uuid::Uuid;

use crate::{Worker, guard::Guarded};

/// What the state machine passes: ids, never texts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    process_id: ProcessId,
    execution_arn: Option<String>,
}

/// Percent while the model writes.
const ASKED: i16 = 50;

impl Worker {
    pub(crate) async fn attempt(&self, job: &Job, time_left: Duration) -> Result<Value, Failure> {
        let began = self.clock.now();
        let id = job.process_id;
        let (attempt, user_id, params) = match self.store.claim(id, job.execution_arn.as_deref(), began).await? {
            Claim::Claimed { attempt, user_id, process_type, params, .. } => {
                let params = Params::from_stored(process_type, &params).map_err(|error| Failure::internal(error.to_string()))?;
                (attempt, user_id, params)
            }
            Claim::Ended(status) => return Ok(done(id, status)),
            Claim::Missing => return Err(Failure::new(ErrorCode::ProcessingNotFound, "the process has no row")),
        };
        tracing::info!(processId = %id, userId = %user_id, r#type = %params.process_type(), status = %Status::Processing, attempt, "claimed");
        let Params::SubGoals(goal) = &params;
        // Boxed: the SDK's call alone makes a future of 20 KB, which every caller would carry on its stack.
        let work = Box::pin(self.sub_goals(id, attempt, goal));
        let (sub_goals, usage) = match self.guard(id, attempt, time_left, work).await? {
            Guarded::Done(Some(written)) => written,
            Guarded::Done(None) | Guarded::Stopped => {
                tracing::info!(processId = %id, attempt, "stopped: the process was cancelled, or a newer attempt has it");
                return Ok(done(id, Status::Cancelled));
            }
        };
        let status = self.store_sub_goals(id, attempt, &user_id, goal, sub_goals, &usage).await?;
        let duration = (self.clock.now() - began).num_milliseconds();
        tracing::info!(processId = %id, userId = %user_id, status = %status, attempt, progress = 100, duration, "done");
        Ok(done(id, status))
    }

    /// Asks for the sub-goals, once more if the answer broke rules. `None`: fenced before the model was asked.
    async fn sub_goals(&self, id: ProcessId, attempt: i32, goal: &GoalParams) -> Result<Option<(Vec<SubGoal>, Vec<Usage>)>, Failure> {
        if !self.store.raise_progress(id, attempt, ASKED, self.clock.now()).await? {
            return Ok(None);
        }
        self.ask(&prompt::sub_goals(goal), parse_sub_goals).await.map(Some)
    }

    /// Asks, and after an answer that broke rules asks once more, saying which.
    async fn ask<T>(&self, prompt: &Prompt, parse: fn(&Value) -> Result<T, Vec<Violation>>) -> Result<(T, Vec<Usage>), Failure> {
        let mut usage = Vec::new();
        let first = self.models.ask(prompt).await?;
        usage.push(first.usage);
        let violations = match first.input.map_err(|violation| vec![violation]).and_then(|input| parse(&input)) {
            Ok(written) => return Ok((written, usage)),
            Err(violations) => violations,
        };
        tracing::warn!(violations = said(&violations), "the answer broke rules; asking once more");
        let second = self.models.ask(&prompt::repair(prompt, &violations)).await?;
        usage.push(second.usage);
        match second.input.map_err(|violation| vec![violation]).and_then(|input| parse(&input)) {
            Ok(written) => Ok((written, usage)),
            Err(violations) => Err(Failure::new(ErrorCode::AiResponseInvalid, format!("twice in a row: {}", said(&violations)))),
        }
    }

    async fn store_sub_goals(
        &self,
        id: ProcessId,
        attempt: i32,
        user_id: &UserId,
        goal: &GoalParams,
        sub_goals: Vec<SubGoal>,
        usage: &[Usage],
    ) -> Result<Status, Failure> {
        let sub_goals: Vec<(Uuid, SubGoal)> = sub_goals.into_iter().map(|sub_goal| (self.clock.new_id(), sub_goal)).collect();
        let listed: Vec<_> = sub_goals
            .iter()
            .enumerate()
            .map(|(position, (id, new))| json!({"id": id, "position": position, "title": new.title, "description": new.description, "background": new.background}))
            .collect();
        let result = json!({"goalId": goal.goal_id, "subGoals": listed, "usage": usage});
        let detail = json!({ "usage": usage });
        let new = NewSubGoals { user_id, goal, sub_goals: &sub_goals, result: &result, detail: &detail };
        match self.store.complete_with_sub_goals(id, attempt, &new, self.clock.now()).await? {
            Completion::Completed => Ok(Status::Completed),
            Completion::Fenced => Ok(Status::Cancelled),
            Completion::Forbidden => Err(Failure::new(ErrorCode::Forbidden, "the goal belongs to another user by now")),
            Completion::TargetNotEmpty => {
                Err(Failure::new(ErrorCode::TargetNotEmpty, "the goal has sub-goals by now, and replace was not asked for"))
            }
        }
    }
}

/// Which fields break which rules: never the texts themselves.
fn said(violations: &[Violation]) -> String {
    let said: Vec<_> =
        violations.iter().take(5).map(|violation| format!("{} {}", violation.field, violation.message(Language::English))).collect();
    said.join("; ")
}

fn done(id: ProcessId, status: Status) -> Value {
    json!({"processId": id, "status": status})
}
