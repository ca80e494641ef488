//! The deployed reconciler, whoever it is that can invoke it.

use anyhow::{Context, Result};
use serde_json::Value;

use super::capacity::Answer;
use super::order::Order;

/// The function's name, without the prefix of the stack that it is deployed in.
const NAME: &str = "reconciler";

/// Deployed functions that can be invoked: a local stack's, or those of an account.
pub(super) trait Functions {
    /// What the function `name`, without its prefix, answers to `payload`. A refusal is an answer.
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value>;

    /// What is told, with its commands as they have to be typed to ask these functions again.
    fn as_typed(&self, told: String) -> String {
        told
    }
}

/// Carries orders out.
pub(super) struct Reconciler<F> {
    functions: F,
}

impl<F: Functions> Reconciler<F> {
    pub(super) const fn of(functions: F) -> Self {
        Self { functions }
    }

    /// What it is invoked by, and the other functions beside it.
    pub(super) const fn functions(&self) -> &F {
        &self.functions
    }

    /// Gives an order, and says how things are after it. A refusal is an error.
    pub(super) async fn ask(&self, order: &Order) -> Result<Answer> {
        let payload = serde_json::to_value(order).context("the order is no JSON")?;
        let envelope = self.functions.invoke(NAME, &payload).await;
        Answer::read(&envelope.context("the reconciler cannot be asked")?)
    }
}
