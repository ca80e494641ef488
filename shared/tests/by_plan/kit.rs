//! A stored chart, processes on it, and ways to make two sessions wait for each other.

use shared::{
    chart::{Chart, Params, Rows},
    process::{ErrorCode, PlannedTarget, ProcessError, Status},
    store::{
        BatchClaim, Claim, Completion, Credentials, Database, Fence, NewRows, PlannedBatch,
        Staging, StagingProgress, Store, Submission, Submitted,
    },
};
use sqlx::{AssertSqlSafe, PgTransaction, postgres::PgConnectOptions};
use test_kit::{Fixture, GOAL, at, id, submission, usage, user, uuid};
use uuid::Uuid;

/// The first of the eight sub-goals of the goal.
pub const SUB_GOALS: u128 = 1_000;
/// The first of the actions. Those of the n-th sub-goal begin at ten times n more.
pub const ACTIONS: u128 = 2_000;

/// A goal with eight sub-goals, stored by process 1, which has ended.
pub async fn with_sub_goals(options: PgConnectOptions) -> Fixture {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    fixture
}

/// Sub-goal `n` gets its eight actions, by the app.
pub async fn add_actions(fixture: &Fixture, n: u128) {
    for position in 0..8 {
        let (action, parent) = (uuid(ACTIONS + 10 * n + position), uuid(SUB_GOALS + n));
        fixture.sql(&insert_action(action, parent, position)).await;
    }
}

pub fn insert_action(action: Uuid, parent: Uuid, position: u128) -> String {
    format!(
        "INSERT INTO actions (id, sub_goal_id, position, title, description, background, type)
         VALUES ('{action}', '{parent}', {position}, 'a{position}', 'd', 'b', 'HABIT');"
    )
}

pub fn insert_task(action: u128, position: u128) -> String {
    format!(
        "INSERT INTO tasks (
             id, action_id, position, title, description, type, estimated_minutes
         )
         VALUES (gen_random_uuid(), '{}', {position}, 'mine', 'd', 'HABIT', 30);",
        uuid(action)
    )
}

pub fn insert_goal() -> String {
    format!(
        "INSERT INTO goals (id, user_id, title, description, deadline, background)
         VALUES ('{}', 'hanako', 't', 'd', now(), 'b');",
        uuid(GOAL)
    )
}

pub fn insert_sub_goal(position: u128) -> String {
    format!(
        "INSERT INTO sub_goals (id, goal_id, position, title, description, background)
         VALUES (gen_random_uuid(), '{}', {position}, 'mine', 'd', 'b');",
        uuid(GOAL)
    )
}

pub fn delete(table: &str, number: u128) -> String {
    format!("DELETE FROM {table} WHERE id = '{}';", uuid(number))
}

/// A store of its own on the same database, as another Lambda environment has.
pub fn rival(options: &PgConnectOptions) -> Store {
    Store::new(Database::new(Credentials::Given(Box::new(options.clone()))))
}

pub fn wanting(number: u128, params: Params) -> Submission<Chart> {
    Submission { params, ..submission(number, "hanako") }
}

pub async fn accepted(fixture: &Fixture, wanted: &Submission<Chart>) {
    let submitted = fixture.submit(wanted).await;
    assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
}

pub async fn claimed(fixture: &Fixture, number: u128) {
    let claim = fixture.store.claim(id(number), None, at(1)).await.unwrap();
    assert!(matches!(claim, Claim::Claimed { attempt: 1, .. }), "{claim:?}");
}

/// Accepts process `number`, claims it, plans it and claims its batches.
pub async fn begun(
    fixture: &Fixture,
    number: u128,
    params: Params,
    batches: &[Vec<PlannedTarget>],
) -> Vec<Fence> {
    accepted(fixture, &wanting(number, params)).await;
    claimed(fixture, number).await;
    let weight: i16 = batches.iter().flatten().map(|target| target.weight).sum();
    let ids = (0xba7c_0000..).map(uuid);
    let batches: Vec<_> = ids.zip(batches.iter().cloned()).map(PlannedBatch::from).collect();
    assert!(fixture.store.plan_batches(id(number), 1, weight, &batches, at(1)).await.unwrap());
    let mut fences = Vec::new();
    for batch in &batches {
        fences.push(claim_batch(&fixture.store, number, batch.id).await);
    }
    fences
}

pub async fn claim_batch(store: &Store, number: u128, batch: Uuid) -> Fence {
    match store.claim_batch(id(number), batch, at(2)).await.unwrap() {
        BatchClaim::Claimed { fence, .. } => fence,
        other => panic!("{other:?}"),
    }
}

/// Targets with these numbers, of this weight each.
pub fn planned(weight: i16, numbers: impl IntoIterator<Item = u128>) -> Vec<PlannedTarget> {
    numbers.into_iter().map(|number| PlannedTarget { id: uuid(number), weight }).collect()
}

pub async fn stage(
    store: &Store,
    number: u128,
    fence: Fence,
    target: u128,
    rows: &Rows,
) -> Option<StagingProgress> {
    let staging =
        Staging { target_id: uuid(target), output: Ok(rows), settles: 1, usage: &usage() };
    store.stage(id(number), fence, &staging, at(3)).await.unwrap()
}

pub async fn give_up(
    store: &Store,
    number: u128,
    fence: Fence,
    target: u128,
    settles: i16,
) -> Option<StagingProgress> {
    let error = ProcessError::new(ErrorCode::TargetNotFound, "test");
    let staging =
        Staging::<Rows> { target_id: uuid(target), output: Err(&error), settles, usage: &[] };
    store.stage(id(number), fence, &staging, at(3)).await.unwrap()
}

/// Completes process `number` with one part.
pub async fn complete(
    store: &Store,
    number: u128,
    params: &Params,
    target: u128,
    rows: Rows,
) -> Result<Completion, shared::process::Failure> {
    let new = NewRows::<Chart> {
        user_id: &user("hanako"),
        params,
        parts: &[(uuid(target), rows)],
        result: &serde_json::json!({}),
        detail: &serde_json::json!({}),
    };
    store.complete(id(number), 1, &new, shared::process::Actor::Worker, at(4)).await
}

/// A session that holds the row of process `number` until it commits.
pub async fn hold(fixture: &Fixture, number: u128) -> PgTransaction<'static> {
    hold_by(
        fixture,
        &format!("SELECT FROM processing_state WHERE id = '{}' FOR UPDATE", uuid(number)),
    )
    .await
}

/// A session that has run `sql` and not committed.
pub async fn hold_by(fixture: &Fixture, sql: &str) -> PgTransaction<'static> {
    let mut holder = fixture.pool.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *holder).await.unwrap();
    holder
}
