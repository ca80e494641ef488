//! What an invocation is about, read from its payload. Purely: nothing is looked up here, and
//! nothing the payload says about an execution is believed but its name.

use serde::Deserialize;
use serde_json::{Map, Value};
use shared::{
    error_code::ErrorCode, failure::Failure, http::Refusal, process::ProcessId, validation::Reader,
};
use uuid::Uuid;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// The state machine's Catch: its work has failed for good, and it waits for the process to be
    /// settled.
    Caught(Caught),
    /// EventBridge: an execution has ended.
    Ended(Ended),
    /// The schedule.
    Schedule,
    /// An operator, whose payload is read by [`by_hand`].
    Hand,
}

/// The error that the state machine caught.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Caught {
    /// The process that the execution drives.
    pub(crate) process_id: ProcessId,
    /// The execution.
    pub(crate) execution_arn: String,
    /// The error's name.
    pub(crate) error: String,
    /// Its cause.
    pub(crate) cause: Option<String>,
}

/// An execution that is said to have ended. Its input may be missing, so its name says which
/// process it drives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Which machine's.
    pub(crate) state_machine_arn: String,
    /// Which process's; `None`: the name is no process's id.
    pub(crate) process_id: Option<ProcessId>,
    /// Whether it is said to have succeeded. This only saves looking at what needs no look.
    pub(crate) succeeded: bool,
}

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByHand {
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
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    match (text("source"), text("detail-type")) {
        (Some("aws.states"), Some("Step Functions Execution Status Change")) => {
            ended(event).map(Trigger::Ended)
        }
        (Some("aws.events"), Some("Scheduled Event")) => Ok(Trigger::Schedule),
        _ if event.get("executionArn").is_some() && event.get("error").is_some() => {
            let caught = Caught::deserialize(event).map_err(|error| {
                Failure::internal(format!("not an error that the state machine caught: {error}"))
            })?;
            let named = caught.execution_arn.ends_with(&format!(":{}", caught.process_id));
            if named {
                Ok(Trigger::Caught(caught))
            } else {
                Err(Failure::internal(
                    "the state machine caught the error of another process's execution",
                ))
            }
        }
        _ => Ok(Trigger::Hand),
    }
}

fn ended(event: &Value) -> Result<Ended, Failure> {
    let detail = |name: &str| {
        event
            .get("detail")
            .and_then(|detail| detail.get(name)?.as_str())
            .ok_or_else(|| Failure::internal(format!("the event says nothing of {name}")))
    };
    Ok(Ended {
        state_machine_arn: detail("stateMachineArn")?.to_owned(),
        process_id: Uuid::try_parse(detail("name")?).ok().map(ProcessId),
        succeeded: detail("status")? == "SUCCEEDED",
    })
}

/// Reads what an operator asks for.
///
/// # Errors
/// `VALIDATION_ERROR` that names every field that is wrong or unknown.
pub(crate) fn by_hand(payload: &Map<String, Value>) -> Result<ByHand, Refusal> {
    let mut reader = Reader::new("", payload);
    let dry_run = reader.flag("dryRun");
    let process_id =
        if reader.optional("processId").is_some() { reader.uuid("processId") } else { None };
    let details = reader.finish();
    if details.is_empty() {
        Ok(ByHand { process_id: process_id.map(ProcessId), dry_run })
    } else {
        Err(Refusal { details, ..ErrorCode::ValidationError.into() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0193e4a0-0000-7000-8000-000000000001";

    fn id() -> ProcessId {
        ProcessId(Uuid::try_parse(ID).unwrap())
    }

    #[test]
    fn each_way_to_be_invoked_is_told_from_the_others() {
        let arn = format!("arn:aws:states:us-east-1:0:execution:AIGenerationStateMachine:{ID}");
        let caught =
            json!({"processId": ID, "executionArn": arn, "error": "AI_ERROR", "cause": "no"});
        assert!(
            matches!(read(&caught), Ok(Trigger::Caught(caught)) if caught.process_id == id() && caught.error == "AI_ERROR")
        );
        let event = json!({"source": "aws.states", "detail-type": "Step Functions Execution Status Change",
            "detail": {"executionArn": arn, "stateMachineArn": "m", "name": ID, "status": "FAILED", "input": null}});
        let ended =
            Ended { state_machine_arn: "m".into(), process_id: Some(id()), succeeded: false };
        assert_eq!(read(&event), Ok(Trigger::Ended(ended)));
        assert_eq!(
            read(&json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})),
            Ok(Trigger::Schedule)
        );
        for hand in [
            json!({}),
            json!({"dryRun": true}),
            json!({"processId": ID}),
            json!({"source": "me"}),
            json!({"error": "x"}),
        ] {
            assert_eq!(read(&hand), Ok(Trigger::Hand), "{hand}");
        }
    }

    #[test]
    fn a_catch_for_another_execution_is_refused() {
        let stray = json!({"processId": ID, "executionArn": "arn:x:0193e4a0-0000-7000-8000-000000000002", "error": "AI_ERROR"});
        assert_eq!(read(&stray).unwrap_err().code, ErrorCode::InternalError);
    }

    #[test]
    fn an_operator_hears_of_every_field_that_is_wrong() {
        let ask = |payload: Value| by_hand(payload.as_object().unwrap());
        assert_eq!(ask(json!({})), Ok(ByHand { process_id: None, dry_run: false }));
        assert_eq!(
            ask(json!({"dryRun": true, "processId": ID})),
            Ok(ByHand { process_id: Some(id()), dry_run: true })
        );
        let refusal = ask(json!({"dryrun": true, "processId": "42", "dryRun": "yes"})).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::ValidationError);
        let mut fields: Vec<_> =
            refusal.details.iter().map(|violation| violation.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["dryRun", "dryrun", "processId"]);
    }
}
