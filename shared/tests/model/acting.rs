//! What planning, ending and cancelling ask of the store.

use shared::{
    process::{Actor, Ending, ErrorCode, PlannedTarget, ProcessError, ProcessId},
    store::{Ended, PlannedBatch, Store},
};
use test_kit::{at, user, uuid};

use crate::{
    real::{Answer, batch_id, name},
    reference::Process,
    step::{By, Way},
};

/// Batches of two targets each that share the calls of the process.
pub fn plan(
    process: usize,
    first: usize,
    count: usize,
    share: i32,
    more: i16,
) -> Vec<PlannedBatch> {
    let share = i16::try_from(share.max(1)).unwrap();
    let count_of_slots = i16::try_from(count).unwrap();
    (0..count)
        .map(|n| {
            let at = i16::try_from(n).unwrap();
            let slots = share / count_of_slots + i16::from(at < share % count_of_slots);
            let target = |n: usize| PlannedTarget { id: uuid(n.try_into().unwrap()), weight: 1 };
            PlannedBatch {
                id: batch_id(process, first + n),
                targets: vec![target(2 * n), target(2 * n + 1)],
                slots,
                // One without a slot is left alone, or it would take one when it is claimed.
                wants: if slots == 0 { 0 } else { slots + more },
            }
        })
        .collect()
}

pub async fn end(store: &Store, one: ProcessId, way: Way) -> Answer {
    let error = ProcessError::new(ErrorCode::AiError, "test");
    let ending = match way {
        Way::Failed => Ending::Failed(error),
        Way::TimedOut => Ending::TimedOut(error),
    };
    match store.end(one, &ending, Actor::Worker, at(9)).await.unwrap() {
        Ended::Now(_) => Answer::Done,
        Ended::Before(_) => Answer::Ended,
        Ended::Missing => Answer::Missing,
    }
}

pub async fn cancel(store: &Store, one: ProcessId, known: Option<&Process>, by: By) -> Answer {
    let owner = known.map_or(0, |process| process.user);
    let (whose, actor) = match by {
        By::Owner => (Some(user(&name(owner))), Actor::User),
        By::OtherUser => (Some(user("somebody else")), Actor::User),
        By::Operator => (None, Actor::Operator),
    };
    match store.cancel(one, whose.as_ref(), None, actor, at(9)).await.unwrap() {
        None => Answer::Missing,
        Some(cancelling) if cancelling.cancelled => Answer::Done,
        Some(_) if by == By::OtherUser => Answer::NotTheirs,
        Some(_) => Answer::Ended,
    }
}
