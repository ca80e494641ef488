use serde_json::json;

use super::*;

fn read(payload: &Value) -> Result<Command, Vec<String>> {
    Command::read(payload.as_object().unwrap())
        .map_err(|refusal| refusal.details.into_iter().map(|detail| detail.field).collect())
}

#[test]
fn a_check_is_told_in_japanese_unless_english_is_asked_for() {
    let of = |language| Ok(Command { check: Check::Health, language });
    assert_eq!(read(&json!({"check": "health"})), of(Language::Japanese));
    assert_eq!(read(&json!({"check": "health", "lang": "ja"})), of(Language::Japanese));
    assert_eq!(read(&json!({"check": "health", "lang": "en"})), of(Language::English));
}

#[test]
fn what_is_unknown_is_named() {
    for payload in [json!({}), json!({"check": "weather", "x": 1}), json!({"check": 7})] {
        assert_eq!(read(&payload), Err(vec!["check".to_owned()]), "{payload}");
    }
    let wrong = json!({"check": "health", "lang": "fr", "hours": 1});
    assert_eq!(read(&wrong), Err(vec!["lang".to_owned(), "hours".to_owned()]));
}

#[test]
fn a_list_is_filtered_and_bounded() {
    let all = ListQuery { filter: ListFilter::default(), limit: 20 };
    let list = |payload| read(&payload).map(|command| command.check);
    assert_eq!(list(json!({"check": "list"})), Ok(Check::List(all)));
    let wrong = list(json!({
        "check": "list", "status": "LOST", "code": "AI_ERR", "since": "noon",
        "type": "TASKS", "cursor": "x", "limit": 101, "user": "hanako",
    }));
    let fields = ["status", "code", "since", "type", "cursor", "limit", "user"];
    assert_eq!(wrong, Err(fields.map(str::to_owned).into()));
}

#[test]
fn an_export_is_of_everything_unless_it_is_said_of_what() {
    let export = |payload| read(&payload).map(|command| command.check);
    let all = ExportQuery { filter: ExportFilter::default(), limit: 100 };
    assert_eq!(export(json!({"check": "export"})), Ok(Check::Export(all)));
    let wrong = export(json!({
        "check": "export", "type": "TASKS", "status": "LOST", "since": "noon", "until": 7,
        "cursor": "x", "withoutTexts": "yes", "limit": 501, "code": "AI_ERROR",
    }));
    let fields = ["type", "status", "since", "until", "cursor", "withoutTexts", "limit", "code"];
    assert_eq!(wrong, Err(fields.map(str::to_owned).into()));
}

#[test]
fn candidates_are_for_an_action_and_bounded_by_filters() {
    let read = |payload| read(&payload).map(|command| command.check);
    assert_eq!(read(json!({"check": "candidates"})), Err(vec!["action".to_owned()]));
    let Ok(Check::Candidates(query)) = read(json!({
        "check": "candidates", "action": "retry", "force": true, "type": "TASK_GENERATION",
        "status": "TIMEOUT", "userId": "hanako", "code": "AI_ERROR",
        "since": "2026-11-26T00:00:00Z",
    })) else {
        panic!("it is one");
    };
    assert_eq!(query.action, Action::Retry { force: true, parts: false });
    assert_eq!(query.filter.code.as_deref(), Some("AI_ERROR"));
    let wrong = read(json!({
        "check": "candidates", "action": "delete", "cursor": "x", "type": "TASKS",
        "status": "LOST", "code": "AI_ERR", "since": "noon", "limit": 7,
    }));
    let fields = ["action", "cursor", "type", "status", "code", "since", "limit"];
    assert_eq!(wrong, Err(fields.map(str::to_owned).into()));
    // A cancel cannot be forced, and is of a process as a whole.
    for field in ["force", "parts"] {
        let wrong = read(json!({"check": "candidates", "action": "cancel", field: true}));
        assert_eq!(wrong, Err(vec![field.to_owned()]));
    }
}

/// Nothing of such a type would look as if there was nothing to do.
#[test]
fn a_type_that_there_is_not_is_refused_with_those_that_there_are() {
    let read = |payload: &Value| Command::read(payload.as_object().unwrap());
    for asked in [
        json!({"check": "list"}),
        json!({"check": "export"}),
        json!({"check": "candidates", "action": "cancel"}),
    ] {
        let mut asked = asked;
        for name in Chart::TYPE_NAMES {
            asked["type"] = json!(name);
            assert!(read(&asked).is_ok(), "{asked}");
        }
        asked["type"] = json!("task_generation");
        let refusal = read(&asked).unwrap_err();
        let rule = Rule::OneOf { allowed: Chart::TYPE_NAMES };
        assert_eq!(refusal.details, [Violation::new("type", rule)], "{asked}");
    }
}

#[test]
fn hours_are_a_day_unless_said_otherwise() {
    let check = |payload| read(&payload).map(|command| command.check);
    assert_eq!(check(json!({"check": "stats"})), Ok(Check::Stats { hours: 24 }));
    let hours = check(json!({"check": "errors", "hours": 744}));
    assert_eq!(hours, Ok(Check::Errors { hours: 744 }));
    for hours in [json!(0), json!(745), json!("1"), json!(1.5)] {
        let wrong = check(json!({"check": "stats", "hours": hours}));
        assert_eq!(wrong, Err(vec!["hours".to_owned()]), "{hours}");
    }
    assert_eq!(check(json!({"check": "process"})), Err(vec!["processId".to_owned()]));
}
