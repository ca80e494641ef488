//! Batches whose targets go, and messages that come late. The ids in comments are rows of the case
//! file.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::{
    aws::{
        model::{ModelConfig, Models},
        workflow::Workflow,
    },
    chart::{Chart, ChartParams, ChartType, Level, Params},
    clock::Clock,
    environment::Environment,
    lambda::{Invocation, Metrics},
    process::{PlannedTarget, Status},
    store::{
        Access, BatchClaim, Claim, Credentials, Database, Fence, PlannedBatch, Staging, Store,
        Submission, Submitted,
    },
};
use sqlx::{
    AssertSqlSafe,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::{Fixture, actions, as_role, at, goal, id, plenty, submission, tasks, usage, uuid};
use uuid::Uuid;

mod failing;

use crate::{
    limits::WorkLimits,
    step::StepOutput,
    worker::{StepError, Worker},
};

/// The sub-goals of the goal, and the first actions of the first two.
const SUB_GOALS: u128 = 1_000;
const ACTIONS: u128 = 2_000;
const BATCHES: [Uuid; 2] = [Uuid::from_u128(0xba7c), Uuid::from_u128(0xba7d)];

/// It stands still, and counts its ids.
struct FixedClock(AtomicU64);

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        at(10)
    }

    fn new_id(&self) -> Uuid {
        uuid(0xf000 + u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }
}

/// As the role of the functions.
async fn worker(options: &PgConnectOptions) -> Worker<Chart> {
    let options = as_role(options, Access::Work).await;
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .build();
    let models = ModelConfig { ids: vec!["none".into()], timeout: Duration::from_secs(1) };
    let nothing = |_: &str| None;
    Worker {
        store: Store::new(Database::new(Credentials::Given(Box::new(options)))),
        models: Models::new(&config, &models),
        workflow: Workflow::new(&config, "arn:aws:states:us-east-1:0:stateMachine:none".into()),
        terms: plenty(),
        limits: WorkLimits::read(Environment::new(&nothing), ChartType::NAMES).unwrap(),
        clock: Box::new(FixedClock(AtomicU64::new(0))),
        metrics: Metrics::new("", |_| {}),
        kind: PhantomData,
    }
}

async fn handle(worker: &Worker<Chart>, payload: Value) -> Result<StepOutput, StepError> {
    worker.handle(Invocation { payload, deadline: at(10) + TimeDelta::seconds(300) }).await
}

/// What a batch is asked for, and what the state machine asks for once it no longer tries it.
fn batch(number: usize) -> Value {
    json!({"processId": id(2), "batchId": BATCHES[number]})
}

fn give_up(number: usize) -> Value {
    let caught = json!({"Error": "AI_ERROR", "Cause": null});
    json!({"processId": id(2), "batchId": BATCHES[number], "giveUp": caught})
}

/// A chart with actions under its first two sub-goals; process 2, which retries what an earlier one
/// left open of it, is planned in two batches.
async fn begun(options: PgConnectOptions, batches: [(i16, Vec<u128>); 2]) -> (Fixture, [Fence; 2]) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let only = batches.iter().flat_map(|(_, numbers)| numbers.iter().copied().map(uuid)).collect();
    for n in 0..2 {
        for position in 0..8_u128 {
            let (action, parent) = (uuid(ACTIONS + 10 * n + position), uuid(SUB_GOALS + n));
            fixture
                .sql(&format!(
                    "INSERT INTO actions (
                         id, sub_goal_id, position, title, description, background, type
                     )
                     VALUES ('{action}', '{parent}', {position}, 'a', 'd', 'b', 'HABIT')"
                ))
                .await;
        }
    }
    let goal = shared::chart::GoalParams { replace: true, ..goal() };
    let params = Params::Chart(ChartParams { goal, depth: Level::Tasks, only: Some(only) });
    let submitted = fixture.submit(&Submission { params, ..submission(2, "hanako") }).await;
    assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
    let claim = fixture.store.claim(id(2), None, at(1)).await.unwrap();
    assert!(matches!(claim, Claim::Claimed { .. }), "{claim:?}");
    let plan = |(weight, numbers): &(i16, Vec<u128>)| -> Vec<PlannedTarget> {
        let target = |number: &u128| PlannedTarget { id: uuid(*number), weight: *weight };
        numbers.iter().map(target).collect()
    };
    let total = batches.iter().flat_map(plan).map(|target| target.weight).sum();
    let planned = BATCHES.into_iter().zip(batches.iter().map(plan));
    let planned: Vec<_> = planned.map(PlannedBatch::from).collect();
    assert!(fixture.store.plan_batches(id(2), 1, total, &planned, at(1)).await.unwrap());
    let fences = [claim_batch(&fixture, 0).await, claim_batch(&fixture, 1).await];
    (fixture, fences)
}

async fn claim_batch(fixture: &Fixture, number: usize) -> Fence {
    match fixture.store.claim_batch(id(2), BATCHES[number], at(2)).await.unwrap() {
        BatchClaim::Claimed { fence, .. } => fence,
        other => panic!("{other:?}"),
    }
}

async fn stage(fixture: &Fixture, fence: Fence, target: u128, rows: &shared::chart::Rows) {
    let staging =
        Staging { target_id: uuid(target), output: Ok(rows), settles: 1, usage: &usage() };
    assert!(fixture.store.stage(id(2), fence, &staging, at(3)).await.unwrap().is_some());
}

async fn delete(fixture: &Fixture, table: &str, number: u128) {
    fixture.sql(&format!("DELETE FROM {table} WHERE id = '{}'", uuid(number))).await;
}

fn failed_codes(result: &Value) -> Vec<(Value, Value)> {
    let failed = result["failedTargets"].as_array().unwrap();
    failed.iter().map(|target| (target["targetId"].clone(), target["code"].clone())).collect()
}

/// A2: an operator's direct invocation is the same.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn generate_once_more_answers_the_plan_there_is(_: PgPoolOptions, options: PgConnectOptions) {
    let worker = worker(&options).await;
    let batches = [(1, vec![ACTIONS]), (1, vec![ACTIONS + 1])];
    let (fixture, _) = begun(options, batches).await;
    let before = fixture.everything().await;
    for _ in 0..2 {
        let output = handle(&worker, json!({"processId": id(2)})).await.unwrap();
        assert_eq!(output, StepOutput::planned(id(2), BATCHES.to_vec()));
    }
    assert_eq!(fixture.everything().await, before);
}

/// A3: the only target of a batch is an action that has gone.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_target_that_has_gone_settles_itself_and_no_other(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let worker = worker(&options).await;
    let (eight, ninth) = ((ACTIONS..ACTIONS + 8).collect(), ACTIONS + 10);
    let (fixture, fences) = begun(options, [(1, eight), (1, vec![ninth])]).await;
    delete(&fixture, "actions", ninth).await;
    stage(&fixture, fences[0], ACTIONS, &tasks(5_000)).await;
    let output = handle(&worker, batch(1)).await.unwrap();
    assert_eq!(output, StepOutput::ended(id(2), Status::Processing));
    for n in 1..8 {
        stage(&fixture, fences[0], ACTIONS + n, &tasks(5_000 + n)).await;
    }
    let output = handle(&worker, batch(0)).await.unwrap();
    assert_eq!(output, StepOutput::ended(id(2), Status::Completed));
    let result = fixture.process(2).await.result.unwrap();
    assert_eq!(fixture.count("tasks").await, 8);
    assert_eq!(failed_codes(&result), [(json!(uuid(ninth)), json!("TARGET_NOT_FOUND"))]);
}

/// A4: by the next attempt at its batch, and by giving the batch up.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_is_open_below_a_target_that_has_gone_is_settled(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    for ask in [batch, give_up] {
        let worker = worker(&options).await;
        let batches = [(9, vec![SUB_GOALS]), (9, vec![SUB_GOALS + 1])];
        let (fixture, fences) = begun(options.clone(), batches).await;
        for (n, fence) in (0..).zip(fences) {
            let first = 3_000 + 10 * n;
            stage(&fixture, fence, SUB_GOALS + n, &actions(first)).await;
            for action in first..first + 7 + n {
                stage(&fixture, fence, action, &tasks(action + 5_000)).await;
            }
        }
        delete(&fixture, "sub_goals", SUB_GOALS).await;
        let output = handle(&worker, ask(0)).await.unwrap();
        assert_eq!(output, StepOutput::ended(id(2), Status::Completed));
        let result = fixture.process(2).await.result.unwrap();
        assert_eq!((fixture.count("actions").await, fixture.count("tasks").await), (8, 8));
        assert_eq!(failed_codes(&result), [(json!(uuid(SUB_GOALS)), json!("TARGET_NOT_FOUND"))]);
        fixture.sql("DELETE FROM goals; DELETE FROM processing_state").await;
    }
}

/// B4: a Batch that comes late, between the claim of giving up and what it settles.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn giving_up_claims_the_batch_again_when_a_late_message_has_overtaken_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let worker = worker(&options).await;
    let batches = [(1, vec![ACTIONS]), (1, vec![ACTIONS + 1])];
    let (fixture, fences) = begun(options, batches).await;
    stage(&fixture, fences[1], ACTIONS + 1, &tasks(5_000)).await;
    let mut gate = fixture.pool.begin().await.unwrap();
    let lock = "LOCK TABLE processing_output IN EXCLUSIVE MODE";
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *gate).await.unwrap();
    let late = async {
        fixture.until_waiting(1).await;
        claim_batch(&fixture, 0).await;
        gate.commit().await.unwrap();
    };
    let (output, ()) = tokio::join!(handle(&worker, give_up(0)), late);
    assert_eq!(output.unwrap(), StepOutput::ended(id(2), Status::Completed));
    let result = fixture.process(2).await.result.unwrap();
    assert_eq!(failed_codes(&result), [(json!(uuid(ACTIONS)), json!("AI_ERROR"))]);
}

/// B5: whoever is overtaken while it settles does not pass for done.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_overtaken_worker_that_settles_a_target_says_so(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let worker = worker(&options).await;
    let batches = [(1, vec![ACTIONS]), (1, vec![ACTIONS + 1])];
    let (fixture, _) = begun(options, batches).await;
    delete(&fixture, "actions", ACTIONS).await;
    let mut gate = fixture.pool.begin().await.unwrap();
    let lock = "LOCK TABLE processing_output IN EXCLUSIVE MODE";
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *gate).await.unwrap();
    let late = async {
        fixture.until_waiting(1).await;
        claim_batch(&fixture, 0).await;
        gate.commit().await.unwrap();
    };
    let (output, ()) = tokio::join!(handle(&worker, batch(0)), late);
    assert!(matches!(output, Err(StepError::Overtaken)), "{output:?}");
}

/// A10: a retry of what was left open writes what is open still. Nothing is asked before.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_retry_plans_only_what_is_open_still(_: PgPoolOptions, options: PgConnectOptions) {
    let worker = worker(&options).await;
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let only = Some((0..3).map(|n| uuid(SUB_GOALS + n)).collect());
    let params = Params::Chart(ChartParams { goal: goal(), depth: Level::Actions, only });
    let submitted = fixture.submit(&Submission { params, ..submission(2, "hanako") }).await;
    assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
    fixture
        .sql(&format!(
            "DELETE FROM sub_goals WHERE id = '{}';
             INSERT INTO actions (
                 id, sub_goal_id, position, title, description, background, type
             )
             VALUES (gen_random_uuid(), '{}', 0, 'a', 'd', 'b', 'HABIT')",
            uuid(SUB_GOALS),
            uuid(SUB_GOALS + 1),
        ))
        .await;
    let output = handle(&worker, json!({"processId": id(2)})).await.unwrap();
    assert_eq!(output, StepOutput::planned(id(2), vec![uuid(0xf000)]));
    let planned: Vec<Vec<Uuid>> = sqlx::query_scalar("SELECT target_ids FROM processing_batch")
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(planned, [[uuid(SUB_GOALS + 2)]]);
}
