//! Which requests of a batch are accepted. Each is judged as it would be alone, in the same order
//! of reasons (`store::submit` judges single ones), with those before it accepted already: they
//! hold what they generate for, they wait, and they have taken from the budgets.

use serde::Serialize;
use uuid::Uuid;

use crate::process::{ProcessId, ProcessType, UserId};

/// What the judging goes by, of a request in which nothing is wrong but what time has made so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What it asks for.
    pub process_type: ProcessType,
    /// What it is about.
    pub target_id: Uuid,
    /// Whether the target must be there already.
    pub target_must_exist: bool,
    /// Whether what the target has gives way.
    pub replace: bool,
    /// Tokens that it takes from the budgets.
    pub planned_tokens: i64,
    /// Whether time has made it wrong.
    pub late: bool,
}

/// The rows below which a process may change anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// The whole that they are parts of, or are; `None`: the kind excludes nothing but the same
    /// type on the same target.
    pub goal_id: Option<Uuid>,
    /// Those rows.
    pub holds: Vec<Uuid>,
    /// Their ancestors.
    pub lies_within: Vec<Uuid>,
}

impl Scope {
    /// Whether two processes could change the same rows: they hold the same, or one holds what the
    /// other's lies within. The schema holds the same rule for what is stored (`holds_overlap` in
    /// migration 9).
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let meet = |some: &[Uuid], others: &[Uuid]| some.iter().any(|id| others.contains(id));
        self.goal_id.is_some()
            && self.goal_id == other.goal_id
            && (meet(&self.holds, &other.holds)
                || meet(&self.holds, &other.lies_within)
                || meet(&self.lies_within, &other.holds))
    }
}

/// What there is where a request wants to generate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Whose the target is, another user before the one who asks; `None`: it is not there.
    pub target_user: Option<UserId>,
    /// Whether it holds something already.
    pub occupied: bool,
    /// An active process in the way, another user's before one of the user who asks.
    pub running: Option<(ProcessId, UserId)>,
    /// What the request would hold.
    pub scope: Scope,
}

/// What admission leaves to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Whether an operator has paused the service, and wants nothing new.
    pub refused: bool,
    /// How many of the user's wait.
    pub waiting: i32,
    /// How many can start at once, so that they do not wait.
    pub starts: i32,
    /// Tokens that the budgets leave today; `None`: there are none.
    pub tokens_left: Option<i64>,
}

/// A request of a batch that can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in the batch.
    pub index: usize,
    /// What it asks for.
    pub wish: Wish,
    /// What there is.
    pub surroundings: Surroundings,
}

/// What stands in the way of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Time has made it wrong.
    TooLate,
    /// The target belongs to another user, or is being generated for another user.
    Forbidden,
    /// There is no such target, or it has no parts of the kind.
    TargetNotFound,
    /// An active process works on the target, on a part of it, or on what it is a part of.
    AlreadyRunning {
        /// That process.
        process_id: ProcessId,
    },
    /// The same of a request before it in the batch.
    Overlaps {
        /// That request's place.
        index: usize,
    },
    /// The target has children and must not lose them.
    TargetNotEmpty,
    /// An operator has paused the service, and wants nothing new.
    Paused,
    /// The user has as many waiting as one may have.
    TooManyWaiting,
    /// The budgets do not allow it.
    OverBudget {
        /// Tokens that are left today.
        left: i64,
        /// Tokens that it is planned to use.
        planned: i64,
    },
}

/// What stands in the way of each of the `candidates` of `user`, in their order; `None`: it is
/// accepted. Of one user `most_waiting` may wait.
#[must_use]
pub fn judge(
    user: &UserId,
    candidates: &[Candidate],
    mut room: Room,
    most_waiting: i32,
) -> Vec<Option<Obstacle>> {
    let mut accepted: Vec<&Candidate> = Vec::new();
    let mut judge_one = |candidate| {
        let obstacle = in_the_way(user, candidate, &accepted)
            .or_else(|| room.obstacle(&candidate.wish, most_waiting));
        if obstacle.is_none() {
            room.take(&candidate.wish);
            accepted.push(candidate);
        }
        obstacle
    };
    candidates.iter().map(&mut judge_one).collect()
}

/// What is wrong with the request itself, or stands where it wants to generate.
fn in_the_way(
    user: &UserId,
    Candidate { wish, surroundings, .. }: &Candidate,
    accepted: &[&Candidate],
) -> Option<Obstacle> {
    let Surroundings { target_user, occupied, running, scope } = surroundings;
    let overlaps = |before: &&&Candidate| {
        let same = before.wish.process_type == wish.process_type
            && before.wish.target_id == wish.target_id;
        same || before.surroundings.scope.overlaps(scope)
    };
    let is_foreign = |whose: Option<&UserId>| whose.is_some_and(|whose| whose != user);
    if wish.late {
        Some(Obstacle::TooLate)
    } else if is_foreign(target_user.as_ref())
        || is_foreign(running.as_ref().map(|(_, whose)| whose))
    {
        Some(Obstacle::Forbidden)
    } else if target_user.is_none() && wish.target_must_exist {
        Some(Obstacle::TargetNotFound)
    } else if let Some((process_id, _)) = *running {
        Some(Obstacle::AlreadyRunning { process_id })
    } else if let Some(before) = accepted.iter().find(overlaps) {
        Some(Obstacle::Overlaps { index: before.index })
    } else if *occupied && !wish.replace {
        Some(Obstacle::TargetNotEmpty)
    } else {
        None
    }
}

impl Room {
    fn obstacle(&self, wish: &Wish, most_waiting: i32) -> Option<Obstacle> {
        let planned = wish.planned_tokens;
        if self.refused {
            Some(Obstacle::Paused)
        } else if self.starts == 0 && self.waiting >= most_waiting {
            Some(Obstacle::TooManyWaiting)
        } else {
            let left = self.tokens_left.filter(|left| planned > *left)?;
            Some(Obstacle::OverBudget { left: left.max(0), planned })
        }
    }

    /// What is left when `wish` is accepted.
    fn take(&mut self, wish: &Wish) {
        if self.starts > 0 {
            self.starts -= 1;
        } else {
            self.waiting += 1;
        }
        self.tokens_left = self.tokens_left.map(|left| left - wish.planned_tokens);
    }
}

#[cfg(test)]
mod tests;
