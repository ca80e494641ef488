//! A process with several targets has more calls while nobody waits, and gives them back, call by
//! call, when others do.

use shared::{
    chart::Rows,
    process::{PlannedTarget, ProcessId, Terms},
    store::{BatchClaim, Claim, Fence, PlannedBatch, StageOutcome, Staging},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, tasks, usage, uuid};
use uuid::Uuid;

use crate::kit::{admit, end, in_use, terms, waits};

const BATCH: Uuid = Uuid::from_u128(0xba7c);
const TARGETS: u128 = 0x7a0;

/// A process of `user` at work, in one batch of sixteen targets.
pub async fn at_work(fixture: &Fixture, user: &str, terms: &Terms) -> (ProcessId, Fence) {
    let id = ProcessId(waits(fixture, user, "normal", at(1)).await);
    admit(fixture, terms, 1).await;
    let claim = fixture.store.claim(id, None, at(2)).await.unwrap();
    assert!(matches!(claim, Claim::Claimed { attempt: 1, .. }), "{claim:?}");
    let share = fixture.store.widen(id, 1, 16, terms, at(3)).await.unwrap().unwrap();
    let targets =
        (0..16).map(|n| PlannedTarget { id: uuid(TARGETS + n), weight: 1 }).collect::<Vec<_>>();
    let slots = i16::try_from(share).unwrap();
    let batch = PlannedBatch { id: BATCH, targets, slots, wants: 8 };
    assert!(fixture.store.plan_batches(id, 1, 16, &[batch], at(3)).await.unwrap());
    (id, claimed(fixture, id).await.0)
}

/// The fence and the slots of a new attempt at the batch.
pub async fn claimed(fixture: &Fixture, id: ProcessId) -> (Fence, i16) {
    match fixture.store.claim_batch(id, BATCH, at(4)).await.unwrap() {
        BatchClaim::Claimed { fence, slots, .. } => (fence, slots),
        other => panic!("{other:?}"),
    }
}

/// One call has ended: the target `number` is staged, and `open` are left.
pub async fn stage(
    fixture: &Fixture,
    id: ProcessId,
    fence: Fence,
    number: u128,
    open: i16,
) -> StageOutcome {
    let rows: Rows = tasks(9_000 + number);
    let staging = Staging {
        target_id: uuid(TARGETS + number),
        output: Ok(&rows),
        settles: 1,
        usage: &usage(),
    };
    let staged = fixture.store.stage_or_read_back(id, fence, &staging, open, at(5)).await.unwrap();
    staged.unwrap().0
}

/// What its row has, and what its batches have.
pub async fn shares(fixture: &Fixture, id: ProcessId) -> (i16, i16) {
    sqlx::query_as(
        "SELECT share, (SELECT sum(slots)::smallint FROM processing_batch WHERE process_id = $1)
         FROM processing_state WHERE id = $1",
    )
    .bind(id.0)
    .fetch_one(&fixture.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn where_nobody_waits_it_gets_as_many_as_one_user_may_have(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let (id, _) = at_work(&fixture, "hanako", &terms(16, 8)).await;
    assert_eq!(shares(&fixture, id).await, (8, 8));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn where_others_wait_it_begins_with_one_and_grows_when_they_are_gone(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = terms(3, 3);
    let (id, fence) = {
        let id = ProcessId(waits(&fixture, "hanako", "normal", at(1)).await);
        admit(&fixture, &terms, 1).await;
        for n in 0..3 {
            waits(&fixture, &format!("taro-{n}"), "normal", at(2 + n)).await;
        }
        fixture.store.claim(id, None, at(2)).await.unwrap();
        assert_eq!(fixture.store.widen(id, 1, 16, &terms, at(3)).await.unwrap(), Some(1));
        let targets = (0..16).map(|n| PlannedTarget { id: uuid(TARGETS + n), weight: 1 }).collect();
        let batch = PlannedBatch { id: BATCH, targets, slots: 1, wants: 8 };
        fixture.store.plan_batches(id, 1, 16, &[batch], at(3)).await.unwrap();
        (id, claimed(&fixture, id).await.0)
    };
    // Two of the three get what is free; the third waits.
    let mut others: Vec<Uuid> = admit(&fixture, &terms, 9).await.iter().map(|p| p.0).collect();
    assert_eq!((others.len(), shares(&fixture, id).await), (2, (1, 1)));
    end(&fixture, others.remove(0)).await;
    others.extend(admit(&fixture, &terms, 9).await.iter().map(|p| p.0));
    assert_eq!((others.len(), shares(&fixture, id).await), (2, (1, 1)));
    for other in others {
        end(&fixture, other).await;
        admit(&fixture, &terms, 9).await;
    }
    assert_eq!(shares(&fixture, id).await, (3, 3));
    let watched = fixture.store.watch(id, fence).await.unwrap();
    assert_eq!((watched.slots, watched.wants_more), (Some(3), true));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn it_gives_back_with_each_call_that_ends_as_long_as_others_have_less(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = terms(4, 4);
    let (id, fence) = at_work(&fixture, "hanako", &terms).await;
    assert_eq!(shares(&fixture, id).await, (4, 4));
    for n in 0..8 {
        waits(&fixture, "taro", "normal", at(10 + n)).await;
    }
    assert!(admit(&fixture, &terms, 9).await.is_empty(), "all is taken");
    let mut slots = Vec::new();
    for n in 0..6 {
        let open = 15 - i16::try_from(n).unwrap();
        let outcome = stage(&fixture, id, fence, n, open).await;
        slots.push((outcome.slots.unwrap(), outcome.given_back));
        admit(&fixture, &terms, 9).await;
    }
    // Two and two are fair: nothing more is asked of either.
    assert_eq!(slots, [(3, 1), (2, 1), (2, 0), (2, 0), (2, 0), (2, 0)]);
    assert_eq!(in_use(&fixture).await.into_values().collect::<Vec<_>>(), [2, 2]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_there_is_nothing_left_for_is_given_back(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let (id, fence) = at_work(&fixture, "hanako", &terms(8, 8)).await;
    let mut slots = Vec::new();
    for n in 0..16 {
        let open = 15 - i16::try_from(n).unwrap();
        let outcome = stage(&fixture, id, fence, n, open).await;
        slots.push(outcome.slots.unwrap());
        assert_eq!(shares(&fixture, id).await.0, outcome.slots.unwrap());
    }
    assert_eq!(slots, [8, 8, 8, 8, 8, 8, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    // Staging again gives nothing back twice.
    let again = stage(&fixture, id, fence, 15, 0).await;
    assert_eq!((again.is_new, again.given_back), (false, 0));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_that_rests_keeps_one_call_and_counts_only_wrong_answers_as_tries(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let (id, fence) = at_work(&fixture, "hanako", &terms(8, 8)).await;
    assert_eq!(fixture.store.rest_batch(id, fence, false).await.unwrap(), Some(7));
    assert_eq!(shares(&fixture, id).await, (1, 1));
    let tries = async || match fixture.store.claim_batch(id, BATCH, at(6)).await.unwrap() {
        BatchClaim::Claimed { fence, failed_tries, .. } => (fence, failed_tries),
        other => panic!("{other:?}"),
    };
    admit(&fixture, &terms(8, 8), 9).await;
    assert_eq!(shares(&fixture, id).await, (1, 1), "while it rests, more would be of no use");
    let (next, failed) = tries().await;
    assert_eq!(failed, 0, "it was throttled");
    assert_eq!(fixture.store.rest_batch(id, fence, true).await.unwrap(), None, "fenced");
    assert_eq!(fixture.store.rest_batch(id, next, true).await.unwrap(), Some(0));
    assert_eq!(tries().await.1, 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_limit_that_falls_takes_calls_back_from_who_has_several(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let (id, fence) = at_work(&fixture, "hanako", &terms(8, 8)).await;
    admit(&fixture, &terms(3, 3), 9).await;
    let mut slots = Vec::new();
    for n in 0..7 {
        slots.push(stage(&fixture, id, fence, n, 15).await.slots.unwrap());
    }
    assert_eq!(slots, [7, 6, 5, 4, 3, 3, 3]);
    // A new attempt has nothing in flight: what is asked of it is given at once.
    admit(&fixture, &terms(2, 2), 9).await;
    assert_eq!(claimed(&fixture, id).await.1, 2);
    assert_eq!(shares(&fixture, id).await, (2, 2));
}

/// Two charts have taken everything: whoever comes then is not left waiting for their end.
#[sqlx::test(migrations = "../infra/migrations")]
async fn who_comes_when_all_is_taken_asks_for_a_call_back(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = terms(4, 4);
    let (id, fence) = at_work(&fixture, "hanako", &terms).await;
    let submission = shared::store::Submission {
        terms,
        params: shared::chart::Params::SubGoals(test_kit::goal_numbered(7)),
        ..test_kit::submission(7, "taro")
    };
    let submitted = fixture.submit(&submission).await;
    assert!(
        matches!(submitted, shared::store::Submitted::Accepted { admitted: None, .. }),
        "{submitted:?}"
    );
    assert!(admit(&fixture, &terms, 9).await.is_empty());
    assert_eq!(stage(&fixture, id, fence, 0, 15).await.given_back, 1);
    assert_eq!(admit(&fixture, &terms, 9).await, [test_kit::id(7)]);
}
