//! The first step of a process with several targets: which targets there are, in which batches they
//! are written. A chart begins with its sub-goals, which are staged here, because everything else
//! follows from them.

use shared::{
    clock::Clock,
    error_code::ErrorCode,
    failure::Failure,
    finish::{self, Finishing},
    prompt::Target,
    store::{Actor, Staging},
    work::{self, Output},
};

use crate::{Worker, ask::Calls, generate::Claimed, job::Answer};

impl Worker {
    pub(crate) async fn plan(&self, claimed: &Claimed) -> Result<Answer, Failure> {
        let Claimed { id, attempt, user_id, params } = claimed;
        let found = finish::roots(&self.store, user_id, params).await?;
        if found.is_empty() {
            return Err(Failure::new(ErrorCode::TargetNotFound, "the targets have gone"));
        }
        if found.iter().any(|root| root.has_children) && !params.replace() {
            return Err(Failure::new(
                ErrorCode::TargetNotEmpty,
                "a target has come to have children",
            ));
        }
        let roots: Vec<Target> = found.into_iter().map(|root| root.target).collect();
        let depth = params.depth();
        let targets = work::count(&roots, depth);
        let first = params.new_goal().is_some();
        // The count has to stand before anything is staged, because staging tells progress by it.
        if first && !self.store.plan_batches(*id, *attempt, targets, &[], self.clock.now()).await? {
            return self.fenced_answer(*id, (*attempt).into()).await;
        }
        let members = match roots.first().filter(|_| first) {
            None => roots,
            Some(goal) => match self.sub_goals_of(claimed, goal).await? {
                None => return self.fenced_answer(*id, (*attempt).into()).await,
                Some(sub_goals) => sub_goals,
            },
        };
        let members: Vec<Target> =
            members.into_iter().filter(|member| member.kind <= depth).collect();
        let batches: Vec<_> = work::batches(&members, depth, self.limits.batch_size)
            .into_iter()
            .map(|batch| (self.clock.new_id(), batch))
            .collect();
        if batches.is_empty() {
            return match finish::finish(&self.store, *id, Actor::Worker, self.clock.now()).await? {
                Finishing::Ended(status) => Ok(Answer::ended(*id, status)),
                Finishing::NotYet => self.fenced_answer(*id, (*attempt).into()).await,
            };
        }
        if !self.store.plan_batches(*id, *attempt, targets, &batches, self.clock.now()).await? {
            return self.fenced_answer(*id, (*attempt).into()).await;
        }
        tracing::info!(processId = %id, targets, batches = batches.len(), "planned");
        Ok(Answer::planned(
            *id,
            batches.into_iter().map(|(batch, _)| batch).collect(),
            self.limits.batches_at_once,
        ))
    }

    /// The chart's sub-goals: those that an earlier attempt staged, or new ones. `None`: fenced.
    async fn sub_goals_of(
        &self,
        claimed: &Claimed,
        goal: &Target,
    ) -> Result<Option<Vec<Target>>, Failure> {
        if claimed.attempt > 1
            && let Some(Output::Written(rows)) =
                self.store.outputs_to_go_on_from(claimed.id).await?.get(&goal.id)
        {
            return Ok(Some(goal.children(rows)));
        }
        let calls = Calls::default();
        let rows = self.ask(goal, &calls).await?;
        let usage = calls.into_inner();
        let staging = Staging { target_id: goal.id, output: Ok(&rows), settles: 1, usage: &usage };
        let staged = self
            .store
            .stage(claimed.id, claimed.attempt.into(), &staging, self.clock.now())
            .await?;
        Ok(staged.map(|_| goal.children(&rows)))
    }
}
