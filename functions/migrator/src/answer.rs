//! What is told to `CloudFormation`, and to an operator.

use serde::Serialize;
use serde_json::{Value, json};
use shared::{
    process::Failure,
    store::{Adopted, AdoptionPlan, Migrated},
};

use crate::order::Deployment;

/// How much of a reason is told: the whole answer may have 4,096 bytes, and 900 characters of four
/// bytes each leave room for the ids
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html>).
const REASON_LENGTH: usize = 900;
/// What the resource is called where `CloudFormation` does not know it yet.
const NAME: &str = "database-schema";

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    /// Whether it was only looked at.
    dry_run: bool,
    applied: Vec<i64>,
    newest: i64,
    ahead: Vec<i64>,
    /// Whether the functions' role sees the sessions of others; `None`: it was not set up here.
    #[serde(skip_serializing_if = "Option::is_none")]
    sees_sessions: Option<bool>,
    /// Whether it was to adopt the tables of an app.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    adopts: bool,
    /// What adopting came to; `None`: there was nothing to adopt, or it was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    adoption: Option<AdoptionPlan>,
}

impl Done {
    pub(crate) fn new(migrated: Migrated, dry_run: bool, sees_sessions: Option<bool>) -> Self {
        let Migrated { applied, newest, ahead } = migrated;
        Self { dry_run, applied, newest, ahead, sees_sessions, adopts: false, adoption: None }
    }

    /// Of one that was to adopt.
    pub(crate) fn adopted(adopted: Adopted, dry_run: bool, sees_sessions: Option<bool>) -> Self {
        let Adopted { plan, migrated } = adopted;
        Self { adopts: true, adoption: plan, ..Self::new(migrated, dry_run, sees_sessions) }
    }

    /// The versions that the database has and this code does not know.
    pub(crate) fn ahead(&self) -> &[i64] {
        &self.ahead
    }

    /// In a sentence, for the events of a deployment.
    fn told(&self) -> String {
        let Self { applied, newest, ahead, .. } = self;
        let told = match applied.len() {
            0 => format!("nothing to apply: the newest migration is {newest}"),
            count => format!("{count} applied, the newest is {newest}"),
        };
        let told = match &self.adoption {
            Some(plan) => {
                let tables = plan.kept.len();
                format!("{tables} tables adopted, {} processes ended; {told}", plan.ended)
            }
            None => told,
        };
        ahead.last().map_or(told.clone(), |version| {
            format!("{told}; the database is ahead, at {version}: a newer version has been here")
        })
    }
}

/// The answer to an operator. A refusal is an answer, as of all functions; who may ask is told the
/// cause.
pub(crate) fn to_operator(outcome: &Result<Done, Failure>) -> Value {
    match outcome {
        Ok(done) => json!({"success": true, "data": done}),
        Err(failure) => json!({"success": false, "error": {
            "code": failure.code,
            "message": failure.cause,
            "retryable": failure.code.retryable(),
        }}),
    }
}

/// The answer to a deployment. `None`: nothing was to be done.
pub(crate) fn to_deployment(order: &Deployment, outcome: &Result<Option<Done>, Failure>) -> Value {
    let (status, reason) = match outcome {
        Ok(done) => ("SUCCESS", done.as_ref().map(Done::told)),
        Err(failure) => ("FAILED", Some(format!("{}: {}", failure.code, failure.cause))),
    };
    let reason: String = reason.unwrap_or_default().chars().take(REASON_LENGTH).collect();
    let newest = outcome.iter().flatten().map(|done| done.newest.to_string()).next();
    answer(order, NAME, status, &reason, &json!({"Newest": newest}))
}

/// The answer to a deployment that wanted a digest, which versions of the functions are known by.
pub(crate) fn to_configuration(order: &Deployment, digest: &str) -> Value {
    answer(order, "configuration", "SUCCESS", "", &json!({"Digest": digest}))
}

/// With the name that the resource has, or gets.
fn answer(order: &Deployment, name: &str, status: &str, reason: &str, data: &Value) -> Value {
    json!({
        "Status": status,
        "Reason": reason,
        "PhysicalResourceId": order.physical_resource_id.as_deref().unwrap_or(name),
        "StackId": order.stack_id,
        "RequestId": order.request_id,
        "LogicalResourceId": order.logical_resource_id,
        "Data": data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(applied: &[i64], ahead: &[i64]) -> Done {
        let (applied, ahead) = (applied.to_vec(), ahead.to_vec());
        Done::new(Migrated { applied, newest: 7, ahead }, false, None)
    }

    #[test]
    fn a_deployment_reads_what_was_applied_and_that_the_database_is_ahead() {
        let told =
            |done| to_deployment(&Deployment::example(None), &Ok(Some(done)))["Reason"].clone();
        assert_eq!(told(done(&[6, 7], &[])), "2 applied, the newest is 7");
        assert_eq!(told(done(&[], &[])), "nothing to apply: the newest migration is 7");
        let ahead = told(done(&[], &[8, 9]));
        assert!(ahead.as_str().unwrap().contains("ahead, at 9"), "{ahead}");
    }

    #[test]
    fn an_adoption_is_told_with_what_it_ended() {
        let plan = AdoptionPlan { ended: 2, ..AdoptionPlan::default() };
        let migrated = Migrated { applied: vec![6, 7], newest: 7, ahead: vec![] };
        let adopted = Adopted { plan: Some(plan), migrated };
        let done = Done::adopted(adopted, false, None);
        let told = to_operator(&Ok(done.clone()));
        assert_eq!(
            (&told["data"]["adopts"], &told["data"]["adoption"]["ended"]),
            (&json!(true), &json!(2))
        );
        let told = to_deployment(&Deployment::example(None), &Ok(Some(done)))["Reason"].clone();
        assert_eq!(told, "0 tables adopted, 2 processes ended; 2 applied, the newest is 7");
    }

    #[test]
    fn the_answer_is_to_the_request_and_keeps_the_resource_s_name() {
        let answer = to_deployment(&Deployment::example(None), &Ok(Some(done(&[], &[]))));
        let ids = ["StackId", "RequestId", "LogicalResourceId", "PhysicalResourceId", "Status"];
        let ids = ids.map(|name| answer[name].as_str().unwrap());
        assert_eq!(ids, ["stack", "request", "Migrations", "database-schema", "SUCCESS"]);
        assert_eq!(answer["Data"]["Newest"], "7");
        let answer = to_deployment(&Deployment::example(Some("older")), &Ok(None));
        assert_eq!(answer["PhysicalResourceId"], "older");
    }

    #[test]
    fn a_digest_is_told_as_an_attribute() {
        let answer = to_configuration(&Deployment::example(None), "0123456789abcdef");
        assert_eq!(answer["Status"], "SUCCESS");
        assert_eq!(answer["Data"]["Digest"], "0123456789abcdef");
        assert_eq!(answer["PhysicalResourceId"], "configuration");
    }

    /// `CloudFormation` takes no answer of more than 4,096 bytes.
    #[test]
    fn a_failure_is_told_with_its_code_however_long_its_cause_is() {
        let failure = Failure::internal("長".repeat(5_000));
        let answer = to_deployment(&Deployment::example(Some("older")), &Err(failure));
        assert_eq!(answer["Status"], "FAILED");
        assert!(answer["Reason"].as_str().unwrap().starts_with("INTERNAL_ERROR: 長"));
        assert!(answer.to_string().len() < 4_096, "{}", answer.to_string().len());
    }
}
