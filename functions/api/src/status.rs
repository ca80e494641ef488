//! `GET /status/{processId}`: where a process stands, and when it is worth while to ask again.

use shared::{
    clock::Clock,
    http::{ETag, Problem, ProcessView, Reply, Request},
    process::{ErrorCode, estimate},
};

use crate::api::Api;

impl Api {
    pub(crate) async fn status(&self, request: &Request) -> Result<Reply, Problem> {
        let id = request.process_id()?;
        let if_none_match = request.if_none_match().unwrap_or_default();
        let known_versions = ETag::known_versions(if_none_match, request.language);
        let polled =
            self.store.poll(id, &known_versions).await?.ok_or(ErrorCode::ProcessingNotFound)?;
        let process = &polled.summary;
        if request.caller.owner().is_some_and(|user| *user != process.user_id) {
            return Err(ErrorCode::Forbidden.into());
        }
        let now = self.clock.now();
        let (created_at, recent_seconds) = (process.created_at, polled.recent_seconds);
        let reply = if polled.known || ETag::is_any(if_none_match) {
            Reply::not_modified()
        } else {
            let view = ProcessView::new(process, request.language)
                .with_result(polled.result.as_ref())
                .with_estimate(estimate::completion_time(created_at, recent_seconds, now));
            Reply::of(200, &view)?
        };
        let reply = reply
            .with_header("etag", &ETag { version: &polled.version, language: request.language })
            // A browser may keep it, if it asks each time whether it is still right.
            .with_header("cache-control", &"private, no-cache");
        let poll_after =
            estimate::poll_after_seconds(process.status, created_at, recent_seconds, now);
        Ok(match poll_after {
            Some(seconds) => reply.with_header("retry-after", &seconds),
            None => reply,
        })
    }
}
