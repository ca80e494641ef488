//! The run: what happens next, until nothing does.

use std::{cmp::Reverse, collections::BinaryHeap};

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use shared::{
    process::{
        ProcessId, Status,
        admission::{Lowered, Refused, in_force, lowered},
        engine_retry::MODEL_BUSY,
    },
    reconcile::{Execution, Limits, Plan, ProcessFacts, Repair, plan},
};
use uuid::Uuid;

use crate::{
    line::Line,
    outcome::{Job, Outcome, Sample},
    quota::Models,
    scenario::Scenario,
};

/// From one sweep to the next, as `SweepSchedule` has it.
const SWEEP_EVERY: TimeDelta = TimeDelta::minutes(5);
/// From starting an execution to the worker's first call.
const START_TAKES: TimeDelta = TimeDelta::milliseconds(150);

/// What happens to a job, or to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(usize),
    /// Its worker asks a model: at first, or again after a wait.
    Asks(usize),
    /// A model has answered it.
    Answered(usize),
    Sweep,
    Look,
}

/// Everything at one moment.
struct Simulation<'a> {
    scenario: &'a Scenario,
    now: DateTime<Utc>,
    /// What comes, the earliest first; of one moment, in the order in which it was foreseen.
    events: BinaryHeap<Reverse<(DateTime<Utc>, u64, Event)>>,
    foreseen: u64,
    jobs: Vec<Job>,
    line: Line,
    models: Models,
    lowered: Option<Lowered>,
    rng: Rng,
    open: usize,
    outcome: Outcome,
    refused_at_last_look: u64,
}

/// Runs `scenario` to its end. The same scenario gives the same outcome.
#[must_use]
pub fn run(scenario: &Scenario) -> Outcome {
    let now = DateTime::UNIX_EPOCH;
    let users = scenario.users as usize;
    let jobs: Vec<Job> =
        (0..scenario.jobs as usize).map(|n| Job::new(n % users, scenario.calls)).collect();
    let mut simulation = Simulation {
        scenario,
        now,
        events: BinaryHeap::new(),
        foreseen: 0,
        open: jobs.len(),
        jobs,
        line: Line::new(users),
        models: Models::new(scenario.models.into(), scenario.quota, scenario.burst, now),
        lowered: None,
        rng: Rng::with_seed(scenario.seed),
        outcome: Outcome::default(),
        refused_at_last_look: 0,
    };
    simulation.all();
    let Simulation { mut outcome, jobs, now, .. } = simulation;
    outcome.end(scenario, &jobs, now);
    outcome
}

impl Simulation<'_> {
    fn all(&mut self) {
        let every = TimeDelta::seconds(i64::from(self.scenario.within))
            / i32::try_from(self.jobs.len()).unwrap_or(i32::MAX).max(1);
        for job in 0..self.jobs.len() {
            let after = every * i32::try_from(job).unwrap_or(i32::MAX);
            self.foresee(after, Event::Arrives(job));
        }
        self.foresee(SWEEP_EVERY, Event::Sweep);
        self.foresee(TimeDelta::zero(), Event::Look);
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if self.open == 0 {
                self.look();
                return;
            }
            self.now = at;
            match event {
                Event::Arrives(job) => {
                    self.jobs[job].accepted = self.now;
                    self.line.join(self.jobs[job].user, job, self.now);
                    self.admit();
                }
                Event::Asks(job) => self.ask(job),
                Event::Answered(job) => {
                    self.outcome.in_flight -= 1;
                    self.jobs[job].calls_left -= 1;
                    if self.jobs[job].calls_left == 0 {
                        self.end(job, Status::Completed);
                    } else {
                        self.ask(job);
                    }
                }
                Event::Sweep => {
                    self.sweep();
                    self.admit();
                    self.foresee(SWEEP_EVERY, Event::Sweep);
                }
                Event::Look => {
                    self.look();
                    self.foresee(TimeDelta::seconds(1), Event::Look);
                }
            }
        }
    }

    fn foresee(&mut self, after: TimeDelta, event: Event) {
        self.foreseen += 1;
        self.events.push(Reverse((self.now + after, self.foreseen, event)));
    }

    fn in_force(&self) -> i32 {
        in_force(self.limit(), self.lowered, self.now)
    }

    fn limit(&self) -> i32 {
        i32::try_from(self.scenario.limit).unwrap_or(i32::MAX)
    }

    /// As after each end and each arrival: whoever is next begins, while there is room.
    fn admit(&mut self) {
        let per_user = (self.limit() / 2).max(1);
        while let Some((_, job)) = self.line.admit(self.in_force(), per_user, self.now) {
            self.jobs[job].admitted = Some(self.now);
            if self.rng.u8(0..100) >= self.scenario.lost_starts {
                self.start(job);
            }
        }
    }

    fn start(&mut self, job: usize) {
        self.jobs[job].execution_began = Some(self.now);
        self.foresee(START_TAKES, Event::Asks(job));
    }

    /// The worker: it asks the models, or ends the process whose time is over.
    fn ask(&mut self, job: usize) {
        if !matches!(self.jobs[job].status, Status::Pending | Status::Processing) {
            return;
        }
        self.jobs[job].status = Status::Processing;
        let began = *self.jobs[job].started.get_or_insert(self.now);
        if self.now - began > TimeDelta::seconds(i64::from(self.scenario.time_limit)) {
            return self.end(job, Status::Timeout);
        }
        let asked = self.models.ask(self.now);
        self.outcome.calls += asked.refusals + u64::from(asked.is_taken);
        self.outcome.refused += asked.refusals;
        if asked.refusals > 0 {
            let refused = if asked.is_taken { Refused::BySome } else { Refused::ByAll };
            let (in_use, calls) = (self.line.in_use, self.limit());
            let lower = lowered(calls, self.lowered, in_use, refused, self.now);
            self.lowered = lower.or(self.lowered);
        }
        if asked.is_taken {
            self.outcome.in_flight += 1;
            let part = 0.8 + 0.4 * self.rng.f64();
            self.foresee(span(self.scenario.model_seconds * part), Event::Answered(job));
            return;
        }
        let backoff = MODEL_BUSY.backoff;
        let retries = self.jobs[job].retries;
        if u64::from(retries) >= backoff.max_attempts {
            return self.end(job, Status::Failed);
        }
        let longest = backoff.interval.saturating_mul(1 << retries.min(20)).min(backoff.max_delay);
        self.jobs[job].retries += 1;
        let wait = self.rng.f64() * f64::from(u32::try_from(longest).unwrap_or(u32::MAX));
        self.foresee(span(wait), Event::Asks(job));
    }

    fn end(&mut self, job: usize, status: Status) {
        self.jobs[job].status = status;
        self.jobs[job].ended = Some(self.now);
        self.open -= 1;
        self.line.leave(self.jobs[job].user);
        self.admit();
    }

    /// The reconciler: what it would see of each job, and what follows from it.
    fn sweep(&mut self) {
        let limits = Limits {
            time_limit: TimeDelta::seconds(i64::from(self.scenario.time_limit)),
            ..Limits::default()
        };
        for job in 0..self.jobs.len() {
            let it = &self.jobs[job];
            if it.ended.is_some() || it.admitted.is_none() {
                continue;
            }
            let execution =
                it.execution_began.map_or(Execution::Missing, |since| Execution::Running { since });
            match plan(&facts(job, it), &execution, self.now, &limits) {
                Plan::Repair { repair: Repair::Start, .. } => {
                    self.outcome.repaired += 1;
                    self.start(job);
                }
                Plan::Repair { repair: Repair::StopThenEnd(_), .. } => {
                    self.outcome.repaired += 1;
                    self.end(job, Status::Timeout);
                }
                _ => {}
            }
        }
    }

    fn look(&mut self) {
        let refused = self.outcome.refused - self.refused_at_last_look;
        self.refused_at_last_look = self.outcome.refused;
        self.outcome.samples.push(Sample {
            second: (self.now - DateTime::UNIX_EPOCH).as_seconds_f64(),
            waiting: self.line.count,
            in_flight: self.outcome.in_flight,
            in_force: self.in_force(),
            refused,
        });
    }
}

/// What a sweep knows of a job.
fn facts(number: usize, job: &Job) -> ProcessFacts {
    ProcessFacts {
        id: ProcessId(Uuid::from_u128(number as u128)),
        status: job.status,
        attempt: 1,
        progress: 0,
        has_arn: job.execution_began.is_some(),
        result_ready: false,
        ended_by_hand: false,
        created_at: job.accepted,
        admitted_at: job.admitted,
        execution_started_at: job.execution_began,
        started_at: job.started,
        updated_at: job.admitted.unwrap_or(job.accepted),
        completed_at: job.ended,
        start_tries: None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a call takes at most 270 s, a wait 60 s")]
fn span(seconds: f64) -> TimeDelta {
    TimeDelta::microseconds((seconds * 1e6) as i64)
}
