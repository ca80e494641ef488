//! The operator's first question.

use serde_json::{Value, json};
use system_tests::Stack;

#[tokio::test]
async fn health_asks_database_state_machine_and_every_model() {
    let stack = Stack::up().await;
    let answer = stack.invoke("diagnostics", &json!({"check": "health"})).await;
    assert_eq!(
        (&answer["success"], &answer["data"]["healthy"]),
        (&true.into(), &true.into()),
        "{answer}"
    );
    let parts: Vec<_> = answer["data"]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["part"].as_str().unwrap())
        .collect();
    assert_eq!(parts, ["database", "stateMachine", "model", "model"]);
}

#[tokio::test]
async fn an_unknown_check_is_refused_with_the_known_ones() {
    let stack = Stack::up().await;
    let answer = stack.invoke("diagnostics", &json!({"check": "weather"})).await;
    assert_eq!(
        (&answer["success"], &answer["error"]["code"]),
        (&false.into(), &"VALIDATION_ERROR".into())
    );
    assert_eq!(answer["error"]["details"][0]["field"], Value::from("check"));
}
