//! Which occasion an invocation is, read from its payload. Purely: nothing is looked up here, and
//! of what the payload says about an execution only its name is believed.

use serde::Deserialize;
use serde_json::{Map, Value};
use shared::{
    http::Refusal,
    process::{Failure, ProcessId},
    validation::{Reader, describe_json_error},
};
use uuid::Uuid;

/// The occasion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// The state machine's Catch: its work has failed for good, and it waits for the process to be
    /// settled.
    ExecutionFailed(FailedExecution),
    /// EventBridge: an execution has ended.
    ExecutionEnded(EndedExecution),
    /// The schedule.
    Schedule,
    /// An operator, whose payload is read by [`OperatorCommand::read`]; or whoever comes through
    /// API Gateway, who is none and is refused there.
    Operator,
}

/// An execution that is about to fail, with the error that the state machine caught.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailedExecution {
    /// The process that the execution drives.
    pub(crate) process_id: ProcessId,
    execution_arn: String,
    /// The error's name.
    pub(crate) error: String,
    /// Its cause.
    pub(crate) cause: Option<String>,
}

/// An execution that is said to have ended. Its input may be missing, so its name says which
/// process it drives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndedExecution {
    /// Which machine's.
    pub(crate) state_machine_arn: String,
    /// Which process's; `None`: the name is no process's id.
    pub(crate) process_id: Option<ProcessId>,
    /// Whether it is said to have succeeded. This only saves looking at what needs no look.
    pub(crate) succeeded: bool,
}

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OperatorCommand {
    /// One process instead of a sweep.
    pub(crate) process_id: Option<ProcessId>,
    /// Only say what would be done.
    pub(crate) dry_run: bool,
}

/// Tells who invokes.
///
/// # Errors
/// When the payload has the shape of a machine's, and not its fields.
pub(crate) fn read(event: &Value) -> Result<Trigger, Failure> {
    // What came through API Gateway is a client's, whatever else it looks like.
    if event.get("requestContext").is_some() {
        return Ok(Trigger::Operator);
    }
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    match (text("source"), text("detail-type")) {
        (Some("aws.states"), Some("Step Functions Execution Status Change")) => {
            EndedExecution::read(event).map(Trigger::ExecutionEnded)
        }
        (Some("aws.events"), Some("Scheduled Event")) => Ok(Trigger::Schedule),
        _ if event.get("executionArn").is_some() && event.get("error").is_some() => {
            FailedExecution::read(event).map(Trigger::ExecutionFailed)
        }
        _ => Ok(Trigger::Operator),
    }
}

impl FailedExecution {
    fn read(event: &Value) -> Result<Self, Failure> {
        let failed = Self::deserialize(event).map_err(|error| {
            let what = describe_json_error(&error);
            Failure::internal(format!("not an error that the state machine caught: {what}"))
        })?;
        if failed.execution_arn.ends_with(&format!(":{}", failed.process_id)) {
            Ok(failed)
        } else {
            let cause = "the state machine caught the error of another process's execution";
            Err(Failure::internal(cause))
        }
    }
}

/// The part of EventBridge's event that we read.
#[derive(Deserialize)]
struct StatusChange {
    detail: StatusChangeDetail,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusChangeDetail {
    state_machine_arn: String,
    name: String,
    status: String,
}

impl EndedExecution {
    fn read(event: &Value) -> Result<Self, Failure> {
        let StatusChange { detail } = StatusChange::deserialize(event).map_err(|error| {
            let what = describe_json_error(&error);
            Failure::internal(format!("not an execution's change of status: {what}"))
        })?;
        Ok(Self {
            state_machine_arn: detail.state_machine_arn,
            process_id: Uuid::try_parse(&detail.name).ok().map(ProcessId),
            succeeded: detail.status == "SUCCEEDED",
        })
    }
}

impl OperatorCommand {
    /// Reads it from `payload`.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names every field that is wrong or unknown.
    pub(crate) fn read(payload: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut reader = Reader::new("", payload);
        let dry_run = reader.flag("dryRun");
        let process_id = reader.optional_uuid("processId").map(ProcessId);
        let details = reader.finish();
        if details.is_empty() {
            Ok(Self { process_id, dry_run })
        } else {
            Err(Refusal::invalid(details))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::process::ErrorCode;

    use super::*;

    const ID: &str = "0193e4a0-0000-7000-8000-000000000001";

    fn id() -> ProcessId {
        ProcessId(Uuid::try_parse(ID).unwrap())
    }

    fn change(detail: &Value) -> Value {
        json!({
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": detail,
        })
    }

    #[test]
    fn each_way_to_be_invoked_is_told_from_the_others() {
        let arn = format!("arn:aws:states:us-east-1:0:execution:AIGenerationStateMachine:{ID}");
        let caught =
            json!({"processId": ID, "executionArn": arn, "error": "AI_ERROR", "cause": "no"});
        let failed = FailedExecution {
            process_id: id(),
            execution_arn: arn.clone(),
            error: "AI_ERROR".into(),
            cause: Some("no".into()),
        };
        assert_eq!(read(&caught), Ok(Trigger::ExecutionFailed(failed)));
        let event = change(&json!({
            "executionArn": arn, "stateMachineArn": "m", "name": ID, "status": "FAILED",
            "input": null,
        }));
        let ended = EndedExecution {
            state_machine_arn: "m".into(),
            process_id: Some(id()),
            succeeded: false,
        };
        assert_eq!(read(&event), Ok(Trigger::ExecutionEnded(ended)));
        assert_eq!(
            read(&json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})),
            Ok(Trigger::Schedule)
        );
        for payload in [
            json!({}),
            json!({"dryRun": true}),
            json!({"processId": ID}),
            json!({"source": "me"}),
            json!({"error": "x"}),
        ] {
            assert_eq!(read(&payload), Ok(Trigger::Operator), "{payload}");
        }
    }

    // Security S13.
    #[test]
    fn what_came_through_the_gateway_is_no_machines() {
        let arn = format!("arn:aws:states:us-east-1:0:execution:AIGenerationStateMachine:{ID}");
        for mut event in [
            json!({"source": "aws.events", "detail-type": "Scheduled Event"}),
            json!({"processId": ID, "executionArn": arn, "error": "AI_ERROR"}),
            change(&json!({"stateMachineArn": "m", "name": ID, "status": "FAILED"})),
        ] {
            for context in [json!({}), Value::Null] {
                event["requestContext"] = context;
                assert_eq!(read(&event), Ok(Trigger::Operator), "{event}");
            }
        }
    }

    // Security S14.
    #[test]
    fn no_value_of_an_event_is_quoted() {
        let event = change(&json!({"stateMachineArn": "m", "name": ["secret"], "status": 7}));
        let failure = read(&event).unwrap_err();
        assert_eq!(
            failure.cause,
            "not an execution's change of status: a value has the wrong type"
        );
    }

    #[test]
    fn a_catch_for_another_execution_is_refused() {
        let stray = json!({
            "processId": ID, "executionArn": "arn:x:0193e4a0-0000-7000-8000-000000000002",
            "error": "AI_ERROR",
        });
        assert_eq!(read(&stray).unwrap_err().code, ErrorCode::InternalError);
    }

    #[test]
    fn an_event_names_the_field_that_it_lacks() {
        let nameless = change(&json!({"stateMachineArn": "m", "status": "FAILED"}));
        let failure = read(&nameless).unwrap_err();
        assert_eq!(failure.code, ErrorCode::InternalError);
        assert!(failure.cause.contains("`name`"), "{failure}");
    }

    #[test]
    fn an_operator_hears_of_every_field_that_is_wrong() {
        let ask = |payload: Value| OperatorCommand::read(payload.as_object().unwrap());
        assert_eq!(ask(json!({})), Ok(OperatorCommand { process_id: None, dry_run: false }));
        assert_eq!(
            ask(json!({"dryRun": true, "processId": ID})),
            Ok(OperatorCommand { process_id: Some(id()), dry_run: true })
        );
        let refusal = ask(json!({"dryrun": true, "processId": "42", "dryRun": "yes"})).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::ValidationError);
        let mut fields: Vec<_> =
            refusal.details.iter().map(|violation| violation.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["dryRun", "dryrun", "processId"]);
    }
}
