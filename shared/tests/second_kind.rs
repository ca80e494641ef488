//! That another kind of generation is a room beside the chart's, and nothing else: a tiny one,
//! which writes haiku on the pages of a book, goes the way of every process on a real Postgres.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

#[path = "second_kind/haiku.rs"]
mod haiku;
#[path = "second_kind/store.rs"]
mod store;

use serde_json::{Value, json};
use shared::{
    http::BatchResult,
    process::{
        Actor, ErrorCode, Generation, InvalidRequest, Priority, ProcessError, ProcessType,
        RequestBatchId, Status,
        generation::{batches, open_targets, total_weight},
        parse_generate,
        request_batch::parse_batch,
    },
    store::{
        BatchClaim, Claim, Completion, NewRows, PlannedBatch, Retry, Staging, Submission, Submitted,
    },
    use_case::{BatchSubmission, Finish, finish, submit_batch},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Engine, Fixture, at, id, plenty, usage, user, uuid};

use self::haiku::{Haiku, Params, Poem};

const BOOK: u128 = 0xb00c;
const SPRING: u128 = 1;
const SUMMER: u128 = 2;

/// A store whose database knows haiku, and a book of hanako's with two empty pages.
async fn with_a_book(options: PgConnectOptions) -> Fixture {
    let fixture = Fixture::new(options).await;
    fixture.sql(store::MIGRATION).await;
    fixture
        .sql(&format!(
            "INSERT INTO haiku_book (id, user_id) VALUES ('{book}', 'hanako');
             INSERT INTO haiku_page (id, book_id, season)
             VALUES ('{}', '{book}', 'spring'), ('{}', '{book}', 'summer')",
            uuid(SPRING),
            uuid(SUMMER),
            book = uuid(BOOK),
        ))
        .await;
    fixture
}

/// What a client asks for.
fn params(field: &str, number: u128) -> Params {
    let params = json!({field: uuid(number), "theme": "rain"});
    let body = json!({"type": "HAIKU_GENERATION", "params": params});
    parse_generate::<Haiku>(&body.to_string(), at(0)).unwrap().params
}

fn submission(number: u128, params: Params) -> Submission<Haiku> {
    Submission {
        id: id(number),
        user_id: user("hanako"),
        params,
        retry: None,
        priority: Priority::Normal,
        terms: plenty(),
        idempotency_key: None,
        per_minute: None,
        late: Vec::new(),
        actor: Actor::User,
        now: at(0),
    }
}

fn answer() -> Value {
    json!({"lines": ["old silent pond", "a frog jumps in", "sound of water"]})
}

fn poem() -> Poem {
    serde_json::from_value(answer()).unwrap()
}

async fn lines_of(fixture: &Fixture, page: u128) -> Option<Vec<String>> {
    sqlx::query_scalar("SELECT lines FROM haiku_page WHERE id = $1")
        .bind(uuid(page))
        .fetch_one(&fixture.pool)
        .await
        .unwrap()
}

#[test]
fn a_request_is_read_by_its_own_rules() {
    let body = json!({"type": "HAIKU_GENERATION", "params": {"theme": "", "goalId": uuid(1)}});
    let Err(InvalidRequest::Fields(violations)) = parse_generate::<Haiku>(&body.to_string(), at(0))
    else {
        panic!("it was accepted")
    };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["params.theme", "params.pageId", "params.goalId"]);
    let body = json!({"type": "CHART_GENERATION", "params": {}}).to_string();
    assert!(matches!(parse_generate::<Haiku>(&body, at(0)), Err(InvalidRequest::ProcessType(_))));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn one_page_is_submitted_claimed_written_and_completed(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_a_book(options).await;
    let store = &fixture.store;
    let submitted = fixture.submit(&submission(1, params("pageId", SPRING))).await;
    assert_eq!(submitted, Submitted::Accepted { recent_seconds: None, admitted: None });

    let claim = store.claim(id(1), Some("arn"), at(1)).await.unwrap();
    let Claim::Claimed { attempt, user_id, process_type, params, .. } = claim else {
        panic!("{claim:?}")
    };
    let params = Haiku::parse_stored(&process_type, &params).unwrap();
    assert!(!Haiku::has_several_targets(&params));
    let mut roots = store.find_roots::<Haiku>(&user_id, &params).await.unwrap();
    let root = roots.pop().unwrap();
    assert!(roots.is_empty() && !root.occupied, "{roots:?} and {root:?}");

    let prompt = Haiku::prompt(&root.target);
    assert!(prompt.context.contains("rain") && prompt.question.contains("spring"), "{prompt:?}");
    let mut no_id = || panic!("a poem has no rows of its own");
    let short = Haiku::read_answer(&root.target, &json!({"lines": ["one"]}), None, &mut no_id);
    let repair = Haiku::repair_prompt(&root.target, &short.unwrap_err());
    assert!(repair.question.ends_with("Mend: lines"));
    let written = Haiku::read_answer(&root.target, &answer(), None, &mut no_id).unwrap();

    let result = Haiku::single_result(&root.target, &written, &usage()).unwrap();
    let parts = [(Haiku::id(&root.target), written)];
    let detail = json!({});
    let new = NewRows::<Haiku> {
        user_id: &user_id,
        params: &params,
        parts: &parts,
        result: &result,
        detail: &detail,
    };
    let complete = async || store.complete(id(1), attempt, &new, Actor::Worker, at(3)).await;
    assert_eq!(complete().await.unwrap(), Completion::Completed);
    let process = fixture.process(1).await;
    assert_eq!((process.summary.status, process.summary.progress), (Status::Completed, 100));
    assert_eq!(process.result.unwrap()["pageId"], json!(uuid(SPRING)));
    assert_eq!(lines_of(&fixture, SPRING).await, Some(poem().lines));
    let kinds: Vec<_> = fixture.history(1).await.into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, ["submitted", "claimed", "completed"]);

    let before = fixture.everything().await;
    assert_eq!(complete().await.unwrap(), Completion::Fenced);
    assert_eq!(fixture.everything().await, before);
}

/// Process 1 for the whole book, claimed, with spring written and summer given up.
async fn half_a_book(fixture: &Fixture) {
    let (store, params) = (&fixture.store, params("bookId", BOOK));
    fixture.submit(&submission(1, params.clone())).await;
    store.claim(id(1), None, at(1)).await.unwrap();
    let found = store.find_roots::<Haiku>(&user("hanako"), &params).await.unwrap();
    let roots: Vec<_> = found.into_iter().map(|found| found.target).collect();
    let weight = total_weight::<Haiku>(&params, &roots);
    let batches = (100..).map(uuid).zip(batches::<Haiku>(&params, &roots, 1));
    let planned: Vec<_> = batches.map(PlannedBatch::from).collect();
    assert_eq!((weight, planned.len()), (2, 1));
    assert!(store.plan_batches(id(1), 1, weight, &planned, at(1)).await.unwrap());
    let claim = store.claim_batch(id(1), planned[0].id, at(2)).await.unwrap();
    let BatchClaim::Claimed { fence, .. } = claim else { panic!("{claim:?}") };

    let error = ProcessError::new(ErrorCode::AiResponseInvalid, "test");
    let poem = poem();
    for (page, output) in [(SPRING, Ok(&poem)), (SUMMER, Err(&error))] {
        let staging = Staging { target_id: uuid(page), output, settles: 1, usage: &usage() };
        assert_eq!(finish_book(fixture).await, Finish::NotYet);
        assert!(store.stage(id(1), fence, &staging, at(3)).await.unwrap().is_some());
    }
    let outputs = store.outputs_to_go_on_from::<Haiku>(id(1)).await.unwrap();
    assert_eq!((outputs.len(), open_targets::<Haiku>(&params, &roots, &outputs)), (2, vec![]));
    assert_eq!(lines_of(fixture, SPRING).await, None, "nothing appears before all is settled");
}

async fn finish_book(fixture: &Fixture) -> Finish {
    finish::<Haiku>(&fixture.store, id(1), Actor::Worker, at(4)).await.unwrap()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_two_pages_the_one_that_was_given_up_is_named_and_retried_alone(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_a_book(options).await;
    half_a_book(&fixture).await;
    assert_eq!(finish_book(&fixture).await, Finish::Ended(Status::Completed));
    assert_eq!(lines_of(&fixture, SPRING).await, Some(poem().lines));
    assert_eq!(lines_of(&fixture, SUMMER).await, None);
    let result = fixture.process(1).await.result.unwrap();
    assert_eq!(
        (&result["partial"], &result["pages"][0]["lines"]),
        (&json!(true), &answer()["lines"])
    );
    assert_eq!(result["failedTargets"][0]["targetId"], json!(uuid(SUMMER)));
    assert_eq!(
        (&result["usage"][0]["calls"], fixture.count("processing_output").await),
        (&json!(2), 0)
    );

    let whole = params("bookId", BOOK);
    assert_eq!(fixture.submit(&submission(2, whole.clone())).await, Submitted::TargetNotEmpty);
    let open = Haiku::params_for_retry(whole, Some(&result));
    let retry = Submission {
        retry: Some(Retry { of: id(1), count: 1, note: None }),
        ..submission(3, open)
    };
    assert!(matches!(fixture.submit(&retry).await, Submitted::Accepted { .. }));
    let roots = fixture.store.find_roots::<Haiku>(&user("hanako"), &retry.params).await.unwrap();
    let ids: Vec<_> = roots.iter().map(|root| root.target.id).collect();
    assert_eq!(ids, [uuid(SUMMER)]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_page_that_was_filled_meanwhile_is_left_alone(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_a_book(options).await;
    half_a_book(&fixture).await;
    fixture.sql("UPDATE haiku_page SET lines = ARRAY['mine']").await;
    assert_eq!(finish_book(&fixture).await, Finish::Ended(Status::Failed));
    let process = fixture.process(1).await;
    assert_eq!(process.summary.error.unwrap().code, ErrorCode::TargetNotEmpty);
    assert_eq!(lines_of(&fixture, SPRING).await, Some(vec!["mine".to_owned()]));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_stands_in_the_way_is_told_as_for_every_kind(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_a_book(options).await;
    let page = || params("pageId", SPRING);
    let missing = submission(1, params("pageId", 77));
    assert_eq!(fixture.submit(&missing).await, Submitted::TargetNotFound);
    let foreign = Submission { user_id: user("taro"), ..submission(1, page()) };
    assert_eq!(fixture.submit(&foreign).await, Submitted::Forbidden);
    let keyed = |number, params| Submission {
        idempotency_key: Some("key".to_owned()),
        ..submission(number, params)
    };
    assert!(matches!(fixture.submit(&keyed(1, page())).await, Submitted::Accepted { .. }));
    let again = fixture.submit(&keyed(2, page())).await;
    assert!(matches!(again, Submitted::Repeated { process_id, .. } if process_id == id(1)));
    let reused = fixture.submit(&keyed(2, params("pageId", SUMMER))).await;
    assert_eq!(reused, Submitted::KeyReused);
    let running = fixture.submit(&submission(2, page())).await;
    assert_eq!(running, Submitted::AlreadyRunning { process_id: id(1) });
    fixture.store.cancel(id(1), None, None, Actor::User, at(1)).await.unwrap();
    assert!(matches!(fixture.submit(&submission(2, page())).await, Submitted::Accepted { .. }));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_is_judged_and_stored_as_for_every_kind(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_a_book(options).await;
    let page = |number| {
        json!({"type": "HAIKU_GENERATION", "params":
        {"pageId": uuid(number), "theme": "rain"}})
    };
    let requests = json!([page(SPRING), page(77), page(SPRING), page(SUMMER), {}]);
    let body = json!({"requests": requests}).to_string();
    let parsed = parse_batch::<Haiku>(&body, at(0)).unwrap();
    let ids: Vec<_> = (10..15).map(id).collect();
    let batch = BatchSubmission::<Haiku> {
        id: RequestBatchId(uuid(9)),
        user_id: &user("hanako"),
        requests: &parsed.requests,
        process_ids: &ids,
        idempotency_key: None,
        fingerprint: &parsed.fingerprint,
        terms: &plenty(),
        per_minute: 20,
        actor: Actor::User,
        now: at(0),
    };
    let workflow = Engine::default().workflow();
    let (judged, _) = submit_batch(&fixture.store, &workflow, &batch).await.unwrap();
    let told = |result: &BatchResult| match result {
        BatchResult::ProcessId(id) => Ok(*id),
        BatchResult::Error(refusal) => Err(refusal.code()),
    };
    let told: Vec<_> = judged.unwrap().results.iter().map(told).collect();
    let expected = [
        Ok(id(10)),
        Err(ErrorCode::TargetNotFound),
        Err(ErrorCode::AlreadyRunning),
        Ok(id(13)),
        Err(ErrorCode::ValidationError),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        fixture.process(13).await.summary.process_type,
        ProcessType::new("HAIKU_GENERATION")
    );
    let found = fixture.store.find_batch(RequestBatchId(uuid(9))).await.unwrap().unwrap();
    let found: Vec<_> = found.processes.iter().map(|process| process.id).collect();
    assert_eq!(found, [id(10), id(13)]);
}
