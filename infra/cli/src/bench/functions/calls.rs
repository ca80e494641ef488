//! The events that functions are given.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::is_success;
use crate::bench::table::id;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// The status of a process that runs.
    Status,
    /// A request to generate sub-goals.
    Generate,
    /// A worker's whole work at one.
    Work,
}

impl Call {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Generate => "generate",
            Self::Work => "worker, one sub-goal job",
        }
    }

    /// Warm calls of a process.
    pub(super) const fn count(self, calls: u32) -> u32 {
        match self {
            Self::Status | Self::Generate => calls,
            Self::Work if calls < 2 => 1,
            Self::Work => calls / 2,
        }
    }

    /// That it was done, for what was refused is quick.
    pub(super) fn check(self, answer: &Value) -> Result<()> {
        let is_done = match self {
            Self::Status | Self::Generate => is_success(answer),
            Self::Work => answer.get("statusCode").is_none() && answer["success"] != false,
        };
        ensure!(is_done, "{} was refused: {answer}", self.name());
        Ok(())
    }
}

/// What comes next.
#[derive(Debug, Default)]
pub(super) struct Calls {
    numbers: u64,
    /// Accepted, and not worked at yet.
    accepted: VecDeque<String>,
}

impl Calls {
    /// Remembers what a request to generate was answered with.
    pub(super) fn accepted(&mut self, answer: &Value) -> Result<()> {
        Call::Generate.check(answer)?;
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())
            .context("the API's answer has no body")?;
        let id = body["data"]["processId"].as_str().context("the API's answer has no processId")?;
        self.accepted.push_back(id.to_owned());
        Ok(())
    }

    /// The next event of `call`.
    pub(super) fn event(&mut self, call: Call) -> Result<Value> {
        self.numbers += 1;
        match call {
            Call::Status => {
                let process = id(1);
                let mut event = gateway("GET /api/ai/async/status/{processId}", "user-1");
                event["pathParameters"] = json!({"processId": process});
                event["rawPath"] = format!("/api/ai/async/status/{process}").into();
                Ok(event)
            }
            Call::Generate => {
                let goal = uuid::Uuid::from_u64_pair(0x0193_e4a0_0000_7fff, self.numbers);
                let user = format!("bench-{}", self.numbers % 50);
                let mut event = gateway("POST /api/ai/async/generate", &user);
                let body = json!({"type": "SUBGOAL_GENERATION", "params": {
                    "goalId": goal,
                    "title": format!("Rustで信頼できるサービスを書けるようになる {}", self.numbers),
                    "description": "半年後に実務で使えるようになる",
                    "deadline": "2099-12-31T00:00:00Z",
                    "background": "基礎は一通り学んだが、実務の経験がない",
                }});
                event["body"] = body.to_string().into();
                Ok(event)
            }
            Call::Work => {
                let process = self.accepted.pop_front().context("no job is left to work at")?;
                let machine = super::outside::MACHINE.replacen(":stateMachine:", ":execution:", 1);
                Ok(json!({
                    "executionArn": format!("{machine}:{process}"),
                    "processId": process,
                }))
            }
        }
    }
}

/// As API Gateway sends it.
fn gateway(route: &str, user: &str) -> Value {
    let (method, path) = route.split_once(' ').unwrap_or(("GET", route));
    json!({
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "application/json",
            "accept-language": "ja",
            "content-type": "application/json",
            "host": "bench.execute-api.us-east-1.amazonaws.com",
            "user-agent": "bench",
            "x-forwarded-for": "127.0.0.1",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "bench",
            "authorizer": {"jwt": {"claims": {"sub": user, "token_use": "id"}, "scopes": null}},
            "domainName": "bench.execute-api.us-east-1.amazonaws.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                     "sourceIp": "127.0.0.1", "userAgent": "bench"},
            "requestId": "bench",
            "routeKey": route,
            "stage": "$default",
        },
        "isBase64Encoded": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_worked_at_once_and_in_its_order() {
        let mut calls = Calls::default();
        assert!(calls.event(Call::Work).is_err());
        for id in ["a", "b"] {
            let body = json!({"success": true, "data": {"processId": id}}).to_string();
            calls.accepted(&json!({"statusCode": 202, "body": body})).unwrap();
        }
        assert_eq!(calls.event(Call::Work).unwrap()["processId"], "a");
        assert_eq!(calls.event(Call::Work).unwrap()["processId"], "b");
        assert!(calls.event(Call::Work).is_err());
    }

    #[test]
    fn what_was_refused_is_no_figure() {
        let refused = json!({"statusCode": 429, "body": "{}"});
        assert!(Call::Generate.check(&refused).is_err());
        assert!(Calls::default().accepted(&refused).is_err());
        assert!(Call::Status.check(&json!({"statusCode": 200})).is_ok());
    }

    #[test]
    fn no_two_requests_are_for_the_same_goal() {
        let mut calls = Calls::default();
        let bodies = [(); 2].map(|()| calls.event(Call::Generate).unwrap()["body"].clone());
        assert_ne!(bodies[0], bodies[1]);
    }
}
