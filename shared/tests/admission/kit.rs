//! Waiting processes, and what admission makes of them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, Utc};
use shared::process::{Actor, ProcessId, Terms};
use test_kit::{Fixture, at, uuid};
use uuid::Uuid;

/// Numbers of the processes, each used once.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Terms of so many calls, and so many of one user.
pub const fn terms(calls: i32, calls_per_user: i32) -> Terms {
    Terms { calls, calls_per_user, most_waiting: 500, tokens_per_user: 0, tokens: 0 }
}

/// The user `number`.
pub fn name(number: usize) -> String {
    format!("user-{number:02}")
}

/// A process of `user` that has waited since `since`.
pub async fn waits(fixture: &Fixture, user: &str, priority: &str, since: DateTime<Utc>) -> Uuid {
    let process = uuid(0xad00_0000 + u128::from(NEXT.fetch_add(1, Ordering::Relaxed)));
    sqlx::query(
        "INSERT INTO processing_state (
             id, user_id, type, target_id, params, priority, created_at, updated_at, admitted_at
         )
         VALUES ($1, $2, 'SUBGOAL_GENERATION', $1, '{}', $3, $4, $4, NULL)",
    )
    .bind(process)
    .bind(user)
    .bind(priority)
    .bind(since)
    .execute(&fixture.pool)
    .await
    .unwrap();
    process
}

/// Admits up to `most`, in one statement.
pub async fn admit(fixture: &Fixture, terms: &Terms, most: i32) -> Vec<ProcessId> {
    fixture.store.admit(terms, most, Actor::User, at(1_000)).await.unwrap()
}

/// Calls in flight, by user.
pub async fn in_use(fixture: &Fixture) -> BTreeMap<String, i32> {
    let rows: Vec<(String, i32)> = sqlx::query_as("SELECT user_id, calls FROM capacity_in_use()")
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
    rows.into_iter().filter(|(_, calls)| *calls > 0).collect()
}

/// Ends a process, as an operator does by hand.
pub async fn end(fixture: &Fixture, process: Uuid) {
    fixture
        .sql(&format!(
            r#"UPDATE processing_state
               SET status = 'FAILED', completed_at = now(),
                   error = '{{"code":"MANUAL_INTERVENTION","message":"x"}}'
               WHERE id = '{process}'"#
        ))
        .await;
}

/// The queue as it is counted, and as it is: who has how many waiting, normal and low.
pub async fn queue(fixture: &Fixture) -> (Vec<(String, i32, i32)>, Vec<(String, i32, i32)>) {
    let counted = sqlx::query_as(
        "SELECT user_id, waiting_normal, waiting_low
         FROM processing_queue
         WHERE waiting_normal > 0 OR waiting_low > 0
         ORDER BY user_id",
    );
    let real = sqlx::query_as(
        "SELECT user_id,
                (count(*) FILTER (WHERE priority = 'normal'))::integer,
                (count(*) FILTER (WHERE priority = 'low'))::integer
         FROM processing_state
         WHERE status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL
         GROUP BY user_id
         ORDER BY user_id",
    );
    (counted.fetch_all(&fixture.pool).await.unwrap(), real.fetch_all(&fixture.pool).await.unwrap())
}
