//! What ends well.

use std::time::Duration;

use aws_durable_execution_sdk::test_util::LocalRunner;
use durable::Ended;
use tokio::time::Instant;

use crate::double::{Double, Question, Reply, target_id, throttled};

fn all_eight() -> Vec<(uuid::Uuid, usize)> {
    (0..8).map(|number| (target_id(number), 8)).collect()
}

#[tokio::test(start_paused = true)]
async fn eight_targets_are_written_in_one_invocation_and_one_transaction() {
    let world = Double::answering(|_| Reply::Right);
    let began = Instant::now();
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(result.invocation_count(), 1);
    assert_eq!(began.elapsed().as_secs(), 20 + 1, "the calls wait together");
    assert_eq!(world.calls_by_target(), [1; 8]);
    assert_eq!(world.stored(), all_eight());
    let row = world.row.lock().unwrap();
    assert_eq!((row.transactions, &row.result["partial"]), (1, &false.into()));
    assert_eq!(row.result["usage"][0]["calls"], 8);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_tried_again_by_the_sdk_and_the_runner_skips_the_wait() {
    let twice = |question: Question| match question {
        Question { target: 3, nth: 0 | 1, .. } => throttled(),
        _ => Reply::Right,
    };
    let world = Double::answering(twice);
    let began = Instant::now();
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(world.calls_by_target(), [1, 1, 1, 3, 1, 1, 1, 1]);
    assert_eq!(result.invocation_count(), 3, "an invocation ends for each wait");
    assert_eq!(began.elapsed().as_secs(), 60 + 1, "three calls, one after another, and no wait");
    let retried = result.operations().iter().find(|operation| operation.attempt() > 0).unwrap();
    assert_eq!(retried.attempt(), 2);
    assert_eq!(retried.name(), Some(&*format!("write {} 1", target_id(3))));
    assert_eq!(world.stored(), all_eight());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_quota_goes_on_only_once_the_others_have_ended() {
    let world = Double::new(|question| match question {
        Question { target: 3, nth: 0, .. } => (throttled(), Duration::from_secs(1)),
        _ => (Reply::Right, Duration::from_secs(20)),
    });
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(result.invocation_count(), 2);
    assert_eq!(world.calls_by_target(), [1, 1, 1, 2, 1, 1, 1, 1]);
    let again = world.calls().into_iter().find(|call| call.question.nth == 1).unwrap();
    assert_eq!(again.ended_at, 20 + 20);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_rules_is_repaired_within_its_step() {
    let short = |question: Question| match question {
        Question { target: 5, nth: 0, .. } => Reply::Short(vec![2, 6]),
        _ => Reply::Right,
    };
    let world = Double::answering(short);
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(world.calls_by_target(), [1, 1, 1, 1, 1, 2, 1, 1]);
    assert_eq!(result.invocation_count(), 1);
    assert!(world.calls().iter().any(|call| call.question.repair));
    assert_eq!(world.stored(), all_eight());
}

#[tokio::test(start_paused = true)]
async fn whatever_a_model_does_now_and_then_all_eight_are_stored_once() {
    for seed in 0..64 {
        let random = std::sync::Mutex::new(fastrand::Rng::with_seed(seed));
        let world = Double::answering(move |_| {
            let mut random = random.lock().unwrap();
            match random.u8(0..100) {
                0..25 => throttled(),
                25..40 => Reply::Short(vec![random.usize(0..8)]),
                _ => Reply::Right,
            }
        });
        let result = world.run(LocalRunner::new()).await;
        let row = world.row.lock().unwrap();
        assert_eq!(row.transactions, 1, "seed {seed}");
        assert_eq!(row.ended.as_ref(), result.output(), "seed {seed}");
        assert_eq!(result.output(), Some(&Ended::Completed), "seed {seed}");
        drop(row);
        assert_eq!(world.stored(), all_eight(), "seed {seed}");
    }
}
