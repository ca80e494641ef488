//! The app stores, deletes and refers to rows while a process completes.

use shared::{
    chart::{GoalParams, Params, Part, PartParams, Rows},
    process::{ErrorCode, Failure, Status},
    store::{Completion, Retry, Submission, Submitted},
};
use sqlx::{
    AssertSqlSafe,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::{Fixture, GOAL, actions, goal, id, part, sub_goals, tasks, uuid};

use crate::kit::*;

const ACTION: u128 = ACTIONS;

fn sub_goals_of_goal(replace: bool) -> Params {
    Params::SubGoals(GoalParams { replace, ..goal() })
}

fn tasks_of_action(replace: bool) -> Params {
    Params::Tasks(PartParams { replace, ..part(Part::ActionId(uuid(ACTION))) })
}

/// Completes process 2 while the app has run `sql`, whose end `complete` has to wait for.
async fn complete_while(
    fixture: &Fixture,
    options: &PgConnectOptions,
    sql: &str,
    params: Params,
    (target, rows): (u128, Rows),
    then: Option<&str>,
) -> Result<Completion, Failure> {
    accepted(fixture, &wanting(2, params.clone())).await;
    claimed(fixture, 2).await;
    let mut app = hold_by(fixture, sql).await;
    let store = rival(options);
    let completing = tokio::spawn(async move { complete(&store, 2, &params, target, rows).await });
    fixture.until_waiting(1).await;
    if let Some(then) = then {
        sqlx::raw_sql(AssertSqlSafe(then.to_owned())).execute(&mut *app).await.unwrap();
    }
    app.commit().await.unwrap();
    completing.await.unwrap()
}

/// Who stored the children that are there now; the app is nobody.
async fn owners(fixture: &Fixture, table: &str) -> Vec<(Option<uuid::Uuid>, i64)> {
    let sql = format!("SELECT process_id, count(*) FROM {table} GROUP BY 1 ORDER BY 1");
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&fixture.pool).await.unwrap()
}

/// A5 a: processes on overlapping targets complete at once. (Since A7 only a hand can make such.)
#[sqlx::test(migrations = "../infra/migrations")]
async fn of_two_that_replace_the_same_at_once_the_later_replaces_the_earlier(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options.clone()).await;
    add_actions(&fixture, 0).await;
    let replacing = |of| Params::Actions(PartParams { replace: true, ..part(of) });
    let params = [replacing(Part::SubGoalId(uuid(SUB_GOALS))), replacing(Part::GoalId(uuid(GOAL)))];
    for (number, params) in (2..).zip(&params) {
        accepted(&fixture, &wanting(number, params.clone())).await;
        claimed(&fixture, number).await;
        fixture.sql("UPDATE processing_state SET goal_id = NULL").await;
    }
    let lock = format!("SELECT FROM sub_goals WHERE id = '{}' FOR UPDATE", uuid(SUB_GOALS));
    let holder = hold_by(&fixture, &lock).await;
    let mut completing = Vec::new();
    for (number, params) in (2..).zip(params) {
        let store = rival(&options);
        completing.push(tokio::spawn(async move {
            complete(&store, number, &params, SUB_GOALS, actions(number * 10_000)).await
        }));
        fixture.until_waiting(i64::try_from(number).unwrap() - 1).await;
    }
    holder.commit().await.unwrap();
    for completed in completing {
        assert_eq!(completed.await.unwrap(), Ok(Completion::Completed));
    }
    assert_eq!(owners(&fixture, "actions").await, [(Some(id(3).0), 8)]);
}

/// A5 b: the app stores a goal and its sub-goals in one transaction.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_the_app_stores_while_it_completes_gives_way_if_replace_was_asked_for(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    for (replace, expected, owner, count) in [
        (true, Completion::Completed, Some(id(2).0), 8),
        (false, Completion::TargetNotEmpty, None, 2),
    ] {
        let fixture = Fixture::new(options.clone()).await;
        let stored = insert_goal() + &insert_sub_goal(0) + &insert_sub_goal(5);
        let params = sub_goals_of_goal(replace);
        let written = (GOAL, sub_goals(SUB_GOALS));
        let completed = complete_while(&fixture, &options, &stored, params, written, None).await;
        assert_eq!(completed, Ok(expected));
        assert_eq!(owners(&fixture, "sub_goals").await, [(owner, count)]);
        fixture.sql("DELETE FROM goals; DELETE FROM processing_state").await;
    }
}

/// A6: at a position where nothing of the answer stands.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_came_at_a_free_position_is_not_mixed_with_what_is_generated(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = with_sub_goals(options).await;
    add_actions(&fixture, 0).await;
    accepted(&fixture, &wanting(2, tasks_of_action(false))).await;
    claimed(&fixture, 2).await;
    fixture.sql(&insert_task(ACTION, 7)).await;
    let params = tasks_of_action(false);
    let completed = complete(&fixture.store, 2, &params, ACTION, tasks(9_000)).await;
    assert_eq!(completed, Ok(Completion::TargetNotEmpty));
    assert_eq!(owners(&fixture, "tasks").await, [(None, 1)]);
}

/// A5, A6: the same while the statement runs, so that its own look is too old.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_comes_at_a_free_position_while_it_completes_is_seen(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    for (replace, expected, owner) in
        [(false, Completion::TargetNotEmpty, None), (true, Completion::Completed, Some(id(2).0))]
    {
        let fixture = with_sub_goals(options.clone()).await;
        add_actions(&fixture, 0).await;
        let stored = insert_task(ACTION, 7);
        let params = tasks_of_action(replace);
        let written = (ACTION, tasks(9_000));
        let completed = complete_while(&fixture, &options, &stored, params, written, None).await;
        assert_eq!(completed, Ok(expected));
        assert_eq!(owners(&fixture, "tasks").await, [(owner, 1)]);
        fixture.sql("DELETE FROM goals; DELETE FROM processing_state").await;
    }
}

/// A18: the app goes on with its transaction while the process waits for it.
#[sqlx::test(migrations = "../infra/migrations")]
async fn an_app_that_stores_more_while_it_is_waited_for_meets_no_deadlock(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    fixture.sql(&insert_goal()).await;
    let (first, second) = (insert_sub_goal(0), insert_sub_goal(1));
    let params = sub_goals_of_goal(false);
    let written = (GOAL, sub_goals(SUB_GOALS));
    let completed =
        complete_while(&fixture, &options, &first, params, written, Some(&second)).await;
    assert_eq!(completed, Ok(Completion::TargetNotEmpty));
    assert_eq!(owners(&fixture, "sub_goals").await, [(None, 2)]);
}

/// A18: what is certain to be refused is not written first.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_goal_that_has_sub_goals_by_now_is_found_occupied(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let params = sub_goals_of_goal(false);
    let occupied = async || {
        let user = test_kit::user("hanako");
        let roots = fixture.store.find_roots::<shared::chart::Chart>(&user, &params).await;
        roots.unwrap()[0].occupied
    };
    assert!(!occupied().await);
    fixture.sql(&(insert_goal() + &insert_sub_goal(3))).await;
    assert!(occupied().await);
}

/// A11.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_goal_that_the_app_deleted_does_not_come_back(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    fixture.sql(&insert_goal()).await;
    let deletion = delete("goals", GOAL);
    let written = (GOAL, sub_goals(SUB_GOALS));
    let params = sub_goals_of_goal(false);
    // While it completes, and then again afterwards.
    let completed = complete_while(&fixture, &options, &deletion, params, written, None).await;
    assert_eq!(completed, Ok(Completion::TargetNotFound));
    let params = sub_goals_of_goal(false);
    let completed = complete(&fixture.store, 2, &params, GOAL, sub_goals(SUB_GOALS)).await;
    assert_eq!(completed, Ok(Completion::TargetNotFound));
    assert_eq!((fixture.count("goals").await, fixture.count("sub_goals").await), (0, 0));

    fixture.sql("UPDATE processing_state SET status = 'FAILED'").await;
    let retry = Submission {
        retry: Some(Retry { of: id(2), count: 1, note: None }),
        ..wanting(3, sub_goals_of_goal(false))
    };
    assert_eq!(fixture.submit(&retry).await, Submitted::TargetNotFound);
    // Whoever asks for it anew wants it.
    accepted(&fixture, &wanting(4, sub_goals_of_goal(false))).await;
    claimed(&fixture, 4).await;
    assert_eq!(fixture.complete(4, 1, &goal()).await, Completion::Completed);
    assert_eq!(fixture.process(4).await.summary.status, Status::Completed);
}

/// B8.
#[sqlx::test(migrations = "../infra/migrations")]
async fn rows_of_the_app_that_hold_what_is_to_be_replaced_are_named_as_the_cause(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    for rule in ["NO ACTION", "RESTRICT"] {
        let fixture = with_sub_goals(options.clone()).await;
        fixture
            .sql(&format!(
                "CREATE TABLE note (sub_goal_id uuid REFERENCES sub_goals (id) ON DELETE {rule});
                 INSERT INTO note VALUES ('{}')",
                uuid(SUB_GOALS)
            ))
            .await;
        accepted(&fixture, &wanting(2, sub_goals_of_goal(true))).await;
        claimed(&fixture, 2).await;
        let before = fixture.everything().await;
        let params = sub_goals_of_goal(true);
        let completed = complete(&fixture.store, 2, &params, GOAL, sub_goals(9_000)).await;
        let failure = completed.unwrap_err();
        assert_eq!(failure.code, ErrorCode::DatabaseConstraintViolation, "{rule}: {failure:?}");
        assert!(failure.cause.contains("table note"), "{rule}: {failure:?}");
        assert_eq!(fixture.everything().await, before);
        fixture.sql("DROP TABLE note; DELETE FROM goals; DELETE FROM processing_state").await;
    }
}
