//! What is asked for again, and what is left of what has gone.

use serde_json::json;
use shared::{
    chart::Chart,
    process::{Actor, RequestBatchId, Status, request_batch::parse_batch},
    store::{Retry, Submission, Submitted},
    use_case::{BatchSubmission, submit_batch},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Engine, Fixture, at, goal, id, plenty, submission, usage, user, uuid};

use crate::kit::{claim, plan, terms, wanting};

/// triggerdotdev/trigger.dev#1566: after each nightly restart a task stood in the queue without
/// being run, and its schedule put thousands of the same behind it. Here what is asked for again
/// while one waits is told of that one, and a waiting one needs nobody who remembers it: whoever
/// admits next begins it.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_waits_over_a_restart_is_not_doubled_and_begins_with_the_next_admission(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    // Accepted, and the function dies before it admits anybody.
    fixture.submit(&Submission { terms: terms(0), ..submission(1, "hanako") }).await;
    for number in 2..=50 {
        let again = fixture.submit(&submission(number, "hanako")).await;
        assert_eq!(again, Submitted::AlreadyRunning { process_id: id(1) });
    }
    assert_eq!(fixture.count("processing_state").await, 1);
    let restarted = Fixture::new(options).await;
    let begun = restarted.store.admit(&plenty(), 16, Actor::Reconciler, at(600)).await.unwrap();
    assert_eq!(begun, [id(1)]);
    assert_eq!(claim(&restarted, 1).await, 1);
}

/// triggerdotdev/trigger.dev#4819: under the idempotency key of a run that had failed, a single
/// trigger began anew, while a batch was handed the dead run as if it were good. Here a key means
/// one process in both, with whatever became of it, and the way on is the same in both: a retry, or
/// a request without that key.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_key_of_what_has_failed_means_the_same_alone_and_in_a_batch(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let keyed = |number| Submission {
        idempotency_key: Some("key".to_owned()),
        ..submission(number, "hanako")
    };
    fixture.submit(&keyed(1)).await;
    let batched = send_batch(&fixture, 2).await;
    for failed in [1, batched] {
        fixture
            .sql(&format!(
                r#"UPDATE processing_state SET status = 'FAILED', completed_at = now(),
                   error = '{{"code":"AI_ERROR","message":"x"}}' WHERE id = '{}'"#,
                id(failed)
            ))
            .await;
    }
    let again = fixture.submit(&keyed(3)).await;
    assert!(
        matches!(again, Submitted::Repeated { process_id, .. } if process_id == id(1)),
        "{again:?}"
    );
    assert_eq!(send_batch(&fixture, 4).await, batched, "the same one, also in a batch");
    // The way on.
    let retry = Some(Retry { of: id(1), count: 1, note: None });
    let retried = fixture.submit(&Submission { retry, ..submission(5, "hanako") }).await;
    assert!(matches!(retried, Submitted::Accepted { .. }), "{retried:?}");
    let anew = Submission { id: id(6), ..wanting(9, "hanako", 9) };
    let anew = fixture.submit(&anew).await;
    assert!(matches!(anew, Submitted::Accepted { .. }), "{anew:?}");
}

/// Sends a batch of one request under one key; the number of the process that is told.
async fn send_batch(fixture: &Fixture, number: u128) -> u128 {
    let params = test_kit::goal_numbered(0x90a1_0009);
    let body = json!({"requests": [{"type": "SUBGOAL_GENERATION", "params": params}]});
    let parsed = parse_batch::<Chart>(&body.to_string(), at(0)).unwrap();
    let (user, terms) = (user("hanako"), plenty());
    let batch = BatchSubmission::<Chart> {
        id: RequestBatchId(uuid(0xba_0000 + number)),
        user_id: &user,
        requests: &parsed.requests,
        process_ids: &[id(100 + number)],
        idempotency_key: Some("batch-key"),
        fingerprint: &parsed.fingerprint,
        terms: &terms,
        per_minute: 20,
        actor: Actor::User,
        now: at(0),
    };
    let workflow = Engine::default().workflow();
    let (judged, _) = submit_batch(&fixture.store, &workflow, &batch).await.unwrap();
    match &judged.unwrap().results[..] {
        [shared::http::BatchResult::ProcessId(process)] => process.0.as_u128(),
        other => panic!("{other:?}"),
    }
}

/// dbos-inc/dbos-transact-py#769: deleting old workflows was two steps in two databases; one that
/// was cut off in between left results of steps behind, and a workflow that later got the same id
/// was handed them instead of running. Here one statement deletes a process with all that belongs
/// to it, and what has the same id and key afterwards begins with nothing.
#[sqlx::test(migrations = "../infra/migrations")]
async fn nothing_of_a_deleted_process_is_there_for_one_with_the_same_id_and_key(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let keyed = Submission { idempotency_key: Some("key".to_owned()), ..submission(1, "hanako") };
    fixture.submit(&keyed).await;
    let attempt = claim(&fixture, 1).await;
    let fence = plan(&fixture, 1, attempt).await;
    let rows = test_kit::actions(1);
    let staging = shared::store::Staging {
        target_id: uuid(1),
        output: Ok(&rows),
        settles: 1,
        usage: &usage(),
    };
    assert!(fixture.store.stage(id(1), fence, &staging, at(2)).await.unwrap().is_some());
    fixture.store.cancel(id(1), None, None, Actor::User, at(3)).await.unwrap();
    // A hand puts back what the end took along, so that there is something to be forgotten.
    let left = format!(
        "INSERT INTO processing_output (process_id, target_id, payload)
         VALUES ('{0}', '{1}', '{{}}');
         INSERT INTO processing_start (process_id, attempts, first_at, last_at)
         VALUES ('{0}', 1, now(), now())",
        id(1),
        uuid(1)
    );
    fixture.sql(&left).await;
    assert_eq!(fixture.store.delete_ended(at(1_000)).await.unwrap(), 1);
    let named = id(1).to_string();
    let left: Vec<_> = fixture.everything().await;
    assert!(left.iter().all(|(_, row)| !row.to_string().contains(&named)), "{left:?}");
    let anew = fixture.submit(&keyed).await;
    assert!(matches!(anew, Submitted::Accepted { .. }), "{anew:?}");
    let process = fixture.process(1).await.summary;
    assert_eq!((process.status, process.attempt, process.progress), (Status::Pending, 0, 0));
    assert_eq!(claim(&fixture, 1).await, 1);
    assert!(fixture.store.staged::<Chart>(id(1)).await.unwrap().unwrap().outputs.is_empty());
    assert_eq!(fixture.complete(1, 1, &goal()).await, shared::store::Completion::Completed);
}
