use serde_json::{Value, json};
use uuid::Uuid;

use super::{ChartRejection, Level, Rows};
use crate::{
    chart::{schema, schema::repair_schema},
    language::Language,
    validation::Rule,
};

mod repairs;

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

fn parse(level: Level, answer: &Value) -> Result<Rows, ChartRejection> {
    super::parse_answer(level, answer, None, &mut Uuid::nil)
}

fn fields(level: Level, answer: &Value) -> Vec<String> {
    fields_of(parse(level, answer))
}

fn fields_of(parsed: Result<Rows, ChartRejection>) -> Vec<String> {
    parsed.unwrap_err().violations.into_iter().map(|violation| violation.field).collect()
}

fn rules(level: Level, answer: &Value) -> Vec<Rule> {
    let violations = parse(level, answer).unwrap_err().violations;
    violations.into_iter().map(|violation| violation.rule).collect()
}

/// The fields of the row at `index`.
fn row(rows: &Rows, level: Level, index: usize) -> Value {
    serde_json::to_value(rows).unwrap()[level.field()][index].clone()
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
        let rows =
            super::parse_answer(level, &answer(level), None, &mut || ids.next().unwrap()).unwrap();
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
    assert_eq!(fields(Level::Actions, &action), ["actions[0].type"]);
}

#[test]
fn what_is_no_list_is_refused_by_its_kind() {
    for level in Level::ALL.iter().copied() {
        let field = level.field();
        let mut extra = answer(level);
        extra["extra"] = json!(1);
        for (nonsense, path) in [
            (json!("text"), "answer"),
            (Value::Null, "answer"),
            (json!([1]), "answer"),
            (json!({}), field),
            (json!({field: "eight"}), field),
            (json!({field: null}), field),
            (json!({field: {}}), field),
            (json!({field: "[{\"title\":"}), field),
            (extra, "answer"),
        ] {
            assert_eq!(fields(level, &nonsense), [path], "{nonsense}");
            assert_eq!(parse(level, &nonsense).unwrap_err().draft, None);
        }
    }
    let kind = Rule::Kind { expected: "list", actual: "string" };
    assert_eq!(rules(Level::Tasks, &json!({"tasks": "eight"})), [kind]);
}

#[test]
fn what_is_wrong_is_named_field_by_field() {
    let mut actions = answer(Level::Actions);
    let items = actions["actions"].as_array_mut().unwrap();
    items[0] = json!(["not", "an", "item"]);
    items[1]["colour"] = json!("red");
    items[2].as_object_mut().unwrap().remove("type");
    items[3]["title"] = json!(3);
    items[4]["title"] = json!("二\n行");
    items[5]["description"] = Value::Null;
    assert_eq!(
        fields(Level::Actions, &actions),
        [
            "actions[0]",
            "actions[1]",
            "actions[2].type",
            "actions[3].title",
            "actions[4].title",
            "actions[5].description",
        ]
    );
    let mut task = answer(Level::Tasks);
    task["tasks"][0] = json!({"title": "一", "type": "once", "estimatedMinutes": 30.5});
    assert_eq!(
        fields(Level::Tasks, &task),
        ["tasks[0].description", "tasks[0].type", "tasks[0].estimatedMinutes"]
    );
    assert_eq!(rules(Level::Tasks, &task)[2], Rule::Kind { expected: "integer", actual: "number" });
}

// world.md row 7.
#[test]
fn a_type_in_small_letters_is_refused_by_its_place_and_the_allowed_names() {
    let mut action = answer(Level::Actions);
    action["actions"][5]["type"] = json!("habit");
    let violation = parse(Level::Actions, &action).unwrap_err().violations.remove(0);
    assert_eq!(violation.field, "actions[5].type");
    for language in [Language::Japanese, Language::English] {
        assert!(violation.message(language).contains("EXECUTION, HABIT"));
    }
}

// world.md row 5.
#[test]
fn a_list_that_arrives_as_its_own_json_text_is_read() {
    for level in Level::ALL.iter().copied() {
        let plain = answer(level);
        let list = plain[level.field()].to_string();
        let items: Vec<_> =
            plain[level.field()].as_array().unwrap().iter().map(Value::to_string).collect();
        for quoted in [
            json!({level.field(): list}),
            json!({level.field(): format!("\n {list}\n")}),
            json!({level.field(): items}),
            json!(plain.to_string()),
        ] {
            assert_eq!(parse(level, &quoted), parse(level, &plain), "{quoted}");
        }
        let mut broken = plain.clone();
        broken[level.field()][2]["title"] = json!("");
        let list = broken[level.field()].to_string();
        let quoted = json!({level.field(): list});
        assert_eq!(fields(level, &quoted), [format!("{}[2].title", level.field())]);
    }
}

#[test]
fn a_whole_number_is_read_however_it_is_written() {
    for minutes in [json!(30), json!(30.0), json!(3e1), json!("30"), json!("30.0")] {
        let mut task = answer(Level::Tasks);
        task["tasks"][1]["estimatedMinutes"] = minutes.clone();
        let rows = parse(Level::Tasks, &task).unwrap();
        assert_eq!(row(&rows, Level::Tasks, 1)["estimatedMinutes"], 30, "{minutes}");
    }
    for minutes in [json!(30.5), json!("thirty"), json!("30分"), json!(true), json!(1e300)] {
        let mut task = answer(Level::Tasks);
        task["tasks"][1]["estimatedMinutes"] = minutes.clone();
        assert_eq!(fields(Level::Tasks, &task), ["tasks[1].estimatedMinutes"], "{minutes}");
    }
}

#[test]
fn a_text_is_never_taken_for_json() {
    for title in ["30", "true", "[1]", "{}", "\"x\""] {
        let mut tasks = answer(Level::Tasks);
        tasks["tasks"][0]["title"] = json!(title);
        let rows = parse(Level::Tasks, &tasks).unwrap();
        assert_eq!(row(&rows, Level::Tasks, 0)["title"], title);
    }
}

// world.md rows 3, 4 and 19; security.md S15.
#[test]
fn what_no_person_should_read_never_reaches_a_chart() {
    let filled = |text: &str| format!("{text}{}", "説".repeat(60));
    for (field, text, rule) in [
        ("description", "\\u82f1".repeat(12), Rule::Escapes),
        ("background", "</antml parameter>\n<parameter name=\"x\">".to_owned(), Rule::ToolMarkup),
        ("title", "\u{200b}".to_owned(), Rule::Blank),
        ("description", "\u{2060}".repeat(60), Rule::Blank),
        ("title", "a\u{2028}b".to_owned(), Rule::ControlCharacter),
        ("title", "a\u{202e}b".to_owned(), Rule::HiddenFormat),
        ("description", filled("\u{e0041}\u{e0042}"), Rule::HiddenFormat),
        ("description", filled("\u{0}"), Rule::ControlCharacter),
    ] {
        for level in [Level::SubGoals, Level::Actions] {
            let mut wrong = answer(level);
            wrong[level.field()][6][field] = json!(text);
            assert_eq!(fields(level, &wrong), [format!("{}[6].{field}", level.field())]);
            assert_eq!(rules(level, &wrong), std::slice::from_ref(&rule));
        }
    }
}

#[test]
fn html_emoji_and_more_than_one_line_survive() {
    let mut good = answer(Level::SubGoals);
    let page = "<p class=\"a\">を書く。\n<param name=\"b\"> と <form> の違いも説明する。".repeat(2);
    good["subGoals"][0]["description"] = json!(page);
    good["subGoals"][1]["title"] = json!("👨\u{200d}👩\u{200d}👧 と学ぶ");
    good["subGoals"][2]["background"] = json!("C:\\users と \\u0041 を区別する");
    let rows = parse(Level::SubGoals, &good).unwrap();
    assert_eq!(row(&rows, Level::SubGoals, 0)["description"], page);
}

// world.md row 19.
#[test]
fn titles_are_compared_as_people_see_them() {
    for (one, other) in
        [("英語を話す", "英語\u{200b}を話す"), ("データ", "ﾃﾞｰﾀ"), ("Rust を学ぶ", "ＲＵＳＴを学ぶ")]
    {
        let mut repeated = answer(Level::Actions);
        repeated["actions"][1]["title"] = json!(one);
        repeated["actions"][4]["title"] = json!(other);
        assert_eq!(fields(Level::Actions, &repeated), ["actions[4].title"]);
    }
}

#[test]
fn the_schema_requires_every_field_that_is_checked() {
    for level in Level::ALL.iter().copied() {
        for (schema, more) in [(schema(level), 0), (repair_schema(level, &[1]), 1)] {
            let items = &schema["properties"][level.field()]["items"];
            let properties: Vec<_> =
                items["properties"].as_object().unwrap().keys().cloned().collect();
            assert_eq!(items["required"], json!(properties));
            assert_eq!(properties.len(), item(level, "x").as_object().unwrap().len() + more);
        }
    }
}
