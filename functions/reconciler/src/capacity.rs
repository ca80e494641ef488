//! What an operator does about the capacity: look at it, set its limits, pause admission and resume
//! it. `{"action": "capacity"}`, `"limit"`, `"pause"`, `"resume"`.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use shared::{
    http::{CapacityView, Problem, Refusal, Reply},
    process::{Actor, Author},
    store::{NewLimits, SetBy},
    validation::{Reader, Rule, Text},
};

use crate::reconciler::Reconciler;

/// Characters of a reason.
const REASON_LENGTH: RangeInclusive<usize> = 1..=500;
/// Calls that a limit may allow.
const CALLS: RangeInclusive<i64> = 1..=30_000;
/// The actions.
const ACTIONS: &[&str] = &["capacity", "limit", "pause", "resume"];
/// Who it was, where the payload does not say.
const UNNAMED: &str = "operator";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CapacityCommand {
    action: Action,
    by: String,
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Show,
    Limit(NewLimits),
    Pause { refuse: bool },
    Resume,
}

impl CapacityCommand {
    /// Reads it from `payload`; `None`: that asks for something else.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names every field that is wrong or unknown.
    pub(crate) fn read(payload: &Map<String, Value>) -> Result<Option<Self>, Refusal> {
        let mut reader = Reader::new("", payload);
        let Some(name) = reader.optional("action") else { return Ok(None) };
        let by = reader.optional_text("by", Text::Line, Author::NAME_LENGTH);
        let action = match name.as_str() {
            Some("capacity") => Some(Action::Show),
            Some("resume") => Some(Action::Resume),
            Some("pause") => Some(Action::Pause { refuse: reader.flag("refuse") }),
            Some("limit") => {
                let limits = NewLimits {
                    reset: reader.flag("reset"),
                    calls: read_calls(&mut reader, "calls"),
                    calls_per_user: read_calls(&mut reader, "callsPerUser"),
                };
                if limits == NewLimits::default() {
                    let fields = "calls, callsPerUser, reset";
                    reader.violate("calls", Rule::AtLeastOneOf { fields });
                }
                Some(Action::Limit(limits))
            }
            _ => {
                reader.violate("action", Rule::OneOf { allowed: ACTIONS });
                None
            }
        };
        let reason = match action {
            Some(Action::Limit(_) | Action::Pause { .. }) => {
                reader.optional_text("reason", Text::Line, REASON_LENGTH)
            }
            _ => None,
        };
        let details = reader.finish();
        match action {
            Some(action) if details.is_empty() => {
                let by = by.unwrap_or_else(|| UNNAMED.to_owned());
                Ok(Some(Self { action, by, reason }))
            }
            _ => Err(Refusal::invalid(details)),
        }
    }
}

fn read_calls(reader: &mut Reader<'_>, field: &'static str) -> Option<i16> {
    let value = reader.optional(field)?;
    let count = reader.typed(field, value.as_i64(), "integer")?;
    if !CALLS.contains(&count) {
        let (min, max) = (*CALLS.start(), *CALLS.end());
        reader.violate(field, Rule::Range { min, max, actual: count });
    }
    i16::try_from(count).ok()
}

impl Reconciler {
    /// Does what the command says, and answers how the capacity stands then. What may be admitted
    /// by it is admitted at once.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn command_capacity(
        &self,
        command: &CapacityCommand,
    ) -> Result<Reply, Problem> {
        let CapacityCommand { action, by, reason } = command;
        let now = self.clock.now();
        let set = SetBy { at: now, by: by.clone(), reason: reason.clone() };
        let makes_room = match action {
            Action::Show => false,
            Action::Pause { refuse } => {
                self.store.pause(&set, *refuse).await?;
                false
            }
            Action::Resume => self.store.resume().await?,
            Action::Limit(limits) => {
                self.store.set_limits(*limits, &set).await?;
                true
            }
        };
        if *action != Action::Show {
            tracing::warn!(by, reason, action = ?action, "an operator has changed the capacity");
        }
        if makes_room {
            self.admit(Actor::Operator).await?;
        }
        let capacity = self.store.capacity(&self.terms, now).await?;
        Ok(Reply::of(200, &CapacityView::of(&capacity))?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: &Value) -> Result<Option<CapacityCommand>, Refusal> {
        CapacityCommand::read(payload.as_object().unwrap())
    }

    #[test]
    fn what_has_no_action_is_another_command() {
        assert_eq!(read(&json!({"dryRun": true})), Ok(None));
    }

    #[test]
    fn each_action_is_read_with_who_and_why() {
        let command = |payload| read(&payload).unwrap().unwrap();
        let pause = command(json!({"action": "pause", "by": "taro", "reason": "deploy"}));
        assert_eq!(pause.action, Action::Pause { refuse: false });
        assert_eq!((pause.by.as_str(), pause.reason.as_deref()), ("taro", Some("deploy")));
        assert_eq!(command(json!({"action": "resume"})).by, UNNAMED);
        // As long as one of IAM's can be: with the longest path and the longest name.
        let arn = format!("arn:aws:iam::123456789012:user/{}/{}", "p".repeat(511), "n".repeat(64));
        assert_eq!(command(json!({"action": "resume", "by": arn})).by, arn);
        let limit = command(json!({"action": "limit", "calls": 8}));
        let limits = NewLimits { calls: Some(8), ..NewLimits::default() };
        assert_eq!(limit.action, Action::Limit(limits));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (payload, field) in [
            (json!({"action": "stop"}), "action"),
            (json!({"action": 7}), "action"),
            (json!({"action": "pause", "refuse": "yes"}), "refuse"),
            (json!({"action": "resume", "reason": "x"}), "reason"),
            (json!({"action": "limit"}), "calls"),
            (json!({"action": "limit", "calls": 0}), "calls"),
            (json!({"action": "limit", "callsPerUser": 1.5}), "callsPerUser"),
            (json!({"action": "capacity", "processId": "x"}), "processId"),
        ] {
            let refusal = read(&payload).unwrap_err();
            assert_eq!(refusal.details[0].field, field, "{payload}");
        }
    }
}
