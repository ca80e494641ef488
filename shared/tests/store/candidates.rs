//! What an operator may act upon together: all of it, page by page, and nothing else; and that the
//! history tells which operator did it.

use serde_json::json;
use shared::{
    process::{Actor, Author, Status},
    store::{Candidate, Candidates, Cursor, Retry, Submission},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, id, submission};

async fn all(fixture: &Fixture, which: Candidates, size: u32) -> Vec<Candidate> {
    let (mut all, mut after) = (Vec::new(), None::<Cursor>);
    loop {
        let page = fixture.store.candidates(which, None, at(100), after, size).await.unwrap();
        all.extend(page.candidates);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

fn ids(candidates: &[Candidate]) -> Vec<u128> {
    candidates.iter().map(|candidate| candidate.id.0.as_u128()).collect()
}

/// Process `number` in `status`, of a goal that stands in no other's way.
async fn in_status(fixture: &Fixture, number: u128, status: Status) {
    fixture.in_status(number, status).await;
    let of_another = "UPDATE processing_state
                      SET target_id = id, goal_id = id, holds = ARRAY[id]";
    fixture.sql(of_another).await;
    fixture.sql("DELETE FROM goals").await;
}

/// Processes 1 to 12, two in each status; all accepted, and ended, at the same time.
async fn two_of_each(fixture: &Fixture) {
    for (number, status) in (1..).zip(Status::ALL.iter().flat_map(|status| [status; 2])) {
        in_status(fixture, number, *status).await;
    }
}

async fn in_statuses(fixture: &Fixture, statuses: &str) -> Vec<u128> {
    let select = format!(
        "SELECT id FROM processing_state WHERE status IN ({statuses})
         ORDER BY completed_at DESC, id DESC"
    );
    let ids = sqlx::query_scalar::<_, sqlx::types::Uuid>(sqlx::AssertSqlSafe(select));
    let ids = ids.fetch_all(&fixture.pool).await.unwrap();
    ids.into_iter().map(|id| id.as_u128()).collect()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn each_process_is_a_candidate_once_however_small_the_pages_are(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    two_of_each(&fixture).await;
    for size in [1, 2, 3, 100] {
        let active = all(&fixture, Candidates::Active, size).await;
        assert_eq!(ids(&active), in_statuses(&fixture, "'PENDING', 'PROCESSING'").await, "{size}");
        let bad = all(&fixture, Candidates::EndedBadly, size).await;
        assert_eq!(ids(&bad), in_statuses(&fixture, "'FAILED', 'TIMEOUT'").await, "{size}");
        assert!(bad.iter().all(|candidate| candidate.code == "AI_ERROR"));
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_waits_is_a_candidate_like_what_runs(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    in_status(&fixture, 1, Status::Processing).await;
    in_status(&fixture, 2, Status::Pending).await;
    fixture
        .sql("UPDATE processing_state SET admitted_at = NULL, share = 0 WHERE status = 'PENDING'")
        .await;
    assert_eq!(ids(&all(&fixture, Candidates::Active, 1).await), [2, 1]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_completed_without_some_of_its_targets_is_one_where_that_is_asked_for(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    two_of_each(&fixture).await;
    let completed = in_statuses(&fixture, "'COMPLETED'").await;
    // Of the others a foreign hand has written what is no list of targets.
    for (number, failed) in (21..).zip(["[]", "{}", "7", "null", "\"x\""]) {
        in_status(&fixture, number, Status::Completed).await;
        set_failed(&fixture, number, failed).await;
    }
    let lasting = r#"{"code": "VALIDATION_ERROR", "retryable": false}"#;
    let passing = r#"{"code": "TIMEOUT_ERROR", "retryable": true}"#;
    set_failed(&fixture, completed[0], &format!("[{lasting}, {passing}]")).await;
    set_failed(&fixture, completed[1], &format!("[7, {lasting}]")).await;
    let expected = in_statuses(&fixture, "'FAILED', 'TIMEOUT', 'COMPLETED'").await;
    let named: Vec<_> = expected.into_iter().filter(|number| *number < 21).collect();
    assert_eq!(named.len(), 6);
    // Also where a page has none of them.
    for size in [1, 2, 3, 100] {
        let all = all(&fixture, Candidates::EndedBadlyOrInPart, size).await;
        assert_eq!(ids(&all), named, "{size}");
        let codes = completed.iter().map(|number| {
            let of = all.iter().find(|candidate| candidate.id.0.as_u128() == *number).unwrap();
            (of.status, of.code.as_str())
        });
        let codes: Vec<_> = codes.collect();
        let expected = ["TIMEOUT_ERROR", "VALIDATION_ERROR"].map(|code| (Status::Completed, code));
        assert_eq!(codes, expected);
        assert!(
            all.iter().filter(|it| it.status == Status::Failed).all(|it| it.code == "AI_ERROR")
        );
    }
    let bad = all(&fixture, Candidates::EndedBadly, 100).await;
    assert_eq!(ids(&bad), in_statuses(&fixture, "'FAILED', 'TIMEOUT'").await);
}

/// Has process `number` name these as its failed targets.
async fn set_failed(fixture: &Fixture, number: u128, targets: &str) {
    let id = id(number);
    let set = format!(
        "UPDATE processing_state SET result = '{{\"failedTargets\": {targets}}}' WHERE id = '{id}'"
    );
    fixture.sql(&set).await;
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn only_what_lies_between_the_two_times_is_one(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Failed).await;
    let page = async |since, until| {
        let page = fixture.store.candidates(Candidates::EndedBadly, since, until, None, 9).await;
        page.unwrap().candidates.len()
    };
    // It ended at 2.
    assert_eq!(page(Some(at(1)), at(2)).await, 1);
    assert_eq!(page(Some(at(2)), at(9)).await, 0);
    assert_eq!(page(None, at(1)).await, 0);
}

fn operator() -> Author {
    Author { actor: Actor::Operator, name: Some("hanako".to_owned()) }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_was_retried_is_said_and_no_longer_when_the_retry_was_cancelled(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Failed).await;
    let note = operator().note(Some("after incident 7"));
    let retry = Submission {
        retry: Some(Retry { of: id(1), count: 1, note }),
        actor: Actor::Operator,
        ..submission(2, "hanako")
    };
    fixture.submit(&retry).await;
    let is_retried = async || all(&fixture, Candidates::EndedBadly, 9).await[0].is_retried;
    assert!(is_retried().await);
    let detail = fixture.store.timeline(id(2)).await.unwrap()[0].detail.clone().unwrap();
    assert_eq!((&detail["by"], &detail["reason"]), (&json!("hanako"), &json!("after incident 7")));
    assert_eq!(detail["originalProcessId"], json!(id(1)));
    fixture.store.cancel(id(2), None, Some("mistake"), operator(), at(5)).await.unwrap();
    assert!(!is_retried().await);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_history_says_which_operator_cancelled_and_nothing_of_a_users_words(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (number, author, detail) in [
        (1, operator(), Some(json!({"by": "hanako", "reason": "気が変わった"}))),
        (2, Actor::User.into(), None),
    ] {
        fixture.in_status(number, Status::Pending).await;
        fixture.store.cancel(id(number), None, Some("気が変わった"), author, at(2)).await.unwrap();
        let last = fixture.store.timeline(id(number)).await.unwrap().pop().unwrap();
        assert_eq!((last.kind.as_str(), last.detail), ("cancelled", detail));
        fixture.sql("DELETE FROM goals").await;
    }
}
