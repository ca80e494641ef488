//! Beginning what the exhibits need.

use shared::{
    chart::{Chart, Params},
    process::{PlannedTarget, Terms},
    store::{BatchClaim, Claim, Fence, Submission},
};
use test_kit::{Fixture, at, goal_numbered, id, submission, uuid};
use uuid::Uuid;

/// The batch of whatever is planned here.
pub const BATCH: Uuid = Uuid::from_u128(0xba7c);

/// A request of its own goal, with room for so many calls.
pub fn wanting(number: u128, user: &str, calls: i32) -> Submission<Chart> {
    Submission {
        params: Params::SubGoals(goal_numbered(0x90a1_0000 + number)),
        terms: terms(calls),
        ..submission(number, user)
    }
}

pub fn terms(calls: i32) -> Terms {
    Terms { calls, calls_per_user: calls, ..Terms::default() }
}

/// Claims process `number`; the number of the attempt.
pub async fn claim(fixture: &Fixture, number: u128) -> i32 {
    match fixture.store.claim(id(number), None, at(1)).await.unwrap() {
        Claim::Claimed { attempt, .. } => attempt,
        other => panic!("{other:?}"),
    }
}

/// Plans a batch of two targets for process `number`, which is claimed, and claims it.
pub async fn plan(fixture: &Fixture, number: u128, attempt: i32) -> Fence {
    let targets =
        vec![PlannedTarget { id: uuid(1), weight: 1 }, PlannedTarget { id: uuid(2), weight: 1 }];
    let planned = [(BATCH, targets).into()];
    assert!(fixture.store.plan_batches(id(number), attempt, 2, &planned, at(1)).await.unwrap());
    match fixture.store.claim_batch(id(number), BATCH, at(1)).await.unwrap() {
        BatchClaim::Claimed { fence, .. } => fence,
        other => panic!("{other:?}"),
    }
}
