//! What all parts of a run share: its clock, its book, and who owns what.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::book::{Book, Job, Met, Trouble};
use super::plan::Fault;

/// How long clients go on to watch after they have stopped asking: longer than the reconciler lets
/// a process be that was accepted and not started (60 s).
pub(super) const WATCHES_ON: Duration = Duration::from_secs(75);

/// One run.
pub(super) struct Run {
    began: Instant,
    /// When nobody asks for anything new.
    pub(super) until: Instant,
    /// When nobody watches any more.
    pub(super) watched_until: Instant,
    pub(super) book: RefCell<Book>,
    /// A token of each user.
    tokens: RefCell<Vec<String>>,
    /// Whose each process is, by the number of the user.
    owners: RefCell<BTreeMap<Uuid, usize>>,
    /// Jobs that clients watch now.
    pub(super) watched: Cell<usize>,
    /// Jobs that were seen to end.
    pub(super) ended: Cell<usize>,
    /// Faults that are to come.
    pub(super) faults_left: Cell<usize>,
    /// Milliseconds until all had ended.
    pub(super) lasted: Cell<u64>,
}

impl Run {
    pub(super) fn begin(book: Book, tokens: Vec<String>, lasts: Duration) -> Self {
        let began = Instant::now();
        let until = began + lasts;
        Self {
            began,
            until,
            watched_until: until + WATCHES_ON,
            book: RefCell::new(book),
            tokens: RefCell::new(tokens),
            owners: RefCell::default(),
            watched: Cell::new(0),
            ended: Cell::new(0),
            faults_left: Cell::new(0),
            lasted: Cell::new(0),
        }
    }

    /// Milliseconds since it began.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits until so long after it began.
    pub(super) async fn until(&self, at: Duration) {
        sleep_until(self.began + at).await;
    }

    /// Whether nothing new is asked for.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Whether nobody watches any more.
    pub(super) fn is_past(&self) -> bool {
        Instant::now() >= self.watched_until
    }

    /// A user's token.
    pub(super) fn token(&self, user: usize) -> String {
        self.tokens.borrow().get(user).cloned().unwrap_or_default()
    }

    /// A user has logged in anew.
    pub(super) fn renew(&self, user: usize, token: String) {
        if let Some(old) = self.tokens.borrow_mut().get_mut(user) {
            *old = token;
        }
    }

    /// Counts an answer.
    pub(super) fn answered(&self, route: &str, told: String) {
        let mut book = self.book.borrow_mut();
        *book.answers.entry(route.to_owned()).or_default().entry(told).or_default() += 1;
    }

    pub(super) fn trouble(&self, trouble: Trouble) {
        self.book.borrow_mut().troubles.push(trouble);
    }

    /// A new entry for a job; gives its place.
    pub(super) fn enter(&self, job: Job) -> usize {
        let mut book = self.book.borrow_mut();
        book.jobs.push(job);
        book.jobs.len() - 1
    }

    /// Changes the entry of a job.
    pub(super) fn note(&self, place: usize, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.book.borrow_mut().jobs.get_mut(place) {
            change(job);
        }
    }

    /// A process was accepted for a user.
    pub(super) fn accepted(&self, place: usize, id: Uuid, user: usize) {
        self.note(place, |job| job.accepted.push(id));
        self.owners.borrow_mut().insert(id, user);
    }

    /// Whose a process is.
    pub(super) fn owner(&self, id: Uuid) -> Option<usize> {
        self.owners.borrow().get(&id).copied()
    }

    /// A process of somebody else, drawn by `pick`.
    pub(super) fn foreign(&self, user: usize, pick: u64) -> Option<Uuid> {
        let owners = self.owners.borrow();
        let foreign: Vec<_> =
            owners.iter().filter(|(_, owner)| **owner != user).map(|(id, _)| *id).collect();
        let place = usize::try_from(pick).unwrap_or_default().checked_rem(foreign.len())?;
        foreign.get(place).copied()
    }

    pub(super) fn breach(&self, what: String) {
        self.book.borrow_mut().breaches.push(what);
    }

    /// A fault is over.
    pub(super) fn met(&self, fault: &Fault, from_ms: u64, met: anyhow::Result<(u64, Vec<Uuid>)>) {
        let (count, processes, failed) = match met {
            Ok((count, processes)) => (count, processes, None),
            Err(error) => (0, Vec::new(), Some(format!("{error:#}"))),
        };
        self.faults_left.set(self.faults_left.get().saturating_sub(1));
        self.book.borrow_mut().faults.push(Met {
            kind: fault.kind,
            from_ms,
            until_ms: self.now_ms(),
            count,
            processes,
            failed,
        });
    }

    /// In a few words, while it runs.
    pub(super) fn so_far(&self) -> String {
        let book = self.book.borrow();
        let done = book.faults.len();
        let all = done + self.faults_left.get();
        format!(
            "{} accepted, {} ended, {} watched; faults {done}/{all}",
            book.accepted(),
            self.ended.get(),
            self.watched.get(),
        )
    }
}

/// Milliseconds since 1970, by the clock of this machine.
#[expect(clippy::disallowed_methods, reason = "this is an edge: logs and rows are found by it")]
pub(super) fn wall_clock() -> i64 {
    Utc::now().timestamp_millis()
}
