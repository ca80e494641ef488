use serde_json::{Value, json};
use uuid::Uuid;

use super::{Kind, Rows, parse, schema};

const KINDS: [Kind; 3] = [Kind::SubGoals, Kind::Actions, Kind::Tasks];

fn item(kind: Kind, title: &str) -> Value {
    let description = "説".repeat(50);
    match kind {
        Kind::SubGoals => json!({"title": title, "description": description, "background": "背景"}),
        Kind::Actions => {
            json!({"title": title, "description": description, "background": "背景", "type": "HABIT"})
        }
        Kind::Tasks => {
            json!({"title": title, "description": description, "type": "EXECUTION", "estimatedMinutes": 30})
        }
    }
}

fn answer(kind: Kind) -> Value {
    json!({kind.field(): (0..8).map(|n| item(kind, &format!("題名{n}"))).collect::<Vec<_>>()})
}

fn fields(kind: Kind, answer: &Value) -> Vec<String> {
    parse(kind, answer, Uuid::nil)
        .unwrap_err()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[test]
fn eight_items_within_their_limits_are_accepted_in_order() {
    for kind in KINDS {
        let rows = parse(kind, &answer(kind), Uuid::nil).unwrap();
        let shown = serde_json::to_value(&rows).unwrap();
        let positions: Vec<_> = shown[kind.field()]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["position"].as_i64().unwrap())
            .collect();
        assert_eq!(positions, (0..8).collect::<Vec<_>>());
    }
}

#[test]
fn rows_read_back_as_they_were_staged() {
    for kind in KINDS {
        let rows = parse(kind, &answer(kind), Uuid::nil).unwrap();
        assert_eq!(
            serde_json::from_value::<Rows>(serde_json::to_value(&rows).unwrap()).unwrap(),
            rows
        );
    }
}

#[test]
fn one_task_is_enough_and_seven_sub_goals_or_actions_are_not() {
    for kind in KINDS {
        let mut seven = answer(kind);
        seven[kind.field()].as_array_mut().unwrap().pop();
        let mut nine = answer(kind);
        nine[kind.field()].as_array_mut().unwrap().push(item(kind, "九つ目"));
        assert_eq!(fields(kind, &nine), [kind.field()]);
        assert_eq!(parse(kind, &seven, Uuid::nil).is_ok(), kind == Kind::Tasks);
    }
    assert!(parse(Kind::Tasks, &json!({"tasks": [item(Kind::Tasks, "一つ")]}), Uuid::nil).is_ok());
    assert_eq!(fields(Kind::Tasks, &json!({"tasks": []})), ["tasks"]);
}

#[test]
fn a_text_that_is_too_long_is_refused_and_not_cut() {
    for kind in KINDS {
        let mut long = answer(kind);
        long[kind.field()][3]["title"] = json!("長".repeat(51));
        long[kind.field()][4]["description"] = json!("長".repeat(201));
        assert_eq!(
            fields(kind, &long),
            [format!("{}[3].title", kind.field()), format!("{}[4].description", kind.field())]
        );
    }
    let mut short = answer(Kind::Actions);
    short["actions"][0]["description"] = json!("短い");
    assert_eq!(fields(Kind::Actions, &short), ["actions[0].description"]);
}

#[test]
fn a_repeated_title_is_refused() {
    for kind in KINDS {
        let mut repeated = answer(kind);
        repeated[kind.field()][7]["title"] = json!("題名0 ");
        assert_eq!(fields(kind, &repeated), [format!("{}[7].title", kind.field())]);
    }
}

#[test]
fn minutes_out_of_range_and_an_unknown_type_are_refused() {
    for minutes in [14, 121, -1] {
        let mut task = answer(Kind::Tasks);
        task["tasks"][2]["estimatedMinutes"] = json!(minutes);
        assert_eq!(fields(Kind::Tasks, &task), ["tasks[2].estimatedMinutes"]);
    }
    let mut action = answer(Kind::Actions);
    action["actions"][0]["type"] = json!("SOMETIMES");
    assert_eq!(fields(Kind::Actions, &action), ["actions"]);
}

#[test]
fn what_is_no_list_of_items_is_refused() {
    for kind in KINDS {
        let field = kind.field();
        let mut extra = answer(kind);
        extra["extra"] = json!(1);
        let mut unknown = answer(kind);
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
            assert_eq!(fields(kind, &nonsense), [field]);
        }
    }
}

#[test]
fn the_schema_requires_every_field_that_is_checked() {
    for kind in KINDS {
        let schema = schema(kind);
        let items = &schema["properties"][kind.field()]["items"];
        let properties: Vec<_> = items["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(items["required"], json!(properties));
        assert_eq!(properties.len(), item(kind, "x").as_object().unwrap().len());
    }
}

#[test]
fn a_chart_has_1_or_9_or_73_targets() {
    let counts = KINDS.map(|depth| Kind::SubGoals.targets_to(depth));
    assert_eq!(counts, [1, 9, 73]);
    assert_eq!(
        (Kind::Actions.targets_to(Kind::Tasks), Kind::Tasks.targets_to(Kind::Tasks)),
        (9, 1)
    );
}
