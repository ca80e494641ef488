//! A process is whole by its plan, whatever was counted.

use std::sync::Arc;

use serde_json::json;
use shared::{
    chart::{Chart, ChartParams, Level, Params, Part, PartParams, Rows},
    process::{Actor, Output, Status},
    store::{Completion, Staging},
    use_case::{Finish, finish},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, GOAL, actions, at, goal, id, part, tasks, usage, uuid};
use uuid::Uuid;

use crate::kit::*;

async fn finished(fixture: &Fixture, number: u128) -> Finish {
    finish::<Chart>(&fixture.store, id(number), Actor::Worker, at(5)).await.unwrap()
}

/// What a retry of a chart down to tasks asks for.
fn rest_of_chart(only: impl IntoIterator<Item = u128>) -> Params {
    let only: Vec<Uuid> = only.into_iter().map(uuid).collect();
    Params::Chart(ChartParams { goal: goal(), depth: Level::Tasks, only: Some(only) })
}

/// A3: nine actions failed; the user deletes the ninth, whose batch settles as many targets as a
/// sub-goal has.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_miscount_never_completes_what_is_not_staged(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    add_actions(&fixture, 0).await;
    add_actions(&fixture, 1).await;
    let ninth = ACTIONS + 10;
    let eight = ACTIONS..ACTIONS + 8;
    let batches = [planned(1, eight.clone()), planned(1, [ninth])];
    let fences = begun(&fixture, 2, rest_of_chart(eight.clone().chain([ninth])), &batches).await;
    fixture.sql(&delete("actions", ninth)).await;
    stage(&fixture.store, 2, fences[0], ACTIONS, &tasks(5_000)).await.unwrap();
    let progress = give_up(&fixture.store, 2, fences[1], ninth, 9).await.unwrap();
    assert!(progress.is_whole(), "the count is wrong, as it was then: {progress:?}");
    assert_eq!(finished(&fixture, 2).await, Finish::NotYet);

    for n in 1..8 {
        stage(&fixture.store, 2, fences[0], ACTIONS + n, &tasks(5_000 + n)).await.unwrap();
    }
    assert_eq!(finished(&fixture, 2).await, Finish::Ended(Status::Completed));
    let result = fixture.process(2).await.result.unwrap();
    assert_eq!((fixture.count("tasks").await, &result["partial"]), (8, &json!(true)));
    let failed = &result["failedTargets"];
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert_eq!(
        (&failed[0]["targetId"], &failed[0]["missing"], &failed[0]["code"]),
        (&json!(uuid(ninth)), &json!("tasks"), &json!("TARGET_NOT_FOUND"))
    );
}

/// A3: what was staged for others is nothing of the plan.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_planned_target_is_not_made_up_for_by_another(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let params = Params::Actions(part(Part::GoalId(uuid(GOAL))));
    let fences = begun(&fixture, 2, params, &[planned(1, [SUB_GOALS, SUB_GOALS + 1])]).await;
    stage(&fixture.store, 2, fences[0], SUB_GOALS, &actions(ACTIONS)).await.unwrap();
    let progress = stage(&fixture.store, 2, fences[0], 77, &actions(3_000)).await.unwrap();
    assert!(progress.is_whole());
    assert_eq!(finished(&fixture, 2).await, Finish::NotYet);
    stage(&fixture.store, 2, fences[0], SUB_GOALS + 1, &actions(4_000)).await.unwrap();
    assert_eq!(finished(&fixture, 2).await, Finish::Ended(Status::Completed));
    assert_eq!(fixture.count("actions").await, 16);
}

/// A4: a sub-goal is deleted after it was staged. What is open below it is settled, and the others
/// are stored.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_root_that_goes_after_it_was_staged_is_named_and_the_others_are_written(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let batches = [planned(9, [SUB_GOALS]), planned(9, [SUB_GOALS + 1])];
    let fences = begun(&fixture, 2, rest_of_chart([SUB_GOALS, SUB_GOALS + 1]), &batches).await;
    for (fence, n) in fences.iter().zip(0..) {
        let first = ACTIONS + 10 * n;
        stage(&fixture.store, 2, *fence, SUB_GOALS + n, &actions(first)).await.unwrap();
        for action in first..first + 7 {
            stage(&fixture.store, 2, *fence, action, &tasks(action + 5_000)).await.unwrap();
        }
    }
    stage(&fixture.store, 2, fences[1], ACTIONS + 17, &tasks(9_000)).await.unwrap();
    fixture.sql(&delete("sub_goals", SUB_GOALS)).await;
    assert_eq!(finished(&fixture, 2).await, Finish::NotYet);
    let progress = give_up(&fixture.store, 2, fences[0], ACTIONS + 7, 1).await.unwrap();
    assert!(progress.is_whole());
    assert_eq!(finished(&fixture, 2).await, Finish::Ended(Status::Completed));
    let result = fixture.process(2).await.result.unwrap();
    assert_eq!((fixture.count("actions").await, fixture.count("tasks").await), (8, 8));
    assert_eq!(
        result["failedTargets"],
        json!([{
            "targetId": uuid(SUB_GOALS), "title": "", "missing": "actions",
            "code": "TARGET_NOT_FOUND", "retryable": false,
            "message": result["failedTargets"][0]["message"],
        }])
    );
}

/// A13: the old worker's stage waits behind the new claim of its batch.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_worker_whose_batch_is_claimed_anew_while_it_waits_stages_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options.clone()).await;
    let params = Params::Actions(part(Part::GoalId(uuid(GOAL))));
    let fences = begun(&fixture, 2, params, &[planned(1, SUB_GOALS..SUB_GOALS + 8)]).await;
    let holder = hold(&fixture, 2).await;
    let newer = rival(&options);
    let batch = uuid(0xba7c_0000);
    let claiming = tokio::spawn(async move { claim_batch(&newer, 2, batch).await });
    fixture.until_waiting(1).await;
    let (older, fence) = (rival(&options), fences[0]);
    let staging =
        tokio::spawn(async move { stage(&older, 2, fence, SUB_GOALS, &actions(ACTIONS)).await });
    fixture.until_waiting(2).await;
    holder.commit().await.unwrap();
    let fence = claiming.await.unwrap();
    assert_eq!(staging.await.unwrap(), None);
    assert!(stage(&fixture.store, 2, fence, SUB_GOALS, &actions(3_000)).await.is_some());
}

/// A13: children of an answer that was not stored exist nowhere.
#[sqlx::test(migrations = "../infra/migrations")]
async fn whoever_stages_second_goes_on_with_what_was_staged_first(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let fences = begun(&fixture, 2, rest_of_chart([SUB_GOALS]), &[planned(9, [SUB_GOALS])]).await;
    let mut seen = Vec::new();
    for rows in [actions(ACTIONS), actions(7_000)] {
        let staging =
            Staging { target_id: uuid(SUB_GOALS), output: Ok(&rows), settles: 1, usage: &usage() };
        let staged =
            fixture.store.stage_or_read_back(id(2), fences[0], &staging, 8, at(3)).await.unwrap();
        seen.push(staged.unwrap());
    }
    let ([(first, None), (second, Some(Output::Written(read_back)))], Rows::Actions(_)) =
        (seen.as_slice(), actions(ACTIONS))
    else {
        panic!("{seen:?}");
    };
    let done = [first, second].map(|outcome| outcome.progress.done);
    assert_eq!((done[0], done[1], read_back), (1, 1, &actions(ACTIONS)));
}

/// A13 and invariant 6: two workers that have staged the last targets both finish.
#[sqlx::test(migrations = "../infra/migrations")]
async fn two_that_finish_at_once_complete_it_once(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Arc::new(with_sub_goals(options.clone()).await);
    let params = Params::Actions(PartParams { replace: true, ..part(Part::GoalId(uuid(GOAL))) });
    let fences = begun(&fixture, 2, params, &[planned(1, SUB_GOALS..SUB_GOALS + 8)]).await;
    for n in 0..8 {
        stage(&fixture.store, 2, fences[0], SUB_GOALS + n, &actions(ACTIONS + 10 * n)).await;
    }
    let holder = hold(&fixture, 2).await;
    let finishing = [rival(&options), rival(&options)].map(|store| {
        tokio::spawn(
            async move { finish::<Chart>(&store, id(2), Actor::Worker, at(5)).await.unwrap() },
        )
    });
    fixture.until_waiting(2).await;
    holder.commit().await.unwrap();
    for done in finishing {
        assert_eq!(done.await.unwrap(), Finish::Ended(Status::Completed));
    }
    let completed = fixture.history(2).await.into_iter().filter(|(kind, ..)| kind == "completed");
    assert_eq!((completed.count(), fixture.count("actions").await), (1, 64));
    assert_ne!(fixture.complete(2, 1, &goal()).await, Completion::Completed);
}
