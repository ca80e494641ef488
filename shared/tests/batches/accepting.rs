//! What is stored of a batch, and when it starts.

use serde_json::{Value, json};
use shared::{
    http::BatchResult,
    process::{Actor, ErrorCode, Status, Terms},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Engine, Fixture, at, id, plenty, submission, uuid};

use crate::kit::*;

const GOALS: u128 = 0x6000;

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_hundred_requests_are_accepted_and_as_many_start_as_there_is_capacity_for(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let engine = Engine::default();
    let sending = sending(1, wanting_all(GOALS..GOALS + 100)).by(Terms::default());
    let began = std::time::Instant::now();
    let (judged, quota) = sending.send_to(&fixture.store, &engine).await.unwrap();
    println!("a batch of 100, from the parsed body to the last start: {:?}", began.elapsed());
    let expected: Vec<_> = (0..100).map(|index| Ok(sending.process_id(index))).collect();
    assert_eq!((told(&judged.unwrap().results), quota.unwrap().used), (expected, 1));

    let rows: Vec<(i16, String, bool, Value)> = sqlx::query_as(
        "SELECT request_index, priority, admitted_at IS NOT NULL, params
         FROM processing_state
         WHERE request_batch_id = $1 AND status = 'PENDING' AND user_id = 'hanako'
         ORDER BY id",
    )
    .bind(sending.batch_id().0)
    .fetch_all(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(rows.len(), 100);
    for (number, (index, priority, admitted, params)) in (0..).zip(&rows) {
        assert_eq!((i32::from(*index), priority.as_str()), (number, "low"));
        assert_eq!(*admitted, number < Terms::default().calls_per_user, "in the order of requests");
        assert_eq!(params["goalId"], json!(uuid(GOALS + u128::from(index.unsigned_abs()))));
    }
    let mut started = engine.started();
    started.sort();
    let first: Vec<_> = (0..8).map(|index| sending.process_id(index).to_string()).collect();
    assert_eq!(started, first);
    let history: Vec<_> = fixture.history(1_000).await.into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(history, ["submitted", "admitted", "started"]);
    assert_eq!(fixture.history(1_050).await.len(), 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn one_bad_request_does_not_stop_the_others(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    let running = json!({"type": "SUBGOAL_GENERATION", "params": test_kit::goal()});
    let missing = json!({"type": "TASK_GENERATION", "params": {"actionId": uuid(7)}});
    let mut late = wanting(GOALS + 1);
    late["params"]["deadline"] = json!(at(-1));
    let unknown = json!({"type": "POEM_GENERATION", "params": {}});
    let requests =
        vec![invalid(), wanting(GOALS), running, missing, json!(null), late, unknown, wanting(2)];
    let sending = sending(2, requests);
    let results = sending.judged_by(&fixture.store).await;
    assert_eq!(
        told(&results),
        [
            Err(ErrorCode::ValidationError),
            Ok(sending.process_id(1)),
            Err(ErrorCode::AlreadyRunning),
            Err(ErrorCode::TargetNotFound),
            Err(ErrorCode::ValidationError),
            Err(ErrorCode::ValidationError),
            Err(ErrorCode::InvalidProcessType),
            Ok(sending.process_id(7)),
        ]
    );
    let answer = answer(&sending, &results);
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(2), &json!(6)));
    assert_eq!(answer["results"][0]["error"]["details"][0]["field"], "params.goalId");
    assert_eq!(answer["results"][2]["error"]["processId"], json!(id(1)));
    assert_eq!(answer["results"][4]["error"]["details"][0]["field"], "requests[4]");
    assert_eq!(answer["results"][5]["error"]["details"][0]["field"], "params.deadline");
    assert_eq!(fixture.count("processing_state").await, 3);
    let found = fixture.store.find_batch(sending.batch_id()).await.unwrap().unwrap();
    let ids: Vec<_> = found.processes.iter().map(|process| process.id).collect();
    assert_eq!(ids, [sending.process_id(1), sending.process_id(7)]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_two_requests_of_a_batch_that_overlap_the_second_is_pointed_to_the_first(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let part =
        |field: &str, number| json!({"type": "ACTION_GENERATION", "params": {field: uuid(number)}});
    // The goal's eight sub-goals have ids from 1,000 on.
    let requests = vec![
        part("subGoalId", 1_000),
        part("subGoalId", 1_001),
        part("subGoalId", 1_000),
        part("goalId", test_kit::GOAL),
    ];
    let sending = sending(2, requests);
    // Tried, it names no process, for there is none.
    let tried = sending.tried_by(&fixture.store).await;
    let codes: Vec<_> = tried.iter().map(|refusal| refusal.as_ref().map(|r| r.code)).collect();
    let running = Some(ErrorCode::AlreadyRunning);
    assert_eq!(codes, [None, None, running, running]);
    assert!(tried.iter().flatten().all(|refusal| refusal.process_id.is_none()));

    let results = sending.judged_by(&fixture.store).await;
    let answer = answer(&sending, &results);
    for index in [2, 3] {
        let error = &answer["results"][index]["error"];
        assert_eq!(error["code"], "ALREADY_RUNNING");
        assert_eq!(error["processId"], json!(sending.process_id(0)));
    }
    assert_eq!(answer["accepted"], 2);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_request_has_the_priority_that_it_names(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let mut requests = wanting_all(GOALS..GOALS + 3);
    requests[1]["priority"] = "normal".into();
    requests[2]["priority"] = "low".into();
    sending(1, requests).judged_by(&fixture.store).await;
    let priorities: Vec<String> =
        sqlx::query_scalar("SELECT priority FROM processing_state ORDER BY request_index")
            .fetch_all(&fixture.pool)
            .await
            .unwrap();
    assert_eq!(priorities, ["low", "normal", "low"]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn trying_a_batch_stores_nothing_and_tells_the_same(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    let requests = vec![
        wanting(GOALS),
        invalid(),
        json!({"type": "SUBGOAL_GENERATION", "params": test_kit::goal()}),
        wanting(GOALS + 1),
        wanting(GOALS + 2),
    ];
    let terms = Terms { most_waiting: 1, ..Terms { calls: 2, ..Terms::default() } };
    let sending = sending(2, requests).by(terms).keyed("key");
    let before = fixture.everything().await;
    let tried = sending.tried_by(&fixture.store).await;
    assert_eq!(fixture.everything().await, before);

    let results = sending.judged_by(&fixture.store).await;
    let codes: Vec<_> = told(&results).into_iter().map(Result::err).collect();
    let tried: Vec<_> = tried.iter().map(|refusal| refusal.as_ref().map(|r| r.code)).collect();
    assert_eq!(tried, codes);
    assert_eq!(
        codes,
        [
            None,
            Some(ErrorCode::ValidationError),
            Some(ErrorCode::AlreadyRunning),
            None,
            Some(ErrorCode::TooManyWaiting)
        ]
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_of_which_all_is_refused_is_taken_all_the_same(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let sending = sending(1, vec![invalid(), json!(1)]);
    let (judged, quota) = sending.send_to(&fixture.store, &Engine::default()).await.unwrap();
    let results = judged.unwrap().results;
    assert!(results.iter().all(|result| matches!(result, BatchResult::Error(_))));
    assert_eq!((quota.unwrap().used, fixture.count("processing_state").await), (1, 0));
    let found = fixture.store.find_batch(sending.batch_id()).await.unwrap().unwrap();
    assert_eq!((found.created_at, found.processes), (at(0), vec![]));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_process_of_a_batch_goes_the_way_of_any_other(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    sending(1, wanting_all([test_kit::GOAL])).judged_by(&fixture.store).await;
    fixture.store.claim(id(1_000), None, at(1)).await.unwrap();
    let done = fixture.complete(1_000, 1, &test_kit::goal()).await;
    assert_eq!(done, shared::store::Completion::Completed);
    // What was stored stands in the way of the next, as always.
    let again = sending(2, wanting_all([test_kit::GOAL])).judged_by(&fixture.store).await;
    assert_eq!(told(&again), [Err(ErrorCode::TargetNotEmpty)]);
    let alone = fixture.submit(&submission(3, "hanako")).await;
    assert_eq!(alone, shared::store::Submitted::TargetNotEmpty);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_stored_and_not_admitted_is_admitted_by_the_next_occasion(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let engine = Engine::default();
    engine.be_out_of_reach(true);
    let sending = sending(1, wanting_all(GOALS..GOALS + 3)).by(waiting(500));
    sending.send_to(&fixture.store, &engine).await.unwrap().0.unwrap();
    assert_eq!(engine.started(), [""; 0]);
    let admitted = fixture.store.admit(&plenty(), 16, Actor::Reconciler, at(1)).await.unwrap();
    assert_eq!(admitted, [0, 1, 2].map(|index| sending.process_id(index)));
}

/// What a client names its fields must not keep the batch from being stored.
#[sqlx::test(migrations = "../infra/migrations")]
async fn any_name_of_a_field_can_be_told_again(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let names = ["\0", "a\u{7f}\u{202e}", "\u{10ffff}", "'; --", "\"\\"];
    let requests = names.iter().map(|name| json!({ *name: {"\0": "\0"}, "type": "\0" })).collect();
    let sending = sending(1, requests).keyed("key");
    let first = sending.judged_by(&fixture.store).await;
    let (again, _) = sending.send_to(&fixture.store, &Engine::default()).await.unwrap();
    assert_eq!(again.unwrap().results, first);
    let params = names
        .iter()
        .map(|name| json!({"type": "TASK_GENERATION", "params": {"actionId": uuid(7), *name: 0}}));
    let sending = crate::kit::sending(2, params.collect());
    let answer = answer(&sending, &sending.judged_by(&fixture.store).await);
    let field = |index: usize| &answer["results"][index]["error"]["details"][0]["field"];
    assert_eq!(*field(0), "params.\u{fffd}");
    assert_eq!(*field(2), "params.\u{10ffff}");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn an_unknown_batch_is_none(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let id = sending(1, vec![]).batch_id();
    assert_eq!(fixture.store.find_batch(id).await.unwrap(), None);
}
