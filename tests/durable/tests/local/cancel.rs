//! What a stop and a cancel do to calls that run.

use std::{sync::Arc, time::Duration};

use aws_durable_execution_sdk::test_util::LocalRunner;
use durable::Ended;

use crate::double::{Double, Question, Reply, throttled};

/// Checkpoints that are written before the first answer: `find` begins and succeeds, all targets
/// begin, and each of eight steps begins.
const BEFORE_THE_FIRST_ANSWER: usize = 2 + 1 + 8;

/// The first answer after 5 s, all others after 60 s.
fn one_before_the_others() -> Arc<Double> {
    Double::new(|Question { target, .. }| {
        (Reply::Right, Duration::from_secs(if target == 0 { 5 } else { 60 }))
    })
}

/// The runner knows no `StopDurableExecution`. What can be shown is when the function hears of one
/// at all: nothing speaks to the service while steps run but a checkpoint, so that the first one
/// which is refused is the first word of it. That a stopped execution's checkpoints are refused is
/// assumed.
#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_of_by_the_next_checkpoint_and_then_drops_the_other_calls() {
    let world = one_before_the_others();
    let refusing = LocalRunner::new().fail_checkpoints_after(BEFORE_THE_FIRST_ANSWER, 1_000);
    let result = world.run(refusing).await;
    assert!(result.is_failure());
    let calls = world.calls();
    assert_eq!(calls.len(), 8);
    assert!(calls.iter().all(|call| call.ended_at == 5), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.dropped).count(), 7);
    assert_eq!(world.row.lock().unwrap().ended, None, "nobody has ended the row");
}

#[tokio::test(start_paused = true)]
async fn without_a_checkpoint_to_write_a_call_runs_to_its_end_after_a_stop() {
    let world = Double::new(|_| (Reply::Right, Duration::from_secs(240)));
    let refusing = LocalRunner::new().fail_checkpoints_after(BEFORE_THE_FIRST_ANSWER, 1_000);
    let result = world.run(refusing).await;
    assert!(result.is_failure());
    let calls = world.calls();
    assert!(calls.iter().all(|call| call.ended_at == 240), "{calls:?}");
}

/// What the job does itself: every running step looks at the row once a second.
#[tokio::test(start_paused = true)]
async fn a_cancel_of_the_row_drops_running_calls_within_two_seconds() {
    let world = Double::new(|_| (Reply::Right, Duration::from_secs(60)));
    let canceller = world.clone();
    let cancelling = async {
        tokio::time::sleep(Duration::from_millis(7_300)).await;
        canceller.cancel();
    };
    let (result, ()) = tokio::join!(world.run(LocalRunner::new()), cancelling);
    assert_eq!(result.output(), Some(&Ended::Cancelled), "{:?}", result.error_message());
    let calls = world.calls();
    assert_eq!(calls.len(), 8);
    assert!(calls.iter().all(|call| call.dropped && call.ended_at <= 9), "{calls:?}");
    assert_eq!(world.stored(), []);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_during_the_wait_for_a_quota_asks_no_model_any_more() {
    let world = Double::answering(|_| throttled());
    let suspended = world.run(LocalRunner::new().max_invocations(1)).await;
    assert!(suspended.is_suspended());
    world.cancel();
    // The runner cannot go on with an execution of another run, so that this one begins anew.
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Cancelled), "{:?}", result.error_message());
    assert_eq!(world.calls_by_target(), [1; 8], "those before the cancel");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_after_the_last_answer_wins_over_the_transaction() {
    let world = Double::answering(|_| Reply::Right);
    let canceller = world.clone();
    let cancelling = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        canceller.cancel();
    };
    let (_, result) = tokio::join!(cancelling, world.run(LocalRunner::new()));
    assert_eq!(result.output(), Some(&Ended::Cancelled), "{:?}", result.error_message());
    assert_eq!(world.stored(), []);
}
