//! What the reconciler says of its capacity.

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::envelope::Refusal;

/// An answer, read and as it was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub capacity: Capacity,
    pub data: Value,
}

/// What may run, what runs, and what waits.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Capacity {
    pub limit: Limit,
    /// Model calls that processes were granted and have not given back.
    pub in_flight: u64,
    /// Processes that were admitted and have not ended.
    pub running: u64,
    pub waiting: Waiting,
    pub paused: Option<Paused>,
}

/// How many model calls may be in flight.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Limit {
    pub calls: u64,
    pub calls_per_user: u64,
    /// What holds at this moment; less than `calls` while the model throttles.
    pub in_force: u64,
    pub reason: Reason,
    pub since: Option<DateTime<Utc>>,
}

/// Where the limit in force comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Reason {
    /// It is deployed so.
    Configured,
    /// An operator has set it.
    Operator,
    /// The model throttles.
    Throttled,
    /// One that this program does not know yet.
    #[serde(other)]
    Other,
}

/// Accepted processes that were not admitted yet.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiting {
    pub total: u64,
    pub normal: u64,
    pub low: u64,
    pub users: u64,
    pub oldest_at: Option<DateTime<Utc>>,
}

/// A pause that holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Paused {
    pub since: DateTime<Utc>,
    pub by: String,
    pub reason: Option<String>,
    /// Whether new requests are refused, instead of having to wait.
    #[serde(default)]
    pub refuse: bool,
}

impl Answer {
    /// Reads an envelope. A refusal is an error: the order was not carried out.
    pub(super) fn read(envelope: &Value) -> Result<Self> {
        match envelope.get("data") {
            Some(data) if envelope["success"] == true => {
                let capacity = Capacity::deserialize(data).with_context(|| {
                    format!("this aigen does not understand the reconciler's answer: {data}")
                })?;
                Ok(Self { capacity, data: data.clone() })
            }
            _ => match Refusal::of(envelope) {
                Some(refusal) => Err(refusal.by("the reconciler refused with")),
                None => bail!(
                    "the deployed reconciler does not know this order (it answered {envelope}); \
                     `cargo aigen up` deploys the present one here, `sam deploy` on AWS"
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::data;
    use super::*;

    #[test]
    fn an_answer_is_read_and_kept_as_it_was() {
        let mut data = data(7, true);
        data["new"] = json!("field");
        let answer = Answer::read(&json!({"success": true, "data": data})).unwrap();
        assert_eq!(answer.data, data);
        assert_eq!(answer.capacity.running, 7);
        assert_eq!(answer.capacity.limit.reason, Reason::Throttled);
        assert_eq!(answer.capacity.paused.unwrap().by, "hanako");
    }

    #[test]
    fn what_is_left_out_is_not_there() {
        let mut data = data(0, false);
        data["limit"]["reason"] = json!("A_NEW_ONE");
        data["limit"].as_object_mut().unwrap().remove("since");
        data["waiting"].as_object_mut().unwrap().remove("oldestAt");
        let answer = Answer::read(&json!({"success": true, "data": data})).unwrap().capacity;
        assert_eq!((answer.limit.since, answer.waiting.oldest_at), (None, None));
        assert_eq!((answer.limit.reason, answer.paused), (Reason::Other, None));
    }

    #[test]
    fn a_refusal_names_its_code_and_fields() {
        let error = json!({"code": "VALIDATION_ERROR", "message": "入力に誤りがあります",
            "details": [{"field": "callsPerUser", "message": "8 以下"}]});
        let error = Answer::read(&json!({"success": false, "error": error})).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "the reconciler refused with VALIDATION_ERROR: 入力に誤りがあります: \
             callsPerUser: 8 以下"
        );
    }

    #[test]
    fn an_older_reconciler_is_known_by_its_answer() {
        let error = Answer::read(&json!({"scanned": 0})).unwrap_err().to_string();
        assert!(error.contains("cargo aigen up"), "{error}");
    }
}
