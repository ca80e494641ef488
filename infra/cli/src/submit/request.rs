//! What a row asks for, as the API takes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Types that begin with a goal, which the app may not have stored yet.
const OF_A_GOAL: [&str; 2] = ["SUBGOAL_GENERATION", "CHART_GENERATION"];

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Priority {
    Normal,
    Low,
}

impl Priority {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// What holds for rows that do not say otherwise.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    pub kind: String,
    pub priority: Option<Priority>,
    /// The file's, by which goals without an id get one.
    pub digest: String,
}

impl Defaults {
    /// The request of row number `row`, from 1. A row is a request, or the params of one, or a line
    /// of an earlier run's refused rows. The error says why it is none of them.
    pub(super) fn request(
        &self,
        row: u64,
        mut content: Map<String, Value>,
    ) -> Result<Value, &'static str> {
        if content.contains_key("error") && content.contains_key("line") {
            content = match content.remove("request") {
                Some(Value::Object(refused)) => refused,
                _ => return Err("it was unreadable before: replace its text by a request"),
            };
        }
        let mut request =
            if content.contains_key("params") { content } else { around_params(content) };
        let kind = request.entry("type").or_insert_with(|| self.kind.clone().into()).clone();
        if let Some(priority) = self.priority {
            request.entry("priority").or_insert_with(|| priority.as_str().into());
        }
        if let Some(Value::Object(params)) = request.get_mut("params")
            && OF_A_GOAL.iter().any(|of_a_goal| kind == *of_a_goal)
        {
            params.entry("goalId").or_insert_with(|| self.goal_id(row).to_string().into());
        }
        Ok(Value::Object(request))
    }

    /// The same for the same row of the same file, and another for every other.
    fn goal_id(&self, row: u64) -> Uuid {
        let hash = Sha256::digest(format!("aigen submit, goal\n{}\n{row}", self.digest));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Builder::from_custom_bytes(bytes).into_uuid()
    }
}

/// A row that holds the params of a request beside its type and priority.
fn around_params(mut params: Map<String, Value>) -> Map<String, Value> {
    let mut request = Map::new();
    for name in ["type", "priority"] {
        if let Some(value) = params.remove(name) {
            request.insert(name.to_owned(), value);
        }
    }
    request.insert("params".to_owned(), params.into());
    request
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GOAL: &str = "0193e4a0-0000-7000-8000-000000000001";

    fn defaults(priority: Option<Priority>) -> Defaults {
        Defaults { kind: "SUBGOAL_GENERATION".to_owned(), priority, digest: "d".to_owned() }
    }

    fn request(content: &Value) -> Value {
        defaults(None).request(1, content.as_object().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_whole_request_is_sent_as_it_is() {
        let whole = json!({"type": "ACTION_GENERATION", "params": {"goalId": GOAL},
                           "priority": "normal", "unknown": 1});
        let sent =
            defaults(Some(Priority::Low)).request(1, whole.as_object().unwrap().clone()).unwrap();
        assert_eq!(sent, whole);
    }

    #[test]
    fn params_alone_ask_for_the_type_that_was_named() {
        assert_eq!(
            request(&json!({"goalId": GOAL, "title": "a"})),
            json!({"type": "SUBGOAL_GENERATION", "params": {"goalId": GOAL, "title": "a"}})
        );
        assert_eq!(
            request(&json!({"goalId": GOAL, "type": "TASK_GENERATION", "priority": "low"})),
            json!({"type": "TASK_GENERATION", "params": {"goalId": GOAL}, "priority": "low"})
        );
    }

    #[test]
    fn a_priority_goes_to_requests_that_name_none() {
        let sent = defaults(Some(Priority::Low)).request(1, Map::new()).unwrap();
        assert_eq!(sent["priority"], "low");
    }

    #[test]
    fn a_goal_without_an_id_gets_one_that_stays_the_same() {
        let id = |digest: &str, row| {
            let defaults = Defaults { digest: digest.to_owned(), ..defaults(None) };
            let request = defaults.request(row, Map::new()).unwrap();
            request["params"]["goalId"].as_str().unwrap().to_owned()
        };
        assert_eq!(id("d", 1), id("d", 1));
        assert!(id("d", 1) != id("d", 2) && id("d", 1) != id("e", 1));
        assert!(Uuid::parse_str(&id("d", 1)).is_ok());
    }

    #[test]
    fn what_does_not_begin_with_a_goal_gets_no_goal() {
        let sent = request(&json!({"type": "ACTION_GENERATION", "subGoalId": GOAL}));
        assert_eq!(sent["params"], json!({"subGoalId": GOAL}));
    }

    #[test]
    fn a_refused_row_of_an_earlier_run_is_sent_again() {
        let whole = json!({"type": "ACTION_GENERATION", "params": {"goalId": GOAL}});
        let line = json!({"line": 7, "request": whole, "error": {"code": "VALIDATION_ERROR"}});
        assert_eq!(request(&line), whole);
    }

    #[test]
    fn a_refused_row_that_is_only_text_is_no_request_yet() {
        let line = json!({"line": 7, "text": "a,b", "error": {"code": "UNREADABLE"}});
        assert!(defaults(None).request(1, line.as_object().unwrap().clone()).is_err());
    }
}
