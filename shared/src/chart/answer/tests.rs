use serde_json::{Value, json};
use uuid::Uuid;

use super::{Level, Rows, Violation};
use crate::chart::schema;

fn item(level: Level, title: &str) -> Value {
    let mut item = json!({"title": title, "description": "説".repeat(50)});
    match level {
        Level::SubGoals => item["background"] = json!("背景"),
        Level::Actions => {
            item["background"] = json!("背景");
            item["type"] = json!("HABIT");
        }
        Level::Tasks => {
            item["type"] = json!("EXECUTION");
            item["estimatedMinutes"] = json!(30);
        }
    }
    item
}

fn answer(level: Level) -> Value {
    let items: Vec<_> = (0..8).map(|n| item(level, &format!("題名{n}"))).collect();
    json!({level.field(): items})
}

fn parse(level: Level, answer: &Value) -> Result<Rows, Vec<Violation>> {
    super::parse_answer(level, answer, &mut Uuid::nil)
}

fn fields(level: Level, answer: &Value) -> Vec<String> {
    parse(level, answer).unwrap_err().into_iter().map(|violation| violation.field).collect()
}

#[test]
fn eight_items_within_their_limits_are_accepted_in_order() {
    for level in Level::ALL.iter().copied() {
        let rows = parse(level, &answer(level)).unwrap();
        let shown = serde_json::to_value(&rows).unwrap();
        let positions: Vec<_> = shown[level.field()]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["position"].as_i64().unwrap())
            .collect();
        assert_eq!(positions, (0..8).collect::<Vec<_>>());
    }
}

#[test]
fn each_row_gets_an_id_of_its_own() {
    for level in Level::ALL.iter().copied() {
        let mut ids = (1..).map(Uuid::from_u128);
        let rows = super::parse_answer(level, &answer(level), &mut || ids.next().unwrap()).unwrap();
        let shown = serde_json::to_value(&rows).unwrap();
        let given: Vec<Uuid> = (0..8)
            .map(|n| serde_json::from_value(shown[level.field()][n]["id"].clone()).unwrap())
            .collect();
        assert_eq!(given, (1..=8).map(Uuid::from_u128).collect::<Vec<_>>());
    }
}

#[test]
fn rows_read_back_as_they_were_staged() {
    for level in Level::ALL.iter().copied() {
        let rows = parse(level, &answer(level)).unwrap();
        assert_eq!(
            serde_json::from_value::<Rows>(serde_json::to_value(&rows).unwrap()).unwrap(),
            rows
        );
    }
}

#[test]
fn one_task_is_enough_and_seven_sub_goals_or_actions_are_not() {
    for level in Level::ALL.iter().copied() {
        let mut seven = answer(level);
        seven[level.field()].as_array_mut().unwrap().pop();
        let mut nine = answer(level);
        nine[level.field()].as_array_mut().unwrap().push(item(level, "九つ目"));
        assert_eq!(fields(level, &nine), [level.field()]);
        assert_eq!(parse(level, &seven).is_ok(), level == Level::Tasks);
    }
    assert!(parse(Level::Tasks, &json!({"tasks": [item(Level::Tasks, "一つ")]})).is_ok());
    assert_eq!(fields(Level::Tasks, &json!({"tasks": []})), ["tasks"]);
}

#[test]
fn a_text_that_is_too_long_is_refused_and_not_cut() {
    for level in Level::ALL.iter().copied() {
        let mut long = answer(level);
        long[level.field()][3]["title"] = json!("長".repeat(51));
        long[level.field()][4]["description"] = json!("長".repeat(201));
        assert_eq!(
            fields(level, &long),
            [format!("{}[3].title", level.field()), format!("{}[4].description", level.field())]
        );
    }
    let mut short = answer(Level::Actions);
    short["actions"][0]["description"] = json!("短い");
    assert_eq!(fields(Level::Actions, &short), ["actions[0].description"]);
}

#[test]
fn a_repeated_title_is_refused() {
    for level in Level::ALL.iter().copied() {
        let mut repeated = answer(level);
        repeated[level.field()][7]["title"] = json!("題名0 ");
        assert_eq!(fields(level, &repeated), [format!("{}[7].title", level.field())]);
    }
}

#[test]
fn minutes_out_of_range_and_an_unknown_type_are_refused() {
    for minutes in [14, 121, -1] {
        let mut task = answer(Level::Tasks);
        task["tasks"][2]["estimatedMinutes"] = json!(minutes);
        assert_eq!(fields(Level::Tasks, &task), ["tasks[2].estimatedMinutes"]);
    }
    let mut action = answer(Level::Actions);
    action["actions"][0]["type"] = json!("SOMETIMES");
    assert_eq!(fields(Level::Actions, &action), ["actions"]);
}

#[test]
fn what_is_no_list_of_items_is_refused() {
    for level in Level::ALL.iter().copied() {
        let field = level.field();
        let mut extra = answer(level);
        extra["extra"] = json!(1);
        let mut unknown = answer(level);
        unknown[field][0]["colour"] = json!("red");
        for nonsense in [
            json!("text"),
            json!({}),
            json!({field: "eight"}),
            json!({field: [1]}),
            Value::Null,
            extra,
            unknown,
        ] {
            assert_eq!(fields(level, &nonsense), [field]);
        }
    }
}

#[test]
fn the_schema_requires_every_field_that_is_checked() {
    for level in Level::ALL.iter().copied() {
        let schema = schema(level);
        let items = &schema["properties"][level.field()]["items"];
        let properties: Vec<_> = items["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(items["required"], json!(properties));
        assert_eq!(properties.len(), item(level, "x").as_object().unwrap().len());
    }
}
