//! What a role may do against what it does: each call is allowed by a statement, and each action
//! and resource of a statement by a call. Pure.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use wildmatch::WildMatch;

/// A call of AWS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Call {
    /// The name of the role that made it.
    pub role: String,
    /// As IAM names it, such as `states:StartExecution`.
    pub action: String,
    /// The ARN of what it was about.
    pub resource: String,
    /// Whether the policies allowed it.
    pub allowed: bool,
}

/// A statement that allows something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its name.
    pub sid: String,
    /// What it allows, with wildcards.
    pub actions: Vec<String>,
    /// Of what, with wildcards.
    pub resources: Vec<String>,
}

impl Statement {
    /// Those of a policy that allow something.
    #[must_use]
    pub fn all_of(policy: &Value) -> Vec<Self> {
        let listed = |value: &Value| match value {
            Value::String(one) => vec![one.clone()],
            many => {
                let many = many.as_array().map(Vec::as_slice).unwrap_or_default();
                many.iter().filter_map(|it| it.as_str().map(str::to_owned)).collect()
            }
        };
        let statements = policy["Statement"].as_array().map(Vec::as_slice).unwrap_or_default();
        let allowing = statements.iter().filter(|statement| statement["Effect"] == "Allow");
        allowing
            .map(|statement| Self {
                sid: statement["Sid"].as_str().unwrap_or_default().to_owned(),
                actions: listed(&statement["Action"]),
                resources: listed(&statement["Resource"]),
            })
            .collect()
    }

    /// Every action of every resource.
    fn grants(&self) -> impl Iterator<Item = (&str, &str)> {
        self.actions.iter().flat_map(|action| {
            self.resources.iter().map(move |resource| (action.as_str(), resource.as_str()))
        })
    }
}

/// The calls that no statement allows, or that were refused.
#[must_use]
pub fn missing<'a>(calls: &'a BTreeSet<Call>, statements: &[Statement]) -> Vec<&'a Call> {
    let is_allowed = |call: &Call| {
        let mut grants = statements.iter().flat_map(Statement::grants);
        call.allowed && grants.any(|grant| covers(grant, call))
    };
    calls.iter().filter(|call| !is_allowed(call)).collect()
}

/// What is allowed and was not called: the statement, the action and the resource. Statements that
/// `excused` names are passed by.
#[must_use]
pub fn superfluous(
    calls: &BTreeSet<Call>,
    statements: &[Statement],
    excused: &[&str],
) -> Vec<String> {
    let asked = statements.iter().filter(|statement| !excused.contains(&statement.sid.as_str()));
    asked
        .flat_map(|statement| statement.grants().map(move |grant| (statement, grant)))
        .filter(|(_, grant)| !calls.iter().any(|call| covers(*grant, call)))
        .map(|(statement, (action, resource))| format!("{}: {action} of {resource}", statement.sid))
        .collect()
}

fn covers((action, resource): (&str, &str), call: &Call) -> bool {
    matches(action, &call.action) && matches(resource, &call.resource)
}

/// A log group goes by its ARN with and without `:*` at its end, and AWS has not always asked for
/// the same of both.
fn matches(pattern: &str, text: &str) -> bool {
    let is_group = text.contains(":log-group:");
    let pattern = if is_group { pattern.strip_suffix(":*").unwrap_or(pattern) } else { pattern };
    let text = if is_group { text.strip_suffix(":*").unwrap_or(text) } else { text };
    WildMatch::new(pattern).matches(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(action: &str, resource: &str) -> Call {
        let owned = str::to_owned;
        Call {
            role: owned("role"),
            action: owned(action),
            resource: owned(resource),
            allowed: true,
        }
    }

    fn policy() -> Vec<Statement> {
        Statement::all_of(&json!({"Statement": [
            {"Sid": "Start", "Effect": "Allow", "Action": "states:StartExecution", "Resource": "m"},
            {"Sid": "Read", "Effect": "Allow", "Action": ["logs:FilterLogEvents"],
             "Resource": ["arn:aws:logs:r:1:log-group:/aws/lambda/a:*"]},
            {"Sid": "No", "Effect": "Deny", "Action": "*", "Resource": "*"},
        ]}))
    }

    fn calls() -> BTreeSet<Call> {
        BTreeSet::from([
            call("states:StartExecution", "m"),
            call("logs:FilterLogEvents", "arn:aws:logs:r:1:log-group:/aws/lambda/a"),
        ])
    }

    #[test]
    fn a_policy_that_says_what_is_called_lacks_nothing_and_has_nothing_to_spare() {
        assert_eq!(missing(&calls(), &policy()), Vec::<&Call>::new());
        assert_eq!(superfluous(&calls(), &policy(), &[]), Vec::<String>::new());
    }

    #[test]
    fn a_statement_taken_away_is_missed_and_one_that_is_added_stands_out() {
        for index in 0..2 {
            let mut less = policy();
            less.remove(index);
            assert_eq!(missing(&calls(), &less).len(), 1, "without statement {index}");
        }
        let mut more = policy();
        more[0].actions.push("states:DeleteStateMachine".to_owned());
        more[0].resources.push("other".to_owned());
        let told = superfluous(&calls(), &more, &[]);
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(superfluous(&calls(), &more, &["Start"]), Vec::<String>::new());
    }

    #[test]
    fn a_call_that_was_refused_is_missing_whatever_the_policy_says() {
        let mut refused = call("states:StartExecution", "m");
        refused.allowed = false;
        assert_eq!(missing(&BTreeSet::from([refused]), &policy()).len(), 1);
    }

    #[test]
    fn a_wildcard_stands_for_anything_and_nothing_else_does() {
        assert!(matches("states:*", "states:StartExecution"));
        assert!(matches("arn:e:*", "arn:e:m:1") && !matches("arn:e:m", "arn:e:m:1"));
    }
}
