//! Whatever is asked, the answer is in the envelope, in the caller's language, with the headers of
//! a careful API.

use serde_json::json;
use system_tests::{Goal, Stack};

#[tokio::test]
async fn a_wrong_path_is_404_and_a_wrong_method_405_in_the_envelope() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let path = user.get("/nowhere").await;
    assert_eq!((path.status, path.code(), path.fields()), (404, "VALIDATION_ERROR", vec!["path"]));
    for (method, path, allow) in [
        ("DELETE", "/generate", "POST"),
        ("PUT", "/status/1", "GET"),
        ("GET", "/cancel/1", "POST"),
        ("POST", "/history", "GET"),
    ] {
        let answer = user.send(method, path, &[], "").await;
        assert_eq!(
            (answer.status, answer.code(), answer.fields()),
            (405, "VALIDATION_ERROR", vec!["method"]),
            "{method} {path}"
        );
        assert_eq!(answer.headers["allow"], allow);
    }
}

#[tokio::test]
async fn a_body_must_be_json_by_its_own_word_and_of_reasonable_size() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let body = Goal::new("届かない目標").request().to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let answer = user.send("POST", "/generate", &[("content-type", content_type)], &body).await;
        assert_eq!(
            (answer.status, answer.code(), answer.fields()),
            (415, "VALIDATION_ERROR", vec!["Content-Type"])
        );
        assert_eq!(answer.headers["x-ratelimit-limit"], "20");
    }
    let large =
        json!({"type": "SUBGOAL_GENERATION", "params": {"background": "あ".repeat(90_000)}})
            .to_string();
    let answer = user.post_text("/generate", &large).await;
    assert_eq!(
        (answer.status, answer.code(), answer.fields()),
        (413, "VALIDATION_ERROR", vec!["body"])
    );
}

#[tokio::test]
async fn without_a_content_type_the_gateway_encodes_the_body_and_it_is_understood() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let answer = user
        .send("POST", "/generate", &[], &Goal::new("種類を名乗らない目標").request().to_string())
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    user.wait_for_end(answer.data()["processId"].as_str().unwrap()).await;
}

#[tokio::test]
async fn words_are_japanese_unless_english_weighs_more() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    for (accepted, language, message) in [
        ("", "ja", "指定された処理が見つかりません。"),
        ("ja;q=0.5, en;q=0.9", "en", "There is no such process."),
        ("en;q=0.1, ja", "ja", "指定された処理が見つかりません。"),
    ] {
        let answer = user
            .send(
                "GET",
                "/status/00000000-0000-4000-8000-000000000000",
                &[("accept-language", accepted)],
                "",
            )
            .await;
        assert_eq!(
            (
                answer.headers["content-language"].to_str().unwrap(),
                answer.body["error"]["message"].as_str().unwrap()
            ),
            (language, message)
        );
    }
    let english = user
        .send(
            "POST",
            "/generate",
            &[("accept-language", "en"), ("content-type", "application/json")],
            "{}",
        )
        .await;
    assert_eq!(english.body["error"]["details"][0]["message"], "is required");
}

#[tokio::test]
async fn every_answer_has_the_security_headers_and_none_of_our_insides() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let answers = [
        user.get("/history").await,
        user.get("/nowhere").await,
        user.get("/status/42").await,
        user.post_text("/generate", "{").await,
        user.get("/history?status=';DROP TABLE processing_state;--").await,
    ];
    for answer in answers {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("content-type", "application/json; charset=utf-8"),
        ] {
            assert_eq!(answer.headers[name], value, "{answer:?}");
        }
        assert!(
            answer.headers.contains_key("strict-transport-security")
                && answer.headers.contains_key("content-security-policy")
        );
        let text = answer.body.to_string();
        for inside in ["arn:aws", "SELECT", "panicked", "sqlx", ".rs:", "postgres"] {
            assert!(!text.contains(inside), "{inside} in {text}");
        }
    }
}

#[tokio::test]
async fn other_spellings_of_an_id_are_no_ids() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    for id in [
        "0193e4a0000070008000000000000001",
        "%7B0193e4a0-0000-7000-8000-000000000001%7D",
        "urn:uuid:0193e4a0-0000-7000-8000-000000000001",
    ] {
        let answer = user.get(&format!("/status/{id}")).await;
        assert_eq!((answer.status, answer.code()), (400, "INVALID_UUID"), "{id}");
    }
}

#[tokio::test]
async fn an_http_body_cannot_pass_for_an_operator() {
    let stack = Stack::up().await;
    let (hanako, taro) = (stack.new_user().await, stack.new_user().await);
    let goal = Goal::new("守られる目標");
    stack.fault(&goal, json!({"delayMs": 3_000})).await;
    let id = hanako.submit(&goal).await;
    let imitation = json!({"processId": id, "force": true, "requestContext": {"http": null}});
    let mine = "00000000-0000-4000-8000-000000000000";
    assert_eq!(taro.post(&format!("/cancel/{mine}"), &imitation).await.code(), "VALIDATION_ERROR");
    assert_eq!(taro.post(&format!("/retry/{mine}"), &imitation).await.code(), "VALIDATION_ERROR");
    assert_eq!(hanako.wait_for_end(&id).await["status"], "COMPLETED");
}
