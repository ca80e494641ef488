//! What fails in one branch.

use std::time::Duration;

use aws_durable_execution_sdk::test_util::LocalRunner;
use durable::Ended;
use shared::process::{ErrorCode, Failure};

use crate::double::{Double, Question, Reply, target_id};

#[tokio::test(start_paused = true)]
async fn a_refused_target_is_named_and_the_other_seven_are_stored() {
    let world = Double::answering(|question| match question.target {
        2 => Reply::Failed(Failure::content_refused("a filter")),
        _ => Reply::Right,
    });
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(world.calls_by_target(), [1; 8]);
    assert_eq!(world.stored().len(), 7);
    let row = world.row.lock().unwrap();
    assert_eq!(row.result["partial"], true);
    assert_eq!(row.result["failedTargets"][0]["targetId"], target_id(2).to_string());
    assert_eq!(row.result["failedTargets"][0]["code"], "AI_RESPONSE_INVALID");
}

#[tokio::test(start_paused = true)]
async fn a_target_whose_answers_stay_unusable_is_given_up_after_two_tries_of_four_calls() {
    let world = Double::answering(|question| match question.target {
        2 => Reply::Short(vec![0]),
        _ => Reply::Right,
    });
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(world.calls_by_target(), [1, 1, 8, 1, 1, 1, 1, 1]);
    assert_eq!(world.stored().len(), 7);
    let row = world.row.lock().unwrap();
    assert_eq!(row.result["usage"][0]["calls"], 15, "paid for, answer or not");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_keeps_failing_costs_one_target_after_three_retries() {
    let world = Double::answering(|question| match question.target {
        2 => Reply::Failed(Failure::new(ErrorCode::AiError, "a bad moment")),
        _ => Reply::Right,
    });
    let result = world.run(LocalRunner::new()).await;
    assert_eq!(result.output(), Some(&Ended::Completed), "{:?}", result.error_message());
    assert_eq!(world.calls_by_target(), [1, 1, 4, 1, 1, 1, 1, 1]);
    let row = world.row.lock().unwrap();
    assert_eq!(row.result["failedTargets"][0]["code"], "AI_ERROR");
}

/// As in the product: what is in flight runs to its end, and nothing of it is stored.
#[tokio::test(start_paused = true)]
async fn a_fault_that_meets_every_target_ends_the_job_once_the_calls_in_flight_have_ended() {
    let world = Double::new(|Question { target, .. }| match target {
        0 => (Reply::Failed(Failure::internal("a wrong region")), Duration::from_secs(5)),
        _ => (Reply::Right, Duration::from_secs(60)),
    });
    let result = world.run(LocalRunner::new()).await;
    let failed = Ended::Failed("INTERNAL_ERROR".into());
    assert_eq!(result.output(), Some(&failed), "{:?}", result.error_message());
    assert_eq!(world.row.lock().unwrap().ended, Some(failed));
    assert_eq!(world.stored(), []);
    let calls = world.calls();
    assert_eq!(calls.len(), 8);
    assert_eq!(calls.iter().filter(|call| call.ended_at == 60 && !call.dropped).count(), 7);
}
