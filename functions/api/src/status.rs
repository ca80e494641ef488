//! `GET /status/{processId}`: where a process stands, and when it is worth while to ask again.

use shared::{
    clock::Clock,
    error_code::ErrorCode,
    estimate,
    http::{Call, ETag, Problem, ProcessView, Reply},
};

use crate::Api;

impl Api {
    pub(crate) async fn status(&self, call: &Call) -> Result<Reply, Problem> {
        let id = call.process_id()?;
        let if_none_match = call.if_none_match().unwrap_or_default();
        let polled = self
            .store
            .poll(id, &ETag::known_versions(if_none_match, call.language))
            .await?
            .ok_or(ErrorCode::ProcessingNotFound)?;
        let process = &polled.process;
        if call.caller.owner().is_some_and(|user| *user != process.user_id) {
            return Err(ErrorCode::Forbidden.into());
        }
        let now = self.clock.now();
        let estimated = estimate::completion_time(process.created_at, polled.recent_seconds, now);
        let reply = if polled.known || ETag::is_any(if_none_match) {
            Reply::not_modified()
        } else {
            Reply::of(200, &ProcessView::new(process, Some(estimated), call.language))?
        };
        let reply = reply
            .with_header("etag", &ETag { version: &polled.version, language: call.language })
            // A browser may keep it, if it asks each time whether it is still right.
            .with_header("cache-control", &"private, no-cache");
        Ok(
            match estimate::poll_after_seconds(
                process.status,
                process.created_at,
                polled.recent_seconds,
                now,
            ) {
                Some(seconds) => reply.with_header("retry-after", &seconds),
                None => reply,
            },
        )
    }
}
