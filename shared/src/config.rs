//! What a function reads from its environment. The template sets these; each is named with its
//! meaning and unit there too.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{failure::Failure, limiter::Rate, process::ProcessType, reconcile::Limits};

/// How the connection to the database is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseTls {
    /// Not at all: the local stack only.
    Disable,
    /// Encrypted; the server's certificate is not checked.
    Require,
    /// Encrypted, and the certificate must be the host's by a public authority (RDS Proxy has one).
    VerifyFull,
}

/// Reads one variable through `lookup`, so that tests need not touch the process's environment.
fn required(lookup: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<String, Failure> {
    lookup(name).filter(|value| !value.is_empty()).ok_or_else(|| {
        Failure::internal(format!(
            "the environment variable {name} is not set; infra/template.yaml sets it"
        ))
    })
}

fn seconds(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &str,
    default: u64,
) -> Result<Duration, Failure> {
    match lookup(name) {
        None => Ok(Duration::from_secs(default)),
        Some(text) => match text.parse() {
            Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
            _ => {
                Err(Failure::internal(format!("{name} must be a whole number of seconds above 0")))
            }
        },
    }
}

/// Where the database is and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `DATABASE_SECRET_ARN`: the secret with user and password, and perhaps with host, port and
    /// name.
    pub secret_arn: String,
    /// `DATABASE_HOST`: for a secret that names no host, such as those that RDS manages.
    pub host: Option<String>,
    /// `DATABASE_PORT`: for a secret that names no port; 5432 by default.
    pub port: u16,
    /// `DATABASE_NAME`: for a secret that names no database.
    pub name: Option<String>,
    /// `DATABASE_TLS`: `disable`, `require` (default) or `verify-full`.
    pub tls: DatabaseTls,
}

impl DatabaseConfig {
    /// Reads it through `lookup`.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let tls = match lookup("DATABASE_TLS").as_deref() {
            Some("disable") => DatabaseTls::Disable,
            None | Some("" | "require") => DatabaseTls::Require,
            Some("verify-full") => DatabaseTls::VerifyFull,
            Some(_) => {
                return Err(Failure::internal(
                    "DATABASE_TLS must be disable, require or verify-full",
                ));
            }
        };
        let port = match lookup("DATABASE_PORT") {
            None => 5432,
            Some(text) => text
                .parse()
                .map_err(|_| Failure::internal("DATABASE_PORT must be a port number"))?,
        };
        let secret_arn = required(lookup, "DATABASE_SECRET_ARN")?;
        Ok(Self {
            secret_arn,
            host: lookup("DATABASE_HOST"),
            port,
            name: lookup("DATABASE_NAME"),
            tls,
        })
    }
}

/// Which models to ask, and how long to wait for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelConfig {
    /// `MODEL_IDS`: model or inference-profile ids, in order of preference, separated by commas.
    pub ids: Vec<String>,
    /// `MODEL_TIMEOUT_SECONDS`: of one call; 120 by default.
    pub timeout: Duration,
}

impl ModelConfig {
    /// Reads it through `lookup`.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let ids: Vec<String> = required(lookup, "MODEL_IDS")?
            .split(',')
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .collect();
        if ids.is_empty() {
            return Err(Failure::internal("MODEL_IDS names no model"));
        }
        Ok(Self { ids, timeout: seconds(lookup, "MODEL_TIMEOUT_SECONDS", 120)? })
    }
}

/// How a worker divides its work, and how long a process may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkLimits {
    /// `BATCH_SIZE`: targets that one invocation writes for; 8 by default.
    pub batch_size: usize,
    /// `BATCHES_AT_ONCE`: batches of one process that run at the same time; 8 by default.
    pub batches_at_once: usize,
    /// `MODEL_CALLS_AT_ONCE`: calls that one invocation has in flight; 8 by default.
    pub calls_at_once: usize,
    /// `PROCESS_TIME_LIMIT_SECONDS`: the longest life of any process, from its first attempt; 3,600
    /// by default.
    pub process: Duration,
    /// `TYPE_TIME_LIMITS`: shorter ones by type, such as
    /// `SUBGOAL_GENERATION=900,CHART_GENERATION=3000`.
    pub by_type: Vec<(ProcessType, Duration)>,
}

impl WorkLimits {
    /// Reads them through `lookup`.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let mut by_type = Vec::new();
        let given = lookup("TYPE_TIME_LIMITS").unwrap_or_default();
        for pair in given.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let read = pair.split_once('=').and_then(|(name, seconds)| {
                let seconds = seconds.trim().parse().ok().filter(|seconds| *seconds > 0)?;
                Some((name.trim().parse().ok()?, Duration::from_secs(seconds)))
            });
            by_type.push(read.ok_or_else(|| {
                Failure::internal("TYPE_TIME_LIMITS must be TYPE=seconds, separated by commas")
            })?);
        }
        Ok(Self {
            batch_size: count(lookup, "BATCH_SIZE", 8)?,
            batches_at_once: count(lookup, "BATCHES_AT_ONCE", 8)?,
            calls_at_once: count(lookup, "MODEL_CALLS_AT_ONCE", 8)?,
            process: seconds(lookup, "PROCESS_TIME_LIMIT_SECONDS", 3_600)?,
            by_type,
        })
    }

    /// What is left at `now` for a process that began at `started_at`, in an invocation that has
    /// `lambda_time` left.
    #[must_use]
    pub fn time_left(
        &self,
        process_type: ProcessType,
        started_at: DateTime<Utc>,
        now: DateTime<Utc>,
        lambda_time: Duration,
    ) -> Duration {
        let own = self
            .by_type
            .iter()
            .find(|(name, _)| *name == process_type)
            .map_or(self.process, |(_, limit)| *limit);
        let age = (now - started_at).to_std().unwrap_or_default();
        own.min(self.process).saturating_sub(age).min(lambda_time)
    }
}

fn count(
    lookup: &dyn Fn(&str) -> Option<String>,
    name: &str,
    default: usize,
) -> Result<usize, Failure> {
    match lookup(name).filter(|text| !text.is_empty()) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|count| (1..=64).contains(count))
            .ok_or_else(|| Failure::internal(format!("{name} must be from 1 to 64"))),
    }
}

/// How the reconciler goes about it. Everything has a default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReconcilerConfig {
    /// `PROCESS_TIME_LIMIT_SECONDS`, `RECONCILER_START_GRACE_SECONDS`, `RECONCILER_GRACE_SECONDS`;
    /// the rest is fixed.
    pub limits: Limits,
    /// `LIST_EXECUTIONS_PER_SECOND`.
    pub list: Rate,
    /// `DESCRIBE_EXECUTION_PER_SECOND`.
    pub describe: Rate,
    /// `START_EXECUTION_PER_SECOND`.
    pub start: Rate,
    /// `STOP_EXECUTION_PER_SECOND`.
    pub stop: Rate,
    /// `FILTER_LOG_EVENTS_PER_SECOND`.
    pub filter: Rate,
    /// `RECONCILER_EVIDENCE_LIMIT`: how many processes' logs one sweep looks into.
    pub evidence: u64,
}

impl ReconcilerConfig {
    /// Reads it through `lookup`.
    ///
    /// The rates are Step Functions' quotas in the smaller regions, or below; its buckets hold more
    /// than the bursts here, which leaves the rest to others who call the same APIs.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let limits = Limits::default();
        let span = |name, default: TimeDelta| -> Result<TimeDelta, Failure> {
            let read = seconds(lookup, name, default.num_seconds().unsigned_abs())?;
            TimeDelta::from_std(read).map_err(|_| Failure::internal(format!("{name} is too long")))
        };
        let rate = |name, per_second: f64, burst: f64| match lookup(name)
            .filter(|text| !text.is_empty())
        {
            None => Ok(Rate { per_second, burst }),
            Some(text) => match text.parse::<f64>() {
                Ok(per_second) if per_second.is_finite() && per_second > 0.0 => {
                    Ok(Rate { per_second, burst: burst.max(per_second) })
                }
                _ => Err(Failure::internal(format!("{name} must be a number above 0"))),
            },
        };
        Ok(Self {
            limits: Limits {
                start_grace: span("RECONCILER_START_GRACE_SECONDS", limits.start_grace)?,
                time_limit: span("PROCESS_TIME_LIMIT_SECONDS", limits.time_limit)?,
                grace: span("RECONCILER_GRACE_SECONDS", limits.grace)?,
                ..limits
            },
            list: rate("LIST_EXECUTIONS_PER_SECOND", 5.0, 50.0)?,
            describe: rate("DESCRIBE_EXECUTION_PER_SECOND", 15.0, 200.0)?,
            start: rate("START_EXECUTION_PER_SECOND", 100.0, 300.0)?,
            stop: rate("STOP_EXECUTION_PER_SECOND", 20.0, 200.0)?,
            filter: rate("FILTER_LOG_EVENTS_PER_SECOND", 4.0, 5.0)?,
            evidence: match lookup("RECONCILER_EVIDENCE_LIMIT").filter(|text| !text.is_empty()) {
                None => 50,
                Some(text) => text.parse().map_err(|_| {
                    Failure::internal("RECONCILER_EVIDENCE_LIMIT must be a whole number")
                })?,
            },
        })
    }
}

/// `WORKER_LOG_GROUP`: where the worker logs. Without it, repairs are made without evidence.
#[must_use]
pub fn worker_log_group(lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    lookup("WORKER_LOG_GROUP").filter(|group| !group.is_empty())
}

/// `RATE_LIMIT_PER_MINUTE`: requests a minute of one user on the three POST routes; 20 by default.
///
/// # Errors
/// When it is not a number above 0.
pub fn rate_limit_per_minute(lookup: &dyn Fn(&str) -> Option<String>) -> Result<i32, Failure> {
    const DEFAULT: i32 = 20;
    match lookup("RATE_LIMIT_PER_MINUTE").filter(|text| !text.is_empty()) {
        None => Ok(DEFAULT),
        Some(text) => match text.parse() {
            Ok(limit) if limit > 0 => Ok(limit),
            _ => Err(Failure::internal("RATE_LIMIT_PER_MINUTE must be a whole number above 0")),
        },
    }
}

/// `STATE_MACHINE_ARN`.
///
/// # Errors
/// When it is not set.
pub fn state_machine_arn(lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Failure> {
    required(lookup, "STATE_MACHINE_ARN")
}

/// The process's own environment, for the edge.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn a_missing_variable_is_named() {
        assert!(
            DatabaseConfig::read(&lookup(&[])).unwrap_err().cause.contains("DATABASE_SECRET_ARN")
        );
        assert!(
            ModelConfig::read(&lookup(&[("MODEL_IDS", " , ")]))
                .unwrap_err()
                .cause
                .contains("MODEL_IDS")
        );
        assert!(
            ModelConfig::read(&lookup(&[("MODEL_IDS", "a"), ("MODEL_TIMEOUT_SECONDS", "soon")]))
                .unwrap_err()
                .cause
                .contains("MODEL_TIMEOUT_SECONDS")
        );
    }

    #[test]
    fn the_rate_limit_is_20_unless_told_otherwise() {
        assert_eq!(rate_limit_per_minute(&lookup(&[])), Ok(20));
        assert_eq!(rate_limit_per_minute(&lookup(&[("RATE_LIMIT_PER_MINUTE", "300")])), Ok(300));
        for wrong in ["0", "-1", "many", "1.5"] {
            assert!(
                rate_limit_per_minute(&lookup(&[("RATE_LIMIT_PER_MINUTE", wrong)]))
                    .unwrap_err()
                    .cause
                    .contains("RATE_LIMIT_PER_MINUTE")
            );
        }
    }

    #[test]
    fn models_are_an_ordered_list() {
        let config = ModelConfig::read(&lookup(&[("MODEL_IDS", "first, second")])).unwrap();
        assert_eq!(config.ids, ["first", "second"]);
        assert_eq!(config.timeout, Duration::from_mins(2));
    }

    #[test]
    fn the_reconciler_has_defaults_and_names_what_is_wrong() {
        let config = ReconcilerConfig::read(&lookup(&[])).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.describe, Rate { per_second: 15.0, burst: 200.0 });
        let config = ReconcilerConfig::read(&lookup(&[
            ("PROCESS_TIME_LIMIT_SECONDS", "90"),
            ("DESCRIBE_EXECUTION_PER_SECOND", "1000"),
        ]))
        .unwrap();
        assert_eq!(
            (config.limits.time_limit, config.describe.burst),
            (TimeDelta::seconds(90), 1_000.0)
        );
        for name in
            ["RECONCILER_GRACE_SECONDS", "LIST_EXECUTIONS_PER_SECOND", "RECONCILER_EVIDENCE_LIMIT"]
        {
            assert!(
                ReconcilerConfig::read(&lookup(&[(name, "-1")])).unwrap_err().cause.contains(name)
            );
        }
    }

    #[test]
    fn the_database_is_encrypted_unless_told_otherwise() {
        assert_eq!(
            DatabaseConfig::read(&lookup(&[("DATABASE_SECRET_ARN", "arn")])).unwrap().tls,
            DatabaseTls::Require
        );
        assert!(
            DatabaseConfig::read(&lookup(&[
                ("DATABASE_SECRET_ARN", "arn"),
                ("DATABASE_TLS", "maybe")
            ]))
            .is_err()
        );
    }

    #[test]
    fn a_process_ends_by_its_own_limit_or_the_invocations_whichever_comes_first() {
        let limits = WorkLimits::read(&lookup(&[
            ("PROCESS_TIME_LIMIT_SECONDS", "600"),
            ("TYPE_TIME_LIMITS", "TASK_GENERATION=100, CHART_GENERATION=900"),
        ]))
        .unwrap();
        let left = |process_type, age: i64| {
            let began = DateTime::UNIX_EPOCH;
            limits
                .time_left(
                    process_type,
                    began,
                    began + chrono::TimeDelta::seconds(age),
                    Duration::from_secs(298),
                )
                .as_secs()
        };
        assert_eq!(left(ProcessType::SubgoalGeneration, 0), 298);
        assert_eq!(left(ProcessType::SubgoalGeneration, 500), 100);
        assert_eq!(left(ProcessType::TaskGeneration, 60), 40);
        assert_eq!(left(ProcessType::TaskGeneration, 101), 0);
        // Never above the limit of all processes, by which the reconciler goes.
        assert_eq!(left(ProcessType::ChartGeneration, 550), 50);
    }

    #[test]
    fn limits_that_cannot_be_read_are_named() {
        for (name, value) in [
            ("BATCH_SIZE", "0"),
            ("BATCHES_AT_ONCE", "many"),
            ("MODEL_CALLS_AT_ONCE", "65"),
            ("TYPE_TIME_LIMITS", "POEM=3"),
        ] {
            assert!(
                WorkLimits::read(&lookup(&[(name, value)])).unwrap_err().cause.contains(name),
                "{name}"
            );
        }
    }
}
