//! How a worker divides its work, how often it tries, and how long things may take.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::{
    environment::{Environment, EnvironmentError},
    process::{PlannedTarget, ProcessType},
    store::PlannedBatch,
};
use uuid::Uuid;

/// How often what broke rules is asked for again.
pub const MAX_REPAIRS: usize = 3;

/// How often the worker looks at its process, so that a cancel stops it within two seconds.
pub const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How long an attempt that has ended waits until those are started whom it is admitting.
pub const ROOM_PATIENCE: Duration = Duration::from_secs(3);
/// A batch that could use more calls asks for them after so many looks.
pub const LOOKS_BETWEEN_WISHES: u32 = 5;
/// The time in which a model may still answer. A throttled attempt of a process that has less left
/// is its last.
pub const LEAST_TIME_TO_ANSWER: Duration = Duration::from_secs(10);

/// The time that one more call of an attempt must have, for one that has seen calls take as long as
/// `longest`: half as long again.
#[must_use]
pub(crate) fn time_for_one_more(longest: Duration) -> Duration {
    (longest + longest / 2).max(LEAST_TIME_TO_ANSWER)
}

/// How a worker divides its work, and how long a process may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkLimits {
    /// `BATCHES_AT_ONCE`: batches in which a process is written at the same time; 8 by default.
    pub(crate) batches_at_once: i32,
    /// `MODEL_CALLS_AT_ONCE`: calls that one invocation has in flight; 8 by default.
    pub(crate) calls_at_once: i32,
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
            batches_at_once: at_once(environment, "BATCHES_AT_ONCE")?,
            calls_at_once: at_once(environment, "MODEL_CALLS_AT_ONCE")?,
            process: environment.seconds("PROCESS_TIME_LIMIT_SECONDS", 3_600)?,
            by_type: environment.parsed(
                "TYPE_TIME_LIMITS",
                Vec::new(),
                "TYPE=seconds, separated by commas",
                |text| parse_by_type(text, known_types),
            )?,
        })
    }

    /// Calls that a process with so many targets left could have in flight.
    #[must_use]
    pub(crate) fn wanted_calls(&self, weight: i16) -> i32 {
        i32::from(weight).min(self.batches_at_once * self.calls_at_once).max(1)
    }

    /// Batches for a process that may have `share` calls in flight: as few as can make them, since
    /// each is an invocation, and no more than calls, so that each gets on.
    #[must_use]
    pub(crate) fn batches_for(&self, share: i32) -> usize {
        let batches = (share + self.calls_at_once - 1) / self.calls_at_once;
        usize::try_from(batches.clamp(1, self.batches_at_once)).unwrap_or(1)
    }

    /// Divides `share` calls among `batches`, at least one for each. One of few calls may get more
    /// later, as many as it can have in flight.
    pub(crate) fn grant(
        &self,
        share: i32,
        batches: Vec<Vec<PlannedTarget>>,
        mut new_id: impl FnMut() -> Uuid,
    ) -> Vec<PlannedBatch> {
        let count = i32::try_from(batches.len()).unwrap_or(i32::MAX).max(1);
        let grant = |(index, targets): (i32, Vec<PlannedTarget>)| {
            let weight = targets.iter().map(|target| i32::from(target.weight)).sum::<i32>();
            let wants = weight.min(self.calls_at_once).max(1);
            let part = share / count + i32::from(index < share % count);
            let small = |count: i32| i16::try_from(count).unwrap_or(i16::MAX);
            PlannedBatch {
                id: new_id(),
                targets,
                slots: small(part.clamp(1, wants)),
                wants: small(wants),
            }
        };
        (0..).zip(batches).map(grant).collect()
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

fn at_once(environment: Environment<'_>, name: &'static str) -> Result<i32, EnvironmentError> {
    let count = environment.count(name, 8, 1..=64)?;
    Ok(i32::try_from(count).unwrap_or(64))
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
    fn a_process_is_written_in_as_few_batches_as_can_make_its_calls() {
        let limits = read(&[]).unwrap();
        let batches = [1, 8, 9, 16, 64, 1_000].map(|share| limits.batches_for(share));
        assert_eq!(batches, [1, 1, 2, 2, 8, 8]);
        assert_eq!([0, 5, 73].map(|weight| limits.wanted_calls(weight)), [1, 5, 64]);
    }

    #[test]
    fn calls_are_divided_among_the_batches_and_none_gets_more_than_it_can_use() {
        let limits = read(&[]).unwrap();
        let batch = |weight: i16| vec![PlannedTarget { id: Uuid::nil(), weight }];
        let granted = |share, weights: &[i16]| {
            let batches = weights.iter().copied().map(batch).collect();
            let granted = limits.grant(share, batches, Uuid::nil);
            granted.iter().map(|batch| (batch.slots, batch.wants)).collect::<Vec<_>>()
        };
        assert_eq!(granted(1, &[72]), [(1, 8)]);
        assert_eq!(granted(8, &[72]), [(8, 8)]);
        assert_eq!(granted(11, &[36, 36]), [(6, 8), (5, 8)]);
        assert_eq!(granted(16, &[20, 3]), [(8, 8), (3, 3)]);
        assert_eq!(granted(1, &[9, 9]), [(1, 8), (1, 8)]);
    }

    #[test]
    fn limits_that_cannot_be_read_are_named() {
        for (name, value) in [
            ("BATCHES_AT_ONCE", "many"),
            ("MODEL_CALLS_AT_ONCE", "0"),
            ("MODEL_CALLS_AT_ONCE", "65"),
            ("TYPE_TIME_LIMITS", "POEM=3"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().0.contains(name), "{name}");
        }
    }
}
