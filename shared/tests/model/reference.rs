//! The rules (sections 7 and 8 of the design contract), as a process that knows no database.
//!
//! What admission chooses is not foretold here, but judged afterwards: see `capacity`. So a share
//! is taken from the row, and everything else is known before.

use std::collections::BTreeSet;

use shared::process::Status;

use crate::{
    real::{Answer, Row},
    step::{By, Move, Step, Way},
};

/// A batch of the current plan.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its place among all batches that the process ever had.
    pub number: usize,
    /// Attempts that have been made at it.
    pub attempt: i32,
}

/// A process by the rules.
#[derive(Debug, Clone)]
pub struct Process {
    pub user: usize,
    pub status: Status,
    pub attempt: i32,
    pub progress: i16,
    pub admitted: bool,
    /// As the row has it.
    pub share: i32,
    pub targets: Option<i16>,
    pub done: i16,
    pub staged: BTreeSet<u8>,
    pub is_planned: bool,
    pub plan: Vec<Batch>,
    /// How many batches have been planned, in this plan and all before.
    pub batches: usize,
    /// The row as it was when it had ended.
    ended_as: Option<String>,
}

impl Process {
    fn new(user: usize, admitted: bool) -> Self {
        Self {
            user,
            status: Status::Pending,
            attempt: 0,
            progress: 0,
            admitted,
            share: 0,
            targets: None,
            done: 0,
            staged: BTreeSet::new(),
            is_planned: false,
            plan: Vec::new(),
            batches: 0,
            ended_as: None,
        }
    }

    /// Whether it waits to be admitted.
    pub fn waits(&self) -> bool {
        self.status == Status::Pending && !self.admitted
    }

    /// The calls that it may have in flight.
    pub fn in_use(&self) -> i32 {
        if self.status.is_active() && !self.waits() { self.share } else { 0 }
    }

    /// What its row must be.
    pub fn row(&self) -> Row {
        let completed = self.status == Status::Completed;
        Row {
            status: self.status.as_str().to_owned(),
            attempt: self.attempt,
            progress: self.progress,
            admitted: self.admitted,
            targets: self.targets,
            done: self.done,
            planned: self.is_planned,
            completed_at: self.status.is_terminal(),
            outputs: i64::try_from(self.staged.len()).unwrap(),
            written: if completed { 8 } else { 0 },
            ends: i64::from(self.status.is_terminal()),
        }
    }

    /// Takes what is not foretold from the row, and holds the row against what it was.
    pub fn observe(&mut self, found: &crate::real::Found) -> Result<(), String> {
        self.share = found.share.into();
        match &self.ended_as {
            Some(before) if *before != found.whole => {
                return Err(format!("it had ended as {before} and is {}", found.whole));
            }
            _ if self.status.is_terminal() => self.ended_as = Some(found.whole.clone()),
            _ => {}
        }
        let in_range = (0..=100).contains(&self.progress);
        if !in_range || (self.progress == 100) != (self.status == Status::Completed) {
            return Err(format!("{} and {} %", self.status, self.progress));
        }
        Ok(())
    }

    fn works(&self, attempt: i32) -> bool {
        self.status == Status::Processing && self.attempt == attempt
    }

    fn end(&mut self, status: Status) {
        self.status = status;
        self.staged.clear();
        self.plan.clear();
    }

    fn raise(&mut self, percent: i16) {
        self.progress = self.progress.max(percent).min(99);
    }

    fn perform(&mut self, what: &Move) -> Answer {
        let fenced = |may: bool| if may { Answer::Done } else { Answer::Fenced };
        match *what {
            Move::Claim if self.status.is_terminal() => Answer::Ended,
            Move::Claim if self.is_planned => Answer::SamePlan,
            Move::Claim => {
                self.status = Status::Processing;
                self.attempt += 1;
                self.admitted = true;
                // One call is all there is to make, and it is made now.
                self.raise(50);
                Answer::Done
            }
            Move::Plan { attempt, batches, .. } => {
                let may = self.works(attempt.of(self.attempt));
                if may {
                    let numbers = self.batches..self.batches + batches;
                    self.plan = numbers.map(|number| Batch { number, attempt: 0 }).collect();
                    self.batches += batches;
                    self.targets = Some(i16::try_from(2 * batches).unwrap());
                    self.is_planned = true;
                    self.raise(5);
                }
                fenced(may)
            }
            Move::ClaimBatch { batch } => {
                let number = batch.index(self.batches + 1);
                let working = self.status == Status::Processing;
                match self.plan.iter_mut().find(|batch| working && batch.number == number) {
                    Some(batch) => {
                        batch.attempt += 1;
                        Answer::Done
                    }
                    None if self.status.is_terminal() => Answer::Ended,
                    None => Answer::Overtaken,
                }
            }
            Move::Stage { attempt, batch, batch_attempt, target } => {
                let number = batch.index(self.batches + 1);
                let of_plan = self.plan.iter().find(|batch| batch.number == number);
                let may = self.works(attempt.of(self.attempt))
                    && of_plan.is_some_and(|it| batch_attempt.of(it.attempt) == it.attempt);
                if may && self.staged.insert(target) {
                    self.done += 1;
                    let targets = self.targets.unwrap_or_default().max(1);
                    self.raise(5 + 94 * self.done / targets);
                }
                fenced(may)
            }
            // What it gets is judged by `capacity`.
            Move::Widen { attempt, .. } => fenced(self.works(attempt.of(self.attempt))),
            Move::Complete { attempt } => {
                let may = self.works(attempt.of(self.attempt));
                if may {
                    self.end(Status::Completed);
                    self.progress = 100;
                }
                fenced(may)
            }
            Move::End { .. } | Move::Cancel { by: By::Owner | By::Operator }
                if self.status.is_terminal() =>
            {
                Answer::Ended
            }
            Move::End { way } => {
                self.end(match way {
                    Way::Failed => Status::Failed,
                    Way::TimedOut => Status::Timeout,
                });
                Answer::Done
            }
            Move::EndSeen { attempt } => {
                if self.status.is_active() && attempt.of(self.attempt) == self.attempt {
                    self.end(Status::Failed);
                    Answer::Done
                } else {
                    Answer::Moved
                }
            }
            Move::Cancel { by: By::OtherUser } => Answer::NotTheirs,
            Move::Cancel { .. } => {
                self.end(Status::Cancelled);
                Answer::Done
            }
        }
    }
}

/// All processes, and the limits.
#[derive(Debug, Clone)]
pub struct Reference {
    pub processes: Vec<Process>,
    pub calls: i32,
    pub calls_per_user: i32,
    pub paused: bool,
}

impl Default for Reference {
    fn default() -> Self {
        Self { processes: Vec::new(), calls: 4, calls_per_user: 2, paused: false }
    }
}

impl Reference {
    /// Does the step. What must be answered; of whoever is admitted, what was answered, which
    /// `capacity` judges.
    pub fn perform(&mut self, step: &Step, answer: &Answer) -> Answer {
        match step {
            Step::Submit { user } => {
                let admitted = *answer == Answer::Accepted(Some(true));
                self.processes.push(Process::new(*user, admitted));
                answer.clone()
            }
            Step::Admit { .. } => {
                let Answer::Admitted(numbers) = answer else { return Answer::Admitted(Vec::new()) };
                for number in numbers {
                    self.processes[*number].admitted = true;
                }
                answer.clone()
            }
            Step::Limit { calls, calls_per_user } => {
                (self.calls, self.calls_per_user) = ((*calls).into(), (*calls_per_user).into());
                Answer::Done
            }
            Step::Pause => {
                self.paused = true;
                Answer::Done
            }
            Step::Resume => {
                self.paused = false;
                Answer::Done
            }
            Step::To { process, what } => {
                let number = process.index(self.processes.len() + 1);
                match (self.processes.get_mut(number), what) {
                    (Some(process), what) => process.perform(what),
                    (
                        None,
                        Move::Claim
                        | Move::ClaimBatch { .. }
                        | Move::End { .. }
                        | Move::Cancel { .. },
                    ) => Answer::Missing,
                    (None, Move::EndSeen { .. }) => Answer::Moved,
                    (None, _) => Answer::Fenced,
                }
            }
        }
    }

    /// The calls in flight, of all, or of one user.
    pub fn in_use(&self, user: Option<usize>) -> i32 {
        let chosen = self.processes.iter().filter(|it| user.is_none_or(|user| it.user == user));
        chosen.map(Process::in_use).sum()
    }
}
