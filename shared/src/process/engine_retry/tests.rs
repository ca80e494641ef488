use serde_json::{Value, json};

use super::*;

const DEFINITION: &str = include_str!("../../../../infra/statemachine/ai-generation.asl.json");
const TEMPLATE: &str = include_str!("../../../../infra/template.yaml");

fn state(task: Task) -> Value {
    let definition: Value = serde_json::from_str(DEFINITION).unwrap();
    let pointer = match task {
        Task::Generate => "/States/Generate",
        Task::Batch => "/States/Batches/ItemProcessor/States/Batch",
        Task::GiveUp => "/States/Batches/ItemProcessor/States/GiveUp",
        Task::Settle => "/States/Settle",
    };
    definition.pointer(pointer).unwrap().clone()
}

/// A retrier as the definition writes it.
fn as_defined(retrier: &Retrier) -> Value {
    json!({
        "Comment": retrier.reason,
        "ErrorEquals": retrier.errors,
        "IntervalSeconds": retrier.backoff.interval,
        "MaxAttempts": retrier.backoff.max_attempts,
        "BackoffRate": 2,
        "MaxDelaySeconds": retrier.backoff.max_delay,
        "JitterStrategy": "FULL",
    })
}

#[test]
fn the_definition_retries_exactly_what_the_policy_says_in_all_four_tasks() {
    for task in Task::ALL {
        let expected = retriers(task).iter().map(as_defined).collect::<Value>();
        let found = &state(task)["Retry"];
        assert!(
            *found == expected,
            "{task:?}: the definition should say\n{}",
            serde_json::to_string_pretty(&expected).unwrap()
        );
    }
}

// world.md 11; aws.md 7, 8; interpreter.md 1, 2, 5
#[test]
fn every_fault_of_the_engine_that_passes_by_itself_is_waited_out_in_all_four_tasks() {
    // The errors of Lambda's Invoke (botocore 1.44.8) of which waiting is the cure, as Step
    // Functions names them, and the names of its own documentation.
    for (name, least_seconds) in [
        ("Lambda.TooManyRequestsException", 190),
        (NOT_SET_UP, 190),
        ("Lambda.ResourceNotReadyException", 240),
        ("Lambda.ENINotReadyException", 240),
        ("Lambda.ResourceConflictException", 240),
        ("Lambda.CodeArtifactUserPendingException", 240),
        ("Lambda.EC2ThrottledException", 240),
        ("Lambda.EC2UnexpectedException", 240),
        ("Lambda.SubnetIPAddressLimitReachedException", 240),
        ("Lambda.ENILimitReachedException", 240),
        ("Lambda.ServiceException", 120),
        ("Lambda.AWSLambdaException", 120),
        ("Lambda.SdkClientException", 120),
        ("Lambda.ClientExecutionTimeoutException", 120),
        ("Lambda.Unknown", 6),
        ("Runtime.ExitError", 6),
        ("Runtime.OutOfMemory", 6),
        ("Sandbox.Timedout", 6),
        (OVERTAKEN, 6),
        ("DATABASE_ERROR", 60),
        ("DATABASE_CONNECTION_ERROR", 60),
    ] {
        for task in Task::ALL {
            let waited = backoff(task, name).map(Backoff::longest_wait);
            assert!(waited >= Some(least_seconds), "{task:?} {name}: {waited:?}");
        }
    }
}

#[test]
fn what_only_an_operator_can_mend_is_not_waited_for() {
    for name in [
        "Lambda.InvalidSubnetIDException",
        "Lambda.InvalidSecurityGroupIDException",
        "Lambda.EC2AccessDeniedException",
        "Lambda.KMSAccessDeniedException",
        "Lambda.EFSMountFailureException",
        "Lambda.InvalidZipFileException",
        "Lambda.CodeArtifactUserFailedException",
        "Lambda.ResourceNotFoundException",
        "Lambda.RecursiveInvocationException",
        "Runtime.InvalidEntrypoint",
        "States.Timeout",
        "TIMEOUT_ERROR",
        "INTERNAL_ERROR",
        CONTENT_REFUSED,
    ] {
        for task in Task::ALL {
            assert_eq!(backoff(task, name), None, "{task:?} {name}");
        }
    }
}

// design.md, invariant 14; aws.md 5
#[test]
fn throttling_is_waited_out_for_longer_than_any_process_lives() {
    for task in [Task::Generate, Task::Batch] {
        for name in ["AI_THROTTLING", "Lambda.TooManyRequestsException", NOT_SET_UP] {
            let average = backoff(task, name).unwrap().longest_wait() / 2;
            assert!(average > LONGEST_PROCESS * 3 / 2, "{task:?} {name}: {average} s");
        }
    }
    // A quota is told by the minute, so no wait is longer than that.
    assert_eq!(MODEL_BUSY.backoff.max_delay, 60);
}

#[test]
fn an_error_stands_in_one_retrier_of_a_task() {
    for task in Task::ALL {
        let mut names: Vec<_> = retriers(task).iter().flat_map(|retrier| retrier.errors).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{task:?}");
    }
}

#[test]
fn a_target_that_every_model_refused_is_given_up_at_once_and_never_asked_for_again() {
    let refused = Failure::content_refused("test");
    assert!(gives_up(&refused, 1) && !ends_process(refused.code));
    assert_eq!(
        (error_name(&refused), refused.code),
        (CONTENT_REFUSED, ErrorCode::AiResponseInvalid)
    );
    let invalid = Failure::new(ErrorCode::AiResponseInvalid, "test");
    assert!(!gives_up(&invalid, 1));
    assert_eq!(error_name(&invalid), "AI_RESPONSE_INVALID");
}

/// Seconds that a task may take when all of its retries come true: `runs` end at its time limit,
/// except those for which nothing has run.
fn longest(task: Task) -> u64 {
    let bounded = || {
        let bounded = |retrier: &&Retrier| retrier.backoff != WHILE_THERE_IS_TIME;
        retriers(task).iter().filter(bounded)
    };
    let nothing_ran = [NOT_READY, NO_FREE_RECONCILER];
    let runs: u64 = bounded()
        .filter(|retrier| !nothing_ran.contains(retrier))
        .map(|retrier| retrier.backoff.max_attempts)
        .sum();
    let waits: u64 = bounded().map(|retrier| retrier.backoff.longest_wait()).sum();
    (1 + runs) * state(task)["TimeoutSeconds"].as_u64().unwrap() + waits
}

#[test]
fn the_machine_has_time_left_to_give_up_and_settle_when_the_process_has_none() {
    let definition: Value = serde_json::from_str(DEFINITION).unwrap();
    // The limit of the process passes during a wait; the attempt after it is lost at its end.
    let wait = MODEL_BUSY.backoff.max_delay;
    let attempt = state(Task::Batch)["TimeoutSeconds"].as_u64().unwrap();
    let worst = LONGEST_PROCESS + wait + attempt + longest(Task::GiveUp) + longest(Task::Settle);
    assert_eq!(worst, 8_521);
    assert!(worst < definition["TimeoutSeconds"].as_u64().unwrap());
    let generate = definition.pointer("/States/Generate/Comment").unwrap().as_str().unwrap();
    assert!(generate.contains("8,521 s") && generate.contains("9,000"), "{generate}");
}

#[test]
fn the_template_allows_no_process_a_longer_life_than_the_policy_knows() {
    let parameter = TEMPLATE.split("\n  ProcessTimeLimitSeconds:\n").nth(1).unwrap();
    let parameter = parameter.split("\n  DatabaseHost:\n").next().unwrap();
    assert!(parameter.contains(&format!("MaxValue: {LONGEST_PROCESS}\n")), "{parameter}");
}

#[test]
fn an_execution_that_only_waits_stays_within_the_limit_of_its_history() {
    // Step Functions ends an execution at 25,000 events. A try makes three (scheduled, started,
    // failed), and 40 items of an inline Map run at a time.
    let average_wait = WHILE_THERE_IS_TIME.max_delay / 2;
    let tries = LONGEST_PROCESS / average_wait;
    assert!(40 * tries * 3 < 25_000 * 2 / 3);
}

#[test]
fn a_batch_has_attempts_left_when_a_target_is_given_up() {
    let tries =
        (1..10).find(|attempt| gives_up_target(ErrorCode::AiResponseInvalid, *attempt)).unwrap();
    let backoff = of_worker_error(ErrorCode::AiResponseInvalid).unwrap();
    assert!(u64::try_from(tries).unwrap() <= backoff.max_attempts + 1);
    assert!((1..10).all(|attempt| !gives_up_target(ErrorCode::AiThrottling, attempt)));
}

#[test]
fn a_batch_is_tried_again_by_the_failure_that_waits_longest() {
    let failures = |codes: &[ErrorCode]| {
        codes.iter().map(|code| Failure::new(*code, "test")).collect::<Vec<_>>()
    };
    assert_eq!(
        worst(failures(&[ErrorCode::AiError, ErrorCode::AiThrottling])).unwrap().code,
        ErrorCode::AiThrottling
    );
    assert_eq!(
        worst(failures(&[ErrorCode::AiThrottling, ErrorCode::InternalError])).unwrap().code,
        ErrorCode::InternalError
    );
    assert_eq!(worst(Vec::new()), None);
}

#[test]
fn only_retryable_errors_are_retried() {
    for code in ErrorCode::ALL {
        assert!(code.retryable() || of_worker_error(*code).is_none(), "{code}");
    }
}
