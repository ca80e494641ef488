//! The end: what still runs is cancelled, for it is paid for, and what was asked for and never
//! answered is looked up first.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::Run;
use super::api::Api;
use super::measure::{Answer, Outcome};
use super::user::User;
use crate::stack;

/// How long all of it may take.
const LONGEST: Duration = Duration::from_mins(1);
/// How long an API may say nothing to who wants to quit.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// Cancels what the users have left behind. Who has interrupted the run does not wait for an API
/// that says nothing; whoever interrupts now waits for nothing.
pub(super) async fn end(users: &[User], api: &Api, run: &Run) -> anyhow::Result<()> {
    let all = async { join_all(users.iter().map(|user| of_user(user, api, run))).await };
    run.hears();
    let all = stack::unless_interrupted(timeout(LONGEST, Box::pin(all)));
    tokio::select! {
        ended = all => drop(ended?),
        () = silence(run), if run.is_stopped.get() => {}
    }
    let mut measured = run.measured.borrow_mut();
    measured.left(users.iter().flat_map(User::left));
    Ok(())
}

async fn of_user(user: &User, api: &Api, run: &Run) {
    cancel_open(user, api, run).await;
    let lost = user.lost.borrow().clone();
    for wish in lost {
        // The same key gives the job that there is. Where none was made, one is now: it is
        // cancelled before much comes of it.
        let answer = patiently(run, async || api.generate(user.token(), &wish).await).await;
        if answer.is_lost() || matches!(answer.outcome, Outcome::Limited(_)) {
            continue;
        }
        user.lost.borrow_mut().retain(|lost| lost.key != wish.key);
        if let Some(id) = answer.data().and_then(|data| data["processId"].as_str()) {
            run.measured.borrow_mut().found();
            user.open.borrow_mut().push(id.to_owned());
            cancel_open(user, api, run).await;
        }
    }
}

async fn cancel_open(user: &User, api: &Api, run: &Run) {
    let open = user.open.borrow().clone();
    for id in open {
        let answer = patiently(run, async || api.cancel(user.token(), &id).await).await;
        if run.measured.borrow_mut().cancelled_at_the_end(&answer) {
            user.open.borrow_mut().retain(|open| *open != id);
        }
    }
}

/// Asks, and comes again a few times where it is told to, or not answered.
async fn patiently(run: &Run, ask: impl AsyncFn() -> Answer) -> Answer {
    const TRIES: u32 = 5;
    const LONGEST: Duration = Duration::from_secs(10);
    let mut answer = run.heard(ask().await);
    for _ in 1..TRIES {
        if matches!(answer.outcome, Outcome::Well(_) | Outcome::Same) {
            break;
        }
        let wait = answer.retry_after.unwrap_or(Duration::from_secs(1)).min(LONGEST);
        if answer.is_heard() {
            // It has said that it says no more until then.
            run.last_heard.set(Instant::now() + wait);
        }
        sleep(wait).await;
        answer = run.heard(ask().await);
    }
    answer
}

/// Ends when nothing was heard of the API for too long.
async fn silence(run: &Run) {
    loop {
        let since = run.last_heard.get().elapsed();
        match SILENCE.checked_sub(since).filter(|left| !left.is_zero()) {
            Some(left) => sleep(left).await,
            None => return,
        }
    }
}
