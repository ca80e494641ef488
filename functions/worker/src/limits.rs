//! How a worker divides its work, how often it tries, and how long things may take.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::{
    environment::{Environment, EnvironmentError},
    process::ProcessType,
};

/// How often what broke rules is asked for again.
pub const MAX_REPAIRS: usize = 3;

/// How often the worker looks at its process, so that a cancel stops it within two seconds.
pub const WATCH_EVERY: Duration = Duration::from_secs(1);

/// The time in which a model may still answer. A throttled attempt of a process that has less left
/// is its last.
pub const LEAST_TIME_TO_ANSWER: Duration = Duration::from_secs(10);

/// How a worker divides its work, and how long a process may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkLimits {
    /// `BATCH_SIZE`: targets that one invocation writes for; 8 by default.
    pub(crate) batch_size: usize,
    /// `BATCHES_AT_ONCE`: batches of one process that run at the same time; 8 by default.
    pub(crate) batches_at_once: usize,
    /// `MODEL_CALLS_AT_ONCE`: calls that one invocation has in flight; 8 by default.
    pub(crate) calls_at_once: usize,
    /// `PROCESS_TIME_LIMIT_SECONDS`: the longest life of any process, from its first attempt; 3,600
    /// by default.
    pub(crate) process: Duration,
    /// `TYPE_TIME_LIMITS`: shorter ones by type, such as
    /// `SUBGOAL_GENERATION=900,CHART_GENERATION=3000`.
    pub(crate) by_type: Vec<(ProcessType, Duration)>,
}

/// The time that an attempt has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLeft {
    /// Until the process's own time limit.
    pub(crate) process: Duration,
    /// Until the invocation has to end.
    pub(crate) invocation: Duration,
}

impl TimeLeft {
    /// Of an attempt that the time limit of its process does not end.
    pub(crate) const fn of_invocation(invocation: Duration) -> Self {
        Self { process: Duration::MAX, invocation }
    }

    /// Until the attempt has to end.
    pub(crate) fn of_attempt(self) -> Duration {
        self.process.min(self.invocation)
    }
}

impl WorkLimits {
    /// Reads them. `known_types` are the names that `TYPE_TIME_LIMITS` may hold.
    ///
    /// # Errors
    /// Names the variable that is wrong.
    pub(crate) fn read(
        environment: Environment<'_>,
        known_types: &[&str],
    ) -> Result<Self, EnvironmentError> {
        Ok(Self {
            batch_size: environment.count("BATCH_SIZE", 8, 1..=64)?,
            batches_at_once: environment.count("BATCHES_AT_ONCE", 8, 1..=64)?,
            calls_at_once: environment.count("MODEL_CALLS_AT_ONCE", 8, 1..=64)?,
            process: environment.seconds("PROCESS_TIME_LIMIT_SECONDS", 3_600)?,
            by_type: environment.parsed(
                "TYPE_TIME_LIMITS",
                Vec::new(),
                "TYPE=seconds, separated by commas",
                |text| parse_by_type(text, known_types),
            )?,
        })
    }

    /// What is left at `now` for a process that began at `started_at`, in an invocation that has
    /// `lambda_time` left.
    #[must_use]
    pub(crate) fn time_left(
        &self,
        process_type: &ProcessType,
        started_at: DateTime<Utc>,
        now: DateTime<Utc>,
        lambda_time: Duration,
    ) -> TimeLeft {
        let own = self
            .by_type
            .iter()
            .find(|(name, _)| name == process_type)
            .map_or(self.process, |(_, limit)| *limit);
        let age = (now - started_at).to_std().unwrap_or_default();
        let process = own.min(self.process).saturating_sub(age);
        TimeLeft { process, invocation: lambda_time }
    }
}

fn parse_by_type(text: &str, known_types: &[&str]) -> Option<Vec<(ProcessType, Duration)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let parse = |pair: &str| {
        let (name, seconds) = pair.split_once('=')?;
        let name = name.trim();
        let seconds = seconds.trim().parse().ok().filter(|seconds| *seconds > 0)?;
        let known = known_types.contains(&name);
        known.then(|| (ProcessType::new(name), Duration::from_secs(seconds)))
    };
    pairs.map(parse).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use shared::chart::ChartType;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<WorkLimits, EnvironmentError> {
        let lookup = |name: &str| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        WorkLimits::read(Environment::new(&lookup), ChartType::NAMES)
    }

    #[test]
    fn a_process_ends_by_its_own_limit_or_the_invocations_whichever_comes_first() {
        let limits = read(&[
            ("PROCESS_TIME_LIMIT_SECONDS", "600"),
            ("TYPE_TIME_LIMITS", "TASK_GENERATION=100, CHART_GENERATION=900"),
        ])
        .unwrap();
        let left = |chart_type: ChartType, age: i64| {
            let began = DateTime::UNIX_EPOCH;
            let now = began + TimeDelta::seconds(age);
            let lambda_time = Duration::from_secs(298);
            limits.time_left(&chart_type.into(), began, now, lambda_time).of_attempt().as_secs()
        };
        assert_eq!(left(ChartType::SubgoalGeneration, 0), 298);
        assert_eq!(left(ChartType::SubgoalGeneration, 500), 100);
        assert_eq!(left(ChartType::TaskGeneration, 60), 40);
        assert_eq!(left(ChartType::TaskGeneration, 101), 0);
        // Never above the limit of all processes, by which the reconciler goes.
        assert_eq!(left(ChartType::ChartGeneration, 550), 50);
    }

    #[test]
    fn limits_that_cannot_be_read_are_named() {
        for (name, value) in [
            ("BATCH_SIZE", "0"),
            ("BATCHES_AT_ONCE", "many"),
            ("MODEL_CALLS_AT_ONCE", "65"),
            ("TYPE_TIME_LIMITS", "POEM=3"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().0.contains(name), "{name}");
        }
    }
}
