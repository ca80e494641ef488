//! EventBridge: whether what invokes the reconciler is switched on.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::{Client, operation::describe_rule::DescribeRuleError, types::RuleState};

use crate::{
    aws,
    process::{ErrorCode, Failure},
};

/// The rules of the stack.
#[derive(Debug, Clone)]
pub struct Rules {
    client: Client,
}

/// Where a rule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It is there, and on.
    Enabled,
    /// It is there, and somebody has switched it off.
    Disabled,
    /// There is none.
    Missing,
}

impl Rules {
    /// The rules of the account and region that `config` names.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }

    /// Where the rule `name` stands.
    ///
    /// # Errors
    /// When EventBridge cannot be asked, as for want of permission.
    pub async fn look(&self, name: &str) -> Result<Rule, Failure> {
        match self.client.describe_rule().name(name).send().await {
            Ok(rule) if rule.state == Some(RuleState::Disabled) => Ok(Rule::Disabled),
            Ok(_) => Ok(Rule::Enabled),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeRuleError::is_resource_not_found_exception) =>
            {
                Ok(Rule::Missing)
            }
            Err(error) => {
                let cause = format!("EventBridge: {}", aws::describe_error(&error));
                Err(Failure::new(ErrorCode::InternalError, cause))
            }
        }
    }
}
