//! What this function answers when it cannot be set up itself: `health` names that.

use shared::{
    clock::Clock,
    http::{Caller, Problem, Reply, Request},
    process::{ErrorCode, Failure},
};

use crate::{
    command::{Check, Command},
    health,
};

/// Why nothing else can be asked.
pub(crate) struct NotSetUp {
    pub(crate) failure: Failure,
    pub(crate) prefix: String,
}

impl NotSetUp {
    pub(crate) fn handle(&self, request: &Request, clock: &dyn Clock) -> Result<Reply, Problem> {
        if request.caller != Caller::Operator {
            return Err(ErrorCode::Forbidden.into());
        }
        let command = Command::read(&request.object()?)?;
        match command.check {
            Check::Health => {
                let name = format!("{}diagnostics", self.prefix);
                health::not_set_up(&name, &self.failure, command.words(), clock.now())
            }
            _ => Err(self.failure.clone().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use shared::{clock::SystemClock, http::respond};

    use super::*;

    async fn ask(payload: Value) -> Value {
        let failure = Failure::internal("the environment variable MODEL_IDS is not set");
        let it = NotSetUp { failure, prefix: "dev-".to_owned() };
        let handle = async |request: &Request| it.handle(request, &SystemClock);
        respond(payload, &SystemClock, handle).await
    }

    #[tokio::test]
    async fn health_names_the_variable_for_want_of_which_nothing_can_be_asked() {
        let answer = ask(json!({"check": "health", "lang": "en"})).await;
        let data = &answer["data"];
        assert_eq!(data["verdict"], "down", "{answer}");
        let finding = &data["findings"][0];
        assert_eq!(finding["code"], "FUNCTION_NOT_SET_UP");
        assert_eq!(finding["evidence"]["function"], "dev-diagnostics");
        let cause = finding["evidence"]["cause"].as_str().unwrap();
        assert!(cause.contains("MODEL_IDS is not set"), "{answer}");
        assert_eq!(data["notChecked"][0]["what"], "everything");
    }

    #[tokio::test]
    async fn another_check_is_refused() {
        let answer = ask(json!({"check": "stats"})).await;
        assert_eq!(answer["error"]["code"], "INTERNAL_ERROR", "{answer}");
    }
}
