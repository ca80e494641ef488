//! Answers that are lost or late, and rows that move while they are settled.

use shared::reconcile::Rule;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{
    double::Fault,
    fixture::{Fixture, ago, claimed, count, id},
};

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_row_that_moved_meanwhile_is_left_and_counted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    fixture.double.execution(id(1), "FAILED", ago(600));
    fixture.double.meanwhile(
        "DescribeExecution",
        format!(
            "UPDATE processing_state
             SET status = 'COMPLETED', progress = 100, result = '{{}}', completed_at = now()
             WHERE id = '{}'",
            id(1)
        ),
    );
    let report = fixture.sweep().await;
    assert_eq!((report.moved, report.repaired, report.failed), (1, 0, 0));
    assert_eq!(
        (fixture.seen(1).await.status.as_str(), fixture.history(1).await.len()),
        ("COMPLETED", 0)
    );
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_newer_attempt_is_not_ended_for_the_older(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    fixture.double.execution(id(1), "FAILED", ago(600));
    fixture.double.meanwhile(
        "DescribeExecution",
        format!("UPDATE processing_state SET attempt = 2 WHERE id = '{}'", id(1)),
    );
    assert_eq!(fixture.sweep().await.moved, 1);
    assert_eq!(fixture.seen(1).await.status, "PROCESSING");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_start_whose_answer_is_lost_is_found_and_counts_as_started(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PENDING", "").await;
    fixture.double.fault("StartExecution", Fault::AnswerLost);
    let report = fixture.sweep().await;
    assert_eq!((report.repaired, report.failed), (1, 0));
    assert_eq!(
        (fixture.double.status(id(1)), fixture.seen(1).await.execution_arn.is_some()),
        (Some("RUNNING"), true)
    );
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn starts_that_fail_for_fifteen_minutes_end_the_process(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PENDING", "").await;
    for minute in [0, 5, 10] {
        fixture.double.fault("StartExecution", Fault::Refused);
        let report = fixture.sweep().await;
        assert_eq!((count(&report, Rule::R1), report.failed), (1, 1), "minute {minute}");
        assert_eq!(fixture.seen(1).await.status, "PENDING", "minute {minute}");
        fixture.double.pass(300);
    }
    // The last try may have worked, and Step Functions not know it yet.
    fixture.double.fault("StartExecution", Fault::AnswerLost);
    fixture.double.fault("DescribeExecution", Fault::Lagging);
    fixture.double.fault("DescribeExecution", Fault::Lagging);
    let report = fixture.sweep().await;
    assert_eq!((count(&report, Rule::R1), report.failed, report.repaired), (1, 1, 0));
    fixture.double.forget(id(1));
    let report = fixture.sweep().await;
    assert_eq!((report.drift, report.too_fresh), (0, 1));
    fixture.double.pass(60);
    let report = fixture.sweep().await;
    assert_eq!((count(&report, Rule::R1), report.failed, report.repaired), (1, 0, 1));
    let seen = fixture.seen(1).await;
    assert_eq!((seen.status.as_str(), seen.code()), ("FAILED", "STEP_FUNCTIONS_ERROR"));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn many_tries_in_a_short_time_do_not_end_the_process_and_a_start_that_works_does_not_either(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PENDING", "").await;
    for _ in 0..5 {
        fixture.double.fault("StartExecution", Fault::Refused);
        fixture.sweep().await;
    }
    assert_eq!(fixture.seen(1).await.status, "PENDING");
    fixture.double.pass(3_600);
    assert_eq!(fixture.sweep().await.repaired, 1);
    assert_eq!(
        (fixture.seen(1).await.status.as_str(), fixture.double.status(id(1))),
        ("PENDING", Some("RUNNING"))
    );
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_process_cancelled_before_its_start_is_not_started(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PENDING", "").await;
    fixture.double.meanwhile(
        "DescribeExecution",
        format!(
            "UPDATE processing_state SET status = 'CANCELLED', completed_at = now()
             WHERE id = '{}'",
            id(1)
        ),
    );
    assert_eq!(fixture.sweep().await.moved, 1);
    assert_eq!(fixture.double.status(id(1)), None);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_execution_that_ends_before_it_is_stopped_ends_its_process_its_own_way(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (number, became, status) in
        [(1, "SUCCEEDED", "FAILED"), (2, "FAILED", "FAILED"), (3, "TIMED_OUT", "TIMEOUT")]
    {
        fixture.row(number, "PROCESSING", &claimed(4_000)).await;
        fixture.double.execution(id(number), became, ago(4_000));
        // The list lagged behind: the planner sees it running.
        let row = fixture.reconciler().store.rows_of(&[id(number)]).await.unwrap().remove(0);
        let reconciler = fixture.reconciler();
        let mut run = crate::run::Run::new(&reconciler, false, fixture.far());
        let seen = shared::aws::workflow::Described {
            execution: shared::reconcile::Execution::Running { since: ago(4_000) },
            started_at: Some(ago(4_000)),
            stopped_at: None,
        };
        run.settle(&row, &seen).await;
        assert_eq!(fixture.seen(number).await.status, status, "{became}");
        assert_eq!(fixture.double.status(id(number)), Some(became));
    }
    assert_eq!(fixture.seen(1).await.code(), "RESULT_MISSING");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_stop_whose_answer_is_lost_is_found_and_one_that_failed_writes_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", &claimed(4_000)).await;
    fixture.double.execution(id(1), "RUNNING", ago(4_000));
    fixture.double.fault("StopExecution", Fault::Refused);
    let report = fixture.sweep().await;
    assert_eq!((report.failed, report.repaired), (1, 0));
    assert_eq!(fixture.seen(1).await.status, "PROCESSING");
    fixture.double.fault("StopExecution", Fault::AnswerLost);
    let report = fixture.sweep().await;
    assert_eq!((report.failed, report.repaired), (0, 1));
    assert_eq!(fixture.seen(1).await.status, "TIMEOUT");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_killed_between_stop_and_write_is_finished_by_the_next_as_a_timeout(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", &claimed(4_000)).await;
    fixture.double.execution(id(1), "RUNNING", ago(4_000));
    let reconciler = fixture.reconciler();
    reconciler
        .engine
        .stop(id(1), shared::reconcile::STOPPED_FOR_TIME, "and then it was killed")
        .await
        .unwrap();
    let report = fixture.sweep().await;
    assert_eq!((count(&report, Rule::R9), fixture.seen(1).await.status.as_str()), (1, "TIMEOUT"));
}

/// All of its targets were given up, and the worker died before it could end the process.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_process_of_which_nothing_was_written_ends_by_its_error_and_is_reported_so(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let process = fixture
        .row(
            1,
            "PROCESSING",
            "type = 'CHART_GENERATION', targets = 1, targets_done = 1,
             params = jsonb_build_object(
                 'goalId', target_id, 'title', 't', 'description', 'd', 'background', 'b',
                 'deadline', '2040-01-01T00:00:00Z'
             )",
        )
        .await;
    fixture
        .sql(&format!(
            r#"INSERT INTO processing_output (process_id, target_id, error)
               VALUES ('{process}', '{process}', '{{"code":"AI_ERROR","message":"x"}}')"#
        ))
        .await;
    fixture.double.execution(process, "SUCCEEDED", ago(600));
    let report = fixture.sweep().await;
    let seen = fixture.seen(1).await;
    assert_eq!((seen.status.as_str(), seen.code()), ("FAILED", "AI_ERROR"), "{report:?}");
    assert_eq!((count(&report, Rule::R3), report.repaired), (1, 1));
    assert_eq!(report.actions[0].to, "FAILED");
}

// protocol.md A3: a count is only a hint.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_process_that_was_counted_whole_and_is_not_ends_with_its_result_missing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    fixture.double.execution(id(1), "SUCCEEDED", ago(600));
    let counted = "UPDATE processing_state SET type = 'CHART_GENERATION', targets = 9,
        targets_done = 9, params = jsonb_build_object(
            'goalId', target_id, 'title', 'g', 'description', 'd', 'background', 'b',
            'deadline', '2099-01-01T00:00:00Z', 'depth', 'actions')";
    sqlx::raw_sql(counted).execute(&fixture.pool).await.unwrap();
    let report = fixture.sweep().await;
    assert_eq!((report.repaired, report.moved, report.failed), (1, 0, 0));
    assert_eq!(count(&report, Rule::R4), 1);
    assert_eq!(fixture.seen(1).await.code(), "RESULT_MISSING");
}
