//! What the reconciler reads: every scan by an index.

use chrono::{DateTime, TimeDelta, Utc};
use shared::store::{Point, Repaired};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, id};
use uuid::Uuid;

#[sqlx::test(migrations = "../infra/migrations")]
async fn pages_of_active_processes_follow_each_other_without_gap_or_overlap(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    many(&fixture).await;
    let mut point = Point::START;
    let mut seen = Vec::new();
    loop {
        let page = fixture.store.active_page(point, at(1_000_000), 7).await.unwrap();
        let Some(last) = page.last() else { break };
        point = Point { created_at: last.created_at, id: last.id };
        seen.extend(page.iter().map(|row| (row.created_at, row.id.0)));
    }
    let expected: Vec<(DateTime<Utc>, Uuid)> = sqlx::query_as(
        "SELECT created_at, id
             FROM processing_state
             WHERE status IN ('PENDING', 'PROCESSING')
             ORDER BY 1, 2",
    )
    .fetch_all(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(seen, expected);
    assert_eq!(
        fixture.store.active_page(Point::START, at(-1), 7).await.unwrap(),
        [],
        "nothing that came later"
    );
}

/// Twenty thousand processes, of which a hundred are active (ten at a time) and a few are broken.
async fn many(fixture: &Fixture) {
    fixture
        .sql(&format!(
            "INSERT INTO processing_state (
                 id, user_id, type, status, target_id, params, progress, result, attempt,
                 created_at, updated_at, completed_at
             )
             SELECT gen_random_uuid(), 'u',
                    CASE WHEN n % 3 = 0 THEN 'CHART_GENERATION' ELSE 'SUBGOAL_GENERATION' END,
                    CASE WHEN n % 200 = 0 THEN 'PROCESSING'
                         WHEN n % 20 = 7 THEN 'FAILED'
                         ELSE 'COMPLETED' END,
                    gen_random_uuid(), '{{}}',
                    CASE WHEN n % 200 = 0 THEN 50
                         WHEN n = 1 THEN 130
                         WHEN n % 20 = 7 THEN 0
                         ELSE 100 END,
                    '{{}}', 1, t, t,
                    CASE WHEN n % 200 = 0 OR n = 2 THEN NULL ELSE t END
             FROM generate_series(1, 20000) n,
                  LATERAL (
                      SELECT '{0}'::timestamptz + make_interval(secs => n / 2000) AS t
                  ) times;
             INSERT INTO request_batch (id, user_id, fingerprint, results, created_at)
             SELECT gen_random_uuid(), 'u', sha256('x'), '[]',
                    '{0}'::timestamptz + make_interval(secs => n)
             FROM generate_series(1, 4000) n;
             UPDATE processing_state process
             SET request_batch_id = batch.id, request_index = 0
             FROM (
                 SELECT id, row_number() OVER (ORDER BY id) AS n FROM processing_state
             ) place
             JOIN (
                 SELECT id, row_number() OVER (ORDER BY created_at) * 5 AS n FROM request_batch
             ) batch USING (n)
             WHERE process.id = place.id;
             ANALYZE processing_state, request_batch",
            at(0).to_rfc3339()
        ))
        .await;
}

/// The plan of the very statement that the store runs, prepared as the driver prepares it, for
/// whatever values.
async fn explain(fixture: &Fixture, sql: &str, types: &str, values: &str) -> String {
    let mut connection = fixture.pool.acquire().await.unwrap();
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL")
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PREPARE scan{types} AS {sql}")))
        .execute(&mut *connection)
        .await
        .unwrap();
    let plan: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("EXPLAIN EXECUTE scan{values}")))
            .persistent(false)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    plan.join("\n")
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn no_scan_reads_the_whole_table(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    many(&fixture).await;
    let (nil, time) = (Uuid::nil(), (at(0) - TimeDelta::days(1)).to_rfc3339());
    for (sql, types, values, index) in [
        (
            include_str!("../../src/store/reconcile/active_page.sql"),
            "(timestamptz, uuid, timestamptz, bigint)",
            format!("('{time}', '{nil}', '{}', 500)", at(99).to_rfc3339()),
            "processing_state_active",
        ),
        (
            include_str!("../../src/store/reconcile/broken_progress_page.sql"),
            "(uuid, bigint)",
            format!("('{nil}', 500)"),
            "processing_state_broken_progress",
        ),
        (
            include_str!("../../src/store/reconcile/broken_completed_at_page.sql"),
            "(uuid, bigint)",
            format!("('{nil}', 500)"),
            "processing_state_broken_completed_at",
        ),
        (
            include_str!("../../src/store/reconcile/by_ids.sql"),
            "(uuid[])",
            format!("(ARRAY['{nil}'::uuid])"),
            "processing_state_pkey",
        ),
        (
            include_str!("../../src/store/reconcile/gauges.sql"),
            "(timestamptz)",
            format!("('{}')", at(99).to_rfc3339()),
            "processing_state_ended_badly",
        ),
        (
            include_str!("../../src/store/reconcile/delete_ended.sql"),
            "(timestamptz)",
            format!("('{}')", at(99).to_rfc3339()),
            "processing_state_ended ",
        ),
        (
            include_str!("../../src/store/reconcile/count_ended.sql"),
            "(timestamptz)",
            format!("('{}')", at(99).to_rfc3339()),
            "processing_state_ended ",
        ),
        (
            include_str!("../../src/store/reconcile/delete_batches.sql"),
            "(timestamptz)",
            format!("('{}')", at(99).to_rfc3339()),
            "request_batch_created",
        ),
        (
            include_str!("../../src/store/export_page.sql"),
            "(uuid, uuid, timestamptz, timestamptz, text, text, text, int8, int8, int8, bool)",
            format!("('{nil}', '{nil}', NULL, NULL, NULL, NULL, NULL, 500, 100, 1000, true)"),
            "processing_event_process",
        ),
    ] {
        let plan = explain(&fixture, sql, types, &values).await;
        assert!(!plan.contains("Seq Scan on processing_state"), "{plan}");
        assert!(plan.contains(index), "{index} in:\n{plan}");
    }
    let gauges = fixture.store.gauges(at(5)).await.unwrap();
    let counted: (i64, i64) = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT count(*) FILTER (WHERE status IN ('FAILED', 'TIMEOUT')),
                count(*) FILTER (WHERE status = 'COMPLETED')
         FROM processing_state
         WHERE completed_at > '{}'",
        at(5).to_rfc3339()
    )))
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    assert_eq!((gauges.waiting, gauges.ended_badly, gauges.ended_well), (0, counted.0, counted.1));
    assert!(counted.0 > 0 && counted.1 > 0);
}

// R16: a look for leftovers costs by the processes that have any, not by their rows.
#[sqlx::test(migrations = "../infra/migrations")]
async fn leftovers_are_found_by_index_steps(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    many(&fixture).await;
    fixture
        .sql(
            "INSERT INTO processing_output (process_id, target_id, payload)
             SELECT id, gen_random_uuid(), '{}'
             FROM (SELECT id FROM processing_state WHERE status = 'PROCESSING') active,
                  generate_series(1, 60);
             INSERT INTO processing_batch (id, process_id, process_attempt, target_ids)
             SELECT gen_random_uuid(), id, 1, '{}'
             FROM (SELECT id FROM processing_state WHERE status = 'PROCESSING') active,
                  generate_series(1, 10);
             INSERT INTO processing_output (process_id, target_id, payload)
             SELECT id, id, '{}' FROM processing_state WHERE status = 'FAILED' LIMIT 3;
             INSERT INTO processing_batch (id, process_id, process_attempt, target_ids)
             SELECT gen_random_uuid(), id, 1, '{}'
             FROM processing_state WHERE status = 'COMPLETED' LIMIT 2;
             ANALYZE processing_output, processing_batch",
        )
        .await;
    let sql = include_str!("../../src/store/reconcile/leftovers_page.sql");
    let plan = explain(&fixture, sql, "(uuid, bigint)", &format!("('{}', 500)", Uuid::nil())).await;
    assert!(!plan.contains("Seq Scan on processing"), "{plan}");
    assert!(plan.contains("processing_output_pkey"), "{plan}");
    assert!(plan.contains("processing_batch_process"), "{plan}");
    let (mut after, mut found, mut pages) = (id(0), Vec::new(), 0);
    loop {
        let page = fixture.store.leftovers_page(after, 7).await.unwrap();
        found.extend(page.leftovers);
        let Some(last) = page.last else { break };
        assert!(last > after);
        after = last;
        pages += 1;
    }
    let left: (i64, i64) =
        found.iter().fold((0, 0), |sum, left| (sum.0 + left.outputs, sum.1 + left.batches));
    assert_eq!((found.len(), left), (5, (3, 2)));
    assert_eq!(pages, 15, "105 processes, seven a page");
    for left in &found {
        assert_eq!(fixture.store.drop_leftovers(left, at(9)).await.unwrap(), Repaired::Done);
        assert_eq!(fixture.store.drop_leftovers(left, at(9)).await.unwrap(), Repaired::Moved);
    }
    assert_eq!(fixture.store.leftovers_page(id(0), 500).await.unwrap().leftovers, []);
    let kept = (fixture.count("processing_output").await, fixture.count("processing_batch").await);
    assert_eq!(kept, (6_000, 1_000), "what active processes need");
}
