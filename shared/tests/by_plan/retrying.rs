//! A retry of what was left open takes what is open still.

use serde_json::json;
use shared::{
    chart::{Chart, Params, Part},
    store::{Retry, Submission, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, GOAL, id, part, user, uuid};

use crate::kit::*;

/// The retry of a goal-wide request whose result names the first sub-goals as failed.
fn retry(failed: u128) -> Submission<Chart> {
    let failed: Vec<_> = (0..failed).map(|n| json!({"targetId": uuid(SUB_GOALS + n)})).collect();
    let result = json!({"failedTargets": failed});
    let params = Params::Actions(part(Part::GoalId(uuid(GOAL)))).for_retry_after(Some(&result));
    Submission { retry: Some(Retry { of: id(2), count: 1, note: None }), ..wanting(3, params) }
}

async fn open(fixture: &Fixture, retry: &Submission<Chart>) -> Vec<(uuid::Uuid, bool)> {
    let roots = fixture.store.find_roots::<Chart>(&user("hanako"), &retry.params).await.unwrap();
    roots.into_iter().map(|root| (root.target.id, root.occupied)).collect()
}

/// A10.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_has_been_filled_or_has_gone_does_not_block_the_retry_of_the_rest(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    add_actions(&fixture, 0).await;
    fixture.sql(&delete("sub_goals", SUB_GOALS + 1)).await;
    let retry = retry(3);
    accepted(&fixture, &retry).await;
    // What is left out is not held either.
    let of_filled = Params::Tasks(part(Part::ActionId(uuid(ACTIONS))));
    accepted(&fixture, &wanting(4, of_filled)).await;
    let rest = Params::Actions(part(Part::SubGoalId(uuid(SUB_GOALS + 2))));
    assert_eq!(
        fixture.submit(&wanting(5, rest)).await,
        Submitted::AlreadyRunning { process_id: id(3) }
    );
    assert_eq!(
        open(&fixture, &retry).await,
        [(uuid(SUB_GOALS), true), (uuid(SUB_GOALS + 2), false)]
    );
}

/// A10.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_retry_of_which_nothing_is_open_is_told_why(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = with_sub_goals(options).await;
    add_actions(&fixture, 0).await;
    assert_eq!(fixture.submit(&retry(1)).await, Submitted::TargetNotEmpty);
    fixture.sql(&delete("sub_goals", SUB_GOALS)).await;
    assert_eq!(fixture.submit(&retry(1)).await, Submitted::TargetNotFound);
}
