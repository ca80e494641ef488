use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::{
    chart::{Chart, GoalParams, Level, Rows, Target},
    validation::Rule,
};
use uuid::Uuid;

use super::*;

mod miscounting;

/// A clock that only the test moves.
#[derive(Default)]
struct TestClock {
    seconds: AtomicI64,
    ids: AtomicU64,
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(self.seconds.load(Ordering::Relaxed))
    }

    fn new_id(&self) -> Uuid {
        Uuid::from_u128(self.ids.fetch_add(1, Ordering::Relaxed).into())
    }
}

fn target(level: Level) -> Target {
    let goal = GoalParams {
        goal_id: Uuid::nil(),
        title: "英語を話す".into(),
        description: "説明".into(),
        deadline: DateTime::UNIX_EPOCH,
        background: "背景".into(),
        constraints: None,
        replace: false,
    };
    Target { level, ..Target::goal(&goal) }
}

const ENOUGH_TIME: Asking = Asking { until: DateTime::<Utc>::MAX_UTC, with_others: false };

fn action(n: usize) -> Value {
    json!({
        "title": format!("題名{n}"),
        "description": "説".repeat(60),
        "background": "背景",
        "type": "HABIT",
    })
}

fn actions() -> Value {
    json!({"actions": (0..8).map(action).collect::<Vec<_>>()})
}

/// What the calls of a model are answered with, and what they asked.
struct Script {
    answers: RefCell<Vec<Result<ModelAnswer, Failure>>>,
    prompts: RefCell<Vec<Prompt>>,
    clock: TestClock,
    /// What each call takes, in seconds.
    takes: i64,
}

impl Script {
    fn new(answers: Vec<Value>) -> Self {
        Self::of(answers.into_iter().map(|answer| Ok(Ok(answer))).collect())
    }

    fn of(mut answers: Vec<Result<ModelAnswer, Failure>>) -> Self {
        answers.reverse();
        let prompts = RefCell::default();
        Self { answers: RefCell::new(answers), prompts, clock: TestClock::default(), takes: 10 }
    }

    async fn ask(&self, asking: Asking) -> Result<Rows, Failure> {
        let model = async |prompt: &Prompt| {
            self.prompts.borrow_mut().push(prompt.clone());
            self.clock.seconds.fetch_add(self.takes, Ordering::Relaxed);
            self.answers.borrow_mut().pop().unwrap()
        };
        ask_until_right::<Chart>(&target(Level::Actions), model, &self.clock, asking).await
    }

    fn calls(&self) -> usize {
        self.prompts.borrow().len()
    }

    fn question(&self, call: usize) -> String {
        self.prompts.borrow()[call - 1].question.clone()
    }
}

// world.md row 5.
#[tokio::test]
async fn a_list_as_json_text_is_one_call() {
    let script = Script::new(vec![json!({"actions": actions()["actions"].to_string()})]);
    assert_eq!(script.ask(ENOUGH_TIME).await.unwrap().len(), 8);
    assert_eq!(script.calls(), 1);
}

// world.md row 7.
#[tokio::test]
async fn the_second_call_says_which_value_was_wrong_and_what_is_allowed() {
    let mut wrong = actions();
    wrong["actions"][5]["type"] = json!("habit");
    let mut item = action(50);
    item["index"] = json!(5);
    let script = Script::new(vec![wrong, json!({"actions": [item]})]);
    let rows = script.ask(ENOUGH_TIME).await.unwrap();
    let question = script.question(2);
    let named = question
        .lines()
        .any(|line| line.contains("actions[5].type") && line.contains("EXECUTION, HABIT"));
    assert!(named, "{question}");
    let Rows::Actions(rows) = rows else { panic!() };
    assert_eq!((rows[5].item.title.as_str(), rows[4].item.title.as_str()), ("題名50", "題名4"));
}

// world.md rows 1 and 2.
#[tokio::test]
async fn an_answer_that_is_cut_off_or_split_is_asked_for_again_as_a_whole() {
    for rule in [
        Rule::Truncated,
        Rule::Unfinished { stop_reason: "malformed_tool_use".into() },
        Rule::SeveralToolCalls { actual: 2 },
        Rule::OtherTool,
        Rule::NoToolCall,
    ] {
        let violation = Violation::new("answer", rule);
        let said = violation.message(Language::Japanese);
        let script = Script::of(vec![Ok(Err(violation)), Ok(Ok(actions()))]);
        assert_eq!(script.ask(ENOUGH_TIME).await.unwrap().len(), 8);
        assert!(script.question(2).contains(&said), "{}", script.question(2));
        assert_eq!(script.prompts.borrow()[1].schema, script.prompts.borrow()[0].schema);
    }
}

#[tokio::test]
async fn a_repair_that_is_cut_off_loses_nothing_of_what_was_right() {
    let mut wrong = actions();
    wrong["actions"][2]["description"] = json!("短い");
    let cut = Violation::new("answer", Rule::Truncated);
    let repair = json!({"actions": [action(20)]});
    let script = Script::of(vec![Ok(Ok(wrong)), Ok(Err(cut)), Ok(Ok(repair))]);
    assert_eq!(script.ask(ENOUGH_TIME).await.unwrap().len(), 8);
    let prompts = script.prompts.borrow();
    assert_eq!(prompts[1].schema, prompts[2].schema);
    assert!(prompts[2].question.contains("途中で切れています"));
}

#[tokio::test]
async fn after_three_repairs_what_is_still_wrong_is_named() {
    let mut wrong = actions();
    wrong["actions"][2]["description"] = json!("短い");
    let item = json!({
        "title": "題",
        "description": "短い",
        "background": "背景",
        "type": "HABIT",
    });
    let again = json!({"actions": [item]});
    let script = Script::new(vec![wrong, again.clone(), again.clone(), again]);
    let failure = script.ask(ENOUGH_TIME).await.unwrap_err();
    assert_eq!((failure.code, script.calls()), (ErrorCode::AiResponseInvalid, 4));
    assert_eq!(
        failure.cause,
        "after 3 repairs: actions[2].description must have 50 to 200 characters, has 2"
    );
}

#[tokio::test]
async fn a_repair_that_could_not_be_answered_in_time_is_not_asked_for() {
    let wrong = || json!({"actions": []});
    let until = |seconds| Asking {
        until: DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds),
        with_others: false,
    };
    let script = Script::new(vec![wrong(), actions()]);
    let failure = script.ask(until(19)).await.unwrap_err();
    assert_eq!((failure.code, script.calls()), (ErrorCode::AiResponseInvalid, 1));
    assert!(failure.cause.contains("there is no time for another"), "{}", failure.cause);
    let script = Script::new(vec![wrong(), actions()]);
    assert!(script.ask(until(20)).await.is_ok());
}

#[tokio::test]
async fn a_model_that_fails_is_not_asked_again_here() {
    let failure = Failure::new(ErrorCode::AiThrottling, "too many");
    let script = Script::of(vec![Err(failure.clone())]);
    assert_eq!(script.ask(ENOUGH_TIME).await.unwrap_err(), failure);
}

#[tokio::test]
async fn only_questions_with_the_same_beginning_are_cached_together() {
    let mut wrong = actions();
    wrong["actions"][2]["description"] = json!("短い");
    let with_others = Asking { with_others: true, ..ENOUGH_TIME };
    let script = Script::new(vec![json!({}), wrong, json!({"actions": [action(20)]})]);
    script.ask(with_others).await.unwrap();
    let shared: Vec<_> =
        script.prompts.borrow().iter().map(|prompt| prompt.context_recurs).collect();
    assert_eq!(shared, [true, true, false]);
    let script = Script::new(vec![actions()]);
    script.ask(ENOUGH_TIME).await.unwrap();
    assert!(!script.prompts.borrow()[0].context_recurs);
}
