//! The situations that a process can be in, each made by the store's own moves.

use serde_json::json;
use shared::{
    chart::{Chart, ChartParams, GoalParams, Level, Params},
    process::{Actor, Ending, ErrorCode, PlannedTarget, Priority, ProcessError, ProcessId, Terms},
    store::{BatchClaim, Claim, Completion, Fence, NewRows, PlannedBatch, Submission, Submitted},
};
use test_kit::{Fixture, at, goal_numbered, id, plenty, sub_goals, submission, user, uuid};
use uuid::Uuid;

use crate::token::Token;

/// The number of the goal that the process is for.
const GOAL: u128 = 0x90a1;
/// The batch that the current attempt has planned.
pub const BATCH: Uuid = Uuid::from_u128(0xba7c);
/// A batch that no attempt has planned.
pub const OTHER_BATCH: Uuid = Uuid::from_u128(0xba7d);
/// The batch of requests that the process was sent in.
pub const REQUEST_BATCH: Uuid = Uuid::from_u128(0x5e7d);

/// Whose it is.
pub const OWNER: &str = "hanako";

/// The process that everything is about.
pub const fn process() -> ProcessId {
    id(1)
}

/// The goal that it is for.
pub fn goal() -> GoalParams {
    goal_numbered(GOAL)
}

/// What is asked for: the sub-goals of a goal, which begin a chart.
pub fn params(goal: GoalParams) -> Params {
    Params::Chart(ChartParams { goal, depth: Level::SubGoals, only: None })
}

/// Terms by which nothing starts at once.
pub fn no_room() -> Terms {
    Terms { calls: 0, calls_per_user: 0, ..Terms::default() }
}

/// Why it failed, or timed out.
pub fn error() -> ProcessError {
    ProcessError::new(ErrorCode::AiError, "the model failed")
}

/// The request that made it.
pub fn request() -> Submission<Chart> {
    Submission {
        params: params(goal()),
        idempotency_key: Some("key".to_owned()),
        priority: Priority::Normal,
        ..submission(1, OWNER)
    }
}

/// Where a process is; the columns of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// PENDING, and not admitted.
    Waiting,
    /// PENDING, with its share of the calls; nothing has claimed it.
    Admitted,
    /// PROCESSING, in its second attempt.
    Processing,
    /// PROCESSING, and its second attempt has planned a batch, at which a second attempt is made.
    Planned,
    Completed,
    Failed,
    TimedOut,
    Cancelled,
    /// It has no row.
    Absent,
}

impl Situation {
    pub const ALL: [Self; 9] = [
        Self::Waiting,
        Self::Admitted,
        Self::Processing,
        Self::Planned,
        Self::Completed,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Absent,
    ];

    /// As the papers have it, English and Japanese.
    pub const fn names(self) -> [&'static str; 2] {
        match self {
            Self::Waiting => ["PENDING, waiting", "PENDING（待機）"],
            Self::Admitted => ["PENDING, admitted", "PENDING（許可済み）"],
            Self::Processing => ["PROCESSING", "PROCESSING"],
            Self::Planned => ["PROCESSING, planned", "PROCESSING（計画済み）"],
            Self::Completed => ["COMPLETED", "COMPLETED"],
            Self::Failed => ["FAILED", "FAILED"],
            Self::TimedOut => ["TIMEOUT", "TIMEOUT"],
            Self::Cancelled => ["CANCELLED", "CANCELLED"],
            Self::Absent => ["no row", "行なし"],
        }
    }

    /// The number of the attempt that is the current one, or was the last.
    pub const fn attempt(self) -> i32 {
        match self {
            Self::Waiting | Self::Admitted => 0,
            _ => 2,
        }
    }

    /// What a worker goes by that comes with this token.
    pub const fn fence(self, token: Token) -> Fence {
        let batch = match token {
            Token::WithoutBatch => None,
            Token::OtherPlan => Some((OTHER_BATCH, 2)),
            _ => Some((BATCH, token.batch_attempt(2))),
        };
        Fence { attempt: token.attempt(self.attempt()), batch }
    }

    /// How it has ended, if it has.
    pub fn ending(self) -> Ending {
        match self {
            Self::TimedOut => Ending::TimedOut(error()),
            _ => Ending::Failed(error()),
        }
    }

    /// Brings the process there.
    pub async fn make(self, fixture: &Fixture) {
        let store = &fixture.store;
        if self != Self::Absent {
            let terms = if self == Self::Waiting { no_room() } else { plenty() };
            let submitted = fixture.submit(&Submission { terms, ..request() }).await;
            let admitted = Some(self != Self::Waiting);
            assert_eq!(submitted, Submitted::Accepted { recent_seconds: None, admitted });
        }
        let (batch, one) = (REQUEST_BATCH, process());
        fixture
            .sql(&format!(
                "INSERT INTO request_batch (id, user_id, fingerprint, results, created_at)
                 VALUES ('{batch}', '{OWNER}', sha256('x'), '[]', now());
                 UPDATE processing_state SET request_batch_id = '{batch}', request_index = 0
                 WHERE id = '{one}'"
            ))
            .await;
        if matches!(self, Self::Waiting | Self::Admitted | Self::Absent) {
            return;
        }
        for attempt in 1..=2 {
            let claim = store.claim(one, None, at(attempt.into())).await.unwrap();
            assert!(matches!(claim, Claim::Claimed { attempt: made, .. } if made == attempt));
        }
        if self == Self::Processing {
            return;
        }
        plan(fixture).await;
        match self {
            Self::Completed => assert_eq!(complete(fixture, 2).await, Completion::Completed),
            Self::Failed | Self::TimedOut => {
                store.end(one, &self.ending(), Actor::Worker, at(6)).await.unwrap();
            }
            Self::Cancelled => {
                store.cancel(one, None, Some("気が変わった"), Actor::User, at(6)).await.unwrap();
            }
            _ => {}
        }
    }
}

/// The batch as the current attempt plans it, or another.
pub fn planned(batch: Uuid) -> PlannedBatch {
    let target = |id| PlannedTarget { id, weight: 1 };
    let targets = vec![target(goal().goal_id), target(uuid(7))];
    PlannedBatch { id: batch, targets, slots: 2, wants: 3 }
}

async fn plan(fixture: &Fixture) {
    let store = &fixture.store;
    assert!(store.plan_batches(process(), 2, 2, &[planned(BATCH)], at(3)).await.unwrap());
    for _ in 0..2 {
        let claim = store.claim_batch(process(), BATCH, at(4)).await.unwrap();
        assert!(matches!(claim, BatchClaim::Claimed { .. }), "{claim:?}");
    }
}

/// Completes it for a worker of `attempt`.
pub async fn complete(fixture: &Fixture, attempt: i32) -> Completion {
    let goal = goal();
    let parts = [(goal.goal_id, sub_goals(1_000))];
    let new = NewRows::<Chart> {
        user_id: &user(OWNER),
        params: &params(goal.clone()),
        parts: &parts,
        result: &json!({"subGoals": []}),
        detail: &json!({}),
    };
    fixture.store.complete(process(), attempt, &new, Actor::Worker, at(7)).await.unwrap()
}
