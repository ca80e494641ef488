use serde_json::json;
use uuid::Uuid;

use super::{Output, Outputs, batches, by_model, count, finish, open};
use crate::{
    error_code::ErrorCode,
    generated::{Action, ActionType, Kind, Row, Rows, SubGoal},
    model::Usage,
    params::failed_targets,
    process::ProcessError,
    prompt::{GoalText, PartText, Target},
};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn target(number: u128, kind: Kind) -> Target {
    let part = |title: &str| {
        Some(PartText { title: title.into(), description: "d".into(), background: "b".into() })
    };
    Target {
        id: id(number),
        kind,
        goal: GoalText {
            title: "g".into(),
            description: "d".into(),
            deadline: chrono::DateTime::UNIX_EPOCH,
            background: "b".into(),
            constraints: None,
        },
        sub_goal: if kind == Kind::SubGoals { None } else { part("s") },
        action: if kind == Kind::Tasks { part("a") } else { None },
    }
}

/// Eight rows whose ids begin at `start`.
fn sub_goals(start: u128) -> Output {
    let item = |n: u128| SubGoal {
        title: format!("s{n}"),
        description: "d".into(),
        background: "b".into(),
    };
    Output::Written(Rows::SubGoals(
        (0..8)
            .map(|n| Row { id: id(start + n), position: i16::try_from(n).unwrap(), item: item(n) })
            .collect(),
    ))
}

fn actions(start: u128) -> Output {
    let item = |n: u128| Action {
        title: format!("a{n}"),
        description: "d".into(),
        background: "b".into(),
        action_type: ActionType::Habit,
    };
    Output::Written(Rows::Actions(
        (0..8)
            .map(|n| Row { id: id(start + n), position: i16::try_from(n).unwrap(), item: item(n) })
            .collect(),
    ))
}

fn given_up(code: ErrorCode) -> Output {
    Output::GivenUp(ProcessError::new(code, "test"))
}

#[test]
fn sixty_four_actions_are_eight_batches_of_eight() {
    let roots: Vec<_> = (0..64).map(|n| target(n, Kind::Tasks)).collect();
    let batches = batches(&roots, Kind::Tasks, 8);
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [8; 8]);
    assert_eq!(batches.concat(), roots.iter().map(|root| root.id).collect::<Vec<_>>());
}

#[test]
fn a_sub_goal_with_actions_and_tasks_is_a_batch_of_its_own() {
    let roots: Vec<_> = (0..8).map(|n| target(n, Kind::Actions)).collect();
    assert_eq!(batches(&roots, Kind::Tasks, 8).len(), 8);
    assert_eq!(batches(&roots, Kind::Actions, 8).len(), 1);
    let mixed = [target(1, Kind::Actions), target(2, Kind::Tasks), target(3, Kind::Tasks)];
    assert_eq!(batches(&mixed, Kind::Tasks, 8), [vec![id(1)], vec![id(2), id(3)]]);
    assert_eq!(count(&mixed, Kind::Tasks), 11);
}

#[test]
fn what_is_staged_is_not_open_and_what_it_brings_forth_is() {
    let roots = [target(1, Kind::SubGoals)];
    let mut outputs = Outputs::new();
    assert_eq!(open(&roots, Kind::Tasks, &outputs).len(), 1);
    outputs.insert(id(1), sub_goals(10));
    assert!(open(&roots, Kind::SubGoals, &outputs).is_empty());
    assert_eq!(open(&roots, Kind::Tasks, &outputs).len(), 8);
    outputs.insert(id(10), actions(100));
    outputs.insert(id(11), given_up(ErrorCode::AiError));
    let open = open(&roots, Kind::Tasks, &outputs);
    assert_eq!((open.len(), open[0].id, open[0].kind), (6 + 8, id(100), Kind::Tasks));
}

#[test]
fn a_chart_nests_what_was_written_and_names_what_failed() {
    let roots = [target(1, Kind::SubGoals)];
    let mut outputs = Outputs::from([(id(1), sub_goals(10))]);
    for n in 0..7 {
        outputs.insert(id(10 + n), actions(100 + 10 * n));
    }
    outputs.insert(id(17), given_up(ErrorCode::AiResponseInvalid));
    let finished = finish(id(1), &roots, Kind::Actions, &outputs, &[]);
    assert_eq!((finished.parts.len(), finished.nothing), (8, None));
    let result = finished.result;
    assert_eq!(result["subGoals"][6]["actions"][7]["title"], "a7");
    assert!(result["subGoals"][7].get("actions").is_none());
    assert_eq!((&result["partial"], failed_targets(&result)), (&json!(true), vec![id(17)]));
    assert_eq!(
        (&result["failedTargets"][0]["title"], &result["failedTargets"][0]["code"]),
        (&json!("s7"), &json!("AI_RESPONSE_INVALID"))
    );
}

#[test]
fn several_roots_are_listed_with_their_own_rows() {
    let roots = [target(1, Kind::Actions), target(2, Kind::Actions)];
    let outputs = Outputs::from([(id(1), actions(100)), (id(2), actions(200))]);
    let result = finish(id(9), &roots, Kind::Actions, &outputs, &[]).result;
    assert_eq!(
        (&result["goalId"], result["subGoals"].as_array().unwrap().len()),
        (&json!(id(9)), 2)
    );
    assert_eq!(result["subGoals"][1]["actions"][0]["id"], json!(id(200)));
    assert_eq!((&result["partial"], &result["failedTargets"]), (&json!(false), &json!([])));
}

#[test]
fn nothing_written_is_told_with_the_first_failure() {
    let roots = [target(1, Kind::Tasks), target(2, Kind::Tasks)];
    let outputs = Outputs::from([
        (id(1), given_up(ErrorCode::AiThrottling)),
        (id(2), given_up(ErrorCode::AiError)),
    ]);
    let finished = finish(id(9), &roots, Kind::Tasks, &outputs, &[]);
    assert_eq!(finished.nothing.unwrap().code, ErrorCode::AiThrottling);
    assert!(finished.parts.is_empty());
}

#[test]
fn usage_is_summed_by_model() {
    let call = |model: &str| Usage {
        model_id: model.into(),
        input_tokens: 10,
        output_tokens: 20,
        latency_ms: 5,
    };
    let expected = json!([
        {"modelId": "a", "inputTokens": 20, "outputTokens": 40, "latencyMs": 10, "calls": 2},
        {"modelId": "b", "inputTokens": 10, "outputTokens": 20, "latencyMs": 5, "calls": 1},
    ]);
    assert_eq!(by_model(&[call("a"), call("b"), call("a")]), expected);
}
