//! Who waits is counted by every hand, and healed when a count is wrong.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at};

use crate::kit::{admit, queue, terms, waits};

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_queue_follows_every_hand(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let mut processes = Vec::new();
    for n in 0..6 {
        let priority = if n % 2 == 0 { "normal" } else { "low" };
        processes.push(waits(&fixture, if n < 4 { "a" } else { "b" }, priority, at(n)).await);
    }
    for (n, change) in [
        "UPDATE processing_state SET status = 'CANCELLED' WHERE id = $",
        "DELETE FROM processing_state WHERE id = $",
        "UPDATE processing_state SET execution_arn = 'arn' WHERE id = $",
        "UPDATE processing_state SET priority = 'normal' WHERE id = $",
        "UPDATE processing_state SET user_id = 'c' WHERE id = $",
        "UPDATE processing_state SET status = 'FAILED' WHERE id = $",
    ]
    .into_iter()
    .enumerate()
    {
        fixture.sql(&change.replace('$', &format!("'{}'", processes[n]))).await;
        let (counted, real) = queue(&fixture).await;
        assert_eq!(counted, real, "{change}");
    }
    // Moved back by hand, it waits again.
    fixture
        .sql(&format!(
            "UPDATE processing_state SET status = 'PENDING' WHERE id = '{}'",
            processes[0]
        ))
        .await;
    let (counted, real) = queue(&fixture).await;
    assert_eq!(counted, real);
    assert_eq!(counted.len(), 2);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_count_that_a_hand_has_made_wrong_is_healed_and_stops_no_ending(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let process = waits(&fixture, "a", "normal", at(1)).await;
    waits(&fixture, "b", "normal", at(2)).await;
    fixture
        .sql(
            "UPDATE processing_queue SET waiting_normal = 0, normal_since = NULL
             WHERE user_id = 'a'",
        )
        .await;
    fixture.sql("DELETE FROM processing_queue WHERE user_id = 'b'").await;
    assert!(admit(&fixture, &terms(9, 9), 9).await.is_empty(), "nobody is seen to wait");
    assert_eq!(fixture.store.recount_queue().await.unwrap(), ["a", "b"]);
    assert!(fixture.store.recount_queue().await.unwrap().is_empty());
    fixture.sql("UPDATE processing_queue SET waiting_normal = 0 WHERE user_id = 'a'").await;
    fixture
        .sql(&format!("UPDATE processing_state SET status = 'CANCELLED' WHERE id = '{process}'"))
        .await;
    let (counted, real) = queue(&fixture).await;
    assert_eq!(counted, real);
    assert_eq!(admit(&fixture, &terms(9, 9), 9).await.len(), 1);
}
