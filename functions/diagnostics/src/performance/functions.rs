//! What the invocations of a function say together. Pure.

use serde::Serialize;

use crate::logs::read::Invocation;

/// A function.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionView {
    pub(super) function: &'static str,
    pub(super) invocations: usize,
    /// Milliseconds of an invocation, without a cold start.
    pub(super) duration: Millis,
    /// Invocations that began with a cold start.
    pub(super) cold_starts: usize,
    /// Milliseconds of a cold start; `None`: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) init: Option<Millis>,
    /// What it may use, MB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_size: Option<f64>,
    /// What an environment has used at most, MB; `None`: nothing credible is reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_used: Option<f64>,
    /// Invocations that Lambda ended for their time.
    pub(super) timeouts: usize,
    /// Those that ended in another way than by an answer: a panic, an exit, no memory left.
    pub(super) crashes: usize,
}

/// Milliseconds, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Millis {
    p50: i64,
    p95: i64,
    p99: i64,
    pub(super) max: i64,
}

impl Millis {
    /// Each is one of `values`; `None`: there are none.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, reason = "no invocation takes 2^63 ms")]
        let at = |percent: usize| {
            // The nearest rank: the least that so many percent of the values do not exceed.
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).map(|value| value.round() as i64)
        };
        Some(Self { p50: at(50)?, p95: at(95)?, p99: at(99)?, max: at(100)? })
    }
}

impl FunctionView {
    /// `None`: there were no invocations.
    pub(super) fn of(function: &'static str, invocations: &[Invocation]) -> Option<Self> {
        let inits: Vec<_> = invocations.iter().filter_map(|it| it.init_duration).collect();
        let most = |of: fn(&Invocation) -> Option<f64>| {
            invocations.iter().filter_map(of).max_by(f64::total_cmp)
        };
        let ended = |how: &[&str]| {
            let status = invocations.iter().filter_map(|it| it.status.as_deref());
            status.filter(|status| how.contains(status)).count()
        };
        Some(Self {
            function,
            invocations: invocations.len(),
            duration: Millis::of(invocations.iter().map(|it| it.duration).collect())?,
            cold_starts: inits.len(),
            init: Millis::of(inits),
            memory_size: most(|it| it.memory_size),
            memory_used: most(credible_memory),
            timeouts: ended(&["timeout"]),
            crashes: ended(&["error", "failure"]),
        })
    }
}

/// Lambda ends an environment that uses more than its size, and none gets by with nothing. Gateways
/// that stand in for it write whatever they measure, such as their own memory.
fn credible_memory(invocation: &Invocation) -> Option<f64> {
    let (size, used) = (invocation.memory_size?, invocation.memory_used?);
    (used > 0.0 && used <= size * 1.1).then_some(used)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use shared::aws::logs::LogLine;

    use super::*;

    fn invocation(millis: u32, more: &str) -> Invocation {
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let id = uuid::Uuid::from_u128(millis.into());
        let text = format!(
            "REPORT RequestId: {id}\tDuration: {millis}.00 ms\tBilled Duration: 1 ms\t\
             Memory Size: 128 MB\tMax Memory Used: {} MB\t{more}",
            millis / 2
        );
        Invocation::of("worker", &LogLine { at, text }).unwrap()
    }

    #[test]
    fn percentiles_are_values_that_there_were() {
        let millis = |count: u32| Millis::of((1..=count).rev().map(f64::from).collect());
        assert_eq!(millis(0), None);
        assert_eq!(millis(1), Some(Millis { p50: 1, p95: 1, p99: 1, max: 1 }));
        assert_eq!(millis(200), Some(Millis { p50: 100, p95: 190, p99: 198, max: 200 }));
    }

    #[test]
    fn cold_starts_memory_and_bad_ends_are_counted() {
        let view = FunctionView::of(
            "worker",
            &[
                invocation(10, "Init Duration: 90.00 ms"),
                invocation(100, "Status: timeout"),
                invocation(20, "Status: error\tError Type: Runtime.OutOfMemory"),
            ],
        )
        .unwrap();
        assert_eq!((view.invocations, view.cold_starts, view.timeouts, view.crashes), (3, 1, 1, 1));
        assert_eq!((view.memory_size, view.memory_used), (Some(128.0), Some(50.0)));
        assert_eq!(view.init.map(|init| init.max), Some(90));
        assert_eq!(FunctionView::of("worker", &[]), None);
    }

    #[test]
    fn memory_that_no_environment_can_have_used_is_not_told() {
        let used = |millis| FunctionView::of("worker", &[invocation(millis, "")])?.memory_used;
        assert_eq!([0, 2, 256, 300].map(used), [None, Some(1.0), Some(128.0), None]);
    }
}
