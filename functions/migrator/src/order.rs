//! What `migrator` is asked.

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::process::Failure;

/// One of the things that it can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// By a deployment, which waits for an answer at an address.
    Deployment(Box<Deployment>),
    /// By a deployment, which wants a digest of what the template says here.
    Configuration {
        /// Who asks.
        order: Box<Deployment>,
        /// Of the resource's properties.
        digest: String,
    },
    /// By an operator.
    Operator {
        /// Only say what would be applied.
        dry_run: bool,
        /// Adopt the tables that an app has.
        adopt: bool,
    },
}

/// A request of `CloudFormation` for a custom resource
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html>).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Deployment {
    pub(crate) request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    pub(crate) response_url: String,
    pub(crate) stack_id: String,
    pub(crate) request_id: String,
    pub(crate) logical_resource_id: String,
    #[serde(default)]
    resource_properties: Properties,
    /// What the template said before, at an update.
    #[serde(default)]
    old_resource_properties: Properties,
    /// Not there when it is created.
    #[serde(default)]
    pub(crate) physical_resource_id: Option<String>,
}

/// What the template says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Properties {
    /// `false`: nobody can log in yet, since the stack's own secret is all there is.
    run: Option<String>,
    /// The newest migration of the version that is deployed.
    newest: Option<String>,
    /// `yes`: tables that an app has are adopted.
    adopt: Option<String>,
}

impl Deployment {
    /// Whether there is anything to do in the database.
    ///
    /// Going back to an older version there is not: it works with the newer schema. A deployment is
    /// rolled back because something is wrong, perhaps with the database, and a rollback that
    /// failed for the same reason would leave a stack that takes no deployment at all.
    pub(crate) fn is_to_migrate(&self) -> bool {
        let is_wanted = self.resource_properties.run.as_deref() != Some("false");
        is_wanted && !self.goes_back() && self.request_type != RequestType::Delete
    }

    /// Whether tables that an app has are to be adopted.
    pub(crate) fn adopts(&self) -> bool {
        self.resource_properties.adopt.as_deref() == Some("yes")
    }

    /// Whether it goes back to an older version.
    pub(crate) fn goes_back(&self) -> bool {
        let (now, before) = (&self.resource_properties, &self.old_resource_properties);
        let number = |of: &Properties| of.newest.as_ref()?.parse::<u64>().ok();
        number(before).zip(number(now)).is_some_and(|(before, now)| now < before)
    }

    #[cfg(test)]
    pub(crate) fn example(physical_resource_id: Option<&str>) -> Self {
        Self {
            request_type: RequestType::Create,
            response_url: "https://example.com".to_owned(),
            stack_id: "stack".to_owned(),
            request_id: "request".to_owned(),
            logical_resource_id: "Migrations".to_owned(),
            resource_properties: Properties::default(),
            old_resource_properties: Properties::default(),
            physical_resource_id: physical_resource_id.map(str::to_owned),
        }
    }
}

/// What is to be done with the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum RequestType {
    Create,
    Update,
    /// Nothing of the database is deleted with the stack.
    Delete,
}

/// The type of the resource that is the functions' configuration.
const CONFIGURATION: &str = "Custom::Configuration";
/// So many bytes tell two configurations apart.
const DIGEST_LENGTH: usize = 8;

/// Of the properties, whatever their order: the values of a map are sorted by its keys.
fn digest(properties: &Value) -> String {
    let hash = Sha256::digest(properties.to_string());
    let first = hash.iter().take(DIGEST_LENGTH);
    let number = first.fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{number:016x}")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OperatorOrder {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    adopt: bool,
}

impl Order {
    /// Reads it.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that says what is wrong, and what can be asked.
    pub(crate) fn read(payload: &Value) -> Result<Self, Failure> {
        let invalid = |why: String| {
            let can = "it takes {}, with \"dryRun\":true or \"adopt\":true or both, or a request \
                       of CloudFormation";
            Failure::new(shared::process::ErrorCode::ValidationError, format!("{why}: {can}"))
        };
        // What comes through an API can never pass for an operator.
        if payload.get("requestContext").is_some() {
            return Err(invalid("this function is behind no API".to_owned()));
        }
        if payload.get("RequestType").is_some() {
            let order = Deployment::deserialize(payload).map(Box::new);
            let order = order.map_err(|error| invalid(error.to_string()))?;
            return Ok(if payload["ResourceType"] == CONFIGURATION {
                Self::Configuration { order, digest: digest(&payload["ResourceProperties"]) }
            } else {
                Self::Deployment(order)
            });
        }
        if !payload.is_object() {
            return Err(invalid("this is no JSON object".to_owned()));
        }
        let order = OperatorOrder::deserialize(payload);
        let order = order.map_err(|error| invalid(error.to_string()))?;
        Ok(Self::Operator { dry_run: order.dry_run, adopt: order.adopt })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operator_may_ask_for_all_or_only_look() {
        let read = |payload: Value| Order::read(&payload).unwrap();
        let operator = |dry_run, adopt| Order::Operator { dry_run, adopt };
        assert_eq!(read(json!({})), operator(false, false));
        assert_eq!(read(json!({"dryRun": true})), operator(true, false));
        assert_eq!(read(json!({"adopt": true})), operator(false, true));
        assert_eq!(read(json!({"adopt": true, "dryRun": true})), operator(true, true));
    }

    #[test]
    fn a_deployment_adopts_only_where_the_template_says_yes() {
        let adopts = |value: &str| {
            let payload = json!({
                "RequestType": "Create", "ResponseURL": "u", "StackId": "s", "RequestId": "r",
                "LogicalResourceId": "l", "ResourceProperties": {"Adopt": value},
            });
            let Order::Deployment(order) = Order::read(&payload).unwrap() else { unreachable!() };
            order.adopts()
        };
        assert!(adopts("yes") && !adopts("no") && !adopts("true"));
        assert!(!Deployment::example(None).adopts());
    }

    #[test]
    fn a_deployment_migrates_unless_it_takes_away_or_nobody_can_log_in_yet() {
        let migrates = |kind: &str, run: Option<&str>| {
            let mut payload = json!({
                "RequestType": kind, "ResponseURL": "u", "StackId": "s", "RequestId": "r",
                "LogicalResourceId": "l", "ResourceProperties": {"ServiceToken": "t"},
            });
            if let Some(run) = run {
                payload["ResourceProperties"]["Run"] = run.into();
            }
            let Order::Deployment(order) = Order::read(&payload).unwrap() else { unreachable!() };
            order.is_to_migrate()
        };
        assert!(migrates("Create", None) && migrates("Update", Some("true")));
        assert!(!migrates("Update", Some("false")) && !migrates("Delete", Some("true")));
    }

    #[test]
    fn a_rollback_asks_nothing_of_a_database_that_may_be_what_is_wrong() {
        let migrates = |before: &str, now: &str| {
            let payload = json!({
                "RequestType": "Update", "ResponseURL": "u", "StackId": "s", "RequestId": "r",
                "LogicalResourceId": "l", "ResourceProperties": {"Newest": now},
                "OldResourceProperties": {"Newest": before},
            });
            let Order::Deployment(order) = Order::read(&payload).unwrap() else { unreachable!() };
            order.is_to_migrate()
        };
        assert!(!migrates("20261201000015", "20261127000014"));
        assert!(migrates("20261127000014", "20261201000015"));
        assert!(migrates("20261127000014", "20261127000014"), "another secret, for example");
    }

    #[test]
    fn a_digest_is_of_the_values_and_not_of_their_order() {
        let digest = |properties: &str| {
            let payload = json!({
                "RequestType": "Update", "ResponseURL": "u", "StackId": "s", "RequestId": "r",
                "LogicalResourceId": "l", "ResourceType": "Custom::Configuration",
                "ResourceProperties": serde_json::from_str::<Value>(properties).unwrap(),
            });
            match Order::read(&payload).unwrap() {
                Order::Configuration { digest, .. } => digest,
                other => unreachable!("{other:?}"),
            }
        };
        let one = digest(r#"{"Shared": {"A": "1", "B": "2"}, "Vpc": {"SubnetIds": ["s"]}}"#);
        assert!(one.len() == 16 && one.chars().all(|digit| digit.is_ascii_hexdigit()), "{one}");
        assert_eq!(one, digest(r#"{"Vpc": {"SubnetIds": ["s"]}, "Shared": {"B": "2", "A": "1"}}"#));
        assert_ne!(one, digest(r#"{"Shared": {"A": "1", "B": "3"}, "Vpc": {"SubnetIds": ["s"]}}"#));
        assert_ne!(one, digest(r#"{"Shared": {"A": "1", "B": "2"}}"#));
    }

    #[test]
    fn what_is_no_order_is_refused_with_what_can_be_asked() {
        for payload in [
            json!([]),
            json!("migrate"),
            json!({"dryrun": true}),
            json!({"dryRun": "yes"}),
            json!({"adopt": "yes"}),
            json!({"requestContext": {}}),
            json!({"RequestType": "Create"}),
            json!({"RequestType": "Drop", "ResponseURL": "u", "StackId": "s", "RequestId": "r",
                   "LogicalResourceId": "l"}),
        ] {
            let failure = Order::read(&payload).unwrap_err();
            assert_eq!(failure.code.as_str(), "VALIDATION_ERROR");
            assert!(failure.cause.contains("dryRun"), "{payload}: {}", failure.cause);
        }
    }
}
