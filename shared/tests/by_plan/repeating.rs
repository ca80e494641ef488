//! A message that comes late, or twice.

use shared::{
    chart::{Chart, ChartParams, Level, Params, Part},
    process::Status,
    store::{Claim, Standing},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, GOAL, actions, at, goal, id, part, sub_goals, uuid};

use crate::kit::*;

fn all_actions() -> Params {
    Params::Actions(part(Part::GoalId(uuid(GOAL))))
}

/// A2.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_late_duplicate_of_generate_gets_the_plan_there_is_and_fences_nobody_off(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    let batches = [planned(1, SUB_GOALS..SUB_GOALS + 4), planned(1, SUB_GOALS + 4..SUB_GOALS + 8)];
    let fences = begun(&fixture, 2, all_actions(), &batches).await;
    let before = fixture.everything().await;
    let again = fixture.store.claim(id(2), Some("arn"), at(9)).await.unwrap();
    assert_eq!(again, Claim::Planned(vec![uuid(0xba7c_0000), uuid(0xba7c_0001)]));
    assert_eq!(fixture.everything().await, before);
    for fence in fences {
        assert_eq!(fixture.store.standing(id(2), fence).await.unwrap(), Standing::Current);
    }
}

/// A2, in the moment of the planning itself: the duplicate waits for it, and its own look at the
/// batches would be older.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_duplicate_that_waits_for_the_planning_gets_the_plan(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options.clone()).await;
    accepted(&fixture, &wanting(2, all_actions())).await;
    claimed(&fixture, 2).await;
    let holder = hold(&fixture, 2).await;
    let planner = rival(&options);
    let planning = tokio::spawn(async move {
        let batches = [(uuid(0xba7c), planned(1, SUB_GOALS..SUB_GOALS + 8)).into()];
        planner.plan_batches(id(2), 1, 8, &batches, at(1)).await.unwrap()
    });
    fixture.until_waiting(1).await;
    let duplicate = rival(&options);
    let repeating = tokio::spawn(async move { duplicate.claim(id(2), None, at(2)).await.unwrap() });
    fixture.until_waiting(2).await;
    holder.commit().await.unwrap();
    assert!(planning.await.unwrap());
    assert_eq!(repeating.await.unwrap(), Claim::Planned(vec![uuid(0xba7c)]));
}

/// A2, B4: before there is a plan, a new attempt makes one, from what the old one had staged.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_generate_that_died_before_its_plan_is_followed_by_a_new_attempt(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let chart = Params::Chart(ChartParams { goal: goal(), depth: Level::Actions, only: None });
    accepted(&fixture, &wanting(2, chart)).await;
    claimed(&fixture, 2).await;
    assert!(fixture.store.plan_batches(id(2), 1, 9, &[], at(1)).await.unwrap());
    stage(&fixture.store, 2, 1.into(), GOAL, &sub_goals(SUB_GOALS)).await.unwrap();
    let claim = fixture.store.claim(id(2), None, at(2)).await.unwrap();
    assert!(matches!(claim, Claim::Claimed { attempt: 2, .. }), "{claim:?}");
    assert_eq!(stage(&fixture.store, 2, 1.into(), SUB_GOALS, &actions(ACTIONS)).await, None);
    let outputs = fixture.store.outputs_to_go_on_from::<Chart>(id(2)).await.unwrap();
    assert!(outputs.contains_key(&uuid(GOAL)));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_process_that_a_hand_moves_back_is_planned_anew(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    begun(&fixture, 2, all_actions(), &[planned(1, SUB_GOALS..SUB_GOALS + 8)]).await;
    for status in ["FAILED", "PROCESSING"] {
        let set = format!("UPDATE processing_state SET status = '{status}' WHERE id = '{}'", id(2));
        fixture.sql(&set).await;
    }
    let claim = fixture.store.claim(id(2), None, at(2)).await.unwrap();
    assert!(matches!(claim, Claim::Claimed { attempt: 2, .. }), "{claim:?}");
    assert_eq!(fixture.process(2).await.summary.status, Status::Processing);
}
