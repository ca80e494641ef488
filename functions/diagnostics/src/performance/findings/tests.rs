use chrono::{DateTime, Utc};
use shared::{aws::logs::LogLine, language::Language, process::ModelUsage};

use super::*;
use crate::{logs::read::Invocation, survey::SpreadView};

fn facts() -> Facts<'static> {
    Facts {
        types: &[],
        functions: &[],
        models: &[],
        statements: &[],
        tables: &[],
        lost_indexes: &[],
        time_limit: TimeDelta::minutes(15),
    }
}

fn codes(facts: &Facts<'_>) -> Vec<&'static str> {
    let english = findings(facts, Words(Language::English));
    let japanese = findings(facts, Words(Language::Japanese));
    let codes = |findings: &[Finding]| findings.iter().map(|it| it.code).collect::<Vec<_>>();
    assert_eq!(codes(&english), codes(&japanese));
    codes(&english)
}

fn invocations(count: u32, used: u32, more: &str) -> FunctionView {
    let line = |number: u32| {
        let id = uuid::Uuid::from_u128(number.into());
        let text = format!(
            "REPORT RequestId: {id}\tDuration: 5.00 ms\tMemory Size: 100 MB\t\
             Max Memory Used: {used} MB\t{more}"
        );
        let at = DateTime::<Utc>::UNIX_EPOCH;
        Invocation::of("worker", &LogLine { at, text }).unwrap()
    };
    FunctionView::of("worker", &(0..count).map(line).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_function_s_time_crashes_memory_and_cold_starts_are_named() {
    let of = |view: FunctionView| codes(&Facts { functions: &[view], ..facts() });
    assert_eq!(of(invocations(100, 89, "")), [] as [&str; 0]);
    assert_eq!(of(invocations(1, 90, "")), ["FUNCTION_MEMORY_SHORT"]);
    assert_eq!(of(invocations(1, 1, "Status: timeout")), ["FUNCTION_TIMES_OUT"]);
    assert_eq!(of(invocations(1, 1, "Status: error")), ["FUNCTION_CRASHES"]);
    assert_eq!(of(invocations(20, 1, "Init Duration: 90.00 ms")), ["COLD_STARTS_FREQUENT"]);
    // Too few to say that it is often.
    assert_eq!(of(invocations(19, 1, "Init Duration: 90.00 ms")), [] as [&str; 0]);
}

fn kind(change: impl FnOnce(&mut TypeView)) -> TypeView {
    let quick = || Some(SpreadView { p95: 9.0, ..SpreadView::default() });
    let process_type = "SUBGOAL_GENERATION".to_owned();
    let mut of = TypeView {
        process_type,
        total: 100,
        calls_per_planned: Some(1.2),
        waiting: quick(),
        running: quick(),
        ..TypeView::default()
    };
    change(&mut of);
    of
}

#[test]
fn what_makes_a_type_slow_is_told_apart() {
    let of = |change: fn(&mut TypeView)| codes(&Facts { types: &[kind(change)], ..facts() });
    let p95 = |seconds| Some(SpreadView { p95: seconds, ..SpreadView::default() });
    assert_eq!(of(|_| ()), [] as [&str; 0]);
    assert_eq!(of(|it| it.attempts_again = 50), ["ATTEMPTS_REPEATED"]);
    assert_eq!(of(|it| it.calls_per_planned = Some(1.5)), ["REPAIRS_FREQUENT"]);
    let waits = kind(|it| it.waiting = p95(60.0));
    assert_eq!(codes(&Facts { types: &[waits], ..facts() }), ["WAITING_DOMINATES"]);
    let slow = kind(|it| it.running = p95(450.0));
    assert_eq!(codes(&Facts { types: &[slow], ..facts() }), ["RUNS_NEAR_LIMIT"]);
    // None has completed.
    assert_eq!(of(|it| (it.waiting, it.attempts_again) = (None, 99)), [] as [&str; 0]);
}

#[test]
fn an_index_that_was_lost_comes_with_the_statement_that_makes_it_again() {
    let lost = ["processing_state_history".to_owned()];
    let findings = findings(&Facts { lost_indexes: &lost, ..facts() }, Words(Language::English));
    assert_eq!(findings[0].code, "INDEX_MISSING");
    assert_eq!(
        findings[0].next_steps[0].command.as_deref(),
        Some(
            "psql \"$DATABASE_URL\" -c \"CREATE INDEX CONCURRENTLY processing_state_history ON \
             processing_state (user_id, created_at DESC, id DESC)\""
        )
    );
}

#[test]
fn a_slow_statement_and_a_table_read_whole_are_named() {
    let statement = |mean_ms| Statement {
        statement: "SELECT".to_owned(),
        calls: 3,
        mean_ms,
        max_ms: 900.0,
        total_ms: 900.0,
    };
    let statements = [statement(99.0), statement(100.0)];
    assert_eq!(codes(&Facts { statements: &statements, ..facts() }), ["STATEMENTS_SLOW"]);
    let table = |whole_reads, rows_read| TableReads {
        table: "goals".to_owned(),
        rows: 20_000,
        whole_reads,
        rows_read,
        index_reads: 0,
    };
    let tables = [table(49, 9_000_000), table(50, 499_999), table(50, 500_000)];
    assert_eq!(codes(&Facts { tables: &tables, ..facts() }), ["TABLE_READ_WHOLE"]);
}

#[test]
fn a_model_that_takes_a_minute_is_named() {
    let model = |latency_ms| ModelTotal {
        sum: ModelUsage { model_id: "m".to_owned(), latency_ms, ..ModelUsage::default() },
        calls: 2,
    };
    let models = [model(119_999), model(120_000)];
    assert_eq!(codes(&Facts { models: &models, ..facts() }), ["MODEL_ANSWERS_SLOWLY"]);
}

#[test]
fn what_is_worse_comes_first() {
    let types = [kind(|it| it.attempts_again = 50)];
    let lost = ["goals_user".to_owned()];
    let facts = Facts { types: &types, lost_indexes: &lost, ..facts() };
    assert_eq!(codes(&facts), ["INDEX_MISSING", "ATTEMPTS_REPEATED"]);
}
