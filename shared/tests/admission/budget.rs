//! How many may wait, and budgets of tokens.

use shared::{
    chart::{ChartParams, Level, Params},
    process::{Actor, Ending, ErrorCode, ProcessError, Terms},
    store::{Submission, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal, goal_numbered, id, submission};

use crate::kit::terms;

fn numbered(number: u128, user: &str, terms: Terms) -> Submission<shared::chart::Chart> {
    Submission {
        params: Params::SubGoals(goal_numbered(number)),
        terms,
        ..submission(number, user)
    }
}

async fn used(fixture: &Fixture, user: &str) -> i64 {
    sqlx::query_scalar("SELECT COALESCE(sum(tokens), 0)::bigint FROM token_use WHERE user_id = $1")
        .bind(user)
        .fetch_one(&fixture.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn one_more_than_may_wait_is_refused_and_others_are_not(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = Terms { most_waiting: 2, ..terms(1, 1) };
    let mut outcomes = Vec::new();
    for number in 1..=4 {
        outcomes.push(fixture.submit(&numbered(number, "hanako", terms)).await);
    }
    let admitted: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Submitted::Accepted { admitted, .. } => *admitted,
            _ => None,
        })
        .collect();
    assert_eq!(admitted[..3], [Some(true), Some(false), Some(false)]);
    assert_eq!(outcomes[3], Submitted::TooManyWaiting);
    let taro = fixture.submit(&numbered(9, "taro", terms)).await;
    assert!(matches!(taro, Submitted::Accepted { .. }), "{taro:?}");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_budget_is_taken_by_plan_and_corrected_by_what_was_used(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = Terms { tokens_per_user: 5_000, ..terms(9, 9) };
    fixture.submit(&numbered(1, "hanako", terms)).await;
    fixture.submit(&numbered(2, "hanako", terms)).await;
    assert_eq!(used(&fixture, "hanako").await, 4_000);
    let third = fixture.submit(&numbered(3, "hanako", terms)).await;
    assert_eq!(third, Submitted::OverBudget { left: 1_000, planned: 2_000 });
    // One fails: its calls are taken as made. The other completes, and tells.
    let error = Ending::Failed(ProcessError::new(ErrorCode::AiError, "test"));
    fixture.store.end(id(1), &error, Actor::Worker, at(2)).await.unwrap();
    fixture
        .sql(&format!(
            r#"UPDATE processing_state
               SET status = 'COMPLETED', progress = 100, completed_at = now(),
                   result = '{{"usage": [{{"inputTokens": 300, "outputTokens": 200}},
                                        {{"inputTokens": 90, "cacheReadInputTokens": 10}}]}}'
               WHERE id = '{}'"#,
            id(2)
        ))
        .await;
    assert_eq!(used(&fixture, "hanako").await, 2_600);
    assert_eq!(used(&fixture, "").await, 2_600, "all users together");
    let third = fixture.submit(&numbered(3, "hanako", terms)).await;
    assert!(matches!(third, Submitted::Accepted { .. }), "{third:?}");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_budget_of_all_is_the_brake_for_each(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let terms = Terms { tokens: 100_000, ..terms(9, 9) };
    let chart = Submission {
        params: Params::Chart(ChartParams { goal: goal(), depth: Level::Tasks, only: None }),
        ..numbered(1, "hanako", terms)
    };
    assert_eq!(
        fixture.submit(&chart).await,
        Submitted::OverBudget { left: 100_000, planned: 146_000 }
    );
    for number in 2..=51 {
        let user = format!("user-{number}");
        let submitted = fixture.submit(&numbered(number, &user, terms)).await;
        assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
    }
    let late = fixture.submit(&numbered(60, "late", terms)).await;
    assert_eq!(late, Submitted::OverBudget { left: 0, planned: 2_000 });
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_was_cancelled_while_it_waited_has_used_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = Terms { tokens_per_user: 50_000, ..terms(1, 1) };
    for number in [1, 2] {
        fixture.submit(&numbered(number, "hanako", terms)).await;
        fixture.store.cancel(id(number), None, None, Actor::User, at(2)).await.unwrap();
        if number == 1 {
            // Ended while it had its share: it is taken at its plan. The next one has to wait.
            fixture
                .sql("INSERT INTO processing_capacity DEFAULT VALUES ON CONFLICT DO NOTHING")
                .await;
            fixture.sql("UPDATE processing_capacity SET paused_at = now(), paused_by = 'x'").await;
        }
    }
    assert_eq!(used(&fixture, "hanako").await, 2_000);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn without_a_budget_nothing_is_counted(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.submit(&numbered(1, "hanako", terms(9, 9))).await;
    assert_eq!(fixture.count("token_use").await, 0);
}
