//! Processes with several targets: nothing is written twice, nothing is lost, and all of it appears
//! at once.

use serde_json::{Value, json};
use shared::{
    chart::{Chart, ChartParams, Level, Params, Part, PartParams, Rows},
    process::{Actor, Ending, ErrorCode, EventKind, ProcessError, Status},
    reconcile::Rule,
    store::{
        BatchClaim, Claim, EndingNote, Fence, Repaired, Retry, Staging, StagingProgress, Standing,
        Submission, Submitted,
    },
    use_case::{Finish, finish},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{
    Fixture, GOAL, actions, at, goal, id, part, planned, sub_goals, submission, tasks, usage, user,
    uuid,
};
use uuid::Uuid;

/// Ids of the eight sub-goals of a goal that is stored by process 1.
const SUB_GOALS: u128 = 1_000;

fn wanting(number: u128, params: Params) -> Submission<Chart> {
    Submission { params, ..submission(number, "hanako") }
}

/// Process `number`, which wants actions for every sub-goal of the goal, claimed and planned as one
/// batch.
async fn begun(fixture: &Fixture, number: u128) -> (Fence, Uuid) {
    let wanted = wanting(number, Params::Actions(part(Part::GoalId(uuid(GOAL)))));
    assert!(matches!(fixture.store.submit(&wanted).await.unwrap().0, Submitted::Accepted { .. }));
    assert!(matches!(
        fixture.store.claim(id(number), None, at(1)).await.unwrap(),
        Claim::Claimed { .. }
    ));
    let batch = uuid(0xba7c);
    let targets = planned(SUB_GOALS);
    assert!(
        fixture
            .store
            .plan_batches(id(number), 1, 8, &[(batch, targets).into()], at(1))
            .await
            .unwrap()
    );
    (claimed(fixture, number, batch).await, batch)
}

async fn claimed(fixture: &Fixture, number: u128, batch: Uuid) -> Fence {
    match fixture.store.claim_batch(id(number), batch, at(2)).await.unwrap() {
        BatchClaim::Claimed { fence, .. } => fence,
        other => panic!("{other:?}"),
    }
}

async fn stage(
    fixture: &Fixture,
    number: u128,
    fence: Fence,
    target: u128,
    rows: &Rows,
) -> Option<StagingProgress> {
    let staging =
        Staging { target_id: uuid(target), output: Ok(rows), settles: 1, usage: &usage() };
    fixture.store.stage(id(number), fence, &staging, at(3)).await.unwrap()
}

async fn give_up(
    fixture: &Fixture,
    number: u128,
    fence: Fence,
    target: u128,
) -> Option<StagingProgress> {
    let error = ProcessError::new(ErrorCode::AiResponseInvalid, "test");
    let staging =
        Staging::<Rows> { target_id: uuid(target), output: Err(&error), settles: 1, usage: &[] };
    fixture.store.stage(id(number), fence, &staging, at(3)).await.unwrap()
}

async fn with_sub_goals(options: PgConnectOptions) -> Fixture {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    fixture
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_target_that_does_not_exist_is_told_from_one_that_belongs_to_another(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let cases = [
        (Params::Actions(part(Part::SubGoalId(uuid(77)))), Submitted::TargetNotFound),
        (Params::Actions(part(Part::GoalId(uuid(77)))), Submitted::TargetNotFound),
        (Params::Tasks(part(Part::ActionId(uuid(77)))), Submitted::TargetNotFound),
        // The goal is there, but has no actions yet that tasks could be for.
        (Params::Tasks(part(Part::GoalId(uuid(GOAL)))), Submitted::TargetNotFound),
    ];
    for (number, (params, expected)) in (10..).zip(cases) {
        assert_eq!(fixture.store.submit(&wanting(number, params)).await.unwrap().0, expected);
    }
    for of in [Part::SubGoalId(uuid(SUB_GOALS)), Part::GoalId(uuid(GOAL))] {
        let foreign =
            Submission { user_id: user("taro"), ..wanting(20, Params::Actions(part(of))) };
        assert_eq!(fixture.store.submit(&foreign).await.unwrap().0, Submitted::Forbidden);
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn everything_staged_appears_at_once_and_only_then(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let (fence, _) = begun(&fixture, 2).await;
    let mut last = 0;
    for n in 0..8 {
        assert_eq!(
            finish::<Chart>(&fixture.store, id(2), Actor::Worker, at(4)).await.unwrap(),
            Finish::NotYet
        );
        assert_eq!(fixture.store.all_staged(id(2)).await.unwrap(), Some(false));
        let progress =
            stage(&fixture, 2, fence, SUB_GOALS + n, &actions(2_000 + 10 * n)).await.unwrap();
        assert_eq!((progress.done, progress.targets), (i16::try_from(n).unwrap() + 1, 8));
        let shown = fixture.process(2).await.summary.progress;
        assert!(shown > last && shown < 100, "{shown} after {last}");
        last = shown;
        assert_eq!(fixture.count("actions").await, 0);
    }
    assert_eq!(fixture.store.all_staged(id(2)).await.unwrap(), Some(true));
    assert_eq!(
        finish::<Chart>(&fixture.store, id(2), Actor::Reconciler, at(4)).await.unwrap(),
        Finish::Ended(Status::Completed)
    );
    let process = fixture.process(2).await;
    let result = process.result.unwrap();
    assert_eq!(
        (process.summary.status, process.summary.progress, &result["partial"]),
        (Status::Completed, 100, &json!(false))
    );
    assert_eq!(
        result["usage"],
        json!([{
            "modelId": "m", "inputTokens": 80, "outputTokens": 160, "latencyMs": 40, "calls": 8
        }])
    );
    assert_eq!(
        (
            fixture.count("actions").await,
            fixture.count("processing_output").await,
            fixture.count("processing_batch").await
        ),
        (64, 0, 0)
    );
    let before = fixture.everything().await;
    assert_eq!(
        finish::<Chart>(&fixture.store, id(2), Actor::Worker, at(5)).await.unwrap(),
        Finish::Ended(Status::Completed)
    );
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_target_is_staged_once_and_counted_once(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = with_sub_goals(options).await;
    let (fence, _) = begun(&fixture, 2).await;
    stage(&fixture, 2, fence, SUB_GOALS, &actions(2_000)).await;
    let before = fixture.everything().await;
    let again = stage(&fixture, 2, fence, SUB_GOALS, &actions(9_000)).await.unwrap();
    assert_eq!((again.done, fixture.everything().await), (1, before));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn sixty_four_at_once_are_counted_exactly(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = with_sub_goals(options.clone()).await;
    let (fence, _) = begun(&fixture, 2).await;
    fixture.sql("UPDATE processing_state SET targets = 64 WHERE targets IS NOT NULL").await;
    let workers = (0..8).map(|worker| {
        let options = options.clone();
        tokio::spawn(async move {
            let fixture = Fixture::new(options).await;
            for n in 0..8 {
                stage(&fixture, 2, fence, 5_000 + 8 * worker + n, &tasks(6_000 + 8 * worker + n))
                    .await
                    .unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    assert_eq!(fixture.store.all_staged(id(2)).await.unwrap(), Some(true));
    assert_eq!(
        (fixture.count("processing_output").await, fixture.process(2).await.summary.progress),
        (64, 99)
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_newer_attempt_at_the_batch_or_the_process_fences_off_the_older(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let (old, batch) = begun(&fixture, 2).await;
    let new = claimed(&fixture, 2, batch).await;
    assert_eq!(stage(&fixture, 2, old, SUB_GOALS, &actions(2_000)).await, None);
    assert_eq!(fixture.store.standing(id(2), old).await.unwrap(), Standing::Overtaken);
    assert_eq!(fixture.store.standing(id(2), new).await.unwrap(), Standing::Current);
    assert!(stage(&fixture, 2, new, SUB_GOALS, &actions(2_000)).await.is_some());
    fixture
        .sql("UPDATE processing_state SET attempt = attempt + 1 WHERE completed_at IS NULL")
        .await;
    assert_eq!(stage(&fixture, 2, new, SUB_GOALS + 1, &actions(2_100)).await, None);
    assert_eq!(
        fixture.store.claim_batch(id(2), batch, at(6)).await.unwrap(),
        BatchClaim::Overtaken
    );
    // What was staged is not lost with the attempt.
    assert_eq!(fixture.store.outputs_to_go_on_from::<Chart>(id(2)).await.unwrap().len(), 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_cancelled_process_keeps_nothing_staged_and_stages_nothing_more(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let (fence, batch) = begun(&fixture, 2).await;
    stage(&fixture, 2, fence, SUB_GOALS, &actions(2_000)).await;
    fixture.store.cancel(id(2), None, None, Actor::User, at(4)).await.unwrap();
    assert_eq!(fixture.count("processing_output").await, 0);
    assert_eq!(stage(&fixture, 2, fence, SUB_GOALS + 1, &actions(2_100)).await, None);
    assert_eq!(
        fixture.store.standing(id(2), fence).await.unwrap(),
        Standing::Ended(Status::Cancelled)
    );
    assert_eq!(
        fixture.store.claim_batch(id(2), batch, at(5)).await.unwrap(),
        BatchClaim::Ended(Status::Cancelled)
    );
    assert_eq!(
        finish::<Chart>(&fixture.store, id(2), Actor::Worker, at(5)).await.unwrap(),
        Finish::Ended(Status::Cancelled)
    );
    assert_eq!(fixture.count("actions").await, 0);
}

/// Process 2 with seven sub-goals written and the last given up.
async fn partly_done(fixture: &Fixture) -> Value {
    let (fence, _) = begun(fixture, 2).await;
    for n in 0..7 {
        stage(fixture, 2, fence, SUB_GOALS + n, &actions(2_000 + 10 * n)).await;
    }
    give_up(fixture, 2, fence, SUB_GOALS + 7).await;
    assert_eq!(
        finish::<Chart>(&fixture.store, id(2), Actor::Worker, at(4)).await.unwrap(),
        Finish::Ended(Status::Completed)
    );
    fixture.process(2).await.result.unwrap()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_failed_target_is_named_and_a_retry_is_for_it_alone(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let result = partly_done(&fixture).await;
    assert_eq!((&result["partial"], fixture.count("actions").await), (&json!(true), 56));
    assert_eq!(result["failedTargets"][0]["targetId"], json!(uuid(SUB_GOALS + 7)));
    assert_eq!(result["failedTargets"][0]["title"], "サブ目標7");

    let whole = Params::Actions(part(Part::GoalId(uuid(GOAL))));
    assert_eq!(
        fixture.store.submit(&wanting(3, whole.clone())).await.unwrap().0,
        Submitted::TargetNotEmpty
    );
    let open = whole.for_retry_after(Some(&result));
    let retry = Submission {
        retry: Some(Retry { of: id(2), count: 1, note: None }),
        ..wanting(4, open.clone())
    };
    assert!(matches!(fixture.store.submit(&retry).await.unwrap().0, Submitted::Accepted { .. }));
    let roots = fixture.store.find_roots::<Chart>(&user("hanako"), &open).await.unwrap();
    assert_eq!(roots.iter().map(|root| root.target.id).collect::<Vec<_>>(), [uuid(SUB_GOALS + 7)]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn nothing_written_at_all_is_a_failure_with_the_targets_error(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let (fence, _) = begun(&fixture, 2).await;
    for n in 0..8 {
        give_up(&fixture, 2, fence, SUB_GOALS + n).await;
    }
    assert_eq!(
        finish::<Chart>(&fixture.store, id(2), Actor::Worker, at(4)).await.unwrap(),
        Finish::Ended(Status::Failed)
    );
    let process = fixture.process(2).await;
    assert_eq!(
        (process.summary.error.unwrap().code, fixture.count("processing_output").await),
        (ErrorCode::AiResponseInvalid, 0)
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_target_that_goes_or_fills_meanwhile_does_not_stop_the_others(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let (fence, _) = begun(&fixture, 2).await;
    for n in 0..8 {
        stage(&fixture, 2, fence, SUB_GOALS + n, &actions(2_000 + 10 * n)).await;
    }
    fixture
        .sql(&format!(
            "DELETE FROM sub_goals WHERE id = '{}';
             INSERT INTO actions (
                 id, sub_goal_id, position, title, description, background, type
             )
             VALUES (gen_random_uuid(), '{}', 0, 'mine', 'd', 'b', 'HABIT')",
            uuid(SUB_GOALS),
            uuid(SUB_GOALS + 1)
        ))
        .await;
    assert_eq!(
        finish::<Chart>(&fixture.store, id(2), Actor::Worker, at(4)).await.unwrap(),
        Finish::Ended(Status::Completed)
    );
    let result = fixture.process(2).await.result.unwrap();
    assert_eq!(result["failedTargets"].as_array().unwrap().len(), 2);
    assert_eq!(result["failedTargets"][0]["code"], "TARGET_NOT_EMPTY");
    assert_eq!(result["failedTargets"][1]["code"], "TARGET_NOT_FOUND");
    assert_eq!(fixture.count("actions").await, 6 * 8 + 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn replacing_costs_nothing_until_everything_is_there(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    partly_done(&fixture).await;
    let replacing = Params::Actions(PartParams { replace: true, ..part(Part::GoalId(uuid(GOAL))) });
    assert!(matches!(
        fixture.store.submit(&wanting(3, replacing)).await.unwrap().0,
        Submitted::Accepted { .. }
    ));
    fixture.store.claim(id(3), None, at(5)).await.unwrap();
    let batch = uuid(0xba7d);
    let targets = planned(SUB_GOALS);
    fixture.store.plan_batches(id(3), 1, 8, &[(batch, targets).into()], at(5)).await.unwrap();
    let fence = claimed(&fixture, 3, batch).await;
    for n in 0..7 {
        stage(&fixture, 3, fence, SUB_GOALS + n, &actions(3_000 + 10 * n)).await;
    }
    assert_eq!(fixture.count("actions").await, 56);
    give_up(&fixture, 3, fence, SUB_GOALS + 7).await;
    finish::<Chart>(&fixture.store, id(3), Actor::Worker, at(6)).await.unwrap();
    let new: i64 = sqlx::query_scalar("SELECT count(*) FROM actions WHERE process_id = $1")
        .bind(id(3).0)
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!((fixture.count("actions").await, new), (56, 56));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_whole_chart_is_stored_with_its_goal_in_one_step(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let chart = Params::Chart(ChartParams { goal: goal(), depth: Level::Tasks, only: None });
    assert!(matches!(
        fixture.store.submit(&wanting(2, chart)).await.unwrap().0,
        Submitted::Accepted { .. }
    ));
    fixture.store.claim(id(2), None, at(1)).await.unwrap();
    assert!(fixture.store.plan_batches(id(2), 1, 73, &[], at(1)).await.unwrap());
    stage(&fixture, 2, 1.into(), GOAL, &sub_goals(SUB_GOALS)).await;
    for n in 0..8 {
        stage(&fixture, 2, 1.into(), SUB_GOALS + n, &actions(2_000 + 10 * n)).await;
        for m in 0..8 {
            stage(&fixture, 2, 1.into(), 2_000 + 10 * n + m, &tasks(5_000 + 10 * n + m)).await;
        }
    }
    assert_eq!((fixture.count("goals").await, fixture.count("sub_goals").await), (0, 0));
    assert_eq!(
        finish::<Chart>(&fixture.store, id(2), Actor::Worker, at(4)).await.unwrap(),
        Finish::Ended(Status::Completed)
    );
    let counts = [
        fixture.count("goals").await,
        fixture.count("sub_goals").await,
        fixture.count("actions").await,
        fixture.count("tasks").await,
    ];
    assert_eq!(counts, [1, 8, 64, 64]);
    let result = fixture.process(2).await.result.unwrap();
    assert_eq!(result["subGoals"][7]["actions"][7]["tasks"][0]["title"], "作業");
}

/// Found by the model of the protocol (docs/protocol.md, `ReadyCompared`): a sweep has read the
/// row, and when it sees that the execution has succeeded, the last target has been staged.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_has_become_whole_since_it_was_seen_is_not_ended_for_what_was_missing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let (fence, _) = begun(&fixture, 2).await;
    for n in 0..7 {
        stage(&fixture, 2, fence, SUB_GOALS + n, &actions(20_000 + 10 * n)).await.unwrap();
    }
    let seen = fixture.store.rows_of(&[id(2)]).await.unwrap().remove(0);
    assert!(!seen.result_ready);
    stage(&fixture, 2, fence, SUB_GOALS + 7, &actions(20_070)).await.unwrap();

    let ending = Ending::Failed(ProcessError::new(ErrorCode::ResultMissing, "test"));
    let note = EndingNote { rule: Rule::R4, kind: EventKind::Repaired, execution: "SUCCEEDED" };
    let ended = fixture.store.end_seen(&seen, &ending, note, at(9)).await.unwrap();
    assert_eq!(ended, Repaired::Moved);

    let finished = finish::<Chart>(&fixture.store, id(2), Actor::Reconciler, at(10)).await;
    assert_eq!(finished.unwrap(), Finish::Ended(Status::Completed));
}
