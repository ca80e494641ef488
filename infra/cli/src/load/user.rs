//! What one user does: asks for a goal, waits for it, looks at the history; of each fifth goal, the
//! user thinks better of it.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::Run;
use super::api::Api;
use super::measure::Outcome;

/// Each so many-th job is cancelled.
const CANCELS_EVERY: u32 = 5;
/// How often a user looks, where the API does not say when it is worth while.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One user.
pub(super) struct User {
    number: u32,
    token: String,
    /// The process that is waited for.
    open: RefCell<Option<String>>,
}

impl User {
    pub(super) fn new(number: u32, token: &str) -> Self {
        Self { number, token: token.to_owned(), open: RefCell::new(None) }
    }

    /// Where the user stands among so many, from 0 to 1.
    pub(super) fn place_among(&self, users: usize) -> f64 {
        f64::from(self.number) / f64::from(u32::try_from(users).unwrap_or(u32::MAX))
    }

    /// The user's token, and the process that has not been seen to end.
    pub(super) fn open(&self) -> Option<(String, String)> {
        Some((self.token.clone(), self.open.borrow().clone()?))
    }

    /// Job after job, until the time is over or enough were asked for.
    pub(super) async fn work(&self, api: &Api, run: &Run, first: Duration, every: Duration) {
        run.rest(first).await;
        for job in 1_u32.. {
            if run.is_over() || !run.takes_a_job() {
                return;
            }
            let begun = Instant::now();
            let answer = run.counted(api.generate(&self.token).await);
            let id = answer.data().and_then(|data| data["processId"].as_str());
            if let Some(id) = id {
                run.measured.borrow_mut().accepted();
                self.open.replace(Some(id.to_owned()));
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
                    self.open.replace(None);
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
