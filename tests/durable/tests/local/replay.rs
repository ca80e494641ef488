//! What a second invocation does again.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_durable_execution_sdk::{BoxError, DurableContext, RetryDecision, test_util::LocalRunner};
use durable::Ended;

use crate::double::{Double, Question, Reply, throttled};

/// `find` begins and succeeds, all targets begin, and each of eight steps begins.
const BEFORE_THE_FIRST_ANSWER: usize = 2 + 1 + 8;

#[tokio::test(start_paused = true)]
async fn what_is_recorded_is_not_asked_for_again() {
    let world = Double::answering(|question| match question {
        Question { target: 7, nth: 0..5, .. } => throttled(),
        _ => Reply::Right,
    });
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(result.invocation_count(), 6);
    assert_eq!(world.calls_by_target(), [1, 1, 1, 1, 1, 1, 1, 6]);
}

#[tokio::test(start_paused = true)]
async fn the_ids_of_rows_stay_those_of_the_first_answer() {
    let world = Double::answering(|question| match question {
        Question { target: 7, nth: 0, .. } => throttled(),
        _ => Reply::Right,
    });
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.invocation_count(), 2);
    let mut ids = std::collections::HashSet::new();
    for (_, rows) in &world.row.lock().unwrap().parts {
        let shared::chart::Rows::Actions(rows) = rows else { panic!("{rows:?}") };
        ids.extend(rows.iter().map(|row| row.id));
    }
    assert_eq!(ids.len(), 64);
    let next = durable::World::new_id(&*world).as_u128() - (1 << 32);
    assert_eq!(next, 64, "no id was made for a replay");
}

/// The same holds of the product: a model may be asked, and paid, twice.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_before_it_is_recorded_is_asked_for_again() {
    let world = Double::answering(|_| Reply::Right);
    let losing = LocalRunner::new().fail_checkpoints_after_retryable(BEFORE_THE_FIRST_ANSWER, 1);
    let result = world.run(losing).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(result.invocation_count(), 2);
    let calls: usize = world.calls_by_target().iter().sum();
    assert!(calls > 8, "{calls}");
    assert_eq!(world.stored().len(), 8);
    assert_eq!(world.row.lock().unwrap().transactions, 1);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_whose_end_was_not_recorded_is_not_made_twice() {
    let world = Double::answering(|_| Reply::Right);
    // Eight answers, all targets end, `complete` begins; its end is lost.
    let losing =
        LocalRunner::new().fail_checkpoints_after_retryable(BEFORE_THE_FIRST_ANSWER + 8 + 1 + 1, 1);
    let result = world.run(losing).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(result.invocation_count(), 2);
    assert_eq!(world.calls_by_target(), [1; 8]);
    assert_eq!(world.row.lock().unwrap().transactions, 1);
}

/// What a deployment that changes the order of operations does to those that run.
#[tokio::test(start_paused = true)]
async fn a_handler_that_goes_another_way_on_replay_is_refused() {
    static INVOCATION: AtomicUsize = AtomicUsize::new(0);
    let handler = |(): (), ctx: DurableContext| async move {
        let first = INVOCATION.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            ctx.step(|_| async { Ok(1) }).name("one").await?;
        } else {
            ctx.wait(std::time::Duration::from_secs(1)).name("another").await?;
        }
        let again = ctx.step(move |step| async move {
            if step.attempt() == 1 { Err("again".into()) } else { Ok(2) }
        });
        let delay = std::time::Duration::from_secs(1);
        again.name("two").retry_strategy(move |_, _| RetryDecision::Retry { delay }).await?;
        Ok::<_, BoxError>(())
    };
    let result = LocalRunner::new().run(handler, ()).await;
    assert!(result.is_failure());
    assert_eq!(result.error_type(), Some("NonDeterministicExecutionError"));
}
