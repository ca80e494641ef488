//! The capacity as operators see it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::store::Capacity;

/// How capacity, queue and pause stand.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CapacityView<'a> {
    limit: LimitView,
    in_flight: i64,
    running: i64,
    waiting: QueueView,
    paused: Option<PauseView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LimitView {
    calls: i32,
    calls_per_user: i32,
    in_force: i32,
    /// Why it is what it is: as deployed, an operator's, or lowered because models refuse calls.
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueView {
    total: i64,
    normal: i64,
    low: i64,
    users: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct PauseView<'a> {
    since: DateTime<Utc>,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    refuse: bool,
}

impl<'a> CapacityView<'a> {
    /// `capacity` as it is told.
    #[must_use]
    pub fn of(capacity: &'a Capacity) -> Self {
        let (reason, since) = if capacity.in_force < capacity.calls {
            ("THROTTLED", capacity.lowered_at)
        } else if let Some(set) = &capacity.set {
            ("OPERATOR", Some(set.at))
        } else {
            ("CONFIGURED", None)
        };
        Self {
            limit: LimitView {
                calls: capacity.calls,
                calls_per_user: capacity.calls_per_user,
                in_force: capacity.in_force,
                reason,
                since,
            },
            in_flight: capacity.in_use,
            running: capacity.running,
            waiting: QueueView {
                total: capacity.waiting_normal + capacity.waiting_low,
                normal: capacity.waiting_normal,
                low: capacity.waiting_low,
                users: capacity.users,
                oldest_at: capacity.oldest_at,
            },
            paused: capacity.paused.as_ref().map(|set| PauseView {
                since: set.at,
                by: &set.by,
                reason: set.reason.as_deref(),
                refuse: capacity.refuses,
            }),
        }
    }
}
