//! `GET /status/{processId}`: where a process stands, and when it is worth while to ask again.

use chrono::{DateTime, Utc};
use shared::{
    clock::Clock,
    http::{ETag, Problem, ProcessView, Reply, Request},
    process::{ErrorCode, WaitingReason, admission, estimate},
    store::Polled,
};

use crate::api::Api;

impl Api {
    pub(crate) async fn status(&self, request: &Request) -> Result<Reply, Problem> {
        self.reads.count(&request.caller, self.clock.now())?;
        let id = request.process_id()?;
        let if_none_match = request.if_none_match().unwrap_or_default();
        let known_versions = ETag::known_versions(if_none_match, request.language);
        let polled = self.store.poll(id, &known_versions, &self.terms, self.clock.now()).await?;
        let polled = polled.ok_or(ErrorCode::ProcessingNotFound)?;
        let process = &polled.summary;
        if request.caller.owner().is_some_and(|user| *user != process.user_id) {
            return Err(ErrorCode::Forbidden.into());
        }
        let now = self.clock.now();
        let expected = Expected::of(&polled, now);
        let reply = if polled.known || ETag::is_any(if_none_match) {
            Reply::not_modified()
        } else {
            let view = ProcessView::new(process, request.language)
                .with_result(polled.result.as_ref())
                .with_waiting(polled.waiting)
                .with_estimate(expected.completion);
            Reply::of(200, &view)?
        };
        let reply = reply
            .with_header("etag", &ETag { version: &polled.version, language: request.language })
            // A browser may keep it, if it asks each time whether it is still right.
            .with_header("cache-control", &"private, no-cache");
        Ok(match expected.poll_after {
            Some(seconds) => reply.with_header("retry-after", &seconds),
            None => reply,
        })
    }
}

/// What a client may expect of a process.
struct Expected {
    completion: DateTime<Utc>,
    /// Seconds until the next poll is worth while, while it is active.
    poll_after: Option<i64>,
}

impl Expected {
    fn of(polled: &Polled, now: DateTime<Utc>) -> Self {
        let recent_seconds = polled.recent_seconds;
        match polled.waiting {
            Some(waiting) if waiting.reason != WaitingReason::Starting => {
                let completion = admission::completion_time(waiting, recent_seconds, now);
                let poll_after = Some(estimate::poll_after(completion, now));
                Self { completion, poll_after }
            }
            _ => {
                // How long it waited says nothing of how long it will run.
                let accepted = polled.summary.created_at;
                let began = polled.admitted_at.map_or(accepted, |admitted| admitted.max(accepted));
                let status = polled.summary.status;
                Self {
                    completion: estimate::completion_time(began, recent_seconds, now),
                    poll_after: estimate::poll_after_seconds(status, began, recent_seconds, now),
                }
            }
        }
    }
}
