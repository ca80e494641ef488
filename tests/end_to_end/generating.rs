//! The main job.

use system_tests::{Goal, Stack};

#[tokio::test]
async fn a_goal_becomes_eight_sub_goals_in_one_execution_and_one_attempt() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("TypeScriptのエキスパートになる");

    let accepted = user.post("/generate", &goal.request()).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert_eq!(
        (&accepted.data()["status"], &accepted.data()["type"]),
        (&"PENDING".into(), &"SUBGOAL_GENERATION".into())
    );
    assert!(
        accepted.data()["estimatedCompletionTime"].as_str() > accepted.data()["createdAt"].as_str()
    );

    let id = accepted.data()["processId"].as_str().unwrap();
    let process = user.wait_for_end(id).await;
    assert_eq!(
        (&process["status"], &process["progress"], &process["attempt"]),
        (&"COMPLETED".into(), &100.into(), &1.into()),
        "{process}"
    );
    let listed = process["result"]["subGoals"].as_array().unwrap();
    let stored = stack.sub_goals(&goal).await;
    assert_eq!(
        stored.iter().map(|(position, _)| *position).collect::<Vec<_>>(),
        (0..8).collect::<Vec<_>>()
    );
    assert_eq!(
        stored.iter().map(|(_, title)| title.as_str()).collect::<Vec<_>>(),
        listed.iter().map(|item| item["title"].as_str().unwrap()).collect::<Vec<_>>()
    );

    let execution = stack.execution(id).await;
    assert_eq!((&execution["name"], &execution["status"]), (&id.into(), &"SUCCEEDED".into()));
    let events = stack.execution_events(id).await;
    assert_eq!(
        events
            .iter()
            .filter(|event| *event == "TaskScheduled" || *event == "LambdaFunctionScheduled")
            .count(),
        1,
        "{events:?}"
    );
    // The second is the map over what is left, which for one target is nothing.
    assert_eq!(
        events.iter().filter(|event| event.ends_with("StateEntered")).count(),
        2,
        "{events:?}"
    );
}

#[tokio::test]
async fn a_second_submission_for_a_finished_goal_is_refused_unless_it_replaces() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("英語で商談をまとめる");
    user.wait_for_end(&user.submit(&goal).await).await;
    let before = stack.sub_goals(&goal).await;

    let refused = user.post("/generate", &goal.request()).await;
    assert_eq!((refused.status, refused.code()), (409, "TARGET_NOT_EMPTY"));

    let replacing = user.post("/generate", &goal.request_with("replace", true.into())).await;
    assert_eq!(replacing.status, 202, "{replacing:?}");
    let process = user.wait_for_end(replacing.data()["processId"].as_str().unwrap()).await;
    assert_eq!(process["status"], "COMPLETED", "{process}");
    assert_eq!((before.len(), stack.sub_goals(&goal).await.len()), (8, 8));
}

#[tokio::test]
async fn a_second_submission_for_a_running_goal_is_pointed_to_the_first() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("ピアノで一曲弾けるようになる");
    stack.fault(&goal, serde_json::json!({"delayMs": 3_000})).await;
    let first = user.submit(&goal).await;
    let second = user.post("/generate", &goal.request()).await;
    assert_eq!((second.status, second.code()), (409, "ALREADY_RUNNING"));
    assert_eq!(second.body["error"]["processId"], first.as_str());
    assert_eq!(user.wait_for_end(&first).await["status"], "COMPLETED");
}

#[tokio::test]
async fn progress_is_0_50_100_and_tells_when_to_ask_again() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("毎朝5時に起きる");
    stack.fault(&goal, serde_json::json!({"delayMs": 3_000})).await;
    let id = user.submit(&goal).await;
    let asked = user.wait_until(&id, "half done", |process| process["progress"] != 0).await;
    assert_eq!((&asked["progress"], &asked["status"]), (&50.into(), &"PROCESSING".into()));
    let answer = user.get(&format!("/status/{id}")).await;
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=15).contains(&seconds));
    assert_eq!(user.wait_for_end(&id).await["progress"], 100);
}
