//! Whoever takes over from somebody else, and whoever is taken over from.

use shared::{
    process::{Actor, Ending, ErrorCode, EventKind, ProcessError, Status},
    reconcile::Rule,
    store::{
        BatchClaim, Claim, Completion, Credentials, Database, EndingNote, Repaired, Standing, Store,
    },
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal, id, usage};

use crate::kit::{BATCH, claim, plan};

const NOTE: EndingNote =
    EndingNote { rule: Rule::R5, kind: EventKind::Repaired, execution: "FAILED" };

fn failed() -> Ending {
    Ending::Failed(ProcessError::new(ErrorCode::AiError, "the rescuer's view"))
}

/// riverqueue/river#1302: the rescuer read jobs that were stuck, and wrote by their ids alone; a
/// job that had completed in between was taken back and run again. Here a repair names the status
/// and the attempt that it saw, on a row that it has locked.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repair_that_was_decided_before_the_worker_finished_changes_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    let seen = fixture.store.rows_of(&[id(1)]).await.unwrap().remove(0);
    // It was claimed anew in between: the newer attempt is not ended for the older.
    assert_eq!(claim(&fixture, 1).await, 2);
    let ended = fixture.store.end_seen(&seen, &failed(), NOTE, at(5)).await.unwrap();
    assert_eq!(
        (ended, fixture.process(1).await.summary.status),
        (Repaired::Moved, Status::Processing)
    );
    // It has completed in between.
    let seen = fixture.store.rows_of(&[id(1)]).await.unwrap().remove(0);
    assert_eq!(fixture.complete(1, 2, &goal()).await, Completion::Completed);
    let before = fixture.everything().await;
    let ended = fixture.store.end_seen(&seen, &failed(), NOTE, at(5)).await.unwrap();
    assert_eq!((ended, fixture.everything().await), (Repaired::Moved, before));
}

/// dbos-inc/dbos-transact-py#742: two recoveries had read the same list; the second did not get the
/// workflow, and ran it all the same. Here both may start it and both workers may begin: the name
/// of the execution is one, and of two workers only the later can write.
#[sqlx::test(migrations = "../infra/migrations")]
async fn two_recoveries_by_the_same_stale_list_write_once(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    let seen = fixture.store.rows_of(&[id(1)]).await.unwrap().remove(0);
    for _ in 0..2 {
        fixture.store.note_start_try(&seen, at(70)).await.unwrap();
        fixture.store.note_started(&seen, "arn", Some(at(70)), at(70)).await.unwrap();
    }
    let attempts = [claim(&fixture, 1).await, claim(&fixture, 1).await];
    let standing = fixture.store.standing(id(1), attempts[0].into()).await.unwrap();
    assert_eq!(standing, Standing::Overtaken);
    assert_eq!(fixture.complete(1, attempts[0], &goal()).await, Completion::Fenced);
    assert_eq!(fixture.complete(1, attempts[1], &goal()).await, Completion::Completed);
    assert_eq!(fixture.complete(1, attempts[0], &goal()).await, Completion::Fenced);
    assert_eq!(fixture.count("sub_goals").await, 8);
}

/// dbos-inc/dbos-transact-py#804: during a rolling restart the executor that was draining took a
/// workflow again that the new one had just put back, and died with it; nobody looked any more.
/// Here no process owns work: whoever claims makes an attempt, and when they die the next one
/// claims, at once and from any environment.
#[sqlx::test(migrations = "../infra/migrations")]
async fn an_old_worker_that_takes_it_again_and_dies_does_not_strand_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (old, new) = (Fixture::new(options.clone()).await, Fixture::new(options).await);
    old.submitted(1).await;
    assert_eq!((claim(&old, 1).await, claim(&new, 1).await, claim(&old, 1).await), (1, 2, 3));
    // The one of the new version is fenced, and the old one is shut down.
    assert_eq!(new.complete(1, 2, &goal()).await, Completion::Fenced);
    old.pool.close().await;
    drop(old);
    assert_eq!(claim(&new, 1).await, 4);
    assert_eq!(new.complete(1, 4, &goal()).await, Completion::Completed);
}

/// graphile/worker#222: what a worker had locked when it crashed stayed locked for four hours, and
/// with it its whole queue, unless somebody unlocked it. Here nothing is locked between statements:
/// the next worker claims in the same second.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_a_crashed_worker_had_is_claimed_again_in_the_same_second(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    fixture.submitted(1).await;
    let crashed = Store::new(Database::new(Credentials::Given(Box::new(options))));
    assert!(matches!(
        crashed.claim(id(1), None, at(1)).await.unwrap(),
        Claim::Claimed { attempt: 1, .. }
    ));
    drop(crashed);
    assert_eq!(claim(&fixture, 1).await, 2);
    let fence = plan(&fixture, 1, 2).await;
    // The same of a batch.
    match fixture.store.claim_batch(id(1), BATCH, at(1)).await.unwrap() {
        BatchClaim::Claimed { fence: next, .. } => assert_ne!(next, fence),
        other => panic!("{other:?}"),
    }
}

/// celery/celery#5935: a task that ran for longer than the broker's visibility timeout was
/// delivered again while it ran, and again, and all of them did the work. Here a message that comes
/// again either gets the plan that there is, or makes a newer attempt, and the older ones cannot
/// write.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_message_that_is_delivered_again_and_again_does_the_work_once(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    for attempt in 1..=5 {
        assert_eq!(claim(&fixture, 1).await, attempt);
    }
    for attempt in 1..=4 {
        assert_eq!(fixture.complete(1, attempt, &goal()).await, Completion::Fenced);
    }
    assert_eq!(fixture.complete(1, 5, &goal()).await, Completion::Completed);
    assert_eq!(fixture.count("sub_goals").await, 8);
    // One that is planned: the message changes nothing at all.
    fixture.submit(&crate::kit::wanting(2, "hanako", 9)).await;
    let attempt = claim(&fixture, 2).await;
    plan(&fixture, 2, attempt).await;
    let before = fixture.everything().await;
    for _ in 0..5 {
        let again = fixture.store.claim(id(2), None, at(9_000)).await.unwrap();
        assert_eq!(again, Claim::Planned(vec![BATCH]));
    }
    assert_eq!(fixture.everything().await, before);
}

/// restatedev/restate#3656: cancelling an invocation that was backing off before its next try was
/// reported as registered, and it went on trying. Here a cancel is the status of the row, which
/// every next step reads first.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_cancel_between_two_tries_is_the_end_of_it(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    let attempt = claim(&fixture, 1).await;
    let fence = plan(&fixture, 1, attempt).await;
    // The batch waits for its next try: nothing of it runs that could hear of anything.
    assert!(fixture.store.rest_batch(id(1), fence, true).await.unwrap().is_some());
    let cancelling = fixture.store.cancel(id(1), None, None, Actor::User, at(2)).await.unwrap();
    assert!(cancelling.unwrap().cancelled);
    let next = fixture.store.claim_batch(id(1), BATCH, at(60)).await.unwrap();
    assert_eq!(next, BatchClaim::Ended(Status::Cancelled));
    let next = fixture.store.claim(id(1), None, at(60)).await.unwrap();
    assert_eq!(next, Claim::Ended(Status::Cancelled));
    let rows = test_kit::actions(1);
    let staging = shared::store::Staging {
        target_id: test_kit::uuid(1),
        output: Ok(&rows),
        settles: 1,
        usage: &usage(),
    };
    assert_eq!(fixture.store.stage(id(1), fence, &staging, at(60)).await.unwrap(), None);
}
