//! What can be read of an execution that is not done.

use aws_durable_execution_sdk::test_util::{LocalRunner, TestResult};
use durable::{Ended, settled};

use crate::double::{Double, Question, Reply, throttled};

fn progress(result: &TestResult<Ended>) -> usize {
    let succeeded = result.operations().iter().filter(|operation| operation.succeeded());
    settled(succeeded.filter_map(|operation| Some((operation.name()?, operation.result()?))))
}

#[tokio::test(start_paused = true)]
async fn the_history_tells_how_many_targets_are_settled() {
    let world = Double::answering(|question| match question {
        Question { target: 3 | 6, nth: 0, .. } => throttled(),
        _ => Reply::Right,
    });
    let waiting = world.run(LocalRunner::new().max_invocations(1)).await;
    assert!(waiting.is_suspended());
    assert_eq!(progress(&waiting), 6);
    let done = Double::answering(|_| Reply::Right).run(LocalRunner::new()).await;
    assert_eq!(progress(&done), 8);
}

#[tokio::test(start_paused = true)]
async fn the_history_tells_that_it_waits_and_for_what() {
    let world = Double::answering(|question| match question {
        Question { target: 3, nth: 0, .. } => throttled(),
        _ => Reply::Right,
    });
    let waiting = world.run(LocalRunner::new().max_invocations(1)).await;
    let waits: Vec<_> =
        waiting.operations().iter().filter(|operation| operation.attempt() > 0).collect();
    assert_eq!(waits.len(), 1);
    assert_eq!(waits[0].error_type(), Some("AI_THROTTLING"));
}

/// A try whose answer stayed unusable is a step that has succeeded.
#[tokio::test(start_paused = true)]
async fn a_try_in_vain_is_no_progress() {
    let world = Double::answering(|question| match question {
        Question { target: 2, nth: 0..4, .. } => Reply::Short(vec![0]),
        Question { target: 2, .. } => throttled(),
        _ => Reply::Right,
    });
    let waiting = world.run(LocalRunner::new().max_invocations(1)).await;
    assert!(waiting.is_suspended());
    assert_eq!(progress(&waiting), 7);
}
