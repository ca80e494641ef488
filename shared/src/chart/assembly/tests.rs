use serde_json::{Value, json};
use uuid::Uuid;

use super::assemble;
use crate::{
    chart::{
        Action, ActionType, Chart, ChartParams, GoalParams, GoalText, Level, Params, Part,
        PartParams, PartText, Row, Rows, SubGoal, Target, Task,
    },
    process::{
        Assembly, ErrorCode, Generation, ModelUsage, Outputs, PlannedTarget, ProcessError,
        generation::{batches, open_targets, parse_failed_targets, total_weight},
    },
};

type Output = crate::process::Output<Rows>;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn goal() -> GoalParams {
    GoalParams {
        goal_id: id(1),
        title: "g".into(),
        description: "d".into(),
        deadline: chrono::DateTime::UNIX_EPOCH,
        background: "b".into(),
        constraints: None,
        replace: false,
    }
}

/// Params of a whole chart for the goal 1.
fn chart(depth: Level) -> Params {
    Params::Chart(ChartParams { goal: goal(), depth, only: None })
}

/// Params for all actions, or all tasks, of the goal 9.
fn of_goal(level: Level) -> Params {
    let part = PartParams { of: Part::GoalId(id(9)), replace: false, only: None };
    if level == Level::Tasks { Params::Tasks(part) } else { Params::Actions(part) }
}

fn target(number: u128, level: Level) -> Target {
    let part = |title: &str| {
        Some(PartText { title: title.into(), description: "d".into(), background: "b".into() })
    };
    Target {
        id: id(number),
        level,
        goal: GoalText::from(&goal()),
        sub_goal: if level == Level::SubGoals { None } else { part("s") },
        action: if level == Level::Tasks { part("a") } else { None },
    }
}

/// Eight rows whose ids begin at `start`.
fn eight<T>(start: u128, item: fn(i16) -> T) -> Vec<Row<T>> {
    let row = |(position, id)| Row { id, position, item: item(position) };
    (0..8).zip((start..).map(id)).map(row).collect()
}

fn sub_goals(start: u128) -> Output {
    Output::Written(Rows::SubGoals(eight(start, |n| SubGoal {
        title: format!("s{n}"),
        description: "d".into(),
        background: "b".into(),
    })))
}

fn actions(start: u128) -> Output {
    Output::Written(Rows::Actions(eight(start, |n| Action {
        title: format!("a{n}"),
        description: "d".into(),
        background: "b".into(),
        action_type: ActionType::Habit,
    })))
}

fn tasks(start: u128) -> Output {
    Output::Written(Rows::Tasks(eight(start, |n| Task {
        title: format!("t{n}"),
        description: "d".into(),
        task_type: ActionType::Execution,
        estimated_minutes: 30,
    })))
}

fn given_up(code: ErrorCode) -> Output {
    Output::GivenUp(ProcessError::new(code, "test"))
}

fn assembled(params: &Params, roots: &[Target], outputs: &Outputs<Chart>) -> Assembly<Rows> {
    assemble(params, roots, &[], outputs, &[])
}

#[test]
fn sixty_four_actions_are_eight_batches_of_eight() {
    let roots: Vec<_> = (0..64).map(|n| target(n, Level::Tasks)).collect();
    let batches = batches::<Chart>(&of_goal(Level::Tasks), &roots, 8);
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [8; 8]);
    let planned = roots.iter().map(|root| PlannedTarget { id: root.id, weight: 1 });
    assert_eq!(batches.concat(), planned.collect::<Vec<_>>());
}

#[test]
fn a_sub_goal_with_actions_and_tasks_is_as_much_work_as_nine_actions() {
    let roots: Vec<_> = (0..8).map(|n| target(n, Level::Actions)).collect();
    let (tasks, actions) = (chart(Level::Tasks), chart(Level::Actions));
    assert_eq!(batches::<Chart>(&tasks, &roots, 8).len(), 8);
    assert_eq!(batches::<Chart>(&actions, &roots, 1).len(), 1);
    let mixed = [target(1, Level::Actions), target(2, Level::Tasks), target(3, Level::Tasks)];
    let planned = |number, weight| PlannedTarget { id: id(number), weight };
    assert_eq!(
        batches::<Chart>(&tasks, &mixed, 2),
        [vec![planned(1, 9)], vec![planned(2, 1), planned(3, 1)]]
    );
    assert_eq!(total_weight::<Chart>(&tasks, &mixed), 11);
}

#[test]
fn what_is_staged_is_not_open_and_what_it_brings_forth_is() {
    let roots = [target(1, Level::SubGoals)];
    let tasks = chart(Level::Tasks);
    let mut outputs = Outputs::<Chart>::new();
    assert_eq!(open_targets::<Chart>(&tasks, &roots, &outputs).len(), 1);
    outputs.insert(id(1), sub_goals(10));
    assert!(open_targets::<Chart>(&chart(Level::SubGoals), &roots, &outputs).is_empty());
    assert_eq!(open_targets::<Chart>(&tasks, &roots, &outputs).len(), 8);
    outputs.insert(id(10), actions(100));
    outputs.insert(id(11), given_up(ErrorCode::AiError));
    let open = open_targets::<Chart>(&tasks, &roots, &outputs);
    assert_eq!((open.len(), open[0].id, open[0].level), (6 + 8, id(100), Level::Tasks));
}

/// A process is complete when as many targets are settled as its roots weigh, so the weight must be
/// exactly what comes forth when nothing is given up.
#[test]
fn as_many_targets_come_forth_as_their_root_weighs() {
    for depth in Level::ALL {
        let (params, roots) = (chart(*depth), [target(1, Level::SubGoals)]);
        let mut outputs = Outputs::<Chart>::new();
        loop {
            let open = open_targets::<Chart>(&params, &roots, &outputs);
            if open.is_empty() {
                break;
            }
            for target in open {
                let start = target.id.as_u128() * 10;
                let output = match target.level {
                    Level::SubGoals => sub_goals(start),
                    Level::Actions => actions(start),
                    Level::Tasks => tasks(start),
                };
                outputs.insert(target.id, output);
            }
        }
        let weight = Chart::weight(&params, &roots[0]);
        assert_eq!(usize::try_from(weight).unwrap(), outputs.len(), "{depth:?}");
        let assembly = assembled(&params, &roots, &outputs);
        assert_eq!((assembly.parts.len(), assembly.failed), (outputs.len(), vec![]), "{depth:?}");
    }
}

#[test]
fn a_chart_nests_what_was_written_and_names_what_failed() {
    let roots = [target(1, Level::SubGoals)];
    let mut outputs = Outputs::<Chart>::from([(id(1), sub_goals(10))]);
    for n in 0..7 {
        outputs.insert(id(10 + n), actions(100 + 10 * n));
    }
    outputs.insert(id(17), given_up(ErrorCode::AiResponseInvalid));
    let Assembly { parts, failed, result, nothing_written } =
        assembled(&chart(Level::Actions), &roots, &outputs);
    assert_eq!((parts.len(), nothing_written), (8, None));
    assert_eq!((failed.len(), failed[0].target_id), (1, id(17)));
    assert_eq!(result["goalId"], json!(id(1)));
    assert_eq!(result["subGoals"][6]["actions"][7]["title"], "a7");
    assert!(result["subGoals"][7].get("actions").is_none());
    assert_eq!((&result["partial"], parse_failed_targets(&result)), (&json!(true), vec![id(17)]));
    assert_eq!(
        result["failedTargets"],
        json!([{
            "targetId": id(17),
            "title": "s7",
            "missing": "actions",
            "code": "AI_RESPONSE_INVALID",
            "message": failed[0].message,
            "retryable": true,
        }])
    );
}

#[test]
fn what_was_never_staged_is_named_as_missing() {
    let roots = [target(1, Level::Tasks), target(2, Level::Tasks)];
    let outputs = Outputs::<Chart>::from([(id(1), tasks(100))]);
    let assembly = assembled(&of_goal(Level::Tasks), &roots, &outputs);
    assert_eq!(
        (assembly.failed[0].target_id, assembly.failed[0].code),
        (id(2), ErrorCode::ResultMissing)
    );
}

#[test]
fn several_roots_are_listed_with_their_own_rows() {
    let roots = [target(1, Level::Actions), target(2, Level::Actions)];
    let outputs = Outputs::<Chart>::from([(id(1), actions(100)), (id(2), actions(200))]);
    let result = assembled(&of_goal(Level::Actions), &roots, &outputs).result;
    assert_eq!(
        (&result["goalId"], result["subGoals"].as_array().unwrap().len()),
        (&json!(id(9)), 2)
    );
    assert_eq!(result["subGoals"][1]["actions"][0]["id"], json!(id(200)));
    assert_eq!((&result["partial"], &result["failedTargets"]), (&json!(false), &json!([])));
}

#[test]
fn a_planned_target_that_has_gone_is_named_after_all_others_and_nothing_of_it_is_stored() {
    let gone = [(2, 9), (3, 1), (4, 1)].map(|(n, weight)| PlannedTarget { id: id(n), weight });
    let outputs = Outputs::<Chart>::from([
        (id(1), tasks(100)),
        (id(2), actions(200)),
        (id(4), given_up(ErrorCode::AiError)),
    ]);
    let roots = [target(1, Level::Tasks)];
    let assembly = assemble(&chart(Level::Tasks), &roots, &gone, &outputs, &[]);
    assert_eq!(assembly.parts.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id(1)]);
    let failed: Vec<_> = assembly
        .failed
        .iter()
        .map(|target| (target.target_id, target.missing.as_str(), target.code))
        .collect();
    assert_eq!(
        failed,
        [
            (id(2), "actions", ErrorCode::TargetNotFound),
            (id(3), "tasks", ErrorCode::TargetNotFound),
            (id(4), "tasks", ErrorCode::AiError),
        ]
    );
}

#[test]
fn the_children_of_a_plan_are_those_that_are_asked_for() {
    for depth in [Level::SubGoals, Level::Actions, Level::Tasks] {
        let params = chart(depth);
        for (level, rows) in [
            (Level::SubGoals, sub_goals(10)),
            (Level::Actions, actions(20)),
            (Level::Tasks, tasks(30)),
        ] {
            let Output::Written(rows) = rows else { panic!("not written") };
            let children = Chart::children(&params, &target(1, level), &rows);
            let planned: Vec<_> = children
                .iter()
                .map(|child| PlannedTarget { id: child.id, weight: Chart::weight(&params, child) })
                .collect();
            // What is not asked for is not written either, so that there is no such output.
            if level <= depth {
                assert_eq!(
                    Chart::planned_children(&params, &rows),
                    planned,
                    "{level:?}, {depth:?}"
                );
            }
        }
    }
}

#[test]
fn nothing_written_is_told_with_the_first_failure() {
    let roots = [target(1, Level::Tasks), target(2, Level::Tasks)];
    let outputs = Outputs::<Chart>::from([
        (id(1), given_up(ErrorCode::AiThrottling)),
        (id(2), given_up(ErrorCode::AiError)),
    ]);
    let assembly = assembled(&of_goal(Level::Tasks), &roots, &outputs);
    assert_eq!(assembly.nothing_written.unwrap().code, ErrorCode::AiThrottling);
    assert!(assembly.parts.is_empty());
    let none_left = assembled(&of_goal(Level::Tasks), &[], &Outputs::<Chart>::new());
    assert_eq!(none_left.nothing_written.unwrap().code, ErrorCode::TargetNotFound);
}

fn call(model: &str) -> ModelUsage {
    ModelUsage {
        model_id: model.into(),
        input_tokens: 10,
        output_tokens: 20,
        latency_ms: 5,
        ..ModelUsage::default()
    }
}

#[test]
fn usage_is_summed_by_model() {
    let usage = [call("a"), call("b"), call("a")];
    let outputs = Outputs::<Chart>::from([(id(1), tasks(100))]);
    let roots = [target(1, Level::Tasks)];
    let result = assemble(&of_goal(Level::Tasks), &roots, &[], &outputs, &usage).result;
    let expected = json!([
        {"modelId": "a", "inputTokens": 20, "outputTokens": 40, "latencyMs": 10, "calls": 2},
        {"modelId": "b", "inputTokens": 10, "outputTokens": 20, "latencyMs": 5, "calls": 1},
    ]);
    assert_eq!(result["usage"], expected);
}

#[test]
fn a_single_result_says_whose_children_its_rows_are() {
    for (level, parent, output) in [
        (Level::SubGoals, "goalId", sub_goals(10)),
        (Level::Actions, "subGoalId", actions(10)),
        (Level::Tasks, "actionId", tasks(10)),
    ] {
        let Output::Written(rows) = output else { unreachable!("it was written") };
        let result = Chart::single_result(&target(7, level), &rows, &[call("a")]).unwrap();
        let names: Vec<_> = result.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = [level.field(), parent, "usage"];
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(
            (&result[parent], result[level.field()][7]["id"].clone()),
            (&json!(id(7)), json!(id(17)))
        );
        assert_eq!(result["usage"][0]["modelId"], Value::from("a"));
    }
}
