//! `GET /status/{processId}`: where a process stands, and when it is worth while to ask again.

use shared::{
    clock::Clock,
    error_code::ErrorCode,
    estimate,
    http::{Call, Problem, ProcessView, Reply},
};

use crate::Api;

impl Api {
    pub(crate) async fn status(&self, call: &Call) -> Result<Reply, Problem> {
        let id = call.process_id()?;
        let seen = self.store.find(id).await?.ok_or(ErrorCode::ProcessingNotFound)?;
        let process = &seen.process;
        if call.caller.owner().is_some_and(|user| *user != process.user_id) {
            return Err(ErrorCode::Forbidden.into());
        }
        let now = self.clock.now();
        let estimated = estimate::completion_time(process.created_at, seen.recent_seconds, now);
        let reply = Reply::of(200, &ProcessView::new(process, Some(estimated), call.language))?;
        Ok(match estimate::poll_after_seconds(process, estimated, now) {
            Some(seconds) => reply.with_header("retry-after", &seconds),
            None => reply,
        })
    }
}
