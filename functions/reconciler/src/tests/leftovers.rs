//! What ended processes have left (R16, protocol A12).

use shared::reconcile::Rule;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::{Fixture, ago, count, id};

/// Process `number` in `status`, with an output and a batch.
async fn with_leftovers(fixture: &Fixture, number: u128, status: &str) {
    fixture.row(number, status, "").await;
    fixture
        .sql(&format!(
            "INSERT INTO processing_output (process_id, target_id, payload)
             VALUES ('{0}', gen_random_uuid(), '{{}}'), ('{0}', gen_random_uuid(), '{{}}');
             INSERT INTO processing_batch (id, process_id, process_attempt, target_ids)
             VALUES (gen_random_uuid(), '{0}', 1, '{{}}')",
            id(number)
        ))
        .await;
}

async fn rows(fixture: &Fixture) -> (i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM processing_output), (SELECT count(*) FROM processing_batch)",
    )
    .fetch_one(&fixture.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_ended_processes_have_left_is_deleted_and_what_active_ones_need_is_kept(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let ended = ["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"];
    for (number, status) in (1..).zip(ended) {
        with_leftovers(&fixture, number, status).await;
    }
    with_leftovers(&fixture, 5, "PROCESSING").await;
    fixture.double.execution(id(5), "RUNNING", ago(600));
    let before = fixture.everything().await;
    let dry = fixture.sweep_until(true, fixture.far()).await;
    assert_eq!((count(&dry, Rule::R16), dry.drift, dry.repaired), (4, 4, 0));
    assert_eq!(fixture.everything().await, before);

    let report = fixture.sweep().await;
    assert_eq!((count(&report, Rule::R16), report.repaired, report.failed), (4, 4, 0));
    assert_eq!(rows(&fixture).await, (2, 1), "those of the active one");
    let finding = &report.actions[0];
    assert_eq!(
        (finding.from.as_str(), finding.to.as_str()),
        ("outputs: 2, batches: 1", "outputs: 0, batches: 0")
    );
    for number in 1..=4 {
        let history = fixture.history(number).await;
        assert_eq!(history, [("repaired".into(), "reconciler".into(), Some("R16".into()))]);
    }
    assert_eq!(fixture.sweep().await.drift, 0);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn more_leftovers_than_a_page_holds_go_in_one_sweep(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "FAILED", "").await;
    fixture
        .sql(
            "INSERT INTO processing_state (
                 id, user_id, type, status, target_id, params, completed_at
             )
             SELECT gen_random_uuid(), 'u', 'CHART_GENERATION', 'CANCELLED', gen_random_uuid(),
                    '{}', now()
             FROM generate_series(1, 1200);
             INSERT INTO processing_output (process_id, target_id, payload)
             SELECT id, id, '{}' FROM processing_state WHERE status = 'CANCELLED'",
        )
        .await;
    assert_eq!(count(&fixture.sweep().await, Rule::R16), 1_200);
    assert_eq!(rows(&fixture).await, (0, 0));
}
