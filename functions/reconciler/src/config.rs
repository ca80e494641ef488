//! The reconciler's settings.

use std::time::Duration;

use chrono::TimeDelta;
use shared::{
    aws::limiter::Rate,
    environment::{Environment, EnvironmentError},
    process::Retention,
    reconcile::Limits,
};

/// Processes whose logs one sweep looks into, where the environment does not say.
const EVIDENCE_LIMIT: usize = 50;
/// Seconds for which it looks into them.
const EVIDENCE_SECONDS: u64 = 10;

/// How the reconciler goes about it. Everything has a default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ReconcilerConfig {
    /// `PROCESS_TIME_LIMIT_SECONDS`, `RECONCILER_START_GRACE_SECONDS`, `RECONCILER_GRACE_SECONDS`;
    /// the rest is fixed.
    pub(crate) limits: Limits,
    /// `LIST_EXECUTIONS_PER_SECOND`.
    pub(crate) list: Rate,
    /// `DESCRIBE_EXECUTION_PER_SECOND`.
    pub(crate) describe: Rate,
    /// `START_EXECUTION_PER_SECOND`.
    pub(crate) start: Rate,
    /// `STOP_EXECUTION_PER_SECOND`.
    pub(crate) stop: Rate,
    /// `FILTER_LOG_EVENTS_PER_SECOND`.
    pub(crate) filter: Rate,
    /// `RECONCILER_EVIDENCE_LIMIT`: how many processes' logs one sweep looks into.
    pub(crate) evidence: usize,
    /// `RECONCILER_EVIDENCE_SECONDS`: how long it looks into them, after all repairs.
    pub(crate) evidence_time: Duration,
    /// `RETENTION_DAYS`: for how long processes are kept after their end.
    pub(crate) retention: Retention,
}

impl ReconcilerConfig {
    /// Reads it from `environment`.
    ///
    /// The rates hold in every region. Step Functions lets an account list 2 times a second and
    /// describe 10 times (5 and 15 in its three largest regions), after bursts of 100 and 250. What
    /// is left here is for others who call the same APIs.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    pub(crate) fn read(environment: Environment<'_>) -> Result<Self, EnvironmentError> {
        let limits = Limits::default();
        let span = |name, default: TimeDelta| {
            let span = environment.seconds(name, default.num_seconds().unsigned_abs())?;
            TimeDelta::from_std(span).map_err(|_| EnvironmentError(format!("{name} is too long")))
        };
        let rate = |name, per_second: f64, burst: f64| {
            let parse = |text: &str| {
                let per_second = text.parse().ok().filter(|rate: &f64| rate.is_finite())?;
                (per_second > 0.0).then(|| Rate { per_second, burst: burst.max(per_second) })
            };
            environment.parsed(name, Rate { per_second, burst }, "a number above 0", parse)
        };
        let count = |text: &str| text.parse().ok();
        Ok(Self {
            limits: Limits {
                start_grace: span("RECONCILER_START_GRACE_SECONDS", limits.start_grace)?,
                time_limit: span("PROCESS_TIME_LIMIT_SECONDS", limits.time_limit)?,
                grace: span("RECONCILER_GRACE_SECONDS", limits.grace)?,
                ..limits
            },
            list: rate("LIST_EXECUTIONS_PER_SECOND", 2.0, 50.0)?,
            describe: rate("DESCRIBE_EXECUTION_PER_SECOND", 8.0, 200.0)?,
            start: rate("START_EXECUTION_PER_SECOND", 100.0, 300.0)?,
            stop: rate("STOP_EXECUTION_PER_SECOND", 20.0, 200.0)?,
            filter: rate("FILTER_LOG_EVENTS_PER_SECOND", 4.0, 5.0)?,
            evidence: environment.parsed(
                "RECONCILER_EVIDENCE_LIMIT",
                EVIDENCE_LIMIT,
                "a whole number",
                count,
            )?,
            evidence_time: environment.seconds("RECONCILER_EVIDENCE_SECONDS", EVIDENCE_SECONDS)?,
            retention: Retention::read(environment)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ReconcilerConfig, EnvironmentError> {
        let lookup = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        ReconcilerConfig::read(Environment::new(&lookup))
    }

    #[test]
    fn everything_has_a_default() {
        let config = read(&[]).unwrap();
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.describe, Rate { per_second: 8.0, burst: 200.0 });
        assert_eq!(config.list, Rate { per_second: 2.0, burst: 50.0 });
        assert_eq!((config.evidence, config.evidence_time), (50, Duration::from_secs(10)));
        assert_eq!(config.retention, Retention::default());
    }

    #[test]
    fn the_environment_overrides_the_defaults() {
        let config = read(&[
            ("PROCESS_TIME_LIMIT_SECONDS", "90"),
            ("DESCRIBE_EXECUTION_PER_SECOND", "1000"),
            ("RECONCILER_EVIDENCE_LIMIT", "0"),
        ])
        .unwrap();
        assert_eq!(config.limits.time_limit, TimeDelta::seconds(90));
        // A burst is never below the rate.
        assert_eq!(config.describe, Rate { per_second: 1_000.0, burst: 1_000.0 });
        assert_eq!(config.evidence, 0);
    }

    #[test]
    fn a_variable_that_is_wrong_is_named() {
        for name in ["RECONCILER_GRACE_SECONDS", "LIST_EXECUTIONS_PER_SECOND", "RETENTION_DAYS"] {
            assert!(read(&[(name, "-1")]).unwrap_err().0.contains(name));
        }
        for endless in ["inf", "NaN", "0"] {
            assert!(read(&[("STOP_EXECUTION_PER_SECOND", endless)]).is_err(), "{endless}");
        }
        let too_long = read(&[("RECONCILER_GRACE_SECONDS", "18446744073709551615")]).unwrap_err();
        assert_eq!(too_long.0, "RECONCILER_GRACE_SECONDS is too long");
    }
}
