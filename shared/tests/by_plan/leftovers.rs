//! What has ended keeps nothing staged, whichever hand ended it and whatever was under way.

use shared::{
    chart::{Params, Part},
    process::{Actor, Ending, ErrorCode, ProcessError},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{GOAL, actions, at, id, part, uuid};

use crate::kit::*;

/// A12: a stage holds the row, the end waits for it.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_staged_in_the_moment_of_an_end_goes_with_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options.clone()).await;
    for (number, end) in (2..).zip(["cancel", "end", "by hand"]) {
        let params = Params::Actions(part(Part::GoalId(uuid(GOAL))));
        let fences = begun(&fixture, number, params, &[planned(1, SUB_GOALS..SUB_GOALS + 8)]).await;
        stage(&fixture.store, number, fences[0], SUB_GOALS, &actions(ACTIONS)).await.unwrap();
        let holder = hold(&fixture, number).await;
        let (worker, fence) = (rival(&options), fences[0]);
        let staging = tokio::spawn(async move {
            stage(&worker, number, fence, SUB_GOALS + 1, &actions(ACTIONS + 10)).await
        });
        fixture.until_waiting(1).await;
        let (store, pool) = (rival(&options), fixture.pool.clone());
        let ending = tokio::spawn(async move {
            match end {
                "cancel" => {
                    store.cancel(id(number), None, None, Actor::User, at(4)).await.unwrap();
                }
                "end" => {
                    let ending = Ending::Failed(ProcessError::new(ErrorCode::AiError, "test"));
                    store.end(id(number), &ending, Actor::Worker, at(4)).await.unwrap();
                }
                _ => {
                    let by_hand = "UPDATE processing_state SET status = 'FAILED',
                        error = '{\"code\": \"MANUAL_INTERVENTION\", \"message\": \"m\"}',
                        completed_at = NOW() WHERE id = $1";
                    sqlx::query(by_hand).bind(id(number).0).execute(&pool).await.unwrap();
                }
            }
        });
        fixture.until_waiting(2).await;
        holder.commit().await.unwrap();
        assert!(staging.await.unwrap().is_some(), "{end}: it was staged before the end");
        ending.await.unwrap();
        assert!(fixture.process(number).await.summary.status.is_terminal(), "{end}");
        let left =
            (fixture.count("processing_output").await, fixture.count("processing_batch").await);
        assert_eq!(left, (0, 0), "{end}");
    }
}
