//! What a function's answer says about one process. Pure.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::envelope::{Refusal, readable};

/// What became of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Outcome {
    /// It is cancelled, or retried by another process.
    Done {
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_process_id: Option<String>,
    },
    /// It was refused, and will be if it is asked for again.
    Refused { code: String, message: String },
    /// It was refused for now, or not answered; it is not known to be done.
    Later { code: String, message: String },
    /// It was not asked for.
    Left,
}

/// An outcome, and after how long to ask again if that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) outcome: Outcome,
    pub(super) again_after: Option<Duration>,
}

impl Answered {
    /// Reads an answer. What could not be delivered may have been done all the same: asking again
    /// is harmless, because a process is cancelled once and retried once.
    pub(super) fn of(answer: anyhow::Result<Value>) -> Self {
        let envelope = match answer {
            Ok(envelope) => envelope,
            Err(error) => {
                let later = Outcome::Later { code: "NO_ANSWER".to_owned(), message: chain(&error) };
                return Self { outcome: later, again_after: None };
            }
        };
        if envelope["success"] == true {
            let data = &envelope["data"];
            // A retry names the process that it is of; the other id is its own.
            let retry = data["originalProcessId"].as_str().and(data["processId"].as_str());
            let outcome = Outcome::Done { retry_process_id: retry.map(str::to_owned) };
            return Self { outcome, again_after: None };
        }
        let refusal = Refusal::of(&envelope).unwrap_or_else(|| Refusal {
            code: "NOT_UNDERSTOOD".to_owned(),
            message: envelope.to_string(),
            ..Refusal::default()
        });
        let again_after = refusal.retry_after.map(Duration::from_secs);
        let Refusal { code, message, retryable, details, .. } = refusal;
        let message = match details.filter(|details| !details.is_null()) {
            Some(details) => format!("{message} {}", readable(&details)),
            None => message,
        };
        let outcome = if retryable {
            Outcome::Later { code, message }
        } else {
            Outcome::Refused { code, message }
        };
        Self { outcome, again_after }
    }
}

/// An error and what it came from, in one line.
pub(super) fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_good_answer_is_done_and_a_retry_names_the_new_process() {
        let cancelled = json!({"success": true, "data": {"processId": "1", "status": "CANCELLED"}});
        let done = Outcome::Done { retry_process_id: None };
        assert_eq!(Answered::of(Ok(cancelled)).outcome, done);
        let retried =
            json!({"success": true, "data": {"processId": "2", "originalProcessId": "1"}});
        let done = Outcome::Done { retry_process_id: Some("2".to_owned()) };
        assert_eq!(Answered::of(Ok(retried)).outcome, done);
    }

    #[test]
    fn a_refusal_for_now_is_told_apart_from_one_for_good() {
        let refused = |retryable, after: Option<u64>| {
            let error = json!({"code": "X", "message": "m", "retryable": retryable,
                               "retryAfter": after});
            Answered::of(Ok(json!({"success": false, "error": error})))
        };
        let (code, message) = ("X".to_owned(), "m".to_owned());
        let later = Outcome::Later { code: code.clone(), message: message.clone() };
        let answered = refused(true, Some(7));
        assert_eq!((answered.outcome, answered.again_after), (later, Some(Duration::from_secs(7))));
        assert_eq!(refused(false, None).outcome, Outcome::Refused { code, message });
    }

    #[test]
    fn a_refusal_says_which_field_is_wrong() {
        let details = json!([{"field": "reason", "message": "at most 500 characters"}]);
        let error = json!({"code": "VALIDATION_ERROR", "message": "Wrong.", "details": details});
        let Outcome::Refused { message, .. } =
            Answered::of(Ok(json!({"success": false, "error": error}))).outcome
        else {
            panic!()
        };
        assert_eq!(message, "Wrong. reason: at most 500 characters");
    }

    #[test]
    fn no_answer_leaves_it_open_and_a_strange_one_is_shown() {
        let error = anyhow::anyhow!("timed out").context("cancel-handler cannot be invoked");
        let Outcome::Later { code, message } = Answered::of(Err(error)).outcome else { panic!() };
        assert_eq!(code, "NO_ANSWER");
        assert_eq!(message, "cancel-handler cannot be invoked: timed out");
        let Outcome::Refused { code, message } = Answered::of(Ok(json!("hm"))).outcome else {
            panic!()
        };
        assert_eq!((code.as_str(), message.as_str()), ("NOT_UNDERSTOOD", "\"hm\""));
    }
}
