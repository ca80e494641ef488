//! The schema that a model is given.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::{
    ActionType, BACKGROUND_LENGTH, DESCRIPTION_LENGTH, Level, TASK_DESCRIPTION_LENGTH,
    TASK_MINUTES, TASK_TITLE_LENGTH, TITLE_LENGTH, answer::count, draft::INDEX,
};

/// JSON Schema of an answer of `level`.
#[must_use]
pub fn schema(level: Level) -> Value {
    list_schema(level, &count(level), &item_properties(level))
}

/// JSON Schema of a repair: an item for each of the `open` places, which it names.
#[must_use]
pub fn repair_schema(level: Level, open: &[usize]) -> Value {
    let mut properties = item_properties(level);
    properties[INDEX] = json!({
        "type": "integer",
        "enum": open,
        "description": "どの項目を書き直したか。それぞれ1件だけ。",
    });
    list_schema(level, &(open.len()..=open.len()), &properties)
}

fn list_schema(level: Level, count: &RangeInclusive<usize>, properties: &Value) -> Value {
    let (min, max) = (count.start(), count.end());
    let required: Vec<String> =
        properties.as_object().into_iter().flat_map(serde_json::Map::keys).cloned().collect();
    let number = if min == max {
        format!("ちょうど{min}件。")
    } else {
        format!("{min}〜{max}件。")
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": [level.field()],
        "properties": {level.field(): {
            "type": "array",
            "minItems": min,
            "maxItems": max,
            "description": number,
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": required,
                "properties": properties,
            },
        }},
    })
}

fn item_properties(level: Level) -> Value {
    match level {
        Level::SubGoals => json!({
            "title": text(&TITLE_LENGTH, "サブ目標の名前。ほかと重複しないこと。"),
            "description": text(&DESCRIPTION_LENGTH, "何をどこまで達成するかの説明。"),
            "background": text(&BACKGROUND_LENGTH, "目標にとってなぜ必要か。"),
        }),
        Level::Actions => json!({
            "title": text(&TITLE_LENGTH, "アクションの名前。ほかと重複しないこと。"),
            "description": text(&DESCRIPTION_LENGTH, "何をどのように行うかの説明。"),
            "background": text(&BACKGROUND_LENGTH, "サブ目標にとってなぜ必要か。"),
            "type": choice(),
        }),
        Level::Tasks => {
            let (min, max) = (TASK_MINUTES.start(), TASK_MINUTES.end());
            json!({
                "title": text(&TASK_TITLE_LENGTH, "タスクの名前。ほかと重複しないこと。"),
                "description": text(&TASK_DESCRIPTION_LENGTH, "具体的な手順。"),
                "type": choice(),
                "estimatedMinutes": {
                    "type": "integer",
                    "minimum": min,
                    "maximum": max,
                    "description": format!("所要時間(分)。{min}〜{max}。"),
                },
            })
        }
    }
}

fn choice() -> Value {
    json!({
        "type": "string",
        "enum": ActionType::NAMES,
        "description": "EXECUTION: 一度で終わる。HABIT: 習慣として繰り返す。",
    })
}

/// The limits stand in the description too: models attend to words more than to keywords, and a
/// schema that Bedrock enforces may not have the keywords.
fn text(length: &RangeInclusive<usize>, description: &str) -> Value {
    let (min, max) = (length.start(), length.end());
    let (from, to) = aim(length);
    json!({
        "type": "string",
        "minLength": min,
        "maxLength": max,
        "description": format!("{description}{min}〜{max}文字。{from}〜{to}文字を目安にする。"),
    })
}

/// What a model is to aim at, because it does not count its characters: a fifth of the range away
/// from the least length, and a third from the greatest, since it rather writes too much.
fn aim(length: &RangeInclusive<usize>) -> (usize, usize) {
    let span = length.end() - length.start();
    (length.start() + span / 5, length.end() - span / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_told_to_stay_away_from_the_limits() {
        let schema = schema(Level::SubGoals);
        let items = &schema["properties"]["subGoals"]["items"]["properties"];
        let description = items["description"]["description"].as_str().unwrap();
        assert!(description.contains("50〜200文字。80〜150文字を目安にする。"), "{description}");
        for length in [TITLE_LENGTH, BACKGROUND_LENGTH, TASK_TITLE_LENGTH, TASK_DESCRIPTION_LENGTH]
        {
            let (from, to) = aim(&length);
            assert!(*length.start() < from && from < to && to < *length.end(), "{length:?}");
        }
    }

    #[test]
    fn a_repair_has_as_many_items_as_are_open_and_each_names_its_place() {
        let schema = repair_schema(Level::Actions, &[2, 5]);
        let list = &schema["properties"]["actions"];
        assert_eq!((&list["minItems"], &list["maxItems"]), (&json!(2), &json!(2)));
        assert_eq!(list["items"]["properties"]["index"]["enum"], json!([2, 5]));
        let required = list["items"]["required"].as_array().unwrap();
        assert!(required.contains(&json!("index")) && required.contains(&json!("type")));
    }
}
