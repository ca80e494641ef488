//! The deployed functions, as who holds the stack's own key can invoke them.

use anyhow::Result;
use serde_json::Value;

use super::aws_api::AwsApi;
use super::stack_env::StackEnv;

/// The functions of a local stack, whose names have no prefix.
pub(crate) struct LocalFunctions {
    api: AwsApi,
}

impl LocalFunctions {
    /// Those of the stack that `env` describes.
    pub(crate) fn of(env: &StackEnv) -> Result<Self> {
        Ok(Self { api: AwsApi::new(&env.gateway_url, &env.gateway_key())? })
    }

    /// What the function `name` answers to `payload`; a refusal is an answer.
    pub(crate) async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        self.api.invoke(name, payload).await
    }
}
