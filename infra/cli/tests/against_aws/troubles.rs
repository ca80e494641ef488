//! Each trouble between a person and the function, and what is told of it.

use serde_json::json;
use tokio::net::TcpListener;

use crate::double::{Answer, BROKE, Double, HANGS_UP, answers, json_error, stack, xml_error};
use crate::person::{Person, Run};

async fn of_stack(answer: Answer) -> Run {
    let double = Double::with_stack(answer).await;
    let words = ["health", "--stack", "prod", "--region", "ap-northeast-1"];
    let run = Person::with_keys(&double).types(&words).await;
    assert!(double.names().iter().all(|name| name == "DescribeStacks"), "{:?}", double.names());
    run
}

#[tokio::test]
async fn a_stack_that_is_not_there_is_told_with_its_region() {
    let message = "Stack with id prod does not exist";
    of_stack(xml_error(400, "ValidationError", message)).await.fails_with(&[
        "there is no stack prod in ap-northeast-1",
        "`aws cloudformation describe-stacks --query 'Stacks[].StackName' --region ap-northeast-1`",
    ]);
}

#[tokio::test]
async fn another_refusal_by_the_same_code_is_not_taken_for_a_missing_stack() {
    let run = of_stack(xml_error(400, "ValidationError", "stackName is too long")).await;
    run.fails_with(&["DescribeStacks on prod in ap-northeast-1 has failed", "is too long"]);
}

#[tokio::test]
async fn a_stack_of_another_project_is_told() {
    let run = of_stack(stack("SomethingElse")).await;
    run.fails_with(&["the stack prod in ap-northeast-1 is none of this project's"]);
}

#[tokio::test]
async fn what_is_not_allowed_is_told_with_the_action_and_the_resource() {
    let denied = xml_error(403, "AccessDenied", "User: arn:aws:iam::1:user/hanako is not allowed");
    of_stack(denied).await.fails_with(&[
        "you may not cloudformation:DescribeStacks on prod in ap-northeast-1",
        "docs/operators.md",
        "User: arn:aws:iam::1:user/hanako is not allowed (request r-7)",
    ]);
    let denied = json_error(403, "AccessDeniedException", "no");
    let double = Double::with_function(denied).await;
    let run = Person::with_keys(&double).types(&["resume", "--stack", "s"]).await;
    run.fails_with(&["you may not lambda:InvokeFunction on aigen-reconciler in eu-west-1"]);
}

#[tokio::test]
async fn what_may_not_be_done_to_one_process_is_not_tried_with_each() {
    let candidates: Vec<_> = (0..40)
        .map(|number| {
            json!({"processId": number.to_string(), "type": "TASK_GENERATION", "userId": "hanako",
                   "status": "PENDING", "at": "2026-11-26T04:00:00Z"})
        })
        .collect();
    let double = Double::with_functions(vec![
        ("aigen-diagnostics", answers(&json!({"processes": candidates, "leftOut": {}}))),
        ("aigen-cancel-handler", json_error(403, "AccessDeniedException", "no")),
    ])
    .await;
    let words = "cancel --all --reason x --yes --per-second 5 --stack s";
    let words: Vec<_> = words.split(' ').collect();
    let run = Person::with_keys(&double).types(&words).await;
    assert_eq!(run.code, 1, "{}", run.aside);
    assert!(run.answer.starts_with("cancelled 0 of 40\n40 were not touched\n"), "{}", run.answer);
    let told = "error: you may not lambda:InvokeFunction on aigen-cancel-handler in eu-west-1";
    assert!(run.aside.contains(told) && run.aside.contains("AccessDenied"), "{}", run.aside);
    assert!(!run.answer.contains("NO_ANSWER"), "{}", run.answer);
    let invoked = double.names().into_iter().filter(|name| name == "aigen-cancel-handler");
    assert!(invoked.count() <= 8);
    let run = Person::with_keys(&double).types(&["cancel", "7", "--stack", "s"]).await;
    assert_eq!((run.code, run.answer.as_str()), (1, ""));
    assert!(run.aside.contains(told), "{}", run.aside);
}

#[tokio::test]
async fn a_function_that_is_gone_is_told() {
    let gone = json_error(404, "ResourceNotFoundException", "Function not found: arn");
    let double = Double::with_function(gone).await;
    let run = Person::with_keys(&double).types(&["list", "--stack", "s"]).await;
    run.fails_with(&["there is no function aigen-diagnostics in eu-west-1", "`sam deploy`"]);
}

#[tokio::test]
async fn a_function_that_broke_is_told_with_its_request_and_where_its_log_is() {
    let body = json!({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out"});
    let double = Double::with_function(Answer(200, BROKE, body.to_string())).await;
    let run = Person::with_keys(&double).types(&["stats", "--stack", "s"]).await;
    run.fails_with(&[
        "aigen-diagnostics broke with Sandbox.Timedout: Task timed out (request r-7)",
        "`aws logs filter-log-events --log-group-name /aws/lambda/aigen-diagnostics \
         --filter-pattern '\"r-7\"' --region eu-west-1`",
    ]);
}

#[tokio::test]
async fn a_throttle_is_met_again_by_who_asks_and_not_by_who_changes() {
    let throttled = || json_error(429, "TooManyRequestsException", "Rate Exceeded.");
    for (verb, function, times) in
        [("errors", "aigen-diagnostics", 3), ("resume", "aigen-reconciler", 1)]
    {
        let double = Double::with_function(throttled()).await;
        let run = Person::with_keys(&double).types(&[verb, "--stack", "s"]).await;
        let told = format!("AWS throttles lambda:InvokeFunction on {function}: try again");
        run.fails_with(&[&told, "Rate Exceeded."]);
        let invoked = double.names().into_iter().filter(|name| name == function).count();
        assert_eq!(invoked, times, "{verb}");
    }
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_is_not_sent_again_and_is_said_to_be_unknown() {
    let double = Double::with_function(Answer(200, HANGS_UP, String::new())).await;
    let run = Person::with_keys(&double).types(&["pause", "--stack", "s"]).await;
    run.fails_with(&[
        "AWS cannot be reached for lambda:InvokeFunction",
        "whether it was done is not known; `aigen --stack s limit` shows",
    ]);
    assert_eq!(double.names(), ["DescribeStacks", "GetCallerIdentity", "aigen-reconciler"]);
}

#[tokio::test]
async fn no_network_is_told_with_where_to_look() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut person = Person::without_keys(&closed);
    person.set("AWS_ACCESS_KEY_ID", "AKIAOFSHELL");
    person.set("AWS_SECRET_ACCESS_KEY", "secret");
    let run = person.types(&["health", "--stack", "s", "--region", "eu-west-1"]).await;
    run.fails_with(&["AWS cannot be reached for cloudformation:DescribeStacks", "HTTPS_PROXY"]);
}
