//! What is kept of an answer, and what a repair puts in the place of the rest.

use super::*;
use crate::chart::Draft;

fn repair(level: Level, draft: &Draft, answer: &Value) -> Result<Rows, ChartRejection> {
    super::super::parse_answer(level, answer, Some(draft.clone()), &mut Uuid::nil)
}

/// An answer whose items at `broken` have a description that is too long.
fn broken(level: Level, broken: &[usize]) -> Value {
    let mut answer = answer(level);
    for index in broken {
        answer[level.field()][*index]["description"] = json!("長".repeat(201));
    }
    answer
}

/// Items of a repair for `indexes`.
fn repaired(level: Level, indexes: &[usize]) -> Value {
    let item = |index: &usize| {
        let mut item = item(level, &format!("直した題名{index}"));
        item["index"] = json!(index);
        item
    };
    json!({level.field(): indexes.iter().map(item).collect::<Vec<_>>()})
}

#[test]
fn what_is_right_is_kept_and_what_is_repaired_takes_its_place() {
    for level in Level::ALL.iter().copied() {
        let rejection = parse(level, &broken(level, &[2, 5])).unwrap_err();
        let draft = rejection.draft.unwrap();
        assert_eq!(draft.open(), [2, 5]);
        assert_eq!(draft.kept_titles(), [0, 1, 3, 4, 6, 7].map(|n| format!("題名{n}")));
        // In any order, and as JSON text.
        let list = repaired(level, &[5, 2])[level.field()].to_string();
        for answer in [repaired(level, &[2, 5]), json!({level.field(): list})] {
            let rows = repair(level, &draft, &answer).unwrap();
            assert_eq!(row(&rows, level, 2)["title"], "直した題名2");
            assert_eq!(row(&rows, level, 5)["title"], "直した題名5");
            assert_eq!(row(&rows, level, 6)["title"], "題名6");
            assert_eq!(row(&rows, level, 7)["position"], 7);
        }
    }
}

#[test]
fn a_repair_that_is_wrong_again_leaves_open_only_what_is_still_wrong() {
    let draft = parse(Level::Actions, &broken(Level::Actions, &[2, 5])).unwrap_err().draft.unwrap();
    let mut again = repaired(Level::Actions, &[2, 5]);
    again["actions"][1]["title"] = json!("");
    let rejection = repair(Level::Actions, &draft, &again).unwrap_err();
    assert_eq!(rejection.violations[0].field, "actions[5].title");
    let draft = rejection.draft.unwrap();
    assert_eq!(draft.open(), [5]);
    assert!(repair(Level::Actions, &draft, &repaired(Level::Actions, &[5])).is_ok());
}

#[test]
fn an_item_that_a_repair_lacks_or_has_twice_stays_open() {
    let draft = parse(Level::Tasks, &broken(Level::Tasks, &[1, 3, 4])).unwrap_err().draft.unwrap();
    let rejection = repair(Level::Tasks, &draft, &repaired(Level::Tasks, &[3, 4, 4])).unwrap_err();
    assert_eq!(rejection.draft.unwrap().open(), [1, 4]);
    let fields: Vec<_> = rejection.violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["tasks[1]", "tasks[4]"]);
    assert!(rejection.violations.iter().all(|violation| violation.rule == Rule::NotRepaired));
}

#[test]
fn where_one_item_is_asked_for_and_one_comes_it_needs_no_index() {
    let draft = parse(Level::Tasks, &broken(Level::Tasks, &[3])).unwrap_err().draft.unwrap();
    for index in [None, Some(json!(0)), Some(json!("3")), Some(json!(3.0))] {
        let mut answer = repaired(Level::Tasks, &[3]);
        match index {
            Some(index) => answer["tasks"][0]["index"] = index,
            None => drop(answer["tasks"][0].as_object_mut().unwrap().remove("index")),
        }
        assert!(repair(Level::Tasks, &draft, &answer).is_ok(), "{answer}");
    }
}

#[test]
fn what_a_repair_writes_for_others_changes_nothing() {
    let draft = parse(Level::Tasks, &broken(Level::Tasks, &[3])).unwrap_err().draft.unwrap();
    let rows = repair(Level::Tasks, &draft, &repaired(Level::Tasks, &[3, 6, 40])).unwrap();
    assert_eq!(rows.len(), 8);
    assert_eq!(row(&rows, Level::Tasks, 6)["title"], "題名6");
}

#[test]
fn a_repaired_title_must_not_repeat_one_that_is_kept() {
    let draft = parse(Level::Tasks, &broken(Level::Tasks, &[1])).unwrap_err().draft.unwrap();
    let mut answer = repaired(Level::Tasks, &[1]);
    answer["tasks"][0]["title"] = json!("題名6\u{200b}");
    let rejection = repair(Level::Tasks, &draft, &answer).unwrap_err();
    assert_eq!(rejection.violations[0].field, "tasks[1].title", "the kept one was first");
    assert_eq!(rejection.draft.unwrap().open(), [1]);
}

#[test]
fn a_repair_that_cannot_be_read_keeps_the_draft() {
    let draft = parse(Level::Tasks, &broken(Level::Tasks, &[1])).unwrap_err().draft.unwrap();
    let rejection = repair(Level::Tasks, &draft, &json!({"tasks": "none"})).unwrap_err();
    assert_eq!(rejection.draft, Some(draft));
}

#[test]
fn a_wrong_number_of_items_or_none_that_is_right_is_asked_for_as_a_whole() {
    let mut seven = answer(Level::Actions);
    seven["actions"].as_array_mut().unwrap().pop();
    assert_eq!(parse(Level::Actions, &seven).unwrap_err().draft, None);
    let all: Vec<usize> = (0..8).collect();
    let rejection = parse(Level::Actions, &broken(Level::Actions, &all)).unwrap_err();
    assert_eq!((rejection.draft, rejection.violations.len()), (None, 8));
}
