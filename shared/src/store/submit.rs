//! Accepting a process: the row that makes a 202 durable, what may stand in its way, the
//! idempotency key and the rate limit, all in one round trip.
//!
//! The process is inserted first and counted then, although the limit decides whether it may be: of
//! many requests with one idempotency key, only the one that inserts is to be counted, and the
//! unique index makes the others wait until it is known which one that is. When the count then
//! turns out to be too high, a constraint of `rate_limit` undoes the whole statement. A user who is
//! visibly at the limit is refused before anything is inserted. A trigger undoes it likewise when
//! somebody else was accepted meanwhile for what overlaps.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, StoredGeneration, find::parse_stored_name, rate_limit::Quota};
use crate::{
    process::{
        Actor, ErrorCode, Failure, Generation, Priority, ProcessId, Status, Terms, UserId,
        admission::request_weight,
    },
    validation::Violation,
};

/// A process that somebody asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission<G: Generation> {
    /// The id that it will have.
    pub id: ProcessId,
    /// Whose it will be.
    pub user_id: UserId,
    /// What to generate.
    pub params: G::Params,
    /// Which process it retries.
    pub retry: Option<Retry>,
    /// The `Idempotency-Key` of the request.
    pub idempotency_key: Option<String>,
    /// How much it presses.
    pub priority: Priority,
    /// By which it is admitted.
    pub terms: Terms,
    /// Requests a minute that the user may make; `None`: this one has been counted, or is an
    /// operator's.
    pub per_minute: Option<i32>,
    /// What time has made wrong with it, such as a deadline that has passed. Then only a repeat of
    /// what was accepted in time is answered.
    pub late: Vec<Violation>,
    /// Who asks.
    pub actor: Actor,
    /// When.
    pub now: DateTime<Utc>,
}

impl<G: Generation> Submission<G> {
    /// What the statement of a kind passes on to `judge_admission`, and stores.
    #[must_use]
    pub fn plan(&self) -> SubmissionPlan {
        SubmissionPlan::of::<G>(&self.params, &self.terms)
    }
}

/// What a submission will probably take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmissionPlan {
    /// Model calls.
    pub calls: i16,
    /// Tokens that it takes from the budgets.
    pub tokens: i32,
    /// Requests of the rate limit that it counts as.
    pub weight: i32,
}

impl SubmissionPlan {
    /// The plan of a process with these params.
    #[must_use]
    pub fn of<G: Generation>(params: &G::Params, terms: &Terms) -> Self {
        let calls = G::planned_calls(params).max(1);
        let tokens = terms.planned_tokens(calls);
        Self {
            calls,
            tokens: i32::try_from(tokens).unwrap_or(i32::MAX),
            weight: request_weight(calls),
        }
    }
}

/// What a retry brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The process that is retried.
    pub of: ProcessId,
    /// How many retries the chain has with this one, from 1.
    pub count: i16,
    /// What its history tells of the operator who asks: see [`crate::process::Author::note`].
    pub note: Option<Value>,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Submitted {
    /// It is stored and will be executed.
    Accepted {
        /// Median seconds of recent processes of its type.
        recent_seconds: Option<f64>,
        /// Whether it has been given its share and is to be started now. `None`: that was not
        /// known when it was stored, and [`Store::admit`] is to be asked.
        admitted: Option<bool>,
    },
    /// The same request was accepted before under the same idempotency key.
    Repeated {
        /// The process that it made.
        process_id: ProcessId,
        /// When.
        created_at: DateTime<Utc>,
        /// Median seconds of processes of its type that were recent then.
        recent_seconds: Option<f64>,
        /// Whether it waits for an execution of which no start has been noted.
        unstarted: bool,
    },
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
    /// Time has made it wrong, and it repeats nothing that was accepted in time.
    TooLate,
    /// Another request was accepted before under the same idempotency key.
    KeyReused,
    /// The user has used up the minute.
    RateLimited,
    /// The target belongs to another user, or is being generated for another user.
    Forbidden,
    /// There is no such target, or the goal has none of the kind.
    TargetNotFound,
    /// The target has children and must not lose them.
    TargetNotEmpty,
    /// Another process of this user is active on the target, on a part of it, or on what it is a
    /// part of.
    AlreadyRunning {
        /// That process.
        process_id: ProcessId,
    },
    /// The process has already been retried, by this one.
    AlreadyRetried {
        /// That retry.
        process_id: ProcessId,
        /// Where it stands.
        status: Status,
        /// When it was accepted.
        created_at: DateTime<Utc>,
        /// Median seconds of processes of its type that were recent then.
        recent_seconds: Option<f64>,
        /// Whether it waits for an execution of which no start has been noted.
        unstarted: bool,
    },
}

/// What the statement of a kind saw when it did, or did not, insert.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a row: each field is a column of its own")]
pub struct Observed {
    /// Whether the process is stored.
    pub created: bool,
    /// Whether it may start at once; `None` where nothing was created, or that is not known.
    pub admitted: Option<bool>,
    /// Why admission refuses it: see `judge_admission` in migration 12.
    pub refused_for: Option<String>,
    /// What the budgets leave, where there are any.
    pub tokens_left: Option<i64>,
    /// The process that the same idempotency key made before.
    pub repeat_id: Option<Uuid>,
    /// When that was.
    pub repeat_created_at: Option<DateTime<Utc>>,
    /// Whether it was made by the same request.
    pub same_request: Option<bool>,
    /// Whether no start of that process has been noted.
    pub repeat_unstarted: Option<bool>,
    /// Whether the user has used up the minute.
    pub exhausted: bool,
    /// Whose the target is; `None`: it is not there.
    pub target_user: Option<String>,
    /// Whether the process that is retried had a target that has gone since: it must not be
    /// stored again.
    pub target_gone: bool,
    /// Whether the target holds something already.
    pub occupied: bool,
    /// An active process that works on the target, on a part of it, or on what it is a part of; or
    /// another user's on whatever both belong to.
    pub running_id: Option<Uuid>,
    /// Whose that is.
    pub running_user: Option<String>,
    /// The retry that there is already.
    pub retry_id: Option<Uuid>,
    /// Where it stands.
    pub retry_status: Option<String>,
    /// When it was accepted.
    pub retry_created_at: Option<DateTime<Utc>>,
    /// Whether no start of it has been noted.
    pub retry_unstarted: Option<bool>,
    /// Median seconds of recent processes of the type.
    pub recent_seconds: Option<f64>,
    /// The limit of requests a minute that holds for the user.
    pub limit: Option<i32>,
    /// Requests in each second of the last minute.
    pub slots: Option<Vec<i32>>,
    /// When the last of these seconds began.
    pub window_start: Option<DateTime<Utc>>,
}

impl Observed {
    /// Judges in this order: a repeat is answered whatever else holds, above all whatever time has
    /// changed since; the rate limit comes before
    /// everything that costs a look; then what a caller may know: nothing of another user's things,
    /// then their own. `None`: a unique index refused a row that this statement could not see yet.
    fn outcome<G: Generation>(
        &self,
        submission: &Submission<G>,
    ) -> Result<Option<Submitted>, Failure> {
        let foreign =
            |user: &Option<String>| user.as_ref().is_some_and(|user| *user != submission.user_id.0);
        let recent_seconds = self.recent_seconds;
        Ok(if self.created {
            Some(Submitted::Accepted { recent_seconds, admitted: self.admitted })
        } else if let (Some(true), Some(id), Some(created_at)) =
            (self.same_request, self.repeat_id, self.repeat_created_at)
        {
            Some(Submitted::Repeated {
                process_id: ProcessId(id),
                created_at,
                recent_seconds,
                unstarted: self.repeat_unstarted.unwrap_or(false),
            })
        } else if self.exhausted {
            Some(Submitted::RateLimited)
        } else if self.repeat_id.is_some() {
            Some(Submitted::KeyReused)
        } else if !submission.late.is_empty() {
            Some(Submitted::TooLate)
        } else if foreign(&self.target_user) || foreign(&self.running_user) {
            Some(Submitted::Forbidden)
        } else if self.target_gone
            || (self.target_user.is_none() && G::target_must_exist(&submission.params))
        {
            Some(Submitted::TargetNotFound)
        } else if let (Some(id), Some(status), Some(created_at)) =
            (self.retry_id, &self.retry_status, self.retry_created_at)
        {
            Some(Submitted::AlreadyRetried {
                process_id: ProcessId(id),
                status: parse_stored_name(status)?,
                created_at,
                recent_seconds,
                unstarted: self.retry_unstarted.unwrap_or(false),
            })
        } else if let Some(id) = self.running_id {
            Some(Submitted::AlreadyRunning { process_id: ProcessId(id) })
        } else if self.occupied && !G::replace(&submission.params) {
            Some(Submitted::TargetNotEmpty)
        } else {
            match self.refused_for.as_deref() {
                Some("PAUSED") => Some(Submitted::Paused),
                Some("TOO_MANY_WAITING") => Some(Submitted::TooManyWaiting),
                Some("BUDGET") => Some(Submitted::OverBudget {
                    left: self.tokens_left.unwrap_or_default().max(0),
                    planned: submission.plan().tokens.into(),
                }),
                Some(other) => {
                    let cause = format!("judge_admission refuses for {other:?}, which is unknown");
                    return Err(Failure::internal(cause));
                }
                None => None,
            }
        })
    }

    /// Where the user stands in the minute; `None` where the submission is not counted.
    fn quota<G: Generation>(&self, submission: &Submission<G>) -> Option<Quota> {
        let per_minute = submission.per_minute?;
        Some(match (self.limit, &self.slots, self.window_start) {
            (Some(limit), Some(slots), Some(last)) => {
                Quota::for_weight(submission.plan().weight, limit, slots, last)
            }
            _ => Quota::unused(per_minute, submission.now),
        })
    }
}

/// The constraints that break when others were accepted between our snapshot and our insert: so
/// many that the minute is used up, or one on the same target.
const LOST_RACE: [&str; 2] = ["rate_limit_exceeded", "processing_state_no_overlap"];
/// One to lose a race for the target, one to lose a race for the minute, one to be told.
const MAX_ATTEMPTS: u32 = 3;

impl Store {
    /// Stores the process as PENDING, unless something stands in its way; and where the user stands
    /// in the minute with it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn submit<G: StoredGeneration>(
        &self,
        submission: &Submission<G>,
    ) -> Result<(Submitted, Option<Quota>), Failure> {
        let params = G::to_stored(&submission.params)
            .map_err(|error| Failure::internal(error.to_string()))?;
        let mut connection = self.database.connection().await?;
        // Whoever committed between our snapshot and our insert is visible to the next look.
        for _ in 0..MAX_ATTEMPTS {
            match G::try_submit(&mut connection, submission, &params).await {
                Ok(observed) => {
                    if observed.created {
                        self.accepted(submission.id, submission.now);
                        if observed.admitted == Some(true) {
                            self.admitted(submission.id, submission.now);
                        }
                    }
                    if let Some(submitted) = observed.outcome(submission)? {
                        return Ok((submitted, observed.quota(submission)));
                    }
                }
                // Nothing of this statement is stored. Now it is visible who was first.
                Err(sqlx::Error::Database(error))
                    if error.constraint().is_some_and(|name| LOST_RACE.contains(&name)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::new(
            ErrorCode::DatabaseError,
            "concurrent submissions came and went at every look",
        ))
    }
}
