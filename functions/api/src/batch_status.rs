//! `GET /batch/{batchId}`: where the processes of a batch stand.

use shared::{
    clock::Clock,
    http::{BatchView, Problem, Reply, Request},
    process::ErrorCode,
};

use crate::api::Api;

impl Api {
    pub(crate) async fn batch_status(&self, request: &Request) -> Result<Reply, Problem> {
        self.reads.count(&request.caller, self.clock.now())?;
        let id = request.batch_id()?;
        let batch = self.store.find_batch(id).await?.ok_or(ErrorCode::ProcessingNotFound)?;
        if request.caller.owner().is_some_and(|user| *user != batch.user_id) {
            return Err(ErrorCode::Forbidden.into());
        }
        let view = BatchView::new(&batch, request.language);
        let reply = Reply::of(200, &view)?;
        Ok(match view.poll_after(self.clock.now()) {
            Some(seconds) => reply.with_header("retry-after", &seconds),
            None => reply,
        })
    }
}
