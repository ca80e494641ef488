//! What workers do.

use shared::{
    chart::{Chart, Rows},
    process::{Actor, ErrorCode, Status},
    store::{BatchClaim, Claim, Completion, Staging},
    use_case::{Finish, finish},
};
use test_kit::{Fixture, at, plenty, sub_goals, usage};

use crate::{
    operation::Operation,
    situation::{BATCH, OTHER_BATCH, Situation, complete, goal, planned, process},
    token::Token,
};

const fn fenced(done: bool) -> &'static str {
    if done { "done" } else { "fenced" }
}

pub async fn perform(
    fixture: &Fixture,
    operation: Operation,
    token: Token,
    situation: Situation,
) -> &'static str {
    let (store, one) = (&fixture.store, process());
    let attempt = token.attempt(situation.attempt());
    let fence = situation.fence(token);
    match operation {
        Operation::Claim => match store.claim(one, Some("arn"), at(9)).await.unwrap() {
            Claim::Claimed { attempt, .. } if attempt == situation.attempt() + 1 => "done",
            Claim::Planned(batches) if batches == [BATCH] => "the same plan",
            Claim::Ended(_) => "ended",
            Claim::Missing => "missing",
            other => panic!("{other:?}"),
        },
        Operation::Widen => {
            let share = store.widen(one, attempt, 9, &plenty(), at(9)).await.unwrap();
            assert!(share.is_none_or(|share| share == 9), "{share:?}");
            if share.is_some() { "more calls" } else { "fenced" }
        }
        Operation::PlanBatches => {
            let batches = [planned(OTHER_BATCH)];
            fenced(store.plan_batches(one, attempt, 2, &batches, at(9)).await.unwrap())
        }
        Operation::ClaimBatch => {
            let batch = if token == Token::OtherPlan { OTHER_BATCH } else { BATCH };
            match store.claim_batch(one, batch, at(9)).await.unwrap() {
                BatchClaim::Claimed { fence, .. } if fence.batch == Some((BATCH, 3)) => "done",
                BatchClaim::Ended(_) => "ended",
                BatchClaim::Overtaken => "overtaken",
                BatchClaim::Missing => "missing",
                other @ BatchClaim::Claimed { .. } => panic!("{other:?}"),
            }
        }
        Operation::Stage => {
            let rows = sub_goals(1_000);
            let staged = store.stage(one, fence, &staging(&rows), at(9)).await.unwrap();
            fenced(staged.is_some())
        }
        Operation::StageOrReadBack => {
            let rows = sub_goals(1_000);
            let staging = staging(&rows);
            let staged = store.stage_or_read_back(one, fence, &staging, 1, at(9)).await.unwrap();
            assert!(staged.as_ref().is_none_or(|(outcome, _)| outcome.is_new), "{staged:?}");
            fenced(staged.is_some())
        }
        Operation::CloseBatch => fenced(store.close_batch(one, fence).await.unwrap().is_some()),
        Operation::RestBatch => fenced(store.rest_batch(one, fence, true).await.unwrap().is_some()),
        Operation::Complete => match complete(fixture, attempt).await {
            Completion::Completed => "done",
            Completion::Fenced => "fenced",
            other => panic!("{other:?}"),
        },
        Operation::Finish => match finish::<Chart>(store, one, Actor::Worker, at(9)).await {
            Ok(Finish::Ended(Status::Completed)) if situation == Situation::Planned => "done",
            Ok(Finish::Ended(_)) => "ended",
            Ok(Finish::NotYet) => "not yet",
            Err(failure) if failure.code == ErrorCode::ProcessingNotFound => "missing",
            Err(failure) => panic!("{failure:?}"),
        },
        other => panic!("{other:?} is no worker's"),
    }
}

fn staging(rows: &Rows) -> Staging<'_, Rows> {
    Staging { target_id: goal().goal_id, output: Ok(rows), settles: 1, usage: usage_of_one() }
}

/// One call, for as long as the tests run.
fn usage_of_one() -> &'static [shared::process::ModelUsage] {
    static USAGE: std::sync::OnceLock<[shared::process::ModelUsage; 1]> =
        std::sync::OnceLock::new();
    USAGE.get_or_init(usage)
}
