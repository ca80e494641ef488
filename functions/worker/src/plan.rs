//! The first step of a process with several targets: which targets there are, and in which batches
//! they are written. Where all others follow from one root, that one is written here and staged.

use shared::{
    process::{
        Actor, ErrorCode, Failure, Output,
        generation::{batches, total_weight},
    },
    store::{Staging, StoredGeneration},
    use_case::{Finish, finish},
};
use uuid::Uuid;

use crate::{
    ask::{Asking, Calls},
    attempt::ClaimedProcess,
    step::StepOutput,
    worker::{StepError, Worker},
};

impl<G: StoredGeneration> Worker<G> {
    pub(crate) async fn plan(&self, claimed: &ClaimedProcess<G>) -> Result<StepOutput, StepError> {
        let ClaimedProcess { id, attempt, user_id, params, .. } = claimed;
        let fence = (*attempt).into();
        let mut found = self.store.find_roots::<G>(user_id, params).await?;
        if found.is_empty() {
            return Err(Failure::new(ErrorCode::TargetNotFound, "the targets have gone").into());
        }
        if !G::replace(params) {
            if G::only_what_is_open(params) {
                found.retain(|root| !root.occupied);
            }
            if found.is_empty() || found.iter().any(|root| root.occupied) {
                let cause = "a target has come to have children";
                return Err(Failure::new(ErrorCode::TargetNotEmpty, cause).into());
            }
        }
        let roots: Vec<G::Target> = found.into_iter().map(|root| root.target).collect();
        let targets = total_weight::<G>(params, &roots);
        let members = match G::leading_root(params) {
            None => roots,
            Some(leading) => {
                // The count has to stand before anything is staged, because staging tells progress
                // by it.
                if !self.store.plan_batches(*id, *attempt, targets, &[], self.clock.now()).await? {
                    return self.fenced(*id, fence).await;
                }
                match self.children_of_leading(claimed, &leading).await? {
                    None => return self.fenced(*id, fence).await,
                    Some(children) => children,
                }
            }
        };
        if members.is_empty() {
            return match finish::<G>(&self.store, *id, Actor::Worker, self.clock.now()).await? {
                Finish::Ended(status) => Ok(StepOutput::ended(*id, status)),
                Finish::NotYet => self.fenced(*id, fence).await,
            };
        }
        let wanted = self.limits.wanted_calls(total_weight::<G>(params, &members));
        let now = self.clock.now();
        let Some(share) = self.store.widen(*id, *attempt, wanted, &self.terms, now).await? else {
            return self.fenced(*id, fence).await;
        };
        let batches = batches::<G>(params, &members, self.limits.batches_for(share));
        let batches = self.limits.grant(share, batches, || self.clock.new_id());
        if !self.store.plan_batches(*id, *attempt, targets, &batches, self.clock.now()).await? {
            return self.fenced(*id, fence).await;
        }
        tracing::info!(processId = %id, targets, batches = batches.len(), calls = share, "planned");
        let ids: Vec<Uuid> = batches.into_iter().map(|batch| batch.id).collect();
        Ok(StepOutput::planned(*id, ids))
    }

    /// What follows from the leading root: from what an earlier attempt staged for it, or from a
    /// new answer. `None`: fenced.
    async fn children_of_leading(
        &self,
        claimed: &ClaimedProcess<G>,
        leading: &G::Target,
    ) -> Result<Option<Vec<G::Target>>, StepError> {
        let ClaimedProcess { id, attempt, params, throttles, until, .. } = claimed;
        if *attempt > 1
            && let Some(Output::Written(written)) =
                self.store.outputs_to_go_on_from::<G>(*id).await?.get(&G::id(leading))
        {
            return Ok(Some(G::children(params, leading, written)));
        }
        let calls = Calls::default();
        let asking = Asking { until: *until, with_others: false };
        let written = self.ask(leading, &calls, throttles, asking).await?;
        let usage = calls.into_inner();
        let staging =
            Staging { target_id: G::id(leading), output: Ok(&written), settles: 1, usage: &usage };
        let staged = self.store.stage(*id, (*attempt).into(), &staging, self.clock.now()).await?;
        Ok(staged.map(|_| G::children(params, leading, &written)))
    }
}
