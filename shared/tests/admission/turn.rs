//! The statement chooses as the pure function does.

use chrono::{DateTime, Utc};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use proptest::{prelude::*, strategy::ValueTree};
use shared::process::{
    Priority, UserId,
    admission::{InLine, next_in_line},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at};

use crate::kit::{admit, end, in_use, name, terms, waits};

/// What the tables say, as the pure function takes it.
async fn line(fixture: &Fixture) -> (Vec<InLine>, i32) {
    type Row = (String, DateTime<Utc>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT user_id, served_at,
                CASE WHEN waiting_normal > 0 THEN normal_since END,
                CASE WHEN waiting_low > 0 THEN low_since END
         FROM processing_queue",
    )
    .fetch_all(&fixture.pool)
    .await
    .unwrap();
    let used = in_use(fixture).await;
    let normals: i16 = sqlx::query_scalar("SELECT normals_in_turn FROM processing_capacity")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    let line = rows.into_iter().map(|(user, served_at, normal_since, low_since)| InLine {
        calls: used.get(&user).copied().unwrap_or_default(),
        user_id: UserId(user),
        served_at,
        normal_since,
        low_since,
    });
    (line.collect(), normals.into())
}

/// Whose the process is, and of which priority.
async fn told(fixture: &Fixture, process: uuid::Uuid) -> (String, String) {
    sqlx::query_as("SELECT user_id, priority FROM processing_state WHERE id = $1")
        .bind(process)
        .fetch_one(&fixture.pool)
        .await
        .unwrap()
}

/// What happens to the queue.
#[derive(Debug, Clone, Copy)]
enum Step {
    Comes { user: usize, low: bool, since: i64 },
    IsAdmitted,
    Ends { which: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..6_usize, any::<bool>(), 0..50_i64)
            .prop_map(|(user, low, since)| Step::Comes { user, low, since }),
        4 => Just(Step::IsAdmitted),
        2 => (0..64_usize).prop_map(|which| Step::Ends { which }),
    ];
    proptest::collection::vec(step, 40..80)
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn on_random_queues_the_statement_agrees_with_the_pure_function(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let seeded = Config { rng_seed: RngSeed::Fixed(10), ..Config::default() };
    let mut runner = TestRunner::new(seeded);
    let (all, per_user) = (12, 4);
    let mut admissions = 0;
    for _ in 0..12 {
        fixture.sql("DELETE FROM processing_state; DELETE FROM processing_queue").await;
        let mut running = Vec::new();
        let mut order = 0;
        for step in steps().new_tree(&mut runner).unwrap().current() {
            match step {
                Step::Comes { user, low, since } => {
                    let priority = if low { "low" } else { "normal" };
                    // Two never come at the same moment: the order of their ids is no rule.
                    order += 1;
                    let since = at(since) + chrono::TimeDelta::microseconds(order);
                    waits(&fixture, &name(user), priority, since).await;
                }
                Step::Ends { which } if !running.is_empty() => {
                    end(&fixture, running.swap_remove(which % running.len())).await;
                }
                Step::Ends { .. } => {}
                Step::IsAdmitted => {
                    let (line, normals) = line(&fixture).await;
                    let free = in_use(&fixture).await.values().sum::<i32>() < all;
                    let expected = next_in_line(&line, per_user, normals)
                        .filter(|_| free)
                        .map(|(user, priority)| (user.0.clone(), priority.as_str().to_owned()));
                    let admitted = admit(&fixture, &terms(all, per_user), 1).await;
                    let found = match admitted.first() {
                        Some(process) => Some(told(&fixture, process.0).await),
                        None => None,
                    };
                    assert_eq!(found, expected, "{line:#?}");
                    running.extend(admitted.iter().map(|process| process.0));
                    admissions += admitted.len();
                }
            }
        }
    }
    assert!(admissions > 100, "{admissions}");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_one_user_the_oldest_of_the_priority_is_admitted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (priority, since) in [("low", 1), ("normal", 9), ("normal", 5), ("low", 7)] {
        waits(&fixture, "hanako", priority, at(since)).await;
    }
    let mut order = Vec::new();
    for _ in 0..5 {
        for process in admit(&fixture, &terms(10, 10), 1).await {
            let (priority, since): (String, DateTime<Utc>) =
                sqlx::query_as("SELECT priority, created_at FROM processing_state WHERE id = $1")
                    .bind(process.0)
                    .fetch_one(&fixture.pool)
                    .await
                    .unwrap();
            order.push((priority, (since - at(0)).num_seconds()));
        }
    }
    let expected = [("normal", 5), ("normal", 9), ("low", 1), ("low", 7)];
    assert_eq!(order, expected.map(|(priority, since)| (priority.to_owned(), since)));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn one_in_eight_is_low_while_normal_ones_wait(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    for n in 0..20 {
        waits(&fixture, "busy", "normal", at(n)).await;
        waits(&fixture, "patient", "low", at(n)).await;
    }
    let mut priorities = Vec::new();
    for _ in 0..24 {
        let admitted = admit(&fixture, &terms(100, 100), 1).await;
        let (_, priority) = told(&fixture, admitted[0].0).await;
        priorities.push(priority.parse::<Priority>().unwrap());
    }
    let is_low = |(n, priority): (usize, &Priority)| (*priority == Priority::Low).then_some(n);
    let low: Vec<usize> = (1..).zip(&priorities).filter_map(is_low).collect();
    assert_eq!(&low[..2], [8, 16]);
}
