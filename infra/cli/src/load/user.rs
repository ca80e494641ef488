//! What one user does: asks for a goal, waits for it, looks at the history; of each fifth goal, the
//! user thinks better of it.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::Run;
use super::api::{Api, Wish};
use super::measure::Outcome;

/// Each so many-th job is cancelled.
const CANCELS_EVERY: u32 = 5;
/// How often a user looks, where the API does not say when it is worth while.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One user.
pub(super) struct User {
    number: u32,
    token: String,
    /// The processes that have not been seen to end.
    pub(super) open: RefCell<Vec<String>>,
    /// What was asked for and not answered.
    pub(super) lost: RefCell<Vec<Wish>>,
}

impl User {
    pub(super) fn new(number: u32, token: &str) -> Self {
        Self { number, token: token.to_owned(), open: RefCell::default(), lost: RefCell::default() }
    }

    /// Where the user stands among so many, from 0 to 1.
    pub(super) fn place_among(&self, users: usize) -> f64 {
        f64::from(self.number) / f64::from(u32::try_from(users).unwrap_or(u32::MAX))
    }

    /// By which the API knows the user.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// What may still run of what the user has asked for.
    pub(super) fn left(&self) -> Vec<String> {
        let lost = self.lost.take().into_iter();
        let lost = lost.map(|wish| format!("unknown (Idempotency-Key {})", wish.key));
        self.open.take().into_iter().chain(lost).collect()
    }

    /// Job after job, until the time is over or enough were asked for.
    pub(super) async fn work(&self, api: &Api, run: &Run, first: Duration, every: Duration) {
        run.rest(first).await;
        for job in 1_u32.. {
            if run.is_over() || !run.takes_a_job() {
                return;
            }
            let begun = Instant::now();
            // It may be ended while the answer is waited for.
            let wish = Wish::new();
            self.lost.borrow_mut().push(wish.clone());
            let answer = run.counted(api.generate(&self.token, &wish).await);
            if !answer.is_lost() {
                self.lost.borrow_mut().pop();
            }
            let id = answer.data().and_then(|data| data["processId"].as_str());
            if let Some(id) = id {
                run.measured.borrow_mut().accepted();
                self.open.borrow_mut().push(id.to_owned());
                self.follow(api, run, id, (self.number + job).is_multiple_of(CANCELS_EVERY)).await;
                if run.is_over() {
                    return;
                }
                run.counted(api.history(&self.token).await);
            } else if let Some(wait) = answer.retry_after {
                run.rest(wait).await;
            }
            run.rest(every.saturating_sub(begun.elapsed())).await;
        }
    }

    /// Looks at the process until it has ended, or the time is over.
    async fn follow(&self, api: &Api, run: &Run, id: &str, is_regretted: bool) {
        let begun = Instant::now();
        let (mut etag, mut progress) = (None, 0);
        if is_regretted {
            run.counted(api.cancel(&self.token, id).await);
        }
        while !run.is_over() {
            let answer = api.status(&self.token, id, etag.as_deref()).await;
            let answer = run.counted(answer);
            if let Some(process) = answer.data() {
                let now = process["progress"].as_u64().unwrap_or(u64::MAX);
                run.measured.borrow_mut().follows(id, progress, now);
                progress = now;
                let status = process["status"].as_str().unwrap_or_default();
                if !matches!(status, "PENDING" | "PROCESSING") {
                    let code = process["error"]["code"].as_str();
                    run.measured.borrow_mut().seen_ended(status, code, begun.elapsed());
                    self.open.borrow_mut().retain(|open| open != id);
                    return;
                }
            }
            let wait = match answer.outcome {
                Outcome::Error(_) => None,
                _ => answer.retry_after,
            };
            etag = answer.etag.or(etag);
            run.rest(wait.unwrap_or(LOOK_EVERY)).await;
        }
    }
}
