//! The same operation on the store, and what its row is then.

use serde_json::json;
use shared::{
    chart::{Chart, Params},
    process::{Actor, Ending, ErrorCode, EventKind, ProcessError, ProcessId, Terms},
    reconcile::{ProcessFacts, Rule},
    store::{
        BatchClaim, Claim, Completion, EndingNote, Fence, NewLimits, NewRows, Repaired, SetBy,
        Staging, Store, Submission, Submitted,
    },
};
use test_kit::{Fixture, at, goal_numbered, id, sub_goals, submission, usage, user, uuid};
use uuid::Uuid;

use crate::{
    acting::{cancel, end, plan},
    reference::{Process, Reference},
    step::{Move, Step},
};

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Done,
    Fenced,
    Ended,
    Missing,
    Moved,
    Overtaken,
    SamePlan,
    NotTheirs,
    /// It is stored; whether it starts at once.
    Accepted(Option<bool>),
    /// These are admitted.
    Admitted(Vec<usize>),
}

/// What a row is, as far as the rules foretell it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Row {
    pub status: String,
    pub attempt: i32,
    pub progress: i16,
    pub admitted: bool,
    pub targets: Option<i16>,
    pub done: i16,
    /// Whether it has batches.
    pub planned: bool,
    pub completed_at: bool,
    /// Staged outputs.
    pub outputs: i64,
    /// Rows that it has written into the tables of its kind.
    pub written: i64,
    /// Events that tell of an end.
    pub ends: i64,
}

/// A row, and what besides is seen of it.
#[derive(Debug, sqlx::FromRow)]
pub struct Found {
    #[sqlx(flatten)]
    pub process: Row,
    pub share: i16,
    /// All of it, as text.
    pub whole: String,
}

/// The processes have the numbers from here on.
const FIRST: u128 = 100;

fn process_id(number: usize) -> ProcessId {
    id(FIRST + u128::try_from(number).unwrap())
}

fn goal_id(number: usize) -> u128 {
    0x90a1_0000 + u128::try_from(number).unwrap()
}

pub fn batch_id(process: usize, number: usize) -> Uuid {
    uuid(0xba7c_0000 + u128::try_from(1_000 * process + number).unwrap())
}

pub fn name(number: usize) -> String {
    format!("user-{number}")
}

/// The store.
pub struct Real<'a> {
    fixture: &'a Fixture,
    store: &'a Store,
}

impl<'a> Real<'a> {
    /// An empty one.
    pub async fn new(fixture: &'a Fixture) -> Self {
        fixture
            .sql(
                "DELETE FROM processing_state; DELETE FROM goals; DELETE FROM processing_queue;
                 DELETE FROM processing_capacity; INSERT INTO processing_capacity DEFAULT VALUES",
            )
            .await;
        Self { fixture, store: &fixture.store }
    }

    /// Every row, in the order in which they were made.
    pub async fn rows(&self) -> Vec<Found> {
        sqlx::query_as(
            "SELECT status, attempt, progress, admitted_at IS NOT NULL AS admitted, targets,
                    targets_done AS done, batch_ids IS NOT NULL AS planned,
                    completed_at IS NOT NULL AS completed_at,
                    (SELECT count(*) FROM processing_output output
                     WHERE output.process_id = process.id) AS outputs,
                    (SELECT count(*) FROM sub_goals
                     WHERE sub_goals.process_id = process.id) AS written,
                    (SELECT count(*) FROM processing_event event
                     WHERE event.process_id = process.id
                       AND event.to_status NOT IN ('PENDING', 'PROCESSING')) AS ends,
                    share, to_jsonb(process)::text AS whole
             FROM processing_state process
             ORDER BY id",
        )
        .fetch_all(&self.fixture.pool)
        .await
        .unwrap()
    }

    /// Does the step. `reference` is as it was before.
    pub async fn perform(&mut self, reference: &Reference, step: &Step) -> Answer {
        let terms = Terms {
            calls: reference.calls,
            calls_per_user: reference.calls_per_user,
            ..Terms::default()
        };
        let set = SetBy { at: at(9), by: "operator".to_owned(), reason: None };
        match step {
            Step::Submit { user } => {
                let number = reference.processes.len();
                let submission = Submission {
                    params: Params::SubGoals(goal_numbered(goal_id(number))),
                    terms,
                    ..submission(FIRST + u128::try_from(number).unwrap(), &name(*user))
                };
                match self.fixture.submit(&submission).await {
                    Submitted::Accepted { admitted, .. } => Answer::Accepted(admitted),
                    other => panic!("{other:?}"),
                }
            }
            Step::Admit { most } => {
                let ids = self.store.admit(&terms, *most, Actor::User, at(9)).await.unwrap();
                let number = |id: &ProcessId| usize::try_from(id.0.as_u128() - FIRST).unwrap();
                Answer::Admitted(ids.iter().map(number).collect())
            }
            Step::Limit { calls, calls_per_user } => {
                let new = NewLimits {
                    reset: false,
                    calls: Some(*calls),
                    calls_per_user: Some(*calls_per_user),
                };
                self.store.set_limits(new, &set).await.unwrap();
                Answer::Done
            }
            Step::Pause => {
                self.store.pause(&set, false).await.unwrap();
                Answer::Done
            }
            Step::Resume => {
                assert_eq!(self.store.resume().await.unwrap(), reference.paused);
                Answer::Done
            }
            Step::To { process, what } => {
                let number = process.index(reference.processes.len() + 1);
                self.act(number, reference.processes.get(number), what, &terms).await
            }
        }
    }

    async fn act(
        &self,
        number: usize,
        known: Option<&Process>,
        what: &Move,
        terms: &Terms,
    ) -> Answer {
        let (store, one) = (self.store, process_id(number));
        let current = known.map_or(0, |process| process.attempt);
        let batches = known.map_or(0, |process| process.batches);
        let fenced = |done: bool| if done { Answer::Done } else { Answer::Fenced };
        match *what {
            Move::Claim => match store.claim(one, None, at(9)).await.unwrap() {
                Claim::Claimed { .. } => Answer::Done,
                Claim::Planned(_) => Answer::SamePlan,
                Claim::Ended(_) => Answer::Ended,
                Claim::Missing => Answer::Missing,
            },
            Move::Plan { attempt, batches: more_batches, more } => {
                let share = known.map_or(1, |process| process.share);
                let plan = plan(number, batches, more_batches, share, more);
                let targets = i16::try_from(2 * more_batches).unwrap();
                let attempt = attempt.of(current);
                fenced(store.plan_batches(one, attempt, targets, &plan, at(9)).await.unwrap())
            }
            Move::ClaimBatch { batch } => {
                let batch = batch_id(number, batch.index(batches + 1));
                match store.claim_batch(one, batch, at(9)).await.unwrap() {
                    BatchClaim::Claimed { .. } => Answer::Done,
                    BatchClaim::Ended(_) => Answer::Ended,
                    BatchClaim::Overtaken => Answer::Overtaken,
                    BatchClaim::Missing => Answer::Missing,
                }
            }
            Move::Stage { attempt, batch, batch_attempt, target } => {
                let of = batch.index(batches + 1);
                let made = known
                    .and_then(|process| process.plan.iter().find(|batch| batch.number == of))
                    .map_or(0, |batch| batch.attempt);
                let batch = Some((batch_id(number, of), batch_attempt.of(made)));
                let fence = Fence { attempt: attempt.of(current), batch };
                let rows = sub_goals(1);
                let staging = Staging {
                    target_id: uuid(u128::from(target)),
                    output: Ok(&rows),
                    settles: 1,
                    usage: &usage(),
                };
                fenced(store.stage(one, fence, &staging, at(9)).await.unwrap().is_some())
            }
            Move::Widen { attempt, wanted } => {
                let widened = store.widen(one, attempt.of(current), wanted, terms, at(9));
                fenced(widened.await.unwrap().is_some())
            }
            Move::Complete { attempt } => {
                fenced(self.complete(number, known, attempt.of(current)).await)
            }
            Move::End { way } => end(store, one, way).await,
            Move::EndSeen { attempt } => self.end_seen(one, attempt.of(current)).await,
            Move::Cancel { by } => cancel(store, one, known, by).await,
        }
    }

    async fn complete(&self, number: usize, known: Option<&Process>, attempt: i32) -> bool {
        let goal = goal_numbered(goal_id(number));
        let first = 1_000 * (FIRST + u128::try_from(number).unwrap());
        let parts = [(goal.goal_id, sub_goals(first))];
        let new = NewRows::<Chart> {
            user_id: &user(&name(known.map_or(0, |process| process.user))),
            params: &Params::SubGoals(goal),
            parts: &parts,
            result: &json!({"subGoals": []}),
            detail: &json!({}),
        };
        let done =
            self.store.complete(process_id(number), attempt, &new, Actor::Worker, at(9)).await;
        match done.unwrap() {
            Completion::Completed => true,
            Completion::Fenced => false,
            other => panic!("{other:?}"),
        }
    }

    async fn end_seen(&self, one: ProcessId, attempt: i32) -> Answer {
        let Some(seen) = self.store.rows_of(&[one]).await.unwrap().pop() else {
            return Answer::Moved;
        };
        let seen = ProcessFacts { attempt, ..seen };
        let (rule, kind) = (Rule::R5, EventKind::Repaired);
        let note = EndingNote { rule, kind, execution: "FAILED" };
        let ending = Ending::Failed(ProcessError::new(ErrorCode::AiError, "test"));
        match self.store.end_seen(&seen, &ending, note, at(9)).await.unwrap() {
            Repaired::Done => Answer::Done,
            Repaired::Moved => Answer::Moved,
        }
    }

    /// Ends whatever is active: then no call is in use, and nobody is counted as waiting.
    pub async fn nothing_is_left(&self, reference: &Reference) -> Result<(), String> {
        for number in 0..reference.processes.len() {
            self.store.cancel(process_id(number), None, None, Actor::User, at(9)).await.unwrap();
        }
        let left: (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM capacity_in_use()),
                    (SELECT COALESCE(sum(waiting_normal + waiting_low), 0)
                     FROM processing_queue),
                    (SELECT count(*) FROM processing_batch),
                    (SELECT count(*) FROM processing_output)",
        )
        .fetch_one(&self.fixture.pool)
        .await
        .unwrap();
        if left == (0, 0, 0, 0) { Ok(()) } else { Err(format!("at the end is left: {left:?}")) }
    }
}
