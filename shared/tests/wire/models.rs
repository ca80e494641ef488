//! Faults of models as Bedrock puts them on the wire: the next model answers, loudly, and what all
//! of them mean together has its name. The client is the one that the functions use.

use std::time::Duration;

use serde_json::json;
use shared::{
    aws::model::{Fault, ModelConfig, Models, Throttles},
    process::{ErrorCode, Prompt, engine_retry},
};

use crate::{
    config, lines,
    stub::{self, Reply},
};

/// A text of a user; it must not be found in any cause or line.
const SECRET: &str = "my secret goal";

fn models(address: &str, ids: &[&str]) -> Models {
    let ids = ids.iter().map(ToString::to_string).collect();
    Models::new(&config(address), &ModelConfig { ids, timeout: Duration::from_secs(30) })
}

fn prompt() -> Prompt {
    Prompt {
        system: "system".to_owned(),
        context: SECRET.to_owned(),
        question: String::new(),
        tool: "write_tasks",
        tool_description: "description",
        schema: json!({"type": "object"}),
        max_tokens: 100,
        schema_recurs: false,
        context_recurs: false,
    }
}

fn ended(stop: &str, content: &serde_json::Value) -> Reply {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop,
        "usage": {"inputTokens": 600, "outputTokens": 90, "totalTokens": 690},
        "metrics": {"latencyMs": 9},
    });
    Reply::Answer { status: 200, error: None, body: body.to_string() }
}

fn good() -> Reply {
    let call = json!([{"toolUse": {"toolUseId": "t", "name": "write_tasks", "input": {"a": 1}}}]);
    ended("tool_use", &call)
}

fn exception(status: u16, name: &'static str, message: &str) -> Reply {
    // Bedrock may quote the request.
    let body = json!({"message": format!("{message} ({SECRET})")}).to_string();
    Reply::Answer { status, error: Some(name), body }
}

const FILTERED: &str =
    "The model returned the following errors: Output blocked by content filtering policy";
const END_OF_LIFE: &str = "This model version has reached the end of its life.";
const LEGACY: &str = "Access denied. This Model is marked by provider as Legacy and you have not \
                      been actively using the model in the last 30 days.";
const SETTLING: &str = "Model access is denied due to IAM user or service role is not authorized \
                        to perform the required AWS Marketplace actions. If you recently fixed \
                        this issue, try again after 2 minutes.";

/// The first model's reply; the second answers. Expects its answer, and an ERROR line about the
/// first with its fault.
async fn passes_on_loudly(first: Reply, fault: Fault) {
    let (lines, guard) = lines::keep();
    let (address, asked) = stub::start(move |model, _| match model {
        "first" => first.clone(),
        _ => good(),
    })
    .await;
    let answer = models(&address, &["first", "second"])
        .ask(&prompt(), &Throttles::default(), &|_| ())
        .await
        .unwrap();
    drop(guard);
    assert_eq!(answer, Ok(json!({"a": 1})));
    assert_eq!(*asked.lock().unwrap(), ["first", "second"], "nothing is asked twice");
    let errors = lines::errors(&lines, "first");
    assert_eq!(errors.len(), 1, "{lines:?}");
    assert!(errors[0].contains(&format!("fault={fault} ")), "{errors:?}");
    assert!(!format!("{lines:?}").contains(SECRET), "{lines:?}");
}

// world.md 20
#[tokio::test]
async fn a_model_at_its_end_of_life_gives_way_to_the_next() {
    passes_on_loudly(exception(404, "ResourceNotFoundException", END_OF_LIFE), Fault::Gone).await;
}

// aws.md 6
#[tokio::test]
async fn a_legacy_model_gives_way_to_the_next() {
    passes_on_loudly(exception(404, "ResourceNotFoundException", LEGACY), Fault::Gone).await;
    passes_on_loudly(exception(400, "ValidationException", LEGACY), Fault::Gone).await;
}

// world.md 9
#[tokio::test]
async fn an_answer_that_a_filter_blocked_gives_way_to_the_next_model() {
    let blocked = exception(400, "ValidationException", FILTERED);
    passes_on_loudly(blocked, Fault::ContentRefused).await;
}

// world.md 8
#[tokio::test]
async fn a_guardrail_that_intervened_gives_way_to_the_next_model() {
    for stop in ["guardrail_intervened", "content_filtered", "refusal"] {
        passes_on_loudly(ended(stop, &json!([{"text": "Blocked."}])), Fault::ContentRefused).await;
    }
}

// aws.md 1
#[tokio::test]
async fn a_model_whose_subscription_settles_gives_way_to_the_next() {
    let settling = exception(403, "AccessDeniedException", SETTLING);
    passes_on_loudly(settling, Fault::AccessPending).await;
    let denied = exception(403, "AccessDeniedException", "User is not authorized");
    passes_on_loudly(denied, Fault::AccessDenied).await;
}

#[tokio::test]
async fn an_exception_that_nobody_knows_gives_way_to_the_next_model() {
    passes_on_loudly(exception(418, "TeapotException", "short and stout"), Fault::Unknown).await;
}

/// What it means when every model replies so.
async fn of_all(replies: Vec<Reply>) -> shared::process::Failure {
    const IDS: [&str; 3] = ["first", "second", "third"];
    let count = replies.len();
    let (address, asked) = stub::start(move |_, number| replies[number].clone()).await;
    let failure = models(&address, &IDS[..count])
        .ask(&prompt(), &Throttles::default(), &|_| ())
        .await
        .unwrap_err();
    assert_eq!(*asked.lock().unwrap(), IDS[..count], "each is asked once");
    for id in &IDS[..count] {
        assert!(failure.cause.contains(id), "{failure}");
    }
    assert!(!failure.cause.contains(SECRET), "{failure}");
    failure
}

// aws.md 6: a throttled first model and a dead second
#[tokio::test]
async fn a_dead_fallback_does_not_turn_a_throttle_into_a_failure_for_good() {
    let throttled = || exception(429, "ThrottlingException", "Too many tokens");
    let legacy = || exception(404, "ResourceNotFoundException", LEGACY);
    for replies in [vec![throttled(), legacy()], vec![legacy(), throttled()]] {
        let failure = of_all(replies).await;
        assert_eq!(failure.code, ErrorCode::AiThrottling, "{failure}");
        assert!(failure.cause.contains("name an active model in MODEL_IDS"), "{failure}");
    }
}

#[tokio::test]
async fn only_models_that_are_all_wrongly_configured_end_a_process_as_such() {
    let denied = || exception(403, "AccessDeniedException", "User is not authorized");
    let gone = || exception(404, "ResourceNotFoundException", END_OF_LIFE);
    let failure = of_all(vec![denied(), gone()]).await;
    assert_eq!((failure.code, failure.is_final), (ErrorCode::InternalError, false), "{failure}");
    assert!(failure.cause.contains("request 0a1b2c"), "{failure}");
    let unavailable = exception(503, "ServiceUnavailableException", "busy");
    assert_eq!(of_all(vec![denied(), gone(), unavailable]).await.code, ErrorCode::AiError);
}

// world.md 8, 9
#[tokio::test]
async fn what_every_model_refuses_is_given_up_and_not_asked_for_again() {
    let refused = || ended("guardrail_intervened", &json!([{"text": "Blocked."}]));
    let blocked = || exception(400, "ValidationException", FILTERED);
    let gone = || exception(404, "ResourceNotFoundException", END_OF_LIFE);
    for replies in [vec![refused(), refused()], vec![blocked(), refused()], vec![blocked(), gone()]]
    {
        let failure = of_all(replies).await;
        assert_eq!(failure.code, ErrorCode::AiResponseInvalid, "{failure}");
        assert!(engine_retry::gives_up(&failure, 1) && !engine_retry::ends_process(failure.code));
    }
    let failure = of_all(vec![refused(), refused()]).await;
    assert!(failure.cause.contains("guardrail_intervened"), "{failure}");
}

// aws.md, "not verified": a connection that died while Lambda had frozen the environment
#[tokio::test]
async fn a_connection_that_died_while_idle_is_no_fault_of_the_model() {
    let (address, asked) = stub::start(|_, number| match number {
        1 => Reply::HangUp,
        _ => good(),
    })
    .await;
    let models = models(&address, &["first", "second"]);
    for _ in 0..2 {
        models.ask(&prompt(), &Throttles::default(), &|_| ()).await.unwrap().unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), ["first", "first", "first"]);
}

#[tokio::test]
async fn a_model_that_keeps_hanging_up_is_unavailable() {
    let (address, asked) = stub::start(|_, _| Reply::HangUp).await;
    let failure = models(&address, &["first"])
        .ask(&prompt(), &Throttles::default(), &|_| ())
        .await
        .unwrap_err();
    assert_eq!(failure.code, ErrorCode::AiError, "{failure}");
    assert!(failure.cause.starts_with("first unavailable: "), "{failure}");
    assert_eq!(asked.lock().unwrap().len(), 2);
}

// aws.md 1, 6: what the check "health" reports of each model
#[tokio::test]
async fn the_check_tells_the_faults_of_models_apart_with_the_next_step() {
    let (address, _) = stub::start(|model, _| match model {
        "gone" => exception(404, "ResourceNotFoundException", END_OF_LIFE),
        "legacy" => exception(400, "ValidationException", LEGACY),
        "settling" => exception(403, "AccessDeniedException", SETTLING),
        "busy" => exception(429, "ThrottlingException", "Too many tokens"),
        _ => good(),
    })
    .await;
    let ids = ["gone", "legacy", "settling", "busy", "well"];
    let found = models(&address, &ids).check(Duration::from_secs(5)).await;
    let steps = ["end of life", "Legacy", "use case form", "Service Quotas"];
    for ((id, result), step) in found.iter().zip(steps) {
        let fault = result.as_ref().unwrap_err();
        assert!(fault.words.contains(step), "{id}: {fault:?}");
        assert!(!fault.words.contains(SECRET), "{id}: {fault:?}");
    }
    assert_eq!(found[4], ("well".to_owned(), Ok(())));
}
