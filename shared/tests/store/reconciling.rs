//! What the reconciler writes: every repair only from what was seen.

use serde_json::json;
use shared::{
    process::{Actor, Ending, ErrorCode, EventKind, Evidence, ProcessError, Status},
    reconcile::{CompletedAt, Mend, ProcessFacts, Rule},
    store::{EndingNote, Repaired},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, id};

async fn facts(fixture: &Fixture, number: u128) -> ProcessFacts {
    fixture.store.rows_of(&[id(number)]).await.unwrap().remove(0)
}

/// Ends the process of these facts as FAILED, because its execution has failed.
async fn fail(fixture: &Fixture, facts: &ProcessFacts) -> Repaired {
    let ending = Ending::Failed(ProcessError::new(ErrorCode::AiError, "test"));
    let note = EndingNote { rule: Rule::R5, kind: EventKind::Repaired, execution: "FAILED" };
    fixture.store.end_seen(facts, &ending, note, at(9)).await.unwrap()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repair_is_made_only_from_what_was_seen(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let mut number = 0;
    for seen in Status::ALL {
        for now in Status::ALL {
            number += 1;
            fixture.sql("DELETE FROM processing_state; DELETE FROM goals").await;
            fixture.in_status(number, *now).await;
            let row = ProcessFacts { status: *seen, ..facts(&fixture, number).await };
            let before = fixture.everything().await;
            let ended = fail(&fixture, &row).await;
            if seen == now && now.is_active() {
                assert_eq!(
                    (ended, fixture.process(number).await.summary.status),
                    (Repaired::Done, Status::Failed)
                );
                let (kind, from, to) = fixture.history(number).await.pop().unwrap();
                assert_eq!(
                    (kind.as_str(), from.as_deref(), to.as_deref()),
                    ("repaired", Some(now.as_str()), Some("FAILED"))
                );
            } else {
                assert_eq!(ended, Repaired::Moved, "seen {seen}, is {now}");
                assert_eq!(fixture.everything().await, before, "seen {seen}, is {now}");
            }
        }
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repair_for_an_older_attempt_changes_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    let row = facts(&fixture, 1).await;
    fixture.store.claim(id(1), None, at(5)).await.unwrap();
    let before = fixture.everything().await;
    assert_eq!(fail(&fixture, &row).await, Repaired::Moved);
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn only_a_stored_result_completes_a_process(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    assert!(!facts(&fixture, 1).await.result_ready);
    assert_eq!(
        fixture.store.complete_from_stored(&facts(&fixture, 1).await, at(9)).await.unwrap(),
        Repaired::Moved
    );
    fixture.sql("UPDATE processing_state SET result = '{}'").await;
    assert!(facts(&fixture, 1).await.result_ready);
    assert_eq!(
        fixture.store.complete_from_stored(&facts(&fixture, 1).await, at(9)).await.unwrap(),
        Repaired::Done
    );
    let process = fixture.process(1).await.summary;
    assert_eq!(
        (process.status, process.progress, process.completed_at),
        (Status::Completed, 100, Some(at(9)))
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_mend_leaves_what_a_worker_has_written_meanwhile(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    fixture.sql("UPDATE processing_state SET progress = -5").await;
    let row = facts(&fixture, 1).await;
    fixture.store.claim(id(1), None, at(4)).await.unwrap();
    assert_eq!(
        fixture.store.mend(&row, Rule::R12, Mend::Progress(0), at(9)).await.unwrap(),
        Repaired::Moved
    );
    assert_eq!(fixture.process(1).await.summary.progress, 50);
    fixture.sql("UPDATE processing_state SET completed_at = now()").await;
    let updated_at = fixture.process(1).await.summary.updated_at;
    let mend = Mend::CompletedAt(CompletedAt::Clear);
    assert_eq!(
        fixture.store.mend(&facts(&fixture, 1).await, Rule::R14, mend, at(9)).await.unwrap(),
        Repaired::Done
    );
    let process = fixture.process(1).await.summary;
    assert_eq!((process.completed_at, process.updated_at), (None, updated_at));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_was_ended_by_hand_is_told_from_what_the_product_ended(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (number, status) in
        [(1, Status::Completed), (2, Status::Failed), (3, Status::Timeout), (4, Status::Cancelled)]
    {
        fixture.sql("DELETE FROM goals").await;
        fixture.in_status(number, status).await;
        assert!(!facts(&fixture, number).await.ended_by_hand, "{status}");
    }
    for (number, changes) in [
        (1, "result = NULL"),
        (2, r#"error = '{"code":"MANUAL_INTERVENTION","message":"stuck"}'"#),
        (3, "error = NULL"),
    ] {
        fixture
            .sql(&format!("UPDATE processing_state SET {changes} WHERE id = '{}'", id(number)))
            .await;
        assert!(facts(&fixture, number).await.ended_by_hand, "{changes}");
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_start_is_tried_only_for_what_waits_and_each_try_counts(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Pending).await;
    for (try_number, seconds) in [(1, 10), (2, 20), (3, 30)] {
        assert_eq!(
            fixture.store.note_start_try(&facts(&fixture, 1).await, at(seconds)).await.unwrap(),
            Repaired::Done
        );
        let tries = facts(&fixture, 1).await.start_tries.unwrap();
        assert_eq!((tries.count, tries.first_at, tries.last_at), (try_number, at(10), at(seconds)));
    }
    let row = facts(&fixture, 1).await;
    fixture.store.note_started(&row, "arn", Some(at(31)), at(32)).await.unwrap();
    let started = facts(&fixture, 1).await;
    assert_eq!((started.has_arn, started.execution_started_at), (true, Some(at(31))));
    assert_eq!(fixture.store.note_start_try(&row, at(40)).await.unwrap(), Repaired::Moved);
    fixture.sql("DELETE FROM processing_state").await;
    assert_eq!(fixture.count("processing_start").await, 0);
}

// Protocol B1.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_start_is_noted_with_its_time_by_whoever_makes_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    assert_eq!(facts(&fixture, 1).await.execution_started_at, None);
    fixture.store.record_starts(&[(id(1), "arn".into(), at(7))], Actor::User).await.unwrap();
    assert_eq!(facts(&fixture, 1).await.execution_started_at, Some(at(7)));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn evidence_is_all_that_is_added(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    let ending = Ending::Failed(ProcessError::new(ErrorCode::AiError, "test"));
    let line: Evidence =
        serde_json::from_value(json!({"timestamp": "t", "message": "why"})).unwrap();
    let add = async || {
        fixture.store.add_evidence(id(1), &ending, std::slice::from_ref(&line)).await.unwrap()
    };
    assert_eq!(add().await, Repaired::Moved, "it has not ended");
    assert_eq!(fail(&fixture, &facts(&fixture, 1).await).await, Repaired::Done);
    let before = fixture.process(1).await;
    assert_eq!(add().await, Repaired::Done);
    let mut after = fixture.process(1).await;
    assert_eq!(after.summary.error.as_mut().map(|error| error.evidence.drain(..).count()), Some(1));
    assert_eq!(after, before);
    assert_eq!(add().await, Repaired::Moved, "once is enough");
}
