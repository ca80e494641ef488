//! What the reconciler reads and writes: every scan by an index, every repair only from what was
//! seen.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use shared::{
    process::{Ending, ErrorCode, EventKind, ProcessError, Status},
    reconcile::{CompletedAt, Mend, ProcessFacts, Rule},
    store::{EndingNote, Lease, Point, Repaired},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, id, uuid};
use uuid::Uuid;

async fn facts(fixture: &Fixture, number: u128) -> ProcessFacts {
    fixture.store.rows_of(&[id(number)]).await.unwrap().remove(0)
}

/// Ends the process of these facts as FAILED, because its execution has failed.
async fn fail(fixture: &Fixture, facts: &ProcessFacts) -> Repaired {
    let ending = Ending::Failed(ProcessError::new(ErrorCode::AiError, "test"));
    let note = EndingNote { rule: Rule::R5, kind: EventKind::Repaired, execution: "FAILED" };
    fixture.store.end_seen(facts, &ending, note, at(9)).await.unwrap()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repair_is_made_only_from_what_was_seen(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let mut number = 0;
    for seen in Status::ALL {
        for now in Status::ALL {
            number += 1;
            fixture.sql("DELETE FROM processing_state; DELETE FROM goals").await;
            fixture.in_status(number, *now).await;
            let row = ProcessFacts { status: *seen, ..facts(&fixture, number).await };
            let before = fixture.everything().await;
            let ended = fail(&fixture, &row).await;
            if seen == now && now.is_active() {
                assert_eq!(
                    (ended, fixture.process(number).await.summary.status),
                    (Repaired::Done, Status::Failed)
                );
                let (kind, from, to) = fixture.history(number).await.pop().unwrap();
                assert_eq!(
                    (kind.as_str(), from.as_deref(), to.as_deref()),
                    ("repaired", Some(now.as_str()), Some("FAILED"))
                );
            } else {
                assert_eq!(ended, Repaired::Moved, "seen {seen}, is {now}");
                assert_eq!(fixture.everything().await, before, "seen {seen}, is {now}");
            }
        }
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repair_for_an_older_attempt_changes_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    let row = facts(&fixture, 1).await;
    fixture.store.claim(id(1), None, at(5)).await.unwrap();
    let before = fixture.everything().await;
    assert_eq!(fail(&fixture, &row).await, Repaired::Moved);
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn only_a_stored_result_completes_a_process(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    assert!(!facts(&fixture, 1).await.result_ready);
    assert_eq!(
        fixture.store.complete_from_stored(&facts(&fixture, 1).await, at(9)).await.unwrap(),
        Repaired::Moved
    );
    fixture.sql("UPDATE processing_state SET result = '{}'").await;
    assert!(facts(&fixture, 1).await.result_ready);
    assert_eq!(
        fixture.store.complete_from_stored(&facts(&fixture, 1).await, at(9)).await.unwrap(),
        Repaired::Done
    );
    let process = fixture.process(1).await.summary;
    assert_eq!(
        (process.status, process.progress, process.completed_at),
        (Status::Completed, 100, Some(at(9)))
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_mend_leaves_what_a_worker_has_written_meanwhile(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    fixture.sql("UPDATE processing_state SET progress = -5").await;
    let row = facts(&fixture, 1).await;
    assert!(fixture.store.raise_progress(id(1), 1, 50, at(4)).await.unwrap());
    assert_eq!(
        fixture.store.mend(&row, Rule::R12, Mend::Progress(0), at(9)).await.unwrap(),
        Repaired::Moved
    );
    assert_eq!(fixture.process(1).await.summary.progress, 50);
    fixture.sql("UPDATE processing_state SET completed_at = now()").await;
    let updated_at = fixture.process(1).await.summary.updated_at;
    let mend = Mend::CompletedAt(CompletedAt::Clear);
    assert_eq!(
        fixture.store.mend(&facts(&fixture, 1).await, Rule::R14, mend, at(9)).await.unwrap(),
        Repaired::Done
    );
    let process = fixture.process(1).await.summary;
    assert_eq!((process.completed_at, process.updated_at), (None, updated_at));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_was_ended_by_hand_is_told_from_what_the_product_ended(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (number, status) in
        [(1, Status::Completed), (2, Status::Failed), (3, Status::Timeout), (4, Status::Cancelled)]
    {
        fixture.sql("DELETE FROM goals").await;
        fixture.in_status(number, status).await;
        assert!(!facts(&fixture, number).await.ended_by_hand, "{status}");
    }
    for (number, changes) in [
        (1, "result = NULL"),
        (2, r#"error = '{"code":"MANUAL_INTERVENTION","message":"stuck"}'"#),
        (3, "error = NULL"),
    ] {
        fixture
            .sql(&format!("UPDATE processing_state SET {changes} WHERE id = '{}'", id(number)))
            .await;
        assert!(facts(&fixture, number).await.ended_by_hand, "{changes}");
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_start_is_tried_only_for_what_waits_and_each_try_counts(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Pending).await;
    for (try_number, seconds) in [(1, 10), (2, 20), (3, 30)] {
        assert_eq!(
            fixture.store.note_start_try(&facts(&fixture, 1).await, at(seconds)).await.unwrap(),
            Repaired::Done
        );
        let tries = facts(&fixture, 1).await.start_tries.unwrap();
        assert_eq!((tries.count, tries.first_at, tries.last_at), (try_number, at(10), at(seconds)));
    }
    let row = facts(&fixture, 1).await;
    fixture.store.note_started(&row, "arn", at(31)).await.unwrap();
    assert!(facts(&fixture, 1).await.has_arn);
    assert_eq!(fixture.store.note_start_try(&row, at(40)).await.unwrap(), Repaired::Moved);
    fixture.sql("DELETE FROM processing_state").await;
    assert_eq!(fixture.count("processing_start").await, 0);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_twenty_that_want_the_lease_one_gets_it(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options.clone()).await;
    let wishes = (1..=20).map(|number| {
        let options = options.clone();
        tokio::spawn(async move {
            Fixture::new(options).await.store.take_lease(uuid(number), at(0), at(60)).await.unwrap()
        })
    });
    let mut taken = 0;
    for wish in wishes.collect::<Vec<_>>() {
        match wish.await.unwrap() {
            Lease::Taken { .. } => taken += 1,
            Lease::Held { since, until } => assert_eq!((since, until), (at(0), at(60))),
        }
    }
    assert_eq!(taken, 1);
    // It is free again when its time is over, and what its old holder then wants is refused.
    let new = uuid(21);
    assert_eq!(
        fixture.store.take_lease(new, at(59), at(120)).await.unwrap(),
        Lease::Held { since: at(0), until: at(60) }
    );
    assert_eq!(
        fixture.store.take_lease(new, at(60), at(120)).await.unwrap(),
        Lease::Taken { resume: None }
    );
    for old in 1..=20 {
        assert!(!fixture.store.note_resume(uuid(old), Point::START).await.unwrap());
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_next_sweep_goes_on_where_the_last_came_to_unless_that_was_complete(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let point = Point { created_at: at(7), id: id(3) };
    for (complete, resume) in [(false, Some(point)), (true, None)] {
        let holder = uuid(1);
        assert!(matches!(
            fixture.store.take_lease(holder, at(0), at(60)).await.unwrap(),
            Lease::Taken { .. }
        ));
        assert!(fixture.store.note_resume(holder, point).await.unwrap());
        fixture.store.give_lease_back(holder, complete, &Value::Null, at(9)).await.unwrap();
        assert_eq!(
            fixture.store.take_lease(holder, at(10), at(60)).await.unwrap(),
            Lease::Taken { resume }
        );
        fixture.store.give_lease_back(holder, complete, &Value::Null, at(11)).await.unwrap();
    }
}

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
             ANALYZE processing_state",
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
