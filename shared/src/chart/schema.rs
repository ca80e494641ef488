//! The schema that a model is given.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::{
    ACTIONS, ActionType, BACKGROUND_LENGTH, DESCRIPTION_LENGTH, Level, SUB_GOALS,
    TASK_DESCRIPTION_LENGTH, TASK_MINUTES, TASK_TITLE_LENGTH, TASKS, TITLE_LENGTH,
};

/// JSON Schema of an answer of `level`.
#[must_use]
pub fn schema(level: Level) -> Value {
    let text = |length: &RangeInclusive<usize>, description: &str| json!({"type": "string", "minLength": length.start(), "maxLength": length.end(), "description": description});
    let choice = json!({"type": "string", "enum": ActionType::NAMES, "description": "EXECUTION: 一度で終わる。HABIT: 習慣として繰り返す。"});
    let (count, properties) = match level {
        Level::SubGoals => (
            SUB_GOALS..=SUB_GOALS,
            json!({
                "title": text(&TITLE_LENGTH, "サブ目標の名前。ほかと重複しないこと。"),
                "description": text(&DESCRIPTION_LENGTH, "何をどこまで達成するかの説明。"),
                "background": text(&BACKGROUND_LENGTH, "目標にとってなぜ必要か。"),
            }),
        ),
        Level::Actions => (
            ACTIONS..=ACTIONS,
            json!({
                "title": text(&TITLE_LENGTH, "アクションの名前。ほかと重複しないこと。"),
                "description": text(&DESCRIPTION_LENGTH, "何をどのように行うかの説明。"),
                "background": text(&BACKGROUND_LENGTH, "サブ目標にとってなぜ必要か。"),
                "type": choice,
            }),
        ),
        Level::Tasks => (
            TASKS,
            json!({
                "title": text(&TASK_TITLE_LENGTH, "タスクの名前。ほかと重複しないこと。"),
                "description": text(&TASK_DESCRIPTION_LENGTH, "具体的な手順。"),
                "type": choice,
                "estimatedMinutes": {"type": "integer", "minimum": TASK_MINUTES.start(), "maximum": TASK_MINUTES.end(), "description": "所要時間(分)。"},
            }),
        ),
    };
    let required: Vec<&String> =
        properties.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    let items = json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": [level.field()],
        "properties": {level.field(): {"type": "array", "minItems": count.start(), "maxItems": count.end(), "items": items}},
    })
}
