//! A batch is cancelled as a whole: what is active ends, what has ended stays.

use serde_json::json;
use shared::{
    process::{Actor, Author, Ending, ErrorCode, ProcessError, ProcessId, Status},
    store::{BatchCancelling, Claim, Completion},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal_numbered, id, plenty, user};

use crate::kit::*;

const GOALS: u128 = 0x6000;

async fn cancel(fixture: &Fixture, owner: Option<&str>, seconds: i64) -> Option<BatchCancelling> {
    let (batch, owner) = (sending(1, vec![]).batch_id(), owner.map(user));
    let reason = Some("気が変わった");
    let actor = Actor::User;
    fixture.store.cancel_batch(batch, owner.as_ref(), reason, actor, at(seconds)).await.unwrap()
}

/// Batch 1 of hanako with a process in each state: waiting, admitted, running, completed, failed.
async fn in_every_state(options: PgConnectOptions) -> Fixture {
    let fixture = Fixture::new(options).await;
    let batch = sending(1, wanting_all(GOALS..GOALS + 5)).by(waiting(500));
    batch.judged_by(&fixture.store).await;
    let admitted = fixture.store.admit(&plenty(), 4, Actor::User, at(0)).await.unwrap();
    assert_eq!(admitted, [0, 1, 2, 3].map(|index| batch.process_id(index)));
    for number in 1_001..=1_002 {
        let claim = fixture.store.claim(id(number), None, at(1)).await.unwrap();
        assert!(matches!(claim, Claim::Claimed { .. }), "{claim:?}");
    }
    let completed = fixture.complete(1_002, 1, &goal_numbered(GOALS + 2)).await;
    assert_eq!(completed, Completion::Completed);
    let failed = Ending::Failed(ProcessError::new(ErrorCode::AiError, "test"));
    fixture.store.end(id(1_003), &failed, Actor::Worker, at(2)).await.unwrap();
    fixture
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_history_of_each_says_which_operator_cancelled_the_batch_and_why(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = in_every_state(options).await;
    let batch = sending(1, vec![]).batch_id();
    let operator = Author { actor: Actor::Operator, name: Some("hanako".to_owned()) };
    let cancelling = fixture.store.cancel_batch(batch, None, Some("quota"), operator, at(5)).await;
    let cancelled = cancelling.unwrap().unwrap().cancelled;
    assert_eq!(cancelled.len(), 3);
    for id in cancelled {
        let last = fixture.store.timeline(id).await.unwrap().pop().unwrap();
        let detail = json!({"batchId": batch, "by": "hanako", "reason": "quota"});
        assert_eq!((last.kind.as_str(), last.detail), ("cancelled", Some(detail)));
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_active_is_cancelled_and_what_has_ended_stays(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = in_every_state(options).await;
    let cancelling = cancel(&fixture, Some("hanako"), 5).await.unwrap();
    assert_eq!(
        cancelling,
        BatchCancelling {
            user_id: user("hanako"),
            cancelled: [0, 1, 4].map(|n| id(1_000 + n)).into(),
            // The last waited: it has no execution that could be stopped.
            begun: vec![id(1_000), id(1_001)],
        }
    );
    let batch = fixture.store.find_batch(sending(1, vec![]).batch_id()).await.unwrap().unwrap();
    let statuses: Vec<_> = batch.processes.iter().map(|process| process.status).collect();
    let [cancelled, completed, failed] = [Status::Cancelled, Status::Completed, Status::Failed];
    assert_eq!(statuses, [cancelled, cancelled, completed, failed, cancelled]);
    for (number, from) in [(1_000, "PENDING"), (1_001, "PROCESSING"), (1_004, "PENDING")] {
        let process = fixture.process(number).await.summary;
        assert_eq!(process.cancel_reason.as_deref(), Some("気が変わった"));
        assert_eq!((process.completed_at, process.updated_at), (Some(at(5)), at(5)));
        let last = fixture.history(number).await.pop().unwrap();
        let expected = ("cancelled", Some(from), Some("CANCELLED"));
        assert_eq!((last.0.as_str(), last.1.as_deref(), last.2.as_deref()), expected);
    }
    assert_eq!(fixture.process(1_003).await.summary.cancel_reason, None);
    // Its calls and its place in the queue are free.
    let capacity = fixture.store.capacity(&plenty(), at(6)).await.unwrap();
    assert_eq!((capacity.in_use, capacity.waiting_low), (0, 0));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn cancelling_it_again_changes_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = in_every_state(options).await;
    cancel(&fixture, Some("hanako"), 5).await.unwrap();
    let before = fixture.everything().await;
    let again = cancel(&fixture, None, 9).await.unwrap();
    assert_eq!((again.cancelled, again.begun), (vec![], vec![]));
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn another_users_batch_is_left_alone(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = in_every_state(options).await;
    let before = fixture.everything().await;
    let cancelling = cancel(&fixture, Some("mallory"), 5).await.unwrap();
    assert_eq!((cancelling.user_id, cancelling.cancelled.len()), (user("hanako"), 0));
    assert_eq!(fixture.everything().await, before);
    // An operator may.
    assert_eq!(cancel(&fixture, None, 6).await.unwrap().cancelled.len(), 3);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn an_unknown_batch_is_none(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    assert_eq!(cancel(&fixture, None, 5).await, None);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_late_worker_cannot_finish_a_process_of_a_cancelled_batch(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = in_every_state(options).await;
    cancel(&fixture, Some("hanako"), 5).await.unwrap();
    let completion = fixture.complete(1_001, 1, &goal_numbered(GOALS + 1)).await;
    assert_eq!(completion, Completion::Fenced);
    let admitted = fixture.store.admit(&plenty(), 16, Actor::User, at(6)).await.unwrap();
    assert_eq!(admitted, []);
}

/// Cancels of the whole, cancels of single ones and completions at the same moment: each process
/// ends once.
#[sqlx::test(migrations = "../infra/migrations")]
async fn every_process_ends_once_whoever_races(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options.clone()).await;
    for round in 0..20 {
        let goals = GOALS + u128::try_from(round).unwrap() * 100;
        let number = 1 + u128::try_from(round).unwrap();
        let batch = sending(number, wanting_all(goals..goals + 12));
        batch.judged_by(&fixture.store).await;
        for index in 0..12 {
            fixture.store.claim(batch.process_id(index), None, at(1)).await.unwrap();
        }
        let of_the_whole = [(), ()].map(|()| {
            let (store, id) = (rival(&options), batch.batch_id());
            tokio::spawn(async move {
                store.cancel_batch(id, None, None, Actor::User, at(2)).await.unwrap().unwrap()
            })
        });
        let single: Vec<_> = (0..12)
            .rev()
            .step_by(3)
            .map(|index| (rival(&options), batch.process_id(index)))
            .map(|(store, id)| {
                tokio::spawn(async move {
                    store.cancel(id, None, None, Actor::User, at(2)).await.unwrap().unwrap()
                })
            })
            .collect();
        let done = fixture.complete(number * 1_000, 1, &goal_numbered(goals)).await;
        let mut ended: Vec<ProcessId> = Vec::new();
        for cancelling in of_the_whole {
            ended.extend(cancelling.await.unwrap().cancelled);
        }
        for cancelling in single {
            let cancelling = cancelling.await.unwrap();
            ended.extend(cancelling.cancelled.then_some(cancelling.process.summary.id));
        }
        ended.extend((done == Completion::Completed).then_some(batch.process_id(0)));
        ended.sort();
        let all: Vec<_> = (0..12).map(|index| batch.process_id(index)).collect();
        assert_eq!(ended, all, "round {round}");
    }
}
