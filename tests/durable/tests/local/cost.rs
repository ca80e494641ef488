//! What a job costs of the engine, counted from the runner's history. The prices are those that
//! docs/why.md and docs/cost.md name, in US dollars for 1,000 jobs.

use aws_durable_execution_sdk::test_util::{LocalRunner, TestResult};
use durable::Ended;

use crate::double::{Double, Question, Reply, job, throttled};

const A_MILLION_OPERATIONS: f64 = 8.0;
const A_GB_WRITTEN: f64 = 0.25;
const A_GB_MONTH: f64 = 0.15;
const A_REQUEST: f64 = 0.2 / 1e6;
/// 128 MB.
const A_SECOND: f64 = 0.125 * 0.000_016_666_7;

/// What an execution may write.
const A_HUNDRED_MB: usize = 100_000_000;

/// What the engine of one job did.
struct Counted {
    invocations: usize,
    /// Recorded operations, and the start of the execution.
    operations: usize,
    /// Those of them that are a second or later attempt at a step.
    retries: usize,
    /// Of what is recorded: event, results, errors, output.
    bytes: usize,
}

fn count(result: &TestResult<Ended>) -> Counted {
    let length = |text: Option<&str>| text.map_or(0, str::len);
    let recorded = result.operations().iter().map(|operation| {
        length(operation.result()) + length(operation.error_message()) + length(operation.name())
    });
    let event = serde_json::to_string(&job()).unwrap().len();
    let output = serde_json::to_string(&result.output()).unwrap().len();
    Counted {
        invocations: result.invocation_count(),
        operations: 1 + result.operations().len(),
        retries: result.operations().iter().map(|operation| operation.attempt() as usize).sum(),
        bytes: event + recorded.sum::<usize>() + output,
    }
}

/// Dollars for 1,000 jobs whose invocations run for `seconds` in all: operations, data that is kept
/// for a week, Lambda. It is assumed that each recorded operation and each further attempt is one
/// that is paid for.
fn price(counted: &Counted, seconds: u64) -> [f64; 3] {
    let gb = counted.bytes as f64 / 1e9;
    [
        (counted.operations + counted.retries) as f64 * A_MILLION_OPERATIONS / 1e6,
        gb * (A_GB_WRITTEN + A_GB_MONTH * 7.0 / 30.0),
        counted.invocations as f64 * A_REQUEST + seconds as f64 * A_SECOND,
    ]
    .map(|dollars| dollars * 1_000.0)
}

fn tell(name: &str, counted: &Counted, seconds: u64) {
    let Counted { invocations, operations, retries, bytes } = counted;
    let [engine, data, lambda] = price(counted, seconds);
    println!(
        "{name}: {invocations} invocations, {operations} operations, {retries} retries, \
         {bytes} bytes; 1,000 jobs: operations {engine:.3}, data {data:.4}, Lambda {lambda:.3}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_in_which_nothing_fails_is_one_invocation_and_twelve_operations() {
    let began = tokio::time::Instant::now();
    let result = Double::answering(|_| Reply::Right).run(LocalRunner::new()).await;
    let counted = count(&result);
    tell("nothing fails", &counted, began.elapsed().as_secs() - 1);
    assert_eq!((counted.invocations, counted.operations, counted.retries), (1, 12, 0));
    for operation in result.operations() {
        println!(
            "  {} {}: {} bytes",
            operation.op_type(),
            operation.name().unwrap_or_default(),
            operation.result().map_or(0, str::len)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_texts_are_below_a_five_hundredth_of_what_an_execution_may_hold() {
    let began = tokio::time::Instant::now();
    let result = Double::with_lengths([30, 200, 100]).run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    let counted = count(&result);
    tell("the longest texts", &counted, began.elapsed().as_secs() - 1);
    assert!(counted.bytes < A_HUNDRED_MB / 500, "{}", counted.bytes);
}

#[tokio::test(start_paused = true)]
async fn each_wait_for_a_quota_is_an_invocation_and_a_retry_more() {
    let began = tokio::time::Instant::now();
    let world = Double::answering(|question| match question {
        Question { target: 3, nth: 0 | 1, .. } => throttled(),
        _ => Reply::Right,
    });
    let counted = count(&world.run(LocalRunner::new()).await);
    tell("one throttled twice", &counted, began.elapsed().as_secs() - 1);
    assert_eq!((counted.invocations, counted.operations, counted.retries), (3, 12, 2));
}
