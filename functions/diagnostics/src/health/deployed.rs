//! Asking how the other functions, and the rules that invoke the reconciler, are deployed.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::Value;
use shared::{
    aws::{functions::Deployed, logs::Logs, rules::Rule},
    clock::Clock,
    environment::{Environment, EnvironmentError},
    lambda::CANNOT_BE_SET_UP,
    process::{Failure, Terms},
    store::DatabaseConfig,
};
use tokio::time::{Instant, timeout};

use super::facts::{CheckedFunction, Look};
use crate::diagnostics::Diagnostics;

/// How far back it is looked whether a function said that it cannot be set up.
const SET_UP_SINCE: TimeDelta = TimeDelta::minutes(15);

/// The variables that all functions have, and have alike.
const COMMON: [&str; 14] = [
    "DATABASE_LOGIN",
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_NAME",
    "DATABASE_TLS",
    "DATABASE_POOLING",
    "PROCESS_TIME_LIMIT_SECONDS",
    "MODEL_CALLS_LIMIT",
    "MODEL_CALLS_PER_USER",
    "MAX_WAITING_PER_USER",
    "TOKENS_PER_USER_AND_DAY",
    "TOKENS_PER_DAY",
    "NAME_PREFIX",
    "STATE_MACHINE_ARN",
];

/// By what a function logs in, which the role decides that it has: what this function says of the
/// reconciler, and of the others.
const LOGIN: [(&str, &str, &str); 2] = [
    ("DATABASE_SECRET_ARN", "RECONCILER_SECRET_ARN", "FUNCTIONS_SECRET_ARN"),
    ("DATABASE_USER", "RECONCILER_USER", "FUNCTIONS_USER"),
];

/// The rules' names, as the template has them.
const SCHEDULE: &str = "reconciler-sweep";
const EVENTS: &str = "reconciler-execution-ended";

impl Diagnostics {
    /// All at once, each within `limit`.
    pub(super) async fn gather_deployed(
        &self,
        limit: Duration,
    ) -> (Vec<CheckedFunction>, [Look<Rule>; 2]) {
        let functions = join_all(self.logs.iter().map(|(name, logs)| async move {
            let full_name = self.full(name);
            let deployed = look(limit, self.functions.look(&full_name));
            let said = look(limit, self.last_refusal(logs, limit));
            let (deployed, set_up) = tokio::join!(deployed, said);
            self.checked(name, deployed, set_up)
        }));
        let rules = async {
            let (schedule, events) = (self.full(SCHEDULE), self.full(EVENTS));
            let schedule = look(limit, self.rules.look(&schedule));
            let events = look(limit, self.rules.look(&events));
            let (schedule, events) = tokio::join!(schedule, events);
            [schedule, events]
        };
        tokio::join!(functions, rules)
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn last_refusal(
        &self,
        logs: &Logs,
        limit: Duration,
    ) -> Result<Option<(DateTime<Utc>, String)>, Failure> {
        let now = self.clock.now();
        let deadline = Instant::now() + limit;
        let held = logs.holding(CANNOT_BE_SET_UP, now - SET_UP_SINCE, now, deadline).await?;
        Ok(held.lines.iter().rev().find_map(|line| Some((line.at, cause(&line.text)?))))
    }

    fn checked(
        &self,
        name: &'static str,
        deployed: Look<Option<Deployed>>,
        set_up: Look<Option<(DateTime<Utc>, String)>>,
    ) -> CheckedFunction {
        let found = deployed.seen().and_then(Option::as_ref);
        let unlike = found.map_or_else(Vec::new, |found| unlike(name, found, self.environment));
        let set_up = match set_up {
            // It was mended since.
            Look::Seen(Some((at, _))) if found.is_some_and(|it| it.changed_at > Some(at)) => {
                Look::Seen(None)
            }
            said => said,
        };
        let wrong = found.and_then(|found| wrong(found).err()).map(|error| error.0);
        CheckedFunction { name, deployed, unlike, wrong, set_up }
    }
}

async fn look<T>(limit: Duration, asked: impl Future<Output = Result<T, Failure>>) -> Look<T> {
    match timeout(limit, asked).await {
        Err(_) => Look::Late,
        Ok(Ok(seen)) => Look::Seen(seen),
        Ok(Err(failure)) => Look::Failed(failure),
    }
}

/// The cause in a line that says that the function cannot be set up.
fn cause(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line.trim()).ok()?;
    let is_it = line["message"].as_str() == Some(CANNOT_BE_SET_UP);
    line["cause"].as_str().filter(|_| is_it).map(str::to_owned)
}

/// The variables that `found`, the function of that name, has not as `own` says. An empty one
/// counts as not set; how it logs in is compared where `own` knows it.
fn unlike(name: &str, found: &Deployed, own: Environment<'_>) -> Vec<&'static str> {
    let its = |name: &str| found.variables.get(name).filter(|value| !value.is_empty()).cloned();
    let login = LOGIN.into_iter().filter(|(variable, of_reconciler, of_others)| {
        let said = own.text(if name == "reconciler" { of_reconciler } else { of_others });
        said.is_some() && its(variable) != said
    });
    let common = COMMON.into_iter().filter(|variable| its(variable) != own.text(variable));
    login.map(|(variable, ..)| variable).chain(common).collect()
}

/// Reads what every function reads, as they do.
fn wrong(found: &Deployed) -> Result<(), EnvironmentError> {
    let lookup = |name: &str| found.variables.get(name).cloned();
    let environment = Environment::new(&lookup);
    DatabaseConfig::read(environment)?;
    Terms::read(environment)?;
    environment.seconds("PROCESS_TIME_LIMIT_SECONDS", 1)?;
    environment.required("STATE_MACHINE_ARN").map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn deployed(variables: &[(&str, &str)]) -> Deployed {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Deployed { variables: variables.collect(), ..Deployed::default() }
    }

    #[test]
    fn a_variable_that_is_missing_or_cannot_be_read_is_named() {
        let needed = [("DATABASE_SECRET_ARN", "arn"), ("STATE_MACHINE_ARN", "arn")];
        assert_eq!(wrong(&deployed(&needed)), Ok(()));
        for (at, (name, _)) in needed.iter().enumerate() {
            let one = [needed[1 - at]];
            assert!(wrong(&deployed(&one)).unwrap_err().0.contains(name), "{name}");
        }
        for name in ["MODEL_CALLS_LIMIT", "DATABASE_PORT", "PROCESS_TIME_LIMIT_SECONDS"] {
            let with = [needed[0], needed[1], (name, "many")];
            assert!(wrong(&deployed(&with)).unwrap_err().0.contains(name), "{name}");
        }
    }

    #[test]
    fn what_differs_from_this_function_is_named_and_what_is_empty_counts_as_not_set() {
        let own = HashMap::from([("DATABASE_HOST", "db"), ("NAME_PREFIX", "")]);
        let lookup = |name: &str| own.get(name).map(|value| (*value).to_owned());
        let own = Environment::new(&lookup);
        let same = deployed(&[("DATABASE_HOST", "db")]);
        assert_eq!(unlike("cancel-handler", &same, own), Vec::<&str>::new());
        let other = deployed(&[("DATABASE_HOST", "old"), ("TOKENS_PER_DAY", "5"), ("X", "y")]);
        assert_eq!(unlike("cancel-handler", &other, own), ["DATABASE_HOST", "TOKENS_PER_DAY"]);
    }

    #[test]
    fn a_function_that_logs_in_as_another_than_it_should_is_named() {
        let own = HashMap::from([
            ("DATABASE_SECRET_ARN", "of diagnostics"),
            ("RECONCILER_SECRET_ARN", "of the reconciler"),
            ("FUNCTIONS_SECRET_ARN", "of all others"),
        ]);
        let lookup = |name: &str| own.get(name).map(|value| (*value).to_owned());
        let own = Environment::new(&lookup);
        let names = |name: &str, secret: &str| {
            let found = deployed(&[("DATABASE_SECRET_ARN", secret), ("DATABASE_USER", "x")]);
            unlike(name, &found, own)
        };
        assert_eq!(names("reconciler", "of the reconciler"), Vec::<&str>::new());
        assert_eq!(names("cancel-handler", "of all others"), Vec::<&str>::new());
        assert_eq!(names("reconciler", "of all others"), ["DATABASE_SECRET_ARN"]);
        assert_eq!(names("cancel-handler", "of staging"), ["DATABASE_SECRET_ARN"]);
    }

    #[test]
    fn only_a_line_of_that_message_tells_a_cause() {
        let line = |message: &str| format!(r#"{{"message":"{message}","cause":"A is not set"}}"#);
        assert_eq!(cause(&line(CANNOT_BE_SET_UP)).as_deref(), Some("A is not set"));
        let quoted = format!("somebody says that {CANNOT_BE_SET_UP}");
        assert_eq!([cause(&line(&quoted)), cause(CANNOT_BE_SET_UP)], [None, None]);
    }
}
