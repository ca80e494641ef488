use super::*;

fn with(faults: &[Fault]) -> Failure {
    let fault = |fault: &Fault| ModelFault {
        model_id: "m".to_owned(),
        fault: *fault,
        words: "w".to_owned(),
    };
    combine(&faults.iter().map(fault).collect::<Vec<_>>())
}

fn read(name: &str, message: &str) -> Fault {
    diagnosis::of_exception(Some(name), Some(message), 400).fault
}

// aws.md 6, world.md 20
#[test]
fn only_when_every_model_is_wrongly_configured_the_process_ends_as_such() {
    const OURS: [Fault; 3] = [Fault::AccessDenied, Fault::Gone, Fault::Configuration];
    for first in OURS {
        for second in Fault::ALL {
            let failure = with(&[first, second]);
            let internal = failure.code == ErrorCode::InternalError;
            assert_eq!(internal, OURS.contains(&second), "{first}, {second}: {failure}");
            assert_eq!(with(&[second, first]).code, failure.code, "the order says nothing");
        }
    }
    assert_eq!(with(&[]).code, ErrorCode::InternalError);
}

#[test]
fn a_model_that_can_be_waited_for_is_waited_for_whatever_else_failed() {
    for second in Fault::ALL {
        for first in [Fault::Throttled, Fault::AccessPending] {
            assert_eq!(with(&[first, second]).code, ErrorCode::AiThrottling, "{first}, {second}");
        }
    }
}

#[test]
fn a_fault_that_may_pass_is_tried_again() {
    for first in [Fault::Unavailable, Fault::TimedOut, Fault::Failed, Fault::Unknown] {
        for second in [Fault::ContentRefused, Fault::Gone, Fault::Failed] {
            let failure = with(&[first, second]);
            assert_eq!((failure.code, failure.is_final), (ErrorCode::AiError, false));
        }
    }
}

// world.md 8, 9; protocol.md B7
#[test]
fn what_is_about_the_text_of_one_target_never_ends_a_chart_and_is_never_asked_again() {
    use crate::process::engine_retry;
    for first in [Fault::ContentRefused, Fault::RequestRejected] {
        for second in [first, Fault::AccessDenied, Fault::Gone, Fault::Configuration] {
            let failure = with(&[first, second]);
            assert!(!engine_retry::ends_process(failure.code), "{first}, {second}");
            assert!(engine_retry::gives_up(&failure, 1), "{first}, {second}");
            assert!(failure.code.retryable(), "a person may change the text and try again");
            let name = engine_retry::error_name(&failure);
            assert_eq!(engine_retry::backoff(engine_retry::Task::Generate, name), None);
        }
    }
}

#[test]
fn every_model_is_named_with_its_fault() {
    let fault = |model: &str, fault, words: &str| ModelFault {
        model_id: model.to_owned(),
        fault,
        words: words.to_owned(),
    };
    let failure = combine(&[
        fault("first", Fault::Throttled, "too many"),
        fault("second", Fault::TimedOut, "no answer within 120 s"),
    ]);
    assert_eq!(
        failure.cause,
        "first throttled: too many; second timed out: no answer within 120 s"
    );
}

#[test]
fn every_fault_has_a_name_of_its_own() {
    let mut names: Vec<_> = Fault::ALL.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Fault::ALL.len());
}

/// What Bedrock has been seen to say, as the rows of the table quote it.
#[test]
fn exceptions_are_told_apart_by_what_they_say() {
    for (name, message, fault) in [
        ("ThrottlingException", "Too many tokens per day", Fault::Throttled),
        ("ServiceUnavailableException", "Too many connections", Fault::Unavailable),
        ("ModelNotReadyException", "", Fault::Unavailable),
        ("ModelTimeoutException", "", Fault::TimedOut),
        ("ModelErrorException", "The system encountered an error", Fault::Failed),
        ("InternalServerException", "", Fault::Failed),
        ("SomethingNew", "", Fault::Unknown),
        (
            "ValidationException",
            "The model returned the following errors: Output blocked by content filtering policy",
            Fault::ContentRefused,
        ),
        (
            "ResourceNotFoundException",
            "This model version has reached the end of its life. Please refer to the AWS \
             documentation for more details.",
            Fault::Gone,
        ),
        (
            "ResourceNotFoundException",
            "Access denied. This Model is marked by provider as Legacy and you have not been \
             actively using the model in the last 30 days.",
            Fault::Gone,
        ),
        (
            "ValidationException",
            "Access denied. This Model is marked by provider as Legacy and you have not been \
             actively using the model in the last 30 days.",
            Fault::Gone,
        ),
        ("ResourceNotFoundException", "Could not resolve the foundation model", Fault::Gone),
        ("ValidationException", "The provided model identifier is invalid.", Fault::Gone),
        (
            "AccessDeniedException",
            "Model access is denied due to IAM user or service role is not authorized to perform \
             the required AWS Marketplace actions. If you recently fixed this issue, try again \
             after 2 minutes.",
            Fault::AccessPending,
        ),
        (
            "AccessDeniedException",
            "User: arn:… is not authorized to perform: bedrock:InvokeModel with an explicit deny \
             in a service control policy",
            Fault::AccessDenied,
        ),
        (
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
            Fault::AccessDenied,
        ),
        ("ValidationException", "Operation not allowed", Fault::AccessDenied),
        (
            "ValidationException",
            "Invocation of model ID m with on-demand throughput isn’t supported. Retry your \
             request with the ID or ARN of an inference profile that contains this model.",
            Fault::Configuration,
        ),
        ("ValidationException", "This model doesn't support tool use.", Fault::Configuration),
        ("ValidationException", "Input is too long for requested model.", Fault::RequestRejected),
        ("ValidationException", "Malformed input request", Fault::RequestRejected),
        ("UnrecognizedClientException", "", Fault::Configuration),
    ] {
        assert_eq!(read(name, message), fault, "{name}: {message}");
    }
}

#[test]
fn an_answer_without_a_known_name_is_told_by_its_status() {
    let of = |name, status| diagnosis::of_exception(name, None, status).fault;
    assert_eq!(of(None, 429), Fault::Throttled);
    assert_eq!(of(None, 503), Fault::Unavailable);
    assert_eq!(of(Some("SomethingNew"), 502), Fault::Unavailable);
    assert_eq!(of(Some("SomethingNew"), 400), Fault::Unknown);
    assert_eq!(of(None, 500), Fault::Unknown);
}

// aws.md 1, 21, 22
#[test]
fn the_advice_names_what_an_operator_does_next() {
    let advice = |name, message| diagnosis::of_exception(Some(name), Some(message), 400).advice;
    for (name, message, step) in [
        ("AccessDeniedException", "", "bedrock:InvokeModel"),
        ("AccessDeniedException", "Marketplace", "use case form"),
        ("AccessDeniedException", "service control policy", "geography"),
        ("ResourceNotFoundException", "", "MODEL_IDS"),
        ("ResourceNotFoundException", "Legacy", "active model"),
        ("ValidationException", "on-demand throughput", "inference profile"),
        ("ValidationException", "doesn't support", "Converse with tools"),
    ] {
        let advice = advice(name, message);
        assert!(advice.contains(step), "{name} {message}: {advice}");
        assert!(!advice.contains("Bedrock console"), "the page for model access is retired");
        assert!(!advice.contains("  "), "{advice}");
    }
}

// security.md S14
#[test]
fn nothing_that_is_no_name_or_id_is_passed_on() {
    let told = describe(
        Some("ValidationException: goal \"secret\""),
        Some("0a1b-2c\nforged line"),
        "do this",
    );
    assert_eq!(told, "ValidationException (request 0a1b-2c): do this");
    let long = describe(Some(&"X".repeat(500)), None, "do this");
    assert_eq!(long, format!("{}: do this", "X".repeat(64)));
    assert_eq!(describe(Some("秘密"), Some(""), "a"), "an answer without an error name: a");
}

// world.md 8
#[test]
fn a_refusal_names_its_stop_reason_and_what_to_do() {
    for (stop, step) in
        [("guardrail_intervened", "guardrail's policies"), ("refusal", "another text")]
    {
        let fault = ModelFault::refused("m", stop);
        assert_eq!(fault.fault, Fault::ContentRefused);
        assert!(fault.words.contains(stop) && fault.words.contains(step), "{}", fault.words);
    }
}
